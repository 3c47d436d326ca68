//! Failing: what is done about a request of a walk that got no good answer, and about a round that has to
//! begin again.

use std::time::Duration;

use super::{LaneRun, Polled, REJECTED_RETRY, RESTARTS_TOLD};
use crate::core::model::{Kind, SourceName};
use crate::cycle::page_loop::backoff;
use crate::cycle::peer::full_stop;
use crate::cycle::records::Key;
use crate::cycle::{Engine, Trouble};
use crate::graph::delta::{Lane, RefusedRead, Walk};
use crate::graph::{Disposition, GraphError, RETRY_AFTER_MAX};

/// So many failures in a row are no hiccup: the tenant's state says so, and a command ends.
pub(super) const FAILURES_TOLD: u32 = 5;
/// The same for answers of something that is not Graph, such as a proxy's login page. They seldom pass
/// by themselves, and whoever waits should hear of it soon.
pub(super) const UNUSABLE_TOLD: u32 = 3;

/// The wait before a complete read where the link of the one before it was lost at once; each later one is
/// twice as long.
const LINK_WAIT: Duration = Duration::from_secs(60);

/// A link that was lost so long after the one before it has nothing to do with that.
const LOSSES_APART: Duration = Duration::from_secs(30 * 60);

/// After so many rounds in a row from one link to the next, links last again.
const LINKS_KEPT: u32 = 2;

/// A wait of this length that Entra asks for is told: somebody may be waiting with us.
const WAIT_TOLD: Duration = Duration::from_secs(10);

impl LaneRun {
    /// A delta round was read to its end. One that follows a complete read at once shows nothing of how long
    /// links last.
    pub(super) fn on_link_kept(&mut self) {
        self.links_kept += 1;
        if self.links_kept >= LINKS_KEPT {
            self.links_lost = 0;
        }
    }

    /// The delta lane has no link any more.
    pub(super) fn on_link_lost(&mut self, elapsed: Duration) {
        let last = self.link_lost.replace(elapsed);
        if last.is_some_and(|last| elapsed > last + LOSSES_APART) {
            self.links_lost = 0;
        }
        self.links_lost += 1;
        self.links_kept = 0;
    }

    /// How long a complete read waits that a failure of `lane` makes necessary. One lost delta link leads to one
    /// at once; where each is refused, everything would be read at every poll.
    pub(super) fn wait_for_full(&self, lane: Lane) -> Duration {
        match (lane, self.links_lost) {
            (Lane::Full, _) | (Lane::Delta, 0) => Duration::ZERO,
            (Lane::Delta, lost) => {
                LINK_WAIT.saturating_mul(1 << (lost - 1).min(10)).min(REJECTED_RETRY)
            }
        }
    }
}

impl Engine {
    pub(super) fn on_walk_error(
        &mut self,
        source: SourceName,
        kind: Kind,
        lane: Lane,
        error: &GraphError,
    ) {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let is_shut = self.guards.is_shut(source, kind);
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        let again = now.plus(run.wait_for_full(lane));
        let failing = run.failing_mut(lane);
        failing.requests += 1;
        let failures = failing.requests;
        let wait = backoff(failures);
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return };
        match error.disposition() {
            Disposition::Retry { after } => {
                let span = after.unwrap_or(wait);
                failing.retry = Some(elapsed + span);
                failing.is_asked_for = after.is_some();
                let is_throttled = matches!(error, GraphError::Throttled { .. });
                let lasts = if is_throttled || after.is_some() {
                    // Short waits are sat out, also several in a row.
                    failing.waited += span;
                    error.asked_wait().unwrap_or_default().max(failing.waited) > RETRY_AFTER_MAX
                } else {
                    let is_unusable = matches!(error, GraphError::Unusable { .. });
                    failures >= if is_unusable { UNUSABLE_TOLD } else { FAILURES_TOLD }
                };
                if lasts && !is_shut {
                    let code = if is_throttled { 75 } else { 69 };
                    self.walk_trouble(source, kind, code, &error.to_string());
                    self.end_poll(source, kind);
                } else if let Some(span) = after.filter(|span| *span >= WAIT_TOLD) {
                    tracing::warn!(tenant = %source, kind = ?kind, seconds = span.as_secs(), "Entra asks for a wait; nothing is asked of it meanwhile");
                }
            }
            Disposition::RestartRound => {
                tracing::warn!(tenant = %source, kind = ?kind, "Entra: {error}");
                walk.on_bad_page(lane, again);
                self.on_restart(source, kind, lane, &error.to_string());
            }
            Disposition::ReadAll => {
                walk.on_expired(lane, again);
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
        let now = self.clock.now();
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return };
        let words = format!(
            "a complete read came to a link of Graph that is longer than 16 KiB; nothing was changed. \
             Manntall reads again in {} minutes",
            REJECTED_RETRY.as_secs() / 60
        );
        let message = in_trouble(69, &words);
        walk.refuse_full(now.plus(REJECTED_RETRY), RefusedRead { since: now, message });
        self.state.mark(Key::Walk(source, kind));
        self.settle_trouble(source, kind);
        self.end_poll(source, kind);
    }

    /// The round begins again: at once the first time, and ever later when it does not come to its end.
    pub(super) fn on_restart(&mut self, source: SourceName, kind: Kind, lane: Lane, why: &str) {
        let elapsed = self.clock.elapsed();
        self.state.mark(Key::Walk(source, kind));
        let has_link = self.state.walks.get(&(source, kind)).is_some_and(Walk::has_link);
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        if lane == Lane::Delta && !has_link {
            run.on_link_lost(elapsed);
        }
        let links_lost = run.links_lost;
        // The links of the round that was broken off come again.
        run.chains = Default::default();
        let failing = run.failing_mut(lane);
        failing.answered();
        failing.restarts += 1;
        failing.is_asked_for = false;
        failing.retry = (failing.restarts > 1).then(|| elapsed + backoff(failing.restarts));
        // A lost delta link leads to the full lane: together they are one attempt.
        let restarts: u32 = run.failing.iter().map(|one| one.restarts).sum();
        if restarts >= RESTARTS_TOLD {
            let words = format!("{why}. It has begun {restarts} times; nothing was changed");
            self.walk_trouble(source, kind, 69, &words);
            self.end_poll(source, kind);
        } else if links_lost >= RESTARTS_TOLD {
            self.settle_trouble(source, kind);
        }
    }

    /// A round was read to its end, or something is wrong that lasts beyond one: what is wrong with the source
    /// by now.
    pub(in crate::cycle) fn settle_trouble(&mut self, source: SourceName, kind: Kind) {
        let Some(run) = self.sources.lanes.get(&(source, kind)) else { return };
        // A delta round is no comfort where the complete read fails again and again.
        if run.failing(Lane::Full).restarts >= RESTARTS_TOLD {
            return;
        }
        let refused = self.state.walks.get(&(source, kind)).and_then(|walk| walk.refused.clone());
        if let Some(RefusedRead { since, message }) = refused {
            return self.source_trouble(
                source,
                kind,
                Trouble { since, code: 69, guard: None, message },
            );
        }
        if run.links_lost >= RESTARTS_TOLD {
            let words = format!(
                "Graph's delta links do not last until the next poll: {} were refused one after the other. \
                 Manntall reads everything instead, at growing intervals, at most {} minutes",
                run.links_lost,
                REJECTED_RETRY.as_secs() / 60
            );
            return self.walk_trouble(source, kind, 69, &words);
        }
        if let Some(words) = run.singles_trouble() {
            return self.walk_trouble(source, kind, 69, &words);
        }
        self.sources.troubles.remove(&(source, kind));
    }

    /// The walk has come to nothing this time; a command need not wait for it any longer.
    pub(in crate::cycle) fn end_poll(&mut self, source: SourceName, kind: Kind) {
        let next = self.clock.elapsed() + self.timing.poll_interval;
        if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
            run.polled = Polled::Done;
            run.poll = Some(next);
        }
        self.target.planning.judge_due = true;
    }

    pub(super) fn walk_trouble(&mut self, source: SourceName, kind: Kind, code: u8, message: &str) {
        let since = self.clock.now();
        let message = in_trouble(code, message);
        self.source_trouble(source, kind, Trouble { since, code, guard: None, message });
    }

    /// Notes what is wrong with a source, and logs what is new of it.
    pub(in crate::cycle) fn source_trouble(
        &mut self,
        source: SourceName,
        kind: Kind,
        trouble: Trouble,
    ) {
        let known = self.sources.troubles.get(&(source, kind));
        if known.is_none_or(|known| known.message != trouble.message) {
            let (guard, message) = (trouble.guard.as_deref(), &trouble.message);
            tracing::error!(target: "manntall::trouble", tenant = %source, kind = ?kind, guard, "{message}");
            // The same trouble in other figures is no new one.
            let known =
                known.filter(|one| (one.code, &one.guard) == (trouble.code, &trouble.guard));
            let since = known.map_or(trouble.since, |known| known.since.min(trouble.since));
            self.sources.troubles.insert((source, kind), Trouble { since, ..trouble });
        }
    }
}

/// What is wrong, and what it means for everything else.
pub(super) fn in_trouble(code: u8, why: &str) -> String {
    let why = full_stop(why);
    match code {
        75 => format!("{why} Everything known stays as it is meanwhile; see: manntall status"),
        _ => format!(
            "{why} Everything known stays as it is and nobody is removed; look for the cause: manntall check \
             --online"
        ),
    }
}
