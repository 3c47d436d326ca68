//! Trials, as the target answers them: what was made first of a large approval is read back, and compared
//! with what the ledger says that the target holds now. How many are tried is `core::judge`'s.
//!
//! Each step is durable with what it rests on: that a change is made, in the commit that records its
//! answer; that it was read back, in the commit after the read. So a process that ends in between reads
//! again, and makes no more than it would have made.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{Reply, Sent, applied};
use super::outcome::STRANGER;
use super::proof::account_difference;
use super::records::Key;
use super::state::State;
use super::{Engine, Launch};
use crate::audit::DecisionKind;
use crate::core::judge::{
    Approval, Claims, ClearedPlan, Guard, Hold, Stage, Step, Trial, try_first,
};
use crate::core::model::{AttrPath, Datum, Entity, GroupKey, Link, PersonId, Timestamp};
use crate::core::plan::same;
use crate::scim::members::looks_cut;
use crate::scim::{GroupResource, ScimError, UserResource};

/// The guard's name.
const TRIAL: &str = "trial";

/// What was met where something is missing.
pub(super) const GONE: &str = "it is not there any more";

impl State {
    /// The approvals that no surprise has ended.
    pub fn approvals_in_force(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.iter().filter(|approval| self.surprise_of(approval).is_none())
    }

    fn surprise_of(&self, approval: &Approval) -> Option<&str> {
        let trial = self.trials.iter().find(|trial| trial.is_of(approval))?;
        trial.surprise.as_ref().map(|(_, words)| words.as_str())
    }

    /// What was met when some of the hold had been approved and was tried out.
    pub(super) fn surprise_about(&self, hold: &Hold) -> Option<&str> {
        let mut approvals = self.approvals.iter().rev();
        approvals.find_map(|approval| {
            let words = self.surprise_of(approval)?;
            let mut trials = self.trials.iter().filter(|trial| trial.is_of(approval));
            let is_tried = trials
                .any(|trial| trial.sample.values().any(|step| shares(&step.claims, &hold.claims)));
            (is_tried || shares(&approval.claims, &hold.claims)).then_some(words)
        })
    }

    /// Trials of approvals that were forgotten are forgotten too.
    fn forget_old_trials(&mut self) {
        let approvals = &self.approvals;
        let is_known = |trial: &Trial| approvals.iter().any(|approval| trial.is_of(approval));
        self.trials.retain(is_known);
    }

    /// The steps that are confirmed and not read back.
    fn made(&self) -> impl Iterator<Item = (&Entity, &Step)> {
        let steps = self.trials.iter().flat_map(|trial| &trial.sample);
        steps.filter(|(_, step)| step.stage == Stage::Made)
    }

    /// What was tried belongs to the hold that it came from, and comes back with it where it is planned
    /// again: it does not go by itself.
    fn hold_again(&mut self, at: Timestamp, by: &str, steps: &Claims) {
        let mut approvals = self.approvals.iter();
        let Some(approval) = approvals.find(|one| one.at == at && *one.by == *by) else { return };
        for number in 0..self.held.len() {
            let Some(held) = self.held.get_mut(number) else { continue };
            if shares(&held.claims, &approval.claims) {
                let steps = steps.iter().map(|(guarded, shown)| (guarded.clone(), *shown));
                held.claims.extend(steps);
                self.marked.insert(Key::Held(u32::try_from(number).unwrap_or(u32::MAX)));
            }
        }
    }

    fn advance(&mut self, entity: &Entity, from: Stage, to: Stage) -> bool {
        let steps = self.trials.iter_mut().filter_map(|trial| trial.sample.get_mut(entity));
        let mut moved = false;
        for step in steps.filter(|step| step.stage == from) {
            step.stage = to;
            moved = true;
        }
        if moved {
            self.mark(Key::Trials);
        }
        moved
    }
}

impl Engine {
    /// Leaves in the plan, of what was approved as a whole, what is tried first.
    pub(super) fn try_out(&mut self, plan: &mut ClearedPlan) {
        let before = self.state.trials.clone();
        self.state.forget_old_trials();
        let mut trials = std::mem::take(&mut self.state.trials);
        try_first(plan, &mut trials, |entity| self.target.queue.is_busy(&holder(entity)));
        self.state.trials = trials;
        for trial in &self.state.trials {
            let known = before.iter().find(|one| one.at == trial.at && one.by == trial.by);
            if known.is_none() {
                let tried = trial.sample.len();
                tracing::info!(guard = TRIAL, tried, "a large approval: a few are made first");
            }
        }
        if self.state.trials != before {
            self.state.mark(Key::Trials);
        }
    }

    /// The target has confirmed a change; if it is on trial, it is to be read back.
    pub(super) fn made_on_trial(&mut self, entity: &Entity) {
        self.state.advance(entity, Stage::Chosen, Stage::Made);
    }

    /// Whether something was made on trial and is not read back yet.
    pub(super) fn has_trials(&self) -> bool {
        self.state.made().next().is_some()
    }

    /// Reads back what was made on trial, as permits allow.
    pub(super) fn read_trials(&mut self, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        if self.target.health.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        let made: BTreeSet<Entity> = self.state.made().map(|(entity, _)| entity.clone()).collect();
        for entity in self.target.refusals.attention.lag.end_trials(&made) {
            self.target.queue.release(&holder(&entity));
        }
        for entity in made {
            // Nothing else is done to it until it has been read.
            let holder = holder(&entity);
            let is_due = self.target.refusals.attention.lag.trial_due(&entity, elapsed);
            if !is_due.unwrap_or_else(|| !self.target.queue.is_busy(&holder)) {
                continue;
            }
            let link = match &holder {
                Entity::Account(person) => {
                    self.state.ledger.accounts.get(person).map(|entry| &entry.link)
                }
                Entity::Group(key) | Entity::Member(key, _) => {
                    self.state.ledger.groups.get(key).map(|entry| &entry.link)
                }
            };
            let Some(Link::Linked(id) | Link::Deactivated(id) | Link::Gone(id)) = link.cloned()
            else {
                self.state.advance(&entity, Stage::Made, Stage::Read);
                self.target.planning.judge_due = true;
                continue;
            };
            let Some(permit) = self.permit() else { return };
            self.target.refusals.attention.lag.take_trial(&entity);
            self.target.queue.occupy(holder);
            let inquiry = self.inquiry(&entity, &id);
            let receipt = permit.receipt();
            launch.push(Box::pin(async move {
                let result = match &entity {
                    Entity::Account(_) => inquiry.user(permit).await.map(Reply::User),
                    Entity::Group(_) | Entity::Member(..) => {
                        inquiry.group(permit).await.map(Reply::Group)
                    }
                };
                applied(Sent::Try { entity }, None, result, receipt)
            }));
        }
    }

    /// The target has shown what became of a change on trial.
    pub(super) fn on_tried(&mut self, entity: &Entity, reply: Reply) {
        if self.tries_again(entity, &reply) {
            return;
        }
        self.target.queue.release(&holder(entity));
        let surprise = match (entity, reply) {
            (Entity::Account(person), Reply::User(user)) => {
                self.try_account(*person, user.as_ref())
            }
            (Entity::Group(key), Reply::Group(group)) => self.try_group(key, None, group),
            (Entity::Member(key, person), Reply::Group(group)) => {
                self.try_group(key, Some(*person), group)
            }
            (
                _,
                Reply::Written(_)
                | Reply::User(_)
                | Reply::Group(_)
                | Reply::Nothing
                | Reply::Stranger,
            ) => None,
        };
        self.end_step(entity, surprise);
    }

    /// A change on trial could not be read.
    pub(super) fn on_try_failure(&mut self, entity: &Entity, error: &ScimError) {
        self.target_failed(error);
        if error.passes() {
            // It is read as whatever else is not known, and then asked for again.
            return self.target.read_later(holder(entity));
        }
        self.target.queue.release(&holder(entity));
        self.end_step(entity, Some(format!("it cannot be read back: {error}")));
    }

    fn end_step(&mut self, entity: &Entity, surprise: Option<String>) {
        self.target.planning.judge_due = true;
        if let Some(what) = surprise {
            self.end_trial(entity, &what);
        }
        self.state.advance(entity, Stage::Made, Stage::Read);
    }

    /// Whether the account is as the target confirmed it; what it is otherwise.
    fn try_account(&mut self, person: PersonId, user: Option<&UserResource>) -> Option<String> {
        let entity = Entity::Account(person);
        let Some(user) = user else {
            self.miss(&entity);
            return Some(GONE.to_owned());
        };
        if self.user_is_stranger(person, user) {
            self.miss_behind(&entity, &user.id);
            return Some(STRANGER.to_owned());
        }
        self.end_absence(&entity);
        let (_, step) = self.state.made().find(|(one, _)| **one == entity)?;
        let entry = self.state.ledger.accounts.get(&person)?;
        let shown = user.attributes(self.target.managed_paths().iter());
        let active = AttrPath::active();
        let changes_active = step.before.contains_key(&active);
        if changes_active && !matches!(shown.get(&active), Some(Datum::Bool(_))) {
            return Some("the platform does not show whether it is active".to_owned());
        }
        let mut differs = account_difference(entry, &shown);
        // Only what was changed just now, and no mere spelling of the platform's own.
        differs.retain(|path, now| {
            let is_wanted = |value: &Datum| !value.is_unassigned();
            step.before.get(path).is_some_and(|before| {
                let was_wanted = entry.sent.get(path).is_some_and(is_wanted);
                same(path, before, now) || is_wanted(now) != was_wanted
            }) || *path == active
        });
        if differs.is_empty() {
            return None;
        }
        let paths: Vec<String> = differs.keys().map(ToString::to_string).collect();
        self.note_drift(entity, differs);
        Some(format!("it was confirmed and shows another value, at {}", paths.join(", ")))
    }

    /// Whether the group is as the target confirmed it, without this member; what it is otherwise.
    fn try_group(
        &mut self,
        key: &GroupKey,
        removed: Option<PersonId>,
        group: Option<GroupResource>,
    ) -> Option<String> {
        let Some(group) = group else {
            self.state.ledger.groups.get(key)?.link.managed()?;
            self.miss(&Entity::Group(key.clone()));
            return Some(GONE.to_owned());
        };
        if self.group_is_stranger(key, &group) && self.is_linked(&Entity::Group(key.clone())) {
            self.miss_behind(&Entity::Group(key.clone()), &group.id);
            return Some(STRANGER.to_owned());
        }
        self.end_absence(&Entity::Group(key.clone()));
        if self.state.ledger.groups.get(key)?.link.managed().is_none() {
            let is_about_group = removed.is_none();
            return is_about_group.then(|| "it was confirmed as deleted and is there".to_owned());
        }
        self.note_shown(group.members.as_ref());
        if self.cannot_read_members() {
            return None;
        }
        let shown = group.members.unwrap_or_default();
        let accounts = &self.state.ledger.accounts;
        let id_of = |person| accounts.get(person).and_then(|entry| entry.link.managed());
        let stays = removed.as_ref().and_then(id_of).is_some_and(|id| shown.contains(id));
        let others = self.shown_members(key, &removed.into_iter().collect());
        let missing = others.iter().filter(|id| !shown.contains(*id)).count();
        let what = if stays {
            Some("it was confirmed and the person is a member still")
        } else if missing * 2 > others.len() && !looks_cut(shown.len()) {
            // One of many was taken out by hand; a wrong form takes them all.
            Some("others of the group are no members any more")
        } else {
            None
        };
        if stays || missing > 0 {
            self.compare_members(key, &shown);
        }
        what.map(str::to_owned)
    }

    /// Something on trial is not as it should be: what is left of the approval is not made. `false` for
    /// what is not on trial.
    pub(super) fn end_trial(&mut self, entity: &Entity, what: &str) -> bool {
        let now = self.clock.now();
        let logged = entity.logged(self.state.digests());
        let mut trials = self.state.trials.iter_mut();
        let Some(trial) = trials.find(|one| one.sample.contains_key(entity) && !one.has_passed())
        else {
            return false;
        };
        let (by, at) = (Arc::clone(&trial.by), trial.at);
        let steps = trial.sample.values().flat_map(|step| step.claims.clone()).collect();
        let is_first = trial.surprise.is_none();
        let words = format!(
            "a few of what {by} approved at {at} were made first, and {logged} is not as it should be: \
             {what}. The rest was not made and waits again. Look at it on the platform; once that is \
             understood, approve the hold again, and a few are tried first as before"
        );
        trial.surprise.get_or_insert((now, words.clone()));
        self.state.mark(Key::Trials);
        self.state.hold_again(at, &by, &steps);
        tracing::error!(target: "manntall::trouble", guard = TRIAL, entity = %logged, "surprise: {what}; what is left of the approval waits again");
        self.state.decide_on(DecisionKind::Guard, Some(entity.clone()), &words);
        if is_first {
            self.trip(Guard::Trial);
        }
        self.target.planning.judge_due = true;
        true
    }
}

/// Whether something is in both, as it was shown.
fn shares(claims: &Claims, others: &Claims) -> bool {
    claims.iter().any(|(guarded, shown)| others.get(guarded) == Some(shown))
}

/// What is written to and read for an entity: a membership is a part of its group.
fn holder(entity: &Entity) -> Entity {
    match entity {
        Entity::Account(_) | Entity::Group(_) => entity.clone(),
        Entity::Member(key, _) => Entity::Group(key.clone()),
    }
}
