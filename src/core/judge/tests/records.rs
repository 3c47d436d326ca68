//! What a guard is called and looks at, and the records of what may be made and what waits.

use super::world::*;
use crate::core::judge::{
    Approval, Claims, Clearance, Finding, Guard, Guarded, Meter, Of, Trial, claims, is_destructive,
    pieces,
};
use crate::core::model::{AttrPath, Datum, DigestKey, Entity, ScimId, Wanted};
use crate::core::plan::{Action, Change, End, Taken};
use crate::core::policy::Adopt;

#[test]
fn each_guard_has_a_name_of_its_own_and_holds_changes_findings_or_nothing() {
    let names = Guard::ALL.map(Guard::name);
    for (at, (guard, name)) in Guard::ALL.into_iter().zip(names).enumerate() {
        assert_eq!(guard.to_string(), name);
        assert_eq!(names.iter().position(|one| *one == name), Some(at), "{name}");
    }
    assert_eq!(Guard::MemberRemove.name(), "budget.member_remove");
    let nothing = [Guard::Quarantine, Guard::Stall, Guard::Trial, Guard::Unreachable];
    let findings = [Guard::Coverage, Guard::Identity, Guard::ScopeEmptied];
    for guard in Guard::ALL {
        assert_eq!(guard.holds(), !nothing.contains(&guard), "{guard}");
        assert_eq!(guard.finds(), findings.contains(&guard), "{guard}");
    }
}

#[test]
fn destructive_is_what_takes_something_from_somebody() {
    let mut leaver = change(Action::Adopt, account(1));
    leaver.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(false)));
    for (change, takes) in [
        (change(Action::Deactivate, account(1)), true),
        (change(Action::Delete, account(1)), true),
        (change(Action::GroupDelete, Entity::Group(group(1))), true),
        (change(Action::MemberRemove, member(1, 1)), true),
        (rename(1), true),
        (clear(1), true),
        (leaver, true),
        (update(1, "title", Some("Rektor".into()), "Leder".into()), false),
        (change(Action::Create, account(1)), false),
        (change(Action::Adopt, account(1)), false),
        (change(Action::Reactivate, account(1)), false),
        (change(Action::MemberAdd, member(1, 1)), false),
    ] {
        assert_eq!(is_destructive(&change), takes, "{:?}", change.action);
    }
}

#[test]
fn people_log_in_by_the_user_name_and_are_written_to_at_work_whatever_the_letter_case() {
    for (at, names) in [
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", true),
        ("urn:example:params:Other:2.0:User:userName", false),
        (r#"Emails[TYPE eq "Work"].Value"#, true),
        (r#"emails[type eq "work"].display"#, false),
        (r#"emails[kind eq "work"].value"#, false),
        (r#"phoneNumbers[type eq "work"].value"#, false),
        ("name.userName", false),
        ("nickName", false),
    ] {
        let change = update(1, at, Some("kari@example.no".into()), "per@example.no".into());
        let guarded: Vec<_> = claims(&change).into_keys().collect();
        assert_eq!(!guarded.is_empty(), names, "{at}");
    }
    let other_case =
        update(1, "userName", Some("Kari@example.no".into()), "kari@example.no".into());
    assert!(claims(&other_case).is_empty());
    let number = update(1, "userName", Some(Datum::Int(7)), Datum::Int(8));
    assert_eq!(claims(&number).len(), 1);
    let same = update(1, "userName", Some(Datum::Int(7)), Datum::Int(7));
    assert!(claims(&same).is_empty());
}

#[test]
fn an_account_that_somebody_else_made_inactive_is_activated_by_nobody_unasked() {
    let made = |action, before: Option<bool>, after| {
        let mut change = change(action, account(1));
        change.before.extend(before.map(|before| (AttrPath::active(), Datum::Bool(before))));
        change.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(after)));
        change
    };
    for (change, waits) in [
        (made(Action::Update, Some(false), true), true),
        (made(Action::Adopt, Some(false), true), true),
        (made(Action::Update, None, true), false),
        (made(Action::Update, Some(true), true), false),
        (made(Action::Reactivate, Some(false), true), false),
    ] {
        let judgement = run(&plan([change.clone()]), &town(2100));
        let by = judgement.holds.first().map(|hold| hold.meter.guard);
        assert_eq!(by, waits.then_some(Guard::Inactive), "{change:?}");
    }
}

/// Takes over account 1 of the target, which carries this.
fn takes_over(entity: Entity, of_another: Option<&str>) -> Change {
    let is_account = matches!(entity, Entity::Account(_));
    let action = if is_account { Action::Adopt } else { Action::GroupAdopt };
    let taken = Taken { id: ScimId::new("1"), of_another: of_another.map(Into::into) };
    Change { adopts: Some(Box::new(taken)), ..change(action, entity) }
}

#[test]
fn what_carries_the_id_of_another_is_taken_over_by_nobody_unasked() {
    let mut inactive = takes_over(account(1), Some("their-id"));
    inactive.before.insert(AttrPath::active(), Datum::Bool(false));
    inactive.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(true)));
    for adopt in [Adopt::Approve, Adopt::Automatic, Adopt::Never] {
        for change in [
            takes_over(account(1), Some("their-id")),
            takes_over(Entity::Group(group(1)), Some("their-id")),
            inactive.clone(),
        ] {
            let mut context = town(2100);
            (context.adopt, context.first_import) = (adopt, true);
            let only = plan([change]);
            let judgement = run(&only, &context);
            assert_eq!((judgement.cleared.len(), judgement.held.len()), (0, 1), "{adopt:?}");
            assert_eq!(
                (judgement.holds[0].meter.guard, judgement.holds[0].limit),
                (Guard::Other, 0)
            );
            context.approvals = vec![approval(&only, NOW, later(60))];
            assert_eq!(run(&only, &context).cleared.len(), 1, "{adopt:?}");
            context.rejections = vec![rejection(&only, later(1))];
            assert_eq!(run_at(&only, &context, later(2)).held.len(), 1, "{adopt:?}");
        }
    }
}

#[test]
fn a_word_about_what_carries_the_id_of_another_is_about_that_id() {
    let adoption = |of_another| plan([takes_over(account(1), of_another)]);
    let mut context = town(2100);
    context.approvals = vec![approval(&adoption(Some("one")), NOW, later(60))];
    assert_eq!(run(&adoption(Some("one")), &context).cleared.len(), 1);
    assert_eq!(run(&adoption(Some("two")), &context).held.len(), 1);
    // A word about one that carried nobody's id says nothing of this one either.
    context.approvals = vec![approval(&adoption(None), NOW, later(60))];
    assert_eq!(run(&adoption(Some("one")), &context).held.len(), 1);
}

#[test]
fn adoptions_of_what_nobody_else_has_go_on_beside_those_that_wait() {
    let known = (1..11).map(|number| takes_over(account(number), None));
    let others = (11..14).map(|number| takes_over(account(number), Some("their-id")));
    let judgement = run(&plan(known.chain(others)), &town(2100));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (10, 3));
    assert_eq!(judgement.holds.len(), 1);
}

#[test]
fn what_rests_on_a_change_of_the_rules_waits_and_uses_up_no_budget() {
    let mut context = town(2100);
    context.resting = all_claims(&deactivations(0..42)).into_keys().collect();
    let judgement = run(&deactivations(0..84), &context);
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (42, 42));
    let hold = &judgement.holds[0];
    assert_eq!((hold.meter.clone(), hold.limit), (meter(Guard::ScopeChange), 0));
}

#[test]
fn a_change_falls_into_what_is_guarded_and_the_rest() {
    let paths = |change: &Change| change.after.keys().map(ToString::to_string).collect::<Vec<_>>();
    let mut all = rename(1);
    all.before.insert(path("title"), "Rektor".into());
    all.after.insert(path("title"), Wanted::Value(Datum::Null));
    all.after.insert(path("department"), Wanted::Value("NAV".into()));
    let found: Vec<_> = pieces(&all).iter().map(paths).collect();
    assert_eq!(found, [vec!["department"], vec!["userName"], vec!["title"]]);
    assert!(pieces(&change(Action::Deactivate, account(1))).is_empty(), "it is one");
    assert!(pieces(&update(1, "title", None, "Leder".into())).is_empty());
    let mut back = all;
    back.action = Action::Reactivate;
    assert_eq!(pieces(&back).len(), 3);
}

#[test]
fn an_account_that_was_let_be_is_not_made_anew_unasked() {
    let adopts = plan([change(Action::Adopt, account(1)), change(Action::Adopt, account(2))]);
    let mut context = town(2100);
    context.rejections = vec![rejection(&adopts, NOW)];
    let creates = plan((1..4).map(|number| change(Action::Create, account(number))));
    let judgement = run_at(&creates, &context, later(1));
    assert_eq!((judgement.cleared.len(), judgement.held.len()), (1, 2));
    assert_eq!(
        (judgement.holds[0].meter.guard, judgement.holds[0].since),
        (Guard::Adopt, later(1))
    );
    // Held and undecided is no different, and an update makes nothing.
    let mut context = town(2100);
    context.held =
        run(&plan((0..20).map(|one| change(Action::Adopt, account(one)))), &context).remember;
    assert_eq!(run(&creates, &context).held.len(), 3);
    assert!(run(&plan([update(1, "title", None, "Leder".into())]), &context).held.is_empty());
}

#[test]
fn an_approved_change_stands_for_the_same_one_that_nobody_need_be_asked_about() {
    let changes = deactivations(0..2);
    let unasked = run(&changes, &town(2100)).cleared;
    let mut context = town(2100);
    context.approvals = vec![approval(&changes, NOW, later(60))];
    let approved = run(&changes, &context).cleared;
    let of = |plan: &crate::core::judge::ClearedPlan, number| {
        plan.get(&account(number)).cloned().unwrap()
    };
    assert!(of(&approved, 0).stands_for(&of(&unasked, 0)));
    assert!(!of(&approved, 0).stands_for(&of(&unasked, 1)), "another change");
    assert!(!of(&unasked, 0).stands_for(&of(&approved, 0)));
    assert!(!of(&approved, 0).stands_for(&of(&approved, 0)));
    let by = of(&approved, 0).clearance().approval().map(|(by, at)| (by.to_string(), at));
    assert_eq!(by, Some(("ola".to_owned(), NOW)));
    assert_eq!(of(&unasked, 0).clearance().approval(), None);
    let (change, clearance) = of(&unasked, 1).into_parts();
    assert_eq!(
        (&change.entity, clearance.meters()),
        (&account(1), &[meter(Guard::Deactivate)][..])
    );
    assert!(!approved.is_empty());
}

#[test]
fn what_waits_is_found_by_its_entity() {
    let mut many = deactivations(0..43);
    add(&mut many, plan([following(change(Action::MemberRemove, member(1, 7)), End::Account)]));
    let held = run(&many, &town(2100)).held;
    assert_eq!((held.len(), held.is_empty(), held.keys().count()), (44, false, 44));
    assert_eq!(held.of(&account(7)).len(), 1);
    assert!(held.of(&account(99)).is_empty() && !held.contains_key(&account(99)));
    assert!(held.values().all(|one| one.is_core));
    assert!(run(&many, &town(50_000)).held.is_empty());
}

#[test]
fn of_several_parts_each_waits_under_its_own_hold_and_the_rest_is_made() {
    let both = |number| {
        let mut change = rename(number);
        change.before.insert(path("title"), "Rektor".into());
        change.after.insert(path("title"), Wanted::Value(Datum::Null));
        change.after.insert(path("department"), Wanted::Value("NAV".into()));
        change
    };
    let judgement = run(&plan((0..120).map(both)), &town(2100));
    let parts = judgement.held.of(&account(7));
    let paths: Vec<Vec<_>> =
        parts.iter().map(|part| part.change.after.keys().cloned().collect()).collect();
    assert_eq!(paths, [[path("userName")], [path("title")]]);
    assert!(parts.iter().all(|part| !part.is_core));
    let may: Vec<_> = judgement.cleared.get(&account(7)).unwrap().change().after.keys().collect();
    assert_eq!(may, [&path("department")]);
}

fn finding() -> Finding {
    let meter = Meter { guard: Guard::Coverage, source: Some(source("asker")), of: Of::All };
    let digest = Finding::digest_of(&meter, &("jobTitle", 7));
    let words = "100 of 100 lost it".to_owned();
    Finding { meter, count: 100, limit: 10, since: NOW, words, digest }
}

#[test]
fn a_finding_is_shown_as_a_hold_until_somebody_has_rejected_exactly_it() {
    let finding = finding();
    let subject = Guarded::Finding(finding.meter.clone());
    assert_eq!(subject.entity(), None);
    let hold = finding.hold(&[], &DigestKey::default());
    assert_eq!((hold.count, hold.open, hold.limit, hold.since), (100, 100, 10, NOW));
    assert_eq!(hold.finding.as_deref(), Some("100 of 100 lost it"));
    assert_eq!((hold.entities().count(), hold.rejected.clone()), (0, None));
    let mut word = rejection(&plan([]), later(1));
    word.claims = hold.claims.clone();
    let rejected = finding.hold(&[word.clone()], &DigestKey::default());
    assert_eq!((rejected.open, rejected.rejected.as_deref()), (0, Some("per")));
    assert_eq!(rejected.id, hold.id);
    word.claims = Claims::from([(subject, Finding::digest_of(&finding.meter, &("jobTitle", 8)))]);
    assert_eq!(finding.hold(&[word], &DigestKey::default()).open, 100);
}

#[test]
fn a_finding_is_accepted_by_the_last_good_word_about_exactly_it() {
    let finding = finding();
    let claims = finding.hold(&[], &DigestKey::default()).claims;
    let word = |by: &str, at, until, claims: &Claims| Approval {
        claims: claims.clone(),
        by: by.into(),
        at,
        until,
        hold: None,
    };
    let words = [
        word("ola", later(1), later(60), &claims),
        word("kari", later(2), later(60), &claims),
        word("per", later(3), later(10), &claims),
        word("eva", later(4), later(60), &Claims::new()),
    ];
    let by = |now| {
        let Finding { meter, digest, .. } = &finding;
        Finding::accepted(meter, *digest, &words, now).map(|word| word.by.to_string())
    };
    assert_eq!(by(later(9)).as_deref(), Some("per"));
    assert_eq!(by(later(10)).as_deref(), Some("kari"));
    assert_eq!(by(later(60)), None);
    assert!(words[0].has_all(&claims) && !words[3].has_all(&claims));
}

#[test]
fn a_trial_is_of_the_approval_that_was_given_then_by_that_person() {
    let changes = deactivations(0..20);
    let mut context = town(6200);
    context.approvals = vec![approval(&changes, NOW, later(60))];
    let mut trials: Vec<Trial> = Vec::new();
    let mut plan = run(&changes, &context).cleared;
    crate::core::judge::try_first(&mut plan, &mut trials, |_| false);
    let given = &context.approvals[0];
    assert!(trials[0].is_of(given));
    assert!(!trials[0].is_of(&Approval { by: "per".into(), ..given.clone() }));
    assert!(!trials[0].is_of(&Approval { at: later(1), ..given.clone() }));
    let step = trials[0].sample.get(&account(0)).unwrap();
    assert_eq!(step.digest, changes.get(&account(0)).unwrap().digest());
    assert_eq!(step.claims, claims(changes.get(&account(0)).unwrap()));
    assert!(matches!(plan.get(&account(0)).unwrap().clearance(), Clearance::Approved { .. }));
}
