//! Doubts: writes whose outcome is not known, and the reads that settle them.
//!
//! A write that got no good answer may have been made all the same, and so may one that was in flight
//! when the process was killed. If nothing more were known, the wish of the next minute could agree
//! with the ledger and disagree with the target, and nobody would ever send it. So a doubt is stored
//! before each write, taken away by a clear answer, and settled by reading otherwise: what the target
//! shows becomes what it holds, and the plan is made from that. Until then nothing else is sent to the
//! entity. Creates are not doubts: their intents are settled by looking up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::apply::{People, ReadBack, Reply, Sent, applied, resolve};
use super::outcome::TRIES_MAX;
use super::records::Key;
use super::target::TargetLoop;
use super::trial::GONE;
use super::{Engine, Launch};
use crate::audit::DecisionKind;
use crate::core::model::{AttrPath, Attributes, Datum, Doubt, Entity, GroupKey, Link, PersonId};
use crate::core::plan::{Action, same};
use crate::scim::pace::Permit;
use crate::scim::{ScimError, UserResource};

/// The longest wait before an entity is read again.
const READ_WAIT_MAX: Duration = Duration::from_secs(64);

impl Engine {
    /// Notes that something is about to be written; the request goes only after the commit that holds
    /// this. What is not ours yet has no doubt: it is looked up again instead.
    pub(super) fn begin_write(
        &mut self,
        entity: Entity,
        action: Action,
        paths: impl IntoIterator<Item = AttrPath>,
    ) {
        let (paths, people) = (paths.into_iter().collect(), Vec::new());
        self.doubt(entity, Doubt { action, paths, people, is_read: false });
    }

    /// Notes that what is held of an account is to be read before anything is done to it.
    pub(super) fn begin_read(&mut self, entity: Entity, paths: BTreeSet<AttrPath>) {
        let (action, people) = (Action::Update, Vec::new());
        self.doubt(entity, Doubt { action, paths, people, is_read: true });
    }

    /// As [`Engine::begin_write`], for the memberships of `people` in a group.
    pub(super) fn begin_members(
        &mut self,
        group: Entity,
        action: Action,
        people: impl IntoIterator<Item = PersonId>,
    ) {
        let (paths, people) = (BTreeSet::new(), people.into_iter().collect());
        self.doubt(group, Doubt { action, paths, people, is_read: false });
    }

    fn doubt(&mut self, entity: Entity, doubt: Doubt) {
        self.target.proof.forget(&entity);
        self.state.mark(Key::Doubt(entity.clone()));
        self.state.ledger.doubts.insert(entity, doubt);
    }

    /// It is known what the write came to.
    pub(super) fn end_write(&mut self, entity: &Entity) -> Option<Doubt> {
        let doubt = self.state.ledger.doubts.remove(entity);
        if doubt.is_some() {
            self.state.mark(Key::Doubt(entity.clone()));
        }
        doubt
    }

    /// What was in flight when the last process ended is read before anything else is done to it.
    pub(super) fn reopen_doubts(&mut self) {
        for entity in self.state.ledger.doubts.keys() {
            self.target.queue.occupy(entity.clone());
            self.target.reads.later.insert(entity.clone(), Duration::ZERO);
        }
    }

    /// Who is in a group of ours is not known: it is read before anything is done to it, also after a
    /// kill.
    pub(super) fn read_members(&mut self, key: &GroupKey, first: People) {
        let entity = Entity::Group(key.clone());
        self.begin_write(entity.clone(), Action::MemberAdd, []);
        self.target.queue.occupy(entity);
        self.target.reads.groups.push((key.clone(), ReadBack::Members { first }));
    }

    /// Begins as many of the reads as there are permits.
    pub(super) fn read_next(&mut self, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        if self.target.health.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        self.take_looks();
        self.read_merged();
        let due = self.target.reads.later.extract_if(.., |_, at| *at <= elapsed);
        for (entity, _) in due.collect::<Vec<_>>() {
            match entity {
                Entity::Account(person) => self.target.reads.accounts.push(person),
                Entity::Group(key) | Entity::Member(key, _) => {
                    self.target.reads.groups.push((key, ReadBack::before()));
                }
            }
        }
        while self.target.reads.groups.has_due(elapsed) || !self.target.reads.accounts.is_empty() {
            let Some(permit) = self.permit() else { return };
            if let Some(read) = self.target.reads.groups.take_due(elapsed) {
                self.send_read_back(read, permit, launch);
            } else if let Some(person) = self.target.reads.accounts.pop() {
                self.send_account_read(person, permit, launch);
            }
        }
    }

    pub(super) fn send_read_back(
        &mut self,
        (key, why): (GroupKey, ReadBack),
        permit: Permit,
        launch: &mut Launch,
    ) {
        let id = self.state.ledger.groups.get(&key).and_then(|entry| entry.link.managed());
        let Some(id) = id.cloned() else {
            if let ReadBack::Prove { form, .. } = why {
                self.target.members.proving.remove(&form);
            }
            let entity = Entity::Group(key);
            self.end_absence(&entity);
            self.end_write(&entity);
            return self.target.queue.release(&entity);
        };
        let inquiry = self.inquiry(&Entity::Group(key.clone()), &id);
        let receipt = permit.receipt();
        launch.push(Box::pin(async move {
            let result = inquiry.group(permit).await.map(Reply::Group);
            applied(Sent::ReadBack { key, why }, None, result, receipt)
        }));
    }

    fn send_account_read(&mut self, person: PersonId, permit: Permit, launch: &mut Launch) {
        let entry = self.state.ledger.accounts.get(&person);
        let Some(id) = entry.and_then(|entry| entry.link.managed()).cloned() else {
            let entity = Entity::Account(person);
            self.end_absence(&entity);
            self.end_write(&entity);
            return self.target.queue.release(&entity);
        };
        let inquiry = self.inquiry(&Entity::Account(person), &id);
        let receipt = permit.receipt();
        launch.push(Box::pin(async move {
            let result = inquiry.user(permit).await.map(Reply::User);
            applied(Sent::ReadAccount { person }, None, result, receipt)
        }));
    }

    /// A read got no answer. One that the target rejects, or answers for something else, will not get a
    /// better one: the ledger is all there is, and what was to be changed waits in escrow.
    pub(super) fn on_read_failure(&mut self, entity: Entity, error: &ScimError) {
        if let ScimError::Throttled { .. } = error
            && !self.is_slowed_alone(&entity)
        {
            // The pacer waits for as long as the target says.
            self.target_failed(error);
            self.target.reads.later.insert(entity, self.clock.elapsed());
            return;
        }
        self.target_failed(error);
        if !error.passes() {
            self.end_absence(&entity);
            tracing::warn!(entity = %entity.logged(self.state.digests()), "what was written cannot be read back: {error}");
            let waiting = match &entity {
                Entity::Group(key) => self.target.queue.memberships_of(key),
                Entity::Account(_) | Entity::Member(..) => Vec::new(),
            };
            for waiting in waiting.into_iter().chain([entity.clone()]) {
                let cleared = self.target.queue.cleared(&waiting).cloned();
                self.escrow(&waiting, cleared.as_ref(), error);
            }
            if let Some(doubt) = self.end_write(&entity) {
                self.forget_written(&entity, &doubt);
            }
            return self.target.queue.release(&entity);
        }
        if self.target.is_read_in_vain(&entity) {
            let cleared = self.target.queue.cleared(&entity).cloned();
            self.escrow(&entity, cleared.as_ref(), error);
            self.target.queue.let_lie(&entity);
        }
        self.target.read_later(entity);
    }

    /// What was written is not known and cannot be read: the target may hold it or what was there before, so
    /// whatever is wanted by now is sent, be it what was wanted before the write, or nothing.
    fn forget_written(&mut self, entity: &Entity, doubt: &Doubt) {
        match entity {
            Entity::Account(person) => {
                let Some(entry) = self.state.ledger.accounts.get_mut(person) else { return };
                let mut paths = doubt.paths.clone();
                // Nothing was written: what was never there is not there, and whoever is inactive got no access.
                if doubt.is_read {
                    let is_linked = matches!(entry.link, Link::Linked(_));
                    paths.retain(|path| entry.sent.contains_key(path));
                    paths.retain(|path| !is_linked || *path != AttrPath::active());
                }
                entry.forget(&paths);
                self.state.mark(Key::Account(*person));
            }
            Entity::Group(key) => {
                let Some(entry) = self.state.ledger.groups.get_mut(key) else { return };
                entry.sent.retain(|path, _| !doubt.paths.contains(path));
                entry.answered.retain(|path, _| !doubt.paths.contains(path));
                self.state.mark(Key::TargetGroup(key.clone()));
                self.doubt_members(key, &doubt.people);
            }
            Entity::Member(..) => return,
        }
        self.target.touch(entity.clone());
        self.target.planning.judge_due = true;
    }

    /// Takes what the target shows of an account for what it holds, and plans anew.
    pub(super) fn on_account_read(&mut self, person: PersonId, user: Option<UserResource>) {
        let entity = Entity::Account(person);
        let cleared = self.target.queue.cleared(&entity).cloned();
        self.target.planning.judge_due = true;
        let user = user.filter(|user| self.move_account(person, &user.id));
        let Some(user) = user else {
            // What a write has left of it stays in doubt until it shows, or is gone.
            if self.state.ledger.doubts.contains_key(&entity) {
                self.end_trial(&entity, GONE);
            }
            self.miss(&entity);
            return self.target.drop_stale(&entity);
        };
        if self.user_is_stranger(person, &user) && !self.is_written_over(person) {
            self.on_stranger_read(person, &user);
            return self.target.drop_stale(&entity);
        }
        self.settle_newcomer(person);
        self.end_absence(&entity);
        let doubt = self.end_write(&entity);
        let Some(doubt) = doubt.filter(|doubt| !doubt.paths.is_empty()) else {
            self.compare_account(person, &user);
            return self.target.drop_stale(&entity);
        };
        let shown = user.attributes(doubt.paths.iter());
        self.take_account_as_shown(person, &doubt, &shown);
        let is_made = cleared.as_ref().is_some_and(|cleared| {
            let wanted = resolve(&cleared.change().after, &self.state.ledger);
            let mut wanted = wanted.iter();
            wanted.all(|(path, value)| same(path, value, shown.get(path).unwrap_or(&Datum::Null)))
        });
        if is_made {
            self.done(&entity, cleared.as_ref());
        } else {
            let detail = "a write without an answer was settled by reading";
            self.state.decide_on(DecisionKind::Settle, Some(entity.clone()), detail);
            self.target.drop_stale(&entity);
        }
    }

    fn take_account_as_shown(&mut self, person: PersonId, doubt: &Doubt, shown: &Attributes) {
        let Some(entry) = self.state.ledger.accounts.get_mut(&person) else { return };
        let Some(id) = entry.link.managed().cloned() else { return };
        match (doubt.action, shown.get(&AttrPath::active())) {
            (Action::Deactivate, Some(Datum::Bool(false))) => entry.link = Link::Deactivated(id),
            (Action::Reactivate, Some(Datum::Bool(true))) => entry.link = Link::Linked(id),
            // Of a state in doubt the link is no better than the rest.
            (_, Some(Datum::Bool(is_active))) if self.state.recovery.is_some() => {
                entry.link = if *is_active { Link::Linked(id) } else { Link::Deactivated(id) };
            }
            // Active all the same, whoever made it so: who has left is to go once more.
            (_, Some(Datum::Bool(true))) => entry.link = Link::Linked(id),
            _ => {}
        }
        take_as_shown(&mut entry.sent, &doubt.paths, shown);
        entry.doubted.retain(|path, _| !doubt.paths.contains(path));
        // A copy that is behind shows what was before: that does not say that nothing was made.
        let before = match doubt.action {
            Action::Deactivate => Some(true),
            Action::Reactivate => Some(false),
            _ => None,
        };
        let is_shown = shown.get(&AttrPath::active()) == before.map(Datum::Bool).as_ref();
        if before.is_some() && is_shown {
            entry.forget_active();
        }
        entry.answered.retain(|path, _| !doubt.paths.contains(path));
        self.state.mark(Key::Account(person));
        self.target.touch(Entity::Account(person));
    }

    /// Takes what the target shows of a group's attributes for what it holds.
    pub(super) fn take_group_as_shown(&mut self, key: &GroupKey, shown: &Attributes) {
        let Some(doubt) = self.end_write(&Entity::Group(key.clone())) else { return };
        let Some(entry) = self.state.ledger.groups.get_mut(key) else { return };
        if !doubt.paths.is_empty() {
            take_as_shown(&mut entry.sent, &doubt.paths, shown);
            entry.answered.retain(|path, _| !doubt.paths.contains(path));
            self.state.mark(Key::TargetGroup(key.clone()));
        }
        self.target.touch(Entity::Group(key.clone()));
        self.target.planning.judge_due = true;
    }
}

impl TargetLoop {
    /// A write got no clear answer, or a read none at all: the entity is read after a while, and later
    /// each time.
    pub(super) fn read_later(&mut self, entity: Entity) {
        let at = self.next_read(&entity);
        self.reads.later.insert(entity, at);
    }

    /// When an entity is read again that could not be read, later each time.
    pub(super) fn next_read(&mut self, entity: &Entity) -> Duration {
        let tries = self.refusals.tries.entry(entity.clone()).or_default();
        *tries += 1;
        let wait = Duration::from_secs(1 << (*tries).min(10)).min(READ_WAIT_MAX);
        self.clock.elapsed() + wait
    }

    /// When the next of the reads that wait is due.
    pub(super) fn reads_due(&self) -> Option<Duration> {
        let read_backs =
            self.reads.groups.due().into_iter().chain(self.refusals.attention.lag.due());
        self.reads.later.values().copied().chain(self.looks_due()).chain(read_backs).min()
    }

    /// Whether anything is still to be read.
    pub(super) fn has_reads(&self) -> bool {
        !(self.reads.groups.is_empty()
            && self.reads.accounts.is_empty()
            && !self.has_merged()
            && self.reads.later.keys().all(|entity| self.is_read_in_vain(entity)))
    }

    /// Whether the entity could not be read so often that nobody waits for it: it is read again all the
    /// same, and nothing is sent to it before.
    pub(super) fn is_read_in_vain(&self, entity: &Entity) -> bool {
        self.refusals.tries.get(entity).is_some_and(|tries| *tries >= TRIES_MAX)
    }
}

fn take_as_shown(sent: &mut Attributes, paths: &BTreeSet<AttrPath>, shown: &Attributes) {
    for path in paths {
        match shown.get(path) {
            Some(value) => sent.insert(path.clone(), value.clone()),
            // Whether it is active is known by the link.
            None if *path == AttrPath::active() => continue,
            None => sent.remove(path),
        };
    }
}
