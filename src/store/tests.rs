//! What every store owes its callers, and what only the real one can get wrong.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod backup;
mod behaviour;
mod damage;
mod disk;
mod kill;

use std::path::Path;

use super::sled_store::SledStore;
use super::{Batch, OpenMode, Record, Store, StoreError, open};

fn put(key: &str, value: &[u8]) -> Batch {
    Batch { records: vec![(key.as_bytes().to_vec(), Some(value.to_vec()))] }
}

fn remove(key: &str) -> Batch {
    Batch { records: vec![(key.as_bytes().to_vec(), None)] }
}

fn create(folder: &Path) -> Result<SledStore, StoreError> {
    open(folder, OpenMode::CreateIfAbsent { install_id: "test".to_owned() })
}

fn reopen(folder: &Path) -> Result<SledStore, StoreError> {
    open(folder, OpenMode::MustExist)
}

fn everything(store: &dyn Store) -> Vec<Record> {
    store.scan(b"").unwrap()
}

/// A batch that only its number decides: some records are written, some overwritten, some removed.
fn batch_number(n: u64) -> Batch {
    let mut rng = fastrand::Rng::with_seed(n);
    let records = (0..40).map(|_| {
        let key =
            format!("{}/{:04}", ["mirror", "ledger", "journal"][rng.usize(..3)], rng.u16(..900));
        let value = (rng.u8(..) > 60).then(|| {
            let length = rng.usize(20..1500);
            std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
        });
        (key.into_bytes(), value)
    });
    Batch { records: records.collect() }
}

/// What a store holds after the first `commits` numbered batches.
fn after_batches(commits: u64) -> Vec<Record> {
    let store = super::memory::MemoryStore::new();
    (1..=commits).for_each(|n| store.commit(batch_number(n)).unwrap());
    everything(&store)
}
