//! Groups that cannot be read back after a change of their members.

use crate::core::model::{Entity, GroupKey};
use crate::cycle::Engine;
use crate::cycle::apply::ReadBack;
use crate::scim::ScimError;

impl Engine {
    /// A group could not be read. Where another answer may come, it is read again, later each time.
    pub(in crate::cycle::outcome) fn on_read_back_failure(
        &mut self,
        key: GroupKey,
        why: ReadBack,
        error: &ScimError,
    ) {
        let is_unfound = matches!(error, ScimError::Astray { .. });
        if is_unfound && self.target.reads_again(&key, &why, None) {
            return;
        }
        self.target.adoption_unread(&key);
        match why {
            ReadBack::Members { first } if first.is_empty() => {
                self.on_read_failure(Entity::Group(key), error);
            }
            ReadBack::Before | ReadBack::Others { .. } | ReadBack::Compare => {
                self.on_read_failure(Entity::Group(key), error);
            }
            why if error.passes() => {
                let group = Entity::Group(key.clone());
                let is_slowed = matches!(error, ScimError::Throttled { .. });
                if is_slowed && !self.is_slowed_alone(&group) {
                    self.target_failed(error);
                    return self.target.reads.groups.push((key, why));
                }
                let at = self.target.next_read(&group);
                if self.target.is_read_in_vain(&group) {
                    self.target.refusals.tries.remove(&group);
                    return self.group_is_unreadable(&key, why, error);
                }
                if !is_slowed {
                    self.target_failed(error);
                }
                self.target.reads.groups.push_for(at, (key, why));
            }
            why => self.group_is_unreadable(&key, why, error),
        }
    }

    /// A group cannot be read, so that none of its memberships can be changed safely. Whoever was sent may be in
    /// it, and is taken out like anybody else who leaves.
    fn group_is_unreadable(&mut self, key: &GroupKey, mut why: ReadBack, error: &ScimError) {
        for (person, _) in why.people_mut().into_iter().flatten() {
            let entity = Entity::Member(key.clone(), *person);
            self.state.put_member(key, *person);
            self.state.unseen(&entity, 0);
            self.target.touch(entity);
        }
        if let ReadBack::Prove { form, .. } = &why {
            self.target.members.proving.remove(form);
        }
        for entity in self.target.queue.memberships_of(key) {
            let cleared = self.target.queue.cleared(&entity).cloned();
            self.escrow(&entity, cleared.as_ref(), error);
        }
        let group = Entity::Group(key.clone());
        self.end_write(&group);
        self.target.queue.release(&group);
    }
}
