//! People's words: what somebody approved, rejected, ordered or stopped, each on record as it is said.

use super::State;
use crate::audit::{Decision, DecisionKind, Hash};
use crate::core::judge::{Approval, Rejection};
use crate::core::model::{ByHand, Entity, PersonId, Timestamp};
use crate::cycle::records::{Key, Pause};

impl State {
    /// Takes somebody's word that changes may be made. Approvals that have ended are forgotten.
    pub fn approve(&mut self, approval: Approval) {
        self.decide(Decision {
            at: approval.at,
            kind: DecisionKind::Approve,
            entity: None,
            by: Some(approval.by.clone()),
            detail: format!("{} changes, until {}", approval.changes.len(), approval.until),
            changes: Some(Hash::of(&approval.changes)),
        });
        let before = self.approvals.len();
        self.approvals.retain(|known| approval.at < known.until);
        self.approvals.push(approval);
        for at in 0..before.max(self.approvals.len()) {
            self.mark(Key::Approval(u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }

    /// Takes somebody's word that changes may not be made.
    pub fn reject(&mut self, rejection: Rejection) {
        let at = self.rejections.len();
        self.decide(Decision {
            at: rejection.at,
            kind: DecisionKind::Reject,
            entity: None,
            by: Some(rejection.by.clone()),
            detail: format!("{} changes are not made", rejection.changes.len()),
            changes: Some(Hash::of(&rejection.changes)),
        });
        self.rejections.push(rejection);
        self.mark(Key::Rejection(u32::try_from(at).unwrap_or(u32::MAX)));
    }

    /// Lets what is in escrow be tried again at once.
    pub fn retry(
        &mut self,
        now: Timestamp,
        by: Option<&str>,
        mut wants: impl FnMut(&Entity) -> bool,
    ) -> usize {
        let escrow = self.ledger.escrow.iter_mut().filter(|(entity, _)| wants(entity));
        let mut entities = Vec::new();
        for (entity, stuck) in escrow {
            stuck.next = now;
            entities.push(entity.clone());
        }
        let count = entities.len();
        for entity in entities {
            let detail = "tried again at once".to_owned();
            self.mark(Key::Escrow(entity.clone()));
            let (kind, entity) = (DecisionKind::Retry, Some(entity));
            let by = by.map(Into::into);
            self.decide(Decision { at: self.now, kind, entity, by, detail, changes: None });
        }
        count
    }

    /// Notes that somebody was shown values of people: of one person, or of everybody in the plan.
    pub fn reveal(&mut self, by: &str, at: Timestamp, entity: Option<Entity>) {
        let detail = "values of people in a plan were shown".to_owned();
        let (kind, by) = (DecisionKind::Reveal, Some(by.into()));
        self.decide(Decision { at, kind, entity, by, detail, changes: None });
    }

    /// Takes somebody's word that nothing is written for now.
    pub fn pause(&mut self, pause: Pause) {
        let detail = pause.reason.clone().unwrap_or_default();
        let (at, kind, by) = (pause.at, DecisionKind::Pause, Some(pause.by.as_str().into()));
        self.decide(Decision { at, kind, entity: None, by, detail, changes: None });
        self.paused = Some(pause);
        self.mark(Key::Paused);
    }

    /// Takes somebody's word that writing goes on.
    pub fn resume(&mut self, by: &str) {
        let (at, kind, by, detail) =
            (self.now, DecisionKind::Resume, Some(by.into()), String::new());
        self.decide(Decision { at, kind, entity: None, by, detail, changes: None });
        self.paused = None;
        self.mark(Key::Paused);
    }

    /// Takes somebody's word that a person has no active account.
    pub fn by_hand(&mut self, person: PersonId, word: ByHand) {
        let (kind, entity) = (DecisionKind::ByHand, Some(Entity::Account(person)));
        let (at, by, detail) = (word.at, Some(word.by.clone()), word.reason.clone());
        self.decide(Decision { at, kind, entity, by, detail, changes: None });
        self.ledger.by_hand.insert(person, word);
        self.mark(Key::ByHand(person));
    }

    /// Takes somebody's word that Entra decides again about a person.
    pub fn lift(&mut self, person: PersonId, by: &str) {
        let (kind, entity) = (DecisionKind::Lift, Some(Entity::Account(person)));
        let (at, by, detail) = (self.now, Some(by.into()), String::new());
        self.decide(Decision { at, kind, entity, by, detail, changes: None });
        self.ledger.by_hand.remove(&person);
        self.mark(Key::ByHand(person));
    }
}
