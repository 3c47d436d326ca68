//! Rounds that may have been about a group and do not show it.

use super::{FIRST, fold, group, id, is_whole, leaves};
use crate::core::mirror::{Mirror, Round};
use crate::core::model::{Element, MemberKind, Properties};

fn unreadable() -> Element {
    Element::Unreadable { id: None, properties: Properties::new() }
}

fn town() -> Mirror {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![group(1, &[10]), group(2, &[11])]);
    assert!(is_whole(&mirror, 1) && is_whole(&mirror, 2));
    mirror
}

#[test]
fn what_cannot_be_read_at_all_may_be_about_any_group() {
    let mut mirror = town();
    fold(&mut mirror, Round::Delta, 0, false, vec![group(1, &[12]), unreadable()]);
    assert!(!is_whole(&mirror, 1) && !is_whole(&mirror, 2));
    assert_eq!((&mirror.groups[&id(1)].left, &mirror.groups[&id(2)].left), (&None, &None));
    // Who came to another one, or which one was put into this, is told to nobody again.
    fold(&mut mirror, Round::Delta, 0, false, vec![leaves(1, &[10])]);
    assert_eq!(mirror.groups[&id(1)].left, None);
    fold(&mut mirror, Round::Full(2), 2, false, vec![group(1, &[12]), group(2, &[11])]);
    assert!(is_whole(&mirror, 1) && is_whole(&mirror, 2));
}

#[test]
fn a_read_from_the_start_that_leaves_a_group_out_tells_nothing_of_what_changed_in_it() {
    for round in [Round::Full(2), Round::Refused] {
        let mut mirror = town();
        fold(&mut mirror, round, 1, false, vec![group(1, &[10])]);
        assert!(is_whole(&mirror, 1) == (round != Round::Refused), "{round:?}");
        assert!(!is_whole(&mirror, 2), "{round:?}");
    }
    // Nor of one of which only those who left are told so far.
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![group(1, &[10]), group(2, &[11]), unreadable()]);
    assert_eq!(mirror.groups[&id(2)].left, Some([].into()));
    fold(&mut mirror, Round::Full(2), 1, false, vec![group(1, &[10])]);
    assert_eq!(mirror.groups[&id(2)].left, None);
}

#[test]
fn what_is_gone_has_no_members_that_could_be_unknown() {
    let mut mirror = town();
    let gone = Element::Removed { id: id(2), tombstone: crate::core::model::Tombstone::Purged };
    fold(&mut mirror, Round::Delta, 0, false, vec![gone]);
    fold(&mut mirror, Round::Delta, 0, false, vec![unreadable(), group(1, &[10])]);
    assert!(is_whole(&mirror, 2) && !mirror.unsettled().has_missing);
}

#[test]
fn a_change_of_a_group_that_no_list_has_shown_is_no_description() {
    let mut mirror = town();
    fold(&mut mirror, Round::Delta, 0, false, vec![group(3, &[10]), leaves(4, &[10])]);
    let joins = Element::Group {
        id: id(5),
        properties: Properties::new(),
        added: vec![(MemberKind::User, id(10))],
        removed: Vec::new(),
        unread: Vec::new(),
    };
    fold(&mut mirror, Round::Delta, 0, false, vec![joins]);
    assert!(is_whole(&mirror, 3) && !is_whole(&mirror, 4) && !is_whole(&mirror, 5));
}
