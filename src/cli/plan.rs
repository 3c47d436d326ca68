//! `plan`: reads Graph and the target, and shows what sync would do. Nothing is written anywhere but to
//! the file of `--out`, and, with `--reveal`, in the journal.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::control::{self, Request};
use super::files::replace;
use super::said::Said;
use super::view::plan::{Document, of_engine};
use super::view::plan_text::{self, Look, Values};
use super::wire::{self, Wiring, only_target};
use super::{Context, Exit, Failure, console, drive, offline};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::core::model::{Entity, Timestamp};
use crate::cycle::state::State;
use crate::cycle::{Engine, Until};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Save the plan, for `show` and `apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 when changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show only what concerns this person (source/object-id, object id or login name)
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// Write values of people out; who did so is on record
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(context: &Context, args: &PlanArgs) -> Result<Exit, Failure> {
    let request = Request::Plan { person: args.person.clone(), reveal: args.reveal };
    let (document, talk, end) = if let Some(said) = control::ask(context, request)? {
        read(said)?
    } else {
        let config = context.load()?;
        if args.reveal {
            record_reveal(context, &config, args.person.as_deref())?;
        }
        make(config, args.person.as_deref())?
    };
    if let Some(file) = &args.out {
        save(&document, file)?;
    }
    if context.json {
        console::json(&document);
    } else {
        let saved = args.out.as_ref().map(|file| file.display().to_string());
        let values = if args.reveal { Values::Revealed } else { Values::Masked };
        console::data(&plan_text::render(&document, Look { values, saved: saved.as_deref() }));
        if let Some(file) = &args.out {
            console::talk(&format!("Saved. To do exactly this: manntall apply {}", file.display()));
        }
    }
    for words in &talk {
        console::talk(words);
    }
    let pending = document.targets.values().any(|plan| !plan.changes.is_empty());
    Ok(match end {
        Exit::Done if !document.complete => Exit::Unreachable,
        Exit::Done if args.detailed_exitcode && pending => Exit::Pending,
        exit => exit,
    })
}

/// Puts on record who is shown values of people, before they are shown. Without a state there is no
/// journal yet, and nobody in it.
fn record_reveal(context: &Context, config: &Config, person: Option<&str>) -> Result<(), Failure> {
    let store = match wire::existing_store(config) {
        Ok(store) => store,
        Err(Failure { exit: Exit::NoState, .. }) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let now = SystemClock::start().now();
    let mut state = State::load(store, now)?;
    note_reveal(&mut state, person, &context.who(), now);
    Ok(state.commit()?)
}

/// Notes in the journal who is shown values of people, and of whom where it is one person.
pub(super) fn note_reveal(state: &mut State, person: Option<&str>, by: &str, at: Timestamp) {
    let person = person.and_then(|text| offline::person(state, text).ok());
    state.reveal(by, at, person.map(Entity::Account));
}

/// What the service planned.
fn read(said: Said) -> Result<(Document, Vec<String>, Exit), Failure> {
    let Said { data, talk, exit } = said;
    let Some(data) = data else { return Err(Failure::new(exit, talk.join("\n"))) };
    let document = serde_json::from_str(&data).map_err(|error| {
        let message = format!("the service runs another version of this program: {error}");
        Failure::new(Exit::Failed, message)
    })?;
    Ok((document, talk, exit))
}

/// What the engine would do, or what of it concerns one person.
pub(super) fn of(
    engine: &Engine,
    target: &str,
    created: String,
    person: Option<&str>,
) -> Result<Document, Failure> {
    let mut document = of_engine(engine, target, created);
    if let Some(person) = person {
        // "No changes" about somebody who was misspelt would be a lie.
        if engine.is_complete() && offline::people(engine.state(), person).is_empty() {
            return Err(offline::nobody(person));
        }
        document.narrow(person);
    }
    Ok(document)
}

/// Plans where no service runs.
fn make(config: Config, person: Option<&str>) -> Result<(Document, Vec<String>, Exit), Failure> {
    let target = only_target(&config)?.0.to_owned();
    let (document, talk, ends) = drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let mut engine = wiring.engine(wiring.throw_away_store()?)?;
        let mut signals = drive::signals()?;
        drive::drive(&wiring, &mut engine, None, Until::Planned, &mut signals).await?;
        let (messages, ends) = drive::troubles(&engine);
        let created = wiring.clock.now().to_string();
        Ok((of(&engine, &target, created, person)?, messages, ends))
    })?;
    Ok((document, talk, Exit::first_of(ends)))
}

/// Writes the plan for its owner only; it holds personal data.
fn save(document: &Document, file: &Path) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(document).unwrap_or_default();
    replace(file, &text, 0o600, None).map_err(|error| {
        let file = file.display();
        let next = match error.kind() {
            ErrorKind::PermissionDenied => {
                "; choose a place where the user of this command may write"
            }
            _ => "",
        };
        // The path is that of a file beside it, which is no help.
        let why = error.kind();
        Failure::new(Exit::Failed, format!("the plan cannot be saved in {file}: {why}{next}"))
    })
}
