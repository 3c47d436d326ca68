//! `pause` and `resume`: nothing is written to the platform for now. And the end of an order that was
//! given by `deactivate`.

use super::ground::Ground;
use super::names::Names;
use super::offline;
use super::reveal::Sight;
use super::said::Said;
use super::view::text::{harmless, number, time};
use super::{Exit, Failure};
use crate::core::plan::Planner;
use crate::cycle::records::Pause;

/// Arguments of `pause`.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// Why, for whoever looks at the status
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// A longer reason is refused: it is kept for years, and read in one look.
const REASON_CHARS_MAX: usize = 1_000;

/// What somebody gave as a reason, if it may be kept.
pub(super) fn reason_of(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let count = text.chars().count();
    if count > REASON_CHARS_MAX {
        let (count, most) = (number(count as u64), number(REASON_CHARS_MAX as u64));
        return Err(Failure::new(
            Exit::Usage,
            format!("--reason has {count} characters, and {most} are the most; nothing was done"),
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn pause(ground: &mut Ground<'_>, reason: Option<&str>) -> Result<Said, Failure> {
    let reason = reason.map(reason_of).transpose()?;
    if let Some(known) = &ground.state().paused {
        return Ok(Said::talked(format!("{}; nothing was changed.", words(known))));
    }
    let word = Pause { by: ground.by.clone(), at: ground.now, reason };
    let said = format!(
        "{}. Nothing is written to the platform any more but what is in flight and what is ordered by \
         hand; reading goes on. Go on with: manntall resume",
        words(&word)
    );
    ground.state_mut().pause(word);
    Ok(Said::talked(said))
}

pub(super) fn resume(ground: &mut Ground<'_>) -> Said {
    let Some(known) = ground.state().paused.clone() else {
        return Said::talked("Writing was not paused; nothing was changed.");
    };
    let by = ground.by.clone();
    ground.state_mut().resume(&by);
    let (by, since) = (harmless(&known.by), time(known.at));
    let acts = ground.whoever_acts();
    Said::talked(format!(
        "The pause by {by} since {since} is over; {acts} writes what has been waiting."
    ))
}

/// The pause in words.
pub(super) fn words(pause: &Pause) -> String {
    let Pause { by, at, reason } = pause;
    let why = reason.as_deref().map(|why| format!(" ({})", harmless(why))).unwrap_or_default();
    format!("Writing has been paused by {} since {}{why}", harmless(by), time(*at))
}

/// Entra decides again about somebody who was deactivated by hand.
pub(super) fn lift(ground: &mut Ground<'_>, person: &str) -> Result<Said, Failure> {
    let person = offline::person(ground.state(), person, &Sight::Named)?;
    let (state, planner) = (ground.state(), &Planner::default());
    let name = harmless(&Names { state, planner, sight: &Sight::Named }.full_name(person));
    if !ground.state().ledger.by_hand.contains_key(&person) {
        return Ok(Said::talked(format!(
            "{name} was not deactivated by hand; nothing was changed."
        )));
    }
    ground.lift(person);
    let acts = ground.whoever_acts();
    Ok(Said::talked(format!(
        "Entra decides about {name} again; {acts} reactivates the account if the person is in scope."
    )))
}
