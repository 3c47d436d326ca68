//! The reference pages of commands and exit codes, in Markdown.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::cli::{Cli, Exit};

const MADE: &str = "<!-- Made by `manntall generate`; do not edit. -->";

/// All commands with their arguments.
pub(super) fn commands() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = format!(
        "# Commands\n\n{MADE}\n\n\
         `manntall COMMAND`, with these flags before or after it. Data goes to stdout, everything else \
         to stderr. [Exit codes](exit-codes.md) are the same for all.\n\n"
    );
    arguments(&mut text, &root, Arg::is_global_set);
    for command in root.get_subcommands() {
        section(&mut text, command, "manntall");
    }
    text
}

fn section(text: &mut String, command: &Command, above: &str) {
    let name = command.get_name();
    if command.is_hide_set() || name == "help" {
        return;
    }
    let full = format!("{above} {name}");
    let children: Vec<_> =
        command.get_subcommands().filter(|child| child.get_name() != "help").collect();
    if children.is_empty() {
        let mut usage = full.clone();
        for arg in command.get_positionals() {
            let value = value_name(arg);
            let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
            let _ = write!(usage, " {open}{value}{close}");
        }
        let _ = writeln!(text, "\n## `{usage}`\n");
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let stop = if about.ends_with('.') { "" } else { "." };
        let _ = writeln!(text, "{about}{stop}");
        arguments(text, command, |arg| !arg.is_global_set());
    }
    for child in children {
        section(text, child, &full);
    }
}

fn arguments(text: &mut String, command: &Command, wants: impl Fn(&Arg) -> bool) {
    let shown = |arg: &&Arg| {
        !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version") && wants(arg)
    };
    for (at, arg) in command.get_arguments().filter(shown).enumerate() {
        if at == 0 && !text.ends_with("\n\n") {
            text.push('\n');
        }
        let mut name = arg.get_long().map_or_else(|| value_name(arg), |long| format!("--{long}"));
        if arg.get_long().is_some() && arg.get_action().takes_values() {
            let _ = write!(name, " {}", value_name(arg));
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut more = Vec::new();
        let words: Vec<_> = arg
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if arg.get_action().takes_values() && !words.is_empty() {
            more.push(format!("one of {}", words.join(", ")));
        }
        let defaults = arg.get_default_values();
        if arg.get_action().takes_values() && !defaults.is_empty() {
            let all: Vec<_> = defaults.iter().map(|one| one.to_string_lossy()).collect();
            more.push(format!("default `{}`", all.join(" ")));
        }
        let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
        let _ = writeln!(text, "- `{name}`: {help}{more}");
    }
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let joined: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    if joined.is_empty() { arg.get_id().as_str().to_uppercase() } else { joined.join(" ") }
}

/// All exit codes.
pub(super) fn exit_codes() -> String {
    let mut text = format!(
        "# Exit codes\n\n{MADE}\n\n\
         They stay. New ones may come; one that you do not know means failure.\n\n\
         | Code | Meaning | What to do |\n|---|---|---|\n"
    );
    for exit in Exit::ALL {
        let (meaning, next) = exit.words();
        let _ = writeln!(text, "| {} | {meaning} | {next} |", exit.code());
    }
    let order: Vec<String> = Exit::ORDER.iter().map(|exit| exit.code().to_string()).collect();
    let _ = writeln!(
        text,
        "\nOf several ends of one `sync` the first of {} is told. The unit for systemd does not restart \
         after 11, 13, 64 and 78, which a restart cannot mend.",
        order.join(", ")
    );
    text
}
