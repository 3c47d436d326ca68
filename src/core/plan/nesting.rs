//! Who is in which group, through nested groups: edges both ways, safe against cycles.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::mirror::Mirror;
use crate::core::model::{MemberKind, ObjectId, PersonId, Presence, SourceName};

/// The membership edges of all tenants. Edges of groups that are gone lead nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nesting {
    /// Group to its direct members.
    children: BTreeMap<(SourceName, ObjectId), Vec<(MemberKind, ObjectId)>>,
    /// Member (user or group) to the groups that list it.
    parents: BTreeMap<(SourceName, ObjectId), BTreeSet<ObjectId>>,
}

impl Nesting {
    /// Takes the group's edges from the mirror anew.
    pub(super) fn update(&mut self, source: SourceName, group: ObjectId, mirror: &Mirror) {
        for (_, member) in self.children.remove(&(source, group)).unwrap_or_default() {
            if let Some(parents) = self.parents.get_mut(&(source, member)) {
                parents.remove(&group);
                if parents.is_empty() {
                    self.parents.remove(&(source, member));
                }
            }
        }
        let Some(found) = mirror.groups.get(&group) else { return };
        if matches!(found.presence, Presence::Removed(_)) {
            return;
        }
        let edges: Vec<_> = found.members.iter().map(|(&id, edge)| (edge.kind, id)).collect();
        for &(_, member) in &edges {
            self.parents.entry((source, member)).or_default().insert(group);
        }
        self.children.insert((source, group), edges);
    }

    /// All users reached from the group, and the groups on the way, itself among them.
    pub(super) fn reached(
        &self,
        source: SourceName,
        group: ObjectId,
    ) -> (BTreeSet<PersonId>, BTreeSet<ObjectId>) {
        let mut people = BTreeSet::new();
        let mut groups = BTreeSet::from([group]);
        let mut open = vec![group];
        while let Some(next) = open.pop() {
            for &(kind, member) in self.children.get(&(source, next)).into_iter().flatten() {
                match kind {
                    MemberKind::User => {
                        people.insert(PersonId { source, object: member });
                    }
                    MemberKind::Group if groups.insert(member) => open.push(member),
                    MemberKind::Group | MemberKind::Other => {}
                }
            }
        }
        (people, groups)
    }

    /// All groups from which `member` is reached.
    pub(super) fn above(&self, source: SourceName, member: ObjectId) -> BTreeSet<ObjectId> {
        let mut above = BTreeSet::new();
        let mut open = vec![member];
        while let Some(next) = open.pop() {
            for &parent in self.parents.get(&(source, next)).into_iter().flatten() {
                if above.insert(parent) {
                    open.push(parent);
                }
            }
        }
        above
    }
}
