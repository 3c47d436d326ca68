//! What a platform refuses or ignores of single attributes holds up nothing else.

use std::time::Duration;

use manntall::core::model::{AttrPath, Entity, Link, Use};
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::scim::dialect::{ClearValue, UpdateMethod};
use manntall::sim::platform::fault::{Faults, Refusal};
use manntall::sim::platform::stubborn::{Form, Kept, Untaken};
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};
use serde_json::{Value, json};

use super::{entitled, happen, next, town, wrong};
use crate::acceptance::active;
use crate::faults::trial::hire;
use crate::history::{runtime, settle};
use crate::stage::Stage;

fn set(stage: &Stage, user: ObjectId, name: &str, value: Value) {
    happen(stage, Event::SetProperty { user, name: name.to_owned(), value });
}

fn text(stage: &Stage, person: ObjectId, name: &str) -> String {
    let inner = stage.lock();
    inner.world.users().get(&person).unwrap().text(name).unwrap_or_default().to_owned()
}

fn stuck(engine: &Engine) -> Vec<String> {
    let escrow = engine.state().ledger.escrow.values();
    escrow.map(|stuck| stuck.reason.clone()).collect()
}

fn left_out(engine: &Engine) -> Vec<String> {
    let left_out = engine.state().ledger.left_out.iter();
    left_out.map(|((path, use_), left)| format!("{path} {use_}: {}", left.reason)).collect()
}

fn untaken(stage: &Stage, attribute: &str, form: Form, in_creates: bool) {
    let attribute = attribute.to_owned();
    stage.lock().platform.faults.untaken.push(Untaken { attribute, form, in_creates });
}

/// How many writes of users named this since.
fn sent(stage: &Stage, from: usize, what: &str) -> usize {
    let trace = &stage.lock().trace;
    let writes =
        |line: &&String| [" PATCH ", " POST ", " PUT "].iter().any(|one| line.contains(one));
    trace[from..].iter().filter(writes).filter(|line| line.contains(what)).count()
}

fn now(stage: &Stage) -> usize {
    stage.lock().trace.len()
}

/// Only these attributes are not as they should be.
fn assert_only(stage: &Stage, attributes: &[&str]) {
    let others: Vec<String> = wrong(stage)
        .into_iter()
        .filter(|what| !attributes.iter().any(|attribute| what.contains(attribute)))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn one_refused_value_holds_up_neither_active_nor_the_other_values() {
    for method in [UpdateMethod::Patch, UpdateMethod::PutMerge] {
        runtime().block_on(async {
            let (mut stage, _) = town(60).await;
            stage.dialect.update_method = method;
            let mut engine = stage.engine().unwrap();
            let person = entitled(&stage)[5];
            let refusal = Refusal {
                attribute: "title".to_owned(),
                contains: "ulovlig".to_owned(),
                status: 400,
            };
            stage.lock().platform.faults.refuse_users.push(refusal);
            set(&stage, person, "jobTitle", json!("Ulovlig"));
            let (surname, display_name) = ("Ås".to_owned(), "Kari Ås".to_owned());
            happen(&stage, Event::Rename { user: person, surname, display_name });
            next(&stage, &mut engine).await;
            assert_only(&stage, &["title"]);
            let reasons = stuck(&engine);
            assert!(reasons.len() == 1 && reasons[0].starts_with("title: "), "{reasons:?}");
            happen(&stage, Event::Disable { user: person });
            next(&stage, &mut engine).await;
            assert_eq!(active(&stage, person), Some(false), "{method:?}");
            happen(&stage, Event::Enable { user: person });
            set(&stage, person, "mobilePhone", json!("+47 900 00 001"));
            next(&stage, &mut engine).await;
            assert_eq!(active(&stage, person), Some(true), "{method:?}");
            assert_only(&stage, &["title"]);
            stage.lock().platform.faults = Faults::default();
            stage.pass(Duration::from_secs(6 * 3_600)).await;
            settle(&stage, &mut engine).await;
            assert_eq!(wrong(&stage), Vec::<String>::new(), "{method:?}");
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{method:?}");
        });
    }
}

#[test]
fn a_newcomer_with_a_refused_value_has_an_account_without_it() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let refusal =
            Refusal { attribute: "title".to_owned(), contains: "ulovlig".to_owned(), status: 400 };
        stage.lock().platform.faults.refuse_users.push(refusal);
        let Event::Hire { user, mut properties, .. } = hire(911) else { return };
        properties.insert("jobTitle".to_owned(), json!("Ulovlig"));
        properties.insert("department".to_owned(), json!("Helse"));
        happen(&stage, Event::Hire { user, properties, manager: None });
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage, user), Some(true));
        assert_only(&stage, &["title"]);
        assert_eq!(stuck(&engine).len(), 1, "{:?}", stuck(&engine));
    });
}

#[test]
fn an_attribute_that_is_refused_by_name_is_left_out_for_everybody_from_then_on() {
    for form in [Form::InvalidPath, Form::NotImplemented] {
        runtime().block_on(async {
            let options =
                GeneratorOptions { users: 60, groups: 4, seed: 3, ..GeneratorOptions::default() };
            let stage = Stage::new(generate(&options), 3);
            untaken(&stage, "phoneNumbers", form, true);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_only(&stage, &["phoneNumbers"]);
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{form:?}");
            assert_eq!(left_out(&engine).len(), 2, "{:?}", left_out(&engine));
            assert!(left_out(&engine)[0].contains("[targets.*.account]"));
            let path = AttrPath::parse("phoneNumbers[type eq \"mobile\"].value").unwrap();
            assert!(engine.state().ledger.is_left_out(&path, Use::Create));
            // Whoever comes or changes later is not asked about it, also after a restart.
            let mut engine = stage.engine().unwrap();
            let from = now(&stage);
            let Event::Hire { user, mut properties, .. } = hire(912) else { return };
            properties.insert("mobilePhone".to_owned(), json!("+47 900 00 002"));
            happen(&stage, Event::Hire { user, properties, manager: None });
            let person = entitled(&stage)[5];
            set(&stage, person, "mobilePhone", json!("+47 900 00 003"));
            set(&stage, person, "jobTitle", json!("Sjef"));
            next(&stage, &mut engine).await;
            assert_eq!(sent(&stage, from, "phoneNumbers"), 0, "{form:?}");
            assert_eq!(active(&stage, user), Some(true));
            assert_only(&stage, &["phoneNumbers"]);
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{form:?}");
            // After a week it is tried again, and taken.
            stage.lock().platform.faults = Faults::default();
            stage.pass(Duration::from_secs(7 * 24 * 3_600)).await;
            settle(&stage, &mut engine).await;
            next(&stage, &mut engine).await;
            assert_eq!(wrong(&stage), Vec::<String>::new(), "{form:?}");
            assert_eq!(left_out(&engine), Vec::<String>::new(), "{form:?}");
        });
    }
}

#[test]
fn another_dialect_sends_what_was_left_out_again() {
    runtime().block_on(async {
        let (mut stage, mut engine) = town(60).await;
        let people = entitled(&stage);
        untaken(&stage, "title", Form::IgnoredWhenCleared, false);
        let titled: Vec<ObjectId> = people
            .into_iter()
            .filter(|person| !text(&stage, *person, "jobTitle").is_empty())
            .take(4)
            .collect();
        for person in &titled {
            set(&stage, *person, "jobTitle", Value::Null);
        }
        next(&stage, &mut engine).await;
        let left = left_out(&engine);
        assert!(left.len() == 1 && left[0].contains("when it is cleared"), "{left:?}");
        assert!(left[0].contains("clear_value = \"replace_empty\""), "{left:?}");
        // Other values are taken.
        set(&stage, titled[0], "jobTitle", json!("Sjef"));
        next(&stage, &mut engine).await;
        assert_eq!(wrong(&stage).len(), 3, "{:?}", wrong(&stage));
        stage.lock().platform.faults = Faults::default();
        stage.dialect.clear_value = ClearValue::ReplaceEmpty;
        let mut engine = stage.engine().unwrap();
        next(&stage, &mut engine).await;
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn adopting_a_filled_server_leaves_nobody_stuck_over_what_it_does_not_take() {
    runtime().block_on(async {
        let (mut stage, _) = town(60).await;
        stage.policy.adopt = Adopt::Automatic;
        // The same platform, and a state that knows nothing of it.
        for (number, person) in entitled(&stage).into_iter().enumerate() {
            set(&stage, person, "mobilePhone", json!(format!("+47 911 11 {number:03}")));
            set(&stage, person, "jobTitle", json!("Medarbeider"));
        }
        untaken(&stage, "phoneNumbers", Form::InvalidPath, true);
        stage.store = manntall::store::memory::MemoryStore::new();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        next(&stage, &mut engine).await;
        settle(&stage, &mut engine).await;
        assert_only(&stage, &["phoneNumbers"]);
        assert_eq!(stuck(&engine), Vec::<String>::new());
        let accounts = engine.state().ledger.accounts.values();
        assert!(accounts.filter(|entry| matches!(entry.link, Link::Linked(_))).count() > 40);
    });
}

#[test]
fn what_is_ignored_for_one_person_is_sent_ever_more_seldom_and_is_not_reported_as_done() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let person = entitled(&stage)[5];
        // The platform takes titles, and not this person's.
        for other in &entitled(&stage)[10..14] {
            set(&stage, *other, "jobTitle", json!("Sjef"));
        }
        next(&stage, &mut engine).await;
        let name = text(&stage, person, "userPrincipalName");
        let kept = Kept { user_name: name, attribute: "title".to_owned() };
        stage.lock().platform.faults.kept.push(kept);
        set(&stage, person, "jobTitle", json!("Sjef"));
        let done = engine.tally().done.get("update").copied().unwrap_or_default();
        next(&stage, &mut engine).await;
        let reasons = stuck(&engine);
        assert!(reasons.len() == 1 && reasons[0].contains("ignores title"), "{reasons:?}");
        assert_eq!(left_out(&engine), Vec::<String>::new());
        let from = now(&stage);
        // Half an hour of single syncs.
        for _ in 0..30 {
            engine = stage.engine().unwrap();
            next(&stage, &mut engine).await;
        }
        let again = sent(&stage, from, "title");
        assert!((1..=5).contains(&again), "{again} times in half an hour");
        let escrow = engine.state().ledger.escrow.values().next().unwrap();
        assert!(escrow.attempts >= 4, "{escrow:?}");
        let now_done = engine.tally().done.get("update").copied().unwrap_or_default();
        assert_eq!((done > 0, now_done), (true, 0), "nothing was done");
        stage.lock().platform.faults = Faults::default();
        stage.pass(Duration::from_secs(6 * 3_600)).await;
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn who_has_no_mail_is_changed_on_a_server_that_shows_an_empty_one() {
    runtime().block_on(async {
        let (mut stage, _) = town(60).await;
        stage.dialect.update_method = UpdateMethod::PutMerge;
        stage.lock().platform.faults.blanks = true;
        let mut engine = stage.engine().unwrap();
        let people = entitled(&stage);
        let without = |person: &&ObjectId| text(&stage, **person, "mail").is_empty();
        let without: Vec<ObjectId> = people.iter().filter(without).copied().collect();
        assert!(without.len() > 1, "there is nobody without mail");
        set(&stage, without[0], "jobTitle", json!("Sjef"));
        happen(&stage, Event::Disable { user: without[1] });
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage, without[1]), Some(false));
        assert_eq!(wrong(&stage), Vec::<String>::new());
        assert_eq!(stuck(&engine), Vec::<String>::new());
    });
}

#[test]
fn a_login_name_that_an_account_of_ours_has_is_told_by_whose_it_is() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let leaver = entitled(&stage)[5];
        let name = text(&stage, leaver, "userPrincipalName");
        happen(&stage, Event::SoftDelete { user: leaver });
        happen(&stage, Event::Purge { user: leaver });
        next(&stage, &mut engine).await;
        let Event::Hire { user, mut properties, .. } = hire(913) else { return };
        properties.insert("userPrincipalName".to_owned(), json!(name));
        happen(&stage, Event::Hire { user, properties, manager: None });
        next(&stage, &mut engine).await;
        let escrow = &engine.state().ledger.escrow;
        let newcomer =
            escrow.iter().find(|(entity, _)| matches!(entity, Entity::Account(one) if one.object.to_string() == user.to_string()));
        let (entity, stuck) = newcomer.expect("the newcomer is stuck");
        assert!(matches!(entity, Entity::Account(_)));
        let reason = &stuck.reason;
        assert!(reason.contains(&leaver.to_string()) && reason.contains("deactivated"), "{reason}");
    });
}

#[test]
fn t67_what_the_platform_does_not_take_of_accounts_is_sent_of_groups_all_the_same() {
    runtime().block_on(async {
        let options =
            GeneratorOptions { users: 60, groups: 4, seed: 3, ..GeneratorOptions::default() };
        let stage = Stage::new(generate(&options), 3);
        untaken(&stage, "externalId", Form::Ignored, true);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let path = AttrPath::external_id();
        for use_ in [Use::Create, Use::Change] {
            assert!(engine.state().ledger.is_left_out(&path, use_), "{:?}", left_out(&engine));
        }
        let group: ObjectId = "0e7a52c1-4f0b-4d52-9d3a-6c1b8f2a9e77".parse().unwrap();
        let properties = [("displayName".to_owned(), json!("PLT Nye"))].into();
        happen(&stage, Event::CreateGroup { group, properties });
        let before = engine.state().journal().unwrap().len();
        next(&stage, &mut engine).await;
        assert_eq!(stuck(&engine), Vec::<String>::new());
        let made = engine.state().journal().unwrap().split_off(before);
        assert_eq!(made.len(), 1, "once, and no update of nothing: {made:#?}");
        let (inner, id) = (stage.lock(), group.to_string());
        assert!(inner.platform.groups().any(|one| one.external_id() == Some(&*id)));
    });
}
