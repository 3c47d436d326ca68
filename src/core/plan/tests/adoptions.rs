//! Whose id it carries what is found by its name.

use super::super::adoption::adoption;
use super::super::{ChangeDigest, Difference};
use super::*;
use crate::core::model::{LeftOut, Use, WhyLeftOut};

fn carrying(carried: &str) -> Attributes {
    [(AttrPath::external_id(), carried.into()), (AttrPath::roles(), Datum::Null)].into()
}

fn found(attributes: Attributes) -> Found {
    Found::One(Candidate { id: scim(1), attributes, members: BTreeSet::new() })
}

fn of_another(change: &Change) -> Option<&str> {
    change.adopts.as_ref().unwrap().of_another.as_deref()
}

/// What is adopted for the person where the account carries this.
fn account_with(attributes: Attributes) -> Change {
    let mut town = Town::new();
    town.user(0xab, None);
    town.survey.accounts.insert(person(0xab), found(attributes));
    let planner = town.plan();
    let change = planner.changes().get(&Entity::Account(person(0xab))).unwrap();
    assert_eq!(change.action, Action::Adopt);
    Change::clone(change)
}

#[test]
fn an_account_that_is_found_by_its_name_may_carry_the_id_of_another() {
    let own = id(0xab).to_string();
    let other = id(5).to_string();
    for (carried, is_of_another) in [
        (own.as_str(), false),
        (&own.to_uppercase(), false),
        (&other, true),
        (&other.to_uppercase(), true),
        ("", false),
        ("kari.nordmann", false),
        ("100234", false),
        (&other.replace('-', ""), false),
    ] {
        let change = account_with(carrying(carried));
        assert_eq!(of_another(&change), is_of_another.then_some(carried), "{carried}");
        assert_eq!(change.takes_of_another(), is_of_another);
        let says_so = change.reason.contains("carries the id of another person");
        assert_eq!(says_so, is_of_another, "{}", change.reason);
    }
    let without = [(AttrPath::roles(), Datum::Null)].into();
    assert!(!account_with(without).takes_of_another());
}

#[test]
fn of_an_inactive_account_with_the_id_of_another_both_is_said() {
    let other = id(5).to_string();
    let mut attributes = carrying(&other);
    attributes.insert(AttrPath::active(), Datum::Bool(false));
    let change = account_with(attributes);
    assert!(change.reason.ends_with("the id of another person, and it is inactive"));
    let mut attributes = carrying("100234");
    attributes.insert(AttrPath::active(), Datum::Bool(false));
    assert_eq!(account_with(attributes).reason, "exists on the platform as on-platform-1");
}

#[test]
fn an_account_with_the_id_of_another_is_known_though_the_id_is_not_written() {
    let other = id(5).to_string();
    let mut town = Town::new();
    town.user(1, None);
    town.survey.accounts.insert(person(1), found(carrying(&other)));
    let left = LeftOut {
        why: WhyLeftOut::Ignored,
        reason: String::new(),
        told: None,
        since: Timestamp(0),
        until: Timestamp(1),
        people: 3,
        rules: ChangeDigest::of(&()),
    };
    town.ledger.left_out.insert((AttrPath::external_id(), Use::Change), left);
    let change = change(&town.plan(), 1).unwrap();
    assert!(!change.after.contains_key(&AttrPath::external_id()));
    assert!(change.takes_of_another());
}

#[test]
fn a_group_that_is_found_by_its_name_may_carry_the_id_of_another() {
    let own = id(7).to_string();
    let other = id(5).to_string();
    for (carried, is_of_another) in [
        (own.as_str(), false),
        (&own.to_uppercase(), false),
        (&other, true),
        ("rule:sections/Vei", true),
        ("group:asker/1", false),
        ("vei", false),
        ("17", false),
    ] {
        let mut town = Town::new();
        town.directory_group(7, &[]);
        town.survey.groups.insert(group(7), found(carrying(carried)));
        let change = town.plan().changes().get(&Entity::Group(group(7))).cloned().unwrap();
        assert_eq!(change.action, Action::GroupAdopt);
        assert_eq!(of_another(&change), is_of_another.then_some(carried), "{carried}");
        let says_so = change.reason.contains("carries the id of another group");
        assert_eq!(says_so, is_of_another, "{}", change.reason);
    }
}

#[test]
fn a_group_of_a_rule_is_known_by_its_own_id_in_any_letter_case() {
    let key = GroupKey::Rule { rule: "sections".into(), value: "Vei".into() };
    let taken = |carried: &str| {
        let (attributes, members) = (carrying(carried), BTreeSet::new());
        let candidate = Candidate { id: scim(1), attributes, members };
        adoption(Entity::Group(key.clone()), &candidate, Difference::default())
    };
    for (carried, is_of_another) in [
        ("rule:sections/Vei", false),
        ("rule:sections/vei", false),
        ("rule:sections/Vann", true),
        (id(5).to_string().as_str(), true),
    ] {
        assert_eq!(taken(carried).takes_of_another(), is_of_another, "{carried}");
    }
}
