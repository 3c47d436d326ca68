//! A service with nothing to do takes no more after a thousand cycles than after a hundred.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::service::wait_until;
use super::site::Site;

/// What must not grow.
#[derive(Debug, Clone, Copy)]
struct Taken {
    store: u64,
    memory_kib: u64,
    descriptors: u64,
    log: u64,
}

impl Taken {
    fn by(pid: u32, state: &Path, log: &Path) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            store: bytes_in(state),
            memory_kib: memory.trim_end_matches("kB").trim().parse().unwrap(),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
            log: fs::metadata(log).unwrap().len(),
        }
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_in(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        // A file of sled's that was just replaced.
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn a_thousand_idle_cycles_take_nothing_more() {
    let site = Site::with(&["--users", "60"], "");
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let pid = service.0.id();
    let everybody = site.employees().len();
    wait_until("the first import", || site.active().len() == everybody);
    let polls =
        || site.ask("GET", "requests", &serde_json::Value::Null)["graph"]["users_delta"].clone();
    let cycles = |count: u64| {
        let until = polls().as_u64().unwrap() + count;
        while polls().as_u64().unwrap() < until {
            site.run(&["sync"]).expect(0);
        }
    };
    cycles(100);
    let writes = site.writes();
    let before = Taken::by(pid, &site.state(), &log);
    cycles(1_000);
    let after = Taken::by(pid, &site.state(), &log);
    println!("after 100 cycles {before:?}, after 1,100 {after:?}");
    assert_eq!(site.writes(), writes, "nothing was to be done");
    let grown = [
        ("store", before.store, after.store),
        ("memory", before.memory_kib, after.memory_kib),
        ("descriptors", before.descriptors, after.descriptors),
        ("log", before.log, after.log),
    ];
    for (what, before, after) in grown {
        assert!(after * 100 <= before * 101, "{what} has grown from {before} to {after}");
    }
}
