//! A store laid over another: reads see through, commits stay in memory and are thrown away.
//!
//! A dry run works on it. It has no road to the base but reading; that is the whole point.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Batch, SharedStore, Store, StoreError};

/// What was written over the base; `None` hides a record of the base.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A store laid over another.
pub struct Overlay {
    base: SharedStore,
    changes: Mutex<Changes>,
}

impl Overlay {
    /// Lays an empty overlay over `base`, which must not be written to meanwhile.
    pub fn new(base: SharedStore) -> Self {
        Self { base, changes: Mutex::default() }
    }
}

impl Store for Overlay {
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        self.for_each(prefix, &mut |key, value| found.push((key.to_vec(), value.to_vec())))?;
        Ok(found)
    }

    fn for_each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let from_prefix = changes.range(prefix.to_vec()..);
        let mut own = from_prefix.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        self.base.for_each(prefix, &mut |key, value| {
            while let Some((earlier, ours)) = own.next_if(|(own, _)| own.as_slice() < key) {
                ours.iter().for_each(|ours| visit(earlier, ours));
            }
            match own.next_if(|(own, _)| own.as_slice() == key) {
                Some((_, ours)) => ours.iter().for_each(|ours| visit(key, ours)),
                None => visit(key, value),
            }
        })?;
        for (key, ours) in own {
            ours.iter().for_each(|ours| visit(key, ours));
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.records);
        Ok(())
    }
}
