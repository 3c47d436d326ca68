//! Seeded histories of one tenant and one platform.

use std::time::Duration;

use manntall::core::judge::Approval;
use manntall::sim::world::{GeneratorOptions, generate};

use crate::oracle::differences;
use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_small_town_is_brought_over_and_kept_true() {
    let world = generate(&GeneratorOptions { users: 30, groups: 6, memberships: 90, seed: 1, ..GeneratorOptions::default() });
    let stage = Stage::new(world, 1);
    let mut rng = fastrand::Rng::with_seed(99);
    for round in 0..20 {
        let mut engine = stage.sync().await.unwrap();
        for _ in 0..5 {
            if engine.holds().is_empty() { break; }
            approve_all(&stage, &mut engine);
            stage.drive(&mut engine).await.unwrap();
        }
        let inner = stage.lock();
        for (entity, escrow) in &engine.state().ledger.escrow { println!("escrow {entity:?} {}", escrow.reason); }
        println!("round {round}: troubles {:?} {:?} tally {:?}", engine.source_troubles(), engine.target_trouble(), engine.tally());
        let wrong = differences(&inner.world, &inner.platform);
        assert!(wrong.is_empty(), "round {round}: {wrong:#?}");
        drop(inner);
        stage.pass(Duration::from_secs(60)).await;
        let mut inner = stage.lock();
        for _ in 0..3 {
            if let Some(event) = inner.world.random_event(&mut rng) { println!("{event:?}"); let _ = inner.world.apply(event); }
        }
    }
}

pub(crate) fn approve_all(stage: &Stage, engine: &mut manntall::cycle::Engine) {
    use manntall::clock::Clock;
    let now = stage.clock.now();
    let changes = engine.holds().iter().flat_map(|hold| hold.changes.values().copied()).collect();
    engine.approve(Approval { changes, by: "tester".into(), at: now, until: now.plus(Duration::from_secs(3600)) });
}
