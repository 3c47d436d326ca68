//! Names: what is told of a login name or a group's name that another one of ours has, and who waits for it.

use super::ESCROW_MAX;
use crate::core::derive::Entitlement;
use crate::core::model::{AttrPath, Datum, Entity, GroupKey, Link, PersonId, Wanted};
use crate::cycle::Engine;
use crate::cycle::records::Key;

/// So many people are followed from name to name.
const RING_MAX: usize = 16;

impl Engine {
    /// If the login name belongs to another account of ours: whose, in words, and what helps.
    pub(in crate::cycle) fn login_name_of_ours(
        &self,
        person: PersonId,
        name: &str,
    ) -> Option<String> {
        let owner = self.holder_of(person, name)?;
        let whose = self.logged(owner);
        let link = self.state.ledger.accounts.get(&owner).map(|entry| &entry.link);
        let is_in =
            self.target.planning.planner.entitlements().get(&owner) == Some(&Entitlement::In);
        if !is_in {
            let what = match link {
                Some(Link::Deactivated(_)) => "the deactivated account",
                _ => "the account",
            };
            return Some(format!(
                "the login name is that of {what} of {whose}; rename or delete that one, then retry"
            ));
        }
        let Some(ring) = self.ring_of(person, name) else {
            return Some(format!(
                "the login name is that of the account of {whose}, and both are to have it by Entra and \
                 [targets.*.account]; give one of them another one in Entra, then retry"
            ));
        };
        if ring.last() == Some(&person) {
            let ring: Vec<String> = ring.into_iter().map(|one| self.logged(one)).collect();
            return Some(format!(
                "these exchange their login names, and the platform takes none that another one still has, so \
                 that nobody can be the first: {}. Give one of them another login name in Entra for as long \
                 as that takes, or by hand on the platform; the others then follow by themselves",
                ring.join(", ")
            ));
        }
        let entity = Entity::Account(owner);
        let waits = if self.state.ledger.escrow.contains_key(&entity) {
            " That one is stuck itself: repair it first."
        } else if self.judgement().is_some_and(|one| one.held.contains_key(&entity)) {
            " That waits for approval: manntall holds."
        } else {
            ""
        };
        Some(format!(
            "the login name is still that of the account of {whose}, who is to get another one first; it is \
             sent again once that is done.{waits}"
        ))
    }

    /// Who has the login name there, but for this person.
    fn holder_of(&self, person: PersonId, name: &str) -> Option<PersonId> {
        let name = name.to_lowercase();
        let accounts = self.state.ledger.accounts.iter().filter(|(other, _)| **other != person);
        let mut holders = accounts.filter(|(_, entry)| {
            let mut names = entry.login_names();
            entry.link.managed().is_some() && names.any(|held| held.to_lowercase() == name)
        });
        holders.next().map(|(owner, _)| *owner)
    }

    /// Who has to give up a name before this person can have it, one after the other; ends with the person where
    /// they go round. `None` where the first of them keeps it.
    fn ring_of(&self, person: PersonId, name: &str) -> Option<Vec<PersonId>> {
        let mut ring = Vec::new();
        let (mut taker, mut name) = (person, name.to_lowercase());
        while ring.len() < RING_MAX {
            let Some(holder) = self.holder_of(taker, &name) else { break };
            let is_in =
                self.target.planning.planner.entitlements().get(&holder) == Some(&Entitlement::In);
            let next = self.wanted_login_name(holder).map(|next| next.to_lowercase());
            let Some(next) = next.filter(|next| is_in && *next != name) else { break };
            if ring.contains(&holder) {
                break;
            }
            ring.push(holder);
            if holder == person {
                break;
            }
            (taker, name) = (holder, next);
        }
        (!ring.is_empty()).then_some(ring)
    }

    /// A login name has become free: whoever is stuck for it is tried again at once.
    pub(super) fn on_name_given_up(&mut self, name: &str) {
        let name = name.to_lowercase();
        let waits = |entity: &&Entity| {
            let change = self.target.planning.planner.changes().get(entity);
            let wanted = change.and_then(|change| change.after.get(&AttrPath::user_name()));
            matches!(wanted, Some(Wanted::Value(Datum::Text(wanted))) if wanted.to_lowercase() == name)
        };
        let waiting: Vec<Entity> = self.state.ledger.escrow.keys().filter(waits).cloned().collect();
        let now = self.clock.now();
        for entity in waiting {
            // What would be written to somebody else is not stuck for the name.
            if let Some(stuck) = self.state.ledger.escrow.get_mut(&entity)
                && stuck.next.since(now) <= ESCROW_MAX
            {
                stuck.next = stuck.next.min(now);
                self.state.mark(Key::Escrow(entity));
                self.target.planning.judge_due = true;
            }
        }
    }

    fn logged(&self, person: PersonId) -> String {
        Entity::Account(person).logged(self.state.digests())
    }

    /// If the name belongs to another group of ours: which, in words.
    pub(in crate::cycle) fn group_name_of_ours(&self, key: &GroupKey) -> Option<String> {
        let (path, name) =
            (AttrPath::display_name(), self.target.planning.planner.group_name(key)?);
        let mut groups = self.state.ledger.groups.iter().filter(|(other, _)| *other != key);
        let (owner, _) = groups.find(|(_, entry)| {
            let held = entry.sent.get(&path).and_then(Datum::as_text).map(str::to_lowercase);
            entry.link.managed().is_some() && held.as_deref() == Some(&*name.to_lowercase())
        })?;
        Some(format!(
            "the name is that of our group {}; rename one of the two in Entra, or by `name` of its rule",
            Entity::Group(owner.clone()).logged(self.state.digests())
        ))
    }
}
