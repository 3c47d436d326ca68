//! Waiting: what a drive waits for while nothing is on its way, for those who wait with it. Nothing is decided
//! by it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Engine, Until};
use crate::core::model::{Kind, Timestamp};

/// Shorter waits are over before anybody has read of them.
const TOLD_FROM: Duration = Duration::from_secs(2);

/// What a drive waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What for, to follow "waits for".
    pub what: String,
    /// Until when.
    pub until: Timestamp,
    /// How long that was when it began, in seconds.
    pub seconds: u64,
}

/// How far a drive has come, for people who watch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Objects read from Entra and not yet taken in.
    pub reading: u64,
    /// Changes confirmed or refused since the engine was made.
    pub done: u64,
    /// Changes that are cleared and not confirmed.
    pub open: u64,
    /// Changes that wait for approval.
    pub held: u64,
    /// What is waited for, while nothing is on its way.
    pub waiting: Option<Waiting>,
}

impl Engine {
    /// What is waited for, by whoever wants all to be done that can be; nothing while something is on its way.
    pub(super) fn waiting(&self, applies: bool, until: Until) -> Option<Waiting> {
        if !self.flight.since.is_empty() || self.is_at_rest(applies, until) {
            return None;
        }
        let elapsed = self.clock.elapsed();
        let dues = self.waits_for_sources().chain(self.waits_for_target());
        let (due, what) = dues.filter(|(due, _)| *due > elapsed).min()?;
        let span = due.saturating_sub(elapsed);
        let seconds = span.as_secs();
        (span >= TOLD_FROM).then(|| Waiting { what, until: self.clock.now().plus(span), seconds })
    }

    fn waits_for_sources(&self) -> impl Iterator<Item = (Duration, String)> + '_ {
        self.awaited_reads().map(|((source, kind), due, is_asked_for)| {
            let kind = match kind {
                Kind::Users => "users",
                Kind::Groups => "groups",
            };
            let why = if is_asked_for {
                "Entra, which asks for a pause"
            } else {
                "another try at reading Entra"
            };
            (due, format!("{why} (tenant {source}, {kind})"))
        })
    }

    fn waits_for_target(&self) -> impl Iterator<Item = (Duration, String)> + '_ {
        let looks = self.survey_dues().min();
        let pause =
            self.target.pacer.waits_until().filter(|_| self.target.health.pace_wait.is_some());
        [
            (pause, "the platform, which asks for a pause"),
            (self.target.health.retry, "the platform, which asks for a pause"),
            (
                self.target.health.pace_wait,
                "the next request to the platform that its limits allow",
            ),
            (self.meeting_due(), "the next question to the platform, whether it answers"),
            (
                self.target.reads_due(),
                "reading back from the platform what a write without an answer has left",
            ),
            (self.target.queue.due(), "another try at changes that the platform did not take"),
            (looks, "looking up on the platform what a create without an answer has left"),
            (self.stall_due(), "itself, to see whether it gets on"),
        ]
        .into_iter()
        .filter_map(|(due, what)| Some((due?, what.to_owned())))
    }
}
