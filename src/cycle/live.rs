//! What the running loop tells whoever watches, turn by turn (`core::report`). Nothing here is stored,
//! and nothing is read back to decide anything.
//!
//! Counting everything costs as much as there is, so it is done only when something has changed, and
//! not at every turn while much is going on. Nothing is done while nobody watches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::leaving::departs;
use super::report::{SourceReport, TargetReport};
use super::state::{WINDOW, hour_of};
use super::{Engine, Trouble};
use crate::audit::Write;
use crate::core::derive::Entitlement;
use crate::core::judge::Guard;
use crate::core::model::{AccountEntry, Entity, Kind, PersonId, SourceName, Timestamp};
use crate::core::plan::{Action, Note};
use crate::core::report::{
    self, Cause, Held, Histogram, Leavers, Own, OwnTrouble, Presence, Snapshot, SourceStand,
    TargetStand,
};

/// While there is work, people see it go on as often as this.
const SHOW_EVERY: Duration = Duration::from_secs(2);

/// By property: of how many users it is told, and how many there are.
type Shares = BTreeMap<String, (u64, u64)>;

/// What is kept for those who watch.
#[derive(Default)]
pub(super) struct Live {
    sender: watch::Sender<Arc<Snapshot>>,
    /// What the operator calls the target.
    target: String,
    /// Whether the counts no longer hold.
    pub(super) is_outdated: bool,
    shown: Option<(Duration, Timestamp)>,
    stand: TargetStand,
    sources: BTreeMap<String, SourceStand>,
    /// By tenant, with the round of users after which it was counted.
    coverage: BTreeMap<SourceName, (Option<Timestamp>, Shares)>,
    started: Option<Timestamp>,
    /// The verdict that was shown last, and since when it has been that.
    verdict: Option<report::State>,
    changed: Timestamp,
    /// When the pass that is under way began.
    pass: Option<Duration>,
    passes: Histogram,
    passes_by_result: BTreeMap<&'static str, u64>,
    leaving: BTreeMap<PersonId, Timestamp>,
    left: VecDeque<(Timestamp, Duration)>,
    spans: Histogram,
    confirmed: BTreeMap<Action, u64>,
    refused: BTreeMap<Action, u64>,
    last_confirmed: Option<Timestamp>,
}

impl Live {
    /// Where everything is shown, for whoever watches. `target` is what the operator calls it.
    pub(super) fn snapshots(&mut self, target: &str) -> watch::Receiver<Arc<Snapshot>> {
        target.clone_into(&mut self.target);
        self.is_outdated = true;
        self.sender.subscribe()
    }

    /// Shows how things stood last, with what is wrong now, while no engine runs.
    pub(super) fn show_trouble(&self, trouble: &OwnTrouble, elapsed: Duration, now: Timestamp) {
        let mut snapshot = self.sender.borrow().as_ref().clone();
        // No room is more than little.
        snapshot.troubles.retain(|known| known.kind != trouble.kind && known.kind != Own::DiskLow);
        snapshot.troubles.push(trouble.clone());
        (snapshot.at, snapshot.turned, snapshot.next) = (now, elapsed, None);
        self.sender.send_replace(Arc::new(snapshot));
    }

    /// Since when it has been known that the person leaves, if somebody watches.
    pub(super) fn leaving_since(&self, person: PersonId) -> Option<Timestamp> {
        self.leaving.get(&person).copied()
    }

    /// For the next engine: whoever watches goes on watching, and nothing that was counted is lost.
    pub(super) fn outdated(self) -> Self {
        Self { is_outdated: true, shown: None, pass: None, ..self }
    }

    /// Takes in what the target answered.
    pub(super) fn on_record(&mut self, record: &Write) {
        if record.refused.is_some() {
            *self.refused.entry(record.action).or_default() += 1;
            return;
        }
        *self.confirmed.entry(record.action).or_default() += 1;
        self.last_confirmed = Some(record.at);
        if let (Entity::Account(person), true) = (&record.entity, takes_out(record.action)) {
            // Who came and went between two counts was known for less than that.
            let known = self.leaving.remove(person).or(self.shown.map(|(_, at)| at));
            let span = record.at.since(known.unwrap_or(record.at));
            self.spans.record(span);
            self.left.push_back((record.at, span));
        }
    }

    /// Counts a pass when the loop has come to rest.
    fn on_turn(&mut self, rests: bool, is_troubled: bool, elapsed: Duration, now: Timestamp) {
        self.started.get_or_insert(now);
        match (self.pass, rests) {
            (None, false) => self.pass = Some(elapsed),
            (Some(began), true) => {
                self.pass = None;
                self.passes.record(elapsed.saturating_sub(began));
                let result = if is_troubled { "troubled" } else { "ok" };
                *self.passes_by_result.entry(result).or_default() += 1;
            }
            _ => {}
        }
    }
}

fn takes_out(action: Action) -> bool {
    matches!(action, Action::Deactivate | Action::Delete)
}

impl Trouble {
    /// As whoever watches is told it; `kind` where it is about what a tenant has of these.
    pub fn as_told(&self, kind: Option<Kind>) -> report::Trouble {
        let Self { since, code, guard, message } = self;
        let is_withheld = guard.as_deref() == Some(Guard::Coverage.name());
        let cause = if is_withheld { Cause::Withheld } else { Cause::of_code(*code) };
        report::Trouble { since: *since, cause, kind, message: message.clone() }
    }
}

impl Engine {
    /// How everything stands, told while the engine is driven. `target` is what the operator calls it.
    pub fn snapshots(&mut self, target: &str) -> watch::Receiver<Arc<Snapshot>> {
        self.recount();
        self.reporting.live.snapshots(target)
    }

    /// Since when the verdict has been what it is, if somebody watches.
    pub fn unchanged_since(&self) -> Option<Timestamp> {
        Some(self.reporting.live.changed).filter(|at| at.0 != 0)
    }

    /// When a tenant was heard last, and what of it was read and is not taken in yet.
    pub fn heard(&self, name: SourceName) -> SourceStand {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let keys = [Kind::Users, Kind::Groups].map(|kind| (name, kind));
        let walks = keys.iter().filter_map(|key| self.state.walks.get(key));
        let staged = walks.map(|walk| u64::from(walk.staged_delta) + u64::from(walk.staged_full));
        SourceStand {
            asked: self
                .sources
                .lanes
                .get(&(name, Kind::Users))
                .map(|lane| lane.asked(elapsed, now)),
            last_round: keys.map(|key| self.sources.lanes.get(&key)?.last_round),
            reading: staged.sum(),
            ..SourceStand::default()
        }
    }

    /// Something was changed that is counted.
    pub(super) fn recount(&mut self) {
        self.recount_if(true);
    }

    /// Something was changed that is counted, if `is_so`.
    pub(super) fn recount_if(&mut self, is_so: bool) {
        self.reporting.live.is_outdated |= is_so;
        self.reporting.noted.is_miscounted |= is_so;
    }

    /// Shows how things stand at the end of a turn; `rests` when nothing is in flight.
    pub(super) fn show_live(&mut self, rests: bool) {
        if self.reporting.live.sender.receiver_count() == 0 {
            return;
        }
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let is_troubled = !self.sources.troubles.is_empty() || self.target.health.trouble.is_some();
        let rests = rests && self.target.queue.is_exhausted();
        self.reporting.live.on_turn(rests, is_troubled, elapsed, now);
        let is_early = self.reporting.live.shown.is_some_and(|(at, _)| elapsed < at + SHOW_EVERY);
        if is_early && !rests {
            return;
        }
        if std::mem::take(&mut self.reporting.live.is_outdated) {
            self.count_all(now);
        }
        self.reporting.live.shown = Some((elapsed, now));
        let snapshot = self.snapshot(elapsed, now);
        self.reporting.live.sender.send_replace(Arc::new(snapshot));
    }

    /// What costs as much as there is.
    fn count_all(&mut self, now: Timestamp) {
        let report = self.target_report();
        self.note_leavers(now);
        let mut stand = self.target_stand(report);
        self.count_entitled(&mut stand);
        self.reporting.live.stand = stand;
        self.count_coverage();
        let sources = self.sources.tenants.keys().map(|&name| (name, self.source_report(name)));
        let stands = sources.map(|(name, report)| {
            let SourceReport { last_complete, users, groups, troubles: _ } = report;
            let coverage =
                self.reporting.live.coverage.get(&name).map(|(_, shares)| shares.clone());
            let coverage = coverage.unwrap_or_default();
            let stand =
                SourceStand { last_complete, users, groups, coverage, ..SourceStand::default() };
            (name.to_string(), stand)
        });
        self.reporting.live.sources = stands.collect();
    }

    /// Who has which property, once after each round of users.
    fn count_coverage(&mut self) {
        for (&name, source) in &self.sources.tenants {
            let key = (name, Kind::Users);
            let round = self.sources.lanes.get(&key).and_then(|lane| lane.last_round);
            let known = self.reporting.live.coverage.get(&name);
            let Some(mirror) = self.state.mirrors.get(&name) else { continue };
            if known.is_none_or(|(counted, _)| *counted != round) {
                let coverage = self.state.coverage.get(&key).cloned().unwrap_or_default();
                let shares = coverage.shares(mirror, &source.user_properties);
                self.reporting.live.coverage.insert(name, (round, shares));
            }
        }
    }

    fn target_stand(&self, report: TargetReport) -> TargetStand {
        let TargetReport {
            accounts,
            active,
            groups,
            memberships,
            pending,
            held: _,
            stuck,
            without_login,
            twins,
            leaving,
            waiting,
            last_success,
            last_proof,
            drift,
            disabled,
            hides_members,
            untold,
            absent,
            left_out,
            rewritten,
            trouble: _,
        } = report;
        let stuck_since = self.state.stuck_since(self.reporting.noted.stuck.values());
        TargetStand {
            accounts,
            active,
            groups,
            memberships,
            without_login,
            pending,
            stuck,
            stuck_since,
            twins,
            leaving,
            waiting,
            left_out,
            rewritten,
            last_success,
            last_proof,
            drift,
            disabled,
            hides_members,
            untold,
            absent,
            ..TargetStand::default()
        }
    }

    /// Who should have an account, and why some have none.
    fn count_entitled(&self, stand: &mut TargetStand) {
        let ledger = &self.state.ledger;
        for (person, standing) in self.target.planning.planner.entitlements() {
            if *standing != Entitlement::In {
                continue;
            }
            stand.entitled += 1;
            if ledger.accounts.get(person).is_some_and(AccountEntry::is_active) {
                stand.entitled_active += 1;
                continue;
            }
            let entity = Entity::Account(*person);
            let is_noted =
                matches!(self.target.planning.planner.notes().get(&entity), Some(Note::Stuck(_)));
            stand.entitled_stuck += u64::from(is_noted || ledger.escrow.contains_key(&entity));
        }
    }

    /// Who is on the way out, and since when that has been known.
    fn note_leavers(&mut self, now: Timestamp) {
        let mut leaving = BTreeMap::new();
        for change in self.target.planning.planner.changes().values() {
            let entity = &change.entity;
            let Entity::Account(person) = entity else { continue };
            if !(takes_out(change.action) || departs(change)) {
                continue;
            }
            let known = self.reporting.live.leaving.get(person).copied();
            let escrow = self.state.ledger.escrow.get(entity).map(|escrow| escrow.since);
            let held = self.target.planning.judgement.as_ref().and_then(|judgement| {
                let hold = judgement.held.of(entity).first()?.hold;
                Some(judgement.holds.iter().find(|one| one.id == hold)?.since)
            });
            let since = [known, escrow, held].into_iter().flatten().min();
            leaving.insert(*person, since.unwrap_or(now));
        }
        self.reporting.live.leaving = leaving;
    }

    /// What of a source is known without counting.
    fn show_source(&self, name: SourceName, stand: &mut SourceStand) {
        stand.gaps = self.state.gaps(name);
        let SourceStand { asked, last_round, reading, .. } = self.heard(name);
        (stand.asked, stand.last_round, stand.reading) = (asked, last_round, reading);
        for key in [Kind::Users, Kind::Groups].map(|kind| (name, kind)) {
            let trouble = self.sources.troubles.get(&key);
            stand.troubles.extend(trouble.map(|one| one.as_told(Some(key.1))));
        }
    }

    fn snapshot(&mut self, elapsed: Duration, now: Timestamp) -> Snapshot {
        while self.reporting.live.left.front().is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.reporting.live.left.pop_front();
        }
        let (is_busy, last_success) = (self.is_busy(), self.reporting.noted.settled);
        let stand = &mut self.reporting.live.stand;
        (stand.is_busy, stand.last_success) = (is_busy, last_success);
        let live = &self.reporting.live;
        let mut sources = live.sources.clone();
        for (&name, stand) in self.sources.tenants.keys().zip(sources.values_mut()) {
            self.show_source(name, stand);
        }
        let mut stand = live.stand.clone();
        let holds = self.holds().iter().map(|hold| Held {
            id: hold.id.to_string(),
            guard: hold.meter.guard.name(),
            count: hold.open,
            since: hold.since,
            rejected: hold.count.saturating_sub(hold.open),
        });
        stand.holds = holds.collect();
        let seats = self.target.seats_trouble();
        stand.troubles =
            self.target.health.trouble.iter().chain(&seats).map(|one| one.as_told(None)).collect();
        stand.last_confirmed = live.last_confirmed;
        stand.proof = self.state.proven;
        stand.confirmed.clone_from(&live.confirmed);
        stand.refused.clone_from(&live.refused);
        stand.trips.clone_from(&self.guards.trips);
        stand.last_day = self.state.recent.last_day(hour_of(now));
        stand.leavers = Leavers {
            active: u64::try_from(live.leaving.len()).unwrap_or(u64::MAX),
            oldest: live.leaving.values().min().copied(),
            slowest: live.left.iter().map(|(_, span)| *span).max(),
            spans: live.spans.clone(),
        };
        // Of a tenant that is left alone nothing is asked before its next question.
        let asked =
            self.guards.sources.iter().filter_map(|(name, watch)| Some((name, watch.shut()?)));
        let asked: BTreeMap<_, _> = asked.map(|(name, shut)| (*name, shut.next)).collect();
        let dues = self.dues_of_tenants().map(|(name, due)| *asked.get(&name).unwrap_or(&due));
        let next = dues.min().map(|due| now.plus(due.saturating_sub(elapsed)));
        let mut snapshot = Snapshot {
            at: now,
            turned: elapsed,
            started: live.started.unwrap_or(now),
            presence: Presence::Here,
            poll_interval: self.timing.poll_interval,
            next,
            changed: live.changed,
            paused: self.state.paused.as_ref().map(|pause| pause.at),
            troubles: self.own_troubles(),
            disk_free: self.disk_free(),
            last_backup: self.state.recent.last_backup,
            sources,
            targets: BTreeMap::from([(live.target.clone(), stand)]),
            passes: live.passes.clone(),
            passes_by_result: live.passes_by_result.clone(),
        };
        snapshot.listen(now);
        let state = report::verdict(&snapshot).state;
        if self.reporting.live.verdict != Some(state) {
            (self.reporting.live.verdict, self.reporting.live.changed) = (Some(state), now);
            snapshot.changed = now;
        }
        snapshot
    }
}
