//! Leavers: one goes at once whatever else there is to do, a crowd waits for a person's word.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Entity;
use manntall::core::plan::Action;
use manntall::cycle::{Ended, Until};
use manntall::sim::world::{Event, ObjectId};
use tokio::sync::watch;

use super::{active, assert_right, entitled, happen, next_poll, world, writes, writes_since};
use crate::history::{approve_all, runtime, settle};
use crate::stage::Stage;

#[test]
fn a_leaver_does_not_wait_for_an_import() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(10_050, 40, 12_000), 1);
        stage.requests_per_second = 5.0;
        stage.lock().chaos.latency_ms = 2_000;
        let mut engine = stage.engine().unwrap();
        let writer = stage.writer();
        let (stop, mut stopped) = watch::channel(false);
        let import = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
        let script = async {
            while stage.lock().platform.users().count() < 50 {
                stage.pass(Duration::from_secs(1)).await;
            }
            // At several moments between two polls.
            let mut took = Vec::new();
            for pause in [0, 7, 13, 29, 41, 53] {
                stage.pass(Duration::from_secs(pause)).await;
                took.push(time_to_leave(&stage).await);
            }
            stop.send(true).unwrap();
            took
        };
        let (ended, took) = futures_util::future::join(import, script).await;
        assert_eq!(ended.unwrap(), Ended::Stopped);
        let have = stage.lock().platform.users().count();
        assert!(have < 5_000, "the import was over, or nearly: {have}");
        println!("leavers took {took:?}");
        let limit = stage.timing.poll_interval + Duration::from_secs(2);
        assert!(took.iter().all(|took| *took <= limit), "{took:?}");
    });
}

/// Disables somebody with an account, and waits until the account is inactive.
async fn time_to_leave(stage: &Stage) -> Duration {
    let leaver = entitled(stage).into_iter().find(|id| active(stage, *id) == Some(true)).unwrap();
    let began = stage.clock.elapsed();
    happen(stage, Event::Disable { user: leaver });
    while active(stage, leaver) == Some(true) {
        stage.pass(Duration::from_millis(100)).await;
        assert!(
            stage.clock.elapsed().saturating_sub(began) < Duration::from_secs(600),
            "never deactivated"
        );
    }
    stage.clock.elapsed().saturating_sub(began)
}

#[test]
fn half_of_the_people_are_not_deleted_unasked() {
    runtime().block_on(mass(|user| Event::SoftDelete { user }));
}

#[test]
fn half_of_the_people_are_not_disabled_unasked() {
    runtime().block_on(mass(|user| Event::Disable { user }));
}

async fn mass(leave: fn(ObjectId) -> Event) {
    let stage = Stage::new(world(200, 12, 600), 1);
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    assert_right(&stage, "after the first import");
    let people = entitled(&stage);
    let (going, staying) = people.split_at(people.len() / 2);
    let going: BTreeSet<ObjectId> = going.iter().copied().collect();
    for user in &going {
        happen(&stage, leave(*user));
    }

    // All of it is held, before anything is written.
    let before = writes(&stage);
    next_poll(&stage).await;
    stage.drive(&mut engine).await.unwrap();
    assert_eq!(writes_since(&stage, before), [], "nothing is written");
    let held: BTreeSet<Entity> =
        engine.holds().iter().flat_map(|hold| hold.entities().cloned()).collect();
    assert_eq!(held.len(), going.len(), "{:?}", engine.holds());

    // One who leaves a minute later goes at once.
    let single = staying[0];
    happen(&stage, Event::Disable { user: single });
    next_poll(&stage).await;
    stage.drive(&mut engine).await.unwrap();
    assert_eq!(active(&stage, single), Some(false));
    assert!(going.iter().all(|user| active(&stage, *user) == Some(true)));
    let still: BTreeSet<Entity> =
        engine.holds().iter().flat_map(|hold| hold.entities().cloned()).collect();
    assert_eq!(still, held);

    // A word of approval does exactly what was listed.
    let before = engine.state().journal().unwrap().len();
    approve_all(&stage, &mut engine);
    stage.drive(&mut engine).await.unwrap();
    let journal = engine.state().journal().unwrap().split_off(before);
    let done: BTreeSet<Entity> = journal
        .iter()
        .filter(|record| record.action == Action::Deactivate)
        .map(|record| record.entity.clone())
        .collect();
    assert_eq!(done, held);
    assert!(journal.iter().all(|record| record.approved_by.as_deref() == Some("tester")));
    assert!(journal.iter().all(|record| record.refused.is_none()));
    let follows = |action| matches!(action, Action::Deactivate | Action::MemberRemove);
    assert!(journal.iter().all(|record| follows(record.action)), "{journal:#?}");
    assert!(staying[1..].iter().all(|user| active(&stage, *user) == Some(true)));
    assert_right(&stage, "after the approval");
}
