//! What can be wrong with ourselves rather than with a peer. The words for it are made where it is noticed;
//! the kinds are few, so that pages and metrics can have words of their own for each.

use crate::core::model::Timestamp;

/// What is wrong with ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Own {
    /// There is no room for the state, so nothing is done at all.
    DiskFull,
    /// There is work left, and nothing is done about it.
    Stall,
    /// There is little room left for the state.
    DiskLow,
    /// Our clock and a tenant's are apart.
    Clock,
    /// The state may be an old copy, and is being compared with both sides.
    Doubt,
    /// A changed configuration is not in force.
    Configuration,
    /// Another process was started on the same state, and was refused.
    Rival,
}

/// Something that is wrong with ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTrouble {
    /// What it is.
    pub kind: Own,
    /// Since when.
    pub since: Timestamp,
    /// What happened, what was done about it, what to do next.
    pub message: String,
}

impl Own {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::DiskFull,
        Self::Stall,
        Self::DiskLow,
        Self::Clock,
        Self::Doubt,
        Self::Configuration,
        Self::Rival,
    ];

    /// The name in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Stall => "stall",
            Self::DiskLow => "disk_low",
            Self::Clock => "clock",
            Self::Doubt => "doubt",
            Self::Configuration => "configuration",
            Self::Rival => "rival",
        }
    }

    /// Whether everything still works as it should: it is told, and the state stays what it is.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::DiskLow | Self::Rival)
    }
}
