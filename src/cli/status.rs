//! `status`: how things stood when the last sync or the service wrote it down.

mod absence;
mod line;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use anstream::adapter::strip_str;
use serde::Serialize;

use self::absence::{Absence, ServiceView};
pub(super) use self::line::line;
pub(super) use self::text::rewritten;
use super::allow::WindowView;
use super::control::Task;
use super::ground::{self, Ground};
use super::said::{Form, Said};
use super::view::hold::ApprovedLine;
use super::view::text::{harmless, time};
use super::{Context, Exit, Failure, allow, check, console, runs, standing, surroundings, wire};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::judge::Trial;
use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::core::report::{
    About, Expiry, LeftOutStand, Own, OwnTrouble, Presence, Run, Snapshot, SourceStand, State,
    TargetStand, Trouble, source_state, target_state, verdict,
};
use crate::cycle::records::Pause;
use crate::cycle::report::{Rejected, Report, StuckNote};
use crate::cycle::{Probes, Trouble as PeerTrouble};
use crate::status;
use crate::status::json::{AbsentView, LeavingView, OfKinds, ProofView, gaps, silent};
use crate::store::{self, OpenMode, StoreError};

/// How things stand, as the status port shows it too.
#[derive(Debug, Serialize)]
struct StatusView {
    version: &'static str,
    verdict: State,
    /// Who keeps the platform true, or did last.
    service: ServiceView,
    /// Since when, where that is known.
    since: Option<String>,
    /// What that means, and what there is to do.
    meaning: String,
    /// What goes on the first line of that, where nothing runs.
    #[serde(skip)]
    absence: Option<Absence>,
    /// What else somebody should know of that.
    beside: Option<String>,
    at: String,
    paused: Option<PausedView>,
    /// How many people were deactivated by hand.
    by_hand: usize,
    /// What is wrong with Manntall itself.
    troubles: Vec<OwnView>,
    /// What is wrong with the configuration file that was to be loaded anew.
    configuration: Option<TroubleView>,
    sources: BTreeMap<String, SourceView>,
    targets: BTreeMap<String, TargetView>,
    /// Why the state is being compared with both sides before anything is taken from anybody.
    recovery: Option<TroubleView>,
    last_backup: Option<String>,
    disk_free: Option<u64>,
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
    /// What was approved and is not made yet.
    approved: Vec<ApprovedLine>,
}

/// What is wrong with Manntall itself.
#[derive(Debug, Serialize)]
struct OwnView {
    kind: &'static str,
    since: String,
    message: String,
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
    /// How many of what it told could not be read, and what it does not count.
    unread: Option<OfKinds<u64>>,
    uncounted: Option<OfKinds<bool>>,
    /// Of what nothing has been heard for three polls, and since when.
    silent: Option<OfKinds<Option<String>>>,
    /// The same in words.
    gaps: Vec<TroubleView>,
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
    /// What holds them.
    guards: BTreeSet<&'static str>,
    /// What somebody has rejected and is still wanted.
    rejected: Rejected,
    stuck: u64,
    /// People in scope for whom Entra has no login name: nothing is wrong.
    without_login: u64,
    /// Accounts and groups of ours whose id another one there carries as well.
    twins: u64,
    /// Who should be out and is not confirmed out, beside those who are held or stuck.
    leaving: Option<LeavingView>,
    /// People and groups that wait until Entra has told what must be known of them.
    waiting: u64,
    /// Why one of those is stuck.
    first_stuck: Option<String>,
    last_success: Option<String>,
    last_proof: Option<String>,
    /// What that read back of people.
    proof: Option<ProofView>,
    drift: u64,
    disabled: u64,
    /// Whether memberships can be read back there.
    members_readable: bool,
    /// Deactivations that rest on its answer alone.
    untold: u64,
    absent: Option<AbsentView>,
    left_out: Vec<LeftOutStand>,
    rewritten: BTreeMap<String, u64>,
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
        Err(failure) if failure.exit == Exit::Locked => match at_work(context, args.check)? {
            Some(said) => Ok(said.tell()),
            None if args.check => Ok(unknown(&failure)),
            None => Err(failure),
        },
        Err(failure) if args.check => Ok(unknown(&failure)),
        asked => asked,
    }
}

fn unknown(failure: &Failure) -> Exit {
    // What is wrong with a configuration has colours, and a monitor shows none.
    let message = strip_str(&failure.message).to_string();
    let why = message.lines().next().unwrap_or_default();
    console::data(&format!("MANNTALL UNKNOWN - {}\n", harmless(why)));
    standing::UNKNOWN
}

/// What can be said while a process that takes no questions holds the state: that it is at work, if it is
/// the run that was noted.
fn at_work(context: &Context, check: bool) -> Result<Option<Said>, Failure> {
    let config = context.load()?;
    let folder = &config.service.state_dir;
    let Err(StoreError::Locked { holder, .. }) = store::open(folder, OpenMode::MustExist) else {
        return Ok(None);
    };
    let run = runs::last(folder).filter(|run| run.end.is_none() && holder == Some(run.process));
    let now = SystemClock::start().now();
    let said = |run: Run| {
        if check {
            let began = time(run.began);
            let line = format!("MANNTALL OK - at work since {began}; see: manntall status\n");
            return Said { data: Some(line), talk: Vec::new(), exit: Exit::Done };
        }
        Said::shown(context.form(), &absence::at_work(&run, now), absence::render_at_work)
    };
    Ok(run.map(said))
}
pub(super) fn said(ground: &Ground<'_>, check: bool) -> Result<Said, Failure> {
    let (target, _) = wire::only_target(ground.config)?;
    // A doubt is noticed when the state is opened, when there may be no report yet.
    let doubted = |ground: &Ground<'_>| {
        let at = ground.state().recovery.as_ref()?.since;
        Some(Report { at, ..Report::default() })
    };
    let report = ground.report().or_else(|| doubted(ground)).ok_or_else(|| {
        Failure::new(
            Exit::NoState,
            "nothing was synced yet; the first manntall sync notes a status",
        )
    })?;
    let snapshot = standing::snapshot(&report, target, ground)?;
    let state = ground.state();
    let escrow = state.ledger.escrow.values().next().map(|escrow| escrow.reason.clone());
    let noted = || state.stuck_notes().map(|notes| notes.into_values().find(StuckNote::is_stuck));
    let rejected = state.rejected(ground.now)?;
    let more = More {
        rejected,
        paused: state.paused.as_ref().map(|word| Pause {
            reason: word.reason.as_deref().map(|reason| ground.sight.free_text(reason)),
            ..word.clone()
        }),
        by_hand: state.ledger.by_hand.len(),
        first_stuck: match escrow {
            None => noted()?.map(|note| note.reason),
            some => some,
        },
        run: ground.last_run(),
    };
    Ok(shown(&snapshot, &more, ground.config, ground.now, check, ground.form, |view| {
        tell_more(view, report, target, ground);
    }))
}

/// The same from what was shown last, while no engine runs.
pub(super) fn of_snapshot(
    snapshot: &Snapshot,
    config: &Config,
    now: Timestamp,
    check: bool,
    form: Form,
) -> Said {
    shown(snapshot, &More::default(), config, now, check, form, |_| {})
}

/// What a snapshot does not say.
#[derive(Default)]
struct More {
    rejected: Rejected,
    paused: Option<Pause>,
    by_hand: usize,
    first_stuck: Option<String>,
    run: Option<Run>,
}

fn shown(
    snapshot: &Snapshot,
    more: &More,
    config: &Config,
    now: Timestamp,
    check: bool,
    form: Form,
    more_of: impl FnOnce(&mut StatusView),
) -> Said {
    let around = surroundings::look(config, now);
    if check {
        let soon = surroundings::urgent(&around, now);
        let (line, exit) = standing::check(snapshot, soon.as_deref(), now);
        return Said { data: Some(line), talk: Vec::new(), exit };
    }
    let mut view = view(snapshot, more, now);
    view.warnings = surroundings::warnings(&around, now);
    view.expiries = around.expiries.iter().map(expiry_view).collect();
    more_of(&mut view);
    Said::shown(form, &view, text::render)
}

/// What only the state and the engine know.
fn tell_more(view: &mut StatusView, report: Report, target: &str, ground: &Ground<'_>) {
    let Probes { sources: source_probes, target: target_probe } = ground.probes();
    for (name, source) in report.sources {
        let probe = source_probes.get(&name).copied();
        if let Some(shown) = view.sources.get_mut(name.as_str()) {
            let troubles = source.troubles.into_iter();
            shown.troubles = troubles.map(|(_, one)| peer_trouble(one, probe)).collect();
        }
    }
    if let (Some(shown), Some(trouble)) = (view.targets.get_mut(target), report.target.trouble) {
        shown.troubles = vec![peer_trouble(trouble, target_probe)];
    }
    let windows = ground.state().open_windows(ground.now);
    view.allowed =
        windows.iter().map(|window| allow::view(window, ground.now, &ground.sight)).collect();
    view.changed_rules = check::changed_rules(ground);
    view.trials = trials(ground);
    view.approved = ApprovedLine::all(ground.state(), ground.now, |_| false);
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

fn view(snapshot: &Snapshot, more: &More, now: Timestamp) -> StatusView {
    let whole = verdict(snapshot);
    let run = more.run.as_ref();
    let is_gone = whole.state == State::NotRunning;
    let absence = is_gone.then(|| {
        let since = run.map_or(whole.since, Run::last_known);
        absence::gone(since, run, now)
    });
    let between = run.filter(|_| snapshot.presence == Presence::Between && !is_gone);
    // What was noted once and is read later says nothing about the time in between.
    let since = whole.since != snapshot.at || whole.about != About::Whole;
    let own = |kind| {
        let found = snapshot.troubles.iter().find(|own| own.kind == kind);
        found.map(|own| told(own.since, own.message.clone()))
    };
    let targets = snapshot.targets.iter().map(|(name, target)| {
        let mut view = target_view(target, more.first_stuck.as_deref());
        if snapshot.paused.is_some() {
            view.state = State::Paused;
        }
        view.state = snapshot.seen(view.state);
        view.rejected = more.rejected;
        (name.clone(), view)
    });
    let sources = snapshot.sources.iter();
    let sources = sources.map(|(name, source)| (name.clone(), source_view(name, source)));
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        verdict: whole.state,
        service: ServiceView::of(snapshot.presence, run),
        since: since.then(|| whole.since.to_string()),
        meaning: match &absence {
            Some(Absence { headline, effect }) => format!("{headline} {effect}"),
            None => status::meaning(&whole),
        },
        absence,
        beside: between.map(|run| absence::between(run, now)).or_else(|| before(snapshot, is_gone)),
        at: snapshot.at.to_string(),
        paused: more.paused.as_ref().map(|Pause { by, at, reason }| PausedView {
            since: at.to_string(),
            by: by.clone(),
            reason: reason.clone(),
        }),
        by_hand: more.by_hand,
        troubles: snapshot.troubles.iter().map(own_view).collect(),
        configuration: own(Own::Configuration),
        sources: sources.collect(),
        targets: targets.collect(),
        recovery: own(Own::Doubt),
        last_backup: snapshot.last_backup.map(|at| at.to_string()),
        disk_free: snapshot.disk_free,
        expiries: Vec::new(),
        warnings: Vec::new(),
        allowed: Vec::new(),
        changed_rules: BTreeSet::new(),
        trials: Vec::new(),
        approved: Vec::new(),
    }
}

/// What somebody should have looked at before everything stopped.
fn before(snapshot: &Snapshot, is_gone: bool) -> Option<String> {
    let then = verdict(&Snapshot { presence: Presence::Here, ..snapshot.clone() });
    let word = status::word(then.state);
    (is_gone && then.state.wants_attention())
        .then(|| format!("Before that: {word}: {}", status::meaning(&then)))
}

fn own_view(own: &OwnTrouble) -> OwnView {
    let OwnTrouble { kind, since, message } = own;
    OwnView { kind: kind.name(), since: since.to_string(), message: message.clone() }
}

fn source_view(name: &str, source: &SourceStand) -> SourceView {
    let [last_users, last_groups] = source.last_complete;
    let (unread, uncounted) = gaps(source);
    let words = source.gaps().map(|(kind, gap)| told(gap.since, gap.words(kind)));
    // Where something is wrong, that is why nothing is heard.
    let silences = source.silences().filter(|_| source.troubles.is_empty());
    let silences = silences.map(|(kind, since)| told(since, status::silence(name, kind)));
    SourceView {
        state: source_state(source),
        last_complete: LastComplete {
            users: last_users.map(|at| at.to_string()),
            groups: last_groups.map(|at| at.to_string()),
        },
        users: source.users,
        groups: source.groups,
        unread,
        uncounted,
        silent: silent(source),
        gaps: silences.chain(words).collect(),
        troubles: source.troubles.iter().map(trouble_view).collect(),
    }
}

fn target_view(target: &TargetStand, first_stuck: Option<&str>) -> TargetView {
    TargetView {
        state: target_state(target),
        accounts: target.accounts,
        active: target.active,
        groups: target.groups,
        memberships: target.memberships,
        pending: target.pending.clone(),
        held: target.held(),
        guards: target.asked().map(|hold| hold.guard).collect(),
        rejected: Rejected::default(),
        stuck: target.stuck,
        without_login: target.without_login,
        twins: target.twins,
        leaving: target.leaving.map(LeavingView::of),
        waiting: target.waiting,
        first_stuck: first_stuck.map(str::to_owned),
        last_success: target.last_success.map(|at| at.to_string()),
        last_proof: target.last_proof.map(|at| at.to_string()),
        proof: target.proof.map(ProofView::of),
        drift: target.drift,
        disabled: target.disabled,
        members_readable: !target.hides_members,
        untold: target.untold,
        absent: target.absent.map(AbsentView::of),
        left_out: target.left_out.clone(),
        rewritten: target.rewritten.clone(),
        troubles: target.troubles.iter().map(trouble_view).collect(),
    }
}

fn trouble_view(trouble: &Trouble) -> TroubleView {
    told(trouble.since, trouble.message.clone())
}

/// `probe` is when the peer is asked next, if it is in quarantine.
fn peer_trouble(trouble: PeerTrouble, probe: Option<Timestamp>) -> TroubleView {
    let PeerTrouble { since, code: _, guard, message } = trouble;
    let guard = guard.map(|guard| guard.to_string());
    let next_probe = probe.map(|at| at.to_string());
    TroubleView { since: since.to_string(), guard, message, next_probe }
}

fn told(since: Timestamp, message: String) -> TroubleView {
    TroubleView { since: since.to_string(), guard: None, message, next_probe: None }
}
