//! `plan`: reads Graph and the target, and shows what sync would do. Nothing is written anywhere but to
//! the file of `--out`, and, with `--reveal`, in the journal.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::control::{self, Request};
use super::files::replace;
use super::reveal::{self, Sight};
use super::said::Said;
use super::view::plan::{Document, of_engine};
use super::view::plan_text::{self, Look};
use super::wire::{Installed, Wiring, only_target};
use super::{Context, Exit, Failure, console, drive, offline};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::core::model::Timestamp;
use crate::cycle::state::State;
use crate::cycle::{Engine, Until};
use crate::random::Random;
use crate::store::{self, OpenMode};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Save the plan, for `show` and `apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out where there is one
    #[arg(long, requires = "out")]
    force: bool,
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
    if let Some(file) = args.out.as_deref().filter(|file| !args.force && file.exists()) {
        return Err(exists(file));
    }
    let person = args.person.as_deref();
    let request = Request::Plan { person: args.person.clone(), reveal: args.reveal };
    let (planned, mut talk, end) = if let Some(said) = control::ask(context, request)? {
        read(said)?
    } else {
        let config = context.load()?;
        let sight = if args.reveal {
            record_reveal(context, &config, "a plan", person)?
        } else {
            Sight::Named
        };
        make(config, person, &sight)?
    };
    if let Some(file) = &args.out {
        save(&planned, file, args.force)?;
    }
    let is_first = planned.digest_key.is_some();
    let document = Document { digest_key: None, ..planned };
    if context.json {
        console::json(&document);
    } else {
        let saved = args.out.as_ref().map(|file| file.display().to_string());
        if let Some(failed) = talk.first().filter(|words| words.starts_with("Failed:")) {
            console::data(failed);
            talk.remove(0);
        }
        let look = Look { saved: saved.as_deref(), is_first };
        console::data(&plan_text::render(&document, look));
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

/// Puts on record who is shown values of people, before they are shown. Where there is no state yet, one is
/// made for it.
pub(super) fn record_reveal(
    context: &Context,
    config: &Config,
    what: &str,
    person: Option<&str>,
) -> Result<Sight, Failure> {
    let mode = OpenMode::CreateIfAbsent { install_id: Random::system().guid() };
    let store = Arc::new(store::open(&config.service.state_dir, mode)?);
    let now = SystemClock::start().now();
    let mut state = State::load(store, now)?;
    let sight = clear(&mut state, Sight::Named, &context.who(), now, what, person)?;
    state.commit()?;
    Ok(sight)
}

/// The right to see values, which is on record with the next commit.
pub(super) fn clear(
    state: &mut State,
    sight: Sight,
    by: &str,
    at: Timestamp,
    what: &str,
    person: Option<&str>,
) -> Result<Sight, Failure> {
    let person = person.and_then(|text| offline::person(state, text, &Sight::Named).ok());
    sight.clear(state, &reveal::Look { by, at, what, person })
}

/// What is wrong with the peers, behind one line that says what failed.
pub(super) fn failed_first(engine: &Engine) -> (Vec<String>, Vec<Exit>) {
    let (messages, ends) = drive::troubles(engine);
    (drive::headline(engine).into_iter().chain(messages).collect(), ends)
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
    sight: &Sight,
) -> Result<Document, Failure> {
    let mut document = of_engine(engine, target, created, sight);
    if let Some(person) = person {
        let found = offline::people(engine.state(), person, sight)?;
        // "No changes" about somebody who was misspelt would be a lie.
        if engine.is_complete() && found.is_empty() {
            return Err(offline::nobody(person));
        }
        document.narrow(person);
    }
    Ok(document)
}

/// Plans where no service runs.
fn make(
    config: Config,
    person: Option<&str>,
    sight: &Sight,
) -> Result<(Document, Vec<String>, Exit), Failure> {
    let target = only_target(&config)?.0.to_owned();
    let (document, talk, ends) = drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let (store, installed) = wiring.throw_away_store()?;
        let mut engine = wiring.engine(store)?;
        let mut signals = drive::signals()?;
        drive::drive(&wiring, &mut engine, None, Until::Planned, &mut signals).await?;
        let (messages, ends) = failed_first(&engine);
        let created = wiring.clock.now().to_string();
        let mut document = of(&engine, &target, created, person, sight)?;
        if installed == Installed::NotYet {
            document.digest_key = Some(engine.state().digests().clone());
        }
        Ok((document, messages, ends))
    })?;
    Ok((document, talk, Exit::first_of(ends)))
}

fn exists(file: &Path) -> Failure {
    let file = file.display();
    let message =
        format!("{file} exists already, and no plan was made. Name another file, or give --force");
    Failure::new(Exit::Failed, message)
}

/// Writes the plan for its owner only; it holds personal data.
fn save(document: &Document, file: &Path, force: bool) -> Result<(), Failure> {
    if !force && file.exists() {
        return Err(exists(file));
    }
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
