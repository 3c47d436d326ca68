//! The envelope around each stored value: version byte, payload, checksum.
//!
//! The checksum covers the key as well, so a value that turns up under another key is found out. It
//! protects against damage, not against somebody who may write to the folder.

use sha2::{Digest, Sha256};

/// The version of the envelope, and with it of the whole store: see `Proof::format`.
const VERSION: u8 = 1;

/// The first 64 bits of a SHA-256: a damaged record passes once in 2^64.
const CHECKSUM_BYTES: usize = 8;

/// Wraps a payload for storing it under `key`.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(1 + payload.len() + CHECKSUM_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(payload);
    let checksum = compute(key, &sealed);
    sealed.extend_from_slice(&checksum);
    sealed
}

/// The payload, or `None` when this is not what was stored under `key`.
pub(super) fn open<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (body, checksum) = sealed.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (&version, payload) = body.split_first()?;
    (version == VERSION && compute(key, body) == *checksum).then_some(payload)
}

/// The checksum that the envelope carries, unverified; 0 when it is too short to carry one.
pub(super) fn checksum(sealed: &[u8]) -> u64 {
    sealed.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn compute(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Sha256::new()
        .chain_update(key.len().to_be_bytes())
        .chain_update(key)
        .chain_update(body)
        .finalize();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash[..CHECKSUM_BYTES]);
    checksum
}
