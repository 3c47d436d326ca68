//! Long records: what an approval or a hold covers can be longer than one record of the store may be,
//! and is written in parts. The first is under the key itself, the others behind it.

use std::collections::BTreeMap;

use crate::store::Record;

/// Far below what the store takes, and far above what an ordinary record holds.
const PART_BYTES: usize = 64 * 1024;

/// How many parts each key has, to take away those that a shorter value leaves over.
#[derive(Debug, Default)]
pub(super) struct Chunks(BTreeMap<Vec<u8>, u16>);

/// Records to write and to remove.
type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Chunks {
    /// The records that the value, or its end, comes to.
    pub(super) fn split(&mut self, key: &[u8], value: Option<&[u8]>, writes: &mut Writes) {
        let chunks: Vec<&[u8]> = match value {
            Some([]) => vec![&[]],
            Some(value) => value.chunks(PART_BYTES).collect(),
            None => Vec::new(),
        };
        let parts = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
        let before = self.0.get(key).copied().unwrap_or(1);
        writes.extend((0..).zip(chunks).map(|(at, chunk)| (part(key, at), Some(chunk.to_vec()))));
        writes.extend((parts..before).map(|at| (part(key, at), None)));
        if parts > 1 {
            self.0.insert(key.to_vec(), parts);
        } else {
            self.0.remove(key);
        }
    }

    /// Puts what was split together. `length` tells how long the key is that some bytes begin with.
    pub(super) fn join(
        &mut self,
        records: Vec<Record>,
        length: impl Fn(&[u8]) -> Option<usize>,
    ) -> Vec<Record> {
        let mut joined: Vec<Record> = Vec::new();
        for (key, value) in records {
            let own = length(&key).unwrap_or(key.len());
            match joined.last_mut() {
                Some((last, whole)) if key.len() > own && last.as_slice() == &key[..own] => {
                    whole.extend(value);
                    *self.0.entry(last.clone()).or_insert(1) += 1;
                }
                _ => joined.push((key, value)),
            }
        }
        joined
    }
}

fn part(key: &[u8], at: u16) -> Vec<u8> {
    let mut key = key.to_vec();
    if at > 0 {
        key.extend(at.to_be_bytes());
    }
    key
}

#[cfg(test)]
mod tests;
