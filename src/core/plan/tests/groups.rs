//! What is planned for groups and for memberships, and what they stand on.

use super::super::{End, Touched};
use super::*;
use crate::core::model::{Drift, Unseen};

fn pending() -> Link {
    Link::Pending(Intent { since: Timestamp(0), lookups: 0, next: Timestamp(0) })
}

fn rule(number: u8, value: &str) -> (GroupRule, GroupKey) {
    let id: Arc<str> = format!("rule-{number}").as_str().into();
    let rule = GroupRule::People {
        id: Arc::clone(&id),
        each: expression("person.department", Subject::Person),
        name: expression("key", Subject::Key),
    };
    (rule, GroupKey::Rule { rule: id, value: value.into() })
}

fn department(town: &mut Town, number: u8, value: Option<Datum>) {
    let user = town.mirror().users.get_mut(&id(number)).unwrap();
    let mut properties = Properties::clone(&user.properties);
    properties.remove("department");
    properties.extend(value.map(|value| ("department".into(), value)));
    user.properties = Arc::new(properties);
}

fn of_group(planner: &Planner, key: &GroupKey) -> Option<Change> {
    planner.changes().get(&Entity::Group(key.clone())).map(|change| Change::clone(change))
}

fn membership(town: &Town, number: u8) -> Option<(Action, Option<End>)> {
    let planner = town.plan();
    let change = planner.changes().get(&Entity::Member(group(7), person(number)))?;
    Some((change.action, change.follows))
}

/// Person 1 is in group 7 in Entra; on the platform there are an account and a group without members.
fn joining() -> Town {
    let mut town = Town::new();
    town.user(1, None).account(1, None);
    town.group_on_platform(7, Origin::Created, &[]).directory_group(7, &[1]);
    town
}

fn roster(town: &Town) -> Roster<'_> {
    let Town { mirrors, complete, keep, policy, ledger, survey } = town;
    Roster { mirrors, complete, keep, policy, ledger, survey }
}

#[test]
fn a_new_membership_follows_the_account_or_the_group_that_is_made_and_waits_where_none_is() {
    let account = |town: &mut Town, link| {
        town.ledger.accounts.get_mut(&person(1)).unwrap().link = link;
    };
    let on_platform = |town: &mut Town, link| {
        town.ledger.groups.get_mut(&group(7)).unwrap().link = link;
    };
    let add = |follows| Some((Action::MemberAdd, follows));
    let mut town = joining();
    assert_eq!(membership(&town, 1), add(None));
    on_platform(&mut town, pending());
    assert_eq!(membership(&town, 1), add(Some(End::Group)));
    on_platform(&mut town, Link::Unlinked);
    assert_eq!(membership(&town, 1), None, "nobody knows whether there is one");
    town.survey.groups.insert(group(7), Found::Absent);
    assert_eq!(membership(&town, 1), add(Some(End::Group)));
    account(&mut town, Link::Unlinked);
    assert_eq!(membership(&town, 1), add(Some(End::Both)));
    account(&mut town, Link::Deactivated(scim(1)));
    let sent = &mut town.ledger.accounts.get_mut(&person(1)).unwrap().sent;
    sent.insert(AttrPath::active(), Datum::Bool(false));
    assert_eq!(membership(&town, 1), add(Some(End::Both)));
    on_platform(&mut town, Link::Linked(scim(7)));
    assert_eq!(membership(&town, 1), add(Some(End::Account)));
    on_platform(&mut town, Link::Unlinked);
    account(&mut town, pending());
    assert_eq!(membership(&town, 1), None);
    account(&mut town, Link::Linked(scim(1)));
    let found = Candidate { id: scim(7), attributes: Attributes::new(), members: BTreeSet::new() };
    town.survey.groups.insert(group(7), Found::One(found));
    assert_eq!(membership(&town, 1), add(Some(End::Group)));
}

#[test]
fn a_membership_that_is_not_shown_is_sent_again_and_taken_back_where_it_should_not_be() {
    let unseen = Unseen { since: Timestamp(0), adds: 1 };
    let mut town = joining();
    town.ledger.put_member(&group(7), person(1));
    assert_eq!(membership(&town, 1), None);
    town.ledger.unseen.insert(Entity::Member(group(7), person(1)), unseen.clone());
    assert_eq!(membership(&town, 1), Some((Action::MemberAdd, None)));
    town.mirror().groups.get_mut(&id(7)).unwrap().members.clear();
    assert_eq!(membership(&town, 1), Some((Action::MemberRemove, None)));
    town.ledger.unseen.clear();
    assert_eq!(membership(&town, 1), Some((Action::MemberRemove, None)));
    town.ledger.drop_member(&group(7), person(1));
    town.ledger.unseen.insert(Entity::Member(group(7), person(1)), unseen);
    assert_eq!(membership(&town, 1), None, "who was never put there need not leave");
}

#[test]
fn whoever_is_out_leaves_groups_and_whoever_is_unknown_or_left_alone_stays() {
    let mut town = joining();
    town.ledger.put_member(&group(7), person(1));
    town.presence(1, Presence::Removed(Tombstone::Purged));
    let leaves = Some((Action::MemberRemove, Some(End::Account)));
    assert_eq!(membership(&town, 1), leaves);
    town.policy.own_account = Some(scim(1));
    assert_eq!(membership(&town, 1), None);
    town.policy.own_account = None;
    town.presence(1, Presence::MissingOnce(1));
    assert_eq!(membership(&town, 1), None);
    town.presence(1, Presence::Removed(Tombstone::Purged));
    town.ledger.drop_member(&group(7), person(1));
    assert_eq!(membership(&town, 1), None);
}

#[test]
fn a_membership_that_somebody_else_changed_is_put_right_and_called_drift() {
    let mut town = joining();
    let reason = |town: &Town| {
        let entity = Entity::Member(group(7), person(1));
        town.plan().changes().get(&entity).unwrap().reason.clone()
    };
    assert_eq!(reason(&town), "belongs to the group in Entra");
    let drift = Drift { since: Timestamp(0), shown: Attributes::new(), times: 1 };
    town.ledger.drift.insert(Entity::Member(group(7), person(1)), drift);
    assert!(reason(&town).starts_with("drift: "));
}

#[test]
fn what_was_found_decides_what_becomes_of_a_group() {
    let mut town = Town::new();
    town.directory_group(7, &[]);
    let key = group(7);
    let note = |town: &Town| town.plan().notes().get(&Entity::Group(group(7))).cloned();
    assert!(town.plan().unsurveyed().contains(&Entity::Group(key.clone())));
    for (found, says) in
        [(Found::Many(vec![scim(1), scim(2)]), "several groups"), (Found::Unknown, "not known")]
    {
        town.survey.groups.insert(key.clone(), found);
        let Some(Note::Stuck(why)) = note(&town) else { panic!("stuck") };
        assert!(why.contains(says), "{why}");
    }
    town.survey.groups.insert(key.clone(), Found::Absent);
    let made = of_group(&town.plan(), &key).unwrap();
    assert_eq!((made.action, made.before.len(), made.after.len()), (Action::GroupCreate, 0, 2));
    let attributes = Attributes::from([(AttrPath::display_name(), Datum::from("Veg"))]);
    let found = Candidate { id: scim(7), attributes, members: BTreeSet::new() };
    town.survey.groups.insert(key.clone(), Found::One(found));
    let taken = of_group(&town.plan(), &key).unwrap();
    assert_eq!((taken.action, taken_over(&taken)), (Action::GroupAdopt, Some(&scim(7))));
    assert_eq!(taken.before, [(AttrPath::display_name(), Datum::from("Veg"))].into());
    // One that we released is ours to take up again, and no other.
    town.policy.adopt = Adopt::Never;
    for (released, is_taken) in [(7, true), (8, false)] {
        let entry = GroupEntry { link: Link::Released(scim(released)), ..GroupEntry::default() };
        town.ledger.groups.insert(key.clone(), entry);
        assert_eq!(of_group(&town.plan(), &key).is_some(), is_taken);
        assert_eq!(matches!(note(&town), Some(Note::Stuck(_))), !is_taken);
    }
    town.ledger.groups.get_mut(&key).unwrap().link = pending();
    assert!(matches!(note(&town), Some(Note::Waiting(_))));
}

#[test]
fn a_group_with_another_name_is_renamed_and_one_without_any_waits() {
    let mut town = joining();
    let key = group(7);
    assert_eq!(of_group(&town.plan(), &key), None);
    let sent = |town: &mut Town, name: &str| {
        let entry = town.ledger.groups.get_mut(&group(7)).unwrap();
        entry.sent.insert(AttrPath::display_name(), name.into());
    };
    sent(&mut town, "Veg");
    let renamed = of_group(&town.plan(), &key).unwrap();
    assert_eq!((renamed.action, renamed.after.len()), (Action::GroupUpdate, 1));
    assert!(renamed.reason.starts_with("renamed in Entra"));
    let shown = Attributes::from([(AttrPath::display_name(), Datum::from("Veg"))]);
    let drift = Drift { since: Timestamp(0), shown, times: 1 };
    town.ledger.drift.insert(Entity::Group(key.clone()), drift);
    assert!(of_group(&town.plan(), &key).unwrap().reason.starts_with("drift: "));
    town.mirror().groups.get_mut(&id(7)).unwrap().properties =
        Arc::new(Properties::from([("displayName", Datum::Null)]));
    let planner = town.plan();
    assert!(of_group(&planner, &key).is_none() && planner.group_name(&key).is_none());
    assert!(matches!(planner.notes().get(&Entity::Group(key)), Some(Note::Waiting(_))));
}

#[test]
fn what_no_rule_wants_is_released_if_it_is_ours_and_what_was_never_ours_is_nothing() {
    let mut town = joining();
    town.policy.groups.clear();
    let planner = town.plan();
    assert_eq!(planner.releases().iter().collect::<Vec<_>>(), [&group(7)]);
    assert_eq!(actions(&planner), vec![]);
    town.ledger.groups.get_mut(&group(7)).unwrap().link = Link::Released(scim(7));
    assert!(town.plan().releases().is_empty());
    town.ledger.groups.clear();
    assert!(town.plan().releases().is_empty());
    // Deleted in Entra, and nothing of it on the platform.
    let mut town = Town::new();
    town.directory_group(7, &[]).presence = Presence::Removed(Tombstone::Purged);
    town.ledger.groups.insert(group(7), GroupEntry::default());
    let planner = town.plan();
    assert!(actions(&planner).is_empty() && planner.releases().is_empty());
    assert!(planner.notes().is_empty() && planner.unsurveyed().is_empty());
}

#[test]
fn a_group_that_is_missing_once_stays_as_it_is_with_its_members() {
    let mut town = joining();
    town.mirror().groups.get_mut(&id(7)).unwrap().presence = Presence::MissingOnce(1);
    let planner = town.plan();
    assert_eq!(actions(&planner), vec![]);
    assert!(matches!(planner.notes().get(&Entity::Group(group(7))), Some(Note::Waiting(_))));
    assert!(planner.is_undetermined(&roster(&town), &Entity::Group(group(7))));
}

#[test]
fn each_value_makes_a_group_of_those_who_have_it_and_the_last_who_leaves_empties_it() {
    let (rule, key) = rule(1, "NAV");
    let mut town = Town::new();
    town.policy.groups = vec![rule];
    town.user(1, None).account(1, None).user(2, None).account(2, None);
    department(&mut town, 1, Some("NAV".into()));
    department(&mut town, 2, Some(Datum::Null));
    town.survey.groups.insert(key.clone(), Found::Absent);
    let planner = town.plan();
    assert_eq!(planner.groups_of(person(1)), [&key]);
    assert!(planner.groups_of(person(2)).is_empty());
    assert_eq!(planner.group_name(&key), Some("NAV"));
    assert_eq!(of_group(&planner, &key).unwrap().action, Action::GroupCreate);
    // The ledger keeps what nobody belongs to any more.
    let sent = Attributes::from([
        (AttrPath::external_id(), key.external_id().into()),
        (AttrPath::display_name(), "NAV".into()),
    ]);
    let entry = GroupEntry { link: Link::Linked(scim(7)), sent, ..GroupEntry::default() };
    town.ledger.groups.insert(key.clone(), entry);
    town.ledger.put_member(&key, person(1));
    for (value, leaves) in [(Some(Datum::Null), true), (None, false), (Some("Vei".into()), true)] {
        department(&mut town, 1, value.clone());
        let planner = town.plan();
        let removal = planner.changes().get(&Entity::Member(key.clone(), person(1)));
        assert_eq!(removal.map(|one| one.action), leaves.then_some(Action::MemberRemove));
        assert!(of_group(&planner, &key).is_none() && planner.releases().is_empty(), "{value:?}");
        let member = Entity::Member(key.clone(), person(1));
        assert_eq!(planner.is_undetermined(&roster(&town), &member), !leaves, "{value:?}");
    }
    town.policy.groups.clear();
    assert_eq!(town.plan().releases().iter().collect::<Vec<_>>(), [&key]);
}

#[test]
fn groups_of_one_name_are_told_whatever_the_letter_case() {
    let mut town = Town::new();
    for (number, name) in [(1, "Vei"), (2, "VEI"), (3, "Skole")] {
        town.directory_group(number, &[]).properties =
            Arc::new(Properties::from([("displayName", Datum::from(name))]));
    }
    let planner = town.plan();
    let (first, second) = (group(1), group(2));
    assert_eq!(planner.same_names(), [("vei".to_owned(), vec![&first, &second])].into());
}

#[test]
fn whoever_belongs_to_an_unwanted_group_is_in_none() {
    let mut town = joining();
    assert_eq!(town.plan().groups_of(person(1)), [&group(7)]);
    assert!(town.plan().groups_of(person(2)).is_empty());
    town.policy.groups.clear();
    assert!(town.plan().groups_of(person(1)).is_empty());
}

#[test]
fn nobody_can_say_what_becomes_of_what_is_not_read_or_not_looked_up() {
    let all = |number| {
        let (account, of) = (Entity::Account(person(number)), Entity::Group(group(7)));
        [account, of, Entity::Member(group(7), person(number))]
    };
    let open = |town: &Town, number| {
        let planner = town.plan();
        all(number).map(|entity| planner.is_undetermined(&roster(town), &entity))
    };
    let mut town = joining();
    assert_eq!(open(&town, 1), [false, false, false]);
    town.mirror().groups.get_mut(&id(7)).unwrap().whole = false;
    assert_eq!(open(&town, 1), [false, false, true]);
    town.complete.remove(&(source(), Kind::Groups));
    assert_eq!(open(&town, 1), [false, true, true]);
    town.complete.clear();
    assert_eq!(open(&town, 1), [true, true, true]);
    // Of whom nobody ever told there is nothing to wait for.
    assert_eq!(open(&town, 9), [false, true, true]);
    let mut town = joining();
    town.policy.own_account = Some(scim(1));
    assert_eq!(open(&town, 1), [false, false, false], "it is left alone, and that is settled");
    let mut town = joining();
    town.presence(1, Presence::MissingOnce(1));
    assert_eq!(open(&town, 1), [true, false, true]);
    let mut town = joining();
    town.ledger.accounts.clear();
    town.ledger.groups.clear();
    town.survey.accounts.insert(person(1), Found::Many(vec![scim(1), scim(2)]));
    assert_eq!(open(&town, 1), [true, true, false]);
    town.survey.accounts.clear();
    assert!(open(&town, 1)[0]);
    // A group by rule rests on what is told of people.
    let (_, by_rule) = rule(1, "NAV");
    let mut town = joining();
    let planner = town.plan();
    assert!(!planner.is_undetermined(&roster(&town), &Entity::Group(by_rule.clone())));
    town.complete.remove(&(source(), Kind::Users));
    assert!(planner.is_undetermined(&roster(&town), &Entity::Group(by_rule)));
}

#[test]
fn a_value_is_unknown_where_an_account_is_to_be_there_and_its_property_is_not_told() {
    let mut town = joining();
    let name = AttrPath::user_name();
    let unknown = |town: &Town, number, path: &AttrPath| {
        town.plan().is_value_unknown(&roster(town), person(number), path)
    };
    assert!(!unknown(&town, 1, &name));
    let told = town.mirror().users.get_mut(&id(1)).unwrap();
    let mut properties = Properties::clone(&told.properties);
    properties.remove("userPrincipalName");
    told.properties = Arc::new(properties);
    assert!(unknown(&town, 1, &name));
    assert!(!unknown(&town, 9, &name), "nobody is told of");
    assert!(!unknown(&town, 1, &AttrPath::roles()), "nobody asks for it");
    town.presence(1, Presence::Removed(Tombstone::Purged));
    assert!(!unknown(&town, 1, &name));
}

#[test]
fn what_is_foreseen_is_what_is_planned_and_what_follows_from_it() {
    let mut town = Town::new();
    town.user(2, Some(3)).user(3, Some(2));
    let planner = town.plan();
    let foreseen: Vec<_> = planner.foreseen().map(|one| (one.action, one.entity.clone())).collect();
    let [first, second] = [2, 3].map(|number| Entity::Account(person(number)));
    let expected =
        [(Action::Create, first.clone()), (Action::Create, second), (Action::Update, first)];
    assert_eq!(foreseen, expected);
    assert!(Touched::default().is_empty());
    for touched in [
        Touched { users: [(source(), id(1))].into(), ..Touched::default() },
        Touched { groups: [(source(), id(1))].into(), ..Touched::default() },
        Touched { entities: [Entity::Account(person(1))].into(), ..Touched::default() },
    ] {
        assert!(!touched.is_empty());
    }
}
