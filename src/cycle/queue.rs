//! The queue: what was cleared, in the order in which it is to be sent.
//!
//! Leavers first, then adopted, created and changed accounts, groups, memberships, and deletions last.
//! An entity is taken only when everything that it needs is there: a report waits for its manager's
//! account, a membership for both its ends. One write is in flight for each entity.

mod names;
mod next;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::judge::{Cleared, ClearedPlan};
use crate::core::model::{Entity, GroupKey, Ledger, Link, PersonId, ScimId, Wanted};
use crate::core::plan::{Action, ByEntity};

pub(super) use next::{Gate, Limits, Next};

/// Cleared changes by priority.
#[derive(Debug, Default)]
pub(super) struct Queue {
    cleared: ByEntity<Cleared>,
    ready: BTreeSet<(u8, Entity)>,
    /// Groups with memberships that may be sendable.
    open_groups: BTreeSet<GroupKey>,
    additions: BTreeMap<GroupKey, BTreeSet<PersonId>>,
    removals: BTreeMap<GroupKey, BTreeSet<PersonId>>,
    /// Entities that wait for somebody else's account.
    waiting: BTreeMap<PersonId, BTreeSet<Entity>>,
    /// Entities to be tried again later.
    delayed: BTreeMap<Entity, Duration>,
    busy: BTreeSet<Entity>,
    /// Of those whoever is read in vain: nothing is sent to them, and nobody waits for them.
    unreadable: BTreeSet<Entity>,
    outdated: bool,
    /// Members in one request, for groups whose larger batches were refused.
    batches: BTreeMap<GroupKey, usize>,
    /// What a person ordered: before everything else, and also while writing is paused.
    urgent: BTreeSet<Entity>,
    /// Who gives up which login name.
    names: names::Names,
}

impl Queue {
    /// Replaces everything but what is in flight or delayed, and says whether it is something else now.
    pub(super) fn refill(&mut self, plan: ClearedPlan, urgent: BTreeSet<Entity>) -> bool {
        let delayed = std::mem::take(&mut self.delayed);
        let busy = std::mem::take(&mut self.busy);
        let unreadable = std::mem::take(&mut self.unreadable);
        let batches = std::mem::take(&mut self.batches);
        let before = std::mem::take(&mut self.cleared);
        *self = Self { busy, unreadable, batches, urgent, ..Self::default() };
        for cleared in plan.into_values() {
            let entity = &cleared.change().entity;
            self.names.note(cleared.change());
            if let Some(until) = delayed.get(entity) {
                self.delayed.insert(entity.clone(), *until);
            } else {
                self.admit(entity, cleared.change().action);
            }
            // What follows an approved change that was made meanwhile goes on somebody's word, too.
            let approved = before.get(entity).filter(|old| old.stands_for(&cleared)).cloned();
            self.cleared.insert(approved.unwrap_or(cleared));
        }
        self.cleared != before
    }

    fn admit(&mut self, entity: &Entity, action: Action) {
        match entity {
            Entity::Account(_) | Entity::Group(_) => {
                self.ready.insert((action.rank(), entity.clone()));
            }
            Entity::Member(key, person) => {
                let work = match action {
                    Action::MemberRemove => &mut self.removals,
                    _ => &mut self.additions,
                };
                work.entry(key.clone()).or_default().insert(*person);
                self.open_groups.insert(key.clone());
            }
        }
    }

    /// Whether asking for work may give some. Where it cannot, a permit would be taken in vain, again and
    /// again, and whatever else is to be asked of the target would never get one.
    pub(super) fn has_ready(&self, ledger: &Ledger, limits: Limits, elapsed: Duration) -> bool {
        self.ready.iter().any(|(_, entity)| !self.busy.contains(entity))
            || self.open_groups.iter().any(|key| self.may_send_members(key, limits))
            || self.delayed.values().any(|at| *at <= elapsed)
            || (self.is_still() && self.waiting.keys().any(|&person| !self.comes(ledger, person)))
    }

    /// Whether a look at the group's work sends some of it, or finds that there is none.
    fn may_send_members(&self, key: &GroupKey, limits: Limits) -> bool {
        let work = [(&self.additions, limits.additions), (&self.removals, limits.removals)];
        let gates = work.map(|(work, gate)| work.contains_key(key).then_some(gate));
        let waits = gates.contains(&Some(Gate::Later)) && !gates.contains(&Some(Gate::Open));
        !waits && !self.busy.contains(&Entity::Group(key.clone()))
    }

    /// Whether the person's account is still to be made, or to be changed at another try.
    fn comes(&self, ledger: &Ledger, person: PersonId) -> bool {
        let account = Entity::Account(person);
        (is_pending(ledger, person) && !self.unreadable.contains(&account))
            || self.delayed.contains_key(&account)
    }

    /// Whether nothing can be taken that is not in flight, waiting or delayed.
    pub(super) fn is_drained(&self) -> bool {
        let lies = |entity: &Entity| self.unreadable.contains(entity);
        self.ready.iter().all(|(_, entity)| lies(entity))
            && self.open_groups.iter().all(|key| lies(&Entity::Group(key.clone())))
            && self.is_still()
    }

    /// Whether nothing is in flight that is waited for.
    fn is_still(&self) -> bool {
        self.busy.iter().all(|entity| self.unreadable.contains(entity))
    }

    /// Whether the plan has moved since the queue was filled.
    pub(super) fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Whether nothing remains but what waits for something that will not come.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_drained() && !self.outdated && self.delayed.is_empty()
    }

    /// The same, of what is in the queue, whatever another judgement would bring.
    pub(super) fn is_idle(&self) -> bool {
        self.is_drained() && self.delayed.is_empty()
    }

    /// When something delayed is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.delayed.values().copied().min()
    }

    /// How many cleared changes are not confirmed.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.cleared.len()).unwrap_or(u64::MAX)
    }

    /// What a person ordered and may be sent now.
    fn next_urgent(&self) -> Option<&Cleared> {
        let is_ready = |entity: &&Entity| {
            let cleared = self.cleared.get(entity).map(|one| one.change().action.rank());
            cleared.is_some_and(|rank| self.ready.contains(&(rank, (*entity).clone())))
                && !self.busy.contains(*entity)
        };
        self.cleared.get(self.urgent.iter().find(is_ready)?)
    }

    /// Whether a person ordered something that may be sent now.
    pub(super) fn has_urgent(&mut self, elapsed: Duration) -> bool {
        self.wake(elapsed);
        self.next_urgent().is_some()
    }

    /// Takes what a person ordered.
    pub(super) fn take_urgent(&mut self) -> Option<Next> {
        let cleared = self.next_urgent()?.clone();
        let change = cleared.change();
        self.ready.remove(&(change.action.rank(), change.entity.clone()));
        self.busy.insert(change.entity.clone());
        Some(Next::One(cleared))
    }

    /// Takes what is to be sent next, and notes that it is in flight.
    pub(super) fn take(
        &mut self,
        ledger: &Ledger,
        limits: Limits,
        elapsed: Duration,
    ) -> Option<Next> {
        self.wake(elapsed);
        if let Some(next) = self.take_urgent() {
            return Some(next);
        }
        if let Some(next) = self.take_one(ledger, 0..=4) {
            return Some(next);
        }
        if let Some(next) = self.take_members(ledger, limits) {
            return Some(next);
        }
        if let Some(next) = self.take_one(ledger, 7..=7) {
            return Some(next);
        }
        if self.is_still() && !self.waiting.is_empty() {
            // Whoever they wait for does not come: they go without. The others come once it is known
            // what became of a create, or at another try.
            let waiting = std::mem::take(&mut self.waiting);
            let (comes, gone): (BTreeMap<_, _>, _) =
                waiting.into_iter().partition(|(person, _)| self.comes(ledger, *person));
            self.waiting = comes;
            for entity in gone.into_values().flatten() {
                if let Entity::Account(_) = entity
                    && let Some(cleared) = self.cleared.get(&entity)
                {
                    self.ready.insert((cleared.change().action.rank(), entity));
                }
            }
            return self.take_unconditionally();
        }
        None
    }

    /// Whether somebody is to be deactivated now.
    pub(super) fn has_leaver(&self) -> bool {
        let rank = Action::Deactivate.rank();
        let leavers = self.ready.iter().take_while(|(of, _)| *of == rank);
        leavers
            .into_iter()
            .any(|(_, entity)| !self.busy.contains(entity) && self.cleared.contains_key(entity))
    }

    /// Takes somebody who is to be deactivated.
    pub(super) fn take_leaver(&mut self, ledger: &Ledger) -> Option<Cleared> {
        let rank = Action::Deactivate.rank();
        match self.take_one(ledger, rank..=rank)? {
            Next::One(cleared) => Some(cleared),
            Next::Add(..) | Next::Remove(..) => None,
        }
    }

    fn wake(&mut self, elapsed: Duration) {
        let due = self.delayed.iter().filter(|(_, at)| **at <= elapsed);
        let due: Vec<Entity> = due.map(|(entity, _)| entity.clone()).collect();
        for entity in due {
            self.delayed.remove(&entity);
            if let Some(cleared) = self.cleared.get(&entity) {
                let action = cleared.change().action;
                self.admit(&entity, action);
            }
        }
    }

    fn take_one(&mut self, ledger: &Ledger, ranks: std::ops::RangeInclusive<u8>) -> Option<Next> {
        let mut passed = Vec::new();
        let mut taken = None;
        for (rank, entity) in &self.ready {
            if !ranks.contains(rank) {
                continue;
            }
            if self.busy.contains(entity) {
                continue;
            }
            let Some(cleared) = self.cleared.get(entity) else {
                passed.push((*rank, entity.clone(), None));
                continue;
            };
            if let Some(manager) = self.awaited(cleared, ledger) {
                passed.push((*rank, entity.clone(), Some(manager)));
                continue;
            }
            taken = Some((*rank, entity.clone(), cleared.clone()));
            break;
        }
        for (rank, entity, awaited) in passed {
            self.ready.remove(&(rank, entity.clone()));
            if let Some(person) = awaited {
                self.waiting.entry(person).or_default().insert(entity);
            }
        }
        let (rank, entity, cleared) = taken?;
        self.ready.remove(&(rank, entity.clone()));
        self.busy.insert(entity);
        Some(Next::One(cleared))
    }

    fn take_unconditionally(&mut self) -> Option<Next> {
        let (rank, entity) = self.ready.first()?.clone();
        self.ready.remove(&(rank, entity.clone()));
        let cleared = self.cleared.get(&entity)?.clone();
        self.busy.insert(entity);
        Some(Next::One(cleared))
    }

    /// The person whose change goes before this one: whose account it refers to, if that is still to be made,
    /// or whose login name it brings.
    fn awaited(&self, cleared: &Cleared, ledger: &Ledger) -> Option<PersonId> {
        let referred = cleared.change().after.values().find_map(|wanted| match wanted {
            Wanted::Account(person) if !is_linked(ledger, *person) => {
                let comes = is_pending(ledger, *person)
                    || self.cleared.contains_key(&Entity::Account(*person));
                comes.then_some(*person)
            }
            Wanted::Account(_) | Wanted::Value(_) => None,
        });
        referred.or_else(|| self.awaited_for_name(cleared))
    }

    fn take_members(&mut self, ledger: &Ledger, limits: Limits) -> Option<Next> {
        let open: Vec<GroupKey> = self.open_groups.iter().cloned().collect();
        for key in open {
            if self.busy.contains(&Entity::Group(key.clone())) {
                continue;
            }
            let linked = ledger.groups.get(&key).and_then(|entry| entry.link.managed());
            let Some(id) = linked.cloned() else {
                // Comes back when the group is linked.
                self.open_groups.remove(&key);
                continue;
            };
            let batch = self.batches.get(&key).copied().unwrap_or(limits.batch).max(1);
            if limits.additions == Gate::Open {
                let people = self.sendable(&key, ledger, batch, true);
                if !people.is_empty() {
                    self.busy.insert(Entity::Group(key.clone()));
                    return Some(Next::Add(key, id, people));
                }
            }
            if limits.removals == Gate::Open {
                let people = self.sendable(&key, ledger, batch, false);
                if !people.is_empty() {
                    self.busy.insert(Entity::Group(key.clone()));
                    return Some(Next::Remove(key, id, people));
                }
            }
            let blocked = (limits.additions == Gate::Later && self.additions.contains_key(&key))
                || (limits.removals == Gate::Later && self.removals.contains_key(&key));
            if !blocked {
                self.open_groups.remove(&key);
            }
        }
        None
    }

    /// Up to `batch` people of the group's work whose accounts are there; the others are noted as
    /// waiting for theirs.
    fn sendable(
        &mut self,
        key: &GroupKey,
        ledger: &Ledger,
        batch: usize,
        adds: bool,
    ) -> Vec<(PersonId, ScimId)> {
        let work = if adds { &mut self.additions } else { &mut self.removals };
        let Some(people) = work.get_mut(key) else { return Vec::new() };
        // What was in flight when the queue was filled may have been confirmed since.
        let cleared = &self.cleared;
        let is_open = |person| cleared.contains_key(&Entity::Member(key.clone(), person));
        let mut found = Vec::new();
        let mut missing = Vec::new();
        let mut over = Vec::new();
        for &person in people.iter() {
            if !is_open(person) {
                over.push(person);
                continue;
            }
            let entry = ledger.accounts.get(&person);
            let id = entry.and_then(|entry| match &entry.link {
                Link::Linked(id) => Some(id),
                Link::Deactivated(id) if !adds => Some(id),
                _ => None,
            });
            match id {
                Some(id) => found.push((person, id.clone())),
                None => missing.push(person),
            }
            if found.len() == batch {
                break;
            }
        }
        for (person, _) in &found {
            people.remove(person);
        }
        for person in missing.iter().chain(&over) {
            people.remove(person);
        }
        // Nobody is left whom another look would only find to be over.
        while people.first().is_some_and(|&person| !is_open(person)) {
            people.pop_first();
        }
        if people.is_empty() {
            work.remove(key);
        }
        for person in missing {
            let entity = Entity::Member(key.clone(), person);
            self.waiting.entry(person).or_default().insert(entity);
        }
        found
    }

    /// The first members that a create of the group may carry.
    pub(super) fn first_members(
        &mut self,
        key: &GroupKey,
        ledger: &Ledger,
        batch: usize,
    ) -> Vec<(PersonId, ScimId)> {
        self.sendable(key, ledger, batch, true)
    }

    /// The write of an account or group has ended, one way or the other.
    pub(super) fn release(&mut self, entity: &Entity) {
        self.busy.remove(entity);
        self.unreadable.remove(entity);
        if let Entity::Group(key) = entity {
            self.open_groups.insert(key.clone());
        }
    }

    /// What a write has left of it cannot be read: it stays busy, and nobody waits for it.
    pub(super) fn let_lie(&mut self, entity: &Entity) {
        if self.busy.contains(entity) {
            self.unreadable.insert(entity.clone());
        }
    }

    /// The change was made, or will not be: it leaves the queue, and whoever waits for it goes on.
    pub(super) fn finish(&mut self, entity: &Entity) {
        self.cleared.remove(entity);
        self.delayed.remove(entity);
        self.outdated = true;
        if let Entity::Account(person) = entity {
            for entity in self.waiting.remove(person).into_iter().flatten() {
                if let Some(action) = self.cleared.get(&entity).map(|one| one.change().action) {
                    self.admit(&entity, action);
                }
            }
        }
    }

    /// The change cannot be made before something else is: it comes back with the next judgement.
    pub(super) fn set_aside(&mut self, entity: &Entity) {
        self.cleared.remove(entity);
        self.busy.remove(entity);
        self.unreadable.remove(entity);
    }

    /// The change is to be tried again at `at`.
    pub(super) fn delay(&mut self, entity: &Entity, at: Duration) {
        self.delayed.insert(entity.clone(), at);
    }

    /// Whether more members of the group are to be sent.
    pub(super) fn has_members(&self, key: &GroupKey) -> bool {
        self.additions.contains_key(key) || self.removals.contains_key(key)
    }

    /// Whether the change is to be tried again later.
    pub(super) fn is_delayed(&self, entity: &Entity) -> bool {
        self.delayed.contains_key(entity)
    }

    /// The cleared memberships of a group.
    pub(super) fn memberships_of(&self, key: &GroupKey) -> Vec<Entity> {
        let of = |entity: &&Entity| matches!(entity, Entity::Member(group, _) if group == key);
        self.cleared.keys().filter(of).cloned().collect()
    }

    /// The change may be taken again at once.
    pub(super) fn put_back(&mut self, entity: &Entity) {
        if let Some(action) = self.cleared.get(entity).map(|one| one.change().action) {
            self.admit(entity, action);
        }
    }

    /// The group takes smaller batches from now on; `false` when they cannot be smaller.
    pub(super) fn halve_batch(&mut self, key: &GroupKey, sent: usize) -> bool {
        self.batches.insert(key.clone(), (sent / 2).max(1));
        sent > 1
    }

    /// The group takes batches of the usual size again.
    pub(super) fn forget_batch(&mut self, key: &GroupKey) {
        self.batches.remove(key);
    }

    /// Whether a write of the entity is in flight.
    pub(super) fn is_busy(&self, entity: &Entity) -> bool {
        self.busy.contains(entity)
    }

    /// Notes that a write of the entity is in flight.
    pub(super) fn occupy(&mut self, entity: Entity) {
        self.busy.insert(entity);
    }

    /// The cleared change of an entity.
    pub(super) fn cleared(&self, entity: &Entity) -> Option<&Cleared> {
        self.cleared.get(entity)
    }
}

/// Whether a create of the account is on its way, or its answer was lost and it is being looked up.
fn is_pending(ledger: &Ledger, person: PersonId) -> bool {
    ledger.accounts.get(&person).is_some_and(|entry| matches!(entry.link, Link::Pending(_)))
}

fn is_linked(ledger: &Ledger, person: PersonId) -> bool {
    ledger.accounts.get(&person).is_some_and(|entry| entry.link.managed().is_some())
}
