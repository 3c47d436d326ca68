//! URLs: always the configured base and an encoded path and query; never anything the target gave.

use std::fmt::Write as _;

use url::Url;

use super::{ScimError, body, lenient};
use crate::core::model::ScimId;

/// The two kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Collection {
    /// `/Users`
    Users,
    /// `/Groups`
    Groups,
}

impl Collection {
    fn segment(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Groups => "Groups",
        }
    }

    /// The core schema of its resources.
    pub(super) fn core_schema(self) -> &'static str {
        match self {
            Self::Users => body::USER,
            Self::Groups => body::GROUP,
        }
    }

    /// The error for a 404 on the collection itself, which says nothing about any resource.
    pub(super) fn missing(self, base: &Url) -> ScimError {
        let what = format!("there is no /{} under the configured url", self.segment());
        ScimError::NotScim {
            host: base.host_str().unwrap_or_default().to_owned(),
            what: what.into(),
        }
    }
}

/// The URL of `/ServiceProviderConfig` (RFC 7644 §4).
pub(super) fn service_provider_config(base: &Url) -> Url {
    under(base, "ServiceProviderConfig", None)
}

/// The URL of the account whose token is used (RFC 7644 §3.11).
pub(super) fn me(base: &Url) -> Url {
    under(base, "Me", None)
}

/// The URL of a collection, with query parameters where there are any.
pub(super) fn collection(base: &Url, kind: Collection, query: &[(&str, &str)]) -> Url {
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let query = query.join("&");
    under(base, kind.segment(), Some(query.as_str()).filter(|query| !query.is_empty()))
}

/// The URL of one resource, its id as one path segment. An empty id would address the whole
/// collection, and `.` and `..` are taken away by every URL parser even when they are encoded
/// (WHATWG URL, double-dot path segment), so such ids cannot be asked for at all.
pub(super) fn resource(base: &Url, kind: Collection, id: &ScimId) -> Result<Url, ScimError> {
    match id.as_str() {
        "" | "." | ".." => Err(ScimError::NotSent {
            what: format!("the platform's id {:?} cannot be written into a URL", id.as_str()),
        }),
        text => Ok(under(base, &format!("{}/{}", kind.segment(), encode(text)), None)),
    }
}

fn under(base: &Url, path: &str, query: Option<&str>) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(query);
    url.set_fragment(None);
    url
}

/// A filter for one value (RFC 7644 §3.4.2.2): the value as a JSON string, not yet percent-encoded.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", serde_json::Value::from(value))
}

/// The id at the end of a `$ref`, decoded; its host and path are ignored.
pub(super) fn last_segment(reference: &str) -> Option<ScimId> {
    let path = reference.split(['?', '#']).next()?.trim_end_matches('/');
    let segment = decode(path.rsplit('/').next()?)?;
    let is_collection =
        [Collection::Users, Collection::Groups].iter().any(|c| c.segment() == segment);
    let is_id = !segment.is_empty() && !is_collection;
    is_id.then(|| lenient::id(&segment.into())).flatten()
}

/// Percent-encodes everything but the unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            // The parser of numbers would take a sign as well.
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
