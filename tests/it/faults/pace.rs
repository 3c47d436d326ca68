//! Waits that platforms ask for, and slots that slow answers hold.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::cycle::Until;
use manntall::sim::world::Event;
use manntall::transport::Response;
use tokio::sync::watch;

use super::trial::{Told, Trial, hire};
use super::wire;
use crate::acceptance::{active, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::{Fate, Stage};

#[test]
fn a_volley_of_429_counts_once() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().chaos.latency_ms = 200;
        for number in 800..830 {
            happen(&trial.stage, hire(number));
        }
        trial.note();
        // Eight look-ups are on their way when the platform begins to ask for one second.
        let mut refused = 0;
        wire::meddle(&trial.stage, move |request| {
            let looks = request.url.query().is_some_and(|query| query.contains("filter"));
            (looks && refused < 8).then(|| {
                refused += 1;
                let headers = vec![("retry-after".to_owned(), "1".to_owned())];
                Fate::Answer(Response { status: 429, headers, body: Vec::new().into() })
            })
        });
        next_poll(&trial.stage).await;
        let began = trial.stage.clock.elapsed();
        trial.cycle(&mut Told::default()).await;
        let took = trial.stage.clock.elapsed().saturating_sub(began);
        assert!(took < Duration::from_secs(20), "thirty newcomers took {took:?}");
        trial.converge().await;
    });
}

/// A platform whose every answer takes a minute is asked for many newcomers; somebody leaves.
#[test]
fn a_leaver_takes_the_first_slot_that_is_free() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 4, 60), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let leaver = entitled(&stage)[0];
        for number in 700..748 {
            happen(&stage, hire(number));
        }
        next_poll(&stage).await;
        stage.lock().chaos.latency_ms = 60_000;
        let writer = stage.writer();
        let (stop, mut stopped) = watch::channel(false);
        let drive = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
        let script = async {
            // Until the look-ups hold all slots.
            let looks = |stage: &Stage| {
                let inner = stage.lock();
                inner.trace.iter().filter(|line| line.contains("/Users?filter")).count()
            };
            while looks(&stage) < 8 {
                stage.pass(Duration::from_secs(1)).await;
            }
            happen(&stage, Event::Disable { user: leaver });
            let path = {
                let (inner, id) = (stage.lock(), leaver.to_string());
                let found = inner.platform.users().find(|one| one.external_id() == Some(&id));
                format!("Users/{}", found.unwrap().id)
            };
            let told = |stage: &Stage| {
                let inner = stage.lock();
                let lines = inner.trace.iter();
                let sent = lines.filter(|line| line.contains("PATCH") && line.contains(&path));
                sent.count() > 0
            };
            while !told(&stage) {
                stage.pass(Duration::from_secs(1)).await;
            }
            let at = stage.clock.elapsed();
            let asked = looks(&stage);
            stop.send(true).unwrap();
            (at, asked)
        };
        let (ended, (_, asked)) = futures_util::future::join(drive, script).await;
        ended.unwrap();
        // A poll and the tenant's two answers take three minutes, and a slot one more.
        assert!(asked <= 8 * 5, "{asked} look-ups came before the leaver");
        assert_eq!(active(&stage, leaver), Some(false));
    });
}
