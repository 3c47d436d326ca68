//! The guards that look at a whole source or target: what they found, what was announced, and how
//! often each guard acted. What is too much of a kind of change is the judge's.

mod emptied;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::blame::{Question, Suspect};
use super::identity::Contact;
use super::quarantine::Watch;
use super::records::Key;
use super::state::State;
use super::{Engine, Trouble};
use crate::audit::{Decision, DecisionKind};
use crate::core::coverage::{ACCOUNT_ENABLED, Withheld};
use crate::core::judge::{
    Claims, Finding, Guard, Guarded, HeldBefore, Hold, HoldId, Meter, Of, Window,
};
use crate::core::model::{Entity, Kind, SourceName, Timestamp};
use crate::core::plan::Changes;
use crate::core::rules::{RuleChange, Rules};
use crate::core::words::plural;
use crate::random::Random;

/// What the guards know beside what is durable.
#[derive(Default)]
pub(super) struct Guards {
    /// What waits for somebody's word without being a change.
    findings: BTreeMap<Meter, Finding>,
    /// Everything held: what the judge holds, and the findings.
    holds: Vec<Hold>,
    /// The holds that were told and counted.
    pub(super) known: BTreeSet<HoldId>,
    /// Sources that are another tenant than before.
    pub(super) foreign: BTreeSet<SourceName>,
    /// Whether we know which target answers.
    pub(super) contact: Contact,
    /// Whether something is wanted of the target in this turn.
    pub(super) wants_target: bool,
    pub(super) target: Watch,
    /// What is asked of the target to learn whose fault a failure is; nothing else is sent meanwhile.
    pub(super) question: Option<Question>,
    /// What failed, as long as nobody knows whose fault that is.
    pub(super) suspects: Vec<Suspect>,
    /// How many requests the target has answered well.
    pub(super) answers: u64,
    /// Objects about which it asked us to slow down, and how many it had answered by then.
    pub(super) slowed: BTreeMap<Entity, u64>,
    /// Objects about which it asked us to wait, since a write was made.
    pub(super) slowing: BTreeSet<Entity>,
    /// Objects whose last write failed, since a write was made.
    pub(super) failing: BTreeSet<Entity>,
    pub(super) sources: BTreeMap<SourceName, Watch>,
    /// Their groups by themselves: where these alone fail, people are read all the same.
    pub(super) groups: BTreeMap<SourceName, Watch>,
    /// The rules before they were changed, while something may still rest on the change.
    pub(super) rule_change: Option<RuleChange>,
    /// What was judged in this drive before Entra had spoken, and how many words had been said by then.
    pub(super) recorded: Option<(BTreeSet<Entity>, usize, usize)>,
    /// When the next of the approvals ends that the last judgement rests on.
    pub(super) approvals_end: Option<Timestamp>,
    /// How often each guard has acted.
    pub(super) trips: BTreeMap<Guard, u64>,
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
        self.decide(Decision {
            at: now,
            kind: DecisionKind::Allow,
            entity: None,
            by: Some(Arc::clone(&by)),
            detail: format!("{id}: {count} for {guard} until {until}: {reason}"),
            changes: None,
        });
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
        window.revoked = Some((now, Arc::clone(&by)));
        self.mark(Key::Window(at));
        let (kind, by, detail) = (DecisionKind::Revoke, Some(by), id.to_string());
        self.decide(Decision { at: now, kind, entity: None, by, detail, changes: None });
        true
    }

    /// The windows in force.
    pub fn open_windows(&self, now: Timestamp) -> Vec<Window> {
        self.windows.iter().filter(|window| window.is_open(now)).cloned().collect()
    }

    /// Takes what was made unasked out of the open windows first; what is left of `meters` counts with
    /// the budgets.
    pub(super) fn spend_windows(&mut self, at: Timestamp, meters: &mut Vec<Meter>) {
        let mut spent = BTreeSet::new();
        let mut windows = (0..).zip(&mut self.windows).collect::<Vec<_>>();
        meters.retain(|meter| {
            let mut found = windows.iter_mut();
            let found =
                found.find_map(|(number, window)| window.spend(meter, at).then_some(*number));
            spent.extend(found);
            found.is_none()
        });
        for number in spent {
            self.mark(Key::Window(number));
        }
    }
}

impl Engine {
    /// Takes somebody's word that more of one kind is to come.
    pub fn allow(&mut self, announcement: Announcement) -> u32 {
        let now = self.clock.now();
        self.target.planning.judge_due = true;
        self.state.allow(announcement, now)
    }

    /// Ends a window before its time.
    pub fn revoke(&mut self, id: u32, by: Arc<str>) -> bool {
        let now = self.clock.now();
        self.target.planning.judge_due = true;
        self.state.revoke(id, by, now)
    }

    /// What waits for somebody's word: changes, and findings about a whole source or target.
    pub fn holds(&self) -> &[Hold] {
        &self.guards.holds
    }

    /// How often each guard has acted, by its name, since the first engine of this process was made.
    pub fn guard_trips(&self) -> &BTreeMap<Guard, u64> {
        &self.guards.trips
    }

    /// Counts that a guard has acted.
    pub(super) fn trip(&mut self, guard: Guard) {
        *self.guards.trips.entry(guard).or_default() += 1;
        self.state.decide_on(DecisionKind::Guard, None, guard.name());
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
    fn forget_finding(&mut self, meter: &Meter) {
        if self.guards.findings.remove(meter).is_some() {
            self.refresh_holds();
        }
    }

    /// Puts together what is held, and counts the guards that hold something new.
    pub(super) fn refresh_holds(&mut self) {
        let findings = self.guards.findings.values();
        let findings =
            findings.map(|finding| finding.hold(&self.state.rejections, self.state.digests()));
        let judged = self
            .target
            .planning
            .judgement
            .iter()
            .flat_map(|judgement| judgement.holds.iter().cloned());
        let judged = judged.map(|hold| {
            let surprise = self.state.surprise_about(&hold).map(Into::into);
            Hold { surprise, ..hold }
        });
        let holds: Vec<Hold> = findings.chain(judged).collect();
        let known: BTreeSet<HoldId> = holds.iter().map(|hold| hold.id).collect();
        let before = std::mem::take(&mut self.guards.holds);
        for hold in &holds {
            // What is left of a hold that was told, after a word about the rest, is nothing new.
            let is_rest = before.iter().any(|one| is_part(&hold.claims, &one.claims));
            if !self.guards.known.contains(&hold.id) && !is_rest && hold.rejected.is_none() {
                let guard = hold.meter.guard;
                *self.guards.trips.entry(guard).or_default() += 1;
                let (count, limit) = (hold.open, hold.limit);
                let (guard, waits) = (guard.name(), plural(count, "waits", "wait"));
                tracing::warn!(
                    guard,
                    hold = %hold.id,
                    count,
                    limit,
                    "held by {guard}: {count} {waits} for approval (limit without approval: {limit}). They stay as \
                     they are until somebody decides, and everything else goes on: manntall holds"
                );
            }
        }
        // Before the first judgement nobody knows whether what an earlier engine held is held still.
        if self.target.planning.judgement.is_none() {
            self.guards.known.extend(known);
        } else {
            self.guards.known = known;
        }
        self.guards.holds = holds;
        self.reporting.noted.is_outdated = true;
    }
}

/// Whether all of `claims` is among `others`, as it was shown.
pub(super) fn is_part(claims: &Claims, others: &Claims) -> bool {
    claims.iter().all(|(guarded, shown)| others.get(guarded) == Some(shown))
}

impl Guards {
    /// A person asks for something: whoever is in quarantine is asked again now.
    pub(super) fn hurry(&mut self, elapsed: Duration) {
        self.target.hurry(elapsed);
        let sources = self.sources.values_mut().chain(self.groups.values_mut());
        sources.for_each(|watch| watch.hurry(elapsed));
    }
}

impl Engine {
    /// Chance for waits; without a port for it there is none.
    pub(super) fn random(&self) -> Arc<Random> {
        self.sources.jitter.clone().unwrap_or_else(|| Arc::new(Random::seeded(0)))
    }

    /// Acts on what somebody has said about findings.
    pub(super) fn take_words(&mut self) {
        let now = self.clock.now();
        let accepted = self.guards.findings.values().filter(|finding| {
            let (meter, approvals) = (&finding.meter, &self.state.approvals);
            Finding::accepted(meter, finding.digest, approvals, now).is_some()
        });
        let accepted: Vec<Meter> = accepted.map(|finding| finding.meter.clone()).collect();
        for meter in accepted {
            self.forget_finding(&meter);
            self.state.use_up(&Guarded::Finding(meter.clone()), None);
            tracing::warn!(guard = meter.guard.name(), "accepted by somebody; Manntall goes on");
            match (meter.guard, meter.source, &meter.of) {
                (Guard::Identity, source, _) => self.accept_identity(source),
                (Guard::Coverage, Some(source), Of::Property(name)) => {
                    self.accept_coverage(source, name);
                }
                (Guard::ScopeEmptied, Some(_), Of::Group(group)) => self.accept_empty(group),
                _ => {}
            }
        }
    }

    fn accept_coverage(&mut self, source: SourceName, name: &str) {
        let now = self.clock.now();
        for kind in [Kind::Users, Kind::Groups] {
            let Some(coverage) = self.state.coverage.get_mut(&(source, kind)) else { continue };
            if coverage.withheld.contains_key(name) {
                coverage.accept(name);
                self.state.mark(Key::Coverage(source, kind));
                if let Some(walk) = self.state.walks.get_mut(&(source, kind)) {
                    walk.want_full(now);
                    self.state.mark(Key::Walk(source, kind));
                }
                self.sources.troubles.remove(&(source, kind));
                self.tell_withheld(source, kind);
            }
        }
    }

    /// Whether something of the source counts as unknown that was known.
    pub(super) fn is_withheld(&self, source: SourceName, kind: Kind) -> bool {
        self.state.coverage.get(&(source, kind)).is_some_and(|known| !known.withheld.is_empty())
    }

    /// Says what a source withholds, and asks about it.
    pub(super) fn tell_withheld(&mut self, source: SourceName, kind: Kind) {
        let known = self.state.coverage.get(&(source, kind)).cloned().unwrap_or_default();
        let what = if kind == Kind::Users { "people" } else { "groups" };
        let mut told = Vec::new();
        let mut wanted = BTreeSet::new();
        for (name, Withheld { since, had, lost, .. }) in known.acceptable() {
            let of = Of::Property(name.into());
            let meter = Meter { guard: Guard::Coverage, source: Some(source), of };
            let words = format!(
                "{lost} of {had} {what} have lost {name} at once: as a rule consent was withdrawn, a \
                 role was removed or another application is used. The last known values stay"
            );
            told.push(format!(
                "{words}, and everything else goes on, leavers too. Check the application in Entra; if {name} really \
                 is gone, approve its hold: manntall holds"
            ));
            let digest = Finding::digest_of(&meter, since);
            wanted.insert(meter.clone());
            self.find(Finding { meter, count: *lost, limit: 0, since: *since, words, digest });
        }
        let stale = self.guards.findings.keys().filter(|meter| {
            let names_other =
                |name: &str| !wanted.contains(*meter) && !self.is_other_kind(source, kind, name);
            meter.source == Some(source)
                && matches!(&meter.of, Of::Property(name) if names_other(name))
        });
        let stale: Vec<Meter> = stale.cloned().collect();
        for meter in &stale {
            self.forget_finding(meter);
        }
        // A few are named by themselves.
        let unsaid = known.withheld.get(ACCOUNT_ENABLED).filter(|known| known.few().is_none());
        if let Some(Withheld { had, lost, .. }) = unsaid {
            self.trip(Guard::Coverage);
            told.push(format!(
                "{lost} of {had} {} accountEnabled; the last known values stay, and nobody is deactivated because of \
                 it. Check the permissions of the application in Entra: manntall check --online",
                plural(*lost, "people has lost", "people have lost")
            ));
        }
        if !told.is_empty() {
            let since = known.withheld.values().map(|withheld| withheld.since).min();
            let (since, message) = (since.unwrap_or(self.clock.now()), told.join("; "));
            let guard = Some("coverage".into());
            self.source_trouble(source, kind, Trouble { since, code: 69, guard, message });
        }
    }

    /// Whether the source withholds the property of objects of the other kind.
    fn is_other_kind(&self, source: SourceName, kind: Kind, name: &str) -> bool {
        let other = if kind == Kind::Users { Kind::Groups } else { Kind::Users };
        let known = self.state.coverage.get(&(source, other));
        known.is_some_and(|known| known.withheld.contains_key(name))
    }

    /// Notices that the rules are others than those the plan was last made from.
    pub(super) fn begin_rules(&mut self) {
        let now = Rules::of(&self.sources.keep, &self.target.policy);
        match &self.state.rules {
            Some(old) if *old != now => {
                let change = old.changed(&self.target.policy);
                tracing::warn!(
                    guard = "scope_change",
                    "the rules have changed; what they remove is held until somebody approves it"
                );
                self.guards.rule_change = Some(change);
            }
            Some(_) => {}
            None => {
                self.state.rules = Some(now);
                self.state.mark(Key::Rules);
            }
        }
        for (source, kind) in self.sources.lanes.keys().copied().collect::<Vec<_>>() {
            if !self.is_foreign(source) && self.is_withheld(source, kind) {
                self.tell_withheld(source, kind);
            }
        }
    }

    /// The changes that rest on a change of the rules.
    pub(super) fn resting(&self, changes: &Changes) -> Claims {
        let Some(change) = &self.guards.rule_change else { return Claims::new() };
        change.resting(changes, &self.roster())
    }

    /// The change of the rules is over once everything was read as they want it, nothing is in doubt, and all
    /// was judged: what rests on it is remembered as held by then.
    pub(super) fn end_rule_change(&mut self) {
        let is_read = self.sources.is_fresh(Kind::Users)
            && self.sources.is_fresh(Kind::Groups)
            && self.own_sources().into_iter().all(|source| self.is_read_as_wanted(source));
        if self.guards.rule_change.is_some() && is_read && self.state.recovery.is_none() {
            self.hold_what_was_not_judged();
            self.guards.rule_change = None;
            self.state.rules = Some(Rules::of(&self.sources.keep, &self.target.policy));
            self.state.mark(Key::Rules);
        }
    }

    /// What rests on the change of the rules and is left out of the plan for now will be judged when that is
    /// long over: it is held from here on.
    fn hold_what_was_not_judged(&mut self) {
        let mut left_out = self.target.planning.planner.changes().clone();
        left_out.retain(|change| self.is_deferred(change));
        let mut resting = self.resting(&left_out);
        resting.retain(|guarded, _| {
            !self.state.held.iter().any(|held| held.claims.contains_key(guarded))
        });
        let mut by_meter: BTreeMap<Meter, Claims> = BTreeMap::new();
        for (guarded, shown) in resting {
            if let Some(meter) = guarded.entity().map(Meter::of_rules) {
                by_meter.entry(meter).or_default().insert(guarded, shown);
            }
        }
        if by_meter.is_empty() {
            return;
        }
        let since = self.clock.now();
        let more = by_meter.into_iter();
        let more = more.map(|(meter, claims)| HeldBefore { meter, limit: 0, since, claims });
        let held = self.state.held.iter().cloned().chain(more).collect();
        self.state.remember_held(held);
        self.target.planning.judge_due = true;
    }
}
