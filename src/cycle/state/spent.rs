//! What was changed unasked in the last 24 hours, by meter: counted as it comes and as it goes, since a
//! judgement of an idle day asks for it too.

use std::collections::BTreeMap;

use super::WINDOW;
use crate::core::judge::Meter;
use crate::core::model::Timestamp;

/// Outcomes that count.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Spent {
    made: BTreeMap<Timestamp, Vec<Meter>>,
    counts: BTreeMap<Meter, u64>,
}

impl Spent {
    /// Adds one outcome.
    pub(in crate::cycle) fn add(&mut self, at: Timestamp, meters: &[Meter]) {
        if meters.is_empty() {
            return;
        }
        for meter in meters {
            *self.counts.entry(meter.clone()).or_default() += 1;
        }
        self.made.entry(at).or_default().extend_from_slice(meters);
    }

    /// How often each meter counts by now. What has become too old is forgotten.
    pub(in crate::cycle) fn counts(&mut self, now: Timestamp) -> &BTreeMap<Meter, u64> {
        while let Some(first) = self.made.first_entry()
            && now.since(*first.key()) >= WINDOW
        {
            for meter in first.remove() {
                if let Some(count) = self.counts.get_mut(&meter) {
                    *count -= 1;
                }
            }
        }
        self.counts.retain(|_, count| *count > 0);
        &self.counts
    }
}

#[cfg(test)]
mod tests;
