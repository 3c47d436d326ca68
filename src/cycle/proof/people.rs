//! People: what a comparison says about persons rather than about values. Read back from the platform: is
//! everybody out who should be, and is nobody missing?

use std::collections::{BTreeMap, BTreeSet};

use crate::core::derive::Standing;
use crate::core::model::{Entity, Link, PersonId, ScimId};
use crate::core::report;
use crate::cycle::Engine;
use crate::cycle::records::Key;

/// Whom a comparison has met.
#[derive(Default)]
pub(super) struct Met {
    /// Whose account was shown as active.
    pub(super) active: BTreeSet<PersonId>,
    /// Whose account was written to meanwhile: what was shown of it says nothing.
    pub(super) written: BTreeSet<PersonId>,
    found: Option<Found>,
}

struct Found {
    leavers: u64,
    /// With the account that they had by then.
    missing: BTreeMap<PersonId, Option<ScimId>>,
}

impl Engine {
    /// All users were listed.
    pub(super) fn count_people(&mut self) {
        let standings = self.planner.standings();
        let met = &self.proof_run.met;
        let is_leaver =
            |person: &&PersonId| matches!(standings.get(person), Some(Standing::Out(_)) | None);
        let leavers = met.active.difference(&met.written).filter(is_leaver).count();
        let entitled = standings.iter().filter(|(_, standing)| **standing == Standing::In);
        let missing = entitled.map(|(person, _)| *person);
        let missing = missing.filter(|one| !met.active.contains(one) && !met.written.contains(one));
        let missing = missing.map(|person| (person, self.active_id(person).cloned()));
        let (leavers, missing) = (u64::try_from(leavers).unwrap_or(u64::MAX), missing.collect());
        self.proof_run.met.found = Some(Found { leavers, missing });
    }

    /// The comparison has ended, and who the listing lacked was asked for.
    pub(super) fn note_people(&mut self, met: Met, asked: &BTreeSet<Entity>) {
        let Some(Found { leavers, mut missing }) = met.found else { return };
        missing.retain(|person, had| {
            let is_there = had.is_some() && self.active_id(*person) == had.as_ref();
            !(is_there && asked.contains(&Entity::Account(*person)))
        });
        let missing = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        let at = self.clock.now();
        let before = self.state.proven.and_then(|proof| proof.clean_since);
        let clean_since = (leavers == 0 && missing == 0).then(|| before.unwrap_or(at));
        if clean_since.is_none() {
            tracing::warn!(
                leavers,
                missing,
                "the platform was read whole: {leavers} who left are active there, and {missing} who should \
                 have an active account have none. What can be done is planned; see: manntall plan, manntall \
                 stuck"
            );
        }
        self.state.proven = Some(report::Proof { at, leavers, missing, clean_since });
        self.state.mark(Key::Proven);
    }

    fn active_id(&self, person: PersonId) -> Option<&ScimId> {
        match &self.state.ledger.accounts.get(&person)?.link {
            Link::Linked(id) => Some(id),
            _ => None,
        }
    }
}
