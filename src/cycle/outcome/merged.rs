//! Merged: a create that the target answers with the id of something of ours. It made nothing new, and may have
//! written to what was there: by the address, or by another number that it takes two people for one by.

use std::time::Duration;

use super::Engine;
use crate::audit::DecisionKind;
use crate::core::judge::Cleared;
use crate::core::model::{AttrPath, Attributes, Entity, Link, ObjectId, Origin, PersonId, ScimId};
use crate::core::plan::Action;
use crate::cycle::apply::ReadBack;
use crate::cycle::target::TargetLoop;

/// Such a create is not sent again before this, since it would be written to somebody else again. Nothing waits for
/// longer.
pub(in crate::cycle) const NOT_BEFORE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Engine {
    /// Whoever was to be made is stuck, and what the request may have been written to is read at once.
    pub(super) fn on_merged(
        &mut self,
        entity: &Entity,
        owner: Entity,
        id: &ScimId,
        cleared: Option<&Cleared>,
    ) {
        let digests = self.state.digests();
        let (logged, of) = (entity.logged(digests), owner.logged(digests));
        let words = format!(
            "the platform made nothing new: it answered with {id}, which is {of}'s, and may have written \
             this one's values to it. That one is read and put right. This create is not sent again by itself \
             within a week, or it would be written there again; find out by what the platform takes the two for \
             one, such as the mail address, change that in Entra, then retry"
        );
        tracing::error!(
            target: "manntall::trouble",
            entity = %logged,
            owner = %of,
            "a create was answered with the id of another one of ours, which it may have changed: that one is \
             read and put right now, and the new one is stuck; see: manntall stuck"
        );
        self.forget_intent(entity);
        self.escrow(entity, cleared, words);
        self.not_before(entity, NOT_BEFORE);
        self.target.queue.release(entity);
        self.target.refusals.attention.merged.insert(owner);
    }

    /// Where what a create was answered with came from. What was there before is somebody else's: taken over, and
    /// never deleted by us.
    pub(super) fn origin_of(&mut self, entity: &Entity, was_there: bool) -> Origin {
        /// What is recorded of it.
        const WAS_THERE: &str = "the platform answered the create with what was there already";
        if !was_there {
            return Origin::Created;
        }
        tracing::warn!(
            entity = %entity.logged(self.state.digests()),
            "{WAS_THERE}, without having shown it before: it counts as taken over, with whatever it may do there. Look \
             at its rights on the platform"
        );
        self.state.decide_on(DecisionKind::Settle, Some(entity.clone()), WAS_THERE);
        Origin::Adopted
    }

    /// The person of ours whose id an account carries.
    pub(super) fn carried_in(&self, shown: &Attributes) -> Option<PersonId> {
        let carried = shown.get(&AttrPath::external_id())?.as_text()?;
        let object = ObjectId::parse(carried)?;
        self.people_of(object).next()
    }

    /// Has whatever a create may have been written to read, once nothing else is under way with it.
    pub(in crate::cycle) fn read_merged(&mut self) {
        let queue = &self.target.queue;
        let free =
            self.target.refusals.attention.merged.extract_if(.., |entity| !queue.is_busy(entity));
        for entity in free.collect::<Vec<_>>() {
            self.target.queue.occupy(entity.clone());
            match entity {
                Entity::Account(person) => {
                    let paths = self.sent_while_linked(person);
                    self.begin_write(Entity::Account(person), Action::Update, paths);
                    self.target.reads.accounts.push(person);
                }
                Entity::Group(key) | Entity::Member(key, _) => {
                    let paths = [AttrPath::external_id(), AttrPath::display_name()];
                    self.begin_write(Entity::Group(key.clone()), Action::GroupUpdate, paths);
                    self.target.reads.groups.push((key, ReadBack::Compare));
                }
            }
        }
    }

    /// What an account of somebody in service holds of ours, all of which may be another's by now. Of others
    /// nothing counts but whether they are active, and that is compared.
    fn sent_while_linked(&self, person: PersonId) -> Vec<AttrPath> {
        let entry = self.state.ledger.accounts.get(&person);
        let entry = entry.filter(|entry| matches!(entry.link, Link::Linked(_)));
        let paths = entry.into_iter().flat_map(|entry| entry.sent.keys());
        paths.filter(|path| **path != AttrPath::active()).cloned().collect()
    }
}

impl TargetLoop {
    /// Whether something of the kind is still to be read.
    pub(in crate::cycle) fn has_merged(&self) -> bool {
        !self.refusals.attention.merged.is_empty()
    }
}
