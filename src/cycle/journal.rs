//! The state's side of the audit journal: adds entries to the next commit, reads them back, and lets
//! go of old ones. What an entry says and how the chain holds is in [`crate::audit`].

use std::time::Duration;

use super::Engine;
use super::records::Key;
use super::state::State;
use crate::audit::{Decision, DecisionKind, Entry, Flaw, Head, Stored, Write, verify};
use crate::core::model::{Entity, Timestamp};
use crate::core::words::plural;
use crate::store::StoreError;

/// Entries let go of in one commit at the most.
const PRUNED_PER_TURN: u64 = 1_000;

/// The journal is kept so long where nothing else is said: two years.
pub const KEEP_HISTORY: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

/// How often the service's log names the end of the journal, and old entries are let go of.
const ROUND_EVERY: Duration = Duration::from_secs(60 * 60);

impl State {
    /// Everything that was done to the target, or refused by it, oldest first.
    pub fn journal(&self) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        self.for_each_entry(|_, stored| {
            if let Some(Stored { entry: Entry::Write(write), .. }) = stored {
                writes.push(write);
            }
        })?;
        Ok(writes)
    }

    /// Visits every entry with its number, oldest first; `None` where it cannot be read.
    pub fn for_each_entry(
        &self,
        mut visit: impl FnMut(u64, Option<Stored>),
    ) -> Result<(), StoreError> {
        self.scan(b"journal/", &mut |key, value| {
            let number = key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            visit(number, super::records::decode(value));
        })
    }

    /// One entry; `None` where there is none of that number, or none that can be read.
    pub fn entry(&self, number: u64) -> Result<Option<Stored>, StoreError> {
        let mut found = None;
        self.scan(&Key::Journal(number).bytes(), &mut |_, value| {
            found = super::records::decode(value);
        })?;
        Ok(found)
    }

    /// Where the journal begins and ends.
    pub fn audit_head(&self) -> &Head {
        &self.audit_head
    }

    /// The same as the store has it: what is not committed yet is not in it.
    pub fn stored_head(&self) -> Result<Head, StoreError> {
        Ok(self.record(&Key::AuditHead)?.unwrap_or_default())
    }

    /// Verifies the journal that is stored against its own head, that of the witness, and those noted elsewhere.
    ///
    /// # Errors
    /// When the store cannot be read; a broken chain is the inner error.
    pub fn verify_journal(&self, noted: &[(u64, String)]) -> Result<Result<u64, Flaw>, StoreError> {
        let mut known = noted.to_vec();
        known.extend(self.witnessed().as_deref().and_then(parse_head));
        let mut entries = Vec::new();
        self.for_each_entry(|number, stored| entries.push((number, stored)))?;
        Ok(verify(&self.stored_head()?, entries, &known))
    }

    /// Records an outcome.
    pub fn journal_add(&mut self, mut write: Write) {
        if write.refused.is_none() {
            self.spend_windows(write.at, &mut write.meters);
        }
        self.append(Entry::Write(write));
    }

    /// Records a decision.
    pub fn decide(&mut self, decision: Decision) {
        self.append(Entry::Decision(decision));
    }

    /// Records a decision of the service's own about one thing.
    pub(super) fn decide_on(&mut self, kind: DecisionKind, entity: Option<Entity>, detail: &str) {
        let (at, detail) = (self.now, detail.to_owned());
        self.decide(Decision { at, kind, entity, by: None, detail, changes: None });
    }

    fn append(&mut self, mut entry: Entry) {
        entry.bound();
        self.recent.note(&entry, entry.at());
        let (number, stored) = self.audit_head.append(entry);
        self.put(Key::Journal(number), Some(&stored));
        self.mark(Key::AuditHead);
        self.mark(Key::Noted);
    }

    /// Lets go of the oldest entries that were recorded before `limit`; gives how many. The chain goes
    /// on from the last of them.
    pub fn prune(&mut self, limit: Timestamp) -> Result<u64, StoreError> {
        let mut pruned = 0;
        // The last entry always stays.
        while pruned < PRUNED_PER_TURN && self.audit_head.first + 1 < self.audit_head.next {
            let key = Key::Journal(self.audit_head.first);
            let Some(stored) = self.record::<Stored>(&key)? else { break };
            if stored.entry.at() >= limit {
                break;
            }
            self.put::<Stored>(key, None);
            self.audit_head.drop_first(stored.hash);
            pruned += 1;
        }
        if pruned > 0 {
            let were = plural(pruned, "entry from before", "entries from before");
            let detail = format!("removed: {pruned} {were} {limit}");
            self.decide_on(DecisionKind::Prune, None, &detail);
        }
        Ok(pruned)
    }
}

impl Engine {
    /// How long the journal is kept.
    pub fn keep_history(&mut self, span: Duration) {
        self.journal.keep = span;
    }

    /// From time to time, and when the drive ends: the log names the end of the journal, so that a
    /// journal that was cut off or rewritten can be told, and old entries go.
    pub(super) fn care_for_journal(&mut self, is_last: bool) -> Result<(), StoreError> {
        let elapsed = self.clock.elapsed();
        let waits = self.journal.cared.is_some_and(|at| elapsed < at + ROUND_EVERY);
        if waits && !is_last {
            return Ok(());
        }
        self.journal.cared = Some(elapsed);
        let limit = self
            .clock
            .now()
            .0
            .saturating_sub(i64::try_from(self.journal.keep.as_millis()).unwrap_or(i64::MAX));
        self.state.prune(Timestamp(limit))?;
        tracing::info!(audit.head = %self.state.audit_head(), "the journal ends here");
        Ok(())
    }
}

/// Reads `next:hash`.
pub fn parse_head(text: &str) -> Option<(u64, String)> {
    let (next, hash) = text.trim().split_once(':')?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some((next.parse().ok()?, hash.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
