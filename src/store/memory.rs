//! A store in memory for seeded histories: a crash keeps exactly what was committed.
//!
//! It never waits, never touches a disk and does not verify what it holds. Handles are cheap to clone and
//! share one map; after a crash all of them fail until [`MemoryStore::reopen`] gives a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::{Batch, Record, Store, StoreError, hash_record, hex};

/// When the process dies, seen from the commit that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nothing of the commit is kept.
    BeforeCommit,
    /// The commit is kept, but the caller never hears of it.
    AfterCommit,
}

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

/// The committed records at some moment, to go back to: an old backup that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Vec<u8>, Vec<u8>>);

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    commits: u64,
    planned: Option<(u64, CrashPoint)>,
    crashed: bool,
    doubt: Option<String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans a crash at the `n`-th commit from now; 1 is the next one. A later plan replaces it.
    pub fn crash_at(&self, n: u64, when: CrashPoint) {
        self.state().planned = Some((n.max(1), when));
    }

    /// Ends the life of this handle and its clones, crashed or not, and gives a new one over what was
    /// committed, with no crash planned.
    #[must_use = "the old handle is of no use any more"]
    pub fn reopen(&self) -> Self {
        let mut state = self.state();
        state.crashed = true;
        let (records, commits) = (std::mem::take(&mut state.records), state.commits);
        let doubt = state.doubt.take();
        let state = State { records, commits, planned: None, crashed: false, doubt };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Whether the process died at a commit.
    pub fn is_crashed(&self) -> bool {
        self.state().crashed
    }

    /// How many commits were kept, over all reopenings.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// SHA-256 over all keys and values.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (key, value) in &self.state().records {
            hash_record(&mut hash, key, value);
        }
        hex(&hash.finalize())
    }

    /// What is committed now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().records.clone())
    }

    /// Puts an older state back in place of the present one.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.state().records.clone_from(&snapshot.0);
    }

    /// Makes the store doubt itself until the next commit, as the real one does behind its witness.
    pub fn cast_doubt(&self, why: &str) {
        self.state().doubt = Some(why.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        self.for_each(prefix, &mut |key, value| found.push((key.to_vec(), value.to_vec())))?;
        Ok(found)
    }

    fn for_each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let state = self.state();
        state.alive()?;
        for (key, value) in state.records.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            visit(key, value);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.state();
        state.alive()?;
        Ok(state.records.get(key).cloned())
    }

    fn doubt(&self) -> Option<String> {
        self.state().doubt.clone()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        state.alive()?;
        batch.check()?;
        if batch.records.is_empty() {
            return Ok(());
        }
        match state.due() {
            None => state.apply(batch),
            Some(CrashPoint::BeforeCommit) => state.crashed = true,
            Some(CrashPoint::AfterCommit) => {
                state.apply(batch);
                state.crashed = true;
            }
        }
        state.alive()
    }
}

impl State {
    fn alive(&self) -> Result<(), StoreError> {
        if self.crashed {
            return Err(StoreError::Io { detail: "simulated crash".to_owned() });
        }
        Ok(())
    }

    /// Counts down to the planned crash and tells whether this commit meets it.
    fn due(&mut self) -> Option<CrashPoint> {
        let (left, when) = self.planned.take()?;
        if left == 1 {
            return Some(when);
        }
        self.planned = Some((left - 1, when));
        None
    }

    fn apply(&mut self, batch: Batch) {
        for (key, value) in batch.records {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
        self.commits += 1;
        self.doubt = None;
    }
}
