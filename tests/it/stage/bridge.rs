//! The bridge: the only transport between the clients' types and the simulator's. It can lose an answer, fail a
//! request, or end the world at a request.
//!
//! `MANNTALL_WIRE=1` prints each request, what becomes of it, and what the simulator answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use manntall::clock::{Clock, TokioClock};
use manntall::store::memory::{CrashPoint, MemoryStore};
use manntall::transport::{Request, Response, Transport, TransportError};
use serde::{Deserialize, Serialize};

use super::Inner;

/// A history that sends more than this has lost its way.
const REQUESTS_MAX: usize = 100_000;

/// What goes wrong on the way, in per cent of all requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chaos {
    pub(crate) rng: fastrand::Rng,
    pub(crate) not_sent: u8,
    pub(crate) lost_answers: u8,
    pub(crate) errors_before: u8,
    pub(crate) errors_after: u8,
    pub(crate) throttled: u8,
    /// The process ends at this request, counted down.
    pub(crate) end_in: Option<(u32, End)>,
    pub(crate) ended: bool,
    pub(crate) latency_ms: u64,
    pub(crate) fired: BTreeMap<&'static str, u64>,
}

/// How far a request gets at which the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// It is never sent.
    Unsent,
    /// It is acted on, and its answer never arrives.
    Unanswered,
    /// Its answer arrives, and is never recorded.
    Unrecorded,
}

/// Carries requests to the simulator.
pub(super) struct Bridge {
    pub(super) inner: Arc<Mutex<Inner>>,
    pub(super) clock: Arc<TokioClock>,
    pub(super) store: MemoryStore,
}

/// What becomes of a request.
pub(crate) enum Fate {
    Normal,
    /// Nothing is sent, for this reason.
    NotSent(&'static str),
    /// It is acted on and the answer is lost, in this way.
    Lost(&'static str),
    /// It is not acted on, and this is answered.
    Answer(Response),
    /// It is acted on, and the answer is changed on the way.
    Change(Box<dyn FnOnce(Response) -> Response + Send>),
    End(End),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("goes well"),
            Self::NotSent(detail) => write!(f, "is not sent: {detail}"),
            Self::Lost(detail) => write!(f, "its answer is lost: {detail}"),
            Self::Answer(response) => write!(f, "is answered {} at once", response.status),
            Self::Change(_) => f.write_str("its answer is changed"),
            Self::End(end) => write!(f, "the process ends: {end:?}"),
        }
    }
}

/// Prints what is on the wire, for whoever looks for a fault.
fn tell(line: fmt::Arguments<'_>) {
    static IS_SHOWN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("MANNTALL_WIRE").is_some());
    if *IS_SHOWN {
        println!("{line}");
    }
}

fn plain(status: u16) -> Response {
    let headers = vec![("retry-after".to_owned(), "2".to_owned())];
    Response { status, headers, body: bytes::Bytes::new() }
}

impl Chaos {
    fn fate(&mut self) -> Fate {
        if self.ended {
            return Fate::End(End::Unsent);
        }
        if let Some((left, end)) = &mut self.end_in {
            if *left == 0 {
                self.ended = true;
                return Fate::End(*end);
            }
            *left -= 1;
        }
        let table = [
            ("not sent", self.not_sent, Fate::NotSent("connection refused")),
            ("answer lost", self.lost_answers, Fate::Lost("reset")),
            ("503 before", self.errors_before, Fate::Answer(plain(503))),
            ("500 after", self.errors_after, Fate::Change(Box::new(|_| plain(500)))),
            ("429", self.throttled, Fate::Answer(plain(429))),
        ];
        for (name, per_cent, fate) in table {
            if per_cent > 0 && self.rng.u8(0..100) < per_cent {
                *self.fired.entry(name).or_default() += 1;
                return fate;
            }
        }
        Fate::Normal
    }
}

impl Transport for Bridge {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let inner = Arc::clone(&self.inner);
        let clock = Arc::clone(&self.clock);
        let store = self.store.clone();
        Box::pin(async move {
            let latency = inner.lock().unwrap().chaos.latency_ms;
            let host = request.url.host_str().unwrap_or_default().to_owned();
            let fate = {
                let mut inner = inner.lock().unwrap();
                let line = format!(
                    "{} {} {} {}",
                    clock.elapsed().as_millis(),
                    request.method.name(),
                    request.url,
                    request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default()
                );
                tell(format_args!("> {line}"));
                inner.trace.push(line);
                let sent = inner.trace.len();
                if sent > REQUESTS_MAX {
                    let last = inner.trace.split_off(sent - 20);
                    panic!("a storm of requests; the last of them: {last:#?}");
                }
                let meddled = inner.meddler.as_mut().and_then(|meddler| meddler(&request));
                meddled.unwrap_or_else(|| inner.chaos.fate())
            };
            clock.sleep(Duration::from_millis(latency / 2)).await;
            tell(format_args!("! {} {} {fate}", clock.elapsed().as_millis(), request.url));
            match fate {
                Fate::End(End::Unsent) => return std::future::pending().await,
                Fate::NotSent(detail) => {
                    return Err(TransportError::NotSent { host, detail: detail.to_owned() });
                }
                Fate::Answer(response) => return Ok(response),
                Fate::Normal | Fate::Lost(_) | Fate::Change(_) | Fate::End(_) => {}
            }
            let response = inner.lock().unwrap().answer(&request, &clock);
            tell(format_args!(
                "< {} {} {} {}",
                clock.elapsed().as_millis(),
                request.url,
                response.status,
                String::from_utf8_lossy(&response.body)
            ));
            clock.sleep(Duration::from_millis(latency - latency / 2)).await;
            match fate {
                Fate::End(End::Unrecorded) => {
                    store.crash_at(1, CrashPoint::BeforeCommit);
                    Ok(response)
                }
                Fate::End(_) => std::future::pending().await,
                Fate::Lost(detail) => {
                    Err(TransportError::Unanswered { host, detail: detail.to_owned() })
                }
                Fate::Change(change) => Ok(change(response)),
                _ => Ok(response),
            }
        })
    }
}
