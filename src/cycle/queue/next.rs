//! What comes next out of the queue, what of it may be sent now, and what is waited for.

use super::Queue;
use crate::core::judge::Cleared;
use crate::core::model::{Entity, GroupKey, PersonId, ScimId, Timestamp};

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cycle) enum Next {
    /// The change of an account or a group.
    One(Cleared),
    /// People to put into a group, with their ids.
    Add(GroupKey, ScimId, Vec<(PersonId, ScimId)>),
    /// People to take out of a group, with their ids.
    Remove(GroupKey, ScimId, Vec<(PersonId, ScimId)>),
}

/// What may be sent now.
#[derive(Debug, Clone, Copy)]
pub(in crate::cycle) struct Limits {
    /// Members in one request.
    pub(in crate::cycle) batch: usize,
    /// Whether members may be removed.
    pub(in crate::cycle) removals: Gate,
    /// Whether members may be added.
    pub(in crate::cycle) additions: Gate,
}

/// Whether one kind of member change may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cycle) enum Gate {
    /// Yes.
    Open,
    /// Not before the first use of its form was read back.
    Later,
    /// Not with this form: it did something else than it should.
    Shut,
}

impl Queue {
    /// When the first of the words ends on which these people are put in or taken out of the group.
    pub(in crate::cycle) fn until_of(
        &self,
        key: &GroupKey,
        people: &[(PersonId, ScimId)],
    ) -> Option<Timestamp> {
        let of = |person| self.cleared.get(&Entity::Member(key.clone(), person));
        people.iter().filter_map(|(person, _)| of(*person)?.clearance().until()).min()
    }

    /// When the next of the words ends on which something in it rests.
    pub(in crate::cycle) fn next_end(&self) -> Option<Timestamp> {
        self.cleared.values().filter_map(|cleared| cleared.clearance().until()).min()
    }

    /// Lets go of what rests on a word that has ended. What is in flight is settled as ever.
    pub(in crate::cycle) fn drop_ended(&mut self, now: Timestamp) {
        let is_over =
            |cleared: &&Cleared| cleared.clearance().until().is_some_and(|until| until <= now);
        let over = self.cleared.values().filter(is_over);
        let over: Vec<Entity> = over.map(|cleared| cleared.change().entity.clone()).collect();
        for entity in &over {
            self.finish(entity);
        }
    }

    /// Nobody knows whether it was made, nor when that will be known: whoever waits for it goes without.
    pub(in crate::cycle) fn go_without(&mut self, entity: &Entity) {
        self.unreadable.insert(entity.clone());
        self.finish(entity);
    }

    /// It is known again: whoever waits for it does so.
    pub(in crate::cycle) fn wait_again(&mut self, entity: &Entity) {
        if !self.busy.contains(entity) {
            self.unreadable.remove(entity);
        }
    }
}
