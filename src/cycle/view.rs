//! View: what may be seen of an engine from outside, and the few things that may be told to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::state::State;
use super::{Engine, Tally, Trouble, Until};
use crate::core::judge::{Approval, HoldId, Judgement};
use crate::core::model::{AttrPath, Kind, SourceName, Timestamp};
use crate::core::plan::{Change, Planner, Roster, Scope};
use crate::core::report::PATIENCE_MIN;
use crate::random::Random;

impl Engine {
    /// Whether the drive has come as far as it was to go.
    pub(super) fn is_done(&self, applies: bool, until: Until) -> bool {
        // It is being asked whose fault something is.
        if self.guards.question.is_some() {
            return false;
        }
        match until {
            Until::Stopped => false,
            Until::Planned => {
                self.sources.is_collected()
                    && self.is_surveyed(Until::Planned)
                    && self.is_compared()
                    && (!(self.target.has_reads() || self.has_trials() || self.is_proving())
                        || self.has_given_up())
            }
            Until::Settled => {
                self.sources.is_collected()
                    && self.is_surveyed(Until::Settled)
                    && self.is_compared()
                    && (self.has_given_up()
                        || (!(self.target.has_reads() || self.has_trials() || self.is_proving())
                            && (!applies
                                || self.state.paused.is_some()
                                || self.target.queue.is_exhausted()
                                // Nothing is judged while Entra does not answer, so no more will come.
                                || (self.target.queue.is_idle() && !self.sources.is_fresh(Kind::Users)))))
            }
        }
    }

    /// Whether only held and stuck items remain, and nothing is on its way.
    pub fn is_settled(&self) -> bool {
        let is_done = self.is_done(true, Until::Settled) || self.stall().is_some();
        self.flight.since.is_empty() && is_done
    }

    /// Whether something is being done, or found out, about what is left to do. What waits for others that
    /// are held or stuck is left alone.
    pub fn is_busy(&self) -> bool {
        !self.is_done(true, Until::Settled) || !self.target.queue.is_exhausted()
    }

    /// Whether everything is done that may be done, as far as both sides can tell.
    pub(super) fn is_all_done(&self) -> bool {
        self.target.planning.judgement.is_some()
            && !self.is_busy()
            && self.sources.troubles.keys().all(|key| self.is_heard(*key))
            && self.target.health.trouble.is_none()
    }

    /// Whether the tenant has told of users, or of groups, of late. What is wrong beside that keeps nobody from
    /// doing what may be done.
    fn is_heard(&self, key: (SourceName, Kind)) -> bool {
        let patience = (3 * self.timing.poll_interval).max(PATIENCE_MIN);
        self.sources.lanes.get(&key).is_some_and(|lane| lane.has_told(self.clock.now(), patience))
    }

    /// Whether the plan rests on everything that can be read now.
    pub fn is_planned(&self) -> bool {
        self.is_done(false, Until::Planned) || self.stall().is_some()
    }

    /// For how long the oldest request in flight has been on its way.
    pub fn longest_in_flight(&self) -> Option<Duration> {
        let began = self.flight.since.values().min()?;
        Some(self.clock.elapsed().saturating_sub(*began))
    }

    /// From now on polls come up to a tenth of the interval early, at random.
    pub fn spread_polls(&mut self, random: Arc<Random>) {
        self.sources.jitter = Some(random);
    }

    /// Notes what is wrong with the configuration file, which was to be loaded anew; the engine goes on
    /// as it was made.
    pub fn refuse_configuration(&mut self, message: String) {
        let since = self.clock.now();
        self.self_check.config_trouble = Some(Trouble { since, code: 78, guard: None, message });
    }

    /// What is wrong with the configuration file that was to be loaded anew.
    pub fn config_trouble(&self) -> Option<&Trouble> {
        self.self_check.config_trouble.as_ref()
    }

    /// Notes a person's word that these changes may be made.
    pub fn approve(&mut self, approval: Approval) {
        self.state.approve(approval);
        self.target.planning.judge_due = true;
    }

    /// The plan as it stands.
    pub fn planner(&self) -> &Planner {
        &self.target.planning.planner
    }

    /// What was decided about it, but for what may be made, which the queue has; none before the first
    /// judgement.
    pub fn judgement(&self) -> Option<&Judgement> {
        self.target.planning.judgement.as_ref()
    }

    /// The time by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The plan as it was judged: what may be made and what waits, each with its hold, a change that waits
    /// in part as several. What is left out for now is [`Engine::deferred`].
    pub fn judged(&self) -> Vec<(Arc<Change>, Option<HoldId>)> {
        let held = self.target.planning.judgement.as_ref().map(|judgement| &judgement.held);
        let mut lines = Vec::new();
        for change in self
            .target
            .planning
            .planner
            .changes()
            .values()
            .filter(|change| !self.is_deferred(change))
        {
            let waiting = held.map_or(&[][..], |held| held.of(&change.entity));
            let waits = |path: &AttrPath| {
                let mut paths = waiting.iter().flat_map(|held| held.change.after.keys());
                paths.any(|waits| waits == path)
            };
            if waiting.is_empty() {
                lines.push((Arc::clone(change), None));
            } else if !waiting.iter().any(|held| held.is_core) && !change.after.keys().all(waits) {
                lines.push((Arc::new(change.only(|path| !waits(path))), None));
            }
            lines.extend(waiting.iter().map(|held| (Arc::clone(&held.change), Some(held.hold))));
        }
        lines
    }

    /// Everything durable.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything durable, for a visitor to change; the plan is then judged anew.
    pub fn state_mut(&mut self) -> &mut State {
        self.target.planning.judge_due = true;
        self.recount();
        &mut self.state
    }

    /// What is wrong with the tenants.
    pub fn source_troubles(&self) -> &BTreeMap<(SourceName, Kind), Trouble> {
        &self.sources.troubles
    }

    /// What is wrong with the target.
    pub fn target_trouble(&self) -> Option<&Trouble> {
        self.target.health.trouble.as_ref()
    }

    /// What was done.
    pub fn tally(&self) -> &Tally {
        &self.reporting.tally
    }

    /// Whether the plan rests on everything: each tenant was read whole and asked just now, and the
    /// target answered what was asked of it.
    pub fn is_complete(&self) -> bool {
        self.sources.troubles.is_empty()
            && self.target.health.trouble.is_none()
            && self.stall().is_none()
            && self.state.recovery.is_none()
            && self.sources.is_collected()
            && self.is_surveyed(Until::Planned)
            && self.sources.complete.len() == 2 * self.sources.tenants.len()
    }

    /// From now on every plan made from what was touched is compared with the plan made from
    /// everything: the two must be equal after every step. Expensive; for tests.
    pub fn audit_plans(&mut self) {
        self.target.planning.audit = Some(0);
    }

    /// How many plans differed.
    pub fn differing_plans(&self) -> u64 {
        self.target.planning.audit.unwrap_or(0)
    }

    /// The plan made from everything.
    pub fn plan_from_all(&self) -> Planner {
        let mut planner = Planner::default();
        planner.refresh(&self.roster(), Scope::All);
        planner
    }

    /// What a plan rests on.
    pub(super) fn roster(&self) -> Roster<'_> {
        Roster {
            mirrors: &self.state.mirrors,
            complete: &self.sources.complete,
            keep: &self.sources.keep,
            policy: &self.target.policy,
            ledger: &self.state.ledger,
            survey: &self.target.survey.answers,
        }
    }
}
