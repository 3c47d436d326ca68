//! The way through a proxy, and the words for when it is closed. What goes through is encrypted from
//! end to end (CONNECT, RFC 9110 §9.3.6), so a proxy learns names of hosts and nothing else.
//!
//! This machine's own addresses are never asked for at a proxy.

use std::fmt;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::is_local;

/// Reads NAME:PASSWORD anew whenever a connection is made.
pub type CredentialsReader = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// A proxy, and what is reached without it.
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    credentials: Option<CredentialsReader>,
    rules: Arc<Matcher>,
}

impl Proxy {
    /// The proxy at `url` for everything that `direct` does not name: hosts with all below them,
    /// addresses, networks, or `*`.
    pub fn new(url: Url, direct: &[String], credentials: Option<CredentialsReader>) -> Self {
        let rules = Matcher::builder().all(url.as_str()).no(direct.join(",")).build();
        Self { url, credentials, rules: Arc::new(rules) }
    }

    /// Its address, for people.
    pub fn address(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Whether what is sent to `url` goes through it.
    pub fn leads_to(&self, url: &Url) -> bool {
        let address: Option<Uri> = url.as_str().parse().ok();
        !is_local(url) && address.is_some_and(|address| self.rules.intercept(&address).is_some())
    }

    /// For the HTTP client: where to connect for `url`, with the credentials as they are now.
    pub(super) fn way_to(&self, url: &Url) -> Option<Url> {
        if !self.leads_to(url) {
            return None;
        }
        let mut way = self.url.clone();
        if let Some(credentials) = &self.credentials {
            let credentials = credentials();
            let (name, password) = credentials.expose_secret().split_once(':').unwrap_or_default();
            // The client decodes what it finds there; the setters leave what looks encoded alone.
            let plain = |text: &str| text.replace('%', "%25");
            way.set_username(&plain(name)).ok()?;
            way.set_password(Some(&plain(password))).ok()?;
        }
        Some(way)
    }

    /// Why no connection to `host` came about, from the words of the HTTP client, and what to do.
    /// None where the proxy has done what it was to do.
    pub(super) fn fault(&self, text: &str, host: &str) -> Option<(String, String)> {
        const TUNNEL: &str = "tunnel error: ";
        let (_, cause) = text.split_once(TUNNEL)?;
        let proxy = self.address();
        Some(if cause.starts_with("proxy authorization required") {
            match self.credentials {
                Some(_) => (
                    format!("the proxy {proxy} refuses the name and password given to it (status 407)"),
                    "correct the file named by network.proxy_credentials_file; it is read anew each time"
                        .to_owned(),
                ),
                None => (
                    format!("the proxy {proxy} asks for a name and a password (status 407)"),
                    "write NAME:PASSWORD into a file of mode 0600, and name it as \
                     network.proxy_credentials_file"
                        .to_owned(),
                ),
            }
        } else if let Some(cause) = cause.strip_prefix("failed to create underlying connection") {
            let cause = cause.trim_start_matches(": ");
            (
                format!("the proxy {proxy} cannot be reached: {cause}"),
                "check network.proxy and that it runs".to_owned(),
            )
        } else {
            (
                format!("the proxy {proxy} opens no way to {host}: {cause}"),
                format!("have it let {host} through, or name the host in network.no_proxy"),
            )
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.address())
    }
}
