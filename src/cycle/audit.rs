//! The plan made from what was touched, held against the plan made from everything. Decides nothing.

use super::Engine;
use crate::core::plan::{Planner, Roster, Scope};

impl Engine {
    /// From now on every plan made from what was touched is compared with the plan made from
    /// everything: the two must be equal after every step. Expensive; for tests.
    pub fn audit_plans(&mut self) {
        self.audit = Some(0);
    }

    /// How many plans differed.
    pub fn differing_plans(&self) -> u64 {
        self.audit.unwrap_or(0)
    }

    /// The plan made from everything.
    pub fn plan_from_all(&self) -> Planner {
        let mut planner = Planner::default();
        let roster = Roster {
            mirrors: &self.state.mirrors,
            complete: &self.complete,
            keep: &self.keep,
            policy: &self.target.policy,
            ledger: &self.state.ledger,
            survey: &self.survey,
        };
        planner.refresh(&roster, Scope::All);
        planner
    }
}
