//! A warning or an error that says the same again is not written again: it is counted, and the count is
//! told once the time is over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::{Clock, SystemClock};
use crate::core::words::plural;

/// So long the same words are counted rather than written.
const WINDOW: Duration = Duration::from_secs(600);

/// So many different lines are remembered. Beyond, lines are written as they come.
const KNOWN_MAX: usize = 512;

/// The target of the lines that tell a count; these are never folded themselves.
const OWN_TARGET: &str = "manntall::folded";

/// Holds back what was said just now.
pub struct Fold {
    clock: Box<dyn Clock>,
    lines: Mutex<Lines>,
}

/// What was said lately: since when, and how often since.
#[derive(Default)]
struct Lines(BTreeMap<String, (Duration, u64)>);

impl Default for Fold {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold {
    /// On the system's clock.
    pub fn new() -> Self {
        Self { clock: Box::new(SystemClock::start()), lines: Mutex::default() }
    }
}

impl<S: Subscriber> Layer<S> for Fold {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == OWN_TARGET {
            return true;
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        let now = self.clock.elapsed();
        let (over, shows) = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            (lines.take_over(now), lines.shows(words.0, now))
        };
        for (line, times) in over {
            let more = plural(times, "time", "times");
            tracing::warn!(target: OWN_TARGET, times, "said {times} {more} more: {line}");
        }
        shows
    }
}

impl Lines {
    /// Takes out what has had its time, with its count where it was said again.
    fn take_over(&mut self, now: Duration) -> Vec<(String, u64)> {
        let is_over = |since: &Duration| now >= *since + WINDOW;
        let mut over = Vec::new();
        self.0.retain(|line, (since, times)| {
            let stays = !is_over(since);
            if !stays && *times > 0 {
                over.push((line.clone(), *times));
            }
            stays
        });
        over
    }

    /// Whether a line is to be written.
    fn shows(&mut self, line: String, now: Duration) -> bool {
        if let Some((_, times)) = self.0.get_mut(&line) {
            *times += 1;
            return false;
        }
        if self.0.len() < KNOWN_MAX {
            self.0.insert(line, (now, 0));
        }
        true
    }
}

/// Everything that an event says, on one line.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let rest = std::mem::take(&mut self.0);
            let _ = write!(self.0, "{value:?}{rest}");
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests;
