//! A transport that counts what goes through it, for the metrics. It changes nothing on the way.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::{Request, Response, SharedTransport, Transport, TransportError};
use crate::clock::Clock;
use crate::core::model::Timestamp;
use crate::core::report::{Exchange, Traffic};

/// What was exchanged so far, shared between who counts and who shows.
pub type SharedTraffic = Arc<Mutex<Traffic>>;

/// Counts what goes through `inner`.
pub struct Metered {
    inner: SharedTransport,
    clock: Arc<dyn Clock>,
    traffic: SharedTraffic,
}

impl Metered {
    /// Counts in `traffic` what goes through `inner`.
    pub fn new(inner: SharedTransport, clock: Arc<dyn Clock>, traffic: SharedTraffic) -> Self {
        Self { inner, clock, traffic }
    }
}

impl Transport for Metered {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let peer = request.url.host_str().unwrap_or_default().to_owned();
        let method = request.method.name();
        let (clock, traffic) = (Arc::clone(&self.clock), Arc::clone(&self.traffic));
        let began = clock.elapsed();
        let sent = self.inner.send(request);
        Box::pin(async move {
            let result = sent.await;
            let now = clock.now();
            let response = result.as_ref().ok();
            let exchange = Exchange {
                peer: &peer,
                method,
                status: response.map(|response| response.status),
                took: clock.elapsed().saturating_sub(began),
                throttled: response
                    .filter(|response| response.status == 429)
                    .and_then(|response| response.retry_after(now)),
                skew_ms: response.and_then(|response| skew_ms(response, now)),
            };
            traffic.lock().unwrap_or_else(PoisonError::into_inner).record(&exchange);
            result
        })
    }
}

/// Our clock minus the peer's, by the `Date` of its answer (RFC 9110 §6.6.1).
fn skew_ms(response: &Response, now: Timestamp) -> Option<i64> {
    Some(now.0.saturating_sub(response.date()?.0))
}

#[cfg(test)]
mod tests;
