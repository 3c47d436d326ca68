//! The transport port: one request out, one answer back. Everything that leaves this program for
//! Entra or a target passes here, so the rules that protect tokens hold in one place.
//!
//! A bearer token is bound to its origin by type: a [`Request`] cannot carry one to another origin.
//! Redirects are never followed; a 3xx is an answer like any other.

pub mod certificate;
pub mod http;
pub mod json;
pub mod metered;
pub mod proxy;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use url::{Host, Origin, Url};

use crate::core::model::Timestamp;

/// Sends one request and returns its answer, whatever its status.
pub trait Transport: Send + Sync {
    /// Sends the request once: no retry, no redirect.
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>>;
}

/// Whether what is sent to `url` cannot be read on the way: `https`, or plain `http` to this machine.
pub fn is_protected(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_local(url),
        _ => false,
    }
}

/// Whether `url` leads to this machine.
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        // Of schemes that it does not know, the parser leaves addresses as text.
        Some(Host::Domain(name)) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A shared transport.
pub type SharedTransport = Arc<dyn Transport>;

/// HTTP methods that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, and asks for tokens.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Upper-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A token that may go to one origin only.
#[derive(Clone)]
pub struct Bearer {
    origin: Origin,
    secret: SecretString,
}

impl Bearer {
    /// Binds `secret` to the origin of `url`.
    pub fn for_origin_of(url: &Url, secret: SecretString) -> Self {
        Self { origin: url.origin(), secret }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer(for {})", self.origin.ascii_serialization())
    }
}

/// The token does not belong to the origin that the request goes to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a token for {expected} was about to be sent to {actual}; nothing was sent")]
pub struct ForeignOrigin {
    /// The origin that the token belongs to.
    pub expected: String,
    /// The origin of the request.
    pub actual: String,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL, without user information.
    pub url: Url,
    /// Header names in lower case with their values; never `authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// Body, where there is one.
    pub body: Option<Bytes>,
    /// Size of the answer's body at the most, where it may be less than the transport takes from anybody.
    pub answer_bytes_max: Option<usize>,
    bearer: Option<Bearer>,
}

impl Request {
    /// A request without headers, body or token.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None, answer_bytes_max: None, bearer: None }
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Bounds the answer's body.
    #[must_use]
    pub fn answer_at_most(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = Some(bytes);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Attaches the token, if the request goes where the token belongs.
    pub fn authorized(mut self, bearer: &Bearer) -> Result<Self, ForeignOrigin> {
        if self.url.origin() != bearer.origin || !self.url.username().is_empty() {
            return Err(ForeignOrigin {
                expected: bearer.origin.ascii_serialization(),
                actual: self.url.origin().ascii_serialization(),
            });
        }
        self.bearer = Some(bearer.clone());
        Ok(self)
    }

    /// The token, for the one function that writes the `authorization` header.
    pub fn bearer_secret(&self) -> Option<&SecretString> {
        self.bearer.as_ref().map(|bearer| &bearer.secret)
    }
}

/// One answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// Body after decompression.
    pub body: Bytes,
}

impl Response {
    /// First value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How long the peer asks us to wait, in every form that is met: `Retry-After` in seconds, whole or
    /// not, or as an HTTP date (RFC 9110 §10.2.3); Azure's `retry-after-ms` and `x-ms-retry-after-ms`; and
    /// beside a 429 the end of the window of a rate limit, in seconds from now
    /// (draft-ietf-httpapi-ratelimit-headers) or as Unix time (GitHub). A date is seen from the peer's own
    /// clock where it tells it, and else from `now`.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let number = |name| self.header(name).and_then(decimal);
        let now = self.date().unwrap_or(now);
        let named = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(number);
        let named = named.map(|ms| span(ms / 1_000.0)).or_else(|| {
            let value = self.header("retry-after")?.trim();
            decimal(value).map(span).or_else(|| Some(http_date(value)?.since(now)))
        });
        if named.is_some() || self.status != 429 {
            return named;
        }
        let reset = ["ratelimit-reset", "x-ratelimit-reset"].into_iter().find_map(number)?;
        let unix = Duration::from_millis(u64::try_from(now.0).unwrap_or_default()).as_secs_f64();
        // No window of a rate limit is thirty years long.
        Some(span(if reset > 1e9 { (reset - unix).max(0.0) } else { reset }))
    }

    /// When the peer answered, by its own clock: the header `Date` (RFC 9110 §6.6.1).
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?.trim())
    }
}

/// A number without sign or exponent.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_decimal)
}

/// As a span of at most a hundred years.
fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 3_155_760_000.0))
}

/// A date in one of the three forms that HTTP knows (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    /// That of RFC 850, and that of `asctime`.
    const OLD: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"];
    let at = jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()).or_else(|| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut found = OLD
            .into_iter()
            .filter_map(|form| jiff::fmt::strtime::parse(form, &text).ok()?.to_datetime().ok());
        Some(found.next()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(Timestamp(at.as_millisecond()))
}

/// No whole answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nothing was sent: name resolution, connection or TLS failed. The request had no effect.
    #[error("cannot reach {host}: {detail}")]
    NotSent {
        /// Host and port asked.
        host: String,
        /// What went wrong, without personal data.
        detail: String,
    },
    /// The request may have been acted on; the answer was lost, late, cut or too long.
    #[error("no whole answer from {host}: {detail}")]
    Unanswered {
        /// Host and port asked.
        host: String,
        /// What went wrong, without personal data.
        detail: String,
    },
}

#[cfg(test)]
mod tests;
