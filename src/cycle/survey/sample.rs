//! Samples: a listing that told everything it announced may still lack what is there, since some targets cap it
//! and announce the cap, and some leave out whoever is inactive. So what it lacks is looked up before anything is
//! made: all of it where people of ours were on the target before us, and some of it in a first load of a target
//! on which nobody of ours was found. One that is found says that the listing proves nobody's absence
//! (`docs/decisions/013-who-is-looked-up.md`).

use std::collections::BTreeSet;

use super::{AllSeen, kind_of, slot};
use crate::core::model::{Entity, Kind, Origin, ScimId};
use crate::core::survey::Found;
use crate::cycle::Engine;

/// So many of what a listing lacks are looked up in a first load.
const SAMPLE: usize = 3;

/// What a listing lacks, while it is looked up.
#[derive(Default)]
pub(super) struct Sample {
    asked: BTreeSet<Entity>,
    /// What the listing told.
    told: BTreeSet<ScimId>,
    /// The rest, which waits for what the sample comes to.
    pub(super) rest: BTreeSet<Entity>,
}

impl Engine {
    /// Whether somebody or something of ours was on the target before us, or may have come there since: who is
    /// to be made may be there, too.
    pub(super) fn is_filled(&self) -> bool {
        let ledger = &self.state.ledger;
        let accounts = ledger.accounts.values().map(|entry| (&entry.link, entry.origin));
        let groups = ledger.groups.values().map(|entry| (&entry.link, entry.origin));
        self.state.target.first_import_over
            || self.target.survey.run.has_matched
            || accounts
                .chain(groups)
                .any(|(link, origin)| origin == Origin::Adopted && link.managed().is_some())
    }

    /// What a listing lacks. Of what could not be looked up a whole listing says that it is not there.
    pub(super) fn take_absent(
        &mut self,
        kind: Kind,
        absent: BTreeSet<Entity>,
        is_whole: bool,
        seen: &AllSeen,
    ) {
        if !is_whole {
            self.target.survey.run.asked.extend(absent);
            return;
        }
        let unanswered = &self.target.survey.run.without_answer;
        let (told, open): (BTreeSet<_>, BTreeSet<_>) =
            absent.into_iter().partition(|entity| unanswered.contains(entity));
        self.are_absent(told);
        let asked: BTreeSet<Entity> = if self.is_filled() {
            open.clone()
        } else if std::mem::replace(&mut self.target.survey.run.sampled[slot(kind)], true) {
            return self.are_absent(open);
        } else {
            some(open.iter()).into_iter().cloned().collect()
        };
        if asked.is_empty() {
            return;
        }
        self.target.survey.run.asked.extend(asked.iter().cloned());
        let sample = self.target.survey.run.samples[slot(kind)].get_or_insert_default();
        sample.rest.extend(open.difference(&asked).cloned());
        sample.asked.extend(asked);
        sample.told.extend(seen.keys().cloned());
    }

    fn are_absent(&mut self, entities: BTreeSet<Entity>) {
        for entity in entities {
            self.answer(entity, Found::Absent, false);
        }
    }

    /// One of those that a whole listing lacks was looked up. What is found and was not told, and what cannot
    /// be read, says that the listing was not whole after all.
    pub(super) fn judge_sample(&mut self, entity: &Entity, found: Option<&AllSeen>) {
        let kind = kind_of(entity);
        let Some(sample) = &mut self.target.survey.run.samples[slot(kind)] else { return };
        let is_told = |seen: &AllSeen| seen.keys().all(|id| sample.told.contains(id));
        let is_absent = found.is_some_and(is_told);
        if !sample.asked.remove(entity) || (is_absent && !sample.asked.is_empty()) {
            return;
        }
        let rest = std::mem::take(&mut sample.rest);
        self.target.survey.run.samples[slot(kind)] = None;
        if is_absent {
            self.are_absent(rest);
        } else {
            self.target.note_short(kind, "a look-up finds what it does not tell");
            self.target.survey.run.asked.extend(rest);
            if kind == Kind::Users {
                self.ask_for_leavers();
            }
        }
    }
}

/// Some of these, spread over all of them.
pub(super) fn some<T>(all: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let step = all.len().div_ceil(SAMPLE).max(1);
    all.step_by(step).collect()
}
