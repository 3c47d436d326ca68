//! From what was noted to what it amounts to: the verdict of `status`, and its check for monitors of
//! the Nagios kind. The verdict itself is `core::report`'s, as on the status port.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ground::Ground;
use super::view::hold::HeldLine;
use super::view::text::time;
use super::{Exit, Failure};
use crate::core::judge::{Aspect, Guarded};
use crate::core::model::{Kind, Timestamp};
use crate::core::plan::Action;
use crate::core::report::{
    Held, LeavingStand, Own, Presence, Snapshot, SourceStand, State, TargetStand, Verdict,
    target_state, verdict,
};
use crate::cycle::report::{Report, TargetReport};

/// The convention of monitoring plugins shares its numbers with other ends of commands.
const OK: Exit = Exit::Done;
const WARNING: Exit = Exit::Failed;
const CRITICAL: Exit = Exit::Pending;
/// Nothing can be said.
pub(super) const UNKNOWN: Exit = Exit::Stuck;

/// What was approved since the report was noted is to be made, and who leaves by it is not out yet.
fn count_approved(report: &mut TargetReport, ground: &Ground<'_>) -> Result<(), Failure> {
    let mut entities = BTreeMap::new();
    for (guarded, since) in ground.state().approved_since(ground.now)? {
        let Guarded::Of { entity, aspect } = guarded else { continue };
        entities.insert(entity, (action_of(&aspect), since));
    }
    for (action, since) in entities.into_values() {
        *report.pending.entry(action).or_default() += 1;
        if action == Action::Deactivate {
            let leaving = report.leaving.get_or_insert(LeavingStand { count: 0, since });
            leaving.count += 1;
            leaving.since = leaving.since.min(since);
        }
    }
    Ok(())
}

/// By what a guarded thing of an account or a membership is made.
fn action_of(aspect: &Aspect) -> Action {
    match aspect {
        Aspect::Creation => Action::Create,
        Aspect::Adoption => Action::Adopt,
        Aspect::Departure => Action::Deactivate,
        Aspect::Return => Action::Reactivate,
        Aspect::Deletion => Action::Delete,
        Aspect::Removal => Action::MemberRemove,
        Aspect::Value(_) => Action::Update,
    }
}

/// What was noted, in the form that verdicts are made from.
pub(super) fn snapshot(
    report: &Report,
    target: &str,
    ground: &Ground<'_>,
) -> Result<Snapshot, Failure> {
    // What was said since it was noted counts.
    let holds = ground.state().holds()?.into_iter().filter_map(|hold| {
        let line = HeldLine::noted(&hold, ground.state(), ground.now);
        (line.count + line.rejected > 0).then(|| Held {
            id: line.id,
            guard: hold.meter.guard.name(),
            count: line.count,
            since: hold.since,
            rejected: line.rejected,
        })
    });
    let mut of_target = report.target.clone();
    count_approved(&mut of_target, ground)?;
    let stand = TargetStand {
        accounts: of_target.accounts,
        active: of_target.active,
        groups: of_target.groups,
        memberships: of_target.memberships,
        pending: of_target.pending,
        is_busy: ground.is_busy(),
        holds: holds.collect(),
        stuck: of_target.stuck,
        stuck_since: ground.state().stuck_since(ground.state().stuck_notes()?.values()),
        without_login: of_target.without_login,
        twins: of_target.twins,
        leaving: of_target.leaving,
        waiting: of_target.waiting,
        last_success: of_target.last_success,
        last_proof: of_target.last_proof,
        proof: ground.state().proven,
        drift: of_target.drift,
        disabled: of_target.disabled,
        hides_members: of_target.hides_members,
        untold: of_target.untold,
        absent: of_target.absent,
        left_out: of_target.left_out,
        rewritten: of_target.rewritten,
        troubles: of_target.trouble.iter().map(|one| one.as_told(None)).collect(),
        ..TargetStand::default()
    };
    let sources = report.sources.iter().map(|(name, source)| {
        let stand = SourceStand {
            last_complete: source.last_complete,

            users: source.users,
            groups: source.groups,
            gaps: ground.state().gaps(*name),
            troubles: source.troubles.iter().map(|(kind, one)| one.as_told(Some(*kind))).collect(),
            ..ground.heard(*name)
        };
        (name.to_string(), stand)
    });
    let mut snapshot = Snapshot {
        at: report.at,
        presence: ground.presence(report.at),
        changed: ground.unchanged_since().unwrap_or(report.at),
        started: report.at,
        poll_interval: ground.config.service.poll_interval,
        paused: ground.state().paused.as_ref().map(|pause| pause.at),
        troubles: ground.own_troubles(),
        disk_free: ground.state().room().map(|room| room.free),
        last_backup: ground.state().recent.last_backup,
        sources: sources.collect(),
        targets: [(target.to_owned(), stand)].into(),
        ..Snapshot::default()
    };
    snapshot.listen(ground.now);
    Ok(snapshot)
}

/// One line for a monitor, and how the check ends. `soon` is what has to be done before it is too late.
pub(super) fn check(snapshot: &Snapshot, soon: Option<&str>, now: Timestamp) -> (String, Exit) {
    let Verdict { state, since, about: _ } = verdict(snapshot);
    // A report is written each minute.
    let patience = 3 * snapshot.poll_interval + Duration::from_secs(60);
    let is_late = |time: Option<Timestamp>| time.is_none_or(|time| now.since(time) > patience);
    // Between two runs that something else begins, nothing comes through, and nothing should.
    let silent = silence(snapshot);
    let late = silent.is_some()
        || snapshot.presence == Presence::Here
            && snapshot.targets.values().any(|target| {
                // A first import takes its time.
                let is_at_work = target_state(target) == State::Running;
                is_late(Some(snapshot.at)) || (is_late(target.last_success) && !is_at_work)
            });
    // Whoever should be out is out within a poll, unless something keeps that from being done.
    let leaving = snapshot.targets.values().filter_map(|target| target.leaving);
    let overdue =
        leaving.filter(|leaving| now.since(leaving.since) > patience).max_by_key(|one| one.count);
    let is_full = snapshot.troubles.iter().any(|own| own.kind == Own::DiskFull);
    let end = match (state, snapshot.presence) {
        _ if is_full => CRITICAL,
        (State::Held | State::Degraded | State::Paused, _) if !late => WARNING,
        (State::NeverRun | State::Idle | State::Running, _)
            if !late && (soon.is_some() || overdue.is_some()) =>
        {
            WARNING
        }
        (State::NeverRun | State::Idle | State::Running, _) if !late => OK,
        // Held and stopped are told as what they are, however long they last; a sync that was broken off is
        // followed by the next one.
        (State::Held | State::Paused, _)
        | (State::NotRunning, Presence::Gone { is_urgent: false, .. } | Presence::Between) => {
            WARNING
        }
        // Quarantined, not running, and whatever else is late.
        _ => CRITICAL,
    };
    let word = match end {
        OK => "OK",
        WARNING => "WARNING",
        _ => "CRITICAL",
    };
    let lateness = match silent {
        Some(words) => format!("; {words}"),
        None if late => "; nothing has come through for three polls".to_owned(),
        None => String::new(),
    };
    let soon = soon.map(|soon| format!("; {soon}")).unwrap_or_default();
    let overdue = overdue.map(|LeavingStand { count, since }| {
        format!("; should be out and not confirmed out since {}: {count}", time(since))
    });
    let overdue = overdue.unwrap_or_default();
    let since = time(since);
    let mut line = format!(
        "MANNTALL {word} - {state} since {since}{lateness}{overdue}{soon}; see: manntall status |"
    );
    for (name, target) in &snapshot.targets {
        let figures = [
            ("active", target.active),
            ("pending", target.pending.values().sum()),
            ("held", target.held()),
            ("stuck", target.stuck),
            ("leaving", target.leaving.map_or(0, |leaving| leaving.count)),
        ];
        for (figure, count) in figures {
            line.push_str(" '");
            line.push_str(name);
            line.push(' ');
            line.push_str(figure);
            line.push_str("'=");
            line.push_str(&count.to_string());
        }
    }
    line.push('\n');
    (line, end)
}

/// Of what nothing has been heard for three polls.
fn silence(snapshot: &Snapshot) -> Option<String> {
    let silent = snapshot.sources.iter().flat_map(|(name, source)| {
        source.silences().map(move |(kind, since)| {
            let kind = match kind {
                Kind::Users => "users",
                Kind::Groups => "groups",
            };
            format!("nothing heard of the {kind} of tenant {name} since {}", time(since))
        })
    });
    let silent: Vec<String> = silent.collect();
    (!silent.is_empty()).then(|| silent.join(", "))
}

#[cfg(test)]
mod tests;
