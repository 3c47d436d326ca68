//! Groups that Entra shows without a member, while nothing was said of anybody who left.

use std::collections::BTreeSet;

use super::Planner;
use crate::core::derive::{Entitlement, SCOPE_UNTOLD};
use crate::core::model::{GroupKey, ObjectId, PersonId, SourceName};

impl Planner {
    /// The groups to which nobody belongs because of that.
    pub fn emptied(&self) -> BTreeSet<GroupKey> {
        let emptied = self.groups.iter().filter(|(_, group)| group.emptied);
        emptied.map(|(key, _)| key.clone()).collect()
    }

    /// The group, and the groups within it.
    pub fn group_and_nested(&self, source: SourceName, group: ObjectId) -> BTreeSet<ObjectId> {
        self.nesting.reached(source, group).1
    }

    /// People of the source who are in no group of `scope.groups` that is known, and may be in one of which not all is
    /// told.
    pub fn scope_untold(&self, source: SourceName) -> impl Iterator<Item = PersonId> {
        self.entitlements.iter().filter_map(move |(person, standing)| match standing {
            Entitlement::Unknown(why) if why == SCOPE_UNTOLD && person.source == source => {
                Some(*person)
            }
            Entitlement::In | Entitlement::Out(_) | Entitlement::Unknown(_) => None,
        })
    }
}
