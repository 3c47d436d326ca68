//! `completions`: what a shell needs to complete the command line. Made from the parser itself.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, console};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Exit {
    console::data(&script(args.shell));
    Exit::Done
}

/// The script for one shell.
pub(super) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "manntall", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
