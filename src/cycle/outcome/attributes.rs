//! Attributes: what the target refuses or ignores, for one person or for everybody.
//!
//! What it does not take from anybody is not sent any more, until the rules or the dialect change, somebody
//! says `retry`, or a week is over. Whether a value can be set in a create, in a change, and cleared, are
//! three questions: many targets answer them differently. What it has once taken is never left out for
//! everybody because of one refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::lag::Lag;
use super::members::{AdoptedWith, Others};
use super::repeats::Repeats;
use super::stranger::Newcomer;
use super::stuck::VainCreate;
use crate::core::model::{
    AttrPath, Attributes, Datum, Entity, GroupKey, LeftOut, PersonId, ScimId, Use, WhyLeftOut,
};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;
use crate::cycle::update::Refused;
use crate::scim::dialect::{ClearValue, UpdateMethod};
use crate::scim::{Extent, ScimError, Words};

/// What is left out for everybody is tried again after this.
const TRIED_AGAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// From so many people in a row an attribute was not taken, before it counts as taken from nobody: what is
/// ignored, or not found by a value filter.
const PEOPLE_MIN: usize = 3;
/// The same where a value is refused, and where the target ignores in changes what it took in a create.
const VALUES_MIN: usize = 10;

/// What is known of attributes beside the ledger.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Attention {
    /// From whom an attribute was not taken, since it was taken from somebody.
    in_row: BTreeMap<(AttrPath, Use), BTreeSet<PersonId>>,
    /// The attributes that are left out, as the plan knows them.
    planned: BTreeSet<(AttrPath, Use)>,
    /// Digest of the rules and the dialect.
    rules: Option<ChangeDigest>,
    /// Creates that were answered without success and, as it turned out, not made.
    pub(super) vain_creates: BTreeMap<Entity, VainCreate>,
    /// What the creates of others may have been written to.
    pub(super) merged: BTreeSet<Entity>,
    /// Creates that were answered with the id of somebody of ours, by whose id it was.
    pub(super) newcomers: BTreeMap<PersonId, Newcomer>,
    /// Under the id of what of ours another one was read last.
    pub(in crate::cycle) strangers: BTreeMap<Entity, ScimId>,
    /// When each group was found to be ours.
    pub(super) known_groups: BTreeMap<GroupKey, Duration>,
    /// Who was in the groups that are being adopted.
    pub(super) adopted_with: AdoptedWith,
    /// Memberships that the target said are there when it refused them, and does not show.
    pub(super) by_word: BTreeSet<Entity>,
    /// Whether changes of some members have left the others where they were.
    pub(super) others: Others,
    /// How far reads of groups are behind.
    pub(in crate::cycle) lag: Lag,
    /// What was made last of each account and group.
    pub(super) repeats: Repeats,
}

impl Engine {
    /// Takes out what the target does not take of an account. What it makes of groups is another question:
    /// the plan leaves nothing out of them, and nor does this.
    pub(in crate::cycle) fn without_left_out(
        &self,
        change: &Change,
        mut wanted: Attributes,
    ) -> Attributes {
        let ledger = &self.state.ledger;
        if !ledger.left_out.is_empty() && matches!(change.entity, Entity::Account(_)) {
            let is_create = change.action == Action::Create;
            drop(wanted.take_if(|path, value| {
                ledger.is_left_out(path, Use::of(is_create, value.is_unassigned()))
            }));
        }
        wanted
    }

    /// What is left out for too long, or under other rules, is sent again; a plan that knows something else
    /// of this is made anew.
    pub(in crate::cycle) fn review_left_out(&mut self) {
        if self.state.ledger.left_out.is_empty()
            && self.target.refusals.attention.planned.is_empty()
        {
            return;
        }
        let (now, rules) = (self.clock.now(), self.target.attribute_rules());
        let over = self.state.ledger.left_out.extract_if(.., |_, left| {
            let is_early = left.until.since(now) > TRIED_AGAIN;
            left.until <= now || is_early || left.rules != rules
        });
        let over: Vec<(AttrPath, Use)> = over.map(|(key, _)| key).collect();
        for key in over {
            self.target.refusals.attention.in_row.remove(&key);
            self.state.mark(Key::LeftOut(key.0, key.1));
        }
        let known: BTreeSet<_> = self.state.ledger.left_out.keys().cloned().collect();
        if known != self.target.refusals.attention.planned {
            self.target.refusals.attention.planned = known;
            self.target.planning.touched = None;
            self.target.planning.judge_due = true;
        }
    }

    /// The target has taken the attribute from somebody.
    pub(super) fn on_attribute_taken(&mut self, path: &AttrPath, use_: Use) {
        let key = (path.clone(), use_);
        self.target.refusals.attention.in_row.remove(&key);
        if self.state.ledger.left_out.remove(&key).is_some() {
            self.state.mark(Key::LeftOut(key.0.clone(), key.1));
        }
        if self.state.target.taken.insert(key) {
            self.state.mark(Key::Target);
        }
    }

    /// The target has not taken the attribute from this person; whether it is left out for everybody.
    pub(super) fn is_taken_from_nobody(
        &mut self,
        person: PersonId,
        (path, use_): (&AttrPath, Use),
        why: (WhyLeftOut, usize),
        words: &Words,
    ) -> bool {
        let key = (path.clone(), use_);
        if *path == AttrPath::user_name() || *path == AttrPath::active() {
            return false;
        }
        let (why, mut least) = why;
        if self.state.target.taken.contains(&key) {
            if why == WhyLeftOut::Ignored || least > PEOPLE_MIN {
                return false;
            }
            least = PEOPLE_MIN;
        }
        // What it stores in a create it knows: a few bad answers to changes are no habit.
        let is_known = self.state.target.taken.contains(&(path.clone(), Use::Create));
        if use_ == Use::Change && why == WhyLeftOut::Ignored && is_known {
            least = VALUES_MIN;
        }
        let people = self.target.refusals.attention.in_row.entry(key.clone()).or_default();
        people.insert(person);
        let met = people.len();
        if met < least && !self.state.ledger.left_out.contains_key(&key) {
            return false;
        }
        let now = self.clock.now();
        let rules = self.target.attribute_rules();
        let known = self.state.ledger.left_out.get(&key);
        let left = LeftOut {
            why,
            reason: words.to_string(),
            told: words.told().map(str::to_owned),
            since: known.map_or(now, |known| known.since),
            until: known.map_or(now.plus(TRIED_AGAIN), |known| known.until),
            people: u64::try_from(met).unwrap_or(u64::MAX),
            rules,
        };
        if known.is_none() {
            tracing::warn!(
                "the platform does not take {path} {use_}: {words}. It is not sent any more, and everything else is; see: manntall stuck"
            );
        }
        self.state.target.taken.remove(&key);
        self.state.mark(Key::Target);
        self.state.ledger.left_out.insert(key.clone(), left);
        self.state.mark(Key::LeftOut(key.0, key.1));
        true
    }

    /// Takes in what the target refused of one account. What is not left out for everybody is why it is
    /// stuck.
    pub(super) fn on_refused(
        &mut self,
        person: PersonId,
        refused: &[Refused],
        is_create: bool,
    ) -> Option<Words> {
        let mut stuck: Option<Words> = None;
        for Refused { attributes, error } in refused {
            let extent = error.about().map_or(Extent::Value, |about| about.extent);
            let mut paths = Vec::new();
            for (path, value) in attributes {
                let is_unfound = extent == Extent::Element && !value.is_unassigned();
                if is_unfound && self.is_doubt_over(person, path) {
                    continue;
                }
                let use_ = Use::of(is_create, value.is_unassigned());
                let hint = self.target.hint(path, use_, extent);
                let words = Words::from(error);
                let words = words.in_words(format!("{words}; {hint}"));
                let least = match extent {
                    Extent::Attribute => 1,
                    Extent::Element => PEOPLE_MIN,
                    Extent::Value => VALUES_MIN,
                };
                let is_tried = !matches!(error, ScimError::Unavailable { .. });
                let why = (WhyLeftOut::Refused, least);
                if !(is_tried && self.is_taken_from_nobody(person, (path, use_), why, &words)) {
                    paths.push((path, hint));
                }
            }
            let Some((_, hint)) = paths.last() else { continue };
            let hint = hint.clone();
            let paths: Vec<&str> = paths.iter().map(|(path, _)| path.as_str()).collect();
            let name = attributes.get(&AttrPath::user_name()).and_then(Datum::as_text);
            let taken = name.and_then(|name| self.login_name_of_ours(person, name));
            let plain = match taken {
                Some(owner) => format!("{}: {owner}", paths.join(", ")),
                None => format!("{}: {error}; {hint}", paths.join(", ")),
            };
            let plain = match &stuck {
                Some(before) => format!("{before}. {plain}"),
                None => plain,
            };
            let told = stuck.as_ref().and_then(Words::told).or(error.told());
            stuck = Some(Words::new(plain, told.map(str::to_owned)));
        }
        stuck
    }

    /// The target does not find an element that was in doubt: it is not there, and that was the question. So it is
    /// added as a new one.
    fn is_doubt_over(&mut self, person: PersonId, path: &AttrPath) -> bool {
        let entry = self.state.ledger.accounts.get_mut(&person);
        let is_over = entry.is_some_and(|entry| entry.doubted.remove(path).is_some());
        if is_over {
            self.state.mark(Key::Account(person));
            self.target.touch(Entity::Account(person));
        }
        is_over
    }
}

impl TargetLoop {
    /// Digest of what decides how attributes are sent.
    fn attribute_rules(&mut self) -> ChangeDigest {
        let TargetLoop { refusals, policy, dialect, .. } = self;
        *refusals.attention.rules.get_or_insert_with(|| {
            let account: Vec<(&str, &str)> =
                policy.account.iter().map(|(path, rule)| (path.as_str(), rule.text())).collect();
            ChangeDigest::of(&(format!("{dialect:?}"), account))
        })
    }

    /// What helps, by the key that it is set with.
    fn hint(&self, path: &AttrPath, use_: Use, extent: Extent) -> String {
        let dialect = &self.dialect;
        let text = match (use_, extent) {
            (Use::Clear, _) => return hint_to_clear(dialect.clear_value).to_owned(),
            (Use::Change, Extent::Element) if dialect.update_method == UpdateMethod::Patch => {
                "set update_method = \"put_merge\" under [targets.*.dialect] if it does not find \
                 elements by their type"
            }
            _ if *path == AttrPath::active() => {
                "nothing in Entra helps: set it on the platform by hand, or ask the platform why it refuses; \
                 until then the account stays as it is, and it is tried again"
            }
            _ if *path == AttrPath::user_name() => {
                "change the value in Entra, or userName under [targets.*.account]"
            }
            (_, Extent::Value) => {
                "change the value in Entra, or the attribute under [targets.*.account]"
            }
            _ => "leave it out of [targets.*.account], or ask the platform",
        };
        text.to_owned()
    }
}

/// What helps where a value is not cleared.
pub(super) fn hint_to_clear(clear: ClearValue) -> &'static str {
    match clear {
        ClearValue::Remove => {
            "it is cleared with `remove`; where a platform takes an empty text instead, set \
             clear_value = \"replace_empty\" under [targets.*.dialect]"
        }
        ClearValue::ReplaceEmpty => {
            "it is cleared with an empty text; where a platform takes `remove` instead, set \
             clear_value = \"remove\" under [targets.*.dialect]"
        }
    }
}
