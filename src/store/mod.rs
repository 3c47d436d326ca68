//! The store port: an ordered map of bytes with atomic, durable commits. Nothing above sees sled.
//!
//! What the bytes mean is not known here. A commit that returned is on the disk; a commit that failed
//! may or may not be, so after a failure the store refuses everything until it is opened again.

pub mod backup;
pub mod memory;
pub mod overlay;
pub mod sled_store;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, User};
use sha2::{Digest as _, Sha256};

use self::sled_store::SledStore;

/// The longest key. A page of sled's index holds up to 257 keys and must fit into its log.
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest value that is kept in one record. sled keeps up to 20 records on one page; a page that outgrows a quarter of a
/// segment is written to a file of its own that nothing ever syncs, so it could be lost in a power cut.
/// The real store keeps a longer one in several records.
pub const VALUE_BYTES_MAX: usize = 100 * 1024;

/// The longest value: as long as the longest answer that is read of anybody.
pub const WHOLE_VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Keys that start with this byte are the store's own.
pub const RESERVED: u8 = 0;

/// The text under this key is repeated in the witness, where it can be read without the store.
pub const NOTED: &[u8] = b"noted/";

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// An ordered map of small records.
pub trait Store: Send + Sync {
    /// All records whose key starts with `prefix`, in key order.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Record>, StoreError>;

    /// Applies the batch as a whole and returns once it is durable. An empty batch is no commit.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Why the records may be older than what was committed last, in words for the operator; `None`
    /// where there is no reason to think so. The next commit ends it: whoever commits first must have
    /// written down that the records are not to be trusted.
    fn doubt(&self) -> Option<String> {
        None
    }

    /// How much room there is where the records are kept; `None` where that is no disk.
    fn room(&self) -> Option<Room> {
        None
    }

    /// What the witness beside the store says under [`NOTED`], if there is one.
    fn noted(&self) -> Option<String> {
        None
    }

    /// Visits what `scan` would return without holding all of it in memory. `visit` must not commit to
    /// the same store.
    fn for_each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        for (key, value) in self.scan(prefix)? {
            visit(&key, &value);
        }
        Ok(())
    }

    /// The value of one key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.scan(key)?.into_iter().next();
        Ok(found.filter(|(first, _)| first == key).map(|(_, value)| value))
    }
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;

/// Opens the store in the state folder: see [`SledStore`].
pub fn open(folder: &Path, mode: OpenMode) -> Result<SledStore, StoreError> {
    if folder.exists() && !folder.is_dir() {
        let folder = folder.display();
        let detail =
            format!("service.state_dir is {folder}, which is a file; name a folder of its own");
        return Err(StoreError::Io { detail });
    }
    SledStore::open(folder, mode)
}

/// Tries whether a store in `folder` could be written to now: there is some room, and a file of a fair size
/// can be made there and synced. A quota shows only when something is written.
pub fn try_room(folder: &Path) -> Result<(), StoreError> {
    sled_store::try_room(folder)
}

/// A user as this machine calls it, to say whom a state belongs to.
pub fn user_name(number: u32) -> String {
    let found = User::from_uid(Uid::from_raw(number)).ok().flatten();
    found.map_or_else(|| number.to_string(), |user| user.name)
}

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Moves what there is of a store into a new folder beside it, and gives that folder; `None` where there
/// is nothing.
pub fn move_aside(folder: &Path, stamp: &str) -> Result<Option<PathBuf>, StoreError> {
    sled_store::move_aside(folder, stamp)
}

/// The room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What is free for us.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// What to do where there is no store yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenMode {
    /// Make one; it carries the given id of this installation from then on.
    CreateIfAbsent {
        /// A new random id, used only when the store is made.
        install_id: String,
    },
    /// Answer [`StoreError::Absent`] and touch nothing.
    MustExist,
}

/// Records to write (`Some`) and to remove (`None`), applied as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// In the order given; a later record of the same key wins.
    pub records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Refuses what the real store could not keep safely. Every store asks, so that a test with
    /// another store finds it too.
    fn check(&self) -> Result<(), StoreError> {
        for (key, value) in &self.records {
            let reserved = key.first().is_none_or(|&first| first == RESERVED);
            let bytes = value.as_ref().map_or(0, Vec::len);
            if reserved || key.len() > KEY_BYTES_MAX || bytes > WHOLE_VALUE_BYTES_MAX {
                return Err(StoreError::Io {
                    detail: format!(
                        "a record with a key of {} and a value of {bytes} bytes is refused (key {}): \
                         keys have 1 to {KEY_BYTES_MAX} bytes and do not begin with byte {RESERVED}, \
                         values have at most {WHOLE_VALUE_BYTES_MAX}",
                        key.len(),
                        hex(key.get(..32).unwrap_or(key)),
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Feeds one record with its lengths, so that no two different maps give the same bytes.
fn hash_record(hash: &mut Sha256, key: &[u8], value: &[u8]) {
    for part in [key, value] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
}

/// Why the store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds it (exit 11).
    #[error("the store in {folder} is held by another process{}", holder.map(|id| format!(" ({id})")).unwrap_or_default())]
    Locked {
        /// The state folder.
        folder: String,
        /// Process id of the holder, where it is known.
        holder: Option<u32>,
    },
    /// Records are damaged, or belong to another installation (exit 13).
    #[error("the store in {folder} is damaged: {detail}")]
    Damaged {
        /// The state folder.
        folder: String,
        /// What is wrong.
        detail: String,
    },
    /// Written by a newer version (exit 13).
    #[error(
        "the store in {folder} was written by a newer version (format {found}, this one knows {known})"
    )]
    Newer {
        /// The state folder.
        folder: String,
        /// Format found.
        found: u32,
        /// Format known.
        known: u32,
    },
    /// Written by an older version, in a format that this one does not read (exit 13).
    #[error(
        "the store in {folder} was written by an older version (format {found}, this one reads {known} only)"
    )]
    Older {
        /// The state folder.
        folder: String,
        /// Format found.
        found: u32,
        /// Format known.
        known: u32,
    },
    /// There is none yet (exit 10).
    #[error("there is no state in {folder} yet")]
    Absent {
        /// The state folder.
        folder: String,
    },
    /// There is no room: the disk or a quota is full, or the file system has become read-only. Ends by
    /// itself once there is room again.
    #[error("there is no room to write the store: {detail}")]
    NoRoom {
        /// What the system said.
        detail: String,
    },
    /// A backup cannot be read or written, or is not whole.
    #[error("{detail}")]
    Backup {
        /// Which, and why.
        detail: String,
    },
    /// The disk refused for another reason, such as a missing permission.
    #[error("the store cannot be read or written: {detail}")]
    Io {
        /// What the system said.
        detail: String,
    },
}
