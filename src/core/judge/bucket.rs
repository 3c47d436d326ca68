//! Sorts what a guard limits: what is cleared, and what waits together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::guarded::Guarded;
use super::limit::{Reading, left};
use super::memory::{Bar, Memory, OperatorDecision, Past};
use super::meter::{Guard, Meter, Of};
use super::part::{Extent, Part, instead, parts};
use super::{HeldBefore, JudgementContext};
use crate::core::model::{Entity, GroupKey, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest, Changes};
use crate::core::policy::Budgets;

/// A part of a change that at least one meter counts.
pub(super) struct Limited<'a> {
    pub(super) entity: &'a Entity,
    pub(super) extent: Extent,
    pub(super) claims: Vec<(Guarded, ChangeDigest)>,
    pub(super) word: Option<OperatorDecision<'a>>,
    pub(super) meters: Vec<Meter>,
    /// The count of the group that gets smaller by it, where another guard asks about it.
    shrinks: Option<Meter>,
    past: Past<'a>,
    /// Whether it is not counted: it takes from somebody once more what the day has counted already, or cannot be made
    /// before the rest of its change, which waits.
    is_uncounted: bool,
}

/// What waits, or waited until it was approved, for the same reason and equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HoldBucket<'a> {
    pub(super) meter: &'a Meter,
    pub(super) since: Timestamp,
    pub(super) limit: u64,
    /// The place of the earlier hold that it continues; two of them never merge.
    before: Option<usize>,
}

impl<'a> HoldBucket<'a> {
    /// The bucket that goes on where an earlier hold was, in this place of [`JudgementContext::held`].
    pub(super) fn after(at: usize, held: &'a HeldBefore) -> Self {
        let HeldBefore { meter, limit, since, claims: _ } = held;
        Self { meter, since: *since, limit: *limit, before: Some(at) }
    }
}

/// All meters that count something in this judgement.
pub(super) type Readings<'a> = BTreeMap<&'a Meter, Reading>;

/// What is judged by itself, in the order of the plan.
pub(super) fn limited<'a>(
    changes: &'a Changes,
    context: &'a JudgementContext,
    memory: &Memory<'a>,
) -> Vec<Limited<'a>> {
    let own = changes.values().filter(|change| !change.is_follower());
    own.flat_map(|change| {
        let bar = memory.bar(change);
        let is_instead = !matches!(bar, Bar::None);
        let mut parts = parts(change, context);
        let is_new = matches!(change.action, Action::Create | Action::GroupCreate);
        let is_open = is_instead || memory.is_undecided(change);
        if (is_instead && is_new) || (is_open && parts.is_empty()) {
            parts = vec![instead(change)];
        }
        let mut items: Vec<_> = parts
            .into_iter()
            .map(|Part { extent, claims, mut meters }| {
                let mut shrinks = None;
                if claims.iter().any(|(subject, _)| context.resting.contains(subject)) {
                    // It waits for a word of its own, and uses up nobody's budget.
                    shrinks = meters.into_iter().find(|meter| meter.guard == Guard::GroupShrink);
                    meters = vec![Meter::of_rules(&change.entity)];
                }
                let named = claims.iter().map(|(subject, shown)| (subject, *shown));
                let word = memory.word(named);
                // What is taken over as inactive is another matter than what is taken over.
                let is_exact = change.action == Action::Adopt && change.takes_access();
                let past = match (memory.past(&claims, is_exact), &bar) {
                    (Past::Fresh | Past::Cleared, Bar::Rejected) => Past::Renewed,
                    (Past::Fresh | Past::Cleared, &Bar::Held(at, hold)) => Past::Held(at, hold),
                    (past, _) => past,
                };
                let is_uncounted = change.action == Action::Deactivate
                    && meters.iter().all(|meter| meter.guard == Guard::Deactivate)
                    && context.is_departed(&change.entity);
                let entity = &change.entity;
                Limited { entity, extent, claims, word, meters, shrinks, past, is_uncounted }
            })
            .collect();
        let core_waits = items.iter().any(Limited::is_waiting_core);
        for item in &mut items {
            item.is_uncounted |= core_waits && item.extent != Extent::Core;
        }
        items
    })
    .collect()
}

/// Reads every meter once.
pub(super) fn readings<'a>(
    limited: &'a [Limited<'_>],
    changes: &Changes,
    context: &JudgementContext,
    budgets: &Budgets,
) -> Readings<'a> {
    let mut readings = Readings::new();
    for item in limited {
        if let (Some(meter), true) = (&item.shrinks, item.is_approved()) {
            readings.entry(meter).or_default().approved += 1;
        }
        for meter in &item.meters {
            let reading = readings.entry(meter).or_default();
            match (item.word, item.past) {
                (Some(OperatorDecision::Approved(_)), _) => reading.approved += 1,
                (None, Past::Fresh | Past::Cleared) if item.is_uncounted => {}
                (None, Past::Fresh) => reading.fresh += 1,
                (None, Past::Cleared) => reading.queued += 1,
                (Some(OperatorDecision::Rejected(_)), _)
                | (None, Past::Held(..) | Past::Renewed) => {}
            }
        }
    }
    let mut leave: BTreeMap<&GroupKey, u64> = BTreeMap::new();
    let waiting = limited.iter().filter(|item| item.is_waiting_core());
    let waiting: BTreeSet<&Entity> = waiting.map(|item| item.entity).collect();
    let leaves = |change: &&Arc<Change>| {
        change.action == Action::MemberRemove
            && change.is_follower()
            && !change.leaders().any(|leader| waiting.contains(&leader))
    };
    for change in changes.values().filter(leaves) {
        if let Entity::Member(group, _) = &change.entity {
            *leave.entry(group).or_default() += 1;
        }
    }
    for (meter, reading) in &mut readings {
        if let Of::Group(group) = &meter.of {
            reading.following = leave.get(group).copied().unwrap_or(0);
        }
        reading.left = left(meter, reading, context, budgets);
    }
    readings
}

impl Limited<'_> {
    /// Where it waits, or waited until it was approved.
    pub(super) fn bucket<'a>(
        &'a self,
        readings: &Readings<'a>,
        now: Timestamp,
    ) -> Option<HoldBucket<'a>> {
        let mut read = self.meters.iter().filter_map(|meter| Some((meter, readings.get(meter)?)));
        let (since, (meter, reading)) = match (self.word, self.past) {
            (_, Past::Held(at, held)) => return Some(HoldBucket::after(at, held)),
            (Some(OperatorDecision::Approved(_)), _) | (None, Past::Cleared) => return None,
            (None, Past::Fresh) if self.is_uncounted => return None,
            (Some(OperatorDecision::Rejected(rejection)), _) => (rejection.at, read.next()?),
            (None, Past::Renewed) => {
                let meter = read.next()?.0;
                return Some(HoldBucket { meter, since: now, limit: 0, before: None });
            }
            (None, Past::Fresh) => (now, read.find(|(_, reading)| reading.fresh > reading.left)?),
        };
        let limit = if reading.left == u64::MAX { 0 } else { reading.left };
        Some(HoldBucket { meter, since, limit, before: None })
    }

    /// Whether the change as a whole waits, by what was said or held before.
    fn is_waiting_core(&self) -> bool {
        let waits = matches!(
            (self.word, self.past),
            (Some(OperatorDecision::Rejected(_)), _) | (None, Past::Held(..) | Past::Renewed)
        );
        self.extent == Extent::Core && waits
    }

    /// Whether somebody has approved it.
    pub(super) fn is_approved(&self) -> bool {
        matches!(self.word, Some(OperatorDecision::Approved(_)))
    }
}
