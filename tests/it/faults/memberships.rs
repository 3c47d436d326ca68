//! Memberships that are not what they seem: refused as being there already, refused although they are gone, and lost
//! by a change of somebody else's or of the group itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::core::model::{Entity, GroupKey, Origin};
use manntall::sim::platform::Twins;
use manntall::sim::platform::fault::{Fault, MemberHabits};
use manntall::sim::platform::stubborn::NameForm;
use manntall::sim::world::{Event, ObjectId};
use manntall::transport::{Method, Response};
use serde_json::json;

use super::members::{
    account, changes_fail, fill, habits, is_in, known_accounts, large_group, on_platform, people_of,
};
use super::trial::{Told, Trial};
use crate::acceptance::drift::patch;
use crate::acceptance::{assert_right, entitled, happen, next_poll, world, writes, writes_since};
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage};

/// Puts somebody into a group by hand.
fn put_in(stage: &Stage, group: ObjectId, person: ObjectId) {
    let value = json!([{ "value": account(stage, person) }]);
    let add = json!({ "op": "add", "path": "members", "value": value });
    patch(stage, &on_platform(stage, group).0, &add);
}

fn is_stuck(trial: &Trial) -> bool {
    let mut escrow = trial.engine.state().ledger.escrow.keys();
    escrow.any(|entity| matches!(entity, Entity::Member(..)))
}

#[test]
fn t60_whoever_is_refused_as_a_member_already_is_one_and_is_taken_out_on_leaving() {
    // Whether the refusal says it, and in which way.
    for (status, is_told) in [(409, true), (400, false), (500, false)] {
        for (never_shown, shown_max) in [(true, None), (false, Some(3))] {
            if shown_max.is_some() && !is_told {
                continue;
            }
            runtime().block_on(async {
                let mut stage = Stage::new(world(60, 8, 200), 1);
                stage.dialect.group_create_with_members = false;
                let repeats_refused = Some(status);
                habits(
                    &stage,
                    MemberHabits { never_shown, shown_max, repeats_refused, ..Default::default() },
                );
                let mut trial = Trial::on(stage).await;
                let case = format!("{status}, never shown: {never_shown}");
                let (group, _, other) = trial.some_group();
                put_in(&trial.stage, group, other);
                trial.rebase();
                happen(&trial.stage, Event::Join { group, user: other });
                trial.note();
                for _ in 0..4 {
                    trial.two_cycles().await;
                }
                assert_eq!(is_stuck(&trial), !is_told, "{case}");
                assert!(is_in(&trial.stage, group, other), "{case}");
                happen(&trial.stage, Event::Leave { group, user: other });
                trial.note();
                trial.two_cycles().await;
                assert!(!is_in(&trial.stage, group, other), "{case}: in it for ever");
                assert!(!is_stuck(&trial), "{case}");
                assert_right(&trial.stage, &case);
            });
        }
    }
}

#[test]
fn t61_whoever_comes_back_is_added_again_where_the_removal_was_refused() {
    for status in [404, 400, 500] {
        runtime().block_on(async {
            let stage = Stage::new(world(60, 8, 200), 1);
            habits(
                &stage,
                MemberHabits {
                    never_shown: true,
                    leavers_taken_out: true,
                    absent_refused: Some(status),
                    ..Default::default()
                },
            );
            let mut trial = Trial::on(stage).await;
            let (group, user, _) = trial.some_group();
            happen(&trial.stage, Event::Disable { user });
            trial.note();
            for _ in 0..4 {
                trial.two_cycles().await;
            }
            assert!(!is_in(&trial.stage, group, user), "{status}: the platform does it by itself");
            happen(&trial.stage, Event::Enable { user });
            trial.note();
            trial.two_cycles().await;
            assert!(is_in(&trial.stage, group, user), "{status}: back without groups");
            assert!(!is_stuck(&trial), "{status}");
            assert_right(&trial.stage, "back in all groups");
        });
    }
}

/// A group that somebody has made on the platform by hand.
fn make_group(stage: &Stage, name: &str, members: &[String]) {
    let mut inner = stage.lock();
    let token = inner.platform.options().token.clone();
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
    let body = json!({ "schemas": schemas, "displayName": name, "members": members });
    let request = manntall::sim::http::Request {
        method: "POST".to_owned(),
        target: "/scim/v2/Groups".to_owned(),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("content-type".to_owned(), "application/scim+json".to_owned()),
        ],
        body: body.to_string().into_bytes(),
    };
    let response = inner.platform.handle(&request, 0);
    assert_eq!(response.status, 201, "{}", String::from_utf8_lossy(&response.body));
}

#[test]
fn t63_a_platform_that_empties_a_group_when_it_is_adopted_empties_one_and_no_more() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        known_accounts(&mut stage);
        let people = entitled(&stage);
        let mut members: Vec<String> = people[..4].iter().map(ToString::to_string).collect();
        for number in 0..3 {
            let name = format!("lokal{number}@asker.example.no");
            let id = format!("lokal-{number}");
            let stranger = json!({ "id": id, "userName": name, "active": true });
            members.push(stage.lock().platform.insert_user(&stranger, Twins::Refused).unwrap());
        }
        let names: Vec<String> = {
            let inner = stage.lock();
            let names = inner.world.live_groups().filter_map(|group| group.text("displayName"));
            names.filter_map(|name| name.strip_prefix("PLT ")).map(str::to_owned).collect()
        };
        assert!(names.len() > 2, "{names:?}");
        for name in &names {
            make_group(&stage, name, &members);
        }
        let strangers = &members[4..];
        let is_made = |group: &&manntall::sim::platform::Resource| {
            names.iter().any(|name| name == group.display_name())
        };
        let emptied = || {
            let inner = stage.lock();
            let lacks = |group: &&manntall::sim::platform::Resource| {
                strangers.iter().any(|id| !group.members.contains(id))
            };
            inner.platform.groups().filter(is_made).filter(lacks).count()
        };
        habits(&stage, MemberHabits { replace_empties: true, ..Default::default() });
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_eq!(emptied(), 1, "one and no more");
        let blamed = engine.state().target.distrusted_form.clone().unwrap();
        assert!(blamed.words.contains("3 of them are not accounts of ours"), "{}", blamed.words);
        assert_eq!(engine.report().target.stuck, 1, "and it is counted");
        // Once the platform is repaired somebody says so.
        habits(&stage, MemberHabits::default());
        engine.retry_all();
        settle(&stage, &mut engine).await;
        assert_eq!(emptied(), 1);
        assert_eq!(engine.state().target.distrusted_form, None);
        assert!(engine.state().target.proven_forms.contains("adoption of groups"));
        let ours = stage.lock().platform.groups().filter(|one| one.external_id().is_some()).count();
        assert!(ours >= names.len(), "{ours} of {} are ours", names.len());
    });
}

#[test]
fn t65_a_name_of_a_group_that_the_platform_does_not_take_is_counted_and_named() {
    for form in [NameForm::Kept, NameForm::Truncated(9)] {
        for answers in [true, false] {
            runtime().block_on(async {
                let mut trial = Trial::begin().await;
                let (group, ..) = trial.some_group();
                trial.stage.lock().platform.faults.group_names = Some(form.clone());
                habits(&trial.stage, MemberHabits { answers, ..Default::default() });
                let name = "PLT Lektorer i videregående".to_owned();
                happen(&trial.stage, Event::RenameGroup { group, name });
                trial.note();
                trial.two_cycles().await;
                for _ in 0..4 {
                    trial.stage.pass(trial.stage.timing.full_compare).await;
                    trial.two_cycles().await;
                }
                let told = trial.engine.report().target.rewritten;
                assert_eq!(told.get("groups.displayName"), Some(&1), "{form:?} {answers} {told:?}");
                let before = writes(&trial.stage);
                trial.two_cycles().await;
                assert_eq!(writes(&trial.stage), before, "sent again and again");
            });
        }
    }
}

#[test]
fn t62_members_that_a_later_change_of_the_group_undoes_are_sent_again_by_ourselves() {
    for answers in [true, false] {
        runtime().block_on(async {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            stage.dialect.group_create_with_members = false;
            stage.dialect.member_batch = 4;
            habits(&stage, MemberHabits { stale_ms: Some(3_000), answers, ..Default::default() });
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            for _ in 0..3 {
                next_poll(&stage).await;
                settle(&stage, &mut engine).await;
            }
            assert_right(&stage, "everybody is in every group, before any comparison");
            assert_eq!(engine.report().target.drift, 0, "called somebody else's doing");
            let before = stage.lock().platform.requests.total();
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
            assert_eq!(stage.lock().platform.requests.total(), before, "and it is quiet");
        });
    }
}

#[test]
fn t62_whoever_left_a_group_and_is_put_back_by_the_next_change_is_taken_out_again() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.group_create_with_members = false;
        let trial = Trial::on(stage).await;
        let (group, inside, outside) = trial.some_group();
        let (stage, mut engine) = (trial.stage, trial.engine);
        stage.lock().witness = None;
        habits(&stage, MemberHabits { stale_ms: Some(3_000), answers: true, ..Default::default() });
        happen(&stage, Event::Leave { group, user: inside });
        happen(&stage, Event::Join { group, user: outside });
        for _ in 0..3 {
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
        }
        assert_right(&stage, "out, and in, before any comparison");
        assert_eq!(engine.report().target.drift, 0, "called somebody else's doing");
    });
}

#[test]
fn t62_lists_that_are_cut_say_nothing_of_whom_they_lack() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.member_batch = 4;
        let mut trial = Trial::on(stage).await;
        habits(&trial.stage, MemberHabits { shown_max: Some(5), ..Default::default() });
        *trial.engine = trial.stage.engine().unwrap();
        let (group, ..) = trial.some_group();
        let outside: Vec<ObjectId> = people_of(&trial.stage, group).1.into_iter().take(9).collect();
        assert_eq!(outside.len(), 9);
        for user in outside {
            happen(&trial.stage, Event::Join { group, user });
        }
        trial.note();
        let before = writes(&trial.stage);
        trial.two_cycles().await;
        let sent = writes_since(&trial.stage, before);
        assert_eq!(sent.len(), 3, "nine people, four at once: {sent:#?}");
        assert_right(&trial.stage, "five are shown, and all are in");
        assert_eq!(trial.engine.state().ledger.unseen.len(), 0);
        trial.converge().await;
    });
}

#[test]
fn t71_a_proven_removal_that_empties_groups_one_day_is_put_right_and_proved_anew() {
    runtime().block_on(async {
        let trial = Trial::begin().await;
        let (group, inside, _) = trial.some_group();
        let (stage, mut engine) = (trial.stage, trial.engine);
        stage.lock().witness = None;
        // Proved while the server did what it should.
        happen(&stage, Event::Leave { group, user: inside });
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let proven = engine.state().target.proven_forms.clone();
        habits(&stage, MemberHabits { removal_empties: true, answers: true, ..Default::default() });
        let (members, _) = people_of(&stage, group);
        assert!(members.len() > 5, "{}", members.len());
        happen(&stage, Event::Leave { group, user: members[0] });
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        stage.pass(Duration::from_secs(30)).await;
        stage.drive(&mut engine).await.unwrap();
        assert_right(&stage, "whoever was lost is a member again, before any comparison");
        assert_eq!(engine.report().target.drift, 0, "called somebody else's doing");
        assert_ne!(engine.state().target.proven_forms, proven, "the form is proved anew");
        // The next one is caught as it is made.
        happen(&stage, Event::Leave { group, user: members[1] });
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let blamed = engine.state().target.distrusted_form.as_ref();
        assert!(blamed.is_some_and(|one| one.words.contains("did not do what it should")));
    });
}

#[test]
fn t64_what_a_create_is_answered_with_and_was_there_is_taken_over_and_never_deleted() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        let answered = Arc::new(Mutex::new(false));
        let is_struck = Arc::clone(&answered);
        stage.lock().meddler = Some(Box::new(move |request| {
            let is_create =
                request.method == Method::Post && request.url.path().ends_with("/Groups");
            let is_first =
                is_create && !std::mem::replace(&mut *is_struck.lock().unwrap(), is_create);
            let as_there = |response| Response { status: 200, ..response };
            is_first.then(|| Fate::Change(Box::new(as_there)))
        }));
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        stage.lock().meddler = None;
        let ledger = &engine.state().ledger;
        let of = |origin| ledger.groups.iter().filter(move |(_, entry)| entry.origin == origin);
        let [(key, entry)] = of(Origin::Adopted).collect::<Vec<_>>()[..] else {
            panic!("not one that was there")
        };
        assert!(of(Origin::Created).count() > 1, "the others are ours");
        let id = entry.link.managed().unwrap().to_string();
        let GroupKey::Directory { object, .. } = key else { panic!("{key:?}") };
        let group: ObjectId = object.to_string().parse().unwrap();
        happen(&stage, Event::DeleteGroup { group });
        happen(&stage, Event::PurgeGroup { group });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert!(stage.lock().platform.group(&id).is_some(), "deleted, and it was somebody else's");
    });
}

#[test]
fn who_is_not_shown_after_a_removal_without_an_answer_is_taken_out_again() {
    runtime().block_on(async {
        let (mut trial, group) = large_group().await;
        habits(&trial.stage, MemberHabits { shown_max: Some(50), ..MemberHabits::default() });
        fill(&trial, group, 64);
        trial.two_cycles().await;
        let members = on_platform(&trial.stage, group).1;
        let unshown: Vec<&String> = members.iter().skip(50).collect();
        for user in people_of(&trial.stage, group).0 {
            if unshown.contains(&&account(&trial.stage, user)) {
                happen(&trial.stage, Event::Leave { group, user });
            }
        }
        trial.note();
        changes_fail(&trial, &Fault::StatusBefore(500));
        trial.stage.lock().platform.faults.fail_next.truncate(1);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(trial.stage.lock().platform.faults.fail_next.is_empty(), "the removal failed");
        trial.two_cycles().await;
        assert_right(&trial.stage, "whom a cut list does not show is sent out again");
    });
}
