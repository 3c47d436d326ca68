//! What this machine says about the process and the disk that it lives on, as far as it does.

use std::time::Duration;

use crate::core::model::Timestamp;

const MIB: u64 = 1024 * 1024;
/// So little space is told, however small or large the disk.
const SPACE_MIN: u64 = 200 * MIB;
/// So is a tenth of the disk, as long as that is little, too.
const SPACE_SHARE: u64 = 10;
const SPACE_ENOUGH: u64 = 2048 * MIB;

/// The process and its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// What the state takes.
    pub state_bytes: Option<u64>,
    /// The disk that it is on.
    pub disk: Option<Disk>,
    /// Memory that the process holds.
    pub resident_bytes: Option<u64>,
    /// Files and sockets that it has open.
    pub open_files: Option<u64>,
    /// Processor time that it has taken.
    pub processor: Option<Duration>,
    /// When it began.
    pub began: Option<Timestamp>,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// What the process may still write.
    pub free_bytes: u64,
    /// Everything.
    pub size_bytes: u64,
}

impl Disk {
    /// Whether somebody should make room: under 200 MiB, or under 2 GiB and a tenth of the disk.
    pub fn is_nearly_full(&self) -> bool {
        self.free_bytes < SPACE_MIN
            || self.free_bytes < (self.size_bytes / SPACE_SHARE).min(SPACE_ENOUGH)
    }
}
