//! The audit journal: what was written to a target and what was decided, each entry bound to the one
//! before it by a hash.
//!
//! Entries hold object ids, names of attributes and digests, never a person's name or a value. They
//! are committed together with what they tell of, before anything else is sent. Whoever changes,
//! removes or reorders one breaks the chain; whoever cuts its end off is found out by the head, which
//! is also in the witness beside the store and, from time to time, in the service's log.
//!
//! It protects against damage and against quiet edits, not against somebody who may rewrite the whole
//! state folder and the logs. Where entries are kept, this module does not know.

mod chain;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use chain::{Flaw, Hash, Head, Stored, verify};

use crate::core::judge::Meter;
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::{Action, KeyedDigest};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Something was done to a target, or refused by it.
    Write(Write),
    /// Somebody, or the service itself, decided something.
    Decision(Decision),
}

impl Entry {
    /// What it is about, where that is one thing.
    pub fn entity(&self) -> Option<&Entity> {
        match self {
            Self::Write(write) => Some(&write.entity),
            Self::Decision(decision) => decision.entity.as_ref(),
        }
    }

    /// Cuts texts that are longer than an entry may be. Those who write them are bounded where they ask; a
    /// text that slips through must not keep what it tells of from being recorded.
    pub fn bound(&mut self) {
        const TEXT_MAX: usize = 8 * 1024;
        let cut = |text: &mut String| {
            if text.len() > TEXT_MAX {
                text.truncate(text.floor_char_boundary(TEXT_MAX));
                text.push('…');
            }
        };
        match self {
            Self::Write(write) => {
                cut(&mut write.reason);
                write.refused.as_mut().map(cut);
            }
            Self::Decision(decision) => {
                cut(&mut decision.detail);
                if let Some(by) = &decision.by
                    && by.len() > TEXT_MAX
                {
                    let mut name = by.to_string();
                    cut(&mut name);
                    decision.by = Some(name.into());
                }
            }
        }
    }

    /// When it was recorded.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Write(write) => write.at,
            Self::Decision(decision) => decision.at,
        }
    }
}

/// One thing that was done to the target, or refused by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// When the answer was recorded.
    pub at: Timestamp,
    /// To what.
    pub entity: Entity,
    /// What.
    pub action: Action,
    /// The change.
    pub digest: KeyedDigest,
    /// What was sent, path by path, without values.
    pub paths: Vec<String>,
    /// Digest of what the target held of that before.
    pub before: Hash,
    /// Digest of what it was to hold after.
    pub after: Hash,
    /// Why.
    pub reason: String,
    /// The meters that it counts with for a day; none where it was approved or is not limited.
    pub meters: Vec<Meter>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// The target's refusal, if it refused.
    pub refused: Option<String>,
    /// What the target called the request that it answered, where it said so.
    pub request_id: Option<Arc<str>>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: DecisionKind,
    /// About what, where it is about one thing.
    pub entity: Option<Entity>,
    /// Who, where it was a person.
    pub by: Option<Arc<str>>,
    /// What exactly, in words without personal data.
    pub detail: String,
    /// Digest over the changes that it is about: their list may be far longer than an entry.
    pub changes: Option<Hash>,
}

/// Kinds of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionKind {
    /// Changes wait for somebody's word.
    Hold,
    /// Somebody let changes be made.
    Approve,
    /// Somebody decided that changes are not made.
    Reject,
    /// Somebody stopped writing.
    Pause,
    /// Somebody let writing go on.
    Resume,
    /// Somebody deactivates an account whatever Entra says.
    ByHand,
    /// Entra decides again about an account that was deactivated by hand.
    Lift,
    /// What is stuck is tried again.
    Retry,
    /// Something is no longer managed, and left as it is.
    Release,
    /// What a write without an answer came to was found out by looking.
    Settle,
    /// What we keep on the target was not there any more, and we had not taken it away.
    Gone,
    /// A guard acted: quarantine, coverage, identity and their like.
    Guard,
    /// The state is in doubt, and is compared before anything is taken from anybody.
    Recovery,
    /// The state was compared, and is trusted again.
    Trust,
    /// The state was put back from a backup, or begun anew.
    Restore,
    /// A copy of the state has come to rest where it was wanted.
    Backup,
    /// Old entries of this journal were removed.
    Prune,
    /// Somebody was shown values of people.
    Reveal,
    /// Somebody announced that more changes of a kind are to come.
    Allow,
    /// Somebody took that back.
    Revoke,
    /// Somebody was given a copy of the state.
    CopyOut,
    /// What somebody had rejected is not wanted any more.
    RejectionOver,
}

impl DecisionKind {
    /// The name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::ByHand => "by_hand",
            Self::Lift => "lift",
            Self::Retry => "retry",
            Self::Release => "release",
            Self::Settle => "settle",
            Self::Gone => "gone",
            Self::Guard => "guard",
            Self::Recovery => "recovery",
            Self::Trust => "trust",
            Self::Restore => "restore",
            Self::Backup => "backup",
            Self::Prune => "prune",
            Self::Reveal => "reveal",
            Self::Allow => "allow",
            Self::Revoke => "revoke",
            Self::CopyOut => "copy_out",
            Self::RejectionOver => "rejection_over",
        }
    }
}

impl fmt::Display for DecisionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
