//! `status`: how things stood when the last sync or the service wrote it down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::allow::WindowView;
use super::control::Task;
use super::ground::{self, Ground};
use super::said::Said;
use super::view::text::{BOLD, harmless, number, styled, time_of};
use super::{Context, Exit, Failure, allow, check, console, standing, surroundings, wire};
use crate::core::judge::Trial;
use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::core::report::{
    Expiry, Snapshot, SourceStand, State, source_state, target_state, verdict,
};
use crate::cycle::records::Pause;
use crate::cycle::report::{Report, SourceReport, TargetReport};
use crate::cycle::{Engine, Probes, Trouble};

/// How things stand, as the status port shows it too.
#[derive(Debug, Serialize)]
struct StatusView {
    version: &'static str,
    verdict: State,
    at: String,
    paused: Option<PausedView>,
    /// How many people were deactivated by hand.
    by_hand: usize,
    /// What is wrong with the configuration file that was to be loaded anew.
    configuration: Option<TroubleView>,
    sources: BTreeMap<String, SourceView>,
    targets: BTreeMap<String, TargetView>,
    /// Why the state is being compared with both sides before anything is taken from anybody.
    recovery: Option<TroubleView>,
    /// When credentials end, as far as that is known.
    expiries: Vec<ExpiryView>,
    /// What should be done before it is too late.
    warnings: Vec<String>,
    /// What was announced and is in force.
    allowed: Vec<WindowView>,
    /// The rules that are others than those of the state: what their change would remove is held.
    changed_rules: BTreeSet<String>,
    /// Large approvals that are being tried out, or were ended by a surprise.
    trials: Vec<TrialView>,
}

#[derive(Debug, Serialize)]
struct ExpiryView {
    name: String,
    at: String,
}

#[derive(Debug, Serialize)]
struct TrialView {
    approved_at: String,
    approved_by: String,
    /// Since when it is ended, and by what; nothing while it goes on.
    surprise: Option<TroubleView>,
}

#[derive(Debug, Serialize)]
struct PausedView {
    since: String,
    by: String,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct SourceView {
    state: State,
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
    state: State,
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
    /// The guard that acts because of it, by name.
    guard: Option<String>,
    message: String,
    /// When a peer in quarantine is asked next; known to the running service.
    next_probe: Option<String>,
}

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// One line for a monitor such as Nagios or Icinga; exit code 0 fine, 1 warning, 2 critical,
    /// 3 unknown
    #[arg(long)]
    check: bool,
}

pub(super) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    let asked = ground::task(context, &Task::Status { check: args.check });
    match asked {
        Err(failure) if args.check => {
            let why = failure.message.lines().next().unwrap_or_default();
            console::data(&format!("MANNTALL UNKNOWN - {}\n", harmless(why)));
            Ok(standing::UNKNOWN)
        }
        asked => asked,
    }
}

pub(super) fn said(ground: &Ground<'_>, check: bool) -> Result<Said, Failure> {
    let (target, _) = wire::only_target(ground.config)?;
    // A doubt is noticed when the state is opened, so the report may not know of it yet.
    let doubt = ground.state().recovery.clone();
    let known = ground.report()?.or_else(|| {
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
    let snapshot = standing::snapshot(&report, target, ground)?;
    if check {
        let around = surroundings::look(ground.config, ground.now);
        let soon = surroundings::urgent(&around, ground.now);
        let (line, exit) = standing::check(&snapshot, soon.as_deref(), ground.now);
        return Ok(Said { data: Some(line), talk: Vec::new(), exit });
    }
    let view = view(report, target, ground, &snapshot);
    Ok(Said::shown(ground.form, &view, render))
}

fn view(report: Report, target: &str, ground: &Ground<'_>, snapshot: &Snapshot) -> StatusView {
    let Report { at, sources, target: of_target, recovery } = report;
    let recovery = recovery.map(|one| told(one.since, one.why));
    let Probes { sources: source_probes, target: target_probe } = ground.probes();
    let sources: BTreeMap<_, _> = sources
        .into_iter()
        .map(|(name, source)| {
            let stand = snapshot.sources.get(name.as_str());
            (name.to_string(), source_view(source, stand, source_probes.get(&name).copied()))
        })
        .collect();
    let paused = ground.state().paused.as_ref();
    let stand = snapshot.targets.get(target);
    let state = stand.map_or(State::NeverRun, target_state);
    let mut of_target = target_view(of_target, state, target_probe);
    if paused.is_some() {
        of_target.state = State::Paused;
    }
    let configuration = ground.config_trouble().cloned().map(|one| trouble_view(one, None));
    let around = surroundings::look(ground.config, ground.now);
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        verdict: verdict(snapshot).state,
        at: at.to_string(),
        paused: paused.map(|Pause { by, at, reason }| PausedView {
            since: at.to_string(),
            by: by.clone(),
            reason: reason.clone(),
        }),
        by_hand: ground.state().ledger.by_hand.len(),
        configuration,
        sources,
        targets: BTreeMap::from([(target.to_owned(), of_target)]),
        recovery,
        warnings: surroundings::warnings(&around, ground.now),
        expiries: around.expiries.iter().map(expiry_view).collect(),
        allowed: ground
            .state()
            .open_windows(ground.now)
            .iter()
            .map(|window| allow::view(window, ground.now))
            .collect(),
        changed_rules: check::changed_rules(ground),
        trials: trials(ground),
    }
}

/// Trials that nobody has to look for: those that have passed are history.
fn trials(ground: &Ground<'_>) -> Vec<TrialView> {
    let trials = ground.state().trials.iter().filter(|trial| !trial.has_passed());
    let view = |trial: &Trial| TrialView {
        approved_at: trial.at.to_string(),
        approved_by: trial.by.to_string(),
        surprise: trial.surprise.clone().map(|(since, words)| told(since, words)),
    };
    trials.map(view).collect()
}

fn expiry_view(expiry: &Expiry) -> ExpiryView {
    ExpiryView { name: expiry.what.to_string(), at: expiry.at.to_string() }
}

fn source_view(
    source: SourceReport,
    stand: Option<&SourceStand>,
    probe: Option<Timestamp>,
) -> SourceView {
    let SourceReport { last_complete: [last_users, last_groups], users, groups, troubles } = source;
    SourceView {
        state: stand.map_or(State::NeverRun, source_state),
        last_complete: LastComplete {
            users: last_users.map(|at| at.to_string()),
            groups: last_groups.map(|at| at.to_string()),
        },
        users,
        groups,
        troubles: troubles.into_iter().map(|one| trouble_view(one, probe)).collect(),
    }
}

fn target_view(target: TargetReport, state: State, probe: Option<Timestamp>) -> TargetView {
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
        troubles: trouble.into_iter().map(|one| trouble_view(one, probe)).collect(),
    }
}

/// `probe` is when the peer is asked next, if it is in quarantine.
fn trouble_view(trouble: Trouble, probe: Option<Timestamp>) -> TroubleView {
    let Trouble { since, code: _, guard, message } = trouble;
    let guard = guard.map(|guard| guard.to_string());
    let probe = probe.filter(|_| guard.as_deref() == Some("quarantine"));
    let next_probe = probe.map(|at| at.to_string());
    TroubleView { since: since.to_string(), guard, message, next_probe }
}

fn told(since: Timestamp, message: String) -> TroubleView {
    TroubleView { since: since.to_string(), guard: None, message, next_probe: None }
}

fn render(view: &StatusView) -> String {
    let StatusView { verdict, at, sources, targets, .. } = view;
    let mut text = String::new();
    let means = match verdict {
        State::NeverRun => "Never run: not everything has been read whole yet.",
        State::Idle => "Idle: the platform was as it should be.",
        State::Running => "Running: changes are on their way.",
        State::Paused => "Paused: nothing is written to the platform.",
        State::Held => "Held: some changes wait for approval. See: manntall holds",
        State::Degraded => "Degraded: something could not be read or done.",
        State::Quarantined => "Quarantined: a peer refuses Manntall.",
    };
    let _ = writeln!(text, "{} As of {}.", styled(BOLD, means), time_of(at));
    notices(&mut text, view);
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

/// What somebody should know before the figures.
fn notices(text: &mut String, view: &StatusView) {
    let StatusView { paused, by_hand, configuration, recovery, warnings, .. } = view;
    for warning in warnings {
        let _ = writeln!(text, "{}", harmless(warning));
    }
    if let Some(PausedView { since, by, reason }) = paused {
        let why = reason.as_deref().map(|why| format!(" ({})", harmless(why))).unwrap_or_default();
        let (by, since) = (harmless(by), time_of(since));
        let _ = writeln!(text, "paused by {by} since {since}{why}; go on with: manntall resume");
    }
    if *by_hand > 0 {
        let _ =
            writeln!(text, "deactivated by hand, whatever Entra says: {}", number(*by_hand as u64));
    }
    if let Some(TroubleView { since, message, .. }) = configuration {
        let since = time_of(since);
        let _ = writeln!(text, "since {since}: the changed configuration is not in force:");
        for line in message.lines() {
            let _ = writeln!(text, "  {}", harmless(line));
        }
    }
    guard_notices(text, view);
    if let Some(TroubleView { since, message, .. }) = recovery {
        let _ = writeln!(
            text,
            "the state is in doubt since {since}: {}. Both sides are read and compared before anything \
             is taken from anybody; the service or manntall sync does so by itself",
            harmless(message)
        );
    }
}

/// What was announced, and what the guards over the whole plan do.
fn guard_notices(text: &mut String, view: &StatusView) {
    let StatusView { allowed, changed_rules, trials, .. } = view;
    if !allowed.is_empty() {
        let _ = write!(text, "announced:\n{}", allow::render(allowed));
    }
    if !changed_rules.is_empty() {
        let names: Vec<String> = changed_rules.iter().map(|one| harmless(one)).collect();
        let _ = writeln!(
            text,
            "changed rules: {}; what that would remove is held until somebody approves it",
            names.join(", ")
        );
    }
    for TrialView { approved_at, approved_by, surprise } in trials {
        let (at, by) = (time_of(approved_at), harmless(approved_by));
        let _ = match surprise {
            Some(TroubleView { since, message, .. }) => {
                writeln!(text, "surprise, since {}: {}", time_of(since), harmless(message))
            }
            None => {
                writeln!(text, "a few of what {by} approved at {at} are made and read back first")
            }
        };
    }
}

fn tell_troubles(text: &mut String, troubles: &[TroubleView]) {
    for TroubleView { since, guard: _, message, next_probe } in troubles {
        let next = next_probe.as_deref().map(|at| format!(" (asked again at {})", time_of(at)));
        let (since, next) = (time_of(since), next.unwrap_or_default());
        let _ = writeln!(text, "  since {since}: {}{next}", harmless(message));
    }
}

/// One line for `systemctl status`: tenants, what waits for somebody, and the last change.
pub(super) fn line(engine: &Engine, zone: &TimeZone) -> String {
    let clock_time = |at: Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
    };
    let state = engine.state();
    let tenants: BTreeSet<_> = state.walks.keys().map(|(name, _)| *name).collect();
    let troubled: BTreeSet<_> = engine.source_troubles().keys().map(|(name, _)| *name).collect();
    let noun = if tenants.len() == 1 { "tenant" } else { "tenants" };
    let mut parts = vec![match (troubled.len(), tenants.len()) {
        (0, all) => format!("{all} {noun} ok"),
        (some, all) => format!("{some} of {all} {noun} in trouble"),
    }];
    if engine.target_trouble().is_some() {
        parts.push("platform in trouble".to_owned());
    }
    if let Some(pause) = &state.paused {
        parts.insert(0, format!("paused by {} at {}", harmless(&pause.by), clock_time(pause.at)));
    }
    if engine.config_trouble().is_some() {
        parts.push("changed configuration refused".to_owned());
    }
    let holds = engine.holds().len();
    parts.push(format!("{holds} {}", if holds == 1 { "hold" } else { "holds" }));
    let stuck = state.ledger.escrow.len();
    if stuck > 0 {
        parts.push(format!("{stuck} stuck"));
    }
    parts.push(match state.last_change {
        Some(at) => format!("last change {}", clock_time(at)),
        None => "no change yet".to_owned(),
    });
    parts.join(", ")
}
