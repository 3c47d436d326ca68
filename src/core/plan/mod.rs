//! The plan: the difference between what is derived and what the target last confirmed.

mod adoption;
mod by_entity;
mod claims;
mod diff;
mod emptied;
mod entity;
mod nesting;
mod open;
mod planner;
mod references;
#[cfg(test)]
mod tests;
mod twins;
mod undetermined;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::model::{Account, AttrPath, Attributes, Datum, DigestKey, Entity, Wanted};

pub use adoption::Taken;
pub use by_entity::{ByEntity, OfEntity};
use diff::Difference;
pub use diff::{is_held, same};
pub use planner::{Note, Planner, Roster, Scope, Touched};

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A new account.
    Create,
    /// Take over an account that exists already, and bring it in line.
    Adopt,
    /// Change attributes of an active account.
    Update,
    /// `active = false`.
    Deactivate,
    /// `active = true` again, with whatever else differs.
    Reactivate,
    /// Remove an account for good.
    Delete,
    /// A new group.
    GroupCreate,
    /// Take over a group that exists already.
    GroupAdopt,
    /// Change a group's name.
    GroupUpdate,
    /// Remove a group that we created.
    GroupDelete,
    /// Put a person into a group.
    MemberAdd,
    /// Take a person out of a group.
    MemberRemove,
}

impl Action {
    /// All of them, in the order of the plan's summary.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Adopt,
        Self::Update,
        Self::Deactivate,
        Self::Reactivate,
        Self::Delete,
        Self::GroupCreate,
        Self::GroupAdopt,
        Self::GroupUpdate,
        Self::GroupDelete,
        Self::MemberAdd,
        Self::MemberRemove,
    ];

    /// Its place in the queue: leavers first, then accounts, groups, memberships, and deletions last.
    pub fn rank(self) -> u8 {
        match self {
            Self::Deactivate => 0,
            Self::Adopt => 1,
            Self::Create => 2,
            Self::Reactivate | Self::Update => 3,
            Self::GroupAdopt | Self::GroupCreate | Self::GroupUpdate => 4,
            Self::MemberAdd => 5,
            Self::MemberRemove => 6,
            Self::Delete | Self::GroupDelete => 7,
        }
    }

    /// The name in plans, for example `member_add`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::Delete => "delete",
            Self::GroupCreate => "group_create",
            Self::GroupAdopt => "group_adopt",
            Self::GroupUpdate => "group_update",
            Self::GroupDelete => "group_delete",
            Self::MemberAdd => "member_add",
            Self::MemberRemove => "member_remove",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Digest over what a change would do (entity, action, what is taken over, before, after; not its reason):
/// equal digests are the same change. It has no key, so it is never shown: see [`ChangeDigest::keyed`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChangeDigest([u8; 16]);

impl fmt::Debug for ChangeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeDigest(…)")
    }
}

/// A change digest as it leaves the process, and as the journal has it: equal ones of one installation are
/// the same change, and nobody can try values out on it. Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyedDigest([u8; 16]);

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ChangeDigest {
    /// The digest of any record.
    pub fn of<T: Serialize>(record: &T) -> Self {
        let bytes = postcard::to_stdvec(record).unwrap_or_default();
        let mut short = [0; 16];
        short.iter_mut().zip(Sha256::digest(bytes)).for_each(|(to, from)| *to = from);
        Self(short)
    }

    /// The form that may be shown.
    pub fn keyed(self, key: &DigestKey) -> KeyedDigest {
        let mut short = [0; 16];
        let digest = key.digest("change", &self.0);
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        KeyedDigest(short)
    }

    /// The sixteen bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// One change to one entity of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The account, group or membership that changes.
    pub entity: Entity,
    /// What happens to it.
    pub action: Action,
    /// The attributes that differ, as the target last confirmed them; those it does not hold are
    /// missing.
    pub before: Attributes,
    /// The attributes that differ, as they should be. For a create all of them.
    pub after: Account,
    /// Why, in one sentence without names; used to explain, never to decide.
    pub reason: Cow<'static, str>,
    /// Of a membership, the end whose change this one follows from: a person who is deactivated, a group
    /// that is made. It counts with that change, and is held with it.
    pub follows: Option<End>,
    /// The account or group that an adoption takes over. In a box: few have one, and a first load has half
    /// a million changes.
    pub adopts: Option<Box<Taken>>,
}

/// An end of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The person's account.
    Account,
    /// The group.
    Group,
    /// Either: the account and the group are both to be made.
    Both,
}

impl Change {
    /// The entities whose changes this one follows from.
    pub fn leaders(&self) -> impl Iterator<Item = Entity> {
        let (account, group) = match (&self.entity, self.follows) {
            (Entity::Member(_, person), Some(End::Account)) => (Some(*person), None),
            (Entity::Member(key, _), Some(End::Group)) => (None, Some(key.clone())),
            (Entity::Member(key, person), Some(End::Both)) => (Some(*person), Some(key.clone())),
            (Entity::Account(_) | Entity::Group(_), _) | (_, None) => (None, None),
        };
        account.map(Entity::Account).into_iter().chain(group.map(Entity::Group))
    }

    /// Whether this change follows from another one.
    pub fn is_follower(&self) -> bool {
        self.leaders().next().is_some()
    }

    /// Whether it would take over what carries the id of another person or group.
    pub fn takes_of_another(&self) -> bool {
        self.adopts.as_ref().is_some_and(|taken| taken.of_another.is_some())
    }

    /// Whether it makes an account inactive.
    pub fn takes_access(&self) -> bool {
        self.after.get(&AttrPath::active()) == Some(&Wanted::Value(Datum::Bool(false)))
    }

    /// The attributes that `wants` picks, as a change of its own.
    #[must_use]
    pub fn only(&self, wants: impl Fn(&AttrPath) -> bool) -> Self {
        let mut narrow = self.clone();
        narrow.before = narrow.before.take_if(|path, _| wants(path));
        narrow.after = narrow.after.take_if(|path, _| wants(path));
        narrow
    }

    /// What makes this change the same as another one.
    pub fn digest(&self) -> ChangeDigest {
        ChangeDigest::of(&(&self.entity, self.action, &self.adopts, &self.before, &self.after))
    }
}

/// All pending changes of one target, each entity at most once. The plan, its judgement and the queue
/// share them: a first load has half a million.
pub type Changes = ByEntity<Arc<Change>>;
