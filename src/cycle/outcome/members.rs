//! Members: what came of additions and removals.
//!
//! That a list shows somebody proves a membership. That it does not proves nothing by itself: lists are cut
//! at a hundred, and some targets show nobody at all. So who is not shown is sent again or taken out all
//! the same, and counts as out only once a removal was confirmed.

mod adopted;
mod others;
mod proving;
mod refused;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(in crate::cycle) use self::adopted::{ADOPTION, AdoptedWith};
pub(in crate::cycle) use self::others::Others;
use self::refused::word_of;
use super::SLOWED_ALONE;
use super::lag::NEW_FOR;
use crate::core::model::{Attributes, Doubt, Entity, GroupKey, PersonId, ScimId};
use crate::core::plan::Action;
use crate::cycle::Engine;
use crate::cycle::apply::{People, ReadBack, Word};
use crate::cycle::records::Key;
use crate::scim::dialect::MembersRead;
use crate::scim::members::looks_cut;
use crate::scim::{GroupResource, ScimError, Words};

/// So many confirmed additions, or removals, that do not show make a membership stuck.
const TIMES_MAX: u32 = 3;
/// A change of one member that fails so often without a verdict is stuck.
const FAILURES_MAX: u32 = 3;

impl Engine {
    /// Whether the target shows nobody who is in a group, as the operator says or as it turned out.
    pub(in crate::cycle) fn cannot_read_members(&self) -> bool {
        self.target.dialect.members_read == MembersRead::Never || self.state.target.hides_members()
    }

    /// The target has shown who is in a group.
    pub(in crate::cycle) fn note_shown(&mut self, shown: Option<&BTreeSet<ScimId>>) {
        let target = &mut self.state.target;
        if shown.is_some_and(|shown| !shown.is_empty()) && !target.shows_members {
            (target.shows_members, target.blank_reads) = (true, 0);
            self.state.mark(Key::Target);
        }
    }

    pub(super) fn confirm_first_members(
        &mut self,
        key: &GroupKey,
        first: People,
        shown: Option<&BTreeSet<ScimId>>,
    ) {
        if first.is_empty() {
            return;
        }
        self.note_shown(shown);
        if self.cannot_read_members() {
            // Some targets leave them out without a word. To add them once more harms nobody.
            for (person, _) in &first {
                self.target.queue.put_back(&Entity::Member(key.clone(), *person));
            }
            return;
        }
        let Some(shown) = shown else {
            return self.read_members(key, first);
        };
        self.take_members_as_shown(key, &first, shown);
    }

    /// Notes which of `people` the target shows as members. An addition that has thereby come true is
    /// done; any other change goes on.
    fn take_members_as_shown(&mut self, key: &GroupKey, people: &People, shown: &BTreeSet<ScimId>) {
        let is_whole = self.looks_whole(key, &People::new(), shown);
        for (person, id) in people {
            let entity = Entity::Member(key.clone(), *person);
            let action = self.target.queue.cleared(&entity).map(|cleared| cleared.change().action);
            if shown.contains(id) {
                self.state.put_member(key, *person);
                self.state.shown(&entity, NEW_FOR);
                if action == Some(Action::MemberAdd) {
                    self.done_by_queue(&entity);
                }
            } else if self.is_member(key, *person) {
                self.miss_member(key, *person, is_whole);
            }
            self.target.queue.put_back(&entity);
            self.target.touch(entity);
        }
    }

    /// A member of ours is not shown. A state that is in doubt itself believes a list that looks whole.
    fn miss_member(&mut self, key: &GroupKey, person: PersonId, is_whole: bool) {
        let entity = Entity::Member(key.clone(), person);
        if is_whole && self.state.recovery.is_some() {
            self.state.drop_member(key, person);
        } else if is_whole && !self.target.refusals.attention.by_word.contains(&entity) {
            self.state.unseen(&entity, 0);
        }
    }

    fn is_member(&self, key: &GroupKey, person: PersonId) -> bool {
        let entry = self.state.ledger.groups.get(key);
        entry.is_some_and(|entry| entry.members.contains(&person))
    }

    /// Whether the list looks as if it named everybody who is in the group: the target shows members at
    /// all, some of those on it are accounts that we know, the list is not as long as a page, and most of our
    /// members beside `asked` are on it.
    fn looks_whole(&self, key: &GroupKey, asked: &People, shown: &BTreeSet<ScimId>) -> bool {
        if self.cannot_read_members() || !self.state.target.shows_members {
            return false;
        }
        let is_known = |id: &ScimId| self.target.links.accounts.contains_key(id);
        if !shown.is_empty() && !shown.iter().any(is_known) {
            return false;
        }
        let asked: BTreeSet<PersonId> = asked.iter().map(|(person, _)| *person).collect();
        let others = self.shown_members(key, &asked);
        let missing = others.iter().filter(|id| !shown.contains(*id)).count();
        missing * 2 <= others.len() && (missing == 0 || !looks_cut(shown.len()))
    }

    /// The accounts of our members of a group, but for these people and for those who are not shown.
    pub(in crate::cycle) fn shown_members(
        &self,
        key: &GroupKey,
        but: &BTreeSet<PersonId>,
    ) -> Vec<ScimId> {
        let ledger = &self.state.ledger;
        let members = ledger.groups.get(key).into_iter().flat_map(|entry| &entry.members);
        let others = members.filter(|person| {
            !but.contains(person)
                && (ledger.unseen.is_empty()
                    || !ledger.unseen.contains_key(&Entity::Member(key.clone(), **person)))
        });
        others.filter_map(|person| ledger.present_account(*person).cloned()).collect()
    }

    /// The target has confirmed a change of members, and `answer` is the group as it showed it then.
    pub(super) fn on_members(
        &mut self,
        key: GroupKey,
        people: People,
        adds: bool,
        before: Option<BTreeSet<ScimId>>,
        answer: Option<GroupResource>,
    ) {
        let form = if adds { self.target.addition_form() } else { self.target.removal_form() };
        let group = Entity::Group(key.clone());
        self.target.refusals.tries.remove(&group);
        self.target.members.failed.remove(&key);
        let answers = answer.is_some();
        let shown = answer.and_then(|group| group.members);
        self.note_shown(shown.as_ref());
        // Many show an empty group without any `members`.
        let is_blank = answers && shown.is_none() && self.state.target.shows_members;
        let is_proven = self.state.target.proven_forms.contains(&form);
        if let (false, false, Some(before)) = (is_proven, self.cannot_read_members(), before) {
            let why = ReadBack::Prove { form, people, adds, before };
            return self.target.reads.groups.push((key, why));
        }
        self.target.members.proving.remove(&form);
        let contradicts = shown
            .as_ref()
            .is_some_and(|shown| people.iter().any(|(_, id)| shown.contains(id) != adds));
        let is_doubtful = contradicts || (adds && self.has_unseen(&key, &people));
        if is_doubtful && !self.cannot_read_members() {
            return self.target.reads.groups.push((key, ReadBack::Verify { people, adds }));
        }
        for (person, _) in &people {
            self.confirm_member(&key, *person, adds);
        }
        self.end_write(&group);
        if !self.looks_at_others(&key, &form, shown.as_ref(), is_blank) {
            self.target.queue.release(&group);
        }
    }

    fn has_unseen(&self, key: &GroupKey, people: &People) -> bool {
        let unseen = &self.state.ledger.unseen;
        !unseen.is_empty()
            && people
                .iter()
                .any(|(person, _)| unseen.contains_key(&Entity::Member(key.clone(), *person)))
    }

    /// The change of a membership was made.
    fn confirm_member(&mut self, key: &GroupKey, person: PersonId, adds: bool) {
        let entity = Entity::Member(key.clone(), person);
        if adds {
            self.state.put_member(key, person);
            self.state.seen(&entity);
        } else {
            self.state.drop_member(key, person);
            self.target.refusals.attention.by_word.remove(&entity);
        }
        self.target.refusals.attention.others.note_made(key, person, adds);
        self.done_by_queue(&entity);
        self.forget_drift(&entity);
        self.target.touch(entity);
    }

    /// Takes what a read shows of a change that the target confirmed: whoever it does not show as it
    /// should is tried again, and stuck by himself in the end.
    fn settle_members(
        &mut self,
        key: &GroupKey,
        people: &People,
        adds: bool,
        shown: &BTreeSet<ScimId>,
    ) {
        for (person, id) in people {
            if shown.contains(id) == adds {
                self.confirm_member(key, *person, adds);
                continue;
            }
            let entity = Entity::Member(key.clone(), *person);
            self.state.put_member(key, *person);
            let times = if adds {
                self.state.unseen(&entity, 1)
            } else {
                let times = self.target.refusals.tries.entry(entity.clone()).or_default();
                *times += 1;
                *times
            };
            if times < TIMES_MAX {
                let wait = Duration::from_secs(1 << times);
                self.target.queue.delay(&entity, self.clock.elapsed() + wait);
            } else {
                self.target.refusals.tries.remove(&entity);
                let words = if adds {
                    "the platform confirmed several times that the person was added to the group, and does \
                     not show it. Look there; whoever leaves the group is taken out of it all the same"
                } else {
                    "the platform confirmed several times that the person was taken out of the group, and \
                     shows the person as a member still. Take the person out there"
                };
                let cleared = self.target.queue.cleared(&entity).cloned();
                self.escrow(&entity, cleared.as_ref(), words);
            }
            self.target.touch(entity);
        }
    }

    pub(super) fn on_read_back(
        &mut self,
        key: &GroupKey,
        why: ReadBack,
        group: Option<GroupResource>,
    ) {
        let entity = Entity::Group(key.clone());
        self.target.queue.release(&entity);
        if group.is_none() && self.target.reads_again(key, &why, None) {
            return;
        }
        let group = group.filter(|group| self.move_group(key, &group.id));
        let Some(group) = group else {
            self.miss(&entity);
            self.target.adoption_unread(key);
            if let ReadBack::Prove { form, .. } = why {
                self.target.members.proving.remove(&form);
            }
            return;
        };
        if self.group_is_stranger(key, &group) && !self.has_id_in_doubt(&entity) {
            self.miss_behind(&entity, &group.id);
            self.target.adoption_unread(key);
            if let ReadBack::Prove { form, .. } = why {
                self.target.members.proving.remove(&form);
            }
            return;
        }
        self.target.note_known(key);
        self.end_absence(&entity);
        let doubt = self.state.ledger.doubts.get(&entity).cloned();
        let paths = doubt.as_ref().map(|doubt| doubt.paths.clone()).unwrap_or_default();
        let attributes = group.attributes(paths.iter());
        self.note_shown(group.members.as_ref());
        let shown = group.members.unwrap_or_default();
        // What does not show yet stays in doubt, also after a kill.
        if self.target.reads_again(key, &why, Some(&shown)) {
            return;
        }
        self.take_group_as_shown(key, &attributes);
        match why {
            ReadBack::Before | ReadBack::Members { .. } => {
                let first =
                    if let ReadBack::Members { first } = why { first } else { People::new() };
                if let Some(doubt) = &doubt {
                    self.take_doubt(key, doubt, &shown);
                }
                self.judge_adoption(key, &shown);
                let known = if first.is_empty() { self.known_members(key, &shown) } else { first };
                self.take_members_as_shown(key, &known, &shown);
                if let Some(doubt) = &doubt {
                    self.doubt_removals(key, doubt);
                }
                self.target.members.fresh.insert(key.clone(), (self.clock.elapsed(), shown));
                self.target.touch(entity);
            }
            ReadBack::Compare => self.compare_members(key, &shown),
            ReadBack::Others { is_second } => self.settle_others(key, is_second, &shown),
            ReadBack::Refused { people, adds, words, word } => {
                self.settle_refused(key, &people, (adds, word), &words, &shown);
            }
            ReadBack::Verify { people, adds } => {
                self.settle_members(key, &people, adds, &shown);
                self.note_list(key, &shown);
            }
            ReadBack::Prove { form, people, adds, before } => {
                self.prove(key, &form, (&people, adds), &before, &shown);
                self.note_list(key, &shown);
            }
        }
    }

    /// Whoever was sent in a request without a clear answer, and is not shown, may be a member, whichever it
    /// was: a list that lacks somebody proves nothing. So what is wanted by then is sent.
    fn take_doubt(&mut self, key: &GroupKey, doubt: &Doubt, shown: &BTreeSet<ScimId>) {
        let accounts = &self.state.ledger.accounts;
        let id_of = |person: &PersonId| accounts.get(person)?.link.managed();
        let is_shown = |person: &PersonId| id_of(person).is_some_and(|id| shown.contains(id));
        let people = doubt.people.iter().filter(|person| !is_shown(person));
        self.doubt_members(key, &people.copied().collect::<Vec<_>>());
    }

    /// Whoever may be a member, for all that is known.
    pub(in crate::cycle) fn doubt_members(&mut self, key: &GroupKey, people: &[PersonId]) {
        let accounts = &self.state.ledger.accounts;
        let has_account = |person: &PersonId| accounts.get(person)?.link.managed();
        let people: Vec<PersonId> =
            people.iter().copied().filter(|person| has_account(person).is_some()).collect();
        for person in people {
            let entity = Entity::Member(key.clone(), person);
            self.state.put_member(key, person);
            self.state.unseen(&entity, 0);
            self.target.queue.put_back(&entity);
            self.target.touch(entity);
        }
    }

    /// Whoever may have been taken out and shows all the same may show in a copy that is behind: what is wanted by
    /// then is sent.
    fn doubt_removals(&mut self, key: &GroupKey, doubt: &Doubt) {
        if doubt.action != Action::MemberRemove {
            return;
        }
        for &person in &doubt.people {
            if self.is_member(key, person) {
                let entity = Entity::Member(key.clone(), person);
                self.state.in_doubt(&entity);
                self.target.touch(entity);
            }
        }
    }

    /// Takes over who is in a group by the target's word: who came without us, or is not shown any more,
    /// is drift. A list that looks cut says nothing of those whom it lacks.
    pub(in crate::cycle) fn compare_members(&mut self, key: &GroupKey, shown: &BTreeSet<ScimId>) {
        let known = self.known_members(key, shown);
        let tells = !self.cannot_read_members()
            && self.state.target.shows_members
            && !(looks_cut(shown.len()) && shown.len() < known.len());
        for (person, id) in known {
            let entity = Entity::Member(key.clone(), person);
            let was_member = self.is_member(key, person);
            if shown.contains(&id) {
                if was_member {
                    self.forget_drift(&entity);
                } else {
                    self.note_drift(entity.clone(), Attributes::new());
                    self.state.put_member(key, person);
                }
                if self.state.ledger.unseen.contains_key(&entity) {
                    self.state.release_escrow(&entity);
                    self.state.seen(&entity);
                }
                let action = self.target.queue.cleared(&entity).map(|one| one.change().action);
                if action == Some(Action::MemberAdd) {
                    self.done_by_queue(&entity);
                }
            } else if tells
                && was_member
                && !self.state.ledger.unseen.contains_key(&entity)
                && !self.target.refusals.attention.by_word.contains(&entity)
            {
                // Who is to be taken out anyway is, and no drift.
                let planned =
                    self.target.planning.planner.changes().get(&entity).map(|change| change.action);
                if planned != Some(Action::MemberRemove) {
                    self.note_drift(entity.clone(), Attributes::new());
                    self.state.unseen(&entity, 0);
                }
            }
            self.target.queue.put_back(&entity);
            self.target.touch(entity);
        }
    }

    /// The members of a group that are accounts of ours, by the target's word and by the ledger's.
    fn known_members(&self, key: &GroupKey, shown: &BTreeSet<ScimId>) -> People {
        let seen =
            shown.iter().filter_map(|id| Some((*self.target.links.accounts.get(id)?, id.clone())));
        let ledger = &self.state.ledger;
        let held = ledger.groups.get(key).into_iter().flat_map(|entry| &entry.members);
        let held =
            held.filter_map(|person| Some((*person, ledger.present_account(*person)?.clone())));
        let all: BTreeMap<PersonId, ScimId> = seen.chain(held).collect();
        all.into_iter().collect()
    }

    pub(super) fn on_members_failure(
        &mut self,
        key: GroupKey,
        people: People,
        adds: bool,
        error: &ScimError,
    ) {
        let form = if adds { self.target.addition_form() } else { self.target.removal_form() };
        self.target.members.proving.remove(&form);
        self.target.members.fresh.remove(&key);
        let entities = people.iter().map(|(person, _)| Entity::Member(key.clone(), *person));
        let entities: Vec<Entity> = entities.collect();
        let group = Entity::Group(key.clone());
        match error {
            ScimError::Paused => entities.iter().for_each(|one| self.target.queue.put_back(one)),
            ScimError::Throttled { .. } if self.is_slowed_alone(&group) => {
                for entity in &entities {
                    let cleared = self.target.queue.cleared(entity).cloned();
                    self.try_later(entity, cleared.as_ref(), SLOWED_ALONE);
                }
            }
            ScimError::Throttled { .. } | ScimError::Refused { .. } => {
                self.target_failed(error);
                for entity in &entities {
                    self.target.queue.put_back(entity);
                }
            }
            ScimError::NotSent { .. } => {
                self.target_failed(error);
                for entity in &entities {
                    let cleared = self.target.queue.cleared(entity).cloned();
                    self.try_later(entity, cleared.as_ref(), error);
                }
            }
            // It may have been made: the target is read before anything else is tried.
            ScimError::Unavailable { .. }
            | ScimError::Uncertain { .. }
            | ScimError::NotScim { .. }
            | ScimError::Astray { .. } => {
                return self.on_members_unanswered(&key, &entities, error);
            }
            _ if self.target.queue.halve_batch(&key, people.len()) => {
                for entity in &entities {
                    self.target.queue.put_back(entity);
                }
            }
            _ => {
                let words = Words::from(error);
                let is_alone = people.len() == 1;
                let word = if is_alone { word_of(error, adds) } else { Word::Nothing };
                self.target
                    .reads
                    .groups
                    .push((key, ReadBack::Refused { people, adds, words, word }));
                return;
            }
        }
        self.end_write(&group);
        self.target.queue.release(&group);
    }

    /// A change of members got no verdict. Where it fails again although the group could be read in
    /// between, the fault lies with one of them: fewer are sent at once, and who fails alone is stuck.
    fn on_members_unanswered(&mut self, key: &GroupKey, entities: &[Entity], error: &ScimError) {
        let failures = self.target.members.failed.entry(key.clone()).or_default();
        *failures += 1;
        let failures = *failures;
        let group = Entity::Group(key.clone());
        self.target_failed(error);
        if failures == 1 || matches!(error, ScimError::NotScim { .. }) {
            return self.target.read_later(group);
        }
        if !self.target.queue.halve_batch(key, entities.len()) && failures >= FAILURES_MAX {
            self.target.members.failed.remove(key);
            self.target.queue.forget_batch(key);
            for entity in entities {
                let cleared = self.target.queue.cleared(entity).cloned();
                self.escrow(entity, cleared.as_ref(), error);
            }
        }
        self.target.reads.later.insert(group, self.clock.elapsed() + Duration::from_secs(1));
    }
}
