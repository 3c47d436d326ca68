//! What of a large approval is made first.

use super::world::*;
use crate::core::judge::{ClearedPlan, JudgementContext, Stage, Trial, try_first};
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::{Action, Changes, End};

/// The plan in which all of this is approved as a whole.
fn approved(changes: &Changes) -> ClearedPlan {
    let mut context: JudgementContext = town(6200);
    context.approvals = vec![approval(changes, NOW, later(60))];
    run(changes, &context).cleared
}

/// What may be made now.
fn tried(changes: &Changes, trials: &mut Vec<Trial>) -> Vec<Entity> {
    let mut plan = approved(changes);
    try_first(&mut plan, trials, |_| false);
    plan.into_values().map(|one| one.change().entity.clone()).collect()
}

fn advance(trial: &mut Trial, stage: Stage) {
    trial.sample.values_mut().for_each(|step| step.stage = stage);
}

#[test]
fn of_more_than_ten_three_are_made_first_and_the_rest_once_all_three_are_read() {
    let mut trials = Vec::new();
    assert_eq!(tried(&deactivations(0..10), &mut trials).len(), 10);
    assert!(trials.is_empty());
    let first = vec![account(0), account(1), account(2)];
    assert_eq!(tried(&deactivations(0..11), &mut trials), first);
    for stage in [Stage::Chosen, Stage::Made] {
        advance(&mut trials[0], stage);
        let rest = deactivations(if stage == Stage::Made { 3..11 } else { 0..11 });
        let may = tried(&rest, &mut trials);
        assert_eq!(may, if stage == Stage::Made { vec![] } else { first.clone() });
    }
    advance(&mut trials[0], Stage::Read);
    assert_eq!(tried(&deactivations(3..11), &mut trials).len(), 8);
}

#[test]
fn what_left_the_plan_gives_way_unless_it_is_on_its_way() {
    let mut trials = Vec::new();
    tried(&deactivations(0..20), &mut trials);
    assert_eq!(tried(&deactivations(1..20), &mut trials), [account(1), account(2), account(3)]);
    let mut plan = approved(&deactivations(4..20));
    try_first(&mut plan, &mut trials, |entity| *entity == account(3));
    let may: Vec<Entity> = plan.into_values().map(|one| one.change().entity.clone()).collect();
    assert_eq!(may, [account(4), account(5)]);
}

#[test]
fn leavers_are_tried_first_and_what_takes_nothing_is_not_tried() {
    let mut all = plan((0..30).map(clear));
    add(&mut all, deactivations(40..42));
    add(&mut all, plan((50..80).map(|one| change(Action::Create, account(one)))));
    let may = tried(&all, &mut Vec::new());
    let expected = [account(0), account(40), account(41)].into_iter().chain((50..80).map(account));
    assert_eq!(may, expected.collect::<Vec<_>>());
}

#[test]
fn what_follows_a_change_that_waits_waits_with_it() {
    let mut all = deactivations(0..20);
    let removals = (0..20).map(|one| change(Action::MemberRemove, member(7, one)));
    add(&mut all, plan(removals.map(|one| following(one, End::Account))));
    let may = tried(&all, &mut Vec::new());
    let first = (0..3).flat_map(|one| [account(one), member(7, one)]);
    let mut first: Vec<Entity> = first.collect();
    first.sort();
    assert_eq!(may, first);
}

#[test]
fn each_approval_is_tried_by_itself_and_a_surprise_is_never_passed() {
    let mut trials = Vec::new();
    tried(&deactivations(0..20), &mut trials);
    advance(&mut trials[0], Stage::Read);
    trials[0].surprise = Some((NOW, "it was not as it should be".to_owned()));
    assert!(!trials[0].has_passed());
    // The same people, approved again.
    let mut context = town(6200);
    context.approvals = vec![approval(&deactivations(0..20), later(1), Timestamp(i64::MAX))];
    let mut plan = run_at(&deactivations(0..20), &context, later(2)).cleared;
    try_first(&mut plan, &mut trials, |_| false);
    assert_eq!((plan.len(), trials.len()), (3, 2));
}
