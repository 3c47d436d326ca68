//! Intents: creates that are on their way or got no good answer. They are settled by looking up.

use std::time::Duration;

use crate::core::model::{Entity, PersonId, Timestamp};
use crate::core::survey::Found;
use crate::cycle::target::TargetLoop;
use crate::cycle::{Engine, Until};

/// A create that was not answered is looked up so often before it counts as not done: a target may
/// show what it has stored only after a while.
const LOOKUPS_OF_INTENT: u32 = 5;
/// The first look-up of an open create follows after this, each later one after twice as long: five
/// within the minute.
const INTENT_FIRST: Duration = Duration::from_secs(2);
/// The wait for the last of them.
const INTENT_LAST: Duration = INTENT_FIRST.saturating_mul(1 << (LOOKUPS_OF_INTENT - 1));

impl Engine {
    /// Creates that are not on their way any more, and when each may be looked up.
    pub(super) fn open_intents(&self) -> impl Iterator<Item = (&Entity, Duration)> {
        let open = self.target.survey.run.intents.iter().map(|(entity, at)| (entity, *at));
        open.filter(|(entity, _)| !self.target.queue.is_busy(entity) && self.is_pending(entity))
    }

    /// People whose create is on its way or was not answered.
    pub(in crate::cycle) fn pending_creates(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.target.survey.run.intents.keys().filter_map(|entity| match entity {
            Entity::Account(person) if self.is_pending(entity) => Some(*person),
            _ => None,
        })
    }

    /// Whether there is an open create of which no look-up says whether it was made.
    pub(in crate::cycle) fn is_create_doubted(&self, entity: &Entity) -> bool {
        let found = match entity {
            Entity::Account(person) => self.target.survey.answers.accounts.get(person),
            Entity::Group(key) => self.target.survey.answers.groups.get(key),
            Entity::Member(..) => None,
        };
        found == Some(&Found::Unknown) && self.is_pending(entity)
    }

    /// Whether it will be known by itself what came of an open create.
    pub(in crate::cycle) fn is_create_awaited(&self, entity: &Entity) -> bool {
        !self.state.ledger.escrow.contains_key(entity) && !self.is_create_doubted(entity)
    }

    /// Forgets the creates that were answered. To look for open ones in the ledger would cost as much
    /// as there is, at every turn.
    fn drop_settled_intents(&mut self) {
        let mut intents = std::mem::take(&mut self.target.survey.run.intents);
        intents.retain(|entity, _| self.is_pending(entity));
        self.target.survey.run.intents = intents;
        let mut repeated = std::mem::take(&mut self.target.survey.run.repeated);
        repeated.retain(|entity| !self.is_linked(entity));
        self.target.survey.run.repeated = repeated;
    }

    /// Has the open creates looked up that are due.
    pub(super) fn ask_for_intents(&mut self, until: Until) {
        let elapsed = self.clock.elapsed();
        self.drop_settled_intents();
        let is_due = |entity: &Entity, at: Duration| {
            at <= elapsed || (until == Until::Planned && !self.is_create_doubted(entity))
        };
        let due = self.open_intents().filter(|(entity, at)| is_due(entity, *at));
        let due: Vec<Entity> = due.map(|(entity, _)| entity.clone()).collect();
        for entity in due {
            if until == Until::Planned && self.target.survey.run.answers.contains_key(&entity) {
                continue;
            }
            if !self.target.survey.run.asked.contains(&entity) && self.is_create_doubted(&entity) {
                // By whatever was given up meanwhile.
                self.target.survey.run.unanswered.forget();
            }
            self.target.survey.run.asked.insert(entity);
        }
    }

    /// When an intent that was looked up in vain is looked up again, and when it has been often enough.
    pub(in crate::cycle) fn next_lookup(lookups: u32) -> Option<Duration> {
        (lookups < LOOKUPS_OF_INTENT).then(|| INTENT_FIRST * (1 << lookups))
    }
}

impl TargetLoop {
    /// A create is on its way, and not to be looked up before `next`. How long that is, is worked out here
    /// and now, lest a clock that is put back by a day makes somebody wait for that day.
    pub(in crate::cycle) fn expect_answer(&mut self, entity: Entity, next: Timestamp) {
        let wait = next.since(self.clock.now()).min(INTENT_LAST);
        self.look_up_open(entity, wait);
    }

    /// An open create is looked up again after so long.
    pub(in crate::cycle) fn look_up_open(&mut self, entity: Entity, wait: Duration) {
        self.survey.run.intents.insert(entity, self.clock.elapsed() + wait);
    }
}
