//! Adoptions: what is taken over, and whether it carries the id of somebody else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Action, Change, Difference};
use crate::core::model::{AttrPath, Attributes, Datum, Entity, GroupKey, ObjectId, ScimId};
use crate::core::survey::Candidate;

/// The account or group that an adoption takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its id on the target.
    pub id: ScimId,
    /// The `externalId` that it carries, where that is no id of ours for the entity and looks like the one of
    /// another. Then it was found by its name alone, and may be theirs.
    pub of_another: Option<Arc<str>>,
}

/// Takes over what was found, and brings it in line.
pub(super) fn adoption(entity: Entity, candidate: &Candidate, found: Difference) -> Change {
    let Candidate { id, attributes, members: _ } = candidate;
    let action = match &entity {
        Entity::Account(_) => Action::Adopt,
        Entity::Group(_) | Entity::Member(..) => Action::GroupAdopt,
    };
    let of_another = carried(attributes).filter(|carried| is_of_another(&entity, carried));
    let mut reason = format!("exists on the platform as {id}");
    if of_another.is_some() {
        reason.push_str(match &entity {
            Entity::Account(_) => {
                "; it was found by its login name alone and carries the id of another person"
            }
            Entity::Group(_) | Entity::Member(..) => {
                "; it was found by its name alone and carries the id of another group"
            }
        });
        if attributes.get(&AttrPath::active()) == Some(&Datum::Bool(false)) {
            reason.push_str(", and it is inactive");
        }
    }
    let taken = Taken { id: id.clone(), of_another: of_another.map(Arc::from) };
    Change {
        entity,
        action,
        before: found.before,
        after: found.after,
        reason: reason.into(),
        follows: None,
        adopts: Some(Box::new(taken)),
    }
}

/// Whether the resource carries the entity's own id.
pub(super) fn is_its_own(entity: &Entity, attributes: &Attributes) -> bool {
    let ours = match entity {
        Entity::Account(person) => person.object.to_string(),
        Entity::Group(key) | Entity::Member(key, _) => key.external_id(),
    };
    carried(attributes).is_some_and(|carried| carried.to_lowercase() == ours.to_lowercase())
}

fn carried(attributes: &Attributes) -> Option<&str> {
    attributes.get(&AttrPath::external_id()).and_then(Datum::as_text)
}

/// Whether this is an `externalId` as we write it, and another one than the entity's. Some targets keep a
/// spelling of their own. What other tools write, such as nicknames and numbers, says nothing.
fn is_of_another(entity: &Entity, carried: &str) -> bool {
    match (entity, ObjectId::parse(carried)) {
        (Entity::Account(person), object) => object.is_some_and(|object| object != person.object),
        (Entity::Group(key) | Entity::Member(key, _), Some(object)) => {
            !matches!(key, GroupKey::Directory { object: ours, .. } if *ours == object)
        }
        (Entity::Group(key) | Entity::Member(key, _), None) => {
            GroupKey::parse(carried).is_some()
                && carried.to_lowercase() != key.external_id().to_lowercase()
        }
    }
}
