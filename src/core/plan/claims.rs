//! Claims: who would take over which resource of the target. What several of ours would take over, because they go by
//! one name there, is taken over by none of them: each of them would give it another content, and whoever left would
//! take it from the others.

use std::collections::{BTreeMap, BTreeSet};

use super::planner::{Planner, Roster};
use super::{adoption, twins};
use crate::core::derive::{Entitlement, GroupStanding};
use crate::core::model::{Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::ownership;
use crate::core::survey::{Candidate, Found};

/// Who claims what, of accounts or of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims<E> {
    by: BTreeMap<E, BTreeSet<ScimId>>,
    on: BTreeMap<ScimId, BTreeSet<E>>,
}

impl<E> Default for Claims<E> {
    fn default() -> Self {
        Self { by: BTreeMap::new(), on: BTreeMap::new() }
    }
}

impl<E: Ord + Clone> Claims<E> {
    fn put(&mut self, entity: &E, claimed: BTreeSet<ScimId>) {
        for before in self.by.remove(entity).unwrap_or_default() {
            if let Some(claimants) = self.on.get_mut(&before) {
                claimants.remove(entity);
                if claimants.is_empty() {
                    self.on.remove(&before);
                }
            }
        }
        for id in &claimed {
            self.on.entry(id.clone()).or_default().insert(entity.clone());
        }
        if !claimed.is_empty() {
            self.by.insert(entity.clone(), claimed);
        }
    }

    /// Who claims what one of these claimed, or what is found for one of them now.
    fn rivals<'a>(
        &'a self,
        entities: &'a BTreeSet<E>,
        found: impl Fn(&E) -> Option<&'a Found>,
    ) -> BTreeSet<&'a E> {
        let claimed = entities.iter().filter_map(|entity| self.by.get(entity)).flatten().cloned();
        let found = entities.iter().flat_map(|entity| ids(found(entity)));
        let ids: BTreeSet<ScimId> = claimed.chain(found).collect();
        ids.iter().filter_map(|id| self.on.get(id)).flatten().collect()
    }

    fn others(&self, entity: &E, id: &ScimId) -> usize {
        self.on.get(id).map_or(0, |all| all.len() - usize::from(all.contains(entity)))
    }
}

impl Planner {
    /// Whoever claims what one of these people claimed, or may claim now.
    pub(super) fn rivals_of_people(
        &self,
        roster: &Roster<'_>,
        people: &BTreeSet<PersonId>,
    ) -> Vec<PersonId> {
        let found = |person: &PersonId| roster.survey.accounts.get(person);
        self.account_claims.rivals(people, found).into_iter().copied().collect()
    }

    /// The same of groups.
    pub(super) fn rivals_of_groups(
        &self,
        roster: &Roster<'_>,
        groups: &BTreeSet<GroupKey>,
    ) -> Vec<GroupKey> {
        let found = |key: &GroupKey| roster.survey.groups.get(key);
        self.group_claims.rivals(groups, found).into_iter().cloned().collect()
    }

    /// Notes what the person would take over, or may take over by what is known.
    pub(super) fn claim_account(&mut self, roster: &Roster<'_>, person: PersonId) {
        let Roster { policy, ledger, survey, .. } = *roster;
        let link = ledger.accounts.get(&person).map(|entry| &entry.link);
        let may_be_in = matches!(
            self.entitlements.get(&person),
            Some(Entitlement::In | Entitlement::Unknown(_))
        );
        let claims = may_be_in
            && !link.is_some_and(is_held)
            && ownership::left_alone(person, policy, ledger, survey).is_none();
        let found = survey.accounts.get(&person).filter(|_| claims);
        self.account_claims.put(&person, ids(found));
    }

    /// The same of a group.
    pub(super) fn claim_group(&mut self, roster: &Roster<'_>, key: &GroupKey) {
        let standing = self.groups.get(key).map(|group| &group.standing);
        let link = roster.ledger.groups.get(key).map(|entry| &entry.link);
        let may_be_wanted =
            matches!(standing, Some(GroupStanding::Wanted { .. } | GroupStanding::Unknown(_)));
        let claims = may_be_wanted && !link.is_some_and(is_held);
        let found = roster.survey.groups.get(key).filter(|_| claims);
        self.group_claims.put(key, ids(found));
    }

    /// Why the entity does not take over what was found for it: others of ours would, too. What carries its id is its
    /// own all the same.
    pub(super) fn contest(&self, entity: &Entity, found: &Candidate) -> Option<String> {
        let others = match entity {
            Entity::Account(person) => self.account_claims.others(person, &found.id),
            Entity::Group(key) => self.group_claims.others(key, &found.id),
            Entity::Member(..) => 0,
        };
        let is_its_own = adoption::is_its_own(entity, &found.attributes);
        (others > 0 && !is_its_own).then(|| twins::contested(entity, &found.id, others))
    }

    /// Who else would take over this resource, which has become the entity's.
    pub fn claimants(&self, entity: &Entity, id: &ScimId) -> Vec<Entity> {
        match entity {
            Entity::Account(person) => {
                let others = self.account_claims.on.get(id).into_iter().flatten();
                others.filter(|one| *one != person).copied().map(Entity::Account).collect()
            }
            Entity::Group(key) => {
                let others = self.group_claims.on.get(id).into_iter().flatten();
                others.filter(|one| *one != key).cloned().map(Entity::Group).collect()
            }
            Entity::Member(..) => Vec::new(),
        }
    }
}

/// What was found.
fn ids(found: Option<&Found>) -> BTreeSet<ScimId> {
    match found {
        Some(Found::One(candidate)) => [candidate.id.clone()].into(),
        Some(Found::Many(ids)) => ids.iter().cloned().collect(),
        Some(Found::Absent | Found::Unknown) | None => BTreeSet::new(),
    }
}

/// Whether what was found is not asked for: there is one already, or a create is open.
fn is_held(link: &Link) -> bool {
    link.managed().is_some() || matches!(link, Link::Pending(_))
}
