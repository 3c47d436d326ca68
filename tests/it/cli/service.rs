//! The service, and the demonstration.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::site::Site;

/// Far longer than anything here takes, and short enough to be told of.
const PATIENCE: Duration = Duration::from_secs(600);

#[expect(clippy::disallowed_methods, reason = "another process's progress is waited for")]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

#[test]
fn the_service_follows_the_tenant_and_ends_when_told() {
    let site = Site::new();
    let mut service = site.start(&["run"]);
    let everybody = site.employees().len();
    wait_until("the first import", || site.active().len() == everybody);
    let leaver = site.disable(1).remove(0);
    wait_until("the leaver is out", || !site.active().contains(&leaver));
    site.run(&["status"]).expect(0);

    let pid = Pid::from_child(&service.0);
    kill_process(pid, Signal::TERM).unwrap();
    let ended = service.0.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    site.run(&["status"]).expect(0);
    // The leaver's memberships may have been cut short.
    site.run(&["sync"]).expect(0);
    site.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn the_last_words_of_the_service_have_the_form_of_its_log() {
    let site = Site::new();
    std::fs::write(site.config(), "[service]\npoll_intervall = \"1m\"\n").unwrap();
    for flags in [&["--log-format", "json"][..], &[], &["--color", "never"]] {
        let ended = site.run(&[&["run"], flags].concat()).expect(78);
        assert!(ended.talk.contains("poll_interval"), "{flags:?}: {}", ended.talk);
        assert!(!ended.talk.contains('\u{1b}'), "{flags:?}: {}", ended.talk);
        if flags.contains(&"json") {
            let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
            assert!(ended.talk.lines().all(is_json), "{}", ended.talk);
        }
    }
}

/// The real program over real sockets. How long a leaver takes is measured in paused time
/// (`acceptance::leavers`); here it counts who comes first, whatever else this machine does.
#[test]
fn a_leaver_does_not_wait_for_a_slow_import() {
    let slow = "requests_per_second = 5";
    let site = Site::with(&["--users", "400", "--groups", "8", "--delay-ms", "2000"], slow);
    let mut service = site.start(&["run"]);
    wait_until("some accounts", || site.active().len() > 3);
    let on_board = site.active();
    let (id, leaver) =
        site.employees().into_iter().find(|(_, name)| on_board.contains(name)).unwrap();
    site.happen(&serde_json::json!({ "event": "disable", "user": id }));
    let waiting = || site.employees().len() - site.active().len();
    let took = wait_until("the leaver is out", || !site.active().contains(&leaver));
    let waiting = waiting();
    println!("the leaver took {took:?} while {waiting} creates waited");
    assert!(waiting > 50, "the leaver came after the import: {waiting}");
    kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

#[test]
fn an_interrupted_sync_goes_on_where_it_stopped() {
    let site = Site::with(&["--users", "60", "--delay-ms", "100"], "concurrency = 2");
    let mut sync = site.start(&["sync"]);
    wait_until("some accounts", || site.active().len() > 3);
    kill_process(Pid::from_child(&sync.0), Signal::INT).unwrap();
    assert_eq!(sync.0.wait().unwrap().code(), Some(130));
    site.configure("");
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active().len(), site.employees().len());
    let posts = site.ask("GET", "requests", &serde_json::Value::Null);
    assert_eq!(posts["scim"]["POST users"], site.employees().len(), "no create was repeated");
}

#[test]
fn the_demonstration_finds_the_platform_as_it_should_be() {
    let site = Site::new();
    let ended = site.run(&["demo", "--once"]).expect(0);
    assert!(ended.data.contains("Yes."), "{}", ended.data);
    let left = std::fs::read_dir(site.config().parent().unwrap()).unwrap().flatten();
    let mut left = left.filter(|entry| entry.file_name().to_string_lossy().contains("demo"));
    assert!(left.next().is_none(), "it cleans up");
}
