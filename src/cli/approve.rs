//! `approve` and `reject`: a person's word about exactly the changes that a hold had when it was shown.

use std::collections::BTreeSet;
use std::time::Duration;

use super::view::plan::line;
use super::view::text::number;
use super::{Context, Exit, Failure, console, names, wire};
use crate::clock::{Clock, SystemClock};
use crate::core::judge::{Approval, Rejection};
use crate::core::plan::{ChangeDigest, Planner};
use crate::cycle::report::HoldRecord;
use crate::cycle::state::State;

/// So many digits of an id must be given: fewer are a slip of the finger.
const DIGITS_MIN: usize = 4;

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    /// The hold, or the first digits of its id
    #[arg(value_name = "ID")]
    id: String,
    /// People whose changes stay held (source/object-id, object id or login name)
    #[arg(long, value_name = "PERSON", num_args = 1..)]
    except: Vec<String>,
    /// How long the approval is good for
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    until: Duration,
}

/// Arguments of `reject`.
#[derive(Debug, clap::Args)]
pub(super) struct RejectArgs {
    /// The hold, or the first digits of its id
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn approve(context: &Context, args: &ApproveArgs) -> Result<Exit, Failure> {
    let config = context.load()?;
    let mut state = wire::existing_state(&config)?;
    let hold = find(&state, &args.id)?;
    let spared = spared(&state, &hold, &args.except)?;
    let changes: BTreeSet<ChangeDigest> =
        hold.digests.iter().copied().filter(|digest| !spared.contains(digest)).collect();
    let (count, at) = (number(changes.len() as u64), SystemClock::start().now());
    let until = at.plus(args.until);
    let by = who(context);
    state.approve(Approval { changes, by: by.as_str().into(), at, until });
    state.commit()?;
    console::talk(&format!(
        "{by} approved {count} changes of hold {} until {until}; the next sync, or the service once \
         it runs, makes exactly these.",
        hold.id
    ));
    if !spared.is_empty() {
        console::talk(&format!("{} stay held.", number(spared.len() as u64)));
    }
    Ok(Exit::Done)
}

pub(super) fn reject(context: &Context, args: &RejectArgs) -> Result<Exit, Failure> {
    let config = context.load()?;
    let mut state = wire::existing_state(&config)?;
    let hold = find(&state, &args.id)?;
    let at = SystemClock::start().now();
    let by = who(context);
    let changes: BTreeSet<ChangeDigest> = hold.digests.iter().copied().collect();
    let count = number(changes.len() as u64);
    state.reject(Rejection { changes, by: by.as_str().into(), at });
    state.commit()?;
    console::talk(&format!(
        "{by} rejected {count} changes of hold {}; they are not made, and not asked about again \
         unless they change.",
        hold.id
    ));
    Ok(Exit::Done)
}

fn find(state: &State, id: &str) -> Result<HoldRecord, Failure> {
    let wanted = id.to_lowercase();
    if wanted.len() < DIGITS_MIN || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{id:?} is no hold: give at least its first {DIGITS_MIN} hexadecimal digits"),
        ));
    }
    let mut found: Vec<HoldRecord> = state
        .holds()?
        .into_iter()
        .filter(|hold| hold.id.to_string().starts_with(&wanted))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(hold), true) => Ok(hold),
        (Some(_), false) => Err(Failure::new(
            Exit::Failed,
            format!("several holds begin with {id}; give more digits. See: manntall holds"),
        )),
        (None, _) => Err(Failure::new(
            Exit::Failed,
            format!(
                "there is no hold {id}: it was made, has changed, or no sync has met it yet. Run \
                 manntall sync, which does everything but what is held, then: manntall holds"
            ),
        )),
    }
}

/// The changes of the people in `except`, each of whom must be in the hold.
fn spared(
    state: &State,
    hold: &HoldRecord,
    except: &[String],
) -> Result<BTreeSet<ChangeDigest>, Failure> {
    let names = names::Names { state, planner: &Planner::default() };
    let changes = if except.is_empty() { Vec::new() } else { state.held_changes(hold)? };
    let mut spared = BTreeSet::new();
    for person in except {
        let theirs: Vec<ChangeDigest> = changes
            .iter()
            .filter(|change| line(change, names, None).is_about(person))
            .map(crate::core::plan::Change::digest)
            .collect();
        if theirs.is_empty() {
            return Err(Failure::new(
                Exit::Failed,
                format!("{person:?} is not in hold {}; nothing was approved", hold.id),
            ));
        }
        spared.extend(theirs);
    }
    Ok(spared)
}

/// Who gives the word: the person behind `sudo` rather than root.
pub(super) fn who(context: &Context) -> String {
    let names = ["SUDO_USER", "LOGNAME", "USER"];
    let name = names.iter().find_map(|name| context.environment.get(*name));
    name.filter(|name| !name.is_empty())
        .cloned()
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
