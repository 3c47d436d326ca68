//! The socket is shared fairly.

use super::*;

const READER: u32 = 1_001;
const APPROVER: u32 = 1_002;

fn all_ask(slots: &Slots) {
    slots.open.iter().for_each(|slot| slot.asked.store(true, Ordering::Relaxed));
}

#[test]
fn one_user_has_a_few_places_and_the_oldest_idle_one_gives_way() {
    let mut slots = Slots::default();
    for _ in 0..200 {
        assert!(slots.take(READER, false).is_some());
        assert!(slots.count(|slot| slot.uid == READER) <= EACH_MAX);
    }
    assert!(slots.take(APPROVER, false).is_some());
    // Those that are being answered give way to nobody.
    all_ask(&slots);
    assert!(slots.take(READER, false).is_none());
    assert!(slots.take(APPROVER, false).is_some());
}

#[test]
fn an_approver_is_served_however_many_others_are_at_work() {
    let mut slots = Slots::default();
    for uid in 2_000..2_008 {
        for _ in 0..EACH_MAX {
            assert!(slots.take(uid, false).is_some());
        }
        all_ask(&slots);
    }
    assert!(slots.take(2_000, false).is_none());
    assert!(slots.take(APPROVER, false).is_some());
    assert!(slots.take(0, true).is_some());
    all_ask(&slots);
    assert!(slots.take(APPROVER, false).is_none(), "the reserve is for the first one");
}
