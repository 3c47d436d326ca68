//! SIGHUP as those who watch see it: the status port stays open, and nothing that was counted is lost.

use std::io::{Read, Write};
use std::net::TcpStream;

use manntall::clock::{Clock as _, SystemClock};
use manntall::core::model::Timestamp;
use rustix::process::Signal;

use super::control::{signal, stop};
use super::service::wait_until;
use super::site::Site;

/// The lines of the metrics, or nothing where nobody answers.
fn metrics(address: &str) -> Vec<String> {
    let Ok(mut stream) = TcpStream::connect(address) else { return Vec::new() };
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().map(str::to_owned).collect()
}

/// The sum of everything that is told under one name, without fractions.
fn sum(metrics: &[String], name: &str) -> usize {
    let lines = metrics.iter().filter(|line| line.starts_with(name));
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().split('.').next().unwrap());
    values.map(|value| value.parse::<usize>().unwrap()).sum()
}

#[test]
fn a_reload_leaves_the_status_port_open_and_its_counters_as_they_are() {
    let site = Site::new();
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let logged = || std::fs::read_to_string(&log).unwrap();
    let addresses = || -> Vec<String> {
        let lines = logged();
        let found = lines.lines().filter_map(|line| line.split_once("listens at http://"));
        found.map(|(_, rest)| rest.split('/').next().unwrap().to_owned()).collect()
    };
    wait_until("the status port", || !addresses().is_empty());
    let address = addresses().remove(0);
    let made = r#"manntall_operations_total{target="platform",op="create""#;
    let people = site.employees().len();
    wait_until("the first import", || sum(&metrics(&address), made) == people);
    wait_until("a line about it", || logged().contains("accounts created: "));
    let before = metrics(&address);

    site.configure("\n[targets.platform.account]\nnickName = 'person.givenName'\n");
    signal(&service, Signal::HUP);
    let updated = r#"manntall_operations_total{target="platform",op="update""#;
    let mut asked = 0;
    wait_until("the new mapping is in force", || {
        let now = metrics(&address);
        asked += 1;
        assert!(!now.is_empty(), "the port answers all the time");
        assert!(sum(&now, made) >= people, "what was counted is not forgotten");
        sum(&now, updated) >= people
    });
    assert!(asked > 0);
    assert_eq!(addresses().len(), 1, "it was opened once");
    let after = metrics(&address);
    for name in ["manntall_http_requests_total", "manntall_cycles_total"] {
        assert!(sum(&after, name) > sum(&before, name), "{name}");
    }
    let name = "manntall_started_timestamp_seconds";
    assert_eq!(sum(&after, name), sum(&before, name), "the process is the same");
    wait_until("a line about it", || logged().contains("accounts updated: "));
    assert_eq!(logged().matches("accounts created: ").count(), 1, "told once: {}", logged());
    let rules = |lines: &[String]| {
        lines.iter().find(|line| line.starts_with("manntall_config_info")).cloned().unwrap()
    };
    assert_ne!(rules(&after), rules(&before));

    // Another address is another port, and the old one is closed.
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replace("127.0.0.1:0", "127.0.0.2:0")).unwrap();
    signal(&service, Signal::HUP);
    wait_until("the other port", || addresses().len() == 2);
    let other = addresses().remove(1);
    wait_until("it answers", || sum(&metrics(&other), made) == people);
    wait_until("the old one is closed", || metrics(&address).is_empty());
    stop(service);
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_without_what_is_written_there() {
    let site = Site::new();
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let logged = || std::fs::read_to_string(&log).unwrap();
    wait_until("the status port", || logged().contains("listens at http://"));
    let text = std::fs::read_to_string(site.config()).unwrap();
    let lines = ["client_secert = \"hemmelig~verdi\"", "client_secret_file = \"hemmelig"];
    for (times, line) in (1..).zip(lines) {
        let broken = text.replacen("[sources.asker]\n", &format!("[sources.asker]\n{line}\n"), 1);
        assert_ne!(broken, text);
        std::fs::write(site.config(), broken).unwrap();
        signal(&service, Signal::HUP);
        wait_until("it is told", || {
            logged().matches("changed configuration is not in force").count() >= times
        });
        let name = site.config().display().to_string();
        wait_until("status tells it", || site.run(&["status"]).data.contains("manntall.toml:"));
        let told = [
            site.run(&["status"]).data,
            site.run(&["status", "--json"]).data,
            site.run(&["check", "--json"]).data,
            logged(),
        ];
        for told in told {
            assert!(told.contains(&name) || told.contains("manntall.toml"), "{told}");
            assert!(!told.contains("hemmelig"), "{told}");
        }
        let shown = site.run(&["check"]).expect(78).talk;
        assert!(shown.contains('…') && !shown.contains("hemmelig"), "{shown}");
    }
    std::fs::write(site.config(), text).unwrap();
    stop(service);
}

#[test]
fn how_much_is_logged_changes_while_the_service_runs() {
    let site = Site::new();
    site.run(&["log-level", "debug"]).expect(1);
    let log = site.path("log");
    let service = site.start_logged(&["run", "--log-format", "json"], &log);
    let lines = |level: &str| {
        let text = std::fs::read_to_string(&log).unwrap();
        text.matches(&format!("\"level\":\"{level}\"")).count()
    };
    let socket = site.state().join("control.sock");
    wait_until("the service", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    site.run(&["sync"]).expect(0);
    assert_eq!(lines("DEBUG"), 0);
    site.run(&["log-level", "frobnicate"]).expect(64);
    let said = site.run(&["log-level", "debug"]).expect(0);
    assert!(said.talk.contains("at level debug"), "{}", said.talk);
    site.run(&["sync"]).expect(0);
    // Lines wait in a queue of their own, so they may come later than the answer to what they are about.
    wait_until("each request is a line now", || lines("DEBUG") > 0);
    site.run(&["log-level", "off"]).expect(0);
    let off = SystemClock::start().now();
    site.run(&["sync"]).expect(0);
    stop(service);
    let text = std::fs::read_to_string(&log).unwrap();
    let when = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let when = line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        Timestamp(when.as_millisecond())
    };
    let later: Vec<&str> = text.lines().filter(|line| when(line) > off).collect();
    assert!(later.is_empty(), "{later:?}");
}

#[test]
fn what_is_in_flight_at_a_reload_ends_as_it_began() {
    let site = Site::with(&["--users", "60", "--delay-ms", "700"], "");
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let logged = || std::fs::read_to_string(&log).unwrap();
    let created = || {
        let requests = site.ask("GET", "requests", &serde_json::Value::Null);
        usize::try_from(requests["scim"]["POST users"].as_u64().unwrap_or(0)).unwrap()
    };
    wait_until("accounts are being made", || created() > 0);
    let people = site.employees().len();
    assert!(created() < people, "it is in the middle of them");
    site.configure("\n[targets.platform.account]\nnickName = 'person.givenName'\n");
    signal(&service, Signal::HUP);
    wait_until("the new one is in force", || logged().contains("and is in force"));
    wait_until("everybody is there", || site.active().len() == people);
    site.run(&["sync"]).expect(0);
    assert_eq!(created(), people, "no create was broken off and made a second time");
    assert!(!logged().contains("ERROR"), "{}", logged());
    stop(service);
}
