//! `stuck` and `retry`: what cannot be done, why, and when it is tried again.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::control::Task;
use super::ground::{self, Ground};
use super::names::Names;
use super::reveal::Sight;
use super::said::Said;
use super::view::text::{harmless, number, time_of};
use super::{Context, Exit, Failure, offline};
use crate::core::model::{Entity, Escrow, LeftOut, Timestamp};
use crate::core::plan::Planner;
use crate::cycle::absence::words_of_absence;
use crate::cycle::records::Distrusted;
use crate::cycle::state::State;

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct RetryArgs {
    /// Only what concerns this person (source/object-id, object id, login name or mail)
    #[arg(value_name = "X")]
    person: Option<String>,
}

/// One thing that is stuck.
#[derive(Debug, Serialize)]
struct StuckView {
    key: String,
    name: String,
    reason: String,
    since: String,
    /// When it was refused last.
    last: Option<String>,
    attempts: Option<u32>,
    next: Option<String>,
    advice: &'static str,
}

/// Everything that is stuck.
#[derive(Debug, Serialize)]
struct AllStuck {
    stuck: Vec<StuckView>,
    /// People for whom Entra has no login name. Nothing is wrong, and nobody has anything to decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_login: Vec<NamelessView>,
}

/// Somebody for whom Entra has no login name.
#[derive(Debug, Serialize)]
struct NamelessView {
    key: String,
    name: String,
    since: String,
}

pub(super) fn run_retry(context: &Context, args: &RetryArgs) -> Result<Exit, Failure> {
    ground::task(context, &Task::Retry { person: args.person.clone() })
}

pub(super) fn said(ground: &Ground<'_>) -> Result<Said, Failure> {
    let (state, sight) = (ground.state(), &ground.sight);
    let mut stuck = views(state, sight)?;
    stuck.extend(absent(state, sight, ground.config.service.confirm_absence));
    let view = AllStuck { stuck, without_login: nameless(state, sight)? };
    Ok(Said::shown(ground.form, &view, render))
}

pub(super) fn retry(ground: &mut Ground<'_>, person: Option<&str>) -> Result<Said, Failure> {
    let person =
        person.map(|text| offline::person(ground.state(), text, &Sight::Named)).transpose()?;
    let (now, by) = (ground.now, ground.by.clone());
    let forms = person.is_none() && ground.state_mut().trust_again(now, Some(&by));
    let count = usize::from(forms)
        + ground.state_mut().retry(now, Some(&by), |entity| match (person, entity) {
            (None, _) => true,
            (Some(wanted), Entity::Account(person) | Entity::Member(_, person)) => {
                *person == wanted
            }
            (Some(_), Entity::Group(_)) => false,
        });
    if person.is_none() {
        ground.state_mut().retry_left_out(Some(&by));
    }
    ground.try_seats();
    let (count, acts) = (number(count as u64), ground.whoever_acts());
    Ok(Said::talked(format!("{count} are due now; {acts} tries them.")))
}

fn views(state: &State, sight: &Sight) -> Result<Vec<StuckView>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let mut views = Vec::new();
    for (entity, escrow) in &state.ledger.escrow {
        views.push(StuckView {
            key: names.key(entity),
            name: name(names, entity),
            reason: reason(names, escrow),
            since: escrow.since.to_string(),
            last: Some(escrow.last.to_string()),
            attempts: Some(escrow.attempts),
            next: Some(escrow.next.to_string()),
            advice: "repair it in Entra or on the platform; then: manntall retry",
        });
    }
    for (entity, note) in state.stuck_notes()?.into_iter().filter(|(_, note)| !note.is_quiet) {
        views.push(StuckView {
            key: names.key(&entity),
            name: name(names, &entity),
            reason: note.reason,
            since: note.since.to_string(),
            last: None,
            attempts: None,
            next: None,
            advice: "it goes on by itself at the sync after somebody has decided",
        });
    }
    for ((path, use_), left) in &state.ledger.left_out {
        let LeftOut { reason, told, people, .. } = left;
        let told = told.as_ref().map(|told| format!(". It says: {told}")).unwrap_or_default();
        views.push(StuckView {
            key: path.to_string(),
            name: format!("not sent of anybody {use_}"),
            reason: format!("not taken from {people}: {}{told}", reason.trim_end_matches('.')),
            since: left.since.to_string(),
            last: None,
            attempts: None,
            next: Some(left.until.to_string()),
            advice: "nobody is stuck for it; it is sent again after a week, under another configuration, or at once by: manntall retry",
        });
    }
    if let Some(Distrusted { form, words, since }) = &state.target.distrusted_form {
        views.push(StuckView {
            key: form.clone(),
            name: "member changes".to_owned(),
            reason: words.clone(),
            since: since.to_string(),
            last: None,
            attempts: None,
            next: None,
            advice: "set another member_remove under [targets.*.dialect]; or: manntall retry",
        });
    }
    Ok(views)
}

/// What the platform does not have by one look. Nobody has anything to decide.
fn absent(state: &State, sight: &Sight, confirm_absence: Duration) -> Vec<StuckView> {
    let names = Names { state, planner: &Planner::default(), sight };
    let absent = state.ledger.absent.iter();
    let view = |(entity, since): (&Entity, &Timestamp)| StuckView {
        key: names.key(entity),
        name: name(names, entity),
        reason: words_of_absence(*since, confirm_absence),
        since: since.to_string(),
        last: None,
        attempts: None,
        next: Some(since.plus(confirm_absence).to_string()),
        advice: "it goes on by itself: once it shows again, or once a later look decides",
    };
    absent.map(view).collect()
}

/// Why it is stuck, and to whoever has to repair it what the target says. Nothing else shows that.
fn reason(names: Names<'_>, escrow: &Escrow) -> String {
    match &escrow.told {
        Some(told) if !names.is_masked() => {
            format!("{}. It says: {told}", escrow.reason.trim_end_matches('.'))
        }
        _ => escrow.reason.clone(),
    }
}

/// Whoever has no login name, by name.
fn nameless(state: &State, sight: &Sight) -> Result<Vec<NamelessView>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let quiet = state.stuck_notes()?.into_iter().filter(|(_, note)| note.is_quiet);
    let mut views: Vec<_> = quiet
        .map(|(entity, note)| NamelessView {
            key: names.key(&entity),
            name: name(names, &entity),
            since: note.since.to_string(),
        })
        .collect();
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(views)
}

fn name(names: Names<'_>, entity: &Entity) -> String {
    match entity {
        Entity::Account(person) => names.person(*person),
        Entity::Group(key) => names.group(key),
        Entity::Member(key, person) => {
            format!("{} in {}", names.person(*person), names.group(key))
        }
    }
}

/// So many people without a login name are shown to people.
const NAMELESS_SHOWN: usize = 20;

fn render(all: &AllStuck) -> String {
    let AllStuck { stuck: views, without_login } = all;
    let mut text = String::new();
    if views.is_empty() {
        text.push_str("Nothing is stuck.");
        if without_login.is_empty() {
            return text;
        }
        text.push('\n');
    }
    for StuckView { key, name, reason, since, last, attempts, next, advice } in views {
        let _ = writeln!(text, "{} ({})", harmless(name), harmless(key));
        let _ = writeln!(text, "  {}", harmless(reason));
        if let (Some(last), Some(attempts), Some(next)) = (last, attempts, next) {
            let (since, last, next) = (time_of(since), time_of(last), time_of(next));
            let times = if *attempts == 1 { "once" } else { &format!("{attempts} times") };
            let _ = writeln!(
                text,
                "  since {since}, refused {times}, last at {last}, tried again after {next}"
            );
        } else if !since.is_empty() {
            let _ = writeln!(text, "  since {}", time_of(since));
        }
        let _ = writeln!(text, "  {advice}");
    }
    if !without_login.is_empty() {
        let count = without_login.len();
        let people = if count == 1 { "person" } else { "people" };
        let _ = writeln!(
            text,
            "Without login name: {} {people}. Entra has no value for userName; each account is made once it \
             has one. Nothing is wrong",
            number(count as u64)
        );
        for NamelessView { key, name, since } in without_login.iter().take(NAMELESS_SHOWN) {
            let since = time_of(since);
            let _ = writeln!(text, "  {} ({}), since {since}", harmless(name), harmless(key));
        }
        if count > NAMELESS_SHOWN {
            let more = number((count - NAMELESS_SHOWN) as u64);
            let _ = writeln!(text, "  … and {more} more; --json shows all");
        }
    }
    text
}
