//! T1 to T12: what platforms do.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::Guard;
use manntall::core::plan::Action;
use manntall::core::policy::Adopt;
use manntall::sim::platform::fault::{Fault, Faults, Matcher, PathKind, RetryAfter};
use manntall::sim::platform::record::Rate;
use manntall::sim::platform::{Kind, Personality, Platform, PlatformOptions, Twins};
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::trial::{Told, Trial, hire, survives};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::{assert_right, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::{SCIM, Stage};

pub(super) const USER: PathKind = PathKind::Item(Kind::User);
pub(super) const USERS: PathKind = PathKind::Collection(Kind::User);

/// The next requests of this kind meet the fault.
pub(super) fn fail(trial: &Trial, times: usize, method: &str, path: PathKind, fault: &Fault) {
    let next = (0..times).map(|_| (Matcher::of(method, path), fault.clone()));
    trial.stage.lock().platform.faults.fail_next.extend(next);
}

pub(super) fn all_struck(trial: &Trial) -> bool {
    trial.stage.lock().platform.faults.fail_next.is_empty()
}

pub(super) fn stuck(trial: &Trial) -> Vec<String> {
    let escrow = trial.engine.state().ledger.escrow.values();
    escrow.map(|stuck| stuck.reason.clone()).collect()
}

/// Lets time pass until what is stuck is tried again.
pub(super) async fn wait_out_escrow(trial: &mut Trial) {
    for _ in 0..4 {
        trial.stage.pass(Duration::from_secs(6 * 3_600)).await;
        trial.cycle(&mut Told::default()).await;
    }
}

#[test]
fn t1_a_create_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    let faults = [Fault::StatusAfter(500), Fault::StatusAfter(504), Fault::CutBody];
    for (fault, lag_s) in faults.into_iter().flat_map(|one| [(one.clone(), 0), (one, 20)]) {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.stage.lock().platform.faults.read_lag_ms = lag_s * 1_000;
            for number in 910..914 {
                happen(&trial.stage, hire(number));
            }
            trial.note();
            fail(&trial, 4, "POST", USERS, &fault);
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert!(all_struck(&trial));
            let creates = trial.writes().iter().filter(|w| w.target == "Users").count();
            assert_eq!(creates, 4, "each once, {fault:?} with {lag_s} s of lag");
            trial.converge().await;
        });
    }
}

#[test]
fn t2_a_refused_duplicate_is_looked_up_and_adopted_or_named() {
    for adopt in [Adopt::Automatic, Adopt::Never] {
        runtime().block_on(async {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            stage.policy.adopt = adopt;
            let mut trial = Trial::on(stage).await;
            let Event::Hire { user, .. } = hire(920) else { return };
            // Somebody makes the account by hand between our look and our create.
            let taken = json!({ "userName": "ny920@asker.example.no", "displayName": "By hand" });
            let made = trial.stage.lock().platform.insert_user(&taken, Twins::Refused).unwrap();
            happen(&trial.stage, hire(920));
            trial.note();
            // The first look-ups see nothing.
            let mut blind = 2;
            wire::meddle(&trial.stage, move |request| {
                let looks = request.url.query().is_some_and(|query| query.contains("filter"));
                (looks && blind > 0).then(|| {
                    blind -= 1;
                    crate::stage::Fate::Answer(manntall::transport::Response {
                        status: 200,
                        headers: Vec::new(),
                        body: r#"{"totalResults":0,"Resources":[]}"#.into(),
                    })
                })
            });
            trial.two_cycles().await;
            let accounts: Vec<_> = {
                let inner = trial.stage.lock();
                let same = inner
                    .platform
                    .users()
                    .filter(|one| one.user_name() == "ny920@asker.example.no");
                same.map(|one| (one.id.clone(), one.external_id().map(str::to_owned))).collect()
            };
            if adopt == Adopt::Never {
                assert_eq!(accounts, [(made.clone(), None)], "touched although it is not ours");
                let notes = format!("{:?}", trial.engine.planner().notes());
                assert!(notes.contains(&made), "both parties are named: {notes}");
            } else {
                assert_eq!(accounts, [(made, Some(user.to_string()))]);
                trial.converge().await;
            }
        });
    }
}

#[test]
fn t3_after_a_5xx_the_account_is_read_before_anything_is_sent_again() {
    for status in [500, 502, 504] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.unrest();
            fail(&trial, 3, "PATCH", USER, &Fault::StatusAfter(status));
            let reads = trial.stage.lock().platform.requests.of("GET", USER);
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert!(all_struck(&trial));
            let again = trial.stage.lock().platform.requests.of("GET", USER);
            assert!(again >= reads + 3, "not read again");
            let mut patched = BTreeSet::new();
            for write in trial.writes() {
                let once = write.method != "PATCH" || patched.insert(write.target.clone());
                assert!(once || write.target.starts_with("Groups"), "sent twice: {write:?}");
            }
            let journal = trial.engine.state().journal().unwrap();
            let left = journal.iter().filter(|one| one.action == Action::Deactivate).count();
            assert_eq!(left, 1, "what was done although its answer was lost is on record, once");
            trial.converge().await;
        });
    }
}

#[test]
fn t3_a_5xx_that_did_nothing_is_overcome() {
    for status in [500, 502, 503, 504] {
        let told = survives(Peer::Target, &Wrong::Status(status, None));
        assert_eq!(told.codes(), [69].into());
    }
}

/// Somebody gets another name.
fn rename_somebody(trial: &mut Trial) {
    let user = entitled(&trial.stage)[1];
    let (surname, display_name) = ("Ås".to_owned(), "Ola Ås".to_owned());
    happen(&trial.stage, Event::Rename { user, surname, display_name });
    trial.note();
}

#[test]
fn t4_the_rest_of_a_change_that_was_half_made_is_sent() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        rename_somebody(&mut trial);
        fail(&trial, 2, "PATCH", USER, &Fault::FirstOperationOnly);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(stuck(&trial).is_empty(), "{:?}", stuck(&trial));
        trial.converge().await;
    });
}

#[test]
fn t4_what_was_given_up_is_sent_when_the_platform_takes_it_after_all() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        for person in entitled(&trial.stage).into_iter().take(4) {
            retitle(&trial, person);
        }
        // Three in a row are no habit of a platform that has taken the attribute before.
        fail(&trial, 3, "PATCH", USER, &Fault::NoOperation);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert!(all_struck(&trial));
        assert!(stuck(&trial).is_empty(), "{:?}", stuck(&trial));
        trial.converge().await;
    });
}

#[test]
fn t4_an_attribute_that_is_ignored_three_times_is_named_and_waits_in_escrow() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        rename_somebody(&mut trial);
        // The platform confirms everything and changes nothing of this account.
        fail(&trial, 40, "PATCH", USER, &Fault::NoOperation);
        let mut sent = Vec::new();
        for _ in 0..5 {
            next_poll(&trial.stage).await;
            let before = trial.stage.lock().trace.len();
            trial.cycle(&mut Told::default()).await;
            let inner = trial.stage.lock();
            sent.push(inner.trace[before..].iter().filter(|line| line.contains(" PATCH ")).count());
        }
        assert!(sent.iter().sum::<usize>() <= 6, "sent every cycle: {sent:?}");
        let stuck = stuck(&trial);
        assert!(stuck.iter().any(|why| why.contains("ignores displayName")), "{stuck:?}");
        trial.stage.lock().platform.faults = Faults::default();
        wait_out_escrow(&mut trial).await;
        trial.converge().await;
    });
}

fn account_of(trial: &Trial, person: ObjectId) -> String {
    let person = person.to_string();
    let inner = trial.stage.lock();
    let mut users = inner.platform.users();
    users.find(|user| user.external_id() == Some(&person)).unwrap().id.clone()
}

#[test]
fn t5_what_is_not_shown_yet_is_not_made_again() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().platform.faults.read_lag_ms = 45_000;
        for number in 930..936 {
            happen(&trial.stage, hire(number));
        }
        trial.note();
        for fault in [Fault::StatusAfter(500), Fault::CutBody, Fault::StatusAfter(502)] {
            fail(&trial, 2, "POST", USERS, &fault);
        }
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        trial.converge().await;
    });
}

#[test]
fn t6_an_answer_about_somebody_else_is_never_used() {
    for method in ["POST", "PATCH", "GET"] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let other = account_of(&trial, entitled(&trial.stage)[20]);
            trial.unrest();
            let path = if method == "POST" { USERS } else { USER };
            fail(&trial, 2, method, path, &Fault::OtherId(other.clone()));
            if method == "GET" {
                // An account is read only where something is doubtful.
                fail(&trial, 2, "PATCH", USER, &Fault::StatusAfter(500));
            }
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            let owner =
                trial.stage.lock().platform.user(&other).unwrap().external_id().map(str::to_owned);
            assert_eq!(owner, Some(entitled(&trial.stage)[20].to_string()));
            trial.stage.lock().platform.faults = Faults::default();
            wait_out_escrow(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn t6_two_accounts_for_one_person_are_left_to_a_person() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let twin = json!({ "userName": "ny940@asker.example.no" });
        let ids: Vec<String> = {
            let mut inner = trial.stage.lock();
            (0..2).map(|_| inner.platform.insert_user(&twin, Twins::Allowed).unwrap()).collect()
        };
        happen(&trial.stage, hire(940));
        trial.note();
        trial.two_cycles().await;
        let notes = format!("{:?}", trial.engine.planner().notes());
        assert!(ids.iter().all(|id| notes.contains(id)), "{notes}");
        assert_eq!(trial.writes(), []);
    });
}

#[test]
fn t7_a_storm_of_429_halves_the_rate_and_it_comes_back() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(400, 8, 800), 1);
        stage.requests_per_second = 20.0;
        {
            let mut inner = stage.lock();
            let mut options = PlatformOptions::new(Personality::Strict, SCIM, "stage-token");
            options.rate = Some(Rate { per_second: 7, burst: 3 });
            inner.platform = Platform::new(options);
        }
        let mut engine = stage.engine().unwrap();
        let began = stage.clock.elapsed();
        settle(&stage, &mut engine).await;
        let took = stage.clock.elapsed().saturating_sub(began).as_secs_f64();
        assert_right(&stage, "after an import under a limit that nobody told us");
        let (violations, total) = {
            let inner = stage.lock();
            (inner.platform.violations, inner.platform.requests.total())
        };
        println!("{violations} of {total} requests were refused; {took} s");
        assert!(violations * 10 < total, "{violations} of {total} requests were refused");
        assert!(engine.state().ledger.escrow.is_empty());
    });
}

#[test]
fn t7_absurd_waits_end_after_ten_minutes() {
    for after in [
        RetryAfter::Seconds(u64::MAX),
        RetryAfter::Date(86_400 * 365),
        RetryAfter::Text("soon".to_owned()),
    ] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.unrest();
            fail(&trial, 2, "PATCH", USER, &Fault::TooManyRequests(after.clone()));
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            // Each of the two has asked for more than ten minutes, and gets ten.
            for _ in 0..2 {
                trial.stage.pass(Duration::from_secs(601)).await;
                trial.cycle(&mut Told::default()).await;
            }
            trial.converge().await;
        });
    }
}

#[test]
fn t8_a_deleted_account_is_planned_as_made_again_and_put_back_into_its_groups() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (_, member, _) = trial.some_group();
        lose_account(&trial, member);
        retitle(&trial, member);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(member), None, "made again by one look");
        trial.stage.pass(trial.stage.timing.confirm_absence).await;
        trial.cycle(&mut Told::default()).await;
        let journal = trial.engine.state().journal().unwrap();
        let again = journal.iter().rfind(|one| one.action == Action::Create).unwrap();
        assert!(again.reason.contains("deleted on the platform"), "{}", again.reason);
        assert_eq!(again.meters.len(), 1, "it counts in the budget of creates");
        trial.converge().await;
    });
}

#[test]
fn t8_many_deleted_accounts_are_held_before_all_are_made_again() {
    runtime().block_on(async {
        let mut trial = Trial::on(Stage::new(world(300, 8, 400), 1)).await;
        let people = entitled(&trial.stage);
        for person in &people[..200] {
            lose_account(&trial, *person);
            retitle(&trial, *person);
        }
        next_poll(&trial.stage).await;
        trial.stage.drive(&mut trial.engine).await.unwrap();
        trial.stage.pass(trial.stage.timing.confirm_absence).await;
        trial.stage.drive(&mut trial.engine).await.unwrap();
        let holds = trial.engine.holds();
        let creates = holds.iter().filter(|hold| hold.meter.guard == Guard::Create);
        let held: u64 = creates.map(|hold| hold.count).sum();
        let made = trial.writes().iter().filter(|write| write.status == 201).count();
        // They are found out a few at a time, so that the budget of the day decides: twice that of a
        // cycle.
        assert!(made <= 100, "{made} were made unasked");
        assert!(held >= 1, "nothing is held");
        for _ in 0..3 {
            settle(&trial.stage, &mut trial.engine).await;
            trial.engine.retry_all();
            next_poll(&trial.stage).await;
        }
        assert_right(&trial.stage, "after the approval");
    });
}

/// Somebody deletes the account on the platform.
fn lose_account(trial: &Trial, person: ObjectId) {
    let id = account_of(trial, person);
    let mut inner = trial.stage.lock();
    let request = manntall::sim::http::Request {
        method: "DELETE".to_owned(),
        target: format!("/scim/v2/Users/{id}"),
        headers: vec![("authorization".to_owned(), "Bearer stage-token".to_owned())],
        body: Vec::new(),
    };
    let now = u64::try_from(trial.stage.clock.now().0).unwrap();
    assert_eq!(inner.platform.handle(&request, now).status, 204);
    drop(inner);
    trial.rebase();
}

fn retitle(trial: &Trial, person: ObjectId) {
    let name = "jobTitle".to_owned();
    happen(&trial.stage, Event::SetProperty { user: person, name, value: json!("Sjef") });
    trial.note();
}

#[test]
fn t9_a_token_that_is_refused_in_the_middle_stops_everything_and_loses_nothing() {
    for status in [401, 403] {
        let told = survives(Peer::Target, &Wrong::Status(status, None));
        assert_eq!(told.codes(), [12].into());
        told.assert_says(&["refuses our credentials"]);
    }
}

#[test]
fn t9_between_a_refusal_and_the_next_probe_nothing_is_sent() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        for number in 950..970 {
            happen(&trial.stage, hire(number));
        }
        trial.unrest();
        let struck = wire::switch_on(&trial.stage, Peer::Target, &Wrong::Status(401, None));
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        // No more than were on their way together.
        assert!(struck.times() <= 8, "{} requests with a dead token", struck.times());
        wire::switch_off(&trial.stage);
        trial.stage.pass(Duration::from_secs(60)).await;
        trial.converge().await;
    });
}

#[test]
fn answers_lost_one_by_one_with_changes_made_between_are_not_counted_together() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (group, _, user) = trial.some_group();
        for round in 0..8 {
            happen(
                &trial.stage,
                match round % 2 {
                    0 => Event::Join { group, user },
                    _ => Event::Leave { group, user },
                },
            );
            trial.note();
            fail(&trial, 1, "PATCH", PathKind::Item(Kind::Group), &Fault::StatusBefore(502));
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            trial.stage.pass(Duration::from_secs(1_024)).await;
            trial.cycle(&mut Told::default()).await;
            assert!(all_struck(&trial), "round {round}");
            assert_eq!(stuck(&trial), Vec::<String>::new(), "round {round}");
            assert_right(&trial.stage, &format!("round {round}"));
        }
        trial.converge().await;
    });
}
