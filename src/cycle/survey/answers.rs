//! Answers: takes in what listings and look-ups brought, and matches it with what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{AllSeen, Answered, Listing, Seen, our_id, slot};
use crate::core::model::{Entity, GroupKey, Kind, Link, ObjectId, ScimId};
use crate::core::survey::{Candidate, Found};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::scim::{Cursor, ScimError};

impl Engine {
    pub(in crate::cycle) fn on_answered(&mut self, answered: Answered) {
        match answered {
            Answered::Page(kind, Ok((seen, next))) => self.on_listed(kind, seen, next),
            Answered::Found(entity, Ok(seen)) => self.on_found(entity, seen),
            Answered::Page(kind, Err(error)) => {
                if let Some(listing) = &mut self.survey_run.listing[slot(kind)] {
                    listing.busy = false;
                }
                self.survey_failed(&error);
            }
            Answered::Found(entity, Err(error)) => {
                self.survey_run.busy.remove(&entity);
                self.survey_failed(&error);
            }
        }
        self.finish_survey();
    }

    fn survey_failed(&mut self, error: &ScimError) {
        // The pacer waits for as long as the target says, and not longer.
        if let ScimError::Throttled { .. } = error {
            return self.target_failed(error);
        }
        let (elapsed, run) = (self.clock.elapsed(), &mut self.survey_run);
        // What was on its way when it began to fail says nothing new.
        if run.retry.is_none_or(|at| at <= elapsed) {
            run.failures += 1;
            run.retry = Some(elapsed + Duration::from_secs(1 << run.failures.min(6)));
        }
        if let ScimError::FilterIgnored { .. } = error {
            // Look-ups mean nothing there: list instead.
            self.state.target.listed = [false; 2];
            self.survey_run.asked.clear();
            return;
        }
        self.target_failed(error);
    }

    fn on_listed(&mut self, kind: Kind, seen: AllSeen, next: Option<Cursor>) {
        self.target_answered();
        self.survey_run.failures = 0;
        let Some(listing) = &mut self.survey_run.listing[slot(kind)] else { return };
        listing.busy = false;
        listing.seen.extend(seen);
        listing.cursor = next;
        if listing.cursor.is_none() {
            self.finish_listing(kind);
        }
    }

    fn finish_listing(&mut self, kind: Kind) {
        let Some(Listing { seen, wanted, .. }) = self.survey_run.listing[slot(kind)].take() else {
            return;
        };
        match kind {
            Kind::Users => self.compare_users(&seen),
            Kind::Groups => self.compare_groups(&seen, &wanted),
        }
        let index = index(&seen, |id| !self.is_ours(kind, id));
        for entity in wanted {
            if self.is_linked(&entity) {
                continue;
            }
            let name = match &entity {
                Entity::Account(person) => {
                    self.wanted_login_name(*person).map(|name| name.to_lowercase())
                }
                Entity::Group(key) | Entity::Member(key, _) => {
                    self.planner.group_name(key).map(str::to_owned)
                }
            };
            let mut ids = index.matches(&our_id(&entity), name.as_deref());
            ids.retain(|id| {
                seen.get(*id).is_some_and(|seen| !self.is_of_another(&entity, id, seen))
            });
            let found = found(&ids, &seen);
            self.survey_run.answers.insert(entity, found);
        }
        if kind == Kind::Users {
            self.answer_for_leavers(&seen);
            self.begin_proofs();
        }
        self.state.target.listed[slot(kind)] = true;
        self.state.mark(Key::Target);
    }

    /// Nobody asks for the account of somebody who is to have none.
    fn answer_for_leavers(&mut self, users: &AllSeen) {
        for (object, id) in self.by_object(users) {
            if let Some(person) = self.owner(object).filter(|one| self.is_certain_leaver(*one))
                && !self.accounts_by_id.contains_key(&id)
            {
                let answer = found(&[&id], users);
                self.survey_run.answers.insert(Entity::Account(person), answer);
            }
        }
    }

    /// Whether the resource is linked to an entity of ours.
    fn is_ours(&self, kind: Kind, id: &ScimId) -> bool {
        match kind {
            Kind::Users => self.accounts_by_id.contains_key(id),
            Kind::Groups => self.groups_by_id.contains_key(id),
        }
    }

    /// Whether the resource is another entity's: it carries its id, or was its own before. A name alone
    /// gives it to nobody else then.
    fn is_of_another(&self, entity: &Entity, id: &ScimId, seen: &Seen) -> bool {
        let carried = seen.external_id.as_deref();
        let carries_another = match entity {
            Entity::Account(person) => {
                let owner = carried.and_then(ObjectId::parse).and_then(|object| self.owner(object));
                owner.is_some_and(|owner| owner != *person)
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                let wants = |key: &GroupKey| self.planner.group_name(key).is_some();
                carried != Some(&key.external_id())
                    && carried.is_some_and(|carried| self.keys_of(carried).iter().any(wants))
            }
        };
        carries_another || self.is_released_by_another(entity, id)
    }

    /// The groups of ours that may carry this `externalId`.
    fn keys_of(&self, external_id: &str) -> Vec<GroupKey> {
        match ObjectId::parse(external_id) {
            Some(object) => {
                let sources = self.sources.keys();
                sources.map(|&source| GroupKey::Directory { source, object }).collect()
            }
            None => GroupKey::parse(external_id).into_iter().collect(),
        }
    }

    /// Whether another group of ours made the resource its own and let go of it. It may come back for
    /// it.
    fn is_released_by_another(&self, entity: &Entity, id: &ScimId) -> bool {
        let Entity::Group(key) = entity else { return false };
        let others = self.state.ledger.groups.iter().filter(|(other, _)| *other != key);
        others.into_iter().any(|(_, entry)| matches!(&entry.link, Link::Released(of) if of == id))
    }

    pub(super) fn link(&self, entity: &Entity) -> Option<&Link> {
        let ledger = &self.state.ledger;
        match entity {
            Entity::Account(person) => ledger.accounts.get(person).map(|entry| &entry.link),
            Entity::Group(key) => ledger.groups.get(key).map(|entry| &entry.link),
            Entity::Member(..) => None,
        }
    }

    pub(super) fn is_pending(&self, entity: &Entity) -> bool {
        matches!(self.link(entity), Some(Link::Pending(_)))
    }

    fn is_linked(&self, entity: &Entity) -> bool {
        self.link(entity).is_some_and(|link| link.managed().is_some())
    }

    fn on_found(&mut self, entity: Entity, mut seen: AllSeen) {
        self.target_answered();
        self.survey_run.failures = 0;
        self.survey_run.busy.remove(&entity);
        self.survey_run.asked.remove(&entity);
        let kind = if matches!(entity, Entity::Account(_)) { Kind::Users } else { Kind::Groups };
        seen.retain(|id, seen| !self.is_ours(kind, id) && !self.is_of_another(&entity, id, seen));
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        if !self.is_pending(&entity) {
            self.survey_run.answers.insert(entity, answer);
            return;
        }
        let ours = our_id(&entity);
        let is_ours = seen.values().next().is_some_and(|seen| {
            seen.external_id.as_deref().is_none_or(|external| external == ours)
        });
        match entity {
            Entity::Account(person) => self.settle_account(person, answer, is_ours),
            Entity::Group(key) | Entity::Member(key, _) => {
                self.settle_group(&key, answer, is_ours);
            }
        }
    }

    /// The answers come into force together, once nothing is open any more.
    fn finish_survey(&mut self) {
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

fn index(seen: &AllSeen, is_free: impl Fn(&ScimId) -> bool) -> Index<'_> {
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

fn found(ids: &[&ScimId], seen: &AllSeen) -> Found {
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
