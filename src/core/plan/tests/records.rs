//! What a change is called, what makes it the same as another one, and the map that holds changes.

use super::super::{ByEntity, Changes, End, Taken};
use super::*;
use crate::core::model::{Account, DigestKey};

fn update(number: u8, name: &str) -> Change {
    Change {
        entity: Entity::Account(person(number)),
        action: Action::Update,
        before: [(AttrPath::user_name(), "p1@example.no".into()), title("Rektor")].into(),
        after: [(AttrPath::user_name(), Wanted::Value(name.into()))].into(),
        reason: "attributes changed in Entra".into(),
        follows: None,
        adopts: None,
    }
}

fn title(text: &str) -> (AttrPath, Datum) {
    (AttrPath::parse("title").unwrap(), text.into())
}

fn changes(numbers: &[u8]) -> Changes {
    numbers.iter().map(|&number| Arc::new(update(number, "kari@example.no"))).collect()
}

#[test]
fn actions_have_the_names_of_saved_plans_and_leavers_come_first_deletions_last() {
    for action in Action::ALL {
        assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        assert_eq!(action.to_string(), action.name());
    }
    let ranks = Action::ALL.map(Action::rank);
    assert_eq!(ranks, [2, 1, 3, 0, 3, 7, 4, 4, 4, 7, 5, 6]);
}

#[test]
fn changes_are_the_same_that_do_the_same_for_whatever_reason() {
    let first = update(1, "kari@example.no");
    let mut other = Change { reason: "drift".into(), ..first.clone() };
    assert_eq!(first.digest(), other.digest());
    other.adopts = Some(Box::new(Taken { id: scim(1), of_another: None }));
    let mut theirs = first.clone();
    theirs.adopts = Some(Box::new(Taken { id: scim(1), of_another: Some("2".into()) }));
    assert_ne!(other.digest(), theirs.digest());
    let mut without = first.clone();
    without.before.remove(&AttrPath::user_name());
    for other in [update(2, "kari@example.no"), update(1, "per@example.no"), other, without] {
        assert_ne!(first.digest(), other.digest());
    }
    assert_ne!(first.digest().bytes(), [0; 16]);
    assert_eq!(format!("{:?}", first.digest()), "ChangeDigest(…)", "nothing of it is shown");
}

#[test]
fn a_shown_digest_is_of_one_installation_and_has_32_digits() {
    let shown =
        |key: u8| update(1, "kari@example.no").digest().keyed(&DigestKey::new([[key; 32]; 2]));
    assert_eq!(shown(1), shown(1));
    assert_ne!(shown(1), shown(2));
    let text = shown(1).to_string();
    assert!(text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()), "{text}");
    assert_ne!(
        text,
        update(2, "kari@example.no").digest().keyed(&DigestKey::new([[1; 32]; 2])).to_string()
    );
}

#[test]
fn a_part_of_a_change_has_the_attributes_that_are_wanted_and_no_others() {
    let whole = update(1, "kari@example.no");
    let part = whole.only(|path| *path == AttrPath::user_name());
    assert_eq!((part.before.len(), part.after.len()), (1, 1));
    let rest = whole.only(|path| *path != AttrPath::user_name());
    assert_eq!((rest.before.len(), rest.after), (1, Account::new()));
}

#[test]
fn only_memberships_follow_and_the_end_says_what() {
    let member = Entity::Member(group(7), person(1));
    let leader = |entity: &Entity, follows| {
        let change = Change { entity: entity.clone(), follows, ..update(1, "kari@example.no") };
        assert_eq!(change.is_follower(), change.leaders().next().is_some());
        change.leaders().collect::<Vec<_>>()
    };
    let (account, of) = (Entity::Account(person(1)), Entity::Group(group(7)));
    let both = [account.clone(), of.clone()];
    assert_eq!(leader(&member, Some(End::Account)), both[..1]);
    assert_eq!(leader(&member, Some(End::Group)), both[1..]);
    assert_eq!(leader(&member, Some(End::Both)), both);
    assert_eq!(leader(&member, None), []);
    assert_eq!(leader(&account, Some(End::Account)), []);
    assert_eq!(leader(&of, Some(End::Group)), []);
}

#[test]
fn each_entity_has_one_value_and_the_later_one_counts() {
    let entity = |number| Entity::Account(person(number));
    let mut all = changes(&[3, 1, 2]);
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), [1, 2, 3].map(entity));
    assert!(!all.is_empty() && Changes::default().is_empty());
    all.insert(Arc::new(update(2, "per@example.no")));
    assert_eq!((all.len(), all.contains_key(&entity(2))), (3, true));
    assert_eq!(**all.get(&entity(2)).unwrap(), update(2, "per@example.no"));
    assert_eq!(all.range(entity(2)..).count(), 2);
    assert_eq!(all.remove(&entity(2)).map(|one| one.entity.clone()), Some(entity(2)));
    assert_eq!(all.get(&entity(2)), None);
    assert_eq!(all.remove(&entity(2)), None);
    all.retain(|one| one.entity == entity(3));
    assert_eq!(all, changes(&[3]));
    assert_eq!(all.into_values().count(), 1);
}

#[test]
fn maps_are_equal_that_hold_equal_values() {
    assert_ne!(changes(&[1]), changes(&[2]));
    assert_ne!(changes(&[1]), changes(&[1, 2]));
    let other: ByEntity<_> = [Arc::new(update(1, "per@example.no"))].into_iter().collect();
    assert_ne!(changes(&[1]), other, "of one entity, and not the same");
}
