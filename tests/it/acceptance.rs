//! What an operator is promised, in worlds as large as the promise: each test is one sentence of it.
//!
//! Everything runs in process and in paused time; what random histories cover better is not repeated here.

mod dialects;
mod disowned;
mod doubt;
pub(crate) mod drift;
mod idle;
mod leavers;
mod plans;
mod reads;
mod recovery;
mod scale;
mod takeover;
mod troubles;
mod visits;

use std::time::Duration;

use manntall::sim::platform::record::Write;
use manntall::sim::platform::{Personality, Platform, PlatformOptions};
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, World, generate};

use crate::oracle::{differences, entitled_ids};
use crate::stage::{SCIM, Stage};

pub(crate) fn world(users: usize, groups: usize, memberships: usize) -> World {
    generate(&GeneratorOptions {
        users,
        groups,
        memberships,
        seed: 1,
        ..GeneratorOptions::default()
    })
}

/// A platform that departs from the standard in place of the strict one.
pub(crate) fn use_personality(stage: &Stage, personality: Personality) {
    let mut inner = stage.lock();
    let token = inner.platform.options().token.clone();
    let mut options = PlatformOptions::new(personality, SCIM, token);
    options.seed = 1;
    inner.platform = Platform::new(options);
}

pub(crate) fn wrong(stage: &Stage) -> Vec<String> {
    let inner = stage.lock();
    differences(&inner.world, &inner.platform)
}

pub(crate) fn assert_right(stage: &Stage, when: &str) {
    let wrong = wrong(stage);
    let first: Vec<_> = wrong.iter().take(10).collect();
    assert!(wrong.is_empty(), "{when}: {} differences, among them {first:#?}", wrong.len());
}

pub(crate) fn happen(stage: &Stage, event: Event) {
    stage.lock().world.apply(event).unwrap();
}

/// The people who should have an account now.
pub(crate) fn entitled(stage: &Stage) -> Vec<ObjectId> {
    entitled_ids(&stage.lock().world).into_iter().collect()
}

/// Whether the person has an active account; `None` without any account.
pub(crate) fn active(stage: &Stage, person: ObjectId) -> Option<bool> {
    let person = person.to_string();
    let inner = stage.lock();
    inner
        .platform
        .users()
        .find(|user| user.external_id() == Some(&person))
        .map(manntall::sim::platform::Resource::active)
}

/// The writes after the first `from`.
pub(crate) fn writes_since(stage: &Stage, from: usize) -> Vec<Write> {
    stage.lock().platform.writes[from..].to_vec()
}

pub(crate) fn writes(stage: &Stage) -> usize {
    stage.lock().platform.writes.len()
}

/// Until a tenant is polled again.
pub(crate) async fn next_poll(stage: &Stage) {
    stage.pass(stage.timing.poll_interval + Duration::from_secs(1)).await;
}
