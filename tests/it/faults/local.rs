//! L1 to L12: what happens on the machine itself. Files and processes have tests of their own; see
//! `docs/reliability.md`.

use std::time::Duration;

use super::trial::{Told, Trial};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::next_poll;
use crate::history::runtime;

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
