//! What was decided before about a part of a change: by an earlier judgement, or by a person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::guarded::{Aspect, Claims, Guarded};
use super::meter::{Guard, Meter};
use super::{HoldId, JudgementContext};
use crate::core::model::{AttrPath, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest};

/// What an earlier judgement held. It stays held until it is approved or no longer wanted, whatever else
/// about its entities changes, so that what was stopped as one does not slip through in parts, and does
/// not stop what comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBefore {
    /// The count that was exceeded.
    pub meter: Meter,
    /// What it had left.
    pub limit: u64,
    /// When the judgement was.
    pub since: Timestamp,
    /// What was held, that too which is approved and not made yet: it is held again when the approval
    /// runs out.
    pub claims: Claims,
}

/// Somebody's word that exactly this may be made, each of it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What was shown, without what was made since or is not wanted any more.
    pub claims: Claims,
    /// Who.
    pub by: Arc<str>,
    /// When it was given. Of an approval and a rejection of one claim the later counts.
    pub at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// What the hold was called that it is about; none for an order, which is about no hold.
    pub hold: Option<HoldId>,
}

/// Somebody's word that this may not be made. It lasts for as long as it is wanted; another guarded value asks
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What was shown.
    pub claims: Claims,
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl Approval {
    /// Whether it covers all of this, as it was shown.
    pub fn has_all(&self, claims: &Claims) -> bool {
        claims.iter().all(|(subject, shown)| self.claims.get(subject) == Some(shown))
    }
}

impl Rejection {
    /// Whether it names all of this, as it was shown.
    pub fn has_all(&self, claims: &Claims) -> bool {
        claims.iter().all(|(subject, shown)| self.claims.get(subject) == Some(shown))
    }
}

/// The latest that a person said.
#[derive(Debug, Clone, Copy)]
pub(super) enum OperatorDecision<'a> {
    Approved(&'a Approval),
    Rejected(&'a Rejection),
}

/// What earlier judgements said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Past<'a> {
    Fresh,
    /// May be made, and waits for its turn.
    Cleared,
    /// Belongs to this hold, which is in this place of [`JudgementContext::held`].
    Held(usize, &'a HeldBefore),
    /// Another value of it was rejected: it is never let through unasked.
    Renewed,
}

/// Everything decided before.
pub(super) struct Memory<'a> {
    held: BTreeMap<&'a Guarded, (usize, &'a HeldBefore)>,
    cleared: &'a Claims,
    words: BTreeMap<(&'a Guarded, ChangeDigest), OperatorDecision<'a>>,
    rejected: BTreeSet<&'a Guarded>,
}

impl<'a> Memory<'a> {
    pub(super) fn of(context: &'a JudgementContext, now: Timestamp) -> Self {
        let mut words: BTreeMap<_, OperatorDecision<'a>> = BTreeMap::new();
        for approval in context.approvals.iter().filter(|approval| now < approval.until) {
            for (subject, &shown) in &approval.claims {
                let word =
                    words.entry((subject, shown)).or_insert(OperatorDecision::Approved(approval));
                if word.at() < approval.at {
                    *word = OperatorDecision::Approved(approval);
                }
            }
        }
        let mut rejected = BTreeSet::new();
        // Last, and winning a tie: of two words at one time the careful one counts.
        for rejection in &context.rejections {
            for (subject, &shown) in &rejection.claims {
                rejected.insert(subject);
                let word =
                    words.entry((subject, shown)).or_insert(OperatorDecision::Rejected(rejection));
                if word.at() <= rejection.at {
                    *word = OperatorDecision::Rejected(rejection);
                }
            }
        }
        let mut held = BTreeMap::new();
        for (at, hold) in context.held.iter().enumerate() {
            for subject in hold.claims.keys() {
                held.entry(subject).or_insert((at, hold));
            }
        }
        Self { held, cleared: &context.cleared, words, rejected }
    }

    /// What a person last said: an approval of all of it, or a rejection of any.
    pub(super) fn word<'c>(
        &self,
        claims: impl IntoIterator<Item = (&'c Guarded, ChangeDigest)>,
    ) -> Option<OperatorDecision<'a>> {
        let mut found: Option<OperatorDecision<'a>> = None;
        let mut is_whole = true;
        for (subject, shown) in claims {
            match (self.words.get(&(subject, shown)).copied(), found) {
                (Some(word @ OperatorDecision::Rejected(_)), _) => return Some(word),
                (Some(word), Some(known)) if known.at() >= word.at() => {}
                (Some(word), _) => found = Some(word),
                (None, _) => is_whole = false,
            }
        }
        found.filter(|_| is_whole)
    }

    /// What was judged before. Of a hold and a clearance the hold counts. What was shown counts alone where it
    /// `is_exact`; else another value was not asked for either.
    pub(super) fn past(&self, claims: &[(Guarded, ChangeDigest)], is_exact: bool) -> Past<'a> {
        let held = claims.iter().filter_map(|(subject, shown)| {
            let (at, hold) = self.held.get(subject).copied()?;
            let is_shown = hold.claims.get(subject) == Some(shown);
            (is_shown || !is_exact).then_some((at, hold))
        });
        if let Some((at, hold)) = held.min_by_key(|(at, _)| *at) {
            return Past::Held(at, hold);
        }
        if !is_exact && claims.iter().any(|(subject, _)| self.rejected.contains(subject)) {
            return Past::Renewed;
        }
        let is_cleared =
            |(subject, shown): &(Guarded, ChangeDigest)| self.cleared.get(subject) == Some(shown);
        if claims.iter().all(is_cleared) { Past::Cleared } else { Past::Fresh }
    }

    /// What was held or rejected, and would come about by this change in another way. Whoever may not come back, or not
    /// be taken over, gets no new account in place of the old one, and what nobody may make is not taken over: that
    /// something is not found any more, or found since, is no reason.
    pub(super) fn bar(&self, change: &Change) -> Bar<'a> {
        // As in most turns, and in a first load of half a million changes.
        if self.held.is_empty() && self.rejected.is_empty() {
            return Bar::None;
        }
        let access = [Aspect::Return, Aspect::Value(AttrPath::active())];
        let (waits, rejected) = match change.action {
            Action::Create | Action::GroupCreate => {
                ([&access[..], &[Aspect::Adoption]].concat(), None)
            }
            Action::Adopt if change.takes_access() => (vec![Aspect::Departure], None),
            Action::Adopt | Action::GroupAdopt => (access.to_vec(), Some(Aspect::Creation)),
            _ => return Bar::None,
        };
        let of = |aspect| Guarded::Of { entity: change.entity.clone(), aspect };
        let is_found = rejected.is_some();
        let mut rejected = rejected.into_iter().chain(waits.iter().cloned()).map(of);
        if rejected.any(|guarded| self.rejected.contains(&guarded)) {
            return Bar::Rejected;
        }
        let mut held = waits.into_iter().map(of);
        let held = held.find_map(|guarded| self.held.get(&guarded).copied());
        // What would be made in place of an adoption may be found again.
        let made = is_found.then(|| self.held.get(&of(Aspect::Creation)).copied()).flatten();
        let made = made.filter(|(_, hold)| hold.meter.guard != Guard::Create);
        held.or(made).map_or(Bar::None, |(at, hold)| Bar::Held(at, hold))
    }

    /// Whether what has no limit of its own now was held or rejected as what it is.
    pub(super) fn is_undecided(&self, change: &Change) -> bool {
        let of = |aspect| Guarded::Of { entity: change.entity.clone(), aspect };
        match change.action {
            Action::Create | Action::GroupCreate => {
                let creation = of(Aspect::Creation);
                self.held.contains_key(&creation) || self.rejected.contains(&creation)
            }
            // What was held as an adoption is let go of by `adopt = "automatic"`.
            Action::Adopt | Action::GroupAdopt => {
                let adoption = of(Aspect::Adoption);
                let held = self.held.get(&adoption);
                self.rejected.contains(&adoption)
                    || held.is_some_and(|(_, held)| held.meter.guard != Guard::Adopt)
            }
            _ => false,
        }
    }
}

/// Whether another way to the same end is barred.
pub(super) enum Bar<'a> {
    None,
    /// Somebody has rejected it.
    Rejected,
    /// It waits for a word, in this place of [`JudgementContext::held`].
    Held(usize, &'a HeldBefore),
}

impl OperatorDecision<'_> {
    fn at(self) -> Timestamp {
        match self {
            Self::Approved(approval) => approval.at,
            Self::Rejected(rejection) => rejection.at,
        }
    }
}
