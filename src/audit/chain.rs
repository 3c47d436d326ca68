//! The chain: how an entry is bound to the one before it, and how a break is found.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Entry;
use crate::core::model::DigestKey;

/// A SHA-256, of the chain or keyed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The keyed digest of a value: nobody can try values out on an entry.
    pub fn keyed<T: Serialize>(key: &DigestKey, value: &T) -> Self {
        Self(key.digest("journal", value))
    }

    /// The hash of an entry behind the one that ends in `self`.
    fn then(self, number: u64, entry: &Entry) -> Self {
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(number.to_be_bytes())
            .chain_update(postcard::to_stdvec(entry).unwrap_or_default());
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What it says.
    pub entry: Entry,
    /// Hash over the chain up to and with it.
    pub hash: Hash,
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Number of the next entry.
    pub next: u64,
    /// Hash of the last one.
    pub hash: Hash,
    /// Number of the oldest entry that is kept.
    pub first: u64,
    /// Hash of the one before it.
    pub before_first: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.next, self.hash)
    }
}

impl Head {
    /// Binds an entry to the chain. Gives its number and what is to be stored under it.
    pub fn append(&mut self, entry: Entry) -> (u64, Stored) {
        let number = self.next;
        self.hash = self.hash.then(number, &entry);
        self.next += 1;
        (number, Stored { entry, hash: self.hash })
    }

    /// Lets go of the oldest entry, which ended in `hash`.
    pub fn drop_first(&mut self, hash: Hash) {
        self.first += 1;
        self.before_first = hash;
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number}: {what}")]
pub struct Flaw {
    /// The first entry that is not as it should be.
    pub number: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// Verifies the entries of a chain in the order of their numbers; `None` stands for one that cannot be
/// read. `known` are heads that were noted elsewhere, as `next:hash`: the chain must pass through each
/// that it still holds.
///
/// # Errors
/// The first flaw.
pub fn verify(
    head: &Head,
    entries: impl IntoIterator<Item = (u64, Option<Stored>)>,
    known: &[(u64, String)],
) -> Result<u64, Flaw> {
    let flaw = |number, what| Err(Flaw { number, what });
    let passes = |next: u64, hash: Hash| {
        let mut noted = known.iter().filter(|(at, _)| *at == next);
        noted.all(|(_, noted)| *noted == hash.to_string())
    };
    let (mut next, mut hash) = (head.first, head.before_first);
    for (number, stored) in entries {
        if number < next {
            return flaw(number, "it lies before the beginning of the journal");
        }
        if number > next {
            return flaw(next, "it is missing");
        }
        let Some(Stored { entry, hash: said }) = stored else {
            return flaw(number, "it cannot be read");
        };
        hash = hash.then(number, &entry);
        if hash != said {
            return flaw(number, "it was changed, or is not the one that followed");
        }
        next += 1;
        if !passes(next, hash) {
            return flaw(number, "another entry was noted elsewhere: the journal was rewritten");
        }
    }
    if next < head.next {
        return flaw(next, "it is missing at the end");
    }
    if next > head.next || hash != head.hash {
        return flaw(next.saturating_sub(1), "the head of the journal is another");
    }
    if known.iter().any(|(at, _)| *at > next) {
        return flaw(next, "it is missing, but was noted elsewhere: the end was cut off");
    }
    Ok(next - head.first)
}
