//! What is left of approvals: each thing that one lists is approved once. It is used up when its change was
//! made, in the commit that records that, and when it is not wanted any more: whatever brings it up again
//! later is another accident, which nobody has seen yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{State, each, parse, record};
use crate::core::judge::{Approval, Aspect, Claims, Guarded, HoldId, claims};
use crate::core::model::{Entity, Timestamp, Wanted};
use crate::core::plan::{Change, ChangeDigest, is_held};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::store::StoreError;

impl State {
    /// What people approved and is not made yet.
    pub fn unmade(&self, now: Timestamp) -> impl Iterator<Item = &Approval> {
        let in_force = self.approvals_in_force();
        in_force.filter(move |word| now < word.until && !word.claims.is_empty())
    }

    /// What was approved of holds that begin so, and is wanted still and not made, also where the time of
    /// the approval is over: that can be rejected.
    pub fn left_of_approvals(&self, id: &str) -> BTreeMap<HoldId, Claims> {
        let mut left: BTreeMap<HoldId, Claims> = BTreeMap::new();
        for word in self.approvals_in_force().filter(|word| !word.claims.is_empty()) {
            if let Some(hold) = word.hold.filter(|hold| hold.answers_to(id)) {
                left.entry(hold).or_default().extend(word.claims.clone());
            }
        }
        left
    }

    /// What was approved for a time that is over, and was not made: nobody has judged it since as long as no
    /// hold has it.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = &Approval> {
        let in_force = self.approvals_in_force();
        in_force.filter(move |word| word.until <= now && !word.claims.is_empty())
    }

    /// No approval is good for this any more; with `None` for no value of it.
    pub(in crate::cycle) fn use_up(&mut self, guarded: &Guarded, only: Option<ChangeDigest>) {
        for approval in &mut self.approvals {
            let Some(&shown) = approval.claims.get(guarded) else { continue };
            if only.is_none_or(|only| only == shown) {
                approval.claims.remove(guarded);
                self.used.entry(guarded.clone()).or_default().insert(shown);
                self.marked.insert(Key::Used(guarded.clone()));
            }
        }
    }

    /// All approvals are about to be written as they are now: that says it all.
    pub(super) fn forget_used(&mut self) {
        for guarded in std::mem::take(&mut self.used).into_keys() {
            self.mark(Key::Used(guarded));
        }
    }

    /// What was used up since the approvals were written.
    pub(super) fn load_used(&mut self) -> Result<(), StoreError> {
        let store = std::sync::Arc::clone(&self.store);
        each(&*store, b"used/", |key, value| {
            if let Key::Used(guarded) = parse(key)? {
                let digests: BTreeSet<ChangeDigest> = record(key, value)?;
                for approval in &mut self.approvals {
                    if approval.claims.get(&guarded).is_some_and(|shown| digests.contains(shown)) {
                        approval.claims.remove(&guarded);
                    }
                }
                self.used.insert(guarded, digests);
            }
            Ok(())
        })
    }
}

impl Engine {
    /// The target has confirmed the change: what was approved of it is done.
    pub(in crate::cycle) fn use_up_made(&mut self, change: &Change) {
        if self.state.approvals.is_empty() {
            return;
        }
        for guarded in claims(change).into_keys() {
            if self.has_value(change, &guarded) {
                self.state.use_up(&guarded, None);
            }
        }
    }

    /// Whether the change has brought about what was guarded; of values a target may take only some.
    fn has_value(&self, change: &Change, guarded: &Guarded) -> bool {
        let Guarded::Of { entity: Entity::Account(person), aspect: Aspect::Value(path) } = guarded
        else {
            return true;
        };
        let Some(Wanted::Value(wanted)) = change.after.get(path) else { return true };
        let entry = self.state.ledger.accounts.get(person);
        entry.map_or(wanted.is_unassigned(), |entry| is_held(entry.holds(), path, wanted))
    }

    /// What was approved and is not wanted any more is approved no longer. What nobody can say for the moment
    /// stays approved, and so does what is on its way.
    pub(in crate::cycle) fn use_up_unwanted(&mut self) {
        let mut over = Vec::new();
        for approval in &self.state.approvals {
            let claims = approval.claims.iter();
            let unwanted = claims.filter(|(guarded, shown)| !self.is_wanted(guarded, **shown));
            over.extend(unwanted.map(|(guarded, shown)| (guarded.clone(), *shown)));
        }
        for (guarded, shown) in over {
            self.state.use_up(&guarded, Some(shown));
        }
    }

    fn is_wanted(&self, guarded: &Guarded, shown: ChangeDigest) -> bool {
        // What a finding says is not planned.
        let Some(entity) = guarded.entity() else { return true };
        let change = self.target.planning.planner.changes().get(entity);
        change.is_some_and(|change| claims(change).get(guarded) == Some(&shown))
            || self.state.ledger.doubts.contains_key(entity)
            || self.target.queue.is_busy(entity)
            || self.is_pending(entity)
            || self.is_unjudged(guarded)
    }
}
