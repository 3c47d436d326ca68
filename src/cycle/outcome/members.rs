//! Members: what came of additions and removals. A form of them that is used for the first time is read
//! back, and one that did something else is not used again.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::model::{Attributes, Entity, GroupKey, PersonId, ScimId};
use crate::core::plan::Action;
use crate::cycle::Engine;
use crate::cycle::apply::{People, ReadBack};
use crate::cycle::records::Key;
use crate::scim::{GroupResource, ScimError, Words};

impl Engine {
    pub(super) fn confirm_first_members(
        &mut self,
        key: &GroupKey,
        first: People,
        shown: Option<&BTreeSet<ScimId>>,
    ) {
        if first.is_empty() {
            return;
        }
        let Some(shown) = shown else {
            return self.read_members(key, first);
        };
        self.take_members_as_shown(key, &first, shown);
    }

    /// Notes which of `people` the target shows as members. A change that has thereby come true is
    /// done; any other goes on.
    fn take_members_as_shown(&mut self, key: &GroupKey, people: &People, shown: &BTreeSet<ScimId>) {
        for (person, id) in people {
            let entity = Entity::Member(key.clone(), *person);
            let is_member = shown.contains(id);
            if is_member {
                self.state.put_member(key, *person);
            } else {
                self.state.drop_member(key, *person);
            }
            match self.queue.cleared(&entity).map(|cleared| cleared.change().action) {
                Some(action) if is_member == (action == Action::MemberAdd) => {
                    self.done_by_queue(&entity);
                }
                Some(_) => self.queue.put_back(&entity),
                None => {}
            }
            self.touch(entity);
        }
    }

    pub(super) fn on_members(&mut self, key: GroupKey, people: People, adds: bool) {
        let form = if adds { self.addition_form() } else { self.removal_form() };
        for (person, _) in &people {
            if adds {
                self.state.put_member(&key, *person);
            } else {
                self.state.drop_member(&key, *person);
            }
            let entity = Entity::Member(key.clone(), *person);
            self.done_by_queue(&entity);
            self.forget_drift(&entity);
            self.touch(entity);
        }
        self.tries.remove(&Entity::Group(key.clone()));
        if self.state.target.proven_forms.contains(&form) {
            self.end_write(&Entity::Group(key.clone()));
            return self.queue.release(&Entity::Group(key));
        }
        let entry = self.state.ledger.groups.get(&key);
        let members = entry.into_iter().flat_map(|entry| &entry.members);
        let accounts = &self.state.ledger.accounts;
        let changed: BTreeSet<PersonId> = people.iter().map(|(person, _)| *person).collect();
        let others = members
            .filter(|person| !changed.contains(person))
            .filter_map(|person| accounts.get(person)?.link.managed().cloned())
            .collect();
        let (added, removed) = if adds { (people, People::new()) } else { (People::new(), people) };
        self.read_backs.push((key, ReadBack::Prove { form, added, removed, others }));
    }

    pub(super) fn on_read_back(
        &mut self,
        key: &GroupKey,
        why: ReadBack,
        group: Option<GroupResource>,
    ) {
        self.queue.release(&Entity::Group(key.clone()));
        let Some(group) = group else {
            self.end_write(&Entity::Group(key.clone()));
            self.lose(&Entity::Group(key.clone()));
            if let ReadBack::Prove { form, .. } = why {
                self.proving.remove(&form);
            }
            return;
        };
        let doubt = self.state.ledger.doubts.get(&Entity::Group(key.clone()));
        let paths = doubt.map(|doubt| doubt.paths.clone()).unwrap_or_default();
        self.take_group_as_shown(key, &group.attributes(paths.iter()));
        let shown = group.members.unwrap_or_default();
        match why {
            ReadBack::Members { first } => {
                let known = if first.is_empty() { self.known_members(key, &shown) } else { first };
                self.fresh_groups.insert(key.clone());
                self.take_members_as_shown(key, &known, &shown);
                self.touch(Entity::Group(key.clone()));
            }
            ReadBack::Compare => self.compare_members(key, &shown),
            ReadBack::Refused { people, adds, words } => {
                self.settle_refused(key, &people, adds, &words, &shown);
            }
            ReadBack::Prove { form, added, removed, others } => {
                self.prove(key, &form, (&added, &removed), &others, &shown);
            }
        }
    }

    /// Takes over who is in a group by the target's word: who came or went without us is drift.
    pub(in crate::cycle) fn compare_members(&mut self, key: &GroupKey, shown: &BTreeSet<ScimId>) {
        let known = self.known_members(key, shown);
        for (person, id) in &known {
            let entry = self.state.ledger.groups.get(key);
            let was_member = entry.is_some_and(|entry| entry.members.contains(person));
            let entity = Entity::Member(key.clone(), *person);
            if was_member == shown.contains(id) {
                self.forget_drift(&entity);
            } else {
                self.note_drift(entity, Attributes::new());
            }
        }
        self.take_members_as_shown(key, &known, shown);
    }

    /// Compares a group with what a form that was used for the first time should have left of it. A
    /// form that did something else is not used again until the operator names another one.
    fn prove(
        &mut self,
        key: &GroupKey,
        form: &str,
        (added, removed): (&People, &People),
        others: &BTreeSet<ScimId>,
        shown: &BTreeSet<ScimId>,
    ) {
        self.proving.remove(form);
        let missing = others.iter().filter(|id| !shown.contains(*id)).count();
        let not_added = added.iter().filter(|(_, id)| !shown.contains(id)).count();
        let not_removed = removed.iter().filter(|(_, id)| shown.contains(id)).count();
        if missing + not_added + not_removed == 0 {
            self.state.target.proven_forms.insert(form.to_owned());
            self.state.mark(Key::Target);
            return;
        }
        let words = format!(
            "{form} did not do what it should: {missing} other members are missing, {not_added} were \
             not added, {not_removed} were not removed. Memberships wait; set another form under \
             [targets.*.dialect], and what is missing is put back"
        );
        tracing::error!(target: "manntall::trouble", group = %Entity::Group(key.clone()).logged(self.state.digests()), "{words}");
        self.state.target.distrusted_form = Some((form.to_owned(), words));
        self.state.mark(Key::Target);
        let entry = self.state.ledger.groups.get(key);
        let members: Vec<PersonId> = entry.into_iter().flat_map(|e| e.members.clone()).collect();
        for person in members {
            let id = self.state.ledger.accounts.get(&person).and_then(|e| e.link.managed());
            if !id.is_some_and(|id| shown.contains(id)) {
                self.state.drop_member(key, person);
                self.touch(Entity::Member(key.clone(), person));
            }
        }
        for (person, _) in removed.iter().filter(|(_, id)| shown.contains(id)) {
            self.state.put_member(key, *person);
            self.touch(Entity::Member(key.clone(), *person));
        }
    }

    fn settle_refused(
        &mut self,
        key: &GroupKey,
        people: &People,
        adds: bool,
        words: &Words,
        shown: &BTreeSet<ScimId>,
    ) {
        for (person, id) in people {
            let entity = Entity::Member(key.clone(), *person);
            let is_member = shown.contains(id);
            if is_member {
                self.state.put_member(key, *person);
            } else {
                self.state.drop_member(key, *person);
            }
            if is_member == adds {
                self.done_by_queue(&entity);
            } else {
                let cleared = self.queue.cleared(&entity).cloned();
                self.escrow(&entity, cleared.as_ref(), words.clone());
            }
            self.touch(entity);
        }
    }

    /// The members of a group that are accounts of ours, by the target's word and by the ledger's.
    fn known_members(&self, key: &GroupKey, shown: &BTreeSet<ScimId>) -> People {
        let seen = shown.iter().filter_map(|id| Some((*self.accounts_by_id.get(id)?, id.clone())));
        let entry = self.state.ledger.groups.get(key);
        let accounts = &self.state.ledger.accounts;
        let held = entry
            .into_iter()
            .flat_map(|entry| &entry.members)
            .filter_map(|person| Some((*person, accounts.get(person)?.link.managed()?.clone())));
        let all: BTreeMap<PersonId, ScimId> = seen.chain(held).collect();
        all.into_iter().collect()
    }

    pub(super) fn on_members_failure(
        &mut self,
        key: GroupKey,
        people: People,
        adds: bool,
        error: &ScimError,
    ) {
        let form = if adds { self.addition_form() } else { self.removal_form() };
        self.proving.remove(&form);
        self.fresh_groups.remove(&key);
        let entities = people.iter().map(|(person, _)| Entity::Member(key.clone(), *person));
        let entities: Vec<Entity> = entities.collect();
        let group = Entity::Group(key.clone());
        match error {
            ScimError::Throttled { .. } | ScimError::Refused { .. } => {
                self.target_failed(error);
                for entity in &entities {
                    self.queue.put_back(entity);
                }
            }
            ScimError::NotSent { .. } => {
                self.target_failed(error);
                for entity in &entities {
                    let cleared = self.queue.cleared(entity).cloned();
                    self.try_later(entity, cleared.as_ref(), error);
                }
            }
            // It may have been made: the target is read before anything else is tried.
            ScimError::Unavailable { .. }
            | ScimError::Uncertain { .. }
            | ScimError::NotScim { .. } => {
                self.target_failed(error);
                if self.is_vain(&group) {
                    for entity in &entities {
                        let cleared = self.queue.cleared(entity).cloned();
                        self.escrow(entity, cleared.as_ref(), error);
                    }
                }
                return self.read_later(group);
            }
            _ if self.queue.halve_batch(&key, people.len()) => {
                for entity in &entities {
                    self.queue.put_back(entity);
                }
            }
            _ => {
                let words = Words::from(error);
                self.read_backs.push((key, ReadBack::Refused { people, adds, words }));
                return;
            }
        }
        self.end_write(&group);
        self.queue.release(&group);
    }

    pub(super) fn on_read_back_failure(&mut self, key: GroupKey, why: ReadBack, error: &ScimError) {
        match why {
            ReadBack::Members { first } if first.is_empty() => {
                self.on_read_failure(Entity::Group(key), error);
            }
            ReadBack::Compare => self.on_read_failure(Entity::Group(key), error),
            why if error.passes() => {
                self.target_failed(error);
                self.read_backs.push((key, why));
            }
            why => self.group_is_unreadable(&key, &why, error),
        }
    }

    /// A group cannot be read, so that none of its memberships can be changed safely.
    fn group_is_unreadable(&mut self, key: &GroupKey, why: &ReadBack, error: &ScimError) {
        if let ReadBack::Prove { form, .. } = why {
            self.proving.remove(form);
        }
        for entity in self.queue.memberships_of(key) {
            let cleared = self.queue.cleared(&entity).cloned();
            self.escrow(&entity, cleared.as_ref(), error);
        }
        let group = Entity::Group(key.clone());
        self.end_write(&group);
        self.queue.release(&group);
    }
}
