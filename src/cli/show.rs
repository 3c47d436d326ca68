//! `show`: a saved plan, as `plan` showed it.

use std::path::{Path, PathBuf};

use super::view::plan::{Document, FORMAT};
use super::view::plan_text::{self, Look, Values};
use super::view::text::harmless;
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
    read(&bytes).map_err(|why| {
        Failure::new(Exit::Failed, format!("{shown} is no plan of this version: {why}"))
    })
}

/// A saved plan, or why the bytes are none; that may quote them, and does nothing to the terminal.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| harmless(&error.to_string()))?;
    if document.format == FORMAT {
        Ok(document)
    } else {
        Err(format!("its format is not {FORMAT}"))
    }
}
