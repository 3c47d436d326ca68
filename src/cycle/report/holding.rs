//! Writes down what is held, and what it would change. Records stay small: a hold is kept in parts.

use std::collections::BTreeMap;

use super::HoldRecord;
use crate::audit::{Decision, DecisionKind, Hash};
use crate::core::judge::{Hold, HoldId, claims};
use crate::core::plan::Change;
use crate::core::words::plural;
use crate::cycle::Engine;
use crate::cycle::guards::is_part;
use crate::cycle::records::Key;

/// Claims in one record of a hold.
const CLAIMS_PER_PART: usize = 500;

impl Engine {
    pub(super) fn note_holds(&mut self) {
        let before = std::mem::take(&mut self.reporting.noted.holds);
        let mut now: BTreeMap<HoldId, HoldRecord> =
            self.holds().iter().map(|hold| (hold.id, record_of(hold))).collect();
        // What was not judged yet since the start stays noted as it was.
        let is_unjudged = |hold: &HoldRecord| {
            self.target.planning.judgement.is_none() && !hold.meter.guard.finds()
        };
        let unjudged = before.iter().filter(|(_, hold)| is_unjudged(hold));
        now.extend(unjudged.map(|(id, hold)| (*id, hold.clone())));
        for (id, hold) in &before {
            if now.get(id) != Some(hold) {
                for at in 0..parts_of(hold) {
                    self.state.put::<HoldRecord>(Key::HoldPart(*id, at), None);
                }
            }
        }
        for (id, hold) in &now {
            let is_rest = before.values().any(|one| is_part(&hold.claims, &one.claims));
            if !is_rest {
                let (count, guard) = (hold.count, hold.meter.guard.name());
                self.state.decide(Decision {
                    at: hold.since,
                    kind: DecisionKind::Hold,
                    entity: None,
                    by: None,
                    detail: format!(
                        "{id}: {count} {}, held by {guard} (limit {})",
                        plural(count, "waits", "wait"),
                        hold.limit
                    ),
                    changes: Some(Hash::keyed(self.state.digests(), &hold.claims)),
                });
            }
            if before.get(id) != Some(hold) {
                let claims: Vec<_> = hold.claims.clone().into_iter().collect();
                for (at, part) in (0..).zip(claims.chunks(CLAIMS_PER_PART)) {
                    let claims = part.iter().cloned().collect();
                    let part = HoldRecord { claims, ..hold.clone() };
                    self.state.put(Key::HoldPart(*id, at), Some(&part));
                }
            }
        }
        self.note_held_changes(&now);
        self.reporting.noted.holds = now;
    }

    /// Writes down what the held changes would do, each under the first thing of it that is guarded.
    fn note_held_changes(&mut self, holds: &BTreeMap<HoldId, HoldRecord>) {
        let mut before = std::mem::take(&mut self.reporting.noted.held);
        let mut now = BTreeMap::new();
        let judged =
            self.target.planning.judgement.iter().flat_map(|judgement| judgement.held.values());
        for held in judged {
            let Some(hold) = holds.get(&held.hold) else { continue };
            let claims = claims(&held.change);
            let Some(first) = claims.into_keys().find(|one| hold.claims.contains_key(one)) else {
                continue;
            };
            let digest = held.change.digest();
            if before.remove(&first) != Some(digest) {
                self.state.put(Key::HeldChange(first.clone()), Some(&*held.change));
            }
            now.insert(first, digest);
        }
        for (guarded, digest) in before {
            // What cannot be judged now stays noted as it was.
            if holds.values().any(|hold| hold.claims.contains_key(&guarded)) {
                now.insert(guarded, digest);
            } else {
                self.state.put::<Change>(Key::HeldChange(guarded), None);
            }
        }
        self.reporting.noted.held = now;
    }
}

fn record_of(hold: &Hold) -> HoldRecord {
    HoldRecord {
        id: hold.id,
        meter: hold.meter.clone(),
        limit: hold.limit,
        since: hold.since,
        rejected: hold.rejected.clone(),
        count: hold.count,
        words: hold.finding.clone().or_else(|| hold.surprise.clone()),
        claims: hold.claims.clone(),
    }
}

fn parts_of(hold: &HoldRecord) -> u32 {
    u32::try_from(hold.claims.len().div_ceil(CLAIMS_PER_PART)).unwrap_or(u32::MAX)
}
