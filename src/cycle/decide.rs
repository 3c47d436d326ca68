//! Decide: hands the plan to the judge, remembers what it holds, and fills the queue with what it
//! clears.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::records::Key;
use super::target::TargetLoop;
use crate::audit::DecisionKind;
use crate::core::judge::{Guarded, Judgement, JudgementContext, Population, judge};
use crate::core::model::{Entity, Kind, Link, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest, Changes, Scope, Touched};

/// While much is being done, a round without a word leads to another judgement no sooner than this after
/// the last: it looks at the whole plan, and only the time has moved.
const JUDGE_AGAIN: Duration = Duration::from_secs(60);

/// Nor sooner than so many times what the last one took, which grows with the plan.
const JUDGE_SHARE: u32 = 20;

impl Engine {
    /// Brings the plan up to date with what was touched, and judges it when that is due.
    pub(super) fn plan(&mut self) {
        let mut moved: Vec<Entity> = Vec::new();
        self.review_left_out();
        let scope = match self.target.planning.touched.take() {
            None => Some(Scope::All),
            Some(touched) if touched.is_empty() => None,
            Some(touched) => {
                let accounts = touched.entities.iter();
                let accounts = accounts.filter(|entity| matches!(entity, Entity::Account(_)));
                moved.extend(accounts.cloned());
                Some(Scope::Touched(touched))
            }
        };
        self.target.planning.touched = Some(Touched::default());
        if let Some(scope) = scope {
            self.recount();
            let mut planner = std::mem::take(&mut self.target.planning.planner);
            planner.refresh(&self.roster(), scope);
            self.target.planning.planner = planner;
            if self.target.planning.audit.is_some()
                && self.plan_from_all() != self.target.planning.planner
            {
                self.target.planning.audit =
                    self.target.planning.audit.map(|differing| differing + 1);
            }
            // A leaver whose create was under way becomes one when it is answered, and waits for nobody.
            let changes = self.target.planning.planner.changes();
            let leaves = |entity| {
                changes.get(entity).is_some_and(|change| change.action == Action::Deactivate)
            };
            self.target.planning.judge_due |= moved.iter().any(leaves);
            self.release_groups();
            self.put_hidden_in_escrow();
            self.find_emptied();
        }
        self.judge_if_due();
    }

    /// Only these changes are applied from now on: those of a saved plan.
    pub fn restrict_to(&mut self, only: BTreeSet<ChangeDigest>) {
        self.target.planning.only = Some(only);
        self.target.planning.judge_due = true;
    }

    /// Everything stuck is tried again at once.
    pub fn retry_all(&mut self) {
        let stuck: Vec<Entity> = self.state.ledger.escrow.keys().cloned().collect();
        for entity in stuck {
            self.state.release_escrow(&entity);
        }
        self.state.trust_again(self.clock.now(), None);
        self.state.retry_left_out(None);
        self.ask_doubtful_again();
        self.target.planning.judge_due = true;
    }

    /// Whether the plan is to be judged again.
    pub(super) fn is_judge_due(&self) -> bool {
        let moved = self.target.queue.is_drained() && self.target.queue.is_outdated();
        (self.target.planning.judge_due || moved) && self.sources.is_fresh(Kind::Users)
    }

    /// A judgement looks at the whole plan. It is made when something was read to its end, when a
    /// person said something, and when the queue has run dry and the plan has moved on.
    fn judge_if_due(&mut self) {
        let elapsed = self.clock.elapsed();
        self.target.planning.judge_due |=
            self.target.refusals.due.is_some_and(|due| due <= elapsed);
        self.end_approvals();
        if !self.is_judge_due() {
            return self.judge_recorded();
        }
        self.target.planning.judge_due = false;
        self.target.planning.judged = true;
        let now = self.clock.now();
        self.end_first_import();
        self.release_unwanted();
        self.use_up_unwanted();
        self.end_rejections();
        let mut changes = self.target.planning.planner.changes().clone();
        self.leave_out_deferred(&mut changes);
        let held = self.state.held.iter().flat_map(|held| held.claims.keys());
        let unjudged = held.filter(|guarded| self.is_unjudged(guarded)).cloned().collect();
        let context = self.context_for(&changes, unjudged, now);
        let mut judgement = judge(changes, &context, &self.target.policy.budgets, now);
        // The whole plan was judged: what is left alone now is still held, and still counts.
        let urgent = self.urgent();
        self.target.keep_to_saved_plan(&mut judgement, &urgent);
        judgement.cleared.retain(|cleared| {
            let change = cleared.change();
            !self.waits_after_refusal(&change.entity, change.digest())
        });
        self.try_out(&mut judgement.cleared);
        self.state.remember_held(judgement.remember.clone());
        self.take_judgement(judgement, urgent);
        let ended = self.clock.elapsed();
        let span = ended.saturating_sub(elapsed) * JUDGE_SHARE;
        self.reporting.noted.judge_again = ended + span.max(JUDGE_AGAIN);
    }

    /// An approval has run out: what is left of it goes back to its hold.
    fn end_approvals(&mut self) {
        let now = self.clock.now();
        if self.guards.approvals_end.is_some_and(|end| end <= now) {
            self.target.queue.drop_ended(now);
            self.note_approvals_end();
            self.guards.recorded = None;
            self.target.planning.judge_due = true;
        }
    }

    /// Notes when that is to be looked at next.
    fn note_approvals_end(&mut self) {
        let ends = self.state.unmade(self.clock.now()).map(|approval| approval.until);
        self.guards.approvals_end = ends.chain(self.target.queue.next_end()).min();
    }

    /// When the plan is to be judged by itself, on the monotonic clock.
    pub(super) fn judgement_due(&self) -> Option<Duration> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let end = self.guards.approvals_end.map(|end| elapsed + end.since(now));
        self.target.refusals.due.into_iter().chain(end).min()
    }

    /// What the judgement of these changes rests on.
    fn context_for(
        &mut self,
        changes: &Changes,
        unjudged: BTreeSet<Guarded>,
        now: Timestamp,
    ) -> JudgementContext {
        JudgementContext {
            digests: self.state.digests().clone(),
            population: if changes.is_empty() {
                Population::default()
            } else {
                Population::of(&self.state.ledger)
            },
            spent: self.state.recent.spent.counts(now).clone(),
            departed: self.state.recent.spent.departed(),
            held: self.state.held.clone(),
            unjudged,
            cleared: std::mem::take(&mut self.target.planning.cleared),
            approvals: self.state.approvals_in_force().cloned().chain(self.orders()).collect(),
            rejections: self.state.rejections.clone(),
            windows: self.state.open_windows(now),
            emptied: self.target.planning.planner.emptied(),
            resting: self.resting(changes).into_keys().collect(),
            first_import: !self.state.target.first_import_over,
            adopt: self.target.policy.adopt,
        }
    }

    /// Before Entra has spoken since the start nothing is judged but what does not rest on what it says now:
    /// what was ordered by hand, and, once it was asked in vain for a poll interval, the departure of whoever it
    /// has shown as disabled or deleted. The guards and budgets are those of every judgement. Nothing of it is
    /// remembered, and what is held meanwhile is left as it is.
    fn judge_recorded(&mut self) {
        if self.sources.is_fresh(Kind::Users) {
            return;
        }
        let urgent = self.urgent();
        let is_meant = |change: &&Arc<Change>| {
            urgent.contains(&change.entity) || self.is_recorded_departure(change)
        };
        let changes: Changes =
            self.target.planning.planner.changes().values().filter(is_meant).cloned().collect();
        if changes.is_empty() {
            return;
        }
        // Nothing has moved since the last time.
        let meant = changes.keys().cloned().collect();
        let judged = (meant, self.state.approvals.len(), self.state.rejections.len());
        if !self.target.queue.is_outdated() && self.guards.recorded.as_ref() == Some(&judged) {
            return;
        }
        self.guards.recorded = Some(judged);
        let held = self.state.held.iter().flat_map(|held| held.claims.keys());
        let is_elsewhere =
            |guarded: &&Guarded| guarded.entity().is_none_or(|one| !changes.contains_key(one));
        let unjudged = held.filter(is_elsewhere).cloned().collect();
        let now = self.clock.now();
        let context = self.context_for(&changes, unjudged, now);
        let mut judgement = judge(changes, &context, &self.target.policy.budgets, now);
        self.target.keep_to_saved_plan(&mut judgement, &urgent);
        self.try_out(&mut judgement.cleared);
        self.target.planning.cleared = judgement.cleared_unasked;
        self.target.queue.refill(judgement.cleared, urgent);
        self.note_approvals_end();
    }

    /// Whether the change is a departure that rests on what Entra has said for certain, while it gives no answer.
    /// A state in doubt waits for it.
    fn is_recorded_departure(&self, change: &Change) -> bool {
        let Entity::Account(person) = change.entity else { return false };
        change.action == Action::Deactivate
            && self.state.recovery.is_none()
            && self.is_silent(person.source)
            && self.is_certain_leaver(person)
            && self.deferral(change).is_none()
    }

    /// Acts on a judgement from now on.
    fn take_judgement(&mut self, mut judgement: Judgement, urgent: BTreeSet<Entity>) {
        self.target.planning.cleared.clone_from(&judgement.cleared_unasked);
        // The queue alone keeps it, and lets go of what is made.
        let cleared = std::mem::take(&mut judgement.cleared);
        let moved = self.target.queue.refill(cleared, urgent);
        self.note_approvals_end();
        self.recount_if(moved || self.target.planning.judgement.as_ref() != Some(&judgement));
        self.target.planning.judgement = Some(judgement);
        self.refresh_holds();
        self.end_rule_change();
    }

    /// The first import is over when everything is read, the target was listed, and no create waits
    /// but those that are stuck.
    fn end_first_import(&mut self) {
        if self.state.target.first_import_over
            || !self.state.target.listed[0]
            || !self.target.planning.planner.unsurveyed().is_empty()
            || !self
                .sources
                .tenants
                .keys()
                .all(|&name| self.sources.complete.contains(&(name, Kind::Users)))
        {
            return;
        }
        let waits = self.target.planning.planner.changes().values().any(|change| {
            change.action == Action::Create
                && !self.state.ledger.escrow.contains_key(&change.entity)
        });
        let pending = self.state.ledger.accounts.iter();
        let pending = pending.into_iter().any(|(person, entry)| {
            matches!(entry.link, Link::Pending(_))
                && !self.is_create_doubted(&Entity::Account(*person))
        });
        if !waits && !pending {
            self.state.target.first_import_over = true;
            self.state.mark(Key::Target);
        }
    }

    /// Releases groups that nothing wants any more: our own record only, the target is left as it is.
    fn release_groups(&mut self) {
        let released: Vec<_> = self.target.planning.planner.releases().iter().cloned().collect();
        for key in released {
            if let Some(entry) = self.state.ledger.groups.get_mut(&key)
                && let Some(id) = entry.link.managed().cloned()
            {
                self.target.links.groups.remove(&id);
                entry.link = Link::Released(id);
                self.state.drop_members(&key);
                self.state.mark(Key::TargetGroup(key.clone()));
                self.target.survey.answers.groups.remove(&key);
                let entity = Entity::Group(key.clone());
                self.end_absence(&entity);
                tracing::info!(group = %entity.logged(self.state.digests()), "group released: no rule wants it any more");
                let detail = "no rule wants it any more";
                self.state.decide_on(DecisionKind::Release, Some(entity), detail);
                self.target.touch(Entity::Group(key));
            }
        }
    }
}

impl TargetLoop {
    pub(super) fn touch(&mut self, entity: Entity) {
        if let Some(touched) = &mut self.planning.touched {
            touched.entities.insert(entity);
        }
    }

    /// Leaves of what is cleared what a saved plan lists, and what was ordered.
    fn keep_to_saved_plan(&self, judgement: &mut Judgement, urgent: &BTreeSet<Entity>) {
        let Some(only) = &self.planning.only else { return };
        judgement.cleared.retain(|cleared| {
            let change = cleared.change();
            only.contains(&change.digest()) || urgent.contains(&change.entity)
        });
    }
}
