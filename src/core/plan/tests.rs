//! What is planned, and what is left alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod accounts;
mod adoptions;
mod edges;
mod groups;
mod records;
mod touched;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Action, Change, Note, Planner, Roster, Scope};
use crate::core::expression::{Expression, Subject};
use crate::core::mirror::Mirror;
use crate::core::model::{
    AccountEntry, AttrPath, Attributes, Datum, Edge, Entity, GroupEntry, GroupKey, Intent, Kind,
    Ledger, Link, MemberKind, ObjectId, Origin, PersonId, Presence, Properties, ScimId,
    SourceGroup, SourceName, SourceUser, Timestamp, Tombstone, Wanted,
};
use crate::core::policy::{Adopt, Budgets, GroupRule, Policy};
use crate::core::survey::{Candidate, Found, Survey};

fn source() -> SourceName {
    SourceName::new("asker")
}

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

fn person(number: u8) -> PersonId {
    PersonId { source: source(), object: id(number) }
}

fn group(number: u8) -> GroupKey {
    GroupKey::Directory { source: source(), object: id(number) }
}

fn scim(number: u8) -> ScimId {
    ScimId::new(&format!("on-platform-{number}"))
}

/// What the change takes over.
fn taken_over(change: &Change) -> Option<&ScimId> {
    change.adopts.as_ref().map(|taken| &taken.id)
}

fn expression(text: &str, subject: Subject) -> Expression {
    Expression::parse(text, subject).unwrap()
}

/// A tenant, a platform, and what is wanted of both.
struct Town {
    mirrors: BTreeMap<SourceName, Mirror>,
    complete: BTreeSet<(SourceName, Kind)>,
    keep: BTreeMap<SourceName, Expression>,
    policy: Policy,
    ledger: Ledger,
    survey: Survey,
}

impl Town {
    fn new() -> Self {
        let mapping = [
            (AttrPath::user_name(), "person.userPrincipalName"),
            (AttrPath::manager(), "person.manager"),
        ];
        let account = mapping.map(|(path, text)| (path, expression(text, Subject::Person)));
        let policy = Policy {
            people: expression("person.accountEnabled", Subject::Person),
            people_of: None,
            account: account.into(),
            groups: vec![GroupRule::Directory {
                id: "all".into(),
                filter: expression("true", Subject::Group),
                name: expression("group.displayName", Subject::Group),
            }],
            budgets: Budgets::default(),
            adopt: Adopt::Automatic,
            never: BTreeSet::new(),
            own_account: None,
        };
        Self {
            mirrors: [(source(), Mirror::default())].into(),
            complete: [(source(), Kind::Users), (source(), Kind::Groups)].into(),
            keep: [(source(), expression("true", Subject::User))].into(),
            policy,
            ledger: Ledger::default(),
            survey: Survey::default(),
        }
    }

    fn mirror(&mut self) -> &mut Mirror {
        self.mirrors.get_mut(&source()).unwrap()
    }

    /// Somebody in Entra, of whom nothing is found on the platform.
    fn user(&mut self, number: u8, manager: Option<u8>) -> &mut Self {
        let mut properties = Properties::from([
            ("accountEnabled", Datum::Bool(true)),
            ("userPrincipalName", format!("p{number}@example.no").into()),
        ]);
        let manager = manager.map_or(Datum::Null, |manager| id(manager).to_string().into());
        properties.insert("manager".into(), manager);
        let properties = Arc::new(properties);
        let user =
            SourceUser { presence: Presence::Present, kept: true, properties, partial: false };
        self.mirror().users.insert(id(number), user);
        self.survey.accounts.insert(person(number), Found::Absent);
        self
    }

    fn presence(&mut self, number: u8, presence: Presence) -> &mut Self {
        self.mirror().users.get_mut(&id(number)).unwrap().presence = presence;
        self
    }

    /// The account that the platform confirmed of somebody.
    fn account(&mut self, number: u8, manager: Option<u8>) -> &mut Self {
        let mut sent = Attributes::from([
            (AttrPath::external_id(), person(number).object.to_string().into()),
            (AttrPath::active(), Datum::Bool(true)),
            (AttrPath::user_name(), format!("p{number}@example.no").into()),
        ]);
        if let Some(manager) = manager {
            sent.insert(AttrPath::manager(), Datum::Text(scim(manager).text()));
        }
        let entry = AccountEntry { link: Link::Linked(scim(number)), sent, ..Default::default() };
        self.ledger.accounts.insert(person(number), entry);
        self
    }

    fn directory_group(&mut self, number: u8, members: &[u8]) -> &mut SourceGroup {
        let edge = |&member| (id(member), Edge { kind: MemberKind::User, missing: None });
        let group = SourceGroup {
            presence: Presence::Present,
            properties: Arc::new(Properties::from([("displayName", Datum::from("Vei"))])),
            members: members.iter().map(edge).collect(),
            whole: true,
            left: None,
            emptied: false,
        };
        self.mirror().groups.insert(id(number), group);
        self.mirror().groups.get_mut(&id(number)).unwrap()
    }

    fn group_on_platform(&mut self, number: u8, origin: Origin, members: &[u8]) -> &mut Self {
        let sent = Attributes::from([
            (AttrPath::external_id(), group(number).external_id().into()),
            (AttrPath::display_name(), "Vei".into()),
        ]);
        let entry =
            GroupEntry { link: Link::Linked(scim(number)), origin, sent, ..Default::default() };
        self.ledger.groups.insert(group(number), entry);
        for member in members {
            self.ledger.put_member(&group(number), person(*member));
        }
        self
    }

    fn plan(&self) -> Planner {
        let mut planner = Planner::default();
        let Self { mirrors, complete, keep, policy, ledger, survey } = self;
        let roster = Roster { mirrors, complete, keep, policy, ledger, survey };
        planner.refresh(&roster, Scope::All);
        planner
    }
}

fn actions(planner: &Planner) -> Vec<(Action, Entity)> {
    planner.changes().values().map(|change| (change.action, change.entity.clone())).collect()
}

fn change(planner: &Planner, number: u8) -> Option<Change> {
    planner.changes().get(&Entity::Account(person(number))).map(|change| Change::clone(change))
}

#[test]
fn a_manager_who_is_unknown_for_now_stays_and_one_who_left_is_cleared() {
    let missing = Presence::MissingOnce(2);
    let removed = Presence::Removed(Tombstone::Purged);
    for (presence, cleared) in [(missing, false), (removed, true)] {
        let mut town = Town::new();
        town.user(1, Some(2)).account(1, Some(2)).user(2, None).presence(2, presence);
        let planner = town.plan();
        assert_eq!(change(&planner, 1).is_some(), cleared, "{presence:?}");
        if let Some(change) = change(&planner, 1) {
            let nobody = Wanted::Value(Datum::Null);
            assert_eq!(change.after.get(&AttrPath::manager()), Some(&nobody));
        }
    }
    // Of whom nothing was ever told, nothing is known either.
    let mut town = Town::new();
    town.user(1, Some(9)).account(1, Some(9));
    assert_eq!(change(&town.plan(), 1), None);
}

/// RFC 7643 §4.1.1: `userName` is required. A platform that clears it locks the person out.
#[test]
fn an_account_keeps_its_login_name_where_entra_has_none_any_more() {
    for none in [Datum::Null, Datum::from("")] {
        let mut town = Town::new();
        town.user(1, None).account(1, None);
        let user = town.mirror().users.get_mut(&id(1)).unwrap();
        let mut properties = Properties::clone(&user.properties);
        properties.insert("userPrincipalName".into(), none);
        user.properties = Arc::new(properties);
        assert_eq!(change(&town.plan(), 1), None);
    }
}

#[test]
fn a_manager_whose_account_is_on_its_way_is_referred_to() {
    let mut town = Town::new();
    town.user(1, Some(2)).user(2, None);
    let intent = Intent { since: Timestamp(0), lookups: 0, next: Timestamp(0) };
    let entry = AccountEntry { link: Link::Pending(intent), ..Default::default() };
    town.ledger.accounts.insert(person(2), entry);
    let planner = town.plan();
    assert_eq!(change(&planner, 2), None);
    let created = change(&planner, 1).unwrap();
    assert_eq!(created.after.get(&AttrPath::manager()), Some(&Wanted::Account(person(2))));
}

#[test]
fn of_managers_in_a_circle_one_is_referred_to_later_and_who_hangs_on_it_at_once() {
    let mut town = Town::new();
    town.user(1, Some(2)).user(2, Some(3)).user(3, Some(2));
    let planner = town.plan();
    let refers =
        |number| change(&planner, number).unwrap().after.get(&AttrPath::manager()).cloned();
    assert_eq!(refers(1), Some(Wanted::Account(person(2))));
    assert_eq!(refers(2), None);
    assert_eq!(refers(3), Some(Wanted::Account(person(2))));
    assert_eq!(planner.later().keys().copied().collect::<Vec<_>>(), [person(2)]);
}

#[test]
fn a_group_that_was_there_before_is_left_when_its_original_is_deleted() {
    for origin in [Origin::Adopted, Origin::Created] {
        let mut town = Town::new();
        town.group_on_platform(1, origin, &[]).directory_group(1, &[]).presence =
            Presence::Removed(Tombstone::Purged);
        let planner = town.plan();
        let deletion = (Action::GroupDelete, Entity::Group(group(1)));
        let (changes, releases) = match origin {
            Origin::Adopted => (vec![], vec![group(1)]),
            Origin::Created => (vec![deletion], vec![]),
        };
        assert_eq!(actions(&planner), changes, "{origin:?}");
        assert_eq!(planner.releases().iter().cloned().collect::<Vec<_>>(), releases);
    }
}

#[test]
fn nobody_is_taken_out_of_a_group_of_which_not_all_is_told() {
    for whole in [false, true] {
        let mut town = Town::new();
        town.user(1, None).account(1, None).user(2, None).account(2, None);
        town.group_on_platform(7, Origin::Created, &[1, 2]).directory_group(7, &[1]).whole = whole;
        let removal = (Action::MemberRemove, Entity::Member(group(7), person(2)));
        assert_eq!(actions(&town.plan()), if whole { vec![removal] } else { vec![] });
    }
}

#[test]
fn a_group_that_entra_shows_empty_without_a_word_is_named_with_those_that_hold_it() {
    let mut town = Town::new();
    town.user(1, None).account(1, None).user(2, None).account(2, None);
    let inner = Edge { kind: MemberKind::Group, missing: None };
    town.directory_group(7, &[]).emptied = true;
    town.directory_group(8, &[]).members.insert(id(7), inner);
    town.directory_group(9, &[2]).members.insert(id(7), inner);
    for number in 7..10 {
        town.group_on_platform(number, Origin::Created, &[1, 2]);
    }
    let planner = town.plan();
    assert_eq!(planner.emptied(), [group(7), group(8), group(9)].into());
    let reason = |number| {
        let change = planner.changes().get(&Entity::Member(group(number), person(1)));
        change.unwrap().reason.to_string()
    };
    // Also where others are members of the outer group: whoever is hidden may be in it by way of the inner one.
    for number in 7..10 {
        assert!(reason(number).starts_with("Entra shows no member of the group, or"), "{number}");
    }
    // Nobody is out of scope because of it.
    let is_out = |emptied| {
        let mut town = Town::new();
        town.user(1, None).account(1, None).user(2, None).account(2, None);
        town.policy.people_of = Some([id(8)].into());
        town.policy.groups.clear();
        town.directory_group(7, &[]).emptied = emptied;
        town.directory_group(8, &[2]).members.insert(id(7), inner);
        !actions(&town.plan()).is_empty()
    };
    assert!(is_out(false) && !is_out(true));
}

#[test]
fn who_is_told_to_have_left_is_taken_out_of_a_group_of_which_not_all_is_told() {
    for (nested_whole, taken) in [(Some(true), true), (Some(false), false), (None, false)] {
        let mut town = Town::new();
        town.user(1, None).account(1, None).user(2, None).account(2, None);
        if let Some(whole) = nested_whole {
            town.directory_group(8, &[]).whole = whole;
        }
        let outer = town.group_on_platform(7, Origin::Created, &[1, 2]).directory_group(7, &[]);
        (outer.whole, outer.left) = (false, Some([id(2)].into()));
        outer.members.insert(id(8), Edge { kind: MemberKind::Group, missing: None });
        let removal = (Action::MemberRemove, Entity::Member(group(7), person(2)));
        let removals: Vec<_> =
            actions(&town.plan()).into_iter().filter(|one| one.0 == Action::MemberRemove).collect();
        assert_eq!(removals, if taken { vec![removal] } else { vec![] });
    }
}

#[test]
fn nobody_is_taken_out_of_a_group_that_holds_one_of_which_nothing_is_told() {
    for (presence, taken) in [(None, false), (Some(Presence::Removed(Tombstone::Missing)), true)] {
        let mut town = Town::new();
        town.user(1, None).account(1, None).user(2, None).account(2, None);
        if let Some(presence) = presence {
            town.directory_group(8, &[]).presence = presence;
        }
        let outer = town.group_on_platform(7, Origin::Created, &[1, 2]).directory_group(7, &[1]);
        outer.members.insert(id(8), Edge { kind: MemberKind::Group, missing: None });
        let removal = (Action::MemberRemove, Entity::Member(group(7), person(2)));
        assert_eq!(actions(&town.plan()), if taken { vec![removal] } else { vec![] });
    }
}

#[test]
fn nobody_is_out_of_scope_by_a_group_of_which_not_all_is_told() {
    for (told, whole, taken) in [(true, true, true), (true, false, false), (false, true, false)] {
        let mut town = Town::new();
        town.user(1, None).account(1, None).user(2, None).account(2, None);
        town.policy.people_of = Some([id(7)].into());
        town.policy.groups.clear();
        if told {
            town.directory_group(7, &[1]).whole = whole;
        }
        let leaver = (Action::Deactivate, Entity::Account(person(2)));
        assert_eq!(actions(&town.plan()), if taken { vec![leaver] } else { vec![] });
    }
}

#[test]
fn an_account_of_somebody_who_left_is_taken_over_by_the_persons_own_id_only() {
    for (carried, taken) in [(1, true), (2, false)] {
        let mut town = Town::new();
        town.user(1, None).presence(1, Presence::Removed(Tombstone::SoftDeleted));
        let attributes = Attributes::from([
            (AttrPath::external_id(), id(carried).to_string().into()),
            (AttrPath::active(), Datum::Bool(true)),
            (AttrPath::roles(), Datum::Null),
        ]);
        let candidate = Candidate { id: scim(1), attributes, members: BTreeSet::new() };
        town.survey.accounts.insert(person(1), Found::One(candidate));
        let adoption = change(&town.plan(), 1);
        assert_eq!(adoption.is_some(), taken);
        let inactive = Wanted::Value(Datum::Bool(false));
        assert!(adoption.is_none_or(|one| one.after.get(&AttrPath::active()) == Some(&inactive)));
    }
}

#[test]
fn an_account_that_does_not_say_whether_it_is_active_is_taken_over_as_it_is() {
    let active = AttrPath::active();
    for told in [None, Some(false), Some(true)] {
        let mut town = Town::new();
        town.user(1, None);
        let mut attributes = Attributes::from([(AttrPath::roles(), Datum::Null)]);
        attributes.extend(told.map(|told| (active.clone(), Datum::Bool(told))));
        let candidate = Candidate { id: scim(1), attributes, members: BTreeSet::new() };
        town.survey.accounts.insert(person(1), Found::One(candidate));
        let adoption = change(&town.plan(), 1).unwrap();
        assert_eq!(adoption.after.contains_key(&active), told == Some(false), "{told:?}");
        let says_so = adoption.reason.contains("does not say readably whether it is active");
        assert_eq!(says_so, told.is_none(), "{}", adoption.reason);
    }
}

#[test]
fn an_account_whose_roles_cannot_be_read_is_not_taken_over() {
    let mut town = Town::new();
    town.user(1, None);
    let attributes = Attributes::from([(AttrPath::active(), Datum::Bool(true))]);
    let candidate = Candidate { id: scim(1), attributes, members: BTreeSet::new() };
    town.survey.accounts.insert(person(1), Found::One(candidate));
    assert_eq!(actions(&town.plan()), vec![]);
}

#[test]
fn nothing_is_made_of_what_may_be_there_already() {
    let mut town = Town::new();
    town.user(1, None);
    town.survey.accounts.insert(person(1), Found::Unknown);
    let planner = town.plan();
    assert_eq!(actions(&planner), vec![]);
    assert!(matches!(planner.notes().values().next(), Some(Note::Stuck(_))));
}
