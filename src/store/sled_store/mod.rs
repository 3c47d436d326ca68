//! The real store, on sled 0.34.
//!
//! Guarantees: a commit is one batch, flushed and synced before it returns; one process at a time; the
//! files are for their owner only; a store that is damaged is refused; one that is sound in itself, but
//! older than it was, emptied or without its witness, opens with a [`Store::doubt`] that lasts until
//! the next commit, never as if nothing had happened.
//!
//! Assumptions: the folder is on a local disk that tells the truth about fsync, and only this module
//! touches it.
//!
//! What sled leaves to us: its `flush` syncs neither the file's length nor the drive's cache (it ends in
//! `sync_file_range`), it panics on some damage, and on other damage it opens an older state or an
//! empty one without an error.

pub(super) mod envelope;
mod folder;
mod parts;
mod segments;
mod verify;
mod witness;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use sha2::{Digest, Sha256};

pub(super) use self::folder::try_room;
use self::folder::{Folder, Lock, io_at, room};
use self::verify::{Witnessed, compare, read_witness, verify, walk};
pub(super) use self::witness::FORMAT;
use self::witness::{PROOF_KEY, Proof, Witness};
use super::{Batch, NOTED, OpenMode, RESERVED, Record, Room, Store, StoreError, hash_record, hex};

/// Pages that sled keeps in memory. Planning keeps its own compact picture, so the store is read in
/// long scans, for which a cache is of little use.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// One record in so many is looked up once more in a scan, to have sled let go of pages: see `walk`.
const LOOKED_UP: usize = 8;

/// A page may take up a quarter of a segment before it leaves the log for a file of its own, which
/// nothing syncs. 20 records of [`super::VALUE_BYTES_MAX`] and their keys fit.
pub(super) const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// How often opening is tried while sled's own threads of a store just closed let go of its file.
const LOCK_TRIES_MAX: u32 = 20_000;

/// What is put under keys, and what is removed.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The store of a running service.
///
/// A failed commit ends its life, unless the batch was refused for its size: what sled has in memory may
/// be ahead of the disk then. Drop it and open it again. Dropping loses nothing and writes nothing.
#[derive(Debug)]
pub struct SledStore {
    state: RwLock<State>,
    db: sled::Db,
    /// Our own handle of sled's data file, to sync it.
    data: File,
    folder: Folder,
    /// Held for its lock, and dropped last.
    _lock: Lock,
}

#[derive(Debug)]
struct State {
    proof: Proof,
    /// The values that are kept in several records.
    long: parts::Long,
    /// Why the records may be older than they were, until a commit says what they are now.
    doubt: Option<String>,
    /// The next commit is above this generation, so that the witness never goes back.
    floor: u64,
    /// Why the store may not be used any more.
    stopped: Option<StoreError>,
}

impl SledStore {
    /// Opens the store in `folder`, verifying every record.
    ///
    /// Opening changes no key, no value and not the witness, unless it makes the store. It sets the
    /// process's umask to 0077.
    pub fn open(folder: &Path, mode: OpenMode) -> Result<Self, StoreError> {
        let folder = Folder::new(folder);
        match &mode {
            OpenMode::MustExist if !folder.holds_something()? => return Err(folder.absent()),
            OpenMode::MustExist => {}
            OpenMode::CreateIfAbsent { .. } => {
                // What root makes in a folder of somebody else's, its owner cannot use.
                folder.keep_private()?;
                folder.create()?;
            }
        }
        folder.keep_private()?;
        let lock = folder.lock()?;
        let witness = read_witness(&folder)?;
        segments::check(&folder, witness.segments())?;
        folder.sort_out_summaries()?;
        let db = open_sled(&folder)?;
        let stored = guarded(&folder, || verify(&folder, &db))?;
        let data = File::open(&folder.data).map_err(io_at(&folder.data))?;
        let (proof, doubt) = match (stored, &witness) {
            (Some(stored), Witnessed::Proof(Witness { proof: witness, .. })) => {
                let doubt = compare(&folder, &stored, witness)?;
                (stored, doubt)
            }
            (None, Witnessed::Proof(Witness { proof: witness, .. })) if witness.generation > 0 => {
                let records: u64 = witness.records.values().sum();
                let doubt = format!(
                    "the store is empty, but was at generation {} with {records} records{}",
                    witness.generation,
                    witness.in_words()
                );
                (Proof::of_nothing(witness.install_id.clone()), Some(doubt))
            }
            (Some(stored), Witnessed::Missing(why) | Witnessed::Spoilt(why))
                if stored.generation > 0 =>
            {
                (stored, Some(why.clone()))
            }
            (unfinished, witness) => match (mode, witness) {
                (OpenMode::CreateIfAbsent { install_id }, Witnessed::Spoilt(why)) => {
                    let proof = unfinished.unwrap_or_else(|| Proof::of_nothing(install_id));
                    (proof, Some(why.clone()))
                }
                // Never made, or its making was cut short before anything was committed.
                (OpenMode::CreateIfAbsent { install_id }, _) => {
                    let proof = unfinished.unwrap_or_else(|| Proof::of_nothing(install_id));
                    make(&folder, &db, &data, &proof)?;
                    (proof, None)
                }
                (OpenMode::MustExist, _) => return Err(folder.absent()),
            },
        };
        let floor = witness.generation();
        // sled may just have written a new summary of its log and removed the old one.
        folder.sync_all()?;
        let long = guarded(&folder, || parts::find(&folder, &db))?;
        let state = RwLock::new(State { proof, long, doubt, floor, stopped: None });
        Ok(Self { state, db, data, folder, _lock: lock })
    }

    /// The format of the records.
    pub fn format(&self) -> u32 {
        self.state().proof.format
    }

    /// What the store takes up on the disk.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|error| translate(&self.folder, error))
    }

    /// How many commits the store has seen in its life.
    pub fn generation(&self) -> u64 {
        self.state().proof.generation
    }

    /// The random id of this installation, given when the store was made.
    pub fn install_id(&self) -> String {
        self.state().proof.install_id.clone()
    }

    /// How many records there are for each first segment of the key.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.state().proof.records.clone();
        counts.retain(|kind, _| !kind.as_bytes().starts_with(&[RESERVED]));
        counts
    }

    /// SHA-256 over all keys and values, the store's own ones too, and the witness: two equal digests
    /// with something done in between mean that nothing was changed.
    pub fn digest(&self) -> Result<String, StoreError> {
        let state = self.state();
        let mut hash = Sha256::new();
        self.visit_raw(&state, b"", &mut |key, sealed| hash_record(&mut hash, key, sealed))?;
        let witness = &self.folder.witness;
        hash.update(std::fs::read(witness).map_err(io_at(witness))?);
        Ok(hex(&hash.finalize()))
    }

    /// Reads every record again and compares with the proof.
    pub fn verify(&self) -> Result<(), StoreError> {
        let state = self.state();
        let stored = guarded(&self.folder, || verify(&self.folder, &self.db))?;
        let is_empty = || stored.is_none() && state.proof.generation == 0;
        if stored.as_ref() == Some(&state.proof) || is_empty() {
            return Ok(());
        }
        Err(self.folder.damaged("its records changed while it was open"))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn visit_raw(
        &self,
        state: &State,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        state.usable()?;
        guarded(&self.folder, || {
            // The index was looked through when the store was opened.
            walk(&self.folder, &self.db, prefix, LOOKED_UP, |key, sealed| {
                visit(key, sealed);
                Ok(())
            })
        })
    }

    /// Writes the batch and gives the proof of the store as it is then, and its long values.
    fn write(&self, before: &State, batch: Batch) -> Result<(Proof, parts::Long), StoreError> {
        let failed = |error| translate(&self.folder, error);
        let mut after = before.proof.clone();
        after.generation = after.generation.max(before.floor) + 1;
        let mut writes = sled::Batch::default();
        let last_wins: Writes = batch.records.into_iter().collect();
        let mut long = before.long.clone();
        for (key, value) in parts::cut(last_wins, &mut long) {
            if let Some(old) = self.db.get(&key).map_err(failed)? {
                after.subtract(&key, &old);
            }
            if key == NOTED {
                after.noted = value.as_deref().map(|text| String::from_utf8_lossy(text).into());
            }
            if let Some(value) = value {
                let sealed = envelope::seal(&key, &value);
                after.add(&key, &sealed);
                writes.insert(key, sealed);
            } else {
                writes.remove(key);
            }
        }
        put_durably(&self.folder, &self.db, &self.data, writes, &after)?;
        Ok((after, long))
    }
}

impl Store for SledStore {
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
        let mut bad = None;
        self.visit_raw(&state, prefix, &mut |key, sealed| {
            if key.first() == Some(&RESERVED) || bad.is_some() {
                return;
            }
            match (envelope::open(key, sealed), state.long.get(key)) {
                (None, _) => bad = Some(bad_record(&self.folder, key)),
                (Some(value), None) => visit(key, value),
                (Some(first), Some(parts)) => {
                    match parts::join(&self.folder, &self.db, key, first, *parts) {
                        Ok(whole) => visit(key, &whole),
                        Err(error) => bad = Some(error),
                    }
                }
            }
        })?;
        bad.map_or(Ok(()), Err)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.state();
        state.usable()?;
        let found = guarded(&self.folder, || {
            self.db.get(key).map_err(|error| translate(&self.folder, error))
        })?;
        let open = |sealed: sled::IVec| {
            let first = envelope::open(key, &sealed);
            let first = first.ok_or_else(|| bad_record(&self.folder, key))?;
            let parts = state.long.get(key).copied().unwrap_or(0);
            guarded(&self.folder, || parts::join(&self.folder, &self.db, key, first, parts))
        };
        found.filter(|_| key.first() != Some(&RESERVED)).map(open).transpose()
    }

    fn doubt(&self) -> Option<String> {
        self.state().doubt.clone()
    }

    fn room(&self) -> Option<Room> {
        room(&self.folder.root)
    }

    fn noted(&self) -> Option<String> {
        match read_witness(&self.folder) {
            Ok(Witnessed::Proof(witness)) => witness.proof.noted,
            _ => None,
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.usable()?;
        batch.check()?;
        if batch.records.is_empty() {
            return Ok(());
        }
        match guarded(&self.folder, || self.write(&state, batch)) {
            Ok((proof, long)) => {
                (state.proof, state.long) = (proof, long);
                state.doubt = None;
                Ok(())
            }
            Err(error) => {
                state.stopped = Some(error.clone());
                Err(error)
            }
        }
    }
}

/// See [`super::move_aside`].
pub(super) fn move_aside(folder: &Path, stamp: &str) -> Result<Option<PathBuf>, StoreError> {
    let folder = Folder::new(folder);
    if !folder.holds_something()? {
        return Ok(None);
    }
    folder.keep_private()?;
    let _lock = folder.lock()?;
    folder.move_aside(stamp).map(Some)
}

impl State {
    fn usable(&self) -> Result<(), StoreError> {
        self.stopped.clone().map_or(Ok(()), Err)
    }
}

/// Writes the proof of an empty store, then the first witness.
fn make(folder: &Folder, db: &sled::Db, data: &File, proof: &Proof) -> Result<(), StoreError> {
    // First the files, so that the witness cannot outlive the store that it speaks of.
    folder.sync_all()?;
    put_durably(folder, db, data, sled::Batch::default(), proof)
}

/// The one way to write: batch, flush, sync, and only then the witness.
fn put_durably(
    folder: &Folder,
    db: &sled::Db,
    data: &File,
    mut writes: sled::Batch,
    proof: &Proof,
) -> Result<(), StoreError> {
    let failed = |error| translate(folder, error);
    let text = proof.to_json()?;
    writes.insert(PROOF_KEY, envelope::seal(PROOF_KEY, &text));
    db.apply_batch(writes).map_err(failed)?;
    db.flush().map_err(failed)?;
    data.sync_all().map_err(io_at(&folder.data))?;
    let segments = segments::sound(data).map_err(io_at(&folder.data))?;
    let witness = Witness { proof: proof.clone(), segments };
    witness::replace(&folder.witness, &witness.to_json()?).map_err(io_at(&folder.witness))
}

fn open_sled(folder: &Folder) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(&folder.store)
        .cache_capacity(CACHE_BYTES)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    let attempt = || guarded(folder, || config.open().map_err(|error| translate(folder, error)));
    // We hold the lock of the folder, so a locked file is held by threads of a store that this
    // process closed a moment ago, or by somebody who knows nothing of our lock.
    for _ in 1..LOCK_TRIES_MAX {
        match attempt() {
            Err(StoreError::Locked { .. }) => std::thread::yield_now(),
            settled => return settled,
        }
    }
    attempt()
}

/// Runs something of sled's that may panic on damaged pages.
fn guarded<T>(
    folder: &Folder,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(folder.damaged("sled gave up on its data file")))
}

fn bad_record(folder: &Folder, key: &[u8]) -> StoreError {
    folder.damaged(&format!("the record with key {} is damaged", hex(key)))
}

fn translate(folder: &Folder, error: sled::Error) -> StoreError {
    match error {
        // sled has no error of its own for it.
        sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            folder.locked(None)
        }
        sled::Error::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            io_at(&folder.store)(error)
        }
        // Its own words name a place that nobody can look at.
        sled::Error::Corruption { .. } => {
            folder.damaged("its data file cannot be read, or was cut short or changed")
        }
        error => folder.damaged(&error.to_string()),
    }
}
