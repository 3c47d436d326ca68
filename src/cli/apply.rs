//! `apply`: does exactly what a saved plan says, or nothing when the part of the world that it rests on
//! has moved.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::view::plan::{ChangeLine, Document, TargetPlan};
use super::view::text::{harmless, number};
use super::wire::{Wiring, only_target};
use super::{Context, Exit, Failure, drive, show, sync};
use crate::core::model::Entity;
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
    let plan = plan_for(show::load(&args.file)?, &target)?;
    let (result, exit) = drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let mut engine = wiring.engine(wiring.own_store()?)?;
        let mut signals = drive::signals()?;
        drive::drive(&wiring, &mut engine, None, Until::Planned, &mut signals).await?;
        must_be_complete(&engine)?;
        let (digests, entities) = recurring(&engine, &plan)?;
        engine.restrict_to(digests);
        let writer = wiring.writer()?;
        drive::drive(&wiring, &mut engine, Some(&writer), Until::Settled, &mut signals).await?;
        Ok(sync::result_of(&engine, |entity| entities.contains(entity)))
    })?;
    sync::tell(context, &result);
    Ok(exit)
}

/// The part of the document for the configured target.
fn plan_for(mut document: Document, target: &str) -> Result<TargetPlan, Failure> {
    let plan = document.targets.remove(target);
    match plan {
        Some(plan) if document.targets.is_empty() => Ok(plan),
        _ => Err(Failure::new(
            Exit::Stale,
            format!("the plan is for another target than {target}; nothing was done"),
        )),
    }
}

fn must_be_complete(engine: &Engine) -> Result<(), Failure> {
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

/// The digests and entities of the saved changes, if every one of them recurs unchanged.
fn recurring(
    engine: &Engine,
    plan: &TargetPlan,
) -> Result<(BTreeSet<ChangeDigest>, BTreeSet<Entity>), Failure> {
    let pending = engine.planner().foreseen();
    let pending: std::collections::BTreeMap<String, _> =
        pending.map(|change| (change.digest().to_string(), change)).collect();
    let (known, moved): (Vec<&ChangeLine>, Vec<&ChangeLine>) =
        plan.changes.iter().partition(|line| pending.contains_key(&line.digest));
    if !moved.is_empty() {
        let some: Vec<String> = moved
            .iter()
            .take(5)
            .map(|line| format!("{} {}", line.action, harmless(&line.name)))
            .collect();
        let message = format!(
            "the plan is stale: {} of its {} changes are not what is to be done any more ({}{}); \
             nothing was done. Make a new one: manntall plan --out FILE",
            number(moved.len() as u64),
            number(plan.changes.len() as u64),
            some.join(", "),
            if moved.len() > 5 { ", …" } else { "" },
        );
        return Err(Failure::new(Exit::Stale, message));
    }
    let changes = known.iter().filter_map(|line| pending.get(&line.digest));
    Ok(changes.map(|change| (change.digest(), change.entity.clone())).unzip())
}
