//! Failing: what is done about a request of a walk that got no good answer, and about a round that has to
//! begin again.

use std::time::Duration;

use super::{Polled, REJECTED_RETRY, RESTARTS_TOLD};
use crate::core::model::{Kind, SourceName};
use crate::cycle::chain::backoff;
use crate::cycle::peer::full_stop;
use crate::cycle::records::Key;
use crate::cycle::{Engine, Trouble};
use crate::graph::delta::Lane;
use crate::graph::{Disposition, GraphError};

/// So many failures in a row are no hiccup: the tenant's state says so, and a command ends.
pub(super) const FAILURES_TOLD: u32 = 5;
/// The same for answers of something that is not Graph, such as a proxy's login page. They seldom pass
/// by themselves, and whoever waits should hear of it soon.
pub(super) const UNUSABLE_TOLD: u32 = 3;

/// A wait of this length that Entra asks for is told: somebody may be waiting with us.
const WAIT_TOLD: Duration = Duration::from_secs(10);

impl Engine {
    pub(super) fn on_walk_error(
        &mut self,
        source: SourceName,
        kind: Kind,
        lane: Lane,
        error: &GraphError,
    ) {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let is_shut = self.guards.sources.get(&source).is_some_and(|watch| watch.shut().is_some());
        let Some(run) = self.lanes.get_mut(&(source, kind)) else { return };
        let failing = run.failing_mut(lane);
        failing.requests += 1;
        let failures = failing.requests;
        let wait = backoff(failures);
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return };
        match error.disposition() {
            Disposition::Retry { after } => {
                failing.retry = Some(elapsed + after.unwrap_or(wait));
                failing.is_asked_for = after.is_some();
                if let Some(span) = after.filter(|span| *span >= WAIT_TOLD && failures == 1) {
                    tracing::warn!(tenant = %source, kind = ?kind, seconds = span.as_secs(), "Entra asks for a wait; nothing is asked of it meanwhile");
                }
                let told = match error {
                    GraphError::Unusable { .. } => UNUSABLE_TOLD,
                    _ => FAILURES_TOLD,
                };
                if failures >= told && !is_shut {
                    let code = if matches!(error, GraphError::Throttled { .. }) { 75 } else { 69 };
                    self.walk_trouble(source, kind, code, &error.to_string());
                    self.end_poll(source, kind);
                }
            }
            Disposition::RestartRound => {
                walk.on_bad_page(lane, now);
                self.on_restart(source, kind, lane, &error.to_string());
            }
            Disposition::ReadAll => {
                walk.on_expired(lane, now);
                tracing::info!(target: "manntall::expired", tenant = %source, kind = ?kind, "the delta link has expired; everything is read again");
                self.on_restart(source, kind, lane, &error.to_string());
            }
            Disposition::Halt => {
                // Quarantine decides when it is asked again, and has said why.
            }
        }
    }

    /// A complete read came to a link that cannot be used: nothing of it counts.
    pub(super) fn on_lost_link(&mut self, source: SourceName, kind: Kind) {
        let again = self.clock.now().plus(REJECTED_RETRY);
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return };
        walk.reject_full(again);
        self.state.mark(Key::Walk(source, kind));
        let words = format!(
            "a complete read came to a link of Graph that is longer than 16 KiB; nothing was changed. \
             Manntall reads again in {} minutes",
            REJECTED_RETRY.as_secs() / 60
        );
        self.walk_trouble(source, kind, 69, &words);
        self.end_poll(source, kind);
    }

    /// The round begins again: at once the first time, and ever later when it does not come to its end.
    pub(super) fn on_restart(&mut self, source: SourceName, kind: Kind, lane: Lane, why: &str) {
        let elapsed = self.clock.elapsed();
        self.state.mark(Key::Walk(source, kind));
        let Some(run) = self.lanes.get_mut(&(source, kind)) else { return };
        // The links of the round that was broken off come again.
        run.chains = Default::default();
        let failing = run.failing_mut(lane);
        failing.requests = 0;
        failing.restarts += 1;
        failing.is_asked_for = false;
        failing.retry = (failing.restarts > 1).then(|| elapsed + backoff(failing.restarts));
        // A lost delta link leads to the full lane: together they are one attempt.
        let restarts: u32 = run.failing.iter().map(|one| one.restarts).sum();
        if restarts >= RESTARTS_TOLD {
            let words = format!("{why}. It has begun {restarts} times; nothing was changed");
            self.walk_trouble(source, kind, 69, &words);
            self.end_poll(source, kind);
        }
    }

    /// The walk has come to nothing this time; a command need not wait for it any longer.
    pub(in crate::cycle) fn end_poll(&mut self, source: SourceName, kind: Kind) {
        let next = self.clock.elapsed() + self.timing.poll_interval;
        if let Some(run) = self.lanes.get_mut(&(source, kind)) {
            run.polled = Polled::Done;
            run.poll = Some(next);
        }
        self.judge_due = true;
    }

    pub(super) fn walk_trouble(&mut self, source: SourceName, kind: Kind, code: u8, message: &str) {
        let since = self.clock.now();
        let message = full_stop(message);
        let message = match code {
            75 => {
                format!("{message} Everything known stays as it is meanwhile; see: manntall status")
            }
            _ => format!(
                "{message} Everything known stays as it is and nobody is removed; look for the cause: \
                 manntall check --online"
            ),
        };
        self.source_trouble(source, kind, Trouble { since, code, guard: None, message });
    }

    /// Notes what is wrong with a source, and logs what is new of it.
    pub(in crate::cycle) fn source_trouble(
        &mut self,
        source: SourceName,
        kind: Kind,
        trouble: Trouble,
    ) {
        let known = self.source_troubles.get(&(source, kind));
        if known.is_none_or(|known| known.message != trouble.message) {
            let (guard, message) = (trouble.guard.as_deref(), &trouble.message);
            tracing::error!(target: "manntall::trouble", tenant = %source, kind = ?kind, guard, "{message}");
            // The same trouble in other figures is no new one.
            let known =
                known.filter(|one| (one.code, &one.guard) == (trouble.code, &trouble.guard));
            let since = known.map_or(trouble.since, |known| known.since.min(trouble.since));
            self.source_troubles.insert((source, kind), Trouble { since, ..trouble });
        }
    }
}
