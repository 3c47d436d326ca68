//! `audit`: verifies the journal of writes and decisions, and writes it out.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control::{self, Request, Task};
use super::ground::{self, Ground};
use super::said::Said;
use super::view::text::counted;
use super::{Context, Exit, Failure, console, wire};
use crate::audit::{Decision, Entry, Stored, Write};
use crate::clock::{Clock, SystemClock};
use crate::core::model::Entity;
use crate::cycle::journal::parse_head;
use crate::cycle::state::State;

/// Entries in one answer of the service.
const ENTRIES_PER_PAGE: u64 = 1_000;

/// What to do with the journal.
#[derive(Debug, clap::Subcommand)]
pub(super) enum AuditCommand {
    /// Check that no entry was changed, removed, reordered or cut off
    Verify {
        /// A head noted elsewhere, as the service's log has them (number:hash); may be repeated
        #[arg(long, value_name = "HEAD", value_parser = head)]
        head: Vec<(u64, String)>,
    },
    /// Write every entry as one line of JSON
    Export,
}

fn head(text: &str) -> Result<(u64, String), String> {
    parse_head(text).ok_or_else(|| "a head is number:hash, with 64 hexadecimal digits".to_owned())
}

/// One entry as it is exported.
#[derive(Debug, Serialize)]
struct Line {
    number: u64,
    at: String,
    kind: &'static str,
    /// The person, as source/object-id.
    person: Option<String>,
    group: Option<String>,
    by: Option<String>,
    detail: String,
    #[serde(flatten)]
    more: serde_json::Value,
    hash: String,
}

/// Entries, one line of JSON each, and where to go on.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    lines: String,
    /// The first entry behind it, where there is one.
    next: Option<u64>,
}

pub(super) fn run(context: &Context, command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Verify { head } => {
            ground::task(context, &Task::AuditVerify { heads: head.clone() })
        }
        AuditCommand::Export => export_all(context),
    }
}

pub(super) fn verify(ground: &Ground<'_>, heads: &[(u64, String)]) -> Result<Said, Failure> {
    match ground.state().verify_journal(heads)? {
        Ok(count) => {
            let end = ground.state().stored_head()?;
            let count = counted(count, "entry", "entries");
            let data = format!("The journal is whole: {count}, head {end}.");
            Ok(Said { data: Some(data), talk: Vec::new(), exit: Exit::Done })
        }
        Err(flaw) => Err(Failure::new(
            Exit::Damaged,
            format!(
                "the journal is broken at {flaw}. Nothing was changed, and the service is not \
                 hindered; compare with an export or a backup of an earlier day"
            ),
        )),
    }
}

/// The entries from number `from` on, as many as make an answer.
pub(super) fn export(state: &State, from: u64) -> Result<Said, Failure> {
    let head = state.stored_head()?;
    let first = from.max(head.first);
    let end = head.next.min(first.saturating_add(ENTRIES_PER_PAGE));
    let mut lines = String::new();
    for number in first..end {
        // What cannot be read is named by `audit verify`.
        if let Some(stored) = state.entry(number)? {
            lines.push_str(&serde_json::to_string(&line(number, stored)).unwrap_or_default());
            lines.push('\n');
        }
    }
    let page = Page { lines, next: (end < head.next).then_some(end) };
    let data = serde_json::to_string(&page).unwrap_or_default();
    Ok(Said { data: Some(data), talk: Vec::new(), exit: Exit::Done })
}

/// Page after page: a journal is long, and whoever reads it may take their time. Entries never change,
/// so nothing is lost when the service goes, or comes, in between.
fn export_all(context: &Context) -> Result<Exit, Failure> {
    let mut alone: Option<State> = None;
    let mut from = 0;
    loop {
        let said = if let Some(state) = &alone {
            export(state, from)?
        } else if let Some(said) = control::ask(context, Request::Task(Task::AuditExport { from }))?
        {
            said
        } else {
            let store = wire::existing_store(&context.load()?)?;
            alone = Some(State::load(store, SystemClock::start().now())?);
            continue;
        };
        let Some(data) = &said.data else { return Ok(said.tell()) };
        let page: Page = serde_json::from_str(data).map_err(|error| {
            let message = format!("the service runs another version of this program: {error}");
            Failure::new(Exit::Failed, message)
        })?;
        let written = console::json_lines(&page.lines);
        match page.next {
            Some(next) if written.is_ok() => from = next,
            // Whoever reads may have had enough.
            _ => return Ok(Exit::Done),
        }
    }
}

fn line(number: u64, stored: Stored) -> Line {
    let Stored { entry, hash } = stored;
    let at = entry.at().to_string();
    let (kind, entity, by, detail, more) = match entry {
        Entry::Write(write) => {
            let Write { at: _, entity, action, digest, paths, before, after, .. } = &write;
            let more = json!({
                "change": digest.to_string(),
                "attributes": paths,
                "before": before.to_string(),
                "after": after.to_string(),
                "result": if write.refused.is_some() { "refused" } else { "done" },
                "refusal": write.refused,
                "request_id": write.request_id,
            });
            (action.name(), Some(entity.clone()), write.approved_by, write.reason, more)
        }
        Entry::Decision(Decision { at: _, kind, entity, by, detail, changes }) => {
            let more = json!({ "changes": changes.map(|changes| changes.to_string()) });
            (kind.name(), entity, by.map(|by| by.to_string()), detail, more)
        }
    };
    let (person, group) = match entity {
        Some(Entity::Account(person)) => (Some(person.to_string()), None),
        Some(Entity::Group(key)) => (None, Some(key.to_string())),
        Some(Entity::Member(key, person)) => (Some(person.to_string()), Some(key.to_string())),
        None => (None, None),
    };
    Line { number, at, kind, person, group, by, detail, more, hash: hash.to_string() }
}
