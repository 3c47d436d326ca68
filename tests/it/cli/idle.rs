//! A service with nothing to do: what each cycle leaves behind. That the store stops growing takes more
//! cycles than a test has time for, and is measured by `cargo bench --bench figures -- idle`.

use std::fs;

use serde_json::Value;

use super::service::wait_until;
use super::site::Site;

/// So many cycles are looked at.
const CYCLES: u64 = 200;

/// What sled may keep in memory of what was just written, and one per cent of a service.
const MEMORY_KIB_MAX: u64 = 4 * 1024 + 1024;

#[test]
fn an_idle_cycle_leaves_nothing_but_its_delta_links() {
    let site = Site::with(&["--users", "60"], "");
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let pid = service.0.id();
    let everybody = site.employees().len();
    wait_until("the first import", || site.active().len() == everybody);
    let cycles = |count: u64| {
        for _ in 0..count {
            site.run(&["sync"]).expect(0);
        }
    };
    let witness = || -> Value {
        let text = fs::read_to_string(site.state().join("witness.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let polls = || {
        let asked = site.ask("GET", "requests", &Value::Null);
        asked["graph"]["users_delta"].as_u64().unwrap()
    };
    let memory_kib = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        memory.trim_end_matches("kB").trim().parse().unwrap()
    };
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    cycles(50);
    let (was, writes) = (witness(), site.writes());
    let (polled, held, open) = (polls(), memory_kib(), descriptors());
    let logged = fs::metadata(&log).unwrap().len();
    cycles(CYCLES);
    let is = witness();
    let rounds = polls() - polled;
    assert!(rounds >= CYCLES, "{rounds} cycles");
    assert_eq!(site.writes(), writes, "nothing was to be done");
    assert_eq!(is["records"], was["records"], "nothing is kept of a cycle");
    let commits = is["generation"].as_u64().unwrap() - was["generation"].as_u64().unwrap();
    println!("{rounds} cycles, {commits} commits, memory {held} to {} KiB", memory_kib());
    assert!(commits <= 2 * rounds + 5, "{commits} commits in {rounds} cycles");
    assert_eq!(fs::metadata(&log).unwrap().len(), logged, "the log");
    // A connection of the simulator's or of a command may be open at one of the two moments.
    assert!(descriptors() <= open + 3, "{open} descriptors were open, now {}", descriptors());
    assert!(memory_kib() <= held + MEMORY_KIB_MAX, "memory went from {held} to {}", memory_kib());
}
