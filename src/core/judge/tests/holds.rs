//! How long a hold lasts, and what ends it.

use std::sync::Arc;

use super::world::*;
use crate::core::judge::{Claims, Clearance, Guard, HeldBefore, HoldId, JudgementContext, judge};
use crate::core::model::{DigestKey, Timestamp, Wanted};
use crate::core::plan::{Action, Changes, End};
use crate::core::policy::{Adopt, Budget, Budgets};

/// The same world after a judgement that held the accident.
fn after(changes: &Changes, mut context: JudgementContext) -> JudgementContext {
    context.held = run(changes, &context).remember;
    context
}

fn approved(by: &str, at: Timestamp) -> Clearance {
    Clearance::Approved { by: by.into(), at, until: later(60), meters: Vec::new() }
}

#[test]
fn three_thousand_leavers_by_accident_lose_nobody_and_the_next_one_passes() {
    let accident = deactivations(0..3000);
    let mut context = town(6200);
    let judgement = run(&accident, &context);
    assert!(judgement.cleared.is_empty());
    assert_eq!((judgement.holds[0].count, judgement.holds[0].limit), (3000, 124));
    context.held = judgement.remember.clone();

    let next = run_at(&deactivations(0..3001), &context, later(1));
    assert_eq!(next.holds, judgement.holds);
    assert_eq!(next.cleared.len(), 1);
    let cleared = next.cleared.get(&account(3000)).unwrap();
    let counted = Clearance::Unasked { meters: vec![meter(Guard::Deactivate)] };
    assert_eq!(cleared.clearance(), &counted);
}

#[test]
fn a_second_accident_is_a_hold_of_its_own() {
    let context = after(&deactivations(0..200), town(6200));
    let judgement = run_at(&deactivations(0..400), &context, later(1));
    let holds: Vec<_> = judgement.holds.iter().map(|hold| (hold.count, hold.since)).collect();
    assert_eq!(holds, [(200, NOW), (200, later(1))]);
    assert!(judgement.cleared.is_empty());
}

#[test]
fn a_second_accident_in_the_same_instant_does_not_change_the_first_hold() {
    let context = after(&deactivations(0..200), town(6200));
    let first = run(&deactivations(0..200), &context).holds[0].id;
    let judgement = run(&deactivations(0..400), &context);
    assert!(judgement.holds.len() == 2 && judgement.holds.iter().any(|hold| hold.id == first));
}

#[test]
fn the_id_of_a_hold_is_that_of_the_set_in_any_order() {
    let changes = deactivations(0..200);
    let claims = all_claims(&changes);
    let id = run(&changes, &town(6200)).holds[0].id;
    let of = |guard, claims: &Claims| HoldId::of(&DigestKey::default(), &meter(guard), claims);
    assert_eq!(of(Guard::Deactivate, &claims), id);
    assert_ne!(of(Guard::Delete, &claims), id);
    let fewer: Claims = claims.into_iter().skip(1).collect();
    assert_ne!(of(Guard::Deactivate, &fewer), id);
}

#[test]
fn the_id_of_a_hold_tells_nothing_outside_its_installation() {
    let changes = deactivations(0..200);
    let id = |key: u8| {
        let digests = DigestKey::new([[key; 32]; 2]);
        run(&changes, &JudgementContext { digests, ..town(6200) }).holds[0].id
    };
    assert_eq!(id(1), id(1), "it is the same after each start");
    assert_ne!(id(1), id(2));
}

#[test]
fn a_hold_answers_to_the_first_four_digits_of_its_id_and_to_more() {
    let hold = run(&deactivations(0..200), &town(6200)).holds[0].id;
    let id = hold.to_string();
    for digits in 0..=id.len() {
        assert_eq!(hold.answers_to(&id[..digits]), digits >= 4, "{digits}");
        assert_eq!(hold.answers_to(&id[..digits].to_uppercase()), digits >= 4, "{digits}");
    }
    for other in [format!("{id}0"), id[1..].to_owned(), "gggg".to_owned(), "øøøø".to_owned()] {
        assert!(!hold.answers_to(&other), "{other}");
    }
}

#[test]
fn a_hold_that_is_rejected_in_part_still_asks() {
    let mut context = after(&deactivations(0..200), town(6200));
    for part in [0..199, 1..200] {
        context.rejections = vec![rejection(&deactivations(part), later(1))];
        let judgement = run_at(&deactivations(0..200), &context, later(2));
        assert_eq!((judgement.holds[0].count, &judgement.holds[0].rejected), (200, &None));
    }
}

#[test]
fn a_hold_shrinks_with_the_plan_and_lasts_though_it_would_fit_by_now() {
    let first = run(&deactivations(0..200), &town(6200));
    let context = after(&deactivations(0..200), town(6200));
    let judgement = run_at(&deactivations(0..3), &context, later(5));
    let [hold] = judgement.holds.as_slice() else { panic!("{:?}", judgement.holds) };
    assert_eq!((hold.count, hold.limit, hold.since), (3, 124, NOW));
    assert_ne!(hold.id, first.holds[0].id);
    let judgement = run_at(&Changes::default(), &context, later(5));
    assert_eq!((judgement.holds.len(), judgement.remember.len()), (0, 0));
}

#[test]
fn a_larger_budget_does_not_end_a_hold() {
    let changes = deactivations(0..200);
    let context = after(&changes, town(6200));
    let deactivate = Budget { basis_points: 10_000, min: 5, max: None };
    let budgets = Budgets { deactivate, ..Budgets::default() };
    assert_eq!(judge(changes, &context, &budgets, NOW).held.len(), 200);
}

#[test]
fn a_hold_ends_when_its_guard_is_told_not_to_look() {
    let changes = plan((0..20).map(|number| change(Action::Adopt, account(number))));
    let mut context = after(&changes, town(0));
    assert_eq!(run(&changes, &context).held.len(), 20);
    context.adopt = Adopt::Automatic;
    let judgement = run(&changes, &context);
    assert_eq!((judgement.cleared.len(), judgement.remember.len()), (20, 0));
}

#[test]
fn an_approval_covers_exactly_its_list() {
    let seen = plan((0..200).map(rename));
    let mut context = after(&seen, town(6200));
    context.approvals = vec![approval(&seen, later(1), later(60))];
    // 150 newcomers to the accident, and another name for one that was seen.
    let mut changes = plan((0..350).map(rename));
    let mut edited = changes.remove(&account(0)).unwrap();
    let other = Wanted::Value("kari@asker.example.no".into());
    Arc::make_mut(&mut edited).after.insert(path("userName"), other);
    changes.insert(edited);
    let judgement = run_at(&changes, &context, later(2));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (199, 151));
    assert!(judgement.held.contains_key(&account(0)));
    assert!(
        judgement.cleared.values().all(|cleared| *cleared.clearance() == approved("ola", later(1)))
    );
}

#[test]
fn an_exception_to_an_approval_stays_held() {
    let mut context = after(&deactivations(0..200), town(6200));
    context.approvals = vec![approval(&deactivations(1..200), later(1), later(60))];
    let judgement = run_at(&deactivations(0..200), &context, later(2));
    assert_eq!(judgement.cleared.len(), 199);
    assert_eq!((judgement.holds[0].count, judgement.holds[0].since), (1, NOW));
}

#[test]
fn what_was_approved_and_not_made_in_time_is_held_again() {
    let changes = deactivations(0..200);
    let mut context = after(&changes, town(6200));
    context.approvals = vec![approval(&changes, NOW, later(60))];
    let judgement = run_at(&changes, &context, later(59));
    assert_eq!((judgement.cleared.len(), judgement.holds.len()), (200, 0));
    context.held = judgement.remember;
    // So few are left that they would pass, had nobody seen them before.
    let judgement = run_at(&deactivations(0..3), &context, later(60));
    assert_eq!((judgement.held.len(), judgement.holds[0].since), (3, NOW));
}

#[test]
fn a_rejected_hold_is_quiet_until_its_set_changes() {
    let changes = deactivations(0..200);
    let mut context = after(&changes, town(6200));
    let id = run(&changes, &context).holds[0].id;
    context.rejections = vec![rejection(&changes, later(1))];
    let judgement = run_at(&changes, &context, later(2));
    assert_eq!(judgement.holds[0].rejected.as_deref(), Some("per"));
    assert_eq!(judgement.holds[0].id, id);
    let judgement = run_at(&deactivations(0..325), &context, later(3));
    let quiet: Vec<_> =
        judgement.holds.iter().map(|hold| (hold.count, hold.rejected.is_some())).collect();
    assert_eq!(quiet, [(200, true), (125, false)]);
}

#[test]
fn a_rejection_outlives_the_hold() {
    let changes = deactivations(0..3);
    let mut context = town(6200);
    context.rejections = vec![rejection(&changes, NOW)];
    let first = run_at(&changes, &context, later(9));
    assert_eq!((first.held.len(), first.holds[0].since), (3, NOW));
    context.held = first.remember;
    assert_eq!(run_at(&changes, &context, later(10)).holds, first.holds);
}

#[test]
fn the_later_word_counts_and_of_two_at_once_the_careful_one() {
    let changes = deactivations(0..3);
    let at = Timestamp;
    for (approved, rejected, held) in [(1, 2, 3), (2, 1, 0), (2, 2, 3)] {
        let mut context = town(6200);
        context.approvals = vec![approval(&changes, at(approved), later(60))];
        context.rejections = vec![rejection(&changes, at(rejected))];
        assert_eq!(run(&changes, &context).held.len(), held, "{approved} {rejected}");
    }
}

#[test]
fn followers_share_the_fate_of_their_leader_and_count_nowhere() {
    let removals = |of: std::ops::Range<usize>| {
        of.flat_map(|number| {
            let from = move |group| change(Action::MemberRemove, member(group, number));
            (0..20).map(move |group| following(from(group), End::Account))
        })
    };
    let mut context = town(2100);
    let mut few = deactivations(0..42);
    add(&mut few, plan(removals(0..42)));
    let judgement = run(&few, &context);
    assert_eq!(judgement.cleared.len(), 42 * 21);
    spend(&judgement, &mut context);
    assert_eq!(context.spent, [(meter(Guard::Deactivate), 42)].into());

    let mut many = deactivations(0..43);
    add(&mut many, plan(removals(0..43)));
    let mut context = after(&many, town(2100));
    let judgement = run(&many, &context);
    assert_eq!((judgement.held.len(), judgement.holds[0].count), (43 * 21, 43));
    let id = judgement.holds[0].id;
    assert!(judgement.held.values().all(|change| change.hold == id));

    context.approvals = vec![approval(&deactivations(0..43), NOW, later(60))];
    let judgement = run(&many, &context);
    assert_eq!(judgement.cleared.len(), 43 * 21);
    assert!(judgement.cleared.values().all(|cleared| *cleared.clearance() == approved("ola", NOW)));
}

#[test]
fn memberships_left_over_by_a_deactivation_that_was_made_pass() {
    let leave = |number| change(Action::MemberRemove, member(1, number));
    let left_over = plan((0..400).map(|number| following(leave(number), End::Account)));
    assert_eq!(run(&left_over, &town(2100)).cleared.len(), 400);
}

#[test]
fn a_cleared_plan_can_be_narrowed() {
    let mut cleared = run(&deactivations(0..9), &town(2100)).cleared;
    cleared.retain(|cleared| cleared.change().entity == account(4));
    assert_eq!((cleared.len(), cleared.is_empty()), (1, false));
    assert!(cleared.get(&account(4)).is_some());
}

#[test]
fn what_is_remembered_survives_the_store() {
    let judgement = run(&deactivations(0..200), &town(2100));
    let bytes = postcard::to_stdvec(&judgement.remember).unwrap();
    let read: Vec<HeldBefore> = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(read, judgement.remember);
    let id = judgement.holds[0].id.to_string();
    assert!(id.len() == 12 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
}

#[test]
fn a_change_that_is_no_membership_follows_nothing_and_does_not_escape_the_budget() {
    let leave =
        |number: usize| following(change(Action::Deactivate, account(number)), End::Account);
    let judgement = run(&plan((0..200).map(leave)), &town(6200));
    assert_eq!(judgement.holds[0].count, 200);
}

#[test]
fn what_was_approved_before_it_was_held_is_not_remembered() {
    let changes = deactivations(0..200);
    let mut context = town(6200);
    context.approvals = vec![approval(&changes, NOW, later(60))];
    let judgement = run(&changes, &context);
    assert_eq!((judgement.cleared.len(), judgement.remember.len()), (200, 0));
}
