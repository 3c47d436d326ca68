//! What `status` says while no service runs: a dead one, a timer between two syncs, a sync that was killed.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::service::wait_until;
use super::site::{Running, Site};

fn end(mut service: Running, signal: Signal) {
    kill_process(Pid::from_child(&service.0), signal).unwrap();
    service.0.wait().unwrap();
}

fn note(site: &Site) -> PathBuf {
    site.state().join("run.json")
}

/// Makes the last run so much older, as if it had been the clock that went on.
fn age(site: &Site, span: Duration) {
    let path = note(site);
    let mut run: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let millis = i64::try_from(span.as_millis()).unwrap();
    let earlier = |time: &mut Value| *time = json!(time.as_i64().unwrap() - millis);
    earlier(&mut run["began"]);
    run["earlier"].as_array_mut().unwrap().iter_mut().for_each(earlier);
    if run["end"].is_object() {
        earlier(&mut run["end"]["at"]);
    }
    std::fs::write(&path, run.to_string()).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written - span).unwrap();
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn status_says_since_when_a_dead_service_does_not_run() {
    let site = Site::new();
    let everybody = site.employees().len();
    for signal in [Signal::KILL, Signal::TERM] {
        let service = site.start(&["run"]);
        // A look at the state holds nobody up who is to work on it, but for a moment.
        site.run(&["status"]);
        wait_until("the import", || site.active().len() == everybody);
        wait_until("rest", || site.run(&["status"]).data.starts_with("Idle"));
        let json = site.run(&["status", "--json"]).expect(0).json();
        assert_eq!(json["service"]["running"], true);
        site.run(&["status", "--check"]).expect(0);
        end(service, signal);
        age(&site, Duration::from_secs(2 * 3600 + 60));

        let status = site.run(&["status"]).expect(0);
        let first = first_line(&status.data);
        let how = if signal == Signal::KILL { "last seen alive" } else { "stopped" };
        assert!(first.starts_with(&format!("Not running: {how} 20")), "{first}");
        assert!(first.ends_with("(2 h ago)."), "{first}");
        assert!(first.chars().count() <= 80, "{first}");
        for words in ["Leavers stay active.", "systemctl start manntall"] {
            assert!(status.data.contains(words), "{}", status.data);
        }
        assert!(!status.data.contains("Idle"), "{}", status.data);
        let json = site.run(&["status", "--json"]).expect(0).json();
        assert_eq!(json["verdict"], "not_running");
        assert_eq!(json["service"]["running"], false);
        assert_eq!(json["service"]["ended"].is_null(), signal == Signal::KILL);
        let check = site.run(&["status", "--check"]).expect(2);
        assert!(check.data.starts_with("MANNTALL CRITICAL - not_running since"), "{}", check.data);
    }
}

#[test]
fn a_sync_by_a_timer_is_a_way_to_run_and_one_that_does_not_come_is_missed() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    age(&site, Duration::from_secs(23 * 3600));
    site.run(&["sync"]).expect(0);
    age(&site, Duration::from_secs(23 * 3600));
    let status = site.run(&["status"]).expect(0);
    assert!(status.data.starts_with("Idle"), "{}", status.data);
    let flat = status.data.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("No service runs. The last sync ended well"), "{flat}");
    assert!(flat.contains("when the next one comes, Manntall does not know"), "{flat}");
    site.run(&["status", "--check"]).expect(0);

    age(&site, Duration::from_secs(4 * 3600));
    let status = site.run(&["status"]).expect(0);
    assert!(status.data.starts_with("Not running: the last sync ended 20"), "{}", status.data);
    assert!(status.data.contains("every 23 hours at the latest"), "{}", status.data);
    site.run(&["status", "--check"]).expect(2);

    // One that failed is told as such.
    site.secret("asker.secret", "wrong");
    site.run(&["sync"]).expect(12);
    let flat = site.run(&["status"]).expect(0).data;
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("The last sync failed 20"), "{flat}");
}

#[test]
fn a_first_load_that_was_killed_is_not_called_never_run() {
    let site = Site::with(&["--users", "60", "--delay-ms", "100"], "concurrency = 2");
    let sync = site.start(&["sync"]);
    wait_until("some accounts", || site.active().len() > 3);
    let status = site.run(&["status"]).expect(0);
    assert!(status.data.starts_with("Running: a sync (process "), "{}", status.data);
    assert_eq!(site.run(&["status", "--json"]).expect(0).json()["verdict"], "running");
    site.run(&["status", "--check"]).expect(0);
    end(sync, Signal::KILL);

    let status = site.run(&["status"]).expect(0);
    assert!(status.data.starts_with("Not running: a sync was broken off 20"), "{}", status.data);
    for wrong in ["Never run", "nothing on the platform", "never_run; 0 accounts"] {
        assert!(!status.data.contains(wrong), "{wrong}: {}", status.data);
    }
    let json = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(json["verdict"], "not_running");
    assert!(json["targets"]["platform"]["accounts"].as_u64().unwrap() > 0);
    site.run(&["status", "--check"]).expect(1);
    site.configure("");
    site.run(&["sync"]).expect(0);
    site.run(&["status", "--check"]).expect(0);
}
