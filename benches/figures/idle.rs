//! A thousand cycles in which nothing happens, after as many as it takes for the store to have come
//! round: sled writes behind what it has written until whole segments of its file are free again.

use std::path::Path;

use crate::load::requests;
use crate::measure::{bytes_in, descriptors_of, memory_of, pause, tell};
use crate::site::Site;

/// A week of one cycle a minute.
const WARM_UP: u64 = 11_000;
const CYCLES: u64 = 1_000;

/// What must not grow.
pub(crate) fn thousand() {
    let site = Site::with(&["--users", "60"], "");
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let pid = service.0.id();
    while site.active().len() < site.employees().len() {
        pause(100);
    }
    let polls = || requests(&site)["graph"]["users_delta"].as_u64().unwrap();
    let until = |cycle: u64| {
        while polls() < cycle {
            for _ in 0..100 {
                site.run(&["sync"]).expect(0);
            }
        }
        tell(&format!("after {} cycles", polls()), &taken(pid, &site.state(), &log));
    };
    until(100);
    until(1_100);
    until(WARM_UP);
    until(WARM_UP + CYCLES);
}

fn taken(pid: u32, state: &Path, log: &Path) -> String {
    let (kib, logged) = (bytes_in(state) >> 10, std::fs::metadata(log).unwrap().len());
    let (memory, descriptors) = (memory_of(pid), descriptors_of(pid));
    format!(
        "store {kib} KiB, memory {memory:.1} MiB, {descriptors} descriptors, log {logged} bytes"
    )
}
