//! The log of a world: what changed, in order.

use super::{MemberRef, ObjectId};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object that changed.
    pub object: ObjectRef,
    /// What changed about it.
    pub what: What,
}

/// A user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectRef {
    /// A user.
    User(ObjectId),
    /// A group.
    Group(ObjectId),
}

/// What an entry of the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The object is new.
    Created,
    /// These properties got another value.
    Properties(Vec<String>),
    /// The user reports to somebody else now.
    Manager {
        /// Who it was before.
        before: Option<ObjectId>,
    },
    /// The group got this member.
    MemberAdded(MemberRef),
    /// The group lost this member.
    MemberRemoved(MemberRef),
    /// The object went to the deleted items.
    SoftDeleted,
    /// The object came back from the deleted items.
    Restored,
    /// The object is gone for good.
    Purged,
}
