//! When two values are the same, and what makes a difference.

use super::super::diff::{Reference, difference, same};
use super::*;
use crate::core::model::Account;

#[test]
fn login_names_and_addresses_are_the_same_in_other_letters_and_nothing_else_is() {
    let (left, right) = (Datum::from("Kari.Ås@example.no"), Datum::from("kari.ås@EXAMPLE.no"));
    for (path, is_same) in [
        ("userName", true),
        ("emails[type eq \"work\"].value", true),
        ("externalId", false),
        ("displayName", false),
        ("title", false),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", false),
    ] {
        let path = AttrPath::parse(path).unwrap();
        assert_eq!(same(&path, &left, &right), is_same, "{path}");
        assert!(same(&path, &left, &left) && !same(&path, &left, &Datum::from("per@example.no")));
    }
}

#[test]
fn what_is_unassigned_is_the_same_in_each_form_and_never_the_same_as_a_value() {
    let path = AttrPath::parse("title").unwrap();
    let unassigned = [Datum::Null, Datum::from(""), Datum::List(Vec::new())];
    for left in &unassigned {
        assert!(unassigned.iter().all(|right| same(&path, left, right)));
        for value in [Datum::from("Leder"), Datum::Bool(false), Datum::Int(0)] {
            assert!(!same(&path, left, &value) && !same(&path, &value, left), "{left} {value}");
        }
    }
    assert!(same(&path, &Datum::Int(7), &Datum::from("7")));
    assert!(!same(&path, &Datum::Int(7), &Datum::from("07")));
}

#[test]
fn a_reference_differs_by_the_id_of_the_account_and_never_while_that_is_unknown() {
    let account = Account::from([(AttrPath::manager(), Wanted::Account(person(2)))]);
    let held = |text: &str| Attributes::from([(AttrPath::manager(), text.into())]);
    let mut town = Town::new();
    town.account(2, None);
    let differs = |held: &Attributes, reference| {
        let found = difference(&account, (held, &Attributes::new()), &town.ledger, |_| reference);
        (!found.is_empty()).then_some(found.after)
    };
    assert_eq!(differs(&held("on-platform-2"), Reference::Account), None);
    assert_eq!(differs(&held("on-platform-3"), Reference::Account), Some(account.clone()));
    assert_eq!(differs(&held("on-platform-3"), Reference::Unknown), None);
    assert_eq!(differs(&Attributes::new(), Reference::Nobody), None);
    let nobody = Account::from([(AttrPath::manager(), Wanted::Value(Datum::Null))]);
    assert_eq!(differs(&held("on-platform-3"), Reference::Nobody), Some(nobody));
}
