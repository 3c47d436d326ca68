//! Ignored: changes that the target confirms and does not make, all of them or some. They are sent again,
//! three times in all, and then ever more seldom; what the target takes from nobody is not tried on each.
//!
//! `active` is not among them: where it does not show, it goes to escrow at once, in a change and in a create.
//! Nor is a login name on a target that makes names of its own: nobody is stuck for what it keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::PendingEscrow;
use super::attributes::hint_to_clear;
use crate::core::judge::Cleared;
use crate::core::model::{AttrPath, Attributes, Datum, Entity, PersonId, Use, WhyLeftOut};
use crate::core::plan::same;
use crate::cycle::Engine;
use crate::cycle::target::TargetLoop;
use crate::scim::Words;

/// A change that does not show is sent so often, and so many people in a row make a habit.
const SENT_MAX: u32 = 3;
/// So often in a row a read has to agree with an answer, or not, before no more reads are made for it.
const CHECKED_MIN: u32 = 3;

/// Changes that the target confirmed and did not make.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Ignored {
    /// How often, by account and attribute.
    of: BTreeMap<(PersonId, AttrPath), u32>,
    /// How often in a row a read said what the answer had said, and how often something else.
    checked: BTreeMap<AttrPath, (u32, u32)>,
}

impl Ignored {
    /// The attributes of which answers say what reads say, and those which answers do not tell.
    pub(in crate::cycle) fn checked(&self) -> [BTreeSet<AttrPath>; 2] {
        let of = |times: fn(&(u32, u32)) -> u32| {
            let known = self.checked.iter().filter(|(_, counts)| times(counts) >= CHECKED_MIN);
            known.map(|(path, _)| path.clone()).collect()
        };
        [of(|(agreed, _)| *agreed), of(|(_, differed)| *differed)]
    }

    /// Notes whether a read agreed with the answer before it.
    pub(super) fn note_checked(&mut self, checked: &[(AttrPath, bool)]) {
        for (path, agrees) in checked {
            let (agreed, differed) = self.checked.entry(path.clone()).or_default();
            let (more, none) = if *agrees { (agreed, differed) } else { (differed, agreed) };
            (*more, *none) = (more.saturating_add(1), 0);
        }
    }
}

/// What came of a change that the target confirmed.
pub(super) struct Kept {
    /// What it holds.
    pub(super) attributes: Attributes,
    /// What it ignored.
    pub(super) ignored: BTreeSet<AttrPath>,
}

impl Engine {
    /// What the target holds after it confirmed `sent`, seen from `held` before: what still shows its
    /// old value was not done, and is planned again. After [`SENT_MAX`] times it goes to escrow, at once
    /// where it was there before; an attribute that the target takes from nobody is left out for all.
    pub(super) fn kept(
        &mut self,
        person: PersonId,
        held: &Attributes,
        (mut sent, shown): (Attributes, &Attributes),
        (is_create, cleared): (bool, Option<&Cleared>),
    ) -> Kept {
        let entity = Entity::Account(person);
        let digest = cleared.map(|cleared| cleared.change().digest());
        let escrow = self.state.ledger.escrow.get(&entity);
        let is_stuck = escrow.is_some_and(|known| Some(known.change) == digest);
        let mut stubborn = Vec::new();
        let mut ignored = BTreeSet::new();
        for (path, value) in sent.iter_mut() {
            let Some(now) = shown.get(path) else { continue };
            let use_ = Use::of(is_create, value.is_unassigned());
            let key = (person, path.clone());
            let before = held.get(path).unwrap_or(&Datum::Null);
            if same(path, value, now) {
                self.target.refusals.ignored.of.remove(&key);
                if !same(path, before, now) {
                    self.on_attribute_taken(path, use_);
                }
                continue;
            }
            // Another value than either is the target's own spelling.
            if *path == AttrPath::active() || !same(path, before, now) {
                continue;
            }
            let words = Words::from(self.target.words_of_ignored(use_));
            let why = (WhyLeftOut::Ignored, SENT_MAX as usize);
            if !self.is_taken_from_nobody(person, (path, use_), why, &words) {
                let times = self.target.refusals.ignored.of.entry(key).or_default();
                *times = times.saturating_add(1);
                if is_stuck || *times >= SENT_MAX {
                    if *path == AttrPath::user_name() && self.makes_own_names() {
                        continue;
                    }
                    stubborn.push((path.to_string(), use_));
                }
            }
            value.clone_from(now);
            ignored.insert(path.clone());
        }
        if let Some((_, use_)) = stubborn.last() {
            let names: Vec<&str> = stubborn.iter().map(|(path, _)| path.as_str()).collect();
            let reason = format!(
                "the platform ignores {}: {}",
                names.join(", "),
                self.target.words_of_ignored(*use_)
            );
            let pending = PendingEscrow { words: reason.into(), only: None };
            self.target.refusals.pending.insert(entity, pending);
        }
        Kept { attributes: sent, ignored }
    }

    /// Whether the target is known to keep other login names than those that it confirms: it has made
    /// another of one that was sent, or kept the names of several people.
    fn makes_own_names(&self) -> bool {
        let name = AttrPath::user_name();
        let is_kept = |((_, path), times): &(&(PersonId, AttrPath), &u32)| {
            *path == name && **times >= SENT_MAX
        };
        self.target.refusals.ignored.of.iter().filter(is_kept).count() >= SENT_MAX as usize
            || self.state.ledger.accounts.values().any(|entry| entry.answered.contains_key(&name))
    }
}

impl TargetLoop {
    fn words_of_ignored(&self, use_: Use) -> String {
        let shows = "it confirms the change and shows the old value";
        match use_ {
            Use::Clear => {
                let hint = hint_to_clear(self.dialect.clear_value);
                format!("{shows}, although it may take other values; {hint}")
            }
            Use::Create | Use::Change => {
                format!("{shows}; leave it out of [targets.*.account], or ask the platform why")
            }
        }
    }
}
