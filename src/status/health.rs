//! The three questions of monitors. Machines rely on the status code; the lines are for people.
//!
//! `/livez`: does the loop turn? Nothing outside counts, or an outage at Microsoft would restart us.
//! `/readyz`: was first contact made? `/healthz`: does everything that should succeed succeed? A hold is
//! no failure of any of them.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::core::model::Timestamp;
use crate::core::report::{Own, Snapshot, State, source_state, target_state};

/// A turn may take so long: planning a million people, or a disk that is slow to sync.
const TURN_MAX: Duration = Duration::from_secs(300);

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    status: &'static str,
    checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    ok: bool,
    /// What is wrong, or how it stands.
    detail: String,
}

impl Health {
    fn of(checks: Vec<Check>) -> Self {
        let is_ok = checks.iter().all(|check| check.ok);
        Self { status: if is_ok { "ok" } else { "failed" }, checks }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status == "ok"
    }

    /// One word.
    pub(super) fn brief(&self) -> String {
        format!("{}\n", self.status)
    }

    /// One line a check.
    pub(super) fn verbose(&self) -> String {
        let mut text = String::new();
        for Check { name, ok, detail } in &self.checks {
            let mark = if *ok { "[+]" } else { "[-]" };
            let _ = writeln!(text, "{mark} {name}: {detail}");
        }
        text + &self.brief()
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Whether the loop turns.
pub(super) fn live(snapshot: &Snapshot, elapsed: Duration) -> Health {
    let quiet = elapsed.saturating_sub(snapshot.turned);
    let limit = snapshot.poll_interval + TURN_MAX;
    let detail = format!("last turn {} s ago, limit {} s", quiet.as_secs(), limit.as_secs());
    Health::of(vec![Check { name: "loop".to_owned(), ok: quiet <= limit, detail }])
}

/// Whether every tenant was read and the platform was asked.
pub(super) fn ready(snapshot: &Snapshot) -> Health {
    let mut checks = vec![started(snapshot)];
    for (name, source) in &snapshot.sources {
        let ok = source.proven().is_some();
        let detail = if ok { "was read whole" } else { "was not read whole yet" };
        checks.push(Check { name: format!("tenant {name}"), ok, detail: detail.to_owned() });
    }
    for (name, target) in &snapshot.targets {
        let ok = target.served().is_some() || target.accounts > 0;
        let detail = if ok { "has answered" } else { "has not answered yet" };
        checks.push(Check { name: format!("platform {name}"), ok, detail: detail.to_owned() });
    }
    Health::of(checks)
}

/// Whether the last success of each peer is young enough, and nothing is quarantined.
pub(super) fn healthy(snapshot: &Snapshot, now: Timestamp) -> Health {
    let limit = snapshot.patience();
    let mut checks = vec![started(snapshot)];
    if snapshot.troubles.iter().any(|own| own.kind == Own::DiskFull) {
        let detail = "there is no room to write it".to_owned();
        checks.push(Check { name: "state".to_owned(), ok: false, detail });
    }
    let mut check = |name: String, state: State, last: Option<Timestamp>| {
        let is_young = last.is_some_and(|last| now.since(last) <= limit);
        let age = match last {
            Some(last) => format!("last success {} s ago", now.since(last).as_secs()),
            None => "no success yet".to_owned(),
        };
        let detail = format!("{state}, {age}, limit {} s", limit.as_secs());
        checks.push(Check { name, ok: is_young && state != State::Quarantined, detail });
    };
    for (name, source) in &snapshot.sources {
        check(format!("tenant {name}"), source_state(source), source.heard());
    }
    for (name, target) in &snapshot.targets {
        check(format!("platform {name}"), target_state(target), target.served());
    }
    Health::of(checks)
}

/// Before the first turn there is nothing to be said about anybody.
fn started(snapshot: &Snapshot) -> Check {
    let ok = !snapshot.sources.is_empty();
    let detail = if ok { "turning" } else { "has not made its first turn" };
    Check { name: "loop".to_owned(), ok, detail: detail.to_owned() }
}
