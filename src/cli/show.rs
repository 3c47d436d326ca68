//! `show`: a saved plan, as `plan` showed it.

use std::path::{Path, PathBuf};

use super::view::plan::{Document, FORMAT};
use super::view::plan_text::{self, Look, Values};
use super::{Context, Exit, Failure, console};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// What `plan --out` saved
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write values of people out
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(context: &Context, args: &ShowArgs) -> Result<Exit, Failure> {
    let document = load(&args.file)?;
    let saved = args.file.display().to_string();
    let values = if args.reveal { Values::Revealed } else { Values::Masked };
    let look = Look { values, saved: Some(&saved) };
    if context.json {
        console::json(&document);
    } else {
        console::data(&plan_text::render(&document, look));
    }
    Ok(Exit::Done)
}

/// Reads a saved plan.
pub(super) fn load(file: &Path) -> Result<Document, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::new(Exit::Failed, format!("{shown} cannot be read: {error}")))?;
    let document = read(&bytes).map_err(|error| {
        Failure::new(Exit::Failed, format!("{shown} is no plan of this version: {error}"))
    })?;
    if document.format != FORMAT {
        let message = format!("{shown} is no plan of this version: its format is not {FORMAT}");
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(document)
}

pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Document> {
    serde_json::from_slice(bytes)
}
