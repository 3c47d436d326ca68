//! How far a drive goes, and how it ended.

/// How far a drive goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until the plan rests on everything that can be read now; nothing is applied.
    Planned,
    /// Until only held and stuck items remain.
    Settled,
    /// Until somebody stops it.
    Stopped,
}

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As far as it was to go; troubles, holds and stuck items may remain.
    Done,
    /// Stopped from outside.
    Stopped,
}
