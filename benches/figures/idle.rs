//! A thousand cycles in which nothing happens: what must not grow.

use std::path::Path;

use crate::load::requests;
use crate::measure::{bytes_in, descriptors_of, memory_of, pause, tell};
use crate::site::Site;

/// So many are over before the first look, so that every buffer has been used.
const WARM_UP: u64 = 100;
const CYCLES: u64 = 1_000;

/// What must not grow.
pub(crate) fn thousand() {
    let site = Site::with(&["--users", "60"], "");
    site.run(&["sync"]).expect(0);
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    let pid = service.0.id();
    // A sync before the service is there would be one of its own.
    pause(5_000);
    let polls = || requests(&site)["graph"]["users_delta"].as_u64().unwrap();
    let until = |cycle: u64| {
        while polls() < cycle {
            for _ in 0..cycle.saturating_sub(polls()).min(100) {
                site.run(&["sync"]).expect(0);
            }
        }
        tell(&format!("after {} cycles", polls()), &taken(pid, &site.state(), &log));
    };
    for thousands in 0..=4 {
        until(WARM_UP + thousands * CYCLES);
    }
}

fn taken(pid: u32, state: &Path, log: &Path) -> String {
    let (kib, logged) = (bytes_in(state) >> 10, std::fs::metadata(log).unwrap().len());
    let (memory, descriptors) = (memory_of(pid), descriptors_of(pid));
    format!(
        "store {kib} KiB, memory {memory:.1} MiB, {descriptors} descriptors, log {logged} bytes"
    )
}
