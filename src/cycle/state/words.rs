//! People's words: what somebody approved, rejected, ordered or stopped, each on record as it is said.

use super::State;
use crate::audit::{Decision, DecisionKind, Hash};
use crate::core::judge::{Approval, Claims, Guarded, Rejection};
use crate::core::model::{ByHand, Entity, PersonId, Timestamp};
use crate::core::plan::ChangeDigest;
use crate::core::words::plural;
use crate::cycle::records::{Key, Pause};

impl State {
    /// Takes somebody's word that changes may be made. Approvals that have ended are forgotten.
    pub fn approve(&mut self, approval: Approval) {
        self.decide(Decision {
            at: approval.at,
            kind: DecisionKind::Approve,
            entity: None,
            by: Some(approval.by.clone()),
            detail: format!("{}, until {}", changes_of(&approval.claims), approval.until),
            changes: Some(Hash::keyed(&self.digests, &approval.claims)),
        });
        self.lift_rejections(&approval.claims);
        self.forget_used();
        let before = self.approvals.len();
        self.approvals.retain(|known| approval.at < known.until);
        self.approvals.push(approval);
        for at in 0..before.max(self.approvals.len()) {
            self.mark(Key::Approval(u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }

    /// Whoever approves what was rejected takes that back: the guarded thing is then as good as any other,
    /// also after the approval has ended.
    fn lift_rejections(&mut self, claims: &Claims) {
        for (rejection, at) in self.rejections.iter_mut().zip(0..) {
            let before = rejection.claims.len();
            rejection.claims.retain(|guarded, _| !claims.contains_key(guarded));
            if rejection.claims.len() != before {
                self.marked.insert(Key::Rejection(at));
            }
        }
    }

    /// What was rejected goes by another name by now, and stays rejected.
    pub(in crate::cycle) fn pass_on_rejection(
        &mut self,
        from: &Guarded,
        (to, shown): (&Guarded, ChangeDigest),
    ) {
        for (rejection, at) in self.rejections.iter_mut().zip(0..) {
            if rejection.claims.remove(from).is_some() {
                rejection.claims.insert(to.clone(), shown);
                self.marked.insert(Key::Rejection(at));
            }
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
            detail: format!("not made: {}", changes_of(&rejection.claims)),
            changes: Some(Hash::keyed(&self.digests, &rejection.claims)),
        });
        // What was approved before and is not made yet is taken back.
        for (guarded, shown) in &rejection.claims {
            self.use_up(guarded, Some(*shown));
        }
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

    /// Lets the way of changing members that was blamed be tried once more; `false` when none was.
    pub fn trust_again(&mut self, at: Timestamp, by: Option<&str>) -> bool {
        let Some(blamed) = self.target.distrusted_form.take() else { return false };
        self.mark(Key::Target);
        let detail = format!("{} is tried once more", blamed.form);
        let (kind, by) = (DecisionKind::Retry, by.map(Into::into));
        self.decide(Decision { at, kind, entity: None, by, detail, changes: None });
        true
    }

    /// Lets the attributes that are left out be sent again.
    pub fn retry_left_out(&mut self, by: Option<&str>) -> usize {
        let left_out = std::mem::take(&mut self.ledger.left_out);
        let count = left_out.len();
        for (path, use_) in left_out.into_keys() {
            let detail = format!("{path} is sent again {use_}");
            self.mark(Key::LeftOut(path, use_));
            let by = by.map(Into::into);
            let (kind, at) = (DecisionKind::Retry, self.now);
            self.decide(Decision { at, kind, entity: None, by, detail, changes: None });
        }
        count
    }

    /// Notes that somebody is shown values of people: of one person, or of everybody in `what`.
    pub fn reveal(&mut self, by: &str, at: Timestamp, entity: Option<Entity>, what: &str) {
        let detail = format!("values of people are shown: {what}");
        self.take_word(DecisionKind::Reveal, entity, (by, at), &detail);
    }

    /// Notes that somebody is given a copy of the state.
    pub fn hand_out(&mut self, by: &str, at: Timestamp) {
        self.take_word(DecisionKind::CopyOut, None, (by, at), "a copy of the state is handed out");
    }

    /// Takes somebody's word that nothing is written for now.
    pub fn pause(&mut self, pause: Pause) {
        let reason = pause.reason.as_deref().unwrap_or_default();
        self.take_word(DecisionKind::Pause, None, (&pause.by, pause.at), reason);
        self.paused = Some(pause);
        self.mark(Key::Paused);
    }

    /// Takes somebody's word that writing goes on.
    pub fn resume(&mut self, by: &str) {
        self.take_word(DecisionKind::Resume, None, (by, self.now), "");
        self.paused = None;
        self.mark(Key::Paused);
    }

    /// Takes somebody's word that a person has no active account.
    pub fn by_hand(&mut self, person: PersonId, word: ByHand) {
        let known = self.ledger.by_hand.get(&person);
        if known.is_some_and(|known| known.by == word.by && known.reason == word.reason) {
            // It is ordered already, in the same words.
            return;
        }
        let entity = Some(Entity::Account(person));
        self.take_word(DecisionKind::ByHand, entity, (&word.by, word.at), &word.reason);
        self.ledger.by_hand.insert(person, word);
        self.mark(Key::ByHand(person));
    }

    /// Takes somebody's word that Entra decides again about a person.
    pub fn lift(&mut self, person: PersonId, by: &str) {
        let entity = Some(Entity::Account(person));
        self.take_word(DecisionKind::Lift, entity, (by, self.now), "");
        self.ledger.by_hand.remove(&person);
        self.mark(Key::ByHand(person));
    }

    /// Puts on record who said what, when, about what.
    fn take_word(
        &mut self,
        kind: DecisionKind,
        entity: Option<Entity>,
        (by, at): (&str, Timestamp),
        detail: &str,
    ) {
        let (by, detail) = (Some(by.into()), detail.to_owned());
        self.decide(Decision { at, kind, entity, by, detail, changes: None });
    }
}

/// Of how many entities, or findings, something is claimed.
fn changes_of(claims: &Claims) -> String {
    let count = count_of(claims);
    format!("{count} {}", plural(count, "change", "changes"))
}

pub(crate) fn count_of(claims: &Claims) -> usize {
    let entities: std::collections::BTreeSet<_> =
        claims.keys().filter_map(Guarded::entity).collect();
    entities.len() + claims.keys().filter(|guarded| guarded.entity().is_none()).count()
}
