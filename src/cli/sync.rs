//! `sync`: collects, plans and applies once, waits out rate limits, and ends when only held or stuck
//! items remain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::said::{Form, Said};
use super::view::hold::HeldLine;
use super::view::text::{harmless, number, own};
use super::{Context, Exit, Failure, control, drive, pause, runs};
use crate::core::judge::HoldId;
use crate::core::model::Entity;
use crate::core::plan::{Action, Note};
use crate::core::report::RunKind;
use crate::cycle::{Engine, Until};

/// What a sync came to.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) done: BTreeMap<&'static str, u64>,
    pub(super) held: Vec<HeldLine>,
    pub(super) stuck: usize,
    /// Who should be out and is not confirmed out, and is neither held nor stuck.
    pub(super) leaving: usize,
    /// What it failed at, in one line.
    pub(super) failed: Option<String>,
    pub(super) troubles: Vec<String>,
    pub(super) exit: u8,
}

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    if let Some(said) = control::ask(context, control::Request::Sync)? {
        return Ok(said.tell());
    }
    let config = context.load()?;
    let (result, exit) = drive::block_on(async {
        let wiring = runs::wired_for_sync(&config)?;
        let store = wiring.take_store().await?;
        let work = Box::pin(async {
            let mut engine = wiring.engine(store)?;
            let writer = wiring.writer()?;
            let mut signals = drive::signals()?;
            drive::drive(&wiring, &mut engine, Some(&writer), Until::Settled, &mut signals).await?;
            Ok(result_of(&engine, |_| true))
        });
        let place = (wiring.config.service.state_dir.as_path(), &wiring.clock);
        runs::during(RunKind::Sync, place, |(_, exit)| *exit, work).await
    })?;
    Ok(said(&result, exit, context.form()).tell())
}

/// What a sync came to, in words.
pub(super) fn said(result: &Summary, exit: Exit, form: Form) -> Said {
    let said = Said::shown(form, result, render);
    Said { exit, ..result.troubles.iter().fold(said, Said::and) }
}

impl Summary {
    /// Leaves out what was done before, by an engine that has been at work for longer.
    pub(super) fn since(&mut self, before: &BTreeMap<&'static str, u64>) {
        for (action, count) in &mut self.done {
            *count = count.saturating_sub(before.get(action).copied().unwrap_or(0));
        }
        self.done.retain(|_, count| *count > 0);
    }
}

/// What the engine did, and the exit code that says so; held and stuck items count as far as `concerns`
/// picks them.
pub(super) fn result_of(engine: &Engine, concerns: impl Fn(&Entity) -> bool) -> (Summary, Exit) {
    let (mut troubles, mut ends) = drive::troubles(engine);
    let holds = engine.holds().iter().filter(|hold| hold.entities().any(&concerns));
    let holds: Vec<_> = holds.collect();
    let escrow = engine.state().ledger.escrow.keys();
    let notes = engine.planner().notes().iter();
    let notes = notes
        .filter(|(_, note)| matches!(note, Note::Stuck(_) | Note::Twins(_)))
        .map(|(entity, _)| entity);
    let stuck = escrow.chain(notes).filter(|entity| concerns(entity)).count()
        + engine.unsaid().into_iter().filter(|one| concerns(&Entity::Account(*one))).count()
        + usize::from(waits_for_form(engine, &concerns));
    if holds.iter().any(|hold| hold.rejected.is_none()) {
        ends.push(Exit::Held);
    }
    // What was rejected is not made by going on either.
    let rejected = holds.iter().filter(|hold| hold.rejected.is_some()).map(|hold| hold.id);
    let rejected: BTreeSet<HoldId> = rejected.collect();
    let pending = engine.judged().into_iter().any(|(change, hold)| {
        concerns(&change.entity) && hold.is_none_or(|hold| !rejected.contains(&hold))
    });
    if let (Some(word), true) = (&engine.state().paused, pending) {
        troubles.push(format!("{}; go on with: manntall resume", pause::words(word)));
        ends.push(Exit::Held);
    }
    let leaving = engine.leaving();
    let leaving = leaving.iter().filter(|(person, _)| concerns(&Entity::Account(*person))).count();
    if stuck > 0 || leaving > 0 || drive::gaps(engine).any(|(_, _, gap)| gap.unread > 0) {
        ends.push(Exit::Stuck);
    }
    let exit = Exit::first_of(ends);
    let done = engine.tally().done.clone();
    let now = engine.now();
    let held = holds.into_iter().map(|hold| HeldLine::of(hold, engine.state(), now)).collect();
    let failed = drive::headline(engine);
    (Summary { done, held, stuck, leaving, failed, troubles, exit: exit.code() }, exit)
}

/// Whether memberships wait because a form of changing them did something else.
fn waits_for_form(engine: &Engine, concerns: impl Fn(&Entity) -> bool) -> bool {
    let mut entities = engine.planner().changes().keys();
    engine.state().target.distrusted_form.is_some()
        && entities.any(|entity| matches!(entity, Entity::Member(..)) && concerns(entity))
}

/// The result for people.
pub(super) fn render(result: &Summary) -> String {
    let mut text = String::new();
    let done: Vec<String> = Action::ALL
        .into_iter()
        .filter_map(|action| {
            let count = result.done.get(action.name())?;
            Some(format!("{} {}", number(*count), action.name()))
        })
        .collect();
    let done = if done.is_empty() { "nothing was changed".to_owned() } else { done.join(", ") };
    let _ = match &result.failed {
        Some(failed) => writeln!(text, "{}\nUntil then: {done}.", own(failed)),
        None => writeln!(text, "Done: {done}."),
    };
    for hold in &result.held {
        let id = harmless(&hold.id);
        let _ = writeln!(text, "{}  {id}: {}", hold.mark(), hold.words());
        if hold.count > 0 {
            let _ = writeln!(
                text,
                "        look: manntall holds   approve: manntall approve {id}   refuse: manntall reject {id}"
            );
        }
    }
    if result.stuck > 0 {
        let _ = writeln!(text, "Stuck: {}; why: manntall stuck", number(result.stuck as u64));
    }
    if result.leaving > 0 {
        let _ = writeln!(
            text,
            "Should be out, and not confirmed out: {}; why: manntall stuck",
            number(result.leaving as u64)
        );
    }
    text
}
