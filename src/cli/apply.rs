//! `apply`: does exactly what a saved plan says, or nothing when the part of the world that it rests on
//! has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::control::{self, Request, Saved};
use super::reveal::Sight;
use super::view::plan::{ChangeLine, Document, Subject};
use super::view::text::{counted, harmless, number};
use super::wire::only_target;
use super::{Context, Exit, Failure, drive, runs, show, sync};
use crate::core::judge::pieces;
use crate::core::model::{DigestKey, Entity, Timestamp};
use crate::core::plan::{Change, ChangeDigest};
use crate::core::report::RunKind;
use crate::core::words::plural;
use crate::cycle::{Engine, Until};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// What `plan --out` saved
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(context: &Context, args: &ApplyArgs) -> Result<Exit, Failure> {
    let (target, changes, key) = saved(show::load(&args.file)?.seen(&Sight::Named))?;
    let request = Request::Apply {
        target: target.clone(),
        changes: changes.clone(),
        digest_key: key.clone(),
    };
    if let Some(said) = control::ask(context, request)? {
        return Ok(said.tell());
    }
    let config = context.load()?;
    must_be_for(&target, only_target(&config)?.0)?;
    let (result, exit) = drive::block_on(async {
        let wiring = runs::wired_for_sync(&config)?;
        let store = wiring.take_store().await?;
        let work = Box::pin(async {
            let mut engine = wiring.engine(store)?;
            let mut signals = drive::signals()?;
            drive::drive(&wiring, &mut engine, None, Until::Planned, &mut signals).await?;
            must_be_complete(&engine)?;
            let (digests, entities) = recurring(&engine, &changes, key.as_ref(), None)?;
            engine.restrict_to(digests);
            let writer = wiring.writer()?;
            drive::drive(&wiring, &mut engine, Some(&writer), Until::Settled, &mut signals).await?;
            Ok(sync::result_of(&engine, |entity| entities.contains(entity)))
        });
        let place = (wiring.config.service.state_dir.as_path(), &wiring.clock);
        runs::during(RunKind::Sync, place, |(_, exit)| *exit, work).await
    })?;
    Ok(sync::said(&result, exit, context.form()).tell())
}

/// The one target that the document is for, what is to change there, and the key of the digests where it
/// was made before there was an installation.
fn saved(mut document: Document) -> Result<(String, Vec<Saved>, Option<DigestKey>), Failure> {
    let (Some((target, plan)), true) = (document.targets.pop_first(), document.targets.is_empty())
    else {
        let message = "the plan is not for exactly one platform; nothing was done";
        return Err(Failure::new(Exit::Stale, message));
    };
    let changes = plan.changes.into_iter().map(|line| {
        let ChangeLine { action, subject: Subject { name, .. }, digest, .. } = line;
        Saved { action, name, digest }
    });
    Ok((target, changes.collect(), document.digest_key))
}

/// A plan for one target is not made on another.
pub(super) fn must_be_for(planned: &str, target: &str) -> Result<(), Failure> {
    if planned == target {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Stale,
        format!("the plan is for another platform than {target}; nothing was done"),
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
    key: Option<&DigestKey>,
    begun: Option<Timestamp>,
) -> Result<(BTreeSet<ChangeDigest>, BTreeSet<Entity>), Failure> {
    let digests = key.unwrap_or(engine.state().digests());
    let mut found: BTreeMap<String, (Option<ChangeDigest>, Entity)> = BTreeMap::new();
    let of = |change: &Change| (Some(change.digest()), change.entity.clone());
    let shown = |change: &Change| change.digest().keyed(digests).to_string();
    for (change, _) in engine.judged() {
        // A change that waited in part when it was saved is the same when all of it may be made by now.
        for piece in pieces(&change) {
            found.entry(shown(&piece)).or_insert_with(|| of(&change));
        }
        found.insert(shown(&change), of(&change));
    }
    found.extend(engine.planner().later().values().map(|change| (shown(change), of(change))));
    if let Some(begun) = begun {
        let made = engine.state().journal()?.into_iter();
        let made = made.filter(|record| record.at >= begun && record.refused.is_none());
        // What is made already needs no leave any more.
        for one in made {
            found.entry(one.digest.to_string()).or_insert((None, one.entity));
        }
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
            "the plan is stale: {} of its {} {} not what is to be done any more ({}{}); nothing was done. Make a \
             new one: manntall plan --out FILE",
            number(moved.len() as u64),
            counted(plan.len() as u64, "change", "changes"),
            plural(moved.len(), "is", "are"),
            some.join(", "),
            if moved.len() > 5 { ", …" } else { "" },
        );
        return Err(Failure::new(Exit::Stale, message));
    }
    let known = known.iter().filter_map(|saved| found.get(&saved.digest).cloned());
    let (digests, entities): (Vec<_>, BTreeSet<Entity>) = known.unzip();
    Ok((digests.into_iter().flatten().collect(), entities))
}
