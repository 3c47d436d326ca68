//! Blame: whether a failure is the target's or that of one object.
//!
//! A target that refuses us, or fails, refuses or fails for everybody. So nothing is concluded from what
//! happens to one object: one question that has to be answered is asked first, and nothing else is sent
//! meanwhile. If it is answered, the object is at fault, and everything else goes on. Many objects in a
//! row without one that could be changed are the target's again, whatever it answers to questions.

use std::sync::Arc;

use super::Engine;
use super::apply::{Applied, Sent};
use super::quarantine::Failure;
use crate::core::judge::Cleared;
use crate::core::model::Entity;
use crate::scim::{About, ScimError, Words};

/// So many objects whose changes fail, one after the other and none made between, are not all at fault.
const FAILING_MAX: usize = 10;

/// A request about one object that the target does not allow, and nobody knows yet whether it allows
/// anything.
#[derive(Debug)]
pub(super) struct Forbidden {
    sent: Sent,
    cleared: Option<Cleared>,
    words: Words,
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

    /// The target does not allow something. Until it is known whether it allows anything, the object
    /// stays busy, and what was recorded before the request stays on record.
    pub(super) fn on_forbidden(&mut self, applied: Applied, words: Words) {
        let Applied { sent, cleared, result: _, receipt } = applied;
        self.guards.forbidden.push(Forbidden { sent, cleared, words, receipt: receipt.id() });
        if self.guards.target.shut().is_some() {
            return self.put_back_forbidden();
        }
        self.question_target(false);
    }

    /// The target has allowed something: what it did not allow is the fault of those objects.
    pub(super) fn blame_objects(&mut self) {
        if self.guards.question.is_some_and(|question| !question.most_fail) {
            self.guards.question = None;
        }
        for one in std::mem::take(&mut self.guards.forbidden) {
            let Forbidden { sent, cleared, words, receipt } = one;
            let failure = Failure {
                at_once: true,
                code: 12,
                reason:
                    "the target answers our questions and allows none of our changes (status 403)"
                        .to_owned(),
            };
            let entity = cleared.as_ref().map(|cleared| cleared.change().entity.clone());
            let outer = std::mem::replace(&mut self.receipt, receipt);
            let error = ScimError::Rejected { status: 403, words, about: About::default() };
            self.on_failure(sent, cleared.as_ref(), &error);
            self.receipt = outer;
            if let Some(entity) = entity {
                self.on_object_failed(entity, failure);
            }
        }
    }

    /// The target is left alone: what it did not allow is sent again once it is back.
    pub(super) fn put_back_forbidden(&mut self) {
        self.guards.question = None;
        for one in std::mem::take(&mut self.guards.forbidden) {
            let Forbidden { sent, cleared, .. } = one;
            self.on_failure(sent, cleared.as_ref(), &ScimError::Throttled { after: None });
        }
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
    }
}
