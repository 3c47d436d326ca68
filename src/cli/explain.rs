//! `explain`: everything about one person: why in or out, where each value comes from, what was sent,
//! which groups and why, what was done and on whose word. Works without any network.

mod facts;
mod text;

use super::{Context, Exit, Failure, console, offline, wire};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// source/object-id, object id, userPrincipalName or mail
    #[arg(value_name = "X")]
    person: String,
}

pub(super) fn run(context: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    let config = context.load()?;
    let state = wire::existing_state(&config)?;
    let person = offline::person(&state, &args.person)?;
    let planner = offline::plan(&config, &state)?;
    let (_, target) = wire::only_target(&config)?;
    let facts = facts::collect(&state, &planner, &target.policy, person)?;
    if context.json {
        console::json(&facts);
    } else {
        console::data(&text::render(&facts));
    }
    Ok(Exit::Done)
}
