//! Listings that do not tell everything, and look-ups that are not answered: nobody is made twice.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::sim::platform::stubborn::Kept;
use manntall::sim::platform::{Personality, Platform, PlatformOptions, Quirk, Twins};
use manntall::sim::world::{Event, ObjectId};
use manntall::store::memory::MemoryStore;
use serde_json::json;

use super::trial::{Trial, hire};
use crate::acceptance::{
    active, assert_right, entitled, happen, next_poll, world, writes, writes_since,
};
use crate::history::{runtime, settle};
use crate::stage::{SCIM, Stage};

fn stage_with(quirks: &[Quirk]) -> Stage {
    let mut stage = Stage::new(world(60, 8, 200), 1);
    stage.policy.adopt = Adopt::Automatic;
    let token = stage.lock().platform.options().token.clone();
    let mut options = PlatformOptions::new(Personality::Strict, SCIM, token);
    options.seed = 1;
    options.page_size_max = 20;
    options.quirks.extend(quirks.iter().cloned());
    stage.lock().platform = Platform::new(options);
    stage
}

async fn import(stage: &Stage) -> Engine {
    let mut engine = stage.engine().unwrap();
    settle(stage, &mut engine).await;
    assert_right(stage, "after the first import");
    engine
}

fn posts(stage: &Stage, from: usize, target: &str) -> usize {
    let writes = writes_since(stage, from);
    writes.iter().filter(|write| write.method == "POST" && write.target == target).count()
}

#[test]
fn s2_a_listing_that_is_not_whole_makes_nobody_twice_when_the_state_is_lost() {
    for quirks in [
        vec![Quirk::ListsNoMoreThan(20)],
        vec![Quirk::StartIgnored],
        vec![Quirk::TotalAlways(20)],
        vec![Quirk::TotalAlways(20), Quirk::ListsNoMoreThan(40), Quirk::NewestFirst],
        vec![Quirk::StartIgnored, Quirk::TotalAlways(20), Quirk::NewestFirst],
        // A listing that ends early, and announces no more than it tells.
        vec![Quirk::TotalAlways(20), Quirk::ListsNoMoreThan(20)],
        vec![Quirk::TotalAlways(0), Quirk::ListsNoMoreThan(0)],
    ] {
        runtime().block_on(async {
            let mut stage = stage_with(&quirks);
            drop(import(&stage).await);
            let leaver = entitled(&stage)[0];
            happen(&stage, Event::Disable { user: leaver });
            let before = writes(&stage);
            let accounts = stage.lock().platform.users().count();
            stage.store = MemoryStore::new();
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let made = posts(&stage, before, "Users") + posts(&stage, before, "Groups");
            assert_eq!(made, 0, "a create without a look: {quirks:?}");
            assert_eq!(stage.lock().platform.users().count(), accounts, "{quirks:?}");
            assert_eq!(active(&stage, leaver), Some(false), "{quirks:?}");
            assert_right(&stage, &format!("{quirks:?}"));
            happen(&stage, hire(930));
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
            assert_right(&stage, &format!("a newcomer, {quirks:?}"));
        });
    }
}

/// What a newcomer comes to, and how long it took.
async fn newcomer(stage: &Stage, engine: &mut Engine, number: u128) -> (Option<bool>, Duration) {
    let Event::Hire { user, .. } = hire(number) else { unreachable!() };
    happen(stage, hire(number));
    next_poll(stage).await;
    let began = stage.clock.elapsed();
    settle(stage, engine).await;
    (active(stage, user), stage.clock.elapsed().saturating_sub(began))
}

#[test]
fn s2_a_look_up_that_always_fails_is_given_up_for_the_next_attribute() {
    for status in [500, 400, 501] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let fails = ("externalId".to_owned(), status);
            trial.stage.lock().platform.faults.filter_fails.extend([fails]);
            let (is_active, took) = newcomer(&trial.stage, &mut trial.engine, 931).await;
            assert_eq!(is_active, Some(true), "{status}");
            assert!(took < Duration::from_secs(60), "{took:?}");
            assert_eq!(trial.engine.target_trouble(), None);
        });
    }
}

#[test]
fn s2_without_any_look_up_a_whole_listing_answers_and_a_short_one_does_not() {
    for (quirks, expected) in [(vec![], Some(true)), (vec![Quirk::ListsNoMoreThan(20)], None)] {
        runtime().block_on(async {
            let stage = stage_with(&quirks);
            let mut engine = import(&stage).await;
            for name in ["externalId", "userName", "displayName"] {
                stage.lock().platform.faults.filter_fails.insert(name.to_owned(), 500);
            }
            let before = writes(&stage);
            let (is_active, took) = newcomer(&stage, &mut engine, 932).await;
            assert_eq!(is_active, expected, "{quirks:?}");
            assert!(took < Duration::from_secs(120), "{took:?}");
            if expected.is_none() {
                assert_eq!(posts(&stage, before, "Users"), 0);
                let notes = format!("{:?}", engine.planner().notes());
                assert!(notes.contains("is not known"), "{notes}");
                // The platform is mended: told to, Manntall asks again.
                stage.lock().platform.faults.filter_fails.clear();
                engine.retry_all();
                settle(&stage, &mut engine).await;
                assert_right(&stage, "after retry");
            }
        });
    }
}

#[test]
fn s2_a_filter_that_matches_everybody_makes_nobody_twice() {
    for quirks in [
        vec![Quirk::FilterMatchesAll("externalId".to_owned())],
        vec![Quirk::FilterMatchesAll("userName".to_owned())],
        vec![
            Quirk::FilterMatchesAll("userName".to_owned()),
            Quirk::FilterMatchesAll("externalId".to_owned()),
        ],
    ] {
        runtime().block_on(async {
            let mut stage = stage_with(&quirks);
            drop(import(&stage).await);
            let before = writes(&stage);
            stage.store = MemoryStore::new();
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_eq!(posts(&stage, before, "Users"), 0, "{quirks:?}");
            let (is_active, _) = newcomer(&stage, &mut engine, 933).await;
            assert_eq!(is_active, Some(true), "{quirks:?}");
            assert_right(&stage, &format!("{quirks:?}"));
        });
    }
}

#[test]
fn s2_what_cannot_be_read_in_a_listing_stops_nothing_and_is_not_made_again() {
    runtime().block_on(async {
        let mut stage = stage_with(&[]);
        drop(import(&stage).await);
        let before = writes(&stage);
        let hidden: BTreeSet<String> = {
            let mut inner = stage.lock();
            let ids: BTreeSet<String> =
                inner.platform.users().take(3).map(|user| user.id.clone()).collect();
            inner.platform.faults.without_id = ids.clone();
            inner.platform.faults.null_rows = 2;
            ids
        };
        stage.store = MemoryStore::new();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(posts(&stage, before, "Users"), 0, "made again although it is there");
        let linked = engine.state().ledger.accounts.len();
        assert_eq!(linked, entitled(&stage).len() - hidden.len(), "the others are taken over");
        // A comparison goes through, too, and nobody is lost by it.
        stage.pass(stage.timing.full_compare).await;
        settle(&stage, &mut engine).await;
        stage.lock().platform.faults.without_id.clear();
        stage.lock().platform.faults.null_rows = 0;
        engine.retry_all();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "once all can be read");
        assert_eq!(posts(&stage, before, "Users"), 0);
    });
}

#[test]
fn s2_an_account_with_the_id_of_another_person_of_ours_is_never_taken_by_its_name() {
    runtime().block_on(async {
        let stage = stage_with(&[]);
        let mut engine = import(&stage).await;
        let other = entitled(&stage)[0];
        // By the name it is the newcomer's; by the id it is another account of somebody who has one.
        let theirs = json!({
            "userName": "ny934@asker.example.no", "externalId": other.to_string(),
        });
        let id = stage.lock().platform.insert_user(&theirs, Twins::Refused).unwrap();
        newcomer(&stage, &mut engine, 934).await;
        let inner = stage.lock();
        assert_eq!(inner.platform.user(&id).unwrap().external_id(), Some(&*other.to_string()));
    });
}

#[test]
fn s3_who_is_not_said_to_be_active_is_not_activated_unasked() {
    for (quirk, is_held) in [
        (Quirk::ActiveAsNumber, true),
        (Quirk::ActiveAsDigit, true),
        (Quirk::ActiveAsText, true),
        (Quirk::ActiveAsWord, false),
        (Quirk::InactiveNotTold, false),
        (Quirk::ActiveNotTold, false),
    ] {
        runtime().block_on(async {
            let stage = stage_with(std::slice::from_ref(&quirk));
            let person = entitled(&stage)[0];
            let there = json!({
                "userName": "vikar@asker.example.no", "externalId": person.to_string(),
                "active": false,
            });
            stage.lock().platform.insert_user(&there, Twins::Refused).unwrap();
            let mut engine = stage.engine().unwrap();
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage, person), Some(false), "{quirk:?}");
            let reasons: Vec<&str> =
                engine.holds().iter().map(|hold| hold.meter.guard.name()).collect();
            assert_eq!(reasons.contains(&"ownership.inactive"), is_held, "{quirk:?}: {reasons:?}");
            // The comparison activates nobody either.
            stage.pass(stage.timing.full_compare).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(active(&stage, person), Some(false), "{quirk:?}");
            others_are_active(&stage, person);
        });
    }
}

/// An account that does not tell whether it is active is not counted as active, nor as inactive.
#[test]
fn s3_who_is_not_known_to_be_active_is_counted_as_neither() {
    runtime().block_on(async {
        let stage = stage_with(&[Quirk::ActiveNotTold]);
        let person = entitled(&stage)[0];
        let there =
            json!({ "userName": "vikar@asker.example.no", "externalId": person.to_string() });
        stage.lock().platform.insert_user(&there, Twins::Refused).unwrap();
        let mut engine = stage.engine().unwrap();
        let mut shown = engine.snapshots("platform");
        settle(&stage, &mut engine).await;
        let report = engine.report().target;
        let people = entitled(&stage).len() as u64;
        assert_eq!((report.accounts, report.active), (people, people - 1));
        assert_eq!(engine.report().target.disabled, 0);
        let stand = shown.borrow_and_update().targets["platform"].clone();
        assert_eq!((stand.entitled, stand.entitled_active), (people, people - 1));
    });
}

#[test]
fn s3_a_newcomer_who_is_made_inactive_is_activated_by_a_request_of_its_own() {
    runtime().block_on(async {
        let stage = stage_with(&[]);
        let mut engine = import(&stage).await;
        stage.lock().platform.faults.creates_inactive = true;
        let before = writes(&stage);
        assert_eq!(newcomer(&stage, &mut engine, 935).await.0, Some(true));
        let sent = writes_since(&stage, before);
        let of_users: Vec<_> = sent
            .iter()
            .filter(|one| one.target.starts_with("Users"))
            .map(|one| &*one.method)
            .collect();
        assert_eq!(of_users, ["POST", "PATCH"]);
        assert_eq!(engine.report().target.stuck, 0);
        assert_right(&stage, "with the newcomer");
    });
}

#[test]
fn s3_a_newcomer_whom_the_platform_keeps_inactive_is_stuck_and_not_counted_as_active() {
    runtime().block_on(async {
        let stage = stage_with(&[]);
        let mut engine = import(&stage).await;
        let active_before = engine.report().target.active;
        {
            let faults = &mut stage.lock().platform.faults;
            faults.creates_inactive = true;
            let (user_name, attribute) = ("ny936@".to_owned(), "active".to_owned());
            faults.kept.push(Kept { user_name, attribute });
        }
        assert_eq!(newcomer(&stage, &mut engine, 936).await.0, Some(false));
        let report = engine.report().target;
        assert_eq!((report.active, report.stuck), (active_before, 1), "{report:?}");
        let escrow: Vec<_> = engine.state().ledger.escrow.values().collect();
        assert!(escrow[0].reason.contains("keeps it so"), "{escrow:?}");
        // A comparison does not take it for the work of somebody else.
        stage.pass(stage.timing.full_compare).await;
        settle(&stage, &mut engine).await;
        let report = engine.report().target;
        assert_eq!((report.active, report.stuck, report.disabled), (active_before, 1, 0));
        stage.lock().platform.faults.kept.clear();
        engine.retry_all();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "once the platform takes it");
        assert_eq!(engine.report().target.stuck, 0);
    });
}

#[test]
fn s3_deactivations_that_nobody_can_see_are_counted() {
    for (quirks, expected) in
        [(vec![], 0), (vec![Quirk::ActiveNotTold], 1), (vec![Quirk::InactiveNotTold], 1)]
    {
        runtime().block_on(async {
            let stage = stage_with(&quirks);
            let mut engine = import(&stage).await;
            let leaver = entitled(&stage)[0];
            happen(&stage, Event::Disable { user: leaver });
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
            assert_eq!(active(&stage, leaver), Some(false), "{quirks:?}");
            stage.pass(stage.timing.full_compare).await;
            settle(&stage, &mut engine).await;
            assert_eq!(engine.report().target.untold, expected, "{quirks:?}");
            let proof = engine.state().proven.unwrap();
            assert_eq!(proof.untold, expected, "{quirks:?}");
            assert!(proof.clean_since.is_some(), "nobody is known to be active: {quirks:?}");
        });
    }
}

fn others_are_active(stage: &Stage, but: ObjectId) {
    for person in entitled(stage).into_iter().filter(|one| *one != but) {
        assert_eq!(active(stage, person), Some(true));
    }
}

#[test]
fn s4_an_answer_of_any_size_ends_nothing_and_the_leaver_of_the_round_is_out() {
    for bytes in [101 * 1024, 1_000_000, 10_000_000] {
        for name in ["title", "displayName", "externalId", "userName", "active", "id", "roles"] {
            runtime().block_on(async {
                let mut trial = Trial::begin().await;
                let people = entitled(&trial.stage);
                let (large, leaver) = (people[1].to_string(), people[0]);
                {
                    let mut inner = trial.stage.lock();
                    let mut users = inner.platform.users();
                    let id =
                        users.find(|one| one.external_id() == Some(&large)).unwrap().id.clone();
                    drop(users);
                    inner.platform.faults.oversized = Some((id, name.to_owned(), bytes));
                }
                let title = "jobTitle".to_owned();
                let value = json!("Rådgiver");
                happen(&trial.stage, Event::SetProperty { user: people[1], name: title, value });
                happen(&trial.stage, Event::Disable { user: leaver });
                happen(&trial.stage, hire(935));
                next_poll(&trial.stage).await;
                trial.stage.drive(&mut trial.engine).await.unwrap();
                assert_eq!(trial.is_active(leaver), Some(false), "{name} of {bytes}");
                trial.stage.pass(trial.stage.timing.full_compare).await;
                trial.stage.drive(&mut trial.engine).await.unwrap();
                trial.stage.engine().unwrap();
                assert_eq!(trial.is_active(people[1]), Some(true), "{name} of {bytes}");
            });
        }
    }
}
