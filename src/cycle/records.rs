//! The records of the store: their keys, and how they are written. Above the store, below everything
//! else: a record here is a value of the core, in postcard.
//!
//! Keys are `kind/` followed by the encoded id. Records stay small: a group's members are split into
//! buckets by the first byte of their ids once there are many.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::core::judge::{Guarded, HoldId};
use crate::core::model::{
    AttrPath, Entity, GroupKey, Kind, ObjectId, PersonId, SourceName, Timestamp, Use,
};
use crate::graph::delta::Lane;
use crate::store::NOTED;

/// From this many members on a group is split into 256 buckets: at 16 to 40 bytes a member the records
/// stay far below the 128 KiB above which sled moves them into files that it never syncs.
const SPLIT_FROM: usize = 1_000;

/// Names one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// A walker's state.
    Walk(SourceName, Kind),
    /// A source user.
    User(SourceName, ObjectId),
    /// A source group without its members.
    Group(SourceName, ObjectId),
    /// Some members of a source group.
    Edges(SourceName, ObjectId, u8),
    /// An element that waits for its round to end.
    Staged(SourceName, Kind, Lane, u32),
    /// What the target confirmed of an account.
    Account(PersonId),
    /// What the target confirmed of a group, without its members.
    TargetGroup(GroupKey),
    /// Some confirmed members of a group.
    Members(GroupKey, u8),
    /// Something stuck.
    Escrow(Entity),
    /// A write whose outcome is not known.
    Doubt(Entity),
    /// What is remembered of the target as a whole.
    Target,
    /// What earlier judgements held.
    Held(u32),
    /// A person's word that changes may be made.
    Approval(u32),
    /// A person's word that changes may not be made.
    Rejection(u32),
    /// One entry of the journal.
    Journal(u64),
    /// A hold, and some of what it holds.
    HoldPart(HoldId, u32),
    /// A change that is held, by the first thing of it that is guarded.
    HeldChange(Guarded),
    /// Why something cannot be planned.
    Stuck(Entity),
    /// How things stood last.
    Report,
    /// An announced window.
    Window(u32),
    /// How many objects have what they are asked for.
    Coverage(SourceName, Kind),
    /// Which tenants and which target these are.
    Identity,
    /// The rules that the plan was last made from.
    Rules,
    /// That the state is not to be trusted yet.
    Recovery,
    /// Where the journal begins and ends.
    AuditHead,
    /// Its end in words, for the witness.
    Noted,
    /// That nothing is written for now.
    Paused,
    /// That a person was deactivated by hand.
    ByHand(PersonId),
    /// What somebody else changed on the target.
    Drift(Entity),
    /// When all that the target holds was compared last.
    Proof,
    /// Who was found out, or missing, by that.
    Proven,
    /// Large approvals, as far as they have been tried out.
    Trials,
    /// The key of the digests that leave the process.
    DigestKey,
    /// A membership that the target does not show.
    Unseen(Entity),
    /// An attribute that is not sent.
    LeftOut(AttrPath, Use),
    /// Since when something of ours has been absent from the target, by one look.
    Absent(Entity),
    /// What of approvals was used up since they were written.
    Used(Guarded),
    /// What carries the id of an account or group of ours, and is another one.
    Twins(Entity),
    /// Since when all is known that people have said.
    WordsSince,
}

impl Key {
    /// The bytes of the key.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.prefix().to_vec();
        match self {
            Self::Staged(source, kind, lane, sequence) => {
                bytes.extend(encode(&(source, kind, lane)));
                bytes.extend(sequence.to_be_bytes());
            }
            Self::Journal(sequence) => bytes.extend(sequence.to_be_bytes()),
            Self::Noted => {}
            _ => bytes.extend(encode(self)),
        }
        bytes
    }

    /// The kind of record, as the first part of its key.
    pub fn prefix(&self) -> &'static [u8] {
        match self {
            Self::Walk(..) => b"walk/",
            Self::User(..) => b"user/",
            Self::Group(..) => b"group/",
            Self::Edges(..) => b"edges/",
            Self::Staged(..) => b"staged/",
            Self::Account(..) => b"account/",
            Self::TargetGroup(..) => b"target-group/",
            Self::Members(..) => b"members/",
            Self::Escrow(..) => b"escrow/",
            Self::Doubt(..) => b"doubt/",
            Self::Drift(..) => b"drift/",
            Self::Proof => b"proof/",
            Self::Proven => b"proven/",
            Self::Trials => b"trials/",
            Self::DigestKey => b"digest-key/",
            Self::Unseen(..) => b"unseen/",
            Self::Absent(..) => b"absent/",
            Self::Used(..) => b"used/",
            Self::Twins(..) => b"twins/",
            Self::WordsSince => b"words-since/",
            Self::Target => b"target/",
            Self::Held(..) => b"held/",
            Self::Approval(..) => b"approval/",
            Self::Rejection(..) => b"rejection/",
            Self::Journal(..) => b"journal/",
            Self::HoldPart(..) => b"hold/",
            Self::HeldChange(..) => b"held-change/",
            Self::Stuck(..) => b"stuck/",
            Self::Report => b"report/",
            Self::Window(..) => b"window/",
            Self::Coverage(..) => b"coverage/",
            Self::Identity => b"identity/",
            Self::Rules => b"rules/",
            Self::Recovery => b"recovery/",
            Self::AuditHead => b"audit-head/",
            Self::Noted => NOTED,
            Self::Paused => b"paused/",
            Self::ByHand(..) => b"by-hand/",
            Self::LeftOut(..) => b"left-out/",
        }
    }

    /// The prefix of what one lane staged.
    pub fn staged_prefix(source: SourceName, kind: Kind, lane: Lane) -> Vec<u8> {
        let mut bytes = b"staged/".to_vec();
        bytes.extend(encode(&(source, kind, lane)));
        bytes
    }

    /// Whether the record may be too long for the store, and is written in parts.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Approval(_) | Self::Rejection(_))
    }

    /// How long the key is that these bytes begin with.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        let start = bytes.iter().position(|&byte| byte == b'/')? + 1;
        let (_, rest) = postcard::take_from_bytes::<Self>(bytes.get(start..)?).ok()?;
        Some(bytes.len() - rest.len())
    }

    /// Reads a key back, but for staged elements and the journal.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let start = bytes.iter().position(|&byte| byte == b'/')? + 1;
        decode(bytes.get(start..)?)
    }
}

/// Which bucket a member belongs to.
pub fn bucket(member: ObjectId, split: bool) -> u8 {
    if split { member.bytes()[0] } else { 0 }
}

/// Whether a group of `members` is split. One that is split stays so, or each change around the limit
/// would rewrite it whole.
pub fn is_split(members: usize, before: bool) -> bool {
    before || members > SPLIT_FROM
}

/// Somebody's word that nothing is written for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why, where that was said.
    pub reason: Option<String>,
}

/// The complete comparisons of what the target holds with what it confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When the last one ended; `None` before the first.
    pub at: Option<Timestamp>,
    /// When the next one is due.
    pub next: Timestamp,
    /// What the last one found changed by somebody else.
    pub drift: u64,
}

/// What is remembered of the target as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Whether a complete listing of its users, and of its groups, has been read.
    pub listed: [bool; 2],
    /// Whether the backlog of creates has once been empty after first contact.
    pub first_import_over: bool,
    /// Forms of member changes that were read back after their first use and did what they should.
    pub proven_forms: std::collections::BTreeSet<String>,
    /// A form that did something else: memberships wait until the dialect is changed, or somebody says
    /// that it is worth trying again.
    pub distrusted_form: Option<Distrusted>,
    /// Whether any group there has ever shown a member.
    pub shows_members: bool,
    /// How often nobody was shown after a change of members was confirmed, while nobody ever was.
    pub blank_reads: u32,
    /// Digest of the rules that the plan was last made from.
    pub policy: String,
    /// Whether it has ever shown of any account whether it is active.
    pub tells_active: bool,
    /// What it has taken from somebody, by attribute and use.
    pub taken: std::collections::BTreeSet<(AttrPath, Use)>,
}

/// A form of member changes that did something else than it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distrusted {
    /// The form.
    pub form: String,
    /// What it did, and what to do about it.
    pub words: String,
    /// Since when.
    pub since: Timestamp,
}

/// So many changes after which nobody is shown say that the target shows members to nobody.
const BLANK_READS: u32 = 3;

impl TargetRecord {
    /// Whether the target has been found to show the members of no group at all.
    pub fn hides_members(&self) -> bool {
        !self.shows_members && self.blank_reads >= BLANK_READS
    }
}

/// The state may be older than it was, or empty without reason: until both sides have been read and
/// compared once, nothing that rests on it or on absence is taken from anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// When that was noticed.
    pub since: Timestamp,
    /// Why the state is in doubt.
    pub why: String,
}

/// Writes a value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing to memory fails only for types that postcard cannot express, which the round-trip test
    // of every record rules out; an empty record is read back as damage, not as a value.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Reads a value; `None` for anything but exactly one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
