//! What is made again and again is noticed, and nothing else.

use std::time::Duration;

use super::{IN_ROW, Repeats};
use crate::core::model::{Entity, ObjectId, PersonId, SourceName};
use crate::core::plan::ChangeDigest;

fn account(number: u8) -> Entity {
    let object = ObjectId::from_bytes([number; 16]);
    Entity::Account(PersonId { source: SourceName::new("asker"), object })
}

#[test]
fn a_change_that_is_made_three_times_in_a_row_is_noticed_and_no_other() {
    let (one, other) = (ChangeDigest::of(&1), ChangeDigest::of(&2));
    let at = Duration::from_secs;
    let mut repeats = Repeats::default();
    assert!(!repeats.note(&account(1), one, at(0)) && !repeats.note(&account(1), one, at(1)));
    assert!(!repeats.note(&account(2), one, at(1)), "somebody else's");
    assert!(repeats.note(&account(1), one, at(2)) && repeats.note(&account(1), one, at(3)));
    // There and back again is no repetition.
    for seconds in 4..20 {
        let change = if seconds % 2 == 0 { other } else { one };
        assert!(!repeats.note(&account(1), change, at(seconds)), "{seconds}");
    }
    // Nor is what comes again later.
    for times in 1..5 {
        assert!(!repeats.note(&account(3), one, IN_ROW * times), "{times}");
    }
}
