//! Commands and the running service talk to each other: what is asked, and what is said.
//!
//! One line of JSON asks; lines of JSON answer, of which the last is what the command says. The same
//! program is at both ends, but not always the same version of it.

mod client;
mod copies;
mod host;
mod polls;

use serde::{Deserialize, Serialize};

pub(super) use client::{ask, receive};
pub(super) use host::Service;

use super::allow::AllowArgs;
use super::approve::ApproveArgs;
use super::deactivate::Order;
use super::said::{Form, Said};
use super::state::Copied;
use crate::core::model::DigestKey;
use crate::core::plan::Action;
use crate::core::rules::Rules;
use crate::cycle::identity::Peers;
use crate::cycle::report::Progress;
use crate::daemon::rights::Right;
use crate::telemetry::Level;

/// The version of what is written here. One end that does not know the other's says so.
const VERSION: u32 = 2;

/// What a command asks, as a line.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    /// The version.
    manntall_control: u32,
    /// The state that the command is about: another service's socket may lie in a usual place.
    state_dir: String,
    /// Whom the command acts for; believed of root and of the owner only.
    by: String,
    form: Form,
    request: Request,
}

/// What the service answers, as lines.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// It is being worked on.
    Waiting,
    /// How far the work has come.
    Progress(Progress),
    /// Something that a person should know meanwhile.
    Note(String),
    /// The next piece of a file that is handed out.
    Piece(String),
    /// The service keeps another state than the one that was asked about.
    OtherState,
    /// The end.
    Said(Said),
}

/// What a command wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Something that is done at once.
    Task(Task),
    /// A fresh poll, and then the plan as JSON.
    Plan {
        /// Only what concerns this person.
        person: Option<String>,
        /// Names and values must be shown.
        reveal: bool,
    },
    /// A poll now, and everything that it leads to.
    Sync,
    /// Exactly these changes.
    Apply {
        /// The target that they are for.
        target: String,
        /// The changes.
        changes: Vec<Saved>,
        /// The key of their digests, where that is not the key of the installation.
        digest_key: Option<DigestKey>,
    },
    /// An urgent order for one person.
    Deactivate(Order),
    /// A copy of the state, piece by piece.
    Backup,
}

/// Something that is done at once, on what is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    Status {
        /// Only one line, for a monitor.
        check: bool,
    },
    Holds {
        /// Values must be shown.
        reveal: bool,
    },
    Stuck,
    /// How the rules of a configuration that is not in force yet compare with those that are.
    Rules(Rules),
    /// Who of those whom a configuration names is another one than before.
    Peers(Peers),
    Explain {
        person: String,
        /// Values must be shown.
        reveal: bool,
    },
    /// Values are about to be shown from a plan that was saved with them.
    Reveal,
    Approve(ApproveArgs),
    Allow(AllowArgs),
    Reject {
        id: String,
    },
    Retry {
        person: Option<String>,
    },
    Pause {
        reason: Option<String>,
    },
    Resume,
    Lift {
        person: String,
    },
    /// Another service was started on the same state, and found it taken.
    Rival {
        process: u32,
    },
    LogLevel {
        level: Level,
    },
    StateInfo,
    StateVerify,
    /// A copy of the state has come to rest where it was wanted.
    BackupKept(Copied),
    AuditVerify {
        /// Ends of the journal that were noted elsewhere.
        heads: Vec<(u64, String)>,
    },
    AuditExport {
        /// The first entry that is wanted.
        from: u64,
    },
}

impl Task {
    /// In which output values of people are to be shown, and of whom alone.
    pub(super) fn reveals(&self) -> Option<(&'static str, Option<&str>)> {
        match self {
            Self::Holds { reveal: true } => Some(("what is held", None)),
            Self::Explain { person, reveal: true } => Some(("one person", Some(person))),
            Self::Reveal => Some(("a saved plan", None)),
            _ => None,
        }
    }

    /// Whether nothing is changed, so that there is nothing to be committed.
    pub(super) fn only_looks(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::Holds { reveal: false }
            | Self::Stuck
            | Self::Rules(_)
            | Self::Peers(_)
            | Self::Explain { reveal: false, .. }
            | Self::StateInfo
            | Self::StateVerify
            | Self::AuditVerify { .. }
            | Self::AuditExport { .. } => true,
            Self::Allow(args) => args.lists(),
            Self::Approve(_)
            | Self::Reject { .. }
            | Self::Retry { .. }
            | Self::Pause { .. }
            | Self::Resume
            | Self::Lift { .. }
            | Self::LogLevel { .. }
            | Self::Rival { .. }
            | Self::Holds { reveal: true }
            | Self::Explain { reveal: true, .. }
            | Self::Reveal
            | Self::BackupKept(_) => false,
        }
    }
}

/// A change of a saved plan: what it is called, and what makes it that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) action: Action,
    pub(super) name: String,
    pub(super) digest: String,
}

/// The request that the bytes are, whatever it would take, as this version writes it.
pub(super) fn rewritten(bytes: &[u8]) -> Option<String> {
    let letter: Letter = serde_json::from_slice(bytes).ok()?;
    let is_ours = letter.manntall_control == VERSION && letter.request.needs() > Right::None;
    is_ours.then(|| serde_json::to_string(&letter).ok()).flatten()
}

impl Request {
    /// Whether the answer names people to those who may see it.
    fn names_people(&self) -> bool {
        match self {
            Self::Plan { .. } => true,
            Self::Task(task) => {
                matches!(task, Task::Holds { .. } | Task::Stuck | Task::Explain { .. })
            }
            Self::Sync | Self::Apply { .. } | Self::Deactivate(_) | Self::Backup => false,
        }
    }

    /// Whether nothing is changed by it, but for the record of who looked.
    fn only_looks(&self) -> bool {
        match self {
            Self::Task(task) => task.only_looks(),
            Self::Plan { .. } | Self::Backup => true,
            Self::Sync | Self::Apply { .. } | Self::Deactivate(_) => false,
        }
    }

    /// The right that it takes. Whoever has a copy of the state, or the journal, has what every single
    /// person did and was: that is more than looking.
    fn needs(&self) -> Right {
        match self {
            Self::Task(Task::AuditExport { .. }) => Right::Approve,
            Self::Task(task) if task.only_looks() => Right::Read,
            Self::Plan { reveal: false, .. } => Right::Read,
            Self::Task(_)
            | Self::Plan { reveal: true, .. }
            | Self::Sync
            | Self::Apply { .. }
            | Self::Deactivate(_)
            | Self::Backup => Right::Approve,
        }
    }
}
