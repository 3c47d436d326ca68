//! The proof of age: what the store should hold, kept in the store and, as the witness, beside it.
//!
//! sled may open a damaged file in an older state, or empty, without any error. So each commit writes,
//! in the same batch, how many commits there were, how many records of each kind there are and a
//! digest over all of them. After the commit is durable the same words go to `witness.json`. Opening
//! counts the records again: a store that disagrees with its own proof, or is behind the witness, is
//! damaged. The witness may lag by the one commit that a kill cut short; it is never ahead.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::envelope;
use crate::store::{StoreError, hex};

/// The format of the store, raised with every change of a record: postcard stores no field names, so that a
/// record of another shape may be read as something that it does not say. Backups hold the same records.
pub(in crate::store) const FORMAT: u32 = 3;

/// The key of the proof in the store.
pub(super) const PROOF_KEY: &[u8] = b"\0proof";

/// What the store should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    /// [`FORMAT`] of the version that wrote it.
    pub(super) format: u32,
    /// Which installation the store belongs to, so that a store and a witness of two do not mix.
    pub(super) install_id: String,
    /// How many commits there were.
    pub(super) generation: u64,
    /// How many records there are for each first segment of the key.
    pub(super) records: BTreeMap<String, u64>,
    /// The wrapping sum of the records' checksums: it does not depend on their order, so a commit can
    /// keep it up to date without reading the rest.
    pub(super) digest: u64,
    /// The text under [`crate::store::NOTED`].
    #[serde(default)]
    pub(super) noted: Option<String>,
}

impl Proof {
    /// The proof of an empty store.
    pub(super) fn of_nothing(install_id: String) -> Self {
        Self {
            format: FORMAT,
            install_id,
            generation: 0,
            records: BTreeMap::new(),
            digest: 0,
            noted: None,
        }
    }

    /// What it notes, to be added to a sentence.
    pub(super) fn in_words(&self) -> String {
        self.noted.as_ref().map(|noted| format!(", noting {noted}")).unwrap_or_default()
    }

    /// Takes a sealed record into account.
    pub(super) fn add(&mut self, key: &[u8], sealed: &[u8]) {
        *self.records.entry(first_segment(key)).or_default() += 1;
        self.digest = self.digest.wrapping_add(envelope::checksum(sealed));
    }

    /// Takes a sealed record out of account.
    pub(super) fn subtract(&mut self, key: &[u8], sealed: &[u8]) {
        let segment = first_segment(key);
        match self.records.get_mut(&segment) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.records.remove(&segment)),
        }
        self.digest = self.digest.wrapping_sub(envelope::checksum(sealed));
    }

    /// Reads a proof, alone or as part of a witness; the error says what is wrong with it.
    pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
        /// The one field that every format has.
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let versioned: Versioned = serde_json::from_slice(json)?;
        if versioned.format != FORMAT {
            return Err(Unreadable::Format(versioned.format));
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The text that goes into the store and into the witness.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Io { detail: error.to_string() })
    }
}

/// What stands in the file of the witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Witness {
    /// What the store should hold.
    #[serde(flatten)]
    pub(super) proof: Proof,
    /// The segments of the data file that had a sound header then.
    #[serde(default)]
    pub(super) segments: Vec<u64>,
}

impl Witness {
    /// The text of the file.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Io { detail: error.to_string() })
    }
}

/// Why a proof cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Written by another version, in this format.
    Format(u32),
    /// Not a proof at all.
    Broken(String),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Replaces the file so that a reader, also after a power cut, sees the old or the new text as a
/// whole. The rename itself becomes durable with the next sync of the folder; until then the old
/// witness is seen, which only lags.
pub(super) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut writer = create(&new)?;
    writer.write_all(text)?;
    writer.sync_all()?;
    std::fs::rename(new, file)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The key up to its first `/`; segments that are no text are shown in hexadecimal digits.
fn first_segment(key: &[u8]) -> String {
    let segment = key.split(|&byte| byte == b'/').next().unwrap_or_default();
    std::str::from_utf8(segment).map_or_else(|_| hex(segment), str::to_owned)
}
