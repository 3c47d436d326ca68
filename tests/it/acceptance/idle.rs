//! Nothing happens for a thousand cycles: nothing is written, and a kill after them forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::cycle::state::State;
use manntall::cycle::{Engine, Until};
use manntall::sim::world::Event;
use manntall::store::{self, OpenMode};
use tokio::sync::watch;

use super::{active, assert_right, entitled, happen, world};
use crate::cli::idle::files;
use crate::history::runtime;
use crate::stage::Stage;

const CYCLES: u32 = 1_000;

/// A service goes on for so many polls, and is killed.
async fn live(stage: &Stage, engine: &mut Engine, polls: u32) {
    let (_hold, mut stop) = watch::channel(false);
    let writer = stage.writer();
    let asked = stage.lock().entra.counters.graph();
    tokio::select! {
        ended = engine.drive(Some(&writer), Until::Stopped, &mut stop) => panic!("{ended:?}"),
        () = stage.pass(stage.timing.poll_interval * polls) => {}
    }
    let asked = stage.lock().entra.counters.graph() - asked;
    let cycles = u64::from(polls);
    assert!((2 * cycles..=2 * cycles + 2).contains(&asked), "{asked} requests in {polls} cycles");
}

/// The store that a service has, in the same folder after as before.
#[test]
fn a_thousand_idle_cycles_leave_the_real_store_byte_for_byte_as_it_was() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(world(60, 4, 60), 1);
        stage.timing.poll_interval = Duration::from_secs(5);
        let install_id = "9d3cbb80-30a7-4d2e-9a6a-4a4a3c5f0e11".to_owned();
        let mode = OpenMode::CreateIfAbsent { install_id };
        let place = folder.path().join("state");
        let store = Arc::new(store::open(&place, mode).unwrap());
        let mut engine = stage.engine_on(store.clone()).unwrap();
        stage.drive(&mut engine).await.unwrap();
        let (before, commits) = (files(&place), store.generation());
        live(&stage, &mut engine, CYCLES).await;
        assert_eq!(store.generation(), commits, "commits of idle cycles");
        assert!(files(&place) == before, "the files of the store have changed");
    });
}

#[test]
fn a_service_killed_after_idle_hours_goes_on_from_a_link_of_the_last_six() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 4, 60), 1);
        drop(stage.sync().await.unwrap());
        let commits = stage.store.commits();
        let mut engine = stage.engine().unwrap();
        live(&stage, &mut engine, CYCLES).await;
        let commits = stage.store.commits() - commits;
        assert_eq!(commits, 2, "one after six hours and one after twelve, of almost seventeen");
        drop(engine);
        stage.store = stage.store.reopen();

        let leaver = entitled(&stage)[3];
        happen(&stage, Event::Disable { user: leaver });
        stage.pass(Duration::from_secs(3_600)).await;
        let stored = State::load(Arc::new(stage.store.clone()), stage.clock.now()).unwrap();
        let told = stored.report.unwrap().at;
        let age = stage.clock.now().since(told);
        assert!(age <= Duration::from_secs(7 * 3_600), "the last report is of {told}");
        let from = stage.lock().trace.len();
        let engine = stage.sync().await.unwrap();
        assert!(engine.state().recovery.is_none(), "nothing is in doubt");
        assert_eq!(active(&stage, leaver), Some(false));
        assert_right(&stage, "after the kill");
        let inner = stage.lock();
        let rounds: Vec<_> =
            inner.trace[from..].iter().filter(|line| line.contains("/delta?")).collect();
        assert!(
            rounds.len() >= 2 && rounds.iter().all(|line| line.contains("deltatoken=")),
            "{rounds:#?}"
        );
    });
}

#[test]
fn a_service_that_was_stopped_has_written_down_its_last_minute() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 4, 60), 1);
        let mut engine = stage.sync().await.unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let writer = stage.writer();
        let driven = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
        let script = async {
            stage.pass(Duration::from_secs(3_570)).await;
            stop.send(true).unwrap();
        };
        let (ended, ()) = futures_util::future::join(driven, script).await;
        ended.unwrap();
        let stored = State::load(Arc::new(stage.store.clone()), stage.clock.now()).unwrap();
        assert_eq!(stored.report.unwrap().at, stage.clock.now());
        assert_eq!(stored.walks, engine.state().walks, "the newest links");
    });
}
