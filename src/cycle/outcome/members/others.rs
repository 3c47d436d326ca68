//! Others: whether a change of some members has left everybody else where they were. Some servers write back a
//! list that they had read from a copy which lags behind, and undo the change before (fleetdm/fleet#50724).
//!
//! After several requests to one group in a row its list is read, and after any whose own answer shows fewer members
//! than there are. Who is not on it has vanished only where the list is shorter than one that was whole, or empty: a
//! list that is cut shows no fewer than before. A second look decides. The form of the request is proved anew then: a
//! server may have been replaced by one that does something else with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::model::{Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::plan::Action;
use crate::cycle::Engine;
use crate::cycle::apply::ReadBack;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;
use crate::scim::members::OtherMembers;

/// Between the two looks, and between two changes of a group that has lost somebody.
const WAIT: Duration = Duration::from_secs(5);
/// So often whoever has vanished from a group is sent again, before that is left to the next comparison.
const ROUNDS_MAX: u32 = 3;
/// After so many groups without a loss no more are read.
const SOUND_MIN: u32 = 8;

/// What is known of groups whose members are changed, for as long as the process runs.
#[derive(Debug, Default)]
pub(in crate::cycle) struct Others {
    /// How many requests in a row each has had.
    running: BTreeMap<GroupKey, u32>,
    /// Who was taken out of each, and whether a list has shown that since.
    taken_out: BTreeMap<GroupKey, BTreeMap<PersonId, bool>>,
    /// The longest list of each that showed everybody.
    whole: BTreeMap<GroupKey, usize>,
    /// How often each has lost somebody.
    rounds: BTreeMap<GroupKey, u32>,
    /// How many were read in a row and had lost nobody.
    sound: u32,
    /// How many answers in a row showed fewer than there were.
    false_alarms: u32,
    /// The form of the last request to each.
    forms: BTreeMap<GroupKey, String>,
}

impl Others {
    /// A membership was made, or taken away.
    pub(super) fn note_made(&mut self, key: &GroupKey, person: PersonId, adds: bool) {
        if !adds {
            self.taken_out.entry(key.clone()).or_default().insert(person, false);
        } else if let Some(out) = self.taken_out.get_mut(key) {
            out.remove(&person);
        }
    }
}

impl Engine {
    /// A change of members was made. Whether the group is read now, and nothing else is sent to it before that.
    pub(super) fn looks_at_others(
        &mut self,
        key: &GroupKey,
        form: &str,
        shown: Option<&BTreeSet<ScimId>>,
        is_blank: bool,
    ) -> bool {
        if self.cannot_read_members() || self.state.recovery.is_some() {
            return false;
        }
        let is_last = !self.target.queue.has_members(key);
        let missing = shown.map(|shown| self.vanished(key, shown).len());
        let is_back = shown.is_some_and(|shown| !self.back_in(key, shown).is_empty());
        let others = &mut self.target.refusals.attention.others;
        let requests = others.running.entry(key.clone()).or_default();
        *requests += 1;
        let has_several = *requests > 1 || !is_last;
        let is_known = others.whole.contains_key(key);
        if let (Some(shown), Some(0)) = (shown, missing) {
            note_whole(&mut others.whole, key, shown.len());
        }
        let has_lost = others.rounds.contains_key(key);
        let is_due = has_several && (is_last || !is_known) && missing != Some(0);
        let is_alarm = missing.is_some_and(|missing| missing > 0)
            || (is_blank && self.vanished(key, &BTreeSet::new()).len() > 1);
        let others = &mut self.target.refusals.attention.others;
        let is_due = (is_due && others.sound < SOUND_MIN)
            || (is_alarm && others.false_alarms < SOUND_MIN)
            || has_lost
            || is_back;
        if !is_due && is_last {
            others.running.remove(key);
        }
        others.false_alarms = if is_alarm { others.false_alarms.saturating_add(1) } else { 0 };
        others.forms.insert(key.clone(), form.to_owned());
        if is_due {
            let wait = if has_lost { WAIT } else { Duration::ZERO };
            let at = self.clock.elapsed() + wait;
            self.target
                .reads
                .groups
                .push_for(at, (key.clone(), ReadBack::Others { is_second: false }));
        }
        is_due
    }

    /// A read shows the list of a group after one change of its members.
    pub(super) fn note_list(&mut self, key: &GroupKey, shown: &BTreeSet<ScimId>) {
        if self.vanished(key, shown).is_empty() {
            note_whole(&mut self.target.refusals.attention.others.whole, key, shown.len());
        }
        if !self.back_in(key, shown).is_empty() {
            self.target.look_again_at_others(key);
        }
    }

    /// Those of whom a list has shown that they are out, and who are in it again although nobody put them there.
    fn back_in(&mut self, key: &GroupKey, shown: &BTreeSet<ScimId>) -> Vec<PersonId> {
        let ledger = &self.state.ledger;
        let Some(taken_out) = self.target.refusals.attention.others.taken_out.get_mut(key) else {
            return Vec::new();
        };
        let mut back = Vec::new();
        for (&person, is_shown_out) in taken_out {
            let account = ledger.accounts.get(&person).and_then(|entry| entry.link.managed());
            let is_in = account.is_some_and(|id| shown.contains(id));
            if is_in && *is_shown_out {
                back.push(person);
            }
            *is_shown_out |= !is_in;
        }
        back
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
            let planned =
                self.target.planning.planner.changes().get(&entity).map(|change| change.action);
            planned != Some(Action::MemberRemove)
                && !ledger.unseen.contains_key(&entity)
                && !self.target.refusals.attention.by_word.contains(&entity)
                && ledger.absent_since(&entity).is_none()
        };
        missing.filter(is_meant).collect()
    }

    /// Our members of a group that is read and put back, but for these people.
    pub(in crate::cycle) fn other_members(
        &self,
        key: &GroupKey,
        but: &BTreeSet<PersonId>,
    ) -> OtherMembers {
        let ledger = &self.state.ledger;
        let changes = self.target.planning.planner.changes();
        let members = ledger.groups.get(key).into_iter().flat_map(|entry| &entry.members);
        let stays = |person: PersonId| -> Option<ScimId> {
            let Link::Linked(id) = &ledger.accounts.get(&person)?.link else { return None };
            let entity = Entity::Member(key.clone(), person);
            let planned = changes.get(&entity).map(|change| change.action);
            let is_taken_out = planned == Some(Action::MemberRemove)
                || self.target.refusals.attention.by_word.contains(&entity);
            (!is_taken_out).then(|| id.clone())
        };
        let stay = members.filter(|person| !but.contains(person));
        let stay = stay.filter_map(|person| stays(*person)).collect();
        OtherMembers { shown: self.shown_members(key, but), stay }
    }

    /// Takes what a read shows after several changes of a group.
    pub(super) fn settle_others(
        &mut self,
        key: &GroupKey,
        is_second: bool,
        shown: &BTreeSet<ScimId>,
    ) {
        let missing = self.vanished(key, shown);
        let back = self.back_in(key, shown);
        let is_last = !self.target.queue.has_members(key);
        let others = &mut self.target.refusals.attention.others;
        let is_proven = others.whole.get(key).is_some_and(|longest| shown.len() < *longest)
            || (shown.is_empty() && missing.len() > 1);
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
            return self.target.look_again_at_others(key);
        }
        others.running.remove(key);
        (others.sound, others.false_alarms) = (0, 0);
        let form = others.forms.remove(key);
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
        if form.is_some_and(|form| self.state.target.proven_forms.remove(&form)) {
            self.state.mark(Key::Target);
        }
        if !goes_on {
            return;
        }
        for person in missing {
            let entity = Entity::Member(key.clone(), person);
            self.state.unseen(&entity, 0);
            self.target.touch(entity);
        }
        for person in back {
            self.state.put_member(key, person);
            self.target.touch(Entity::Member(key.clone(), person));
        }
        self.target.planning.judge_due = true;
    }
}

impl TargetLoop {
    fn look_again_at_others(&mut self, key: &GroupKey) {
        self.queue.occupy(Entity::Group(key.clone()));
        let at = self.clock.elapsed() + WAIT;
        self.reads.groups.push_for(at, (key.clone(), ReadBack::Others { is_second: true }));
    }
}

fn note_whole(whole: &mut BTreeMap<GroupKey, usize>, key: &GroupKey, length: usize) {
    let longest = whole.entry(key.clone()).or_default();
    *longest = (*longest).max(length);
}
