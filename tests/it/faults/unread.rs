//! E11 to E13: what cannot be read, counted or kept takes nothing from anybody, and leavers are out.

use std::time::Duration;

use manntall::core::model::{Entity, ObjectId as CoreId, PersonId, SourceName};
use manntall::core::plan::Note;
use manntall::sim::entra::{Counting, Distortion, ExpireLinks, Faults};
use manntall::sim::world::{Event, MemberKind, MemberRef, ObjectId};

use serde_json::json;

use super::trial::{Told, Trial, hire};
use crate::acceptance::{assert_right, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// Complete reads one after the other, an hour and more apart.
async fn read_all_again(trial: &mut Trial, times: u32, told: &mut Told) {
    for _ in 0..times {
        trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
        trial.stage.pass(Duration::from_secs(3_700)).await;
        trial.cycle(told).await;
    }
}

/// What was lost is told by the complete read of the next day, and who is missing from it by another.
async fn a_day_later(trial: &mut Trial) {
    for seconds in [24 * 3_600 + 60, 3_700, 3_700] {
        trial.stage.pass(Duration::from_secs(seconds)).await;
        trial.cycle(&mut Told::default()).await;
    }
}

#[test]
fn e11_what_cannot_be_read_takes_nothing_from_anybody_however_often_all_is_read() {
    use Distortion::{
        AllTypes, HalfNames, HalfTexts, NoIds, NoObjects, NullLinks, OddEntries, OddIds,
        OddRemovals, OtherLetters, WrongTypes,
    };
    for distortion in [
        AllTypes,
        HalfNames,
        HalfTexts,
        NoIds,
        NoObjects,
        NullLinks,
        OddEntries,
        OddIds,
        OddRemovals,
        OtherLetters,
        WrongTypes,
    ] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.unrest();
            let faults = Faults { distort: Some(distortion), ..Faults::default() };
            trial.stage.lock().entra.faults = faults;
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            read_all_again(&mut trial, 3, &mut Told::default()).await;
            trial.stage.lock().entra.faults = Faults::default();
            a_day_later(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn e11_who_is_disabled_is_out_also_where_nothing_else_can_be_read() {
    for distortion in [Distortion::AllTypes, Distortion::HalfTexts, Distortion::Large(110)] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let leavers = entitled(&trial.stage)[..3].to_vec();
            trial.stage.lock().entra.faults.distort = Some(distortion);
            for user in &leavers {
                happen(&trial.stage, Event::Disable { user: *user });
            }
            trial.note();
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert!(leavers.iter().all(|user| trial.is_active(*user) == Some(false)));
            trial.stage.lock().entra.faults = Faults::default();
            a_day_later(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn e12_a_tenant_that_refuses_to_count_is_read_from_the_first_contact_on() {
    for counting in
        [Counting::Refused(400), Counting::Refused(403), Counting::Refused(503), Counting::NoNumber]
    {
        runtime().block_on(async {
            let stage = Stage::new(world(60, 8, 200), 1);
            stage.lock().entra.faults.counting = Some(counting);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_right(&stage, "after the first import");
            assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        });
    }
}

#[test]
fn e12_without_a_count_nobody_is_gone_for_being_missing_and_with_it_as_ever() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().entra.faults.counting = Some(Counting::Refused(400));
        let (told, missing) = (entitled(&trial.stage)[0], entitled(&trial.stage)[1]);
        happen(&trial.stage, Event::SoftDelete { user: missing });
        happen(&trial.stage, Event::Purge { user: missing });
        trial.note();
        read_all_again(&mut trial, 4, &mut Told::default()).await;
        assert_eq!(trial.is_active(missing), Some(true));
        // What is told in so many words counts meanwhile.
        happen(&trial.stage, Event::Disable { user: told });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(told), Some(false));
        trial.stage.lock().entra.faults = Faults::default();
        read_all_again(&mut trial, 2, &mut Told::default()).await;
        assert_eq!(trial.is_active(missing), Some(false));
        trial.converge().await;
    });
}

#[test]
fn e12_a_count_that_is_off_by_few_is_close_enough_in_a_small_tenant() {
    for (off, is_read) in [(1, true), (3, true), (-1, true), (-3, true), (4, false), (-7, false)] {
        runtime().block_on(async {
            let stage = Stage::new(world(60, 8, 200), 1);
            stage.lock().entra.faults.counting = Some(Counting::Off(off));
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_eq!(engine.source_troubles().is_empty(), is_read, "{off}");
            if is_read {
                assert_right(&stage, "after the first import");
            }
        });
    }
}

/// A leaver of the same round as something large is out, and everything ends well.
async fn a_leaver_is_out_beside(mut trial: Trial, arrange: impl FnOnce(&mut Stage)) {
    let leaver = entitled(&trial.stage)[0];
    happen(&trial.stage, Event::Disable { user: leaver });
    arrange(&mut trial.stage);
    trial.note();
    next_poll(&trial.stage).await;
    trial.cycle(&mut Told::default()).await;
    assert_eq!(trial.is_active(leaver), Some(false));
    trial.stage.lock().entra.faults = Faults::default();
    a_day_later(&mut trial).await;
    trial.converge().await;
}

#[test]
fn e13_values_and_links_of_any_size_hold_up_no_leaver() {
    for thousands in [110, 1_000, 10_000] {
        runtime().block_on(async {
            Box::pin(a_leaver_is_out_beside(Trial::begin().await, |stage| {
                let rename = |user| {
                    let display_name = "Kari Ås".to_owned();
                    Event::Rename { user, surname: "Ås".to_owned(), display_name }
                };
                for user in entitled(stage)[1..4].to_vec() {
                    happen(stage, rename(user));
                }
                stage.lock().entra.faults.distort = Some(Distortion::Large(thousands));
            }))
            .await;
            Box::pin(a_leaver_is_out_beside(Trial::begin().await, |stage| {
                stage.lock().entra.faults.long_links = Some((1, thousands));
            }))
            .await;
        });
    }
}

#[test]
fn e13_a_group_of_50_000_in_one_element_is_read_and_holds_up_no_leaver() {
    runtime().block_on(async {
        let trial = Trial::begin().await;
        let (group, ..) = trial.some_group();
        Box::pin(a_leaver_is_out_beside(trial, |stage| {
            let mut inner = stage.lock();
            inner.entra.options.links_max = 100_000;
            let mut rng = fastrand::Rng::with_seed(50_000);
            for _ in 0..50_000 {
                let id = ObjectId::random(&mut rng);
                let member = MemberRef { kind: MemberKind::Device, id };
                inner.world.apply(Event::AddForeignMember { group, member }).unwrap();
            }
        }))
        .await;
    });
}

#[test]
fn e20_names_in_other_letters_are_read_as_what_they_stand_for() {
    runtime().block_on(async {
        for whole in [false, true] {
            let mut trial = Trial::begin().await;
            trial.unrest();
            let leavers = entitled(&trial.stage)[..20].to_vec();
            for (number, user) in leavers.iter().enumerate().skip(16) {
                let user = *user;
                let event = if number % 2 == 0 {
                    Event::Disable { user }
                } else {
                    Event::SoftDelete { user }
                };
                happen(&trial.stage, event);
            }
            trial.note();
            trial.stage.lock().entra.faults = Faults {
                distort: Some(Distortion::OtherLetters),
                expire_links: whole.then_some(ExpireLinks::Gone),
                ..Faults::default()
            };
            // While it lasts, as if nothing were wrong.
            let missing = if whole { 2 } else { 0 };
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            read_all_again(&mut trial, missing, &mut Told::default()).await;
            trial.converge().await;
        }
    });
}

#[test]
fn e20_a_link_to_other_objects_is_not_followed_and_everything_is_read_again() {
    runtime().block_on(async {
        for (links, is_told) in [(1, false), (2, false), (50, true)] {
            let mut trial = Trial::begin().await;
            trial.unrest();
            trial.stage.lock().entra.faults.stray_links = links;
            let told = trial.suffer().await;
            if is_told {
                told.assert_says(&["leads to groups", "not followed"]);
                told.assert_says(&["leads to users", "not followed"]);
            } else {
                assert!(told.troubles.is_empty(), "{told:?}");
            }
            trial.stage.lock().entra.faults = Faults::default();
            a_day_later(&mut trial).await;
            trial.converge().await;
        }
    });
}

/// Whoever was never told to be enabled gets no account, waits in sight, and has one once it is told.
#[test]
fn e7_a_newcomer_whose_account_state_is_not_told_waits_in_sight() {
    runtime().block_on(async {
        for is_null in [true, false] {
            let mut trial = Trial::begin().await;
            let Event::Hire { user, properties, manager } = hire(900) else { unreachable!() };
            let mut told = properties;
            if is_null {
                told.insert("accountEnabled".to_owned(), json!(null));
            } else {
                let withheld = ["accountEnabled".to_owned()].into();
                trial.stage.lock().entra.faults.withhold = withheld;
            }
            happen(&trial.stage, Event::Hire { user, properties: told, manager });
            trial.note();
            let told = trial.suffer().await;
            assert_eq!(trial.is_active(user), None, "null {is_null}");
            let entity = Entity::Account(PersonId {
                source: SourceName::new("asker"),
                object: CoreId::parse(&user.to_string()).unwrap(),
            });
            let note = trial.engine.planner().notes().get(&entity);
            let waits = matches!(note, Some(Note::Waiting(why)) if why.contains("accountEnabled"));
            assert!(waits, "null {is_null}: {note:?}");
            if is_null {
                assert_eq!(trial.engine.report().target.stuck, 1, "named, as a few are: {told:?}");
            }
            trial.stage.lock().entra.faults = Faults::default();
            let (name, value) = ("accountEnabled".to_owned(), json!(true));
            happen(&trial.stage, Event::SetProperty { user, name, value });
            trial.note();
            a_day_later(&mut trial).await;
            assert_eq!(trial.is_active(user), Some(true), "null {is_null}");
            println!("null {is_null}: {told:?}");
            trial.converge().await;
        }
    });
}
