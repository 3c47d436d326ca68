//! `show`: a saved plan, as `plan` showed it.

use std::path::{Path, PathBuf};

use super::control::{Request, Task};
use super::reveal::{Revealed, Sight};
use super::view::plan::{Document, SavedPlan};
use super::view::plan_text::{self, Look};
use super::{Context, Exit, Failure, console, control, plan};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// What `plan --out` saved
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write values of people out; who did so is on record
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(context: &Context, args: &ShowArgs) -> Result<Exit, Failure> {
    let plan = load(&args.file)?;
    let sight = if args.reveal { in_clear(context, &plan)? } else { Sight::Named };
    let document = plan.seen(&sight);
    if context.json {
        console::json(&Document { digest_key: None, ..document });
    } else {
        let saved = args.file.display().to_string();
        let look = Look { saved: Some(&saved), is_first: document.digest_key.is_some() };
        console::data(&plan_text::render(&document, look));
    }
    Ok(Exit::Done)
}

/// The right to see what the file holds, once that is on record where the plan belongs.
fn in_clear(context: &Context, plan: &SavedPlan) -> Result<Sight, Failure> {
    if !plan.has_values() {
        return Err(Failure::new(
            Exit::Failed,
            "the plan was saved without values of people; make one that has them: manntall plan --reveal \
             --out FILE",
        ));
    }
    let task = Task::Reveal;
    match control::ask(context, Request::Task(task))? {
        Some(said) => match Revealed::by_service(&said) {
            Some(revealed) => Ok(Sight::Clear(revealed)),
            None => Err(Failure::new(said.exit, said.talk.join("\n"))),
        },
        None => plan::record_reveal(context, &context.load()?, "a saved plan", None),
    }
}

/// Reads a saved plan.
pub(super) fn load(file: &Path) -> Result<SavedPlan, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::new(Exit::Failed, format!("{shown} cannot be read: {error}")))?;
    SavedPlan::read(&bytes).map_err(|why| {
        Failure::new(Exit::Failed, format!("{shown} is no plan of this version: {why}"))
    })
}
