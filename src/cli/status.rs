//! `status`: how things stood when the last sync or the service wrote it down.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::view::text::{BOLD, harmless, number, styled, time_of};
use super::{Context, Exit, Failure, console, wire};
use crate::core::plan::Action;
use crate::cycle::Trouble;
use crate::cycle::report::{Report, SourceReport, TargetReport};

/// How things stand, as the status port shows it too.
#[derive(Debug, Serialize)]
struct StatusView {
    version: &'static str,
    verdict: &'static str,
    at: String,
    sources: BTreeMap<String, SourceView>,
    targets: BTreeMap<String, TargetView>,
    /// Why the state is being compared with both sides before anything is taken from anybody.
    recovery: Option<TroubleView>,
}

#[derive(Debug, Serialize)]
struct SourceView {
    state: &'static str,
    last_complete: LastComplete,
    users: u64,
    groups: u64,
    troubles: Vec<TroubleView>,
}

#[derive(Debug, Serialize)]
struct LastComplete {
    users: Option<String>,
    groups: Option<String>,
}

#[derive(Debug, Serialize)]
struct TargetView {
    state: &'static str,
    accounts: u64,
    active: u64,
    groups: u64,
    memberships: u64,
    pending: BTreeMap<Action, u64>,
    held: u64,
    stuck: u64,
    last_success: Option<String>,
    last_proof: Option<String>,
    drift: u64,
    disabled: u64,
    troubles: Vec<TroubleView>,
}

#[derive(Debug, Serialize)]
struct TroubleView {
    since: String,
    message: String,
}

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.load()?;
    let (target, _) = wire::only_target(&config)?;
    let state = wire::existing_state(&config)?;
    // A doubt is noticed when the state is opened, so the report may not know of it yet.
    let doubt = state.recovery.clone();
    let known = state.report()?.or_else(|| {
        let at = doubt.as_ref()?.since;
        Some(Report { at, ..Report::default() })
    });
    let mut report = known.ok_or_else(|| {
        Failure::new(
            Exit::NoState,
            "nothing was synced yet; the first manntall sync notes a status",
        )
    })?;
    report.recovery = doubt;
    let view = view(report, target);
    if context.json {
        console::json(&view);
    } else {
        console::data(&render(&view));
    }
    Ok(Exit::Done)
}

fn view(report: Report, target: &str) -> StatusView {
    let Report { at, sources, target: of_target, recovery } = report;
    let recovery =
        recovery.map(|one| TroubleView { since: one.since.to_string(), message: one.why });
    let sources: BTreeMap<_, _> =
        sources.into_iter().map(|(name, source)| (name.to_string(), source_view(source))).collect();
    let of_target = target_view(of_target);
    let is_degraded = sources.values().any(|source| !source.troubles.is_empty())
        || !of_target.troubles.is_empty()
        || recovery.is_some();
    let verdict = match of_target.state {
        _ if is_degraded => "degraded",
        "held" => "held",
        _ if of_target.stuck > 0 => "degraded",
        _ => "healthy",
    };
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        verdict,
        at: at.to_string(),
        sources,
        targets: BTreeMap::from([(target.to_owned(), of_target)]),
        recovery,
    }
}

fn source_view(source: SourceReport) -> SourceView {
    let SourceReport { last_complete: [last_users, last_groups], users, groups, troubles } = source;
    let state = match (&last_users, troubles.is_empty()) {
        (_, false) => "degraded",
        (None, true) => "never_run",
        (Some(_), true) => "idle",
    };
    SourceView {
        state,
        last_complete: LastComplete {
            users: last_users.map(|at| at.to_string()),
            groups: last_groups.map(|at| at.to_string()),
        },
        users,
        groups,
        troubles: troubles.into_iter().map(trouble_view).collect(),
    }
}

fn target_view(target: TargetReport) -> TargetView {
    let TargetReport {
        accounts,
        active,
        groups,
        memberships,
        pending,
        held,
        stuck,
        last_success,
        last_proof,
        drift,
        disabled,
        trouble,
    } = target;
    let state = match (&trouble, held, pending.is_empty()) {
        (Some(_), ..) => "degraded",
        (None, 1.., _) => "held",
        (None, 0, false) => "running",
        (None, 0, true) => "idle",
    };
    TargetView {
        state,
        accounts,
        active,
        groups,
        memberships,
        pending,
        held,
        stuck,
        last_success: last_success.map(|at| at.to_string()),
        last_proof: last_proof.map(|at| at.to_string()),
        drift,
        disabled,
        troubles: trouble.into_iter().map(trouble_view).collect(),
    }
}

fn trouble_view(trouble: Trouble) -> TroubleView {
    TroubleView { since: trouble.since.to_string(), message: trouble.message }
}

fn render(view: &StatusView) -> String {
    let StatusView { version: _, verdict, at, sources, targets, recovery } = view;
    let mut text = String::new();
    let means = match *verdict {
        "healthy" => "Healthy: the platform was as it should be.",
        "held" => "Held: some changes wait for approval. See: manntall holds",
        _ => "Degraded: something could not be read or done.",
    };
    let _ = writeln!(text, "{} As of {}.", styled(BOLD, means), time_of(at));
    if let Some(TroubleView { since, message }) = recovery {
        let _ = writeln!(
            text,
            "the state is in doubt since {since}: {}. Both sides are read and compared before anything \
             is taken from anybody; the service or manntall sync does so by itself",
            harmless(message)
        );
    }
    for (name, source) in sources {
        let SourceView { state, last_complete, users, groups, troubles } = source;
        let read = time_of(last_complete.users.as_deref().unwrap_or("never"));
        let (users, groups) = (number(*users), number(*groups));
        let _ = writeln!(
            text,
            "tenant {name}: {state}; {users} users, {groups} groups; last read whole {read}"
        );
        tell_troubles(&mut text, troubles);
    }
    for (name, target) in targets {
        let _ = writeln!(
            text,
            "platform {name}: {}; {} accounts ({} active), {} groups, {} memberships",
            target.state,
            number(target.accounts),
            number(target.active),
            number(target.groups),
            number(target.memberships)
        );
        for (action, count) in &target.pending {
            let _ = writeln!(text, "  pending: {} {action}", number(*count));
        }
        if target.held > 0 {
            let _ = writeln!(text, "  held: {}; see: manntall holds", number(target.held));
        }
        if target.stuck > 0 {
            let _ = writeln!(text, "  stuck: {}; see: manntall stuck", number(target.stuck));
        }
        let last = time_of(target.last_success.as_deref().unwrap_or("never"));
        let _ = writeln!(text, "  everything done that may be done: {last}");
        if let Some(at) = &target.last_proof {
            let drift = number(target.drift);
            let _ =
                writeln!(text, "  compared whole: {at}; {drift} changed there by somebody else");
        }
        if target.disabled > 0 {
            let disabled = number(target.disabled);
            let _ =
                writeln!(text, "  made inactive there by somebody else, and left so: {disabled}");
        }
        tell_troubles(&mut text, &target.troubles);
    }
    text
}

fn tell_troubles(text: &mut String, troubles: &[TroubleView]) {
    for TroubleView { since, message } in troubles {
        let _ = writeln!(text, "  since {}: {}", time_of(since), harmless(message));
    }
}
