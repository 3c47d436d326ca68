//! Answers: takes in what listings and look-ups brought, and matches it with what was asked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::matching::{found, index};
use super::question::{EXTERNAL_ID, FAILURES_MAX};
use super::{AllSeen, Answered, Failed, Listing, Looked, Row, Seen, kind_of, our_id, slot};
use crate::audit::DecisionKind;
use crate::core::model::{Attributes, Entity, GroupKey, Kind, Link, ObjectId, PersonId, ScimId};
use crate::core::plan::Note;
use crate::core::policy::Adopt;
use crate::core::survey::Found;
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;
use crate::scim::{ListPage, ScimError, Turn};

/// A page that fails so often running, while the target answers other questions, is the end.
const PAGE_FAILURES_MAX: u32 = 3;
/// What is recorded of a resource that was thought gone.
const FOUND_AGAIN: &str = "it is there again under the id that it had";

impl Engine {
    pub(in crate::cycle) fn on_answered(&mut self, answered: Answered) {
        match answered {
            Answered::Page(kind, Ok(page)) => self.on_listed(kind, page),
            Answered::Found(entity, Ok(looked)) => self.on_found(entity, looked),
            Answered::Page(kind, Err(failed)) => self.on_page_failure(kind, &failed),
            Answered::Found(entity, Err(error)) => {
                self.target.survey.run.busy.remove(&entity);
                self.on_look_up_failure(entity, &error);
            }
        }
        self.finish_survey();
    }

    fn on_look_up_failure(&mut self, entity: Entity, error: &ScimError) {
        if matches!(error, ScimError::Throttled { .. }) && self.is_slowed_alone(&entity) {
            let tries = self.target.survey.run.tries.entry(entity.clone()).or_default();
            *tries += 1;
            if *tries < FAILURES_MAX {
                return self.target.wait_with_survey();
            }
            self.target.survey.run.tries.remove(&entity);
            return self.on_no_answer(entity);
        }
        self.survey_failed(error);
    }

    fn survey_failed(&mut self, error: &ScimError) {
        // The pacer waits for as long as the target says, and not longer.
        if let ScimError::Throttled { .. } = error {
            return self.target_failed(error);
        }
        self.target.wait_with_survey();
        self.target_failed(error);
    }

    fn on_listed(&mut self, kind: Kind, page: ListPage<Row>) {
        self.target_answered();
        self.target.survey.run.failures = 0;
        let told = page.items.iter().map(|row| (&row.id, row.seen.external_id.as_deref()));
        self.note_carried(kind, told);
        for Row { id, seen, .. } in &page.items {
            self.take_spelling(kind, id, (seen.external_id.as_deref(), &seen.attributes));
        }
        let Some(listing) = &mut self.target.survey.run.listing[slot(kind)] else { return };
        listing.busy = false;
        listing.failures = 0;
        let turn = listing.walk.take(&page);
        listing.seen.extend(page.items.into_iter().map(|row| (row.id, row.seen)));
        if turn == Turn::Ended {
            self.finish_listing(kind, None);
        }
    }

    /// A page that the target refuses, or fails on time and again while it answers other questions, is
    /// the end of the listing. What comes after it is not known.
    fn on_page_failure(&mut self, kind: Kind, failed: &Failed) {
        let Some(listing) = &mut self.target.survey.run.listing[slot(kind)] else { return };
        listing.busy = false;
        if !failed.is_its_own {
            return self.survey_failed(&failed.error);
        }
        listing.failures += 1;
        if listing.failures < PAGE_FAILURES_MAX && failed.error.passes() {
            return self.target.wait_with_survey();
        }
        self.finish_listing(kind, Some(&failed.error));
    }

    fn finish_listing(&mut self, kind: Kind, error: Option<&ScimError>) {
        let Some(Listing { seen, wanted, walk, known, .. }) =
            self.target.survey.run.listing[slot(kind)].take()
        else {
            return;
        };
        let told = walk.into_told();
        let lacks =
            known.iter().find(|id| !seen.contains_key(*id) && self.target.is_ours(kind, id));
        let is_whole = error.is_none() && told.is_whole() && lacks.is_none();
        if !is_whole {
            let error = error.map(|error| format!("; {error}")).unwrap_or_default();
            let lacks = lacks.map(|id| format!("; {id} is not told, which is known to be there"));
            self.target.note_short(kind, &format!("{told}{error}{}", lacks.unwrap_or_default()));
        }
        let mut absent = BTreeSet::new();
        match kind {
            Kind::Users => self.compare_users(&seen),
            Kind::Groups => self.compare_groups(&seen, &wanted),
        }
        let index = index(&seen, |id| !self.target.is_ours(kind, id));
        for entity in wanted {
            if self.is_linked(&entity) || self.find_again(&entity, &seen) {
                self.target.survey.run.has_matched = true;
                continue;
            }
            let name = match &entity {
                Entity::Account(person) => {
                    self.wanted_login_name(*person).map(|name| name.to_lowercase())
                }
                Entity::Group(key) | Entity::Member(key, _) => {
                    self.target.planning.planner.group_name(key).map(str::to_owned)
                }
            };
            let mut ids = index.matches(&our_id(&entity), name.as_deref());
            ids.retain(|id| {
                seen.get(*id).is_some_and(|seen| !self.is_of_another(&entity, id, seen))
            });
            let found = found(&ids, &seen);
            if found == Found::Absent {
                absent.insert(entity);
            } else {
                self.target.survey.run.has_matched = true;
                let is_ours = ids.first().and_then(|id| seen.get(*id));
                let is_ours = is_ours.is_some_and(|seen| may_be_of(&entity, seen));
                self.answer(entity, found, is_ours);
            }
        }
        if kind == Kind::Users {
            self.answer_for_leavers(&seen);
        }
        self.take_absent(kind, absent, is_whole, &seen);
        if kind == Kind::Users {
            if !is_whole && (self.state.recovery.is_some() || !self.state.target.listed[0]) {
                self.ask_for_leavers();
            }
            self.begin_proofs();
        }
        self.state.target.listed[slot(kind)] = true;
        self.state.mark(Key::Target);
    }

    /// Who has certainly left, and is not in a listing that did not tell everything, is looked up.
    pub(super) fn ask_for_leavers(&mut self) {
        let mut asked = Vec::new();
        for (&source, mirror) in &self.state.mirrors {
            for (&object, user) in &mirror.users {
                let entity = Entity::Account(PersonId { source, object });
                if user.is_certain_leaver()
                    && !self.is_linked(&entity)
                    && !self.target.survey.run.answers.contains_key(&entity)
                {
                    asked.push(entity);
                }
            }
        }
        self.target.survey.run.asked.extend(asked);
    }

    /// Nobody asks for the account of somebody who is to have none.
    fn answer_for_leavers(&mut self, users: &AllSeen) {
        for (object, id) in self.target.by_object(users) {
            if let Some(person) = self.owner(object).filter(|one| self.is_certain_leaver(*one))
                && !self.target.links.accounts.contains_key(&id)
            {
                let answer = found(&[&id], users);
                self.target.survey.run.has_matched = true;
                self.target.survey.run.answers.insert(Entity::Account(person), answer);
            }
        }
    }

    /// Whether the resource is another entity's: it carries its id, or was its own before. A name alone
    /// gives it to nobody else then.
    fn is_of_another(&self, entity: &Entity, id: &ScimId, seen: &Seen) -> bool {
        let carried = seen.external_id.as_deref();
        let carries_another = match entity {
            Entity::Account(person) => {
                let object = carried.and_then(ObjectId::parse);
                object.is_some_and(|object| object != person.object && self.is_of_ours(object))
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                let wants = |key: &GroupKey| self.target.planning.planner.group_name(key).is_some();
                carried != Some(&key.external_id())
                    && carried.is_some_and(|carried| self.keys_of(carried).iter().any(wants))
            }
        };
        carries_another || self.is_released_by_another(entity, id)
    }

    /// Whether the object id is that of a person whom we know, whatever becomes of them.
    fn is_of_ours(&self, object: ObjectId) -> bool {
        self.people_of(object).next().is_some()
    }

    /// The people whom we know by this object id.
    pub(in crate::cycle) fn people_of(&self, object: ObjectId) -> impl Iterator<Item = PersonId> {
        let mirrors = self.state.mirrors.iter();
        mirrors.filter_map(move |(&source, mirror)| {
            let person = PersonId { source, object };
            let is_known = mirror.users.contains_key(&object)
                || self.state.ledger.accounts.contains_key(&person);
            is_known.then_some(person)
        })
    }

    /// The groups of ours that may carry this `externalId`.
    pub(in crate::cycle) fn keys_of(&self, external_id: &str) -> Vec<GroupKey> {
        match ObjectId::parse(external_id) {
            Some(object) => {
                let sources = self.sources.tenants.keys();
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

    pub(in crate::cycle) fn link(&self, entity: &Entity) -> Option<&Link> {
        let ledger = &self.state.ledger;
        match entity {
            Entity::Account(person) => ledger.accounts.get(person).map(|entry| &entry.link),
            Entity::Group(key) => ledger.groups.get(key).map(|entry| &entry.link),
            Entity::Member(..) => None,
        }
    }

    pub(in crate::cycle) fn is_pending(&self, entity: &Entity) -> bool {
        matches!(self.link(entity), Some(Link::Pending(_)))
    }

    pub(in crate::cycle) fn is_linked(&self, entity: &Entity) -> bool {
        self.link(entity).is_some_and(|link| link.managed().is_some())
    }

    fn on_found(&mut self, entity: Entity, looked: Looked) {
        self.target_answered();
        self.target.survey.run.failures = 0;
        self.target.survey.run.busy.remove(&entity);
        let kind = kind_of(&entity);
        for (id, one) in &looked.seen {
            self.take_spelling(kind, id, (one.external_id.as_deref(), &one.attributes));
        }
        self.target.survey.run.unanswered.take(kind, &looked, self.clock.elapsed());
        if looked.may_pass(kind, &self.target.survey.run.unanswered) {
            let tries = self.target.survey.run.tries.entry(entity.clone()).or_default();
            *tries += 1;
            if *tries < FAILURES_MAX {
                return self.target.wait_with_survey();
            }
        }
        self.target.survey.run.tries.remove(&entity);
        if looked.is_unreadable() {
            self.target.survey.run.asked.remove(&entity);
            self.judge_sample(&entity, None);
            return self.answer(entity, Found::Unknown, false);
        }
        let is_short = self.target.survey.run.short[slot(kind)];
        let is_open = looked.leaves_open(kind, &self.target.survey.run.unanswered, is_short);
        let Looked { mut seen, answered, .. } = looked;
        let ours = our_id(&entity);
        let carries = |one: &Seen| one.external_id.as_ref() == Some(&ours);
        // What carries our id is there, whatever else was not answered, and whatever a listing lacks.
        if is_open && !seen.iter().any(|(id, one)| carries(one) && !self.target.is_ours(kind, id)) {
            return self.on_no_answer(entity);
        }
        self.target.survey.run.asked.remove(&entity);
        self.judge_sample(&entity, Some(&seen));
        if self.find_again(&entity, &seen) {
            return;
        }
        if let (Entity::Account(person), true) = (&entity, answered.contains(EXTERNAL_ID)) {
            self.keep_active(*person, &mut seen);
        }
        let was = match self.link(&entity) {
            Some(Link::Gone(id) | Link::Released(id)) => Some(id.clone()),
            _ => None,
        };
        // What was ours under that id is not whatever has it now.
        let is_behind = |id: &ScimId, seen: &Seen| {
            was.as_ref() == Some(id) && self.is_behind_gone(&entity, seen)
        };
        seen.retain(|id, seen| {
            let is_others = self.target.is_ours(kind, id) || self.is_of_another(&entity, id, seen);
            !is_others && !is_behind(id, seen)
        });
        if seen.is_empty() && self.is_linked(&entity) && !self.has_twins(&entity) {
            // Nobody waits for that answer.
            return;
        }
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        let is_ours = seen.values().next().is_some_and(|seen| may_be_of(&entity, seen));
        self.answer(entity, answer, is_ours);
    }

    /// Everything that could be asked by is given up, or there is nothing.
    pub(super) fn on_nothing_to_ask_by(&mut self, entity: Entity) {
        if self.target.survey.run.unanswered.is_any_given_up(kind_of(&entity)) {
            return self.on_no_answer(entity);
        }
        // Whoever has no name is not made anyway.
        self.target.survey.run.asked.remove(&entity);
        self.judge_sample(&entity, Some(&AllSeen::new()));
        self.answer(entity, Found::Absent, false);
    }

    /// No look-up says whether the entity is there. A listing may; where it did not tell everything, it
    /// is not known, and nothing is made.
    fn on_no_answer(&mut self, entity: Entity) {
        let kind = kind_of(&entity);
        self.target.survey.run.asked.remove(&entity);
        // Whoever cannot be looked up says nothing against the listing.
        self.judge_sample(&entity, Some(&AllSeen::new()));
        if self.target.survey.run.short[slot(kind)] {
            return self.answer(entity, Found::Unknown, false);
        }
        self.target.survey.run.without_answer.insert(entity.clone());
        let new = self.new_listing(kind);
        let listing = self.target.survey.run.listing[slot(kind)].get_or_insert(new);
        listing.wanted.insert(entity);
    }

    /// What was thought gone is found under the id that it had: it is ours as before.
    pub(in crate::cycle) fn find_again(&mut self, entity: &Entity, seen: &AllSeen) -> bool {
        let Some(Link::Gone(id)) = self.link(entity).cloned() else { return false };
        let is_it = |seen: &&Seen| self.may_be_again(entity, seen);
        let Some(seen) = seen.get(&id).filter(is_it) else { return false };
        if self.target.is_ours(kind_of(entity), &id) || self.target.queue.is_busy(entity) {
            return false;
        }
        tracing::warn!(
            entity = %entity.logged(self.state.digests()),
            "what the platform answered 404 for is there again, and is ours as before"
        );
        let ledger = &self.state.ledger;
        let (sent, shown) = (seen.attributes.clone(), Attributes::new());
        match entity {
            Entity::Account(person) => {
                let origin = ledger.accounts.get(person).map(|entry| entry.origin);
                self.link_account(*person, &id, origin.unwrap_or_default(), sent, &shown);
                self.disown(*person);
            }
            Entity::Group(key) => {
                let origin = ledger.groups.get(key).map(|entry| entry.origin);
                self.link_group(key, &id, origin.unwrap_or_default(), sent, &shown);
                self.read_members(key, Vec::new());
            }
            Entity::Member(..) => {}
        }
        self.state.decide_on(DecisionKind::Settle, Some(entity.clone()), FOUND_AGAIN);
        self.target.planning.judge_due = true;
        true
    }

    /// Takes in the answer for one entity. An open create is settled by it at once.
    pub(super) fn answer(&mut self, entity: Entity, found: Found, is_ours: bool) {
        if !self.is_pending(&entity) {
            self.target.survey.run.answers.insert(entity, found);
            return;
        }
        if !matches!(found, Found::Absent | Found::Unknown) {
            self.target.survey.run.hidden.remove(&entity);
        }
        match entity {
            Entity::Account(person) => self.settle_account(person, found, is_ours),
            Entity::Group(key) | Entity::Member(key, _) => self.settle_group(&key, found, is_ours),
        }
    }

    /// What could not be said for certain may be asked anew: whoever was in doubt, and by whatever the
    /// target did not answer.
    pub(in crate::cycle) fn ask_doubtful_again(&mut self) {
        self.target.survey.run.unanswered.forget();
        let accounts = self.target.survey.answers.accounts.iter();
        let accounts = accounts.map(|(person, found)| (Entity::Account(*person), found));
        let groups = self.target.survey.answers.groups.iter();
        let groups = groups.map(|(key, found)| (Entity::Group(key.clone()), found));
        let is_doubtful = |(entity, found): &(Entity, &Found)| match found {
            Found::Unknown | Found::Many(_) => true,
            // Several would take it over: somebody may have mended that there.
            Found::One(_) if self.target.policy.adopt != Adopt::Never => {
                matches!(self.target.planning.planner.notes().get(entity), Some(Note::Stuck(_)))
            }
            Found::One(_) | Found::Absent => false,
        };
        let doubtful = accounts.chain(groups).filter(is_doubtful);
        let doubtful: Vec<Entity> = doubtful.map(|(entity, _)| entity).collect();
        for entity in doubtful {
            if self.is_pending(&entity) {
                self.target.look_up_open(entity, Duration::ZERO);
            } else {
                self.target.look_again(&entity);
            }
        }
    }

    /// The answers come into force together, once nothing is open any more.
    pub(super) fn finish_survey(&mut self) {
        let run = &mut self.target.survey.run;
        let is_open = run.listing.iter().any(Option::is_some);
        if !run.asked.is_empty() || is_open || run.samples.iter().any(Option::is_some) {
            return;
        }
        run.failures = 0;
        run.retry = None;
        (run.short, run.sampled) = ([false; 2], [false; 2]);
        run.without_answer.clear();
        let answers = std::mem::take(&mut run.answers);
        if answers.is_empty() {
            return;
        }
        for (entity, found) in answers {
            if self.target.survey.run.renewed.remove(&entity) {
                self.target.touch(entity);
                continue;
            }
            if found == Found::Absent
                && let Some(words) = self.target.survey.run.hidden.remove(&entity)
            {
                self.hide(&entity, &words);
                continue;
            }
            match &entity {
                Entity::Account(person) => {
                    drop(self.target.survey.answers.accounts.insert(*person, found));
                }
                Entity::Group(key) => {
                    drop(self.target.survey.answers.groups.insert(key.clone(), found));
                }
                Entity::Member(..) => {}
            }
            self.target.touch(entity);
        }
        self.target.planning.judge_due = true;
    }
}

impl TargetLoop {
    fn wait_with_survey(&mut self) {
        let elapsed = self.clock.elapsed();
        // What was in flight together fails together, and counts once.
        if self.survey.run.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        self.survey.run.failures += 1;
        let wait = Duration::from_secs(1 << self.survey.run.failures.min(6));
        self.survey.run.retry = Some(elapsed + wait);
    }

    /// A listing that did not tell everything.
    pub(super) fn note_short(&mut self, kind: Kind, told: &str) {
        self.survey.run.short[slot(kind)] = true;
        if !std::mem::replace(&mut self.survey.run.told_short[slot(kind)], true) {
            let what = match kind {
                Kind::Users => "accounts",
                Kind::Groups => "groups",
            };
            tracing::warn!(
                "the platform's listing of {what} is not whole: {told}. It proves nobody's absence: whatever it \
                 lacks is looked up one by one before anything is made"
            );
        }
    }

    /// Whether the resource is linked to an entity of ours.
    fn is_ours(&self, kind: Kind, id: &ScimId) -> bool {
        match kind {
            Kind::Users => self.links.accounts.contains_key(id),
            Kind::Groups => self.links.groups.contains_key(id),
        }
    }
}

/// Whether the resource carries our id of the entity, or none.
fn may_be_of(entity: &Entity, seen: &Seen) -> bool {
    seen.external_id.as_deref().is_none_or(|carried| carried == our_id(entity))
}
