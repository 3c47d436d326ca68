//! What waits, by entity.

use std::sync::Arc;

use super::HoldId;
use crate::core::model::Entity;
use crate::core::plan::Change;

/// A change, or a part of one, that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The hold that it belongs to.
    pub hold: HoldId,
    /// The change, narrowed to what waits.
    pub change: Arc<Change>,
    /// Whether nothing else of the change is made without it.
    pub is_core: bool,
}

/// Everything that waits, followers too, in the order of the entities; several of one entity where its
/// change waits in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldPlan(Vec<HeldChange>);

impl HeldPlan {
    /// From what is in the order of the entities.
    pub(super) fn new(held: Vec<HeldChange>) -> Self {
        Self(held)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What waits of one entity.
    pub fn of(&self, entity: &Entity) -> &[HeldChange] {
        let start = self.0.partition_point(|held| held.change.entity < *entity);
        let rest = self.0.get(start..).unwrap_or_default();
        let end = rest.partition_point(|held| held.change.entity == *entity);
        rest.get(..end).unwrap_or_default()
    }

    /// Whether anything of the entity waits.
    pub fn contains_key(&self, entity: &Entity) -> bool {
        !self.of(entity).is_empty()
    }

    /// The entities.
    pub fn keys(&self) -> impl Iterator<Item = &Entity> {
        self.values().map(|held| &held.change.entity)
    }

    /// All of it.
    pub fn values(&self) -> impl Iterator<Item = &HeldChange> {
        self.0.iter()
    }
}
