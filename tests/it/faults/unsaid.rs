//! People of whom Entra does not say whether they may sign in: a few are named, many are a trouble.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::{Entity, ObjectId as CoreId, PersonId, SourceName};
use manntall::cycle::report::Class;
use manntall::sim::world::{Event, ObjectId};
use serde_json::{Value, json};

use super::trial::{Told, Trial, hire};
use crate::acceptance::{entitled, happen};
use crate::history::runtime;

fn person(user: ObjectId) -> PersonId {
    let object = CoreId::parse(&user.to_string()).unwrap();
    PersonId { source: SourceName::new("asker"), object }
}

fn say(trial: &Trial, user: ObjectId, value: Value) {
    let name = "accountEnabled".to_owned();
    happen(&trial.stage, Event::SetProperty { user, name, value });
    trial.note();
}

/// A newcomer of whom Entra does not say it.
fn newcomer(trial: &Trial, number: u128, user_type: &str) -> ObjectId {
    let Event::Hire { user, mut properties, manager } = hire(number) else { unreachable!() };
    properties.insert("accountEnabled".to_owned(), json!(null));
    properties.insert("userType".to_owned(), json!(user_type));
    happen(&trial.stage, Event::Hire { user, properties, manager });
    trial.note();
    user
}

/// A poll later.
async fn next(trial: &mut Trial) -> Told {
    let mut told = Told::default();
    trial.stage.pass(Duration::from_secs(61)).await;
    trial.cycle(&mut told).await;
    told
}

#[test]
fn a_few_of_whom_it_is_not_said_are_named_and_everything_else_goes_on() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        let new = newcomer(&trial, 900, "Member");
        newcomer(&trial, 901, "Guest");
        say(&trial, people[5], json!(null));
        let began = trial.stage.clock.now();
        for _ in 0..3 {
            let told = next(&mut trial).await;
            assert!(told.troubles.is_empty(), "{told:?}");
        }
        happen(&trial.stage, Event::Disable { user: people[0] });
        trial.note();
        next(&mut trial).await;
        assert_eq!(trial.is_active(people[0]), Some(false), "a leaver waits for nobody");
        assert_eq!((trial.is_active(new), trial.is_active(people[5])), (None, Some(true)));
        for is_again in [false, true] {
            if is_again {
                *trial.engine = trial.stage.engine().unwrap();
                next(&mut trial).await;
            }
            let wanted: Vec<_> = [person(new), person(people[5])].into();
            let unsaid: Vec<_> = trial.engine.unsaid().into_iter().collect();
            assert!(unsaid.len() == 2 && wanted.iter().all(|one| unsaid.contains(one)));
            let report = trial.engine.report().target;
            assert_eq!((report.stuck, report.waiting), (2, 1), "again {is_again}");
            let notes = trial.engine.state().stuck_notes().unwrap();
            for one in &wanted {
                let note = &notes[&Entity::Account(*one)];
                assert_eq!(note.class, Class::Unsaid);
                let age = note.since.since(began);
                assert!(age < Duration::from_secs(70), "again {is_again}: {age:?}");
            }
            let deferred = trial.engine.deferred();
            let deferred: Vec<_> = deferred.iter().map(|one| &one.entity).collect();
            assert_eq!(deferred, [&Entity::Account(person(new))]);
        }
        say(&trial, new, json!(true));
        say(&trial, people[5], json!(false));
        next(&mut trial).await;
        next(&mut trial).await;
        assert_eq!((trial.is_active(new), trial.is_active(people[5])), (Some(true), Some(false)));
        assert!(trial.engine.unsaid().is_empty());
        assert_eq!(trial.engine.report().target.stuck, 0);
        trial.converge().await;
    });
}

#[test]
fn many_of_whom_it_is_not_said_are_a_trouble_of_the_tenant() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        for user in entitled(&trial.stage).into_iter().take(5) {
            say(&trial, user, json!(null));
        }
        let told = next(&mut trial).await;
        told.assert_says(&["5 of", "accountEnabled", "nobody is deactivated"]);
        let since = told.troubles[0].since;
        let told = next(&mut trial).await;
        assert_eq!(told.troubles[0].since, since);
        assert!(trial.engine.unsaid().is_empty());
    });
}
