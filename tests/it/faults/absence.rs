//! A 404 proves nothing while others get 404, too, and what is not told is not therefore absent.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::{ByHand, Entity, Link, ObjectId as OurId, PersonId, SourceName};
use manntall::sim::platform::fault::Matcher;
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::target::{USER, USERS};
use super::trial::{Told, Trial, hire};
use crate::acceptance::{assert_right, entitled, happen, next_poll, writes, writes_since};
use crate::history::runtime;
use crate::history::settle;
use crate::stage::Stage;

/// Somebody goes, and somebody gets a title, while a gateway answers 404 to all that fits.
fn gateway_not_found(lost: Vec<Matcher>) {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        trial.stage.lock().platform.faults.gateway_not_found = lost;
        trial.unrest();
        let (also, titled) = (people[3], people[4]);
        happen(&trial.stage, Event::Disable { user: also });
        let name = "jobTitle".to_owned();
        happen(&trial.stage, Event::SetProperty { user: titled, name, value: json!("Konge") });
        trial.note();
        trial.suffer().await;
        for person in [people[0], also, titled] {
            let entry = ledger_link(&trial, person);
            assert!(entry.managed().is_some(), "a 404 made {entry:?} of an account");
        }
        trial.stage.lock().platform.faults.gateway_not_found.clear();
        // A change that was answered 404 time and again, while the account could be read, is stuck by now.
        trial.stage.pass(Duration::from_secs(3_600)).await;
        trial.two_cycles().await;
        for leaver in [people[0], also] {
            assert_eq!(trial.is_active(leaver), Some(false));
        }
        trial.converge().await;
    });
}

fn ledger_link(trial: &Trial, person: ObjectId) -> Link {
    let object = OurId::parse(&person.to_string()).unwrap();
    let accounts = &trial.engine.state().ledger.accounts;
    let found = accounts.iter().find(|(one, _)| one.object == object);
    found.map(|(_, entry)| entry.link.clone()).unwrap_or_default()
}

#[test]
fn s1_a_gateway_that_answers_404_for_everything_makes_nobody_gone() {
    gateway_not_found(vec![Matcher::default()]);
}

#[test]
fn s1_a_gateway_that_loses_every_single_resource_makes_nobody_gone() {
    let group =
        manntall::sim::platform::fault::PathKind::Item(manntall::sim::platform::Kind::Group);
    let of = |path| Matcher { method: None, path: Some(path) };
    gateway_not_found(vec![of(USER), of(group)]);
}

#[test]
fn s1_a_404_to_changes_alone_makes_nobody_gone() {
    gateway_not_found(vec![Matcher { method: Some("PATCH".to_owned()), path: None }]);
}

#[test]
fn s1_a_group_that_is_to_be_deleted_survives_a_gateway_and_is_deleted_afterwards() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, ..) = trial.some_group();
        let name =
            trial.stage.lock().world.groups()[&group].text("displayName").unwrap().to_owned();
        let name = name.replace("PLT ", "");
        let is_there =
            |stage: &Stage| stage.lock().platform.groups().any(|one| one.display_name() == name);
        assert!(is_there(&trial.stage));
        let lost = Matcher { method: Some("DELETE".to_owned()), path: None };
        trial.stage.lock().platform.faults.gateway_not_found = vec![lost];
        happen(&trial.stage, Event::DeleteGroup { group });
        trial.note();
        trial.suffer().await;
        assert!(is_there(&trial.stage));
        trial.stage.lock().platform.faults.gateway_not_found.clear();
        trial.stage.pass(Duration::from_secs(3_600)).await;
        trial.cycle(&mut Told::default()).await;
        assert!(!is_there(&trial.stage), "a 404 was taken for the deletion");
    });
}

/// The id of a person's account.
fn id_of(stage: &Stage, person: ObjectId) -> String {
    let text = person.to_string();
    let inner = stage.lock();
    let mut users = inner.platform.users();
    users.find(|user| user.external_id() == Some(&text)).unwrap().id.clone()
}

/// The platform shows an account or group to nobody, by whatever it is asked, while it shows all others.
fn hide(stage: &Stage, id: &str) {
    stage.lock().platform.faults.unfindable.insert(id.to_owned());
}

fn show_again(stage: &Stage) {
    stage.lock().platform.faults.unfindable.clear();
}

fn account(person: ObjectId) -> Entity {
    let source = SourceName::new("asker");
    Entity::Account(PersonId { source, object: OurId::parse(&person.to_string()).unwrap() })
}

/// So long after the first look another one decides.
fn confirmed(trial: &Trial) -> Duration {
    trial.stage.timing.confirm_absence + Duration::from_secs(60)
}

#[test]
fn s1_accounts_that_are_hidden_for_a_moment_are_neither_lost_nor_made_again() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        let (leaver, titled) = (people[0], people[1]);
        let before = writes(&trial.stage);
        for person in [leaver, titled] {
            hide(&trial.stage, &id_of(&trial.stage, person));
        }
        happen(&trial.stage, Event::Disable { user: leaver });
        let name = "jobTitle".to_owned();
        happen(&trial.stage, Event::SetProperty { user: titled, name, value: json!("Konge") });
        trial.note();
        trial.suffer().await;
        // Another process knows as much, and concludes no sooner.
        *trial.engine = trial.stage.engine().unwrap();
        trial.suffer().await;
        for person in [leaver, titled] {
            let entry = ledger_link(&trial, person);
            assert!(matches!(entry, Link::Linked(_)), "one look made {entry:?} of it");
            let deferred = trial.engine.deferred();
            let told = deferred.iter().find(|one| one.entity == account(person)).unwrap();
            assert!(told.why.contains("not found on the platform since"), "{}", told.why);
            assert!(told.action.is_some());
        }
        let absent = trial.engine.report().target.absent.unwrap();
        assert_eq!(absent.count, 2);
        assert!(absent.decides.since(absent.since) >= trial.stage.timing.confirm_absence);
        show_again(&trial.stage);
        trial.stage.pass(trial.stage.timing.confirm_absence / 4).await;
        trial.two_cycles().await;
        assert_eq!(trial.is_active(leaver), Some(false));
        assert_eq!(trial.engine.report().target.absent, None);
        let made = writes_since(&trial.stage, before);
        assert!(made.iter().all(|write| write.method != "POST"), "made again: {made:?}");
        trial.converge().await;
    });
}

#[test]
fn s1_a_group_that_is_hidden_for_a_moment_is_not_made_again() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, member, other) = trial.some_group();
        let name = {
            let inner = trial.stage.lock();
            inner.world.groups()[&group].text("displayName").unwrap().replace("PLT ", "")
        };
        let id = {
            let inner = trial.stage.lock();
            let mut groups = inner.platform.groups();
            groups.find(|one| one.display_name() == name).unwrap().id.clone()
        };
        let before = writes(&trial.stage);
        hide(&trial.stage, &id);
        happen(&trial.stage, Event::Leave { group, user: member });
        happen(&trial.stage, Event::Join { group, user: other });
        trial.note();
        trial.suffer().await;
        show_again(&trial.stage);
        trial.stage.pass(trial.stage.timing.confirm_absence).await;
        trial.two_cycles().await;
        let made = writes_since(&trial.stage, before);
        assert!(made.iter().all(|write| write.method != "POST"), "made again: {made:?}");
        trial.converge().await;
    });
}

#[test]
fn s1_a_leaver_who_was_said_to_be_gone_is_looked_for_and_found_by_the_next_comparison() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        let id = id_of(&trial.stage, leaver);
        hide(&trial.stage, &id);
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.suffer().await;
        // The comparison of the day says that nobody knows.
        trial.stage.pass(Duration::from_secs(60)).await;
        assert!(matches!(ledger_link(&trial, leaver), Link::Linked(_)), "concluded too soon");
        trial.stage.pass(confirmed(&trial)).await;
        trial.cycle(&mut Told::default()).await;
        assert!(matches!(ledger_link(&trial, leaver), Link::Gone(_)), "nothing was concluded");
        assert_eq!(trial.is_active(leaver), Some(true));
        // By its own id it shows, and nowhere else.
        show_again(&trial.stage);
        trial.stage.lock().platform.faults.hidden_ids.insert(id);
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(leaver), Some(false), "forgotten for ever");
        trial.converge().await;
    });
}

#[test]
fn s1_who_should_be_out_and_is_not_found_is_counted_by_the_proof() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        let before = trial.stage.timing.full_compare.saturating_sub(Duration::from_secs(900));
        trial.stage.pass(before).await;
        hide(&trial.stage, &id_of(&trial.stage, leaver));
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.suffer().await;
        trial.stage.pass(Duration::from_secs(900)).await;
        trial.cycle(&mut Told::default()).await;
        let proof = trial.engine.state().proven.unwrap();
        assert_eq!((proof.unseen, proof.leavers, proof.clean_since), (1, 0, None));
    });
}

#[test]
fn s1_an_order_by_hand_looks_for_an_account_that_was_said_to_be_gone() {
    runtime().block_on(async {
        for is_shown in [true, false] {
            let mut trial = Trial::begin().await;
            let person = entitled(&trial.stage)[0];
            let id = id_of(&trial.stage, person);
            hide(&trial.stage, &id);
            happen(&trial.stage, Event::Disable { user: person });
            trial.note();
            trial.suffer().await;
            if is_shown {
                trial.stage.pass(confirmed(&trial)).await;
                trial.cycle(&mut Told::default()).await;
                assert!(matches!(ledger_link(&trial, person), Link::Gone(_)));
            }
            show_again(&trial.stage);
            let Entity::Account(one) = account(person) else { unreachable!() };
            let (by, at) = ("ola".into(), trial.stage.clock.now());
            trial.engine.deactivate(one, ByHand { by, at, reason: "at once".to_owned() });
            trial.cycle(&mut Told::default()).await;
            assert_eq!(trial.is_active(person), Some(false), "not looked for");
        }
    });
}

#[test]
fn s1_who_left_and_is_active_by_our_id_is_counted_and_taken_out_linked_or_not() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.two_cycles().await;
        assert_eq!(trial.is_active(leaver), Some(false));
        // Somebody makes the account anew, with the id of the one that was there.
        let text = leaver.to_string();
        let name = {
            let mut inner = trial.stage.lock();
            let old = inner.platform.users().find(|user| user.external_id() == Some(&text));
            let (id, name) =
                old.map(|user| (user.id.clone(), user.user_name().to_owned())).unwrap();
            let token = inner.platform.options().token.clone();
            let now = u64::try_from(manntall::clock::Clock::now(&*trial.stage.clock).0).unwrap();
            inner.platform.handle(
                &manntall::sim::http::Request {
                    method: "DELETE".to_owned(),
                    target: format!("/scim/v2/Users/{id}"),
                    headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
                    body: Vec::new(),
                },
                now,
            );
            name
        };
        make_active(&trial.stage, &name, &text);
        leaver_is_counted_and_taken_out(&mut trial, leaver).await;

        // Somebody who left before there was an account of theirs.
        let newcomer = hire(900);
        let Event::Hire { user: never, .. } = newcomer else { unreachable!() };
        happen(&trial.stage, newcomer);
        happen(&trial.stage, Event::Disable { user: never });
        trial.note();
        trial.two_cycles().await;
        assert_eq!(trial.is_active(never), None);
        make_active(&trial.stage, "ny900@asker.example.no", &never.to_string());
        leaver_is_counted_and_taken_out(&mut trial, never).await;
    });
}

/// Somebody other than us makes an account that carries the id of a person of ours.
fn make_active(stage: &Stage, name: &str, external_id: &str) {
    let now = u64::try_from(manntall::clock::Clock::now(&*stage.clock).0).unwrap();
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
    let account =
        json!({ "schemas": schemas, "userName": name, "externalId": external_id, "active": true });
    stage.lock().create_account(&account, now);
}

async fn leaver_is_counted_and_taken_out(trial: &mut Trial, leaver: ObjectId) {
    trial.stage.pass(trial.stage.timing.full_compare).await;
    trial.stage.drive(&mut trial.engine).await.unwrap();
    let proof = trial.engine.state().proven.unwrap();
    assert_eq!(proof.leavers, 1, "everybody out who should be?");
    assert_eq!(proof.clean_since, None);
    settle(&trial.stage, &mut trial.engine).await;
    assert_eq!(trial.is_active(leaver), Some(false));
}

#[test]
fn s1_a_create_that_is_answered_404_is_looked_up_and_made_once() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let lost = Matcher::of("POST", USERS);
        trial.stage.lock().platform.faults.gateway_not_found = vec![lost];
        happen(&trial.stage, hire(940));
        trial.note();
        trial.suffer().await;
        let before = writes(&trial.stage);
        trial.stage.lock().platform.faults.gateway_not_found.clear();
        trial.stage.pass(Duration::from_secs(600)).await;
        trial.two_cycles().await;
        assert_right(&trial.stage, "after the gateway");
        let made = writes_since(&trial.stage, before);
        assert_eq!(made.iter().filter(|write| write.target == "Users").count(), 1);
        next_poll(&trial.stage).await;
    });
}
