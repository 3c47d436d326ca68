//! Who is not on a complete read, and who is named by somebody else and was never told of: managers, and groups within
//! groups.
//!
//! After a complete read that proves absence they are missing like anybody whom it told of before: deleted
//! long ago, or of a kind that is not read, as contacts of an organization are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{MANAGER, Mirror, Round, SINGLES_MAX, Said, Words};
use crate::core::model::{
    Edge, Kind, MemberKind, ObjectId, Presence, SourceGroup, SourceUser, Tombstone,
};

impl Mirror {
    /// Whether the group may have members of whom nothing is known: where nobody told of it, all of them.
    pub fn may_have_others(&self, group: ObjectId) -> bool {
        self.groups.get(&group).is_none_or(SourceGroup::is_partial)
    }

    /// Whether the group is without a member now and nothing is said of who left: its list shows none at all,
    /// where somebody was known who is there still.
    pub(super) fn is_left_empty(
        &self,
        before: &SourceGroup,
        words: &Words,
        list: Option<Round>,
    ) -> bool {
        // Members of other kinds are shown also where people are hidden.
        let is_nobody = |(id, edge): (&ObjectId, &Edge)| {
            let presence = match edge.kind {
                MemberKind::User => self.users.get(id).map(|user| user.presence),
                MemberKind::Group => self.groups.get(id).map(|group| group.presence),
                MemberKind::Other => return true,
            };
            matches!(presence, Some(Presence::Removed(_)))
        };
        let is_full = matches!(list, Some(Round::Full(_)));
        let was_empty = before.members.iter().all(is_nobody);
        let is_silent = words.members.values().all(|kind| *kind == Some(MemberKind::Other));
        is_silent && (before.emptied || (is_full && !was_empty))
    }

    /// Whether complete reads show no member of the group, without a word on who left.
    pub fn is_emptied(&self, group: ObjectId) -> bool {
        let is_gone = |group: &SourceGroup| matches!(group.presence, Presence::Removed(_));
        self.groups.get(&group).is_some_and(|group| group.emptied && !is_gone(group))
    }

    /// Takes somebody's word that the group is empty; `false` where that was no question.
    pub fn accept_empty(&mut self, group: ObjectId) -> bool {
        let Some(group) = self.groups.get_mut(&group).filter(|group| group.emptied) else {
            return false;
        };
        group.emptied = false;
        // Nor is whoever was on the list before the last.
        group.members.retain(|_, edge| edge.missing.is_none());
        true
    }

    /// Notes that complete read `number` did not list these users.
    pub(super) fn miss_unlisted_users(&mut self, said: &Said, number: u32) -> Vec<ObjectId> {
        let is_asked = self.missing(Kind::Users).len() <= SINGLES_MAX;
        let unlisted = self.users.iter_mut().filter(|(id, _)| !said.objects.contains_key(id));
        let mut missing = Vec::new();
        for (&id, user) in unlisted {
            // Whoever was named after a tombstone is gone: no list shows them.
            let is_gone = user.partial && user.tombstone().is_some();
            user.partial &= !is_gone;
            if is_gone || mark_missing(&mut user.presence, number, is_asked) {
                missing.push(id);
            }
        }
        missing
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
            let (whole, left) = (false, None);
            self.groups.insert(
                id,
                SourceGroup { presence, properties, members, whole, left, emptied: false },
            );
        }
        untold
    }
}

/// Notes that complete read `number` did not list the object; `true` when that changed anything. What a single
/// read is asked about stays until that has not found it.
pub(super) fn mark_missing(presence: &mut Presence, number: u32, is_asked: bool) -> bool {
    let gone = Presence::Removed(Tombstone::Missing);
    match *presence {
        Presence::Present => *presence = Presence::MissingOnce(number),
        Presence::MissingOnce(first) if first != number && !is_asked => *presence = gone,
        Presence::NotFound(first) if first != number => *presence = gone,
        Presence::MissingOnce(_) | Presence::NotFound(_) | Presence::Removed(_) => return false,
    }
    true
}
