//! What counts is what a count of everything would give.

use std::slice::from_ref;
use std::time::Duration;

use super::{Spent, WINDOW};
use crate::core::judge::{Guard, Meter, Of};
use crate::core::model::Timestamp;

fn meter(guard: Guard) -> Meter {
    Meter { guard, source: None, of: Of::All }
}

#[test]
fn what_is_a_day_old_no_longer_counts_whatever_order_it_came_in() {
    let (rename, clear) = (meter(Guard::Rename), meter(Guard::Clear));
    let at = |hours: u64| Timestamp(0).plus(Duration::from_secs(hours * 3_600));
    let mut spent = Spent::default();
    // The clock was two hours ahead for a moment.
    spent.add(at(3), from_ref(&rename));
    spent.add(at(1), &[rename.clone(), clear.clone()]);
    spent.add(at(1), from_ref(&rename));
    spent.add(at(2), &[]);
    assert_eq!(*spent.counts(at(3)), [(rename.clone(), 3), (clear, 1)].into());
    assert_eq!(*spent.counts(at(1).plus(WINDOW)), [(rename, 1)].into());
    assert!(spent.counts(at(3).plus(WINDOW)).is_empty());
}
