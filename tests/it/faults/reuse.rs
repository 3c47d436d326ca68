//! Ids that the platform gives out again: what is under the id of an account or group of ours may be another one by
//! now, which is never written to.

use std::time::Duration;

use manntall::core::model::{Entity, Link};
use manntall::core::policy::Adopt;
use manntall::sim::platform::fault::Fault;
use manntall::sim::platform::{Kind, Twins};
use manntall::sim::world::{Event, ObjectId};
use serde_json::{Value, json};

use super::departures::{compared, linked, person, unwatched};
use super::target::{USER, fail, stuck};
use super::trial::{Trial, hire};
use crate::acceptance::{
    assert_right, entitled, happen, next_poll, world, writes, writes_since, wrong,
};
use crate::history::{runtime, settle};
use crate::stage::Stage;

fn id_of(trial: &Trial, of: ObjectId) -> String {
    linked(trial, of).managed().unwrap().as_str().to_owned()
}

fn delete(stage: &Stage, kind: &str, id: &str) {
    let request = manntall::sim::http::Request {
        method: "DELETE".to_owned(),
        target: format!("/scim/v2/{kind}/{id}"),
        headers: vec![("authorization".to_owned(), "Bearer stage-token".to_owned())],
        body: Vec::new(),
    };
    assert_eq!(stage.lock().platform.handle(&request, 0).status, 204);
}

/// Somebody deletes the account with this id, and makes one for the board, which gets it.
fn board_gets(stage: &Stage, id: &str, external_id: Option<&str>) -> Value {
    delete(stage, "Users", id);
    let mut account = json!({
        "id": id, "userName": "board@example.no", "displayName": "Board", "active": true,
    });
    if let Some(external_id) = external_id {
        account["externalId"] = external_id.into();
    }
    stage.lock().platform.insert_user(&account, Twins::Refused).unwrap();
    shown(stage, id)
}

fn shown(stage: &Stage, id: &str) -> Value {
    let inner = stage.lock();
    let user = inner.platform.user(id).unwrap();
    json!({
        "userName": user.user_name(), "externalId": user.external_id(),
        "displayName": user.text("displayName"), "title": user.text("title"), "active": user.active(),
    })
}

/// Until a second look has decided.
async fn looked_twice(trial: &mut Trial) {
    for _ in 0..2 {
        trial.stage.pass(trial.stage.timing.confirm_absence).await;
        settle(&trial.stage, &mut trial.engine).await;
    }
}

/// Somebody who has been deactivated, and the id of the account.
async fn deactivated(trial: &mut Trial, at: usize) -> (ObjectId, String) {
    let leaver = entitled(&trial.stage)[at];
    happen(&trial.stage, Event::Disable { user: leaver });
    next_poll(&trial.stage).await;
    settle(&trial.stage, &mut trial.engine).await;
    let id = id_of(trial, leaver);
    (leaver, id)
}

fn to(stage: &Stage, from: usize, target: &str) -> Vec<String> {
    let writes = writes_since(stage, from).into_iter();
    let writes = writes.filter(|write| write.target.contains(target));
    writes.map(|write| format!("{} {}", write.method, write.target)).collect()
}

#[test]
fn t69_whoever_has_got_the_id_of_somebody_who_leaves_is_never_written_to() {
    for renamed_first in [true, false] {
        runtime().block_on(async {
            let mut trial = unwatched().await;
            let nina = entitled(&trial.stage)[0];
            let id = id_of(&trial, nina);
            let board = board_gets(&trial.stage, &id, Some("okta-1"));
            let from = writes(&trial.stage);
            if renamed_first {
                let (surname, display_name) = ("Nyere".to_owned(), "Nina Nyere".to_owned());
                happen(&trial.stage, Event::Rename { user: nina, surname, display_name });
                next_poll(&trial.stage).await;
                settle(&trial.stage, &mut trial.engine).await;
                let told = trial.engine.absence(&Entity::Account(person(nina))).unwrap();
                assert!(told.contains(&id) && told.contains(&nina.to_string()), "{told}");
                let noted = trial.engine.state().stuck_notes().unwrap();
                assert!(noted[&Entity::Account(person(nina))].reason.contains(&id), "{noted:?}");
            }
            happen(&trial.stage, Event::Disable { user: nina });
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
            assert_eq!(shown(&trial.stage, &id), board);
            looked_twice(&mut trial).await;
            compared(&mut trial).await;
            assert_eq!(shown(&trial.stage, &id), board, "written to");
            assert_eq!(to(&trial.stage, from, &id), Vec::<String>::new());
            assert!(matches!(linked(&trial, nina), Link::Gone(_)), "{:?}", linked(&trial, nina));
            delete(&trial.stage, "Users", &id);
            assert_right(&trial.stage, "but for the board");
        });
    }
}

#[test]
fn t69_an_account_under_the_id_of_somebody_in_service_is_no_drift() {
    for external_id in [None, Some("okta-1")] {
        runtime().block_on(async {
            let mut trial = unwatched().await;
            let arne = entitled(&trial.stage)[3];
            let id = id_of(&trial, arne);
            let board = board_gets(&trial.stage, &id, external_id);
            let from = writes(&trial.stage);
            compared(&mut trial).await;
            assert_eq!(shown(&trial.stage, &id), board, "taken for drift");
            looked_twice(&mut trial).await;
            assert_eq!(shown(&trial.stage, &id), board);
            assert_eq!(to(&trial.stage, from, &id), Vec::<String>::new());
            assert_ne!(id_of(&trial, arne), id, "made again");
            compared(&mut trial).await;
            assert_eq!(shown(&trial.stage, &id), board);
            delete(&trial.stage, "Users", &id);
            assert_right(&trial.stage, "but for the board");
        });
    }
}

#[test]
fn t69_one_difference_alone_is_drift_as_before() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let people = entitled(&trial.stage);
        for (person, change) in [
            (people[1], json!({ "userName": "somebody@example.no" })),
            (people[2], json!({ "externalId": "okta-2" })),
        ] {
            let id = id_of(&trial, person);
            let operations = json!([{ "op": "replace", "value": change }]);
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations,
            });
            let request = manntall::sim::http::Request {
                method: "PATCH".to_owned(),
                target: format!("/scim/v2/Users/{id}"),
                headers: vec![
                    ("authorization".to_owned(), "Bearer stage-token".to_owned()),
                    ("content-type".to_owned(), "application/scim+json".to_owned()),
                ],
                body: body.to_string().into_bytes(),
            };
            assert_eq!(trial.stage.lock().platform.handle(&request, 0).status, 200);
        }
        assert!(!wrong(&trial.stage).is_empty());
        compared(&mut trial).await;
        assert_right(&trial.stage, "put right");
    });
}

#[test]
fn t69_an_account_under_the_id_of_somebody_deactivated_stays_active() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let (arne, id) = deactivated(&mut trial, 5).await;
        let board = board_gets(&trial.stage, &id, Some("okta-1"));
        compared(&mut trial).await;
        looked_twice(&mut trial).await;
        compared(&mut trial).await;
        assert_eq!(shown(&trial.stage, &id), board, "taken for activated again");
        assert!(matches!(linked(&trial, arne), Link::Gone(_)));
        delete(&trial.stage, "Users", &id);
        assert_right(&trial.stage, "but for the board");
    });
}

#[test]
fn t69_a_leaver_does_not_stay_in_for_a_look_that_fails() {
    for fault in [Fault::StatusBefore(500), Fault::AnswersWith(200, "{}".to_owned())] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let leaver = entitled(&trial.stage)[0];
            happen(&trial.stage, Event::Disable { user: leaver });
            trial.note();
            fail(&trial, 1, "GET", USER, &fault);
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
            assert_eq!(trial.is_active(leaver), Some(false), "{fault:?}");
            trial.converge().await;
        });
    }
}

/// Somebody deletes a group of ours, and makes one that gets its id.
fn secret_gets(stage: &Stage, id: &str, member: &str) {
    delete(stage, "Groups", id);
    let secret =
        json!({ "id": id, "displayName": "Styret hemmelig", "members": [{ "value": member }] });
    stage.lock().platform.insert_group(&secret).unwrap();
}

fn group_of(trial: &Trial, group: ObjectId) -> String {
    let groups = trial.engine.state().ledger.groups.iter();
    let mut ours = groups.filter(|(key, _)| key.external_id() == group.to_string());
    ours.next().unwrap().1.link.managed().unwrap().as_str().to_owned()
}

#[test]
fn t69_a_group_under_the_id_of_one_of_ours_is_neither_filled_nor_renamed_nor_deleted() {
    for deletes in [false, true] {
        runtime().block_on(async {
            let mut trial = unwatched().await;
            let (group, _, other) = trial.some_group();
            let id = group_of(&trial, group);
            let member = id_of(&trial, entitled(&trial.stage)[0]);
            secret_gets(&trial.stage, &id, &member);
            // What the platform shows of the others is known by then to another process, too.
            *trial.engine = trial.stage.engine().unwrap();
            let from = writes(&trial.stage);
            if deletes {
                happen(&trial.stage, Event::DeleteGroup { group });
            } else {
                happen(&trial.stage, Event::Join { group, user: other });
            }
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
            looked_twice(&mut trial).await;
            compared(&mut trial).await;
            assert_eq!(to(&trial.stage, from, &id), Vec::<String>::new());
            {
                let inner = trial.stage.lock();
                let secret = inner.platform.group(&id).expect("it is there");
                assert_eq!(secret.display_name(), "Styret hemmelig");
                assert_eq!(secret.members.iter().collect::<Vec<_>>(), [&member]);
            }
            delete(&trial.stage, "Groups", &id);
            assert_right(&trial.stage, "but for the other group");
        });
    }
}

#[test]
fn t69_what_the_list_never_protects_is_not_hit_under_the_id_of_somebody_else() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.policy.adopt = Adopt::Automatic;
        stage.policy.never = ["board@example.no".to_owned()].into();
        let mut trial = Trial::on(stage).await;
        trial.stage.lock().witness = None;
        let nina = entitled(&trial.stage)[0];
        let id = id_of(&trial, nina);
        let board = board_gets(&trial.stage, &id, Some("okta-1"));
        happen(&trial.stage, Event::Disable { user: nina });
        next_poll(&trial.stage).await;
        settle(&trial.stage, &mut trial.engine).await;
        looked_twice(&mut trial).await;
        assert_eq!(shown(&trial.stage, &id), board);
    });
}

#[test]
fn t70_a_newcomer_who_gets_the_id_of_a_deleted_leaver_has_the_account() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let (arne, id) = deactivated(&mut trial, 9).await;
        delete(&trial.stage, "Users", &id);
        trial.stage.lock().platform.faults.answers.reused.push(id.clone());
        happen(&trial.stage, hire(971));
        let Event::Hire { user: nina, .. } = hire(971) else { unreachable!() };
        for _ in 0..3 {
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
            assert_eq!(trial.is_active(nina), Some(true), "locked out");
        }
        compared(&mut trial).await;
        assert_eq!(linked(&trial, nina).managed().unwrap().as_str(), id);
        assert!(linked(&trial, arne).managed().is_none(), "{:?}", linked(&trial, arne));
        assert_eq!(stuck(&trial), Vec::<String>::new());
        assert_right(&trial.stage, "the account is the newcomer's");
    });
}

#[test]
fn t70_whoever_has_moved_is_found_when_a_newcomer_gets_the_id() {
    for leaves in [false, true] {
        runtime().block_on(async {
            let mut trial = unwatched().await;
            let kari = entitled(&trial.stage)[9];
            let old = id_of(&trial, kari);
            trial.stage.lock().platform.give_id(Kind::User, &old, "kari.gift");
            trial.stage.lock().platform.faults.answers.reused.push(old.clone());
            if leaves {
                happen(&trial.stage, Event::Disable { user: kari });
            }
            happen(&trial.stage, hire(972));
            let Event::Hire { user: newcomer, .. } = hire(972) else { unreachable!() };
            for _ in 0..2 {
                next_poll(&trial.stage).await;
                settle(&trial.stage, &mut trial.engine).await;
            }
            assert_eq!(trial.is_active(newcomer), Some(true));
            assert_eq!(trial.is_active(kari), Some(!leaves));
            assert_eq!(id_of(&trial, kari), "kari.gift");
            assert_eq!(id_of(&trial, newcomer), old);
            assert_eq!(stuck(&trial), Vec::<String>::new());
            trial.stage.pass(Duration::from_secs(60)).await;
            compared(&mut trial).await;
            assert_right(&trial.stage, "each has their own");
        });
    }
}
