//! What a person orders for one other person: deactivate the account now, whatever Entra says, until
//! the order is lifted.
//!
//! An order is a word of approval for exactly that change, so the judge clears it outside every
//! budget. It is sent before everything else that waits, also while writing is paused, and also before
//! Entra has spoken since the start: it does not rest on what Entra says.

use std::collections::BTreeSet;

use super::Engine;
use crate::core::judge::{Approval, claims};
use crate::core::model::{ByHand, Entity, PersonId, Timestamp};
use crate::core::plan::{Action, Change};

impl Engine {
    /// Deactivates a person's account at once, and keeps it so until [`Engine::lift`].
    pub fn deactivate(&mut self, person: PersonId, word: ByHand) {
        let entity = Entity::Account(person);
        self.state.by_hand(person, word);
        self.state.release_escrow(&entity);
        self.target.look_now(&entity);
        // What was said to be gone, or was never linked, may be there; and so may another one.
        self.target.survey.run.ask(entity.clone());
        self.target.touch(entity);
        self.target.planning.judge_due = true;
    }

    /// Whether it is being found out what account the person has.
    pub fn is_looking_for(&self, person: PersonId) -> bool {
        self.target.survey.run.is_asked(&Entity::Account(person))
    }

    /// Lets Entra decide again about a person who was deactivated by hand.
    pub fn lift(&mut self, person: PersonId, by: &str) {
        self.state.lift(person, by);
        // What was found for somebody who was out was asked for in another way.
        if !self.is_pending(&Entity::Account(person)) {
            self.target.look_again(&Entity::Account(person));
        }
        self.target.touch(Entity::Account(person));
        self.target.planning.judge_due = true;
    }

    /// The deactivations that were ordered and are not made yet: of an account of ours, or of one that
    /// carries the id of the person and is taken over as inactive.
    fn ordered(&self) -> impl Iterator<Item = (&Change, &ByHand)> {
        self.state.ledger.by_hand.iter().filter_map(|(person, word)| {
            let change = self.target.planning.planner.changes().get(&Entity::Account(*person))?;
            let is_order = matches!(change.action, Action::Deactivate | Action::Adopt);
            let is_there = self.state.ledger.absent_since(&change.entity).is_none();
            (is_order && is_there).then_some((change.as_ref(), word))
        })
    }

    /// The same as entities, for the queue.
    pub(super) fn urgent(&self) -> BTreeSet<Entity> {
        self.ordered().map(|(change, _)| change.entity.clone()).collect()
    }

    /// The same as words of approval, for the judge.
    pub(super) fn orders(&self) -> impl Iterator<Item = Approval> {
        self.ordered().map(|(change, ByHand { by, at, reason: _ })| Approval {
            claims: claims(change),
            by: by.clone(),
            at: *at,
            until: Timestamp(i64::MAX),
            hold: None,
        })
    }
}
