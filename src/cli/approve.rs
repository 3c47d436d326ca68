//! `approve` and `reject`: a person's word about exactly the changes that a hold had when it was shown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::control::Task;
use super::ground::{self, Ground};
use super::names::Names;
use super::offline::quoted;
use super::reveal::Sight;
use super::said::Said;
use super::until::Until;
use super::view::plan::line;
use super::view::text::{counted, harmless, number, time};
use super::{Context, Exit, Failure};
use crate::core::judge::{Approval, Claims, Guarded, HoldId, Rejection};
use crate::core::model::Entity;
use crate::core::plan::Planner;
use crate::core::words::plural;
use crate::cycle::report::{HoldRecord, Parted};
use crate::cycle::state::{State, count_of};

/// Arguments of `approve`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
pub(super) struct ApproveArgs {
    /// The hold, or the first digits of its id; what waits of it is approved
    #[arg(value_name = "ID")]
    id: String,
    /// Approve what was rejected of the hold, and nothing else
    #[arg(long)]
    #[serde(default)]
    rejected: bool,
    /// People whose changes stay as they are (source/object-id, object id or login name)
    #[arg(long, value_name = "PERSON", num_args = 1..)]
    except: Vec<String>,
    /// How long the approval is good for: a span as 3d, a date (its whole day counts), or a time as
    /// 2027-06-30T16:00
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    until: Until,
}

/// Arguments of `reject`.
#[derive(Debug, clap::Args)]
pub(super) struct RejectArgs {
    /// The hold, or the first digits of its id
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn run_approve(context: &Context, args: &ApproveArgs) -> Result<Exit, Failure> {
    ground::task(context, &Task::Approve(args.clone()))
}

pub(super) fn run_reject(context: &Context, args: &RejectArgs) -> Result<Exit, Failure> {
    ground::task(context, &Task::Reject { id: args.id.clone() })
}

pub(super) fn approve(ground: &mut Ground<'_>, args: &ApproveArgs) -> Result<Said, Failure> {
    let instead = "An approval is good for what was shown, once: give it days";
    let until = args.until.end(&ground.config.service.time_zone, ground.now, instead)?;
    let hold = find(ground.state(), &args.id)?;
    let spared = spared(ground.state(), &hold, &args.except)?;
    let parts = ground.state().parted(&hold.claims, ground.now);
    let spared_of = |claims: &Claims| {
        let theirs = spared.iter().filter(|&one| claims.keys().any(|of| of.entity() == Some(one)));
        theirs.cloned().collect::<BTreeSet<Entity>>()
    };
    let stay =
        [(&parts.open, "held"), (&parts.rejected, "rejected"), (&parts.approved, "approved")];
    let stay = stay.map(|(claims, how)| (spared_of(claims), how));
    let mut claims = if args.rejected {
        parts.rejected.clone()
    } else {
        // What is approved already is so for as long as is said now.
        parts.open.clone().into_iter().chain(parts.approved.clone()).collect()
    };
    claims.retain(|guarded, _| guarded.entity().is_none_or(|entity| !spared.contains(entity)));
    let count = count_of(&claims) as u64;
    if count == 0 {
        return Err(nothing_to_approve(&hold, &parts, args.rejected));
    }
    let left = if args.rejected { 0 } else { count_of(&parts.rejected) as u64 };
    let (at, by) = (ground.now, ground.by.clone());
    let acts = ground.whoever_acts();
    let approved = in_names(ground, claims.keys().filter_map(Guarded::entity).collect());
    let others = stay.map(|(who, how)| {
        let whom = in_names(ground, who.iter().collect());
        let whom = whom.map(|whom| format!(": {whom}")).unwrap_or_default();
        let stay = counted(who.len() as u64, "stays", "stay");
        (!who.is_empty()).then(|| format!("{stay} {how}{whom}."))
    });
    ground.state_mut().approve(Approval {
        claims,
        by: by.as_str().into(),
        at,
        until,
        hold: Some(hold.id),
    });
    let said = Said::talked(format!(
        "{by} approved {} of hold {} until {until}; {acts} makes exactly {}, once. Take back the approval of what \
         is not made yet with: manntall reject {}",
        counted(count, "change", "changes"),
        hold.id,
        plural(count, "this one", "these"),
        hold.id,
        until = time(until),
    ));
    let said = approved.into_iter().fold(said, |said, whom| said.and(format!("Approved: {whom}.")));
    let said = others.into_iter().flatten().fold(said, Said::and);
    if left == 0 {
        return Ok(said);
    }
    let (is, them) = (plural(left, "is", "are"), plural(left, "it", "them"));
    Ok(said.and(format!(
        "{} of this hold {is} rejected, and stay{} so; make {them} after all with: manntall approve {} --rejected",
        number(left),
        plural(left, "s", ""),
        hold.id
    )))
}

fn nothing_to_approve(hold: &HoldRecord, parts: &Parted, rejected: bool) -> Failure {
    let id = hold.id;
    let message = if rejected {
        format!(
            "nothing of hold {id} is rejected; nothing was approved. What waits: manntall approve {id}"
        )
    } else if parts.rejected.is_empty() {
        format!("nothing of hold {id} waits; nothing was approved. See: manntall holds")
    } else {
        format!(
            "nothing of hold {id} waits: {} rejected. Nothing was approved; make what was rejected after all with: \
             manntall approve {id} --rejected",
            counted(count_of(&parts.rejected) as u64, "is", "are")
        )
    };
    Failure::new(Exit::Failed, message)
}

/// Whom and what it is about, by name, for whoever may see names: few enough to read, and how many more.
fn in_names(ground: &Ground<'_>, entities: BTreeSet<&Entity>) -> Option<String> {
    const NAMED_MAX: usize = 10;
    let (state, planner) = (ground.state(), Planner::default());
    let names = Names { state, planner: &planner, sight: &ground.sight };
    if names.is_masked() || entities.is_empty() {
        return None;
    }
    let more = entities.len().saturating_sub(NAMED_MAX);
    let shown = entities.into_iter().take(NAMED_MAX).map(|entity| match entity {
        Entity::Account(person) => names.full_name(*person),
        Entity::Group(key) => names.group(key),
        Entity::Member(key, person) => {
            format!("{} in {}", names.full_name(*person), names.group(key))
        }
    });
    let shown = shown.map(|name| harmless(&name)).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {} more", number(more as u64)) } else { String::new() };
    Some(shown + &more)
}

pub(super) fn reject(ground: &mut Ground<'_>, id: &str) -> Result<Said, Failure> {
    let (at, by) = (ground.now, ground.by.clone());
    let (id, claims, undecided) = match find(ground.state(), id) {
        Ok(hold) => {
            let parts = ground.state().parted(&hold.claims, at);
            match (parts.approved.is_empty(), parts.open.is_empty()) {
                // What nobody has decided stays undecided when an approval beside it is taken back.
                (false, _) => (hold.id, parts.approved, count_of(&parts.open) as u64),
                (true, false) => (hold.id, parts.open, 0),
                (true, true) => (hold.id, hold.claims, 0),
            }
        }
        // All of it was approved, and some of it is not made yet.
        Err(failure) => {
            let (id, claims) = approved(ground.state(), id).ok_or(failure)?;
            (id, claims, 0)
        }
    };
    let count = count_of(&claims) as u64;
    let whom = in_names(ground, claims.keys().filter_map(Guarded::entity).collect());
    ground.state_mut().reject(Rejection { claims, by: by.as_str().into(), at });
    let said = Said::talked(format!(
        "{by} rejected {} of hold {id}; {} not made, and not asked about again unless what is held becomes \
         something else. Whatever else changes about the same {} goes on.",
        counted(count, "change", "changes"),
        plural(count, "it is", "they are"),
        plural(count, "account", "accounts"),
    ));
    let said = whom.into_iter().fold(said, |said, whom| said.and(format!("Rejected: {whom}.")));
    if undecided == 0 {
        return Ok(said);
    }
    Ok(said.and(format!(
        "{} for a word still: what was approved is taken back, and nothing else. See: manntall holds",
        counted(undecided, "waits", "wait")
    )))
}

/// The one hold that is meant, of those that were approved, and what of it is not made yet.
fn approved(state: &State, id: &str) -> Option<(HoldId, Claims)> {
    let mut meant = state.left_of_approvals(id);
    let found = meant.pop_first();
    found.filter(|_| meant.is_empty())
}

fn find(state: &State, id: &str) -> Result<HoldRecord, Failure> {
    let least = HoldId::DIGITS_MIN;
    if !(least..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "{} is no hold: give at least its first {least} hexadecimal digits",
                quoted(id)
            ),
        ));
    }
    let mut found: Vec<HoldRecord> =
        state.holds()?.into_iter().filter(|hold| hold.id.answers_to(id)).collect();
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

/// What the people in `except` wait with, each of whom must be in the hold.
fn spared(
    state: &State,
    hold: &HoldRecord,
    except: &[String],
) -> Result<BTreeSet<Entity>, Failure> {
    let names = Names { state, planner: &Planner::default(), sight: &Sight::Named };
    let changes = if except.is_empty() { Vec::new() } else { state.held_changes(hold)? };
    let mut spared = BTreeSet::new();
    for person in except {
        let theirs =
            changes.iter().filter(|change| line(change, names, None).subject.is_about(person));
        let found: Vec<Entity> = theirs.map(|change| change.entity.clone()).collect();
        if found.is_empty() {
            return Err(Failure::new(
                Exit::Failed,
                format!("{} is not in hold {}; nothing was approved", quoted(person), hold.id),
            ));
        }
        spared.extend(found);
    }
    Ok(spared)
}
