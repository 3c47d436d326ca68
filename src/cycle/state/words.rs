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

    /// Takes somebody's word that nothing is written for now, or that writing goes on.
    pub fn pause(&mut self, pause: Option<Pause>) {
        let (at, kind, by, detail) = match &pause {
            Some(Pause { by, at, reason }) => {
                let reason = reason.clone().unwrap_or_default();
                (*at, DecisionKind::Pause, Some(by.as_str().into()), reason)
            }
            None => (self.now, DecisionKind::Resume, None, String::new()),
        };
        self.decide(Decision { at, kind, entity: None, by, detail, changes: None });
        self.paused = pause;
        self.mark(Key::Paused);
    }

    /// Takes somebody's word that a person has no active account, or that Entra decides again.
    pub fn by_hand(&mut self, person: PersonId, word: Option<ByHand>) {
        let (at, kind, by, detail) = match &word {
            Some(ByHand { by, at, reason }) => {
                (*at, DecisionKind::ByHand, Some(by.clone()), reason.clone())
            }
            None => (self.now, DecisionKind::Lift, None, String::new()),
        };
        let entity = Some(Entity::Account(person));
        self.decide(Decision { at, kind, entity, by, detail, changes: None });
        match word {
            Some(word) => self.ledger.by_hand.insert(person, word),
            None => self.ledger.by_hand.remove(&person),
        };
        self.mark(Key::ByHand(person));
    }
}
