//! People: what a comparison says about persons rather than about values. Read back from the platform: is
//! everybody out who should be, and is nobody missing?

use std::collections::{BTreeMap, BTreeSet};

use super::{LOOKUPS_MAX, ProofRun, Reading, Shown, account_difference};
use crate::core::derive::Entitlement;
use crate::core::model::{
    AttrPath, Attributes, Datum, Drift, Entity, Kind, Link, ObjectId, PersonId, ScimId,
};
use crate::core::report;
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::survey::{AllSeen, Seen};
use crate::cycle::target::TargetLoop;
use crate::scim::UserResource;

/// Whom a comparison has met.
#[derive(Default)]
pub(super) struct Met {
    /// Whose account was shown as active.
    active: BTreeSet<PersonId>,
    /// Whose account was shown without saying readably whether it is active.
    untold: BTreeSet<PersonId>,
    /// Who left, and has an active account by our id that we do not know as theirs.
    stray: BTreeSet<PersonId>,
    /// Whose account was written to meanwhile: what was shown of it says nothing.
    pub(super) written: BTreeSet<PersonId>,
    /// Of how many that the listing lacked nobody knows what became.
    pub(super) unread: usize,
    found: Option<Found>,
}

struct Found {
    leavers: BTreeSet<PersonId>,
    /// How many who should be out have an account that does not say whether it is active.
    untold: usize,
    /// With the account that they had by then.
    missing: BTreeMap<PersonId, Option<ScimId>>,
}

impl ProofRun {
    /// The account is there under another id than the one that the listing lacked.
    pub(in crate::cycle) fn on_moved(&mut self, person: PersonId, id: &ScimId) {
        let found = self.met.found.as_mut();
        if let Some(had) = found.and_then(|found| found.missing.get_mut(&person)) {
            *had = Some(id.clone());
        }
    }
}

impl Met {
    /// Takes in what an account says of itself.
    pub(super) fn note(&mut self, person: PersonId, active: Option<&Datum>) {
        match active {
            Some(Datum::Bool(true)) => drop(self.active.insert(person)),
            Some(Datum::Bool(false)) => {}
            _ => drop(self.untold.insert(person)),
        }
    }
}

impl Engine {
    /// What was ours and is said to be gone.
    pub(super) fn gone(&self, kind: Kind) -> BTreeMap<ScimId, Entity> {
        let ledger = &self.state.ledger;
        let gone = |link: &Link, entity: Entity| match link {
            Link::Gone(id) => Some((id.clone(), entity)),
            _ => None,
        };
        match kind {
            Kind::Users => {
                let accounts = ledger.accounts.iter();
                accounts.filter_map(|(&one, it)| gone(&it.link, Entity::Account(one))).collect()
            }
            Kind::Groups => {
                let groups = ledger.groups.iter();
                groups.filter_map(|(one, it)| gone(&it.link, Entity::Group(one.clone()))).collect()
            }
        }
    }

    /// Whether another one is shown under an id of ours. What is being written to is left out.
    pub(super) fn is_behind(&self, reading: &Reading, shown: &Shown) -> bool {
        let entity = match reading.kind {
            Kind::Users => self.target.links.accounts.get(&shown.id).copied().map(Entity::Account),
            Kind::Groups => self.target.links.groups.get(&shown.id).cloned().map(Entity::Group),
        };
        entity.is_some_and(|entity| {
            !shown.is_garbled
                && !reading.moving.contains(&entity)
                && self.is_stranger(&entity, shown.external_id.as_deref(), &shown.attributes)
        })
    }

    /// Something that is linked to nothing of ours is there: it may have been thought gone, or be the
    /// account of somebody who left.
    pub(super) fn meet_unlinked(
        &mut self,
        reading: &mut Reading,
        id: ScimId,
        external_id: Option<String>,
        attributes: Attributes,
    ) {
        let active = attributes.get(&AttrPath::active()).cloned();
        self.note_stranger(reading, &id, external_id.as_deref(), active.as_ref());
        let gone = reading.gone.remove(&id);
        let object = external_id.as_deref().and_then(ObjectId::parse);
        if let Some(entity) = gone {
            let seen = AllSeen::from([(id, Seen::found(external_id, attributes))]);
            if self.find_again(&entity, &seen) {
                if let Entity::Account(person) = entity {
                    self.target.proof.met.note(person, active.as_ref());
                }
                return;
            }
        }
        let Some(object) = object.filter(|_| self.target.dialect.match_external_id) else { return };
        let people = self.state.mirrors.keys().map(|&source| PersonId { source, object });
        for person in people.filter(|one| self.has_left(*one)).collect::<Vec<_>>() {
            if active == Some(Datum::Bool(false)) {
                continue;
            }
            self.target.proof.met.stray.insert(person);
            self.target.survey.answers.accounts.remove(&person);
            self.target.survey.run.ask(Entity::Account(person));
        }
    }

    /// Whether the person is to have no account: somebody who certainly left, or who had one of ours.
    fn has_left(&self, person: PersonId) -> bool {
        let entry = self.state.ledger.accounts.get(&person);
        let was_ours = entry.is_some_and(|entry| !matches!(entry.link, Link::Released(_)));
        self.target.is_out(person) && (was_ours || self.is_certain_leaver(person))
    }

    /// Who left and whose account is said to be gone is looked up each time: nobody else would ever ask.
    pub(super) fn ask_for_gone(&mut self, gone: BTreeMap<ScimId, Entity>) {
        let left = gone.into_values().filter(|entity| match entity {
            Entity::Account(person) => self.has_left(*person),
            Entity::Group(_) | Entity::Member(..) => false,
        });
        for entity in left.take(LOOKUPS_MAX).collect::<Vec<_>>() {
            self.target.survey.run.ask(entity);
        }
    }

    /// All users were listed.
    pub(super) fn count_people(&mut self) {
        let entitlements = self.target.planning.planner.entitlements();
        let met = &self.target.proof.met;
        let is_leaver = |person: &PersonId| {
            matches!(entitlements.get(person), Some(Entitlement::Out(_)) | None)
        };
        let active = met.active.difference(&met.written).filter(|one| is_leaver(one));
        let leavers = active.chain(met.stray.difference(&met.written)).copied().collect();
        let untold = met.untold.iter().filter(|one| is_leaver(one)).count();
        let entitled = entitlements.iter().filter(|(_, standing)| **standing == Entitlement::In);
        let missing = entitled.map(|(person, _)| *person);
        let is_met = |one: &PersonId| {
            [&met.active, &met.untold, &met.written].iter().any(|it| it.contains(one))
        };
        let missing = missing.filter(|one| !is_met(one));
        let missing = missing.map(|person| (person, self.active_id(person).cloned()));
        let missing = missing.collect();
        self.target.proof.met.found = Some(Found { leavers, untold, missing });
    }

    /// An account that the listing lacked was read by its id.
    pub(in crate::cycle) fn compare_account(&mut self, person: PersonId, user: &UserResource) {
        let shown = user.attributes(self.target.read_paths(Kind::Users).iter());
        self.target.meet_late(person, shown.get(&AttrPath::active()));
        let Some(entry) = self.state.ledger.accounts.get(&person) else { return };
        let mut differs = account_difference(entry, &shown);
        // One answer is not enough to say that the target shows an attribute at all.
        differs.retain(|_, value| !value.is_unassigned());
        let entity = Entity::Account(person);
        if differs.is_empty() {
            self.end_drift(&entity, &shown);
        } else {
            self.note_drift(entity, differs);
        }
    }

    /// The target holds what it last confirmed. Where that is no more than that somebody who should be out is
    /// active in spite of its word, its word is no better than before.
    pub(super) fn end_drift(&mut self, entity: &Entity, shown: &Attributes) {
        let drift = self.state.ledger.drift.get(entity);
        let is_active = shown.get(&AttrPath::active()) != Some(&Datum::Bool(false));
        if let Entity::Account(person) = entity
            && drift.is_some_and(Drift::is_activated)
            && is_active
            && self.target.is_out(*person)
        {
            return;
        }
        self.forget_drift(entity);
    }

    /// The target holds what it should.
    pub(in crate::cycle) fn forget_drift(&mut self, entity: &Entity) {
        if self.state.ledger.drift.remove(entity).is_some() {
            self.state.mark(Key::Drift(entity.clone()));
            self.target.touch(entity.clone());
        }
    }

    /// The comparison has ended, and who the listing lacked was asked for.
    pub(super) fn note_people(&mut self, met: Met, asked: &BTreeSet<Entity>) {
        let Some(Found { mut leavers, untold, mut missing }) = met.found else { return };
        // What was shown of them says nothing, and what was written has not put them out.
        let is_active =
            |person: &&PersonId| self.target.is_out(**person) && self.active_id(**person).is_some();
        leavers.extend(met.written.iter().filter(is_active));
        if met.unread > 0 {
            tracing::warn!(
                unread = met.unread,
                "the platform was not read whole: nothing is said of who is out and who is missing"
            );
            return;
        }
        missing.retain(|person, had| {
            let entity = Entity::Account(*person);
            let is_there = had.is_some()
                && self.active_id(*person) == had.as_ref()
                && !self.state.ledger.absent.contains_key(&entity);
            !(is_there && asked.contains(&entity))
        });
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let is_unseen = |entity: &&Entity| match entity {
            Entity::Account(person) => {
                self.target.is_out(*person) && self.active_id(*person).is_some()
            }
            Entity::Group(_) | Entity::Member(..) => false,
        };
        let unseen = count(self.state.ledger.absent.keys().filter(is_unseen).count());
        let (leavers, missing) = (count(leavers.len()), count(missing.len()));
        let (untold, at) = (count(untold), self.clock.now());
        let before = self.state.proven.and_then(|proof| proof.clean_since);
        let is_clean = leavers == 0 && missing == 0 && unseen == 0;
        let clean_since = is_clean.then(|| before.unwrap_or(at));
        if clean_since.is_none() {
            tracing::warn!(
                leavers,
                missing,
                unseen,
                "the platform was read whole: {leavers} who left are active there, {missing} who should \
                 have an active account have none, and of {unseen} who left the account was not found. What can be done is planned; see: manntall plan, manntall \
                 stuck"
            );
        }
        self.state.proven =
            Some(report::Proof { at, leavers, missing, unseen, untold, clean_since });
        self.state.mark(Key::Proven);
    }

    fn active_id(&self, person: PersonId) -> Option<&ScimId> {
        match &self.state.ledger.accounts.get(&person)?.link {
            Link::Linked(id) => Some(id),
            _ => None,
        }
    }
}

impl TargetLoop {
    /// Whether the person is to have no active account.
    pub(in crate::cycle) fn is_out(&self, person: PersonId) -> bool {
        matches!(
            self.planning.planner.entitlements().get(&person),
            Some(Entitlement::Out(_)) | None
        )
    }

    /// What a listing lacked was read by its id.
    fn meet_late(&mut self, person: PersonId, active: Option<&Datum>) {
        let is_leaver = self.is_out(person);
        if let Some(found) = &mut self.proof.met.found
            && is_leaver
            && active == Some(&Datum::Bool(true))
        {
            found.leavers.insert(person);
        }
    }
}
