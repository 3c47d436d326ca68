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

/// What a hold lists, by what people have said about it by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parted {
    /// Nobody has decided.
    pub open: Claims,
    /// To be made.
    pub approved: Claims,
    /// Not to be made.
    pub rejected: Claims,
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
        let mut said = Said::default();
        for claims in by_entity(claims).values() {
            match self.last_word(claims, now) {
                LastWord::Approved => said.approved += 1,
                LastWord::Rejected(by) => {
                    said.rejected += 1;
                    said.by = Some(by);
                }
                LastWord::None => said.open += 1,
            }
        }
        said
    }

    /// The same by what it lists: what waits for a word, what is approved, and what is rejected.
    pub fn parted(&self, claims: &Claims, now: Timestamp) -> Parted {
        let mut parted = Parted::default();
        for claims in by_entity(claims).into_values() {
            let part = match self.last_word(&claims, now) {
                LastWord::Approved => &mut parted.approved,
                LastWord::Rejected(_) => &mut parted.rejected,
                LastWord::None => &mut parted.open,
            };
            part.extend(claims);
        }
        parted
    }

    /// What was approved since the holds were noted: nobody has judged it since, and whoever comes next makes
    /// it. Each thing with the time since when it was held.
    pub fn approved_since(&self, now: Timestamp) -> Result<Vec<(Guarded, Timestamp)>, StoreError> {
        let mut all = Vec::new();
        for hold in self.holds()? {
            let approved = self.parted(&hold.claims, now).approved;
            all.extend(approved.into_keys().map(|guarded| (guarded, hold.since)));
        }
        Ok(all)
    }

    fn last_word(&self, claims: &Claims, now: Timestamp) -> LastWord {
        let approval = self.approvals_in_force().filter(|word| now < word.until);
        let approved = approval.filter(|word| word.has_all(claims)).map(|word| word.at).max();
        let rejection = self.rejections.iter().filter(|word| word.has_all(claims));
        let rejection = rejection.max_by_key(|word| word.at);
        match (approved, rejection) {
            (Some(approved), rejection)
                if rejection.is_none_or(|rejection| rejection.at < approved) =>
            {
                LastWord::Approved
            }
            (_, Some(rejection)) => LastWord::Rejected(rejection.by.clone()),
            (_, None) => LastWord::None,
        }
    }
}

/// What was said last about what waits of one entity.
enum LastWord {
    Approved,
    Rejected(Arc<str>),
    None,
}

fn by_entity(claims: &Claims) -> BTreeMap<Option<&Entity>, Claims> {
    let mut entities: BTreeMap<Option<&Entity>, Claims> = BTreeMap::new();
    for (guarded, shown) in claims {
        entities.entry(guarded.entity()).or_default().insert(guarded.clone(), *shown);
    }
    entities
}
