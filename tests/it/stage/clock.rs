//! The clock as Manntall sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use manntall::clock::{Clock, TokioClock};
use manntall::core::model::Timestamp;

/// A clock whose wall time may jump, and that counts who waits.
pub(super) struct Skewed {
    pub(super) clock: Arc<TokioClock>,
    /// How far its wall time is ahead, in milliseconds.
    pub(super) ms: Arc<AtomicI64>,
    /// How often somebody lay down to wait.
    pub(super) waits: Arc<AtomicU64>,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now().0 + self.ms.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        assert!(waits < 2_000_000, "the loop wakes for nothing, again and again");
        self.clock.sleep(span)
    }
}
