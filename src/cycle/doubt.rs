//! Doubt: what is done where the target's answer does not settle a change.
//!
//! A change whose answer was lost is not sent again as it was: the account or group is read first. A
//! change that was confirmed but does not show is sent again, three times in all. A read that answers for
//! something else settles nothing. A target without a seat left gets no creates for a while, and everything
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::apply::{ReadBack, resolve};
use crate::core::model::{AttrPath, Attributes, Datum, Entity, GroupKey, PersonId};
use crate::core::plan::{Action, Change, same};
use crate::scim::ScimError;

/// A change that does not show is sent so often.
const SENT_MAX: u32 = 3;
/// A target that is full is asked again after this: seats are bought or freed by people.
const SEATS_RETRY: Duration = Duration::from_secs(15 * 60);

/// Changes that the target confirmed and did not make.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// How often, by account and attribute.
    of: BTreeMap<(PersonId, AttrPath), u32>,
    /// How often in a row over all accounts: an attribute that the target never takes is not tried on
    /// each of them.
    anywhere: BTreeMap<AttrPath, u32>,
    told: BTreeSet<AttrPath>,
}

impl Engine {
    /// The account read that is due, if one is.
    pub(super) fn next_account_read(&mut self) -> Option<(Duration, PersonId)> {
        let now = self.clock.elapsed();
        let due = self.account_reads.iter().find(|(_, due)| **due <= now);
        let (person, due) = due.map(|(person, due)| (*person, *due))?;
        self.account_reads.remove(&person);
        Some((due, person))
    }

    /// An account could not be read.
    pub(super) fn on_account_unread(&mut self, person: PersonId, error: &ScimError) {
        if error.passes() {
            self.target_failed(error);
            let now = self.clock.elapsed();
            self.account_reads.insert(person, now + Duration::from_secs(1));
            return;
        }
        let entity = Entity::Account(person);
        let cleared = self.queue.cleared(&entity).cloned();
        self.escrow(&entity, cleared.as_ref(), &error.to_string());
        self.queue.release(&entity);
    }

    /// A group cannot be read, so that none of its memberships can be changed safely.
    pub(super) fn group_is_unreadable(&mut self, key: &GroupKey, why: &ReadBack, error: &ScimError) {
        if let ReadBack::Prove { form, .. } = why {
            self.proving.remove(form);
        }
        let words = error.to_string();
        for entity in self.queue.memberships_of(key) {
            let cleared = self.queue.cleared(&entity).cloned();
            self.escrow(&entity, cleared.as_ref(), &words);
        }
        self.queue.release(&Entity::Group(key.clone()));
    }

    /// Records the change that an account waits for, if what the target shows is what it asked for: its
    /// answer was lost.
    pub(super) fn note_if_done(&mut self, entity: &Entity, shown: &Attributes) {
        let Some(cleared) = self.queue.cleared(entity).cloned() else { return };
        let wanted = resolve(&cleared.change().after, &self.state.ledger);
        let done = wanted.iter().all(|(path, wanted)| {
            same(path, wanted, shown.get(path).unwrap_or(&Datum::Null))
        });
        if done && wanted.len() == cleared.change().after.len() {
            self.record(&cleared, None);
            self.tries.remove(entity);
            self.state.release_escrow(entity);
        }
    }

    /// A deleted account is nobody's member; the one that is made in its place has to be put into its
    /// groups anew.
    pub(super) fn forget_memberships(&mut self, person: PersonId) {
        let groups: Vec<GroupKey> = self.state.ledger.groups_of(person).cloned().collect();
        for key in groups {
            self.state.drop_member(&key, person);
            self.touch(Entity::Member(key, person));
        }
    }

    /// What the target holds after it confirmed `sent`, seen from `held` before: what still shows its
    /// old value is taken for not done, and planned again. After [`SENT_MAX`] times it goes to escrow; an
    /// attribute that the target takes from nobody counts as done, and is told once.
    pub(super) fn kept(
        &mut self,
        person: PersonId,
        held: &Attributes,
        mut sent: Attributes,
        shown: &Attributes,
    ) -> Attributes {
        let mut stubborn = Vec::new();
        for (path, value) in &mut sent {
            let Some(now) = shown.get(path) else { continue };
            let key = (person, path.clone());
            let before = held.get(path).unwrap_or(&Datum::Null);
            if same(path, value, now) {
                self.ignored.of.remove(&key);
                self.ignored.anywhere.remove(path);
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
            self.pending_escrow.insert(Entity::Account(person), reason);
        }
        sent
    }

    /// The target takes no further account. One message, and nothing but creates waits.
    pub(super) fn on_no_seat(&mut self, words: &str) {
        if self.no_seats.is_none() {
            tracing::error!(
                "the target has no seat left: {words}; Manntall makes no accounts there for {} \
                 minutes, and everything else goes on. Free seats or buy more",
                SEATS_RETRY.as_secs() / 60
            );
        }
        self.no_seats = Some((self.clock.elapsed() + SEATS_RETRY, words.to_owned()));
        self.judge_due = true;
    }

    /// Takes creates of accounts out of the plan while there is no seat for them.
    pub(super) fn leave_out_creates(&mut self, changes: &mut BTreeMap<Entity, Change>) {
        let Some((until, _)) = self.no_seats else { return };
        if until <= self.clock.elapsed() {
            self.no_seats = None;
            return;
        }
        let is_create = |entity: &Entity, action| {
            matches!(entity, Entity::Account(_)) && action == Action::Create
        };
        changes.retain(|entity, change| !is_create(entity, change.action));
        self.escrow_due = Some(self.escrow_due.map_or(until, |first| first.min(until)));
    }
}
