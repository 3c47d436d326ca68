//! Whose fault a failure is: that of one object, or the platform's.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Entity;
use manntall::core::plan::Action;
use manntall::cycle::Engine;
use manntall::sim::platform::fault::{Faults, Refusal};
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};
use serde_json::json;

use super::{active, disable, entitled, happen, next, town, trips, wrong};
use crate::acceptance;
use crate::faults::wire::{self, Peer};
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage};

fn empty_town() -> Stage {
    let options = GeneratorOptions { users: 60, groups: 4, seed: 3, ..GeneratorOptions::default() };
    Stage::new(generate(&options), 3)
}

fn login_name(stage: &Stage, person: ObjectId) -> String {
    let inner = stage.lock();
    let user = inner.world.users().get(&person).expect("the person is there");
    user.text("userPrincipalName").unwrap_or_default().to_owned()
}

/// The platform answers every write of this person with the status.
fn refuse(stage: &Stage, person: ObjectId, status: u16) {
    let contains = login_name(stage, person);
    let refusal = Refusal { attribute: "userName".to_owned(), contains, status };
    stage.lock().platform.faults.refuse_users.push(refusal);
}

fn retitle(stage: &Stage, user: ObjectId, title: &str) {
    let name = "jobTitle".to_owned();
    happen(stage, Event::SetProperty { user, name, value: json!(title) });
}

fn stuck(engine: &Engine) -> Vec<String> {
    let escrow = engine.state().ledger.escrow.iter();
    escrow
        .map(|(entity, stuck)| {
            format!("{}: {}", entity.logged(engine.state().digests()), stuck.reason)
        })
        .collect()
}

fn sent(stage: &Stage, method: &str, from: usize) -> usize {
    let trace = &stage.lock().trace;
    let of = |line: &&String| line.contains(&format!(" {method} ")) && line.contains("/Users");
    trace[from..].iter().filter(of).count()
}

/// Everybody but this person is as they should be.
fn assert_others_right(stage: &Stage, person: ObjectId) {
    let others = wrong(stage);
    let person = person.to_string();
    let others: Vec<_> = others.iter().filter(|what| !what.contains(&person)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// The platform takes everything again, and all is as it should be.
async fn ends_well(stage: &Stage, engine: &mut Engine) {
    stage.lock().platform.faults = Faults::default();
    stage.pass(Duration::from_secs(6 * 3_600)).await;
    settle(stage, engine).await;
    assert_eq!(wrong(stage), Vec::<String>::new());
}

#[test]
fn a_403_to_the_create_of_one_person_stops_nobody_else() {
    runtime().block_on(async {
        let stage = empty_town();
        let refused = entitled(&stage)[4];
        refuse(&stage, refused, 403);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(engine.target_trouble(), None);
        assert_eq!(trips(&engine, "quarantine"), 0);
        assert_others_right(&stage, refused);
        let stuck = stuck(&engine);
        assert!(stuck.len() == 1 && stuck[0].contains("status 403"), "{stuck:?}");
        // Whoever leaves is out at the next poll, whatever is stuck.
        let leaver = disable(&stage, 1)[0];
        next(&stage, &mut engine).await;
        assert_eq!(acceptance::active(&stage, leaver), Some(false));
        assert_eq!(trips(&engine, "quarantine"), 0);
        ends_well(&stage, &mut engine).await;
    });
}

#[test]
fn a_change_that_always_gets_403_or_500_is_that_persons() {
    for status in [403, 500] {
        runtime().block_on(async {
            let (stage, mut engine) = town(60).await;
            let people = entitled(&stage);
            refuse(&stage, people[7], status);
            for person in &people[7..10] {
                retitle(&stage, *person, "Sjef");
            }
            let leaver = disable(&stage, 1)[0];
            next(&stage, &mut engine).await;
            assert_eq!(acceptance::active(&stage, leaver), Some(false), "{status}");
            assert_others_right(&stage, people[7]);
            for _ in 0..10 {
                next(&stage, &mut engine).await;
            }
            assert_eq!(trips(&engine, "quarantine"), 0, "{status}");
            assert_eq!(engine.target_trouble(), None, "{status}");
            let stuck = stuck(&engine);
            assert!(stuck.len() == 1 && stuck[0].contains(&status.to_string()), "{stuck:?}");
            ends_well(&stage, &mut engine).await;
        });
    }
}

#[test]
fn a_create_that_always_gets_500_is_given_up_after_two_tries_and_named() {
    runtime().block_on(async {
        let stage = empty_town();
        let refused = entitled(&stage)[4];
        refuse(&stage, refused, 500);
        let mut engine = stage.engine().unwrap();
        let began = stage.clock.elapsed();
        settle(&stage, &mut engine).await;
        let took = stage.clock.elapsed().saturating_sub(began);
        assert!(took < Duration::from_secs(180), "sync took {took:?}");
        assert_others_right(&stage, refused);
        let stuck = stuck(&engine);
        assert!(stuck.len() == 1 && stuck[0].contains("had not been made"), "{stuck:?}");
        assert_eq!(engine.report().target.stuck, 1);
        // In forty minutes it is tried ever more seldom.
        let before = stage.lock().trace.len();
        for _ in 0..40 {
            next(&stage, &mut engine).await;
        }
        let tries = sent(&stage, "POST", before);
        assert!((1..=5).contains(&tries), "{tries} creates in forty minutes");
        let escrow = engine.state().ledger.escrow.values().next().unwrap();
        assert!(escrow.attempts >= 3, "{escrow:?}");
        assert_eq!(trips(&engine, "quarantine"), 0);
        ends_well(&stage, &mut engine).await;
    });
}

#[test]
fn a_create_whose_answer_is_lost_is_pending_until_it_is_known_what_came_of_it() {
    runtime().block_on(async {
        let stage = empty_town();
        refuse(&stage, entitled(&stage)[4], 500);
        let mut engine = stage.engine().unwrap();
        let (_hold, mut stop) = tokio::sync::watch::channel(false);
        let writer = stage.writer();
        let until = manntall::cycle::Until::Settled;
        let driving = engine.drive(Some(&writer), until, &mut stop);
        let driven = tokio::time::timeout(Duration::from_secs(40), driving).await;
        assert!(driven.is_err(), "it is looked up for longer than that");
        let report = engine.report();
        assert_eq!(report.target.pending.get(&Action::Create), Some(&1), "{:?}", report.target);
    });
}

#[test]
fn a_token_that_may_only_read_is_the_platforms_fault() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        for person in entitled(&stage) {
            retitle(&stage, person, "Sjef");
        }
        wire::meddle(&stage, |request| {
            let writes = request.method != manntall::transport::Method::Get;
            let is_ours = request.url.as_str().starts_with(Peer::Target.origin());
            (writes && is_ours).then(|| {
                let headers = Vec::new();
                let body = bytes::Bytes::new();
                Fate::Answer(manntall::transport::Response { status: 403, headers, body })
            })
        });
        next(&stage, &mut engine).await;
        let trouble = engine.target_trouble().expect("it is told");
        assert_eq!((trouble.code, trouble.guard.as_deref()), (12, Some("quarantine")));
        assert!(trouble.message.contains("none of our changes"), "{}", trouble.message);
        let stuck = engine.state().ledger.escrow.len();
        assert!((1..=20).contains(&stuck), "{stuck} are stuck, and not everybody");
        wire::switch_off(&stage);
        stage.pass(Duration::from_secs(3_600)).await;
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
        let left: Vec<&Entity> = engine.state().ledger.escrow.keys().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(active(&stage) > 0);
    });
}
