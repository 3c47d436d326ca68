//! When a rejection is over. What somebody rejected is not made for as long as it is wanted; once Entra and the
//! target say for certain that it is not wanted any more, the question is answered, and whatever comes up later
//! is another one. What nobody can say for the moment stays rejected: an accident would make itself otherwise.

use std::collections::BTreeSet;

use super::State;
use crate::audit::DecisionKind;
use crate::core::derive::Entitlement;
use crate::core::judge::{Aspect, Guarded, claims};
use crate::core::model::{AccountEntry, AttrPath, Entity, GroupKey, Kind, Link, PersonId};
use crate::core::plan::Action;
use crate::core::words::plural;
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;

impl State {
    /// Takes out of all rejections what `is_over`, and returns what that was.
    fn end_rejected(&mut self, is_over: impl Fn(&Guarded) -> bool) -> BTreeSet<Guarded> {
        let mut over = BTreeSet::new();
        for (rejection, at) in self.rejections.iter_mut().zip(0..) {
            let ended = rejection.claims.extract_if(.., |guarded, _| is_over(guarded));
            let before = over.len();
            let mut has_ended = false;
            over.extend(ended.map(|(guarded, _)| guarded).inspect(|_| has_ended = true));
            if has_ended || over.len() != before {
                self.marked.insert(Key::Rejection(at));
            }
        }
        over
    }
}

impl Engine {
    /// What was rejected and is not wanted any more is rejected no longer, in whatever value. Only for a judgement
    /// of the whole plan, after Entra has spoken.
    pub(in crate::cycle) fn end_rejections(&mut self) {
        let rejected = self.state.rejections.iter().flat_map(|word| word.claims.keys());
        let over: BTreeSet<Guarded> =
            rejected.filter(|guarded| self.is_no_longer_wanted(guarded)).cloned().collect();
        if over.is_empty() {
            return;
        }
        let over = self.state.end_rejected(|guarded| over.contains(guarded));
        let count = over.len();
        tracing::info!(
            count,
            "{count} {} no longer rejected: not wanted any more. What comes up again is a new question",
            plural(count, "change is", "changes are")
        );
        for entity in over.iter().filter_map(Guarded::entity).collect::<BTreeSet<_>>() {
            let detail = "no longer rejected: what was rejected is not wanted any more";
            self.state.decide_on(DecisionKind::RejectionOver, Some(entity.clone()), detail);
        }
    }

    /// Whether the sources and the target say for certain that nothing of the kind is wanted.
    fn is_no_longer_wanted(&self, guarded: &Guarded) -> bool {
        // What a finding says is known by when it began: the next one is another.
        let Guarded::Of { entity, aspect } = guarded else { return false };
        if self.is_uncertain(entity) || self.is_unjudged(guarded) {
            return false;
        }
        if let Some(change) = self.target.planning.planner.changes().get(entity) {
            let makes = [Action::Create, Action::Adopt, Action::GroupCreate, Action::GroupAdopt];
            let is_made = matches!(aspect, Aspect::Creation | Aspect::Adoption);
            // Another value of it, or another way of making it, was not asked for either.
            let is_out =
                matches!(entity, Entity::Account(one) if self.target.stands(*one) == Some(false));
            let is_remade = is_made && !is_out && makes.contains(&change.action);
            if claims(change).contains_key(guarded) || is_remade {
                return false;
            }
        }
        match entity {
            Entity::Account(person) => self.is_account_settled(*person, aspect),
            Entity::Group(key) => self.is_group_settled(key, aspect),
            Entity::Member(key, person) => {
                *aspect == Aspect::Removal
                    && self.target.stands(*person) == Some(true)
                    && self.target.planning.planner.belongs(key, *person)
            }
        }
    }

    /// Whether what is known of the entity may be out of date, or about to change.
    fn is_uncertain(&self, entity: &Entity) -> bool {
        let sources = match entity {
            Entity::Account(person) => [Some((person.source, Kind::Users)), None],
            Entity::Group(key) => [source_of(key).map(|source| (source, Kind::Groups)), None],
            Entity::Member(key, person) => [
                Some((person.source, Kind::Users)),
                source_of(key).map(|source| (source, Kind::Groups)),
            ],
        };
        let is_unread = |(source, kind)| {
            !self.sources.complete.contains(&(source, kind)) || self.is_withheld(source, kind)
        };
        self.state.recovery.is_some()
            || sources.into_iter().flatten().any(is_unread)
            || self.concerns_foreign(entity)
            || self.state.ledger.doubts.contains_key(entity)
            || self.state.ledger.absent_since(entity).is_some()
            || self.target.queue.is_busy(entity)
            || self.is_pending(entity)
    }

    fn is_account_settled(&self, person: PersonId, aspect: &Aspect) -> bool {
        let Some(is_in) = self.target.stands(person) else { return false };
        let link = self.state.ledger.accounts.get(&person).map(|entry| &entry.link);
        match aspect {
            Aspect::Departure | Aspect::Deletion => is_in,
            Aspect::Return => !is_in || matches!(link, Some(Link::Linked(_))),
            Aspect::Creation | Aspect::Adoption => {
                !is_in || link.is_some_and(|link| link.managed().is_some())
            }
            // Whoever has left is another matter when they come back.
            Aspect::Value(path) if *path == AttrPath::active() && !is_in => true,
            Aspect::Value(path) => is_in && self.is_value_settled(person, path),
            Aspect::Removal => false,
        }
    }

    /// Whether the target holds what Entra wants there: a value that is only left out for now is wanted still.
    fn is_value_settled(&self, person: PersonId, path: &AttrPath) -> bool {
        let held = self.state.ledger.accounts.get(&person).map(AccountEntry::holds);
        held.is_some_and(|held| {
            self.target.planning.planner.is_as_wanted(&self.roster(), person, path, held)
        })
    }

    fn is_group_settled(&self, key: &GroupKey, aspect: &Aspect) -> bool {
        let link = self.state.ledger.groups.get(key).map(|entry| &entry.link);
        let is_ours = link.is_some_and(|link| link.managed().is_some());
        match aspect {
            Aspect::Creation | Aspect::Adoption => is_ours,
            Aspect::Deletion => is_ours && self.target.planning.planner.group_name(key).is_some(),
            _ => false,
        }
    }
}

impl TargetLoop {
    /// Whether the person is to have an active account; `None` when that cannot be said.
    fn stands(&self, person: PersonId) -> Option<bool> {
        match self.planning.planner.entitlements().get(&person)? {
            Entitlement::In => Some(true),
            Entitlement::Out(_) => Some(false),
            Entitlement::Unknown(_) => None,
        }
    }
}

fn source_of(key: &GroupKey) -> Option<crate::core::model::SourceName> {
    match key {
        GroupKey::Directory { source, .. } => Some(*source),
        GroupKey::Rule { .. } => None,
    }
}
