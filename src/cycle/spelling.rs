//! Spelling of ids: some targets show members under ids in another letter case than those of the accounts.
//! RFC 7643 §3.1 calls ids case-exact, so what is exact counts first; what fits exactly one account of ours
//! without regard to letter case is that account. Sent is always what the target gave for the account.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Engine;
use crate::core::model::ScimId;

/// The ids of our accounts by their digest without regard to letter case; nothing before it is needed.
#[derive(Default)]
pub(super) struct Spellings(Option<Vec<(u64, ScimId)>>);

impl Spellings {
    /// An account of ours has come or gone.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// The one account that is meant.
    fn find(&self, id: &ScimId) -> Option<&ScimId> {
        let all = self.0.as_ref()?;
        let wanted = digest(id);
        let from = all.partition_point(|(digest, _)| *digest < wanted);
        let same = all.get(from..)?.iter().take_while(|(digest, _)| *digest == wanted);
        let folded = id.as_str().to_lowercase();
        let mut found = same.filter(|(_, known)| known.as_str().to_lowercase() == folded);
        let (_, one) = found.next()?;
        found.next().is_none().then_some(one)
    }
}

impl Engine {
    /// The same members, each under the id that the target gave for the account.
    pub(super) fn as_accounts(&mut self, shown: BTreeSet<ScimId>) -> BTreeSet<ScimId> {
        if shown.iter().all(|id| self.accounts_by_id.contains_key(id)) {
            return shown;
        }
        let accounts = &self.accounts_by_id;
        self.spellings.0.get_or_insert_with(|| {
            let mut all: Vec<_> = accounts.keys().map(|id| (digest(id), id.clone())).collect();
            all.sort_unstable();
            all
        });
        let own = |id: ScimId| {
            let is_exact = accounts.contains_key(&id);
            let other = if is_exact { None } else { self.spellings.find(&id) };
            other.cloned().unwrap_or(id)
        };
        shown.into_iter().map(own).collect()
    }
}

fn digest(id: &ScimId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.as_str().to_lowercase().hash(&mut hasher);
    hasher.finish()
}
