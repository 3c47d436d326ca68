//! The real process over loopback with the real store, killed at random, again and again.
//!
//! `MANNTALL_KILLS=500 cargo test --test it kill -- --nocapture` for the figures of a report.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::site::Site;

/// Kills in an ordinary run.
const KILLS: usize = 20;

#[expect(clippy::disallowed_methods, reason = "another process is given its time")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Lets something happen to one or two people.
fn something_happens(site: &Site, rng: &mut fastrand::Rng) {
    let people = site.employees();
    let (user, _) = &people[rng.usize(..people.len())];
    let event = match rng.u8(..4) {
        0 if people.len() > 30 => json!({ "event": "disable", "user": user }),
        0 | 1 => json!({ "event": "rename", "user": user, "surname": format!("Ny{}", rng.u16(..)),
            "display_name": format!("Navn {}", rng.u16(..)) }),
        _ => json!({ "event": "set_property", "user": user, "name": "jobTitle",
            "value": format!("Tittel {}", rng.u16(..)) }),
    };
    site.happen(&event);
}

/// The accounts of the platform by the id that they carry, each of which there may be once.
fn accounts(site: &Site) -> BTreeSet<String> {
    let platform = site.ask("GET", "platform", &Value::Null);
    let users = platform["users"].as_array().unwrap();
    let ids: BTreeSet<String> =
        users.iter().map(|user| user["externalId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), users.len(), "somebody has two accounts");
    ids
}

#[test]
fn kills_at_any_moment_leave_nothing_behind() {
    let kills = std::env::var("MANNTALL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let site = Site::with(&["--users", "60", "--delay-ms", "4"], "");
    let mut rng = fastrand::Rng::with_seed(17);
    let mut at_work = 0;
    // So long is a process given at the most. It follows how long a sync takes on this machine.
    let mut span = 400_u64;
    let (mut rounds, mut killed) = (0, 0);
    while killed < kills {
        rounds += 1;
        for _ in 0..rng.u8(..3) {
            something_happens(&site, &mut rng);
        }
        let before = site.writes();
        let mut process = site.start(&["sync"]);
        // From before it has opened its store to after it has done its work.
        pause(rng.u64(5..span));
        if process.0.try_wait().unwrap().is_some() {
            span = (span * 7 / 10).max(100);
        } else {
            killed += 1;
            span = (span * 13 / 10).min(20_000);
        }
        process.0.kill().unwrap();
        process.0.wait().unwrap();
        at_work += usize::from(site.writes() > before);
        accounts(&site);
        if rounds % 5 == 4 && site.state().join("witness.json").exists() {
            // Opens the store, reads every record and every entry of the journal.
            let ended = site.run(&["state", "verify"]);
            assert!([0, 10].contains(&ended.code), "{}: {}", ended.code, ended.talk);
        }
    }
    for _ in 0..5 {
        let ended = site.run(&["sync", "--json"]);
        let held = ended.json()["held"].as_array().unwrap().clone();
        for hold in held {
            site.run(&["approve", hold["id"].as_str().unwrap()]).expect(0);
        }
        if ended.code == 0 {
            break;
        }
    }
    site.run(&["sync"]).expect(0);
    let entitled: BTreeSet<String> = site.employees().into_iter().map(|(_, name)| name).collect();
    assert_eq!(site.active(), entitled);
    accounts(&site);
    site.run(&["plan", "--detailed-exitcode"]).expect(0);
    site.run(&["state", "verify"]).expect(0);
    site.run(&["audit", "verify"]).expect(0);
    println!(
        "{killed} processes killed in {rounds} rounds, {at_work} of them after a write; 0 duplicates, \
         0 wrong in the end"
    );
}

#[test]
fn a_second_instance_ends_with_11_and_names_the_first() {
    let site = Site::new();
    let first = site.start(&["run"]);
    let name = format!("({})", first.0.id());
    while site.writes() == 0 {
        pause(20);
    }
    let second = site.run(&["run"]).expect(11);
    assert!(second.talk.contains(&name), "{} names {name}", second.talk);
}

#[test]
fn on_a_full_disk_nothing_is_sent_that_is_not_on_record_and_space_ends_it() {
    let mut came_to = Vec::new();
    for kib in [20, 650, 750, 900, 1_100] {
        let site = Site::with(&["--users", "150"], "concurrency = 1");
        let Some(ended) = site.run_on_disk(kib, &["sync"]) else {
            println!("not tried: this machine lets nobody have a small disk");
            return;
        };
        assert_eq!(ended.code, 1, "{kib} KiB: {}", ended.talk);
        assert!(ended.talk.contains("full disk"), "{kib} KiB: {}", ended.talk);
        came_to.push((kib, accounts(&site).len()));
        site.run(&["sync"]).expect(0);
        let entitled: BTreeSet<String> =
            site.employees().into_iter().map(|(_, name)| name).collect();
        assert_eq!(site.active(), entitled);
        let posts = site.ask("GET", "requests", &Value::Null)["scim"]["POST users"].as_u64();
        assert_eq!(posts, Some(accounts(&site).len() as u64), "a create was repeated");
        site.run(&["state", "verify"]).expect(0);
    }
    println!("KiB, accounts when the disk was full: {came_to:?}");
    let half_way = |&(_, made): &(u64, usize)| made > 0;
    assert!(came_to.iter().any(half_way), "the disk was never full in the middle");
}
