//! Quarantine: a tenant or a target that refuses us, or fails most of the time, is left alone. One
//! cheap question at growing intervals finds out when it is back, and everything goes on by itself.
//! The others are not affected.
//!
//! ```text
//! Open ── refused, or most calls fail ──► Shut(until) ──► Probing ── fails ──► Shut(longer)
//!   ▲                                                        │ answered
//!   └────────────────────────────────────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::model::Timestamp;
use crate::random::Random;

/// The first wait; each probe that fails doubles it.
const WAIT_FIRST: Duration = Duration::from_secs(60);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Up to a tenth is added by chance, so that many installations do not ask in step.
const JITTER_SHARE: u64 = 10;
/// Of fewer calls nothing is concluded.
const CALLS_MIN: usize = 10;
/// So many of the last calls are looked at.
const CALLS_KEPT: usize = 20;
/// Somebody is reminded so often.
const REMIND_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Watches one peer.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The last calls: whether each was answered.
    calls: VecDeque<bool>,
    shut: Option<Shut>,
}

/// A peer in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shut {
    /// Since when.
    pub(super) since: Timestamp,
    /// Why.
    pub(super) reason: String,
    /// The exit code that goes with it.
    pub(super) code: u8,
    /// The next probe, on the monotonic clock.
    pub(super) next: Duration,
    /// Whether it is on its way.
    pub(super) probing: bool,
    probes: u32,
    told: Timestamp,
}

/// What somebody is to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Entered,
    OtherReason,
    Reminder,
    Released { after: Duration },
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether one is enough: the peer refuses our credentials or consent, or something else answers
    /// in its place.
    pub(super) at_once: bool,
    pub(super) code: u8,
    pub(super) reason: String,
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) elapsed: Duration,
    pub(super) wall: Timestamp,
}

impl Watch {
    /// The quarantine, if there is one.
    pub(super) fn shut(&self) -> Option<&Shut> {
        self.shut.as_ref()
    }

    /// Whether a probe may go now.
    pub(super) fn is_probe_due(&self, elapsed: Duration) -> bool {
        self.shut.as_ref().is_some_and(|shut| !shut.probing && shut.next <= elapsed)
    }

    /// A probe goes out.
    pub(super) fn begin_probe(&mut self) {
        if let Some(shut) = &mut self.shut {
            shut.probing = true;
        }
    }

    /// A person asks for it: the next probe is due now.
    pub(super) fn hurry(&mut self, elapsed: Duration) {
        if let Some(shut) = &mut self.shut {
            shut.next = shut.next.min(elapsed);
        }
    }

    /// A call was answered. While the peer is shut only a probe proves anything.
    pub(super) fn answered(&mut self) {
        if self.shut.is_none() {
            self.note(true);
        }
    }

    /// A call failed.
    pub(super) fn failed(&mut self, failure: Failure, now: Now, random: &Random) -> Option<Notice> {
        if let Some(shut) = &mut self.shut {
            // What was on its way when the quarantine began says nothing new, unless it says why.
            let is_told = shut.reason == failure.reason || !failure.at_once;
            return (!is_told).then(|| shut.blame(failure, now.wall));
        }
        let most_fail = self.fails_mostly();
        if !failure.at_once && !most_fail {
            return None;
        }
        Some(self.shut_out(failure, now, random))
    }

    /// A call failed; whether most of the last ones did.
    pub(super) fn fails_mostly(&mut self) -> bool {
        self.note(false);
        let failing = self.calls.iter().filter(|answered| !**answered).count();
        let most_fail = self.calls.len() >= CALLS_MIN && failing * 2 >= self.calls.len();
        if most_fail {
            self.calls.clear();
        }
        most_fail
    }

    fn shut_out(&mut self, failure: Failure, now: Now, random: &Random) -> Notice {
        self.calls.clear();
        let Failure { at_once: _, code, reason } = failure;
        self.shut = Some(Shut {
            since: now.wall,
            reason,
            code,
            next: now.elapsed + wait(0, random),
            probing: false,
            probes: 0,
            told: now.wall,
        });
        Notice::Entered
    }

    /// The probe was answered: the peer is open again.
    pub(super) fn probe_answered(&mut self, now: Now) -> Option<Notice> {
        let shut = self.shut.take()?;
        Some(Notice::Released { after: now.wall.since(shut.since) })
    }

    /// The probe failed: the wait doubles.
    pub(super) fn probe_failed(
        &mut self,
        failure: Failure,
        now: Now,
        random: &Random,
    ) -> Option<Notice> {
        let shut = self.shut.as_mut()?;
        shut.probing = false;
        shut.probes += 1;
        shut.next = now.elapsed + wait(shut.probes, random);
        if shut.reason != failure.reason {
            return Some(shut.blame(failure, now.wall));
        }
        if now.wall.since(shut.told) >= REMIND_AFTER {
            shut.told = now.wall;
            return Some(Notice::Reminder);
        }
        None
    }

    fn note(&mut self, answered: bool) {
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(answered);
    }
}

impl Shut {
    fn blame(&mut self, failure: Failure, wall: Timestamp) -> Notice {
        let Failure { at_once: _, code, reason } = failure;
        (self.code, self.reason, self.told) = (code, reason, wall);
        Notice::OtherReason
    }
}

fn wait(probes: u32, random: &Random) -> Duration {
    let wait = WAIT_FIRST.saturating_mul(1 << probes.min(10)).min(WAIT_MAX);
    let most = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) / JITTER_SHARE;
    wait + Duration::from_millis(random.below(most))
}

#[cfg(test)]
mod tests;
