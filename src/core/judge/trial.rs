//! Trials: what somebody approved as a whole is made in part first. Of more than ten destructive changes
//! three are made and read back; the rest follows once the target shows what was expected of them.
//!
//! A trial only narrows a [`ClearedPlan`]. What it met is found out by who reads the target: the first
//! surprise ends the approval, and what is left of it waits again under the hold that it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cleared::{Clearance, ClearedPlan};
use super::guarded::{Claims, claims};
use super::memory::Approval;
use super::meter::is_destructive;
use crate::core::model::{Attributes, Entity, Timestamp};
use crate::core::plan::{Change, ChangeDigest};

/// An approval of more destructive changes than this is tried out. Fewer can be looked at one by one
/// by whoever approves them.
const TRIED_ABOVE: usize = 10;

/// So many are made first: enough to see that it is no accident, few enough to be repaired by hand.
const SAMPLE: usize = 3;

/// The trial of one approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Who approved.
    pub by: Arc<str>,
    /// When. Together they name the approval.
    pub at: Timestamp,
    /// What is made first.
    pub sample: BTreeMap<Entity, Step>,
    /// Since when, and why, nothing more is made of it.
    pub surprise: Option<(Timestamp, String)>,
}

/// One change that is made first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The change.
    pub digest: ChangeDigest,
    /// What guards watch of it.
    pub claims: Claims,
    /// What it takes away, as the target had it.
    pub before: Attributes,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a change on trial has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// To be made.
    Chosen,
    /// Confirmed, and to be read back.
    Made,
    /// Read back.
    Read,
}

impl Trial {
    fn of(by: Arc<str>, at: Timestamp) -> Self {
        Self { by, at, sample: BTreeMap::new(), surprise: None }
    }

    /// Whether it is the trial of this approval.
    pub fn is_of(&self, approval: &Approval) -> bool {
        self.at == approval.at && self.by == approval.by
    }

    /// Whether the rest may follow.
    pub fn has_passed(&self) -> bool {
        let mut sample = self.sample.values();
        self.surprise.is_none()
            && self.sample.len() >= SAMPLE
            && sample.all(|step| step.stage == Stage::Read)
    }

    /// Brings the sample up to date with what is approved and not made, the first in the order in which
    /// it would be sent. What is on its way stays, and what is gone from the plan gives way.
    fn choose(&mut self, open: &BTreeMap<&Entity, &Change>, is_busy: &impl Fn(&Entity) -> bool) {
        self.sample.retain(|entity, step| {
            step.stage != Stage::Chosen
                || is_busy(entity)
                || open.get(entity).is_some_and(|change| change.digest() == step.digest)
        });
        let mut next: Vec<&Change> = open.values().copied().collect();
        next.sort_by_key(|change| change.action.rank());
        for change in next {
            if self.sample.len() >= SAMPLE {
                break;
            }
            self.sample.entry(change.entity.clone()).or_insert_with(|| Step {
                digest: change.digest(),
                claims: claims(change),
                before: change.before.clone(),
                stage: Stage::Chosen,
            });
        }
    }
}

/// Leaves in the plan, of what was approved as a whole, what is to be made first; the rest too once the
/// trial has passed. `is_busy` says whether a write of the entity is in flight. Approvals that a surprise
/// has ended are not in force, so nothing in the plan rests on them.
pub fn try_first(
    plan: &mut ClearedPlan,
    trials: &mut Vec<Trial>,
    is_busy: impl Fn(&Entity) -> bool,
) {
    let mut waits = BTreeSet::new();
    for ((at, by), open) in approved(plan) {
        let found = trials.iter().position(|trial| trial.at == at && *trial.by == **by);
        let trial = match found.and_then(|found| trials.get_mut(found)) {
            Some(trial) => trial,
            None if open.len() <= TRIED_ABOVE => continue,
            None => trials.push_mut(Trial::of(Arc::clone(by), at)),
        };
        if trial.has_passed() {
            continue;
        }
        trial.choose(&open, &is_busy);
        let rest = open.keys().filter(|entity| !trial.sample.contains_key(**entity));
        waits.extend(rest.map(|entity| (*entity).clone()));
    }
    plan.retain(|cleared| {
        let change = cleared.change();
        let leads = change.leaders().any(|leader| waits.contains(&leader));
        !leads && !waits.contains(&change.entity)
    });
}

type Open<'a> = BTreeMap<&'a Entity, &'a Change>;

/// The destructive changes by the approval that clears them. What follows another change goes with it.
fn approved(plan: &ClearedPlan) -> BTreeMap<(Timestamp, &Arc<str>), Open<'_>> {
    let mut found: BTreeMap<_, Open<'_>> = BTreeMap::new();
    for cleared in plan.values() {
        let change = cleared.change();
        if let Clearance::Approved { by, at, .. } = cleared.clearance()
            && !change.is_follower()
            && is_destructive(change)
        {
            found.entry((*at, by)).or_default().insert(&change.entity, change);
        }
    }
    found
}
