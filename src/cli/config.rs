//! `config`: about the configuration as such.

use super::{Exit, console};
use crate::config;

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write the JSON schema of the configuration, for editors
    Schema,
    /// Write every key with its values, its default and its meaning
    Keys,
}

pub(super) fn run(args: &ConfigArgs) -> Exit {
    match args.what {
        What::Schema => console::json(&config::schema::schema()),
        What::Keys => console::data(&config::reference::page()),
    }
    Exit::Done
}
