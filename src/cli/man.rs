//! `man`: the manual pages, made from the parser itself.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::{Cli, Exit, Failure, console};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Page of this command; without it, of the program
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    if let Some(folder) = &args.dir {
        write_all(folder)?;
        return Ok(Exit::Done);
    }
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there is no command {:?}", args.command.join(" ")))
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::new(Exit::Failed, format!("no page can be made: {error}")))?;
    console::data(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}

/// Writes the page of each command, as `manntall-plan.1`.
pub(super) fn write_all(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let folder = folder.display();
        Failure::new(Exit::Failed, format!("the pages cannot be written into {folder}: {error}"))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)
}
