//! `generate`: everything that is made from the program itself and shipped beside it: reference pages,
//! the JSON schema, manual pages, completions. Hidden, as only packaging and one test call it.

mod pages;

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::{Exit, Failure, completions, man};
use crate::config;

/// Arguments of `generate`.
#[derive(Debug, clap::Args)]
pub(super) struct GenerateArgs {
    /// Where to write
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &GenerateArgs) -> Result<Exit, Failure> {
    let write = |name: &str, text: &str| write(&args.dir.join(name), text);
    write("reference/configuration.md", &config::reference::page())?;
    write("reference/commands.md", &pages::commands())?;
    write("reference/exit-codes.md", &pages::exit_codes())?;
    let schema = serde_json::to_string_pretty(&config::schema::schema()).unwrap_or_default();
    write("manntall.schema.json", &format!("{schema}\n"))?;
    for (shell, name) in
        [(Shell::Bash, "manntall"), (Shell::Zsh, "_manntall"), (Shell::Fish, "manntall.fish")]
    {
        write(&format!("completions/{name}"), &completions::script(shell))?;
    }
    man::write_all(&args.dir.join("man"))?;
    Ok(Exit::Done)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(file, text)).map_err(|error| {
        Failure::new(Exit::Failed, format!("{} cannot be written: {error}", file.display()))
    })
}
