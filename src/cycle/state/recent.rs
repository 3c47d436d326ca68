//! What counts of the journal while the service runs: the outcomes of the last day, and the last of some
//! things.

use std::collections::BTreeMap;

use super::spent::Spent;
use super::{WINDOW, hour_of};
use crate::audit::{DecisionKind, Entry, Stored};
use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::cycle::records::decode;
use crate::store::{Store, StoreError};

/// Kept up to date entry by entry; a start counts all that there are, once.
#[derive(Debug, Default)]
pub struct Recent {
    /// What was changed unasked.
    pub(in crate::cycle) spent: Spent,
    /// Changes confirmed, by the hour and by action; older ones than a day's are dropped.
    confirmed: BTreeMap<(i64, Action), u64>,
    /// When the target last confirmed a change.
    pub last_change: Option<Timestamp>,
    /// When the state was copied into a backup last.
    pub last_backup: Option<Timestamp>,
}

impl Recent {
    /// Counts the journal in the store.
    pub(super) fn load(store: &dyn Store, now: Timestamp) -> Result<Self, StoreError> {
        let mut recent = Self::default();
        // One after the other: a first load leaves more of them than should be held at once.
        store.for_each(b"journal/", &mut |_, value| {
            if let Some(Stored { entry, .. }) = decode(value) {
                recent.note(&entry, now);
            }
        })?;
        Ok(recent)
    }

    /// Counts one more entry.
    pub(in crate::cycle) fn note(&mut self, entry: &Entry, now: Timestamp) {
        match entry {
            Entry::Write(write) if write.refused.is_none() => {
                self.last_change = Some(write.at);
                if now.since(write.at) < WINDOW {
                    self.spent.add(write.at, &write.entity, &write.meters);
                }
                let hour = hour_of(write.at);
                *self.confirmed.entry((hour, write.action)).or_default() += 1;
                while let Some(oldest) = self.confirmed.first_entry()
                    && oldest.key().0 < hour - 24
                {
                    oldest.remove();
                }
            }
            Entry::Decision(decision) if decision.kind == DecisionKind::Backup => {
                self.last_backup = Some(decision.at);
            }
            Entry::Write(_) | Entry::Decision(_) => {}
        }
    }

    /// Changes confirmed in the hour `now` and the 24 before, by action.
    pub(in crate::cycle) fn last_day(&self, now: i64) -> BTreeMap<Action, u64> {
        let mut counts = BTreeMap::new();
        for ((_, action), count) in self.confirmed.range((now - 24, Action::Create)..) {
            *counts.entry(*action).or_default() += count;
        }
        counts
    }
}
