//! What `status` says where no process keeps the platform true: since when, what that means, and what to do.

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::view::text::{ago, time};
use crate::core::model::Timestamp;
use crate::core::report::{Presence, Run, RunEnd, RunKind, State};

/// Who works on the state, or did last.
#[derive(Debug, Serialize)]
pub(super) struct ServiceView {
    /// Whether a process keeps the platform true now.
    running: bool,
    /// What the last run was, where that is known.
    kind: Option<RunKind>,
    process: Option<u32>,
    began: Option<String>,
    last_seen: Option<String>,
    ended: Option<String>,
    exit: Option<u8>,
}

/// What is said first, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Absence {
    /// Fits into a line behind the word for the state.
    pub(super) headline: String,
    /// What it means, and what to do.
    pub(super) effect: String,
}

impl ServiceView {
    pub(super) fn of(presence: Presence, run: Option<&Run>) -> Self {
        Self {
            running: presence == Presence::Here,
            kind: run.map(|run| run.kind),
            process: run.map(|run| run.process),
            began: run.map(|run| run.began.to_string()),
            last_seen: run.map(|run| run.last_known().to_string()),
            ended: run.and_then(|run| run.end).map(|end| end.at.to_string()),
            exit: run.and_then(|run| run.end).map(|end| end.exit),
        }
    }
}

/// What there is to say where nothing runs and something should, or where a run left work behind.
pub(super) fn gone(since: Timestamp, run: Option<&Run>, now: Timestamp) -> Absence {
    let at = format!("{} ({})", time(since), ago(now.since(since)));
    let start = "Leavers stay active. Start: systemctl start manntall".to_owned();
    let Some(run) = run else {
        return Absence { headline: format!("nothing has run since {at}."), effect: start };
    };
    match (run.kind, run.end) {
        (RunKind::Service, None) => {
            Absence { headline: format!("last seen alive {at}."), effect: start }
        }
        (RunKind::Service, Some(RunEnd { exit, .. })) => {
            let how = if exit == 0 { "" } else { "with an error " };
            Absence { headline: format!("stopped {how}{at}."), effect: start }
        }
        (RunKind::Sync, _) if run.could_not_begin() => Absence {
            headline: format!("a sync could not begin {at}, and ended with 78."),
            effect: "Its configuration, or a secret of it, was not valid, so it did nothing, and leavers stay \
                     active. See: manntall check"
                .to_owned(),
        },
        (RunKind::Sync, _) if !run.came_to_its_end() => Absence {
            headline: format!("a sync was broken off {at}."),
            effect: "What it did is on record. What is left waits for the next one, leavers too: \
                     manntall sync"
                .to_owned(),
        },
        (RunKind::Sync, _) => Absence {
            headline: format!("the last sync ended {at}."),
            effect: format!(
                "{} Leavers stay active until the next one. See what should start it (systemctl \
                 list-timers), or start the service: systemctl start manntall. At once: manntall sync",
                missed(run)
            ),
        },
    }
}

/// Why a sync is missed.
fn missed(run: &Run) -> String {
    match run.longest_interval().map(|interval| interval.as_secs() / 3_600) {
        Some(1) => "Before, one came every hour at the latest.".to_owned(),
        Some(hours @ 2..) => format!("Before, one came every {hours} hours at the latest."),
        _ => "Nothing has run since.".to_owned(),
    }
}

/// A run that is at work and takes no questions.
#[derive(Debug, Serialize)]
pub(super) struct AtWork {
    verdict: State,
    service: ServiceView,
    meaning: String,
}

pub(super) fn at_work(run: &Run, now: Timestamp) -> AtWork {
    let what = match run.kind {
        RunKind::Service => "the service",
        RunKind::Sync => "a sync",
    };
    let (process, since) = (run.process, ago(now.since(run.began)));
    AtWork {
        verdict: State::Running,
        service: ServiceView::of(Presence::Here, Some(run)),
        meaning: format!(
            "{what} (process {process}) began {} ({since}) and answers no questions. Ask again when it \
             has ended.",
            time(run.began)
        ),
    }
}

pub(super) fn render_at_work(view: &AtWork) -> String {
    format!("Running: {}\n", view.meaning)
}

/// That no service runs, where syncs come and go.
pub(super) fn between(run: &Run, now: Timestamp) -> String {
    let RunEnd { at, exit } =
        run.end.unwrap_or(RunEnd { at: run.last_known(), exit: Exit::Failed.code() });
    let at = format!("{} ({})", time(at), ago(now.since(at)));
    let known = Exit::ALL.into_iter().find(|known| known.code() == exit);
    let how = match known {
        Some(Exit::Done) => format!("ended well {at}"),
        // What it left has to be looked at, and is told by the rest.
        Some(Exit::Held) => format!("ended {at}; it left what waits for somebody's word ({exit})"),
        Some(Exit::Stuck) => {
            format!("ended {at}; it left what is stuck or cannot be read ({exit})")
        }
        Some(known) => format!("failed {at}, with {exit}: {}", known.words().0),
        None => format!("failed {at}, with {exit}"),
    };
    format!(
        "No service runs. The last sync {how}; when the next one comes, Manntall does not know."
    )
}
