//! Who may do what over the control socket. Decided from the peer's user and groups alone, as the
//! kernel and the machine's user database tell them; what a peer says of itself counts for nothing.

use std::collections::BTreeSet;
use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// What a peer may do. Each includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing.
    None,
    /// Look, without names and values.
    Read,
    /// Approve and change things, and see names and values.
    Approve,
}

/// The unix groups that have a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// May look.
    pub readers: String,
    /// May approve, and look.
    pub approvers: String,
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user's number.
    pub uid: u32,
    /// Numbers of the groups that the user belongs to.
    pub groups: BTreeSet<u32>,
}

/// The right of a peer at a service that `owner` runs. A group that the machine does not know is
/// `None`, and nobody belongs to it.
pub fn right(peer: &Peer, owner: u32, readers: Option<u32>, approvers: Option<u32>) -> Right {
    let belongs = |group: Option<u32>| group.is_some_and(|group| peer.groups.contains(&group));
    if is_owner(peer.uid, owner) || belongs(approvers) {
        Right::Approve
    } else if belongs(readers) {
        Right::Read
    } else {
        Right::None
    }
}

/// Whether the user may do everything to the service anyway.
pub(super) fn is_owner(uid: u32, owner: u32) -> bool {
    uid == 0 || uid == owner
}

/// The number of a group; none when the machine does not know it.
pub(super) fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

/// The name and the groups of a user, from the machine's user database: it knows also those groups that
/// a user was given after logging in. May wait for a directory server.
pub(super) fn look_up(uid: u32, gid: u32) -> (String, Peer) {
    let mut groups = BTreeSet::from([gid]);
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let Some(user) = user else { return (format!("uid {uid}"), Peer { uid, groups }) };
    if let Ok(name) = CString::new(user.name.as_str())
        && let Ok(list) = getgrouplist(&name, Gid::from_raw(gid))
    {
        groups.extend(list.into_iter().map(Gid::as_raw));
    }
    (user.name, Peer { uid, groups })
}
