//! Links that the server gives. They are opaque, but where they lead is checked when they arrive and
//! again before each use, since they may have been in the store meanwhile.
//!
//! Parsed parts are compared, never text: `https://graph.example.no/v1.0.evil/` starts with the right
//! letters and leads elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::error::GraphError;
use crate::core::model::Kind;
use crate::transport::is_protected;

/// Longest link accepted. Real ones have one or two thousand characters; the limit keeps a hostile one
/// from filling the store.
const LINK_LENGTH_MAX: usize = 16 * 1024;

/// First segment of every path of the API version that we speak.
const API_VERSION: &str = "v1.0";

/// A next link or delta link, as Graph wrote it. To be kept out of logs: whoever holds it and a token
/// can read from that state.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// Accepts a link if it leads to `graph_url`.
    pub fn parse(text: &str, graph_url: &Url) -> Result<Self, GraphError> {
        let link = Self(text.to_owned());
        link.url(graph_url)?;
        Ok(link)
    }

    /// Accepts a link if it leads to the pages of such objects at `graph_url`; `None` where it does and is too
    /// long to be used.
    pub(super) fn read(
        text: &str,
        graph_url: &Url,
        kind: Kind,
    ) -> Result<Option<Self>, GraphError> {
        let link = Self(text.to_owned());
        let url = link.address(graph_url)?;
        if text.len() > LINK_LENGTH_MAX {
            return Ok(None);
        }
        leads_to(kind, &url)?;
        Ok(Some(link))
    }

    /// A link out of the store. It is checked before use like any other.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text, for the store and for comparing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The link as a URL, if it leads to the pages of such objects at `graph_url`.
    pub(super) fn page_url(&self, graph_url: &Url, kind: Kind) -> Result<Url, GraphError> {
        let url = self.url(graph_url)?;
        leads_to(kind, &url)?;
        Ok(url)
    }

    /// The link as a URL, if it leads to `graph_url`.
    fn url(&self, graph_url: &Url) -> Result<Url, GraphError> {
        if self.0.len() > LINK_LENGTH_MAX {
            return Err(foreign(None, "longer than 16 KiB"));
        }
        self.address(graph_url)
    }

    /// Where it leads, however long it is.
    fn address(&self, graph_url: &Url) -> Result<Url, GraphError> {
        // The parser drops tabs and line ends, turns backslashes round and maps letters; a real link
        // has none of them.
        if !self.0.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(foreign(None, "characters that no link contains"));
        }
        let Ok(url) = Url::parse(&self.0) else {
            return Err(foreign(None, "not an absolute URL"));
        };
        match fault(&url, graph_url) {
            Some(why) => Err(foreign(url.host_str(), why)),
            None if !self.is_plain(graph_url) => {
                Err(foreign(url.host_str(), "a host that is not written as it is configured"))
            }
            None => Ok(url),
        }
    }

    /// Whether the text itself names the host. The parser also finds it where slashes are missing, where
    /// letters are encoded or where an empty user stands before it, and another parser may not.
    fn is_plain(&self, graph_url: &Url) -> bool {
        let Some((_, rest)) = self.0.split_once("://") else { return false };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = graph_url.host_str().unwrap_or_default();
        let port = graph_url.port_or_known_default().unwrap_or_default();
        authority.eq_ignore_ascii_case(host)
            || authority.eq_ignore_ascii_case(&format!("{host}:{port}"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} characters)", self.0.len())
    }
}

/// The rule that a URL breaks, if any.
pub(super) fn fault(url: &Url, graph_url: &Url) -> Option<&'static str> {
    let segments = || url.path_segments().into_iter().flatten();
    let hides_a_path = |segment: &str| {
        let lower = segment.to_ascii_lowercase();
        ["%2f", "%5c", "%2e", "%00"].iter().any(|hidden| lower.contains(hidden))
    };
    if url.scheme() != graph_url.scheme() {
        Some("another scheme")
    } else if !is_protected(url) {
        Some("neither https nor a loopback address")
    } else if url.host() != graph_url.host() {
        Some("another host")
    } else if url.port_or_known_default() != graph_url.port_or_known_default() {
        Some("another port")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("user information")
    } else if segments().next() != Some(API_VERSION) || segments().nth(1).is_none_or(str::is_empty)
    {
        Some("not under /v1.0/")
    } else if segments().any(hides_a_path) {
        Some("an encoded path separator")
    } else if url.fragment().is_some() {
        Some("a fragment")
    } else {
        None
    }
}

/// Whether the URL is one of the pages of such objects. What another resource tells would be taken for what this one
/// does not tell: groups would be people.
fn leads_to(kind: Kind, url: &Url) -> Result<(), GraphError> {
    let mut segments = url.path_segments().into_iter().flatten().skip(1);
    let resource = segments.next().unwrap_or_default().to_ascii_lowercase();
    let function = segments.next().unwrap_or_default().to_ascii_lowercase();
    // The last one of the forms in which Graph writes the same function: "delta()" with its brackets encoded.
    let function = function.replace("%28", "(").replace("%29", ")");
    let function = function.strip_prefix("microsoft.graph.").unwrap_or(&function);
    let is_delta =
        matches!(function, "delta" | "delta()") && segments.next().is_none_or(str::is_empty);
    if is_delta && resource == path_of(kind) {
        return Ok(());
    }
    let to = match resource.as_str() {
        "users" if is_delta => "users",
        "groups" if is_delta => "groups",
        _ => "another resource",
    };
    Err(GraphError::WrongLink { host: super::answer::host_of(url), of: path_of(kind), to })
}

/// Name of such objects in Graph's paths.
pub(super) fn path_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Users => "users",
        Kind::Groups => "groups",
    }
}

fn foreign(host: Option<&str>, why: &'static str) -> GraphError {
    let host =
        host.map_or_else(|| "no known host".to_owned(), |host| super::answer::tidy(host, 100));
    GraphError::ForeignLink { host, why }
}

/// Where to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// The beginning of a complete read.
    Start,
    /// The page behind a next link or delta link.
    Link(Link),
}

/// What a page ends with: a page has exactly one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// More of this round.
    Page(Link),
    /// The round is complete; the next one starts here.
    Delta(Link),
    /// To a link that is too long to be used or kept: what the page tells counts, and nothing follows it.
    Lost,
}
