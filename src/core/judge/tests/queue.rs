//! What was cleared and waits behind a slow target.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{changes, context};
use super::world::*;
use crate::core::judge::{Clearance, Cleared, Guard, JudgementContext, Meter, claims, judge};
use crate::core::model::Entity;
use crate::core::plan::{Action, Changes, End};
use crate::core::policy::{Budget, Budgets};

/// The same world after a judgement of which nothing has been made yet.
fn queued(changes: &Changes, mut context: JudgementContext) -> JudgementContext {
    let judgement = run(changes, &context);
    context.held = judgement.remember;
    context.cleared = judgement.cleared_unasked;
    context
}

fn leavers_of_group(numbers: std::ops::Range<usize>) -> Changes {
    plan(numbers.map(|number| change(Action::MemberRemove, member(1, number))))
}

fn group_of(members: u64) -> JudgementContext {
    let mut context = town(50_000);
    context.population.members.insert(group(1), members);
    context
}

#[test]
fn queued_leavers_do_not_hold_up_the_one_of_the_next_minute() {
    let context = queued(&deactivations(0..42), town(2100));
    let judgement = run_at(&deactivations(0..43), &context, later(1));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (43, 0));
    let counted = Clearance::Unasked { meters: vec![meter(Guard::Deactivate)] };
    assert!(judgement.cleared.values().all(|cleared| *cleared.clearance() == counted));
}

#[test]
fn queued_changes_stay_cleared_and_use_up_the_day() {
    // Fresh ones are held by themselves, over the limit of a judgement or over that of the day.
    for (spent, waiting, left) in [(0, 42, 42), (10, 42, 32), (42, 42, 0), (42, 30, 12)] {
        let mut context = town(2100);
        context.spent.insert(meter(Guard::Deactivate), spent);
        let context = queued(&deactivations(0..waiting), context);
        let fits = run_at(&deactivations(0..waiting + left), &context, later(1));
        assert_eq!((fits.cleared.len(), fits.held.len()), (waiting + left, 0), "{spent} {waiting}");
        let over = run_at(&deactivations(0..1 + waiting + left), &context, later(1));
        assert_eq!((over.cleared.len(), over.held.len()), (waiting, left + 1), "{spent} {waiting}");
        assert_eq!(over.holds[0].limit, left as u64, "{spent} {waiting}");
        assert_eq!(over.cleared_unasked, context.cleared, "{spent} {waiting}");
    }
}

#[test]
fn queued_changes_that_have_been_made_are_counted_once() {
    let mut context = queued(&deactivations(0..42), town(2100));
    context.spent.insert(meter(Guard::Deactivate), 40);
    let judgement = run_at(&deactivations(40..84), &context, later(1));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (44, 0));
}

#[test]
fn a_restart_forgets_what_was_queued_and_asks() {
    let mut context = queued(&deactivations(0..42), town(2100));
    context.cleared.clear();
    assert_eq!(run_at(&deactivations(0..43), &context, later(1)).held.len(), 43);
}

#[test]
fn a_rejection_holds_what_was_queued() {
    let all = deactivations(0..42);
    let mut context = queued(&all, town(2100));
    context.rejections = vec![rejection(&deactivations(0..2), later(1))];
    let judgement = run_at(&all, &context, later(2));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (40, 2));
    assert_eq!(judgement.holds[0].rejected.as_deref(), Some("per"));
    assert_eq!(judgement.cleared_unasked, all_claims(&deactivations(2..42)));
}

#[test]
fn what_one_judgement_cleared_and_another_held_is_held() {
    let all = deactivations(0..43);
    let mut context = queued(&all, town(2100));
    context.cleared = all_claims(&all);
    let judgement = run_at(&all, &context, later(1));
    assert_eq!((judgement.held.len(), judgement.cleared_unasked.len()), (43, 0));
}

#[test]
fn an_approval_of_what_was_queued_gives_the_day_back() {
    let waiting = deactivations(0..42);
    let mut context = queued(&waiting, town(2100));
    context.spent.insert(meter(Guard::Deactivate), 42);
    context.approvals = vec![approval(&waiting, NOW, later(60))];
    let judgement = run_at(&deactivations(0..84), &context, later(1));
    assert_eq!(judgement.cleared.len(), 84);
    assert_eq!(judgement.cleared_unasked, all_claims(&deactivations(42..84)));
}

#[test]
fn only_what_is_limited_and_went_unasked_is_handed_back() {
    let mut context = town(2100);
    context.first_import = true;
    let approved = deactivations(10..20);
    context.approvals = vec![approval(&approved, NOW, later(60))];
    let unasked = deactivations(0..10);
    let mut changes = unasked.clone();
    add(&mut changes, approved);
    add(&mut changes, plan((100..200).map(|number| change(Action::Create, account(number)))));
    let from = |number| change(Action::MemberRemove, member(1, number));
    add(&mut changes, plan((0..10).map(|number| following(from(number), End::Account))));
    let judgement = run(&changes, &context);
    assert_eq!(judgement.cleared.len(), 130);
    assert_eq!(judgement.cleared_unasked, all_claims(&unasked));
}

#[test]
fn members_whose_removal_is_queued_are_as_good_as_gone() {
    // Five of ten are on their way: two more would be too many for the five that stay.
    let context = queued(&leavers_of_group(0..5), group_of(10));
    let judgement = run_at(&leavers_of_group(0..6), &context, later(1));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (5, 1));
    assert_eq!(judgement.holds[0].meter.guard, Guard::GroupShrink);

    let group_shrink = Budget { basis_points: 10_000, min: 100, max: None };
    let budgets = Budgets { group_shrink, ..Budgets::default() };
    let context = JudgementContext { cleared: all_claims(&leavers_of_group(0..9)), ..group_of(10) };
    let judgement = judge(leavers_of_group(0..10), &context, &budgets, later(1));
    assert!(judgement.held.contains_key(&member(1, 9)), "the last one");
    assert_eq!(judgement.cleared.len(), 9);
}

#[test]
fn a_small_unit_loses_twice_a_fifth_in_a_day_however_slow_its_target() {
    let context = queued(&deactivations(0..2), town(10));
    let context = queued(&deactivations(0..4), context);
    assert_eq!(context.cleared.len(), 4);
    let judgement = run_at(&deactivations(0..5), &context, later(1));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (4, 1));
}

/// How many changes a day of [`rounds`] clears. Whatever is cleared stays so until it is made; `make`
/// then takes it out of the population.
fn day(
    mut context: JudgementContext,
    rounds: Vec<(usize, usize)>,
    fresh: fn(std::ops::Range<usize>) -> Changes,
    make: fn(&mut JudgementContext),
) -> usize {
    let (mut changes, mut next) = (Changes::default(), 0);
    let mut cleared: BTreeSet<Entity> = BTreeSet::new();
    for (drip, speed) in rounds {
        add(&mut changes, fresh(next..next + drip));
        next += drip;
        let judgement = run(&changes, &context);
        let waiting: Vec<_> =
            cleared.iter().filter(|entity| changes.contains_key(entity)).collect();
        assert!(waiting.into_iter().all(|entity| judgement.cleared.get(entity).is_some()));
        cleared.extend(judgement.cleared.values().map(|one| one.change().entity.clone()));
        context.held = judgement.remember;
        context.cleared = judgement.cleared_unasked;
        for made in judgement.cleared.into_values().take(speed) {
            count(&made, &mut context.spent);
            make(&mut context);
            changes.remove(&made.change().entity);
        }
    }
    cleared.len()
}

fn count(made: &Cleared, spent: &mut BTreeMap<Meter, u64>) {
    let Clearance::Unasked { meters } = made.clearance() else { panic!("nobody was asked") };
    for meter in meters {
        *spent.entry(meter.clone()).or_default() += 1;
    }
}

/// How many changes come, and how many the target makes, in each round.
fn rounds() -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((0_usize..8, 0_usize..8), 16)
}

fn active(context: &mut JudgementContext) -> &mut u64 {
    &mut context.population.sources.get_mut(&source("asker")).unwrap().active
}

fn members(context: &mut JudgementContext) -> &mut u64 {
    context.population.members.get_mut(&group(1)).unwrap()
}

proptest! {
    #[test]
    fn a_town_loses_no_more_than_twice_the_limit_however_slow_its_target(
        people in 1_u64..700, rounds in rounds(),
    ) {
        let limit = match people {
            0..50 => (people / 5).clamp(1, 5),
            _ => (people / 50).max(5),
        };
        let lost = day(town(people), rounds, deactivations, |context| {
            let active = active(context);
            *active = active.saturating_sub(1);
        });
        prop_assert!(lost as u64 <= 2 * limit, "{lost} of {people}");
    }

    #[test]
    fn a_group_keeps_a_third_however_slow_its_target(
        size in 10_u64..80, rounds in rounds(),
    ) {
        let lost = day(group_of(size), rounds, leavers_of_group, |context| {
            *members(context) -= 1;
        });
        prop_assert!(3 * lost as u64 <= 2 * size, "{lost} of {size}");
    }

    #[test]
    fn what_was_cleared_stays_so_whatever_comes_after_it(
        first in changes(), more in changes(), mut context in context(),
    ) {
        let before = run_at(&first, &context, later(2));
        context.held = before.remember;
        context.cleared = before.cleared_unasked;
        let mut all = more;
        add(&mut all, first);
        let after = run_at(&all, &context, later(3));
        let mut before_claims = context.cleared.iter();
        prop_assert!(before_claims.all(|(one, shown)| after.cleared_unasked.get(one) == Some(shown)));
        for cleared in before.cleared.values() {
            let entity = &cleared.change().entity;
            if claims(cleared.change()).keys().any(|one| context.cleared.contains_key(one)) {
                prop_assert_eq!(after.cleared.get(entity), Some(cleared));
            }
        }
    }
}
