//! Repeats: a change that was made and is planned again just as it was. Once or twice there may be a reason;
//! then it is stuck, so that nothing is made, or seems to be made, again and again for ever.
//!
//! What somebody else undoes is found by a comparison, and is drift: that begins anew. Memberships that do
//! not show are counted by themselves ([`crate::core::model::Unseen`]).

use std::collections::BTreeMap;
use std::time::Duration;

use super::PendingEscrow;
use crate::core::judge::Cleared;
use crate::core::model::Entity;
use crate::core::plan::ChangeDigest;
use crate::cycle::target::TargetLoop;

/// So often in a row the same change is made.
const MADE_MAX: u32 = 3;
/// After so long it counts as a change of its own.
const IN_ROW: Duration = Duration::from_secs(10 * 60);
/// What is older is forgotten each time that there are so many more.
const TIDIED_EVERY: usize = 1_024;

/// Why nothing is left of a change that is planned all the same.
const NOTHING_LEFT: &str = "nothing of this change is left to be sent, as the platform does not take what it \
    is about; nothing was sent. Try it again with manntall retry, and report it if it stays so";

/// Why a change that was made is not made again.
const AGAIN: &str = "the change was made three times within minutes, and each time it was planned again just \
    as it was; it is made again ever more seldom. Look at it on the platform, and report it with manntall \
    explain";

/// The last change that was made of each account and group: which, how often in a row, and when last.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<Entity, (ChangeDigest, u32, Duration)>);

impl Repeats {
    /// Notes that a change was made; whether that was so too often.
    fn note(&mut self, entity: &Entity, change: ChangeDigest, now: Duration) -> bool {
        let is_recent = |at: Duration| at + IN_ROW > now;
        // Not at each change of an import.
        if self.0.len().is_multiple_of(TIDIED_EVERY) {
            self.0.retain(|_, (.., at)| is_recent(*at));
        }
        let known = self.0.get(entity);
        let known = known.filter(|(last, _, at)| *last == change && is_recent(*at));
        let times = known.map_or(0, |(_, times, _)| *times).saturating_add(1);
        self.0.insert(entity.clone(), (change, times, now));
        times >= MADE_MAX
    }
}

impl TargetLoop {
    /// The change was made. Where that was so again and again it is stuck as soon as it is planned once more.
    pub(super) fn note_repeat(&mut self, cleared: &Cleared) {
        let change = cleared.change();
        let (digest, now) = (change.digest(), self.clock.elapsed());
        if self.refusals.attention.repeats.note(&change.entity, digest, now) {
            let pending = PendingEscrow { words: AGAIN.into(), only: Some(digest) };
            self.refusals.pending.entry(change.entity.clone()).or_insert(pending);
        }
    }

    /// Somebody else has changed it: what we make of it begins anew.
    pub(in crate::cycle) fn forget_repeats(&mut self, entity: &Entity) {
        self.refusals.attention.repeats.0.remove(entity);
    }

    /// Nothing of the change is left to be sent: it is not made. Where the plan comes to the same once more
    /// it is stuck.
    pub(in crate::cycle) fn leave_empty(&mut self, cleared: &Cleared) {
        let change = cleared.change();
        let pending = PendingEscrow { words: NOTHING_LEFT.into(), only: Some(change.digest()) };
        self.refusals.pending.insert(change.entity.clone(), pending);
        self.touch(change.entity.clone());
        self.drop_stale(&change.entity);
    }
}

#[cfg(test)]
mod tests;
