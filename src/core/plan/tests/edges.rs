//! Who is reached through groups in groups.

use super::super::nesting::Nesting;
use super::*;

/// The edges of groups, each with the people and the groups in it.
fn nesting(groups: &[(u8, &[u8], &[u8])]) -> (Town, Nesting) {
    let (mut town, mut nesting) = (Town::new(), Nesting::default());
    for (number, people, nested) in groups {
        let group = town.directory_group(*number, people);
        let edge = |&one| (id(one), Edge { kind: MemberKind::Group, missing: None });
        group.members.extend(nested.iter().map(edge));
    }
    for (number, ..) in groups {
        nesting.update(source(), id(*number), &town.mirrors[&source()]);
    }
    (town, nesting)
}

fn people(nesting: &Nesting, group: u8) -> Vec<PersonId> {
    nesting.reached(source(), id(group)).0.into_iter().collect()
}

fn above(nesting: &Nesting, member: u8) -> Vec<ObjectId> {
    nesting.above(source(), id(member)).into_iter().collect()
}

#[test]
fn people_are_reached_through_every_level_also_in_a_circle() {
    let (_, nesting) = nesting(&[(101, &[1], &[102]), (102, &[2], &[103]), (103, &[3], &[101])]);
    for group in [101, 102, 103] {
        assert_eq!(people(&nesting, group), [person(1), person(2), person(3)]);
        assert_eq!(nesting.reached(source(), id(group)).1.len(), 3);
    }
    assert_eq!(above(&nesting, 3), [id(101), id(102), id(103)]);
}

#[test]
fn a_group_that_is_gone_leads_nowhere_and_one_that_is_missing_once_still_does() {
    let (mut town, mut nesting) = nesting(&[(101, &[1], &[102]), (102, &[2], &[])]);
    for (presence, found) in [
        (Presence::MissingOnce(2), vec![person(1), person(2)]),
        (Presence::Removed(Tombstone::SoftDeleted), vec![person(1)]),
        (Presence::Present, vec![person(1), person(2)]),
    ] {
        town.mirror().groups.get_mut(&id(102)).unwrap().presence = presence;
        nesting.update(source(), id(102), &town.mirrors[&source()]);
        assert_eq!(people(&nesting, 101), found, "{presence:?}");
    }
}

#[test]
fn who_left_a_group_is_below_it_no_more() {
    let (mut town, mut nesting) = nesting(&[(101, &[], &[102]), (102, &[1, 2], &[])]);
    assert_eq!(above(&nesting, 2), [id(101), id(102)]);
    town.mirror().groups.get_mut(&id(102)).unwrap().members.remove(&id(2));
    nesting.update(source(), id(102), &town.mirrors[&source()]);
    assert_eq!(people(&nesting, 101), [person(1)]);
    assert_eq!(above(&nesting, 2), Vec::<ObjectId>::new());
    assert_eq!(above(&nesting, 1), [id(101), id(102)]);
}
