//! Changes of members that the target refuses.
//!
//! A refusal may say how things stand: an addition because the person is a member already, a removal because the
//! person is none. Any other one leaves open who is in a group whose list cannot be read whole: whoever may be in it
//! is taken out on leaving, and added again on coming back.

use std::collections::BTreeSet;

use crate::core::model::{Entity, GroupKey, ScimId};
use crate::cycle::Engine;
use crate::cycle::apply::{People, Word};
use crate::scim::{Extent, ScimError, Words};

/// How platforms say that the person is in the group.
const THERE: [&str; 4] = ["already", "duplicate", "exist", "unique"];
/// How they say with a 409 that somebody else is at work on the group, and nothing about who is in it.
const AT_WORK: [&str; 5] = ["concurren", "version", "modified", "lock", "retry"];

/// What the refusal of one person's addition or removal says of the membership.
pub(super) fn word_of(error: &ScimError, adds: bool) -> Word {
    let told = error.told().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| told.contains(word));
    match error {
        ScimError::Conflict { .. } if adds && says(&THERE) => Word::Plain,
        ScimError::Conflict { .. } if adds && !says(&AT_WORK) => Word::Perhaps,
        _ if !adds && error.about().is_some_and(|about| about.extent == Extent::Element) => {
            Word::Plain
        }
        _ => Word::Nothing,
    }
}

impl Engine {
    /// Takes what a read shows after a refusal. What the target says plainly of the one person whom it refused counts,
    /// however the list looks: an addition is made, as is the removal of whoever is not shown. What it may have
    /// meant counts where the list may lack somebody.
    pub(super) fn settle_refused(
        &mut self,
        key: &GroupKey,
        people: &People,
        (adds, word): (bool, Word),
        words: &Words,
        shown: &BTreeSet<ScimId>,
    ) {
        let is_whole = self.looks_whole(key, people, shown);
        let is_sure = is_whole && self.shows_all_but(key, people, shown);
        let is_told = word == Word::Plain || (word == Word::Perhaps && !is_sure);
        for (person, id) in people {
            let entity = Entity::Member(key.clone(), *person);
            let is_shown = shown.contains(id);
            if is_shown {
                self.state.put_member(key, *person);
                if adds {
                    self.state.seen(&entity);
                } else {
                    // The refusal and a copy that is behind look the same where nobody is in it any more.
                    self.state.in_doubt(&entity);
                }
            }
            let is_done = match (adds, is_shown) {
                (true, true) => true,
                (true, false) => is_told,
                (false, false) => is_told || is_whole,
                (false, true) => false,
            };
            if is_done {
                self.confirm_member(key, *person, adds);
                if adds && !is_shown {
                    self.target.refusals.attention.by_word.insert(entity.clone());
                }
            } else {
                if !is_shown && (!adds || !is_sure || word != Word::Nothing) {
                    self.state.put_member(key, *person);
                    self.state.unseen(&entity, 0);
                }
                let cleared = self.target.queue.cleared(&entity).cloned();
                self.escrow(&entity, cleared.as_ref(), words.clone());
            }
            self.target.touch(entity);
        }
        // Whoever was not taken is set aside; the others go together again.
        self.target.queue.forget_batch(key);
    }

    /// Whether the list shows everybody who is or may be in the group, but for these.
    fn shows_all_but(&self, key: &GroupKey, people: &People, shown: &BTreeSet<ScimId>) -> bool {
        let ledger = &self.state.ledger;
        let mut members = ledger.groups.get(key).into_iter().flat_map(|entry| &entry.members);
        members.all(|person| {
            let id = ledger.present_account(*person);
            people.iter().any(|(one, _)| one == person) || id.is_none_or(|id| shown.contains(id))
        })
    }
}
