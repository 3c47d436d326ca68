//! The headers of the segments in sled's data file.
//!
//! sled passes over a segment whose header is damaged as if nothing had ever been written there, and goes on
//! to write behind it: what is acknowledged then is lost at the next opening. So after each commit the witness
//! notes which segments have a sound header, and each of them must have one before sled gets to see the file.
//! A segment that was being written when the process ended is in no witness yet.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;

use super::SEGMENT_BYTES;
use super::folder::{Folder, io_at};
use crate::store::StoreError;

/// CRC-32 of what follows, inverted; then two log positions of eight bytes (sled 0.34, `SegmentHeader`).
const HEADER_BYTES: usize = 20;

/// The numbers of the segments that have a sound header.
pub(super) fn sound(data: &File) -> io::Result<Vec<u64>> {
    let mut sound = Vec::new();
    for segment in 0..data.metadata()?.len().div_ceil(SEGMENT_BYTES as u64) {
        if is_sound(data, segment)?.is_some_and(|is_sound| is_sound) {
            sound.push(segment);
        }
    }
    Ok(sound)
}

/// Refuses a data file in which one of `wanted` has lost its header, and keeps what it holds. The first
/// segment is written before the first witness. A file that ends before a segment, or holds nothing there, is
/// an older or a shortened one: what it lacks is found when it is compared with the witness.
pub(super) fn check(folder: &Folder, wanted: &[u64]) -> Result<(), StoreError> {
    let failed = io_at(&folder.data);
    let data = match File::open(&folder.data) {
        Ok(data) => data,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for &segment in [0].iter().chain(wanted) {
        let is_damaged = is_sound(&data, segment).map_err(&failed)? == Some(false)
            && holds_something(&data, segment).map_err(&failed)?;
        if is_damaged {
            let at = segment.saturating_mul(SEGMENT_BYTES as u64);
            return Err(folder.damaged(&format!(
                "the header of its segment at byte {at} of {} is damaged",
                folder.data.display()
            )));
        }
    }
    Ok(())
}

/// Whether the segment's header is as it was written; `None` where the file ends before it.
fn is_sound(data: &File, segment: u64) -> io::Result<Option<bool>> {
    let mut header = [0; HEADER_BYTES];
    match data.read_exact_at(&mut header, segment.saturating_mul(SEGMENT_BYTES as u64)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (sum, rest) = header.split_at(4);
    Ok(Some(sum == (!crc32fast::hash(rest)).to_le_bytes()))
}

fn holds_something(data: &File, segment: u64) -> io::Result<bool> {
    let mut bytes = vec![0; SEGMENT_BYTES];
    let read = data.read_at(&mut bytes, segment.saturating_mul(SEGMENT_BYTES as u64))?;
    Ok(bytes.iter().take(read).any(|&byte| byte != 0))
}
