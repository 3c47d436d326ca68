//! What people have said by now about what is held: counted from their words themselves, so that it is right
//! before anything was judged again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::core::judge::{Aspect, Claims, Guarded};
use crate::core::model::{Entity, Timestamp};
use crate::cycle::state::State;
use crate::store::StoreError;

/// What people have said about a hold by now, in entities. Nothing of it may have been judged yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Approved, and to be made.
    pub approved: u64,
    /// Rejected: they are not made.
    pub rejected: u64,
    /// Nobody has decided.
    pub open: u64,
    /// Who rejected last.
    pub by: Option<Arc<str>>,
}

/// What people have rejected and is still wanted, in entities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// All of it.
    pub changes: u64,
    /// Accounts among it that would be deactivated or deleted, and stay as they are.
    pub departures: u64,
}

impl State {
    /// What people have rejected of what waits.
    pub fn rejected(&self, now: Timestamp) -> Result<Rejected, StoreError> {
        let mut sum = Rejected::default();
        for hold in self.holds()? {
            let is_departure = |guarded: &Guarded| match guarded {
                Guarded::Of { aspect, .. } => {
                    matches!(aspect, Aspect::Departure | Aspect::Deletion)
                }
                Guarded::Finding(_) => false,
            };
            let departures = hold.claims.iter().filter(|(guarded, _)| is_departure(guarded));
            let departures = departures.map(|(guarded, shown)| (guarded.clone(), *shown)).collect();
            sum.changes += self.said_of(&hold.claims, now).rejected;
            sum.departures += self.said_of(&departures, now).rejected;
        }
        Ok(sum)
    }

    /// What people have said by now about what a hold lists.
    pub fn said_of(&self, claims: &Claims, now: Timestamp) -> Said {
        let mut entities: BTreeMap<Option<&Entity>, Claims> = BTreeMap::new();
        for (guarded, shown) in claims {
            let claims = entities.entry(guarded.entity()).or_default();
            claims.insert(guarded.clone(), *shown);
        }
        let mut said = Said::default();
        for claims in entities.values() {
            let approval = self.approvals_in_force().filter(|word| now < word.until);
            let approved = approval.filter(|word| word.has_all(claims)).map(|word| word.at).max();
            let rejection = self.rejections.iter().filter(|word| word.has_all(claims));
            let rejection = rejection.max_by_key(|word| word.at);
            match (approved, rejection) {
                (Some(approved), rejection)
                    if rejection.is_none_or(|rejection| rejection.at < approved) =>
                {
                    said.approved += 1;
                }
                (_, Some(rejection)) => {
                    said.rejected += 1;
                    said.by = Some(rejection.by.clone());
                }
                (_, None) => said.open += 1,
            }
        }
        said
    }
}
