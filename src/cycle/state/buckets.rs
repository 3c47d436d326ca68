//! The members of large groups, sorted into the records that hold them: all records of one group are
//! made in one walk over its members. Nothing here outlives a commit.

use std::collections::BTreeMap;

use super::State;
use crate::core::model::{Edge, GroupKey, ObjectId, PersonId, SourceName};
use crate::cycle::records::{bucket, encode};

/// The group that was asked for last.
#[derive(Default)]
pub(super) struct Buckets {
    source: Option<(SourceName, ObjectId)>,
    edges: BTreeMap<u8, Vec<(ObjectId, Edge)>>,
    target: Option<GroupKey>,
    members: BTreeMap<u8, Vec<PersonId>>,
}

impl Buckets {
    /// One record of the members that a source group has.
    pub(super) fn edges(
        &mut self,
        state: &State,
        group: (SourceName, ObjectId),
        part: u8,
    ) -> Option<Vec<u8>> {
        if self.source != Some(group) {
            let (source, id) = group;
            self.source = Some(group);
            self.edges.clear();
            let split = state.split_source.contains(&group);
            let found = state.mirrors.get(&source).and_then(|mirror| mirror.groups.get(&id));
            for (member, edge) in found.into_iter().flat_map(|found| &found.members) {
                self.edges.entry(bucket(*member, split)).or_default().push((*member, *edge));
            }
        }
        self.edges.get(&part).map(encode)
    }

    /// One record of the members that a group of ours has on the target.
    pub(super) fn members(&mut self, state: &State, group: &GroupKey, part: u8) -> Option<Vec<u8>> {
        if self.target.as_ref() != Some(group) {
            self.target = Some(group.clone());
            self.members.clear();
            let split = state.split_target.contains(group);
            let found = state.ledger.groups.get(group);
            for person in found.into_iter().flat_map(|found| &found.members) {
                self.members.entry(bucket(person.object, split)).or_default().push(*person);
            }
        }
        self.members.get(&part).map(encode)
    }
}
