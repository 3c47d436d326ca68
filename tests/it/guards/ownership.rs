//! What is not ours to change.

use serde_json::json;

use super::{create, disable, entitled, held, next, town, writes};
use crate::history::{approve_all, runtime};
use crate::stage::Stage;
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};

/// The id that the person's account has on the platform.
fn account(stage: &Stage, person: ObjectId) -> Option<String> {
    let person = person.to_string();
    let inner = stage.lock();
    let found = inner.platform.users().find(|user| user.external_id() == Some(&person));
    found.map(|user| user.id.clone())
}

fn upn(stage: &Stage, person: ObjectId) -> String {
    let inner = stage.lock();
    inner.world.users()[&person].text("userPrincipalName").unwrap().to_owned()
}

#[test]
fn an_account_on_the_never_list_is_never_touched() {
    runtime().block_on(async {
        let (mut stage, _) = town(60).await;
        let people = entitled(&stage);
        let by_id = account(&stage, people[0]).unwrap();
        stage.policy.never = [by_id, upn(&stage, people[1]).to_lowercase()].into();
        let mut engine = stage.engine().unwrap();
        for user in &people[..3] {
            happen(&stage, *user);
        }
        let before = writes(&stage);
        next(&stage, &mut engine).await;
        let touched: Vec<_> = stage.lock().platform.writes[before..].to_vec();
        assert_eq!(touched.len(), 1, "{touched:?}");
        let untouched = engine.planner().notes().values();
        let untouched =
            untouched.filter(|note| matches!(note, manntall::core::plan::Note::Untouched(_)));
        assert_eq!(untouched.count(), 2);
        // A leaver on the list stays as well: so the operator said.
        for user in &people[..2] {
            super::happen(&stage, Event::Disable { user: *user });
        }
        let before = writes(&stage);
        next(&stage, &mut engine).await;
        assert_eq!((writes(&stage), held(&engine)), (before, vec![]));
    });
}

fn happen(stage: &Stage, user: ObjectId) {
    let (name, value) = ("jobTitle".to_owned(), "Rektor".into());
    super::happen(stage, Event::SetProperty { user, name, value });
}

/// A platform that holds accounts of three people before Manntall comes: one like any other, an
/// administrator, and one that somebody has disabled there.
fn found(stage: &Stage) -> Vec<ObjectId> {
    let people: Vec<ObjectId> = entitled(stage).into_iter().take(3).collect();
    let extra =
        [json!({}), json!({ "roles": [{ "value": "Org-Admin" }] }), json!({ "active": false })];
    for (person, extra) in people.iter().zip(extra) {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": upn(stage, *person),
            "active": true,
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        create(stage, &body);
    }
    people
}

#[test]
fn administrators_are_not_taken_over_and_disabled_accounts_not_enabled_unasked() {
    runtime().block_on(async {
        let world =
            generate(&GeneratorOptions { users: 40, seed: 3, ..GeneratorOptions::default() });
        let stage = Stage::new(world, 3);
        let people = found(&stage);
        let mut engine = stage.engine().unwrap();
        stage.drive(&mut engine).await.unwrap();
        assert!(account(&stage, people[0]).is_some());
        assert_eq!(held(&engine), vec![("ownership.inactive", 1)]);
        assert_eq!((account(&stage, people[1]), account(&stage, people[2])), (None, None));
        approve_all(&stage, &mut engine);
        next(&stage, &mut engine).await;
        assert!(account(&stage, people[2]).is_some());
        assert_eq!(account(&stage, people[1]), None);
        // An administrator who was never ours is not deactivated either.
        super::happen(&stage, Event::Disable { user: people[1] });
        let before = writes(&stage);
        next(&stage, &mut engine).await;
        assert_eq!(writes(&stage), before);
        disable(&stage, 1);
    });
}

#[test]
fn the_account_whose_token_is_used_is_never_touched() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let person = entitled(&stage)[0];
        let id = account(&stage, person).unwrap();
        let own = manntall::core::model::ScimId::new(&id);
        engine.state_mut().identity.target.as_mut().unwrap().own_account = Some(own);
        engine.state_mut().mark(manntall::cycle::records::Key::Identity);
        engine.state_mut().commit().unwrap();
        engine = stage.engine().unwrap();
        super::happen(&stage, Event::Disable { user: person });
        let before = writes(&stage);
        next(&stage, &mut engine).await;
        assert_eq!(writes(&stage), before);
    });
}
