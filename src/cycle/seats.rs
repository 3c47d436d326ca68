//! Seats: a target whose paid seats are all taken gets no new account for a while, and everything else.
//! It is no fault of the target as a whole: leavers go on, and free seats by that.

use std::time::Duration;

use super::Engine;
use crate::core::model::Entity;
use crate::core::plan::{Action, Changes};

/// A target that is full is asked again after this: seats are bought or freed by people.
const SEATS_RETRY: Duration = Duration::from_secs(15 * 60);

impl Engine {
    /// The target takes no further account. One message, and nothing but creates waits.
    pub(super) fn on_no_seat(&mut self, words: &str) {
        if self.no_seats.is_none() {
            tracing::error!(
                "the target has no seat left: {words}; Manntall makes no accounts there for {} \
                 minutes, and everything else goes on. Free seats or buy more",
                SEATS_RETRY.as_secs() / 60
            );
        }
        self.no_seats = Some((self.clock.elapsed() + SEATS_RETRY, words.to_owned()));
        self.judge_due = true;
    }

    /// Takes creates of accounts out of the plan while there is no seat for them.
    pub(super) fn leave_out_creates(&mut self, changes: &mut Changes) {
        let Some((until, _)) = self.no_seats else { return };
        if until <= self.clock.elapsed() {
            self.no_seats = None;
            return;
        }
        let is_create = |entity: &Entity, action| {
            matches!(entity, Entity::Account(_)) && action == Action::Create
        };
        changes.retain(|entity, change| !is_create(entity, change.action));
        self.escrow_due = Some(self.escrow_due.map_or(until, |first| first.min(until)));
    }
}
