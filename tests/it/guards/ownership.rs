//! What is not ours to change.

use serde_json::json;

use super::{create, disable, entitled, held, next, now, restart, town, writes, wrong};
use crate::faults::trial::hire;
use crate::history::{approve_all, runtime, settle};
use crate::stage::Stage;
use manntall::core::judge::Rejection;
use manntall::core::policy::Adopt;
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
        let told = engine.deferred();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|one| one.why.contains("stays active")), "{told:?}");
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

/// The object id of somebody whom this Entra does not know any more.
const LEAVER: &str = "00000050-0000-4000-8000-000000000050";

/// What the platform shows of whatever carries that id: a name, the name shown, whether it is active.
fn theirs(stage: &Stage) -> Vec<(String, String, bool)> {
    let inner = stage.lock();
    let users = inner.platform.users().map(|one| (one, one.user_name()));
    let groups = inner.platform.groups().map(|one| (one, "group"));
    let theirs = users.chain(groups).filter(|(one, _)| one.external_id() == Some(LEAVER));
    let told = theirs.map(|(one, name)| (name.into(), one.display_name().into(), one.active()));
    told.collect()
}

/// A platform that holds an account that somebody else left behind, active or not, and one that another tool
/// has made, and a group that was another's: of each there is a namesake in Entra.
fn left_behind(stage: &Stage, active: bool) -> (ObjectId, ObjectId) {
    let people = entitled(stage);
    let body = |person: ObjectId, carried: &str, active: bool| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": upn(stage, person), "externalId": carried, "displayName": "Kari Nordmann",
            "active": active,
        })
    };
    let bodies = [body(people[0], LEAVER, active), body(people[1], "kari.nordmann", true)];
    for body in bodies {
        create(stage, &body);
    }
    let mut inner = stage.lock();
    let name = inner.world.live_groups().find_map(|group| {
        let name = group.text("displayName")?.strip_prefix("PLT ")?;
        Some(name.to_owned())
    });
    let group = json!({ "displayName": name.unwrap(), "externalId": LEAVER });
    inner.platform.insert_group(&group).unwrap();
    (people[0], people[1])
}

#[test]
fn t66_what_carries_the_id_of_another_is_not_taken_over_by_its_name_unasked() {
    for (adopt, active, is_approved) in [
        (Adopt::Approve, true, true),
        (Adopt::Automatic, true, false),
        (Adopt::Approve, false, false),
        (Adopt::Automatic, false, true),
    ] {
        runtime().block_on(async {
            let options =
                GeneratorOptions { users: 40, groups: 4, seed: 3, ..GeneratorOptions::default() };
            let mut stage = Stage::new(generate(&options), 3);
            stage.policy.adopt = adopt;
            let (newcomer, known) = left_behind(&stage, active);
            let before = theirs(&stage);
            assert_eq!(before.len(), 2);
            let mut engine = stage.engine().unwrap();
            stage.drive(&mut engine).await.unwrap();
            next(&stage, &mut engine).await;
            assert_eq!(held(&engine), vec![("ownership.other", 2)], "{adopt:?} {active}");
            assert_eq!(theirs(&stage), before, "{adopt:?} {active}");
            assert_eq!(account(&stage, newcomer), None);
            assert!(account(&stage, known).is_some(), "what another tool wrote is no id of ours");
            engine = restart(&stage).await;
            assert_eq!(
                (held(&engine), theirs(&stage)),
                (vec![("ownership.other", 2)], before.clone())
            );
            if is_approved {
                approve_all(&stage, &mut engine);
                next(&stage, &mut engine).await;
                settle(&stage, &mut engine).await;
                assert_eq!((held(&engine), theirs(&stage)), (vec![], vec![]));
                assert!(account(&stage, newcomer).is_some());
                assert_eq!(wrong(&stage), Vec::<String>::new());
            } else {
                let claims = engine.holds().iter().flat_map(|hold| hold.claims.clone()).collect();
                engine.state_mut().reject(Rejection { claims, by: "per".into(), at: now(&stage) });
                next(&stage, &mut engine).await;
                engine = restart(&stage).await;
                assert_eq!((theirs(&stage), account(&stage, newcomer)), (before, None));
                assert_eq!(held(&engine), vec![("ownership.other", 2)]);
            }
        });
    }
}

/// The state has forgotten the leaver, or never knew them.
#[test]
fn t66_a_newcomer_of_a_later_day_is_not_handed_an_account_with_the_id_of_another() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let newcomer = hire(7);
        let Event::Hire { user, .. } = newcomer else { panic!("a newcomer") };
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "NY7@asker.example.no", "externalId": LEAVER, "displayName": "Ny Nordmann",
            "active": true,
        });
        create(&stage, &body);
        let before = theirs(&stage);
        super::happen(&stage, newcomer);
        next(&stage, &mut engine).await;
        assert_eq!((held(&engine), theirs(&stage)), (vec![("ownership.other", 1)], before));
        assert_eq!(account(&stage, user), None);
    });
}
