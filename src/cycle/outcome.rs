//! Outcome: records what the target answered. Ledger, journal and budget change together, in the
//! commit that ends the turn.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Engine;
use super::apply::{Applied, People, ReadBack, Reply, Sent};
use super::records::{JournalRecord, Key};
use crate::core::judge::{Clearance, Cleared};
use crate::core::model::{
    AttrPath, Attributes, Datum, Entity, Escrow, GroupKey, Intent, Link, Origin, PersonId, ScimId,
};
use crate::core::plan::{Action, ChangeDigest, same};
use crate::core::survey::{Candidate, Found};
use crate::scim::{GroupResource, ScimError};

/// A change that keeps failing without a verdict goes to escrow after so many tries.
const TRIES_MAX: u32 = 6;
/// The first wait in escrow; each further refusal doubles it.
const ESCROW_FIRST: Duration = Duration::from_secs(60);
/// The longest wait in escrow.
const ESCROW_MAX: Duration = Duration::from_secs(6 * 60 * 60);

impl Engine {
    pub(super) fn on_applied(&mut self, applied: Applied) {
        let Applied { sent, cleared, result } = applied;
        match result {
            Ok(reply) => {
                self.target_answered();
                self.on_success(sent, cleared.as_ref(), reply);
            }
            Err(error) => self.on_failure(sent, cleared.as_ref(), &error),
        }
    }

    fn on_success(&mut self, sent: Sent, cleared: Option<&Cleared>, reply: Reply) {
        match (sent, reply) {
            (Sent::Create { person, attributes }, Reply::User(Some(user))) => {
                if self.accounts_by_id.get(&user.id).is_some_and(|owner| *owner != person) {
                    self.unlink_account(person);
                    let words = format!(
                        "the target answered with {}, which is another person's account",
                        user.id
                    );
                    self.escrow(&Entity::Account(person), cleared, &words);
                    return self.queue.release(&Entity::Account(person));
                }
                let shown = user.attributes(attributes.keys());
                let held = Attributes::new();
                let kept = self.kept(person, &held, attributes, &shown);
                self.link_account(person, &user.id, Origin::Created, kept, &shown);
                self.done(&Entity::Account(person), cleared);
            }
            (Sent::Change { person, id, held, attributes }, Reply::User(user)) => {
                let shown = user.map(|user| user.attributes(attributes.keys()));
                self.on_changed(person, &id, held, attributes, &shown.unwrap_or_default(), cleared);
            }
            (Sent::GroupCreate { key, attributes, first }, Reply::Group(Some(group))) => {
                let shown = group.attributes(attributes.keys());
                self.link_group(&key, &group.id, Origin::Created, attributes, &shown);
                self.done(&Entity::Group(key.clone()), cleared);
                self.confirm_first_members(&key, first, group.members.as_ref());
            }
            (Sent::GroupChange { key, id, held, attributes }, Reply::Group(group)) => {
                let shown = group.map(|group| group.attributes(attributes.keys()));
                let adopts = cleared.is_some_and(|one| one.change().action == Action::GroupAdopt);
                let origin = if adopts {
                    Origin::Adopted
                } else {
                    self.state.ledger.groups.get(&key).map(|e| e.origin).unwrap_or_default()
                };
                let mut whole = held;
                whole.extend(attributes);
                self.link_group(&key, &id, origin, whole, &shown.unwrap_or_default());
                self.done(&Entity::Group(key.clone()), cleared);
                if adopts {
                    self.queue.occupy(Entity::Group(key.clone()));
                    self.read_backs.push((key, ReadBack::before()));
                }
            }
            (Sent::GroupDelete { key }, _) => {
                self.unlink_group(&key, true);
                self.done(&Entity::Group(key), cleared);
            }
            (Sent::Add { key, people }, _) => self.on_members(key, people, true),
            (Sent::Remove { key, people }, _) => self.on_members(key, people, false),
            (Sent::ReadBack { key, why }, Reply::Group(group)) => {
                self.on_read_back(&key, why, group);
            }
            (Sent::ReadAccount { person }, Reply::User(user)) => self.on_account_read(person, user),
            (sent, _) => {
                debug_assert!(false, "an answer of another kind than what was sent");
                self.release(&sent);
            }
        }
    }

    fn on_changed(
        &mut self,
        person: PersonId,
        id: &ScimId,
        held: Attributes,
        attributes: Attributes,
        shown: &Attributes,
        cleared: Option<&Cleared>,
    ) {
        let entity = Entity::Account(person);
        let active = AttrPath::active();
        let said = shown.get(&active);
        if let (Some(wanted), Some(Datum::Bool(said))) = (attributes.get(&active), said)
            && *wanted != Datum::Bool(*said)
        {
            let words = "the target confirmed the change of active, and shows the old value";
            self.escrow(&entity, cleared, words);
            return self.queue.release(&entity);
        }
        let adopts = cleared.is_some_and(|one| one.change().action == Action::Adopt);
        let known = self.state.ledger.accounts.get(&person);
        let origin = match known {
            Some(entry) if !adopts => entry.origin,
            _ => Origin::Adopted,
        };
        let kept = self.kept(person, &held, attributes, shown);
        let mut whole = held;
        whole.extend(kept);
        self.link_account(person, id, origin, whole, shown);
        self.done(&entity, cleared);
    }

    /// Links an account to what the target confirmed.
    fn link_account(
        &mut self,
        person: PersonId,
        id: &ScimId,
        origin: Origin,
        sent: Attributes,
        shown: &Attributes,
    ) {
        let is_active = sent.get(&AttrPath::active()) != Some(&Datum::Bool(false));
        let answered = answered(&sent, shown);
        let entry = self.state.ledger.accounts.entry(person).or_default();
        entry.link =
            if is_active { Link::Linked(id.clone()) } else { Link::Deactivated(id.clone()) };
        entry.origin = origin;
        entry.sent = sent;
        entry.answered.retain(|path, _| !shown.contains_key(path));
        entry.answered.extend(answered);
        self.accounts_by_id.insert(id.clone(), person);
        self.survey.accounts.remove(&person);
        self.state.mark(Key::Account(person));
        self.touch(Entity::Account(person));
    }

    fn unlink_account(&mut self, person: PersonId) {
        if let Some(entry) = self.state.ledger.accounts.get_mut(&person) {
            entry.link = match &entry.link {
                Link::Linked(id) | Link::Deactivated(id) => {
                    self.accounts_by_id.remove(id);
                    Link::Gone(id.clone())
                }
                _ => Link::Unlinked,
            };
            entry.sent.clear();
            entry.answered.clear();
            let is_gone = matches!(entry.link, Link::Gone(_));
            self.state.mark(Key::Account(person));
            self.touch(Entity::Account(person));
            if is_gone {
                self.forget_memberships(person);
            }
        }
    }

    fn link_group(
        &mut self,
        key: &GroupKey,
        id: &ScimId,
        origin: Origin,
        sent: Attributes,
        shown: &Attributes,
    ) {
        let answered = answered(&sent, shown);
        let entry = self.state.ledger.groups.entry(key.clone()).or_default();
        entry.link = Link::Linked(id.clone());
        entry.origin = origin;
        entry.sent = sent;
        entry.answered = answered;
        self.groups_by_id.insert(id.clone(), key.clone());
        self.survey.groups.remove(key);
        self.state.mark(Key::TargetGroup(key.clone()));
        self.touch(Entity::Group(key.clone()));
    }

    fn unlink_group(&mut self, key: &GroupKey, was_linked: bool) {
        self.state.drop_members(key);
        if let Some(entry) = self.state.ledger.groups.get_mut(key) {
            entry.link = match &entry.link {
                Link::Linked(id) | Link::Deactivated(id) if was_linked => {
                    self.groups_by_id.remove(id);
                    Link::Gone(id.clone())
                }
                _ => Link::Unlinked,
            };
            entry.sent.clear();
            entry.answered.clear();
            self.state.mark(Key::TargetGroup(key.clone()));
            self.touch(Entity::Group(key.clone()));
        }
    }

    fn confirm_first_members(
        &mut self,
        key: &GroupKey,
        first: People,
        shown: Option<&BTreeSet<ScimId>>,
    ) {
        if first.is_empty() {
            return;
        }
        let Some(shown) = shown else {
            self.queue.occupy(Entity::Group(key.clone()));
            self.read_backs.push((key.clone(), ReadBack::Members { first }));
            return;
        };
        self.take_members_as_shown(key, &first, shown);
    }

    /// Notes which of `people` the target shows as members; the others are planned again.
    fn take_members_as_shown(&mut self, key: &GroupKey, people: &People, shown: &BTreeSet<ScimId>) {
        for (person, id) in people {
            let entity = Entity::Member(key.clone(), *person);
            let is_member = shown.contains(id);
            if is_member {
                self.state.put_member(key, *person);
            } else {
                self.state.drop_member(key, *person);
            }
            let cleared = self.queue.cleared(&entity).map(|one| one.change().action);
            if is_member == (cleared != Some(Action::MemberRemove)) {
                self.done_by_queue(&entity);
            } else {
                self.queue.put_back(&entity);
            }
            self.touch(entity);
        }
    }

    fn on_members(&mut self, key: GroupKey, people: People, adds: bool) {
        let form = if adds { self.addition_form() } else { self.removal_form() };
        for (person, _) in &people {
            if adds {
                self.state.put_member(&key, *person);
            } else {
                self.state.drop_member(&key, *person);
            }
            let entity = Entity::Member(key.clone(), *person);
            self.done_by_queue(&entity);
            self.touch(entity);
        }
        if self.state.target.proven_forms.contains(&form) {
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

    fn on_read_back(&mut self, key: &GroupKey, why: ReadBack, group: Option<GroupResource>) {
        self.queue.release(&Entity::Group(key.clone()));
        let Some(group) = group else {
            self.unlink_group(key, true);
            if let ReadBack::Prove { form, .. } = why {
                self.proving.remove(&form);
            }
            return;
        };
        let shown = group.members.unwrap_or_default();
        match why {
            ReadBack::Members { first } => {
                let known = if first.is_empty() { self.known_members(key, &shown) } else { first };
                self.fresh_groups.insert(key.clone());
                self.take_members_as_shown(key, &known, &shown);
                self.touch(Entity::Group(key.clone()));
            }
            ReadBack::Refused { people, adds, words } => {
                self.settle_refused(key, &people, adds, &words, &shown);
            }
            ReadBack::Prove { form, added, removed, others } => {
                self.prove(key, &form, (&added, &removed), &others, &shown);
            }
        }
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
        tracing::error!(group.key = %key, "{words}");
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
        words: &str,
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
                self.escrow(&entity, cleared.as_ref(), words);
            }
            self.touch(entity);
        }
    }

    fn on_failure(&mut self, sent: Sent, cleared: Option<&Cleared>, error: &ScimError) {
        match sent {
            Sent::Create { person, .. } => {
                self.on_create_failure(&Entity::Account(person), cleared, error);
            }
            Sent::GroupCreate { key, first, .. } => {
                for (person, _) in &first {
                    self.queue.put_back(&Entity::Member(key.clone(), *person));
                }
                self.on_create_failure(&Entity::Group(key), cleared, error);
            }
            Sent::Change { person, .. } => {
                let entity = Entity::Account(person);
                if *error == ScimError::Gone {
                    self.unlink_account(person);
                    self.queue.finish(&entity);
                    return self.queue.release(&entity);
                }
                self.on_change_failure(&entity, cleared, error);
            }
            Sent::GroupChange { key, .. } | Sent::GroupDelete { key } => {
                let entity = Entity::Group(key.clone());
                if *error == ScimError::Gone {
                    self.unlink_group(&key, true);
                    self.queue.finish(&entity);
                    return self.queue.release(&entity);
                }
                self.on_change_failure(&entity, cleared, error);
            }
            Sent::Add { key, people } => self.on_members_failure(key, people, true, error),
            Sent::Remove { key, people } => self.on_members_failure(key, people, false, error),
            Sent::ReadBack { key, why } if error.passes() => {
                self.target_failed(error);
                self.read_backs.push((key, why));
            }
            Sent::ReadBack { key, why } => self.group_is_unreadable(&key, &why, error),
            Sent::ReadAccount { person } => self.on_account_unread(person, error),
        }
    }

    /// A create without a good answer: either it certainly did not happen, or it is looked up.
    fn on_create_failure(&mut self, entity: &Entity, cleared: Option<&Cleared>, error: &ScimError) {
        match error {
            ScimError::Throttled { .. } | ScimError::NotSent { .. } | ScimError::Refused { .. } => {
                self.forget_intent(entity);
                self.target_failed(error);
                self.queue.put_back(entity);
            }
            ScimError::Conflict { words } => {
                self.forget_intent(entity);
                self.ask_again(entity, words);
                self.queue.finish(entity);
            }
            ScimError::Rejected { .. } | ScimError::TooLarge { .. } => {
                self.forget_intent(entity);
                self.escrow(entity, cleared, &error.to_string());
            }
            ScimError::Full { words } => {
                self.forget_intent(entity);
                self.escrow(entity, cleared, &error.to_string());
                self.on_no_seat(words);
            }
            // Everything else may have happened: the intent stays open, and the survey settles it.
            _ => {
                self.target_failed(error);
                self.queue.finish(entity);
            }
        }
        self.queue.release(entity);
    }

    fn forget_intent(&mut self, entity: &Entity) {
        match entity {
            Entity::Account(person) => self.unlink_account(*person),
            Entity::Group(key) => self.unlink_group(key, false),
            Entity::Member(..) => {}
        }
    }

    fn on_change_failure(&mut self, entity: &Entity, cleared: Option<&Cleared>, error: &ScimError) {
        match error {
            ScimError::Throttled { .. } | ScimError::Refused { .. } | ScimError::NotScim { .. } => {
                self.target_failed(error);
                self.queue.put_back(entity);
            }
            ScimError::Unavailable { .. }
            | ScimError::NotSent { .. }
            | ScimError::Uncertain { .. } => {
                self.target_failed(error);
                self.try_later(entity, cleared, error);
                // Some of it may have been done. What the target holds by now decides what is sent next.
                if let (Entity::Account(person), Some(due)) =
                    (entity, self.queue.delayed_until(entity))
                    && !matches!(error, ScimError::NotSent { .. })
                {
                    self.account_reads.insert(*person, due);
                    return;
                }
            }
            _ => {
                // An earlier answer may have been lost: what the target holds by now decides, once.
                if let Entity::Account(person) = entity
                    && self.read_once.insert(*person)
                {
                    self.account_reads.insert(*person, Duration::ZERO);
                    return;
                }
                self.escrow(entity, cleared, &error.to_string());
            }
        }
        self.queue.release(entity);
    }

    /// Takes what the target shows of an account for what it holds, and plans anew.
    fn on_account_read(&mut self, person: PersonId, user: Option<crate::scim::UserResource>) {
        let entity = Entity::Account(person);
        let pending = self.queue.cleared(&entity).map(|cleared| cleared.change().action);
        match user {
            None => self.unlink_account(person),
            Some(user) => {
                let shown = user.attributes(self.managed_paths().iter());
                if let Some(entry) = self.state.ledger.accounts.get_mut(&person)
                    && let Some(id) = entry.link.managed().cloned()
                {
                    entry.link = match (pending, user.active) {
                        (Some(Action::Deactivate), Some(false)) => Link::Deactivated(id),
                        (Some(Action::Reactivate), Some(true)) => Link::Linked(id),
                        _ => entry.link.clone(),
                    };
                    entry.sent.extend(shown.clone());
                    entry.answered.clear();
                }
                self.state.mark(Key::Account(person));
                self.touch(entity.clone());
                self.note_if_done(&entity, &shown);
            }
        }
        self.judge_due = true;
        self.drop_stale(&entity);
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
        let all: std::collections::BTreeMap<PersonId, ScimId> = seen.chain(held).collect();
        all.into_iter().collect()
    }

    fn try_later(&mut self, entity: &Entity, cleared: Option<&Cleared>, error: &ScimError) {
        let tries = self.tries.entry(entity.clone()).or_default();
        *tries += 1;
        if *tries >= TRIES_MAX {
            self.tries.remove(entity);
            return self.escrow(entity, cleared, &error.to_string());
        }
        let wait = Duration::from_secs(1 << *tries);
        self.queue.delay(entity, self.clock.elapsed() + wait);
    }

    fn on_members_failure(&mut self, key: GroupKey, people: People, adds: bool, error: &ScimError) {
        let form = if adds { self.addition_form() } else { self.removal_form() };
        self.proving.remove(&form);
        self.fresh_groups.remove(&key);
        let entities = people.iter().map(|(person, _)| Entity::Member(key.clone(), *person));
        let entities: Vec<Entity> = entities.collect();
        match error {
            ScimError::Throttled { .. } | ScimError::Refused { .. } | ScimError::NotScim { .. } => {
                self.target_failed(error);
                for entity in &entities {
                    self.queue.put_back(entity);
                }
            }
            ScimError::Unavailable { .. }
            | ScimError::NotSent { .. }
            | ScimError::Uncertain { .. } => {
                self.target_failed(error);
                if !matches!(error, ScimError::NotSent { .. }) {
                    self.doubted_groups.insert(key.clone());
                }
                for entity in &entities {
                    let cleared = self.queue.cleared(entity).cloned();
                    self.try_later(entity, cleared.as_ref(), error);
                }
            }
            _ if self.queue.halve_batch(&key, people.len()) => {
                for entity in &entities {
                    self.queue.put_back(entity);
                }
            }
            _ => {
                let words = error.to_string();
                self.read_backs.push((key, ReadBack::Refused { people, adds, words }));
                return;
            }
        }
        self.queue.release(&Entity::Group(key));
    }

    /// A look-up of an open create came back.
    pub(super) fn settle_account(&mut self, person: PersonId, found: Found, is_ours: bool) {
        let entity = Entity::Account(person);
        match found {
            Found::One(Candidate { id, attributes, .. }) if is_ours => {
                self.link_account(person, &id, Origin::Created, attributes, &Attributes::new());
            }
            Found::Absent => self.looked_up_in_vain(&entity),
            found => {
                self.unlink_account(person);
                self.survey.accounts.insert(person, found);
            }
        }
        self.touch(entity);
        self.judge_due = true;
    }

    /// As [`Engine::settle_account`], for a group. Its members are read next.
    pub(super) fn settle_group(&mut self, key: &GroupKey, found: Found, is_ours: bool) {
        let entity = Entity::Group(key.clone());
        match found {
            Found::One(Candidate { id, attributes, .. }) if is_ours => {
                self.link_group(key, &id, Origin::Created, attributes, &Attributes::new());
                self.queue.occupy(entity.clone());
                self.read_backs.push((key.clone(), ReadBack::before()));
            }
            Found::Absent => self.looked_up_in_vain(&entity),
            found => {
                self.unlink_group(key, false);
                self.survey.groups.insert(key.clone(), found);
            }
        }
        self.touch(entity);
        self.judge_due = true;
    }

    fn looked_up_in_vain(&mut self, entity: &Entity) {
        let now = self.clock.now();
        let link = match entity {
            Entity::Account(person) => {
                self.state.ledger.accounts.get_mut(person).map(|entry| &mut entry.link)
            }
            Entity::Group(key) => {
                self.state.ledger.groups.get_mut(key).map(|entry| &mut entry.link)
            }
            Entity::Member(..) => None,
        };
        let Some(Link::Pending(Intent { lookups, next, .. })) = link else { return };
        *lookups += 1;
        if let Some(wait) = Self::next_lookup(*lookups) {
            *next = now.plus(wait);
            self.state.mark(match entity {
                Entity::Account(person) => Key::Account(*person),
                Entity::Group(key) | Entity::Member(key, _) => Key::TargetGroup(key.clone()),
            });
        } else {
            self.forget_intent(entity);
            match entity {
                Entity::Account(person) => {
                    self.survey.accounts.insert(*person, Found::Absent);
                }
                Entity::Group(key) => {
                    self.survey.groups.insert(key.clone(), Found::Absent);
                }
                Entity::Member(..) => {}
            }
        }
    }

    /// The target refuses a create as a duplicate of something that it does not show.
    pub(super) fn hide(&mut self, entity: &Entity, words: &str) {
        match entity {
            Entity::Account(person) => drop(self.survey.accounts.insert(*person, Found::Absent)),
            Entity::Group(key) => drop(self.survey.groups.insert(key.clone(), Found::Absent)),
            Entity::Member(..) => {}
        }
        let reason = format!(
            "the target says that it exists already, but does not show it to us: {words}. Look for it \
             there, then retry"
        );
        self.pending_escrow.insert(entity.clone(), reason);
        self.touch(entity.clone());
    }

    /// Creates that were refused as duplicates go to escrow as soon as they are planned again.
    pub(super) fn put_hidden_in_escrow(&mut self) {
        for (entity, words) in std::mem::take(&mut self.pending_escrow) {
            if let Some(change) = self.planner.changes().get(&entity) {
                let digest = change.digest();
                self.put_in_escrow(&entity, digest, &words);
            }
        }
    }

    /// The change was made.
    fn done(&mut self, entity: &Entity, cleared: Option<&Cleared>) {
        if let Some(cleared) = cleared {
            self.record(cleared, None);
        }
        self.tries.remove(entity);
        if let Entity::Account(person) = entity {
            self.read_once.remove(person);
        }
        self.state.release_escrow(entity);
        self.queue.finish(entity);
        self.queue.release(entity);
    }

    fn done_by_queue(&mut self, entity: &Entity) {
        let cleared = self.queue.cleared(entity).cloned();
        if let Some(cleared) = &cleared {
            self.record(cleared, None);
        }
        self.tries.remove(entity);
        self.state.release_escrow(entity);
        self.queue.finish(entity);
    }

    /// The change waits apart from the rest.
    pub(super) fn escrow(&mut self, entity: &Entity, cleared: Option<&Cleared>, words: &str) {
        let Some(cleared) = cleared else { return self.queue.finish(entity) };
        self.record(cleared, Some(words));
        let digest = cleared.change().digest();
        self.put_in_escrow(entity, digest, words);
        self.queue.finish(entity);
    }

    pub(super) fn put_in_escrow(&mut self, entity: &Entity, change: ChangeDigest, words: &str) {
        let now = self.clock.now();
        let known = self.state.ledger.escrow.get(entity).filter(|known| known.change == change);
        let (since, attempts) = known.map_or((now, 0), |known| (known.since, known.attempts));
        let wait = ESCROW_FIRST.saturating_mul(1 << attempts.min(10)).min(ESCROW_MAX);
        let escrow = Escrow {
            reason: words.to_owned(),
            change,
            since,
            attempts: attempts + 1,
            next: now.plus(wait),
        };
        tracing::warn!(entity = ?entity, "stuck: {words}");
        self.state.ledger.escrow.insert(entity.clone(), escrow);
        self.state.mark(Key::Escrow(entity.clone()));
        self.judge_due = true;
    }

    pub(super) fn record(&mut self, cleared: &Cleared, refused: Option<&str>) {
        let change = cleared.change();
        let (meters, approved_by) = match cleared.clearance() {
            Clearance::Unasked { meters } => (meters.clone(), None),
            Clearance::Approved { by } => (Vec::new(), Some(by.to_string())),
        };
        match refused {
            None => *self.tally.done.entry(change.action.name()).or_default() += 1,
            Some(_) => self.tally.refused += 1,
        }
        let record = JournalRecord {
            at: self.clock.now(),
            entity: change.entity.clone(),
            action: change.action,
            digest: change.digest(),
            paths: change.after.keys().map(ToString::to_string).collect(),
            reason: change.reason.clone(),
            meters: if refused.is_some() { Vec::new() } else { meters },
            approved_by,
            refused: refused.map(str::to_owned),
        };
        self.state.journal_add(&record);
    }

    fn release(&mut self, sent: &Sent) {
        let entity = match sent {
            Sent::Create { person, .. }
            | Sent::Change { person, .. }
            | Sent::ReadAccount { person } => Entity::Account(*person),
            Sent::GroupCreate { key, .. }
            | Sent::GroupChange { key, .. }
            | Sent::GroupDelete { key }
            | Sent::Add { key, .. }
            | Sent::Remove { key, .. }
            | Sent::ReadBack { key, .. } => Entity::Group(key.clone()),
        };
        self.queue.release(&entity);
    }

    /// Who owns which resource of the target.
    pub(super) fn index_links(&mut self) {
        for (&person, entry) in &self.state.ledger.accounts {
            if let Some(id) = entry.link.managed() {
                self.accounts_by_id.insert(id.clone(), person);
            }
        }
        for (key, entry) in &self.state.ledger.groups {
            if let Some(id) = entry.link.managed() {
                self.groups_by_id.insert(id.clone(), key.clone());
            }
        }
    }
}

/// Where the target shows something other than what it confirmed.
fn answered(sent: &Attributes, shown: &Attributes) -> Attributes {
    let differs = sent.iter().filter_map(|(path, value)| {
        let shown = shown.get(path)?;
        (!same(path, value, shown)).then(|| (path.clone(), shown.clone()))
    });
    differs.collect()
}
