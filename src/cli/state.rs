//! `state`: what the store is and whether it is whole, and how it is copied, put back or begun anew.
//!
//! Nothing here deletes anything: a store that gives way is moved aside, into a folder beside it.

mod restore;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::restore::Flags;
use super::control::{self, Request, Task};
use super::ground::{self, Base, Ground};
use super::said::Said;
use super::view::text::{counted, harmless, number, own, time_of};
use super::{Context, Exit, Failure, console, wire};
use crate::audit::{Decision, DecisionKind};
use crate::clock::{Clock, SystemClock};
use crate::core::model::Timestamp;
use crate::cycle::state::State;
use crate::store::backup::{self, Header, NewFile};
use crate::store::sled_store::SledStore;
use crate::store::{self, Store as _};

/// What to do with the state.
#[derive(Debug, clap::Subcommand)]
pub(super) enum StateCommand {
    /// Say what the store is: its age, size and contents
    Info,
    /// Read every record and check that all agrees with the witness and the journal
    Verify,
    /// Copy the state into one file
    Backup {
        /// The file; it must not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a backup back; everything is then compared with both sides
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Move the present store into a folder beside it first
        #[arg(long)]
        move_aside: bool,
        /// Also when the backup is of another tenant or platform than the configuration says
        #[arg(long)]
        other_identity: bool,
    },
    /// Begin with an empty store in place of a damaged one, and find every account again
    Rebuild {
        /// Also when the present store is whole
        #[arg(long)]
        anyway: bool,
    },
}

/// What the store is.
#[derive(Debug, Serialize)]
struct Info {
    folder: String,
    format: u32,
    install_id: String,
    generation: u64,
    records: BTreeMap<String, u64>,
    bytes: u64,
    /// When the service last wrote down how things stood.
    last_report: Option<String>,
    last_backup: Option<String>,
    /// `agrees`, or why it does not.
    witness: String,
    recovery: Option<String>,
    journal: Journal,
}

#[derive(Debug, Serialize)]
struct Journal {
    first: u64,
    head: String,
}

/// A copy of the state that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// Of which commit.
    pub(super) generation: u64,
    pub(super) records: u64,
    /// By what the service knows the copy again that it has handed out.
    #[serde(default)]
    pub(super) ticket: String,
}

pub(super) fn run(context: &Context, command: &StateCommand) -> Result<Exit, Failure> {
    match command {
        StateCommand::Info => ground::task(context, &Task::StateInfo),
        StateCommand::Verify => ground::task(context, &Task::StateVerify),
        StateCommand::Backup { file } => back_up(context, file),
        StateCommand::Restore { file, move_aside, other_identity } => {
            let flags = Flags { move_aside: *move_aside, other_identity: *other_identity };
            restore::restore(context, file, flags)
        }
        StateCommand::Rebuild { anyway } => restore::rebuild(context, *anyway),
    }
}

fn now() -> Timestamp {
    SystemClock::start().now()
}

pub(super) fn info(ground: &Ground<'_>) -> Result<Said, Failure> {
    let (store, state) = (&ground.store, ground.state());
    let head = state.stored_head()?;
    let info = Info {
        folder: ground.config.service.state_dir.display().to_string(),
        format: store.format(),
        install_id: store.install_id(),
        generation: store.generation(),
        records: records_of(store),
        bytes: store.bytes()?,
        last_report: state.report.as_ref().map(|report| report.at.to_string()),
        last_backup: state.recent.last_backup.map(|at| at.to_string()),
        witness: store.doubt().unwrap_or_else(|| "agrees".to_owned()),
        recovery: state.recovery.as_ref().map(|recovery| recovery.why.clone()),
        journal: Journal { first: head.first, head: head.to_string() },
    };
    Ok(Said::shown(ground.form, &info, render))
}

/// How many records there are of each kind, in words: of what is noted only some is stuck.
fn records_of(store: &SledStore) -> BTreeMap<String, u64> {
    let counts = store.counts().into_iter();
    let name = |kind: String| if kind == "stuck" { "note".to_owned() } else { kind };
    counts.map(|(kind, count)| (name(kind), count)).collect()
}

fn render(info: &Info) -> String {
    let mut text = String::new();
    let Info { folder, format, install_id, generation, records, bytes, .. } = info;
    let _ =
        writeln!(text, "store in {}, format {format}, installation {install_id}", harmless(folder));
    let _ = writeln!(text, "commits: {}; on disk: {} bytes", number(*generation), number(*bytes));
    for (kind, count) in records {
        let _ = writeln!(text, "  {} {}", number(*count), harmless(kind));
    }
    let when = |time: &Option<String>| time_of(time.as_deref().unwrap_or("never"));
    let _ = writeln!(text, "last at work: {}", when(&info.last_report));
    let _ = writeln!(text, "last backup: {}", when(&info.last_backup));
    let _ = writeln!(text, "witness: {}", own(&info.witness));
    if let Some(why) = &info.recovery {
        let _ = writeln!(text, "in doubt: {}; the next sync compares both sides", own(why));
    }
    let Journal { first, head } = &info.journal;
    let _ = write!(text, "journal: from entry {} to head {head}", number(*first));
    text
}

/// Checks everything that can be checked without the network.
pub(super) fn verify(ground: &Ground<'_>) -> Result<Said, Failure> {
    let store = &ground.store;
    let mut wrong = Vec::new();
    wrong.extend(store.doubt());
    store.verify()?;
    // The service has in memory what it once read; what is on the disk is to be seen.
    let read = match &ground.base {
        Base::Running(_) => Some(State::load(Arc::clone(store) as _, ground.now)?),
        Base::Stored(_) => None,
    };
    let state = read.as_ref().unwrap_or_else(|| ground.state());
    state.check_rest()?;
    if let Err(flaw) = state.verify_journal(&[])? {
        wrong.push(format!("the journal is broken: {flaw}"));
    }
    if wrong.is_empty() {
        let records: u64 = store.counts().values().sum();
        let data = format!(
            "The store is whole: {}, commit {}; the witness and the journal agree.",
            counted(records, "record", "records"),
            number(store.generation())
        );
        return Ok(Said { data: Some(data), talk: Vec::new(), exit: Exit::Done });
    }
    Err(Failure::new(
        Exit::Damaged,
        format!(
            "{}. Nothing was changed. What is in doubt, the next manntall sync compares with both \
             sides; what cannot be read: manntall state restore FILE --move-aside, or manntall state \
             rebuild",
            wrong.join("; ")
        ),
    ))
}

/// Has the service hand out a copy where it runs, and copies the store where none does. Either way the
/// file is written by whoever asked, who may write where the service may not, and the other way round.
fn back_up(context: &Context, path: &Path) -> Result<Exit, Failure> {
    if path.exists() {
        let message =
            format!("{} exists already; nothing was copied. Name another file", path.display());
        return Err(Failure::new(Exit::Failed, message));
    }
    let folder = store::folder_of(path);
    if !folder.is_dir() {
        let message = format!(
            "there is no folder {}; nothing was copied. Make it, or name a file in a folder that exists",
            folder.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    let mut file = NewFile::create(path)?;
    let mut take = |piece: &str| Ok(file.take(piece.as_bytes())?);
    let copied = match control::receive(context, Request::Backup, &mut take)? {
        Some(Said { data: Some(data), .. }) => {
            file.check()?;
            file.keep()?;
            let copied: Copied = serde_json::from_str(&data).map_err(|error| {
                let message = format!("the service runs another version of this program: {error}");
                Failure::new(Exit::Failed, message)
            })?;
            ground::task(context, &Task::BackupKept(copied.clone()))?;
            copied
        }
        Some(refused) => return Ok(refused.tell()),
        None => {
            let config = context.load()?;
            let store = wire::existing_store(&config)?;
            let mut state = State::load(Arc::clone(&store) as _, now())?;
            // Who has a copy of everything is on record before there is one.
            state.hand_out(&context.who(), now());
            state.commit()?;
            let header = header(&store, now())?;
            let records = file.fill(&*store, &header)?;
            file.keep()?;
            let copied = Copied { generation: header.generation, records, ticket: String::new() };
            decide(&mut state, context.who(), DecisionKind::Backup, copied.in_words());
            state.commit()?;
            copied
        }
    };
    console::talk(&format!(
        "{} copied to {}. It holds personal data and lets whoever has it see everybody: \
         keep it as safe as the state itself.",
        counted(copied.records, "record was", "records were"),
        path.display()
    ));
    Ok(Exit::Done)
}

impl Copied {
    fn in_words(&self) -> String {
        format!("commit {}", self.generation)
    }
}

/// The first line of a copy of this store, if it may be copied.
fn header(store: &SledStore, now: Timestamp) -> Result<Header, Failure> {
    if let Some(doubt) = store.doubt() {
        return Err(Failure::new(
            Exit::Damaged,
            format!(
                "{doubt}; nothing was copied, since older backups are worth more than this one"
            ),
        ));
    }
    Ok(Header::new(now.to_string(), store.install_id(), store.generation()))
}

/// Copies the store into a file that has no name.
pub(super) fn copy_aside(
    store: &SledStore,
    now: Timestamp,
    folder: &Path,
) -> Result<(Copied, BufReader<File>), Failure> {
    let header = header(store, now)?;
    let (records, file) = backup::write_aside(store, &header, folder)?;
    Ok((Copied { generation: header.generation, records, ticket: String::new() }, file))
}

/// Notes that a copy is where it was wanted: only then is it a backup.
pub(super) fn kept(ground: &mut Ground<'_>, copied: &Copied) -> Said {
    let (at, by) = (ground.now, Some(ground.by.as_str().into()));
    let (kind, detail) = (DecisionKind::Backup, copied.in_words());
    ground.state_mut().decide(Decision { at, kind, entity: None, by, detail, changes: None });
    Said { data: None, talk: Vec::new(), exit: Exit::Done }
}

fn decide(state: &mut State, by: String, kind: DecisionKind, detail: String) {
    let by = Some(by.into());
    state.decide(Decision { at: now(), kind, entity: None, by, detail, changes: None });
}
