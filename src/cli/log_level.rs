//! `log-level`: how much the running service logs, until it is set again or the service starts anew.

use clap::ValueEnum as _;

use super::control::{self, Request};
use super::ground::Ground;
use super::said::Said;
use super::{Context, Exit, Failure};
use crate::telemetry::{self, Level};

/// Arguments of `log-level`.
#[derive(Debug, clap::Args)]
pub(super) struct LogLevelArgs {
    /// How much from now on
    #[arg(value_name = "LEVEL")]
    level: Level,
}

pub(super) fn run(context: &Context, args: &LogLevelArgs) -> Result<Exit, Failure> {
    let request = Request::Task(control::Task::LogLevel { level: args.level });
    match control::ask(context, request)? {
        Some(said) => Ok(said.tell()),
        None => Err(Failure::new(
            Exit::Failed,
            "no service runs here, so there is no log to be changed. At the start: manntall run \
             --log-level LEVEL",
        )),
    }
}

/// Sets it, and says so in the log itself.
pub(super) fn set(ground: &Ground<'_>, level: Level) -> Result<Said, Failure> {
    let name = level.to_possible_value();
    let name = name.as_ref().map_or("another", clap::builder::PossibleValue::get_name);
    tracing::warn!(by = %ground.by, "from here on the log is at level {name}");
    if !telemetry::set_level(level) {
        return Err(Failure::new(Exit::Failed, "the service keeps no log; nothing was changed"));
    }
    Ok(Said::talked(format!(
        "The service logs at level {name} from now on, until it is set again or started anew."
    )))
}
