//! Writes of which the answer does not say what came of them, while Entra changes its word meanwhile.

use std::time::Duration;

use manntall::sim::world::Event;
use manntall::transport::{Method, Request, Response};
use serde_json::json;

use super::departures::{linked, person, turn};
use super::trial::{Told, Trial, hire};
use super::wire;
use crate::acceptance::{entitled, happen, next_poll, world};
use crate::history::runtime;
use crate::stage::{Fate, Stage};

const MOBILE: &str = "mobilePhone";

fn answer(status: u16) -> Fate {
    let body = format!(r#"{{"detail":"not to you","status":"{status}"}}"#);
    Fate::Answer(Response { status, headers: Vec::new(), body: body.into() })
}

fn mobile(trial: &Trial, id: &str) -> Option<String> {
    let inner = trial.stage.lock();
    let user = inner.platform.user(id).unwrap();
    let numbers = user.attributes.get("phoneNumbers").and_then(serde_json::Value::as_array);
    numbers.into_iter().flatten().find_map(|one| {
        (one["type"] == "mobile").then(|| one["value"].as_str().unwrap_or_default().to_owned())
    })
}

/// A value is changed, the write gets no clear answer, and the account cannot be read back: whatever is wanted by then
/// is sent, be it nothing.
#[test]
fn t80_a_value_that_cannot_be_read_back_is_sent_again_also_where_it_is_to_be_cleared() {
    let first = Some("+47 90000001");
    let second = Some("+47 90000002");
    // What was there, what is written in vain or not, and what is wanted by the time that it is forgotten.
    for (before, written, wanted) in [
        (first, None, None),
        (first, second, None),
        (None, first, None),
        (first, None, first),
        (first, second, first),
    ] {
        for is_made in [true, false] {
            runtime().block_on(async {
                let case = format!("{before:?} {written:?} {wanted:?}, made: {is_made}");
                let mut trial = Trial::begin().await;
                let of = entitled(&trial.stage)[2];
                let id = linked(&trial, of).managed().unwrap().to_string();
                let set = |trial: &Trial, value: Option<&str>| {
                    let name = MOBILE.to_owned();
                    happen(
                        &trial.stage,
                        Event::SetProperty { user: of, name, value: json!(value) },
                    );
                    trial.note();
                };
                set(&trial, before);
                trial.two_cycles().await;
                assert_eq!(mobile(&trial, &id).as_deref(), before, "{case}");
                set(&trial, written);
                let account = id.clone();
                wire::meddle(&trial.stage, move |request| {
                    let is_it = request.url.path().ends_with(&account);
                    match request.method {
                        Method::Patch if is_it && is_made => Some(Fate::Lost("reset")),
                        Method::Patch if is_it => Some(answer(504)),
                        Method::Get if is_it => Some(answer(401)),
                        _ => None,
                    }
                });
                next_poll(&trial.stage).await;
                trial.cycle(&mut Told::default()).await;
                set(&trial, wanted);
                next_poll(&trial.stage).await;
                trial.cycle(&mut Told::default()).await;
                wire::switch_off(&trial.stage);
                trial.engine.retry_all();
                trial.two_cycles().await;
                assert_eq!(mobile(&trial, &id).as_deref(), wanted, "{case}");
                trial.converge().await;
            });
        }
    }
}

/// The platform answers a PATCH, and the read that settles it, from a copy that is behind: with what was there before.
#[test]
fn t81_an_answer_that_shows_active_as_it_was_does_not_say_that_nothing_was_made() {
    for is_departure in [true, false] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let of = entitled(&trial.stage)[2];
            let id = linked(&trial, of).managed().unwrap().to_string();
            let then = turn(&mut trial, of, is_departure).await;
            let struck = wire::meddle(&trial.stage, move |request| {
                let is_it = matches!(request.method, Method::Patch | Method::Get)
                    && request.url.path().ends_with(&id);
                is_it.then(|| Fate::Change(Box::new(as_before)))
            });
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert_eq!(trial.is_active(of), Some(!is_departure), "it was made");
            assert!(struck.times() > 1, "the answer, and what is read to settle it");
            wire::switch_off(&trial.stage);
            happen(&trial.stage, then);
            trial.note();
            // It waits for as long as anything that was refused once.
            trial.stage.pass(Duration::from_secs(120)).await;
            trial.two_cycles().await;
            assert_eq!(trial.is_active(of), Some(is_departure));
            trial.converge().await;
        });
    }
}

/// The answer with the other value of `active`.
fn as_before(mut response: Response) -> Response {
    let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let is_active = body["active"].as_bool().unwrap();
    body["active"] = json!(!is_active);
    response.body = body.to_string().into();
    response
}

/// The first request made the account, its answer is lost, and lists and filters do not show it for ten minutes.
#[test]
fn t76_a_create_that_is_refused_as_a_duplicate_of_its_own_first_request_is_not_forgotten() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let Event::Hire { user, .. } = hire(980) else { unreachable!() };
        happen(&trial.stage, hire(980));
        trial.note();
        trial.stage.lock().platform.faults.read_lag_ms = 600_000;
        let mut posts = 0;
        wire::meddle(&trial.stage, move |request| {
            posts += usize::from(is_create(request));
            (is_create(request) && posts == 1).then_some(Fate::Lost("reset"))
        });
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        wire::switch_off(&trial.stage);
        assert_eq!(trial.is_active(user), Some(true), "the first request made it");
        happen(&trial.stage, Event::Disable { user });
        trial.note();
        trial.two_cycles().await;
        // It shows by now, and long before the next comparison somebody looks for it.
        trial.stage.pass(Duration::from_secs(1_800)).await;
        trial.two_cycles().await;
        assert_eq!(trial.is_active(user), Some(false), "a leaver's account was forgotten");
        assert_eq!(linked(&trial, user).managed().map(ToString::to_string), id_of(&trial, user));
        assert!(trial.engine.state().ledger.accounts.contains_key(&person(user)));
    });
}

fn is_create(request: &Request) -> bool {
    request.method == Method::Post && request.url.path().ends_with("/Users")
}

fn id_of(trial: &Trial, user: manntall::sim::world::ObjectId) -> Option<String> {
    let inner = trial.stage.lock();
    let text = user.to_string();
    let mut users = inner.platform.users();
    users.find(|one| one.external_id() == Some(&text)).map(|one| one.id.clone())
}

/// A group that was released goes by another name on the platform, which is not asked by our id, and the group's own id
/// answers 503 when it is wanted again.
#[test]
fn t78_a_released_group_that_cannot_be_read_is_not_made_again_by_its_name() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.match_external_id = false;
        let mut trial = Trial::on(stage).await;
        let (group, _, _) = trial.some_group();
        let name = trial.stage.lock().world.groups()[&group]
            .text("displayName")
            .unwrap_or_default()
            .to_owned();
        let carried = group.to_string();
        let groups = |trial: &Trial| -> Vec<String> {
            let inner = trial.stage.lock();
            let all = inner.platform.groups();
            all.filter(|one| one.external_id() == Some(&carried))
                .map(|one| one.id.clone())
                .collect()
        };
        let before = groups(&trial);
        assert_eq!(before.len(), 1);
        // Out of the rule and released, then wanted again under a new name.
        happen(&trial.stage, Event::RenameGroup { group, name: "Vei".to_owned() });
        trial.note();
        trial.two_cycles().await;
        let id = before[0].clone();
        let struck = wire::meddle(&trial.stage, move |request| {
            let is_it = request.method == Method::Get && request.url.path().ends_with(&id);
            is_it.then(|| answer(503))
        });
        happen(&trial.stage, Event::RenameGroup { group, name: format!("{name} ny") });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(struck.times() > 0);
        assert_eq!(groups(&trial), before, "made a second time");
        wire::switch_off(&trial.stage);
        trial.engine.retry_all();
        trial.two_cycles().await;
        assert_eq!(groups(&trial), before);
        trial.converge().await;
    });
}

/// The look-up of a group by our id fails time and again, and the one by its name finds nothing, since the group goes
/// by another one there.
#[test]
fn t82_a_group_that_cannot_be_asked_for_by_its_id_is_looked_for_in_the_listing() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let section = json!("Ny seksjon");
        let of = entitled(&trial.stage)[3];
        let by = json!({ "displayName": "Gammelt navn", "externalId": "rule:sections/Ny seksjon" });
        let old = trial.stage.lock().platform.insert_group(&by).unwrap();
        let struck = wire::meddle(&trial.stage, |request| {
            let is_it = request.url.path().ends_with("/Groups")
                && request.url.query().is_some_and(|query| query.contains("externalId"));
            is_it.then(|| answer(503))
        });
        let name = "department".to_owned();
        happen(&trial.stage, Event::SetProperty { user: of, name, value: section });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(struck.times() > 0);
        let inner = trial.stage.lock();
        let carried = Some("rule:sections/Ny seksjon");
        let ids: Vec<_> = inner
            .platform
            .groups()
            .filter(|one| one.external_id() == carried)
            .map(|one| &one.id)
            .collect();
        assert_eq!(ids, [&old]);
    });
}
