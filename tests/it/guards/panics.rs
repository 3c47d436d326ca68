//! A real panic, in the middle of the service.

use std::time::Duration;

use manntall::cycle::door::door;
use manntall::daemon::notify::Notifier;
use manntall::daemon::{self, Hangups, Served, ServiceError, Shell, Signals};

use super::{disable, town, wrong};
use crate::history::settle;

#[test]
fn a_panic_in_the_loop_ends_the_service_and_names_nobody() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(async {
        let (stage, mut engine) = town(60).await;
        disable(&stage, 1);
        let (door, visits) = door();
        engine.open(visits);
        let name = std::hint::black_box("Kari Nordmann");
        door.leave_word(move |_| panic!("cannot go on with {name:?}"));
        let (mut signals, mut hangups) = (Signals::take().unwrap(), Hangups::take().unwrap());
        let notifier = Notifier::new(false);
        let clock = stage.clock.as_ref();
        let mut shell = Shell { clock, signals: &mut signals, hangups: &mut hangups, notifier };
        let writer = stage.writer();
        let beside = std::pin::pin!(std::future::pending());
        let served = daemon::serve(&mut engine, &writer, &mut shell, || None::<()>, beside);
        let served = tokio::time::timeout(Duration::from_secs(60), served).await;
        let ended = match served.expect("it goes on half dead") {
            Err(ServiceError::Panic(words)) => words,
            Err(other) => panic!("{other}"),
            Ok(Served::Ended(_) | Served::Reload(())) => panic!("it ended well"),
        };
        assert_eq!(ended, "cannot go on with …");
        let words = ServiceError::Panic(ended).to_string();
        assert!(words.contains("bug") && words.contains("nothing that was recorded is lost"));
        // The next start goes on.
        drop(engine);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}
