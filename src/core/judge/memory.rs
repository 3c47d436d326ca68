//! What was decided before about a change: by an earlier judgement, or by a person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Standing;
use super::meter::Meter;
use crate::core::model::Timestamp;
use crate::core::plan::ChangeDigest;

/// What an earlier judgement held. It stays held until it is approved or leaves the plan, so that
/// what was stopped as one does not slip through in parts, and does not stop what comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBefore {
    /// The count that was exceeded.
    pub meter: Meter,
    /// What it had left.
    pub limit: u64,
    /// When the judgement was.
    pub since: Timestamp,
    /// The changes that were held, those too which are approved and not made yet: they are held
    /// again when the approval runs out.
    pub changes: BTreeSet<ChangeDigest>,
}

/// Somebody's word that exactly these changes may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The changes.
    pub changes: BTreeSet<ChangeDigest>,
    /// Who.
    pub by: Arc<str>,
    /// When it was given. Of an approval and a rejection of one change the later counts.
    pub at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// Somebody's word that exactly these changes may not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The changes.
    pub changes: BTreeSet<ChangeDigest>,
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// The latest that a person said about a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    Approved(&'a Approval),
    Rejected(&'a Rejection),
}

/// What earlier judgements said about a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Past<'a> {
    Fresh,
    /// May be made, and waits for its turn.
    Cleared,
    /// Belongs to this hold, which is in this place of [`Standing::held`].
    Held(usize, &'a HeldBefore),
}

/// Everything decided before, by change.
pub(super) struct Memory<'a> {
    held: BTreeMap<ChangeDigest, (usize, &'a HeldBefore)>,
    cleared: &'a BTreeSet<ChangeDigest>,
    words: BTreeMap<ChangeDigest, Word<'a>>,
}

impl<'a> Memory<'a> {
    pub(super) fn of(standing: &'a Standing, now: Timestamp) -> Self {
        let mut words: BTreeMap<ChangeDigest, Word<'a>> = BTreeMap::new();
        for approval in standing.approvals.iter().filter(|approval| now < approval.until) {
            for &digest in &approval.changes {
                let word = words.entry(digest).or_insert(Word::Approved(approval));
                if word.at() < approval.at {
                    *word = Word::Approved(approval);
                }
            }
        }
        // Last, and winning a tie: of two words at one time the careful one counts.
        for rejection in &standing.rejections {
            for &digest in &rejection.changes {
                let word = words.entry(digest).or_insert(Word::Rejected(rejection));
                if word.at() <= rejection.at {
                    *word = Word::Rejected(rejection);
                }
            }
        }
        let held = standing.held.iter().enumerate();
        let held = held
            .flat_map(|(at, hold)| hold.changes.iter().map(move |&digest| (digest, (at, hold))));
        Self { held: held.collect(), cleared: &standing.cleared, words }
    }

    /// What a person last said.
    pub(super) fn word(&self, digest: ChangeDigest) -> Option<Word<'a>> {
        self.words.get(&digest).copied()
    }

    /// What was judged before. Of a hold and a clearance the hold counts.
    pub(super) fn past(&self, digest: ChangeDigest) -> Past<'a> {
        match self.held.get(&digest) {
            Some(&(at, hold)) => Past::Held(at, hold),
            None if self.cleared.contains(&digest) => Past::Cleared,
            None => Past::Fresh,
        }
    }
}

impl Word<'_> {
    fn at(self) -> Timestamp {
        match self {
            Self::Approved(approval) => approval.at,
            Self::Rejected(rejection) => rejection.at,
        }
    }
}
