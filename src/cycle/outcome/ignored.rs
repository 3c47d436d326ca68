//! Ignored: changes that the target confirms and does not make, all of them or some. They are sent again,
//! three times in all; what the target takes from nobody is not tried on each.
//!
//! `active` is not among them: a deactivation that does not show goes to escrow at once.

use std::collections::{BTreeMap, BTreeSet};

use super::PendingEscrow;
use crate::core::model::{AttrPath, Attributes, Datum, Entity, PersonId};
use crate::core::plan::same;
use crate::cycle::Engine;
use crate::cycle::records::Key;

/// A change that does not show is sent so often.
const SENT_MAX: u32 = 3;

/// Changes that the target confirmed and did not make.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Ignored {
    /// How often, by account and attribute.
    of: BTreeMap<(PersonId, AttrPath), u32>,
    /// How often in a row over all accounts: an attribute that the target never takes is not tried on
    /// each of them.
    anywhere: BTreeMap<AttrPath, u32>,
    told: BTreeSet<AttrPath>,
    /// To whom an attribute is not sent again, because the target seems to take it from nobody.
    given_up: BTreeMap<AttrPath, BTreeSet<PersonId>>,
}

impl Engine {
    /// What the target holds after it confirmed `sent`, seen from `held` before: what still shows its
    /// old value is taken for not done, and planned again. After [`SENT_MAX`] times it goes to escrow; an
    /// attribute that the target takes from nobody counts as done, and is told once. It counts as not
    /// done after all when the target takes it from somebody: a few bad answers in a row are no habit.
    pub(super) fn kept(
        &mut self,
        person: PersonId,
        held: &Attributes,
        mut sent: Attributes,
        shown: &Attributes,
    ) -> Attributes {
        let mut stubborn = Vec::new();
        let mut taken = Vec::new();
        for (path, value) in sent.iter_mut() {
            let Some(now) = shown.get(path) else { continue };
            let key = (person, path.clone());
            let before = held.get(path).unwrap_or(&Datum::Null);
            if same(path, value, now) {
                self.ignored.of.remove(&key);
                self.ignored.anywhere.remove(path);
                if self.ignored.given_up.contains_key(path) && !same(path, before, now) {
                    taken.push(path.clone());
                }
                continue;
            }
            // Another value than either is the target's own spelling.
            if *path == AttrPath::active() || !same(path, before, now) {
                continue;
            }
            let anywhere = self.ignored.anywhere.entry(path.clone()).or_default();
            *anywhere = anywhere.saturating_add(1);
            let times = self.ignored.of.entry(key).or_default();
            *times = times.saturating_add(1);
            if *anywhere > *times && *anywhere >= SENT_MAX {
                if self.ignored.told.insert(path.clone()) {
                    tracing::warn!(
                        "the target ignores {path}: it confirms the change and shows the old value; it \
                         is not sent again. Leave it out of [targets.*.account], or ask the platform why"
                    );
                }
                self.ignored.given_up.entry(path.clone()).or_default().insert(person);
                continue;
            }
            if *times >= SENT_MAX {
                stubborn.push(path.to_string());
            }
            value.clone_from(now);
        }
        if !stubborn.is_empty() {
            let reason = format!(
                "the target ignores {}: it confirmed the change {SENT_MAX} times and shows the old value",
                stubborn.join(", ")
            );
            let pending = PendingEscrow { words: reason.into(), only: None };
            self.pending_escrow.insert(Entity::Account(person), pending);
        }
        for path in taken {
            self.send_after_all(&path);
        }
        sent
    }

    /// The target takes the attribute from somebody: what was given up for others is planned again, but
    /// for those to whom it was sent often enough.
    fn send_after_all(&mut self, path: &AttrPath) {
        self.ignored.told.remove(path);
        for person in self.ignored.given_up.remove(path).unwrap_or_default() {
            let times = self.ignored.of.get(&(person, path.clone())).copied().unwrap_or_default();
            let entry = self.state.ledger.accounts.get_mut(&person);
            let Some(entry) = entry.filter(|_| times < SENT_MAX) else { continue };
            let Some(shown) = entry.answered.remove(path) else { continue };
            entry.sent.insert(path.clone(), shown);
            self.state.mark(Key::Account(person));
            self.touch(Entity::Account(person));
            self.judge_due = true;
        }
    }
}
