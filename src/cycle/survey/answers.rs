//! Answers: takes in what listings and look-ups brought, and matches it with what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Answered, Seen};
use crate::core::model::{AttrPath, Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::survey::{Candidate, Found};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::scim::{GroupResource, ScimError, UserResource};

impl Engine {
    pub(in crate::cycle) fn on_answered(&mut self, answered: Answered) {
        match answered {
            Answered::Users(Ok(page)) => self.on_users(page),
            Answered::Groups(Ok(page)) => self.on_groups(page),
            Answered::Account(person, Ok(found)) => self.on_found_users(person, &found),
            Answered::Group(key, Ok(found)) => self.on_found_groups(&key, &found),
            Answered::Users(Err(error)) => {
                self.listing_failed(0);
                self.survey_failed(&error);
            }
            Answered::Groups(Err(error)) => {
                self.listing_failed(1);
                self.survey_failed(&error);
            }
            Answered::Account(person, Err(error)) => {
                self.survey_run.busy.remove(&Entity::Account(person));
                self.survey_failed(&error);
            }
            Answered::Group(key, Err(error)) => {
                self.survey_run.busy.remove(&Entity::Group(key));
                self.survey_failed(&error);
            }
        }
        self.finish_survey();
    }

    pub(super) fn listing_failed(&mut self, at: usize) {
        if let Some(Some(listing)) = self.survey_run.listing.get_mut(at) {
            listing.busy = false;
        }
    }

    pub(super) fn survey_failed(&mut self, error: &ScimError) {
        self.survey_run.failures += 1;
        let wait = Duration::from_secs(1 << self.survey_run.failures.min(6));
        self.survey_run.retry = Some(self.clock.elapsed() + wait);
        if let ScimError::FilterIgnored { .. } = error {
            // Look-ups mean nothing there: list instead.
            self.state.target.listed = [false; 2];
            self.survey_run.asked.clear();
            return;
        }
        self.target_failed(error);
    }

    pub(super) fn on_users(&mut self, page: crate::scim::ListPage<UserResource>) {
        self.target_answered();
        let paths = self.managed_paths();
        let Some(Some(listing)) = self.survey_run.listing.get_mut(0) else { return };
        listing.busy = false;
        for user in page.items {
            let seen = Seen {
                attributes: user.attributes(paths.iter()),
                external_id: user.external_id,
                name: user.user_name.map(|name| name.to_lowercase()),
            };
            listing.users.insert(user.id, seen);
        }
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            self.finish_user_listing();
        }
    }

    pub(super) fn on_groups(&mut self, page: crate::scim::ListPage<GroupResource>) {
        self.target_answered();
        let paths = [AttrPath::external_id(), AttrPath::display_name()];
        let Some(Some(listing)) = self.survey_run.listing.get_mut(1) else { return };
        listing.busy = false;
        for group in page.items {
            let seen = Seen {
                attributes: group.attributes(paths.iter()),
                external_id: group.external_id,
                name: group.display_name,
            };
            listing.groups.insert(group.id, seen);
        }
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            self.finish_group_listing();
        }
    }

    pub(super) fn finish_user_listing(&mut self) {
        let Some(listing) = self.survey_run.listing[0].take() else { return };
        self.compare_users(&listing.users);
        let index = index(&listing.users, |id| !self.accounts_by_id.contains_key(id));
        for entity in listing.wanted {
            let Entity::Account(person) = &entity else { continue };
            let entry = self.state.ledger.accounts.get(person);
            if entry.is_some_and(|entry| entry.link.managed().is_some()) {
                continue;
            }
            let name = self.wanted_login_name(*person).map(|name| name.to_lowercase());
            let ids = index.matches(&person.object.to_string(), name.as_deref());
            let found = found(&ids, &listing.users);
            self.survey_run.answers.insert(entity, found);
        }
        self.begin_proofs();
        for (object, id) in self.by_object(&listing.users) {
            // Nobody asks for the account of somebody who is to have none.
            if let Some(person) = self.owner(object).filter(|one| self.is_certain_leaver(*one))
                && !self.accounts_by_id.contains_key(&id)
            {
                let answer = found(&[&id], &listing.users);
                self.survey_run.answers.insert(Entity::Account(person), answer);
            }
        }
        self.state.target.listed[0] = true;
        self.state.mark(Key::Target);
    }

    pub(super) fn finish_group_listing(&mut self) {
        let Some(listing) = self.survey_run.listing[1].take() else { return };
        self.compare_groups(&listing.groups, &listing.wanted);
        let index = index(&listing.groups, |id| !self.groups_by_id.contains_key(id));
        for entity in listing.wanted {
            let Entity::Group(key) = &entity else { continue };
            let entry = self.state.ledger.groups.get(key);
            if entry.is_some_and(|entry| entry.link.managed().is_some()) {
                continue;
            }
            let name = self.planner.group_name(key);
            let ids = index.matches(&key.external_id(), name);
            let found = found(&ids, &listing.groups);
            self.survey_run.answers.insert(entity, found);
        }
        self.state.target.listed[1] = true;
        self.state.mark(Key::Target);
    }

    pub(super) fn on_found_users(&mut self, person: PersonId, users: &[UserResource]) {
        self.target_answered();
        let entity = Entity::Account(person);
        self.survey_run.busy.remove(&entity);
        self.survey_run.asked.remove(&entity);
        let paths = self.managed_paths();
        let free = users.iter().filter(|user| !self.accounts_by_id.contains_key(&user.id));
        let seen: BTreeMap<ScimId, Seen> = free
            .map(|user| {
                let attributes = user.attributes(paths.iter());
                let external_id = user.external_id.clone();
                (user.id.clone(), Seen { external_id, name: None, attributes })
            })
            .collect();
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        let entry = self.state.ledger.accounts.get(&person);
        if matches!(entry.map(|entry| &entry.link), Some(Link::Pending(_))) {
            let ours = person.object.to_string();
            let is_ours = ids.first().and_then(|id| seen.get(*id)).is_some_and(|seen| {
                seen.external_id.as_deref().is_none_or(|external| external == ours)
            });
            self.settle_account(person, answer, is_ours);
        } else {
            self.survey_run.answers.insert(entity, answer);
        }
    }

    pub(super) fn on_found_groups(&mut self, key: &GroupKey, groups: &[GroupResource]) {
        self.target_answered();
        let entity = Entity::Group(key.clone());
        self.survey_run.busy.remove(&entity);
        self.survey_run.asked.remove(&entity);
        let paths = [AttrPath::external_id(), AttrPath::display_name()];
        let free = groups.iter().filter(|group| !self.groups_by_id.contains_key(&group.id));
        let seen: BTreeMap<ScimId, Seen> = free
            .map(|group| {
                let attributes = group.attributes(paths.iter());
                let external_id = group.external_id.clone();
                (group.id.clone(), Seen { external_id, name: None, attributes })
            })
            .collect();
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        let entry = self.state.ledger.groups.get(key);
        if matches!(entry.map(|entry| &entry.link), Some(Link::Pending(_))) {
            let ours = key.external_id();
            let is_ours = ids.first().and_then(|id| seen.get(*id)).is_some_and(|seen| {
                seen.external_id.as_deref().is_none_or(|external| external == ours)
            });
            self.settle_group(key, answer, is_ours);
        } else {
            self.survey_run.answers.insert(entity, answer);
        }
    }

    /// The answers come into force together, once nothing is open any more.
    pub(super) fn finish_survey(&mut self) {
        let run = &mut self.survey_run;
        if !run.asked.is_empty() || run.listing.iter().any(Option::is_some) {
            return;
        }
        run.failures = 0;
        run.retry = None;
        let answers = std::mem::take(&mut run.answers);
        if answers.is_empty() {
            return;
        }
        for (entity, found) in answers {
            if found == Found::Absent
                && let Some(words) = self.survey_run.hidden.remove(&entity)
            {
                self.hide(&entity, &words);
                continue;
            }
            match &entity {
                Entity::Account(person) => drop(self.survey.accounts.insert(*person, found)),
                Entity::Group(key) => drop(self.survey.groups.insert(key.clone(), found)),
                Entity::Member(..) => {}
            }
            self.touch(entity);
        }
        self.judge_due = true;
    }
}

/// Resources that nobody of ours is linked to, by what they may match.
struct Index<'a> {
    by_external_id: BTreeMap<&'a str, Vec<&'a ScimId>>,
    by_name: BTreeMap<&'a str, Vec<&'a ScimId>>,
}

fn index(seen: &BTreeMap<ScimId, Seen>, is_free: impl Fn(&ScimId) -> bool) -> Index<'_> {
    let mut index = Index { by_external_id: BTreeMap::new(), by_name: BTreeMap::new() };
    for (id, seen) in seen.iter().filter(|(id, _)| is_free(id)) {
        if let Some(external_id) = &seen.external_id {
            index.by_external_id.entry(external_id).or_default().push(id);
        }
        if let Some(name) = &seen.name {
            index.by_name.entry(name).or_default().push(id);
        }
    }
    index
}

impl<'a> Index<'a> {
    /// Everything that matches by either attribute, each once.
    fn matches(&self, external_id: &str, name: Option<&str>) -> Vec<&'a ScimId> {
        let by_id = self.by_external_id.get(external_id).into_iter().flatten();
        let by_name = name.and_then(|name| self.by_name.get(name)).into_iter().flatten();
        let all: BTreeSet<&ScimId> = by_id.chain(by_name).copied().collect();
        all.into_iter().collect()
    }
}

fn found(ids: &[&ScimId], seen: &BTreeMap<ScimId, Seen>) -> Found {
    match ids {
        [] => Found::Absent,
        [id] => Found::One(Candidate {
            id: (*id).clone(),
            attributes: seen.get(*id).map(|seen| seen.attributes.clone()).unwrap_or_default(),
            members: BTreeSet::new(),
        }),
        several => Found::Many(several.iter().map(|id| (*id).clone()).collect()),
    }
}
