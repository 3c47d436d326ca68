//! What a person's word, a hold and a clearance are about: of one entity, the one thing that a guard
//! watches. Whatever else changes about the entity is no part of it, so a word does not come loose when a
//! title changes; and a guarded value that becomes another one is another claim, which nobody has decided.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::JudgementContext;
use super::meter::Meter;
use super::part::{instead, parts};
use crate::core::model::{AttrPath, Entity};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::core::policy::Adopt;

/// What a guard watches. Once there are several targets, the name of the target is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Guarded {
    /// Of an account, a group or a membership.
    Of {
        /// Which.
        entity: Entity,
        /// What of it.
        aspect: Aspect,
    },
    /// What was found about a whole source or target.
    Finding(Meter),
}

/// What a guard watches of one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Aspect {
    /// That it is made. New ones go to the end: the store keeps them by number.
    Creation,
    /// Which existing resource is taken over, and whether that deactivates it.
    Adoption,
    /// That the account is deactivated.
    Departure,
    /// That the account is reactivated.
    Return,
    /// That it is removed for good.
    Deletion,
    /// That the person is taken out of the group.
    Removal,
    /// What the attribute becomes: a login name, a value cleared, an account activated.
    Value(AttrPath),
}

impl Guarded {
    /// The entity, unless it is about a whole source or target.
    pub fn entity(&self) -> Option<&Entity> {
        match self {
            Self::Of { entity, aspect: _ } => Some(entity),
            Self::Finding(_) => None,
        }
    }
}

/// What is guarded, each with the digest of what was shown of it: another value is another digest. What has
/// no value, such as a departure, has always the same.
pub type Claims = BTreeMap<Guarded, ChangeDigest>;

/// Everything that guards may watch in a change, whether or not they would stop it.
pub fn claims(change: &Change) -> Claims {
    let context = JudgementContext { adopt: Adopt::Approve, ..JudgementContext::default() };
    let mut parts = parts(change, &context);
    if change.action == Action::GroupCreate {
        parts.push(instead(change));
    }
    parts.into_iter().flat_map(|part| part.claims).collect()
}
