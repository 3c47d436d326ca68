//! Runs a command's drive in a runtime of its own, under signals.

use std::future::Future;
use std::sync::Arc;

use super::view::text::time;
use super::wire::Wiring;
use super::{Exit, Failure, progress};
use crate::core::coverage::ACCOUNT_ENABLED;
use crate::core::judge::Guard;
use crate::core::model::{Kind, SourceName};
use crate::core::report::Gap;
use crate::cycle::{Engine, Trouble, Until};
use crate::daemon::{self, Outcome, Signals};
use crate::scim::Writer;

/// Runs `work` to its end. One thread: the engine is one loop, and the store's commits may wait in it.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(work)
}

/// The signals that end a command.
pub(super) fn signals() -> Result<Signals, Failure> {
    Signals::take()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot wait for signals: {error}")))
}

/// Drives the engine for a command; an interruption is a failure with exit code 130.
pub(super) async fn drive(
    wiring: &Wiring,
    engine: &mut Engine,
    writer: Option<&Writer>,
    until: Until,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let clock = Arc::clone(&wiring.clock);
    let progress = progress::show(engine.progress());
    let outcome = tokio::select! {
        outcome = daemon::drive(engine, writer, until, clock, signals) => outcome?,
        () = progress => Outcome::Done,
    };
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Drained | Outcome::BrokenOff => Err(Failure::new(
            Exit::Interrupted,
            "interrupted; what was confirmed by then is recorded, and the next sync goes on from there",
        )),
    }
}

/// What a command failed at, in one line; nothing while both sides answer.
pub(super) fn headline(engine: &Engine) -> Option<String> {
    let sources = engine.source_troubles();
    let is_withheld = |trouble: &Trouble| trouble.guard.as_deref() == Some(Guard::Coverage.name());
    // Whatever keeps something from being read comes before a property that is not told any more.
    let worst = sources.iter().find(|(_, one)| !is_withheld(one)).or(sources.iter().next());
    if let Some(((name, kind), trouble)) = worst {
        let tenant = clip(name.as_str());
        if is_withheld(trouble) {
            return Some(withheld(engine, *name, &tenant, trouble));
        }
        let is_about_groups = sources.keys().all(|(_, kind)| *kind == Kind::Groups);
        return Some(match Exit::of_trouble(trouble.code) {
            Exit::Refused if is_about_groups => {
                format!("Failed: tenant {tenant} refuses to tell of its groups.")
            }
            Exit::Unreachable if *kind == Kind::Groups => {
                format!("Failed: tenant {tenant} gives no usable answer about its groups.")
            }
            exit => format!("Failed: tenant {tenant} {}.", what_fails(exit)),
        });
    }
    if let Some(trouble) = engine.target_trouble() {
        let what = what_fails(Exit::of_trouble(trouble.code));
        return Some(format!("Failed: the platform {what}."));
    }
    engine.stall().map(|_| "Failed: Manntall did not get on with its work.".to_owned())
}

fn what_fails(exit: Exit) -> &'static str {
    match exit {
        Exit::Refused => "refuses Manntall",
        Exit::Throttled => "asks for a longer wait than ten minutes",
        Exit::Config => "is another one than before",
        Exit::Failed => "could not be used",
        _ => "gives no usable answer",
    }
}

/// Which properties are not believed to be gone; everything else went on.
fn withheld(engine: &Engine, name: SourceName, tenant: &str, trouble: &Trouble) -> String {
    let coverage = engine.state().coverage.iter().filter(|((source, _), _)| *source == name);
    let names = coverage.flat_map(|(_, known)| known.withheld.keys().map(String::as_str));
    let mut names: Vec<&str> = names.collect();
    if names.is_empty() {
        names.push(ACCOUNT_ENABLED);
    }
    let (names, since) = (names.join(", "), time(trouble.since));
    format!(
        "Failed: tenant {tenant} no longer tells {names} of many, since {since}; all else is done."
    )
}

/// A name that leaves room for the rest of a line.
fn clip(name: &str) -> String {
    /// The other words take about fifty columns.
    const CHARS_MAX: usize = 30;
    name.chars().take(CHARS_MAX).collect()
}

/// What is wrong with the peers, each message once, and the ends that it leads to.
pub(super) fn troubles(engine: &Engine) -> (Vec<String>, Vec<Exit>) {
    let mut messages: Vec<String> = Vec::new();
    let mut ends = Vec::new();
    let sources =
        engine.source_troubles().iter().map(|((name, _), trouble)| (name.as_str(), trouble));
    let target = engine.target_trouble().map(|trouble| ("target", trouble));
    let own = engine.stall().map(|trouble| ("manntall", trouble));
    for (whose, trouble) in sources.chain(target).chain(own) {
        let message = format!("{whose}: {}", trouble.message);
        if !messages.contains(&message) {
            messages.push(message);
        }
        ends.push(Exit::of_trouble(trouble.code));
    }
    for (source, kind, gap) in gaps(engine) {
        messages.push(format!("{source}: {}", gap.words(kind)));
    }
    (messages, ends)
}

/// What the tenants have told and is not known.
pub(super) fn gaps(engine: &Engine) -> impl Iterator<Item = (SourceName, Kind, &Gap)> {
    let walks = engine.state().walks.iter();
    walks.filter_map(|(&(source, kind), walk)| Some((source, kind, walk.gap.as_ref()?)))
}
