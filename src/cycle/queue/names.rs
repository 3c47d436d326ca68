//! Login names on the move: who takes a name that another account gives up waits for that, since a platform
//! takes no name that somebody else still has. In a circle nobody can be the first, and nobody waits.

use std::collections::BTreeMap;

use super::Queue;
use crate::core::judge::Cleared;
use crate::core::model::{AttrPath, Datum, Entity, PersonId, Wanted};
use crate::core::plan::Change;

/// Who gives up which login name, in small letters.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, PersonId>);

impl Names {
    /// Notes the name that a change gives up.
    pub(super) fn note(&mut self, change: &Change) {
        let Entity::Account(person) = change.entity else { return };
        let before = change.before.get(&AttrPath::user_name()).and_then(Datum::as_text);
        if let (Some(before), Some(after)) = (before, wanted(change)) {
            let before = before.to_lowercase();
            if before != after {
                self.0.insert(before, person);
            }
        }
    }
}

impl Queue {
    /// Who has to give up the login name first that this change brings.
    pub(super) fn awaited_for_name(&self, cleared: &Cleared) -> Option<PersonId> {
        if self.names.0.is_empty() {
            return None;
        }
        let Entity::Account(person) = cleared.change().entity else { return None };
        let first = self.holder(person, cleared)?;
        let mut next = Some(first);
        // A chain longer than all that is given up goes round.
        for _ in 0..self.names.0.len() {
            match next {
                None => return Some(first),
                Some(one) if one == person => return None,
                Some(one) => {
                    let cleared = self.cleared.get(&Entity::Account(one));
                    next = cleared.and_then(|cleared| self.holder(one, cleared));
                }
            }
        }
        next.is_none().then_some(first)
    }

    /// Who has the login name that the person is to get, and is to give it up.
    fn holder(&self, person: PersonId, cleared: &Cleared) -> Option<PersonId> {
        let holder = *self.names.0.get(&wanted(cleared.change())?)?;
        let is_open = self.cleared.contains_key(&Entity::Account(holder));
        (holder != person && is_open).then_some(holder)
    }
}

/// The login name that a change brings, in small letters.
fn wanted(change: &Change) -> Option<String> {
    match change.after.get(&AttrPath::user_name())? {
        Wanted::Value(name) => Some(name.as_text()?.to_lowercase()),
        Wanted::Account(_) => None,
    }
}
