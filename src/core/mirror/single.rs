//! Single reads: what becomes of somebody whom `keep` begins to keep.
//!
//! A delta round tells of them only what has changed, and the rest was dropped while `keep` did not keep them. So was
//! what may have changed of somebody of whom a delta round told something that nobody could read. And of somebody new,
//! or back, it may say everything but whether they may sign in.
//! So they are partial until they were read whole, by themselves or in a complete read.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Folding, Mirror, Round, Said, Words, assume_absent, covered, strip};
use crate::core::expression::{Evaluated, Expression, Input};
use crate::core::model::{Datum, Element, Kind, ObjectId, Presence, Properties, SourceUser};

impl Mirror {
    /// Those who are to be read by a single read, or with the next complete one.
    pub fn to_be_read(&self) -> BTreeSet<ObjectId> {
        let users = self.users.iter().filter(|(_, user)| user.is_to_be_read());
        users.map(|(&id, _)| id).collect()
    }

    /// Those whom a complete read has left out, and whom a single read may find.
    pub fn missing(&self, kind: Kind) -> BTreeSet<ObjectId> {
        match kind {
            Kind::Users => {
                let users = self.users.iter().filter(|(_, user)| user.is_missing());
                users.map(|(&id, _)| id).collect()
            }
            Kind::Groups => {
                let groups = self.groups.iter().filter(|(_, group)| group.is_missing());
                groups.map(|(&id, _)| id).collect()
            }
        }
    }

    /// A single read has found a group that a complete read has left out. Returns whether the record changed.
    pub fn find_group(&mut self, id: ObjectId) -> bool {
        let group = self.groups.get_mut(&id).filter(|group| group.is_missing());
        group.map(|group| group.presence = Presence::Present).is_some()
    }

    /// Notes whom `keep` may keep that did not keep them before, and returns those whose records changed: whoever
    /// is kept now, and whoever it cannot judge by what is known of them.
    pub fn widen(&mut self, keep: &Expression) -> BTreeSet<ObjectId> {
        let mut changed = BTreeSet::new();
        for (&id, user) in &mut self.users {
            if user.kept || user.partial || user.presence != Presence::Present {
                continue;
            }
            let kept = match keep.evaluate(Input::Properties(&user.properties)) {
                Evaluated::Known(Datum::Bool(kept)) => kept,
                Evaluated::Unknown(_) => false,
                Evaluated::Known(_) | Evaluated::Failed(_) => continue,
            };
            let is_unsaid =
                || keep.reads().iter().any(|name| !user.properties.contains_key(name.as_str()));
            if kept || is_unsaid() {
                (user.kept, user.partial) = (kept, true);
                changed.insert(id);
            }
        }
        changed
    }

    /// Takes in what a single read has told, and says whether the record changed. What is known already was told
    /// by a round, which is newer than any single read may be; whoever is gone stays so. Whoever a complete read has
    /// left out is there.
    pub fn complete(&mut self, how: &Folding<'_>, element: Element) -> bool {
        let Element::User { id, properties: told, unread } = element else { return false };
        let is_meant = |user: &&SourceUser| user.is_to_be_read() || user.is_missing();
        let Some(user) = self.users.get(&id).filter(is_meant) else { return false };
        let mut properties = (*user.properties).clone();
        for (name, value) in told {
            if !properties.contains_key(name.as_str()) {
                properties.insert(name, value);
            }
        }
        let said = Said::default();
        let words = Words { unread: unread.into_iter().collect(), ..Words::default() };
        let others = self.users.values().map(|user| &user.properties);
        let covered = covered(&said, Round::Delta, others);
        assume_absent(&mut properties, &words, how.selected, &covered);
        let after = whole(how.keep, user, properties);
        self.users.insert(id, after);
        true
    }
}

/// The record of a user who was read whole.
fn whole(keep: &Expression, user: &SourceUser, properties: Properties) -> SourceUser {
    let properties = Arc::new(properties);
    let kept = match keep.evaluate(Input::Properties(&properties)) {
        Evaluated::Known(Datum::Bool(kept)) => kept,
        _ => user.kept,
    };
    let mut properties = if kept { properties } else { strip(&properties, keep.reads()) };
    Arc::make_mut(&mut properties).pack();
    SourceUser { presence: Presence::Present, kept, properties, partial: false }
}
