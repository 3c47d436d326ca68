//! What may wait to be committed: records whose stored form is, for a while, as good as the new one.
//!
//! A round without a word brings a new delta link. Behind the link before it Graph says the same, so
//! nothing is lost when that one is still there after a kill; and a report that differs from the last
//! one by its time says nothing that anything rests on. So an idle service writes nothing at all. What
//! waits goes along with whatever is committed next, and in the end by itself, so that nobody goes back
//! further than that. Nothing here may stand for a record that is not durable: such a link is marked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::State;
use crate::core::model::{Entity, PersonId, Timestamp};
use crate::cycle::records::Key;
use crate::store::StoreError;

/// Nothing waits longer than this. A delta link of Entra lives for seven days, and a service that was
/// killed should find one with most of its life before it.
const WAIT_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// What waits, and since when.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    keys: BTreeSet<Key>,
    since: Option<Timestamp>,
    most: Duration,
}

impl Waiting {
    /// Whether something has waited long enough, or since a time that is still to come.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now < since || now >= since.plus(self.most))
    }

    /// Everything that waits, for a commit.
    pub(super) fn take(&mut self) -> BTreeSet<Key> {
        self.since = None;
        std::mem::take(&mut self.keys)
    }
}

impl State {
    /// A clock that was ahead when the last comparison ended puts off the next one no longer than usual.
    pub(in crate::cycle) fn compare_by(&mut self, latest: Timestamp) {
        if let Some(proof) = self.proof.as_mut().filter(|proof| proof.next > latest) {
            proof.next = latest;
            self.mark(Key::Proof);
        }
    }

    /// What is there twice is looked for at once, and not with the next comparison of the day. Returns how
    /// much that is, of one person or of all.
    pub fn look_for_twins(&mut self, now: Timestamp, of: Option<PersonId>) -> usize {
        let twins = self.ledger.twins.keys();
        let count =
            twins.filter(|entity| of.is_none_or(|one| **entity == Entity::Account(one))).count();
        if count > 0 {
            self.compare_by(now);
        }
        count
    }

    /// From now on what may wait does so. A state that has not been written for a `full_compare` is
    /// taken for an old one, so it is written several times as often.
    pub fn let_wait(&mut self, full_compare: Duration) {
        self.waiting.most = (full_compare / 4).min(WAIT_MAX);
    }

    /// Marks a record as changed which may stay behind for a while.
    pub fn mark_for_later(&mut self, key: Key) {
        self.waiting.since.get_or_insert(self.now);
        self.waiting.keys.insert(key);
    }

    /// Writes everything, also what might have waited.
    pub fn commit_all(&mut self) -> Result<(), StoreError> {
        self.marked.append(&mut self.waiting.take());
        self.commit()
    }
}

#[cfg(test)]
mod tests;
