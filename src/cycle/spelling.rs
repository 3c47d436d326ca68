//! Spelling of ids: some targets tell the id of one resource in several letter cases: in the answer to a create,
//! in a listing, by its URL, as a member.
//!
//! RFC 7643 §3.1 calls ids case-exact, so what is exact counts first. What fits exactly one resource of ours
//! without regard to letter case is that one where it also carries our id of it, or its name; then the ledger
//! has the spelling that was told last, and every URL is made of that. An answer under the exact id of another
//! resource of ours is never taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::Engine;
use super::apply::{People, Reply, Sent};
use super::records::Key;
use super::survey::our_id;
use super::target::TargetLoop;
use crate::core::model::{AccountEntry, AttrPath, Attributes, Datum, Entity, Kind, Link, ScimId};

/// Our resources of one kind by their ids, which are also found in another letter case.
#[derive(Debug)]
pub(super) struct ById<T> {
    all: BTreeMap<ScimId, T>,
    /// The ids that are not in small letters, by what they are in small letters.
    odd: BTreeMap<String, BTreeSet<ScimId>>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), odd: BTreeMap::new() }
    }
}

impl<T> Deref for ById<T> {
    type Target = BTreeMap<ScimId, T>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<T> ById<T> {
    pub(super) fn insert(&mut self, id: ScimId, of: T) {
        let small = id.as_str().to_lowercase();
        if small != id.as_str() {
            self.odd.entry(small).or_default().insert(id.clone());
        }
        self.all.insert(id, of);
    }

    pub(super) fn remove(&mut self, id: &ScimId) {
        self.all.remove(id);
        if self.odd.is_empty() {
            return;
        }
        let small = id.as_str().to_lowercase();
        if let Some(same) = self.odd.get_mut(&small) {
            same.remove(id);
            if same.is_empty() {
                self.odd.remove(&small);
            }
        }
    }

    /// The one id of ours that is meant by what was told.
    pub(super) fn meant(&self, told: &ScimId) -> Option<&ScimId> {
        if let Some((exact, _)) = self.all.get_key_value(told) {
            return Some(exact);
        }
        let small = ScimId::new(&told.as_str().to_lowercase());
        let plain = self.all.get_key_value(&small).map(|(id, _)| id);
        let odd = self.odd.get(small.as_str()).into_iter().flatten();
        let mut found = plain.into_iter().chain(odd);
        let one = found.next()?;
        found.next().is_none().then_some(one)
    }

    /// Whose a resource is that the target has just told of: by its exact id, or by one whose letter case
    /// says nothing.
    pub(super) fn owner(&self, told: &ScimId) -> Option<&T> {
        let meant = self.meant(told).filter(|meant| meant.is_same(told))?;
        self.all.get(meant)
    }
}

impl Engine {
    /// Something was told under an id that we may know in another letter case.
    pub(super) fn take_spelling(
        &mut self,
        kind: Kind,
        told: &ScimId,
        (carried, shown): (Option<&str>, &Attributes),
    ) {
        let entity = match kind {
            Kind::Users if !self.target.links.accounts.contains_key(told) => {
                let known = self.target.links.accounts.meant(told);
                known
                    .and_then(|id| self.target.links.accounts.get(id))
                    .map(|one| Entity::Account(*one))
            }
            Kind::Groups if !self.target.links.groups.contains_key(told) => {
                let known = self.target.links.groups.meant(told);
                known.and_then(|id| self.target.links.groups.get(id)).cloned().map(Entity::Group)
            }
            Kind::Users | Kind::Groups => None,
        };
        if let Some(entity) = entity.filter(|entity| self.is_shown_as(entity, carried, shown)) {
            self.respell(&entity, told);
        }
    }

    /// Whether what is shown carries our id of the entity, or none and its name.
    fn is_shown_as(&self, entity: &Entity, carried: Option<&str>, shown: &Attributes) -> bool {
        if let Some(carried) = carried {
            return carried == our_id(entity);
        }
        let ledger = &self.state.ledger;
        let text =
            |path: &AttrPath| shown.get(path).and_then(Datum::as_text).map(str::to_lowercase);
        match entity {
            Entity::Account(person) => {
                let name = text(&AttrPath::user_name());
                let mut names =
                    ledger.accounts.get(person).into_iter().flat_map(AccountEntry::login_names);
                name.is_some_and(|name| names.any(|known| known.to_lowercase() == name))
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                let path = AttrPath::display_name();
                let known =
                    ledger.groups.get(key).and_then(|entry| entry.sent.get(&path)?.as_text());
                known.is_some_and(|known| text(&path) == Some(known.to_lowercase()))
            }
        }
    }

    /// From now on this is the id of the entity: the one it had, in another letter case.
    fn respell(&mut self, entity: &Entity, told: &ScimId) {
        let link = match entity {
            Entity::Account(person) => {
                self.state.ledger.accounts.get_mut(person).map(|entry| &mut entry.link)
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                self.state.ledger.groups.get_mut(key).map(|entry| &mut entry.link)
            }
        };
        let Some(Link::Linked(id) | Link::Deactivated(id)) = link else { return };
        let before = std::mem::replace(id, told.clone());
        match entity {
            Entity::Account(person) => {
                self.target.links.accounts.remove(&before);
                self.target.links.accounts.insert(told.clone(), *person);
                self.target.proof.on_moved(*person, told);
                self.state.mark(Key::Account(*person));
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                self.target.links.groups.remove(&before);
                self.target.links.groups.insert(told.clone(), key.clone());
                self.state.mark(Key::TargetGroup(key.clone()));
            }
        }
        self.target.touch(entity.clone());
    }

    /// Takes the id under which the target has answered for a known resource. `false` where that is exactly the
    /// id of another one of ours.
    pub(super) fn take_told(&mut self, sent: &Sent, reply: &Reply) -> bool {
        let told = match reply {
            Reply::Written(written) if !sent.creates() => written.told.clone(),
            Reply::User(Some(user)) => Some(user.id.clone()),
            Reply::Group(Some(group)) if !sent.creates() => Some(group.id.clone()),
            Reply::Written(_)
            | Reply::User(_)
            | Reply::Group(_)
            | Reply::Nothing
            | Reply::Stranger => None,
        };
        let Some(told) = told else { return true };
        let entity = match sent.entity() {
            Entity::Member(key, _) => Entity::Group(key),
            entity => entity,
        };
        let owner = match &entity {
            Entity::Account(_) => {
                self.target.links.accounts.get(&told).copied().map(Entity::Account)
            }
            Entity::Group(_) | Entity::Member(..) => {
                self.target.links.groups.get(&told).cloned().map(Entity::Group)
            }
        };
        let known = self.link(&entity).and_then(Link::managed);
        let is_respelled =
            known.is_some_and(|known| *known != told && known.is_spelled_like(&told));
        let Some(owner) = owner else {
            if is_respelled {
                self.respell(&entity, &told);
            }
            return true;
        };
        owner == entity || !is_respelled
    }

    /// What a request was about whose answer has come, under the ids that the resources have by now.
    pub(super) fn spell_sent(&self, sent: &mut Sent) {
        let now = self.link(&sent.entity()).and_then(Link::managed);
        if let (Some(id), Some(now)) = (sent.id_mut(), now)
            && now.is_spelled_like(id)
        {
            *id = now.clone();
        }
        let Some((people, before)) = sent.members_mut() else { return };
        self.spell_people(people);
        if let Some(before) = before {
            *before = self.target.as_accounts(std::mem::take(before));
        }
    }

    fn spell_people(&self, people: &mut People) {
        for (person, id) in people {
            let now = self.state.ledger.accounts.get(person).and_then(|entry| entry.link.managed());
            if let Some(now) = now.filter(|now| **now != *id && now.is_spelled_like(id)) {
                *id = now.clone();
            }
        }
    }
}

impl TargetLoop {
    /// The same members, each under the id that the target gave for the account.
    pub(super) fn as_accounts(&self, shown: BTreeSet<ScimId>) -> BTreeSet<ScimId> {
        let own = |id: ScimId| self.links.accounts.meant(&id).cloned().unwrap_or(id);
        shown.into_iter().map(own).collect()
    }
}

#[cfg(test)]
mod tests;
