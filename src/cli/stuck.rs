//! `stuck` and `retry`: what cannot be done, why, and when it is tried again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::control::Task;
use super::ground::{self, Ground};
use super::names::Names;
use super::reveal::Sight;
use super::said::Said;
use super::status::rewritten as words_of_rewritten;
use super::view::text::{counted, harmless, number, own, time_of, times};
use super::{Context, Exit, Failure, offline};
use crate::core::derive::Entitlement;
use crate::core::judge::{Aspect, Guarded};
use crate::core::model::{Entity, Escrow, LeftOut, OF_GROUPS, PersonId, Timestamp};
use crate::core::plan::Planner;
use crate::core::words::plural;
use crate::cycle::absence::words_of_absence;
use crate::cycle::records::Distrusted;
use crate::cycle::report::{Class, StuckNote};
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
    /// Whoever should be out and is not confirmed out, and what that waits for. Who is stuck or held is not
    /// among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leaving: Vec<LeavingLine>,
    /// Whoever waits until Entra has told what must be known. Nobody has anything to decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<LeavingLine>,
    /// People for whom Entra has no login name. Nothing is wrong, and nobody has anything to decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_login: Vec<QuietView>,
    /// Whoever has another value on the platform than it confirmed, by attribute. Nothing is wrong, and it
    /// is not sent again before it is another value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rewritten: BTreeMap<String, Vec<QuietView>>,
}

/// Somebody who should be out.
#[derive(Debug, Serialize)]
struct LeavingLine {
    key: String,
    name: String,
    reason: String,
    since: String,
}

/// Somebody who is not stuck, and of whom something is to be known.
#[derive(Debug, Serialize)]
struct QuietView {
    key: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

pub(super) fn run_retry(context: &Context, args: &RetryArgs) -> Result<Exit, Failure> {
    ground::task(context, &Task::Retry { person: args.person.clone() })
}

pub(super) fn said(ground: &Ground<'_>) -> Result<Said, Failure> {
    let (state, sight) = (ground.state(), &ground.sight);
    let mut stuck = views(state, sight)?;
    stuck.extend(absent(state, sight, ground.config.service.confirm_absence)?);
    let leaving = leaving(ground)?;
    let waiting = waiting(state, sight)?;
    let (without_login, rewritten) = (nameless(state, sight)?, rewritten(state, sight));
    let view = AllStuck { stuck, leaving, waiting, without_login, rewritten };
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
    let count = count + ground.state_mut().look_for_twins(now, person);
    ground.try_again();
    let (count, acts) = (count as u64, ground.whoever_acts());
    let whom = person.map(|person| {
        let (state, planner) = (ground.state(), &Planner::default());
        let names = Names { state, planner, sight: &Sight::Named };
        format!("{}: ", harmless(&names.full_name(person)))
    });
    let whom = whom.unwrap_or_default();
    if let (0, Some(person)) = (count, person)
        && let Some(why) = waits_for(ground, person)?
    {
        return Ok(Said::talked(format!(
            "{whom}nothing can be tried: this waits for Entra, and goes on by itself. {why}."
        )));
    }
    let due = counted(count, "is", "are");
    Ok(Said::talked(format!("{whom}{due} due now; {acts} tries them.")))
}

/// What the person waits for, where that is Entra.
fn waits_for(ground: &Ground<'_>, person: PersonId) -> Result<Option<String>, Failure> {
    let entity = Entity::Account(person);
    let noted = ground.state().stuck_notes()?.remove(&entity);
    let noted = noted.filter(|note| matches!(note.class, Class::Unsaid | Class::Waiting));
    if let Some(note) = noted {
        return Ok(Some(note.reason));
    }
    let planner = ground.planner()?;
    Ok(match planner.entitlements().get(&person) {
        Some(Entitlement::Unknown(why)) => Some(why.clone()),
        _ => None,
    })
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
    for (entity, note) in state.stuck_notes()?.into_iter().filter(|(_, note)| note.is_stuck()) {
        views.push(StuckView {
            key: names.key(&entity),
            name: name(names, &entity),
            reason: note.reason,
            since: note.since.to_string(),
            last: None,
            attempts: None,
            next: None,
            advice: match note.class {
                Class::Unsaid => {
                    "everybody is read again by themselves; what to look for: manntall check --online"
                }
                Class::Twins => {
                    "it is looked for again in each comparison, and soon after: manntall retry"
                }
                _ => "it goes on by itself at the sync after somebody has decided",
            },
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
        let is_member_change = form.contains("member");
        let (name, advice) = if is_member_change {
            (
                "member changes",
                "set another member_remove under [targets.*.dialect]; or: manntall retry",
            )
        } else {
            ("groups to be taken over", "put right what was lost there; then: manntall retry")
        };
        views.push(StuckView {
            key: form.clone(),
            name: name.to_owned(),
            reason: words.clone(),
            since: since.to_string(),
            last: None,
            attempts: None,
            next: None,
            advice,
        });
    }
    Ok(views)
}

/// Whoever should be out and is not confirmed out.
fn leaving(ground: &Ground<'_>) -> Result<Vec<LeavingLine>, Failure> {
    let (state, sight) = (ground.state(), &ground.sight);
    let names = Names { state, planner: &Planner::default(), sight };
    let notes = state.stuck_notes()?.into_iter();
    let leaving = notes.filter(|(_, note)| note.class == Class::Leaving);
    let line = |entity: &Entity, reason: String, since: Timestamp| LeavingLine {
        key: names.key(entity),
        name: name(names, entity),
        reason,
        since: since.to_string(),
    };
    let mut lines: Vec<_> = leaving
        .map(|(entity, note)| {
            let reason = ground.why_not_out(person_of(&entity), note.reason);
            line(&entity, reason, note.since)
        })
        .collect();
    for (guarded, since) in state.approved_since(ground.now)? {
        if let Guarded::Of { entity, aspect: Aspect::Departure } = guarded {
            lines.push(line(&entity, "approved, waits for the next sync".to_owned(), since));
        }
    }
    Ok(lines)
}

fn person_of(entity: &Entity) -> Option<PersonId> {
    match entity {
        Entity::Account(person) => Some(*person),
        Entity::Group(_) | Entity::Member(..) => None,
    }
}

/// Whoever waits until Entra has told what must be known.
fn waiting(state: &State, sight: &Sight) -> Result<Vec<LeavingLine>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let notes = state.stuck_notes()?.into_iter();
    let waiting = notes.filter(|(_, note)| note.class == Class::Waiting);
    let line = |(entity, note): (Entity, StuckNote)| LeavingLine {
        key: names.key(&entity),
        name: name(names, &entity),
        reason: note.reason,
        since: note.since.to_string(),
    };
    Ok(waiting.map(line).collect())
}

/// What the platform does not have by one look. Nobody has anything to decide.
fn absent(
    state: &State,
    sight: &Sight,
    confirm_absence: Duration,
) -> Result<Vec<StuckView>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let mut behind = state.stuck_notes()?;
    behind.retain(|_, note| note.class == Class::Behind);
    let absent = state.ledger.absent.iter();
    let view = |(entity, since): (&Entity, &Timestamp)| StuckView {
        key: names.key(entity),
        name: name(names, entity),
        reason: match behind.get(entity) {
            Some(note) => note.reason.clone(),
            None => words_of_absence(*since, confirm_absence),
        },
        since: since.to_string(),
        last: None,
        attempts: None,
        next: Some(since.plus(confirm_absence).to_string()),
        advice: "it goes on by itself: once it shows again, or once a later look decides",
    };
    Ok(absent.map(view).collect())
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
fn nameless(state: &State, sight: &Sight) -> Result<Vec<QuietView>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let quiet = state.stuck_notes()?.into_iter().filter(|(_, note)| note.class == Class::NoLogin);
    let mut views: Vec<_> = quiet
        .map(|(entity, note)| QuietView {
            key: names.key(&entity),
            name: name(names, &entity),
            since: Some(note.since.to_string()),
        })
        .collect();
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(views)
}

/// Of whom the platform keeps other values than it confirmed, by name.
fn rewritten(state: &State, sight: &Sight) -> BTreeMap<String, Vec<QuietView>> {
    let names = Names { state, planner: &Planner::default(), sight };
    let mut found: BTreeMap<String, Vec<QuietView>> = BTreeMap::new();
    for (&person, entry) in &state.ledger.accounts {
        for path in entry.rewritten() {
            let key = names.key(&Entity::Account(person));
            let view = QuietView { key, name: names.person(person), since: None };
            found.entry(path.to_string()).or_default().push(view);
        }
    }
    for (group, entry) in &state.ledger.groups {
        for attribute in entry.rewritten() {
            let key = names.key(&Entity::Group(group.clone()));
            let view = QuietView { key, name: names.group(group), since: None };
            found.entry(attribute).or_default().push(view);
        }
    }
    for views in found.values_mut() {
        views.sort_by(|one, other| one.name.cmp(&other.name));
    }
    found
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

/// So many people who are not stuck are shown to people.
const QUIET_SHOWN: usize = 20;

fn render(all: &AllStuck) -> String {
    let AllStuck { stuck: views, leaving, waiting, without_login, rewritten } = all;
    let mut text = String::new();
    tell_noted(&mut text, "Should be out, and not confirmed out", leaving);
    tell_noted(&mut text, "Waits until Entra has told what must be known", waiting);
    if views.is_empty() {
        text.push_str("Nothing is stuck.");
        if without_login.is_empty() && rewritten.is_empty() {
            return text;
        }
        text.push('\n');
    }
    for StuckView { key, name, reason, since, last, attempts, next, advice } in views {
        let _ = writeln!(text, "{} ({})", harmless(name), harmless(key));
        let _ = writeln!(text, "  {}", own(reason));
        if let (Some(last), Some(attempts), Some(next)) = (last, attempts, next) {
            let (since, last, next) = (time_of(since), time_of(last), time_of(next));
            let times = times((*attempts).into());
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
        let people = plural(count, "person", "people");
        let _ = writeln!(
            text,
            "Without login name: {} {people}. Entra has no value for userName; each account is made once it \
             has one. Nothing is wrong",
            number(count as u64)
        );
        list_quiet(&mut text, without_login);
    }
    for (attribute, people) in rewritten {
        let what = words_of_rewritten(attribute, people.len() as u64);
        let rest = if attribute.starts_with(OF_GROUPS) {
            "It is not sent again before it is another one in Entra; look there, or ask the vendor"
        } else {
            "Nothing is wrong, and it is not sent again; which value: manntall explain X"
        };
        let _ = writeln!(text, "{what}. {rest}");
        list_quiet(&mut text, people);
    }
    text
}

fn tell_noted(text: &mut String, what: &str, noted: &[LeavingLine]) {
    if noted.is_empty() {
        return;
    }
    let count = number(noted.len() as u64);
    let _ = writeln!(text, "{what}: {count}");
    for LeavingLine { key, name, reason, since } in noted {
        let _ =
            writeln!(text, "  {} ({}), since {}", harmless(name), harmless(key), time_of(since));
        let _ = writeln!(text, "    {}", harmless(reason));
    }
}

fn list_quiet(text: &mut String, people: &[QuietView]) {
    for QuietView { key, name, since } in people.iter().take(QUIET_SHOWN) {
        let since = since.as_ref().map(|since| format!(", since {}", time_of(since)));
        let since = since.unwrap_or_default();
        let _ = writeln!(text, "  {} ({}){since}", harmless(name), harmless(key));
    }
    if people.len() > QUIET_SHOWN {
        let more = number((people.len() - QUIET_SHOWN) as u64);
        let _ = writeln!(text, "  … and {more} more; --json shows all");
    }
}
