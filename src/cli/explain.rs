//! `explain`: everything about one person: why in or out, where each value comes from, what was sent,
//! which groups and why, what was done and on whose word. Works without any network.

mod facts;
mod next;
mod text;
mod values;

use super::control::Task;
use super::ground::{self, Ground};
use super::names::Names;
use super::said::Said;
use super::{Context, Exit, Failure, offline, wire};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// source/object-id, object id, userPrincipalName or mail
    #[arg(value_name = "X")]
    person: String,
    /// Write values of the person out; who did so is on record
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(context: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    ground::task(context, &Task::Explain { person: args.person.clone(), reveal: args.reveal })
}

pub(super) fn said(ground: &Ground<'_>, person: &str) -> Result<Said, Failure> {
    let state = ground.state();
    let person = offline::person(state, person, &ground.sight)?;
    let planner = ground.planner()?;
    let (_, target) = wire::only_target(ground.config)?;
    let names = Names { state, planner: &planner, sight: &ground.sight };
    let mut facts = facts::collect(names, target, person, ground.now)?;
    facts.next = next::steps(names, person, &facts, ground)?;
    Ok(Said::shown(ground.form, &facts, text::render))
}
