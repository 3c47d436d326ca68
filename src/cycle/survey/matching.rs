//! Matching: which of the resources that were told may be an entity of ours.

use std::collections::{BTreeMap, BTreeSet};

use super::AllSeen;
use crate::core::model::ScimId;
use crate::core::survey::{Candidate, Found};

/// Resources that nobody of ours is linked to, by what they may match.
pub(super) struct Index<'a> {
    by_external_id: BTreeMap<&'a str, Vec<&'a ScimId>>,
    by_name: BTreeMap<&'a str, Vec<&'a ScimId>>,
}

/// All resources that are free.
pub(super) fn index(seen: &AllSeen, is_free: impl Fn(&ScimId) -> bool) -> Index<'_> {
    let mut index = Index { by_external_id: BTreeMap::new(), by_name: BTreeMap::new() };
    for (id, seen) in seen.iter().filter(|(id, _)| is_free(id)) {
        if let Some(external_id) = &seen.external_id {
            index.by_external_id.entry(external_id).or_default().push(id);
        }
        if let Some(name) = &seen.name {
            index.by_name.entry(name).or_default().push(id);
        }
    }
    index
}

impl<'a> Index<'a> {
    /// Everything that matches by either attribute, each once.
    pub(super) fn matches(&self, external_id: &str, name: Option<&str>) -> Vec<&'a ScimId> {
        let by_id = self.by_external_id.get(external_id).into_iter().flatten();
        let by_name = name.and_then(|name| self.by_name.get(name)).into_iter().flatten();
        let all: BTreeSet<&ScimId> = by_id.chain(by_name).copied().collect();
        all.into_iter().collect()
    }
}

/// The answer that these are.
pub(super) fn found(ids: &[&ScimId], seen: &AllSeen) -> Found {
    match ids {
        [] => Found::Absent,
        [id] => Found::One(Candidate {
            id: (*id).clone(),
            attributes: seen.get(*id).map(|seen| seen.attributes.clone()).unwrap_or_default(),
            members: BTreeSet::new(),
        }),
        several => Found::Many(several.iter().map(|id| (*id).clone()).collect()),
    }
}
