//! Findings: something about a whole source or target that waits for somebody's word. It is shown,
//! approved and rejected like a hold, though it holds no change of its own.

use serde::Serialize;

use super::meter::Meter;
use super::{Approval, Claims, Guarded, Hold, HoldId, Rejection};
use crate::core::model::{DigestKey, Timestamp};
use crate::core::plan::ChangeDigest;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The guard, and what it looked at.
    pub meter: Meter,
    /// How many objects it is about.
    pub count: u64,
    /// How many would not have been one.
    pub limit: u64,
    /// Since when.
    pub since: Timestamp,
    /// What was found, what was done about it, what approving it means.
    pub words: String,
    /// What exactly an approval is good for.
    pub digest: ChangeDigest,
}

impl Finding {
    /// The digest of what an approval accepts: another subject is another finding.
    pub fn digest_of<T: Serialize>(meter: &Meter, subject: &T) -> ChangeDigest {
        ChangeDigest::of(&("finding", meter, subject))
    }

    /// Whether somebody has accepted exactly this, and who.
    pub fn accepted<'a>(
        meter: &Meter,
        digest: ChangeDigest,
        approvals: &'a [Approval],
        now: Timestamp,
    ) -> Option<&'a Approval> {
        let subject = Guarded::Finding(meter.clone());
        let good =
            |word: &&Approval| now < word.until && word.claims.get(&subject) == Some(&digest);
        approvals.iter().filter(good).max_by_key(|word| word.at)
    }

    /// The hold that it is shown as.
    pub fn hold(&self, rejections: &[Rejection], digests: &DigestKey) -> Hold {
        let Self { meter, count, limit, since, words, digest } = self;
        let claims = Claims::from([(Guarded::Finding(meter.clone()), *digest)]);
        let rejected = rejections.iter().rfind(|word| word.has_all(&claims));
        Hold {
            id: HoldId::of(digests, meter, &claims),
            meter: meter.clone(),
            count: *count,
            open: if rejected.is_some() { 0 } else { *count },
            limit: *limit,
            since: *since,
            claims,
            finding: Some(words.as_str().into()),
            surprise: None,
            rejected: rejected.map(|word| word.by.clone()),
        }
    }
}
