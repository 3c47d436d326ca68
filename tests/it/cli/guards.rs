//! Guards as an operator meets them: what is said beforehand, what was announced, and what is on record.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::control::{serve, stop};
use super::site::Site;

/// What `check` says of the next cycle.
fn outlook(site: &Site) -> Value {
    site.run(&["check", "--json"]).expect(0).json()["next_cycle"].clone()
}

#[test]
fn check_says_beforehand_that_changed_rules_remove_nothing_unasked() {
    const NARROWER: &str = "[targets.platform.scope]\npeople = 'person.accountEnabled and \
                            person.jobTitle is not startingwith(\"L\")'\n";
    let site = Site::new();
    assert_eq!(outlook(&site)["removals"], "as_usual", "there is no state yet");
    site.run(&["sync"]).expect(0);
    let before = site.active();
    assert_eq!(outlook(&site)["removals"], "as_usual");

    let service = serve(&site);
    for _ in 0..2 {
        site.configure(NARROWER);
        let said = outlook(&site);
        assert_eq!(said["removals"], "held", "{said}");
        assert_eq!(said["changed"], serde_json::json!(["scope.people"]), "{said}");
        let text = site.run(&["check"]).expect(0).data;
        assert!(text.contains("scope.people") && text.contains("held"), "{text}");
        let online = site.run(&["check", "--online", "--json"]).expect(0).json();
        assert_eq!(online["next_cycle"], said);
        site.configure("");
        assert_eq!(outlook(&site)["removals"], "as_usual");
    }
    stop(service);
    // The same without the service; and it comes true.
    site.configure(NARROWER);
    assert_eq!(outlook(&site)["changed"], serde_json::json!(["scope.people"]));
    site.run(&["sync"]).expect(4);
    assert_eq!(site.active(), before);
    let holds = site.run(&["holds", "--json"]).expect(0).json();
    assert_eq!(holds["holds"][0]["guard"], "scope_change", "{holds}");
    assert_eq!(outlook(&site)["removals"], "as_usual", "the next cycle knows the rules");
}

#[test]
fn check_says_honestly_when_the_state_cannot_be_read() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    // Another command has the state.
    let mut holder = Command::new("flock");
    holder.arg("--exclusive").arg(site.state().join("store.lock")).args(["sleep", "60"]);
    let holder = super::site::Running(holder.stdout(Stdio::null()).spawn().unwrap());
    super::service::wait_until("the lock", || site.run(&["status"]).code == 11);
    let said = outlook(&site);
    assert_eq!(said["removals"], "unknown", "{said}");
    assert!(said["why"].as_str().unwrap().contains("another process"), "{said}");
    drop(holder);
}
