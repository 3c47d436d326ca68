//! Trials: of a large approval three are made first and read back, and the rest only then.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::audit::DecisionKind;
use manntall::core::judge::Stage as Step;
use manntall::core::model::Link;
use manntall::cycle::Engine;
use manntall::sim::platform::Kind;
use manntall::sim::platform::fault::{Fault, Matcher, PathKind};
use manntall::sim::world::{Event, ObjectId};

use super::{active, disable, entitled, happen, held, next, town, trips, wrong};
use crate::history::{approve_all, decisions, runtime};
use crate::stage::{End, Stage};

const LEAVERS: usize = 40;

/// A town where so many leavers are held, and somebody has just approved them.
async fn approved() -> (Stage, Engine, usize) {
    let (stage, mut engine) = town(300).await;
    let before = active(&stage);
    disable(&stage, LEAVERS);
    next(&stage, &mut engine).await;
    assert_eq!(held(&engine), [("budget.deactivate", LEAVERS as u64)]);
    stage.lock().trace.clear();
    stage.lock().chaos.latency_ms = 20;
    approve_all(&stage, &mut engine);
    (stage, engine, before)
}

/// So many changes of accounts meet this.
fn break_changes(stage: &Stage, count: usize, fault: &Fault) {
    let changes = Matcher::of("PATCH", PathKind::Item(Kind::User));
    let faults = &mut stage.lock().platform.faults.fail_next;
    faults.extend(std::iter::repeat_n((changes, fault.clone()), count));
}

/// The changes of accounts and the reads of those that were changed, in the order in which they were sent. The look
/// that goes before a change is left out.
fn story(stage: &Stage) -> String {
    let trace = &stage.lock().trace;
    let mut changed = BTreeSet::new();
    let sent = trace.iter().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (method, url) = (words.next()?, words.next()?);
        if !url.contains("/Users/") {
            return None;
        }
        match method {
            "PATCH" => {
                changed.insert(url);
                Some('P')
            }
            "GET" => changed.contains(url).then_some('G'),
            _ => None,
        }
    });
    sent.collect()
}

fn steps(engine: &Engine) -> Vec<Step> {
    let trials = engine.state().trials.iter().flat_map(|trial| trial.sample.values());
    trials.map(|step| step.stage).collect()
}

/// What is held once more, and why.
fn told(engine: &Engine) -> (u64, String) {
    let hold = &engine.holds()[0];
    assert_eq!((engine.holds().len(), hold.meter.guard.name()), (1, "budget.deactivate"));
    (hold.count, hold.surprise.as_deref().unwrap_or_default().to_owned())
}

#[test]
fn a_large_approval_is_tried_on_three_that_are_read_back_before_the_rest() {
    runtime().block_on(async {
        let (stage, mut engine, before) = approved().await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((active(&stage), wrong(&stage)), (before - LEAVERS, vec![]));
        assert_eq!(story(&stage), format!("PPPGGG{}", "P".repeat(LEAVERS - 3)));
        assert_eq!((steps(&engine), trips(&engine, "trial")), (vec![Step::Read; 3], 0));
        // The next one is tried out by itself; a small one is not.
        stage.lock().trace.clear();
        disable(&stage, 10);
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.deactivate", 10)]);
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(story(&stage), "P".repeat(10));
    });
}

#[test]
fn a_platform_that_confirms_and_does_nothing_is_found_out_by_three() {
    runtime().block_on(async {
        for fault in [Fault::NoOperation, Fault::OnAnother("nobody".to_owned())] {
            let (stage, mut engine, before) = approved().await;
            break_changes(&stage, 3, &fault);
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage), before, "{fault:?}");
            assert!(story(&stage).chars().filter(|method| *method == 'P').count() <= 3);
            let (count, words) = told(&engine);
            // Whoever was said to be active still is stuck by that.
            let stuck = engine.state().ledger.escrow.len();
            assert_eq!(
                (usize::try_from(count).unwrap() + stuck, trips(&engine, "trial")),
                (LEAVERS, 1),
                "{fault:?}"
            );
            assert!(words.contains("active") && words.contains("approve the hold again"));
            // Nothing of it goes by itself, and the others are not kept waiting.
            let sent = story(&stage).len();
            next(&stage, &mut engine).await;
            assert_eq!((active(&stage), story(&stage).len()), (before, sent), "{fault:?}");
            // Mended, and approved once more: three first, as before.
            stage.lock().platform.faults.fail_next.clear();
            engine = stage.engine().unwrap();
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(told(&engine).0, LEAVERS as u64);
            stage.lock().trace.clear();
            stage.pass(Duration::from_secs(60)).await;
            approve_all(&stage, &mut engine);
            stage.drive(&mut engine).await.unwrap();
            assert_eq!((active(&stage), wrong(&stage)), (before - LEAVERS, vec![]), "{fault:?}");
            assert!(story(&stage).starts_with("PPPGGGP"), "{}", story(&stage));
        }
    });
}

#[test]
fn a_platform_that_changes_another_account_is_stopped_after_three() {
    runtime().block_on(async {
        let (stage, mut engine, before) = approved().await;
        let victim = {
            let inner = stage.lock();
            let users = inner.platform.users().filter(|user| user.active());
            users.map(|user| user.id.clone()).last().unwrap()
        };
        break_changes(&stage, 3, &Fault::OnAnother(victim));
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(active(&stage), before - 1);
        assert_eq!(story(&stage), "PPPGGG");
        let (count, words) = told(&engine);
        assert_eq!(count, LEAVERS as u64);
        assert!(
            words.contains("confirmed the change of active, and shows the old value"),
            "{words}"
        );
    });
}

#[test]
fn a_platform_that_deletes_where_it_should_deactivate_loses_three_and_no_more() {
    runtime().block_on(async {
        let (stage, mut engine, before) = approved().await;
        break_changes(&stage, 3, &Fault::DeletesIt);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(active(&stage), before - 3);
        // Whoever had one of them for a manager has none now.
        assert!(story(&stage).starts_with("PPPGGG"), "{}", story(&stage));
        let (count, words) = told(&engine);
        // Whoever is not found for now stays in the hold, and is out of it when another look says the same.
        assert_eq!(count, LEAVERS as u64);
        assert!(words.contains("is not there any more"), "{words}");
        let on_record = decisions(&engine).into_iter().filter(|decision| {
            decision.kind == DecisionKind::Guard
                && decision.detail.contains("is not there any more")
        });
        assert_eq!(on_record.count(), 3);
        stage.pass(stage.timing.confirm_absence).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((active(&stage), told(&engine).0), (before - 3, LEAVERS as u64 - 3));
    });
}

#[test]
fn what_the_target_refuses_gives_way_to_another_one() {
    runtime().block_on(async {
        let (stage, mut engine, before) = approved().await;
        let changes = Matcher::of("PATCH", PathKind::Item(Kind::User));
        let refusals = std::iter::repeat_n((changes, Fault::StatusBefore(400)), 2);
        stage.lock().platform.faults.fail_next.extend(refusals);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((active(&stage), held(&engine)), (before - LEAVERS + 2, vec![]));
        assert_eq!((engine.state().ledger.escrow.len(), trips(&engine, "trial")), (2, 0));
    });
}

#[test]
fn whoever_leaves_meanwhile_does_not_wait_for_the_trial_and_who_comes_back_stays() {
    runtime().block_on(async {
        let (stage, mut engine, before) = approved().await;
        break_changes(&stage, 3, &Fault::NoOperation);
        stage.drive(&mut engine).await.unwrap();
        stage.lock().platform.faults.fail_next.clear();
        // One of those who wait is enabled again, and somebody else leaves.
        let back = *leavers(&stage, &engine).last().unwrap();
        let leaver = *entitled(&stage).last().unwrap();
        happen(&stage, Event::Enable { user: back });
        happen(&stage, Event::Disable { user: leaver });
        stage.pass(Duration::from_secs(61)).await;
        next(&stage, &mut engine).await;
        assert_eq!((active(&stage), told(&engine).0), (before - 1, LEAVERS as u64 - 1));
    });
}

/// Who is disabled in Entra and still has an active account.
fn leavers(stage: &Stage, engine: &Engine) -> Vec<ObjectId> {
    let inner = stage.lock();
    let accounts = engine.state().ledger.accounts.iter();
    let linked = accounts.filter(|(_, entry)| matches!(entry.link, Link::Linked(_)));
    let linked = linked.map(|(person, _)| person.object.to_string());
    let linked: BTreeSet<String> = linked.collect();
    let users = inner.world.users().values().filter(|user| linked.contains(&user.id.to_string()));
    let disabled =
        users.filter(|user| user.properties.get("accountEnabled") == Some(&false.into()));
    disabled.map(|user| user.id).collect()
}

#[test]
fn memberships_are_tried_on_three_too() {
    runtime().block_on(async {
        let (stage, mut engine) = town(300).await;
        let leaving: Vec<(ObjectId, ObjectId)> = {
            let inner = stage.lock();
            let largest = inner.world.groups().values().max_by_key(|group| group.members.len());
            let largest = largest.unwrap();
            largest.members.iter().map(|member| (largest.id, member.id)).collect()
        };
        assert!(leaving.len() > 15, "{}", leaving.len());
        for (group, user) in leaving {
            let _ = stage.lock().world.apply(Event::Leave { group, user });
        }
        next(&stage, &mut engine).await;
        assert!(held(&engine)[0].1 > 10, "{:?}", held(&engine));
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((wrong(&stage), held(&engine)), (vec![], vec![]));
        assert_eq!(steps(&engine), [Step::Read; 3]);
    });
}

#[test]
fn a_trial_goes_on_where_the_process_ended_and_never_makes_more() {
    runtime().block_on(async {
        for end in [End::Unsent, End::Unanswered, End::Unrecorded] {
            for request in 0..9 {
                for harmful in [false, true] {
                    let (mut stage, mut engine, before) = approved().await;
                    engine.state_mut().commit().unwrap();
                    if harmful {
                        break_changes(&stage, 3, &Fault::DeletesIt);
                    }
                    stage.lock().chaos.end_in = Some((request, end));
                    let life = stage.drive(&mut engine);
                    let _ = tokio::time::timeout(Duration::from_secs(900), life).await;
                    drop(engine);
                    stage.store = stage.store.reopen();
                    (stage.lock().chaos.end_in, stage.lock().chaos.ended) = (None, false);
                    let mut engine = stage.engine().unwrap();
                    stage.drive(&mut engine).await.unwrap();
                    let what = format!("{end:?} {request} {harmful}");
                    if harmful {
                        assert_eq!(active(&stage), before - 3, "{what}");
                        assert_eq!(told(&engine).0, LEAVERS as u64, "{what}");
                    } else {
                        assert_eq!(
                            (active(&stage), wrong(&stage)),
                            (before - LEAVERS, vec![]),
                            "{what}"
                        );
                        assert_eq!(trips(&engine, "trial"), 0, "{what}");
                    }
                }
            }
        }
    });
}
