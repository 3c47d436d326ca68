//! Twins: what a comparison, or a look-up of somebody who left, finds beside the linked account or group: another
//! one that carries the same id of ours. It is noted until a whole listing is without it.

use std::collections::{BTreeMap, BTreeSet};

use super::Reading;
use crate::core::model::{AttrPath, Datum, Entity, Kind, Link, ObjectId, PersonId, ScimId, Twins};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::survey::{AllSeen, Seen};
use crate::scim::Told;

/// By the account or group of ours: what carries its id, and whether that is active.
pub(super) type Strangers = BTreeMap<Entity, BTreeMap<ScimId, Option<bool>>>;

/// What both listings of a comparison have brought.
#[derive(Default)]
pub(super) struct Found {
    strangers: Strangers,
    /// Whose listing was not whole: what it lacks may be there.
    short: BTreeSet<Kind>,
}

impl Engine {
    /// Something that is linked to nothing was listed.
    pub(super) fn note_stranger(
        &self,
        reading: &mut Reading,
        id: &ScimId,
        external_id: Option<&str>,
        active: Option<&Datum>,
    ) {
        let Some(external_id) = external_id.filter(|_| self.target.dialect.match_external_id)
        else {
            return;
        };
        let active = readable(active);
        for entity in self.carriers(reading.kind, external_id) {
            reading.strangers.entry(entity).or_default().insert(id.clone(), active);
        }
    }

    /// The linked accounts or groups of ours that carry this `externalId`.
    fn carriers(&self, kind: Kind, external_id: &str) -> Vec<Entity> {
        let ledger = &self.state.ledger;
        match kind {
            Kind::Users => {
                let Some(object) = ObjectId::parse(external_id) else { return Vec::new() };
                let people = self.state.mirrors.keys().map(|&source| PersonId { source, object });
                let is_linked = |one: &PersonId| {
                    ledger.accounts.get(one).is_some_and(|entry| entry.link.managed().is_some())
                };
                people.filter(is_linked).map(Entity::Account).collect()
            }
            Kind::Groups => {
                let keys = self.keys_of(external_id).into_iter();
                let linked = keys.filter(|key| {
                    ledger.groups.get(key).is_some_and(|entry| entry.link.managed().is_some())
                });
                linked.map(Entity::Group).collect()
            }
        }
    }

    /// A listing has ended. What is there in place of something that it lacks is no twin: it may be the same
    /// under another id.
    pub(super) fn find_twins(
        &mut self,
        mut strangers: Strangers,
        missing: &BTreeSet<ScimId>,
        (kind, told): (Kind, &Told),
    ) {
        strangers.retain(|entity, _| {
            let linked = self.link(entity).and_then(Link::managed);
            linked.is_some_and(|id| !missing.contains(id))
        });
        self.target.proof.twins.strangers.append(&mut strangers);
        if !told.is_whole() {
            tracing::info!("the listing of the comparison is not whole: {told}");
            self.target.proof.twins.short.insert(kind);
        }
    }

    /// The same of a listing that compares a state in doubt.
    pub(in crate::cycle) fn note_twins_among(&mut self, kind: Kind, seen: &AllSeen) {
        if !self.target.dialect.match_external_id {
            return;
        }
        let mut strangers = Strangers::new();
        for (id, one) in seen {
            let is_ours = match kind {
                Kind::Users => self.target.links.accounts.contains_key(id),
                Kind::Groups => self.target.links.groups.contains_key(id),
            };
            let Some(external_id) = one.external_id.as_deref().filter(|_| !is_ours) else {
                continue;
            };
            for entity in self.carriers(kind, external_id) {
                let is_met = self.link(&entity).and_then(Link::managed);
                if is_met.is_some_and(|linked| seen.contains_key(linked)) {
                    strangers.entry(entity).or_default().insert(id.clone(), activity(one));
                }
            }
        }
        for (entity, ids) in strangers {
            self.take_twins(&entity, ids);
        }
    }

    /// The comparison has ended.
    pub(super) fn note_twins(&mut self, found: Found) {
        let Found { mut strangers, short } = found;
        let known: Vec<Entity> = self.state.ledger.twins.keys().cloned().collect();
        for entity in known {
            let kind = match entity {
                Entity::Account(_) => Kind::Users,
                Entity::Group(_) | Entity::Member(..) => Kind::Groups,
            };
            if !short.contains(&kind) {
                strangers.entry(entity).or_default();
            }
        }
        for (entity, ids) in strangers {
            self.take_twins(&entity, ids);
        }
    }

    /// Notes what else carries the id of the entity, but for what is linked by now.
    pub(in crate::cycle) fn take_twins(
        &mut self,
        entity: &Entity,
        mut ids: BTreeMap<ScimId, Option<bool>>,
    ) {
        ids.retain(|id, _| match entity {
            Entity::Account(_) => !self.target.links.accounts.contains_key(id),
            Entity::Group(_) | Entity::Member(..) => !self.target.links.groups.contains_key(id),
        });
        let known = self.state.ledger.twins.get(entity);
        if known.map_or(ids.is_empty(), |known| known.ids == ids) {
            return;
        }
        let since = known.map_or(self.clock.now(), |known| known.since);
        if ids.is_empty() {
            self.state.ledger.twins.remove(entity);
        } else {
            if known.is_none() {
                tracing::warn!(
                    target: "manntall::stuck",
                    entity = %entity.logged(self.state.digests()),
                    "the platform has another one that carries the same externalId; see: manntall stuck"
                );
            }
            self.state.ledger.twins.insert(entity.clone(), Twins { since, ids });
        }
        self.state.mark(Key::Twins(entity.clone()));
        self.target.touch(entity.clone());
        self.target.planning.judge_due = true;
    }

    /// Of somebody who is out, only what carries their id counts, and one that may be active first: of several
    /// each has its turn.
    pub(in crate::cycle) fn keep_active(&mut self, person: PersonId, seen: &mut AllSeen) {
        let entity = Entity::Account(person);
        if !self.target.is_out(person) || self.is_pending(&entity) {
            return;
        }
        let carried = person.object.to_string();
        seen.retain(|id, seen| {
            !self.target.links.accounts.contains_key(id)
                && seen.external_id.as_ref() == Some(&carried)
        });
        let mut all: BTreeMap<_, _> =
            seen.iter().map(|(id, seen)| (id.clone(), activity(seen))).collect();
        let is_linked = self.link(&entity).is_some_and(|link| link.managed().is_some());
        if !is_linked && all.len() == 1 {
            // It is the only one.
            all.clear();
        }
        self.take_twins(&entity, all);
        let first = seen.iter().find(|(_, seen)| activity(seen) != Some(false));
        if let Some(first) = first.or(seen.iter().next()).map(|(id, _)| id.clone()) {
            seen.retain(|id, _| *id == first);
        }
    }

    /// Whether another one is known that carries the id of the entity.
    pub(in crate::cycle) fn has_twins(&self, entity: &Entity) -> bool {
        self.state.ledger.twins.contains_key(entity)
    }

    /// One of the twins is the linked one now.
    pub(in crate::cycle) fn forget_twin(&mut self, entity: &Entity, id: &ScimId) {
        let Some(twins) = self.state.ledger.twins.get(entity) else { return };
        let mut ids = twins.ids.clone();
        if ids.remove(id).is_some() {
            self.take_twins(entity, ids);
        }
    }
}

/// Whether an account that was seen is active, where that is told.
fn activity(seen: &Seen) -> Option<bool> {
    readable(seen.attributes.get(&AttrPath::active()))
}

fn readable(active: Option<&Datum>) -> Option<bool> {
    match active {
        Some(Datum::Bool(active)) => Some(*active),
        _ => None,
    }
}
