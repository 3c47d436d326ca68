//! Arrivals: which requests have come to their end by now.

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};

/// The next one of those that have ended; waits for none.
///
/// What arrived during the last commit is read by other tasks of this thread, which are given a turn: one
/// commit for eight answers costs an eighth of eight commits.
pub(super) async fn next<T>(inflight: &mut FuturesUnordered<BoxFuture<'static, T>>) -> Option<T> {
    if let Some(event) = inflight.next().now_or_never() {
        return event;
    }
    tokio::task::yield_now().await;
    inflight.next().now_or_never().flatten()
}
