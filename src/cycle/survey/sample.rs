//! Samples: a listing that told everything it announced may still lack what is there, since some targets cap it
//! and announce the cap. So some of what it lacks are looked up before anything is made, and one that is found
//! says that the listing proves nobody's absence.

use std::collections::BTreeSet;

use super::answers::kind_of;
use super::{AllSeen, slot};
use crate::core::model::{Entity, Kind, ScimId};
use crate::core::survey::Found;
use crate::cycle::Engine;

/// So many of what a listing lacks are looked up.
const SAMPLE: usize = 3;

/// Some of what a listing lacks, while it is looked up.
#[derive(Default)]
pub(super) struct Sample {
    asked: BTreeSet<Entity>,
    /// What the listing told.
    told: BTreeSet<ScimId>,
    /// The rest, which waits for what the sample comes to.
    pub(super) rest: BTreeSet<Entity>,
}

impl Engine {
    /// What a listing lacks: all of it is looked up where it is not whole, and else some of it, once.
    pub(super) fn take_absent(
        &mut self,
        kind: Kind,
        absent: BTreeSet<Entity>,
        is_whole: bool,
        seen: &AllSeen,
    ) {
        if !is_whole {
            self.survey_run.asked.extend(absent);
            return;
        }
        if std::mem::replace(&mut self.survey_run.sampled[slot(kind)], true) {
            for entity in absent {
                self.answer(entity, Found::Absent, false);
            }
            return;
        }
        let asked: BTreeSet<Entity> = some(absent.iter()).into_iter().cloned().collect();
        let rest = absent.difference(&asked).cloned().collect();
        if !asked.is_empty() {
            self.survey_run.asked.extend(asked.iter().cloned());
            let told = seen.keys().cloned().collect();
            self.survey_run.samples[slot(kind)] = Some(Sample { asked, told, rest });
        }
    }

    /// One of those that a whole listing lacks was looked up. What is found and was not told, and what cannot
    /// be read, says that the listing was not whole after all.
    pub(super) fn judge_sample(&mut self, entity: &Entity, found: Option<&AllSeen>) {
        let kind = kind_of(entity);
        let Some(sample) = &mut self.survey_run.samples[slot(kind)] else { return };
        let is_told = |seen: &AllSeen| seen.keys().all(|id| sample.told.contains(id));
        let is_absent = found.is_some_and(is_told);
        if !sample.asked.remove(entity) || (is_absent && !sample.asked.is_empty()) {
            return;
        }
        let rest = std::mem::take(&mut sample.rest);
        self.survey_run.samples[slot(kind)] = None;
        if is_absent {
            for entity in rest {
                self.answer(entity, Found::Absent, false);
            }
        } else {
            self.note_short(kind, "a look-up finds what it does not tell");
            self.survey_run.asked.extend(rest);
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
