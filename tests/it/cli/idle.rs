//! A service with nothing to do: what its cycles leave behind. A thousand of them, with the program as it
//! is shipped, are measured by `cargo bench --bench figures -- idle`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::service::wait_until;
use super::site::Site;

/// So many cycles are looked at.
const CYCLES: u64 = 200;

/// What the allocator may keep of requests that overlapped, and one per cent of a service.
const MEMORY_KIB_MAX: u64 = 1024;

/// Every regular file below a folder: its bytes, and when they were written.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        if meta.is_dir() {
            found.extend(files(&path));
        } else if meta.is_file() {
            found.insert(path.clone(), (fs::read(path).unwrap(), meta.modified().unwrap()));
        }
    }
    found
}

#[test]
fn idle_cycles_of_the_service_write_nothing() {
    let site = Site::with(&["--users", "60"], "");
    // What is done is on record when it ends; a service that did it would note so within the minute.
    site.run(&["sync"]).expect(0);
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let pid = service.0.id();
    let socket = site.state().join("control.sock");
    wait_until("the control socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let cycles = |count: u64| {
        for _ in 0..count {
            site.run(&["sync"]).expect(0);
        }
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
    // Once a minute the service shows that it is alive, by the time of that file alone.
    let state_files = || {
        let mut files = files(&site.state());
        files.remove(&site.state().join("run.json"));
        files
    };
    let (was, writes) = (state_files(), site.writes());
    let (polled, held, open) = (polls(), memory_kib(), descriptors());
    let logged = fs::metadata(&log).unwrap().len();
    cycles(CYCLES);
    let rounds = polls() - polled;
    println!("{rounds} cycles, memory {held} to {} KiB", memory_kib());
    assert!(rounds >= CYCLES, "{rounds} cycles");
    assert_eq!(site.writes(), writes, "nothing was to be done");
    assert!(state_files() == was, "a file of the state was written");
    assert_eq!(fs::metadata(&log).unwrap().len(), logged, "the log");
    // A connection of the simulator's or of a command may be open at one of the two moments.
    assert!(descriptors() <= open + 3, "{open} descriptors were open, now {}", descriptors());
    assert!(memory_kib() <= held + MEMORY_KIB_MAX, "memory went from {held} to {}", memory_kib());
}
