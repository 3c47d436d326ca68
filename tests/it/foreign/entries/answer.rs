//! Answers of peers: how a seed writes one, a transport that gives it, and what every answer goes through.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use manntall::core::model::Timestamp;
use manntall::transport::{Request, Response, Transport, TransportError};

/// The answer that the bytes are: a status, lines of headers, an empty line, and the body. Bytes of another
/// form are the body of a 200 in JSON.
pub(super) fn answer(bytes: &[u8]) -> Response {
    let headed = bytes.windows(2).position(|pair| pair == b"\n\n").and_then(|at| {
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let (status, headers) = head.split_once('\n').unwrap_or((&head, ""));
        let status = status.parse().ok().filter(|status| (100..600).contains(status))?;
        // Beyond the tab, no control character comes through an HTTP parser.
        let clean = |text: &str| text.trim().replace(|c: char| c.is_control() && c != '\t', "");
        let headers = headers.lines().filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (clean(name).to_lowercase(), clean(value)));
        Some(Response { status, headers: headers.collect(), body: bytes[at + 2..].to_vec().into() })
    });
    headed.unwrap_or_else(|| {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Response { status: 200, headers, body: bytes.to_vec().into() }
    })
}

/// Looks at what is to leave, and says how it is answered.
pub(super) type Handler = Box<dyn FnMut(&Request) -> Response + Send>;

/// A transport that never waits.
pub(super) struct Canned(Mutex<Handler>);

impl Canned {
    pub(super) fn new(handler: impl FnMut(&Request) -> Response + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Box::new(handler))))
    }
}

impl Transport for Canned {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let response = (self.0.lock().unwrap())(&request);
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// A number asks for no longer wait than a hundred years.
const WAIT_MAX: Duration = Duration::from_secs(3_155_760_000);

/// What is read of every answer's head: how long to wait, and when it was given.
pub(crate) fn answer_head(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let now = Timestamp(1_795_327_200_000);
    let head = |name: &str| Response {
        status: 429,
        headers: vec![(name.to_owned(), text.clone().into_owned())],
        body: Vec::new().into(),
    };
    let wait = head("retry-after").retry_after(now);
    let number = text.trim();
    let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if let (true, Ok(seconds)) = (is_decimal, number.parse::<f64>()) {
        let seconds = seconds.min(WAIT_MAX.as_secs_f64());
        assert_eq!(wait, Some(Duration::from_secs_f64(seconds)), "{text:?}");
    } else {
        // A date says the same as the date of an answer, and one that is over asks for no wait.
        let date = head("date").date();
        assert_eq!(wait, date.map(|date| date.since(now)), "{text:?}");
    }
    for name in ["retry-after-ms", "x-ms-retry-after-ms", "ratelimit-reset", "x-ratelimit-reset"] {
        let wait = head(name).retry_after(now);
        assert!(wait.is_none_or(|wait| wait <= WAIT_MAX), "{name}: {text:?}");
    }
}
