//! The running service is looked at and told something: what is answered is durable, what is paused
//! sends nothing more, and an order for one person goes before everything else.

use std::sync::Arc;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::derive::Entitlement;
use manntall::core::model::{self, ByHand, Entity, PersonId, SourceName};
use manntall::cycle::door::{Door, Shut, door};
use manntall::cycle::records::Pause;
use manntall::cycle::state::State;
use manntall::cycle::{Ended, Engine, Until};
use manntall::daemon::notify::Notifier;
use manntall::daemon::{self, Hangups, ServiceError, Shell, Signals};
use manntall::sim::world::{Event, ObjectId};
use tokio::sync::watch;

use super::{active, assert_right, entitled, happen, next_poll, world, writes};
use crate::history::runtime;
use crate::stage::Stage;

/// Drives a service for as long as the script takes.
async fn serve<T>(stage: &Stage, engine: &mut Engine, script: impl AsyncFnOnce(Door) -> T) -> T {
    let (door, visits) = door();
    engine.open(visits);
    let (stop, mut stopped) = watch::channel(false);
    let writer = stage.writer();
    let driven = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
    let script = async {
        let result = script(door).await;
        stop.send(true).unwrap();
        result
    };
    let (ended, result) = futures_util::future::join(driven, script).await;
    assert_eq!(ended.unwrap(), Ended::Stopped);
    result
}

fn person(id: ObjectId) -> PersonId {
    let object = model::ObjectId::parse(&id.to_string()).unwrap();
    PersonId { source: SourceName::new("asker"), object }
}

fn word(stage: &Stage) -> ByHand {
    ByHand { by: "kari".into(), at: stage.clock.now(), reason: "ticket 4711".to_owned() }
}

fn pause(stage: &Stage) -> Pause {
    Pause { by: "kari".to_owned(), at: stage.clock.now(), reason: None }
}

/// What a restart would find.
fn stored(stage: &Stage) -> State {
    State::load(Arc::new(stage.store.clone()), stage.clock.now()).unwrap()
}

fn requests_to(stage: &Stage, host: &str) -> usize {
    stage.lock().trace.iter().filter(|line| line.contains(host)).count()
}

/// An import that takes five minutes, and somebody who has an account already.
async fn importing(stage: &Stage) -> ObjectId {
    while stage.lock().platform.users().count() < 30 {
        stage.pass(Duration::from_secs(1)).await;
    }
    entitled(stage).into_iter().find(|id| active(stage, *id) == Some(true)).unwrap()
}

fn slow() -> Stage {
    let mut stage = Stage::new(world(1_500, 10, 0), 1);
    stage.requests_per_second = 5.0;
    stage.lock().chaos.latency_ms = 2_000;
    stage
}

#[test]
fn what_a_visit_changed_is_durable_when_it_is_answered() {
    runtime().block_on(async {
        let stage = slow();
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            importing(&stage).await;
            let word = pause(&stage);
            let expected = word.clone();
            door.visit(move |engine| engine.state_mut().pause(word)).await.unwrap();
            assert_eq!(stored(&stage).paused, Some(expected));
        })
        .await;
    });
}

#[test]
fn nobody_answers_once_the_engine_is_gone() {
    runtime().block_on(async {
        let stage = Stage::new(world(20, 2, 20), 1);
        let mut engine = stage.engine().unwrap();
        let outside = serve(&stage, &mut engine, async |door| door).await;
        let waits = outside.visit(|_| ());
        drop(engine);
        assert_eq!(waits.await, Err(Shut { why: None }));
    });
}

#[test]
fn a_pause_stops_before_the_next_write_and_survives_a_restart() {
    runtime().block_on(async {
        let stage = slow();
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            importing(&stage).await;
            let word = pause(&stage);
            door.visit(move |engine| engine.state_mut().pause(word)).await.unwrap();
            let before = writes(&stage);
            // What was in flight comes to its end, and that is all.
            stage.pass(Duration::from_secs(3)).await;
            let at_rest = writes(&stage);
            assert!(at_rest <= before + 8, "{before} {at_rest}");
            let polls = requests_to(&stage, "GET https://graph.example.no");
            stage.pass(Duration::from_secs(300)).await;
            assert_eq!(writes(&stage), at_rest);
            assert!(
                requests_to(&stage, "GET https://graph.example.no") >= polls + 8,
                "polling goes on"
            );
        })
        .await;
        drop(engine);

        let before = writes(&stage);
        let mut engine = stage.sync().await.unwrap();
        assert_eq!(writes(&stage), before, "a sync ends without a write");
        assert!(!engine.planner().changes().is_empty());

        serve(&stage, &mut engine, async |door| {
            door.visit(|engine| engine.state_mut().resume("kari")).await.unwrap();
        })
        .await;
        let mut fast = stage.clone();
        fast.requests_per_second = 1_000.0;
        fast.sync().await.unwrap();
        assert_right(&fast, "after the pause");
    });
}

#[test]
fn an_order_goes_before_a_thousand_creates_and_stays_until_it_is_lifted() {
    runtime().block_on(async {
        let stage = slow();
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            let target = importing(&stage).await;
            let word = word(&stage);
            let began = stage.clock.elapsed();
            door.visit(move |engine| engine.deactivate(person(target), word)).await.unwrap();
            while active(&stage, target) == Some(true) {
                stage.pass(Duration::from_millis(100)).await;
            }
            let took = stage.clock.elapsed().saturating_sub(began);
            assert!(took <= Duration::from_secs(4), "{took:?}");
            next_poll(&stage).await;
            next_poll(&stage).await;
            assert_eq!(active(&stage, target), Some(false), "Entra still says enabled");

            let journal = door.visit(|engine| engine.state().journal()).await.unwrap().unwrap();
            let entity = Entity::Account(person(target));
            let line = journal.iter().rfind(|record| record.entity == entity).unwrap();
            assert_eq!(line.approved_by.as_deref(), Some("kari"));
            assert!(line.reason.contains("ticket 4711"), "{}", line.reason);
            assert!(line.meters.is_empty(), "outside the budgets");

            door.visit(move |engine| engine.lift(person(target), "kari")).await.unwrap();
            while active(&stage, target) == Some(false) {
                stage.pass(Duration::from_secs(60)).await;
            }
        })
        .await;
    });
}

#[test]
fn an_order_is_carried_out_while_paused_and_while_entra_is_silent() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 2, 60), 1);
        drop(stage.sync().await.unwrap());
        let target = entitled(&stage)[7];
        stage.lock().entra.faults.forbidden = true;
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            let (word, paused) = (word(&stage), pause(&stage));
            door.visit(move |engine| engine.state_mut().pause(paused)).await.unwrap();
            let before = writes(&stage);
            door.visit(move |engine| engine.deactivate(person(target), word)).await.unwrap();
            stage.pass(Duration::from_secs(5)).await;
            assert_eq!(active(&stage, target), Some(false));
            assert_eq!(writes(&stage), before + 1, "that and nothing else");
        })
        .await;
        // Forgotten by nobody: another process finds the order as well.
        let engine = stage.engine().unwrap();
        assert!(engine.state().ledger.by_hand.contains_key(&person(target)));
        let plan = engine.plan_from_all();
        assert!(
            matches!(&plan.entitlements()[&person(target)], Entitlement::Out(why) if why.contains("kari"))
        );
    });
}

#[test]
fn a_visitor_who_asks_for_a_poll_waits_for_no_interval() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 2, 60), 1);
        stage.timing.poll_interval = Duration::from_secs(3600);
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            let settled = async |door: Door| {
                let mut asked = false;
                let look = move |engine: &mut Engine| {
                    if !std::mem::replace(&mut asked, true) {
                        engine.poll_now();
                    }
                    engine.is_settled().then(|| engine.tally().done.clone())
                };
                door.stay(look).await.unwrap()
            };
            settled(door.clone()).await;
            let leaver = entitled(&stage)[3];
            happen(&stage, Event::Disable { user: leaver });
            let began = stage.clock.elapsed();
            let done = settled(door.clone()).await;
            assert_eq!(done["deactivate"], 1);
            assert_eq!(active(&stage, leaver), Some(false));
            let took = stage.clock.elapsed().saturating_sub(began);
            assert!(took < Duration::from_secs(5), "{took:?}");
        })
        .await;
    });
}

#[test]
fn a_night_of_sleep_is_followed_by_one_cycle_and_no_burst() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 2, 60), 1);
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |_door| {
            stage.pass(Duration::from_secs(150)).await;
            let before = requests_to(&stage, "GET https://graph.example.no");
            tokio::time::advance(Duration::from_secs(9 * 3600)).await;
            stage.pass(Duration::from_secs(30)).await;
            let after = requests_to(&stage, "GET https://graph.example.no");
            assert_eq!(after - before, 2, "one poll of users and one of groups");
        })
        .await;
    });
}

#[test]
fn a_bug_in_the_loop_ends_the_service_and_is_said() {
    // Signals come through the runtime's own I/O.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::new(world(20, 2, 20), 1);
        let mut engine = stage.engine().unwrap();
        let (door, visits) = door();
        engine.open(visits);
        door.leave_word(|_| panic!("a bug"));
        let mut signals = Signals::take().unwrap();
        let mut hangups = Hangups::take().unwrap();
        let mut shell = Shell {
            clock: stage.clock.as_ref(),
            signals: &mut signals,
            hangups: &mut hangups,
            notifier: Notifier::new(false),
        };
        let writer = stage.writer();
        let beside = std::pin::pin!(std::future::pending());
        let served = daemon::serve(&mut engine, &writer, &mut shell, || None::<()>, beside).await;
        assert!(matches!(served, Err(ServiceError::Panic(words)) if words == "a bug"));
    });
}

#[test]
fn a_request_that_never_ends_is_seen_although_the_loop_turns() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 2, 60), 1);
        drop(stage.sync().await.unwrap());
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, async |door| {
            stage.pass(Duration::from_secs(100)).await;
            let longest = door.visit(|engine| engine.longest_in_flight()).await.unwrap();
            assert_eq!(longest, None, "nothing is on its way between two polls");
            stage.lock().chaos.latency_ms = 3_600_000;
            stage.pass(Duration::from_secs(1800)).await;
            let longest = door.visit(|engine| engine.longest_in_flight()).await.unwrap();
            assert!(longest.is_some_and(|span| span > Duration::from_secs(1700)), "{longest:?}");
        })
        .await;
    });
}
