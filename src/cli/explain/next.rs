//! What somebody may do now about one person, or why there is nothing to do.

use std::collections::BTreeSet;

use super::facts::{Facts, concerns};
use crate::cli::ground::Ground;
use crate::cli::names::Names;
use crate::cli::pause;
use crate::cli::view::plan::ChangeLine;
use crate::core::model::{Entity, Link, PersonId, Timestamp};
use crate::cycle::absence::words_of_absence;
use crate::cycle::records::Pause;
use crate::cycle::report::Class;
use crate::cycle::state::State;
use crate::store::StoreError;

/// The steps, the one that helps most first.
pub(super) fn steps(
    names: Names<'_>,
    person: PersonId,
    facts: &Facts,
    ground: &Ground<'_>,
) -> Result<Vec<String>, StoreError> {
    let Facts { standing, pending, stuck, .. } = facts;
    let state = names.state;
    let (now, confirm_absence) = (ground.now, ground.config.service.confirm_absence);
    let mut steps = of_holds(state, person, pending, now)?;
    if !stuck.is_empty() {
        steps.push(format!(
            "stuck: repair the cause in Entra or on the platform; to have it tried at once: manntall retry \
             {person}"
        ));
    }
    let entity = Entity::Account(person);
    if let Some(since) = state.ledger.absent_since(&entity) {
        steps.push(format!("the account is {}", words_of_absence(since, confirm_absence)));
    }
    let entry = state.ledger.accounts.get(&person);
    let is_deactivated = entry.is_some_and(|entry| matches!(entry.link, Link::Deactivated(_)));
    if is_deactivated && !state.target.tells_active {
        steps.push(
            "the platform does not show whether accounts are active, and that this one is not rests on its \
             2xx answer alone: look there"
                .to_owned(),
        );
    }
    let notes = state.stuck_notes()?;
    match notes.get(&entity) {
        Some(note) if note.class == Class::NoLogin => steps.push(note.reason.clone()),
        Some(note) if note.class == Class::Leaving => steps.push(format!(
            "should be out, and is not confirmed out since {}: {}",
            note.since,
            ground.why_not_out(Some(person), note.reason.clone())
        )),
        _ => {}
    }
    if state.ledger.by_hand.contains_key(&person) {
        steps.push(format!(
            "to let Entra decide about this person again: manntall deactivate {person} --lift"
        ));
    }
    if *standing == "unknown" {
        steps.push(
            "everything stays as it is until Entra tells what is missing; whether it may be read: manntall \
             check --online"
                .to_owned(),
        );
    }
    let waits = |line: &ChangeLine| line.held.is_none();
    let is_absent = state.ledger.absent.contains_key(&entity);
    if pending.iter().any(waits) && stuck.is_empty() && !is_absent {
        steps.push(match &state.paused {
            Some(word) => {
                // Its reason may be about anybody.
                let reason = word.reason.as_deref().map(|reason| names.free_text(reason));
                let word = Pause { reason, ..word.clone() };
                format!("{}; to go on: manntall resume", pause::words(&word))
            }
            None => "to be done by the running service, or: manntall sync".to_owned(),
        });
    }
    if steps.is_empty() {
        steps.push("nothing: all is as it should be, as far as Entra has told".to_owned());
    }
    Ok(steps)
}

/// What waits for a word, or has it, and what can be said about it.
fn of_holds(
    state: &State,
    person: PersonId,
    pending: &[ChangeLine],
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut steps = Vec::new();
    let held: BTreeSet<&String> = pending.iter().filter_map(|line| line.held.as_ref()).collect();
    for hold in state.holds()? {
        let id = hold.id.to_string();
        if held.contains(&id) {
            let (since, guard) = (hold.since, hold.meter.guard.name());
            // A word given a moment ago counts before anything was judged again.
            let claims = hold.claims.into_iter();
            let theirs = claims.filter(|(guarded, _)| {
                guarded.entity().is_some_and(|entity| concerns(entity, person))
            });
            let said = state.said_of(&theirs.collect(), now);
            steps.push(match said.by.filter(|_| said.open == 0) {
                _ if said.approved > 0 && said.open + said.rejected == 0 => format!(
                    "approved, to be made by the running service, or: manntall sync (hold {id}, {guard}); to \
                     take it back: manntall reject {id}"
                ),
                Some(by) => format!(
                    "rejected by {by}, and not made (hold {id}, {guard}); repair it in Entra, or: manntall \
                     approve {id} --rejected"
                ),
                None => format!(
                    "held by {guard} since {since} until somebody decides: manntall approve {id}, or manntall \
                     reject {id}; why: manntall holds"
                ),
            });
        }
    }
    Ok(steps)
}
