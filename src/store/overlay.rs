//! A store laid over another: reads see through, commits stay in memory and are thrown away.
//!
//! A dry run works on it. It has no road to the base but reading; that is the whole point.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Batch, Record, Room, SharedStore, Store, StoreError};

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
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let from_prefix = changes.range(prefix.to_vec()..);
        let mut own = from_prefix.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        self.base.for_each(prefix, &mut |key, value| {
            while let Some((earlier, ours)) = own.next_if(|(own, _)| own.as_slice() < key) {
                show(earlier, ours.as_deref(), visit);
            }
            match own.next_if(|(own, _)| own.as_slice() == key) {
                Some((_, ours)) => show(key, ours.as_deref(), visit),
                None => visit(key, value),
            }
        })?;
        for (key, ours) in own {
            show(key, ours.as_deref(), visit);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(key).map_or_else(|| self.base.get(key), |ours| Ok(ours.clone()))
    }

    fn doubt(&self) -> Option<String> {
        // Of what lies below, whatever was written over it.
        self.base.doubt()
    }

    fn room(&self) -> Option<Room> {
        self.base.room()
    }

    fn noted(&self) -> Option<String> {
        self.base.noted()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.records);
        Ok(())
    }
}

/// Visits one of our own records, unless it is a removal.
fn show(key: &[u8], ours: Option<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8])) {
    if let Some(value) = ours {
        visit(key, value);
    }
}
