//! What Entra says: users, groups, memberships, and the elements of a delta page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Datum, ObjectId, Properties, PropertyName};

/// The two things a source is walked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `users/delta`.
    Users,
    /// `groups/delta`.
    Groups,
}

/// What a member of a group is. Only users and groups matter to us; others are known, not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MemberKind {
    /// `#microsoft.graph.user`.
    User,
    /// `#microsoft.graph.group`: a nested group.
    Group,
    /// Devices, service principals, contacts and types that we have never heard of.
    Other,
}

/// Why Entra says that an object is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tombstone {
    /// `@removed.reason = "changed"`: soft-deleted, restorable for 30 days.
    SoftDeleted,
    /// `@removed.reason = "deleted"`: purged.
    Purged,
    /// Not on any page of two complete reads in a row.
    Missing,
}

/// One element of a delta page, decoded. Properties that the page did not carry are missing: unknown
/// here, to be kept as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Element {
    /// A user that was created, changed, restored, or is replayed.
    User {
        /// Object id.
        id: ObjectId,
        /// The properties on the page; `manager` holds the manager's object id as text, or null.
        properties: Properties,
        /// The properties that were there and could not be read: unknown, whatever silence would mean.
        unread: Vec<PropertyName>,
    },
    /// A group that was created, changed, restored, or is replayed; perhaps only a part of it.
    Group {
        /// Object id.
        id: ObjectId,
        /// The properties on the page, without members.
        properties: Properties,
        /// The properties that were there and could not be read, `members` among them: who is not listed
        /// is unknown then, not absent.
        unread: Vec<PropertyName>,
        /// Members added, or already known.
        added: Vec<(MemberKind, ObjectId)>,
        /// Members removed.
        removed: Vec<ObjectId>,
    },
    /// A tombstone of either kind.
    Removed {
        /// Object id.
        id: ObjectId,
        /// Soft-deleted or purged.
        tombstone: Tombstone,
    },
    /// An element that could not be read as any of these. Whoever it is about is not gone.
    Unreadable {
        /// Object id, where it could be found.
        id: Option<ObjectId>,
        /// What could be read of it all the same.
        properties: Properties,
    },
}

impl Element {
    /// The object that the element is about, where that is known.
    pub fn id(&self) -> Option<ObjectId> {
        match self {
            Self::User { id, .. } | Self::Group { id, .. } | Self::Removed { id, .. } => Some(*id),
            Self::Unreadable { id, .. } => *id,
        }
    }
}

/// Whether Entra holds the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    /// Seen, and not contradicted since.
    Present,
    /// Not on any page of the complete read with this number: not evidence yet, the second read
    /// decides.
    MissingOnce(u32),
    /// Not on any page of the complete read with this number, and not found by a single read: the second
    /// complete read that misses it, too, is evidence.
    NotFound(u32),
    /// Gone, on evidence.
    Removed(Tombstone),
}

impl Presence {
    /// Whether one complete read has left the object out, and a second one decides.
    pub fn is_missing(self) -> bool {
        matches!(self, Self::MissingOnce(_) | Self::NotFound(_))
    }
}

/// A user as Entra last described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceUser {
    /// Whether Entra holds the user.
    pub presence: Presence,
    /// Whether the `keep` filter keeps more than the id and what the filter itself reads.
    pub kept: bool,
    /// Known properties, by Graph's names; `manager` is the manager's object id as text.
    pub properties: Arc<Properties>,
    /// Whether only what `keep` read and what was told since is known, and the rest is to be read: `keep` has
    /// begun to keep the user, or cannot say without it, or something was told that could not be read.
    pub partial: bool,
}

impl SourceUser {
    /// Why the user is gone, on evidence.
    pub fn tombstone(&self) -> Option<Tombstone> {
        match self.presence {
            Presence::Removed(tombstone) => Some(tombstone),
            Presence::Present | Presence::MissingOnce(_) | Presence::NotFound(_) => None,
        }
    }

    /// Whether the user is to be read by a single read, or with the next complete one. Of somebody who is missing
    /// the next complete read decides.
    pub fn is_to_be_read(&self) -> bool {
        self.partial && !self.presence.is_missing()
    }

    /// Whether one complete read has left the user out, and no single read has answered yet.
    pub fn is_to_be_found(&self) -> bool {
        matches!(self.presence, Presence::MissingOnce(_))
    }

    /// Whether Entra said in so many words that the person is gone or may not log in: evidence that
    /// rests neither on silence nor on what anybody remembers of the person.
    pub fn is_certain_leaver(&self) -> bool {
        match self.presence {
            Presence::Removed(tombstone) => tombstone != Tombstone::Missing,
            Presence::MissingOnce(_) | Presence::NotFound(_) => false,
            Presence::Present => self.properties.get("accountEnabled") == Some(&Datum::Bool(false)),
        }
    }
}

/// One membership edge as Entra last described it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// User or nested group.
    pub kind: MemberKind,
    /// The complete read that did not list the member, when it was missing once.
    pub missing: Option<u32>,
}

/// A group as Entra last described it. Edges outlive their users: a soft-deleted user keeps
/// memberships in Graph's eyes, and a member may be listed before the user is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceGroup {
    /// Whether Entra holds the group.
    pub presence: Presence,
    /// Known properties, by Graph's names.
    pub properties: Arc<Properties>,
    /// Direct members.
    pub members: BTreeMap<ObjectId, Edge>,
    /// Whether all its members were told. A group that came up in a delta round, after a complete read
    /// that showed none, may have others, and so may one that was read while the store was in doubt:
    /// whoever is not among these is unknown, not absent.
    pub whole: bool,
    /// Who was told to have left it while it is not whole: of these it is known that they are out. None where no
    /// complete read has shown the group: it may hold groups of which nothing is known, and they may be in those.
    pub left: Option<BTreeSet<ObjectId>>,
    /// Whether a complete read has listed no member at all though some were known, and nothing was said of any
    /// member since. Memberships that the application may not see (`visibility` `HiddenMembership` without
    /// `Member.Read.Hidden`) look the same.
    pub emptied: bool,
}

impl SourceGroup {
    /// Whether one complete read has left out the group, of which others had told, and no single read has answered
    /// yet.
    pub fn is_to_be_found(&self) -> bool {
        matches!(self.presence, Presence::MissingOnce(_)) && !self.properties.is_empty()
    }

    /// Whether it may have members of whom nothing is known. A group that is gone has none at all.
    pub fn is_partial(&self) -> bool {
        !self.whole && !matches!(self.presence, Presence::Removed(_))
    }
}
