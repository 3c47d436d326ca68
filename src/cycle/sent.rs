//! What is sent to the target, as long as its answer is awaited.

use std::collections::BTreeSet;
use std::time::Duration;

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
    /// With whom the group showed just before, where it is the first write to a group of others.
    GroupChange {
        key: GroupKey,
        id: ScimId,
        held: Attributes,
        attributes: Attributes,
        before: Option<BTreeSet<ScimId>>,
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

/// Groups to be read, to see what a change has left of them.
#[derive(Default)]
pub(super) struct ReadBacks(Vec<(Duration, GroupKey, ReadBack)>);

impl ReadBacks {
    /// As soon as there is a permit.
    pub(super) fn push(&mut self, read: (GroupKey, ReadBack)) {
        self.push_for(Duration::ZERO, read);
    }

    /// Not before this time.
    pub(super) fn push_for(&mut self, at: Duration, (key, why): (GroupKey, ReadBack)) {
        self.0.push((at, key, why));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.0.iter().map(|(at, ..)| *at).min()
    }

    pub(super) fn has_due(&self, elapsed: Duration) -> bool {
        self.due().is_some_and(|due| due <= elapsed)
    }

    /// Takes one that is due.
    pub(super) fn take_due(&mut self, elapsed: Duration) -> Option<(GroupKey, ReadBack)> {
        let at = self.0.iter().rposition(|(at, ..)| *at <= elapsed)?;
        let (_, key, why) = self.0.remove(at);
        Some((key, why))
    }
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

    /// The id of the resource that it changes.
    pub(super) fn id_mut(&mut self) -> Option<&mut ScimId> {
        match self {
            Self::Change { id, .. } | Self::GroupChange { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The people whose memberships it is about, and who was in the group before.
    pub(super) fn members_mut(&mut self) -> Option<(&mut People, Option<&mut BTreeSet<ScimId>>)> {
        match self {
            Self::Members { people, before, .. } => Some((people, before.as_mut())),
            Self::ReadBack { why: ReadBack::Prove { people, before, .. }, .. } => {
                Some((people, Some(before)))
            }
            Self::ReadBack { why, .. } => Some((why.people_mut()?, None)),
            _ => None,
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

/// What the refusal of a membership's change says of it: that the person to be added is a member already, or that
/// the one to be taken out is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It says so.
    Plain,
    /// It may mean that.
    Perhaps,
    /// Something else, or nothing.
    Nothing,
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
    /// A change of these members was refused: what do they stand for by now?
    Refused { people: People, adds: bool, words: Words, word: Word },
    /// The group was created with these members, or adopted.
    Members { first: People },
    /// Several changes of its members were confirmed: is everybody else where they were? At a second look where the
    /// first one did not show somebody.
    Others { is_second: bool },
    /// The comparison found other members in it, or did not find it.
    Compare,
}

impl ReadBack {
    /// The people whose memberships it is about.
    pub(super) fn people_mut(&mut self) -> Option<&mut People> {
        match self {
            Self::Prove { people, .. }
            | Self::Verify { people, .. }
            | Self::Refused { people, .. }
            | Self::Members { first: people } => Some(people),
            Self::Before | Self::Others { .. } | Self::Compare => None,
        }
    }

    /// To learn who is in the group now.
    pub(super) fn before() -> Self {
        Self::Members { first: People::new() }
    }
}
