//! Lag: many platforms answer reads from a copy that is behind what was written. So what a read does not show yet is
//! read again, later each time, before the platform, the form of the request or somebody else is blamed for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::model::{Entity, GroupKey, ScimId};
use crate::cycle::Engine;
use crate::cycle::apply::{People, ReadBack, Reply};
use crate::cycle::proof::account_difference;
use crate::cycle::target::TargetLoop;

/// Seconds before each further look: a minute in all.
const WAITS: [u64; 6] = [1, 2, 4, 8, 16, 29];

/// What was made so lately may not be found yet.
pub(super) const NEW_FOR: Duration = Duration::from_secs(60);

/// How far reads are behind, for as long as the process runs.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Lag {
    /// How often each was looked at in vain.
    looks: BTreeMap<Entity, usize>,
    /// When what is on trial is read again.
    trials: BTreeMap<Entity, Duration>,
    /// When each group was made, or taken over.
    linked: BTreeMap<GroupKey, Duration>,
    /// So many further looks have helped at most.
    most: usize,
    /// All looks together have not helped once: nothing is waited for longer than has helped so far.
    in_vain: bool,
}

impl Lag {
    /// How long to wait before the next look at something; `None` when there is to be none.
    fn next(&mut self, entity: &Entity, shows: bool) -> Option<Duration> {
        let looks = self.looks.get(entity).copied().unwrap_or_default();
        let limit = if self.in_vain { self.most + 1 } else { WAITS.len() };
        let wait = WAITS.get(looks).filter(|_| !shows && looks < limit);
        if let Some(seconds) = wait {
            self.looks.insert(entity.clone(), looks + 1);
            return Some(Duration::from_secs(*seconds));
        }
        self.looks.remove(entity);
        if shows {
            self.most = self.most.max(looks);
        }
        self.in_vain |= !shows;
        None
    }

    pub(super) fn note_linked(&mut self, key: &GroupKey, elapsed: Duration) {
        self.linked.insert(key.clone(), elapsed);
    }

    /// When the next read of something on trial is due.
    pub(in crate::cycle) fn due(&self) -> Option<Duration> {
        self.trials.values().min().copied()
    }

    /// Whether what is on trial is to be read again by now; `None` where it has not been read yet.
    pub(in crate::cycle) fn trial_due(&self, entity: &Entity, elapsed: Duration) -> Option<bool> {
        Some(*self.trials.get(entity)? <= elapsed)
    }

    /// Ends the waits for whatever is not on trial any more, and says for what.
    pub(in crate::cycle) fn end_trials(&mut self, on_trial: &BTreeSet<Entity>) -> Vec<Entity> {
        self.trials
            .extract_if(.., |entity, _| !on_trial.contains(entity))
            .map(|(one, _)| one)
            .collect()
    }

    /// What is on trial is read.
    pub(in crate::cycle) fn take_trial(&mut self, entity: &Entity) {
        self.trials.remove(entity);
    }
}

impl Engine {
    /// Whether what was made on trial does not show yet, and is read once more. Nothing else is sent to it before
    /// that.
    pub(in crate::cycle) fn tries_again(&mut self, entity: &Entity, reply: &Reply) -> bool {
        let shows = self.shows_trial(entity, reply);
        let Some(wait) = self.target.refusals.attention.lag.next(entity, shows) else {
            return false;
        };
        let at = self.clock.elapsed() + wait;
        self.target.refusals.attention.lag.trials.insert(entity.clone(), at);
        true
    }

    fn shows_trial(&self, entity: &Entity, reply: &Reply) -> bool {
        let ledger = &self.state.ledger;
        match (entity, reply) {
            (Entity::Account(person), Reply::User(Some(user))) => {
                let shown = user.attributes(self.target.managed_paths().iter());
                let entry = ledger.accounts.get(person);
                entry.is_none_or(|entry| account_difference(entry, &shown).is_empty())
            }
            (Entity::Group(key) | Entity::Member(key, _), Reply::Group(group)) => {
                let entry = ledger.groups.get(key);
                let is_ours = entry.is_some_and(|entry| entry.link.managed().is_some());
                let is_in = || {
                    let Entity::Member(_, person) = entity else { return false };
                    let id = ledger.accounts.get(person).and_then(|entry| entry.link.managed());
                    let shown = group.as_ref().and_then(|group| group.members.as_ref());
                    shown.zip(id).is_some_and(|(shown, id)| shown.contains(id))
                };
                group.is_some() == is_ours && !is_in()
            }
            _ => false,
        }
    }
}

impl TargetLoop {
    /// Whether a group that does not show a change yet, or was made a minute ago and is not found, is read once more
    /// for the same reason. Nothing else is sent to it before that.
    pub(super) fn reads_again(
        &mut self,
        key: &GroupKey,
        why: &ReadBack,
        shown: Option<&BTreeSet<ScimId>>,
    ) -> bool {
        let elapsed = self.clock.elapsed();
        let lag = &mut self.refusals.attention.lag;
        let is_done = match shown {
            Some(shown) => why.is_shown(shown),
            None => lag.linked.get(key).is_none_or(|at| *at + NEW_FOR < elapsed),
        };
        let group = Entity::Group(key.clone());
        let Some(wait) = lag.next(&group, is_done) else { return false };
        self.queue.occupy(group);
        self.reads.groups.push_for(elapsed + wait, (key.clone(), why.clone()));
        true
    }
}

impl ReadBack {
    /// Whether the list of a group shows what was confirmed: everybody who was named is in it, or out, and nobody
    /// else is missing. What is read for another reason is taken as it is shown.
    fn is_shown(&self, shown: &BTreeSet<ScimId>) -> bool {
        let is_done =
            |people: &People, adds: bool| people.iter().all(|(_, id)| shown.contains(id) == adds);
        match self {
            Self::Verify { people, adds } => is_done(people, *adds),
            Self::Prove { people, adds, before, .. } => {
                let is_named = |id: &ScimId| people.iter().any(|(_, named)| named == id);
                let is_there = |id: &ScimId| shown.contains(id) || is_named(id);
                is_done(people, *adds) && before.iter().all(is_there)
            }
            _ => true,
        }
    }
}
