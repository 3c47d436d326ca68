//! References from one account to another: a manager. Whether one can be made, and in which order two
//! accounts are made that refer to each other.
//!
//! An account is made after the one that it refers to. Where managers go round in a circle, and all of
//! the circle is to be made, its first person is made without the reference, which an update adds
//! later. The plan says both, so that what is done is what it said.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::diff::Reference;
use super::open;
use super::planner::{Planner, Roster};
use super::{Action, Change};
use crate::core::derive::Entitlement;
use crate::core::model::{Entity, Link, ObjectId, PersonId, Wanted};

impl Planner {
    /// Accounts of `people`, then those who refer to one of them: whether a reference can be made
    /// depends on the change that the other one has got by now.
    pub(super) fn diff_accounts(&mut self, roster: &Roster<'_>, people: &BTreeSet<PersonId>) {
        // Whoever began a circle may not begin one any more.
        let mut again: BTreeSet<PersonId> =
            people.iter().filter_map(|&person| self.first_of_circle(person)).collect();
        for &person in people {
            self.link_manager(roster, person);
            self.diff_account(roster, person);
        }
        for person in people {
            let entry = roster.ledger.accounts.get(person);
            let has_account = entry.is_some_and(|entry| entry.link.managed().is_some());
            let reports = self.reports.get(person).into_iter().flatten();
            // With an account the id is known, and whoever was planned just now has used it.
            again.extend(reports.filter(|one| !has_account || !people.contains(one)).copied());
        }
        for &person in &again {
            self.diff_account(roster, person);
        }
        let planned = people.iter().chain(&again);
        let first: BTreeSet<PersonId> =
            planned.filter_map(|&person| self.first_of_circle(person)).collect();
        for person in first {
            self.refer_later(person);
        }
    }

    fn link_manager(&mut self, roster: &Roster<'_>, person: PersonId) {
        if let Some(old) = self.managers.remove(&person)
            && let Some(reports) = self.reports.get_mut(&old)
        {
            reports.remove(&person);
            if reports.is_empty() {
                self.reports.remove(&old);
            }
        }
        let manager = roster
            .user(person)
            .and_then(|user| user.properties.get("manager"))
            .and_then(|id| ObjectId::parse(id.as_text()?));
        if let Some(object) = manager {
            let manager = PersonId { source: person.source, object };
            self.managers.insert(person, manager);
            self.reports.entry(manager).or_default().insert(person);
        }
    }

    /// What a reference to the person comes to.
    pub(super) fn reference(&self, roster: &Roster<'_>, person: PersonId) -> Reference {
        let link = roster.ledger.accounts.get(&person).map(|entry| &entry.link);
        let is_made = link.is_some_and(|link| {
            // A create on its way is looked up until it is known what became of it. Nobody waits for one of
            // which no look-up tells.
            let found = roster.survey.accounts.get(&person);
            let is_awaited = matches!(link, Link::Pending(_)) && !open::is_doubted(link, found);
            link.managed().is_some() || is_awaited
        });
        if is_made || self.is_to_be_made(person) {
            return Reference::Account;
        }
        match self.entitlements.get(&person) {
            Some(Entitlement::Out(_)) => Reference::Nobody,
            Some(Entitlement::In | Entitlement::Unknown(_)) | None => Reference::Unknown,
        }
    }

    fn is_to_be_made(&self, person: PersonId) -> bool {
        let change = self.changes.get(&Entity::Account(person));
        change.is_some_and(|change| matches!(change.action, Action::Create | Action::Adopt))
    }

    /// If the person is on a circle of managers whose accounts are all to be made: the one of them that
    /// is made first.
    fn first_of_circle(&self, person: PersonId) -> Option<PersonId> {
        let mut seen = BTreeSet::new();
        let mut next = person;
        while self.is_to_be_made(next) && seen.insert(next) {
            next = *self.managers.get(&next)?;
        }
        // Whoever comes back to another one than themselves hangs on a circle, and is not part of it.
        (next == person).then(|| seen.first().copied()).flatten()
    }

    /// Takes what refers to the person's manager out of the change that makes their account, and leaves
    /// it for an update.
    fn refer_later(&mut self, person: PersonId) {
        let Some(manager) = self.managers.get(&person).copied() else { return };
        let entity = Entity::Account(person);
        let Some(mut shared) = self.changes.remove(&entity) else { return };
        let change = Arc::make_mut(&mut shared);
        let refers = |wanted: &Wanted| *wanted == Wanted::Account(manager);
        let after = change.after.take_if(|_, wanted| refers(wanted));
        let before = change.before.take_if(|path, _| after.contains_key(path));
        self.changes.insert(shared);
        if after.is_empty() {
            return;
        }
        let later = Change {
            entity,
            action: Action::Update,
            before,
            after,
            reason: "refers to an account that is made after this one".into(),
            follows: None,
            adopts: None,
        };
        self.later.insert(person, later);
    }
}
