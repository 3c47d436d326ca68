//! What apply accepts. Nothing outside `judge` can make one, so that no change reaches a target
//! unjudged.

use std::sync::Arc;

use super::meter::Meter;
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::{ByEntity, Change, OfEntity};

/// The changes that may be made. It can be narrowed, never widened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClearedPlan {
    changes: ByEntity<Cleared>,
}

/// One change that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    change: Arc<Change>,
    clearance: Clearance,
}

/// Why a change may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clearance {
    /// It stays within every budget. Once confirmed it counts with each of these meters for a day.
    Unasked {
        /// None for changes that nothing limits, and for those that follow another change.
        meters: Vec<Meter>,
    },
    /// Somebody approved it or a part of it, or the change that it follows. What was approved counts
    /// nowhere.
    Approved {
        /// Who.
        by: Arc<str>,
        /// When the approval was given.
        at: Timestamp,
        /// When it ends: nothing is sent on it from then on.
        until: Timestamp,
        /// What counts the parts of it that nobody was asked about.
        meters: Vec<Meter>,
    },
}

impl Clearance {
    /// The meters that count it for a day.
    pub fn meters(&self) -> &[Meter] {
        match self {
            Self::Unasked { meters } | Self::Approved { meters, .. } => meters,
        }
    }

    /// Who approved it, and when.
    pub fn approval(&self) -> Option<(&Arc<str>, Timestamp)> {
        match self {
            Self::Approved { by, at, .. } => Some((by, *at)),
            Self::Unasked { .. } => None,
        }
    }

    /// When the word ends that it rests on.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Approved { until, .. } => Some(*until),
            Self::Unasked { .. } => None,
        }
    }

    /// Why what follows the change may be made: it counts nowhere.
    pub(super) fn of_follower(&self) -> Self {
        match self {
            Self::Unasked { .. } => Self::Unasked { meters: Vec::new() },
            Self::Approved { by, at, until, meters: _ } => {
                Self::Approved { by: by.clone(), at: *at, until: *until, meters: Vec::new() }
            }
        }
    }
}

impl OfEntity for Cleared {
    fn entity(&self) -> &Entity {
        &self.change.entity
    }
}

impl Cleared {
    pub(super) fn new(change: Arc<Change>, clearance: Clearance) -> Self {
        Self { change, clearance }
    }

    /// The change.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Why it may be made.
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }

    /// Whether somebody approved this very change, which would now be made unasked.
    pub fn stands_for(&self, other: &Self) -> bool {
        matches!(self.clearance, Clearance::Approved { .. })
            && matches!(other.clearance, Clearance::Unasked { .. })
            && self.change.digest() == other.change.digest()
    }

    /// Both, to keep.
    pub fn into_parts(self) -> (Arc<Change>, Clearance) {
        (self.change, self.clearance)
    }
}

impl ClearedPlan {
    pub(super) fn new(changes: ByEntity<Cleared>) -> Self {
        Self { changes }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change of one entity.
    pub fn get(&self, entity: &Entity) -> Option<&Cleared> {
        self.changes.get(entity)
    }

    /// All changes by entity.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Cleared> {
        self.changes.values()
    }

    /// All changes by entity, taken apart.
    pub fn into_values(self) -> impl Iterator<Item = Cleared> {
        self.changes.into_values()
    }

    /// Leaves out the changes that `keep` does not want, as a saved plan does with all but its own.
    pub fn retain(&mut self, keep: impl FnMut(&Cleared) -> bool) {
        self.changes.retain(keep);
    }
}
