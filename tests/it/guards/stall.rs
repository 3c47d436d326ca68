//! An engine that does not get on says so and ends, instead of waiting for nothing.

use std::time::Duration;

use manntall::core::model::{Kind, SourceName};
use manntall::cycle::door::{Door, door};
use manntall::cycle::{Ended, Engine, Until};
use tokio::sync::watch;

use super::{active, disable, town, trips};
use crate::history::runtime;
use crate::stage::Stage;

/// From its next turn on the engine has lost sight of how the groups of the tenant are read. No fault
/// outside does that; it stands for a bug within.
async fn town_with_a_bug() -> (Stage, Engine, Door) {
    let (stage, mut engine) = town(60).await;
    let (door, visits) = door();
    engine.open(visits);
    door.leave_word(|engine| {
        engine.state_mut().walks.remove(&(SourceName::new("asker"), Kind::Groups));
    });
    (stage, engine, door)
}

#[test]
fn a_sync_without_progress_ends_and_names_what_is_left() {
    runtime().block_on(async {
        let (stage, mut engine, _door) = town_with_a_bug().await;
        let (_hold, mut stop) = watch::channel(false);
        let writer = stage.writer();
        let drive = engine.drive(Some(&writer), Until::Settled, &mut stop);
        let ended = tokio::time::timeout(Duration::from_secs(600), drive).await;
        assert_eq!(ended.expect("it hangs").unwrap(), Ended::Done);
        let trouble = engine.stall().unwrap();
        assert_eq!((trouble.code, trouble.guard.as_deref()), (1, Some("stall")));
        assert!(trouble.message.contains("Left: reading the tenants"), "{}", trouble.message);
        assert!(!engine.is_complete() && trips(&engine, "stall") == 1);
        // Started again, all is well.
        let engine = stage.sync().await.unwrap();
        assert_eq!(engine.stall(), None);
    });
}

#[test]
fn a_service_without_progress_says_so_and_whoever_waits_for_it_is_answered() {
    runtime().block_on(async {
        let (stage, mut engine, door) = town_with_a_bug().await;
        let shown = engine.snapshots("platform");
        let (stop, mut stopped) = watch::channel(false);
        let writer = stage.writer();
        let work = async {
            stage.pass(Duration::from_secs(400)).await;
            let troubles = shown.borrow().troubles.clone();
            assert!(troubles.iter().any(|one| one.message.contains("does not get on")));
            let before = active(&stage);
            disable(&stage, 1);
            stage.pass(Duration::from_secs(61)).await;
            // Leavers go all the same, and a sync that somebody asks for comes to an end.
            assert_eq!(active(&stage), before - 1);
            let mut asked = false;
            let sync = door.stay(move |engine| {
                if !std::mem::replace(&mut asked, true) {
                    engine.poll_now();
                }
                engine.is_settled().then(|| engine.stall().cloned())
            });
            let sync = tokio::time::timeout(Duration::from_secs(600), sync).await;
            assert_eq!(sync.expect("it hangs").unwrap().unwrap().code, 1);
            stop.send(true).unwrap();
        };
        let drive = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
        let (ended, ()) = tokio::join!(drive, work);
        assert_eq!(ended.unwrap(), Ended::Stopped);
        assert_eq!(trips(&engine, "stall"), 2);
    });
}
