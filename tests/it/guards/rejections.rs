//! A rejection is about what is wanted now: it lasts for as long as that is so, and whatever comes up after that
//! is a new question.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::core::judge::{Claims, Rejection};
use manntall::cycle::Engine;
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::{active, disable, enable, entitled, happen, held, next, now, restart, town, wrong};
use crate::history::{approve_all, runtime, settle};
use crate::stage::Stage;

const PEOPLE: usize = 12;

/// Rejects everything that is held.
fn reject(stage: &Stage, engine: &mut Engine) {
    let claims: Claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
    assert!(!claims.is_empty());
    engine.state_mut().reject(Rejection { claims, by: "per".into(), at: now(stage) });
}

fn rejected(engine: &Engine) -> usize {
    engine.state().rejections.iter().map(|word| word.claims.len()).sum()
}

#[test]
fn who_leaves_after_a_rejected_accident_was_mended_leaves() {
    runtime().block_on(async {
        for restarts in [false, true] {
            let (stage, mut engine) = town(60).await;
            let before = active(&stage);
            let people = disable(&stage, PEOPLE);
            next(&stage, &mut engine).await;
            reject(&stage, &mut engine);
            next(&stage, &mut engine).await;
            if restarts {
                engine = restart(&stage).await;
            }
            // All but two are enabled again: what was rejected of those is wanted still.
            enable(&stage, &people[2..]);
            next(&stage, &mut engine).await;
            if restarts {
                engine = restart(&stage).await;
            }
            assert_eq!(held(&engine), [("budget.deactivate", 2)]);
            assert_eq!((active(&stage), rejected(&engine)), (before, 2));
            // Months later one of them really leaves.
            happen(&stage, Event::Disable { user: people[5] });
            next(&stage, &mut engine).await;
            assert_eq!(active(&stage), before - 1, "who really leaves is out");
            assert_eq!((held(&engine), rejected(&engine)), (vec![("budget.deactivate", 2)], 2));
            enable(&stage, &people[..2]);
            next(&stage, &mut engine).await;
            assert_eq!((held(&engine), rejected(&engine)), (vec![], 0));
            // The same accident once more is asked about once more.
            for user in people.iter().filter(|user| **user != people[5]) {
                happen(&stage, Event::Disable { user: *user });
            }
            next(&stage, &mut engine).await;
            assert_eq!(held(&engine), [("budget.deactivate", 11)]);
            assert!(engine.holds()[0].rejected.is_none());
            assert_eq!(active(&stage), before - 1);
        }
    });
}

#[test]
fn a_rejected_return_and_a_rejected_creation_are_over_when_nobody_wants_them_any_more() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let all = active(&stage);
        let people = disable(&stage, 40);
        next(&stage, &mut engine).await;
        approve_all(&stage, &mut engine);
        settle(&stage, &mut engine).await;
        enable(&stage, &people);
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.reactivate", 40)]);
        reject(&stage, &mut engine);
        engine = restart(&stage).await;
        assert_eq!(active(&stage), all - 40);
        for user in &people {
            happen(&stage, Event::Disable { user: *user });
        }
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), rejected(&engine)), (vec![], 0));
        // One of them is back for good.
        enable(&stage, &people[..1]);
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), active(&stage)), (vec![], all - 39));
        // So it is with people who are not there yet.
        let new: Vec<_> = (0..60).map(|number| hire(&stage, number)).collect();
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.create", 60)]);
        reject(&stage, &mut engine);
        for user in &new {
            happen(&stage, Event::Disable { user: *user });
        }
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), rejected(&engine)), (vec![], 0));
        enable(&stage, &new[..1]);
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), active(&stage)), (vec![], all - 38));
    });
}

/// Somebody new in the tenant.
fn hire(stage: &Stage, number: usize) -> ObjectId {
    let user = ObjectId::named("rejections", &number.to_string());
    let properties = json!({
        "userPrincipalName": format!("ny{number}@asker.example.no"),
        "displayName": format!("Ny {number}"),
        "userType": "Member",
        "accountEnabled": true,
        "jobTitle": "Rådgiver",
    });
    let properties = serde_json::from_value(properties).unwrap();
    happen(stage, Event::Hire { user, properties, manager: None });
    user
}

#[test]
fn a_rejected_login_name_is_over_when_the_old_one_is_back() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people = entitled(&stage)[..20].to_vec();
        let name = |user: &ObjectId| {
            let inner = stage.lock();
            inner.world.users()[user].text("userPrincipalName").unwrap().to_owned()
        };
        let before: Vec<String> = people.iter().map(name).collect();
        let rename = |user: &ObjectId, upn: String| {
            happen(&stage, Event::NewUpn { user: *user, upn });
        };
        for user in &people {
            rename(user, format!("{user}@ny.example.no"));
        }
        next(&stage, &mut engine).await;
        reject(&stage, &mut engine);
        next(&stage, &mut engine).await;
        // Another name is no end of it: nobody has asked for the old one.
        rename(&people[0], format!("{}@tredje.example.no", people[0]));
        next(&stage, &mut engine).await;
        assert_eq!(rejected(&engine), 20);
        for (user, upn) in people.iter().zip(&before) {
            rename(user, upn.clone());
        }
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), rejected(&engine)), (vec![], 0));
        rename(&people[0], format!("{}@ny.example.no", people[0]));
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), wrong(&stage)), (vec![], vec![]));
    });
}

#[test]
fn a_rejection_outlives_whatever_is_not_known() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let before = active(&stage);
        let people = disable(&stage, PEOPLE);
        next(&stage, &mut engine).await;
        reject(&stage, &mut engine);
        next(&stage, &mut engine).await;
        let check = |engine: &Engine, what: &str| {
            assert_eq!((rejected(engine), active(&stage)), (PEOPLE, before), "{what}");
        };
        // Entra says nothing at all, over a restart.
        stage.lock().entra.faults.html_page = true;
        engine = stage.engine().unwrap();
        let _ = stage.drive_anyhow(&mut engine).await;
        check(&engine, "silent");
        stage.lock().entra.faults.html_page = false;
        // Whether they may sign in is withheld from a complete read.
        stage.lock().entra.faults.withhold = BTreeSet::from(["accountEnabled".to_owned()]);
        stage.pass(stage.timing.full_compare + Duration::from_secs(61)).await;
        next(&stage, &mut engine).await;
        check(&engine, "withheld");
        stage.lock().entra.faults.withhold.clear();
        engine = restart(&stage).await;
        check(&engine, "restart");
        // Of some of them it is told without saying whether they may sign in.
        for is_null in [true, false] {
            stage.lock().entra.faults.account_enabled_null = is_null;
            for user in &people[..4] {
                let (name, value) = ("jobTitle".to_owned(), format!("{is_null}").into());
                happen(&stage, Event::SetProperty { user: *user, name, value });
            }
            next(&stage, &mut engine).await;
            check(&engine, "null");
        }
        // The state is in doubt.
        engine.state_mut().commit().unwrap();
        drop(engine);
        stage.store.cast_doubt("a backup was restored");
        engine = restart(&stage).await;
        next(&stage, &mut engine).await;
        assert_eq!(engine.state().recovery, None);
        check(&engine, "doubt");
        // It is over for everybody once Entra has said so.
        enable(&stage, &people);
        next(&stage, &mut engine).await;
        assert_eq!((rejected(&engine), active(&stage), wrong(&stage)), (0, before, vec![]));
    });
}
