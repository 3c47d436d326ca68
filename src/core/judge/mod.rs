//! Judges a whole plan: what may be made at once, and what waits for somebody's word.
//!
//! Guarantees, each held by a test: a change more never clears one that was held; judging again with
//! what was remembered gives the same holds; an approval covers exactly its list.
//! - Every meter counts the **fresh** changes: neither approved, nor rejected, nor judged before. When
//!   they are more than it has left, all of them are held, before the first is written.
//! - They are counted even when another guard holds them too; each appears in one hold, that of the
//!   first guard.
//! - A change that follows another shares its fate and counts nowhere.
//! - What was held before stays so, under its own hold, also when a budget grows: somebody asks about
//!   it already. It is counted no more, so the leaver of the next minute does not wait behind it.
//! - What was cleared unasked and is not made yet stays cleared unless somebody rejects it, and uses up
//!   the rolling day as if it were made: nobody is held because a target is slow.
//!
//! Populations are those of the ledger, so a plan cannot move its own limits. Nothing here is stored:
//! the caller keeps [`Judgement::remember`] and [`Judgement::cleared_unasked`] and hands them back as
//! [`Standing::held`] and [`Standing::cleared`].

mod cleared;
mod finding;
mod limit;
mod memory;
mod meter;
mod pile;
mod trial;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use cleared::{Clearance, Cleared, ClearedPlan};
pub use finding::Finding;
pub use limit::{Population, SourcePopulation};
pub use memory::{Approval, HeldBefore, Rejection};
pub use meter::{Guard, Meter, Of, is_destructive};
pub use trial::{Stage, Step, Trial, try_first};
pub use window::Window;

use self::memory::Word;
use self::pile::{Limited, Pile, limited, readings};
use super::model::{Entity, Timestamp};
use super::plan::{Change, ChangeDigest, Changes};
use super::policy::{Adopt, Budgets};

/// What the judgement of one target rests on beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// What the target holds of ours.
    pub population: Population,
    /// Changes of the last 24 hours that were made unasked.
    pub spent: BTreeMap<Meter, u64>,
    /// What earlier judgements held.
    pub held: Vec<HeldBefore>,
    /// What earlier judgements cleared unasked and nobody has made yet, because the target is slow:
    /// [`Judgement::cleared_unasked`], kept in memory only. It stays cleared and uses up the day as
    /// if it had been made. Without what sits in escrow: nobody is about to make that, and it would
    /// use up the day for as long as it is stuck. Empty after a restart and with another
    /// configuration: then all of it is fresh once more, and held rather than let through.
    pub cleared: BTreeSet<ChangeDigest>,
    /// What people approved.
    pub approvals: Vec<Approval>,
    /// What people rejected.
    pub rejections: Vec<Rejection>,
    /// What people announced, as far as it is in force.
    pub windows: Vec<Window>,
    /// Changes that rest on a change of the rules rather than on what a source said.
    pub resting: BTreeSet<ChangeDigest>,
    /// From first contact until the backlog of creates has once been empty: creates are not limited.
    pub first_import: bool,
    /// What happens to accounts that exist already. [`Adopt::Approve`] holds more than
    /// [`super::policy::ADOPTIONS_UNASKED_MAX`] at once, and twice that in a day, at first contact as
    /// later: whoever is found after months of running is no less somebody else's account.
    pub adopt: Adopt,
}

/// What may be made, and what may not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What may be made.
    pub cleared: ClearedPlan,
    /// What waits, followers too.
    pub held: BTreeMap<Entity, HeldChange>,
    /// What it waits for, in the order of guard, source and time.
    pub holds: Vec<Hold>,
    /// What the next judgement must be told as [`Standing::held`], also after a restart.
    pub remember: Vec<HeldBefore>,
    /// What the next judgement must be told as [`Standing::cleared`] until it is made: the changes
    /// that a meter counts and nobody was asked about. What nothing limits needs no remembering.
    pub cleared_unasked: BTreeSet<ChangeDigest>,
}

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The hold that it belongs to.
    pub hold: HoldId,
    /// The change.
    pub change: Arc<Change>,
}

/// Changes that wait for one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What `approve` and `reject` are told.
    pub id: HoldId,
    /// The count that was exceeded.
    pub meter: Meter,
    /// How many changes wait; followers are not counted.
    pub count: u64,
    /// How many the meter had left for them.
    pub limit: u64,
    /// Since when.
    pub since: Timestamp,
    /// The changes, without followers. An approval of the hold lists these digests.
    pub changes: BTreeMap<Entity, ChangeDigest>,
    /// Where no change waits but a finding: its digest, and what it says.
    pub finding: Option<(ChangeDigest, Arc<str>)>,
    /// What was met when it had been approved and the first of it was made.
    pub surprise: Option<Arc<str>>,
    /// Who rejected them all, if somebody did.
    pub rejected: Option<Arc<str>>,
}

impl Hold {
    /// What an approval or a rejection of the hold lists.
    pub fn digests(&self) -> impl Iterator<Item = ChangeDigest> + '_ {
        let finding = self.finding.iter().map(|(digest, _)| *digest);
        self.changes.values().copied().chain(finding)
    }
}

/// Short digest over what a hold contains: another set has another id. Shown as 12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HoldId([u8; 6]);

impl HoldId {
    /// So many digits name a hold at least: with fewer a slip of the finger would find one as well.
    pub const DIGITS_MIN: usize = 4;

    /// Whether somebody who types the beginning of an id can mean this hold. Another may answer too.
    pub fn answers_to(&self, prefix: &str) -> bool {
        prefix.len() >= Self::DIGITS_MIN
            && self.to_string().starts_with(&prefix.to_ascii_lowercase())
    }

    fn of<'a>(meter: &Meter, digests: impl Iterator<Item = &'a ChangeDigest>) -> Self {
        let mut digests: Vec<_> = digests.map(|digest| digest.bytes()).collect();
        digests.sort_unstable();
        let mut hash = Sha256::new_with_prefix(postcard::to_stdvec(meter).unwrap_or_default());
        hash.update(digests.as_flattened());
        let mut short = [0; 6];
        short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(short)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Judges the whole plan of one target.
pub fn judge(
    changes: Changes,
    standing: &Standing,
    budgets: &Budgets,
    now: Timestamp,
) -> Judgement {
    let limited = limited(&changes, standing, now);
    let readings = readings(&limited, standing, budgets);
    let mut piles: BTreeMap<Pile<'_>, Vec<&Limited<'_>>> = BTreeMap::new();
    for item in &limited {
        if let Some(pile) = item.pile(&readings, now) {
            piles.entry(pile).or_default().push(item);
        }
    }
    let mut holds = Vec::new();
    let mut ids = BTreeMap::new();
    let mut remember = Vec::new();
    for (pile, items) in &piles {
        remember.push(HeldBefore {
            meter: pile.meter.clone(),
            limit: pile.limit,
            since: pile.since,
            changes: items.iter().map(|item| item.digest).collect(),
        });
        if let Some(hold) = hold(*pile, items) {
            ids.insert(*pile, hold.id);
            holds.push(hold);
        }
    }
    // Collected in the order of the plan: a map is built many times faster than by inserting.
    let ruling = |item: &Limited<'_>| match item.word {
        Some(Word::Approved(approval)) => {
            Ruling::Cleared(Clearance::Approved { by: approval.by.clone(), at: approval.at })
        }
        Some(Word::Rejected(_)) | None => {
            match item.pile(&readings, now).and_then(|pile| ids.get(&pile)) {
                Some(&id) => Ruling::Held(id),
                None => Ruling::Cleared(Clearance::Unasked { meters: item.meters.clone() }),
            }
        }
    };
    let rulings: Rulings = limited.iter().map(|item| (item.entity.clone(), ruling(item))).collect();
    // Both are in the order of the plan.
    let unasked = |(item, ruling): (&Limited<'_>, &Ruling)| {
        matches!(ruling, Ruling::Cleared(Clearance::Unasked { .. })).then_some(item.digest)
    };
    let cleared_unasked = limited.iter().zip(rulings.values()).filter_map(unasked).collect();
    let (cleared, held) = split(changes, &rulings);
    Judgement { cleared, held, holds, remember, cleared_unasked }
}

/// The decision about one limited change.
enum Ruling {
    Cleared(Clearance),
    Held(HoldId),
}

type Rulings = BTreeMap<Entity, Ruling>;

/// The hold that a pile makes; none when all of it is approved.
fn hold(pile: Pile<'_>, items: &[&Limited<'_>]) -> Option<Hold> {
    let waits = |item: &&&Limited<'_>| !matches!(item.word, Some(Word::Approved(_)));
    let waiting = || items.iter().filter(waits);
    let changes: BTreeMap<_, _> =
        waiting().map(|item| (item.entity.clone(), item.digest)).collect();
    let mut rejected = waiting().map(|item| match item.word {
        Some(Word::Rejected(rejection)) => Some(&rejection.by),
        Some(Word::Approved(_)) | None => None,
    });
    let first = rejected.next()?;
    Some(Hold {
        id: HoldId::of(pile.meter, changes.values()),
        meter: pile.meter.clone(),
        count: changes.len().try_into().unwrap_or(u64::MAX),
        limit: pile.limit,
        since: pile.since,
        changes,
        finding: None,
        surprise: None,
        rejected: first.filter(|_| rejected.all(|by| by.is_some())).cloned(),
    })
}

/// Carries the rulings out. What has none of its own follows another change, or is not limited.
fn split(changes: Changes, rulings: &Rulings) -> (ClearedPlan, BTreeMap<Entity, HeldChange>) {
    let mut cleared = Vec::new();
    let mut held = Vec::new();
    for change in changes.into_values() {
        let own = rulings.get(&change.entity);
        let leader = || rulings.get(&change.leader()?);
        let clearance = match own.or_else(leader) {
            Some(&Ruling::Held(id)) => {
                held.push((change.entity.clone(), HeldChange { hold: id, change }));
                continue;
            }
            Some(Ruling::Cleared(Clearance::Unasked { .. })) if own.is_none() => {
                Clearance::Unasked { meters: Vec::new() }
            }
            Some(Ruling::Cleared(clearance)) => clearance.clone(),
            None => Clearance::Unasked { meters: Vec::new() },
        };
        cleared.push(Cleared::new(change, clearance));
    }
    (ClearedPlan::new(cleared.into_iter().collect()), held.into_iter().collect())
}
