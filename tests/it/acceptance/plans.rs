//! A plan is what the following sync does, no more and no less.

use std::sync::Arc;

use manntall::core::model::Entity;
use manntall::core::plan::{Action, KeyedDigest};
use manntall::cycle::{Ended, Until};
use manntall::sim::platform::Twins;
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, World, generate};
use manntall::store::overlay::Overlay;
use serde_json::json;
use tokio::sync::watch;

use super::{assert_right, entitled, happen, next_poll, world};
use crate::history::{approve_all, runtime};
use crate::stage::Stage;

/// Every change, sorted; one that is made twice is there twice.
type Changes = Vec<(Entity, Action, KeyedDigest)>;

#[test]
fn a_sync_does_what_the_plan_said() {
    runtime().block_on(async {
        let stage = Stage::new(world(200, 12, 600), 1);
        plan_and_sync(&stage).await;
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..6 {
            for _ in 0..10 {
                let event = stage.lock().world.random_event(&mut rng).unwrap();
                happen(&stage, event);
            }
            next_poll(&stage).await;
            plan_and_sync(&stage).await;
        }
    });
}

/// Managers that go round in circles, accounts that exist already, and an import so slow that Entra is
/// asked again while it goes on.
#[test]
fn a_sync_does_what_the_plan_said_where_managers_go_round_in_circles() {
    let mut later = 0;
    for seed in 0..8 {
        later += runtime().block_on(async {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut stage = Stage::new(tangled_world(seed, &mut rng), seed);
            stage.requests_per_second = 1.0;
            stage.lock().chaos.latency_ms = 1_500;
            let people = entitled(&stage);
            for id in &people[..5] {
                let mut inner = stage.lock();
                let name = inner.world.users()[id].text("userPrincipalName").unwrap().to_owned();
                let account = json!({ "userName": name, "displayName": "Made by hand" });
                inner.platform.insert_user(&account, Twins::Refused).unwrap();
            }
            let updates = plan_and_sync(&stage).await;
            for _ in 0..2 {
                for _ in 0..10 {
                    let event = stage.lock().world.random_event(&mut rng).unwrap();
                    happen(&stage, event);
                }
                next_poll(&stage).await;
                plan_and_sync(&stage).await;
            }
            updates
        });
    }
    assert!(later > 8, "few refer to one who is made later: {later}");
}

/// A world where everybody has anybody for a manager: a colleague, their own report, or themselves.
fn tangled_world(seed: u64, rng: &mut fastrand::Rng) -> World {
    let mut world = generate(&GeneratorOptions {
        users: 50,
        groups: 4,
        memberships: 80,
        seed,
        ..GeneratorOptions::default()
    });
    let people: Vec<ObjectId> = world.users().keys().copied().collect();
    for &user in &people {
        let Some(department) = world.users()[&user].text("department").map(str::to_owned) else {
            continue;
        };
        let manager = rng.choice(&people).copied();
        let job_title = "Rådgiver".to_owned();
        // Whoever is deleted is nobody's manager any more, and moves nowhere.
        let _ = world.apply(Event::Move { user, department, job_title, manager });
    }
    world
}

/// How many updates were planned, and made.
async fn plan_and_sync(stage: &Stage) -> usize {
    let planned = Box::pin(plan(stage)).await;
    let mut engine = Box::new(stage.engine().unwrap());
    engine.audit_plans();
    let before = engine.state().journal().unwrap().len();
    stage.drive(&mut engine).await.unwrap();
    assert_eq!(engine.differing_plans(), 0);
    let journal = engine.state().journal().unwrap().split_off(before);
    assert!(journal.iter().all(|record| record.refused.is_none()));
    let mut done: Changes =
        journal.into_iter().map(|record| (record.entity, record.action, record.digest)).collect();
    done.sort();
    let unplanned: Vec<_> = done.iter().filter(|one| !planned.contains(one)).collect();
    let undone: Vec<_> = planned.iter().filter(|one| !done.contains(one)).collect();
    assert!(
        unplanned.is_empty() && undone.is_empty(),
        "not planned {unplanned:#?}, not done {undone:#?}"
    );
    assert_eq!(planned, done, "something was done twice");
    if !engine.holds().is_empty() {
        approve_all(stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
    }
    assert_right(stage, "after the sync");
    planned.iter().filter(|(_, action, _)| *action == Action::Update).count()
}

/// The plan of a dry run, which touches neither the store nor the target.
async fn plan(stage: &Stage) -> Changes {
    // The key of the digests is made with the state, and lies in it from its first commit on.
    stage.engine().unwrap().state_mut().commit().unwrap();
    let (digest, requests) = (stage.store.digest(), stage.lock().platform.requests.clone());
    let overlay = Overlay::new(Arc::new(stage.store.clone()));
    let mut engine = stage.engine_on(Arc::new(overlay)).unwrap();
    let (_hold, mut stop) = watch::channel(false);
    assert_eq!(engine.drive(None, Until::Planned, &mut stop).await.unwrap(), Ended::Done);
    assert!(engine.is_complete());
    assert_eq!(stage.store.digest(), digest, "the store was written to");
    for (method, path, count) in stage.lock().platform.requests.iter() {
        assert!(method == "GET" || requests.of(method, path) == count, "{method} to {path:?}");
    }
    let held = &engine.judgement().unwrap().held;
    let changes = engine.planner().foreseen().filter(|one| !held.contains_key(&one.entity));
    let digests = engine.state().digests();
    let mut changes: Changes =
        changes.map(|one| (one.entity.clone(), one.action, one.digest().keyed(digests))).collect();
    changes.sort();
    changes
}
