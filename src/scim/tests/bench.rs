//! What the tests share: a transport that gives prepared answers and remembers what was sent, a clock
//! moved by hand, and a reader and a writer on top of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::core::model::{AttrPath, Attributes, Datum, Timestamp};
use crate::scim::dialect::Dialect;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{Reader, ScimOptions, Writer};
use crate::transport::{Request, Response, Transport, TransportError};

pub(super) const BASE: &str = "https://platform.example.no/scim/v2";

/// A clock that stands still unless somebody waits: a wait is over at once, and as much later,
/// rounded up to a millisecond as the runtime's timers do.
#[derive(Default)]
pub(super) struct HandClock(Mutex<Duration>);

impl HandClock {
    pub(super) fn advance(&self, span: Duration) {
        let ms = u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap();
        *self.0.lock().unwrap() += Duration::from_millis(ms);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.advance(span);
        Box::pin(std::future::ready(()))
    }
}

#[derive(Default)]
struct Canned {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    sent: Mutex<Vec<Request>>,
}

impl Transport for Canned {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        self.sent.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap();
        Box::pin(std::future::ready(answer))
    }
}

pub(super) struct Bench {
    transport: Arc<Canned>,
    pub(super) pacer: Pacer,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::speaking(Dialect::default())
    }

    pub(super) fn speaking(dialect: Dialect) -> Self {
        let transport = Arc::new(Canned::default());
        let clock = Arc::new(HandClock::default());
        let options = ScimOptions {
            url: Url::parse(BASE).unwrap(),
            token: Arc::new(|| SecretString::from("t0ken")),
            dialect,
        };
        Self {
            pacer: Pacer::new(10.0, 1, clock.clone()),
            reader: Reader::new(options.clone(), transport.clone(), clock.clone()),
            writer: Writer::new(options, transport.clone(), clock, Arc::default()),
            transport,
        }
    }

    /// Prepares the next answer.
    pub(super) fn answer(&self, status: u16, body: &str) -> &Self {
        self.answer_with(status, body, &[])
    }

    pub(super) fn answer_bytes(&self, status: u16, body: &[u8]) -> &Self {
        let body = Bytes::copy_from_slice(body);
        self.queue(Ok(Response { status, headers: Vec::new(), body }))
    }

    pub(super) fn answer_with(&self, status: u16, body: &str, headers: &[(&str, &str)]) -> &Self {
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.queue(Ok(Response { status, headers, body }))
    }

    pub(super) fn fail(&self, error: TransportError) -> &Self {
        self.queue(Err(error))
    }

    fn queue(&self, answer: Result<Response, TransportError>) -> &Self {
        self.transport.answers.lock().unwrap().push_back(answer);
        self
    }

    pub(super) async fn permit(&self) -> Permit {
        self.pacer.permit().await
    }

    /// Everything sent since the last call, as `METHOD path?query body`.
    pub(super) fn sent(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.transport.sent.lock().unwrap());
        requests.iter().map(line).collect()
    }

    /// The requests themselves.
    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.transport.sent.lock().unwrap())
    }
}

fn line(request: &Request) -> String {
    let url = request.url.as_str();
    let path = url.strip_prefix(BASE).unwrap_or(url);
    let body = request.body.as_ref().map(|body| {
        let mut json: Value = serde_json::from_slice(body).unwrap();
        let schemas = json.as_object_mut().unwrap().remove("schemas").unwrap();
        let envelope = json.get("Operations").is_some();
        assert_eq!(
            envelope,
            schemas == serde_json::json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"])
        );
        let shown = if envelope {
            let operations = json["Operations"].as_array().unwrap();
            operations.iter().fold(String::new(), |shown, one| shown + &format!("\n  {one}"))
        } else {
            format!("\n  {json}")
        };
        if envelope { shown } else { format!("\n  schemas {schemas}{shown}") }
    });
    format!("{} {path}{}", request.method.name(), body.unwrap_or_default())
}

/// Attributes from pairs of path and value.
pub(super) fn attributes<const N: usize>(pairs: [(&str, Datum); N]) -> Attributes {
    pairs.into_iter().map(|(path, value)| (AttrPath::parse(path).unwrap(), value)).collect()
}
