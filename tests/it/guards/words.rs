//! An operator's word lasts: whatever else happens to the same people, what is held, rejected or excepted
//! is not made, and everything else about them is.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::core::expression::Subject;
use manntall::core::judge::{Approval, Claims, Rejection};
use manntall::core::model::Entity;
use manntall::cycle::Engine;
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::{
    active, create, disable, entitled, happen, held, next, now, restart, town, writes, wrong,
};
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// Rejects everything that is held.
fn reject(stage: &Stage, engine: &mut Engine) {
    let claims: Claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
    assert!(!claims.is_empty());
    engine.state_mut().reject(Rejection { claims, by: "per".into(), at: now(stage) });
}

fn title(stage: &Stage, user: ObjectId, title: &str) {
    let (name, value) = ("jobTitle".to_owned(), title.into());
    happen(stage, Event::SetProperty { user, name, value });
}

/// The person's account, if there is one: login name and title.
fn account(stage: &Stage, person: ObjectId) -> Option<(String, Option<String>)> {
    let person = person.to_string();
    let inner = stage.lock();
    let found = inner.platform.users().find(|user| user.external_id() == Some(&person))?;
    let title =
        found.attributes.get("title").and_then(serde_json::Value::as_str).map(str::to_owned);
    Some((found.user_name().to_owned(), title))
}

fn rename(stage: &Stage, people: &[ObjectId], to: &str) {
    for user in people {
        let upn = format!("{user}@{to}.example.no");
        happen(stage, Event::NewUpn { user: *user, upn });
    }
}

#[test]
fn a_rejected_login_name_stays_whatever_else_changes_and_lets_the_title_through() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people = entitled(&stage)[..20].to_vec();
        rename(&stage, &people, "ny");
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.rename", 20)]);
        reject(&stage, &mut engine);
        for (at, user) in people.iter().enumerate() {
            title(&stage, *user, "Leder");
            if at == 10 {
                engine = restart(&stage).await;
            }
            next(&stage, &mut engine).await;
            let (name, shown) = account(&stage, *user).unwrap();
            assert!(!name.contains("@ny."), "{name}");
            assert_eq!(shown.as_deref(), Some("Leder"));
        }
        assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
        // Another name is asked about again, and not made.
        rename(&stage, &people[..1], "tredje");
        next(&stage, &mut engine).await;
        let open: u64 =
            engine.holds().iter().filter(|one| one.rejected.is_none()).map(|one| one.count).sum();
        assert!(open > 0 && !account(&stage, people[0]).unwrap().0.contains("@tredje."));
    });
}

#[test]
fn what_nobody_has_decided_stays_held_whatever_else_changes() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people = entitled(&stage)[..20].to_vec();
        rename(&stage, &people, "ny");
        next(&stage, &mut engine).await;
        for user in &people {
            title(&stage, *user, "Leder");
            engine = restart(&stage).await;
            next(&stage, &mut engine).await;
        }
        assert_eq!(held(&engine), [("budget.rename", 20)]);
        // All but three are taken back in Entra: those that remain were part of an accident.
        for user in &people[3..] {
            let (upn, _) = account(&stage, *user).unwrap();
            happen(&stage, Event::NewUpn { user: *user, upn });
        }
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.rename", 3)]);
        let names = people.iter().map(|user| account(&stage, *user).unwrap().0);
        assert!(names.into_iter().all(|name| !name.contains("@ny.")));
    });
}

/// Somebody new in the tenant.
fn hire(stage: &Stage, number: usize, manager: Option<ObjectId>) -> ObjectId {
    let user = ObjectId::named("words", &number.to_string());
    let properties = json!({
        "userPrincipalName": format!("ny{number}@asker.example.no"),
        "displayName": format!("Ny {number}"),
        "userType": "Member",
        "accountEnabled": true,
        "jobTitle": "Rådgiver",
    });
    let properties = serde_json::from_value(properties).unwrap();
    happen(stage, Event::Hire { user, properties, manager });
    user
}

/// So many new people who have an account already that somebody made by hand.
fn strangers(stage: &Stage, count: usize) -> Vec<ObjectId> {
    let mut people: Vec<ObjectId> = Vec::new();
    for number in 0..count {
        let upn = format!("ny{number}@asker.example.no");
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
        create(stage, &json!({ "schemas": schemas, "userName": upn, "active": true }));
        people.push(hire(stage, number, people.first().copied()));
    }
    people
}

#[test]
fn whoever_is_excepted_from_an_approval_of_adoptions_is_not_adopted_by_the_next_sync() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people = strangers(&stage, 20);
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("adopt", 20)]);
        // Somebody whose manager gets an account by the approval, so that another value of theirs changes.
        let spared: BTreeSet<ObjectId> = people[18..].iter().copied().collect();
        let mut claims = engine.holds()[0].claims.clone();
        claims.retain(|guarded, _| {
            let Some(Entity::Account(person)) = guarded.entity() else { panic!() };
            !spared.iter().any(|id| person.object.to_string() == id.to_string())
        });
        let (at, until) = (now(&stage), now(&stage).plus(Duration::from_secs(3_600)));
        engine.approve(Approval { claims, by: "ola".into(), at, until, hold: None });
        for round in 0..3 {
            next(&stage, &mut engine).await;
            engine = restart(&stage).await;
            assert_eq!(held(&engine), [("adopt", 2)], "{round}");
        }
        title(&stage, people[18], "Leder");
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("adopt", 2)]);
        assert!(account(&stage, people[17]).is_some() && account(&stage, people[18]).is_none());
        // Rejected adoptions last as well.
        reject(&stage, &mut engine);
        next(&stage, &mut engine).await;
        title(&stage, people[19], "Rektor");
        engine = restart(&stage).await;
        next(&stage, &mut engine).await;
        assert!(account(&stage, people[19]).is_none());
        assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
    });
}

#[test]
fn whose_adoption_is_not_wanted_gets_no_second_account_under_a_new_name() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people: Vec<_> = (0..12).map(|number| hire(&stage, number, None)).collect();
        for number in 0..12 {
            let name = format!("ny{number}@asker.example.no");
            let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
            create(&stage, &json!({ "schemas": schemas, "userName": name, "active": true }));
        }
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("adopt", 12)]);
        let before = active(&stage);
        // Not decided yet, and decided.
        for (at, renamed) in people[..2].iter().enumerate() {
            rename(&stage, &[*renamed], "annet");
            next(&stage, &mut engine).await;
            engine = restart(&stage).await;
            next(&stage, &mut engine).await;
            assert_eq!(active(&stage), before, "a second account was made unasked");
            if at == 0 {
                reject(&stage, &mut engine);
                next(&stage, &mut engine).await;
            }
        }
        let held = held(&engine);
        assert!(held.iter().all(|(guard, _)| *guard == "adopt"), "{held:?}");
        assert_eq!(held.iter().map(|(_, count)| count).sum::<u64>(), 12);
        // Somebody says that one is to be made.
        let mut claims: Claims =
            engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
        claims.retain(|guarded, _| {
            let Some(Entity::Account(person)) = guarded.entity() else { panic!() };
            person.object.to_string() == people[1].to_string()
        });
        let (at, until) = (now(&stage), now(&stage).plus(Duration::from_secs(3_600)));
        engine.approve(Approval { claims, by: "ola".into(), at, until, hold: None });
        next(&stage, &mut engine).await;
        assert!(account(&stage, people[1]).is_some());
        assert!(account(&stage, people[0]).is_none());
        assert_eq!(active(&stage), before + 1);
    });
}

#[test]
fn rejected_reactivations_stay_so() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let people = disable(&stage, 40);
        next(&stage, &mut engine).await;
        settle(&stage, &mut engine).await;
        let before = active(&stage);
        for user in &people {
            happen(&stage, Event::Enable { user: *user });
        }
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.reactivate", 40)]);
        reject(&stage, &mut engine);
        for user in &people[..4] {
            title(&stage, *user, "Leder");
            next(&stage, &mut engine).await;
            engine = restart(&stage).await;
        }
        assert_eq!((active(&stage), held(&engine)), (before, vec![("budget.reactivate", 40)]));
        assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
    });
}

#[test]
fn rejected_creates_stay_so() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let before = active(&stage);
        let people: Vec<_> = (0..60).map(|number| hire(&stage, number, None)).collect();
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.create", 60)]);
        reject(&stage, &mut engine);
        for user in &people[..4] {
            title(&stage, *user, "Leder");
            next(&stage, &mut engine).await;
            engine = restart(&stage).await;
        }
        assert_eq!((active(&stage), held(&engine)), (before, vec![("budget.create", 60)]));
        assert_eq!(engine.holds()[0].rejected.as_deref(), Some("per"));
    });
}

#[test]
fn what_is_stuck_is_gone_with_its_change() {
    use manntall::sim::platform::Kind;
    use manntall::sim::platform::fault::{Fault, Matcher, PathKind};

    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let person = entitled(&stage)[0];
        let (_, before) = account(&stage, person).unwrap();
        let matcher = Matcher::of("PATCH", PathKind::Item(Kind::User));
        let fault = Fault::StatusBefore(400);
        stage.lock().platform.faults.fail_next.push_back((matcher, fault));
        title(&stage, person, "Leder");
        next(&stage, &mut engine).await;
        assert_eq!(engine.state().ledger.escrow.len(), 1);
        let deferred = engine.deferred();
        assert!(deferred.len() == 1 && deferred[0].why.contains("stuck"), "{deferred:?}");
        title(&stage, person, before.as_deref().unwrap_or_default());
        let sent = writes(&stage);
        next(&stage, &mut engine).await;
        assert_eq!(engine.state().ledger.escrow.len(), 0);
        assert_eq!((writes(&stage), engine.deferred()), (sent, vec![]));
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn whoever_has_no_login_name_is_neither_stuck_nor_forgotten() {
    use manntall::core::plan::Note;
    runtime().block_on(async {
        let (mut stage, engine) = town(60).await;
        drop(engine);
        hire(&stage, 0, None);
        let login = stage.policy.account.iter_mut().find(|(path, _)| path.as_str() == "userName");
        *login.unwrap().1 = crate::stage::expression("person.mail", Subject::Person);
        let mut engine = stage.engine().unwrap();
        next(&stage, &mut engine).await;
        let notes: Vec<&Note> = engine.planner().notes().values().collect();
        assert!(matches!(notes[..], [Note::NoLogin(_)]), "{notes:?}");
        let report = engine.report();
        assert_eq!((report.target.stuck, report.target.without_login), (0, 1));
        // Since when that is so does not move with a start of the service.
        let written = |engine: &Engine| engine.state().stuck_notes().unwrap();
        let before = written(&engine);
        assert_eq!(before.len(), 1);
        drop(engine);
        stage.pass(Duration::from_secs(3 * 3_600)).await;
        let mut engine = stage.engine().unwrap();
        for _ in 0..3 {
            next(&stage, &mut engine).await;
            assert_eq!(written(&engine), before);
        }
    });
}
