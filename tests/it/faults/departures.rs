//! Departures are never forgotten: second accounts by the same id, ids that have become others, accounts that are
//! not found for now, and platforms that say what is not so.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::audit::Write;
use manntall::core::model::{Entity, Link, ObjectId as OurId, PersonId, SourceName};
use manntall::core::plan::{Action, Note};
use manntall::core::report::{About, State};
use manntall::sim::platform::Twins;
use manntall::sim::world::{Event, ObjectId};
use manntall::transport::{Method, Response};
use serde_json::json;

use super::trial::{Told, Trial};
use super::wire;
use crate::acceptance::{entitled, happen, next_poll, writes, writes_since};
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage};

pub(super) fn person(of: ObjectId) -> PersonId {
    PersonId { source: SourceName::new("asker"), object: OurId::parse(&of.to_string()).unwrap() }
}

/// Another account that carries the id of somebody, as after an account was hidden, made again, and shown again.
fn second_account(stage: &Stage, of: ObjectId, number: usize) -> String {
    let account = json!({
        "userName": format!("gammel{number}@asker.example.no"),
        "externalId": of.to_string(),
        "active": true,
    });
    stage.lock().platform.insert_user(&account, Twins::Allowed).unwrap()
}

fn is_active(stage: &Stage, id: &str) -> bool {
    stage.lock().platform.user(id).unwrap().active()
}

pub(super) fn linked(trial: &Trial, of: ObjectId) -> Link {
    trial.engine.state().ledger.accounts[&person(of)].link.clone()
}

/// What others make by hand is no fault of ours here: the watch over the writes would report each.
pub(super) async fn unwatched() -> Trial {
    let trial = Trial::begin().await;
    trial.stage.lock().witness = None;
    trial
}

pub(super) async fn compared(trial: &mut Trial) {
    trial.stage.pass(trial.stage.timing.full_compare).await;
    settle(&trial.stage, &mut trial.engine).await;
}

fn told_of(trial: &Trial, entity: &Entity) -> Option<String> {
    match trial.engine.planner().notes().get(entity) {
        Some(Note::Twins(words)) => Some(words.clone()),
        _ => None,
    }
}

#[test]
fn t40_every_account_that_carries_the_id_of_a_leaver_is_deactivated() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let leaver = entitled(&trial.stage)[0];
        let before = writes(&trial.stage);
        let others: Vec<_> = (0..2).map(|at| second_account(&trial.stage, leaver, at)).collect();
        compared(&mut trial).await;
        // While the person stays it is told, and nothing is done about it.
        let words = told_of(&trial, &Entity::Account(person(leaver))).expect("nobody was told");
        assert!(others.iter().all(|id| words.contains(id)), "{words}");
        let report = trial.engine.report().target;
        assert_eq!((report.twins, report.stuck), (1, 1));
        assert_eq!(writes(&trial.stage), before);
        // Also by a process that begins after it.
        *trial.engine = trial.stage.engine().unwrap();
        happen(&trial.stage, Event::Disable { user: leaver });
        next_poll(&trial.stage).await;
        settle(&trial.stage, &mut trial.engine).await;
        let all = {
            let inner = trial.stage.lock();
            let of = leaver.to_string();
            let users = inner.platform.users().filter(|user| user.external_id() == Some(&of));
            users.map(manntall::sim::platform::Resource::active).collect::<Vec<_>>()
        };
        assert_eq!(all, [false, false, false], "a second account of a leaver stays active");
        let made = trial.writes();
        compared(&mut trial).await;
        assert_eq!(trial.writes(), made, "something is sent again and again");
        assert_eq!(trial.engine.report().target.stuck, 0);
        assert_eq!(trial.engine.state().proven.unwrap().leavers, 0);
    });
}

#[test]
fn t40_who_left_before_the_second_account_was_found_is_out_by_it_too() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let leaver = entitled(&trial.stage)[0];
        happen(&trial.stage, Event::Disable { user: leaver });
        next_poll(&trial.stage).await;
        settle(&trial.stage, &mut trial.engine).await;
        let other = second_account(&trial.stage, leaver, 0);
        compared(&mut trial).await;
        assert!(!is_active(&trial.stage, &other));
        assert_eq!(told_of(&trial, &Entity::Account(person(leaver))), None);
    });
}

#[test]
fn t40_an_order_by_hand_looks_for_second_accounts_at_once() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let of = entitled(&trial.stage)[0];
        let other = second_account(&trial.stage, of, 0);
        let (by, at) = ("ola".into(), manntall::clock::Clock::now(&*trial.stage.clock));
        let word = manntall::core::model::ByHand { by, at, reason: "at once".to_owned() };
        trial.engine.deactivate(person(of), word);
        settle(&trial.stage, &mut trial.engine).await;
        assert_eq!(trial.is_active(of), Some(false));
        assert!(!is_active(&trial.stage, &other), "the second account stays active");
    });
}

#[test]
fn t40_a_second_account_is_told_until_it_is_gone_and_a_group_alike() {
    runtime().block_on(async {
        let mut trial = unwatched().await;
        let of = entitled(&trial.stage)[0];
        let other = second_account(&trial.stage, of, 0);
        let (key, external_id) = {
            let groups = &trial.engine.state().ledger.groups;
            let (key, _) = groups.iter().find(|(_, entry)| entry.link.managed().is_some()).unwrap();
            (key.clone(), key.external_id())
        };
        let group = json!({ "displayName": "Gammel", "externalId": external_id });
        let group = trial.stage.lock().platform.insert_group(&group).unwrap();
        let before = writes(&trial.stage);
        compared(&mut trial).await;
        let entities = [Entity::Account(person(of)), Entity::Group(key)];
        for (entity, id) in entities.iter().zip([&other, &group]) {
            let words = told_of(&trial, entity).expect("nobody was told");
            assert!(words.contains(id.as_str()), "{words}");
        }
        assert_eq!(trial.engine.report().target.twins, 2);
        assert_eq!(writes(&trial.stage), before, "something was written to it");
        // Somebody repairs both, and says so.
        trial.stage.lock().platform.faults.unfindable.extend([other, group]);
        let now = manntall::clock::Clock::now(&*trial.stage.clock);
        assert_eq!(trial.engine.state_mut().look_for_twins(now, None), 2);
        settle(&trial.stage, &mut trial.engine).await;
        assert!(entities.iter().all(|entity| told_of(&trial, entity).is_none()));
        assert_eq!(trial.engine.report().target.stuck, 0);
    });
}

#[test]
fn t41_ids_that_have_become_others_are_taken_up_by_our_id_and_the_leaver_is_out() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let (leaver, titled) = (entitled(&trial.stage)[0], entitled(&trial.stage)[1]);
        let before = writes(&trial.stage);
        let _ = trial.stage.lock().platform.renumber();
        trial.rebase();
        happen(&trial.stage, Event::Disable { user: leaver });
        let (name, value) = ("jobTitle".to_owned(), json!("Konge"));
        happen(&trial.stage, Event::SetProperty { user: titled, name, value });
        trial.note();
        trial.two_cycles().await;
        assert_eq!(trial.is_active(leaver), Some(false), "forgotten because its id is another one");
        // The comparison takes up the rest.
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.cycle(&mut Told::default()).await;
        trial.cycle(&mut Told::default()).await;
        let ids: BTreeSet<String> = {
            let inner = trial.stage.lock();
            inner.platform.users().map(|user| user.id.clone()).collect()
        };
        let ledger = &trial.engine.state().ledger;
        let managed = ledger.accounts.values().filter_map(|entry| entry.link.managed());
        assert!(managed.into_iter().all(|id| ids.contains(id.as_str())), "not all were taken up");
        let made = writes_since(&trial.stage, before);
        assert!(made.iter().all(|write| write.method != "POST"), "made again: {made:?}");
        assert_eq!(trial.engine.state().proven.unwrap().missing, 0);
        trial.converge().await;
    });
}

#[test]
fn s13_whoever_should_be_out_and_is_not_found_is_pending_and_not_nothing_to_do() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        let id = linked(&trial, leaver).managed().unwrap().to_string();
        trial.stage.lock().platform.faults.unfindable.insert(id);
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        let mut snapshots = trial.engine.snapshots("platform");
        trial.suffer().await;
        let leaving = trial.engine.leaving();
        let [(one, why)] = &leaving[..] else { panic!("{leaving:?}") };
        assert_eq!(*one, person(leaver));
        assert!(why.contains("not found on the platform since"), "{why}");
        let stand = trial.engine.report().target.leaving.unwrap();
        assert_eq!(stand.count, 1);
        let notes = trial.engine.state().stuck_notes().unwrap();
        assert_eq!(notes[&Entity::Account(person(leaver))].reason, *why);
        let snapshot = snapshots.borrow_and_update().clone();
        let verdict = manntall::core::report::verdict(&snapshot);
        assert_eq!((verdict.state, verdict.about), (State::Degraded, About::Leaving(1)));
        trial.stage.lock().platform.faults.unfindable.clear();
        trial.stage.pass(trial.stage.timing.confirm_absence / 4).await;
        trial.two_cycles().await;
        assert_eq!(trial.engine.report().target.leaving, None);
        assert_eq!(trial.engine.state().stuck_notes().unwrap(), [].into());
        trial.converge().await;
    });
}

#[test]
fn s13_who_leaves_after_a_plan_was_saved_is_pending_and_not_nothing_to_do() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        next_poll(&trial.stage).await;
        trial.engine.restrict_to(BTreeSet::new());
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(leaver), Some(true));
        let leaving = trial.engine.leaving();
        assert!(leaving[0].1.contains("it is not in what was to be done"), "{leaving:?}");
        assert_eq!(trial.engine.report().target.leaving.unwrap().count, 1);
    });
}

#[test]
fn o21_a_platform_that_confirms_and_shows_a_departure_and_does_not_store_it_is_stuck() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let leaver = entitled(&trial.stage)[0];
        let id = linked(&trial, leaver).managed().unwrap().to_string();
        trial.stage.lock().platform.faults.stays_active.insert(id);
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.two_cycles().await;
        assert!(matches!(linked(&trial, leaver), Link::Deactivated(_)), "it shows what it says");
        trial.stage.pass(trial.stage.timing.full_compare).await;
        trial.cycle(&mut Told::default()).await;
        let entity = Entity::Account(person(leaver));
        let stuck = trial.engine.state().ledger.escrow[&entity].clone();
        assert!(stuck.reason.contains("shows the old value"), "{}", stuck.reason);
        assert_eq!(stuck.attempts, 1);
        // Tried ever more seldom, also by another process.
        *trial.engine = trial.stage.engine().unwrap();
        trial.stage.pass(Duration::from_secs(3_600)).await;
        trial.cycle(&mut Told::default()).await;
        let again = trial.engine.state().ledger.escrow[&entity].clone();
        assert!(again.attempts > 1 && again.since == stuck.since, "{again:?}");
        trial.stage.lock().platform.faults.stays_active.clear();
        trial.stage.pass(Duration::from_secs(7 * 3_600)).await;
        trial.two_cycles().await;
        assert_eq!(trial.is_active(leaver), Some(false));
        trial.converge().await;
    });
}

#[test]
fn t68_a_departure_that_was_not_stored_once_is_read_back_until_it_shows() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        let (leaver, other) = (people[0], people[1]);
        for of in [leaver, other] {
            let id = linked(&trial, of).managed().unwrap().to_string();
            trial.stage.lock().platform.faults.stays_active.insert(id);
        }
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        trial.two_cycles().await;
        assert!(matches!(linked(&trial, leaver), Link::Deactivated(_)), "it shows what it says");
        let mut told = Told::default();
        for comparison in 1..=6 {
            trial.stage.pass(trial.stage.timing.full_compare).await;
            if comparison == 4 {
                *trial.engine = trial.stage.engine().unwrap();
            }
            trial.cycle(&mut told).await;
            assert!(matches!(linked(&trial, leaver), Link::Linked(_)), "{comparison}");
            assert!(is_stuck(&trial, leaver), "{comparison}");
            let proven = trial.engine.state().proven.unwrap();
            assert!(proven.leavers == 1 && proven.clean_since.is_none(), "{comparison}");
        }
        // Nor is it believed once somebody has said that it is worth trying again, or about somebody else.
        trial.engine.retry_all();
        happen(&trial.stage, Event::Disable { user: other });
        trial.note();
        trial.two_cycles().await;
        assert!(is_stuck(&trial, leaver) && is_stuck(&trial, other));
        assert_eq!(departures(&trial, leaver), 1, "it was believed once");
        assert_eq!(departures(&trial, other), 0);
        trial.stage.lock().platform.faults.stays_active.clear();
        for _ in 0..2 {
            trial.stage.pass(trial.stage.timing.full_compare).await;
            trial.cycle(&mut told).await;
        }
        assert_eq!((trial.is_active(leaver), trial.is_active(other)), (Some(false), Some(false)));
        assert!(trial.engine.state().ledger.drift.is_empty(), "it is over");
        assert!(trial.engine.state().proven.unwrap().clean_since.is_some());
        trial.converge().await;
    });
}

fn is_stuck(trial: &Trial, of: ObjectId) -> bool {
    trial.engine.state().ledger.escrow.contains_key(&Entity::Account(person(of)))
}

/// How often a departure counts as made.
fn departures(trial: &Trial, of: ObjectId) -> usize {
    let journal = trial.engine.state().journal().unwrap();
    let is_made = |write: &&Write| {
        write.entity == Entity::Account(person(of))
            && write.action == Action::Deactivate
            && write.refused.is_none()
    };
    journal.iter().filter(is_made).count()
}

/// Somebody leaves, or is back after they had left; gives what takes that back in Entra.
pub(super) async fn turn(trial: &mut Trial, of: ObjectId, is_departure: bool) -> Event {
    let (disable, enable) = (Event::Disable { user: of }, Event::Enable { user: of });
    if !is_departure {
        happen(&trial.stage, disable.clone());
        trial.note();
        trial.two_cycles().await;
    }
    let (first, then) = if is_departure { (disable, enable) } else { (enable, disable) };
    happen(&trial.stage, first);
    trial.note();
    then
}

/// A write of `active` is made and its answer lost, the account cannot be read, and the next word of Entra is what
/// was before the write: what the target holds is not what it last confirmed.
#[test]
fn t75_a_write_of_active_that_cannot_be_read_back_is_sent_again_whatever_is_wanted() {
    for (is_departure, status) in [(true, 401), (false, 401), (true, 403), (false, 405)] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let of = entitled(&trial.stage)[2];
            let id = linked(&trial, of).managed().unwrap().to_string();
            let then = turn(&mut trial, of, is_departure).await;
            let sent = wire::meddle(&trial.stage, move |request| {
                let is_it = request.url.path().ends_with(&id);
                match request.method {
                    Method::Patch if is_it => Some(Fate::Lost("reset")),
                    Method::Get if is_it => {
                        let body = format!(r#"{{"detail":"not to you","status":"{status}"}}"#);
                        let (headers, body) = (Vec::new(), body.into());
                        Some(Fate::Answer(Response { status, headers, body }))
                    }
                    _ => None,
                }
            });
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert_eq!(trial.is_active(of), Some(!is_departure), "it was made, {status}");
            assert!(sent.times() > 1, "{status}");
            happen(&trial.stage, then);
            trial.note();
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            wire::switch_off(&trial.stage);
            trial.engine.retry_all();
            trial.two_cycles().await;
            assert_eq!(trial.is_active(of), Some(is_departure), "{status}");
            trial.converge().await;
        });
    }
}
