//! Where no change is planned, but nobody can say that none is wanted. What was decided about the entity
//! before is not over there.

use super::is_held;
use super::planner::{Note, Planner, Roster};
use crate::core::derive::{self, Entitlement, GroupStanding};
use crate::core::model::{AttrPath, Attributes, Entity, GroupKey, Kind, PersonId, Wanted};

impl Planner {
    /// Whether it cannot be said for now what should become of the entity.
    pub fn is_undetermined(&self, roster: &Roster<'_>, entity: &Entity) -> bool {
        if self.unsurveyed.contains(entity) {
            return true;
        }
        match self.notes.get(entity) {
            Some(Note::Untouched(_)) => return false,
            Some(Note::Waiting(_) | Note::NoLogin(_) | Note::Stuck(_)) => return true,
            Some(Note::Twins(_)) | None => {}
        }
        match entity {
            Entity::Account(person) => self.is_unknown(roster, *person),
            Entity::Group(key) => self.is_group_unknown(roster, key),
            Entity::Member(key, person) => {
                self.is_unknown(roster, *person)
                    || self.is_group_unknown(roster, key)
                    || self.key_is_unknown(key, *person)
                    || self.groups.get(key).is_some_and(|group| !group.whole)
            }
        }
    }

    /// Whether the person's account is to be there, and what the attribute is to be cannot be said for now.
    pub fn is_value_unknown(&self, roster: &Roster<'_>, person: PersonId, path: &AttrPath) -> bool {
        let Some(user) = roster.user(person) else { return false };
        let is_wanted = roster.policy.account.iter().any(|(known, _)| known == path);
        is_wanted
            && self.entitlements.get(&person) == Some(&Entitlement::In)
            && !derive::account(person, &user.properties, roster.policy).contains_key(path)
    }

    /// Whether the attribute is `held` on the target as it is to be, by what is known for certain.
    pub fn is_as_wanted(
        &self,
        roster: &Roster<'_>,
        person: PersonId,
        path: &AttrPath,
        held: (&Attributes, &Attributes),
    ) -> bool {
        let Some(user) = roster.user(person) else { return false };
        match derive::account(person, &user.properties, roster.policy).get(path) {
            Some(Wanted::Value(wanted)) => is_held(held, path, wanted),
            Some(Wanted::Account(_)) => true,
            None => false,
        }
    }

    /// Whether the person belongs to the group, and the group is wanted.
    pub fn belongs(&self, key: &GroupKey, person: PersonId) -> bool {
        self.groups.get(key).is_some_and(|group| {
            matches!(group.standing, GroupStanding::Wanted { .. }) && group.people.contains(&person)
        })
    }

    fn is_unknown(&self, roster: &Roster<'_>, person: PersonId) -> bool {
        match self.entitlements.get(&person) {
            Some(Entitlement::In | Entitlement::Out(_)) => false,
            Some(Entitlement::Unknown(_)) => true,
            // Who is not known to the tenant's mirror is nobody of whom more is to be read.
            None => roster.user(person).is_some(),
        }
    }

    fn is_group_unknown(&self, roster: &Roster<'_>, key: &GroupKey) -> bool {
        let is_unread = match key {
            GroupKey::Directory { source, .. } => {
                !roster.complete.contains(&(*source, Kind::Groups))
            }
            GroupKey::Rule { .. } => roster
                .mirrors
                .keys()
                .any(|source| !roster.complete.contains(&(*source, Kind::Users))),
        };
        is_unread
            || self.groups.get(key).is_some_and(|group| {
                matches!(
                    group.standing,
                    GroupStanding::Unknown(_) | GroupStanding::Wanted { name: None, .. }
                )
            })
    }
}
