//! Writes down what is not as it should be, by person, group or membership.

use std::collections::BTreeMap;

use super::{Class, StuckNote};
use crate::core::model::Entity;
use crate::core::plan::Note;
use crate::cycle::Engine;
use crate::cycle::collect::UNSAID;
use crate::cycle::records::Key;

/// So many who wait for Entra are written down; all of them are counted.
const WAITING_MAX: usize = 1_000;

impl Engine {
    /// Everything that is to be written down, with its reason.
    fn to_be_noted(&self) -> BTreeMap<Entity, (String, Class)> {
        let waiting = self.waiting_for_entra().take(WAITING_MAX);
        let mut all: BTreeMap<Entity, (String, Class)> = waiting
            .map(|(entity, why)| (entity.clone(), (why.to_owned(), Class::Waiting)))
            .collect();
        for (entity, note) in self.target.planning.planner.notes() {
            let (reason, class) = match note {
                Note::Stuck(reason) => (reason, Class::Stuck),
                Note::NoLogin(reason) => (reason, Class::NoLogin),
                Note::Twins(reason) => (reason, Class::Twins),
                Note::Untouched(_) | Note::Waiting(_) => continue,
            };
            all.insert(entity.clone(), (reason.clone(), class));
        }
        for person in self.unsaid() {
            let noted = all.entry(Entity::Account(person));
            let noted = noted.or_insert_with(|| (UNSAID.to_owned(), Class::Unsaid));
            if noted.1 == Class::Waiting {
                *noted = (UNSAID.to_owned(), Class::Unsaid);
            }
        }
        all
    }

    pub(super) fn note_stuck(&mut self) {
        let now = self.clock.now();
        let mut stuck: BTreeMap<Entity, StuckNote> = self.leaving_notes().collect();
        for (entity, (reason, class)) in self.to_be_noted() {
            let known =
                self.reporting.noted.stuck.get(&entity).filter(|known| known.class == class);
            let since = known.map_or(now, |known| known.since);
            stuck.insert(entity, StuckNote { reason, since, class });
        }
        for (entity, reason) in self.behind_links() {
            let class = Class::Behind;
            let known =
                self.reporting.noted.stuck.get(&entity).filter(|known| known.class == class);
            let since = known.map_or(now, |known| known.since);
            stuck.entry(entity).or_insert_with(|| StuckNote { reason, since, class });
        }
        // What was not judged yet since the start, or is not looked up on the target yet, stays noted as it was.
        let unsurveyed = self.target.planning.planner.unsurveyed();
        for (entity, note) in &self.reporting.noted.stuck {
            let is_open = self.target.planning.judgement.is_none() || unsurveyed.contains(entity);
            if is_open && note.class != Class::Leaving {
                stuck.entry(entity.clone()).or_insert_with(|| note.clone());
            }
        }
        for (entity, note) in &stuck {
            if self.reporting.noted.stuck.remove(entity).as_ref() != Some(note) {
                self.state.put(Key::Stuck(entity.clone()), Some(note));
            }
        }
        for entity in std::mem::replace(&mut self.reporting.noted.stuck, stuck).into_keys() {
            self.state.put::<StuckNote>(Key::Stuck(entity), None);
        }
    }
}
