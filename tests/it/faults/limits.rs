//! T10 to T12: locations and ids that platforms give, and the seats that they have.

use manntall::core::model::Entity;
use manntall::core::policy::Adopt;
use manntall::sim::platform::Twins;
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::target::{USERS, stuck, wait_out_escrow};
use super::trial::{Told, Trial, hire};
use crate::acceptance::{entitled, happen, next_poll, world, wrong};
use crate::history::{runtime, settle};
use crate::stage::Stage;

#[test]
fn t10_a_location_that_points_elsewhere_is_ignored() {
    // The stage panics at a request to another host.
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let elsewhere = "https://evil.example.no/scim/v2/Users/7".to_owned();
        trial.stage.lock().platform.faults.location = Some(elsewhere);
        trial.unrest();
        let told = trial.suffer().await;
        assert!(told.troubles.is_empty(), "{told:?}");
        trial.converge().await;
    });
}

#[test]
fn t11_odd_ids_are_one_encoded_segment() {
    let ids = [
        "a/b",
        "a%2fb",
        "a?b=c",
        "a#b",
        "æøå",
        "人",
        "a b",
        "..a",
        "a/../../b",
        "%",
        "a\\b",
        "a;b",
        "a:b@c",
        "\"a\"",
        "a+b",
        "a&b",
    ];
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.policy.adopt = Adopt::Automatic;
        let people: Vec<ObjectId> = entitled(&stage).into_iter().take(ids.len()).collect();
        for (id, person) in ids.iter().zip(&people) {
            let mut inner = stage.lock();
            let name = inner.world.users()[person].text("userPrincipalName").unwrap().to_owned();
            let account = json!({ "id": id, "userName": name });
            assert_eq!(inner.platform.insert_user(&account, Twins::Refused).unwrap(), *id);
        }
        let mut trial = Trial::on(stage).await;
        for person in &people[..5] {
            happen(&trial.stage, Event::Disable { user: *person });
        }
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        for (id, person) in ids.iter().zip(&people).take(5) {
            assert_eq!(trial.is_active(*person), Some(false), "{id}");
        }
        trial.converge().await;
    });
}

#[test]
fn t11_ids_that_no_url_can_hold_are_refused_and_nothing_else_is_asked_for() {
    runtime().block_on(async {
        for id in [".", ".."] {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            stage.policy.adopt = Adopt::Automatic;
            let person = entitled(&stage)[0];
            {
                let mut inner = stage.lock();
                let name =
                    inner.world.users()[&person].text("userPrincipalName").unwrap().to_owned();
                let account = json!({ "id": id, "userName": name });
                inner.platform.insert_user(&account, Twins::Refused).unwrap();
            }
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            let only = format!("{person}");
            let about = |one: &String| {
                one.contains(&only) || one.contains("without externalId") || one.ends_with(id)
            };
            let others: Vec<_> = wrong(&stage).into_iter().filter(|one| !about(one)).collect();
            assert_eq!(others, Vec::<String>::new(), "the others are as they should be");
        }
    });
}

#[test]
fn t12_without_a_seat_creates_wait_with_one_message_and_leavers_go_on() {
    for status in [400, 402, 403, 409, 507] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.stage.lock().platform.faults.no_seats = Some(status);
            let leaver = entitled(&trial.stage)[9];
            for number in 970..990 {
                happen(&trial.stage, hire(number));
            }
            trial.unrest();
            next_poll(&trial.stage).await;
            let mut told = Told::default();
            trial.cycle(&mut told).await;
            happen(&trial.stage, Event::Disable { user: leaver });
            trial.note();
            next_poll(&trial.stage).await;
            trial.cycle(&mut told).await;
            assert_eq!(trial.is_active(leaver), Some(false), "status {status}");
            let creates = trial.stage.lock().platform.requests.of("POST", USERS);
            let before = creates;
            next_poll(&trial.stage).await;
            trial.cycle(&mut told).await;
            let creates = trial.stage.lock().platform.requests.of("POST", USERS);
            assert_eq!(creates, before, "asked again at once");
            let stuck = stuck(&trial);
            assert!(!stuck.is_empty() && stuck.len() <= 8, "{stuck:?}");
            assert!(stuck.iter().all(|why| why.contains("seat")), "{stuck:?}");
            // The plan has them all, with the reason.
            let deferred = trial.engine.deferred();
            let waits = |why: &str| why.contains("no seat left") || why.contains("stuck");
            let waiting = deferred.iter().filter(|one| waits(&one.why)).count();
            assert!(waiting >= 20, "{waiting} of 20: {deferred:?}");
            // Nobody calls it a fault of ours.
            assert!(told.troubles.is_empty(), "{told:?}");
            trial.stage.lock().platform.faults.no_seats = None;
            wait_out_escrow(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn t12_the_word_seat_in_a_persons_data_stops_nobody_else() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let refusal = manntall::sim::platform::fault::Refusal {
            attribute: "displayName".to_owned(),
            contains: "Ny 990".to_owned(),
            status: 400,
        };
        trial.stage.lock().platform.faults.refuse_users.push(refusal);
        for number in 990..993 {
            happen(&trial.stage, hire(number));
        }
        let Event::Hire { user, .. } = hire(990) else { return };
        let value = json!("Seat licence quota");
        happen(&trial.stage, Event::SetProperty { user, name: "jobTitle".into(), value });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        let stuck: Vec<&Entity> = trial.engine.state().ledger.escrow.keys().collect();
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        assert_eq!(trial.writes().iter().filter(|write| write.status == 201).count(), 2);
    });
}
