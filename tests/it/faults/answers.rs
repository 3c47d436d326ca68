//! Answers that are said otherwise than by the book: ids in another letter case, numbers, keys in any case, versions
//! that a change has to name.

use std::collections::BTreeSet;

use manntall::core::policy::Adopt;
use manntall::sim::platform::{Quirk, Twins};
use manntall::sim::world::Event;
use manntall::transport::{Method, Request, Response};
use serde_json::{Value, json};

use super::trial::{Told, Trial, hire};
use super::wire;
use crate::acceptance::{active, assert_right, drift, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::{Fate, SCIM, Stage};

/// Everything of an ordinary week: people come, go and change, and all is compared.
async fn week(trial: &mut Trial, when: &str) {
    trial.unrest();
    next_poll(&trial.stage).await;
    trial.cycle(&mut Told::default()).await;
    assert_right(&trial.stage, when);
    trial.stage.pass(trial.stage.timing.full_compare).await;
    trial.cycle(&mut Told::default()).await;
    assert_right(&trial.stage, when);
    let report = trial.engine.report().target;
    assert_eq!((report.drift, report.stuck), (0, 0), "{when}: {report:?}");
    let proof = trial.engine.state().proven.unwrap();
    assert!(proof.clean_since.is_some(), "{when}: {proof:?}");
}

fn told_ids(trial: &Trial) -> (BTreeSet<String>, BTreeSet<String>) {
    let ledger = &trial.engine.state().ledger;
    let accounts = ledger.accounts.values().filter_map(|entry| entry.link.managed());
    let groups = ledger.groups.values().filter_map(|entry| entry.link.managed());
    let text = |id: &manntall::core::model::ScimId| id.to_string();
    (accounts.map(text).collect(), groups.map(text).collect())
}

#[test]
fn t50_ids_that_are_told_in_another_letter_case_are_the_same_resources() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().platform.faults.answers.ids_in_capitals = true;
        trial.stage.lock().platform.faults.members.in_capitals = true;
        week(&mut trial, "ids in capitals").await;
        let (accounts, groups) = told_ids(&trial);
        assert!(accounts.iter().chain(&groups).all(|id| id.to_uppercase() == *id));
        // What somebody else changes there is seen and repaired.
        let person = entitled(&trial.stage)[7];
        let title = json!({ "op": "replace", "path": "title", "value": "Sjef" });
        drift::patch(&trial.stage, &drift::user(&trial.stage, person), &title);
        trial.rebase();
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.engine.report().target.drift, 1);
        assert_right(&trial.stage, "what was changed by hand is put back");
        // And back again.
        trial.stage.lock().platform.faults.answers.ids_in_capitals = false;
        trial.stage.lock().platform.faults.members.in_capitals = false;
        // The ids that were told are answered 404 by now: the leaver is found under the other ones.
        let leaver = entitled(&trial.stage)[12];
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.two_cycles().await;
        assert!(!trial.is_active(leaver).unwrap());
        trial.two_cycles().await;
        assert_right(&trial.stage, "a leaver while ids change again");
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.engine.report().target.drift, 0);
        trial.converge().await;
    });
}

#[test]
fn t50_ids_in_another_letter_case_are_known_after_the_state_was_lost() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.policy.adopt = Adopt::Automatic;
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        stage.lock().platform.faults.answers.ids_in_capitals = true;
        stage.store = manntall::store::memory::MemoryStore::new();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "taken over under ids in capitals");
        happen(&stage, Event::Disable { user: entitled(&stage)[0] });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "a leaver");
    });
}

#[test]
fn t50_two_people_whose_ids_differ_in_letter_case_alone_are_never_mixed() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.policy.adopt = Adopt::Automatic;
        let people = entitled(&stage);
        // Two of ours, and beside a third somebody whom nobody knows.
        let ids = ["abcdefabcdefabcdef01", "ABCDEFABCDEFABCDEF01", "fedcbafedcbafedcba02"];
        for (number, (id, person)) in ids.into_iter().zip(&people[3..]).enumerate() {
            let there = json!({
                "id": id, "userName": format!("gammel{number}@asker.example.no"),
                "externalId": person.to_string(), "active": true,
            });
            stage.lock().platform.insert_user(&there, Twins::Refused).unwrap();
        }
        let stranger = json!({
            "id": "FEDCBAFEDCBAFEDCBA02", "userName": "fremmed@asker.example.no", "active": true,
        });
        stage.lock().platform.insert_user(&stranger, Twins::Refused).unwrap();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        stage.pass(stage.timing.full_compare).await;
        settle(&stage, &mut engine).await;
        happen(&stage, Event::Disable { user: people[3] });
        happen(&stage, Event::Disable { user: people[5] });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        let inner = stage.lock();
        let owner = |id: &str| {
            let user = inner.platform.user(id).unwrap();
            (user.external_id().map(str::to_owned), user.active())
        };
        assert_eq!(owner(ids[0]), (Some(people[3].to_string()), false));
        assert_eq!(owner(ids[1]), (Some(people[4].to_string()), true));
        assert_eq!(owner(ids[2]), (Some(people[5].to_string()), false));
        assert_eq!(owner("FEDCBAFEDCBAFEDCBA02"), (None, true));
    });
}

/// What a platform makes of each body that it answers, beside what the RFCs say.
type Odd = fn(&Request, &mut Response);

fn edit(response: &mut Response, change: impl FnOnce(&mut Value)) {
    if let Ok(mut json) = serde_json::from_slice::<Value>(&response.body) {
        change(&mut json);
        response.body = json.to_string().into();
    }
}

/// Every user and group in an answer.
fn resources(json: &mut Value) -> Vec<&mut Value> {
    if json.get("Resources").is_some() {
        return json["Resources"].as_array_mut().into_iter().flatten().collect();
    }
    vec![json]
}

fn in_other_case(json: &mut Value, case: fn(&str) -> String) {
    match json {
        Value::Object(members) => {
            for (key, mut value) in std::mem::take(members) {
                in_other_case(&mut value, case);
                let key = if key.starts_with("urn:") { key } else { case(&key) };
                members.insert(key, value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_other_case(item, case)),
        _ => {}
    }
}

const ODD: [(&str, Odd); 14] = [
    ("a mark before the JSON", |_, response| {
        if !response.body.is_empty() {
            response.body = [b"\xef\xbb\xbf", &response.body[..]].concat().into();
        }
    }),
    ("small keys", |_, response| edit(response, |json| in_other_case(json, str::to_lowercase))),
    ("large keys", |_, response| edit(response, |json| in_other_case(json, str::to_uppercase))),
    ("no schemas", |_, response| {
        edit(response, |json| {
            for one in resources(json) {
                one.as_object_mut().map(|one| one.remove("schemas"));
            }
            json.as_object_mut().map(|json| json.remove("schemas"));
        });
    }),
    ("plain JSON", |_, response| {
        response.headers.retain(|(name, _)| name != "content-type");
        response.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }),
    ("no type", |_, response| response.headers.retain(|(name, _)| name != "content-type")),
    ("nothing behind a change", |request, response| {
        if request.method == Method::Patch && response.status == 200 {
            response.body = bytes::Bytes::new();
        }
    }),
    ("no empty list", |_, response| {
        edit(response, |json| {
            if json["Resources"].as_array().is_some_and(Vec::is_empty) {
                json.as_object_mut().unwrap().remove("Resources");
            }
        });
    }),
    ("null for an empty list", |_, response| {
        edit(response, |json| {
            if json["Resources"].as_array().is_some_and(Vec::is_empty) {
                json["Resources"] = Value::Null;
            }
        });
    }),
    ("totals with a point", |_, response| {
        edit(response, |json| {
            if let Some(total) = json.get("totalResults").and_then(Value::as_f64) {
                json["totalResults"] = json!(total);
            }
        });
    }),
    ("null for nobody", |_, response| {
        edit(response, |json| {
            for one in resources(json) {
                let is_group = one.get("userName").is_none() && one.get("displayName").is_some();
                if is_group && one.get("members").is_none() {
                    one["members"] = Value::Null;
                }
            }
        });
    }),
    ("one member without a list", |_, response| {
        edit(response, |json| {
            for one in resources(json) {
                if one["members"].as_array().is_some_and(|members| members.len() == 1) {
                    one["members"] = one["members"][0].take();
                }
            }
        });
    }),
    ("members without a value", |_, response| {
        edit(response, |json| {
            for one in resources(json) {
                for member in one["members"].as_array_mut().into_iter().flatten() {
                    let id = member["value"].as_str().unwrap_or_default().to_owned();
                    *member = json!({ "value": null, "$ref": format!("{SCIM}/Users/{id}?x=1") });
                }
            }
        });
    }),
    ("ids with a point", |_, response| {
        edit(response, |json| {
            for one in resources(json) {
                if let Some(id) = one.get("id").and_then(Value::as_f64) {
                    one["id"] = json!(id);
                }
            }
        });
    }),
];

#[test]
fn t51_answers_said_otherwise_end_right() {
    for (name, odd) in ODD {
        runtime().block_on(async {
            let quirks: &[Quirk] =
                if name == "ids with a point" { &[Quirk::NumericIds] } else { &[] };
            let stage = Stage::with_quirks(world(60, 8, 200), 1, quirks);
            let struck = wire::meddle(&stage, move |request| {
                let request = request.clone();
                request.url.as_str().starts_with(SCIM).then(|| {
                    Fate::Change(Box::new(move |mut response: Response| {
                        odd(&request, &mut response);
                        response
                    }))
                })
            });
            let mut trial = Trial::on(stage).await;
            week(&mut trial, name).await;
            assert!(struck.times() > 0);
            trial.converge().await;
        });
    }
}

#[test]
fn t52_a_platform_that_wants_versions_is_told_them() {
    for status in [412, 428] {
        runtime().block_on(async {
            let stage = Stage::new(world(60, 8, 200), 1);
            stage.lock().platform.faults.answers.wants_versions = Some(status);
            let mut trial = Trial::on(stage).await;
            week(&mut trial, "with versions").await;
            trial.converge().await;
        });
    }
}

#[test]
fn t52_a_platform_whose_versions_never_fit_says_so_of_whoever_is_stuck() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let person = entitled(&trial.stage)[0];
        let refused = wire::meddle(&trial.stage, |request| {
            (request.method == Method::Patch).then(|| {
                let body = r#"{"detail":"precondition"}"#.into();
                Fate::Answer(Response { status: 428, headers: Vec::new(), body })
            })
        });
        happen(&trial.stage, Event::Disable { user: person });
        happen(&trial.stage, hire(945));
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(refused.times() > 0);
        let stuck = super::target::stuck(&trial);
        assert!(stuck.iter().any(|why| why.contains("which version")), "{stuck:?}");
        assert_eq!(active(&trial.stage, person), Some(true));
        wire::switch_off(&trial.stage);
        trial.engine.retry_all();
        trial.converge().await;
    });
}
