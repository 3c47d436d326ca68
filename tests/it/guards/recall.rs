//! What people have said outlives the state that they said it to: a backup is put back, and their words are
//! taken over from the state that gives way.

use std::sync::Arc;
use std::time::Duration;

use manntall::core::judge::{Claims, Guard, Rejection};
use manntall::core::model::{ByHand, PersonId, SourceName};
use manntall::cycle::Engine;
use manntall::cycle::guards::Announcement;
use manntall::cycle::records::Pause;
use manntall::cycle::state::{State, Words};
use manntall::sim::world::{Event, ObjectId};
use manntall::store::memory::Snapshot;

use super::{active, disable, enable, entitled, happen, held, next, now, town, writes};
use crate::history::{approve_all, runtime};
use crate::stage::Stage;

/// Puts a backup back, as the command does.
async fn put_back(
    stage: &mut Stage,
    backup: &Snapshot,
    recall: impl FnOnce(&mut State, Words),
) -> Engine {
    let load = |stage: &Stage| State::load(Arc::new(stage.store.clone()), now(stage)).unwrap();
    stage.store = stage.store.reopen();
    let words = load(stage).words();
    stage.store.restore(backup);
    let mut restored = load(stage);
    restored.enter_recovery(now(stage), "of a test");
    recall(&mut restored, words);
    restored.commit().unwrap();
    let mut engine = stage.engine().unwrap();
    next(stage, &mut engine).await;
    assert_eq!(engine.state().recovery, None);
    engine
}

fn pause(stage: &Stage, by: &str) -> Pause {
    Pause { by: by.to_owned(), at: now(stage), reason: None }
}

fn person(object: ObjectId) -> PersonId {
    let object = manntall::core::model::ObjectId::parse(&object.to_string()).unwrap();
    PersonId { source: SourceName::new("asker"), object }
}

fn deactivate(stage: &Stage, engine: &mut Engine, object: ObjectId) {
    let (by, at) = ("kari".into(), now(stage));
    engine.deactivate(person(object), ByHand { by, at, reason: "lost telephone".to_owned() });
}

fn reject_all(stage: &Stage, engine: &mut Engine) {
    let claims: Claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
    engine.state_mut().reject(Rejection { claims, by: "per".into(), at: now(stage) });
}

#[test]
fn what_was_said_since_the_backup_outlives_it() {
    runtime().block_on(async {
        let (mut stage, mut engine) = town(60).await;
        let people = entitled(&stage);
        let (lifted, ordered) = (people[40], people[41]);
        deactivate(&stage, &mut engine, lifted);
        next(&stage, &mut engine).await;
        let backup = stage.store.snapshot();
        // Entra decides again about one, and another is deactivated.
        engine.lift(person(lifted), "kari");
        deactivate(&stage, &mut engine, ordered);
        // Six leavers by accident, of whom three come back; their departure was rejected.
        let leavers = disable(&stage, 6);
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.deactivate", 6)]);
        reject_all(&stage, &mut engine);
        next(&stage, &mut engine).await;
        enable(&stage, &leavers[..3]);
        engine.state_mut().pause(pause(&stage, "kari"));
        engine.state_mut().commit().unwrap();
        drop(engine);
        let (before, sent) = (active(&stage), writes(&stage));

        let mut engine = put_back(&mut stage, &backup, State::recall).await;
        assert_eq!(writes(&stage), sent, "written while paused");
        assert_eq!(engine.state().paused.as_ref().map(|pause| &*pause.by), Some("kari"));
        engine.state_mut().resume("kari");
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), before, "what was rejected is not made, nor what was lifted");
        assert_eq!(held(&engine), [("budget.deactivate", 3)]);
        assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
        let orders: Vec<_> = engine.state().ledger.by_hand.keys().copied().collect();
        assert_eq!(orders, [person(ordered)]);
    });
}

#[test]
fn what_was_used_up_since_the_backup_stays_so() {
    runtime().block_on(async {
        for is_known in [true, false] {
            let (mut stage, mut engine) = town(60).await;
            let before = active(&stage);
            let until = now(&stage).plus(Duration::from_secs(7 * 24 * 3_600));
            let (guard, by, reason) = (Guard::Deactivate, "kari".into(), "term ends".to_owned());
            engine.allow(Announcement { guard, count: 6, until, by, reason });
            let people = disable(&stage, 12);
            next(&stage, &mut engine).await;
            assert_eq!(held(&engine), [("budget.deactivate", 12)]);
            approve_all(&stage, &mut engine);
            engine.state_mut().commit().unwrap();
            // All of it is permitted, and nothing made yet.
            let backup = stage.store.snapshot();
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage), before - 12);
            enable(&stage, &people);
            next(&stage, &mut engine).await;
            approve_all(&stage, &mut engine);
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage), before);
            engine.state_mut().revoke(1, "kari".into(), now(&stage));
            engine.state_mut().commit().unwrap();
            drop(engine);
            // The same people are disabled once more, by another accident.
            disable(&stage, 12);
            let resumed = pause(&stage, "kari");
            let engine = put_back(&mut stage, &backup, |state, words| {
                if is_known {
                    return state.recall(words);
                }
                state.recall_some(None, resumed.clone());
                state.resume("kari");
            });
            let engine = engine.await;
            assert_eq!((active(&stage), held(&engine)), (before, vec![("budget.deactivate", 12)]));
            assert_eq!(engine.state().open_windows(now(&stage)), []);
            assert_eq!(engine.state().unmade(now(&stage)).count(), 0);
        }
    });
}

#[test]
fn where_not_all_that_was_said_is_known_whatever_forbids_counts_and_nothing_is_written() {
    runtime().block_on(async {
        let (mut stage, mut engine) = town(60).await;
        let people = entitled(&stage);
        let (before_it, after_it) = (people[40], people[41]);
        deactivate(&stage, &mut engine, before_it);
        let leavers = disable(&stage, 12);
        next(&stage, &mut engine).await;
        reject_all(&stage, &mut engine);
        next(&stage, &mut engine).await;
        let backup = stage.store.snapshot();
        deactivate(&stage, &mut engine, after_it);
        happen(&stage, Event::Disable { user: people[42] });
        next(&stage, &mut engine).await;
        let sent = writes(&stage);
        for knows_some in [true, false] {
            let stops = pause(&stage, "kari");
            let mut engine = put_back(&mut stage, &backup, |state, words| {
                state.recall_some(knows_some.then_some(words), stops.clone());
            })
            .await;
            assert_eq!(writes(&stage), sent, "written while paused");
            assert_eq!(engine.state().paused, Some(stops), "somebody has to look first");
            let orders = &engine.state().ledger.by_hand;
            assert!(orders.contains_key(&person(before_it)));
            assert_eq!(orders.contains_key(&person(after_it)), knows_some);
            engine.state_mut().resume("kari");
            next(&stage, &mut engine).await;
            let shown = |one: &ObjectId| crate::acceptance::active(&stage, *one);
            assert!(leavers.iter().all(|one| shown(one) == Some(true)), "rejected before it");
            assert_eq!([before_it, after_it].map(|one| shown(&one)), [Some(false); 2]);
        }
    });
}

#[test]
fn what_was_said_may_be_missing_only_from_before_a_doubt() {
    runtime().block_on(async {
        let (mut stage, engine) = town(20).await;
        drop(engine);
        let backup = stage.store.snapshot();
        let made = now(&stage);
        stage.pass(Duration::from_secs(60)).await;
        let reach = |engine: &Engine| engine.state().words().reach_back_to(made);
        let engine = put_back(&mut stage, &backup, State::recall).await;
        assert!(reach(&engine), "all of it was taken over");
        drop(engine);
        stage.store.cast_doubt("it has gone back in time");
        let engine = stage.engine().unwrap();
        assert!(!reach(&engine), "nobody knows what was lost");
        drop(engine);
        // That is not forgotten, whatever is put back in its place.
        let engine = put_back(&mut stage, &backup, State::recall).await;
        assert!(!reach(&engine));
        assert!(engine.state().words().reach_back_to(now(&stage)));
    });
}
