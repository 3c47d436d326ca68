//! What a process costs, as Linux tells it under `/proc`. It measures nothing of its own process but
//! what it is asked for, and it knows nothing of Manntall.

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::site::Running;

/// The clock of the machine counts process times in hundredths of a second (`proc(5)`, `CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

/// What a process has cost from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// On the clock on the wall.
    pub(crate) wall: Duration,
    /// In user and kernel mode, all threads together.
    pub(crate) cpu: Duration,
    /// The most memory that it held.
    pub(crate) peak_mib: f64,
}

/// Now, for spans on the wall.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits in real time.
#[expect(clippy::disallowed_methods, reason = "another process's progress is waited for")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Waits until something is so, and says how long that took.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut is_so: impl FnMut() -> bool,
) -> Duration {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < patience, "in vain: {what}");
        pause(10);
    }
    begun.elapsed()
}

/// Waits for a process to end; how it did where it did not end well. What is asked of it is asked
/// before it is reaped.
pub(crate) fn to_its_end(mut running: Running, begun: Instant) -> Result<Cost, ExitStatus> {
    let pid = running.0.id();
    let mut peak_mib: f64 = 0.0;
    while !has_ended(pid) {
        peak_mib = peak_mib.max(peak_of(pid));
        pause(10);
    }
    let wall = begun.elapsed();
    let cpu = ticks_of(pid);
    let ended = running.0.wait().expect("it is our child");
    if ended.success() { Ok(Cost { wall, cpu, peak_mib }) } else { Err(ended) }
}

fn status_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn mib_in(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// The most memory that a process held so far, in MiB.
pub(crate) fn peak_of(pid: u32) -> f64 {
    mib_in(&status_of(pid), "VmHWM:")
}

/// The memory that a process holds now, in MiB.
pub(crate) fn memory_of(pid: u32) -> f64 {
    mib_in(&status_of(pid), "VmRSS:")
}

/// How many descriptors a process has open.
pub(crate) fn descriptors_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("it is ours").count()
}

/// Fields of `/proc/PID/stat` behind the name, which may hold anything: `proc(5)`.
fn stat_of(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it was not reaped");
    let rest = text.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}

fn has_ended(pid: u32) -> bool {
    stat_of(pid).first().is_some_and(|state| state == "Z")
}

fn ticks_of(pid: u32) -> Duration {
    let stat = stat_of(pid);
    let field = |at: usize| stat.get(at).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    TICK * (field(11) + field(12))
}

/// The time on a processor of all living threads of a process, to the nanosecond; good for what a
/// process without coming and going threads has cost between two moments.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    cpu_of_threads(pid, |_| true)
}

/// The same of those threads whose names are `wanted`.
pub(crate) fn cpu_of_threads(pid: u32, wanted: impl Fn(&str) -> bool) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it is ours").flatten();
    let said = |path: PathBuf, what| fs::read_to_string(path.join(what)).unwrap_or_default();
    let threads = threads.map(|thread| thread.path());
    let threads = threads.filter(|path| wanted(said(path.clone(), "comm").trim_end()));
    let spent = threads.map(|path| {
        let text = said(path, "schedstat");
        let first = text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
        Duration::from_nanos(first.unwrap_or(0))
    });
    spent.sum()
}

/// What the files below a folder take up on the disk, in bytes.
pub(crate) fn bytes_in(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_in(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

/// Shows one figure.
pub(crate) fn tell(name: &str, figure: &str) {
    println!("{name:<58} {figure}");
}

/// A span in milliseconds.
pub(crate) fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}

/// A span in seconds.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}
