//! What is known beside the engine: when credentials end, and what the process takes. Says what a person
//! should do about the former beforehand, in the log and wherever one asks. Decides nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::network::authorities;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::core::model::Timestamp;
use crate::core::report::{Credential, Expiry, Machine, Nearness, Surroundings};
use crate::transport::certificate;

/// How often it is looked whether there is something to be told.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// A monitor is told of an end from here on, as by the alert rule.
const URGENT: Duration = Duration::from_secs(14 * 24 * 3600);

/// Everything as it is now.
pub(super) fn look(config: &Config, now: Timestamp) -> Surroundings {
    Surroundings { expiries: expiries(config), machine: machine(&config.service.state_dir, now) }
}

/// When credentials end, as far as that is known, the first one first. A certificate that cannot be read
/// is told of by whoever uses it.
pub(super) fn expiries(config: &Config) -> Vec<Expiry> {
    let mut found = Vec::new();
    for (name, source) in &config.sources {
        let (at, what) = match &source.credential {
            config::Credential::Secret { file: _, expires } => {
                (*expires, Credential::ClientSecret(name.to_string()))
            }
            config::Credential::Certificate { certificate: file, private_key: _ } => {
                (first_end(file), Credential::Certificate(name.to_string()))
            }
            config::Credential::Federated { token: _ } => continue,
        };
        found.extend(at.map(|at| Expiry { at, what }));
    }
    for (name, target) in &config.targets {
        let what = Credential::Token(name.clone());
        found.extend(target.token_expires.map(|at| Expiry { at, what }));
    }
    if let Some((_, ends)) =
        config.network.ca_file.as_deref().and_then(|file| authorities(file).ok())
    {
        let what = Credential::Authority;
        found.extend(ends.into_iter().min().map(|at| Expiry { at, what }));
    }
    found.sort();
    found
}

/// When the certificate ends that comes first in a file: the application's own.
pub(super) fn first_end(file: &Path) -> Option<Timestamp> {
    certificate::ends(&fs::read(file).ok()?).ok()?.first().copied()
}

/// What somebody should know who looks at how things stand.
pub(super) fn warnings(surroundings: &Surroundings, now: Timestamp) -> Vec<String> {
    surroundings.expiries.iter().filter_map(|expiry| expiry.words(now)).collect()
}

/// What cannot wait, in a few words.
pub(super) fn urgent(surroundings: &Surroundings, now: Timestamp) -> Option<String> {
    let ends = surroundings.expiries.iter().filter(|expiry| expiry.at < now.plus(URGENT));
    let words: Vec<_> = ends.map(|expiry| expiry.brief(now)).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Says in the log, once, what has come nearer, for as long as it is polled.
pub(super) async fn watch(config: Arc<Config>, clock: Arc<dyn Clock>) -> Infallible {
    let mut told = Told::default();
    loop {
        let now = clock.now();
        told.tell(&look(&config, now), now);
        clock.sleep(LOOK_EVERY).await;
    }
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    near: BTreeMap<Credential, Nearness>,
}

impl Told {
    fn tell(&mut self, surroundings: &Surroundings, now: Timestamp) {
        for (nearness, text) in self.news(surroundings, now) {
            if nearness == Nearness::Over {
                tracing::error!(target: "manntall::ending", "{text}");
            } else {
                tracing::warn!(target: "manntall::ending", "{text}");
            }
        }
    }

    /// What has come nearer since the last time.
    fn news(&mut self, surroundings: &Surroundings, now: Timestamp) -> Vec<(Nearness, String)> {
        let mut news = Vec::new();
        for expiry in &surroundings.expiries {
            let nearness = expiry.nearness(now);
            let before = self.near.insert(expiry.what.clone(), nearness);
            if nearness > before.unwrap_or(Nearness::Far) {
                news.extend(expiry.words(now).map(|words| (nearness, words)));
            }
        }
        news
    }
}

/// What the system says about this process and its state (proc(5)). What it does not
/// say stays out.
fn machine(state_dir: &Path, now: Timestamp) -> Machine {
    let times = fs::read_to_string("/proc/self/stat").ok().and_then(|line| times(&line));
    let resident = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text));
    // The listing itself is one of them.
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1));
    Machine {
        state_bytes: state_dir.is_dir().then(|| taken_by(state_dir)),
        resident_bytes: resident,
        open_files: open.and_then(|count| u64::try_from(count).ok()),
        processor: times.map(|(processor, _)| processor),
        began: times.and_then(|(_, after_boot)| {
            let age = since_boot()?.checked_sub(after_boot)?;
            Some(Timestamp(now.0.saturating_sub(i64::try_from(age.as_millis()).ok()?)))
        }),
    }
}

/// Processor time, and when the process began after the machine did: fields 14, 15 and 22 of
/// /proc/self/stat, counted from behind the name, which may hold anything.
fn times(line: &str) -> Option<(Duration, Duration)> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let span = |ticks: u64| {
        Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second())
    };
    Some((span(field(14)? + field(15)?), span(field(22)?)))
}

fn since_boot() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::Boottime)).ok()
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The blocks that a folder and all in it take. What vanishes meanwhile is not counted.
fn taken_by(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let each = entries.map(|entry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => taken_by(&entry.path()),
        Ok(facts) => facts.blocks() * 512,
        Err(_) => 0,
    });
    each.sum()
}

#[cfg(test)]
mod tests;
