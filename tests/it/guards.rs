//! Every guard, by its name: when it acts, what it leaves alone, and how it lets go.

mod alone;
mod approvals;
mod blame;
mod emptied;
mod identity;
mod lanes;
mod names;
mod ownership;
mod panics;
mod quarantine;
mod recall;
mod record;
mod refusals;
mod rejections;
mod sources;
mod stall;
mod trials;
mod windows;
mod words;

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Timestamp;
use manntall::cycle::Engine;
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};

use crate::history::settle;
use crate::oracle::{differences, entitled_ids};
use crate::stage::Stage;

/// A town of so many, imported and at rest.
async fn town(users: usize) -> (Stage, Engine) {
    let world = generate(&GeneratorOptions {
        users,
        groups: 4,
        memberships: users,
        seed: 3,
        ..GeneratorOptions::default()
    });
    let stage = Stage::new(world, 3);
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    assert_eq!(wrong(&stage), Vec::<String>::new());
    (stage, engine)
}

fn wrong(stage: &Stage) -> Vec<String> {
    let inner = stage.lock();
    differences(&inner.world, &inner.platform)
}

fn happen(stage: &Stage, event: Event) {
    stage.lock().world.apply(event).unwrap();
}

fn entitled(stage: &Stage) -> Vec<ObjectId> {
    entitled_ids(&stage.lock().world).into_iter().collect()
}

fn enable(stage: &Stage, people: &[ObjectId]) {
    for user in people {
        happen(stage, Event::Enable { user: *user });
    }
}

/// A process that knows only what was stored.
async fn restart(stage: &Stage) -> Engine {
    let mut engine = stage.engine().unwrap();
    stage.drive(&mut engine).await.unwrap();
    engine
}

/// Disables so many people, and returns them.
fn disable(stage: &Stage, count: usize) -> Vec<ObjectId> {
    let leavers: Vec<ObjectId> = entitled(stage).into_iter().take(count).collect();
    for user in &leavers {
        happen(stage, Event::Disable { user: *user });
    }
    leavers
}

fn now(stage: &Stage) -> Timestamp {
    stage.clock.now()
}

/// Somebody else makes an account on the platform.
fn create(stage: &Stage, body: &serde_json::Value) {
    let at = u64::try_from(stage.clock.now().0).unwrap();
    stage.lock().create_account(body, at);
}

/// How many accounts are active.
fn active(stage: &Stage) -> usize {
    stage.lock().platform.users().filter(|user| user.active()).count()
}

fn writes(stage: &Stage) -> usize {
    stage.lock().platform.writes.len()
}

/// Until the tenant is polled again, and everything that may be done is done.
async fn next(stage: &Stage, engine: &mut Engine) {
    stage.pass(Duration::from_secs(61)).await;
    stage.drive(engine).await.unwrap();
}

fn held(engine: &Engine) -> Vec<(&'static str, u64)> {
    engine.holds().iter().map(|hold| (hold.meter.guard.name(), hold.count)).collect()
}

fn trips(engine: &Engine, guard: &str) -> u64 {
    let trips = engine.guard_trips().iter();
    trips.filter(|(one, _)| one.name() == guard).map(|(_, times)| *times).sum()
}
