//! Tenants and target as peers: whether each is the one we know, whether it answers at all, and when
//! the next request to it may go.

mod tenant;

use std::collections::BTreeMap;
use std::time::Duration;

use super::blame::Question;
use super::identity::Contact;
use super::quarantine::{Failure, Notice, Now, Watch};
use super::target::TargetLoop;
use super::{Engine, Event, Launch, Trouble, Until};
use crate::audit::DecisionKind;
use crate::core::judge::Guard;
use crate::core::model::{SourceName, Timestamp};
use crate::scim::ScimError;
use crate::scim::pace::{Permit, Wait};

/// Waits longer than this are told, and a command does not sit them out.
const THROTTLED_MAX: Duration = Duration::from_secs(10 * 60);

/// The exit code of a command that ends because a peer refuses our credentials or consent.
pub(super) const REFUSED: u8 = 12;

/// When peers that are left alone are asked next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probes {
    /// The tenants that are in quarantine.
    pub sources: BTreeMap<SourceName, Timestamp>,
    /// The target, if it is.
    pub target: Option<Timestamp>,
}

impl Engine {
    /// When peers in quarantine are asked next.
    pub fn probes(&self) -> Probes {
        let Now { elapsed, wall } = self.target.both_clocks();
        let at = |watch: &Watch| {
            let shut = watch.shut()?;
            Some(wall.plus(shut.next.saturating_sub(elapsed)))
        };
        // A tenant that is left alone as a whole is asked before its groups are.
        let sources = self.guards.groups.iter().chain(&self.guards.sources);
        Probes {
            sources: sources.filter_map(|(name, watch)| Some((*name, at(watch)?))).collect(),
            target: at(&self.guards.target),
        }
    }

    /// What a failure says about the target as a whole.
    pub(super) fn target_failed(&mut self, error: &ScimError) {
        if let Some(after) = error.after() {
            self.target.pacer.pause_for(after);
        }
        if let ScimError::Throttled { after } = error {
            if after.is_some_and(|after| after > THROTTLED_MAX) {
                // Longer waits are mistakes: leavers must not wait for them.
                self.target.health.retry = Some(self.clock.elapsed() + THROTTLED_MAX);
                let (code, message) = (75, error.to_string());
                if self.target.health.trouble.is_none() {
                    tracing::error!(target: "manntall::trouble", "{message}; nothing more is sent for now");
                    let since = self.clock.now();
                    self.target.health.trouble =
                        Some(Trouble { since, code, guard: None, message });
                }
            }
            return;
        }
        let Some(failure) = failure(error) else { return self.guards.target.answered() };
        if failure.at_once || self.guards.target.shut().is_some() {
            return self.shut_target(failure);
        }
        // Single objects may always fail: only a target that does not answer a question either is left
        // alone.
        if self.guards.target.fails_mostly() {
            self.question_target(true);
        }
    }

    /// The target is left alone for this reason, if it is not already.
    pub(super) fn shut_target(&mut self, failure: Failure) {
        let (now, random) = (self.target.both_clocks(), self.random());
        let notice = self.guards.target.failed(failure, now, &random);
        self.tell_target(notice);
    }

    /// The target has answered. In quarantine only a probe proves that it is back.
    pub(super) fn target_answered(&mut self) {
        self.guards.target.answered();
        self.guards.answers += 1;
        if self.guards.target.shut().is_none()
            && !matches!(self.guards.contact, Contact::Foreign(_))
        {
            self.target.health.retry = None;
            self.target.health.trouble = None;
        }
    }

    /// Whether the target fails so persistently that a command should end rather than wait.
    pub(super) fn has_given_up(&self) -> bool {
        self.target.health.trouble.is_some() && !self.is_asking_again()
    }

    /// A permit for one request to the target, if one is to be had now; otherwise notes when to ask
    /// again. None before we know that it is the right target, and none in quarantine.
    pub(super) fn permit(&mut self) -> Option<Permit> {
        if self.is_met() { self.target.any_permit() } else { None }
    }

    /// As [`Engine::permit`], for a leaver: before everything else, and in the slot that is kept for it.
    pub(super) fn leaver_permit(&mut self) -> Option<Permit> {
        if !self.is_met() {
            // Nor may it keep the question from being asked that everything waits for.
            self.target.pacer.no_leaver_waits();
            return None;
        }
        let permit = self.target.pacer.try_leaver_permit();
        self.target.take_permit(permit)
    }

    /// Whether the target is known to be the right one, and is not left alone.
    fn is_met(&mut self) -> bool {
        self.guards.wants_target = true;
        self.guards.contact == Contact::Known
            && self.guards.target.shut().is_none()
            && self.guards.question.is_none()
    }

    /// Asks the target who it is, or whether it is back, when something is wanted of it.
    pub(super) fn meet_target(&mut self, until: Until, launch: &mut Launch) {
        let wanted = std::mem::take(&mut self.guards.wants_target);
        let elapsed = self.clock.elapsed();
        if self.guards.target.shut().is_some() {
            if (wanted || until == Until::Stopped)
                && self.guards.target.is_probe_due(elapsed)
                && let Some(permit) = self.target.any_permit()
            {
                self.guards.target.begin_probe();
                self.target.probe(permit, launch);
            }
            return;
        }
        if let Some(question) = self.guards.question {
            if !question.is_asked
                && let Some(permit) = self.target.any_permit()
            {
                self.guards.question = Some(Question { is_asked: true, ..question });
                self.target.probe(permit, launch);
            }
            return;
        }
        let asks = match self.guards.contact {
            Contact::Unknown => true,
            Contact::Later(at) => at <= elapsed,
            Contact::Asking | Contact::Known | Contact::Foreign(_) => false,
        };
        if wanted
            && asks
            && self.target.health.retry.is_none_or(|at| at <= elapsed)
            && let Some(permit) = self.target.any_permit()
        {
            self.ask_identity(permit, launch);
        }
    }

    /// When the target is to be asked who it is, or whether it is back.
    pub(super) fn meeting_due(&self) -> Option<Duration> {
        let probe = self.guards.target.shut().filter(|shut| !shut.probing).map(|shut| shut.next);
        let contact = match self.guards.contact {
            Contact::Later(at) => Some(at),
            _ => None,
        };
        let sources = self.guards.sources.values().chain(self.guards.groups.values());
        let sources = sources.filter_map(|watch| watch.shut());
        let sources = sources.filter(|shut| !shut.probing).map(|shut| shut.next);
        probe.into_iter().chain(contact).chain(sources).min()
    }

    /// Whether the answer to a probe is still to come.
    fn is_asking_again(&self) -> bool {
        let elapsed = self.clock.elapsed();
        let shut = self.guards.target.shut();
        shut.is_some_and(|shut| shut.probing || shut.next <= elapsed)
    }

    pub(super) fn on_probed(&mut self, result: Result<(), ScimError>) {
        if self.guards.target.shut().is_none() {
            return self.on_question_answered(result);
        }
        let (now, random) = (self.target.both_clocks(), self.random());
        let failed = result.err().and_then(|error| match error {
            // It is there, and only asks for patience.
            ScimError::Throttled { .. } => None,
            error => Some(failure(&error).unwrap_or_else(|| Failure {
                at_once: true,
                code: 69,
                reason: error.to_string(),
            })),
        });
        let notice = match failed {
            None => self.guards.target.probe_answered(now),
            Some(failure) => self.guards.target.probe_failed(failure, now, &random),
        };
        self.tell_target(notice);
    }

    fn on_question_answered(&mut self, result: Result<(), ScimError>) {
        match result {
            Ok(()) => {
                self.guards.question = None;
                self.target_answered();
                self.blame_objects();
            }
            // Everybody is asked to wait, and not those objects alone.
            Err(error @ ScimError::Unavailable { .. }) if self.are_only_slowed() => {
                self.guards.question = None;
                self.target_failed(&error);
                self.put_back_suspects(ScimError::asks_to_wait);
            }
            // It is there, and says nothing yet of what it refused.
            Err(error @ ScimError::Throttled { .. }) => {
                self.target_failed(&error);
                self.put_back_suspects(ScimError::asks_to_wait);
                if let Some(question) = &mut self.guards.question {
                    question.is_asked = false;
                }
            }
            Err(error) => {
                let failure = failure(&error).unwrap_or_else(|| Failure {
                    at_once: true,
                    code: 69,
                    reason: error.to_string(),
                });
                self.shut_target(Failure { at_once: true, ..failure });
            }
        }
    }

    fn tell_target(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        let Some(shut) = self.guards.target.shut() else {
            if let Notice::Released { after } = notice {
                let minutes = after.as_secs() / 60;
                tracing::warn!(minutes, "the platform answers again; Manntall goes on");
            }
            self.target.health.trouble = None;
            self.target.planning.judge_due = true;
            // One that is another than before is so still.
            if let Contact::Foreign(found) = self.guards.contact.clone()
                && let Some(pinned) = self.state.identity.target.clone()
            {
                self.meet_stranger(&pinned, found);
            }
            return;
        };
        let message = format!(
            "{} Until it answers, nothing is sent there and leavers stay active. {}: manntall check --online",
            full_stop(&shut.reason),
            what_to_look_for(shut.code)
        );
        let (since, code) = (shut.since, shut.code);
        let guard = guard_of(code);
        tracing::error!(target: "manntall::trouble", guard = guard.name(), "{message}");
        if notice == Notice::Entered {
            self.trip(guard);
            self.state.decide_on(DecisionKind::Guard, None, &message);
            self.guards.question = None;
            self.put_back_suspects(|_| true);
        }
        self.target.health.trouble =
            Some(Trouble { since, code, guard: Some(guard.name().into()), message });
    }
}

impl TargetLoop {
    pub(super) fn both_clocks(&self) -> Now {
        Now { elapsed: self.clock.elapsed(), wall: self.clock.now() }
    }

    fn any_permit(&mut self) -> Option<Permit> {
        let permit = self.pacer.try_permit();
        self.take_permit(permit)
    }

    fn take_permit(&mut self, permit: Result<Permit, Wait>) -> Option<Permit> {
        match permit {
            Ok(permit) => Some(permit),
            Err(Wait::For(span)) => {
                self.health.pace_wait = Some(self.clock.elapsed() + span);
                None
            }
            // A request in flight gives its permit back, and wakes the loop by ending.
            Err(Wait::Busy) => None,
        }
    }

    fn probe(&self, permit: Permit, launch: &mut Launch) {
        let reader = self.reader.clone();
        launch.push(Box::pin(async move { Event::Probed(reader.probe(permit).await) }));
    }
}

/// The guard that leaves a peer alone: it refuses us, or it cannot be reached.
pub(super) fn guard_of(code: u8) -> Guard {
    if code == REFUSED { Guard::Quarantine } else { Guard::Unreachable }
}

pub(super) fn what_to_look_for(code: u8) -> &'static str {
    if code == REFUSED { "What to renew" } else { "What is wrong" }
}

/// The words as a sentence that others can follow.
pub(super) fn full_stop(words: &str) -> String {
    let words = words.trim_end_matches('.');
    if words.ends_with('?') { words.to_owned() } else { format!("{words}.") }
}

/// What the error says about the target as a whole; `None` when it says that the target answers.
pub(super) fn failure(error: &ScimError) -> Option<Failure> {
    let (code, at_once) = match error {
        ScimError::Refused { .. } => (12, true),
        ScimError::NotScim { .. } | ScimError::Astray { .. } => (69, true),
        ScimError::Unavailable { .. } | ScimError::NotSent { .. } | ScimError::Uncertain { .. } => {
            (69, false)
        }
        // A 403 says nothing of it yet, and the others are about what was asked.
        _ => return None,
    };
    Some(Failure { at_once, code, reason: error.to_string() })
}
