//! Exchanges are counted as they were, and pass unchanged.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Url;

use super::Metered;
use crate::clock::{Clock, TokioClock};
use crate::core::model::Timestamp;
use crate::core::report::Traffic;
use crate::transport::{Method, Request, Response, Transport, TransportError};

struct Slow(Arc<TokioClock>, u16);

impl Transport for Slow {
    fn send(&self, _: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let (pause, status) = (self.0.sleep(Duration::from_millis(300)), self.1);
        Box::pin(async move {
            pause.await;
            let headers = vec![
                ("date".to_owned(), "Mon, 02 Mar 2026 06:00:00 GMT".to_owned()),
                ("retry-after".to_owned(), "7".to_owned()),
            ];
            Ok(Response { status, headers, body: bytes::Bytes::new() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_is_counted_by_peer_method_and_status() {
    // Ten seconds ahead of the peer.
    let clock = Arc::new(TokioClock::starting_at(Timestamp(1_772_431_210_000)));
    let traffic = Arc::new(Mutex::new(Traffic::default()));
    for status in [200, 429] {
        let inner = Arc::new(Slow(Arc::clone(&clock), status));
        let metered = Metered::new(inner, clock.clone(), Arc::clone(&traffic));
        let url = Url::parse("https://platform.example.no/scim/v2/Users?filter=x").unwrap();
        let answer = metered.send(Request::new(Method::Get, url)).await.unwrap();
        assert_eq!(answer.status, status);
    }
    let traffic = traffic.lock().unwrap();
    let peer = &traffic.peers["platform.example.no"];
    assert_eq!(peer.requests[&("GET", 200)], 1);
    assert_eq!(peer.requests[&("GET", 429)], 1);
    assert_eq!(peer.throttled, Duration::from_secs(7), "only what was refused is a wait");
    assert_eq!(peer.spans.count(), 2);
    assert_eq!(peer.spans.sum(), Duration::from_millis(600));
    assert_eq!(peer.skew_ms, Some(10_600));
}
