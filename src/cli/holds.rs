//! `holds`: what waits for somebody's word, as it was noted by the last sync or by the service.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::Failure;
use super::ground::Ground;
use super::names::Names;
use super::reveal::Sight;
use super::said::Said;
use super::view::hold::{ApprovedLine, HeldLine};
use super::view::plan::{ChangeLine, line};
use super::view::plan_text;
use super::view::text::{BOLD, DIM, harmless, number, styled};
use crate::core::judge::{Claims, Of};
use crate::core::model::Timestamp;
use crate::core::plan::{Change, Planner};
use crate::cycle::report::{HoldRecord, Said as Words};
use crate::cycle::state::State;

/// Changes of one hold that are shown to people.
const SHOWN: usize = 20;

/// Arguments of `holds`.
#[derive(Debug, clap::Args)]
pub(super) struct HoldsArgs {
    /// Write values of people out; who did so is on record
    #[arg(long)]
    pub(super) reveal: bool,
}

/// A hold with its changes.
#[derive(Debug, Serialize)]
struct HoldView {
    #[serde(flatten)]
    held: HeldLine,
    source: Option<String>,
    of: Option<String>,
    /// What a finding says, or what was met when it had been approved and a few were made first.
    words: Option<String>,
    changes: Vec<SaidLine>,
}

/// A change of a hold, and what was said about it.
#[derive(Debug, Serialize)]
struct SaidLine {
    #[serde(flatten)]
    change: ChangeLine,
    /// `waits`, `rejected` or `approved`.
    word: &'static str,
}

/// All holds.
#[derive(Debug, Serialize)]
struct HoldsView {
    holds: Vec<HoldView>,
    /// What was approved and is not made yet, beside what is in a hold still.
    approved: Vec<ApprovedLine>,
}

pub(super) fn said(ground: &Ground<'_>) -> Result<Said, Failure> {
    let (state, now) = (ground.state(), ground.now);
    let noted = state.holds()?;
    let approved = ApprovedLine::all(state, now, |word| {
        noted.iter().any(|hold| word.claims.keys().all(|one| hold.claims.contains_key(one)))
    });
    let holds: Result<Vec<_>, Failure> =
        noted.iter().map(|hold| view(state, hold, now, &ground.sight)).collect();
    let view = HoldsView { holds: holds?, approved };
    Ok(Said::shown(ground.form, &view, |HoldsView { holds, approved }| {
        if holds.is_empty() && approved.is_empty() {
            return "Nothing is held.".to_owned();
        }
        let mut shown: Vec<String> = holds.iter().map(render).collect();
        shown.extend(approved.iter().map(|line| format!("{}\n", line.words())));
        shown.join("\n")
    }))
}

fn view(
    state: &State,
    hold: &HoldRecord,
    now: Timestamp,
    sight: &Sight,
) -> Result<HoldView, Failure> {
    let names = Names { state, planner: &Planner::default(), sight };
    let mut claims: BTreeMap<_, Claims> = BTreeMap::new();
    for (guarded, shown) in &hold.claims {
        claims.entry(guarded.entity()).or_default().insert(guarded.clone(), *shown);
    }
    let word = |change: &Change| {
        let said = claims.get(&Some(&change.entity)).map(|claims| state.said_of(claims, now));
        match said.unwrap_or_default() {
            Words { approved: 1.., .. } => "approved",
            Words { rejected: 1.., .. } => "rejected",
            Words { .. } => "waits",
        }
    };
    let changes = state.held_changes(hold)?;
    let mut changes: Vec<SaidLine> = changes
        .iter()
        .map(|change| SaidLine {
            change: line(change, names, Some(hold.id.to_string())),
            word: word(change),
        })
        .collect();
    // What waits for a word comes first.
    changes.sort_by_key(|line| match line.word {
        "waits" => 0,
        "rejected" => 1,
        _ => 2,
    });
    Ok(HoldView {
        source: hold.meter.source.map(|source| source.to_string()),
        of: match &hold.meter.of {
            Of::All => None,
            Of::Groups => Some("groups".to_owned()),
            Of::Group(key) => Some(names.group(key)),
            Of::Attribute(path) => Some(path.to_string()),
            Of::Property(name) => Some(name.to_string()),
        },
        held: HeldLine::noted(hold, state, now),
        words: hold.words.as_deref().map(str::to_owned),
        changes,
    })
}

fn render(hold: &HoldView) -> String {
    let mut text = String::new();
    let HoldView { held, source, of, words, changes } = hold;
    let mut heading = format!("{}  {}: {}", held.mark(), harmless(&held.id), held.words());
    let mut what = held.guard.clone();
    for part in [source, of].into_iter().flatten() {
        what.push(' ');
        what.push_str(&harmless(part));
    }
    let _ = write!(heading, " ({what})");
    let _ = writeln!(text, "{}", styled(BOLD, &heading));
    let mut shown = String::new();
    let is_mixed =
        changes.iter().any(|line| Some(line.word) != changes.first().map(|one| one.word));
    let mut last = None;
    for SaidLine { change, word } in changes.iter().take(SHOWN) {
        if is_mixed && last.replace(*word) != Some(*word) {
            let _ = writeln!(shown, "  {}", styled(DIM, &format!("{word}:")));
        }
        let line = ChangeLine { held: None, ..change.clone() };
        plan_text::change(&mut shown, &line, true);
    }
    text.push_str(&shown);
    if changes.len() > SHOWN {
        let more = number((changes.len() - SHOWN) as u64);
        let _ =
            writeln!(text, "  {}", styled(DIM, &format!("… and {more} more; --json shows all")));
    }
    if let Some(words) = words {
        let _ = writeln!(text, "  {}", harmless(words));
    }
    let next = held.next();
    if !next.is_empty() {
        let _ = writeln!(text, "  {}", next.join("   "));
    }
    text
}
