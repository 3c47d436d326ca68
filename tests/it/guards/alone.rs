//! An answer that is usually the platform's, about one person alone: it stops and holds up nobody else.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Entity;
use manntall::sim::platform::fault::{Fault, Faults, RetryAfter};
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};
use serde_json::json;

use super::{disable, entitled, happen, next, town, trips, wrong};
use crate::acceptance;
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// Each answer, and what its reason names.
fn answers() -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::TooManyRequests(RetryAfter::Absent), "429"),
        (Fault::TooManyRequests(RetryAfter::Seconds(2)), "429"),
        (Fault::TooManyRequests(RetryAfter::Seconds(3_600)), "429"),
        (Fault::Unavailable(RetryAfter::Seconds(3_600)), "503"),
        (Fault::Redirect(302), "redirects"),
        (Fault::Redirect(307), "redirects"),
        (Fault::StatusBefore(401), "401"),
        (Fault::Html(200), "web page"),
        (Fault::ErrorInSuccess(400), "400"),
        (Fault::ErrorInSuccess(403), "403"),
        (Fault::ErrorInSuccess(500), "500"),
    ]
}

fn login_name(stage: &Stage, person: ObjectId) -> String {
    let inner = stage.lock();
    inner.world.users()[&person].text("userPrincipalName").unwrap_or_default().to_owned()
}

fn strike(stage: &Stage, person: ObjectId, fault: &Fault) {
    let name = login_name(stage, person);
    stage.lock().platform.faults.alone.push((name, fault.clone()));
}

fn retitle(stage: &Stage, user: ObjectId) {
    let name = "jobTitle".to_owned();
    happen(stage, Event::SetProperty { user, name, value: json!("Sjef") });
}

/// Everybody but these people is as they should be.
fn assert_others_right(stage: &Stage, people: &[ObjectId], what: &str) {
    let people: Vec<String> = people.iter().map(ToString::to_string).collect();
    let others = wrong(stage);
    let others: Vec<_> =
        others.iter().filter(|one| !people.iter().any(|person| one.contains(person))).collect();
    assert!(others.is_empty(), "{what}: {others:#?}");
}

/// The sync ends, and says of exactly these people why they are stuck.
async fn assert_alone(
    stage: &Stage,
    engine: &mut manntall::cycle::Engine,
    people: &[ObjectId],
    (what, reason): (&str, &str),
) {
    let began = stage.clock.elapsed();
    let driven = tokio::time::timeout(Duration::from_secs(3_000), settle(stage, engine)).await;
    assert!(driven.is_ok(), "{what}: sync does not end");
    let took = stage.clock.elapsed().saturating_sub(began);
    assert!(took < Duration::from_secs(400), "{what}: sync took {took:?}");
    assert_others_right(stage, people, what);
    assert_eq!(engine.target_trouble(), None, "{what}");
    assert_eq!((trips(engine, "quarantine"), trips(engine, "unreachable")), (0, 0), "{what}");
    let escrow = &engine.state().ledger.escrow;
    let stuck = escrow.iter().filter(|(entity, _)| matches!(entity, Entity::Account(_)));
    let stuck: Vec<(ObjectId, &String)> = stuck
        .map(|(entity, stuck)| match entity {
            Entity::Account(person) => (person.object.to_string().parse().unwrap(), &stuck.reason),
            _ => unreachable!("filtered"),
        })
        .collect();
    assert_eq!(stuck.len(), people.len(), "{what}: {stuck:?}");
    assert!(stuck.iter().all(|(person, _)| people.contains(person)), "{what}: {stuck:?}");
    assert!(stuck.iter().all(|(_, why)| why.contains(reason)), "{what}: {stuck:?}");
    assert_eq!(engine.report().target.stuck, escrow.len() as u64, "{what}");
}

async fn assert_comes_right(stage: &Stage, engine: &mut manntall::cycle::Engine, what: &str) {
    stage.lock().platform.faults = Faults::default();
    stage.pass(Duration::from_secs(6 * 3_600 + 60)).await;
    settle(stage, engine).await;
    assert_eq!(wrong(stage), Vec::<String>::new(), "{what}");
}

#[test]
fn an_answer_about_one_create_stops_nobody_else() {
    for (fault, reason) in answers() {
        let what = format!("{fault:?}");
        runtime().block_on(async {
            let options =
                GeneratorOptions { users: 60, groups: 4, seed: 3, ..GeneratorOptions::default() };
            let stage = Stage::new(generate(&options), 3);
            let struck = entitled(&stage)[4];
            strike(&stage, struck, &fault);
            let mut engine = stage.engine().unwrap();
            assert_alone(&stage, &mut engine, &[struck], (&what, reason)).await;
            // Whoever leaves is out at the next poll, whatever is stuck.
            let leaver = disable(&stage, 1)[0];
            next(&stage, &mut engine).await;
            assert_eq!(acceptance::active(&stage, leaver), Some(false), "{what}");
            assert_comes_right(&stage, &mut engine, &what).await;
        });
    }
}

#[test]
fn an_answer_about_one_change_stops_nobody_else() {
    for (fault, reason) in answers() {
        let what = format!("{fault:?}");
        runtime().block_on(async {
            let (stage, mut engine) = town(60).await;
            let people = entitled(&stage);
            strike(&stage, people[7], &fault);
            for person in &people[7..10] {
                retitle(&stage, *person);
            }
            let leaver = disable(&stage, 1)[0];
            stage.pass(Duration::from_secs(61)).await;
            assert_alone(&stage, &mut engine, &[people[7]], (&what, reason)).await;
            assert_eq!(acceptance::active(&stage, leaver), Some(false), "{what}");
            assert_comes_right(&stage, &mut engine, &what).await;
        });
    }
}

/// Nothing else is to be done, so that nobody else is answered between two tries.
#[test]
fn an_answer_about_the_only_change_is_that_persons_too() {
    for (fault, reason) in answers() {
        let what = format!("{fault:?}");
        runtime().block_on(async {
            let (stage, mut engine) = town(20).await;
            let struck = entitled(&stage)[7];
            strike(&stage, struck, &fault);
            retitle(&stage, struck);
            stage.pass(Duration::from_secs(61)).await;
            assert_alone(&stage, &mut engine, &[struck], (&what, reason)).await;
            assert_comes_right(&stage, &mut engine, &what).await;
        });
    }
}

/// The same answer to everybody: nobody is parked, little is asked, and all comes right by itself.
#[test]
fn the_same_answer_to_everybody_is_the_platforms_and_parks_nobody() {
    for (fault, _) in answers() {
        if matches!(fault, Fault::ErrorInSuccess(400)) {
            continue;
        }
        let what = format!("{fault:?}");
        runtime().block_on(async {
            let (stage, mut engine) = town(60).await;
            for person in &entitled(&stage)[7..30] {
                retitle(&stage, *person);
            }
            let everything = (String::new(), fault.clone());
            stage.lock().platform.faults.alone.push(everything);
            stage.pass(Duration::from_secs(61)).await;
            let before = stage.lock().platform.requests.total();
            let drive = stage.drive(&mut engine);
            drop(tokio::time::timeout(Duration::from_secs(120), drive).await);
            let asked = stage.lock().platform.requests.total() - before;
            assert!(asked <= 80, "{what}: {asked} requests in two minutes");
            let escrow = engine.state().ledger.escrow.len();
            assert_eq!(escrow, 0, "{what}: {:?}", engine.state().ledger.escrow);
            stage.lock().platform.faults = Faults::default();
            stage.pass(Duration::from_secs(3_700)).await;
            settle(&stage, &mut engine).await;
            settle(&stage, &mut engine).await;
            assert_eq!(wrong(&stage), Vec::<String>::new(), "{what}");
        });
    }
}

#[test]
fn the_proof_counts_a_leaver_whose_change_is_tried_during_the_comparison() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let leaver = disable(&stage, 1)[0];
        strike(&stage, leaver, &Fault::StatusBefore(400));
        next(&stage, &mut engine).await;
        for _ in 0..3 {
            stage.pass(stage.timing.full_compare).await;
            settle(&stage, &mut engine).await;
            assert_eq!(acceptance::active(&stage, leaver), Some(true));
            let proof = engine.state().proven.unwrap();
            assert_eq!((proof.leavers, proof.clean_since), (1, None));
        }
    });
}
