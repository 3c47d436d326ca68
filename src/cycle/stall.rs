//! Stall: work is left, and yet nothing is on its way and nothing waits for a time. That is a bug of
//! Manntall's own; it is named rather than waited out. Everything is planned anew once before.
//!
//! What waits for a person, or for a peer that is left alone, is no stall: a drive is done with that.

use std::time::Duration;

use super::{Engine, Trouble, Until};
use crate::core::judge::Guard;
use crate::core::words::plural;

/// So long nothing has to come of it, whatever the next polls bring, before it is told.
const PATIENCE: Duration = Duration::from_secs(4 * 60);

/// How far it is known that the loop does not get on.
#[derive(Default)]
pub(super) struct Stall {
    /// Since when.
    since: Option<Duration>,
    /// How many changes had been made or refused by then; others since are progress.
    done: u64,
    /// What is told.
    trouble: Option<Trouble>,
}

impl Engine {
    /// That the engine has work left and does not get on with it.
    pub fn stall(&self) -> Option<&Trouble> {
        self.stall.trouble.as_ref()
    }

    /// At the end of a turn in which nothing is on its way and the drive is not done: whether it will
    /// never be.
    pub(super) fn is_stalled(&mut self, applies: bool, until: Until, began: Duration) -> bool {
        if self.is_at_rest(applies, until) || self.waits_for_a_time(began) {
            self.stall = Stall::default();
            return false;
        }
        let done = self.reporting.tally.done.values().sum::<u64>() + self.reporting.tally.refused;
        let Some(since) = self.stall.since.filter(|_| self.stall.done == done) else {
            self.stall = Stall { since: Some(began), done, trouble: None };
            self.target.planning.touched = None;
            self.target.planning.judge_due = true;
            return false;
        };
        if began < since + PATIENCE {
            return false;
        }
        if self.stall.trouble.is_none() {
            let message = self.words_of_stall();
            tracing::error!(target: "manntall::trouble", guard = "stall", "{message}");
            let since = self.clock.now();
            self.stall.trouble =
                Some(Trouble { since, code: 1, guard: Some("stall".into()), message });
            self.trip(Guard::Stall);
        }
        true
    }

    /// When it is told, if nothing comes of it until then.
    pub(super) fn stall_due(&self) -> Option<Duration> {
        Some(self.stall.since? + PATIENCE)
    }

    /// Whether all is done that the drive was for; a service rests where a `sync` ends.
    pub(super) fn is_at_rest(&self, applies: bool, until: Until) -> bool {
        match until {
            Until::Stopped => self.is_done(applies, Until::Settled),
            Until::Planned | Until::Settled => self.is_done(applies, until),
        }
    }

    /// Whether what is left goes on by itself, now or at some time to come.
    fn waits_for_a_time(&self, began: Duration) -> bool {
        if self.is_judge_due() && !self.target.planning.judged {
            return true;
        }
        let dues = [self.awaited_read_due(), self.proof_run_due()];
        dues.into_iter().flatten().chain(self.work_dues()).any(|due| due > began)
    }

    fn words_of_stall(&self) -> String {
        let mut left = Vec::new();
        if !self.sources.is_collected() {
            left.push("reading the tenants".to_owned());
        }
        if !self.is_surveyed(Until::Settled) {
            left.push(format!("looking up what the platform holds ({})", self.words_of_survey()));
        }
        if !self.is_compared() {
            left.push("comparing a state in doubt".to_owned());
        }
        if self.target.has_reads() || self.has_trials() || self.is_proving() {
            left.push("reading back from the platform".to_owned());
        }
        if !self.target.queue.is_exhausted() {
            let count = self.target.queue.len();
            left.push(format!("{count} {}", plural(count, "change", "changes")));
        }
        format!(
            "Manntall does not get on, although nothing is on its way and nothing is to be waited for. \
             Left: {}. It was planned anew and came to the same; nothing that was recorded is lost, and \
             leavers of the next poll still go. Start it again; if it stays so, report it with manntall \
             status --json and the log",
            left.join(", ")
        )
    }
}
