//! Others: whether a change of some members has left everybody else where they were. Some servers write back a
//! list that they had read from a copy which lags behind, and undo the change before (fleetdm/fleet#50724).
//!
//! After several requests to one group in a row its list is read. Who is not on it has vanished only where the list
//! is shorter than one that was whole: a list that is cut shows no fewer than before. A second look decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::model::{Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::plan::Action;
use crate::cycle::Engine;
use crate::cycle::apply::{People, ReadBack};

/// Between the two looks, and between two changes of a group that has lost somebody.
const WAIT: Duration = Duration::from_secs(5);
/// So often whoever has vanished from a group is sent again, before that is left to the next comparison.
const ROUNDS_MAX: u32 = 3;
/// After so many groups without a loss no more are read.
const SOUND_MIN: u32 = 8;

/// What is known of groups whose members are changed, for as long as the process runs.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Others {
    /// How many requests in a row each has had, and who was taken out by them.
    running: BTreeMap<GroupKey, (u32, BTreeSet<PersonId>)>,
    /// The longest list of each that showed everybody.
    whole: BTreeMap<GroupKey, usize>,
    /// How often each has lost somebody.
    rounds: BTreeMap<GroupKey, u32>,
    /// How many were read in a row and had lost nobody.
    sound: u32,
}

impl Engine {
    /// A change of members was made. Whether the group is read now, and nothing else is sent to it before that.
    pub(super) fn looks_at_others(
        &mut self,
        key: &GroupKey,
        (people, adds): (&People, bool),
        shown: Option<&BTreeSet<ScimId>>,
    ) -> bool {
        if self.cannot_read_members() || self.state.recovery.is_some() {
            return false;
        }
        let is_last = !self.queue.has_members(key);
        let missing = shown.map(|shown| self.vanished(key, shown).len());
        let others = &mut self.attention.others;
        let (requests, removed) = others.running.entry(key.clone()).or_default();
        *requests += 1;
        if !adds {
            removed.extend(people.iter().map(|(person, _)| *person));
        }
        let has_several = *requests > 1 || !is_last;
        let is_known = others.whole.contains_key(key);
        if let (Some(shown), Some(0)) = (shown, missing) {
            note_whole(&mut others.whole, key, shown.len());
        }
        let has_lost = others.rounds.contains_key(key);
        let is_due = has_several && (is_last || !is_known) && missing != Some(0);
        let is_due = (is_due && others.sound < SOUND_MIN) || has_lost;
        if !is_due && is_last {
            others.running.remove(key);
        }
        if is_due {
            let wait = if has_lost { WAIT } else { Duration::ZERO };
            let at = self.clock.elapsed() + wait;
            self.read_backs.push_for(at, (key.clone(), ReadBack::Others { is_second: false }));
        }
        is_due
    }

    /// A read shows the list of a group.
    pub(super) fn note_list(&mut self, key: &GroupKey, shown: &BTreeSet<ScimId>) {
        if self.vanished(key, shown).is_empty() {
            note_whole(&mut self.attention.others.whole, key, shown.len());
        }
    }

    /// The members that the target has confirmed, and a list does not show.
    fn vanished(&self, key: &GroupKey, shown: &BTreeSet<ScimId>) -> Vec<PersonId> {
        let ledger = &self.state.ledger;
        let members = ledger.groups.get(key).into_iter().flat_map(|entry| &entry.members);
        let missing = members.copied().filter(|person| {
            let link = ledger.accounts.get(person).map(|entry| &entry.link);
            matches!(link, Some(Link::Linked(id)) if !shown.contains(id))
        });
        let is_meant = |person: &PersonId| {
            let entity = Entity::Member(key.clone(), *person);
            let planned = self.planner.changes().get(&entity).map(|change| change.action);
            planned != Some(Action::MemberRemove)
                && !ledger.unseen.contains_key(&entity)
                && !self.attention.by_word.contains(&entity)
                && ledger.absent_since(&entity).is_none()
        };
        missing.filter(is_meant).collect()
    }

    /// Takes what a read shows after several changes of a group.
    pub(super) fn settle_others(
        &mut self,
        key: &GroupKey,
        is_second: bool,
        shown: &BTreeSet<ScimId>,
    ) {
        let missing = self.vanished(key, shown);
        let is_last = !self.queue.has_members(key);
        let others = &mut self.attention.others;
        let removed = others.running.get(key).map(|(_, removed)| removed.clone());
        let removed: Vec<PersonId> = removed.unwrap_or_default().into_iter().collect();
        let accounts = &self.state.ledger.accounts;
        let is_back = |person: &PersonId| {
            let id = accounts.get(person).and_then(|entry| entry.link.managed());
            id.is_some_and(|id| shown.contains(id))
        };
        let back: Vec<PersonId> = removed.into_iter().filter(is_back).collect();
        let is_proven = others.whole.get(key).is_some_and(|longest| shown.len() < *longest);
        if missing.is_empty() {
            note_whole(&mut others.whole, key, shown.len());
        }
        if back.is_empty() && (missing.is_empty() || !is_proven) {
            others.sound += u32::from(missing.is_empty() && is_last);
            if is_last {
                others.running.remove(key);
            }
            return;
        }
        if !is_second {
            self.queue.occupy(Entity::Group(key.clone()));
            let at = self.clock.elapsed() + WAIT;
            return self
                .read_backs
                .push_for(at, (key.clone(), ReadBack::Others { is_second: true }));
        }
        others.running.remove(key);
        others.sound = 0;
        let rounds = others.rounds.entry(key.clone()).or_default();
        *rounds += 1;
        let goes_on = *rounds <= ROUNDS_MAX;
        let next = if goes_on {
            "they are sent again, and each further change of the group waits for a read"
        } else {
            "it goes on doing so, and the next comparison sends them again; ask the vendor"
        };
        tracing::warn!(
            group = %Entity::Group(key.clone()).logged(self.state.digests()),
            lost = missing.len(),
            back = back.len(),
            "the platform confirmed changes of a group's members, and has undone earlier ones with them: {next}"
        );
        if !goes_on {
            return;
        }
        for person in missing {
            let entity = Entity::Member(key.clone(), person);
            self.state.unseen(&entity, 0);
            self.touch(entity);
        }
        for person in back {
            self.state.put_member(key, person);
            self.touch(Entity::Member(key.clone(), person));
        }
        self.judge_due = true;
    }
}

fn note_whole(whole: &mut BTreeMap<GroupKey, usize>, key: &GroupKey, length: usize) {
    let longest = whole.entry(key.clone()).or_default();
    *longest = (*longest).max(length);
}
