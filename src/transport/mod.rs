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
    bearer: Option<Bearer>,
}

impl Request {
    /// A request without headers, body or token.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None, bearer: None }
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
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

    /// `Retry-After` as a span: seconds, or an HTTP date seen from `now` (RFC 9110 §10.2.3).
    pub fn retry_after(&self, now: crate::core::model::Timestamp) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        Some(http_date(value)?.since(now))
    }

    /// When the peer answered, by its own clock: the header `Date` (RFC 9110 §6.6.1).
    pub fn date(&self) -> Option<crate::core::model::Timestamp> {
        http_date(self.header("date")?.trim())
    }
}

fn http_date(text: &str) -> Option<crate::core::model::Timestamp> {
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(crate::core::model::Timestamp(date))
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
