//! The store port: an ordered map of bytes with atomic, durable commits. Nothing above sees sled.

use std::sync::Arc;

/// An ordered map of small records.
pub trait Store: Send + Sync {
    /// All records whose key starts with `prefix`, in key order.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;
    /// Applies the batch as a whole and returns once it is durable.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;

/// Records to write (`Some`) and to remove (`None`), applied as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// In the order given; a later record of the same key wins.
    pub records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
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
    /// Records are damaged, missing or older than the witness says (exit 13).
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
    /// There is none yet (exit 10).
    #[error("there is no state in {folder} yet")]
    Absent {
        /// The state folder.
        folder: String,
    },
    /// The disk refused: full, read-only, no permission.
    #[error("the store cannot be read or written: {detail}")]
    Io {
        /// What the system said.
        detail: String,
    },
}
