//! What is written down for people who ask later and without the engine: what is held and what that
//! would change, what is stuck, and how things stood last.
//!
//! Nothing here is read back to decide anything. Records stay small: a hold is kept in parts.

mod holding;
mod noting;
mod refused;
mod said;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use self::said::{Parted, Rejected, Said};
use super::records::{Key, Recovery};
use super::state::State;
pub use super::waiting::Progress;
use super::{Engine, Trouble, Until};
use crate::core::judge::{Claims, Guarded, HoldId, Meter};
use crate::core::model::{AccountEntry, Entity, Kind, Ledger, Link, SourceName, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::core::report::{AbsentStand, Gap, LeavingStand, LeftOutStand};
use crate::graph::delta::Lane;
use crate::store::StoreError;

/// A report is written when a drive ends, and while it goes on not more often than this.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// A hold as it was last noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// What it is called.
    pub id: HoldId,
    /// The count that was exceeded.
    pub meter: Meter,
    /// What the meter had left.
    pub limit: u64,
    /// Since when.
    pub since: Timestamp,
    /// Who rejected it, if somebody did.
    pub rejected: Option<Arc<str>>,
    /// Of how many entities something waits, or how many objects a finding is about.
    pub count: u64,
    /// What a finding says, or what was met when the first of an approved hold was made.
    pub words: Option<Arc<str>>,
    /// What an approval or a rejection lists.
    pub claims: Claims,
}

/// Why something cannot be planned until a person decides or repairs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckNote {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What it is.
    pub class: Class,
}

/// What is noted of something that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// A person has to decide or repair something. New ones go to the end: the store keeps them by number.
    Stuck,
    /// Nothing is wrong: Entra has no login name for the person, and nobody has anything to decide.
    NoLogin,
    /// Another account or group of the target carries the same id.
    Twins,
    /// Somebody who should be out is not confirmed out.
    Leaving,
    /// Entra does not say whether the person may sign in.
    Unsaid,
    /// Entra has not told all that must be known before anything is done about it.
    Waiting,
    /// Another account or group is shown under its id.
    Behind,
}

impl StuckNote {
    /// Whether a person has to look at it.
    pub fn is_stuck(&self) -> bool {
        matches!(self.class, Class::Stuck | Class::Twins | Class::Unsaid)
    }
}

/// How things stood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// The tenants.
    pub sources: BTreeMap<SourceName, SourceReport>,
    /// The target.
    pub target: TargetReport,
    /// Why the state is not to be trusted yet, if it is not.
    pub recovery: Option<Recovery>,
}

/// How one tenant stood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceReport {
    /// When the last complete read of users, and of groups, ended.
    pub last_complete: [Option<Timestamp>; 2],
    /// Users known.
    pub users: u64,
    /// Groups known.
    pub groups: u64,
    /// What is wrong with reading users, or groups.
    pub troubles: Vec<(Kind, Trouble)>,
}

/// How the target stood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetReport {
    /// Accounts of ours.
    pub accounts: u64,
    /// Those that are active.
    pub active: u64,
    /// Groups of ours.
    pub groups: u64,
    /// Memberships of ours.
    pub memberships: u64,
    /// Changes that wait for nothing but their turn, by action.
    pub pending: BTreeMap<Action, u64>,
    /// Changes that wait for approval.
    pub held: u64,
    /// Things that a person has to look at.
    pub stuck: u64,
    /// People in scope for whom Entra has no login name.
    pub without_login: u64,
    /// Accounts and groups of ours whose id another one there carries as well.
    pub twins: u64,
    /// People who should be out and are not confirmed out, and are neither held nor stuck.
    pub leaving: Option<LeavingStand>,
    /// People and groups that wait until Entra has told what must be known of them.
    pub waiting: u64,
    /// When everything that may be done was done last.
    pub last_success: Option<Timestamp>,
    /// When all that it holds of ours was compared last with what it confirmed.
    pub last_proof: Option<Timestamp>,
    /// What that comparison found changed by somebody else.
    pub drift: u64,
    /// Accounts that somebody else made inactive there, and that are left so.
    pub disabled: u64,
    /// Whether nobody who is in a group can be read back there.
    pub hides_members: bool,
    /// Deactivations that rest on its answer alone.
    pub untold: u64,
    /// What of ours it does not have by one look.
    pub absent: Option<AbsentStand>,
    /// Attributes that are not sent, because it does not take them.
    pub left_out: Vec<LeftOutStand>,
    /// Of how many people it keeps another value than the one that it confirmed, by attribute.
    pub rewritten: BTreeMap<String, u64>,
    /// What is wrong with the target.
    pub trouble: Option<Trouble>,
}

/// What has been written down so far.
#[derive(Default)]
pub(super) struct Noted {
    /// Whether what an earlier process wrote down was read.
    is_loaded: bool,
    holds: BTreeMap<HoldId, HoldRecord>,
    /// The held changes, by the first thing of each that is guarded.
    held: BTreeMap<Guarded, ChangeDigest>,
    pub(super) stuck: BTreeMap<Entity, StuckNote>,
    reported: Option<Duration>,
    /// Whether there was a judgement since.
    pub(super) is_outdated: bool,
    /// Until when a round without a word leads to no other judgement.
    pub(super) judge_again: Duration,
    /// Whether the counts of the last report no longer hold.
    pub(super) is_miscounted: bool,
    /// When everything was done that may be done. Whoever asks is told this and nothing else.
    pub(super) settled: Option<Timestamp>,
}

impl Report {
    /// Whether it says what `before` says, of a later time.
    fn only_later_than(&self, before: &Self) -> bool {
        let mut same = Self { at: before.at, ..self.clone() };
        if before.target.last_success.is_some() && same.target.last_success.is_some() {
            same.target.last_success = before.target.last_success;
        }
        same == *before
    }
}

impl State {
    /// Since when the first of what is stuck has been so. `noted` says why something cannot be planned.
    pub fn stuck_since<'a>(
        &self,
        noted: impl IntoIterator<Item = &'a StuckNote>,
    ) -> Option<Timestamp> {
        let escrow = self.ledger.escrow.values().map(|escrow| escrow.since);
        let blamed = self.target.distrusted_form.iter().map(|blamed| blamed.since);
        let noted = noted.into_iter().filter(|note| note.is_stuck()).map(|note| note.since);
        escrow.chain(noted).chain(blamed).min()
    }

    /// The holds as they were last noted.
    pub fn holds(&self) -> Result<Vec<HoldRecord>, StoreError> {
        let mut holds: BTreeMap<HoldId, HoldRecord> = BTreeMap::new();
        for (_, part) in self.records::<HoldRecord>(b"hold/")? {
            match holds.get_mut(&part.id) {
                Some(hold) => hold.claims.extend(part.claims),
                None => drop(holds.insert(part.id, part)),
            }
        }
        Ok(holds.into_values().collect())
    }

    /// What the changes of a hold would do.
    pub fn held_changes(&self, hold: &HoldRecord) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for guarded in hold.claims.keys() {
            changes.extend(self.record::<Change>(&Key::HeldChange(guarded.clone()))?);
        }
        Ok(changes)
    }

    /// The report that was noted last, with the counts of what has become durable since: a kill comes
    /// between what was done and the report of it.
    pub fn last_report(&self) -> Option<Report> {
        let noted = self.report.clone()?;
        let counts = counts_of(&self.ledger);
        let TargetReport { accounts, active, groups, memberships, rewritten, .. } = counts;
        let rest = noted.target;
        let target = TargetReport { accounts, active, groups, memberships, rewritten, ..rest };
        let sources = noted.sources.into_iter().map(|(name, source)| {
            let [users, groups] = [Kind::Users, Kind::Groups].map(|kind| self.alive(name, kind));
            let last_complete = self.last_complete(name);
            (name, SourceReport { last_complete, users, groups, ..source })
        });
        Some(Report { sources: sources.collect(), target, ..noted }.with_refusals(self))
    }

    /// What a tenant has told of users, and of groups, and is not known.
    pub fn gaps(&self, name: SourceName) -> [Option<Gap>; 2] {
        [Kind::Users, Kind::Groups].map(|kind| self.walks.get(&(name, kind))?.gap.clone())
    }

    /// How many objects of a tenant are known.
    fn alive(&self, name: SourceName, kind: Kind) -> u64 {
        count(self.mirrors.get(&name).map_or(0, |mirror| mirror.alive(kind)))
    }

    /// When the last complete read of users, and of groups, ended.
    fn last_complete(&self, name: SourceName) -> [Option<Timestamp>; 2] {
        [Kind::Users, Kind::Groups].map(|kind| self.walks.get(&(name, kind))?.completed)
    }

    /// What could not be planned.
    pub fn stuck_notes(&self) -> Result<BTreeMap<Entity, StuckNote>, StoreError> {
        let found = self.records::<StuckNote>(b"stuck/")?;
        let notes = found.into_iter().filter_map(|(key, note)| match key {
            Key::Stuck(entity) => Some((entity, note)),
            _ => None,
        });
        Ok(notes.collect())
    }

    /// Decodes every record that [`State::load`] leaves alone, to see whether it can be read.
    pub fn check_rest(&self) -> Result<(), StoreError> {
        self.holds()?;
        self.records::<Change>(b"held-change/")?;
        self.stuck_notes()?;
        for &(source, kind) in self.walks.keys() {
            for lane in [Lane::Delta, Lane::Full] {
                self.staged(source, kind, lane)?;
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Writes down what has changed since; `is_last` when the drive is about to end.
    pub(super) fn note_down(&mut self, is_last: bool) -> Result<(), StoreError> {
        let elapsed = self.clock.elapsed();
        if !self.reporting.noted.is_loaded {
            self.reporting.noted.is_loaded = true;
            self.reporting.noted.stuck = self.state.stuck_notes()?;
            let holds = self.state.holds()?;
            for (key, change) in self.state.records::<Change>(b"held-change/")? {
                if let Key::HeldChange(guarded) = key {
                    self.reporting.noted.held.insert(guarded, change.digest());
                }
            }
            self.reporting.noted.holds = holds.into_iter().map(|hold| (hold.id, hold)).collect();
            let before = self.state.report.as_ref();
            self.reporting.noted.settled = before.and_then(|report| report.target.last_success);
        }
        if self.is_all_done() {
            self.reporting.noted.settled = Some(self.clock.now());
        }
        let waits = self.reporting.noted.reported.is_some_and(|at| elapsed < at + REPORT_EVERY);
        let is_due = is_last || !waits;
        if self.reporting.noted.is_outdated {
            self.reporting.noted.is_outdated = false;
            self.note_holds();
            self.note_stuck();
        } else if is_due {
            // Who leaves goes on without a judgement.
            self.note_stuck();
        }
        if is_due {
            self.reporting.noted.reported = Some(elapsed);
            let is_miscounted = std::mem::take(&mut self.reporting.noted.is_miscounted);
            // To count everything costs as much as there is, and there is a report a minute.
            let report = match &self.state.report {
                Some(before) if !is_miscounted => self.report_like(before.clone()),
                _ => self.report(),
            };
            if self.state.report.as_ref().is_some_and(|before| report.only_later_than(before)) {
                self.state.mark_for_later(Key::Report);
            } else {
                self.state.mark(Key::Report);
            }
            self.state.report = Some(report);
        }
        Ok(())
    }

    /// How far the drive has come, told once a turn.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.reporting.progress.subscribe()
    }

    pub(super) fn show_progress(&self, applies: bool, until: Until) {
        if self.reporting.progress.receiver_count() == 0 {
            return;
        }
        let staged = self.state.walks.values();
        let staged = staged.map(|walk| u64::from(walk.staged_delta) + u64::from(walk.staged_full));
        let progress = Progress {
            reading: staged.sum(),
            done: self.reporting.tally.done.values().sum::<u64>() + self.reporting.tally.refused,
            open: self.target.queue.len(),
            held: self.holds().iter().map(|hold| hold.open).sum(),
            waiting: self.waiting(applies, until),
        };
        self.reporting.progress.send_if_modified(|known| {
            let is_new = *known != progress;
            *known = progress;
            is_new
        });
    }

    /// How things stand.
    pub fn report(&self) -> Report {
        let now = self.clock.now();
        let sources = self.sources.tenants.keys().map(|&name| (name, self.source_report(name)));
        let sources = sources.collect();
        let recovery = self.state.recovery.clone();
        Report { at: now, sources, target: self.target_report(), recovery }
    }

    /// How things stand, with the counts of the report before.
    fn report_like(&self, before: Report) -> Report {
        let now = self.clock.now();
        let sources = before.sources.into_iter().map(|(name, source)| {
            let last = self.source_words(name);
            (name, SourceReport { users: source.users, groups: source.groups, ..last })
        });
        let recovery = self.state.recovery.clone();
        let target = self.target_words(before.target);
        Report { at: now, sources: sources.collect(), target, recovery }
    }

    pub(super) fn source_report(&self, name: SourceName) -> SourceReport {
        let [users, groups] = [Kind::Users, Kind::Groups].map(|kind| self.state.alive(name, kind));
        SourceReport { users, groups, ..self.source_words(name) }
    }

    /// What a report says of a source beside counts.
    fn source_words(&self, name: SourceName) -> SourceReport {
        let kinds = [Kind::Users, Kind::Groups];
        let trouble = |kind| Some((kind, self.sources.troubles.get(&(name, kind))?.clone()));
        SourceReport {
            last_complete: self.state.last_complete(name),
            troubles: kinds.into_iter().filter_map(trouble).collect(),
            ..SourceReport::default()
        }
    }

    pub(super) fn target_report(&self) -> TargetReport {
        let ledger = &self.state.ledger;
        let held = self.target.planning.judgement.as_ref().map(|judgement| &judgement.held);
        let mut report = counts_of(ledger);
        for change in self.target.planning.planner.foreseen() {
            let is_held = held.is_some_and(|held| held.contains_key(&change.entity))
                && self.target.queue.cleared(&change.entity).is_none();
            let waits = is_held || ledger.escrow.contains_key(&change.entity);
            if !waits {
                *report.pending.entry(change.action).or_default() += 1;
            }
        }
        // A create whose answer was lost is looked up, and neither made nor planned meanwhile.
        let is_open = |entity, link: &Link| {
            matches!(link, Link::Pending(_)) && self.is_create_awaited(&entity)
        };
        let accounts = ledger.accounts.iter();
        let accounts = accounts.filter(|(id, one)| is_open(Entity::Account(**id), &one.link));
        let groups = ledger.groups.iter();
        let groups = groups.filter(|(key, one)| is_open(Entity::Group((*key).clone()), &one.link));
        for (action, open) in [
            (Action::Create, count(accounts.count())),
            (Action::GroupCreate, count(groups.count())),
        ] {
            if open > 0 {
                *report.pending.entry(action).or_default() += open;
            }
        }
        self.target_words(report)
    }

    /// What a report says of the target beside `counts`, which are taken over.
    fn target_words(&self, counts: TargetReport) -> TargetReport {
        let ledger = &self.state.ledger;
        let left_out = ledger.left_out.iter().map(|((path, use_), left)| LeftOutStand {
            attribute: path.to_string(),
            use_: use_.name().to_owned(),
            why: left.why.name().to_owned(),
            people: left.people,
        });
        TargetReport {
            left_out: left_out.collect(),
            stuck: count(ledger.escrow.len())
                + count_noted(&self.reporting.noted.stuck, StuckNote::is_stuck)
                + u64::from(self.state.target.distrusted_form.is_some()),
            without_login: count_noted(&self.reporting.noted.stuck, |note| {
                note.class == Class::NoLogin
            }),
            twins: count(ledger.twins.len()),
            waiting: count(self.waiting_for_entra().count()),
            leaving: self.leaving_stand(),
            held: self.holds().iter().map(|hold| hold.open).sum(),
            trouble: self.target.health.trouble.clone().or_else(|| self.target.seats_trouble()),
            last_proof: self.state.proof.as_ref().and_then(|proof| proof.at),
            drift: self.state.proof.as_ref().map_or(0, |proof| proof.drift),
            disabled: count(ledger.drift.values().filter(|drift| drift.is_disabled()).count()),
            hides_members: self.cannot_read_members(),
            untold: if self.state.target.tells_active {
                self.state.proven.map_or(0, |proof| proof.untold)
            } else {
                let is_out = |entry: &&AccountEntry| matches!(entry.link, Link::Deactivated(_));
                count(ledger.accounts.values().filter(is_out).count())
            },
            absent: self.absent_stand(),
            last_success: self.reporting.noted.settled,
            ..counts
        }
    }
}

/// What the ledger holds, counted.
fn counts_of(ledger: &Ledger) -> TargetReport {
    let mut report = TargetReport::default();
    for entry in ledger.accounts.values() {
        report.accounts += u64::from(entry.link.managed().is_some());
        report.active += u64::from(entry.is_active());
        for path in entry.rewritten() {
            *report.rewritten.entry(path.to_string()).or_default() += 1;
        }
    }
    for entry in ledger.groups.values().filter(|entry| entry.link.managed().is_some()) {
        report.groups += 1;
        report.memberships += count(entry.members.len());
        entry.rewritten().for_each(|of| *report.rewritten.entry(of).or_default() += 1);
    }
    report
}

fn count_noted(notes: &BTreeMap<Entity, StuckNote>, counts: impl Fn(&StuckNote) -> bool) -> u64 {
    count(notes.values().filter(|note| counts(note)).count())
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
