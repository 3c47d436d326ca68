//! Leaving: whoever should be out and is not confirmed out by the target, and what that waits for. Nobody is left
//! out for having no change that can be made now; only what is held or stuck is told by those instead.

use super::Engine;
use super::report::{Class, StuckNote};
use crate::core::judge::{Aspect, Guarded};
use crate::core::model::{AttrPath, Datum, Entity, Kind, PersonId, Wanted};
use crate::core::plan::{Action, Change};
use crate::core::report::LeavingStand;

/// Whether the change takes access away from somebody.
pub(super) fn departs(change: &Change) -> bool {
    let inactive = Wanted::Value(Datum::Bool(false));
    match change.action {
        Action::Deactivate => true,
        Action::Adopt => change.after.get(&AttrPath::active()) == Some(&inactive),
        _ => false,
    }
}

/// Why somebody is not out yet, while the loop turns and nothing is in the way.
pub const ABOUT_TO_BE_SENT: &str = "it is about to be sent";

/// The same while a person has stopped all writing.
pub const PAUSED: &str = "writing is paused; go on with: manntall resume";

impl Engine {
    /// Whoever should be out and is not confirmed out, and is neither held nor stuck.
    pub fn leaving(&self) -> Vec<(PersonId, String)> {
        let changes =
            self.target.planning.planner.changes().values().filter(|change| departs(change));
        let changes = changes.filter_map(|change| {
            let Entity::Account(person) = change.entity else { return None };
            let is_told = self.state.ledger.escrow.contains_key(&change.entity)
                || self.is_departure_held(&change.entity);
            (!is_told).then(|| (person, self.words_of_leaving(change)))
        });
        // Who has left while nobody knows yet whether there is an account.
        let pending = self.pending_creates().filter(|person| self.target.is_out(*person));
        let pending = pending.map(|person| {
            let why =
                "a create without an answer is looked up; what it has made is deactivated then";
            (person, why.to_owned())
        });
        changes.chain(pending).collect()
    }

    fn is_departure_held(&self, entity: &Entity) -> bool {
        if let Some(judgement) = self.judgement() {
            return judgement.held.contains_key(entity)
                && self.target.queue.cleared(entity).is_none();
        }
        // Before the first judgement it is as it was noted.
        let aspects = [Aspect::Departure, Aspect::Adoption];
        let is_among = |claims: &crate::core::judge::Claims| {
            aspects.iter().any(|aspect| {
                let guarded = Guarded::Of { entity: entity.clone(), aspect: aspect.clone() };
                claims.contains_key(&guarded)
            })
        };
        self.state.held.iter().any(|held| is_among(&held.claims))
            || self.state.rejections.iter().any(|rejection| is_among(&rejection.claims))
    }

    fn words_of_leaving(&self, change: &Change) -> String {
        let entity = &change.entity;
        if let Some(why) = self.deferral(change) {
            return self.words_of(&why, entity);
        }
        let is_cleared = self.target.queue.cleared(entity).is_some();
        let words = if let Some(trouble) = self.target_trouble() {
            &*trouble.message
        } else if self.state.ledger.doubts.contains_key(entity) {
            "it was sent, and nobody knows what came of it: the account is read, and it is sent again where it \
             shows as active"
        } else if self.state.paused.is_some() && !self.urgent().contains(entity) {
            PAUSED
        } else if !is_cleared && !self.sources.is_fresh(Kind::Users) {
            "Entra has not answered since the start: manntall check --online"
        } else if !is_cleared && self.target.planning.only.is_some() {
            "it is not in what was to be done this time; the service or the next manntall sync does it"
        } else {
            ABOUT_TO_BE_SENT
        };
        words.to_owned()
    }

    /// The same, counted, with the time since when the first of them has waited.
    pub(super) fn leaving_stand(&self) -> Option<LeavingStand> {
        let leaving = self.leaving();
        let now = self.clock.now();
        let since = leaving.iter().map(|(person, _)| self.leaving_since(*person).unwrap_or(now));
        let count = u64::try_from(leaving.len()).unwrap_or(u64::MAX);
        Some(LeavingStand { count, since: since.min()? })
    }

    fn leaving_since(&self, person: PersonId) -> Option<crate::core::model::Timestamp> {
        let noted = self.reporting.noted.stuck.get(&Entity::Account(person));
        let noted = noted.filter(|note| note.class == Class::Leaving).map(|note| note.since);
        noted.into_iter().chain(self.reporting.live.leaving_since(person)).min()
    }

    /// What is written down of them for whoever asks later.
    pub(super) fn leaving_notes(&self) -> impl Iterator<Item = (Entity, StuckNote)> + '_ {
        let now = self.clock.now();
        self.leaving().into_iter().map(move |(person, reason)| {
            let since = self.leaving_since(person).unwrap_or(now);
            (Entity::Account(person), StuckNote { reason, since, class: Class::Leaving })
        })
    }
}
