//! Unsaid: people of whom Entra does not say whether they may sign in. A few of them are a matter of these people,
//! who are named; many are a trouble of the tenant. Either way the last word stays, and nobody is deactivated.

use std::collections::BTreeSet;

use crate::core::coverage::{ACCOUNT_ENABLED, few_of};
use crate::core::derive::Entitlement;
use crate::core::model::{Datum, Kind, ObjectId, PersonId, Presence, SourceName, SourceUser};
use crate::cycle::Engine;

/// What is said of somebody whom Entra does not say this of.
pub(in crate::cycle) const UNSAID: &str = "Entra does not say whether this person may sign in: accountEnabled comes \
    back null or not at all. The last word stays: no account is made, and none is deactivated, because of it. Look \
    at the person in Entra";

/// The people of one tenant.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    /// They, where they are few.
    few: BTreeSet<ObjectId>,
    /// Whether they are so many that something is wrong with the tenant.
    pub(super) are_many: bool,
}

impl Unsaid {
    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && !self.are_many
    }
}

impl Engine {
    /// Looks at everybody of a tenant anew, by what is known of them and who has lost it.
    pub(in crate::cycle) fn look_for_unsaid(&mut self, source: SourceName) {
        let key = (source, Kind::Users);
        let is_asked =
            |found: &super::super::Source| found.user_properties.contains(ACCOUNT_ENABLED);
        let (Some(run), Some(mirror)) =
            (self.sources.lanes.get_mut(&key), self.state.mirrors.get(&source))
        else {
            return;
        };
        if !self.sources.tenants.get(&source).is_some_and(is_asked) {
            return;
        }
        let withheld = self.state.coverage.get(&key);
        let withheld = withheld.and_then(|known| known.withheld.get(ACCOUNT_ENABLED));
        // Whoever is to be read by a single read waits for that.
        let is_unsaid = |user: &SourceUser| {
            let state = user.properties.get(ACCOUNT_ENABLED);
            let is_there = user.kept && !user.partial && user.presence == Presence::Present;
            is_there && !matches!(state, Some(Datum::Bool(_)))
        };
        let mut few: BTreeSet<ObjectId> =
            mirror.users.iter().filter(|(_, user)| is_unsaid(user)).map(|(&id, _)| id).collect();
        few.extend(withheld.iter().flat_map(|one| &one.who));
        let all = u64::try_from(mirror.alive(Kind::Users)).unwrap_or(u64::MAX);
        let are_many = withheld.is_some_and(|one| one.few().is_none())
            || u64::try_from(few.len()).is_ok_and(|count| count > few_of(all));
        if are_many {
            few.clear();
        }
        run.unsaid = Unsaid { few, are_many };
    }

    /// The few of whom Entra does not say whether they may sign in, and of whom that matters.
    pub fn unsaid(&self) -> BTreeSet<PersonId> {
        let lanes = self.sources.lanes.iter().filter(|((_, kind), _)| *kind == Kind::Users);
        let people = lanes.flat_map(|(&(source, _), lane)| {
            lane.unsaid.few.iter().map(move |&object| PersonId { source, object })
        });
        let is_out = |person: &PersonId| {
            matches!(
                self.target.planning.planner.entitlements().get(person),
                Some(Entitlement::Out(_))
            )
        };
        people.filter(|person| !is_out(person)).collect()
    }
}
