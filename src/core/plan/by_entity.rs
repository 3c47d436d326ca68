//! A map whose values know their own key.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::RangeBounds;
use std::sync::Arc;

use super::Change;
use crate::core::model::Entity;

/// Something about one entity.
pub trait OfEntity {
    /// The entity.
    fn entity(&self) -> &Entity;
}

impl OfEntity for Arc<Change> {
    fn entity(&self) -> &Entity {
        &self.entity
    }
}

/// Each entity at most once, in their order. The entity is part of the value and not written down
/// beside it: a first load has half a million, and the entity is most of what a membership's change
/// says.
#[derive(Debug, Clone)]
pub struct ByEntity<T: OfEntity>(BTreeSet<Row<T>>);

/// A value in the place of its entity, and there equal to any other.
#[derive(Debug, Clone)]
struct Row<T>(T);

impl<T: OfEntity> Ord for Row<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.entity().cmp(other.0.entity())
    }
}

impl<T: OfEntity> PartialOrd for Row<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: OfEntity> Eq for Row<T> {}

impl<T: OfEntity> PartialEq for Row<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: OfEntity + Eq> Eq for ByEntity<T> {}

impl<T: OfEntity + PartialEq> PartialEq for ByEntity<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values().eq(other.values())
    }
}

impl<T: OfEntity> Borrow<Entity> for Row<T> {
    fn borrow(&self) -> &Entity {
        self.0.entity()
    }
}

impl<T: OfEntity> Default for ByEntity<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: OfEntity> ByEntity<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one entity.
    pub fn get(&self, entity: &Entity) -> Option<&T> {
        self.0.get(entity).map(|row| &row.0)
    }

    /// Whether the entity has a value.
    pub fn contains_key(&self, entity: &Entity) -> bool {
        self.0.contains(entity)
    }

    /// Puts a value in the place of whatever its entity had.
    pub fn insert(&mut self, value: T) {
        self.0.replace(Row(value));
    }

    /// Takes out the value of one entity.
    pub fn remove(&mut self, entity: &Entity) -> Option<T> {
        self.0.take(entity).map(|row| row.0)
    }

    /// Leaves the values that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.0.retain(|row| keep(&row.0));
    }

    /// All entities.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Entity> {
        self.values().map(T::entity)
    }

    /// All values, by entity.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().map(|row| &row.0)
    }

    /// All values, by entity, taken apart.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|row| row.0)
    }

    /// The values of some entities.
    pub fn range(&self, entities: impl RangeBounds<Entity>) -> impl Iterator<Item = &T> {
        self.0.range::<Entity, _>(entities).map(|row| &row.0)
    }
}

impl<T: OfEntity> FromIterator<T> for ByEntity<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().map(Row).collect())
    }
}
