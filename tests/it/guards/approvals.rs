//! An approval is good for one change of each thing that it lists, and can be taken back until that is made.

use std::time::Duration;

use manntall::core::judge::{Approval, Rejection};
use manntall::cycle::Engine;
use manntall::sim::world::Event;

use super::{active, disable, enable, happen, held, next, now, restart, town, writes, wrong};
use crate::history::{approve_all, runtime};
use crate::stage::Stage;

const PEOPLE: usize = 12;

fn unmade(stage: &Stage, engine: &Engine) -> usize {
    engine.state().unmade(now(stage)).map(|approval| approval.claims.len()).sum()
}

#[test]
fn each_accident_waits_for_a_word_of_its_own() {
    runtime().block_on(async {
        for restarts in [false, true] {
            let (stage, mut engine) = town(60).await;
            let before = active(&stage);
            for accident in 0..3 {
                let people = disable(&stage, PEOPLE);
                next(&stage, &mut engine).await;
                assert_eq!(held(&engine), [("budget.deactivate", 12)], "{accident}");
                assert_eq!(active(&stage), before, "nobody has approved accident {accident}");
                approve_all(&stage, &mut engine);
                assert_eq!(unmade(&stage, &engine), PEOPLE);
                if restarts {
                    engine.state_mut().commit().unwrap();
                    engine = stage.engine().unwrap();
                }
                stage.drive(&mut engine).await.unwrap();
                if restarts {
                    engine = restart(&stage).await;
                }
                assert_eq!((active(&stage), unmade(&stage, &engine)), (before - PEOPLE, 0));
                enable(&stage, &people);
                next(&stage, &mut engine).await;
                assert_eq!(held(&engine), [("budget.reactivate", 12)], "{accident}");
                assert_eq!(active(&stage), before - PEOPLE, "{accident}");
                approve_all(&stage, &mut engine);
                stage.drive(&mut engine).await.unwrap();
                assert_eq!((active(&stage), wrong(&stage)), (before, vec![]), "{accident}");
            }
        }
    });
}

#[test]
fn what_was_approved_and_is_not_wanted_any_more_is_held_when_it_comes_again() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let before = active(&stage);
        let people = disable(&stage, PEOPLE);
        next(&stage, &mut engine).await;
        approve_all(&stage, &mut engine);
        // All but one are enabled again before anything was made, as by whoever mends the accident.
        enable(&stage, &people[1..]);
        engine.state_mut().commit().unwrap();
        stage.pass(Duration::from_secs(61)).await;
        engine = restart(&stage).await;
        assert_eq!((active(&stage), held(&engine)), (before - 1, vec![]));
        assert_eq!(unmade(&stage, &engine), 0);
        for user in &people[1..] {
            happen(&stage, Event::Disable { user: *user });
        }
        next(&stage, &mut engine).await;
        assert_eq!((active(&stage), held(&engine)), (before - 1, vec![("budget.deactivate", 11)]));
    });
}

#[test]
fn what_is_approved_and_not_made_yet_can_be_taken_back() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let before = active(&stage);
        disable(&stage, PEOPLE);
        next(&stage, &mut engine).await;
        approve_all(&stage, &mut engine);
        let claims = engine.state().unmade(now(&stage)).next().unwrap().claims.clone();
        let sent = writes(&stage);
        engine.state_mut().reject(Rejection { claims, by: "per".into(), at: now(&stage) });
        assert_eq!(unmade(&stage, &engine), 0);
        engine.state_mut().commit().unwrap();
        for _ in 0..2 {
            next(&stage, &mut engine).await;
            assert_eq!((active(&stage), writes(&stage)), (before, sent));
            assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
            engine = restart(&stage).await;
        }
        assert_eq!(unmade(&stage, &engine), 0);
    });
}

/// A word about everything that is held, good for so long.
fn approve_for(stage: &Stage, engine: &mut Engine, span: Duration) {
    let at = now(stage);
    let claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
    engine.approve(Approval { claims, by: "kari".into(), at, until: at.plus(span), hold: None });
}

/// Half of what was approved is made by the end of the approval, which is told to nobody.
#[test]
fn what_is_not_sent_by_the_end_of_its_approval_waits_again() {
    runtime().block_on(async {
        let (mut stage, mut engine) = town(60).await;
        let before = active(&stage);
        disable(&stage, 9);
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.deactivate", 9)]);
        engine.state_mut().commit().unwrap();
        // From now on one request every ten seconds: a read of the platform, then the first deactivations.
        stage.requests_per_second = 0.1;
        engine = restart(&stage).await;
        approve_for(&stage, &mut engine, Duration::from_secs(45));
        stage.drive(&mut engine).await.unwrap();
        let made = before - active(&stage);
        assert!((1..9).contains(&made), "{made}");
        let left = u64::try_from(9 - made).unwrap();
        assert_eq!(held(&engine), [("budget.deactivate", left)]);
        assert_eq!(engine.report().target.pending.values().sum::<u64>(), 0);
        // They are not made later either, and a new word is good for them.
        for _ in 0..2 {
            next(&stage, &mut engine).await;
            assert_eq!((before - active(&stage), unmade(&stage, &engine)), (made, 0));
        }
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((before - active(&stage), held(&engine)), (9, vec![]));
    });
}
