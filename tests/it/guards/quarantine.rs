//! A peer that refuses us, or mostly fails, is left alone and asked at growing intervals.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Link;
use manntall::cycle::door::{Door, door};
use manntall::cycle::{Engine, Until};
use manntall::sim::entra::{Faults, Throttle};
use manntall::sim::platform::Kind;
use manntall::sim::platform::fault::{Fault, Matcher, PathKind};
use manntall::sim::world::{Event, GeneratorOptions, generate};
use tokio::sync::watch;

use super::{active, disable, next, town, trips, wrong};
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// The service for so long.
async fn serve(stage: &Stage, engine: &mut Engine, span: Duration) {
    serve_while(stage, engine, stage.pass(span)).await;
}

/// The service for as long as somebody is busy with it.
async fn serve_while(stage: &Stage, engine: &mut Engine, people: impl Future<Output = ()>) {
    let (stop, mut stopped) = watch::channel(false);
    let writer = stage.writer();
    let driving = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
    let people = async {
        people.await;
        stop.send(true).unwrap();
    };
    futures_util::future::join(driving, people).await.0.unwrap();
}

fn fail(stage: &Stage, count: usize, fault: &Fault) {
    let faults = &mut stage.lock().platform.faults.fail_next;
    faults.clear();
    faults.extend(std::iter::repeat_n((Matcher::default(), fault.clone()), count));
}

#[test]
fn a_target_that_refuses_us_is_left_alone_and_asked_at_growing_intervals() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        fail(&stage, 10_000, &Fault::StatusBefore(403));
        disable(&stage, 1);
        let before = (active(&stage), stage.lock().platform.requests.total());
        serve(&stage, &mut engine, Duration::from_secs(6 * 3600)).await;
        assert_eq!((active(&stage), trips(&engine, "quarantine")), (before.0, 1));
        let asked = stage.lock().platform.requests.total() - before.1;
        // After 1, 3, 7, 15, 31 minutes, and then not more often than every hour.
        assert!((8..=13).contains(&asked), "{asked}");
        let trouble = engine.target_trouble().unwrap();
        assert_eq!((trouble.code, trouble.guard.as_deref()), (12, Some("quarantine")));
        fail(&stage, 0, &Fault::StatusBefore(403));
        serve(&stage, &mut engine, Duration::from_secs(3700)).await;
        assert!(engine.target_trouble().is_none());
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn a_refusal_in_the_middle_of_creates_stops_at_once_and_nobody_gets_two_accounts() {
    runtime().block_on(async {
        let world =
            generate(&GeneratorOptions { users: 80, seed: 5, ..GeneratorOptions::default() });
        let stage = Stage::new(world, 5);
        stage.lock().chaos.latency_ms = 100;
        let posts = Matcher::of("POST", PathKind::Collection(Kind::User));
        {
            // Three creates are made without a good answer; then the token is refused for good.
            let faults = &mut stage.lock().platform.faults.fail_next;
            faults.extend(std::iter::repeat_n((posts.clone(), Fault::StatusAfter(500)), 3));
            faults.extend(std::iter::repeat_n((posts, Fault::StatusBefore(401)), 10_000));
        }
        let mut engine = stage.engine().unwrap();
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(engine.target_trouble().unwrap().code, 12);
        assert_eq!(trips(&engine, "quarantine"), 1);
        let tried = |stage: &Stage| {
            let trace = &stage.lock().trace;
            trace.iter().filter(|line| line.contains(" POST ") && line.contains("/Users")).count()
        };
        // What was in flight when the first refusal came, and nothing after it.
        assert!(tried(&stage) <= 3 + 2 * 8, "{}", tried(&stage));
        let pending = engine.state().ledger.accounts.values();
        assert_eq!(pending.filter(|entry| matches!(entry.link, Link::Pending(_))).count(), 3);
        stage.lock().platform.faults.fail_next.clear();
        // Those whose creates were refused before it was clear that all are wait for a minute of their own.
        stage.pass(Duration::from_secs(61)).await;
        engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn a_target_that_mostly_fails_is_left_alone_and_one_that_fails_now_and_then_is_not() {
    runtime().block_on(async {
        for (failing, acts) in [(9, 0), (10_000, 1)] {
            let (stage, mut engine) = town(200).await;
            fail(&stage, failing, &Fault::StatusBefore(503));
            super::disable(&stage, 3);
            let users = super::entitled(&stage);
            for user in users.into_iter().take(30) {
                let (name, value) = ("jobTitle".to_owned(), "Rektor".into());
                super::happen(&stage, Event::SetProperty { user, name, value });
            }
            next(&stage, &mut engine).await;
            assert_eq!(trips(&engine, "quarantine"), 0, "{failing}: it refuses nobody");
            assert_eq!(trips(&engine, "unreachable"), acts, "{failing}");
            assert_eq!(engine.target_trouble().is_some(), acts == 1, "{failing}");
        }
    });
}

#[test]
fn a_refused_tenant_is_asked_seldom_and_comes_back_by_itself() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        stage.lock().entra.faults = Faults { forbidden: true, ..Faults::default() };
        let before = stage.lock().entra.counters.graph();
        let mut shown = engine.snapshots("platform");
        serve(&stage, &mut engine, Duration::from_secs(6 * 3600)).await;
        // What is shown as the next look at Entra is the next question, and not the poll that is left out.
        let next = engine.probes().sources.values().next().copied();
        assert!(next.is_some() && shown.borrow_and_update().next == next);
        let asked = stage.lock().entra.counters.graph() - before;
        assert!((8..=16).contains(&asked), "{asked}");
        assert_eq!(trips(&engine, "quarantine"), 1);
        assert!(
            engine.source_troubles().values().all(|one| one.guard.as_deref() == Some("quarantine"))
        );
        stage.lock().entra.faults = Faults::default();
        disable(&stage, 1);
        serve(&stage, &mut engine, Duration::from_secs(3700)).await;
        assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

/// A person asks for everything now. How long it took, and what Entra was asked meanwhile.
async fn ask(stage: &Stage, door: &Door) -> (Duration, u64) {
    let before = (stage.clock.elapsed(), stage.lock().entra.counters.graph());
    let mut asked = false;
    let settled = door.stay(move |engine| {
        if !std::mem::replace(&mut asked, true) {
            engine.poll_now();
        }
        engine.is_settled().then_some(())
    });
    settled.await.unwrap();
    (stage.clock.elapsed().saturating_sub(before.0), stage.lock().entra.counters.graph() - before.1)
}

fn throttle(stage: &Stage, requests: u32) {
    let throttle = Throttle { requests, retry_after_s: Some(300) };
    stage.lock().entra.faults = Faults { throttle: Some(throttle), ..Faults::default() };
}

#[test]
fn who_asks_in_between_waits_as_long_as_entra_has_asked_for() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let (door, visits) = door();
        engine.open(visits);
        let people = async {
            throttle(&stage, 2);
            stage.pass(Duration::from_secs(90)).await;
            disable(&stage, 1);
            let told = door.visit(|engine| engine.asked_to_wait()).await.unwrap();
            let wait = told.unwrap().1.since(stage.clock.now());
            let (took, asked) = ask(&stage, &door).await;
            assert!(took >= wait, "{took:?} of {wait:?}");
            assert!(
                took > Duration::from_secs(200) && took <= Duration::from_secs(300),
                "{took:?}"
            );
            assert_eq!(asked, 2, "once for users and once for groups, when the wait was over");
            assert_eq!(wrong(&stage), Vec::<String>::new());

            // After half an hour of it somebody was told, and whoever asks is told the same at once.
            throttle(&stage, 10_000);
            stage.pass(Duration::from_secs(1800)).await;
            let (took, asked) = ask(&stage, &door).await;
            assert_eq!((took, asked), (Duration::ZERO, 0));
            let codes = door.visit(|engine| {
                engine.source_troubles().values().map(|one| one.code).collect::<Vec<_>>()
            });
            assert_eq!(codes.await.unwrap(), [75, 75]);
            stage.lock().entra.faults = Faults::default();
            stage.pass(Duration::from_secs(400)).await;
            let (took, _) = ask(&stage, &door).await;
            assert!(took < Duration::from_secs(5), "{took:?}");
        };
        serve_while(&stage, &mut engine, people).await;
        assert!(engine.source_troubles().is_empty());
    });
}
