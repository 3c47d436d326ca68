//! L1 to L12: what happens on the machine itself. Files and processes have tests of their own; see
//! `docs/reliability.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use manntall::sim::world::Event;
use manntall::store::memory::CrashPoint;

use super::trial::{Told, Trial, hire};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::{assert_right, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// A small municipality, its first import, and a day of changes, killed at one place in the middle of
/// one of the two; then what the next process makes of it.
async fn killed(kill: impl Fn(&Stage), during_import: bool) -> bool {
    let mut stage = Stage::new(world(14, 3, 30), 7);
    if during_import {
        kill(&stage);
    } else {
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        drop(engine);
        let people = entitled(&stage);
        happen(&stage, Event::Disable { user: people[0] });
        happen(&stage, hire(800));
        stage.pass(Duration::from_secs(61)).await;
        kill(&stage);
    }
    let ended = match stage.engine() {
        Ok(mut engine) => {
            let life = stage.drive(&mut engine);
            // A request at which the world ends never comes back.
            tokio::time::timeout(Duration::from_secs(3_000), life).await.is_ok_and(|end| end.is_ok())
        }
        Err(_) => false,
    };
    let was_killed = !ended || stage.lock().chaos.ended;
    {
        let mut inner = stage.lock();
        (inner.chaos.end_in, inner.chaos.ended) = (None, false);
    }
    stage.store = stage.store.reopen();
    stage.pass(Duration::from_secs(61)).await;
    let mut engine = stage.engine().unwrap();
    for _ in 0..2 {
        settle(&stage, &mut engine).await;
        next_poll(&stage).await;
    }
    assert_right(&stage, "after the kill");
    was_killed
}

#[test]
fn l1_killed_at_every_commit_and_every_request_it_converges() {
    let mut places = BTreeMap::new();
    for during_import in [true, false] {
        for after in [true, false] {
            for at in 0.. {
                let kill = |stage: &Stage| stage.lock().chaos.end_in = Some((at, after));
                if !runtime().block_on(killed(kill, during_import)) {
                    places.insert(("requests", during_import, after), at);
                    break;
                }
            }
            for at in 1.. {
                let when = if after { CrashPoint::AfterCommit } else { CrashPoint::BeforeCommit };
                let kill = |stage: &Stage| stage.store.crash_at(at, when);
                if !runtime().block_on(killed(kill, during_import)) {
                    places.insert(("commits", during_import, after), u32::try_from(at).unwrap());
                    break;
                }
            }
        }
    }
    println!("killed at {places:?}");
    assert!(places[&("requests", true, true)] > 20, "{places:?}");
    assert!(places[&("commits", true, true)] > 10, "{places:?}");
}

#[test]
fn l6_a_rotated_secret_is_picked_up_without_a_restart() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        {
            // Both secrets are changed in the peers first, and in our files some minutes later.
            let mut inner = trial.stage.lock();
            inner.entra.options.client_secret = "next-secret".to_owned();
            inner.entra.faults.unauthorized_next = 1;
        }
        wire::switch_on(&trial.stage, Peer::Target, &Wrong::Status(401, None));
        let told = trial.suffer().await;
        assert_eq!(told.codes(), [12].into());
        told.assert_says(&["AADSTS7000215"]);
        wire::switch_off(&trial.stage);
        trial.stage.lock().held_secret = "next-secret".to_owned();
        trial.stage.pass(Duration::from_secs(60)).await;
        trial.converge().await;
    });
}

#[test]
fn l6_the_targets_token_is_read_for_every_request() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        trial.stage.lock().held_token = "an-old-token".to_owned();
        next_poll(&trial.stage).await;
        let mut told = Told::default();
        trial.cycle(&mut told).await;
        assert_eq!(told.codes(), [12].into());
        trial.stage.lock().held_token = "stage-token".to_owned();
        trial.stage.pass(Duration::from_secs(60)).await;
        trial.converge().await;
    });
}
