//! A plan is what the following sync does, no more and no less.

use std::collections::BTreeSet;
use std::sync::Arc;

use manntall::core::model::Entity;
use manntall::core::plan::Action;
use manntall::cycle::{Ended, Until};
use manntall::store::overlay::Overlay;
use tokio::sync::watch;

use super::{assert_right, happen, next_poll, world};
use crate::history::{approve_all, runtime};
use crate::stage::Stage;

type Changes = BTreeSet<(Entity, Action)>;

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

async fn plan_and_sync(stage: &Stage) {
    let planned = plan(stage).await;
    let mut engine = stage.engine().unwrap();
    let before = engine.state().journal().unwrap().len();
    stage.drive(&mut engine).await.unwrap();
    let journal = engine.state().journal().unwrap().split_off(before);
    assert!(journal.iter().all(|record| record.refused.is_none()));
    let done: Changes =
        journal.iter().map(|record| (record.entity.clone(), record.action)).collect();
    let unplanned: Vec<_> = done.difference(&planned).collect();
    let undone: Vec<_> = planned.difference(&done).collect();
    assert!(
        unplanned.is_empty() && undone.is_empty(),
        "not planned {unplanned:#?}, not done {undone:#?}"
    );
    assert_eq!(journal.len(), done.len(), "something was done twice");
    if !engine.holds().is_empty() {
        approve_all(stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
    }
    assert_right(stage, "after the sync");
}

/// The plan of a dry run, which touches neither the store nor the target.
async fn plan(stage: &Stage) -> Changes {
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
    let cleared = &engine.judgement().unwrap().cleared;
    cleared.iter().map(|(entity, cleared)| (entity.clone(), cleared.change().action)).collect()
}
