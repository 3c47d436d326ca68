//! A municipality of 6,200 people.

use std::collections::BTreeSet;

use super::{assert_right, happen, next_poll, world};
use crate::history::{counts, runtime, settle};
use crate::stage::Stage;

/// How many kinds of events there are.
const KINDS: usize = 20;

#[test]
fn a_municipality_is_kept_true_through_every_kind_of_event() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(6_200, 400, 40_000), 1);
        stage.requests_per_second = 100_000.0;
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after the first import");

        let mut rng = fastrand::Rng::with_seed(2);
        let mut seen = BTreeSet::new();
        while seen.len() < KINDS {
            let event = stage.lock().world.random_event(&mut rng).unwrap();
            let kind = event.kind();
            happen(&stage, event);
            if seen.insert(kind) {
                next_poll(&stage).await;
                settle(&stage, &mut engine).await;
                assert_right(&stage, kind);
            }
        }

        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        next_poll(&stage).await;
        let before = counts(&stage);
        settle(&stage, &mut engine).await;
        let after = counts(&stage);
        assert_eq!((after.0 - before.0, after.1 - before.1), (2, 0), "requests of a quiet cycle");
        assert_right(&stage, "in the end");
    });
}
