//! What was changed unasked in the last 24 hours, by meter: counted as it comes and as it goes, since a
//! judgement of an idle day asks for it too. Of deactivations it counts people: whoever is made active again
//! by another hand, and deactivated once more, counts once.

use std::collections::{BTreeMap, BTreeSet};

use super::WINDOW;
use crate::core::judge::{Guard, Meter};
use crate::core::model::{Entity, PersonId, Timestamp};

/// Outcomes that count.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Spent {
    made: BTreeMap<Timestamp, Vec<(Meter, Option<PersonId>)>>,
    counts: BTreeMap<Meter, u64>,
    /// How often each person was deactivated.
    departed: BTreeMap<(PersonId, Meter), u64>,
}

impl Spent {
    /// Adds one outcome.
    pub(in crate::cycle) fn add(&mut self, at: Timestamp, entity: &Entity, meters: &[Meter]) {
        for meter in meters {
            let person = match entity {
                Entity::Account(person) if meter.guard == Guard::Deactivate => Some(*person),
                _ => None,
            };
            let is_first = person.is_none_or(|person| {
                let times = self.departed.entry((person, meter.clone())).or_default();
                *times += 1;
                *times == 1
            });
            if is_first {
                *self.counts.entry(meter.clone()).or_default() += 1;
            }
            self.made.entry(at).or_default().push((meter.clone(), person));
        }
    }

    /// How often each meter counts by now. What has become too old is forgotten.
    pub(in crate::cycle) fn counts(&mut self, now: Timestamp) -> &BTreeMap<Meter, u64> {
        while let Some(first) = self.made.first_entry()
            && now.since(*first.key()) >= WINDOW
        {
            for (meter, person) in first.remove() {
                if person.is_some_and(|person| self.is_departed_still(person, &meter)) {
                    continue;
                }
                if let Some(count) = self.counts.get_mut(&meter) {
                    *count -= 1;
                }
            }
        }
        self.counts.retain(|_, count| *count > 0);
        &self.counts
    }

    /// Who was deactivated, by what [`Spent::counts`] last looked at.
    pub(in crate::cycle) fn departed(&self) -> BTreeSet<PersonId> {
        self.departed.keys().map(|(person, _)| *person).collect()
    }

    /// One departure has become too old: whether a later one of the same person counts still.
    fn is_departed_still(&mut self, person: PersonId, meter: &Meter) -> bool {
        let key = (person, meter.clone());
        let Some(times) = self.departed.get_mut(&key) else { return false };
        *times -= 1;
        let is_still = *times > 0;
        if !is_still {
            self.departed.remove(&key);
        }
        is_still
    }
}

#[cfg(test)]
mod tests;
