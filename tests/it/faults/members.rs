//! What platforms do with the members of groups: lists that are cut, or never shown, people whom they leave
//! out, requests that they refuse because of one, and hands that change groups beside us.

use std::collections::BTreeSet;

use manntall::core::model::{Entity, PersonId, SourceName};
use manntall::core::policy::Adopt;
use manntall::scim::dialect::MemberRemove;
use manntall::sim::platform::fault::{Fault, Matcher, MemberHabits, PathKind};
use manntall::sim::platform::{Kind, Personality, Twins};
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::trial::{Told, Trial};
use crate::acceptance::drift::patch;
use crate::acceptance::{
    assert_right, entitled, happen, next_poll, use_personality, world, writes, writes_since, wrong,
};
use crate::history::{runtime, settle};
use crate::stage::Stage;

pub(super) fn habits(stage: &Stage, habits: MemberHabits) {
    stage.lock().platform.faults.members = habits;
}

/// The group of the tenant as the platform has it: its path, and who is in it.
pub(super) fn on_platform(stage: &Stage, group: ObjectId) -> (String, BTreeSet<String>) {
    let group = group.to_string();
    let inner = stage.lock();
    let found = inner.platform.groups().find(|one| one.external_id() == Some(&group)).unwrap();
    (format!("Groups/{}", found.id), found.members.clone())
}

pub(super) fn account(stage: &Stage, person: ObjectId) -> String {
    let person = person.to_string();
    let inner = stage.lock();
    inner.platform.users().find(|one| one.external_id() == Some(&person)).unwrap().id.clone()
}

pub(super) fn is_in(stage: &Stage, group: ObjectId, person: ObjectId) -> bool {
    on_platform(stage, group).1.contains(&account(stage, person))
}

/// Takes somebody out of a group by hand.
fn take_out(stage: &Stage, group: ObjectId, person: ObjectId) {
    let path = format!("members[value eq \"{}\"]", account(stage, person));
    patch(stage, &on_platform(stage, group).0, &json!({ "op": "remove", "path": path }));
}

/// The entitled people in a group of the tenant, and those who are not.
pub(super) fn people_of(stage: &Stage, group: ObjectId) -> (Vec<ObjectId>, Vec<ObjectId>) {
    let entitled = entitled(stage);
    let inner = stage.lock();
    let group = inner.world.live_groups().find(|one| one.id == group).unwrap();
    let inside = |id: &ObjectId| group.members.iter().any(|member| member.id == *id);
    entitled.into_iter().partition(inside)
}

fn stuck_people(trial: &Trial) -> Vec<PersonId> {
    let escrow = trial.engine.state().ledger.escrow.keys();
    let people = escrow.map(|entity| match entity {
        Entity::Member(_, person) => *person,
        other => panic!("{other:?} is stuck"),
    });
    people.collect()
}

fn person(id: ObjectId) -> PersonId {
    let object = manntall::core::model::ObjectId::parse(&id.to_string()).unwrap();
    PersonId { source: SourceName::new("asker"), object }
}

/// A stage whose accounts are there before, each under the object id of its person, so that a test can
/// say beforehand what the platform does with whom.
pub(super) fn known_accounts(stage: &mut Stage) {
    stage.policy.adopt = Adopt::Automatic;
    for person in entitled(stage) {
        let mut inner = stage.lock();
        let name = inner.world.users()[&person].text("userPrincipalName").unwrap().to_owned();
        let account = json!({ "id": person.to_string(), "userName": name });
        inner.platform.insert_user(&account, Twins::Refused).unwrap();
    }
}

#[test]
fn somebody_taken_out_by_hand_is_not_the_fault_of_the_way() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, leaves, _) = trial.some_group();
        let by_hand = people_of(&trial.stage, group).0.into_iter().find(|one| *one != leaves);
        take_out(&trial.stage, group, by_hand.unwrap());
        trial.rebase();
        happen(&trial.stage, Event::Leave { group, user: leaves });
        trial.note();
        trial.two_cycles().await;
        assert_eq!(trial.engine.state().target.distrusted_form, None);
        assert!(!is_in(&trial.stage, group, leaves));
        assert!(
            trial.engine.state().target.proven_forms.iter().any(|form| form.contains("remove"))
        );
        trial.converge().await;
    });
}

#[test]
fn a_way_that_empties_a_group_is_caught_although_somebody_was_taken_out_by_hand() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        use_personality(&stage, Personality::Legacy);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let trial = Trial::on(stage.clone()).await;
        let (group, leaves, _) = trial.some_group();
        let inside = people_of(&stage, group).0;
        let others: Vec<_> = inside.iter().filter(|one| **one != leaves).copied().collect();
        let path = on_platform(&stage, group).0;
        let value = json!([{ "value": account(&stage, others[0]) }]);
        patch(&stage, &path, &json!({ "op": "remove", "path": "members", "value": value }));
        for user in [leaves, others[1]] {
            happen(&stage, Event::Leave { group, user });
        }
        let mut engine = trial.engine;
        stage.lock().witness = None;
        let before = writes(&stage);
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let removals = writes_since(&stage, before);
        let removals = removals.iter().filter(|write| write.summary.contains("remove")).count();
        assert_eq!(removals, 1, "only the first was tried");
        let blamed = engine.state().target.distrusted_form.clone().unwrap();
        assert!(blamed.words.contains("member_remove = \"value_array\""), "{}", blamed.words);
        assert_eq!(engine.report().target.stuck, 1, "it is counted");
    });
}

#[test]
fn a_way_that_was_blamed_is_tried_once_more_when_somebody_says_so() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, leaves, _) = trial.some_group();
        let inside = people_of(&trial.stage, group).0;
        let second = *inside.iter().find(|one| **one != leaves).unwrap();
        habits(&trial.stage, MemberHabits { ignored: true, ..MemberHabits::default() });
        for user in [leaves, second] {
            happen(&trial.stage, Event::Leave { group, user });
        }
        trial.note();
        trial.two_cycles().await;
        let blamed = trial.engine.state().target.distrusted_form.clone().unwrap();
        assert!(blamed.words.contains("manntall retry"), "{}", blamed.words);
        assert!(is_in(&trial.stage, group, leaves) && is_in(&trial.stage, group, second));
        habits(&trial.stage, MemberHabits::default());
        trial.engine.retry_all();
        trial.converge().await;
    });
}

#[test]
fn a_way_that_was_blamed_is_no_matter_once_another_is_configured() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        let mut trial = Trial::on(stage.clone()).await;
        let (group, leaves, _) = trial.some_group();
        let second = people_of(&stage, group).0.into_iter().find(|one| *one != leaves).unwrap();
        habits(&stage, MemberHabits { ignored: true, ..MemberHabits::default() });
        for user in [leaves, second] {
            happen(&stage, Event::Leave { group, user });
        }
        trial.note();
        trial.two_cycles().await;
        assert!(trial.engine.state().target.distrusted_form.is_some());
        habits(&stage, MemberHabits::default());
        for way in [MemberRemove::PutMerge, MemberRemove::ValueFilter] {
            stage.dialect.member_remove = way;
            *trial.engine = stage.engine().unwrap();
            assert_eq!(trial.engine.state().target.distrusted_form, None, "{way:?}");
            trial.two_cycles().await;
        }
        trial.converge().await;
    });
}

#[test]
fn whoever_is_left_out_of_the_first_group_ever_is_stuck_alone() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        known_accounts(&mut stage);
        let left_out: BTreeSet<String> =
            entitled(&stage).iter().take(2).map(ToString::to_string).collect();
        habits(&stage, MemberHabits { dropped: left_out.clone(), ..MemberHabits::default() });
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let known = engine.state();
        assert_eq!(known.target.distrusted_form, None);
        let stuck: BTreeSet<String> = known
            .ledger
            .escrow
            .keys()
            .map(|entity| match entity {
                Entity::Member(_, person) => person.object.to_string(),
                other => panic!("{other:?} is stuck"),
            })
            .collect();
        assert_eq!(stuck, left_out, "those and nobody else");
        habits(&stage, MemberHabits::default());
        engine.retry_all();
        settle(&stage, &mut engine).await;
        // Where the answer showed nobody, the comparison finds who was left out.
        stage.pass(stage.timing.full_compare).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "once the platform takes them");
    });
}

/// A group of more than a page: everybody is in it but ten.
pub(super) async fn large_group() -> (Trial, ObjectId) {
    let trial = Trial::on(Stage::new(world(90, 8, 200), 1)).await;
    let (group, ..) = trial.some_group();
    (trial, group)
}

pub(super) fn fill(trial: &Trial, group: ObjectId, to: usize) {
    let (inside, outside) = people_of(&trial.stage, group);
    for user in outside.into_iter().take(to - inside.len()) {
        happen(&trial.stage, Event::Join { group, user });
    }
    trial.note();
}

#[test]
fn who_leaves_is_taken_out_although_the_list_of_members_is_cut() {
    runtime().block_on(async {
        let (mut trial, group) = large_group().await;
        habits(&trial.stage, MemberHabits { shown_max: Some(50), ..MemberHabits::default() });
        fill(&trial, group, 64);
        trial.two_cycles().await;
        assert_right(&trial.stage, "the platform shows fifty, and has all");
        // It is compared in the same run in which they are seen to leave.
        let leavers: Vec<ObjectId> = people_of(&trial.stage, group).0.split_off(44);
        trial.stage.pass(trial.stage.timing.full_compare).await;
        for user in &leavers {
            happen(&trial.stage, Event::Leave { group, user: *user });
        }
        trial.note();
        let before = writes(&trial.stage);
        trial.two_cycles().await;
        assert_right(&trial.stage, "after they left");
        let state = trial.engine.state();
        assert!(state.ledger.drift.is_empty(), "{:?}", state.ledger.drift);
        let added = writes_since(&trial.stage, before);
        assert!(added.iter().all(|write| !write.summary.contains("add")), "{added:#?}");
    });
}

/// Every change of a group comes to this until somebody clears the faults away.
pub(super) fn changes_fail(trial: &Trial, fault: &Fault) {
    let one = (Matcher::of("PATCH", PathKind::Item(Kind::Group)), fault.clone());
    trial.stage.lock().platform.faults.fail_next = vec![one; 200].into();
}

#[test]
fn who_is_not_shown_and_whose_removal_is_refused_is_in_it_still() {
    runtime().block_on(async {
        let (mut trial, group) = large_group().await;
        habits(&trial.stage, MemberHabits { shown_max: Some(50), ..MemberHabits::default() });
        fill(&trial, group, 64);
        trial.two_cycles().await;
        for user in people_of(&trial.stage, group).0.split_off(44) {
            happen(&trial.stage, Event::Leave { group, user });
        }
        trial.note();
        changes_fail(&trial, &Fault::StatusBefore(400));
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(!trial.engine.state().ledger.escrow.is_empty(), "nobody is stuck");
        trial.stage.lock().platform.faults.fail_next.clear();
        trial.engine.retry_all();
        trial.two_cycles().await;
        assert_right(&trial.stage, "once the platform takes the removals");
    });
}

#[test]
fn whoever_may_have_been_added_and_is_not_shown_is_taken_out_on_leaving() {
    runtime().block_on(async {
        let (mut trial, group) = large_group().await;
        habits(&trial.stage, MemberHabits { shown_max: Some(50), ..MemberHabits::default() });
        fill(&trial, group, 52);
        trial.two_cycles().await;
        let before: BTreeSet<ObjectId> = people_of(&trial.stage, group).0.into_iter().collect();
        changes_fail(&trial, &Fault::StatusAfter(500));
        fill(&trial, group, 64);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        let joined: Vec<ObjectId> = people_of(&trial.stage, group).0;
        for user in joined.into_iter().filter(|one| !before.contains(one)) {
            happen(&trial.stage, Event::Leave { group, user });
        }
        trial.note();
        trial.stage.lock().platform.faults.fail_next.clear();
        trial.two_cycles().await;
        assert_right(&trial.stage, "after they left again");
    });
}

#[test]
fn whom_the_platform_never_shows_is_added_three_times_and_named() {
    runtime().block_on(async {
        for answers in [true, false] {
            let (mut trial, group) = large_group().await;
            habits(
                &trial.stage,
                MemberHabits { kept_max: Some(30), answers, ..MemberHabits::default() },
            );
            fill(&trial, group, 36);
            trial.two_cycles().await;
            if !answers {
                // Nothing is shown before the comparison.
                trial.stage.pass(trial.stage.timing.full_compare).await;
                trial.two_cycles().await;
            }
            let stuck = stuck_people(&trial);
            assert_eq!(stuck.len(), 6, "{stuck:?}");
            assert_eq!(trial.engine.state().target.distrusted_form, None);
            let before = writes(&trial.stage);
            for _ in 0..10 {
                next_poll(&trial.stage).await;
                trial.cycle(&mut Told::default()).await;
            }
            let added = writes_since(&trial.stage, before).len();
            assert!(added <= 4, "{added} times in ten minutes");
            // One of them leaves: whether he is in it nobody knows, so he is taken out.
            let inside = people_of(&trial.stage, group).0;
            let leaver = *inside.iter().find(|one| stuck.contains(&person(**one))).unwrap();
            happen(&trial.stage, Event::Leave { group, user: leaver });
            trial.note();
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            let removal = format!("members[value eq \\\"{}\\\"]", account(&trial.stage, leaver));
            let is_sent = trial.stage.lock().trace.iter().any(|line| line.contains(&removal));
            assert!(is_sent, "no removal");
            assert_eq!(stuck_people(&trial).len(), 5, "and stuck no more");
        }
    });
}

#[test]
fn members_that_are_shown_by_name_only_are_asked_for_by_name() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        habits(&stage, MemberHabits { shown_by_name: true, ..MemberHabits::default() });
        let mut trial = Trial::on(stage).await;
        trial.unrest();
        trial.two_cycles().await;
        assert!(trial.engine.state().target.shows_members);
        assert!(!trial.engine.state().target.proven_forms.is_empty());
        // The comparison sees them too.
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.converge().await;
    });
}

#[test]
fn members_that_are_never_shown_are_made_once_and_not_again() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        habits(&stage, MemberHabits { never_shown: true, ..MemberHabits::default() });
        let mut trial = Trial::on(stage).await;
        let known = trial.engine.state();
        assert!(known.target.hides_members() && known.ledger.escrow.is_empty());
        assert!(trial.engine.report().target.hides_members);
        trial.unrest();
        trial.two_cycles().await;
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.converge().await;
    });
}

#[test]
fn one_member_who_is_refused_stops_nobody_else() {
    for status in [400, 403, 404, 409, 422, 500] {
        runtime().block_on(async {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            known_accounts(&mut stage);
            let refused = entitled(&stage)[3];
            habits(
                &stage,
                MemberHabits {
                    refused: [(refused.to_string(), status)].into(),
                    ..MemberHabits::default()
                },
            );
            stage.dialect.group_create_with_members = false;
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_eq!(engine.target_trouble(), None, "status {status}");
            for entity in engine.state().ledger.escrow.keys() {
                assert!(
                    matches!(entity, Entity::Member(_, one) if *one == person(refused)),
                    "status {status}: {entity:?} is stuck"
                );
            }
            assert!(!engine.state().ledger.escrow.is_empty(), "status {status}: nobody is stuck");
            let id = refused.to_string();
            let others: Vec<_> =
                wrong(&stage).into_iter().filter(|one| !one.contains(&id)).collect();
            assert_eq!(others, Vec::<String>::new(), "status {status}");
        });
    }
}

#[test]
fn a_platform_that_takes_few_members_at_once_gets_few() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(90, 8, 200), 1);
        stage.dialect.group_create_with_members = false;
        habits(&stage, MemberHabits { batch_max: Some(4), ..MemberHabits::default() });
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "in small batches");
        assert!(engine.state().ledger.escrow.is_empty());
    });
}

/// Members come, stay and leave on a platform that shows them in a way of its own.
async fn members_come_and_go(stage: Stage, what: &str) {
    let mut trial = Trial::on(stage).await;
    for _ in 0..2 {
        let (group, member, other) = trial.some_group();
        happen(&trial.stage, Event::Leave { group, user: member });
        happen(&trial.stage, Event::Join { group, user: other });
        trial.note();
        trial.two_cycles().await;
        assert!(is_in(&trial.stage, group, other), "{what}");
        assert!(!is_in(&trial.stage, group, member), "{what}");
    }
    assert!(trial.engine.state().ledger.escrow.is_empty(), "{what}");
    assert_eq!(trial.engine.state().target.distrusted_form, None, "{what}");
    // The comparison finds nothing that others had changed.
    trial.stage.pass(trial.stage.timing.full_compare).await;
    trial.cycle(&mut Told::default()).await;
    assert_eq!(trial.engine.report().target.drift, 0, "{what}");
    trial.converge().await;
}

#[test]
fn t21_members_whose_ids_are_in_another_letter_case_or_by_reference_are_known() {
    for removal in [MemberRemove::ValueFilter, MemberRemove::PutMerge] {
        for shown in [
            MemberHabits { in_capitals: true, ..MemberHabits::default() },
            MemberHabits { in_capitals: true, answers: true, ..MemberHabits::default() },
            MemberHabits { by_reference: true, ..MemberHabits::default() },
        ] {
            runtime().block_on(async {
                let mut stage = Stage::new(world(60, 8, 200), 1);
                stage.dialect.member_remove = removal;
                stage.dialect.group_create_with_members = false;
                let what = format!("{removal:?} {shown:?}");
                habits(&stage, shown);
                Box::pin(members_come_and_go(stage, &what)).await;
            });
        }
    }
}

#[test]
fn t21_members_under_ids_that_no_account_has_are_told_as_such() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.group_create_with_members = false;
        habits(&stage, MemberHabits { under_other_ids: true, ..MemberHabits::default() });
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let escrow = &engine.state().ledger.escrow;
        assert!(!escrow.is_empty(), "nobody is told");
        for stuck in escrow.values() {
            assert!(stuck.reason.contains("under ids that no account of ours has"), "{stuck:?}");
        }
        assert_eq!(engine.state().target.distrusted_form, None, "the form is not to blame");
    });
}
