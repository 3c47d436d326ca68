//! The clock port: the only way to learn the time or to wait.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::core::model::Timestamp;

/// Tells the time and waits. Intervals are measured on `elapsed`, which never jumps; `now` is for
/// dates that people or peers read.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point in this process, never going back.
    fn elapsed(&self) -> Duration;
    /// Waits for `span`.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of a running service.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// Starts counting now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A clock that follows tokio's time, wall time included, so that a test which pauses tokio's time
/// owns both. Days pass in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: tokio::time::Instant,
    epoch: Timestamp,
}

impl TokioClock {
    /// A clock that reads `epoch` now.
    #[expect(clippy::disallowed_methods, reason = "tokio's clock, paused in tests")]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { start: tokio::time::Instant::now(), epoch }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.epoch.plus(self.start.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's clock, paused in tests")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}
