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

#[test]
fn what_is_announced_is_the_same_with_and_without_the_service() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let announce =
        ["allow", "--deactivations", "20", "--until", "2099-01-01", "--reason", "term ends"];
    site.run(&announce).expect(64);
    let soon = site.run(&["status", "--json"]).expect(0).json()["at"].as_str().unwrap().to_owned();
    let soon = soon.parse::<jiff::Timestamp>().unwrap() + jiff::Span::new().hours(48);
    let soon = soon.to_string();
    let announce: Vec<&str> = announce
        .iter()
        .map(|word| if *word == "2099-01-01" { soon.as_str() } else { *word })
        .collect();
    let said = site.run(&announce).expect(0);
    assert!(said.talk.contains("kari announced 20 for budget.deactivate"), "{}", said.talk);
    let listed = site.run(&["allow", "--list", "--json"]).expect(0).json();
    assert_eq!(listed["allowed"][0]["count"], 20, "{listed}");

    let service = serve(&site);
    assert_eq!(site.run(&["allow", "--list", "--json"]).expect(0).json(), listed);
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["allowed"], listed["allowed"], "{status}");
    let text = site.run(&["status"]).expect(0).data;
    assert!(text.contains("announced:") && text.contains("term ends"), "{text}");
    // A second one, told to the service, and taken back there.
    site.run(&announce).expect(0);
    let said = site.run(&["allow", "--revoke", "2"]).expect(0);
    assert!(said.talk.contains("took 2 back"), "{}", said.talk);
    site.run(&["allow", "--revoke", "2"]).expect(1);
    // It counts for the service: twelve leavers are more than one in five of sixty may be.
    let before = site.active().len();
    site.disable(15);
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active().len(), before - 15);
    stop(service);
    let listed = site.run(&["allow", "--list", "--json"]).expect(0).json();
    let used = listed["allowed"].as_array().unwrap().iter();
    let used: Vec<_> = used.map(|one| (&one["used"], &one["open"], &one["revoked_by"])).collect();
    assert_eq!(*used[0].0, 15, "{listed}");
    assert_eq!((used[1].1, used[1].2), (&Value::Bool(false), &Value::String("kari".to_owned())));
    site.run(&["allow", "--revoke", "1"]).expect(0);
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["allowed"], serde_json::json!([]), "{status}");
    let span = ["allow", "--deactivations", "20", "--until", "14d", "--reason", "term ends"];
    site.run(&span).expect(0);
    let until = &site.run(&["allow", "--list", "--json"]).expect(0).json()["allowed"][2];
    let [from, until] = ["from", "until"].map(|at| until[at].as_str().unwrap());
    let [from, until] = [from, until].map(|at| at.parse::<jiff::Timestamp>().unwrap());
    assert_eq!(until.duration_since(from).as_hours(), 14 * 24);
}

/// What the journal has of one kind.
fn on_record(site: &Site, kind: &str) -> Vec<Value> {
    let export = site.run(&["audit", "export"]).expect(0).data;
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

#[test]
fn who_is_shown_values_of_people_is_on_record() {
    let site = Site::new();
    site.run(&["plan", "--reveal"]).expect(0);
    assert_eq!(on_record(&site, "reveal").len(), 1, "a first look before there is a state");
    site.run(&["sync"]).expect(0);
    site.run(&["plan"]).expect(0);
    assert_eq!(on_record(&site, "reveal").len(), 1);
    let (id, name) = site.employees().remove(0);
    site.run(&["plan", "--reveal"]).expect(0);
    let service = serve(&site);
    site.run(&["plan", "--reveal", "--person", &name]).expect(0);
    site.run(&["plan", "--person", &name]).expect(0);
    stop(service);
    let shown = on_record(&site, "reveal");
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown.iter().all(|line| line["by"] == "kari"), "{shown:?}");
    assert_eq!(shown[2]["person"], format!("asker/{id}"), "{shown:?}");
    site.run(&["audit", "verify"]).expect(0);
}

#[test]
fn what_is_stuck_says_when_it_was_refused_last_and_how_often() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, _) = site.employees().remove(0);
    let refuse =
        serde_json::json!([{ "attribute": "title", "contains": "forbidden", "status": 400 }]);
    site.break_down(&serde_json::json!({ "scim": { "refuse_users": refuse } }));
    site.happen(&serde_json::json!({
        "event": "set_property", "user": id, "name": "jobTitle", "value": "Forbidden"
    }));
    site.run(&["sync"]).expect(3);
    let first = site.run(&["stuck", "--json"]).expect(0).json()["stuck"][0].clone();
    assert_eq!((&first["attempts"], &first["last"]), (&Value::from(1), &first["since"]), "{first}");
    // Times are told in whole seconds.
    let mut second = first.clone();
    super::service::wait_until("the next second", || {
        site.run(&["retry"]).expect(0);
        site.run(&["sync"]).expect(3);
        second = site.run(&["stuck", "--json"]).expect(0).json()["stuck"][0].clone();
        second["last"] != first["last"]
    });
    assert_eq!(second["since"], first["since"]);
    assert!(second["attempts"].as_u64() >= Some(2), "{second}");
    assert!(second["last"].as_str() > first["last"].as_str(), "{first} {second}");
    let text = site.run(&["stuck"]).expect(0).data;
    assert!(text.contains(" times, last at "), "{text}");
}

#[test]
fn a_quarantine_says_since_when_and_when_the_peer_is_asked_next() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.break_down(&serde_json::json!({ "graph": { "forbidden": true } }));
    let service = serve(&site);
    let trouble = || {
        let status = site.run(&["status", "--json"]).expect(0).json();
        status["sources"]["asker"]["troubles"][0].clone()
    };
    super::service::wait_until("the quarantine", || trouble()["guard"] == "quarantine");
    let told = trouble();
    let at = |key: &str| told[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let wait = at("next_probe").duration_since(at("since")).as_secs();
    assert!((55..=70).contains(&wait), "{told}");
    let text = site.run(&["status"]).expect(0).data;
    assert!(text.contains("(asked again at "), "{text}");
    stop(service);
}
