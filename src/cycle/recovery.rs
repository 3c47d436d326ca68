//! Recovery: what happens while the state is in doubt, because the store is older than its witness,
//! empty without reason, put back from a backup, or simply old.
//!
//! ```text
//! every tenant is read whole ─► one listing of the target ─► what is linked is compared ─► trusted
//! ```
//!
//! Meanwhile nothing is written but what needs no trust: an account is deactivated whose person Entra
//! says, in answer to a question of now, is disabled or deleted. Once the target has been compared while
//! a tenant still cannot be read, everything is written that takes nothing from anybody.
//!
//! Links are found again by `externalId`, which nobody but Manntall and Entra's own provisioning
//! writes, and are no adoptions, unless an adoption of just that waits or was rejected. Whoever matches by
//! name alone is adopted as at first contact.
//!
//! Who made an account inactive is not known of a state in doubt, whatever its ledger says: the order for it
//! may have come after the backup. So where Entra says that the person is entitled, it is taken for made
//! inactive by somebody else, and held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::records::Key;
use super::survey::Seen;
use super::target::TargetLoop;
use crate::core::derive::Entitlement;
use crate::core::judge::{Aspect, Guarded};
use crate::core::model::{
    AttrPath, Attributes, Datum, Entity, Kind, Link, ObjectId, Origin, PersonId, ScimId, SourceUser,
};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::graph::delta::Walk;

/// From Friday night to the night after Monday, and a clock that is put forward. What happened meanwhile is told
/// behind a delta link of that age, too.
const OLD_AFTER: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// How far the target has been compared.
#[derive(Default)]
pub(super) struct Comparison {
    /// Whether the listing was begun in this life.
    begun: bool,
    /// Whether users, and groups, were listed.
    listed: [bool; 2],
    /// What is read one by one, because the listing does not say enough.
    reads: BTreeSet<Entity>,
    /// Whom we have deactivated meanwhile: what was listed of them is older, and nobody else did it.
    deactivated: BTreeSet<PersonId>,
}

impl Comparison {
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Users are being listed. Groups come after them, since their members are known by their accounts.
    pub(super) fn lists_users(&self) -> bool {
        self.begun && !self.listed[0]
    }

    /// Whether the groups are to be listed now.
    pub(super) fn wants_groups(&self) -> bool {
        self.listed == [true, false]
    }

    /// We have deactivated the account of a person.
    pub(super) fn note_deactivated(&mut self, person: PersonId) {
        self.deactivated.insert(person);
    }

    fn is_done(&self) -> bool {
        self.listed == [true; 2] && self.reads.is_empty()
    }
}

impl Engine {
    /// A state that nobody has kept true for long is as good as an old backup, and may be one. A timer that
    /// starts a sync every night, or every working day, keeps it true.
    pub(super) fn doubt_what_is_old(&mut self) {
        let now = self.clock.now();
        let most = self.timing.full_compare.max(OLD_AFTER);
        let is_old = |at: &crate::core::model::Timestamp| now.since(*at) > most;
        if self.state.recovery.is_none()
            && let Some(at) = self.state.report.as_ref().map(|report| report.at).filter(is_old)
        {
            let why = format!("nothing was done since {at}: the state is old, or an old copy");
            self.state.enter_recovery(now, &why);
        }
        if let Some(recovery) = &self.state.recovery {
            tracing::warn!(
                since = %recovery.since,
                "the state is in doubt: {}. Everything is read and compared on both sides; until then \
                 only people whom Entra shows as disabled or deleted are deactivated. How far it is: manntall \
                 status",
                recovery.why
            );
        }
    }

    /// Whether a complete read of this kind has ended since the doubt began.
    pub(super) fn is_read(&self, source: crate::core::model::SourceName, kind: Kind) -> bool {
        self.state.recovery.is_none()
            || self.state.walks.get(&(source, kind)).is_some_and(Walk::is_trusted)
    }

    fn is_all_read(&self) -> bool {
        self.sources.lanes.keys().all(|&(source, kind)| self.is_read(source, kind))
    }

    /// Whether the target is to be listed now: once, when every tenant has been read, but for those
    /// that cannot be.
    pub(super) fn may_compare(&self) -> bool {
        let fails = |key| self.sources.troubles.contains_key(key);
        self.state.recovery.is_some()
            && !self.target.comparison.begun
            && self.sources.lanes.keys().all(|key| self.is_read(key.0, key.1) || fails(key))
    }

    /// Whether nothing is in doubt any more, as far as the peers answer.
    pub(super) fn is_compared(&self) -> bool {
        self.state.recovery.is_none()
            || self.target.health.trouble.is_some()
            || (self.target.comparison.is_done() && !self.sources.troubles.is_empty())
    }

    /// Ends the doubt when both sides have been read and compared.
    pub(super) fn end_recovery(&mut self) {
        if self.state.recovery.is_none() {
            return;
        }
        let mut reads = std::mem::take(&mut self.target.comparison.reads);
        reads.retain(|one| self.target.queue.is_busy(one));
        let (vain, reads): (BTreeSet<_>, _) =
            reads.into_iter().partition(|one| self.target.is_read_in_vain(one));
        self.target.comparison.reads = reads;
        self.keep_in_doubt(vain);
        if !self.target.comparison.is_done() || !self.is_all_read() {
            return;
        }
        // Whoever was told of last is judged by what Entra says now.
        self.plan();
        self.state.leave_recovery();
        self.prove_by_recovery();
        self.disown_deactivations();
        self.target.comparison = Comparison::default();
        self.target.planning.judge_due = true;
        tracing::info!("the state has been compared with both sides and is trusted again");
    }

    /// Nobody waits for what could not be read so often. What the ledger says of it is in doubt all the same until it
    /// is read, by the next process too.
    fn keep_in_doubt(&mut self, vain: BTreeSet<Entity>) {
        for entity in vain {
            if !self.state.ledger.doubts.contains_key(&entity) {
                self.begin_write(entity, Action::Update, []);
            }
        }
    }

    /// What the ledger says of deactivations is no better than the rest.
    fn disown_deactivations(&mut self) {
        let accounts = self.state.ledger.accounts.iter();
        let inactive = accounts.filter(|(person, entry)| {
            matches!(entry.link, Link::Deactivated(_))
                && !self.target.comparison.deactivated.contains(person)
        });
        for person in inactive.map(|(&person, _)| person).collect::<Vec<_>>() {
            self.disown(person);
        }
    }

    /// An account that is found inactive although its person is entitled was not made so by us, as far as is
    /// known.
    pub(super) fn disown(&mut self, person: PersonId) {
        if matches!(
            self.target.planning.planner.entitlements().get(&person),
            Some(Entitlement::Out(_))
        ) {
            return;
        }
        let Some(entry) = self.state.ledger.accounts.get_mut(&person) else { return };
        let Link::Deactivated(id) = &entry.link else { return };
        entry.link = Link::Linked(id.clone());
        entry.sent.insert(AttrPath::active(), Datum::Bool(false));
        entry.answered.remove(&AttrPath::active());
        // Who was not to come back is not activated either, whoever made the account inactive.
        let of = |aspect| Guarded::Of { entity: Entity::Account(person), aspect };
        let activation = of(Aspect::Value(AttrPath::active()));
        let shown = ChangeDigest::of(&Datum::Bool(true));
        self.state.pass_on_rejection(&of(Aspect::Return), (&activation, shown));
        let shown = [(AttrPath::active(), Datum::Bool(false))].into();
        self.note_drift(Entity::Account(person), shown);
    }

    /// Whether the adoption of what carries our id waits for a decision, or was rejected.
    fn is_adoption_open(&self, entity: Entity) -> bool {
        let adoption = Guarded::Of { entity, aspect: Aspect::Adoption };
        let held = self.state.held.iter().map(|held| &held.claims);
        let rejected = self.state.rejections.iter().map(|rejection| &rejection.claims);
        held.chain(rejected).any(|claims| claims.contains_key(&adoption))
    }

    /// Whether the doubt forbids the change.
    pub(super) fn is_doubtful(&self, change: &Change) -> bool {
        if self.state.recovery.is_none() {
            return false;
        }
        let leaves = |entity: &Entity| match entity {
            Entity::Account(person) => {
                self.target
                    .planning
                    .planner
                    .changes()
                    .get(entity)
                    .is_some_and(|c| c.action == Action::Deactivate)
                    && (self.is_certain_leaver(*person)
                        || self.state.ledger.by_hand.contains_key(person))
            }
            Entity::Group(_) | Entity::Member(..) => false,
        };
        !(leaves(&change.entity)
            || change.leaders().any(|leader| leaves(&leader))
            || (self.target.comparison.is_done() && gives(change)))
    }

    /// Whether Entra itself says that the person is gone or may not log in.
    pub(super) fn is_certain_leaver(&self, person: PersonId) -> bool {
        let mirror = self.state.mirrors.get(&person.source);
        let user = mirror.and_then(|mirror| mirror.users.get(&person.object));
        user.is_some_and(SourceUser::is_certain_leaver)
    }

    /// Compares the accounts of the target with the ledger, and links again what carries our id.
    pub(super) fn compare_users(&mut self, users: &BTreeMap<ScimId, Seen>) {
        if self.state.recovery.is_none() {
            return;
        }
        for seen in users.values() {
            self.state.note_active(&seen.attributes);
        }
        let ours = self.target.by_object(users);
        let linked: Vec<(PersonId, ScimId)> = self
            .state
            .ledger
            .accounts
            .iter()
            .filter_map(|(&person, entry)| Some((person, entry.link.managed()?.clone())))
            .collect();
        for (person, id) in linked {
            match users.get(&id) {
                Some(_) if self.target.comparison.deactivated.contains(&person) => {}
                Some(seen) if !self.is_another(person, seen) => self.take_as_shown(person, seen),
                Some(_) => self.unlink_account(person),
                // A listing proves no absence: the account is asked for by its id.
                None => self.read_account(person),
            }
        }
        for (object, id) in ours {
            if self.target.links.accounts.contains_key(&id) {
                continue;
            }
            if let Some(person) = self.owner(object)
                && !self.is_adoption_open(Entity::Account(person))
                && let Some(seen) = users.get(&id)
            {
                self.link_again(person, &id, &seen.attributes);
            }
        }
        self.note_twins_among(Kind::Users, users);
        self.target.comparison.listed[0] = true;
    }

    /// Compares the groups of the target with the ledger; their members are read one by one.
    pub(super) fn compare_groups(
        &mut self,
        groups: &BTreeMap<ScimId, Seen>,
        wanted: &BTreeSet<Entity>,
    ) {
        if self.state.recovery.is_none() {
            return;
        }
        let mut by_external_id: BTreeMap<&str, Vec<&ScimId>> = BTreeMap::new();
        for (id, seen) in groups {
            if let Some(external_id) = seen.external_id.as_deref() {
                by_external_id.entry(external_id).or_default().push(id);
            }
        }
        let mut keys: BTreeSet<_> = self.state.ledger.groups.keys().cloned().collect();
        keys.extend(wanted.iter().filter_map(|entity| match entity {
            Entity::Group(key) => Some(key.clone()),
            Entity::Account(_) | Entity::Member(..) => None,
        }));
        for key in keys {
            let entry = self.state.ledger.groups.get(&key);
            let link = entry.and_then(|entry| entry.link.managed()).cloned();
            let origin = entry.map_or(Origin::Adopted, |entry| entry.origin);
            let origin_of_found = |id: &ScimId| match entry.map(|entry| &entry.link) {
                // What a create of ours was under way for is what it made.
                Some(Link::Pending(_)) => Origin::Created,
                // What we made and released is ours again, not somebody else's.
                Some(Link::Released(released)) if released == id => origin,
                _ => Origin::Adopted,
            };
            let found = by_external_id.get(key.external_id().as_str());
            let found = found.filter(|_| {
                self.target.dialect.match_external_id
                    && !self.is_adoption_open(Entity::Group(key.clone()))
            });
            let shown = link.as_ref().and_then(|id| Some((id, groups.get(id)?)));
            let entity = Entity::Group(key.clone());
            let shown = shown.filter(|(_, seen)| !self.is_seen_as_another(&entity, seen));
            match (shown, found.map(Vec::as_slice)) {
                (Some((id, seen)), _) => {
                    self.link_group(&key, id, origin, seen.attributes.clone(), &Attributes::new());
                }
                (None, Some(&[id])) if !self.target.links.groups.contains_key(id) => {
                    let attributes = groups.get(id).map(|seen| seen.attributes.clone());
                    let attributes = attributes.unwrap_or_default();
                    let origin = origin_of_found(id);
                    self.link_group(&key, id, origin, attributes, &Attributes::new());
                }
                (None, _) if link.is_some() => {}
                (None, _) => continue,
            }
            self.target.read_for_comparison(Entity::Group(key));
        }
        self.note_twins_among(Kind::Groups, groups);
        self.target.comparison.listed[1] = true;
    }

    /// The person without an account whose account this must be: somebody who should have one, or who
    /// certainly should not. Of people who are merely out of scope it cannot be said whether the account
    /// was ever ours.
    pub(super) fn owner(&self, object: ObjectId) -> Option<PersonId> {
        let people = self.state.mirrors.keys().map(|&source| PersonId { source, object });
        let mut owners = people.filter(|&person| {
            let entry = self.state.ledger.accounts.get(&person);
            let is_free = entry.is_none_or(|entry| {
                !matches!(entry.link, Link::Linked(_) | Link::Deactivated(_) | Link::Released(_))
            });
            is_free
                && match self.target.planning.planner.entitlements().get(&person) {
                    Some(Entitlement::In) => true,
                    Some(Entitlement::Out(_)) => self.is_certain_leaver(person),
                    Some(Entitlement::Unknown(_)) | None => false,
                }
        });
        owners.next().filter(|_| owners.next().is_none())
    }

    /// Whether the account that we take for this person's carries the id of somebody else.
    fn is_another(&self, person: PersonId, seen: &Seen) -> bool {
        let carried = seen.external_id.as_deref().and_then(ObjectId::parse);
        carried.is_some_and(|object| {
            object != person.object
                && self.state.mirrors.values().any(|mirror| mirror.users.contains_key(&object))
        })
    }

    /// Takes what the target shows of a linked account for what it holds.
    fn take_as_shown(&mut self, person: PersonId, seen: &Seen) {
        if self.is_seen_as_another(&Entity::Account(person), seen) {
            // What has moved is found by our id, or by the read.
            return self.read_account(person);
        }
        let Some(entry) = self.state.ledger.accounts.get_mut(&person) else { return };
        let Some(id) = entry.link.managed().cloned() else { return };
        let before = entry.clone();
        entry.link = match seen.attributes.get(&AttrPath::active()) {
            Some(Datum::Bool(true)) => Link::Linked(id),
            Some(Datum::Bool(false)) => Link::Deactivated(id),
            _ => before.link.clone(),
        };
        for (path, shown) in &seen.attributes {
            // Where the target is known to answer something else than it was sent, it still does.
            if before.answered.get(path) != Some(shown) {
                entry.sent.insert(path.clone(), shown.clone());
                entry.answered.remove(path);
            }
        }
        if *entry != before {
            self.state.mark(Key::Account(person));
            self.target.touch(Entity::Account(person));
        }
    }

    fn link_again(&mut self, person: PersonId, id: &ScimId, shown: &Attributes) {
        let entry = self.state.ledger.accounts.get(&person);
        let is_made = entry.is_some_and(|entry| matches!(entry.link, Link::Pending(_)));
        let origin = if is_made { Origin::Created } else { Origin::Adopted };
        self.link_account(person, id, origin, shown.clone(), &Attributes::new());
    }

    fn read_account(&mut self, person: PersonId) {
        let entry = self.state.ledger.accounts.get(&person);
        if entry.is_some_and(|entry| entry.link.managed().is_some()) {
            let entity = Entity::Account(person);
            self.begin_read(entity.clone(), self.target.managed_paths());
            self.target.read_for_comparison(entity);
        }
    }
}

impl TargetLoop {
    /// The accounts that carry an object id which no other account carries.
    pub(super) fn by_object(&self, users: &BTreeMap<ScimId, Seen>) -> BTreeMap<ObjectId, ScimId> {
        let mut found: BTreeMap<ObjectId, Option<ScimId>> = BTreeMap::new();
        if !self.dialect.match_external_id {
            return BTreeMap::new();
        }
        for (id, seen) in users {
            if let Some(object) = seen.external_id.as_deref().and_then(ObjectId::parse) {
                found.entry(object).and_modify(|one| *one = None).or_insert(Some(id.clone()));
            }
        }
        found.into_iter().filter_map(|(object, id)| Some((object, id?))).collect()
    }

    fn read_for_comparison(&mut self, entity: Entity) {
        if !self.queue.is_busy(&entity) {
            self.queue.occupy(entity.clone());
            self.reads.later.insert(entity.clone(), Duration::ZERO);
        }
        self.comparison.reads.insert(entity);
    }
}

/// Whether the change takes nothing from anybody, nor gives anybody access back.
fn gives(change: &Change) -> bool {
    match change.action {
        Action::Create
        | Action::Adopt
        | Action::GroupCreate
        | Action::GroupAdopt
        | Action::GroupUpdate
        | Action::MemberAdd => true,
        Action::Update => !change.after.values().any(
            |wanted| matches!(wanted, crate::core::model::Wanted::Value(v) if v.is_unassigned()),
        ),
        // Who deactivated the account is not known before the doubt is over.
        Action::Reactivate
        | Action::Deactivate
        | Action::Delete
        | Action::GroupDelete
        | Action::MemberRemove => false,
    }
}
