//! A tenant that cannot be trusted for a while takes nothing from anybody.

use std::time::Duration;

use manntall::cycle::Engine;
use manntall::sim::entra::{EmptyReads, ExpireLinks, Faults};
use manntall::sim::world::Event;

use super::{active, assert_right, entitled, happen, next_poll, world, writes, writes_since};
use crate::history::{runtime, settle};
use crate::stage::Stage;

#[test]
fn people_without_account_enabled_are_not_deactivated() {
    runtime().block_on(survives(Faults {
        account_enabled_null: true,
        expire_links: Some(ExpireLinks::Gone),
        ..Faults::default()
    }));
}

#[test]
fn an_empty_complete_read_removes_nobody() {
    runtime().block_on(survives(Faults {
        empty_full_reads: Some(EmptyReads::CountZero),
        expire_links: Some(ExpireLinks::Gone),
        ..Faults::default()
    }));
}

#[test]
fn an_empty_complete_read_that_its_count_denies_removes_nobody() {
    runtime().block_on(survives(Faults {
        empty_full_reads: Some(EmptyReads::CountTrue),
        expire_links: Some(ExpireLinks::Gone),
        ..Faults::default()
    }));
}

#[test]
fn a_refused_tenant_removes_nobody() {
    runtime().block_on(survives(Faults { forbidden: true, ..Faults::default() }));
}

async fn survives(faults: Faults) {
    let stage = Stage::new(world(200, 12, 600), 1);
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    assert_right(&stage, "after the first import");

    let before = writes(&stage);
    stage.lock().entra.faults = faults;
    for pause in [61, 61, 300, 3_700, 3_700] {
        stage.pass(Duration::from_secs(pause)).await;
        stage.drive(&mut engine).await.unwrap();
        unharmed(&stage, &engine, before);
        assert!(!engine.source_troubles().is_empty(), "nobody hears of it");
    }

    // What happens meanwhile is caught up with.
    let leaver = entitled(&stage)[0];
    happen(&stage, Event::Disable { user: leaver });
    stage.lock().entra.faults = Faults::default();
    stage.pass(Duration::from_secs(3_700)).await;
    stage.drive(&mut engine).await.unwrap();
    next_poll(&stage).await;
    stage.drive(&mut engine).await.unwrap();
    assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
    assert!(engine.holds().is_empty(), "{:?}", engine.holds());
    assert_eq!(active(&stage, leaver), Some(false));
    assert_right(&stage, "after the trouble");
}

fn unharmed(stage: &Stage, engine: &Engine, before: usize) {
    assert_eq!(writes_since(stage, before), []);
    assert!(engine.holds().is_empty(), "{:?}", engine.holds());
    assert_right(stage, "while in trouble");
}
