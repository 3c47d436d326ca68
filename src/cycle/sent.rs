//! What is sent to the target, as long as its answer is awaited.

use std::collections::BTreeSet;

use crate::core::model::{Attributes, Entity, GroupKey, PersonId, ScimId};
use crate::scim::Words;

/// People with the ids of their accounts on the target.
pub(super) type People = Vec<(PersonId, ScimId)>;

/// What was sent.
#[derive(Debug, Clone)]
pub(super) enum Sent {
    Create {
        person: PersonId,
    },
    Change {
        person: PersonId,
        id: ScimId,
        held: Attributes,
    },
    GroupCreate {
        key: GroupKey,
        attributes: Attributes,
        first: People,
    },
    GroupChange {
        key: GroupKey,
        id: ScimId,
        held: Attributes,
        attributes: Attributes,
    },
    GroupDelete {
        key: GroupKey,
    },
    /// With whom the group showed just before, where the form is not proven yet.
    Members {
        key: GroupKey,
        people: People,
        adds: bool,
        before: Option<BTreeSet<ScimId>>,
    },
    ReadBack {
        key: GroupKey,
        why: ReadBack,
    },
    ReadAccount {
        person: PersonId,
    },
    Try {
        entity: Entity,
    },
}

impl Sent {
    /// Whether it is to change anything.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::ReadBack { .. } | Self::ReadAccount { .. } | Self::Try { .. })
    }

    /// Whether it is to make something that was not there.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::GroupCreate { .. })
    }

    /// The account or group that it is sent to.
    pub(super) fn entity(&self) -> Entity {
        match self {
            Self::Create { person, .. }
            | Self::Change { person, .. }
            | Self::ReadAccount { person } => Entity::Account(*person),
            Self::GroupCreate { key, .. }
            | Self::GroupChange { key, .. }
            | Self::GroupDelete { key }
            | Self::Members { key, .. }
            | Self::ReadBack { key, .. } => Entity::Group(key.clone()),
            Self::Try { entity } => entity.clone(),
        }
    }

    /// Whatever waits if it is not to be sent for a while.
    pub(super) fn waiting(&self) -> Vec<Entity> {
        match self {
            Self::Members { key, people, .. } => {
                people.iter().map(|(person, _)| Entity::Member(key.clone(), *person)).collect()
            }
            sent => vec![sent.entity()],
        }
    }
}

/// Why a group is read.
#[derive(Debug, Clone)]
pub(super) enum ReadBack {
    /// A form is about to be used that is not proven yet: who is in the group just before?
    Before,
    /// A form was used that is not proven yet: did it do what it should, and nothing else?
    Prove { form: String, people: People, adds: bool, before: BTreeSet<ScimId> },
    /// A confirmed change of these members does not show, or did not the last time.
    Verify { people: People, adds: bool },
    /// A change of these members was refused: what do they stand for by now? With whether the target said that
    /// they are none (`noTarget`).
    Refused { people: People, adds: bool, words: Words, are_none: bool },
    /// The group was created with these members, or adopted.
    Members { first: People },
    /// The comparison found other members in it, or did not find it.
    Compare,
}

impl ReadBack {
    /// To learn who is in the group now.
    pub(super) fn before() -> Self {
        Self::Members { first: People::new() }
    }
}
