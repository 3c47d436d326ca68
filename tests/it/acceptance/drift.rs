//! Somebody else changes things on the platform: the next complete comparison finds it, and what is
//! ours is put back.

use manntall::audit::DecisionKind;
use manntall::clock::Clock;
use manntall::core::model::{Entity, ObjectId as OurId, PersonId, SourceName};
use manntall::core::plan::Action;
use manntall::cycle::Engine;
use manntall::sim::http::Request;
use manntall::sim::platform::{Resource, Twins};
use manntall::sim::world::{Event, ObjectId};
use serde_json::{Value, json};

use super::{active, assert_right, entitled, happen, world, writes, writes_since};
use crate::history::{approve_all, counts, decisions, runtime, settle};
use crate::stage::{SCIM, Stage};

/// What a person with access to the platform does there.
pub(crate) fn tamper(stage: &Stage, method: &str, path: &str, body: &Value) {
    let request = Request {
        method: method.to_owned(),
        target: format!("/scim/v2/{path}"),
        headers: vec![
            ("authorization".to_owned(), "Bearer stage-token".to_owned()),
            ("content-type".to_owned(), "application/scim+json".to_owned()),
        ],
        body: body.to_string().into_bytes(),
    };
    let now = u64::try_from(stage.clock.now().0).unwrap();
    let answer = stage.lock().platform.handle(&request, now);
    assert!(answer.status < 300, "{SCIM}/{path}: {}", String::from_utf8_lossy(&answer.body));
}

pub(crate) fn patch(stage: &Stage, path: &str, operation: &Value) {
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    tamper(stage, "PATCH", path, &json!({ "schemas": [schema], "Operations": [operation] }));
}

pub(crate) fn user(stage: &Stage, person: ObjectId) -> String {
    let person = person.to_string();
    let inner = stage.lock();
    let found = inner.platform.users().find(|user| user.external_id() == Some(&person));
    format!("Users/{}", found.unwrap().id)
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

pub(super) fn entity(person: ObjectId) -> Entity {
    let object = OurId::parse(&person.to_string()).unwrap();
    Entity::Account(PersonId { source: SourceName::new("asker"), object })
}

/// A group made by rule, with somebody in it and somebody of ours who is not: path and the two.
pub(crate) fn group(stage: &Stage) -> (String, String, String) {
    let inner = stage.lock();
    let of_ours = |id: &&String| inner.platform.user(id).is_some_and(Resource::active);
    let group = inner
        .platform
        .groups()
        .filter(|group| group.external_id().is_some_and(|id| id.starts_with("rule:")))
        .max_by_key(|group| group.members.len())
        .unwrap();
    let inside = group.members.iter().find(of_ours).unwrap().clone();
    let all: Vec<String> = inner.platform.users().map(|user| user.id.clone()).collect();
    let outside = all.iter().filter(|id| !group.members.contains(*id)).find(of_ours).unwrap();
    (format!("Groups/{}", group.id), inside, outside.clone())
}

/// Until the next comparison is due, in cycles that send nothing.
async fn quiet_day(stage: &Stage, engine: &mut Engine) {
    let before = counts(stage).1;
    stage.pass(stage.timing.full_compare / 2).await;
    settle(stage, engine).await;
    assert_eq!(counts(stage).1, before, "requests between two comparisons");
    stage.pass(stage.timing.full_compare / 2).await;
}

/// What was done to the platform.
struct Tampered {
    group: String,
    inside: String,
    outside: String,
    foreign: String,
    /// How many groups the deleted account was in.
    was_in: usize,
}

/// One of each: a title, an account made inactive and one made active, a group's name, a member taken
/// out, one of ours and a foreign one put in, an account deleted.
fn tamper_with_everything(stage: &Stage, people: &[ObjectId]) -> Tampered {
    let [titled, deleted, disabled, leaver] = people else { unreachable!() };
    let (group, inside, outside) = group(stage);
    let account = json!({ "userName": "vaktmester@platform.example.no" });
    let foreign = stage.lock().platform.insert_user(&account, Twins::Refused).unwrap();
    let replace = |path: &str, attribute: &str, value: Value| {
        patch(stage, path, &json!({ "op": "replace", "path": attribute, "value": value }));
    };
    replace(&user(stage, *titled), "title", json!("Konge"));
    replace(&user(stage, *disabled), "active", json!(false));
    replace(&user(stage, *leaver), "active", json!(true));
    replace(&group, "displayName", json!("Kaffeklubben"));
    let member = format!("members[value eq \"{inside}\"]");
    patch(stage, &group, &json!({ "op": "remove", "path": member }));
    let comes = json!([{ "value": outside }, { "value": foreign }]);
    patch(stage, &group, &json!({ "op": "add", "path": "members", "value": comes }));
    let gone = user(stage, *deleted);
    let was_in = {
        let inner = stage.lock();
        inner.platform.groups().filter(|one| one.members.contains(id(&gone))).count()
    };
    tamper(stage, "DELETE", &gone, &Value::Null);
    Tampered { group, inside, outside, foreign, was_in }
}

/// Accounts and groups that are on record as gone.
fn gone(engine: &Engine) -> Vec<Entity> {
    let decisions = decisions(engine).into_iter();
    let gone = decisions.filter(|decision| decision.kind == DecisionKind::Gone);
    gone.filter_map(|decision| decision.entity).collect()
}

#[test]
fn what_is_gone_when_it_is_written_to_is_on_record_and_made_again() {
    runtime().block_on(async {
        let stage = Stage::new(world(120, 8, 300), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let person = entitled(&stage)[1];
        tamper(&stage, "DELETE", &user(&stage, person), &Value::Null);
        let (name, value) = ("jobTitle".into(), json!("Sjef"));
        happen(&stage, Event::SetProperty { user: person, name, value });
        super::next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_eq!(gone(&engine), [], "one look decides nothing");
        stage.pass(stage.timing.confirm_absence).await;
        settle(&stage, &mut engine).await;
        assert_eq!(gone(&engine), [entity(person)]);
        assert_right(&stage, "after the account was made again");
    });
}

#[test]
fn tampering_is_named_and_exactly_that_is_repaired() {
    runtime().block_on(async {
        let stage = Stage::new(world(120, 8, 300), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let people = entitled(&stage)[..4].to_vec();
        let (deleted, disabled, leaver) = (people[1], people[2], people[3]);
        happen(&stage, Event::Disable { user: leaver });
        super::next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "before anybody tampers");
        assert_eq!(engine.state().proof.as_ref().unwrap().at, None, "listed at first contact only");
        let tampered = tamper_with_everything(&stage, &people);

        quiet_day(&stage, &mut engine).await;
        let (before, journal) = (writes(&stage), engine.state().journal().unwrap().len());
        settle(&stage, &mut engine).await;

        let proof = engine.state().proof.clone().unwrap();
        assert!(proof.at.is_some() && proof.next > stage.clock.now());
        assert_eq!(proof.drift, 7, "title, inactive, active, name, two members, deleted");
        let found = engine.state().proven.unwrap();
        assert_eq!((found.leavers, found.missing), (1, 2), "active; deleted and made inactive");
        assert_eq!(found.clean_since, None);
        assert_eq!(active(&stage, disabled), Some(false), "not made active again");
        assert!(engine.state().ledger.drift[&entity(disabled)].is_disabled());
        assert_eq!(active(&stage, leaver), Some(false));
        assert_eq!(active(&stage, deleted), None, "one look decides nothing");
        stage.pass(stage.timing.confirm_absence).await;
        settle(&stage, &mut engine).await;
        assert_eq!(active(&stage, deleted), Some(true), "made again");
        assert_eq!(gone(&engine), [entity(deleted)]);
        {
            let inner = stage.lock();
            let members = &inner.platform.group(id(&tampered.group)).unwrap().members;
            assert!(members.contains(&tampered.inside) && !members.contains(&tampered.outside));
            assert!(members.contains(&tampered.foreign), "whom we do not know stays");
            assert!(inner.platform.user(&tampered.foreign).is_some());
        }
        let done = engine.state().journal().unwrap().split_off(journal);
        let count = |action| done.iter().filter(|one| one.action == action).count();
        assert_eq!(count(Action::Deactivate), 1);
        assert_eq!(count(Action::Create), 1);
        assert_eq!(count(Action::GroupUpdate), 1);
        assert_eq!(count(Action::MemberRemove), 1);
        assert_eq!(count(Action::MemberAdd), 1 + tampered.was_in);
        let drift = done.iter().filter(|one| one.reason.contains("drift")).count();
        assert_eq!(drift, 5, "all but what was deleted says so: {done:#?}");
        assert!(writes_since(&stage, before).len() <= done.len());
        let wrong = super::wrong(&stage);
        let expected = [&disabled.to_string(), &tampered.foreign];
        let others = wrong.iter().filter(|one| !expected.iter().any(|id| one.contains(*id)));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());

        // The next comparison finds nothing new.
        quiet_day(&stage, &mut engine).await;
        let before = writes(&stage);
        settle(&stage, &mut engine).await;
        assert_eq!(writes_since(&stage, before), []);
        let found = engine.state().proven.unwrap();
        assert_eq!((found.leavers, found.missing), (0, 1), "made inactive by somebody else");
    });
}

#[test]
fn a_mass_of_drift_is_held() {
    runtime().block_on(async {
        let stage = Stage::new(world(120, 4, 100), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let people = entitled(&stage);
        for person in &people[..30] {
            let name = json!({ "op": "replace", "path": "userName", "value": format!("x-{person}@example.no") });
            patch(&stage, &user(&stage, *person), &name);
        }
        quiet_day(&stage, &mut engine).await;
        let before = writes(&stage);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(writes_since(&stage, before), [], "nothing is written unasked");
        assert_eq!(engine.holds().iter().map(|hold| hold.claims.len()).sum::<usize>(), 30);
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert_right(&stage, "after the approval");
    });
}

#[test]
fn a_value_that_comes_back_twice_is_named_and_left() {
    runtime().block_on(async {
        let stage = Stage::new(world(30, 2, 20), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let person = entitled(&stage)[0];
        let mut updates = Vec::new();
        for _ in 0..5 {
            let title = json!({ "op": "replace", "path": "title", "value": "Konge" });
            patch(&stage, &user(&stage, person), &title);
            quiet_day(&stage, &mut engine).await;
            let before = writes(&stage);
            settle(&stage, &mut engine).await;
            updates.push(writes_since(&stage, before).len());
        }
        assert_eq!(updates, [1, 1, 0, 0, 0], "put back twice, then named and left");
        let found = engine.state().proven.unwrap();
        let four_days = stage.timing.full_compare * 4;
        assert!(
            found.clean_since.is_some_and(|since| found.at.since(since) >= four_days),
            "{found:?}"
        );
    });
}
