//! Links: what account or group of ours is which resource of the target, by what the target answered
//! or by what a look-up of an open create found.

use super::stranger::STRANGER;
use super::{ESCROW_FIRST, ESCROW_MAX, answered};
use crate::audit::DecisionKind;
use crate::core::model::{
    AttrPath, Attributes, Datum, Entity, GroupKey, Intent, Kind, Link, Origin, PersonId, ScimId,
};
use crate::core::survey::{Candidate, Found};
use crate::cycle::Engine;
use crate::cycle::apply::People;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;
use crate::cycle::trial::GONE;

/// What is recorded of a resource that the target shows under another id than before.
const MOVED: &str = "it is there under another id";

impl Engine {
    /// Links an account to what the target confirmed.
    pub(in crate::cycle) fn link_account(
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
        if let Some(before) = entry.link.managed().filter(|before| *before != id) {
            self.target.links.accounts.remove(before);
        }
        entry.link =
            if is_active { Link::Linked(id.clone()) } else { Link::Deactivated(id.clone()) };
        entry.origin = origin;
        entry.sent = sent;
        // Read to know an administrator; nothing that we keep true.
        entry.sent.remove(&AttrPath::roles());
        entry.sent.pack();
        let sent = &entry.sent;
        entry.doubted.retain(|path, _| !sent.contains_key(path));
        entry.answered.retain(|path, _| !shown.contains_key(path));
        entry.answered.extend(answered);
        self.end_absence(&Entity::Account(person));
        self.target.queue.wait_again(&Entity::Account(person));
        self.target.links.accounts.insert(id.clone(), person);
        let carried = shown.get(&AttrPath::external_id()).and_then(Datum::as_text);
        self.note_carried(Kind::Users, std::iter::once((id, carried)));
        self.forget_twin(&Entity::Account(person), id);
        self.target.survey.answers.accounts.remove(&person);
        self.target.look_for_claimants(&Entity::Account(person), id);
        self.state.mark(Key::Account(person));
        self.target.touch(Entity::Account(person));
    }

    /// The target has given the account another id. `false` where that is somebody else's.
    pub(in crate::cycle) fn move_account(&mut self, person: PersonId, id: &ScimId) -> bool {
        let Some(entry) = self.state.ledger.accounts.get_mut(&person) else { return false };
        let (Link::Linked(before) | Link::Deactivated(before)) = &mut entry.link else {
            return false;
        };
        if before == id {
            return true;
        }
        if self.target.links.accounts.contains_key(id) {
            return false;
        }
        let before = std::mem::replace(before, id.clone());
        self.target.links.accounts.remove(&before);
        self.target.links.accounts.insert(id.clone(), person);
        self.target.survey.answers.accounts.remove(&person);
        self.target.look_for_claimants(&Entity::Account(person), id);
        self.target.proof.on_moved(person, id);
        self.state.mark(Key::Account(person));
        self.note_moved(Entity::Account(person));
        true
    }

    /// As [`Engine::move_account`], for a group.
    pub(in crate::cycle) fn move_group(&mut self, key: &GroupKey, id: &ScimId) -> bool {
        let Some(entry) = self.state.ledger.groups.get_mut(key) else { return false };
        let (Link::Linked(before) | Link::Deactivated(before)) = &mut entry.link else {
            return false;
        };
        if before == id {
            return true;
        }
        if self.target.links.groups.contains_key(id) {
            return false;
        }
        let before = std::mem::replace(before, id.clone());
        self.target.links.groups.remove(&before);
        self.target.links.groups.insert(id.clone(), key.clone());
        self.target.survey.answers.groups.remove(key);
        self.target.look_for_claimants(&Entity::Group(key.clone()), id);
        self.state.mark(Key::TargetGroup(key.clone()));
        self.note_moved(Entity::Group(key.clone()));
        true
    }

    fn note_moved(&mut self, entity: Entity) {
        let logged = entity.logged(self.state.digests());
        tracing::warn!(
            entity = %logged,
            "the platform has given it another id; it carries ours, and is ours as before"
        );
        self.state.decide_on(DecisionKind::Settle, Some(entity.clone()), MOVED);
        // What was refused under the old id may go under the new one.
        let is_of = |other: &&Entity| match (&entity, other) {
            (Entity::Account(person), Entity::Member(_, of)) => of == person,
            (Entity::Group(key), Entity::Member(of, _)) => of == key,
            (one, other) => one == *other,
        };
        let stuck: Vec<Entity> = self.state.ledger.escrow.keys().filter(is_of).cloned().collect();
        for one in stuck {
            self.state.release_escrow(&one);
        }
        // Where one has another id, all may have.
        if !self.is_proving() {
            self.state.compare_by(self.clock.now());
        }
        self.target.touch(entity);
        self.target.planning.judge_due = true;
    }

    /// What we keep is not on the target any more, by two looks, and we have not taken it away.
    pub(in crate::cycle) fn lose(&mut self, entity: &Entity) {
        tracing::warn!(entity = %entity.logged(self.state.digests()), "drift: the platform does not have it any more");
        self.end_write(entity);
        let is_behind = self.target.refusals.attention.strangers.contains_key(entity);
        match entity {
            Entity::Account(person) => self.unlink_account(*person),
            Entity::Group(key) => self.unlink_group(key, true),
            Entity::Member(key, person) => self.state.drop_member(key, *person),
        }
        let why = if is_behind { STRANGER } else { GONE };
        self.state.decide_on(DecisionKind::Gone, Some(entity.clone()), why);
    }

    pub(in crate::cycle) fn unlink_account(&mut self, person: PersonId) {
        self.forget_drift(&Entity::Account(person));
        self.end_absence(&Entity::Account(person));
        self.forget_memberships(person);
        if let Some(entry) = self.state.ledger.accounts.get_mut(&person) {
            entry.link = match &entry.link {
                Link::Linked(id) | Link::Deactivated(id) => {
                    self.target.links.accounts.remove(id);
                    Link::Gone(id.clone())
                }
                _ => Link::Unlinked,
            };
            entry.sent.clear();
            entry.answered.clear();
            entry.doubted.clear();
            self.state.mark(Key::Account(person));
            self.target.touch(Entity::Account(person));
        }
    }

    /// An account that is not there is no member of anything.
    fn forget_memberships(&mut self, person: PersonId) {
        let groups: Vec<GroupKey> = self.state.ledger.groups_of(person).cloned().collect();
        for key in groups {
            self.state.drop_member(&key, person);
            self.target.touch(Entity::Member(key, person));
        }
    }

    pub(in crate::cycle) fn link_group(
        &mut self,
        key: &GroupKey,
        id: &ScimId,
        origin: Origin,
        sent: Attributes,
        shown: &Attributes,
    ) {
        let answered = answered(&sent, shown);
        self.target.note_known(key);
        self.target.refusals.attention.lag.note_linked(key, self.clock.elapsed());
        let entry = self.state.ledger.groups.entry(key.clone()).or_default();
        entry.link = Link::Linked(id.clone());
        entry.origin = origin;
        entry.sent = sent;
        entry.answered = answered;
        self.end_absence(&Entity::Group(key.clone()));
        self.target.queue.wait_again(&Entity::Group(key.clone()));
        self.target.links.groups.insert(id.clone(), key.clone());
        let carried = shown.get(&AttrPath::external_id()).and_then(Datum::as_text);
        self.note_carried(Kind::Groups, std::iter::once((id, carried)));
        self.forget_twin(&Entity::Group(key.clone()), id);
        self.target.survey.answers.groups.remove(key);
        self.target.look_for_claimants(&Entity::Group(key.clone()), id);
        self.state.mark(Key::TargetGroup(key.clone()));
        self.target.touch(Entity::Group(key.clone()));
    }

    pub(in crate::cycle) fn unlink_group(&mut self, key: &GroupKey, was_linked: bool) {
        self.forget_drift(&Entity::Group(key.clone()));
        self.end_absence(&Entity::Group(key.clone()));
        self.state.drop_members(key);
        if let Some(entry) = self.state.ledger.groups.get_mut(key) {
            entry.link = match &entry.link {
                Link::Linked(id) | Link::Deactivated(id) if was_linked => {
                    self.target.links.groups.remove(id);
                    Link::Gone(id.clone())
                }
                _ => Link::Unlinked,
            };
            entry.sent.clear();
            entry.answered.clear();
            self.state.mark(Key::TargetGroup(key.clone()));
            self.target.touch(Entity::Group(key.clone()));
        }
    }

    /// A look-up of an open create came back.
    pub(in crate::cycle) fn settle_account(
        &mut self,
        person: PersonId,
        found: Found,
        is_ours: bool,
    ) {
        let entity = Entity::Account(person);
        match found {
            Found::One(Candidate { id, attributes, .. }) if is_ours => {
                self.link_account(person, &id, Origin::Created, attributes, &Attributes::new());
                self.settle_create(&entity);
            }
            Found::Absent => self.looked_up_in_vain(&entity),
            Found::Unknown => self.doubt_create(&entity),
            found => {
                self.unlink_account(person);
                self.target.survey.answers.accounts.insert(person, found);
            }
        }
        self.target.touch(entity);
        self.target.planning.judge_due = true;
    }

    /// As [`Engine::settle_account`], for a group. Its members are read next.
    pub(in crate::cycle) fn settle_group(&mut self, key: &GroupKey, found: Found, is_ours: bool) {
        let entity = Entity::Group(key.clone());
        match found {
            Found::One(Candidate { id, attributes, .. }) if is_ours => {
                self.link_group(key, &id, Origin::Created, attributes, &Attributes::new());
                self.settle_create(&entity);
                self.read_members(key, People::new());
            }
            Found::Absent => self.looked_up_in_vain(&entity),
            Found::Unknown => self.doubt_create(&entity),
            found => {
                self.unlink_group(key, false);
                self.target.survey.answers.groups.insert(key.clone(), found);
            }
        }
        self.target.touch(entity);
        self.target.planning.judge_due = true;
    }

    /// The open create of an entity, about to be changed.
    fn intent_mut(&mut self, entity: &Entity) -> Option<&mut Intent> {
        let ledger = &mut self.state.ledger;
        let (link, key) = match entity {
            Entity::Account(person) => {
                (&mut ledger.accounts.get_mut(person)?.link, Key::Account(*person))
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                (&mut ledger.groups.get_mut(key)?.link, Key::TargetGroup(key.clone()))
            }
        };
        let Link::Pending(intent) = link else { return None };
        self.state.marked.insert(key);
        Some(intent)
    }

    fn looked_up_in_vain(&mut self, entity: &Entity) {
        let now = self.clock.now();
        // It can be looked up by now.
        self.target.look_again(entity);
        self.target.queue.wait_again(entity);
        if self.target.is_hidden(entity) {
            return self.doubt_create(entity);
        }
        let Some(Intent { lookups, next, .. }) = self.intent_mut(entity) else { return };
        *lookups += 1;
        if let Some(wait) = Self::next_lookup(*lookups) {
            *next = now.plus(wait);
            let at = *next;
            self.target.expect_answer(entity.clone(), at);
        } else {
            // Whoever is out is not made again: only the comparison tells of what the platform shows later.
            if matches!(entity, Entity::Account(person) if self.target.is_out(*person)) {
                self.state.compare_by(now.plus(self.timing.confirm_absence));
            }
            self.target.note_repeated(entity);
            self.forget_intent(entity);
            self.count_vain_create(entity);
            self.target.note_found(entity, Found::Absent);
        }
    }

    /// No look-up says whether an open create was made. It stays open, also for somebody who leaves meanwhile,
    /// and is looked up again after as long as that has not been known. Nobody waits for it.
    fn doubt_create(&mut self, entity: &Entity) {
        let now = self.clock.now();
        let Some(intent) = self.intent_mut(entity) else { return };
        let wait = now.since(intent.since).clamp(ESCROW_FIRST, ESCROW_MAX);
        intent.next = now.plus(wait);
        self.target.look_up_open(entity.clone(), wait);
        if self.note_doubted(entity) {
            tracing::warn!(
                target: "manntall::stuck",
                entity = %entity.logged(self.state.digests()),
                "stuck: a create was sent, and no look-up says whether it was made. It is not sent again before \
                 that is known, and looked up again ever more seldom; see: manntall stuck"
            );
        }
    }

    /// Whether that is new.
    fn note_doubted(&mut self, entity: &Entity) -> bool {
        let is_new = !self.is_create_doubted(entity);
        self.target.note_found(entity, Found::Unknown);
        self.target.queue.go_without(entity);
        is_new
    }

    pub(super) fn forget_intent(&mut self, entity: &Entity) {
        match entity {
            Entity::Account(person) => self.unlink_account(*person),
            Entity::Group(key) => self.unlink_group(key, false),
            Entity::Member(..) => {}
        }
    }

    /// Who owns which resource of the target, and whose create is open.
    pub(in crate::cycle) fn index_links(&mut self) {
        let mut open = Vec::new();
        for (&person, entry) in &self.state.ledger.accounts {
            if let Some(id) = entry.link.managed() {
                self.target.links.accounts.insert(id.clone(), person);
            } else if let Link::Pending(intent) = &entry.link {
                open.push((Entity::Account(person), intent.next));
            }
        }
        for (key, entry) in &self.state.ledger.groups {
            if let Some(id) = entry.link.managed() {
                self.target.links.groups.insert(id.clone(), key.clone());
            } else if let Link::Pending(intent) = &entry.link {
                open.push((Entity::Group(key.clone()), intent.next));
            }
        }
        for (entity, next) in open {
            self.target.expect_answer(entity, next);
        }
    }
}

impl TargetLoop {
    /// Whoever would have taken over what is the entity's now is looked up once more.
    fn look_for_claimants(&mut self, entity: &Entity, id: &ScimId) {
        for other in self.planning.planner.claimants(entity, id) {
            self.look_again(&other);
        }
    }

    fn note_found(&mut self, entity: &Entity, found: Found) {
        match entity {
            Entity::Account(person) => drop(self.survey.answers.accounts.insert(*person, found)),
            Entity::Group(key) => drop(self.survey.answers.groups.insert(key.clone(), found)),
            Entity::Member(..) => {}
        }
    }
}
