//! Single reads: what becomes of somebody whom `keep` begins to keep.
//!
//! A delta round tells of them only what has changed, and the rest was dropped while `keep` did not keep them. So was
//! what may have changed of somebody of whom a delta round told something that nobody could read. And of somebody new,
//! or back, it may say everything but whether they may sign in.
//! So they are partial until they were read whole, by themselves or in a complete read. Nothing is taken from them or
//! given to them before.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    ACCOUNT_ENABLED, Folding, LOGIN_NAME, Mirror, Round, Said, Words, assume_absent, covered, strip,
};
use crate::core::expression::{Evaluated, Expression, Input};
use crate::core::model::{
    Datum, Element, Kind, ObjectId, Presence, Properties, SourceUser, Tombstone,
};

/// More than so many at once are not asked about one by one: a page of a complete read holds twice as many.
pub const SINGLES_MAX: usize = 100;

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
                let users = self.users.iter().filter(|(_, user)| user.is_to_be_found());
                users.map(|(&id, _)| id).collect()
            }
            Kind::Groups => {
                let groups = self.groups.iter().filter(|(_, group)| group.is_to_be_found());
                groups.map(|(&id, _)| id).collect()
            }
        }
    }

    /// A single read has found a group that a complete read has left out. Returns whether the record changed.
    pub fn find_group(&mut self, id: ObjectId) -> bool {
        let group = self.groups.get_mut(&id).filter(|group| group.presence.is_missing());
        group.map(|group| group.presence = Presence::Present).is_some()
    }

    /// A single read has not found an object. Of one that a complete read has left out the next one decides; whoever
    /// was named after a tombstone is gone. Returns whether the record changed.
    pub fn not_found(&mut self, kind: Kind, id: ObjectId) -> bool {
        let presence = match kind {
            Kind::Users => {
                let Some(user) = self.users.get_mut(&id) else { return false };
                if user.partial && user.tombstone().is_some() {
                    user.partial = false;
                    return true;
                }
                &mut user.presence
            }
            Kind::Groups => {
                let Some(group) = self.groups.get_mut(&id) else { return false };
                &mut group.presence
            }
        };
        let Presence::MissingOnce(number) = *presence else { return false };
        *presence = Presence::NotFound(number);
        true
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
    /// by a round, which is newer than any single read may be, but that somebody may not sign in counts. Whoever is
    /// gone stays so, unless a round has named them since. Whoever a complete read has left out is there.
    pub fn complete(&mut self, how: &Folding<'_>, element: Element) -> bool {
        let Element::User { id, properties: told, unread } = element else { return false };
        let is_meant = |user: &&SourceUser| user.is_to_be_read() || user.presence.is_missing();
        let Some(user) = self.users.get(&id).filter(is_meant) else { return false };
        let mut properties = (*user.properties).clone();
        for (name, value) in told {
            let is_disabled = name.as_str() == ACCOUNT_ENABLED && value == Datum::Bool(false);
            if is_disabled || !properties.contains_key(name.as_str()) {
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

impl Words {
    /// Whether it is described without a word on whether it may sign in, which is told of others.
    pub(super) fn leaves_out_state(&self, selected: &BTreeSet<String>) -> bool {
        self.described
            && selected.contains(ACCOUNT_ENABLED)
            && !matches!(self.properties.get(ACCOUNT_ENABLED), Some(Datum::Bool(_)))
    }

    /// Whether it is described without its login name, which everybody has: not all is told.
    pub(super) fn leaves_out_name(&self, selected: &BTreeSet<String>) -> bool {
        self.described && selected.contains(LOGIN_NAME) && !self.properties.contains_key(LOGIN_NAME)
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

/// Whether a list alone would give somebody access again who was gone, or could not sign in. It may be older than the
/// delta round that said so: a single read decides, or a second list.
pub(super) fn is_given_back(before: &SourceUser, listed: &Properties) -> bool {
    let is_disabled =
        |properties: &Properties| properties.get(ACCOUNT_ENABLED) == Some(&Datum::Bool(false));
    let is_back = match before.presence {
        Presence::Removed(tombstone) => tombstone != Tombstone::Missing,
        _ => is_disabled(&before.properties),
    };
    is_back && !before.partial && !is_disabled(listed)
}
