//! The command line: parses it, runs one command, and turns its result into an exit code.
//!
//! One file a command. What is shown is built as a value first (see `view`) and written for people or
//! as JSON. Nothing here decides what happens to an account; that is the core's.

mod allow;
mod apply;
mod approve;
mod audit;
mod check;
mod completions;
mod config;
mod console;
mod control;
mod deactivate;
mod demo;
mod drive;
mod exit;
mod explain;
mod fakes;
mod files;
mod generate;
mod ground;
mod holds;
mod init;
mod log_level;
mod man;
mod names;
mod network;
mod offline;
mod pause;
mod plan;
mod progress;
mod reveal;
mod run;
mod runs;
mod said;
mod show;
mod simulate;
mod standing;
mod state;
mod status;
mod stuck;
mod surroundings;
mod sync;
mod until;
mod view;
mod watchers;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};

use control::Task;
use said::Form;
use view::text::is_visible;

use crate::config::{self as configuration, Config};
use crate::telemetry::{self, Format, Level, Voice};

/// Keeps the accounts and groups of a collaboration platform true to Microsoft Entra ID.
#[derive(Debug, Parser)]
#[command(name = "manntall", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Flags of all commands.
#[derive(Debug, Args)]
struct Common {
    /// Configuration file [default: /etc/manntall/manntall.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// How much is logged to stderr [default: info for run, warn for the others]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// What log lines look like
    #[arg(long, global = true, value_name = "FORMAT", default_value = "auto")]
    log_format: Format,
    /// Whether output is coloured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep the platform true until stopped
    Run,
    /// Do everything once: collect, plan, apply
    Sync,
    /// Show what sync would do, and change nothing
    Plan(plan::PlanArgs),
    /// Show a saved plan
    Show(show::ShowArgs),
    /// Do exactly what a saved plan says
    Apply(apply::ApplyArgs),
    /// Say everything about one person
    Explain(explain::ExplainArgs),
    /// Say how things stand
    Status(status::StatusArgs),
    /// List what waits for approval
    Holds(holds::HoldsArgs),
    /// Let held changes be made
    Approve(approve::ApproveArgs),
    /// Decide that held changes are not made
    Reject(approve::RejectArgs),
    /// Announce that more changes of a kind are to come
    Allow(allow::AllowArgs),
    /// List what cannot be done, and why
    Stuck,
    /// Try what is stuck again at the next sync
    Retry(stuck::RetryArgs),
    /// Deactivate one person now, whatever Entra says
    Deactivate(deactivate::DeactivateArgs),
    /// Write nothing to the platform for now
    Pause(pause::PauseArgs),
    /// Write again
    Resume,
    /// Change how much the running service logs
    LogLevel(log_level::LogLevelArgs),
    /// Write a first configuration and its secret files, asking for what is needed
    Init(init::InitArgs),
    /// Look after the store: info, verify, backup, restore, rebuild
    #[command(subcommand)]
    State(state::StateCommand),
    /// Verify or export the journal of writes and decisions
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check the configuration; with --online also what Entra and the platform say
    Check(check::CheckArgs),
    /// Show Manntall at work against simulated services
    Demo(demo::DemoArgs),
    /// Serve a simulated Entra tenant and platform on this machine
    Simulate(simulate::SimulateArgs),
    /// Write the schema or the keys of the configuration
    Config(config::ConfigArgs),
    /// Write completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write a manual page, or all of them
    Man(man::ManArgs),
    /// Write what is shipped beside the program
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

/// A name of a user is shorter.
const NAME_CHARS_MAX: usize = 64;

/// What a command is handed.
struct Context {
    config: PathBuf,
    environment: BTreeMap<String, String>,
    json: bool,
}

impl Context {
    fn load(&self) -> Result<Config, Failure> {
        let config = configuration::load(&self.config, &self.environment)
            .map_err(|errors| Failure::new(Exit::Config, errors.brief()))?;
        view::text::set_zone(&config.service.time_zone);
        Ok(config)
    }

    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    /// Who types: the person behind `sudo` rather than root, as far as that is to be believed; who really
    /// types stands beside it.
    fn who(&self) -> String {
        let uid = rustix::process::getuid().as_raw();
        let name = |variable: &str| {
            let name = self.environment.get(variable).filter(|name| !name.is_empty())?;
            Some(name.chars().filter(|c| is_visible(*c)).take(NAME_CHARS_MAX).collect::<String>())
        };
        if let Some(name) = name("SUDO_USER") {
            return format!("{name} (sudo, uid {uid})");
        }
        name("LOGNAME").or_else(|| name("USER")).unwrap_or_else(|| user_of(uid))
    }
}

/// A user as the user database calls it, root without an environment too; by number where it does not
/// know it.
fn user_of(number: u32) -> String {
    let name = crate::store::user_name(number);
    if name == number.to_string() { format!("uid {number}") } else { name }
}

/// A saved plan in the words of `show --reveal`, or why the bytes are none. For those who try what they
/// like, with people whom they invented.
pub fn words_of_saved_plan(bytes: &[u8]) -> Result<String, String> {
    let sight = reveal::Sight::Clear(reveal::Revealed::of_invented_people());
    let document = view::plan::SavedPlan::read(bytes)?.seen(&sight);
    Ok(view::plan_text::render(&document, view::plan_text::Look::default()))
}

/// Runs the command line `args` and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>, environment: BTreeMap<String, String>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own exit code 2 would read as "changes are pending".
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.code();
        }
    };
    let Common { config, json, log_level, log_format, color } = cli.common;
    console::set_locale(&environment);
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let voice = match (log_level, &cli.command) {
        (level, Command::Run) => Voice::Service(level.unwrap_or(Level::Info)),
        (Some(level), _) => Voice::Asked(level),
        (None, _) => Voice::Command,
    };
    telemetry::start(voice, log_format, environment.get("JOURNAL_STREAM").map(String::as_str));
    let config = config.unwrap_or_else(|| PathBuf::from(configuration::DEFAULT_PATH));
    let context = Context { config, environment, json };
    let result = dispatch(&cli.command, &context);
    let (exit, message) = match result {
        Ok(exit) => (exit, None),
        Err(failure) => (failure.exit, Some(failure.in_full())),
    };
    // The service's last words go where its log goes, and wait for nobody who does not read it.
    if !telemetry::end(message.as_deref())
        && let Some(message) = message
    {
        console::talk(&message);
    }
    exit.code()
}

/// The request of a command to the service that the bytes are, as this version writes it; `None` where
/// they are none. For those who try what they like.
pub fn control_request(bytes: &[u8]) -> Option<String> {
    control::rewritten(bytes)
}

fn dispatch(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Run => run::run(context),
        Command::Sync => sync::run(context),
        Command::Plan(args) => plan::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Apply(args) => apply::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Holds(args) => ground::task(context, &Task::Holds { reveal: args.reveal }),
        Command::Approve(args) => approve::run_approve(context, args),
        Command::Reject(args) => approve::run_reject(context, args),
        Command::Allow(args) => ground::task(context, &Task::Allow(args.clone())),
        Command::Stuck => ground::task(context, &Task::Stuck),
        Command::Retry(args) => stuck::run_retry(context, args),
        Command::Deactivate(args) => deactivate::run(context, args),
        Command::Pause(args) => ground::task(context, &Task::Pause { reason: args.reason.clone() }),
        Command::Resume => ground::task(context, &Task::Resume),
        Command::LogLevel(args) => log_level::run(context, args),
        Command::Init(args) => init::run(context, args),
        Command::State(command) => state::run(context, command),
        Command::Audit(command) => audit::run(context, command),
        Command::Check(args) => check::run(context, args),
        Command::Demo(args) => demo::run(context, args),
        Command::Simulate(args) => simulate::run(args),
        Command::Config(args) => Ok(config::run(args)),
        Command::Completions(args) => Ok(completions::run(args)),
        Command::Man(args) => man::run(args),
        Command::Generate(args) => generate::run(args),
    }
}
