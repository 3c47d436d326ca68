//! What counts is what a count of everything would give.

use std::slice::from_ref;
use std::time::Duration;

use super::{Spent, WINDOW};
use crate::core::judge::{Guard, Meter, Of};
use crate::core::model::{Entity, ObjectId, PersonId, SourceName, Timestamp};

fn meter(guard: Guard) -> Meter {
    Meter { guard, source: None, of: Of::All }
}

fn account(number: u8) -> Entity {
    let object = ObjectId::from_bytes([number; 16]);
    Entity::Account(PersonId { source: SourceName::new("asker"), object })
}

fn at(hours: u64) -> Timestamp {
    Timestamp(0).plus(Duration::from_secs(hours * 3_600))
}

#[test]
fn whoever_is_deactivated_again_and_again_counts_once_until_a_day_after_the_last_time() {
    let meter = meter(Guard::Deactivate);
    let mut spent = Spent::default();
    for (hours, number) in [(0, 1), (2, 1), (4, 2), (6, 1)] {
        spent.add(at(hours), &account(number), from_ref(&meter));
    }
    for (hours, count) in [(6, 2), (25, 2), (28, 1), (29, 1)] {
        assert_eq!(*spent.counts(at(hours)), [(meter.clone(), count)].into(), "{hours}");
        assert_eq!(spent.departed().len() as u64, count, "{hours}");
    }
    assert!(spent.counts(at(30)).is_empty() && spent.departed().is_empty());
}

#[test]
fn what_is_a_day_old_no_longer_counts_whatever_order_it_came_in() {
    let (rename, clear) = (meter(Guard::Rename), meter(Guard::Clear));
    let mut spent = Spent::default();
    // The clock was two hours ahead for a moment.
    spent.add(at(3), &account(1), from_ref(&rename));
    spent.add(at(1), &account(1), &[rename.clone(), clear.clone()]);
    spent.add(at(1), &account(1), from_ref(&rename));
    spent.add(at(2), &account(1), &[]);
    assert_eq!(*spent.counts(at(3)), [(rename.clone(), 3), (clear, 1)].into());
    assert_eq!(*spent.counts(at(1).plus(WINDOW)), [(rename, 1)].into());
    assert!(spent.counts(at(3).plus(WINDOW)).is_empty());
}
