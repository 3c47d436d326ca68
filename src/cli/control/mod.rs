//! Commands and the running service talk to each other: what is asked, and what is said.
//!
//! One line of JSON asks; lines of JSON answer, of which the last is what the command says. The same
//! program is at both ends, but not always the same version of it.

mod client;
mod host;

use serde::{Deserialize, Serialize};

pub(super) use client::ask;
pub(super) use host::Service;

use super::allow::AllowArgs;
use super::approve::ApproveArgs;
use super::deactivate::Order;
use super::said::{Form, Said};
use crate::core::plan::Action;
use crate::core::rules::Rules;
use crate::cycle::report::Progress;
use crate::daemon::rights::Right;

/// The version of what is written here. One end that does not know the other's says so.
const VERSION: u32 = 1;

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
    },
    /// An urgent order for one person.
    Deactivate(Order),
}

/// Something that is done at once, on what is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    Status {
        /// Only one line, for a monitor.
        check: bool,
    },
    Holds,
    Stuck,
    /// How the rules of a configuration that is not in force yet compare with those that are.
    Rules(Rules),
    Explain {
        person: String,
    },
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
}

/// A change of a saved plan: what it is called, and what makes it that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) action: Action,
    pub(super) name: String,
    pub(super) digest: String,
}

impl Request {
    /// The right that it takes.
    fn needs(&self) -> Right {
        match self {
            Self::Task(Task::Allow(args)) if args.lists() => Right::Read,
            Self::Task(
                Task::Status { .. }
                | Task::Holds
                | Task::Stuck
                | Task::Rules(_)
                | Task::Explain { .. },
            )
            | Self::Plan { reveal: false, .. } => Right::Read,
            Self::Task(
                Task::Approve(_)
                | Task::Allow(_)
                | Task::Reject { .. }
                | Task::Retry { .. }
                | Task::Pause { .. }
                | Task::Resume
                | Task::Lift { .. },
            )
            | Self::Plan { reveal: true, .. }
            | Self::Sync
            | Self::Apply { .. }
            | Self::Deactivate(_) => Right::Approve,
        }
    }
}
