//! Groups that are shown without members.

use super::*;

#[test]
fn a_group_whose_list_shows_nobody_any_more_is_told_apart_from_one_whose_members_left() {
    let leaves = |number, members: &[u8]| Element::Group {
        id: id(number),
        properties: Properties::new(),
        unread: Vec::new(),
        added: Vec::new(),
        removed: members.iter().copied().map(id).collect(),
    };
    let mut mirror = Mirror::default();
    let all = || vec![group(1, &[10, 11]), group(2, &[10]), group(3, &[]), group(4, &[12])];
    fold(&mut mirror, FIRST, 4, false, all());
    fold(&mut mirror, Round::Delta, 0, false, vec![leaves(2, &[10])]);
    let deleted = removed(12, Tombstone::SoftDeleted);
    fold(&mut mirror, Round::Delta, 0, false, vec![user(10, &[]), user(12, &[]), deleted]);
    for number in 2..4 {
        let mut lists: Vec<_> = (1..5).map(|number| group(number, &[])).collect();
        if let Element::Group { added, .. } = &mut lists[0] {
            added.push((MemberKind::Other, id(13)));
        }
        fold(&mut mirror, Round::Full(number), 4, false, lists);
        let emptied: Vec<_> = (1..5).filter(|&one| mirror.is_emptied(id(one))).collect();
        assert_eq!(emptied, [1], "read {number}: who left or was deleted is known to have");
    }
    // A word on any member shows that members can be seen.
    let mut seen = mirror.clone();
    fold(&mut seen, Round::Delta, 0, false, vec![leaves(1, &[11])]);
    assert!(!seen.is_emptied(id(1)));
    fold(&mut mirror, Round::Full(4), 1, false, vec![group(1, &[11])]);
    assert!(!mirror.is_emptied(id(1)));
}

#[test]
fn a_group_that_had_only_members_of_other_kinds_is_not_left_empty() {
    let devices = || {
        let mut list = group(1, &[]);
        if let Element::Group { added, .. } = &mut list {
            added.push((MemberKind::Other, id(13)));
        }
        list
    };
    let mut mirror = Mirror::default();
    for number in 1..3 {
        fold(&mut mirror, Round::Full(number), 1, false, vec![devices()]);
        assert!(!mirror.is_emptied(id(1)), "read {number}");
    }
    // A word that the group is empty counts until somebody was known to be in it again.
    fold(&mut mirror, Round::Full(3), 1, false, vec![group(1, &[11])]);
    fold(&mut mirror, Round::Full(4), 1, false, vec![devices()]);
    assert!(mirror.accept_empty(id(1)) && !mirror.accept_empty(id(1)));
    for (number, members, is_emptied) in
        [(5, [].as_slice(), false), (6, &[11], false), (7, &[], true)]
    {
        fold(&mut mirror, Round::Full(number), 1, false, vec![group(1, members)]);
        assert_eq!(mirror.is_emptied(id(1)), is_emptied, "read {number}");
    }
}
