//! A thin server that puts a fake behind a socket: HTTP or HTTPS in, [`Request`] and [`Response`] through.
//!
//! It knows nothing of Graph or SCIM, reads no clock, writes no log and prints nothing. The listener is
//! the caller's, who binds it to a loopback address. One handler serves all connections under a mutex that
//! is never held across an await; an artificial delay passes after the handler has answered.

#[cfg(test)]
mod tests;
mod tls;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::net::TcpListener;

use super::http::{Request, Response};

/// Largest body that is read. Far above what a client of ours sends, small enough to be kept in memory.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long open connections may take to finish after the shutdown signal; then they are dropped.
const GRACE: Duration = Duration::from_millis(500);

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub response: Response,
    /// How long it is held back.
    pub delay: Duration,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, delay: Duration::ZERO }
    }
}

/// Certificate chain and private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The server's certificate, then those that sign it.
    pub cert_pem: Vec<u8>,
    /// Its key.
    pub key_pem: Vec<u8>,
}

/// Serves `handler` on `listener`, with TLS if there is an identity, until `shutdown` is ready.
///
/// Fails at once when the identity is of no use; an accident of a single connection is that
/// connection's own.
pub async fn serve<H, S>(
    listener: TcpListener,
    identity: Option<TlsIdentity>,
    handler: H,
    shutdown: S,
) -> io::Result<()>
where
    H: FnMut(Request) -> Reply + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::new(Mutex::new(handler));
    let app = Router::new().fallback(answer::<H>).with_state(shared);
    let (begun, stopping) = tokio::sync::oneshot::channel();
    let stop = async move {
        shutdown.await;
        // Nobody listens when serving has failed already.
        let _ = begun.send(());
    };
    let overdue = async move {
        if stopping.await.is_err() {
            // The signal can no longer come, so there is no end to enforce.
            std::future::pending::<()>().await;
        }
        wait(GRACE).await;
    };
    let serving: std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>> = match identity {
        None => Box::pin(axum::serve(listener, app).with_graceful_shutdown(stop).into_future()),
        Some(identity) => {
            let listener = tls::TlsListener::new(listener, &identity)?;
            Box::pin(axum::serve(listener, app).with_graceful_shutdown(stop).into_future())
        }
    };
    tokio::select! {
        result = serving => result,
        () = overdue => Ok(()),
    }
}

async fn answer<H>(
    State(handler): State<Arc<Mutex<H>>>,
    request: axum::http::Request<Body>,
) -> axum::http::Response<Body>
where
    H: FnMut(Request) -> Reply + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request {
        method: parts.method.as_str().to_owned(),
        target: target.to_owned(),
        headers: headers_of(&parts.headers),
        body: body.to_vec(),
    };
    let Reply { response, delay } = {
        // A handler that panicked has poisoned the mutex; its state is still the best there is.
        let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
        (*handler)(request)
    };
    if !delay.is_zero() {
        wait(delay).await;
    }
    into_http(response)
}

#[expect(clippy::disallowed_methods, reason = "a server on real sockets waits in real time")]
async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn headers_of(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

fn into_http(response: Response) -> axum::http::Response<Body> {
    let Ok(status) = StatusCode::from_u16(response.status) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut result = plain(status);
    for (name, value) in response.headers {
        // A fake may try out an absurd value; one that HTTP cannot carry is left out.
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            result.headers_mut().append(name, value);
        }
    }
    *result.body_mut() = Body::from(response.body);
    result
}

fn plain(status: StatusCode) -> axum::http::Response<Body> {
    let mut response = axum::http::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
