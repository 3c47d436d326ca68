//! Who may be connected to the control socket at once. Each user has a few places, and one that has not
//! said yet what it wants gives way, so that nobody holds up those who approve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{AbortHandle, AbortRegistration};

/// Connections at once.
const ALL_MAX: usize = 64;
/// More than those, for whoever has none yet and for the owner.
const RESERVED: usize = 16;
/// Connections at once of one user, but for the owner.
const EACH_MAX: usize = 8;

/// Who is connected.
#[derive(Default)]
pub(super) struct Slots {
    open: Vec<Slot>,
    next: u64,
}

/// One connection, as the others have to know it.
struct Slot {
    number: u64,
    uid: u32,
    /// Whether it has said what it wants: then it is answered, whoever comes.
    asked: Arc<AtomicBool>,
    abort: AbortHandle,
}

/// A place that somebody has got.
pub(super) struct Place {
    pub(super) number: u64,
    /// To be set once they have said what they want.
    pub(super) asked: Arc<AtomicBool>,
    /// Ends them when they have to give way.
    pub(super) aborted: AbortRegistration,
}

impl Slots {
    /// A place for this user; none where all of theirs, or all of everybody's, are at work.
    pub(super) fn take(&mut self, uid: u32, is_owner: bool) -> Option<Place> {
        let own = self.count(|slot| slot.uid == uid);
        if own >= EACH_MAX && !is_owner && !self.give_way(|slot| slot.uid == uid) {
            return None;
        }
        // Nobody's only connection gives way to another user.
        let crowds = |slots: &Self, slot: &Slot| slots.count(|one| one.uid == slot.uid) > 1;
        let many: Vec<u64> =
            self.open.iter().filter(|slot| crowds(self, slot)).map(|slot| slot.number).collect();
        if self.count(|_| true) >= ALL_MAX && !self.give_way(|slot| many.contains(&slot.number)) {
            let is_first = own == 0 || is_owner;
            if !is_first || self.count(|_| true) >= ALL_MAX + RESERVED {
                return None;
            }
        }
        self.next += 1;
        let (abort, aborted) = AbortHandle::new_pair();
        let (number, asked) = (self.next, Arc::new(AtomicBool::new(false)));
        self.open.push(Slot { number, uid, asked: Arc::clone(&asked), abort });
        Some(Place { number, asked, aborted })
    }

    /// They have gone.
    pub(super) fn end(&mut self, number: u64) {
        self.open.retain(|slot| slot.number != number);
    }

    fn count(&self, wants: impl Fn(&Slot) -> bool) -> usize {
        self.open.iter().filter(|slot| !slot.abort.is_aborted() && wants(slot)).count()
    }

    /// Ends the oldest of these that has not said what it wants.
    fn give_way(&mut self, may: impl Fn(&Slot) -> bool) -> bool {
        let idle = |slot: &&Slot| !slot.asked.load(Ordering::Relaxed) && !slot.abort.is_aborted();
        let found = self.open.iter().filter(idle).find(|slot| may(slot));
        found.map(|slot| slot.abort.abort()).is_some()
    }
}

#[cfg(test)]
mod tests;
