//! What is read of a tenant that does not let itself be read: how often it is asked, what is taken from what it
//! tells, what is said of it, and for how long anybody waits.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::expression::Subject;
use manntall::core::model::{Entity, ObjectId as CoreId, PersonId, Presence, SourceName};
use manntall::core::plan::Note;
use manntall::cycle::waiting::Waiting;
use manntall::cycle::{Engine, Until};
use manntall::sim::entra::{EmptyReads, ExpireLinks, Faults, RequestKind, Throttle};
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};
use manntall::transport::Method;
use tokio::sync::watch;

use super::{active, assert_right, entitled, happen, world};
use crate::faults::trial::hire;
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage, expression};

/// The service for so long.
async fn serve(stage: &Stage, engine: &mut Engine, span: Duration) {
    let (stop, mut stopped) = watch::channel(false);
    let writer = stage.writer();
    let driving = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
    let ends = async {
        stage.pass(span).await;
        stop.send(true).unwrap();
    };
    futures_util::future::join(driving, ends).await.0.unwrap();
}

async fn imported() -> (Stage, Engine) {
    let mut stage = Stage::new(world(120, 8, 300), 1);
    stage.timing.poll_interval = Duration::from_secs(5);
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    assert_right(&stage, "after the first import");
    (stage, engine)
}

fn codes(engine: &Engine) -> Vec<u8> {
    engine.source_troubles().values().map(|trouble| trouble.code).collect()
}

/// How long a `sync` takes.
async fn timed(stage: &Stage, engine: &mut Engine) -> Duration {
    let began = stage.clock.elapsed();
    stage.drive(engine).await.unwrap();
    stage.clock.elapsed().saturating_sub(began)
}

#[test]
fn a_leaver_does_not_wait_for_a_complete_read_that_was_refused() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        {
            // One page is lost of each complete read, and the old links are, too.
            let mut inner = stage.lock();
            inner.entra.options.page_size_max = 20;
            inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
            inner.entra.faults.lose_pages = 2;
        }
        // Told by the refused read itself.
        happen(&stage, Event::Disable { user: people[0] });
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        assert_eq!(codes(&engine).first(), Some(&69), "{:?}", engine.source_troubles());
        let shown = active(&stage, people[0]);
        // Told behind its link.
        happen(&stage, Event::Disable { user: people[1] });
        serve(&stage, &mut engine, Duration::from_secs(7)).await;
        assert_eq!(active(&stage, people[1]), Some(false));
        assert_eq!(codes(&engine).first(), Some(&69), "a delta round is no complete read");
        let gone = people.iter().filter(|one| active(&stage, **one) != Some(true)).count();
        assert_eq!(gone, 1 + usize::from(shown == Some(false)), "who was not listed stays");
        serve(&stage, &mut engine, Duration::from_secs(3 * 3600)).await;
        assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        assert_right(&stage, "after the next complete reads");
    });
}

#[test]
fn a_refused_complete_read_is_told_after_a_restart_and_sync_does_not_wait_for_the_next() {
    runtime().block_on(async {
        let stage = Stage::new(world(120, 8, 300), 1);
        for is_first in [true, false] {
            stage.lock().entra.faults = Faults {
                empty_full_reads: Some(EmptyReads::CountTrue),
                expire_links: Some(ExpireLinks::Gone),
                ..Faults::default()
            };
            stage.pass(Duration::from_secs(61)).await;
            let mut engine = stage.engine().unwrap();
            assert!(timed(&stage, &mut engine).await < Duration::from_secs(60));
            let said = engine.source_troubles().clone();
            drop(engine);
            // Nothing was asked yet since the restart.
            let mut engine = stage.engine().unwrap();
            assert_eq!(engine.source_troubles(), &said, "first: {is_first}");
            assert!(said.values().any(|trouble| trouble.code == 69), "{said:?}");
            assert!(timed(&stage, &mut engine).await < Duration::from_secs(60));
            assert!(codes(&engine).contains(&69) && !engine.is_complete(), "first: {is_first}");
            drop(engine);
            stage.lock().entra.faults = Faults::default();
            if is_first {
                // Without any link, whoever asks is answered now and not in ten minutes.
                let mut engine = stage.engine().unwrap();
                assert!(timed(&stage, &mut engine).await < Duration::from_secs(60));
            } else {
                stage.pass(Duration::from_secs(660)).await;
            }
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
            assert_right(&stage, "when complete reads prove something again");
        }
    });
}

#[test]
fn delta_links_that_never_last_make_no_storm_of_complete_reads() {
    runtime().block_on(async {
        let (mut stage, _) = imported().await;
        stage.timing.poll_interval = Duration::from_secs(60);
        let mut engine = stage.engine().unwrap();
        stage.lock().entra.options.link_life_s = 30;
        let counts = |stage: &Stage| stage.lock().entra.counters.of(RequestKind::UserCount);
        let before = counts(&stage);
        serve(&stage, &mut engine, Duration::from_secs(6 * 3600)).await;
        let reads = counts(&stage) - before;
        // After 1, 2, 4, 8 minutes, and then every ten minutes and the interval of a poll.
        assert!((25..=42).contains(&reads), "{reads} complete reads in six hours");
        let words = engine.source_troubles().values().next().unwrap().message.clone();
        assert!(words.contains("do not last until the next poll"), "{words}");
        let leaver = entitled(&stage)[0];
        happen(&stage, Event::Disable { user: leaver });
        serve(&stage, &mut engine, Duration::from_secs(12 * 60)).await;
        assert_eq!(active(&stage, leaver), Some(false));
        stage.lock().entra.options.link_life_s = 7 * 24 * 3600;
        serve(&stage, &mut engine, Duration::from_secs(13 * 60)).await;
        assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        assert_right(&stage, "when links last again");
    });
}

fn throttle(stage: &Stage, requests: u32, after_s: u64) {
    let throttle = Throttle { requests, retry_after_s: Some(after_s) };
    stage.lock().entra.faults = Faults { throttle: Some(throttle), ..Faults::default() };
}

#[test]
fn short_waits_in_a_row_are_sat_out_and_one_beyond_ten_minutes_ends_the_sync() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        // Five waits for users, and five for groups.
        stage.pass(Duration::from_secs(60)).await;
        throttle(&stage, 10, 60);
        let took = timed(&stage, &mut engine).await;
        assert!((300..360).contains(&took.as_secs()), "{took:?}");
        assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        throttle(&stage, 10_000, 601);
        let took = timed(&stage, &mut engine).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(codes(&engine), [75, 75]);
        // Waits without end are none to be sat out either.
        throttle(&stage, 10_000, 60);
        let took = timed(&stage, &mut engine).await;
        assert!((600..720).contains(&took.as_secs()), "{took:?}");
        assert_eq!(codes(&engine), [75, 75]);
    });
}

#[test]
fn what_is_waited_for_is_said_at_once_and_for_how_long() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        stage.pass(Duration::from_secs(60)).await;
        throttle(&stage, 4, 60);
        let mut progress = engine.progress();
        let clock = stage.clock.clone();
        let began = clock.elapsed();
        let mut said: Vec<(Duration, Waiting)> = Vec::new();
        let hears = async {
            while progress.changed().await.is_ok() {
                let waiting = progress.borrow_and_update().waiting.clone();
                said.extend(waiting.map(|one| (clock.elapsed().saturating_sub(began), one)));
            }
        };
        tokio::select! {
            biased;
            () = hears => unreachable!("the engine is still there"),
            ended = stage.drive(&mut engine) => drop(ended.unwrap()),
        }
        said.dedup_by(|one, other| one.1 == other.1);
        let (at, first) = &said[0];
        assert!(*at < Duration::from_secs(1), "{said:?}");
        assert!(first.what.contains("Entra, which asks for a pause (tenant asker"), "{said:?}");
        assert!((59..=60).contains(&first.seconds), "{said:?}");
        assert!(said.len() >= 2, "the second wait is said as well: {said:?}");
    });
}

#[test]
fn a_sync_every_night_is_no_reason_for_doubt_and_a_forgotten_state_is() {
    runtime().block_on(async {
        let (stage, engine) = imported().await;
        drop(engine);
        let day = Duration::from_secs(24 * 3600);
        // Sometimes late, over a weekend, and on the night when clocks go back.
        for pause in [day, day + Duration::from_secs(900), 3 * day, day + Duration::from_secs(3600)]
        {
            stage.pass(pause).await;
            let mut engine = stage.engine().unwrap();
            assert_eq!(engine.state().recovery, None, "after {pause:?}");
            stage.drive(&mut engine).await.unwrap();
        }
        stage.pass(5 * day).await;
        assert!(stage.engine().unwrap().state().recovery.is_some());
    });
}

/// Somebody becomes a guest, and the account goes; then a member again.
fn change_type(stage: &Stage, user: ObjectId, value: &str) {
    let (name, value) = ("userType".to_owned(), value.into());
    happen(stage, Event::SetProperty { user, name, value });
}

/// Requests for single users so far.
fn singles(stage: &Stage) -> u64 {
    stage.lock().entra.counters.of(RequestKind::User)
}

#[test]
fn whoever_becomes_a_member_is_read_whole_at_once_and_has_an_account() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        let who = people[0];
        // Of a change of the type alone a delta round tells nothing else.
        for kind in ["Guest", "Member", "Guest", "Member"] {
            change_type(&stage, who, kind);
            serve(&stage, &mut engine, Duration::from_secs(12)).await;
            assert_eq!(active(&stage, who), Some(kind == "Member"));
            assert_right(&stage, kind);
        }
        assert_eq!(singles(&stage), 2, "one read for each time");
        // A guest whom nobody has ever had an account for.
        let guest = stage
            .lock()
            .world
            .live_users()
            .find(|user| user.text("userType") == Some("Guest"))
            .map(|user| user.id);
        change_type(&stage, guest.expect("there are guests"), "Member");
        let mut engine = stage.engine().unwrap();
        stage.pass(Duration::from_secs(61)).await;
        stage.drive(&mut engine).await.unwrap();
        assert!(engine.is_complete(), "{:?}", engine.source_troubles());
        assert_right(&stage, "a guest became a member");
    });
}

#[test]
fn whoever_comes_without_a_word_on_signing_in_is_read_at_once_and_has_an_account() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        stage.lock().entra.faults.bare_newcomers = true;
        let (back, before) = (entitled(&stage)[0], singles(&stage));
        happen(&stage, Event::SoftDelete { user: back });
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        assert_eq!(active(&stage, back), Some(false));
        happen(&stage, Event::Restore { user: back });
        let newcomer = hire(1);
        happen(&stage, newcomer.clone());
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        let Event::Hire { user: newcomer, .. } = newcomer else { unreachable!() };
        assert_eq!((active(&stage, back), active(&stage, newcomer)), (Some(true), Some(true)));
        assert_eq!(singles(&stage) - before, 2);
        assert_right(&stage, "both were read by themselves");
    });
}

#[test]
fn whoever_cannot_be_read_whole_waits_in_sight_and_across_a_restart() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let who = entitled(&stage)[0];
        change_type(&stage, who, "Guest");
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        assert_eq!(active(&stage, who), Some(false));
        stage.lock().entra.faults.hide_single_users = true;
        change_type(&stage, who, "Member");
        stage.pass(Duration::from_secs(61)).await;
        drop(engine);
        for _ in 0..2 {
            // As after a kill: what is to be read follows from the mirror.
            let mut engine = stage.engine().unwrap();
            let took = timed(&stage, &mut engine).await;
            assert!(took < Duration::from_secs(30), "{took:?}");
            assert!(!engine.is_complete() && codes(&engine) == [69]);
            let words = &engine.source_troubles().values().next().unwrap().message;
            assert!(words.contains(&who.to_string()) && words.contains("404"), "{words}");
            assert_eq!(active(&stage, who), Some(false));
            let entity = Entity::Account(PersonId {
                source: SourceName::new("asker"),
                object: CoreId::parse(&who.to_string()).unwrap(),
            });
            let note = engine.planner().notes().get(&entity);
            let waits = matches!(note, Some(Note::Waiting(why)) if why.contains("read whole"));
            assert!(waits, "{note:?}");
        }
        // Not found is no evidence: who has an account keeps it, and a tombstone is one.
        let mut engine = stage.engine().unwrap();
        let asked = singles(&stage);
        serve(&stage, &mut engine, Duration::from_secs(3600)).await;
        assert!(singles(&stage) - asked <= 3 + 8, "{} reads in an hour", singles(&stage) - asked);
        assert_eq!(codes(&engine), [69]);
        stage.lock().entra.faults.hide_single_users = false;
        serve(&stage, &mut engine, Duration::from_secs(3700)).await;
        assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
        assert_right(&stage, "when they are found again");
    });
}

#[test]
fn a_leaver_who_is_not_read_whole_is_out_all_the_same() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        stage.lock().entra.faults.hide_single_users = true;
        for who in &people[..2] {
            // In one round, so that the account is still there.
            change_type(&stage, *who, "Guest");
            change_type(&stage, *who, "Member");
        }
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        happen(&stage, Event::Disable { user: people[0] });
        happen(&stage, Event::SoftDelete { user: people[1] });
        serve(&stage, &mut engine, Duration::from_secs(30)).await;
        assert_eq!(
            (active(&stage, people[0]), active(&stage, people[1])),
            (Some(false), Some(false))
        );
    });
}

#[test]
fn many_whom_a_wider_filter_keeps_come_with_one_complete_read() {
    runtime().block_on(async {
        for (guests, most) in [(30, 0), (300, 0)] {
            let options =
                GeneratorOptions { users: 100 + guests, seed: 3, ..GeneratorOptions::default() };
            let mut world = generate(&options);
            let ids: Vec<_> = world.live_users().map(|user| user.id).take(guests).collect();
            for user in ids {
                let (name, value) = ("userType".to_owned(), "Guest".into());
                world.apply(Event::SetProperty { user, name, value }).unwrap();
            }
            let mut stage = Stage::new(world, 3);
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_right(&stage, "after the first import");
            drop(engine);
            // Everybody is kept from now on, and so the rules have changed; in scope are members only.
            stage.keep = expression("true", Subject::User);
            stage.pass(Duration::from_secs(61)).await;
            let counted = |stage: &Stage| stage.lock().entra.counters.of(RequestKind::UserCount);
            let before = (singles(&stage), counted(&stage));
            let mut engine = stage.engine().unwrap();
            stage.drive(&mut engine).await.unwrap();
            assert!(engine.is_complete(), "{:?}", engine.source_troubles());
            let guests = stage
                .lock()
                .world
                .live_users()
                .filter(|user| user.text("userType") == Some("Guest"))
                .count() as u64;
            let (read, whole) = (singles(&stage) - before.0, counted(&stage) - before.1);
            if guests <= 100 {
                assert_eq!((read, whole), (guests, 0));
            } else {
                assert_eq!((read, whole), (most, 1));
            }
            let source = SourceName::new("asker");
            let mirror = &engine.state().mirrors[&source];
            assert!(mirror.to_be_read().is_empty());
            assert!(
                mirror.users.values().all(|user| user.kept || user.presence != Presence::Present)
            );
            assert_right(&stage, "with a wider filter");
        }
    });
}

#[test]
fn whoever_is_named_after_a_tombstone_and_not_found_is_out() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let who = entitled(&stage)[0];
        // The departure cannot be made while it is told.
        stage.lock().meddler = Some(Box::new(|request| {
            (request.method == Method::Patch).then_some(Fate::NotSent("connection refused"))
        }));
        happen(&stage, Event::SoftDelete { user: who });
        serve(&stage, &mut engine, Duration::from_secs(12)).await;
        assert_eq!(active(&stage, who), Some(true));
        // A list shows them by then, as a copy that is behind does, and they are asked about by themselves.
        happen(&stage, Event::Restore { user: who });
        {
            let mut inner = stage.lock();
            inner.meddler = None;
            inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
            inner.entra.faults.hide_single_users = true;
        }
        let asked = singles(&stage);
        let mut engine = stage.engine().unwrap();
        serve(&stage, &mut engine, Duration::from_secs(70)).await;
        assert_eq!((active(&stage, who), singles(&stage) > asked), (Some(false), true));
    });
}
