//! Memberships on the target, and those that it does not show.

use std::time::Duration;

use super::State;
use crate::core::model::{AttrPath, Attributes, Datum, Entity, GroupKey, PersonId, Unseen};
use crate::cycle::records::{Key, bucket, is_split};

impl State {
    /// Notes a membership that the target confirmed.
    pub fn put_member(&mut self, key: &GroupKey, person: PersonId) {
        self.ledger.put_member(key, person);
        self.mark_member(key, person);
    }

    /// Notes the end of a membership that the target confirmed.
    pub fn drop_member(&mut self, key: &GroupKey, person: PersonId) {
        self.ledger.drop_member(key, person);
        self.mark_member(key, person);
        self.seen(&Entity::Member(key.clone(), person));
    }

    /// Notes that the target does not show a membership that was sent, and gives how often it was
    /// confirmed and not shown.
    pub fn unseen(&mut self, entity: &Entity, adds: u32) -> u32 {
        let since = self.now;
        let unseen = self.ledger.unseen.entry(entity.clone());
        let unseen = unseen.or_insert(Unseen { since, adds: 0 });
        unseen.adds = unseen.adds.saturating_add(adds);
        let times = unseen.adds;
        self.mark(Key::Unseen(entity.clone()));
        times
    }

    /// Notes that nobody knows what came of a membership, from now on, whatever was known of it before.
    pub fn in_doubt(&mut self, entity: &Entity) {
        self.seen(entity);
        self.unseen(entity, 0);
    }

    /// Notes that the target shows a membership. Within `lag` of a write that got no clear answer that may be from
    /// before the write.
    pub fn shown(&mut self, entity: &Entity, lag: Duration) {
        let unseen = self.ledger.unseen.get(entity);
        let is_sure = unseen.is_none_or(|one| one.adds > 0 || self.now.since(one.since) >= lag);
        if is_sure {
            self.seen(entity);
        }
    }

    /// Notes that what the target shows of a membership is no question any more.
    pub fn seen(&mut self, entity: &Entity) {
        if self.ledger.unseen.remove(entity).is_some() {
            self.mark(Key::Unseen(entity.clone()));
        }
    }

    /// Notes whether the target shows of an account whether it is active.
    pub fn note_active(&mut self, shown: &Attributes) {
        let is_told = matches!(shown.get(&AttrPath::active()), Some(Datum::Bool(_)));
        if is_told && !self.target.tells_active {
            self.target.tells_active = true;
            self.mark(Key::Target);
        }
    }

    /// Notes that the target was without something of ours, by one look.
    pub fn absent(&mut self, entity: &Entity) {
        self.ledger.absent.insert(entity.clone(), self.now);
        self.mark(Key::Absent(entity.clone()));
    }

    /// Whether something is there after all, or is no question any more, is known.
    pub fn not_absent(&mut self, entity: &Entity) -> bool {
        let was_absent = self.ledger.absent.remove(entity).is_some();
        if was_absent {
            self.mark(Key::Absent(entity.clone()));
        }
        was_absent
    }

    /// Forgets all members of a group.
    pub fn drop_members(&mut self, key: &GroupKey) {
        let members = self.ledger.groups.get(key).map(|entry| entry.members.clone());
        for person in members.into_iter().flatten() {
            self.drop_member(key, person);
        }
    }

    fn mark_member(&mut self, key: &GroupKey, person: PersonId) {
        let members = self.ledger.groups.get(key).map_or(0, |entry| entry.members.len());
        let was = self.split_target.contains(key);
        let split = is_split(members, was);
        self.mark(Key::Members(key.clone(), bucket(person.object, split)));
        if split && !was {
            self.split_target.insert(key.clone());
            self.mark(Key::TargetGroup(key.clone()));
            for bucket in 0..=u8::MAX {
                self.mark(Key::Members(key.clone(), bucket));
            }
        }
    }
}
