//! A word lasts: what is held, rejected or excepted is known again whatever else changes.

use super::world::*;
use crate::core::judge::{Clearance, Guard, Judgement, JudgementContext, claims};
use crate::core::model::{AttrPath, Datum, Entity, ScimId, Wanted};
use crate::core::plan::{Action, Change, Changes, Taken};
use crate::core::policy::Adopt;

/// The change with another title beside whatever it is.
fn with_title(mut change: Change, title: &str) -> Change {
    change.before.insert(path("title"), "Rådgiver".into());
    change.after.insert(path("title"), Wanted::Value(title.into()));
    change
}

fn adoption(number: usize, id: &str) -> Change {
    let mut change = change(Action::Adopt, account(number));
    change.adopts = Some(Box::new(Taken { id: ScimId::new(id), of_another: None }));
    change
}

fn reactivation(number: usize) -> Change {
    let mut change = change(Action::Reactivate, account(number));
    change.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(true)));
    change
}

fn renamed_to(number: usize, name: &str) -> Change {
    let before = Some("kari.hansen@asker.example.no".into());
    update(number, "userName", before, name.into())
}

/// Makes the change of one account.
type Make = Box<dyn Fn(usize) -> Change>;

/// Every kind of change that a guard holds, and the same with something else about the person changed.
fn kinds() -> Vec<(&'static str, Make)> {
    vec![
        ("rename", Box::new(rename)),
        ("create", Box::new(|number| change(Action::Create, account(number)))),
        ("adopt", Box::new(|number| adoption(number, &format!("id-{number}")))),
        ("reactivate", Box::new(reactivation)),
        ("deactivate", Box::new(|number| change(Action::Deactivate, account(number)))),
    ]
}

/// The paths of what may be made of one person.
fn may(judgement: &Judgement, number: usize) -> Vec<String> {
    let cleared = judgement.cleared.get(&account(number));
    let after = cleared.map(|cleared| cleared.change().after.keys());
    after.into_iter().flatten().map(ToString::to_string).collect()
}

fn is_held(judgement: &Judgement, number: usize) -> bool {
    judgement.held.contains_key(&account(number))
}

/// A town where 130 of each kind are too many.
fn held_before(changes: &Changes) -> JudgementContext {
    let mut context = town(200);
    context.held = run(changes, &context).remember;
    assert!(!context.held.is_empty());
    context
}

#[test]
fn what_nobody_has_decided_stays_held_when_another_attribute_changes() {
    for (kind, make) in kinds() {
        let context = held_before(&plan((0..130).map(&make)));
        // Another judgement, also by a process that was started since: what was cleared is forgotten.
        let judgement = run_at(&plan([with_title(make(7), "Leder")]), &context, later(9));
        assert!(is_held(&judgement, 7), "{kind}");
        assert_eq!(judgement.holds[0].since, NOW, "{kind}");
    }
}

#[test]
fn what_was_rejected_stays_so_when_another_attribute_changes() {
    for (kind, make) in kinds() {
        let all = plan((0..130).map(&make));
        let mut context = held_before(&all);
        context.rejections = vec![rejection(&all, later(1))];
        for forgotten in [false, true] {
            if forgotten {
                context.held.clear();
            }
            let judgement = run_at(&plan([with_title(make(7), "Leder")]), &context, later(9));
            assert!(is_held(&judgement, 7), "{kind}");
            assert_eq!(judgement.holds[0].rejected.as_deref(), Some("per"), "{kind}");
        }
    }
}

#[test]
fn what_was_excepted_from_an_approval_stays_held_when_another_attribute_changes() {
    for (kind, make) in kinds() {
        let mut context = held_before(&plan((0..130).map(&make)));
        context.approvals = vec![approval(&plan((1..130).map(&make)), later(1), later(60))];
        let judgement = run_at(&plan([with_title(make(0), "Leder"), make(1)]), &context, later(2));
        assert!(is_held(&judgement, 0) && !is_held(&judgement, 1), "{kind}");
        assert_eq!((judgement.holds[0].count, &judgement.holds[0].rejected), (1, &None), "{kind}");
    }
}

#[test]
fn an_approval_lasts_when_another_attribute_changes() {
    for (kind, make) in kinds() {
        let mut context = held_before(&plan((0..130).map(&make)));
        context.approvals = vec![approval(&plan((0..130).map(&make)), later(1), later(60))];
        let judgement = run_at(&plan([with_title(make(7), "Leder")]), &context, later(2));
        assert!(!is_held(&judgement, 7), "{kind}");
    }
}

#[test]
fn a_held_name_or_cleared_value_lets_the_rest_of_the_account_through() {
    let held = plan((0..20).flat_map(|number| [rename(number)]));
    for rejected in [false, true] {
        let mut context = held_before(&held);
        if rejected {
            context.rejections = vec![rejection(&held, later(1))];
        }
        let judgement = run_at(&plan([with_title(rename(7), "Leder")]), &context, later(2));
        assert_eq!(may(&judgement, 7), ["title"]);
        let [waits] = judgement.held.of(&account(7)) else { panic!("one part waits") };
        let paths: Vec<_> = waits.change.after.keys().map(ToString::to_string).collect();
        assert_eq!(paths, ["userName"]);
    }
    let mut both = clear(3);
    both.after.insert(path("department"), Wanted::Value("NAV".into()));
    let context = held_before(&plan((0..130).map(clear)));
    assert_eq!(may(&run_at(&plan([both]), &context, later(2)), 3), ["department"]);
}

#[test]
fn a_held_name_does_not_keep_somebody_from_coming_back_and_a_held_return_keeps_all() {
    let mut back = reactivation(7);
    back.before.insert(path("userName"), "kari.hansen@asker.example.no".into());
    let name = rename(7).after.get(&path("userName")).cloned().unwrap();
    back.after.insert(path("userName"), name);
    let context = held_before(&plan((0..130).map(rename)));
    let judgement = run_at(&plan([back.clone()]), &context, later(2));
    assert_eq!((may(&judgement, 7), is_held(&judgement, 7)), (vec!["active".to_owned()], true));

    let context = held_before(&plan((0..130).map(reactivation)));
    let judgement = run_at(&plan([back]), &context, later(2));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (0, 1));
}

#[test]
fn a_guarded_value_that_becomes_another_is_held_again_and_asks_again() {
    let first = |number| renamed_to(number, "kari.nordmann@asker.example.no");
    let second = |number| renamed_to(number, "kari.berg@asker.example.no");
    let adopts = |number| adoption(number, "one");
    let adopts_another = |number| adoption(number, "another");
    let both: [[Make; 2]; 2] =
        [[Box::new(first), Box::new(second)], [Box::new(adopts), Box::new(adopts_another)]];
    for [before, after] in both {
        let all = plan((0..130).map(before));
        for forgotten in [false, true] {
            let mut context = held_before(&all);
            context.rejections = vec![rejection(&all, later(1))];
            if forgotten {
                context.held.clear();
            }
            let judgement = run_at(&plan([after(7)]), &context, later(2));
            assert!(is_held(&judgement, 7) && judgement.holds[0].rejected.is_none());
        }
        let mut context = held_before(&all);
        context.approvals = vec![approval(&all, later(1), later(60))];
        let judgement = run_at(&plan([after(7)]), &context, later(2));
        assert!(is_held(&judgement, 7), "what was shown was another value");
    }
}

#[test]
fn what_is_approved_in_part_counts_for_the_part_that_nobody_was_asked_about() {
    let mut context = town(6200);
    let mut both = rename(7);
    both.before.insert(path("title"), "Rådgiver".into());
    both.after.insert(path("title"), Wanted::Value(Datum::Null));
    context.approvals = vec![approval(&plan([rename(7)]), NOW, later(60))];
    let judgement = run_at(&plan([both]), &context, later(1));
    let clearance = judgement.cleared.get(&account(7)).unwrap().clearance();
    let counted: Vec<_> = clearance.meters().iter().map(|meter| meter.guard).collect();
    assert_eq!((counted, clearance.approval().is_some()), (vec![Guard::Clear], true));
}

#[test]
fn what_cannot_be_judged_now_stays_held_under_the_same_name() {
    let all = plan((0..130).map(|number| change(Action::Create, account(number))));
    let mut context = held_before(&all);
    let whole = run_at(&all, &context, later(1));
    context.unjudged = all_claims(&all).into_keys().collect();
    let few = plan((0..3).map(|number| change(Action::Create, account(number))));
    let judgement = run_at(&few, &context, later(2));
    assert_eq!(judgement.holds, whole.holds);
    assert_eq!(judgement.remember, whole.remember);
    // An approval of it covers what could not be judged, too.
    context.approvals = vec![approval(&all, later(3), later(60))];
    assert!(run_at(&few, &context, later(4)).holds.is_empty());
}

#[test]
fn a_leaver_who_is_adopted_counts_as_deactivated() {
    let mut leaver = adoption(7, "one");
    leaver.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(false)));
    let judgement = run(&plan([leaver.clone()]), &town(200));
    let clearance = judgement.cleared.get(&account(7)).unwrap().clearance();
    let guards: Vec<_> = clearance.meters().iter().map(|meter| meter.guard).collect();
    assert_eq!(guards, [Guard::Deactivate, Guard::Adopt]);

    let many = (0..9).map(|number| {
        let Entity::Account(_) = account(number) else { panic!() };
        Change { entity: account(number), ..leaver.clone() }
    });
    let judgement = run(&plan(many), &town(200));
    assert_eq!((judgement.cleared.len(), judgement.holds[0].meter.guard), (0, Guard::Deactivate));
    assert!(matches!(clearance, Clearance::Unasked { .. }));
    assert_eq!(claims(&leaver).len(), 1);
}

#[test]
fn whoever_was_not_to_be_made_takes_nothing_over_unasked() {
    let made = plan((0..130).map(|number| change(Action::Create, account(number))));
    for adopt in [Adopt::Approve, Adopt::Automatic] {
        let mut context = JudgementContext { adopt, ..held_before(&made) };
        context.held.clear();
        let found = plan([adoption(7, "one")]);
        assert!(!is_held(&run_at(&found, &context, later(9)), 7), "nobody has said so");
        context.rejections = vec![rejection(&made, later(1))];
        let judgement = run_at(&found, &context, later(9));
        assert!(is_held(&judgement, 7), "{adopt:?}");
        assert_eq!((judgement.holds[0].meter.guard, judgement.holds[0].open), (Guard::Adopt, 1));
        context.approvals = vec![approval(&found, later(10), later(60))];
        assert!(!is_held(&run_at(&found, &context, later(11)), 7), "{adopt:?}");
    }
}
