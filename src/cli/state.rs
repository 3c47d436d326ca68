//! `state`: what the store is and whether it is whole, and how it is copied, put back or begun anew.
//!
//! Nothing here deletes anything: a store that gives way is moved aside, into a folder beside it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::view::text::{harmless, number};
use super::{Context, Exit, Failure, console};
use crate::audit::{Decision, DecisionKind};
use crate::clock::{Clock, SystemClock};
use crate::core::model::Timestamp;
use crate::cycle::state::State;
use crate::random::Random;
use crate::store::backup::{self, Header};
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

pub(super) fn run(context: &Context, command: &StateCommand) -> Result<Exit, Failure> {
    let config = context.load()?;
    let folder = config.service.state_dir.as_path();
    match command {
        StateCommand::Info => info(context, folder),
        StateCommand::Verify => verify(folder),
        StateCommand::Backup { file } => back_up(context, folder, file),
        StateCommand::Restore { file, move_aside } => restore(context, folder, file, *move_aside),
        StateCommand::Rebuild { anyway } => rebuild(context, folder, *anyway),
    }
}

fn now() -> Timestamp {
    SystemClock::start().now()
}

fn open(folder: &Path) -> Result<Arc<SledStore>, StoreError> {
    store::open(folder, OpenMode::MustExist).map(Arc::new)
}

fn info(context: &Context, folder: &Path) -> Result<Exit, Failure> {
    let store = open(folder)?;
    let doubt = store.doubt();
    let state = State::load(Arc::clone(&store) as _, now())?;
    let head = state.audit_head();
    let info = Info {
        folder: folder.display().to_string(),
        format: store.format(),
        install_id: store.install_id(),
        generation: store.generation(),
        records: store.counts(),
        bytes: store.bytes()?,
        last_report: state.last_report.map(|at| at.to_string()),
        last_backup: state.last_backup.map(|at| at.to_string()),
        witness: doubt.unwrap_or_else(|| "agrees".to_owned()),
        recovery: state.recovery.as_ref().map(|recovery| recovery.why.clone()),
        journal: Journal { first: head.first, head: head.to_string() },
    };
    if context.json {
        console::json(&info);
    } else {
        console::data(&render(&info));
    }
    Ok(Exit::Done)
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
    let never = || "never".to_owned();
    let _ = writeln!(text, "last at work: {}", info.last_report.clone().unwrap_or_else(never));
    let _ = writeln!(text, "last backup: {}", info.last_backup.clone().unwrap_or_else(never));
    let _ = writeln!(text, "witness: {}", harmless(&info.witness));
    if let Some(why) = &info.recovery {
        let _ = writeln!(text, "in doubt: {}; the next sync compares both sides", harmless(why));
    }
    let Journal { first, head } = &info.journal;
    let _ = write!(text, "journal: from entry {} to head {head}", number(*first));
    text
}

/// Checks everything that can be checked without the network.
fn verify(folder: &Path) -> Result<Exit, Failure> {
    let store = open(folder)?;
    let mut wrong = Vec::new();
    wrong.extend(store.doubt());
    store.verify()?;
    let state = State::load(Arc::clone(&store) as _, now())?;
    state.check_rest()?;
    if let Err(flaw) = state.verify_journal(&[])? {
        wrong.push(format!("the journal is broken: {flaw}"));
    }
    if wrong.is_empty() {
        let records: u64 = store.counts().values().sum();
        console::data(&format!(
            "The store is whole: {} records, commit {}; the witness and the journal agree.",
            number(records),
            number(store.generation())
        ));
        return Ok(Exit::Done);
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

fn back_up(context: &Context, folder: &Path, file: &Path) -> Result<Exit, Failure> {
    let store = open(folder)?;
    if let Some(doubt) = store.doubt() {
        return Err(Failure::new(
            Exit::Damaged,
            format!(
                "{doubt}; nothing was copied, since older backups are worth more than this one"
            ),
        ));
    }
    let mut state = State::load(Arc::clone(&store) as _, now())?;
    let header = Header::new(now().to_string(), store.install_id(), store.generation());
    let records = backup::write_file(&*store, &header, file)?;
    decide(&mut state, context, DecisionKind::Backup, format!("commit {}", header.generation));
    state.commit()?;
    console::talk(&format!(
        "{} records were copied to {}. It holds personal data and lets whoever has it see everybody: \
         keep it as safe as the state itself.",
        number(records),
        file.display()
    ));
    Ok(Exit::Done)
}

fn decide(state: &mut State, context: &Context, kind: DecisionKind, detail: String) {
    let by = Some(context.who().as_str().into());
    state.decide(Decision { at: now(), kind, entity: None, by, detail, changes: None });
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
    decide(&mut state, context, DecisionKind::Restore, why);
    state.commit()?;
    console::talk(&format!(
        "{} records of {} were put back. The next sync, or the service, reads both sides whole and \
         compares them before it takes anything from anybody.",
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
        Ok(_) | Err(StoreError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let aside = store::move_aside(folder, &stamp())?;
    let mode = OpenMode::CreateIfAbsent { install_id: Random::system().guid() };
    let store = Arc::new(store::open(folder, mode)?);
    let mut state = State::load(store, now())?;
    let why = "it was begun anew by hand";
    state.enter_recovery(now(), why);
    decide(&mut state, context, DecisionKind::Restore, why.to_owned());
    state.commit()?;
    console::talk(
        "The store is empty. The next sync, or the service, reads both sides whole and finds every \
         account and group again that carries our id, before it takes anything from anybody. Lost are \
         the history, approvals and rejections, and which groups Manntall had made.",
    );
    tell_aside(aside.as_deref());
    Ok(Exit::Done)
}

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
