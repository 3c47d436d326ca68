//! Exit codes (design 4.3), and the failures that lead to them.

use serde::{Deserialize, Serialize};

use super::runs;
use crate::cycle::door::Shut;
use crate::store::StoreError;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed for a reason that has no code of its own.
    Failed = 1,
    /// `plan --detailed-exitcode`: changes are pending.
    Pending = 2,
    /// Finished, and some items are stuck, or could not be read.
    Stuck = 3,
    /// Held: somebody has to approve.
    Held = 4,
    /// The saved plan is stale; nothing was done.
    Stale = 5,
    /// There is no state yet.
    NoState = 10,
    /// Another process holds the store.
    Locked = 11,
    /// A peer refused our credentials or consent.
    Refused = 12,
    /// The store is damaged, or another version wrote it.
    Damaged = 13,
    /// The command line is wrong.
    Usage = 64,
    /// A peer cannot be reached, or gives no usable answer.
    Unreachable = 69,
    /// Throttled: try later.
    Throttled = 75,
    /// The configuration is invalid.
    Config = 78,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// All of them.
    pub(super) const ALL: [Self; 15] = [
        Self::Done,
        Self::Failed,
        Self::Pending,
        Self::Stuck,
        Self::Held,
        Self::Stale,
        Self::NoState,
        Self::Locked,
        Self::Refused,
        Self::Damaged,
        Self::Usage,
        Self::Unreachable,
        Self::Throttled,
        Self::Config,
        Self::Interrupted,
    ];

    /// Of several ends of one `sync` the first in this list is told.
    pub(super) const ORDER: [Self; 10] = [
        Self::Interrupted,
        Self::Damaged,
        Self::Locked,
        Self::Config,
        Self::Refused,
        Self::Unreachable,
        Self::Throttled,
        Self::Failed,
        Self::Held,
        Self::Stuck,
    ];

    /// What it means, and what to do then.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("done", ""),
            Self::Failed => ("failed for a reason without a code of its own", "read the message"),
            Self::Pending => ("`plan --detailed-exitcode`: changes are pending", ""),
            Self::Stuck => (
                "finished; some items are stuck, or could not be read from Entra",
                "`manntall stuck` and `manntall status` say which and why",
            ),
            Self::Held => ("held: somebody has to approve", "`manntall holds`"),
            Self::Stale => ("the saved plan is stale; nothing was done", "make a new one"),
            Self::NoState => ("there is no state yet", "the first `sync` or `run` makes it"),
            Self::Locked => ("another process holds the state", "wait for its end, or stop it"),
            Self::Refused => (
                "Entra or the platform refused our credentials or consent",
                "`manntall check --online` names what is missing",
            ),
            Self::Damaged => (
                "the state is damaged, or another version wrote it",
                "put the last good copy back, or run that version",
            ),
            Self::Usage => ("the command line is wrong", "`manntall COMMAND --help`"),
            Self::Unreachable => (
                "a peer cannot be reached or gives no usable answer",
                "wait; read the message when it stays",
            ),
            Self::Throttled => ("throttled for more than ten minutes", "later"),
            Self::Config => (
                "the configuration is invalid, or a secret file cannot be used",
                "the message shows the line",
            ),
            Self::Interrupted => ("interrupted", "the next sync goes on from there"),
        }
    }

    /// The code that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The end that a trouble with a peer leads to.
    pub(super) fn of_trouble(code: u8) -> Self {
        match code {
            1 => Self::Failed,
            12 => Self::Refused,
            75 => Self::Throttled,
            78 => Self::Config,
            _ => Self::Unreachable,
        }
    }

    /// The one of several ends that is told; [`Exit::Done`] of none.
    pub(super) fn first_of(ends: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| {
            Self::ORDER.iter().position(|one| one == exit).unwrap_or(Self::ORDER.len())
        };
        ends.into_iter().min_by_key(rank).unwrap_or(Self::Done)
    }
}

/// A command that came to nothing, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// What happened, to what, what was done about it, what to do next.
    pub message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The message as it is shown: what failed on the first line, and the rest on the next ones. A wrong
    /// configuration shows its lines, and an interruption is none of ours.
    pub(super) fn in_full(&self) -> String {
        /// `Failed: ` goes before it.
        const COLUMNS: usize = 72;
        let Self { exit, message } = self;
        let is_failure = match exit {
            Exit::Failed
            | Exit::Stale
            | Exit::NoState
            | Exit::Locked
            | Exit::Refused
            | Exit::Damaged
            | Exit::Unreachable
            | Exit::Throttled => true,
            Exit::Done
            | Exit::Pending
            | Exit::Stuck
            | Exit::Held
            | Exit::Usage
            | Exit::Config
            | Exit::Interrupted => false,
        };
        if !is_failure || message.starts_with("Failed:") {
            return message.clone();
        }
        let ends = [": ", "; ", ". "].iter().flat_map(|end| message.match_indices(end));
        let ends = ends.map(|(at, _)| at).filter(|at| message[..*at].chars().count() <= COLUMNS);
        let first_line = message.lines().next().map_or(0, |line| line.chars().count());
        match ends.max() {
            Some(at) if first_line > COLUMNS && !message[..at].contains('\n') => {
                let (first, rest) = message.split_at(at + 1);
                format!("Failed: {first}\n{}", rest.trim_start())
            }
            _ => format!("Failed: {message}"),
        }
    }
}

impl From<Shut> for Failure {
    fn from(shut: Shut) -> Self {
        Self::new(Exit::Failed, shut.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (exit, next) = match &error {
            StoreError::Locked { folder, holder } => return runs::held(folder, *holder),
            StoreError::Damaged { .. } => (
                Exit::Damaged,
                "nothing was changed. Put a backup back with `manntall state restore FILE \
                 --move-aside`, or begin with an empty store, which finds every account on the \
                 platform again: `manntall state rebuild`. Both keep the damaged files beside",
            ),
            StoreError::Newer { .. } => {
                (Exit::Damaged, "nothing was changed; run the newer version again")
            }
            StoreError::Older { .. } => (
                Exit::Damaged,
                "nothing was changed. Run the older version again, or begin with an empty store, which \
                 finds every account on the platform again and keeps the old files beside: `manntall \
                 state rebuild`",
            ),
            StoreError::Absent { .. } => {
                (Exit::NoState, "the first `manntall sync` or `manntall run` makes it")
            }
            StoreError::NoRoom { .. } => (
                Exit::Failed,
                "a full disk, a quota or a read-only file system. Nothing was done that is not on \
                 record; free space (df -h shows where), then try again",
            ),
            // What can be done is said where it is known.
            StoreError::Io { .. } | StoreError::Backup { .. } => {
                return Self::new(Exit::Failed, error.to_string());
            }
        };
        Self::new(exit, format!("{error}; {next}"))
    }
}

#[cfg(test)]
mod tests;
