//! Whether anything keeps the platform true just now. A dead service says nothing about itself, so this is
//! concluded from what each run leaves beside the state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::model::Timestamp;

/// A timer that comes once a day is late after this.
const LATE_MIN: Duration = Duration::from_secs(26 * 3_600);
/// However far apart runs were, after this time somebody should look: a timer that comes once a week.
const LATE_MAX: Duration = Duration::from_secs(8 * 24 * 3_600);
/// A run may begin so much later than the one before did.
const SLACK: Duration = Duration::from_secs(2 * 3_600);

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Goes on until it is told to stop.
    Service,
    /// Does everything once; whatever starts it starts the next one too.
    Sync,
}

/// How a run ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// The exit code of the command.
    pub exit: u8,
}

/// The last run on a state, as it was noted beside the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What it was.
    pub kind: RunKind,
    /// Its process.
    pub process: u32,
    /// When it began.
    pub began: Timestamp,
    /// How it ended; nothing while it goes on, and for ever after a kill.
    pub end: Option<RunEnd>,
    /// When the syncs before it began, the latest last.
    pub earlier: Vec<Timestamp>,
    /// When it was last seen alive.
    #[serde(skip)]
    pub seen: Timestamp,
}

/// Whether anything keeps the platform true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// A process does.
    #[default]
    Here,
    /// None does just now: syncs come and go, and the last one came to its end.
    Between,
    /// None does, and one should.
    Gone {
        /// Since when.
        since: Timestamp,
        /// Whether nothing will mend that by itself, as far as can be told.
        is_urgent: bool,
    },
}

impl Run {
    /// So many starts are remembered.
    pub const EARLIER_MAX: usize = 7;

    /// The last moment of it that is known.
    pub fn last_known(&self) -> Timestamp {
        self.end.map_or(self.seen.max(self.began), |end| end.at)
    }

    /// Whether it came to its end, well or not; one that was interrupted or killed did not, and one that could
    /// not begin had nothing to end.
    pub fn came_to_its_end(&self) -> bool {
        /// An interruption.
        const INTERRUPTED: u8 = 130;
        self.end.is_some_and(|end| end.exit != INTERRUPTED) && !self.could_not_begin()
    }

    /// Whether its configuration, or a secret of it, kept it from doing anything.
    pub fn could_not_begin(&self) -> bool {
        /// The configuration is invalid.
        const CONFIG: u8 = 78;
        self.end.is_some_and(|end| end.exit == CONFIG)
    }

    /// The longest time from one of the last syncs to the next, where there were several.
    pub fn longest_interval(&self) -> Option<Duration> {
        let starts: Vec<Timestamp> = self.earlier.iter().copied().chain([self.began]).collect();
        starts.windows(2).map(|pair| pair[1].since(pair[0])).max()
    }

    /// So long after its beginning the next sync is missed. A timer that works on weekdays only pauses for a
    /// weekend, so the longest of the last intervals counts.
    pub fn patience(&self) -> Duration {
        let longest = self.longest_interval().unwrap_or_default();
        (longest + SLACK).clamp(LATE_MIN, LATE_MAX)
    }

    /// What that says while no process is at work.
    pub fn presence(&self, now: Timestamp) -> Presence {
        let since = self.last_known();
        let is_late = now.since(self.began) > self.patience();
        match self.kind {
            RunKind::Service => Presence::Gone { since, is_urgent: true },
            RunKind::Sync if self.came_to_its_end() && !is_late => Presence::Between,
            RunKind::Sync => Presence::Gone { since, is_urgent: is_late },
        }
    }
}

#[cfg(test)]
mod tests;
