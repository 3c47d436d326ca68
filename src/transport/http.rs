//! The transport of the running service: the only place that sends for real.
//!
//! Sends once: no redirect is followed, nothing is retried, no proxy is used but the one that is given.
//! Errors and spans name the host, never path, query, headers or body. No switch turns certificate
//! checks off.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use tracing::Instrument;
use tracing::field::Empty;
use url::Url;

use super::proxy::Proxy;
use super::{Method, Request, Response, Transport, TransportError, is_protected};
use crate::clock::Clock;
use crate::errors;

/// What one request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// Between two pieces of the answer, and until the first.
    pub idle: Duration,
    /// For everything together.
    pub whole: Duration,
    /// Size of a body after decompression.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    /// A healthy peer needs a second or two. Ten seconds let a connection survive two lost packets;
    /// thirty let a loaded directory think; two minutes end an answer that drips one byte at a time.
    /// The largest honest body, a page of 999 users with everything selected, has about 4 MiB; 64 MiB
    /// stop a compressed bomb well before memory runs out.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            whole: Duration::from_secs(120),
            body_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// What the operator may set about the network.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// Certificates in PEM to trust beside those of the system: a private certificate authority.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The proxy that leads to other machines.
    pub proxy: Option<Proxy>,
    /// What one request may cost.
    pub limits: Limits,
}

/// The transport cannot be made: the certificates given are damaged.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct HttpSetupError(#[source] reqwest::Error);

/// Sends over the network.
pub struct HttpTransport {
    client: reqwest::Client,
    proxy: Option<Proxy>,
    clock: Arc<dyn Clock>,
    body_bytes_max: usize,
}

impl HttpTransport {
    /// The transport; one for the whole process, so that connections are shared.
    pub fn new(options: &HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, HttpSetupError> {
        // Another part of the process may have been first with the same provider.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let client = client(options).map_err(HttpSetupError)?;
        let body_bytes_max = options.limits.body_bytes_max;
        Ok(Self { client, proxy: options.proxy.clone(), clock, body_bytes_max })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let host = host_and_port(&request.url);
        let span = tracing::info_span!(
            "http.request",
            method = request.method.name(),
            host,
            status = Empty,
            duration_ms = Empty
        );
        let (client, clock) = (self.client.clone(), Arc::clone(&self.clock));
        let proxy = self.proxy.clone().filter(|proxy| proxy.leads_to(&request.url));
        let body_bytes_max =
            request.answer_bytes_max.unwrap_or(usize::MAX).min(self.body_bytes_max);
        let exchange = async move {
            let start = clock.elapsed();
            let result = exchange(&client, request, host, body_bytes_max).await;
            let result = result.map_err(|error| match &proxy {
                Some(proxy) => through(proxy, error),
                None => error,
            });
            let span = tracing::Span::current();
            if let Ok(response) = &result {
                span.record("status", response.status);
            }
            let duration = clock.elapsed().saturating_sub(start);
            span.record("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
            result
        };
        Box::pin(exchange.instrument(span))
    }
}

fn client(options: &HttpOptions) -> reqwest::Result<reqwest::Client> {
    let extra = options.extra_ca_pem.as_deref().map(reqwest::Certificate::from_pem_bundle);
    let extra = extra.transpose()?.unwrap_or_default();
    match builder(options).tls_certs_merge(extra.clone()).build() {
        Err(error) if extra.is_empty() => {
            // A machine without any certificate authority can still run the demo on loopback; every
            // https peer is refused.
            tracing::warn!(error = errors::chain(&error), "no certificate authority of the system");
            builder(options).tls_certs_only(extra).build()
        }
        built => built,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that builds the client")]
fn builder(options: &HttpOptions) -> reqwest::ClientBuilder {
    let HttpOptions { limits, proxy, extra_ca_pem: _ } = options;
    let builder = reqwest::Client::builder()
        .user_agent(concat!("manntall/", env!("CARGO_PKG_VERSION")))
        .tls_backend_rustls()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .gzip(true)
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle)
        .timeout(limits.whole);
    match proxy.clone() {
        Some(proxy) => builder.proxy(reqwest::Proxy::custom(move |url| proxy.way_to(url))),
        None => builder,
    }
}

/// The same error in words that name the proxy.
fn through(proxy: &Proxy, error: TransportError) -> TransportError {
    match error {
        TransportError::NotSent { host, detail } => {
            let (text, known) = match detail.split_once("; hint: ") {
                Some((text, hint)) => (text, Some(hint.to_owned())),
                None => (detail.as_str(), None),
            };
            let (what, hint) = proxy.fault(text, &host).unwrap_or_else(|| {
                let what = format!("{text} (through the proxy {})", proxy.address());
                (what, "check network.proxy and what it lets through".to_owned())
            });
            let detail = format!("{what}; hint: {}", known.unwrap_or(hint));
            TransportError::NotSent { host, detail }
        }
        unanswered @ TransportError::Unanswered { .. } => unanswered,
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: Request,
    host: String,
    body_bytes_max: usize,
) -> Result<Response, TransportError> {
    let request = match prepare(client, request) {
        Ok(request) => request,
        Err(detail) => return Err(TransportError::NotSent { host, detail }),
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    let answer = client.execute(request).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_connect() || error.is_builder() => {
            return Err(TransportError::NotSent { host, detail: describe(error) });
        }
        Err(error) => return Err(TransportError::Unanswered { host, detail: describe(error) }),
    };
    let status = answer.status().as_u16();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    match read(answer, body_bytes_max).await {
        Ok(body) => Ok(Response { status, headers, body }),
        Err(detail) => Err(TransportError::Unanswered { host, detail }),
    }
}

fn prepare(client: &reqwest::Client, request: Request) -> Result<reqwest::Request, String> {
    if !is_protected(&request.url) {
        return Err("plain http is for this machine's own addresses only".to_owned());
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("a damaged {name} header"))?;
        headers.append(name, value);
    }
    if let Some(secret) = request.bearer_secret() {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
            .map_err(|_| "a token with characters that no token has".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut builder = client.request(method, request.url).headers(headers);
    if let Some(body) = request.body {
        builder = builder.body(body);
    }
    builder.build().map_err(describe)
}

/// A token travels in its own type, bound to its origin; as a plain header it would go anywhere.
fn header_name(name: &str) -> Result<HeaderName, String> {
    match HeaderName::try_from(name) {
        Ok(name) if name == AUTHORIZATION => Err("a token outside its type".to_owned()),
        Ok(name) => Ok(name),
        Err(_) => Err("a damaged header name".to_owned()),
    }
}

/// Reads the body piece by piece, so that one that is too long is dropped at the limit.
async fn read(mut answer: reqwest::Response, bytes_max: usize) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(describe)? {
        if body.len() + piece.len() > bytes_max {
            return Err(format!("the body is longer than {bytes_max} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an unnamed host");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What helps where a certificate is not trusted.
const TRUST: &str = "the certificate of a private authority, also of a proxy that opens TLS, belongs into the \
                     file named by network.ca_file or the store of the system (update-ca-certificates)";

/// The causes of an error without the URL, and what helps where the certificate is the cause.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let text = errors::chain(&error);
    if is_certificate_fault(&error) { format!("{text}; hint: {TRUST}") } else { text }
}

fn is_certificate_fault(error: &(dyn Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // An I/O error gives its inner error's cause as its source and so skips the inner error itself.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => is_certificate_fault(inner),
        None => error.source().is_some_and(is_certificate_fault),
    }
}

#[cfg(test)]
mod tests;
