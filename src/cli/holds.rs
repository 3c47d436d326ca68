//! `holds`: what waits for somebody's word, as it was noted by the last sync or by the service.

use std::fmt::Write;

use serde::Serialize;

use super::names::Names;
use super::view::plan::{ChangeLine, line};
use super::view::plan_text::{self, Values};
use super::view::text::{BOLD, DIM, harmless, number, styled, time_of};
use super::{Context, Exit, Failure, console, wire};
use crate::clock::{Clock, SystemClock};
use crate::core::judge::Of;
use crate::core::model::Timestamp;
use crate::core::plan::Planner;
use crate::cycle::report::HoldRecord;
use crate::cycle::state::State;

/// Changes of one hold that are shown to people.
const SHOWN: usize = 20;

/// A hold with its changes.
#[derive(Debug, Serialize)]
struct HoldView {
    id: String,
    guard: String,
    source: Option<String>,
    of: Option<String>,
    count: usize,
    limit: u64,
    since: String,
    rejected_by: Option<String>,
    /// How many of its changes are approved by now, and wait only for the next sync.
    approved: usize,
    changes: Vec<ChangeLine>,
}

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.load()?;
    let state = wire::existing_state(&config)?;
    let now = SystemClock::start().now();
    let views: Result<Vec<_>, Failure> =
        state.holds()?.iter().map(|hold| view(&state, hold, now)).collect();
    let views = views?;
    if context.json {
        console::json(&serde_json::json!({ "holds": views }));
    } else if views.is_empty() {
        console::data("Nothing is held.");
    } else {
        let shown: Vec<String> = views.iter().map(render).collect();
        console::data(&shown.join("\n"));
    }
    Ok(Exit::Done)
}

fn view(state: &State, hold: &HoldRecord, now: Timestamp) -> Result<HoldView, Failure> {
    let names = Names { state, planner: &Planner::default() };
    let changes = state.held_changes(hold)?;
    let approved = hold.digests.iter().filter(|digest| {
        let mut words = state.approvals.iter().filter(|word| now < word.until);
        words.any(|word| word.changes.contains(digest))
    });
    Ok(HoldView {
        id: hold.id.to_string(),
        guard: hold.meter.guard.name().to_owned(),
        source: hold.meter.source.map(|source| source.to_string()),
        of: match &hold.meter.of {
            Of::All => None,
            Of::Groups => Some("groups".to_owned()),
            Of::Group(key) => Some(names.group(key)),
            Of::Attribute(path) => Some(path.to_string()),
        },
        count: hold.digests.len(),
        limit: hold.limit,
        since: hold.since.to_string(),
        rejected_by: hold.rejected.as_deref().map(str::to_owned),
        approved: approved.count(),
        changes: changes
            .iter()
            .map(|change| line(change, names, Some(hold.id.to_string())))
            .collect(),
    })
}

fn render(hold: &HoldView) -> String {
    let mut text = String::new();
    let HoldView { id, guard, source, of, count, limit, since, rejected_by, approved, changes } =
        hold;
    let mut what = guard.clone();
    for part in [source, of].into_iter().flatten() {
        what.push(' ');
        what.push_str(&harmless(part));
    }
    let (count, limit, since) = (number(*count as u64), number(*limit), time_of(since));
    let heading = format!("! held  {id}: {count} > {limit} allowed by {what}, since {since}");
    let _ = writeln!(text, "{}", styled(BOLD, &heading));
    let mut shown = String::new();
    for change in changes.iter().take(SHOWN) {
        let line = ChangeLine { held: None, ..change.clone() };
        plan_text::change(&mut shown, &line, true, Values::Revealed);
    }
    text.push_str(&shown);
    if changes.len() > SHOWN {
        let more = number((changes.len() - SHOWN) as u64);
        let _ =
            writeln!(text, "  {}", styled(DIM, &format!("… and {more} more; --json shows all")));
    }
    if let Some(by) = rejected_by {
        let _ = writeln!(text, "  rejected by {}", harmless(by));
    }
    if *approved > 0 {
        let _ =
            writeln!(text, "  {} are approved; the next sync makes them", number(*approved as u64));
    } else {
        let _ = writeln!(
            text,
            "  make them: manntall approve {id}   refuse them: manntall reject {id}"
        );
    }
    text
}
