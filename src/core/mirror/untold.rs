//! Who is named by somebody else and was never told of: managers, and groups within groups.
//!
//! After a complete read that proves absence they are missing like anybody whom it told of before: deleted
//! long ago, or of a kind that is not read, as contacts of an organization are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{MANAGER, Mirror};
use crate::core::model::{MemberKind, ObjectId, Presence, SourceGroup, SourceUser};

impl Mirror {
    /// Whether the group may have members of whom nothing is known: where nobody told of it, all of them.
    pub fn may_have_others(&self, group: ObjectId) -> bool {
        self.groups.get(&group).is_none_or(SourceGroup::is_partial)
    }

    /// Notes that complete read `number` did not list these managers.
    pub(super) fn miss_untold_managers(&mut self, number: u32) -> BTreeSet<ObjectId> {
        let told = self.users.values().filter(|user| user.presence == Presence::Present);
        let managers = told.filter_map(|user| user.properties.get(MANAGER)?.as_text());
        let managers = managers.filter_map(ObjectId::parse);
        let untold: BTreeSet<_> = managers.filter(|id| !self.users.contains_key(id)).collect();
        for &id in &untold {
            let presence = Presence::MissingOnce(number);
            let (kept, properties, partial) = (false, Arc::default(), false);
            self.users.insert(id, SourceUser { presence, kept, properties, partial });
        }
        untold
    }

    /// Notes that complete read `number` did not list these groups, which others hold.
    pub(super) fn miss_untold_groups(&mut self, number: u32) -> BTreeSet<ObjectId> {
        let told = self.groups.values().filter(|group| group.presence == Presence::Present);
        let members = told.flat_map(|group| &group.members);
        let nested = members.filter(|(_, edge)| edge.kind == MemberKind::Group);
        let nested = nested.map(|(&id, _)| id);
        let untold: BTreeSet<_> = nested.filter(|id| !self.groups.contains_key(id)).collect();
        for &id in &untold {
            let presence = Presence::MissingOnce(number);
            let (properties, members) = (Arc::default(), BTreeMap::new());
            let (whole, left) = (false, BTreeSet::new());
            self.groups.insert(id, SourceGroup { presence, properties, members, whole, left });
        }
        untold
    }
}
