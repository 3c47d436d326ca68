//! `apply`: does exactly what a saved plan says, or nothing when the part of the world that it rests on
//! has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::control::{self, Request, Saved};
use super::view::plan::{ChangeLine, Document};
use super::view::text::{harmless, number};
use super::wire::{Wiring, only_target};
use super::{Context, Exit, Failure, drive, show, sync};
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::ChangeDigest;
use crate::cycle::{Engine, Until};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// What `plan --out` saved
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(context: &Context, args: &ApplyArgs) -> Result<Exit, Failure> {
    let config = context.load()?;
    let target = only_target(&config)?.0.to_owned();
    let changes = plan_for(show::load(&args.file)?, &target)?;
    let request = Request::Apply { target, changes: changes.clone() };
    if let Some(said) = control::ask(context, &config, request)? {
        return Ok(said.tell());
    }
    let (result, exit) = drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let mut engine = wiring.engine(wiring.own_store()?)?;
        let mut signals = drive::signals()?;
        drive::drive(&wiring, &mut engine, None, Until::Planned, &mut signals).await?;
        must_be_complete(&engine)?;
        let (digests, entities) = recurring(&engine, &changes, None)?;
        engine.restrict_to(digests);
        let writer = wiring.writer()?;
        drive::drive(&wiring, &mut engine, Some(&writer), Until::Settled, &mut signals).await?;
        Ok(sync::result_of(&engine, |entity| entities.contains(entity)))
    })?;
    Ok(sync::said(&result, exit, context.form()).tell())
}

/// The changes of the document for the configured target.
fn plan_for(document: Document, target: &str) -> Result<Vec<Saved>, Failure> {
    let mut changes = Vec::new();
    for (name, plan) in document.targets {
        must_be_for(&name, target)?;
        let saved = |line: ChangeLine| {
            let ChangeLine { action, name, digest, .. } = line;
            Saved { action, name, digest }
        };
        changes.extend(plan.changes.into_iter().map(saved));
    }
    Ok(changes)
}

/// A plan for one target is not made on another.
pub(super) fn must_be_for(planned: &str, target: &str) -> Result<(), Failure> {
    if planned == target {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Stale,
        format!("the plan is for another target than {target}; nothing was done"),
    ))
}

pub(super) fn must_be_complete(engine: &Engine) -> Result<(), Failure> {
    if engine.is_complete() {
        return Ok(());
    }
    let (messages, ends) = drive::troubles(engine);
    let exit = match Exit::first_of(ends) {
        Exit::Done => Exit::Unreachable,
        exit => exit,
    };
    let why = messages.join("\n");
    let message =
        format!("{why}\nwhether the plan still holds cannot be told now, so nothing was done");
    Err(Failure::new(exit, message.trim_start()))
}

/// The digests and entities of the saved changes, if every one of them recurs unchanged, or was made
/// since `begun`.
pub(super) fn recurring(
    engine: &Engine,
    plan: &[Saved],
    begun: Option<Timestamp>,
) -> Result<(BTreeSet<ChangeDigest>, BTreeSet<Entity>), Failure> {
    let pending = engine.planner().changes().values();
    let mut found: BTreeMap<String, (ChangeDigest, Entity)> = pending
        .map(|change| (change.digest().to_string(), (change.digest(), change.entity.clone())))
        .collect();
    if let Some(begun) = begun {
        let made = engine.state().journal()?.into_iter();
        let made = made.filter(|record| record.at >= begun && record.refused.is_none());
        found.extend(made.map(|one| (one.digest.to_string(), (one.digest, one.entity))));
    }
    let (known, moved): (Vec<&Saved>, Vec<&Saved>) =
        plan.iter().partition(|saved| found.contains_key(&saved.digest));
    if !moved.is_empty() {
        let some: Vec<String> = moved
            .iter()
            .take(5)
            .map(|saved| format!("{} {}", saved.action, harmless(&saved.name)))
            .collect();
        let message = format!(
            "the plan is stale: {} of its {} changes are not what is to be done any more ({}{}); \
             nothing was done. Make a new one: manntall plan --out FILE",
            number(moved.len() as u64),
            number(plan.len() as u64),
            some.join(", "),
            if moved.len() > 5 { ", …" } else { "" },
        );
        return Err(Failure::new(Exit::Stale, message));
    }
    Ok(known.iter().filter_map(|saved| found.remove(&saved.digest)).unzip())
}
