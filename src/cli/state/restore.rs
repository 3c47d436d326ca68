//! `state restore` and `state rebuild`: what takes the place of the state, and what becomes of the words that
//! people have said to the one that gives way.
//!
//! They go along where they can be read, all of them. Where they cannot, or may not be all, nobody knows
//! whether somebody has paused, rejected or ordered something since: writing is paused until somebody has
//! looked.

use std::path::Path;
use std::sync::Arc;

use super::{decide, now};
use crate::audit::DecisionKind;
use crate::cli::view::text::{counted, time_of};
use crate::cli::{Context, Exit, Failure, console, pause, wire};
use crate::config::Config;
use crate::core::model::Timestamp;
use crate::core::words::plural;
use crate::cycle::identity::Identity;
use crate::cycle::records::Pause;
use crate::cycle::state::{State, Words};
use crate::random::Random;
use crate::store::backup::{self, Header};
use crate::store::memory::MemoryStore;
use crate::store::{self, OpenMode, Store as _, StoreError};

/// What `state restore` is to do beside putting the backup back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    /// Moves what is there aside.
    pub(super) move_aside: bool,
    /// Also takes a backup of another tenant or platform.
    pub(super) other_identity: bool,
}

/// The state that gives way.
enum Present {
    Absent,
    Unreadable(StoreError),
    Readable(Box<Here>),
}

/// What the state that gives way says of itself.
struct Here {
    words: Words,
    install_id: String,
    identity: Identity,
    is_doubtful: bool,
}

/// What is known of the words that people have said.
struct Known {
    words: Option<Words>,
    /// Why they may not be all.
    lack: Option<&'static str>,
}

impl Present {
    fn of(folder: &Path) -> Result<Self, Failure> {
        let store = match store::open(folder, OpenMode::MustExist) {
            Ok(store) => Arc::new(store),
            Err(StoreError::Absent { .. }) => return Ok(Self::Absent),
            Err(error) if is_unreadable(&error) => return Ok(Self::Unreadable(error)),
            Err(error) => return Err(error.into()),
        };
        let (install_id, is_doubtful) = (store.install_id(), store.doubt().is_some());
        Ok(match State::load(store, now()) {
            Ok(state) => Self::Readable(Box::new(Here {
                words: state.words(),
                install_id,
                identity: state.identity,
                is_doubtful,
            })),
            Err(error) => Self::Unreadable(error),
        })
    }

    /// What it knows of what was said since the backup was made, which is of these peers, or ever.
    fn known(self, since: Option<(&Header, &Identity)>) -> Known {
        let here = match self {
            Self::Absent => return Known::nothing("there was no state here that knows it"),
            Self::Unreadable(_) => return Known::nothing("the state that gave way cannot be read"),
            Self::Readable(here) => *here,
        };
        let Here { words, install_id, identity, is_doubtful } = here;
        let some = |lack| Known { words: Some(words.clone()), lack: Some(lack) };
        if is_doubtful {
            return some("the state that gave way was in doubt itself");
        }
        let Some((backup, peers)) = since else { return Known { words: Some(words), lack: None } };
        if !identity.is_of(peers) {
            return Known::nothing("the state that gave way is of another installation");
        }
        let then = backup.created.parse::<jiff::Timestamp>();
        let reach = then.is_ok_and(|then| words.reach_back_to(Timestamp(then.as_millisecond())));
        if install_id != backup.install_id || !reach {
            return some("the state that gave way had lost some of it before");
        }
        Known { words: Some(words), lack: None }
    }
}

impl Known {
    fn nothing(lack: &'static str) -> Self {
        Self { words: None, lack: Some(lack) }
    }
}

fn is_unreadable(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Damaged { .. } | StoreError::Older { .. } | StoreError::Newer { .. }
    )
}

/// What becomes of somebody whose deactivation the state does not know.
const INACTIVE_WAIT: &str = "An account that is found inactive although its person is entitled stays so: \
    it waits as ownership.inactive until you approve it.";

pub(super) fn restore(context: &Context, file: &Path, flags: Flags) -> Result<Exit, Failure> {
    let config = context.load()?;
    let folder = &config.service.state_dir;
    let others = others(&config, file)?;
    let backup = backup::read_file(file)?;
    let present = Present::of(folder)?;
    refuse((folder, file), flags, &others, &present)?;
    let aside = store::move_aside(folder, &stamp())?;
    let header = backup.header.clone();
    let created = time_of(&header.created);
    let mode = OpenMode::CreateIfAbsent { install_id: header.install_id.clone() };
    let store = Arc::new(store::open(folder, mode)?);
    let why = format!("it was put back from a backup of {}", header.created);
    let until_looked_at = Pause {
        by: context.who(),
        at: now(),
        reason: Some(format!(
            "a backup of {created} was put back, and what was said since is not known"
        )),
    };
    // First the doubt, so that a restore which is cut short leaves nothing that would be trusted.
    let mut state = State::load(Arc::clone(&store) as _, now())?;
    state.enter_recovery(now(), &why);
    state.pause(until_looked_at.clone());
    state.commit()?;
    let records = backup.len();
    backup.restore(&*store)?;
    let mut state = State::load(Arc::clone(&store) as _, now())?;
    state.enter_recovery(now(), &why);
    let known = present.known(Some((&header, &state.identity)));
    let said = recall(&mut state, known, until_looked_at);
    decide(&mut state, context.who(), DecisionKind::Restore, why);
    state.commit()?;
    console::talk(&format!(
        "{} of {created} {} put back. The next sync, or the service, reads both sides whole and \
         compares them before it takes anything from anybody. {INACTIVE_WAIT}",
        counted(records as u64, "record", "records"),
        plural(records, "was", "were")
    ));
    console::talk(&said);
    tell_aside(aside.as_deref());
    Ok(Exit::Done)
}

pub(super) fn rebuild(context: &Context, anyway: bool) -> Result<Exit, Failure> {
    let config = context.load()?;
    let folder = &config.service.state_dir;
    let present = Present::of(folder)?;
    let install_id = match &present {
        Present::Absent => {
            return Err(StoreError::Absent { folder: folder.display().to_string() }.into());
        }
        Present::Readable(here) if !here.is_doubtful && !anyway => {
            return Err(Failure::new(
                Exit::Failed,
                "the store is whole, and nothing was changed; to begin with an empty one all the same: \
                 manntall state rebuild --anyway",
            ));
        }
        Present::Readable(here) => here.install_id.clone(),
        Present::Unreadable(error @ StoreError::Newer { .. }) => return Err(error.clone().into()),
        Present::Unreadable(_) => Random::system().guid(),
    };
    let known = present.known(None);
    let aside = store::move_aside(folder, &stamp())?;
    let store = Arc::new(store::open(folder, OpenMode::CreateIfAbsent { install_id })?);
    let mut state = State::load(store, now())?;
    let why = "it was begun anew by hand";
    state.enter_recovery(now(), why);
    let reason = "the state was begun anew, and what was said to the one before is not known";
    let until_looked_at = Pause { by: context.who(), at: now(), reason: Some(reason.to_owned()) };
    let said = recall(&mut state, known, until_looked_at);
    decide(&mut state, context.who(), DecisionKind::Restore, why.to_owned());
    state.commit()?;
    console::talk(&format!(
        "The store is empty. The next sync, or the service, reads both sides whole and finds every \
         account and group again that carries our id, before it takes anything from anybody. Lost are \
         the history, and which groups Manntall had made. {INACTIVE_WAIT}"
    ));
    console::talk(&said);
    tell_aside(aside.as_deref());
    Ok(Exit::Done)
}

/// Takes over what people said to the state that gave way, and says what has become of it.
fn recall(state: &mut State, known: Known, until_looked_at: Pause) -> String {
    let (some, lack) = match known {
        Known { words: Some(words), lack: None } => {
            state.recall(words);
            let paused = state.paused.as_ref().map(|word| format!(" {}.", pause::words(word)));
            return format!(
                "What people have said was taken over from the state that gave way: a pause, holds, \
                 rejections, approvals that are not used up, announcements, and deactivations by hand.{}",
                paused.unwrap_or_default()
            );
        }
        Known { words, lack } => (words, lack.unwrap_or_default()),
    };
    let missing = match &some {
        Some(_) => "What it knew was taken over. More",
        None => "A pause, rejections, and deactivations by hand or their end",
    };
    state.recall_some(some, until_looked_at);
    format!(
        "Writing is paused, because not all that people have said is known: {lack}. {missing} may be \
         missing, and approvals and announcements are good no longer. Look first, which writes nothing: \
         manntall sync, manntall plan, manntall holds. Say again what is missing, then go on: manntall \
         resume"
    )
}

/// Refuses what would put the backup where it does not belong, before anything is moved, and names the one
/// command that would do it.
fn refuse(
    (folder, file): (&Path, &Path),
    flags: Flags,
    others: &[String],
    present: &Present,
) -> Result<(), Failure> {
    let Flags { move_aside, other_identity } = flags;
    let (is_there, is_other) = (!matches!(present, Present::Absent), !others.is_empty());
    let mut why = Vec::new();
    if is_other && !other_identity {
        why.push(format!("the backup is of another installation ({})", others.join("; ")));
    }
    if is_there && !move_aside {
        why.push(format!("there is a store in {} already", folder.display()));
    }
    if why.is_empty() {
        return Ok(());
    }
    let meant = match (is_other, is_there) {
        (true, true) => {
            "If it is meant, as after a move of the platform, this keeps the old one beside it"
        }
        (true, false) => "If it is meant, as after a move of the platform",
        (false, _) => "To put the backup in its place and keep the old one beside it",
    };
    let flags = [(is_there, " --move-aside"), (is_other, " --other-identity")];
    let flags = flags.iter().filter(|(is_needed, _)| *is_needed).map(|(_, flag)| *flag);
    Err(Failure::new(
        Exit::Failed,
        format!(
            "{}. Nothing was changed. {meant}: manntall state restore {}{}",
            why.join(", and "),
            file.display(),
            flags.collect::<String>()
        ),
    ))
}

/// Which tenants and which platform the backup is of that the configuration does not name.
fn others(config: &Config, file: &Path) -> Result<Vec<String>, Failure> {
    let backup = backup::read_file(file)?;
    let store = Arc::new(MemoryStore::new());
    let state = backup.restore(&*store).and_then(|()| State::load(store, now()));
    let state = state.map_err(|_| {
        let file = file.display();
        let message = format!(
            "a record of the backup {file} cannot be read; nothing was changed. Take another backup, or run \
             the version that wrote it"
        );
        Failure::new(Exit::Failed, message)
    })?;
    let Identity { tenants, target, origins: _ } = state.identity;
    let mut others = Vec::new();
    for (name, source) in &config.sources {
        let theirs = tenants.get(name).filter(|id| !id.eq_ignore_ascii_case(&source.tenant_id));
        let ours = &source.tenant_id;
        others.extend(theirs.map(|id| format!("tenant {name} is {id} there and {ours} here")));
    }
    let ours = &wire::only_target(config)?.1.url;
    let theirs = target.filter(|target| target.url != ours.as_str());
    others.extend(theirs.map(|one| format!("the platform is {} there and {ours} here", one.url)));
    Ok(others)
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
