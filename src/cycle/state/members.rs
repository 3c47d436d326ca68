//! Memberships on the target, and those that it does not show.

use super::State;
use crate::core::model::{Entity, GroupKey, PersonId, Unseen};
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

    /// Notes that what the target shows of a membership is no question any more.
    pub fn seen(&mut self, entity: &Entity) {
        if self.ledger.unseen.remove(entity).is_some() {
            self.mark(Key::Unseen(entity.clone()));
        }
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
