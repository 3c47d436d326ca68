//! Blame: whether a failure is the target's or that of one object.
//!
//! A target that refuses us, sends us elsewhere, asks for an hour's patience or fails, does so for
//! everybody. So nothing is concluded from what happens to one object: one question that has to be answered
//! is asked first, and nothing else is sent meanwhile. If it is answered, the object is at fault, and
//! everything else goes on. Many objects in a row without one that could be changed are the target's again,
//! whatever it answers to questions.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::apply::{Applied, Sent};
use super::outcome::{ESCROW_FIRST, TRIES_MAX};
use super::quarantine::Failure;
use crate::core::judge::Cleared;
use crate::core::model::Entity;
use crate::scim::pace::PAUSE_MAX;
use crate::scim::{ScimError, Words};

/// So many objects whose changes fail, one after the other and none made between, are not all at fault.
const FAILING_MAX: usize = 10;
/// From so many answers 429 about one object alone the rate is not to blame for them.
const PARDONED_FROM: u32 = 2;

/// A request about one object that failed as requests mostly fail for everybody, and nobody knows yet
/// whether anything else is answered.
#[derive(Debug)]
pub(super) struct Suspect {
    sent: Sent,
    cleared: Option<Cleared>,
    error: ScimError,
    receipt: Option<Arc<str>>,
}

/// A question to the target that decides about what failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Question {
    /// Whether it is on its way.
    pub(super) is_asked: bool,
    /// Whether most requests fail, so that the answer to another one decides nothing.
    pub(super) most_fail: bool,
}

impl Engine {
    /// Something has failed that may be the target's: the question is asked next.
    pub(super) fn question_target(&mut self, most_fail: bool) {
        if self.guards.target.shut().is_none() {
            self.guards.question.get_or_insert_default().most_fail |= most_fail;
        }
    }

    /// Nobody knows whose fault the failure is. Until it is known whether the target answers anything else,
    /// the object stays busy, and what was recorded before the request stays on record.
    pub(super) fn on_suspect(&mut self, applied: Applied, error: ScimError) {
        let Applied { sent, cleared, result: _, receipt } = applied;
        if error.asks_to_wait() {
            let answers = self.guards.answers;
            self.guards.slowing.insert(sent.entity());
            self.guards.slowed.entry(sent.entity()).or_insert(answers);
        }
        self.guards.suspects.push(Suspect { sent, cleared, error, receipt: receipt.id() });
        if self.guards.target.shut().is_some() {
            return self.put_back_suspects(|_| true);
        }
        self.question_target(false);
    }

    /// The target has answered the question: what failed is the fault of those objects.
    pub(super) fn blame_objects(&mut self) {
        for one in std::mem::take(&mut self.guards.suspects) {
            let Suspect { sent, cleared, error, receipt } = one;
            if error.asks_to_wait() && self.guards.slowing.len() >= FAILING_MAX {
                // It answers questions, and lets all changes wait.
                self.on_failure(sent, cleared.as_ref(), &error);
                continue;
            }
            let outer = std::mem::replace(&mut self.receipt, receipt);
            let of_one = error.of_one(sent.creates());
            let waiting = sent.waiting();
            self.on_failure(sent, cleared.as_ref(), &of_one);
            self.receipt = outer;
            if let Some(after) = error.after() {
                for entity in &waiting {
                    self.wait_alone(entity, &error, after);
                }
            }
            if let (Some(cleared), ScimError::Rejected { status, .. }) = (cleared, of_one) {
                let failure = Failure {
                    at_once: true,
                    code: 12,
                    reason: format!(
                        "the platform answers our questions and allows none of our changes (status {status})"
                    ),
                };
                self.on_object_failed(cleared.change().entity.clone(), failure);
            }
        }
    }

    /// The failure is the target's: what failed is sent again once it is back.
    pub(super) fn put_back_suspects(&mut self, which: fn(&ScimError) -> bool) {
        for one in self.guards.suspects.extract_if(.., |one| which(&one.error)).collect::<Vec<_>>()
        {
            let Suspect { sent, cleared, error, .. } = one;
            let error = match error {
                ScimError::Forbidden { .. } => ScimError::Throttled { after: None },
                error => error,
            };
            self.on_failure(sent, cleared.as_ref(), &error);
        }
    }

    /// Whether all that the question is about was asked to wait, and neither refused nor failed.
    pub(super) fn are_only_slowed(&self) -> bool {
        let asks = self.guards.question.is_some_and(|question| !question.most_fail);
        asks && self.guards.suspects.iter().all(|one| one.error.asks_to_wait())
    }

    /// The target asks us to slow down in answer to a request about this object. Once is for everybody.
    /// Where it has answered something else since the last time, it is about this object alone; where
    /// nothing else was asked, something is. Where many objects are to wait and nothing is made between, it
    /// is for everybody again.
    pub(super) fn is_slowed_alone(&mut self, entity: &Entity) -> bool {
        if self.guards.target.shut().is_some() {
            return false;
        }
        let answers = self.guards.answers;
        self.guards.slowing.insert(entity.clone());
        if self.guards.slowing.len() >= FAILING_MAX {
            return false;
        }
        match self.guards.slowed.get_mut(entity) {
            Some(known) if *known < answers => *known = answers,
            Some(_) => {
                self.question_target(false);
                return false;
            }
            None => {
                self.guards.slowed.insert(entity.clone(), answers);
                return false;
            }
        }
        if self.target.refusals.tries.get(entity).is_some_and(|tries| *tries >= PARDONED_FROM) {
            self.target.pacer.pardon();
        }
        true
    }

    /// The target wants this object to be left alone for so long. Where that is long, nobody waits for it.
    fn wait_alone(&mut self, entity: &Entity, error: &ScimError, after: Duration) {
        // Longer waits are mistakes, also where they are asked for one: leavers must not wait for them.
        let after = after.min(PAUSE_MAX);
        let at = self.clock.elapsed() + after;
        let is_long = after > ESCROW_FIRST;
        if let Some(read) = self.target.reads.later.get_mut(entity) {
            *read = at.max(*read);
            if is_long {
                self.target.refusals.tries.insert(entity.clone(), TRIES_MAX);
                self.target.queue.let_lie(entity);
            }
        } else if self.target.queue.is_delayed(entity) && !is_long {
            self.target.queue.delay(entity, at);
        }
        if !is_long {
            return;
        }
        if let Some(cleared) = self.target.queue.cleared(entity).cloned() {
            self.escrow(entity, Some(&cleared), Words::from(error));
        }
        self.put_off(entity, after);
    }

    /// A write of this object failed in a way that may be the target's fault.
    pub(super) fn on_object_failed(&mut self, entity: Entity, failure: Failure) {
        // Who was at fault before says nothing new.
        if self.state.ledger.escrow.get(&entity).is_some_and(|known| known.attempts > 1) {
            return;
        }
        self.guards.failing.insert(entity);
        if self.guards.failing.len() >= FAILING_MAX {
            self.guards.failing.clear();
            self.shut_target(Failure { at_once: true, ..failure });
        }
    }

    /// A write was made: whoever failed before it was alone with that.
    pub(super) fn on_write_made(&mut self) {
        self.guards.failing.clear();
        self.guards.slowing.clear();
    }
}
