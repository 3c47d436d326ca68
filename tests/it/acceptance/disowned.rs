//! What a state in doubt does not know: who made an account inactive, and what was decided. Nobody gets
//! access back by it, and nothing is made that a person has yet to decide, or has decided against.

use manntall::clock::Clock;
use manntall::core::judge::{Claims, Guard, Hold, Rejection};
use manntall::core::model::{AttrPath, ByHand, Datum, Entity, Link};
use manntall::core::policy::Budget;
use manntall::cycle::Engine;
use manntall::cycle::records::Pause;
use manntall::sim::platform::Twins;
use manntall::sim::world::{Event, ObjectId};
use manntall::store::memory::{MemoryStore, Snapshot};
use manntall::transport::{Method, Response};
use serde_json::json;

use super::drift::{entity, patch, user};
use super::{active, assert_right, entitled, happen, next_poll, world, writes, writes_since};
use crate::history::{approve_all, runtime, settle};
use crate::stage::{Fate, Stage};

/// What the state is begun with again.
enum Left<'a> {
    /// A backup was put back.
    Backup(&'a Snapshot),
    /// Only the witness is lost.
    All,
    /// Begun anew.
    Nothing,
}

/// Begins again with what is left, in doubt, and goes on until nothing is in doubt any more.
async fn begin_again(stage: &mut Stage, left: Left<'_>) -> Engine {
    match left {
        Left::Backup(backup) => stage.store.restore(backup),
        Left::All => {}
        Left::Nothing => stage.store = MemoryStore::new(),
    }
    stage.store = stage.store.reopen();
    stage.store.cast_doubt("of a test");
    next_poll(stage).await;
    let mut engine = stage.engine().unwrap();
    stage.drive(&mut engine).await.unwrap();
    assert_eq!(engine.state().recovery, None);
    engine
}

fn set_active(stage: &Stage, person: ObjectId, is_active: bool) {
    let path = user(stage, person);
    patch(stage, &path, &json!({ "op": "replace", "path": "active", "value": is_active }));
}

fn deactivate(stage: &Stage, engine: &mut Engine, person: ObjectId) {
    let Entity::Account(of) = entity(person) else { unreachable!() };
    let (by, at) = ("kari".into(), stage.clock.now());
    engine.deactivate(of, ByHand { by, at, reason: "lost telephone".to_owned() });
}

/// The holds of accounts that are inactive, and whose they are.
fn inactive_of(engine: &Engine) -> Vec<Entity> {
    let holds = engine.holds().iter().filter(|hold| hold.meter.guard == Guard::Inactive);
    holds.flat_map(Hold::entities).cloned().collect()
}

/// Whoever was made inactive stays so, told and held, until somebody approves it.
async fn stays_inactive(stage: &Stage, engine: &mut Engine, person: ObjectId, case: &str) {
    assert_eq!(active(stage, person), Some(false), "{case}: access given back unasked");
    assert_eq!(inactive_of(engine), [entity(person)], "{case}");
    let report = engine.report().target;
    assert_eq!((report.disabled, report.drift), (1, 1), "{case}: told in figures");
    let change = &engine.planner().changes().get(&entity(person)).unwrap();
    assert!(change.reason.contains("by somebody else"), "{case}: {}", change.reason);
    // Neither what else is written to the account nor a comparison gives it back.
    let (name, value) = ("jobTitle".into(), json!("Sjef"));
    happen(stage, Event::SetProperty { user: person, name, value });
    next_poll(stage).await;
    stage.drive(engine).await.unwrap();
    for _ in 0..3 {
        stage.pass(stage.timing.full_compare).await;
        stage.drive(engine).await.unwrap();
        assert_eq!(inactive_of(engine), [entity(person)], "{case}: later");
        assert_eq!(engine.report().target.disabled, 1, "{case}: later");
    }
    assert_eq!(active(stage, person), Some(false), "{case}: access given back later");
}

#[test]
fn whoever_was_made_inactive_by_others_stays_so_after_a_doubt() {
    runtime().block_on(async {
        for case in ["restored", "without a witness"] {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let person = entitled(&stage)[0];
            set_active(&stage, person, false);
            let backup = stage.store.snapshot();
            drop(engine);
            let left = if case == "restored" { Left::Backup(&backup) } else { Left::All };
            let mut engine = begin_again(&mut stage, left).await;
            stays_inactive(&stage, &mut engine, person, case).await;
            approve_all(&stage, &mut engine);
            stage.drive(&mut engine).await.unwrap();
            assert_right(&stage, case);
            assert_eq!(engine.report().target.disabled, 0, "{case}: activated");
        }
    });
}

#[test]
fn a_deactivation_by_hand_that_the_state_has_lost_is_not_taken_back() {
    runtime().block_on(async {
        for case in ["begun anew", "last night's backup"] {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let backup = stage.store.snapshot();
            let people = entitled(&stage);
            let (person, leaver) = (people[0], people[1]);
            happen(&stage, Event::Disable { user: leaver });
            next_poll(&stage).await;
            deactivate(&stage, &mut engine, person);
            stage.drive(&mut engine).await.unwrap();
            assert_eq!([person, leaver].map(|one| active(&stage, one)), [Some(false); 2]);
            drop(engine);
            let before = writes(&stage);
            let left = if case == "begun anew" { Left::Nothing } else { Left::Backup(&backup) };
            let mut engine = begin_again(&mut stage, left).await;
            let made = writes_since(&stage, before);
            // A leaver is deactivated at once, be it for the second time.
            let leaver = user(&stage, leaver);
            let mut touched = made.iter().filter(|write| write.summary.contains("active"));
            assert!(touched.all(|write| write.target == leaver), "{case}: {made:?}");
            stays_inactive(&stage, &mut engine, person, case).await;
            // Somebody activates it on the platform: that ends it.
            set_active(&stage, person, true);
            stage.pass(stage.timing.full_compare).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(inactive_of(&engine), [], "{case}: activated there");
            assert_right(&stage, case);
        }
    });
}

#[test]
fn of_a_state_in_doubt_no_deactivation_is_taken_back_that_it_made_itself() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let person = entitled(&stage)[0];
        happen(&stage, Event::Disable { user: person });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        let backup = stage.store.snapshot();
        drop(engine);
        // They came back, and were deactivated by hand: of neither the backup knows.
        happen(&stage, Event::Enable { user: person });
        let mut engine = begin_again(&mut stage, Left::Backup(&backup)).await;
        stays_inactive(&stage, &mut engine, person, "deactivated before the backup").await;
    });
}

#[test]
fn an_account_that_is_found_again_inactive_stays_so() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let person = entitled(&stage)[0];
        let Entity::Account(of) = entity(person) else { unreachable!() };
        let id = user(&stage, person).trim_start_matches("Users/").to_owned();
        set_active(&stage, person, false);
        stage.lock().platform.faults.unfindable.insert(id);
        // While nothing is written nobody makes another one.
        engine.state_mut().pause(Pause {
            by: "kari".to_owned(),
            at: stage.clock.now(),
            reason: None,
        });
        for _ in 0..2 {
            stage.pass(stage.timing.full_compare).await;
            stage.drive(&mut engine).await.unwrap();
        }
        let link = engine.state().ledger.accounts[&of].link.clone();
        assert!(matches!(link, Link::Gone(_)), "nothing was concluded: {link:?}");
        stage.lock().platform.faults.unfindable.clear();
        stage.pass(stage.timing.full_compare).await;
        stage.drive(&mut engine).await.unwrap();
        engine.state_mut().resume("kari");
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(active(&stage, person), Some(false), "access given back unasked");
        assert_eq!(inactive_of(&engine), [entity(person)]);
    });
}

#[test]
fn what_waits_or_was_rejected_is_not_made_by_a_doubt() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        let people = entitled(&stage)[..30].to_vec();
        for (number, person) in people.iter().enumerate() {
            let mut inner = stage.lock();
            let name = inner.world.users()[person].text("userPrincipalName").unwrap().to_owned();
            let account = json!({
                "userName": name, "externalId": person.to_string(), "active": number > 0,
            });
            inner.platform.insert_user(&account, Twins::Refused).unwrap();
        }
        let mut engine = stage.engine().unwrap();
        stage.drive(&mut engine).await.unwrap();
        let waiting = |engine: &Engine| {
            let mut holds: Vec<_> = engine.holds().iter().map(|hold| hold.claims.clone()).collect();
            holds.sort();
            holds
        };
        assert_eq!(inactive_of(&engine), [entity(people[0])]);
        let adoptions = engine.holds().iter().filter(|hold| hold.meter.guard == Guard::Adopt);
        let claims: Claims = adoptions.flat_map(|hold| hold.claims.clone()).collect();
        assert_eq!(claims.len(), 29);
        let (by, at) = ("kari".into(), stage.clock.now());
        engine.state_mut().reject(Rejection { claims, by, at });
        stage.drive(&mut engine).await.unwrap();
        let held = waiting(&engine);
        let backup = stage.store.snapshot();
        drop(engine);
        for left in [Left::Backup(&backup), Left::All] {
            let before = writes(&stage);
            let mut engine = begin_again(&mut stage, left).await;
            assert_eq!(writes(&stage), before, "made undecided");
            assert_eq!(waiting(&engine), held, "the same waits");
            let adopt = engine.holds().iter().find(|hold| hold.meter.guard == Guard::Adopt);
            assert!(adopt.is_some_and(|hold| hold.rejected.is_some()), "rejected still");
            stage.pass(stage.timing.full_compare).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(writes(&stage), before, "made a day later");
        }
        let active = AttrPath::active();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "once it is approved");
        let entries = engine.state().ledger.accounts.values();
        assert!(entries.into_iter().all(|one| one.sent.get(&active) == Some(&Datum::Bool(true))));
    });
}

/// Its listing leaves the account out, and the account cannot be read by its id either.
#[test]
fn nobody_has_access_again_because_the_account_cannot_be_read_in_a_doubt() {
    runtime().block_on(async {
        for is_told in [false, true] {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let person = entitled(&stage)[0];
            set_active(&stage, person, false);
            if is_told {
                stage.pass(stage.timing.full_compare).await;
                stage.drive(&mut engine).await.unwrap();
                assert_eq!(engine.report().target.disabled, 1);
            }
            drop(engine);
            let path = user(&stage, person);
            let id = path.rsplit('/').next().unwrap().to_owned();
            stage.lock().platform.faults.hidden_ids.insert(id.clone());
            stage.lock().meddler = Some(Box::new(move |request| {
                let is_read = request.method == Method::Get && request.url.path().ends_with(&id);
                let body = r#"{"detail":"not to you","status":"401"}"#.into();
                let answer = Response { status: 401, headers: Vec::new(), body };
                is_read.then_some(Fate::Answer(answer))
            }));
            let from = writes(&stage);
            let mut engine = begin_again(&mut stage, Left::All).await;
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage, person), Some(false), "told: {is_told}");
            let sent = writes_since(&stage, from);
            let activates = sent.iter().any(|write| write.summary.contains("active"));
            assert!(!activates, "told: {is_told}: {sent:?}");
        }
    });
}

#[test]
fn whoever_was_not_to_come_back_does_not_by_a_doubt_over_who_made_them_inactive() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.policy.budgets.reactivate = Budget { basis_points: 0, min: 0, max: Some(0) };
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let person = entitled(&stage)[0];
        for event in [Event::Disable { user: person }, Event::Enable { user: person }] {
            happen(&stage, event);
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
        }
        let claims: Claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
        assert_eq!(claims.len(), 1);
        let (by, at) = ("kari".into(), stage.clock.now());
        engine.state_mut().reject(Rejection { claims, by, at });
        stage.drive(&mut engine).await.unwrap();
        drop(engine);
        let engine = begin_again(&mut stage, Left::All).await;
        assert_eq!(
            (active(&stage, person), inactive_of(&engine)),
            (Some(false), vec![entity(person)])
        );
        let hold = engine.holds().iter().find(|hold| hold.meter.guard == Guard::Inactive).unwrap();
        assert!(hold.rejected.is_some(), "somebody has said no already");
    });
}
