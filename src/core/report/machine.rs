//! What this machine says about the process, as far as it does.

use std::time::Duration;

use crate::core::model::Timestamp;

/// The process and its state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// What the state takes.
    pub state_bytes: Option<u64>,
    /// Memory that the process holds.
    pub resident_bytes: Option<u64>,
    /// Files and sockets that it has open.
    pub open_files: Option<u64>,
    /// Processor time that it has taken.
    pub processor: Option<Duration>,
    /// When it began.
    pub began: Option<Timestamp>,
}
