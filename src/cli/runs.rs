//! Notes beside the state who works on it and how that ended, so that `status` can tell a dead service
//! from one that has nothing to do.
//!
//! ```text
//! <state_dir>/run.json   the last run; its time of modification says when it was last seen alive
//! ```
//!
//! Nothing here decides what happens to an account, and what cannot be written or read is left out: the
//! state itself is elsewhere.

use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::files::replace;
use super::view::text::{ago, time};
use super::wire::{self, Wiring};
use super::{Exit, Failure};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::core::model::Timestamp;
use crate::core::report::{Run, RunEnd, RunKind};

/// A run shows that it is alive so often.
const BEAT_EVERY: Duration = Duration::from_secs(60);

/// Does `work` as a run on the state, which the caller has locked.
pub(super) async fn during<T>(
    kind: RunKind,
    (state_dir, clock): (&Path, &Arc<dyn Clock>),
    end_of: impl FnOnce(&T) -> Exit,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let under_way = UnderWay::begin(kind, state_dir, clock);
    let done = tokio::select! {
        done = work => done,
        never = under_way.beat() => match never {},
    };
    under_way.end(match &done {
        Ok(done) => end_of(done),
        Err(failure) => failure.exit,
    });
    done
}

/// The wiring of a sync. Where it cannot be made, since a secret is gone perhaps, the sync has failed before it
/// began: that is on record as well, unless somebody else works on the state or there is none.
pub(super) fn wired_for_sync(config: &Config) -> Result<Wiring, Failure> {
    Wiring::new(config.clone()).inspect_err(|failure| {
        // The state is locked for as long as it is open.
        if let Ok(_locked) = wire::existing_store(config) {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
            let state_dir = &config.service.state_dir;
            UnderWay::begin(RunKind::Sync, state_dir, &clock).end(failure.exit);
        }
    })
}

/// The last run on the state in this folder, if there is a note of it.
pub(super) fn last(state_dir: &Path) -> Option<Run> {
    let path = path(state_dir);
    let mut run: Run = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    let seen = path.metadata().and_then(|file| file.modified()).ok();
    run.seen = seen.map_or(run.began, timestamp).max(run.began);
    Some(run)
}

/// That the state in this folder is somebody else's now: whose, since when, and what can be done.
pub(super) fn held(state_dir: &str, holder: Option<u32>) -> Failure {
    let run = last(Path::new(state_dir));
    let run = run.filter(|run| run.end.is_none() && holder == Some(run.process));
    let process = holder.map(|id| format!(" ({id})")).unwrap_or_default();
    let id = holder.map_or_else(|| "ID".to_owned(), |id| id.to_string());
    let who = match &run {
        Some(Run { kind: RunKind::Service, .. }) => "the service",
        Some(Run { kind: RunKind::Sync, .. }) => "a sync",
        None => "another process",
    };
    let since = run.as_ref().map(|run| {
        let now = SystemClock::start().now();
        format!(", which began {} ({})", time(run.began), ago(now.since(run.began)))
    });
    let next = match run.map(|run| run.kind) {
        Some(RunKind::Service) => format!(
            "manntall status asks it how it is. What only one process can do needs it stopped first: systemctl \
             stop manntall, this command again, systemctl start manntall (where systemd did not start it: kill \
             {id})"
        ),
        Some(RunKind::Sync) => format!(
            "wait for its end, and give this command again. To end it before: kill {id}; what is on its way is \
             ended and recorded, and the next sync goes on from there"
        ),
        None => format!(
            "a command that only looks is gone in a moment: give this one again. What it is: ps -p {id}"
        ),
    };
    let since = since.unwrap_or_default();
    let message = format!(
        "the state in {state_dir} is held by {who}{process}{since}; nothing was done, and it goes on; {next}"
    );
    Failure::new(Exit::Locked, message)
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("run.json")
}

/// A run that is under way.
struct UnderWay<'a> {
    path: PathBuf,
    run: Run,
    clock: &'a Arc<dyn Clock>,
}

impl<'a> UnderWay<'a> {
    fn begin(kind: RunKind, state_dir: &Path, clock: &'a Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let mut earlier = Vec::new();
        if let Some(before) = last(state_dir).filter(|run| run.kind == kind)
            && kind == RunKind::Sync
        {
            earlier.extend(before.earlier);
            earlier.push(before.began);
            earlier.drain(..earlier.len().saturating_sub(Run::EARLIER_MAX));
        }
        let process = std::process::id();
        let run = Run { kind, process, began: now, end: None, earlier, seen: now };
        let under_way = Self { path: path(state_dir), run, clock };
        under_way.write();
        under_way
    }

    /// Shows that it is alive, for as long as it is polled.
    async fn beat(&self) -> std::convert::Infallible {
        loop {
            self.clock.sleep(BEAT_EVERY).await;
            let now = u64::try_from(self.clock.now().0).unwrap_or(0);
            let now = UNIX_EPOCH + Duration::from_millis(now);
            let file = File::options().write(true).open(&self.path);
            if let Err(error) = file.and_then(|file| file.set_modified(now)) {
                tracing::debug!(%error, "it cannot be noted that Manntall is alive");
            }
        }
    }

    fn end(mut self, exit: Exit) {
        self.run.end = Some(RunEnd { at: self.clock.now(), exit: exit.code() });
        self.write();
    }

    fn write(&self) {
        let text = serde_json::to_vec(&self.run).unwrap_or_default();
        if let Err(error) = replace(&self.path, &text, 0o600, None) {
            tracing::debug!(%error, "it cannot be noted who works on the state");
        }
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
