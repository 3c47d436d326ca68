//! Claims: who would take over which resource of the target. What several of ours would take over, because they go by
//! one name there, is taken over by none of them: each of them would give it another content, and whoever left would
//! take it from the others.

use std::collections::{BTreeMap, BTreeSet};

use super::planner::{Planner, Roster};
use super::{adoption, twins};
use crate::core::derive::{GroupStanding, Standing};
use crate::core::model::{Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::ownership;
use crate::core::survey::{Candidate, Found};

/// Who claims what, of accounts or of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims<E> {
    by: BTreeMap<E, ScimId>,
    on: BTreeMap<ScimId, BTreeSet<E>>,
}

impl<E> Default for Claims<E> {
    fn default() -> Self {
        Self { by: BTreeMap::new(), on: BTreeMap::new() }
    }
}

impl<E: Ord + Clone> Claims<E> {
    fn put(&mut self, entity: &E, claimed: Option<&ScimId>) {
        let before = match claimed {
            Some(id) => self.by.insert(entity.clone(), id.clone()),
            None => self.by.remove(entity),
        };
        if let Some(before) = before
            && let Some(others) = self.on.get_mut(&before)
        {
            others.remove(entity);
            if others.is_empty() {
                self.on.remove(&before);
            }
        }
        if let Some(id) = claimed {
            self.on.entry(id.clone()).or_default().insert(entity.clone());
        }
    }

    /// Who claims the same as the entity did, or as it does now.
    fn rivals<'a>(&'a self, entity: &E, now: Option<&'a ScimId>) -> impl Iterator<Item = &'a E> {
        let ids = self.by.get(entity).into_iter().chain(now);
        ids.filter_map(|id| self.on.get(id)).flatten()
    }

    fn others(&self, entity: &E, id: &ScimId) -> usize {
        let claimants = self.on.get(id);
        claimants.map_or(0, |all| all.iter().filter(|one| *one != entity).count())
    }
}

impl Planner {
    /// Whoever claims what one of these people claimed, or may claim now.
    pub(super) fn rivals_of_people(
        &self,
        roster: &Roster<'_>,
        people: &BTreeSet<PersonId>,
    ) -> Vec<PersonId> {
        let found = |person| candidate_id(roster.survey.accounts.get(person));
        let rivals = people.iter().flat_map(|one| self.account_claims.rivals(one, found(one)));
        rivals.copied().collect()
    }

    /// The same of groups.
    pub(super) fn rivals_of_groups(
        &self,
        roster: &Roster<'_>,
        groups: &BTreeSet<GroupKey>,
    ) -> Vec<GroupKey> {
        let found = |key| candidate_id(roster.survey.groups.get(key));
        let rivals = groups.iter().flat_map(|one| self.group_claims.rivals(one, found(one)));
        rivals.cloned().collect()
    }

    /// Notes what the person would take over, as the person stands now.
    pub(super) fn claim_account(&mut self, roster: &Roster<'_>, person: PersonId) {
        let Roster { policy, ledger, survey, .. } = *roster;
        let link = ledger.accounts.get(&person).map(|entry| &entry.link);
        let claims = self.standings.get(&person) == Some(&Standing::In)
            && !link.is_some_and(is_held)
            && ownership::left_alone(person, policy, ledger, survey).is_none();
        let id = candidate_id(survey.accounts.get(&person)).filter(|_| claims);
        self.account_claims.put(&person, id);
    }

    /// The same of a group.
    pub(super) fn claim_group(&mut self, roster: &Roster<'_>, key: &GroupKey) {
        let standing = self.groups.get(key).map(|group| &group.standing);
        let link = roster.ledger.groups.get(key).map(|entry| &entry.link);
        let is_wanted = matches!(standing, Some(GroupStanding::Wanted { name: Some(_), .. }));
        let claims = is_wanted && !link.is_some_and(is_held);
        let id = candidate_id(roster.survey.groups.get(key)).filter(|_| claims);
        self.group_claims.put(key, id);
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

fn candidate_id(found: Option<&Found>) -> Option<&ScimId> {
    match found {
        Some(Found::One(candidate)) => Some(&candidate.id),
        Some(Found::Absent | Found::Many(_) | Found::Unknown) | None => None,
    }
}

/// Whether what was found is not asked for: there is one already, or a create is open.
fn is_held(link: &Link) -> bool {
    link.managed().is_some() || matches!(link, Link::Pending(_))
}
