//! `state`: what the store is and whether it is whole, and how it is copied, put back or begun anew.
//!
//! Nothing here deletes anything: a store that gives way is moved aside, into a folder beside it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::control::{self, Request, Task};
use super::ground::{self, Base, Ground};
use super::said::Said;
use super::view::text::{harmless, number, time_of};
use super::{Context, Exit, Failure, console, wire};
use crate::audit::{Decision, DecisionKind};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::core::model::Timestamp;
use crate::cycle::identity::Identity;
use crate::cycle::state::State;
use crate::random::Random;
use crate::store::backup::{self, Header, NewFile};
use crate::store::memory::MemoryStore;
use crate::store::sled_store::SledStore;
use crate::store::{self, OpenMode, Store as _, StoreError};

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
            let config = context.load()?;
            if !other_identity {
                must_be_of(&config, file)?;
            }
            restore(context, &config.service.state_dir, file, *move_aside).map_err(in_use)
        }
        StateCommand::Rebuild { anyway } => {
            let config = context.load()?;
            rebuild(context, &config.service.state_dir, *anyway).map_err(in_use)
        }
    }
}

/// What replaces the state is nothing that a running service could do: it rests on the one it has.
fn in_use(failure: Failure) -> Failure {
    match failure.exit {
        Exit::Locked => Failure::new(
            Exit::Locked,
            "the state is in use, by the service or another command, and nothing was changed. Stop the \
             service (systemctl stop manntall), give this command again, and start it (systemctl start \
             manntall)",
        ),
        _ => failure,
    }
}

fn now() -> Timestamp {
    SystemClock::start().now()
}

fn open(folder: &Path) -> Result<Arc<SledStore>, StoreError> {
    store::open(folder, OpenMode::MustExist).map(Arc::new)
}

pub(super) fn info(ground: &Ground<'_>) -> Result<Said, Failure> {
    let (store, state) = (&ground.store, ground.state());
    let head = state.stored_head()?;
    let info = Info {
        folder: ground.config.service.state_dir.display().to_string(),
        format: store.format(),
        install_id: store.install_id(),
        generation: store.generation(),
        records: store.counts(),
        bytes: store.bytes()?,
        last_report: state.report.as_ref().map(|report| report.at.to_string()),
        last_backup: state.recent.last_backup.map(|at| at.to_string()),
        witness: store.doubt().unwrap_or_else(|| "agrees".to_owned()),
        recovery: state.recovery.as_ref().map(|recovery| recovery.why.clone()),
        journal: Journal { first: head.first, head: head.to_string() },
    };
    Ok(Said::shown(ground.form, &info, render))
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
    let _ = writeln!(text, "witness: {}", harmless(&info.witness));
    if let Some(why) = &info.recovery {
        let _ = writeln!(text, "in doubt: {}; the next sync compares both sides", harmless(why));
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
            "The store is whole: {} records, commit {}; the witness and the journal agree.",
            number(records),
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
        "{} records were copied to {}. It holds personal data and lets whoever has it see everybody: \
         keep it as safe as the state itself.",
        number(copied.records),
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

/// Refuses a backup of another tenant or platform than the configuration says, before anything is moved.
fn must_be_of(config: &Config, file: &Path) -> Result<(), Failure> {
    let store = Arc::new(MemoryStore::new());
    backup::read_file(file)?.restore(&*store)?;
    let Identity { tenants, target, origins: _ } = State::load(store, now())?.identity;
    let mut others = Vec::new();
    for (name, source) in &config.sources {
        let theirs = tenants.get(name).filter(|id| !id.eq_ignore_ascii_case(&source.tenant_id));
        let ours = &source.tenant_id;
        others.extend(theirs.map(|id| format!("tenant {name} is {id} there and {ours} here")));
    }
    let ours = &wire::only_target(config)?.1.url;
    let theirs = target.filter(|target| target.url != ours.as_str());
    others.extend(theirs.map(|one| format!("the platform is {} there and {ours} here", one.url)));
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        format!(
            "the backup is of another installation; nothing was changed. In detail: {}. If that is meant, \
             such as after a move of the platform: manntall state restore {} --other-identity",
            others.join("; "),
            file.display()
        ),
    ))
}

fn restore(
    context: &Context,
    folder: &Path,
    file: &Path,
    move_aside: bool,
) -> Result<Exit, Failure> {
    let backup = backup::read_file(file)?;
    let aside = if move_aside { store::move_aside(folder, &stamp())? } else { None };
    let mode = OpenMode::CreateIfAbsent { install_id: backup.header.install_id.clone() };
    let store = Arc::new(store::open(folder, mode)?);
    if store.generation() > 0 || store.doubt().is_some() {
        return Err(Failure::new(
            Exit::Failed,
            format!(
                "there is a store in {} already, and nothing was changed; to put the backup in its \
                 place and keep the old one beside it: manntall state restore {} --move-aside",
                folder.display(),
                file.display()
            ),
        ));
    }
    let header = backup.header.clone();
    let why = format!("it was put back from a backup of {}", header.created);
    // First the doubt, so that a restore which is cut short leaves nothing that would be trusted.
    let mut state = State::load(Arc::clone(&store) as _, now())?;
    state.enter_recovery(now(), &why);
    state.commit()?;
    let records = backup.len();
    backup.restore(&*store)?;
    let mut state = State::load(Arc::clone(&store) as _, now())?;
    state.enter_recovery(now(), &why);
    decide(&mut state, context.who(), DecisionKind::Restore, why);
    state.commit()?;
    console::talk(&format!(
        "{} records of {} were put back. The next sync, or the service, reads both sides whole and \
         compares them before it takes anything from anybody. What was decided by then stays in force: \
         holds, rejections, deactivations by hand. Lost is what was ordered or decided since. {INACTIVE_WAIT}",
        number(records as u64),
        header.created
    ));
    tell_aside(aside.as_deref());
    Ok(Exit::Done)
}

fn rebuild(context: &Context, folder: &Path, anyway: bool) -> Result<Exit, Failure> {
    match open(folder) {
        Ok(store) if !anyway && store.doubt().is_none() => {
            return Err(Failure::new(
                Exit::Failed,
                "the store is whole, and nothing was changed; to begin with an empty one all the same: \
                 manntall state rebuild --anyway",
            ));
        }
        Ok(_) | Err(StoreError::Damaged { .. } | StoreError::Older { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let aside = store::move_aside(folder, &stamp())?;
    let mode = OpenMode::CreateIfAbsent { install_id: Random::system().guid() };
    let store = Arc::new(store::open(folder, mode)?);
    let mut state = State::load(store, now())?;
    let why = "it was begun anew by hand";
    state.enter_recovery(now(), why);
    decide(&mut state, context.who(), DecisionKind::Restore, why.to_owned());
    state.commit()?;
    console::talk(&format!(
        "The store is empty. The next sync, or the service, reads both sides whole and finds every \
         account and group again that carries our id, before it takes anything from anybody. Lost are \
         the history, holds, approvals and rejections, a pause, deactivations by hand, and which groups \
         Manntall had made. {INACTIVE_WAIT} Order deactivations by hand again: manntall deactivate"
    ));
    tell_aside(aside.as_deref());
    Ok(Exit::Done)
}

/// What becomes of somebody whose deactivation the state does not know.
const INACTIVE_WAIT: &str = "An account that is found inactive although its person is entitled stays so: \
    it waits as ownership.inactive until you approve it.";

fn tell_aside(aside: Option<&Path>) {
    if let Some(aside) = aside {
        console::talk(&format!(
            "What was there is in {}; it holds personal data, so remove it once it is of no use.",
            aside.display()
        ));
    }
}

/// The time as a part of a file name.
fn stamp() -> String {
    now().to_string().replace([':', '-'], "")
}
