//! Creates: answers that do not say what was made, or that name somebody else's account, and whoever is there
//! already and is not shown.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::sim::platform::fault::{Fault, PathKind};
use manntall::sim::platform::{Kind, Quirk, Twins};
use manntall::sim::world::{Event, ObjectId};
use manntall::transport::{Method, Response};
use serde_json::{Value, json};

use super::target::{USERS, all_struck, fail, stuck};
use super::trial::{Told, Trial, hire};
use super::wire;
use crate::acceptance::{
    active, assert_right, entitled, happen, next_poll, world, writes, writes_since, wrong,
};
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage};

fn hired(number: u128) -> ObjectId {
    let Event::Hire { user, .. } = hire(number) else { unreachable!() };
    user
}

fn posts(stage: &Stage, from: usize, target: &str) -> usize {
    let writes = writes_since(stage, from);
    writes.iter().filter(|write| write.method == "POST" && write.target == target).count()
}

fn made(engine: &Engine, action: &str) -> u64 {
    engine.tally().done.get(action).copied().unwrap_or_default()
}

#[test]
fn t53_a_create_that_is_answered_without_an_id_is_looked_up_and_counts_as_made() {
    for (status, body) in [
        (204, ""),
        (202, ""),
        (202, r#"{"id":"job-1","status":"queued"}"#),
        (201, "{}"),
        (201, "OK"),
        (200, r#"{"id":"#),
        (200, "[]"),
        (201, r#"[{"id":"17"}]"#),
        (
            201,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1}"#,
        ),
    ] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let before = made(&trial.engine, "create");
            // More than would be the platform's fault if they failed.
            for number in 950..962 {
                happen(&trial.stage, hire(number));
            }
            trial.note();
            fail(&trial, 12, "POST", USERS, &Fault::AnswersWith(status, body.to_owned()));
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert!(all_struck(&trial));
            let creates = trial.writes().iter().filter(|w| w.target == "Users").count();
            assert_eq!(creates, 12, "each once, {status} {body}");
            assert_eq!(made(&trial.engine, "create") - before, 12, "{status} {body}");
            assert_eq!(trial.engine.target_trouble(), None, "{status} {body}");
            trial.converge().await;
        });
    }
}

#[test]
fn t53_groups_too() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let person = entitled(&trial.stage)[4];
        let (name, value) = ("department".to_owned(), json!("Nyopprettet"));
        happen(&trial.stage, Event::SetProperty { user: person, name, value });
        trial.note();
        let groups = PathKind::Collection(Kind::Group);
        fail(&trial, 1, "POST", groups, &Fault::AnswersWith(204, String::new()));
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(all_struck(&trial));
        trial.converge().await;
    });
}

#[test]
fn t53_what_was_taken_and_not_made_is_sent_again_after_the_look_ups_and_named() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        happen(&trial.stage, hire(963));
        trial.note();
        let sent = wire::meddle(&trial.stage, |request| {
            (request.method == Method::Post).then(|| {
                let (status, headers, body) = (202, Vec::new(), bytes::Bytes::new());
                Fate::Answer(Response { status, headers, body })
            })
        });
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(sent.times(), 2);
        let stuck = stuck(&trial);
        assert!(
            stuck[0].contains("status 202") && stuck[0].contains("had not been made"),
            "{stuck:?}"
        );
        wire::switch_off(&trial.stage);
        trial.engine.retry_all();
        trial.converge().await;
    });
}

/// What an account holds, and whether it is active.
fn account(stage: &Stage, id: &str) -> (String, Option<String>, bool) {
    let inner = stage.lock();
    let user = inner.platform.user(id).unwrap();
    (user.user_name().to_owned(), user.external_id().map(str::to_owned), user.active())
}

fn id_of(stage: &Stage, person: ObjectId) -> String {
    let (inner, person) = (stage.lock(), person.to_string());
    let mut users = inner.platform.users();
    users.find(|user| user.external_id() == Some(&person)).unwrap().id.clone()
}

#[test]
fn t54_a_create_that_is_written_to_somebody_elses_account_is_undone_there_at_once() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let owner = entitled(&trial.stage)[9];
        let id = id_of(&trial.stage, owner);
        let before = account(&trial.stage, &id);
        let merges = ("ny964@".to_owned(), id.clone());
        trial.stage.lock().platform.faults.answers.merges.push(merges);
        happen(&trial.stage, hire(964));
        let from = writes(&trial.stage);
        for _ in 0..3 {
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
        }
        assert_eq!(account(&trial.stage, &id), before, "put right within the round");
        let reasons = stuck(&trial);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        let names_both = reasons[0].contains("made nothing new")
            && reasons[0].contains(&id)
            && reasons[0].contains(&owner.to_string());
        assert!(names_both, "{reasons:?}");
        // Nor is it written there again every few hours.
        for _ in 0..3 {
            trial.stage.pass(Duration::from_secs(12 * 3_600)).await;
            settle(&trial.stage, &mut trial.engine).await;
        }
        assert_eq!(posts(&trial.stage, from, "Users"), 1);
        trial.stage.lock().platform.faults.answers.merges.clear();
        trial.engine.retry_all();
        settle(&trial.stage, &mut trial.engine).await;
        assert_eq!(active(&trial.stage, hired(964)), Some(true));
        assert!(stuck(&trial).is_empty());
    });
}

#[test]
fn t54_a_create_that_is_written_to_the_account_of_somebody_who_left_gives_it_to_the_newcomer() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let owner = entitled(&trial.stage)[9];
        happen(&trial.stage, Event::Disable { user: owner });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        let id = id_of(&trial.stage, owner);
        trial.stage.lock().platform.faults.answers.merges.push(("ny964@".to_owned(), id.clone()));
        happen(&trial.stage, hire(964));
        trial.note();
        for _ in 0..3 {
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
            let (_, external_id, is_active) = account(&trial.stage, &id);
            assert_eq!((external_id, is_active), (Some(hired(964).to_string()), true));
        }
        assert!(stuck(&trial).is_empty(), "{:?}", stuck(&trial));
        assert_eq!(active(&trial.stage, owner), None);
        trial.converge().await;
    });
}

#[test]
fn t54_a_group_that_is_written_into_another_is_undone_there_at_once() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (before, id) = {
            let inner = trial.stage.lock();
            let group = inner.platform.groups().find(|group| group.members.len() > 3).unwrap();
            (group.clone(), group.id.clone())
        };
        let person = entitled(&trial.stage)[4];
        trial
            .stage
            .lock()
            .platform
            .faults
            .answers
            .merges
            .push(("Nyopprettet".to_owned(), id.clone()));
        let (name, value) = ("department".to_owned(), json!("Nyopprettet"));
        happen(&trial.stage, Event::SetProperty { user: person, name, value });
        for _ in 0..2 {
            next_poll(&trial.stage).await;
            settle(&trial.stage, &mut trial.engine).await;
        }
        let after = trial.stage.lock().platform.group(&id).unwrap().clone();
        assert_eq!(after.display_name(), before.display_name());
        assert_eq!(after.external_id(), before.external_id());
        let others = wrong(&trial.stage);
        assert!(others.iter().all(|one| one.contains("Nyopprettet")), "{others:?}");
        let reasons = stuck(&trial);
        assert!(reasons.iter().any(|why| why.contains("made nothing new")), "{reasons:?}");
        trial.stage.lock().platform.faults.answers.merges.clear();
        trial.engine.retry_all();
        settle(&trial.stage, &mut trial.engine).await;
        assert_right(&trial.stage, "once the platform tells the two apart");
    });
}

/// A platform that lists nobody who is inactive, with most people there already.
fn half_hidden(hidden: usize, shown: usize) -> (Stage, Vec<ObjectId>) {
    let mut stage = Stage::new(world(60, 8, 200), 1);
    stage.policy.adopt = Adopt::Automatic;
    let people = entitled(&stage);
    let step = people.len() / (hidden + shown);
    // None of those that would be looked up in a first load.
    let chosen: Vec<_> = people.iter().copied().skip(1).step_by(step).collect();
    let mut inner = stage.lock();
    for (number, person) in chosen.iter().take(hidden + shown).enumerate() {
        // Login names are no longer what they were, so that nothing refuses a second account.
        let there = json!({
            "userName": format!("gammel{number}@asker.example.no"),
            "externalId": person.to_string(), "active": number >= hidden,
        });
        inner.platform.insert_user(&there, Twins::Refused).unwrap();
    }
    inner.platform.faults.answers.inactive_unlisted = true;
    drop(inner);
    (stage, chosen.into_iter().take(hidden).collect())
}

fn accounts_of(stage: &Stage, person: ObjectId) -> usize {
    let (inner, person) = (stage.lock(), person.to_string());
    inner.platform.users().filter(|user| user.external_id() == Some(&person)).count()
}

fn look_ups(stage: &Stage) -> usize {
    let inner = stage.lock();
    inner.trace.iter().filter(|line| line.contains("?filter=")).count()
}

#[test]
fn t57_whom_a_listing_leaves_out_is_looked_up_where_others_of_ours_are_listed() {
    for (hidden, shown) in [(5, 15), (3, 1)] {
        runtime().block_on(async {
            let (stage, people) = half_hidden(hidden, shown);
            let mut engine = stage.engine().unwrap();
            stage.drive(&mut engine).await.unwrap();
            for person in &people {
                assert_eq!(accounts_of(&stage, *person), 1, "a second account");
                assert_eq!(active(&stage, *person), Some(false), "activated unasked");
            }
            settle(&stage, &mut engine).await;
            assert_right(&stage, "once it was approved");
        });
    }
}

#[test]
fn t57_a_first_load_of_a_platform_without_anybody_of_ours_looks_up_a_few() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        for number in 0..30 {
            let other = json!({ "userName": format!("annen{number}@other.example.no") });
            stage.lock().platform.insert_user(&other, Twins::Refused).unwrap();
        }
        let mut engine = stage.engine().unwrap();
        stage.drive(&mut engine).await.unwrap();
        let looked = look_ups(&stage);
        assert!(looked <= 12, "three people and three groups, by two names each: {looked}");
    });
}

#[test]
fn t57_newcomers_of_later_days_are_looked_up_however_many() {
    for many in [3_u128, 70] {
        runtime().block_on(async {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            stage.policy.budgets.create.min = 100;
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let hidden: Vec<ObjectId> = (0..many).step_by(2).map(|at| hired(1_000 + at)).collect();
            for (number, person) in hidden.iter().enumerate() {
                let there = json!({
                    "userName": format!("gammel{number}@asker.example.no"),
                    "externalId": person.to_string(), "active": false,
                });
                stage.lock().platform.insert_user(&there, Twins::Refused).unwrap();
            }
            stage.lock().platform.faults.answers.inactive_unlisted = true;
            (0..many).for_each(|at| happen(&stage, hire(1_000 + at)));
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
            for person in &hidden {
                assert_eq!(accounts_of(&stage, *person), 1, "a second account");
            }
            assert_right(&stage, "with the newcomers");
        });
    }
}

/// A create whose answer is lost, on a platform that can be asked for nobody any more.
async fn in_doubt(number: u128) -> Trial {
    let mut stage = Stage::with_quirks(world(60, 8, 200), 1, &[Quirk::ListsNoMoreThan(20)]);
    stage.policy.adopt = Adopt::Automatic;
    let mut trial = Trial::on(stage).await;
    happen(&trial.stage, hire(number));
    trial.note();
    let mut has_looked = 0;
    let struck = wire::meddle(&trial.stage, move |request| {
        let query = request.url.query().unwrap_or_default();
        if request.method == Method::Post {
            has_looked = 9;
            let answer = |_| {
                let (status, headers, body) = (500, Vec::new(), bytes::Bytes::new());
                Response { status, headers, body }
            };
            return Some(Fate::Change(Box::new(answer)));
        }
        // Before the create everybody is told to be absent.
        (has_looked > 0 && query.contains("filter=")).then(|| {
            let (status, headers, body) = (500, Vec::new(), bytes::Bytes::new());
            Fate::Answer(Response { status, headers, body })
        })
    });
    next_poll(&trial.stage).await;
    let began = trial.stage.clock.elapsed();
    trial.cycle(&mut Told::default()).await;
    let took = trial.stage.clock.elapsed().saturating_sub(began);
    assert!(took < Duration::from_secs(180), "a sync waits for what cannot be known: {took:?}");
    assert!(struck.times() > 0);
    trial
}

fn notes(engine: &Engine) -> String {
    format!("{:?}", engine.planner().notes())
}

#[test]
fn t55_a_create_that_no_look_up_tells_of_stays_open_and_is_linked_in_the_end() {
    runtime().block_on(async {
        let mut trial = in_doubt(965).await;
        assert!(
            notes(&trial.engine).contains("whether it was made is not known"),
            "{}",
            notes(&trial.engine)
        );
        assert_eq!(trial.engine.report().target.stuck, 1, "{:?}", trial.engine.report().target);
        let from = writes(&trial.stage);
        // Days of that, and starts in between: nothing is sent again, and it is looked up ever more seldom.
        let looked = look_ups(&trial.stage);
        trial.serve(Duration::from_secs(20 * 3_600)).await;
        let again = look_ups(&trial.stage) - looked;
        assert!((6..=200).contains(&again), "{again}");
        *trial.engine = trial.stage.engine().unwrap();
        trial.cycle(&mut Told::default()).await;
        assert_eq!(posts(&trial.stage, from, "Users"), 0, "sent again without a look");
        assert!(notes(&trial.engine).contains("whether it was made is not known"));
        wire::switch_off(&trial.stage);
        trial.serve(Duration::from_secs(7 * 3_600)).await;
        assert_eq!(accounts_of(&trial.stage, hired(965)), 1);
        assert_right(&trial.stage, "once the platform answers");
        assert_eq!(trial.engine.report().target.stuck, 0);
    });
}

#[test]
fn t55_whoever_leaves_while_a_create_is_in_doubt_is_found_and_deactivated() {
    runtime().block_on(async {
        let mut trial = in_doubt(966).await;
        assert_eq!(active(&trial.stage, hired(966)), Some(true));
        happen(&trial.stage, Event::Disable { user: hired(966) });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(
            notes(&trial.engine).contains("may have an active account"),
            "{}",
            notes(&trial.engine)
        );
        wire::switch_off(&trial.stage);
        // When told to, at once.
        trial.engine.try_again();
        trial.cycle(&mut Told::default()).await;
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(active(&trial.stage, hired(966)), Some(false));
        assert!(!notes(&trial.engine).contains("may have an active account"));
    });
}

#[test]
fn t56_a_group_that_cannot_be_read_back_is_read_later_each_time_and_then_stuck() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, member, _) = trial.some_group();
        happen(&trial.stage, Event::Leave { group, user: member });
        trial.note();
        let clock = std::sync::Arc::clone(&trial.stage.clock);
        let times = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (noted, mut is_written) = (std::sync::Arc::clone(&times), false);
        wire::meddle(&trial.stage, move |request| {
            let is_group = request.url.path().contains("/Groups/");
            is_written |= is_group && request.method == Method::Patch;
            (is_group && is_written && request.method == Method::Get).then(|| {
                noted.lock().unwrap().push(clock.elapsed());
                let (status, headers, body) = (500, Vec::new(), bytes::Bytes::new());
                Fate::Answer(Response { status, headers, body })
            })
        });
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        let times: Vec<Duration> = times.lock().unwrap().clone();
        assert_eq!(times.len(), 6, "{times:?}");
        let waits: Vec<u64> =
            times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs()).collect();
        assert!(waits.is_sorted() && waits[0] >= 2 && waits[4] >= 32, "{waits:?}");
        let reasons = stuck(&trial);
        assert!(reasons.iter().any(|why| why.contains("status 500")), "{reasons:?}");
        wire::switch_off(&trial.stage);
        trial.engine.retry_all();
        trial.converge().await;
    });
}

#[test]
fn t54_a_create_answered_with_the_id_of_another_person_is_not_taken_over() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let other = entitled(&trial.stage)[11];
        happen(&trial.stage, hire(970));
        trial.note();
        let body = json!({
            "id": "4711", "externalId": other.to_string(), "userName": "ny970@asker.example.no",
        });
        fail(&trial, 1, "POST", USERS, &Fault::AnswersWith(201, body.to_string()));
        next_poll(&trial.stage).await;
        settle(&trial.stage, &mut trial.engine).await;
        let ids: Vec<Value> = {
            let ledger = &trial.engine.state().ledger;
            let links = ledger.accounts.values().filter_map(|entry| entry.link.managed());
            links.map(|id| json!(id.as_str())).collect()
        };
        assert!(!ids.contains(&json!("4711")), "linked to an account that carries another's id");
        assert!(stuck(&trial)[0].contains("made nothing new"), "{:?}", stuck(&trial));
    });
}
