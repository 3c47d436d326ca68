//! What `status` says, for people: the sentence first, then what is wrong, then the figures.

use std::fmt::Write;

use anstyle::Style;

use super::absence::Absence;
use super::{OwnView, PausedView, SourceView, StatusView, TargetView, TrialView, TroubleView};
use crate::cli::allow;
use crate::cli::view::text::{BOLD, Lines, counted, harmless, message, number, own, time_of};
use crate::core::model::{AttrPath, OF_GROUPS};
use crate::core::report::LeftOutStand;
use crate::core::words::plural;
use crate::cycle::report::Rejected;
use crate::status;
use crate::status::json::{AbsentView, LeavingView, ProofView};

pub(super) fn render(view: &StatusView) -> String {
    let StatusView { sources, targets, .. } = view;
    let mut text = String::new();
    first_words(&mut text, view);
    notices(&mut text, view);
    for (name, source) in sources {
        let SourceView { state, last_complete, users, groups, gaps, troubles, .. } = source;
        let read = time_of(last_complete.users.as_deref().unwrap_or("never"));
        let users = counted(*users, "user", "users");
        let groups = counted(*groups, "group", "groups");
        let _ = writeln!(text, "tenant {name}: {state}; {users}, {groups}; last read whole {read}");
        tell_troubles(&mut text, troubles);
        tell_troubles(&mut text, gaps);
    }
    for (name, target) in targets {
        tell_target(&mut text, name, target);
    }
    if let Some(at) = &view.last_backup {
        let _ = writeln!(text, "last backup: {}", time_of(at));
    } else {
        text.push_str("last backup: never; make one with: manntall state backup FILE\n");
    }
    text
}

fn first_words(text: &mut String, view: &StatusView) {
    let StatusView { verdict, since, meaning, absence, beside, at, .. } = view;
    let (state, at) = (status::word(*verdict), time_of(at));
    if let Some(Absence { headline, effect }) = absence {
        let first = Lines::new(text, 0, 4).words(BOLD, &format!("{state}:"));
        first.words(Style::new(), headline).end();
        Lines::new(text, 4, 4).words(Style::new(), effect).end();
    } else {
        let (state, rest) = match since {
            Some(since) => (state.to_owned(), format!("since {}: {meaning}", time_of(since))),
            None => (format!("{state}:"), meaning.clone()),
        };
        let first = Lines::new(text, 0, 4).words(BOLD, &state);
        first.words(Style::new(), &format!("{rest} As of {at}.")).end();
    }
    if let Some(words) = beside {
        Lines::new(text, 0, 4).words(Style::new(), words).end();
    }
}

fn tell_target(text: &mut String, name: &str, target: &TargetView) {
    let _ = writeln!(
        text,
        "platform {name}: {}; {} ({} active), {}, {}",
        target.state,
        counted(target.accounts, "account", "accounts"),
        number(target.active),
        counted(target.groups, "group", "groups"),
        counted(target.memberships, "membership", "memberships")
    );
    // What is wrong belongs on the first screen.
    tell_troubles(text, &target.troubles);
    for (action, count) in &target.pending {
        let _ = writeln!(text, "  pending: {} {action}", number(*count));
    }
    if target.held > 0 {
        let guards = target.guards.iter().copied().collect::<Vec<_>>().join(", ");
        let held = number(target.held);
        let _ = writeln!(text, "  held: {held} by {guards}; see: manntall holds");
    }
    tell_rejected(text, target.rejected);
    if target.stuck > 0 {
        let begin = format!("stuck: {}", number(target.stuck));
        match &target.first_stuck {
            Some(why) => message(
                text,
                &begin,
                &format!(", such as: {}; see: manntall stuck", why.trim_end_matches('.')),
            ),
            None => message(text, &begin, "; see: manntall stuck"),
        }
    }
    tell_leaving(text, target);
    let last = time_of(target.last_success.as_deref().unwrap_or("never"));
    let _ = writeln!(text, "  everything done that may be done: {last}");
    if let Some(at) = &target.last_proof {
        let (at, drift) = (time_of(at), number(target.drift));
        let _ = writeln!(text, "  compared whole: {at}; {drift} changed there by somebody else");
    }
    tell_unsure(text, target);
    if !target.members_readable {
        let _ = writeln!(text, "  {}", super::super::view::plan::UNREADABLE);
    }
    if !target.left_out.is_empty() {
        let names = target.left_out.iter().map(|one| {
            let LeftOutStand { attribute, use_, why, people: _ } = one;
            format!("{attribute} ({use_}, {why})")
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let names = harmless(&names);
        let _ = writeln!(
            text,
            "  not sent, as the platform does not take it: {names}; see: manntall stuck"
        );
    }
    for (attribute, people) in &target.rewritten {
        let _ = writeln!(text, "  {}; see: manntall stuck", rewritten(attribute, *people));
    }
    if target.disabled > 0 {
        let disabled = number(target.disabled);
        let _ = writeln!(text, "  made inactive there by somebody else, and left so: {disabled}");
    }
}

/// What is told of an attribute of which the platform keeps other values than those that it confirmed.
pub(in crate::cli) fn rewritten(attribute: &str, people: u64) -> String {
    if let Some(attribute) = attribute.strip_prefix(OF_GROUPS) {
        let whose = counted(people, "group", "groups");
        return format!("{}: the platform keeps another value for {whose}", harmless(attribute));
    }
    let whose = counted(people, "person", "people");
    let is_login = attribute == AttrPath::user_name().as_str();
    let login = if is_login { "; their login name is what the platform shows" } else { "" };
    let attribute = harmless(attribute);
    format!("{attribute}: the platform keeps another value for {whose}{login}")
}

/// What somebody has decided against, which is no reason to be called back to, and easily forgotten.
fn tell_rejected(text: &mut String, Rejected { changes, departures }: Rejected) {
    if changes == 0 {
        return;
    }
    let stays = match departures {
        0 => String::new(),
        1 => ", 1 of them a departure: that account stays active".to_owned(),
        some => format!(", {} of them departures: those accounts stay active", number(some)),
    };
    message(
        text,
        "",
        &format!("rejected, and not made: {}{stays}; see: manntall holds", number(changes)),
    );
}

/// Who should be out and is not confirmed out, and what is there twice.
fn tell_leaving(text: &mut String, target: &TargetView) {
    if let Some(LeavingView { count, since }) = &target.leaving {
        let (count, since) = (number(*count), time_of(since));
        let _ = writeln!(
            text,
            "  should be out, and not confirmed out: {count}, the first since {since}; see: manntall stuck"
        );
    }
    if target.waiting > 0 {
        let waiting = counted(target.waiting, "person or group waits", "people or groups wait");
        let _ = writeln!(
            text,
            "  {waiting} until Entra has told what must be known; see: manntall stuck"
        );
    }
    if target.twins > 0 {
        let twins = number(target.twins);
        let _ = writeln!(
            text,
            "  there twice, with the same externalId: {twins} accounts or groups; see: manntall stuck"
        );
    }
}

/// What was read back of people, and what of ours nobody knows just now.
fn tell_unsure(text: &mut String, target: &TargetView) {
    if let Some(ProofView { leavers, missing, unseen, untold: _, clean_since }) = &target.proof {
        let _ = match clean_since {
            Some(since) => {
                let since = time_of(since);
                writeln!(text, "  everybody out who should be, and nobody missing: since {since}")
            }
            None => writeln!(
                text,
                "  found there: {} active who should be out, {} missing, {} who should be out not found; see: \
                 manntall plan",
                number(*leavers),
                number(*missing),
                number(*unseen)
            ),
        };
    }
    if let Some(AbsentView { count, since, decides }) = &target.absent {
        let (since, decides) = (time_of(since), time_of(decides));
        let what = counted(*count, "account or group", "accounts or groups");
        let they = plural(*count, "it counts", "they count");
        let _ = writeln!(
            text,
            "  not found there: {what}, since {since}; {they} as gone only if a look after {decides} finds \
             nothing either; see: manntall stuck"
        );
    }
    if target.untold > 0 {
        let rest = counted(target.untold, "deactivation rests", "deactivations rest");
        let _ = writeln!(
            text,
            "  the platform does not show whether accounts are active: {rest} on its 2xx answer alone"
        );
    }
}

/// What somebody should know before the figures.
fn notices(text: &mut String, view: &StatusView) {
    let StatusView { paused, by_hand, troubles, warnings, .. } = view;
    for warning in warnings {
        message(text, "", warning);
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
    for OwnView { kind, since, message: words } in troubles {
        let what = kind.replace('_', " ");
        message(text, &format!("{what}, since {}: ", time_of(since)), words);
    }
    guard_notices(text, view);
}

/// What was announced, and what the guards over the whole plan do.
fn guard_notices(text: &mut String, view: &StatusView) {
    let StatusView { allowed, changed_rules, trials, approved, .. } = view;
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
    for line in approved {
        message(text, "", &line.words());
    }
    for TrialView { approved_at, approved_by, surprise } in trials {
        let (at, by) = (time_of(approved_at), harmless(approved_by));
        let _ = match surprise {
            Some(TroubleView { since, message, .. }) => {
                writeln!(text, "surprise, since {}: {}", time_of(since), own(message))
            }
            None => {
                writeln!(text, "a few of what {by} approved at {at} are made and read back first")
            }
        };
    }
}

fn tell_troubles(text: &mut String, troubles: &[TroubleView]) {
    for (at, TroubleView { since, guard: _, message: words, next_probe }) in
        troubles.iter().enumerate()
    {
        // Reading users and reading groups fail alike.
        if troubles.iter().take(at).any(|before| before.message == *words) {
            continue;
        }
        let next = next_probe.as_deref().map(|at| format!(" (asked again at {})", time_of(at)));
        let words = format!("{words}{}", next.unwrap_or_default());
        message(text, &format!("since {}: ", time_of(since)), &words);
    }
}

#[cfg(test)]
mod tests;
