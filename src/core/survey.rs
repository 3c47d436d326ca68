//! What was found on the target for entities that we have no link to.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Attributes, GroupKey, PersonId, ScimId};

/// A resource on the target that matches one of our entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id there.
    pub id: ScimId,
    /// What it holds at the paths that we manage.
    pub attributes: Attributes,
    /// For a group: its members, as far as they are accounts of ours.
    pub members: BTreeSet<PersonId>,
}

/// The answer for one entity. *Absent* is good enough to create, never to remove anything: a target
/// may hide what it has, and then refuses the second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No resource matches.
    Absent,
    /// One resource matches.
    One(Candidate),
    /// Several match: a person has to decide.
    Many(Vec<ScimId>),
    /// It cannot be known: the target's listing has not told everything, and no look-up is answered.
    Unknown,
}

/// The answers that we have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// By person.
    pub accounts: BTreeMap<PersonId, Found>,
    /// By group.
    pub groups: BTreeMap<GroupKey, Found>,
}
