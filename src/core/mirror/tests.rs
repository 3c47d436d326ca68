//! What a complete read says of objects that only the delta round behind its list mentions.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod emptied;
mod groups;
mod lost;

use std::collections::BTreeSet;

use super::{Folding, Mirror, Round};
use crate::core::expression::{Expression, Subject};
use crate::core::model::{
    Datum, Element, Kind, MemberKind, ObjectId, Presence, Properties, Tombstone,
};

const FIRST: Round = Round::Full(1);
const SECOND: Round = Round::Full(2);

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

fn group(number: u8, members: &[u8]) -> Element {
    Element::Group {
        id: id(number),
        properties: [("displayName".to_owned(), "Vei".into())].into(),
        added: members.iter().map(|&member| (MemberKind::User, id(member))).collect(),
        removed: Vec::new(),
        unread: Vec::new(),
    }
}

/// A group of which only is told who left it.
fn leaves(number: u8, members: &[u8]) -> Element {
    Element::Group {
        id: id(number),
        properties: Properties::new(),
        added: Vec::new(),
        removed: members.iter().map(|&member| id(member)).collect(),
        unread: Vec::new(),
    }
}

fn user(number: u8, properties: &[(&str, &str)]) -> Element {
    let properties =
        properties.iter().map(|&(name, value)| (name.to_owned(), Datum::from(value))).collect();
    Element::User { id: id(number), properties, unread: Vec::new() }
}

/// Folds a round of which the first `listed` elements stand in the list.
fn fold(mirror: &mut Mirror, round: Round, listed: usize, doubted: bool, elements: Vec<Element>) {
    let keep = Expression::parse("true", Subject::User).unwrap();
    let selected: BTreeSet<String> =
        ["department", "displayName", "jobTitle", "manager"].map(str::to_owned).into();
    let is_of_users = elements.iter().any(|element| matches!(element, Element::User { .. }));
    let kind = if is_of_users { Kind::Users } else { Kind::Groups };
    let how =
        Folding { kind, round, listed, selected: &selected, keep: &keep, doubted, counted: true };
    mirror.fold(&how, elements);
}

fn is_whole(mirror: &Mirror, number: u8) -> bool {
    mirror.groups[&id(number)].whole
}

#[test]
fn a_group_behind_an_empty_list_is_partial_until_a_list_shows_it() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 0, false, vec![group(1, &[10])]);
    fold(&mut mirror, Round::Delta, 0, false, vec![group(2, &[10])]);
    assert!(!is_whole(&mirror, 1) && !is_whole(&mirror, 2) && mirror.unsettled().has_partial_group);
    fold(&mut mirror, Round::Delta, 0, false, vec![leaves(2, &[10])]);
    assert_eq!(
        mirror.groups[&id(2)].left,
        None,
        "they may be in a group in it that nobody told of"
    );
    fold(&mut mirror, SECOND, 2, false, vec![group(1, &[10, 11]), group(2, &[])]);
    assert!(is_whole(&mirror, 1) && is_whole(&mirror, 2) && !mirror.unsettled().has_partial_group);
}

#[test]
fn a_group_that_was_read_in_doubt_is_whole_after_the_next_list() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, true, vec![group(1, &[10])]);
    assert!(!is_whole(&mirror, 1));
    fold(&mut mirror, SECOND, 1, false, vec![group(1, &[10])]);
    assert!(is_whole(&mirror, 1));
}

#[test]
fn a_change_behind_a_list_that_lost_the_group_says_nothing_of_its_other_members() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![group(1, &[10, 11]), group(2, &[])]);
    fold(&mut mirror, SECOND, 1, false, vec![group(2, &[]), group(1, &[12])]);
    let members = &mirror.groups[&id(1)].members;
    assert_eq!(members.keys().copied().collect::<Vec<_>>(), [id(10), id(11), id(12)]);
    assert!(members.values().all(|edge| edge.missing.is_none()));
}

#[test]
fn a_change_behind_a_list_that_lost_somebody_clears_nothing() {
    let mut mirror = Mirror::default();
    let whole = [("department", "NAV"), ("displayName", "Kari"), ("manager", "m")];
    let other = [("department", "Vei"), ("jobTitle", "Leder")];
    fold(&mut mirror, FIRST, 2, false, vec![user(1, &whole), user(2, &other)]);
    assert_eq!(mirror.users[&id(1)].properties.get("jobTitle"), Some(&Datum::Null));
    let before = mirror.users[&id(1)].properties.clone();
    fold(&mut mirror, SECOND, 1, false, vec![user(2, &other), user(1, &[("displayName", "Kari")])]);
    assert_eq!(mirror.users[&id(1)].properties, before);
    fold(&mut mirror, Round::Full(3), 2, false, vec![user(2, &other), user(1, &whole[..2])]);
    assert_eq!(mirror.users[&id(1)].properties.get("manager"), Some(&Datum::Null));
}

#[test]
fn a_manager_of_whom_nothing_was_ever_told_is_missing_from_a_complete_read_like_anybody() {
    let mut mirror = Mirror::default();
    let manager = id(9).to_string();
    let report = || user(1, &[("displayName", "Kari Nordmann"), ("manager", &manager)]);
    let presence = |mirror: &Mirror| mirror.users.get(&id(9)).map(|user| user.presence);
    fold(&mut mirror, FIRST, 1, false, vec![report()]);
    assert_eq!(presence(&mirror), Some(Presence::MissingOnce(1)));
    assert!(mirror.unsettled().has_missing);
    find_nobody(&mut mirror);
    fold(&mut mirror, SECOND, 1, false, vec![report()]);
    assert_eq!(presence(&mirror), Some(Presence::Removed(Tombstone::Missing)));
    // A newcomer may be told of after those who report to them.
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![user(1, &[("displayName", "Kari Nordmann")])]);
    fold(&mut mirror, Round::Delta, 0, false, vec![report()]);
    assert_eq!(presence(&mirror), None);
    fold(&mut mirror, SECOND, 1, false, vec![report()]);
    fold(&mut mirror, Round::Delta, 0, false, vec![user(9, &[("displayName", "Per Ås")])]);
    assert_eq!(presence(&mirror), Some(Presence::Present));
}

/// Single reads find none of those who were left out.
fn find_nobody(mirror: &mut Mirror) {
    for kind in [Kind::Users, Kind::Groups] {
        assert!(mirror.missing(kind).into_iter().all(|id| mirror.not_found(kind, id)));
    }
}

fn presence(mirror: &Mirror, number: u8) -> Option<Presence> {
    mirror.users.get(&id(number)).map(|user| user.presence)
}

fn removed(number: u8, tombstone: Tombstone) -> Element {
    Element::Removed { id: id(number), tombstone }
}

fn members(mirror: &Mirror, number: u8) -> Vec<(ObjectId, Option<u32>)> {
    let members = &mirror.groups[&id(number)].members;
    members.iter().map(|(id, edge)| (*id, edge.missing)).collect()
}

/// A read that could not be counted.
fn fold_uncounted(mirror: &mut Mirror, round: Round, elements: Vec<Element>) {
    let keep = Expression::parse("true", Subject::User).unwrap();
    let selected = BTreeSet::from(["displayName".to_owned()]);
    let is_of_users = elements.iter().any(|element| matches!(element, Element::User { .. }));
    let kind = if is_of_users { Kind::Users } else { Kind::Groups };
    let (listed, doubted) = (elements.len(), false);
    let (selected, keep) = (&selected, &keep);
    let how = Folding { kind, round, listed, selected, keep, doubted, counted: false };
    mirror.fold(&how, elements);
}

#[test]
fn a_complete_read_that_is_folded_twice_makes_nobody_gone() {
    let mut mirror = Mirror::default();
    let both = || vec![user(1, &[("displayName", "Kari")]), user(2, &[("displayName", "Per")])];
    let groups = || vec![group(1, &[10, 11]), group(2, &[])];
    fold(&mut mirror, FIRST, 2, false, both());
    fold(&mut mirror, FIRST, 2, false, groups());
    for _ in 0..3 {
        fold(&mut mirror, SECOND, 1, false, both()[..1].to_vec());
        assert_eq!(presence(&mirror, 2), Some(Presence::MissingOnce(2)));
        fold(&mut mirror, SECOND, 1, false, vec![group(1, &[10])]);
        assert_eq!(mirror.groups[&id(2)].presence, Presence::MissingOnce(2));
        assert_eq!(members(&mirror, 1), [(id(10), None), (id(11), Some(2))]);
    }
    find_nobody(&mut mirror);
    fold(&mut mirror, SECOND, 1, false, both()[..1].to_vec());
    fold(&mut mirror, SECOND, 1, false, vec![group(1, &[10])]);
    assert_eq!(
        presence(&mirror, 2),
        Some(Presence::NotFound(2)),
        "nor one who was asked about since"
    );
    assert_eq!(mirror.groups[&id(2)].presence, Presence::NotFound(2));
    fold(&mut mirror, Round::Full(3), 1, false, both()[..1].to_vec());
    fold(&mut mirror, Round::Full(3), 1, false, vec![group(1, &[10])]);
    assert_eq!(presence(&mirror, 2), Some(Presence::Removed(Tombstone::Missing)));
    assert_eq!(mirror.groups[&id(2)].presence, Presence::Removed(Tombstone::Missing));
    assert_eq!(members(&mirror, 1), [(id(10), None)]);
}

#[test]
fn of_a_tombstone_and_a_later_description_in_one_round_the_description_counts() {
    let mut mirror = Mirror::default();
    let kari = || user(1, &[("displayName", "Kari")]);
    fold(&mut mirror, FIRST, 1, false, vec![kari()]);
    for (round, restored) in [
        (vec![removed(1, Tombstone::SoftDeleted), kari()], true),
        (vec![kari(), removed(1, Tombstone::Purged)], false),
        (vec![kari(), removed(1, Tombstone::Purged), kari()], true),
    ] {
        fold(&mut mirror, Round::Delta, 0, false, round);
        assert_eq!(presence(&mirror, 1) == Some(Presence::Present), restored);
    }
    fold(&mut mirror, FIRST, 1, false, vec![group(2, &[10])]);
    let round = vec![removed(2, Tombstone::SoftDeleted), group(2, &[11])];
    fold(&mut mirror, Round::Delta, 0, false, round);
    // Whether a group was made again or only changed before it went, a single read says.
    assert_eq!(mirror.missing(Kind::Groups), [id(2)].into());
    assert!(mirror.find_group(id(2)) && members(&mirror, 2).len() == 2);
}

#[test]
fn a_restored_group_has_the_members_that_it_is_restored_with() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![group(1, &[10, 11])]);
    fold(&mut mirror, Round::Delta, 0, false, vec![removed(1, Tombstone::SoftDeleted)]);
    fold(&mut mirror, Round::Delta, 0, false, vec![group(1, &[11, 12])]);
    assert_eq!(members(&mirror, 1), [(id(11), None), (id(12), None)]);
    assert!(is_whole(&mirror, 1));
    // What only changes keeps those of whom nothing is said.
    fold(&mut mirror, Round::Delta, 0, false, vec![group(1, &[13])]);
    assert_eq!(members(&mirror, 1).len(), 3);
}

#[test]
fn a_member_missing_from_a_complete_read_is_noted_as_missing_and_gone_after_the_second() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![group(1, &[10, 11])]);
    fold(&mut mirror, SECOND, 1, false, vec![group(1, &[10])]);
    assert_eq!(members(&mirror, 1), [(id(10), None), (id(11), Some(2))]);
    assert!(mirror.unsettled().has_missing);
    // Whoever is seen again was never gone.
    let mut again = mirror.clone();
    fold(&mut again, Round::Delta, 0, false, vec![group(1, &[11])]);
    assert_eq!(members(&again, 1), [(id(10), None), (id(11), None)]);
    fold(&mut mirror, Round::Full(3), 1, false, vec![group(1, &[10])]);
    assert_eq!(members(&mirror, 1), [(id(10), None)]);
}

#[test]
fn a_complete_read_with_somebody_who_cannot_be_read_proves_nobodys_absence() {
    let unreadable = |of| Element::Unreadable { id: of, properties: Properties::new() };
    let kari = || user(1, &[("displayName", "Kari")]);
    for of in [None, Some(id(3))] {
        let mut mirror = Mirror::default();
        fold(&mut mirror, FIRST, 2, false, vec![kari(), user(2, &[("displayName", "Per")])]);
        for number in 2..9 {
            fold(&mut mirror, Round::Full(number), 2, false, vec![kari(), unreadable(of)]);
        }
        assert_eq!(presence(&mirror, 2), Some(Presence::Present), "{of:?}");
        assert_eq!(presence(&mirror, 3), None, "nobody was told of");
        // Two reads that could be read decide as ever.
        for (number, gone) in [(9, false), (10, true)] {
            fold(&mut mirror, Round::Full(number), 1, false, vec![kari()]);
            assert_eq!(matches!(presence(&mirror, 2), Some(Presence::Removed(_))), gone);
            find_nobody(&mut mirror);
        }
    }
    // Nor does it say that somebody is out of a group, nor that it told all of one.
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![group(1, &[10, 11])]);
    for number in 2..5 {
        let read = vec![group(1, &[10]), group(2, &[10]), unreadable(None)];
        fold(&mut mirror, Round::Full(number), 3, false, read);
    }
    assert_eq!(members(&mirror, 1), [(id(10), None), (id(11), None)]);
    assert!(!is_whole(&mirror, 1) && !is_whole(&mirror, 2));
}

#[test]
fn who_cannot_be_read_is_neither_gone_nor_back_and_what_can_be_read_counts() {
    let disabled = || Properties::from([("accountEnabled", Datum::Bool(false))]);
    let unreadable = || Element::Unreadable { id: Some(id(1)), properties: disabled() };
    let mut mirror = Mirror::default();
    let kari = || vec![user(1, &[("displayName", "Kari")]), user(2, &[("displayName", "Per")])];
    fold(&mut mirror, FIRST, 2, false, kari());
    let round = || vec![unreadable(), user(2, &[("jobTitle", "Leder")])];
    fold(&mut mirror, Round::Delta, 0, false, round());
    assert_eq!(presence(&mirror, 1), Some(Presence::Present));
    assert!(mirror.users[&id(1)].is_certain_leaver());
    // What else it may have said replaces what was known, and is to be read.
    assert_eq!(mirror.users[&id(1)].properties.get("displayName"), None);
    assert_eq!(mirror.to_be_read(), [id(1)].into());
    fold(
        &mut mirror,
        Round::Delta,
        0,
        false,
        vec![removed(1, Tombstone::SoftDeleted), kari().remove(1)],
    );
    fold(&mut mirror, Round::Delta, 0, false, round());
    assert_eq!(presence(&mirror, 1), Some(Presence::Removed(Tombstone::SoftDeleted)));
}

#[test]
fn what_is_there_and_cannot_be_read_is_never_assumed_to_be_absent() {
    let unread = |number, names: &[&str]| Element::User {
        id: id(number),
        properties: Properties::from([("displayName", Datum::from("Kari"))]),
        unread: names.iter().map(|&name| name.into()).collect(),
    };
    let other = || user(2, &[("jobTitle", "Leder"), ("department", "Vei"), ("manager", "m")]);
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![unread(1, &["jobTitle", "manager"]), other()]);
    let known = |mirror: &Mirror, name: &str| mirror.users[&id(1)].properties.get(name).cloned();
    assert_eq!(known(&mirror, "department"), Some(Datum::Null), "it was not there");
    assert_eq!((known(&mirror, "jobTitle"), known(&mirror, "manager")), (None, None));
    // The last known values stay, also over a complete read.
    let told = [("jobTitle", "Rådgiver"), ("manager", "n")];
    fold(&mut mirror, Round::Delta, 0, false, vec![user(1, &told)]);
    fold(&mut mirror, SECOND, 2, false, vec![unread(1, &["jobTitle", "manager"]), other()]);
    assert_eq!(known(&mirror, "jobTitle"), Some("Rådgiver".into()));
    assert_eq!(known(&mirror, "manager"), Some("n".into()));
    // A delta round tells what has changed: of what cannot be read of it the last value is an old one.
    fold(&mut mirror, Round::Delta, 0, false, vec![unread(1, &["jobTitle", "manager"])]);
    assert_eq!((known(&mirror, "jobTitle"), known(&mirror, "manager")), (None, Some("n".into())));
    assert_eq!(mirror.to_be_read(), [id(1)].into());
    // Nor is anything absent in a delta round, of somebody new.
    fold(&mut mirror, Round::Delta, 0, false, vec![unread(3, &["jobTitle"])]);
    assert_eq!(mirror.users[&id(3)].properties.get("jobTitle"), None);
    // Later words in one round count.
    let round = vec![user(1, &told), unread(1, &["jobTitle"]), user(1, &[("manager", "o")])];
    fold(&mut mirror, Round::Delta, 0, false, round);
    assert_eq!(known(&mirror, "manager"), Some("o".into()));
}

#[test]
fn a_member_list_that_cannot_be_read_whole_takes_nobody_out() {
    let part = |number, members: &[u8]| {
        let Element::Group { id, properties, added, removed, .. } = group(number, members) else {
            unreachable!()
        };
        Element::Group { id, properties, added, removed, unread: vec!["members".into()] }
    };
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![group(1, &[10, 11]), part(2, &[10])]);
    for number in 2..5 {
        fold(&mut mirror, Round::Full(number), 2, false, vec![part(1, &[10, 12]), part(2, &[])]);
    }
    assert_eq!(members(&mirror, 1), [(id(10), None), (id(11), None), (id(12), None)]);
    assert_eq!(members(&mirror, 2), [(id(10), None)]);
    assert!(!is_whole(&mirror, 1) && !is_whole(&mirror, 2));
    // Who is told to have left has, until told to be back; once all is told nobody need be named.
    fold(&mut mirror, Round::Delta, 0, false, vec![leaves(2, &[10, 11])]);
    assert_eq!(mirror.groups[&id(2)].left, Some([id(10), id(11)].into()));
    fold(&mut mirror, Round::Delta, 0, false, vec![group(2, &[11])]);
    assert_eq!(mirror.groups[&id(2)].left, Some([id(10)].into()));
    // What of a change cannot be read may be that, or a group that is put into it.
    fold(&mut mirror, Round::Delta, 0, false, vec![part(2, &[])]);
    assert_eq!(mirror.groups[&id(2)].left, None);
    fold(&mut mirror, Round::Full(5), 2, false, vec![group(1, &[10]), group(2, &[11])]);
    assert!(is_whole(&mirror, 2) && mirror.groups[&id(2)].left.is_none());
}

#[test]
fn a_complete_read_that_could_not_be_counted_takes_nothing_from_anybody() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 2, false, vec![user(1, &[]), user(2, &[])]);
    fold(&mut mirror, FIRST, 2, false, vec![group(1, &[10, 11]), group(2, &[])]);
    for number in 2..5 {
        fold_uncounted(&mut mirror, Round::Full(number), vec![user(1, &[]), user(3, &[])]);
        fold_uncounted(&mut mirror, Round::Full(number), vec![group(1, &[10, 12])]);
    }
    assert_eq!(presence(&mirror, 2), Some(Presence::Present));
    assert_eq!(presence(&mirror, 3), Some(Presence::Present));
    assert_eq!(mirror.groups[&id(2)].presence, Presence::Present);
    assert_eq!(members(&mirror, 1), [(id(10), None), (id(11), None), (id(12), None)]);
    // Who was missing from a read that counted is not gone by one that did not.
    fold(&mut mirror, Round::Full(5), 2, false, vec![user(1, &[]), user(3, &[])]);
    fold_uncounted(&mut mirror, Round::Full(6), vec![user(1, &[]), user(3, &[])]);
    assert_eq!(presence(&mirror, 2), Some(Presence::MissingOnce(5)));
}

#[test]
fn a_group_that_others_hold_and_nobody_tells_of_is_missing_until_a_second_read() {
    let outer = || {
        let mut outer = group(1, &[10]);
        if let Element::Group { added, .. } = &mut outer {
            added.push((MemberKind::Group, id(2)));
        }
        outer
    };
    let mut mirror = Mirror::default();
    let unreadable = Element::Unreadable { id: None, properties: Properties::new() };
    fold(&mut mirror, FIRST, 2, false, vec![outer(), unreadable]);
    assert!(mirror.may_have_others(id(2)) && !mirror.groups.contains_key(&id(2)));
    for (number, may_have_others) in [(2, true), (3, false)] {
        fold(&mut mirror, Round::Full(number), 1, false, vec![outer()]);
        assert_eq!(mirror.may_have_others(id(2)), may_have_others, "read {number}");
        assert_eq!(mirror.unsettled().has_missing, may_have_others);
    }
}

#[test]
fn only_users_and_groups_are_kept_as_members_and_whoever_is_not_gone_counts() {
    let mut mirror = Mirror::default();
    let mut first = group(1, &[10]);
    if let Element::Group { added, .. } = &mut first {
        added.extend([(MemberKind::Other, id(12)), (MemberKind::Group, id(2))]);
    }
    fold(&mut mirror, FIRST, 2, false, vec![first, group(2, &[])]);
    fold(&mut mirror, FIRST, 2, false, vec![user(1, &[]), user(2, &[])]);
    assert_eq!(members(&mirror, 1), [(id(2), None), (id(10), None)]);
    let counts = |mirror: &Mirror| (mirror.alive(Kind::Users), mirror.alive(Kind::Groups));
    assert_eq!(counts(&mirror), (2, 2));
    fold(&mut mirror, SECOND, 1, false, vec![user(1, &[])]);
    fold(&mut mirror, SECOND, 1, false, vec![group(1, &[10])]);
    assert_eq!(counts(&mirror), (2, 2), "missing once is not gone");
    fold(&mut mirror, Round::Full(7), 1, false, vec![user(1, &[])]);
    assert_eq!(counts(&mirror), (2, 2), "nor is whoever no single read was asked about");
    find_nobody(&mut mirror);
    fold(&mut mirror, Round::Full(8), 1, false, vec![user(1, &[])]);
    fold(&mut mirror, Round::Full(8), 1, false, vec![group(1, &[10])]);
    assert_eq!(counts(&mirror), (1, 1));
    assert!(!mirror.unsettled().has_missing);
}

#[test]
fn a_round_names_what_it_changed_and_the_same_round_changes_nothing() {
    let (keep, selected) = (Expression::parse("true", Subject::User).unwrap(), BTreeSet::new());
    let mut mirror = Mirror::default();
    let mut folded = |kind, round, elements: Vec<Element>| {
        let (selected, keep, listed) = (&selected, &keep, elements.len());
        let how = Folding { kind, round, listed, selected, keep, doubted: false, counted: true };
        mirror.fold(&how, elements).into_iter().collect::<Vec<_>>()
    };
    let manager = id(9).to_string();
    let users = || vec![user(1, &[("manager", &manager)]), user(2, &[])];
    assert_eq!(folded(Kind::Users, FIRST, users()), [id(1), id(2), id(9)]);
    assert_eq!(folded(Kind::Users, FIRST, users()), []);
    assert_eq!(folded(Kind::Users, SECOND, users()[..1].to_vec()), [id(2)], "9 is asked about");
    let groups = || vec![group(1, &[10]), group(2, &[10])];
    assert_eq!(folded(Kind::Groups, FIRST, groups()), [id(1), id(2)]);
    assert_eq!(folded(Kind::Groups, FIRST, groups()), []);
    assert_eq!(folded(Kind::Groups, SECOND, groups()[1..].to_vec()), [id(1)]);
}

#[test]
fn of_what_is_in_doubt_a_complete_read_counts_alone_and_a_change_does_not() {
    let told = [("department", "NAV"), ("jobTitle", "Leder")];
    for (round, left) in [(SECOND, None), (Round::Delta, Some(Datum::from("Leder")))] {
        let mut mirror = Mirror::default();
        fold(&mut mirror, FIRST, 2, false, vec![user(1, &told), user(2, &told)]);
        let listed = usize::from(round != Round::Delta);
        fold(&mut mirror, round, listed, true, vec![user(1, &told[..1])]);
        assert_eq!(mirror.users[&id(1)].properties.get("jobTitle").cloned(), left, "{round:?}");
        // Who is only told to be gone keeps what was known.
        fold(&mut mirror, round, listed, true, vec![user(3, &[]), removed(2, Tombstone::Purged)]);
        assert_eq!(mirror.users[&id(2)].properties.len(), 3, "{round:?}");
    }
}

#[test]
fn whether_somebody_may_sign_in_is_never_assumed() {
    let (keep, selected) = (
        Expression::parse("true", Subject::User).unwrap(),
        BTreeSet::from(["accountEnabled".to_owned(), "jobTitle".to_owned()]),
    );
    let mut enabled = user(1, &[("jobTitle", "Leder")]);
    if let Element::User { properties, .. } = &mut enabled {
        properties.insert("accountEnabled".into(), Datum::Bool(true));
    }
    let mut mirror = Mirror::default();
    let (kind, round, selected, keep) = (Kind::Users, FIRST, &selected, &keep);
    let how = Folding { kind, round, listed: 2, selected, keep, doubted: false, counted: true };
    mirror.fold(&how, vec![enabled, user(2, &[])]);
    let other = &mirror.users[&id(2)].properties;
    assert_eq!((other.get("jobTitle"), other.get("accountEnabled")), (Some(&Datum::Null), None));
}

#[test]
fn who_comes_back_is_described_from_head_to_foot() {
    let mut mirror = Mirror::default();
    let told = [("department", "NAV"), ("jobTitle", "Leder"), ("manager", "m")];
    fold(&mut mirror, FIRST, 2, false, vec![user(1, &told), user(2, &told)]);
    fold(&mut mirror, Round::Delta, 0, false, vec![user(1, &[("department", "Vei")])]);
    let known = |mirror: &Mirror, name| mirror.users[&id(1)].properties.get(name).cloned();
    assert_eq!(known(&mirror, "manager"), Some("m".into()), "nothing is said of it");
    let leaves = vec![user(2, &[]), removed(1, Tombstone::SoftDeleted)];
    fold(&mut mirror, Round::Delta, 0, false, leaves);
    fold(&mut mirror, Round::Delta, 0, false, vec![user(1, &[("department", "Vei")])]);
    assert_eq!(known(&mirror, "manager"), Some(Datum::Null));
    assert_eq!(presence(&mirror, 1), Some(Presence::Present));
}
