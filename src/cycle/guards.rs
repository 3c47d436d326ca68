//! The guards that look at a whole source or target: what they found, what was announced, and how
//! often each guard acted. What is too much of a kind of change is the judge's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use super::records::Key;
use super::state::State;
use crate::core::judge::{Finding, Guard, Hold, HoldId, Meter, Window};
use crate::core::model::Timestamp;

/// What the guards know beside what is durable.
#[derive(Default)]
pub(super) struct Guards {
    /// What waits for somebody's word without being a change.
    findings: BTreeMap<Meter, Finding>,
    /// Everything held: what the judge holds, and the findings.
    holds: Vec<Hold>,
    known: BTreeSet<HoldId>,
    trips: BTreeMap<&'static str, u64>,
}

/// What somebody announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The budget to be raised.
    pub guard: Guard,
    /// To how many in all.
    pub count: u64,
    /// Until when.
    pub until: Timestamp,
    /// Who says so.
    pub by: Arc<str>,
    /// Why.
    pub reason: String,
}

impl State {
    /// Takes somebody's word that more of one kind is to come, and returns the window's number.
    pub fn allow(&mut self, announcement: Announcement, now: Timestamp) -> u32 {
        let Announcement { guard, count, until, by, reason } = announcement;
        let at = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
        let id = at.saturating_add(1);
        self.windows.push(Window {
            id,
            guard,
            count,
            at: now,
            until,
            by,
            reason,
            used: BTreeMap::new(),
            revoked: None,
        });
        self.mark(Key::Window(at));
        id
    }

    /// Ends a window before its time; `false` when there is none of that number in force.
    pub fn revoke(&mut self, id: u32, by: Arc<str>, now: Timestamp) -> bool {
        let found = self.windows.iter_mut().zip(0..);
        let Some((window, at)) =
            found.into_iter().find(|(window, _)| window.id == id && window.is_open(now))
        else {
            return false;
        };
        window.revoked = Some((now, by));
        self.mark(Key::Window(at));
        true
    }

    /// The windows in force.
    pub fn open_windows(&self, now: Timestamp) -> Vec<Window> {
        self.windows.iter().filter(|window| window.is_open(now)).cloned().collect()
    }

    /// Notes in the open windows what was made unasked.
    pub(super) fn spend_windows(&mut self, at: Timestamp, meters: &[Meter]) {
        let mut spent = Vec::new();
        for (window, number) in self.windows.iter_mut().zip(0..) {
            let (guard, is_open) = (window.guard, window.is_open(at));
            for meter in meters.iter().filter(|meter| is_open && meter.guard == guard) {
                window.spend(meter);
                spent.push(Key::Window(number));
            }
        }
        spent.into_iter().for_each(|key| self.mark(key));
    }
}

impl Engine {
    /// Takes somebody's word that more of one kind is to come.
    pub fn allow(&mut self, announcement: Announcement) -> u32 {
        let now = self.clock.now();
        self.judge_due = true;
        self.state.allow(announcement, now)
    }

    /// Ends a window before its time.
    pub fn revoke(&mut self, id: u32, by: Arc<str>) -> bool {
        let now = self.clock.now();
        self.judge_due = true;
        self.state.revoke(id, by, now)
    }

    /// What waits for somebody's word: changes, and findings about a whole source or target.
    pub fn holds(&self) -> &[Hold] {
        &self.guards.holds
    }

    /// How often each guard has acted since the engine was made, by its name.
    pub fn guard_trips(&self) -> &BTreeMap<&'static str, u64> {
        &self.guards.trips
    }

    /// Counts that a guard has acted.
    pub(super) fn trip(&mut self, guard: &'static str) {
        *self.guards.trips.entry(guard).or_default() += 1;
    }

    /// Shows a finding as a hold, or what has become of it.
    pub(super) fn find(&mut self, finding: Finding) {
        let known = self.guards.findings.get(&finding.meter);
        if known != Some(&finding) {
            self.guards.findings.insert(finding.meter.clone(), finding);
            self.refresh_holds();
        }
    }

    /// The finding is no more.
    pub(super) fn forget_finding(&mut self, meter: &Meter) {
        if self.guards.findings.remove(meter).is_some() {
            self.refresh_holds();
        }
    }

    /// Puts together what is held, and counts the guards that hold something new.
    pub(super) fn refresh_holds(&mut self) {
        let findings = self.guards.findings.values();
        let findings = findings.map(|finding| finding.hold(&self.state.rejections));
        let judged = self.judgement.iter().flat_map(|judgement| judgement.holds.iter().cloned());
        let holds: Vec<Hold> = findings.chain(judged).collect();
        let known: BTreeSet<HoldId> = holds.iter().map(|hold| hold.id).collect();
        for hold in &holds {
            if !self.guards.known.contains(&hold.id) {
                let guard = hold.meter.guard.name();
                *self.guards.trips.entry(guard).or_default() += 1;
                let (count, limit) = (hold.count, hold.limit);
                tracing::warn!(guard, hold = %hold.id, count, limit, "held until somebody decides");
            }
        }
        self.guards.known = known;
        self.guards.holds = holds;
        self.noted.is_outdated = true;
    }
}
