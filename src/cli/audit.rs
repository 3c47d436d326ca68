//! `audit`: verifies the journal of writes and decisions, and writes it out.

use std::io::Write as _;

use serde::Serialize;
use serde_json::json;

use super::view::text::number;
use super::{Context, Exit, Failure, console, wire};
use crate::audit::{Decision, Entry, Stored, Write};
use crate::core::model::Entity;
use crate::cycle::journal::parse_head;

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

pub(super) fn run(context: &Context, command: &AuditCommand) -> Result<Exit, Failure> {
    let config = context.load()?;
    let state = wire::existing_state(&config)?;
    match command {
        AuditCommand::Verify { head } => match state.verify_journal(head)? {
            Ok(count) => {
                let end = state.audit_head();
                console::data(&format!(
                    "The journal is whole: {} entries, head {end}.",
                    number(count)
                ));
                Ok(Exit::Done)
            }
            Err(flaw) => Err(Failure::new(
                Exit::Damaged,
                format!(
                    "the journal is broken at {flaw}. Nothing was changed, and the service is not \
                     hindered; compare with an export or a backup of an earlier day"
                ),
            )),
        },
        AuditCommand::Export => {
            let mut out = std::io::stdout().lock();
            let mut written = Ok(());
            state.for_each_entry(|number, stored| {
                if let Some(stored) = stored
                    && written.is_ok()
                {
                    written = serde_json::to_writer(&mut out, &line(number, stored))
                        .map_err(std::io::Error::from)
                        .and_then(|()| out.write_all(b"\n"));
                }
            })?;
            // Whoever reads may have had enough.
            let _ = written.and_then(|()| out.flush());
            Ok(Exit::Done)
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
