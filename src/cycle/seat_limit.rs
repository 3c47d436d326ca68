//! Seats: a target whose paid seats are all taken gets no new account for a while, and everything else.
//! It is no fault of the target as a whole: leavers go on, and free seats by that.

use std::time::Duration;

use super::target::TargetLoop;
use super::{Engine, Trouble};
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::{Action, Change};

/// A target that is full is asked again after this: seats are bought or freed by people.
const SEATS_RETRY: Duration = Duration::from_secs(15 * 60);

/// That the target has no seat left, as far as is known.
#[derive(Debug)]
pub(super) struct NoSeats {
    since: Timestamp,
    /// Until then no account is made.
    until: Duration,
}

impl Engine {
    /// A person has said that it is worth trying: a seat is asked for, and what could not be looked up is.
    pub fn try_again(&mut self) {
        self.ask_doubtful_again();
        if let Some(full) = &mut self.target.health.no_seats {
            full.until = self.clock.elapsed();
        }
        self.target.planning.judge_due = true;
    }
}

impl TargetLoop {
    /// The target takes no further account. One message, and nothing but creates waits.
    pub(super) fn on_no_seat(&mut self) {
        let known = self.health.no_seats.take();
        let is_new = known.is_none();
        let since = known.map_or_else(|| self.clock.now(), |known| known.since);
        let until = self.clock.elapsed() + SEATS_RETRY;
        self.health.no_seats = Some(NoSeats { since, until });
        if is_new {
            tracing::error!("{}", NoSeats::message());
        }
        self.planning.judge_due = true;
    }

    /// Whether the change makes an account for which there is no seat.
    pub(super) fn waits_for_seat(&self, change: &Change) -> bool {
        self.seats_due().is_some() && is_create(&change.entity, change.action)
    }

    /// When it is worth asking for a seat again, while there is none.
    pub(super) fn seats_due(&self) -> Option<Duration> {
        let full = self.health.no_seats.as_ref()?;
        (full.until > self.clock.elapsed()).then_some(full.until)
    }

    /// What is to be told while there is no seat.
    pub(super) fn seats_trouble(&self) -> Option<Trouble> {
        let full = self.health.no_seats.as_ref()?;
        Some(Trouble { since: full.since, code: 3, guard: None, message: NoSeats::message() })
    }

    /// An account was made: there are seats.
    pub(super) fn on_account_made(&mut self, change: &Change) {
        if is_create(&change.entity, change.action) {
            self.health.no_seats = None;
        }
    }

    /// Once no account is to be made, nobody waits for a seat.
    pub(super) fn forget_seats(&mut self) {
        // With those in escrow.
        let mut wanted = self.planning.planner.changes().values();
        if self.health.no_seats.is_some()
            && !wanted.any(|change| is_create(&change.entity, change.action))
        {
            self.health.no_seats = None;
        }
    }
}

impl NoSeats {
    fn message() -> String {
        format!(
            "the platform has no seat left for a new account. Manntall makes no accounts there for {} \
             minutes, and everything else goes on. Free seats or buy more; to try at once: manntall \
             retry. What the platform says: manntall stuck",
            SEATS_RETRY.as_secs() / 60
        )
    }
}

fn is_create(entity: &Entity, action: Action) -> bool {
    matches!(entity, Entity::Account(_)) && action == Action::Create
}
