//! `check`: reads the configuration and the modes of the secret files, and says what it understood. With
//! `--online` it also asks Entra and the platform. It says beforehand what a changed configuration means
//! for the next cycle. Nothing is changed anywhere.

mod online;
mod outlook;
mod peers;
mod permissions;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use anstyle::Style;
use serde_json::json;

use self::online::{Finding, Findings, State};
use self::outlook::Outlook;
pub(super) use self::outlook::{changed_rules, said};
use super::view::text::{CHANGED, DIM, GOOD, Lines, RISKY, counted, harmless, styled};
use super::wire::Wiring;
use super::{Context, Exit, Failure, console, drive, network, surroundings, wire};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::core::model::Timestamp;
use crate::core::policy::GroupRule;
use crate::core::report::{Expiry, Nearness};
use crate::core::words::plural;

pub(super) use peers::said as peers_said;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Also ask Entra and the platform: token, permissions, counts, clock, what the server supports
    #[arg(long)]
    online: bool,
}

pub(super) fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    if !args.online {
        return offline(context, Secrets::OfOurs);
    }
    let config = context.load()?;
    peers::must_be_known(context, &config)?;
    let outlook = Outlook::of(context, &config);
    let findings = drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let mut signals = drive::signals()?;
        tokio::select! {
            findings = online::run(&wiring) => Ok(findings),
            () = signals.next() => Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed")),
        }
    })?;
    let exit = Exit::first_of(findings.checks.iter().filter_map(|finding| finding.exit));
    if context.json {
        console::json(
            &json!({ "valid": true, "passed": exit == Exit::Done, "checks": findings.checks,
            "letters": findings.letters, "next_cycle": outlook }),
        );
    } else {
        console::data(&(list(&findings) + &outlook.render()));
        console::talk(match exit {
            Exit::Done => "Entra and the platform answer as needed; nothing was changed.",
            _ => "Not ready: see what is marked above. Nothing was changed.",
        });
    }
    Ok(exit)
}

/// The findings for people: one line each, the remedy below it, and what is to be sent at the end.
fn list(findings: &Findings) -> String {
    let mut text = String::new();
    for Finding { subject, check, state, found, remedy, exit: _ } in &findings.checks {
        let (mark, style) = match state {
            State::Good => ("✓", GOOD),
            State::Doubtful => ("!", CHANGED),
            State::Bad => ("✗", RISKY),
            State::Skipped => ("–", DIM),
        };
        let mark = styled(style, mark);
        let _ = writeln!(text, "{mark} {subject} {check}: {}", harmless(found));
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "    {}", harmless(remedy));
        }
    }
    for letter in &findings.letters {
        let _ = writeln!(text, "\nTo send to the administrator of Entra:\n");
        for line in letter.lines() {
            let _ = writeln!(text, "  {}", harmless(line));
        }
    }
    text
}

/// Whose the secret files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// They must be ours to be read.
    OfOurs,
    /// They were written a moment ago for the user of the service, who is another.
    JustWritten,
}

/// The part without any network.
pub(super) fn offline(context: &Context, secrets: Secrets) -> Result<Exit, Failure> {
    let config = match config::load(&context.config, &context.environment) {
        Ok(config) => config,
        Err(errors) if context.json => {
            console::json(&json!({ "valid": false, "errors": errors.errors() }));
            return Ok(Exit::Config);
        }
        Err(errors) => return Err(Failure::new(Exit::Config, errors.coloured())),
    };
    let secrets = match secrets {
        Secrets::OfOurs => wire::check_secrets(&config),
        Secrets::JustWritten => Ok(()),
    };
    let (expiries, now) = (surroundings::expiries(&config), SystemClock::start().now());
    let is_over = |expiry: &Expiry| expiry.nearness(now) == Nearness::Over;
    let doubts: Vec<String> = config.targets.values().flat_map(config::Target::doubts).collect();
    if context.json {
        let faults = secrets.as_ref().err().into_iter();
        let faults = faults.flat_map(|fault| fault.message.lines().map(str::to_owned));
        let over = expiries.iter().filter(|expiry| is_over(expiry));
        let faults: Vec<_> = faults.chain(over.filter_map(|expiry| expiry.words(now))).collect();
        let expiries: Vec<_> = expiries
            .iter()
            .map(|one| json!({ "name": one.what.to_string(), "at": one.at.to_string() }))
            .collect();
        let outlook = faults.is_empty().then(|| Outlook::of(context, &config));
        console::json(&json!({ "valid": faults.is_empty(), "errors": faults, "warnings": doubts,
            "expiries": expiries, "next_cycle": outlook }));
        return Ok(if faults.is_empty() { Exit::Done } else { Exit::Config });
    }
    secrets?;
    console::data(
        &(render(&config) + &ends(&expiries, now) + &Outlook::of(context, &config).render()),
    );
    for doubt in &doubts {
        console::talk(&format!("Warning: {doubt}."));
    }
    if let Some(over) = expiries.iter().find(|expiry| is_over(expiry)) {
        let words = over.words(now).unwrap_or_default();
        return Err(Failure::new(Exit::Config, words));
    }
    let file = context.config.display();
    console::talk(&format!(
        "The configuration {file} is valid; nothing was sent and nothing changed."
    ));
    Ok(Exit::Done)
}

/// When credentials end, with what to do about those that end soon.
fn ends(expiries: &[Expiry], now: Timestamp) -> String {
    let mut text = String::new();
    for expiry in expiries {
        match (expiry.nearness(now), expiry.words(now)) {
            (Nearness::Near(_), Some(words)) => {
                Lines::new(&mut text, 0, 2).words(Style::new(), &words).end();
            }
            _ => {
                let _ = writeln!(text, "{}", expiry.brief(now));
            }
        }
    }
    text
}

fn render(config: &Config) -> String {
    let mut text = String::new();
    let service = &config.service;
    let _ = writeln!(text, "service");
    let _ = writeln!(text, "  state in        {}", service.state_dir.display());
    let _ = writeln!(
        text,
        "  polls every     {}, compares whole every {}",
        humantime::format_duration(service.poll_interval),
        humantime::format_duration(service.full_compare)
    );
    if let Some(proxy) = network::proxy_in_words(&config.network) {
        let _ = writeln!(text, "  proxy           {}", harmless(&proxy));
    }
    if let Some(file) = &config.network.ca_file {
        let _ = writeln!(text, "  trusts also     {}", file.display());
    }
    for (name, source) in &config.sources {
        let _ = writeln!(text, "source {name}");
        let _ = writeln!(text, "  tenant          {}", source.tenant_id);
        let _ = writeln!(text, "  application     {}", source.client_id);
        let _ = writeln!(text, "  Graph           {}", source.graph_url);
        let _ = writeln!(text, "  keeps           {}", harmless(source.keep.text()));
    }
    for (name, target) in &config.targets {
        let policy = &target.policy;
        let _ = writeln!(text, "platform {name}");
        let _ = writeln!(text, "  SCIM            {}", target.url);
        let _ = writeln!(
            text,
            "  pace            {} {} a second, {} at once",
            target.requests_per_second,
            plural(target.requests_per_second, "request", "requests"),
            target.concurrency
        );
        let _ = writeln!(text, "  people          {}", harmless(policy.people.text()));
        if let Some(groups) = &policy.people_of {
            let groups = counted(groups.len() as u64, "group", "groups");
            let _ = writeln!(text, "  only members of {groups}");
        }
        for (path, expression) in &policy.account {
            let _ = writeln!(text, "  account         {path} = {}", harmless(expression.text()));
        }
        if policy.groups.is_empty() {
            let _ = writeln!(text, "  groups          none are carried over");
        }
        for rule in &policy.groups {
            let _ = match rule {
                GroupRule::Directory { id, filter, name } => writeln!(
                    text,
                    "  groups {id}: those of the directory where {}, named {}",
                    harmless(filter.text()),
                    harmless(name.text())
                ),
                GroupRule::People { id, each, name } => writeln!(
                    text,
                    "  groups {id}: one for each {}, named {}",
                    harmless(each.text()),
                    harmless(name.text())
                ),
            };
        }
    }
    text
}
