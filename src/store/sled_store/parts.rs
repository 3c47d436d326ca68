//! Values that are longer than a record of sled may safely be: what is over stands in parts under keys of
//! the store's own, in the same batch. Without it one value that grew too long, whoever sent it, would have
//! its whole commit refused, and with it everything else of that step.

use std::collections::BTreeMap;

use super::folder::Folder;
use super::{Writes, bad_record, envelope, translate};
use crate::store::{StoreError, VALUE_BYTES_MAX};

/// What the keys of parts begin with.
const PREFIX: &[u8] = b"\0part/";

/// How many parts follow the value of a key; only of long ones.
pub(super) type Long = BTreeMap<Vec<u8>, u16>;

/// The values that have parts.
pub(super) fn find(folder: &Folder, db: &sled::Db) -> Result<Long, StoreError> {
    let mut long = Long::new();
    for record in db.scan_prefix(PREFIX).keys() {
        let key = record.map_err(|error| translate(folder, error))?;
        let of = key.strip_prefix(PREFIX).and_then(<[u8]>::split_last_chunk::<2>);
        let Some((of, _)) = of else { return Err(bad_record(folder, &key)) };
        *long.entry(of.to_vec()).or_default() += 1;
    }
    Ok(long)
}

/// What is written for these values, each cut into as many records as it takes. Parts that a shorter value
/// leaves over are removed.
pub(super) fn cut(writes: Writes, long: &mut Long) -> Writes {
    let mut all = Writes::new();
    for (key, value) in writes {
        let before = long.remove(&key).unwrap_or(0);
        let mut after = 0;
        let first = value.map(|value| {
            let mut chunks = value.chunks(VALUE_BYTES_MAX);
            let first = chunks.next().unwrap_or_default().to_vec();
            for (at, chunk) in (0..).zip(chunks) {
                all.insert(part(&key, at), Some(chunk.to_vec()));
                after = at + 1;
            }
            first
        });
        all.extend((after..before).map(|at| (part(&key, at), None)));
        all.insert(key.clone(), first);
        if after > 0 {
            long.insert(key, after);
        }
    }
    all
}

/// The whole value of which `first` is the beginning.
pub(super) fn join(
    folder: &Folder,
    db: &sled::Db,
    key: &[u8],
    first: &[u8],
    parts: u16,
) -> Result<Vec<u8>, StoreError> {
    let mut whole = first.to_vec();
    for at in 0..parts {
        let key = part(key, at);
        let sealed = db.get(&key).map_err(|error| translate(folder, error))?;
        let chunk = sealed.as_deref().and_then(|sealed| envelope::open(&key, sealed));
        whole.extend_from_slice(chunk.ok_or_else(|| bad_record(folder, &key))?);
    }
    Ok(whole)
}

fn part(key: &[u8], at: u16) -> Vec<u8> {
    [PREFIX, key, &at.to_be_bytes()].concat()
}
