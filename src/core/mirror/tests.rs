//! What a complete read says of objects that only the delta round behind its list mentions.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;

use super::{Folding, Mirror, Round};
use crate::core::expression::{Expression, Subject};
use crate::core::model::{Datum, Element, Kind, MemberKind, ObjectId, Presence, Tombstone};

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
    }
}

fn user(number: u8, properties: &[(&str, &str)]) -> Element {
    let properties =
        properties.iter().map(|&(name, value)| (name.to_owned(), Datum::from(value))).collect();
    Element::User { id: id(number), properties }
}

/// Folds a round of which the first `listed` elements stand in the list.
fn fold(mirror: &mut Mirror, round: Round, listed: usize, doubted: bool, elements: Vec<Element>) {
    let keep = Expression::parse("true", Subject::User).unwrap();
    let selected: BTreeSet<String> =
        ["department", "displayName", "jobTitle", "manager"].map(str::to_owned).into();
    let is_of_users = elements.iter().any(|element| matches!(element, Element::User { .. }));
    let kind = if is_of_users { Kind::Users } else { Kind::Groups };
    let how = Folding { kind, round, listed, selected: &selected, keep: &keep, doubted };
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
    fold(&mut mirror, SECOND, 2, false, vec![group(1, &[10, 11]), group(2, &[])]);
    assert!(is_whole(&mirror, 1) && is_whole(&mirror, 2) && !mirror.unsettled().has_partial_group);
}

#[test]
fn a_group_that_is_new_behind_a_list_of_others_is_whole() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, FIRST, 1, false, vec![group(1, &[10]), group(2, &[11])]);
    fold(&mut mirror, Round::Delta, 0, false, vec![group(3, &[])]);
    assert!([1, 2, 3].into_iter().all(|number| is_whole(&mirror, number)));
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
