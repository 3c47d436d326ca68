//! What holds for every plan.

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::*;
use crate::core::judge::{Clearance, Guard, Judgement, JudgementContext};
use crate::core::model::Entity;
use crate::core::plan::{Action, Change, Changes, End};

/// A change that trips something, most of the time. Equal arguments give equal changes.
fn any_change(kind: u8, number: usize, of: usize) -> Change {
    let removal = || change(Action::MemberRemove, member(of, number));
    match kind {
        0 => change(Action::Deactivate, account(number)),
        1 => change(Action::Delete, account(number)),
        2 => change(Action::Create, account(number)),
        3 => rename(number),
        4 => clear(number),
        5 => change(Action::Reactivate, account(number)),
        6 => change(Action::Adopt, account(number)),
        7 => change(Action::GroupDelete, Entity::Group(group(of))),
        8 => following(removal(), End::Account),
        9 => following(removal(), End::Group),
        _ => removal(),
    }
}

pub(super) fn changes() -> impl Strategy<Value = Changes> {
    vec((0_u8..16, 0_usize..60, 0_usize..4), 0..120).prop_map(|picks| {
        plan(picks.into_iter().map(|(kind, number, of)| any_change(kind, number, of)))
    })
}

/// A small town with a history: something held, approved, rejected, made and queued before.
pub(super) fn context() -> impl Strategy<Value = JudgementContext> {
    let history = (changes(), changes(), changes(), changes(), changes());
    (0_u64..300, vec(0_u64..30, 4), history).prop_map(|(people, members, history)| {
        let mut context = town(people);
        context.population.members =
            members.into_iter().enumerate().map(|(number, count)| (group(number), count)).collect();
        let (held, approved, rejected, made, queued) = history;
        let some = |changes: Changes| changes.into_values().step_by(5).collect();
        context.held = run(&held, &context).remember;
        context.approvals = vec![approval(&some(approved), NOW, later(60))];
        context.rejections = vec![rejection(&some(rejected), later(1))];
        let made = run(&made, &context);
        spend(&made, &mut context);
        context.cleared = run(&queued, &context).cleared_unasked;
        context
    })
}

fn part(all: &Changes, keep: &[bool]) -> Changes {
    let picked = all.values().zip(keep.iter().chain(std::iter::repeat(&false)));
    picked.filter(|(_, keep)| **keep).map(|(change, _)| change.clone()).collect()
}

fn judged(changes: &Changes, context: &JudgementContext) -> Judgement {
    run_at(changes, context, later(2))
}

proptest! {
    #[test]
    fn a_change_more_never_clears_one_that_was_held(
        all in changes(), keep in vec(any::<bool>(), 120), context in context(),
    ) {
        let few = judged(&part(&all, &keep), &context);
        let many = judged(&all, &context);
        for entity in few.held.keys() {
            prop_assert!(many.held.contains_key(entity), "{entity:?}");
        }
    }

    #[test]
    fn judging_again_with_what_was_remembered_gives_the_same_holds(
        all in changes(), mut context in context(),
    ) {
        let first = judged(&all, &context);
        context.held = first.remember.clone();
        context.cleared = first.cleared_unasked.clone();
        let again = run_at(&all, &context, later(3));
        prop_assert_eq!(again, first);
    }

    #[test]
    fn every_change_is_cleared_or_waits_for_one_hold(all in changes(), context in context()) {
        let judgement = judged(&all, &context);
        let Judgement { cleared, held, holds, remember: _, cleared_unasked: _ } = judgement;
        prop_assert_eq!(cleared.len() + held.len(), all.len());
        let counted: u64 = holds.iter().map(|hold| hold.count).sum();
        let own = held.values().filter(|held| !held.change.is_follower()).count();
        prop_assert_eq!(counted, own as u64);
        for waiting in held.values() {
            let entity = &waiting.change.entity;
            let hold = holds.iter().find(|hold| hold.id == waiting.hold).unwrap();
            let asked = waiting.change.leaders().next().unwrap_or_else(|| entity.clone());
            prop_assert!(hold.entities().any(|one| *one == asked));
        }
    }

    #[test]
    fn an_approval_clears_its_list_and_nothing_else(
        all in changes(), keep in vec(any::<bool>(), 120), mut context in context(),
    ) {
        (context.approvals, context.rejections) = (Vec::new(), Vec::new());
        let before = judged(&all, &context);
        context.held = before.remember;
        let list = part(&all, &keep);
        context.approvals = vec![approval(&list, later(1), later(60))];
        let after = judged(&all, &context);
        for waiting in before.held.values() {
            let entity = waiting.change.entity.clone();
            let asked = waiting.change.leaders().next().unwrap_or_else(|| entity.clone());
            let by = after.cleared.get(&entity).map(|cleared| cleared.clearance().clone());
            let approved = Clearance::Approved { by: "ola".into(), at: later(1), until: later(60), meters: Vec::new() };
            prop_assert_eq!(by, list.contains_key(&asked).then_some(approved));
        }
    }

    #[test]
    fn a_slow_drip_never_exceeds_twice_the_limit(drips in vec(0_usize..20, 60)) {
        let mut context = town(500);
        let mut made = 0;
        for (round, drip) in drips.into_iter().enumerate() {
            let judgement = run(&deactivations(round * 20..round * 20 + drip), &context);
            made += judgement.cleared.len();
            spend(&judgement, &mut context);
            context.held = judgement.remember;
        }
        prop_assert!(made <= 20, "{made}");
        let spent = context.spent.get(&meter(Guard::Deactivate)).copied();
        prop_assert_eq!(spent.unwrap_or(0), made as u64);
    }
}
