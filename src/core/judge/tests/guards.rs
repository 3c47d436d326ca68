//! How much each guard lets through.

use super::world::*;
use crate::core::judge::{Clearance, Guard, Meter, Of, Population, SourcePopulation, judge};
use crate::core::model::{
    AccountEntry, Datum, Entity, GroupEntry, GroupKey, Ledger, Link, ObjectId, ScimId, Wanted,
};
use crate::core::plan::{Action, Change};
use crate::core::policy::{Adopt, Budget, Budgets};

type Make = fn(usize) -> Change;

const DEACTIVATE: Make = |number| change(Action::Deactivate, account(number));
const DELETE: Make = |number| change(Action::Delete, account(number));
const CREATE: Make = |number| change(Action::Create, account(number));
const REACTIVATE: Make = |number| change(Action::Reactivate, account(number));
/// From groups of one, which no guard watches by themselves.
const REMOVE: Make = |number| change(Action::MemberRemove, member(number, number));

/// `limit` of these pass, and one more holds them all.
fn check_limit(people: u64, make: Make, guard: Guard, limit: usize) {
    let context = town(people);
    let judgement = run(&plan((0..limit).map(make)), &context);
    assert_eq!((judgement.cleared.len(), judgement.holds.len()), (limit, 0), "{guard} {people}");
    let judgement = run(&plan((0..=limit).map(make)), &context);
    assert_eq!(judgement.cleared.len(), 0, "{guard} {people}");
    let [hold] = judgement.holds.as_slice() else { panic!("{:?}", judgement.holds) };
    assert_eq!(hold.meter.guard, guard);
    assert_eq!((hold.count, hold.limit), (limit as u64 + 1, limit as u64), "{guard} {people}");
    assert_eq!((hold.claims.len(), judgement.held.len()), (limit + 1, limit + 1));
}

#[test]
fn default_budgets_give_the_figures_of_the_operations_reference() {
    for (make, guard, limits) in [
        (DEACTIVATE, Guard::Deactivate, [42, 124, 250]),
        (DELETE, Guard::Delete, [10, 31, 50]),
        (REMOVE, Guard::MemberRemove, [63, 186, 1500]),
        (rename as Make, Guard::Rename, [42, 124, 1000]),
        (clear, Guard::Clear, [105, 310, 2500]),
        (CREATE, Guard::Create, [210, 620, 5000]),
        (REACTIVATE, Guard::Reactivate, [42, 124, 1000]),
    ] {
        for (people, limit) in [2100, 6200, 50_000].into_iter().zip(limits) {
            check_limit(people, make, guard, limit);
        }
    }
}

#[test]
fn floors_hold_in_towns_of_a_hundred() {
    for (make, guard, limit) in [
        (DEACTIVATE, Guard::Deactivate, 5),
        (DELETE, Guard::Delete, 3),
        (REMOVE, Guard::MemberRemove, 25),
        (rename as Make, Guard::Rename, 10),
        (clear, Guard::Clear, 10),
        (CREATE, Guard::Create, 50),
        (REACTIVATE, Guard::Reactivate, 5),
    ] {
        check_limit(100, make, guard, limit);
    }
}

#[test]
fn no_floor_empties_a_small_unit() {
    for (people, deactivations, deletions, removals) in
        [(0, 1, 1, 1), (4, 1, 1, 1), (10, 2, 2, 2), (24, 4, 3, 4), (49, 5, 3, 9), (50, 5, 3, 25)]
    {
        check_limit(people, DEACTIVATE, Guard::Deactivate, deactivations);
        check_limit(people, DELETE, Guard::Delete, deletions);
        check_limit(people, REMOVE, Guard::MemberRemove, removals);
        check_limit(people, CREATE, Guard::Create, 50);
        check_limit(people, rename, Guard::Rename, 10);
    }
}

#[test]
fn an_unlimited_kind_of_change_is_never_held() {
    let kinds = [Action::GroupCreate, Action::GroupUpdate];
    let groups = (0..3000).map(|number| change(kinds[number % 2], Entity::Group(group(number))));
    let members = (0..3000).map(|number| change(Action::MemberAdd, member(0, number)));
    let judgement = run(&plan(groups.chain(members)), &town(10));
    assert_eq!((judgement.cleared.len(), judgement.holds.len()), (6000, 0));
    let counts = |clearance: &Clearance| *clearance != Clearance::Unasked { meters: vec![] };
    assert!(!judgement.cleared.values().any(|cleared| counts(cleared.clearance())));
}

#[test]
fn the_first_import_lifts_the_create_budget_and_no_other() {
    let creates = (0..6200).map(CREATE);
    let leavers = (10_000..10_200).map(DEACTIVATE);
    let mut context = town(2100);
    context.first_import = true;
    let judgement = run(&plan(creates.chain(leavers)), &context);
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (6200, 200));
}

#[test]
fn each_source_has_a_budget_of_its_own() {
    let leaver = |name: &'static str| {
        move |number| change(Action::Deactivate, Entity::Account(person_of(name, number)))
    };
    let mut context = town(2100);
    let active = SourcePopulation { active: 500, ..SourcePopulation::default() };
    context.population.sources.insert(source("hurum"), active);
    let changes = plan((0..42).map(leaver("asker")).chain((0..11).map(leaver("hurum"))));
    let judgement = run(&changes, &context);
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (42, 11));
    assert_eq!(judgement.holds[0].meter.source, Some(source("hurum")));
    assert_eq!(judgement.holds[0].limit, 10);
}

#[test]
fn deleted_groups_and_accounts_are_counted_apart() {
    let mut context = town(2100);
    context.population.members = (0..60).map(|number| (group(number), 0)).collect();
    let of_entra = |number: usize| {
        let object = ObjectId::from_bytes((number as u128).to_be_bytes());
        Entity::Group(GroupKey::Directory { source: source("asker"), object })
    };
    let accounts = (0..10).map(DELETE);
    let by_rule = (0..4).map(|number| change(Action::GroupDelete, Entity::Group(group(number))));
    let directory = (0..1).map(|number| change(Action::GroupDelete, of_entra(number)));
    let judgement = run(&plan(accounts.chain(by_rule).chain(directory)), &context);
    assert_eq!((judgement.cleared.len(), judgement.holds.len()), (11, 1));
    let meter = Meter { guard: Guard::Delete, source: None, of: Of::Groups };
    assert_eq!((&judgement.holds[0].meter, judgement.holds[0].limit), (&meter, 3));
}

/// Removes so many of one group with so many members; whether that passes.
fn shrinks(members: u64, removals: usize, spent: u64, budgets: &Budgets) -> bool {
    let mut context = town(50_000);
    context.population.members.insert(group(1), members);
    let meter = Meter { guard: Guard::GroupShrink, source: None, of: Of::Group(group(1)) };
    context.spent.insert(meter.clone(), spent);
    let leave = |number| change(Action::MemberRemove, member(1, number));
    let judgement = judge(plan((0..removals).map(leave)), &context, budgets, NOW);
    assert!(judgement.holds.iter().all(|hold| hold.meter == meter));
    assert!(judgement.held.is_empty() || judgement.cleared.is_empty(), "all or none");
    judgement.held.is_empty()
}

#[test]
fn a_group_that_is_empty_without_a_word_is_never_emptied_unasked() {
    let budgets = Budgets::default();
    let mut context = town(50_000);
    context.population.members.insert(group(1), 2);
    context.emptied.insert(group(1));
    let meter = Meter { guard: Guard::GroupShrink, source: None, of: Of::Group(group(1)) };
    let leave = |number| change(Action::MemberRemove, member(1, number));
    let judgement = judge(plan((0..2).map(leave)), &context, &budgets, NOW);
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (0, 2));
    assert_eq!((&judgement.holds[0].meter, judgement.holds[0].limit), (&meter, 0));
}

#[test]
fn a_group_of_ten_does_not_lose_more_than_half_at_once() {
    let budgets = Budgets::default();
    for (members, removals, spent, passes) in [
        (9, 9, 0, true),
        (10, 5, 0, true),
        (10, 6, 0, false),
        (11, 5, 0, true),
        (11, 6, 0, false),
        (200, 100, 0, true),
        (200, 101, 0, false),
        // Halved already today: small by now, and watched all the same.
        (9, 1, 9, false),
        (14, 2, 6, true),
        (14, 8, 6, false),
    ] {
        assert_eq!(shrinks(members, removals, spent, &budgets), passes, "{removals} of {members}");
    }
}

#[test]
fn a_group_of_ten_is_never_emptied_unasked_whatever_the_budget() {
    let group_shrink = Budget { basis_points: 10_000, min: 100, max: None };
    let budgets = Budgets { group_shrink, ..Budgets::default() };
    assert!(shrinks(10, 9, 0, &budgets));
    assert!(!shrinks(10, 10, 0, &budgets));
}

#[test]
fn the_last_member_does_not_slip_out_behind_approved_ones() {
    let mut context = town(50_000);
    context.population.members.insert(group(1), 12);
    let leave = |number| change(Action::MemberRemove, member(1, number));
    context.approvals = vec![approval(&plan((0..11).map(leave)), NOW, later(60))];
    let judgement = run(&plan((0..12).map(leave)), &context);
    assert_eq!(judgement.cleared.len(), 11);
    assert!(judgement.held.contains_key(&member(1, 11)));
}

#[test]
fn only_a_known_name_that_really_changes_is_a_rename() {
    let mail = r#"emails[type eq "work"].value"#;
    let home = r#"emails[type eq "home"].value"#;
    for (at, before, after, guard) in [
        ("userName", Some("a@example.no".into()), "b@example.no".into(), Some(Guard::Rename)),
        ("username", Some("a@example.no".into()), "b@example.no".into(), Some(Guard::Rename)),
        (mail, Some("a@example.no".into()), "b@example.no".into(), Some(Guard::Rename)),
        (mail, Some("Åse@example.no".into()), "åse@Example.no".into(), None),
        (mail, Some(Datum::Null), "b@example.no".into(), None),
        (mail, None, "b@example.no".into(), None),
        (mail, Some("a@example.no".into()), Datum::Null, Some(Guard::Clear)),
        (home, Some("a@example.no".into()), "b@example.no".into(), None),
        ("title", Some("Rådgiver".into()), "Leder".into(), None),
        ("title", Some("Rådgiver".into()), "".into(), Some(Guard::Clear)),
        ("title", Some("".into()), Datum::Null, None),
        ("title", None, Datum::Null, None),
    ] {
        let name = format!("{at} {before:?} {after:?}");
        let change = update(1, at, before, after);
        let judgement = run(&plan([change]), &town(2100));
        let cleared = judgement.cleared.into_values().next().unwrap();
        let Clearance::Unasked { meters } = cleared.clearance() else { panic!("not approved") };
        assert_eq!(meters.first().map(|meter| meter.guard), guard, "{name}");
        assert!(meters.len() < 2, "{name}");
    }
}

#[test]
fn a_reference_to_an_account_is_never_a_clearing() {
    let mut changes = plan([]);
    for number in 0..3000 {
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        let mut change = update(number, manager, Some("1".into()), Datum::Null);
        change.after.insert(path(manager), Wanted::Account(person(7)));
        changes.insert(change.into());
    }
    assert_eq!(run(&changes, &town(2100)).cleared.len(), 3000);
}

#[test]
fn every_attribute_is_cleared_within_its_own_budget() {
    let mut context = town(2100);
    let asker = context.population.sources.get_mut(&source("asker")).unwrap();
    asker.holders.insert(path("nickName"), 40);
    let nick = |number| update(number, "nickName", Some("Kari".into()), Datum::Null);
    let judgement = run(&plan((0..105).map(clear).chain((200..211).map(nick))), &context);
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (105, 11));
    assert_eq!(judgement.holds[0].meter.of, Of::Attribute(path("nickName")));
    assert_eq!(judgement.holds[0].limit, 10);
}

#[test]
fn what_trips_several_guards_waits_for_each_by_itself() {
    let both = |number| {
        let mut change = rename(number);
        change.before.insert(path("title"), "Rådgiver".into());
        change.after.insert(path("title"), Wanted::Value(Datum::Null));
        change
    };
    // 43 renames are too many; 43 + 63 clearings are one more than may be.
    let judgement = run(&plan((0..43).map(both).chain((100..163).map(clear))), &town(2100));
    let counts: Vec<_> =
        judgement.holds.iter().map(|hold| (hold.meter.guard, hold.count)).collect();
    assert_eq!(counts, [(Guard::Rename, 43), (Guard::Clear, 106)]);
    assert!(judgement.cleared.is_empty());
}

#[test]
fn more_than_ten_adoptions_wait_unless_they_are_automatic() {
    let adoptions = |count: usize| {
        let accounts = (1..count).map(|number| change(Action::Adopt, account(number)));
        plan(accounts.chain([change(Action::GroupAdopt, Entity::Group(group(1)))]))
    };
    for (adopt, count, held) in [
        (Adopt::Approve, 10, 0),
        (Adopt::Approve, 11, 11),
        (Adopt::Automatic, 3000, 0),
        (Adopt::Never, 1, 1),
    ] {
        let mut context = town(0);
        context.adopt = adopt;
        context.first_import = true;
        assert_eq!(run(&adoptions(count), &context).held.len(), held, "{adopt:?} {count}");
    }
}

#[test]
fn twice_the_limit_a_day_is_all_that_is_left() {
    for (spent, left) in [(0, 42), (42, 42), (43, 41), (83, 1), (84, 0), (1000, 0)] {
        let mut context = town(2100);
        context.spent.insert(meter(Guard::Deactivate), spent);
        assert_eq!(run(&deactivations(0..left), &context).cleared.len(), left, "{spent}");
        let judgement = run(&deactivations(0..=left), &context);
        assert_eq!(
            (judgement.cleared.len(), judgement.holds[0].limit),
            (0, left as u64),
            "{spent}"
        );
    }
}

#[test]
fn a_population_is_counted_from_what_the_target_confirmed() {
    let id = || ScimId::new("1");
    let mut ledger = Ledger::default();
    let links = [
        Link::Linked(id()),
        Link::Linked(id()),
        Link::Deactivated(id()),
        Link::Released(id()),
        Link::Gone(id()),
        Link::Unlinked,
    ];
    for (number, link) in links.into_iter().enumerate() {
        let mut entry = AccountEntry { link, ..AccountEntry::default() };
        entry.sent.insert(path("title"), "Rådgiver".into());
        entry.sent.insert(path("nickName"), Datum::Null);
        ledger.accounts.insert(person(number), entry);
    }
    for (number, link) in [Link::Linked(id()), Link::Released(id())].into_iter().enumerate() {
        let members = [person(0), person(1), person_of("hurum", 1)].into();
        ledger.groups.insert(group(number), GroupEntry { link, members, ..Default::default() });
    }
    let mut population = town(0).population;
    let asker = population.sources.get_mut(&source("asker")).unwrap();
    (asker.accounts, asker.active, asker.memberships) = (3, 2, 2);
    asker.holders.insert(path("title"), 3);
    let hurum = SourcePopulation { memberships: 1, ..SourcePopulation::default() };
    population.sources.insert(source("hurum"), hurum);
    population.members.insert(group(0), 3);
    assert_eq!(Population::of(&ledger), population);
}

#[test]
fn whoever_is_deactivated_again_on_the_same_day_uses_up_nothing_more_of_it() {
    let mut context = town(6);
    context.spent.insert(meter(Guard::Deactivate), 1);
    context.departed.insert(person(0));
    let (again, leaver) = (deactivations([0]), deactivations([0, 1]));
    assert_eq!((run(&again, &context).cleared.len(), run(&again, &context).holds.len()), (1, 0));
    // A real leaver is not held for it, and no third one goes along.
    assert_eq!(run(&leaver, &context).cleared.len(), 2);
    let judgement = run(&deactivations([0, 1, 2]), &context);
    assert_eq!((judgement.cleared.len(), judgement.holds[0].count), (1, 2));
    // What nobody may do without a word waits for it however often it was done.
    context.rejections = vec![rejection(&again, NOW)];
    assert_eq!(run(&again, &context).cleared.len(), 0);
}
