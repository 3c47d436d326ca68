//! Groups that are listed, and groups that come up behind a list.

use super::{FIRST, SECOND, fold, group, id, is_whole, leaves};
use crate::core::mirror::{Mirror, Round};
use crate::core::model::{Datum, Element, Tombstone};

fn in_department(number: u8) -> Element {
    let Element::Group { id, mut properties, added, removed, unread } = group(number, &[]) else {
        unreachable!()
    };
    properties.insert("department".into(), "Skole".into());
    Element::Group { id, properties, added, removed, unread }
}

fn department(mirror: &Mirror, number: u8) -> Option<Datum> {
    mirror.groups[&id(number)].properties.get("department").cloned()
}

#[test]
fn what_a_list_leaves_out_of_a_group_is_absent_where_others_have_it() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![in_department(1), group(2, &[])]);
    assert_eq!(
        [1, 2].map(|number| department(&mirror, number)),
        [Some("Skole".into()), Some(Datum::Null)]
    );
    // A new group is described whole, and a change of one that no list has shown is not.
    let joins = leaves(4, &[10]);
    fold(&mut mirror, Round::Delta, 0, false, vec![group(3, &[]), joins]);
    assert_eq!([3, 4].map(|number| department(&mirror, number)), [Some(Datum::Null), None]);
    // Of one that is gone again nothing is assumed, nor of any in doubt.
    let gone = Element::Removed { id: id(5), tombstone: Tombstone::SoftDeleted };
    fold(&mut mirror, Round::Delta, 0, false, vec![group(5, &[]), gone]);
    assert_eq!(department(&mirror, 5), None);
    let mut mirror = Mirror::default();
    fold(&mut mirror, SECOND, 2, true, vec![in_department(1), group(2, &[])]);
    assert_eq!(department(&mirror, 2), None);
}

#[test]
fn a_group_that_is_new_behind_a_list_of_others_is_whole() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![group(1, &[10]), group(2, &[11])]);
    fold(&mut mirror, Round::Delta, 0, false, vec![group(3, &[])]);
    assert!([1, 2, 3].into_iter().all(|number| is_whole(&mirror, number)));
}
