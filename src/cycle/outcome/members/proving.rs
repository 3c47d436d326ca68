//! The first use of a form of member changes: it is read back, and judged by those whom the request
//! named and by what a read just before it had shown. What somebody else changed in the group at some
//! earlier time is no fault of the form.

use std::collections::BTreeSet;

use super::ADOPTION;
use crate::core::model::{Entity, GroupKey, ScimId};
use crate::core::words::plural;
use crate::cycle::Engine;
use crate::cycle::apply::People;
use crate::cycle::records::{Distrusted, Key};
use crate::cycle::target::TargetLoop;
use crate::scim::dialect::MemberRemove;

/// So many people in a row for whom alone nothing happened make it the form's fault.
const IDLE_MAX: usize = 3;

/// What a form turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did what it should, and nothing else.
    Proven,
    /// That cannot be said yet; what it did is known all the same.
    Open,
    /// It did nothing for the one person whom it named: that person's matter, unless it comes again.
    Idle,
    /// Nobody whom it named was changed.
    Nobody,
    /// So many others than those whom it named are missing now.
    Others(usize),
}

/// Judges a form by whom the request named, and by who was shown before and after it.
pub(super) fn judge(
    adds: bool,
    named: &BTreeSet<ScimId>,
    before: &BTreeSet<ScimId>,
    after: &BTreeSet<ScimId>,
) -> Verdict {
    let others = before.difference(named).count();
    let lost = before.difference(named).filter(|id| !after.contains(*id)).count();
    let is_right = |id: &&ScimId| after.contains(*id) == adds;
    let right = named.iter().filter(is_right).count();
    // Somebody who is taken out by hand at the same moment is one of many. A wrong form takes them all.
    if lost * 2 > others || (lost > 0 && right == 0) {
        return Verdict::Others(lost);
    }
    if right == 0 {
        return if named.len() > 1 { Verdict::Nobody } else { Verdict::Idle };
    }
    let has_moved = named.iter().any(|id| is_right(&id) && before.contains(id) != adds);
    // A group in which nobody else was cannot show that nobody else is taken out.
    let shows_others = adds || others > 0;
    if lost == 0 && has_moved && shows_others { Verdict::Proven } else { Verdict::Open }
}

impl Engine {
    /// Compares a group with what a form that is not proven yet should have left of it. A form that did
    /// something else is not used again until the operator names another one, or says to try again.
    pub(super) fn prove(
        &mut self,
        key: &GroupKey,
        form: &str,
        (people, adds): (&People, bool),
        before: &BTreeSet<ScimId>,
        after: &BTreeSet<ScimId>,
    ) {
        self.target.members.proving.remove(form);
        if !self.state.target.shows_members {
            return self.trust_blindly(key, people, adds);
        }
        let named: BTreeSet<ScimId> = people.iter().map(|(_, id)| id.clone()).collect();
        let verdict = judge(adds, &named, before, after);
        self.note_lost(key, before.difference(&named), after);
        let what = match verdict {
            Verdict::Proven => {
                self.target.members.idle.clear();
                self.state.target.proven_forms.insert(form.to_owned());
                self.state.mark(Key::Target);
                return self.settle_members(key, people, adds, after);
            }
            Verdict::Open => return self.settle_members(key, people, adds, after),
            Verdict::Idle | Verdict::Nobody if self.target.knows_nobody(after) => {
                return self.cannot_match(key, people, adds);
            }
            Verdict::Idle => {
                let named = people.iter().map(|(person, _)| Entity::Member(key.clone(), *person));
                self.target.members.idle.extend(named);
                if self.target.members.idle.len() < IDLE_MAX {
                    return self.settle_members(key, people, adds, after);
                }
                format!("nobody was changed, {IDLE_MAX} times in a row")
            }
            Verdict::Nobody if people.len() == 1 => "the one person was not changed".to_owned(),
            Verdict::Nobody => format!("none of {} people was changed", people.len()),
            Verdict::Others(lost) => {
                let are = plural(lost, "other is no member", "others are no members");
                format!("{lost} {are} any more")
            }
        };
        self.target.members.idle.clear();
        self.blame(key, form, &what);
        // What came true of it is done; the rest waits.
        for (person, id) in people {
            if after.contains(id) == adds {
                self.confirm_member(key, *person, adds);
            }
            let entity = Entity::Member(key.clone(), *person);
            self.target.queue.put_back(&entity);
            self.target.touch(entity);
        }
    }

    /// Members of ours who were there just before and are not now are put back.
    fn note_lost<'a>(
        &mut self,
        key: &GroupKey,
        before: impl Iterator<Item = &'a ScimId>,
        after: &BTreeSet<ScimId>,
    ) {
        for id in before.filter(|id| !after.contains(*id)) {
            let Some(person) = self.target.links.accounts.get(id).copied() else { continue };
            let entity = Entity::Member(key.clone(), person);
            if self.is_member(key, person) {
                self.state.unseen(&entity, 0);
                self.target.touch(entity);
            }
        }
    }

    /// The target has never shown a member of any group: what it confirms is all there is to go by.
    fn trust_blindly(&mut self, key: &GroupKey, people: &People, adds: bool) {
        let target = &mut self.state.target;
        target.blank_reads = target.blank_reads.saturating_add(1);
        let hides = target.hides_members();
        self.state.mark(Key::Target);
        if hides {
            tracing::warn!(
                "the platform shows no member of any group, however it is asked: memberships count as made once \
                 it confirms them, and cannot be read back. If that is its way, set members_read = \"never\" \
                 under [targets.*.dialect]"
            );
        }
        for (person, _) in people {
            self.confirm_member(key, *person, adds);
        }
    }

    /// Members are shown under ids that nobody can match with accounts: no form is to blame for that. Who was
    /// sent waits with the reason.
    fn cannot_match(&mut self, key: &GroupKey, people: &People, adds: bool) {
        let words = "the platform shows the members of the group under ids that no account of ours has, so \
             that nobody can tell who is in it. If that is its way with every group, set members_read = \
             \"never\" under [targets.*.dialect]: memberships then count as made once it confirms them";
        for (person, _) in people {
            let entity = Entity::Member(key.clone(), *person);
            if adds {
                self.state.put_member(key, *person);
                self.state.unseen(&entity, 1);
            }
            let cleared = self.target.queue.cleared(&entity).cloned();
            self.escrow(&entity, cleared.as_ref(), words);
            self.target.touch(entity);
        }
    }

    fn blame(&mut self, key: &GroupKey, form: &str, what: &str) {
        let other = match (self.target.dialect.member_remove, form == self.target.removal_form()) {
            (MemberRemove::ValueFilter, true) => "\"value_array\" or \"put_merge\"",
            (MemberRemove::ValueArray, true) => "\"value_filter\" or \"put_merge\"",
            (MemberRemove::PutMerge, true) => "\"value_filter\" or \"value_array\"",
            (MemberRemove::ValueFilter | MemberRemove::ValueArray, false) => {
                "\"put_merge\", which adds by GET and PUT too"
            }
            (MemberRemove::PutMerge, false) => "\"value_filter\", which adds by PATCH",
        };
        let words = format!(
            "{form} did not do what it should: {what}. All memberships wait, and who was lost is put back \
             then. Set member_remove = {other} under [targets.*.dialect]; or, once the platform is repaired, \
             try this way once more: manntall retry"
        );
        tracing::error!(target: "manntall::trouble", group = %Entity::Group(key.clone()).logged(self.state.digests()), "{words}");
        let since = self.clock.now();
        self.state.target.distrusted_form =
            Some(Distrusted { form: form.to_owned(), words, since });
        self.state.mark(Key::Target);
        self.recount();
    }

    /// A form that was blamed is no matter once the configuration names another one.
    pub(in crate::cycle) fn forget_other_forms(&mut self) {
        let forms = [self.target.removal_form(), self.target.addition_form(), ADOPTION.to_owned()];
        let distrusted = self.state.target.distrusted_form.as_ref();
        if distrusted.is_some_and(|distrusted| !forms.contains(&distrusted.form)) {
            self.state.target.distrusted_form = None;
            self.state.mark(Key::Target);
        }
    }
}

impl TargetLoop {
    /// Whether members are shown, and none of them under the id of an account of ours.
    fn knows_nobody(&self, shown: &BTreeSet<ScimId>) -> bool {
        !shown.is_empty() && !shown.iter().any(|id| self.links.accounts.contains_key(id))
    }
}

#[cfg(test)]
mod tests;
