//! Announced windows: somebody said beforehand that more of one kind is to come, such as the end of
//! the summer jobs. A window raises one budget for a time; every other guard stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::meter::{Guard, Meter};
use crate::core::model::Timestamp;

/// An announced window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// What `allow --revoke` is told.
    pub id: u32,
    /// The budget that it raises.
    pub guard: Guard,
    /// So many may be made in all beside what the budget gives: of each tenant, or of each group or
    /// attribute where the budget counts those. They are used up first.
    pub count: u64,
    /// When it was announced, and begins.
    pub at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Who announced it.
    pub by: Arc<str>,
    /// Why.
    pub reason: String,
    /// What was made of it, by count.
    pub used: BTreeMap<Meter, u64>,
    /// When it was revoked before its time, and by whom.
    pub revoked: Option<(Timestamp, Arc<str>)>,
}

impl Window {
    /// Whether it is in force.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.at <= now && now < self.until && self.revoked.is_none()
    }

    /// How many it still allows.
    pub fn left(&self, meter: &Meter) -> u64 {
        self.count.saturating_sub(self.used.get(meter).copied().unwrap_or(0))
    }

    /// Notes one that was made; `false` when nothing of it is left.
    pub fn spend(&mut self, meter: &Meter, at: Timestamp) -> bool {
        let spends = meter.guard == self.guard && self.is_open(at) && self.left(meter) > 0;
        if spends {
            *self.used.entry(meter.clone()).or_default() += 1;
        }
        spends
    }
}
