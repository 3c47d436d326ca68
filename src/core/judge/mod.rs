//! Judges a whole plan: what may be made at once, and what waits for somebody's word.
//!
//! Guarantees, each held by a test: a change more never clears one that was held; judging again with
//! what was remembered gives the same holds; an approval covers exactly its list.
//! - Every meter counts the **fresh** changes: neither approved, nor rejected, nor judged before. When
//!   they are more than it has left, all of them are held, before the first is written.
//! - They are counted even when another guard holds them too; each appears in one hold, that of the
//!   first guard.
//! - A change that follows another shares its fate and counts nowhere.
//! - A change is judged in parts, one for each thing that a guard watches; the rest of it waits for
//!   none of them.
//! - What was held before stays so, under its own hold, also when a budget grows or something else about
//!   the entity changes: somebody asks about it already. It is counted no more, so the leaver of the next
//!   minute does not wait behind it.
//! - A word is about what was shown. Another guarded value is held again, and asked about again.
//! - What was cleared unasked and is not made yet stays cleared unless somebody rejects it, and uses up
//!   the rolling day as if it were made: nobody is held because a target is slow.
//!
//! Populations are those of the ledger, so a plan cannot move its own limits. Nothing here is stored:
//! the caller keeps [`Judgement::remember`] and [`Judgement::cleared_unasked`] and hands them back as
//! [`JudgementContext::held`] and [`JudgementContext::cleared`].

mod bucket;
mod cleared;
mod finding;
mod guarded;
mod held;
mod limit;
mod memory;
mod meter;
mod part;
mod trial;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use cleared::{Clearance, Cleared, ClearedPlan};
pub use finding::Finding;
pub use guarded::{Aspect, Claims, Guarded, claims};
pub use held::{HeldChange, HeldPlan};
pub use limit::{Population, SourcePopulation};
pub use memory::{Approval, HeldBefore, Rejection};
pub use meter::{Guard, Meter, Of, is_destructive};
pub use part::pieces;
pub use trial::{Stage, Step, Trial, try_first};
pub use window::Window;

use self::bucket::{HoldBucket, Limited, limited, readings};
use self::memory::{Memory, OperatorDecision};
use self::part::{Extent, together};
use super::model::{DigestKey, Entity, GroupKey, PersonId, Timestamp};
use super::plan::{Action, Change, Changes};
use super::policy::{Adopt, Budgets};

/// What the judgement of one target rests on beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JudgementContext {
    /// What the ids of holds are made with.
    pub digests: DigestKey,
    /// What the target holds of ours.
    pub population: Population,
    /// Changes of the last 24 hours that were made unasked.
    pub spent: BTreeMap<Meter, u64>,
    /// Who was deactivated unasked in that time. Whoever comes back by somebody else's hand and is to be
    /// deactivated again uses up nothing more of the day: it counts people.
    pub departed: BTreeSet<PersonId>,
    /// What earlier judgements held.
    pub held: Vec<HeldBefore>,
    /// What of that cannot be judged now, because it is left out of the plan or nobody knows whether it is
    /// wanted still: it stays held.
    pub unjudged: BTreeSet<Guarded>,
    /// What earlier judgements cleared unasked and nobody has made yet, because the target is slow:
    /// [`Judgement::cleared_unasked`], kept in memory only. It stays cleared and uses up the day as
    /// if it had been made. Without what sits in escrow: nobody is about to make that, and it would
    /// use up the day for as long as it is stuck. Empty after a restart and with another
    /// configuration: then all of it is fresh once more, and held rather than let through.
    pub cleared: Claims,
    /// What people approved.
    pub approvals: Vec<Approval>,
    /// What people rejected.
    pub rejections: Vec<Rejection>,
    /// What people announced, as far as it is in force.
    pub windows: Vec<Window>,
    /// What rests on a change of the rules rather than on what a source said.
    pub resting: BTreeSet<Guarded>,
    /// Groups that a source shows without any member, while nothing was said of who left: none of them is
    /// emptied unasked, whatever its size.
    pub emptied: BTreeSet<GroupKey>,
    /// From first contact until the backlog of creates has once been empty: creates are not limited.
    pub first_import: bool,
    /// What happens to accounts that exist already. [`Adopt::Approve`] holds more than
    /// [`super::policy::ADOPTIONS_UNASKED_MAX`] at once, and twice that in a day, at first contact as
    /// later: whoever is found after months of running is no less somebody else's account.
    pub adopt: Adopt,
}

impl JudgementContext {
    /// Whether the person was deactivated unasked in the last 24 hours.
    fn is_departed(&self, entity: &Entity) -> bool {
        matches!(entity, Entity::Account(person) if self.departed.contains(person))
    }
}

/// What may be made, and what may not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What may be made.
    pub cleared: ClearedPlan,
    /// What waits, followers too.
    pub held: HeldPlan,
    /// What it waits for, in the order of guard, source and time.
    pub holds: Vec<Hold>,
    /// What the next judgement must be told as [`JudgementContext::held`], also after a restart.
    pub remember: Vec<HeldBefore>,
    /// What the next judgement must be told as [`JudgementContext::cleared`] until it is made: the changes
    /// that a meter counts and nobody was asked about. What nothing limits needs no remembering.
    pub cleared_unasked: Claims,
}

/// Changes that wait for one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What `approve` and `reject` are told.
    pub id: HoldId,
    /// The count that was exceeded.
    pub meter: Meter,
    /// Of how many entities something waits; followers are not counted.
    pub count: u64,
    /// Of how many of them nobody has decided.
    pub open: u64,
    /// How many the meter had left for them.
    pub limit: u64,
    /// Since when.
    pub since: Timestamp,
    /// What waits, without followers. An approval or a rejection of the hold lists this.
    pub claims: Claims,
    /// Where no change waits but a finding: what it says.
    pub finding: Option<Arc<str>>,
    /// What was met when it had been approved and the first of it was made.
    pub surprise: Option<Arc<str>>,
    /// Who rejected them all, if somebody did.
    pub rejected: Option<Arc<str>>,
}

impl Hold {
    /// What something waits of.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.claims.keys().filter_map(Guarded::entity)
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

    /// Of what it holds, by the key of the installation: whoever is shown the id cannot try out what it
    /// stands for.
    fn of(key: &DigestKey, meter: &Meter, claims: &Claims) -> Self {
        let mut short = [0; 6];
        let whole = key.digest("hold", &(meter, claims));
        short.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
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
    context: &JudgementContext,
    budgets: &Budgets,
    now: Timestamp,
) -> Judgement {
    let memory = Memory::of(context, now);
    let limited = limited(&changes, context, &memory);
    let readings = readings(&limited, &changes, context, budgets);
    let mut buckets: BTreeMap<HoldBucket<'_>, Heap<'_>> = BTreeMap::new();
    for item in &limited {
        if let Some(bucket) = item.bucket(&readings, now) {
            buckets.entry(bucket).or_default().items.push(item);
        }
    }
    for (at, held) in context.held.iter().enumerate() {
        let mut unjudged = held.claims.clone();
        unjudged.retain(|subject, _| context.unjudged.contains(subject));
        if !unjudged.is_empty() {
            buckets.entry(HoldBucket::after(at, held)).or_default().unjudged = unjudged;
        }
    }
    let mut holds = Vec::new();
    let mut ids = BTreeMap::new();
    let mut remember = Vec::new();
    for (bucket, heap) in &buckets {
        remember.push(HeldBefore {
            meter: bucket.meter.clone(),
            limit: bucket.limit,
            since: bucket.since,
            claims: heap.claims(),
        });
        if let Some(hold) = hold(*bucket, heap, &memory, &context.digests) {
            ids.insert(*bucket, hold.id);
            holds.push(hold);
        }
    }
    let core = limited.iter().filter(|item| item.extent == Extent::Core && !item.is_approved());
    let waits_whole = core.filter(|item| item.bucket(&readings, now).is_some());
    let waits_whole: BTreeSet<&Entity> = waits_whole.map(|item| item.entity).collect();
    let mut rulings = Rulings::new();
    let mut cleared_unasked = Claims::new();
    for item in &limited {
        let ruling = match item.word {
            Some(OperatorDecision::Approved(approval)) => {
                let Approval { by, at, until, .. } = approval.clone();
                Ruling::Cleared(Clearance::Approved { by, at, until, meters: Vec::new() })
            }
            Some(OperatorDecision::Rejected(_)) | None => {
                if let Some(&id) = item.bucket(&readings, now).and_then(|bucket| ids.get(&bucket)) {
                    Ruling::Held(id)
                } else {
                    // What waits for the rest of its change is not about to be made.
                    if !waits_whole.contains(item.entity) {
                        cleared_unasked.extend(item.claims.iter().cloned());
                    }
                    Ruling::Cleared(Clearance::Unasked { meters: item.meters.clone() })
                }
            }
        };
        let of = rulings.entry(item.entity.clone()).or_default();
        of.push((item.extent.clone(), ruling));
    }
    let (cleared, held) = split(changes, &rulings);
    Judgement { cleared, held, holds, remember, cleared_unasked }
}

/// What lies in one bucket.
#[derive(Default)]
struct Heap<'a> {
    items: Vec<&'a Limited<'a>>,
    /// What belongs to it and cannot be judged now.
    unjudged: Claims,
}

impl Heap<'_> {
    fn claims(&self) -> Claims {
        let judged = self.items.iter().flat_map(|item| item.claims.iter().cloned());
        self.unjudged.clone().into_iter().chain(judged).collect()
    }
}

/// The decision about one part of a change.
enum Ruling {
    Cleared(Clearance),
    Held(HoldId),
}

type Rulings = BTreeMap<Entity, Vec<(Extent, Ruling)>>;

/// The hold that a bucket makes; none when all of it is approved.
fn hold(
    bucket: HoldBucket<'_>,
    heap: &Heap<'_>,
    memory: &Memory<'_>,
    digests: &DigestKey,
) -> Option<Hold> {
    let unjudged = heap.unjudged.iter().map(|(subject, shown)| {
        let word = memory.word([(subject, *shown)]);
        (word, vec![(subject.clone(), *shown)])
    });
    let judged = heap.items.iter().map(|item| (item.word, item.claims.clone()));
    let mut waiting: Vec<_> = unjudged.chain(judged).collect();
    waiting.retain(|(word, _)| !matches!(word, Some(OperatorDecision::Approved(_))));
    let mut rejected = waiting.iter().map(|(word, _)| match word {
        Some(OperatorDecision::Rejected(rejection)) => Some(&rejection.by),
        Some(OperatorDecision::Approved(_)) | None => None,
    });
    let first = rejected.next()?;
    let rejected = first.filter(|_| rejected.all(|by| by.is_some())).cloned();
    let undecided = waiting.iter().filter(|(word, _)| word.is_none());
    let open = count(undecided.flat_map(|(_, claims)| claims).map(|(guarded, _)| guarded));
    let claims: Claims = waiting.into_iter().flat_map(|(_, claims)| claims).collect();
    Some(Hold {
        id: HoldId::of(digests, bucket.meter, &claims),
        meter: bucket.meter.clone(),
        count: count(claims.keys()),
        open,
        limit: bucket.limit,
        since: bucket.since,
        claims,
        finding: None,
        surprise: None,
        rejected,
    })
}

/// Of how many entities these are.
fn count<'a>(guarded: impl Iterator<Item = &'a Guarded>) -> u64 {
    let entities: BTreeSet<&Entity> = guarded.filter_map(Guarded::entity).collect();
    entities.len().try_into().unwrap_or(u64::MAX)
}

/// Carries the rulings out. What has none of its own follows another change, or is not limited.
fn split(changes: Changes, rulings: &Rulings) -> (ClearedPlan, HeldPlan) {
    let mut cleared = Vec::new();
    let mut held = Vec::new();
    for change in changes.into_values() {
        if let Some(parts) = rulings.get(&change.entity) {
            divide(&change, parts, &mut cleared, &mut held);
            continue;
        }
        let leaders: Vec<_> = change.leaders().collect();
        let of_leaders = || leaders.iter().filter_map(|leader| core(rulings.get(leader)?));
        let waits = of_leaders().find_map(|ruling| match ruling {
            Ruling::Held(id) => Some(*id),
            Ruling::Cleared(_) => None,
        });
        if let Some(hold) = waits {
            held.push(HeldChange { hold, change, is_core: true });
            continue;
        }
        let clearances = of_leaders().filter_map(|ruling| match ruling {
            Ruling::Cleared(clearance) => Some(clearance),
            Ruling::Held(_) => None,
        });
        let clearance = together(clearances).of_follower();
        cleared.push(Cleared::new(change, clearance));
    }
    (ClearedPlan::new(cleared.into_iter().collect()), HeldPlan::new(held))
}

/// The ruling about what is done to the entity as a whole.
fn core(parts: &[(Extent, Ruling)]) -> Option<&Ruling> {
    let found = parts.iter().find(|(extent, _)| *extent == Extent::Core);
    found.map(|(_, ruling)| ruling)
}

/// Divides a change into what may be made and what waits.
fn divide(
    change: &Arc<Change>,
    parts: &[(Extent, Ruling)],
    cleared: &mut Vec<Cleared>,
    held: &mut Vec<HeldChange>,
) {
    let mut holds: Vec<(HoldId, Vec<&Extent>)> = Vec::new();
    for (extent, ruling) in parts {
        let &Ruling::Held(id) = ruling else { continue };
        match holds.iter_mut().find(|(known, _)| *known == id) {
            Some((_, extents)) => extents.push(extent),
            None => holds.push((id, vec![extent])),
        }
    }
    let waits = |path: &_| {
        let mut extents = holds.iter().flat_map(|(_, extents)| extents);
        extents.any(|extent| extent.has(path))
    };
    let is_all_held = change.action == Action::Update && change.after.keys().all(waits);
    let core_waits = matches!(core(parts), Some(Ruling::Held(_)));
    if !core_waits && !is_all_held {
        let clearance = together(parts.iter().filter_map(|(_, ruling)| match ruling {
            Ruling::Cleared(clearance) => Some(clearance),
            Ruling::Held(_) => None,
        }));
        let may = if holds.is_empty() {
            Arc::clone(change)
        } else {
            Arc::new(change.only(|path| !waits(path)))
        };
        cleared.push(Cleared::new(may, clearance));
    }
    for (hold, extents) in &holds {
        let is_core = extents.contains(&&Extent::Core);
        let has = |path: &_| extents.iter().any(|extent| extent.has(path));
        // The core takes along whatever does not wait by itself.
        let change = Arc::new(change.only(|path| has(path) || (is_core && !waits(path))));
        held.push(HeldChange { hold: *hold, change, is_core });
    }
}
