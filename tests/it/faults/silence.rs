//! Departures on record while Entra is silent after a start.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::sim::world::{Event, ObjectId};

use super::trial::{Told, Trial};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::{entitled, happen, next_poll, writes, writes_since};
use crate::history::runtime;

/// Somebody has left by Entra's word, and the process ends before that is done.
async fn on_record(trial: &mut Trial) -> ObjectId {
    let leaver = entitled(&trial.stage)[0];
    happen(&trial.stage, Event::Disable { user: leaver });
    trial.note();
    next_poll(&trial.stage).await;
    trial.engine.restrict_to(BTreeSet::new());
    trial.stage.drive(&mut trial.engine).await.unwrap();
    assert_eq!(trial.is_active(leaver), Some(true));
    *trial.engine = trial.stage.engine().unwrap();
    leaver
}

#[test]
fn e40_a_departure_on_record_does_not_wait_for_entra() {
    runtime().block_on(async {
        for status in [429, 500, 403] {
            let mut trial = Trial::begin().await;
            let leaver = on_record(&mut trial).await;
            wire::switch_on(&trial.stage, Peer::Graph, &Wrong::Status(status, Some("30")));
            let before = writes(&trial.stage);
            trial.serve(trial.stage.timing.poll_interval + Duration::from_secs(2)).await;
            assert_eq!(trial.is_active(leaver), Some(false), "waits for Entra ({status})");
            let made = writes_since(&trial.stage, before);
            assert!(made.iter().all(|write| write.method == "PATCH"), "{made:?}");
            wire::switch_off(&trial.stage);
            trial.converge().await;
        }
    });
}

#[test]
fn e40_a_single_sync_makes_a_departure_on_record_while_entra_is_silent() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = on_record(&mut trial).await;
        wire::switch_on(&trial.stage, Peer::Graph, &Wrong::Status(500, None));
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(leaver), Some(false));
        assert!(trial.engine.leaving().is_empty());
    });
}

#[test]
fn e40_what_entra_has_not_said_for_certain_and_a_state_in_doubt_wait_for_it() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = on_record(&mut trial).await;
        let now = trial.stage.clock.now();
        trial.engine.state_mut().enter_recovery(now, "an old copy");
        wire::switch_on(&trial.stage, Peer::Graph, &Wrong::Status(500, None));
        trial.stage.drive(&mut trial.engine).await.unwrap();
        assert_eq!(trial.is_active(leaver), Some(true));
        let leaving = trial.engine.leaving();
        assert_eq!(leaving.len(), 1, "{leaving:?}");
        assert!(trial.engine.report().target.leaving.is_some());
    });
}

#[test]
fn e40_the_budget_holds_departures_on_record_as_ever() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leavers: Vec<_> = entitled(&trial.stage).into_iter().take(20).collect();
        for user in leavers.iter().copied() {
            happen(&trial.stage, Event::Disable { user });
        }
        trial.note();
        next_poll(&trial.stage).await;
        trial.engine.restrict_to(BTreeSet::new());
        trial.stage.drive(&mut trial.engine).await.unwrap();
        *trial.engine = trial.stage.engine().unwrap();
        wire::switch_on(&trial.stage, Peer::Graph, &Wrong::Status(500, None));
        let before = writes(&trial.stage);
        trial.stage.drive(&mut trial.engine).await.unwrap();
        assert_eq!(writes_since(&trial.stage, before), []);
    });
}
