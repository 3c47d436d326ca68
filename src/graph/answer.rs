//! What an answer means: the one place where statuses, headers and error bodies become a
//! [`GraphError`].
//!
//! Branches on statuses and codes only, never on messages, which Graph may reword.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::error::{GraphError, Refusal};
use super::refusal;
use super::wire::Selection;
use crate::core::model::Timestamp;
use crate::core::visible::is_visible;
use crate::transport::{Response, TransportError, json};

/// Shortest: a peer that asks for no wait at all while refusing must not make us spin.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Error bodies beyond this size are not looked into. Real ones have a few hundred bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Codes that mean: the delta token is lost, read everything again. Both spellings of the first occur.
const RESYNC_CODES: [&str; 4] =
    ["syncstatenotfound", "resyncrequired", "resyncapplydifferences", "resyncuploaddifferences"];

/// What a request was for; the same status means different things.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// The first page of a complete read.
    Start(&'a Selection),
    /// A next link or delta link.
    Link,
    /// A single object, or a count.
    Other,
}

/// Host of a URL for messages; never its path or query.
pub(super) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or("an unnamed host").to_owned()
}

/// First line of a foreign text, without control characters, bounded.
pub(super) fn tidy(text: &str, length_max: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| is_visible(*c)).take(length_max).collect()
}

/// No answer came.
pub(super) fn unanswered(error: TransportError) -> GraphError {
    let (TransportError::NotSent { host, detail } | TransportError::Unanswered { host, detail }) =
        error;
    GraphError::Unavailable { host, what: detail, after: None }
}

/// Lets through answers that come from the service itself: successes with a body of the wanted media
/// type, and refusals. Throttling, outages, redirects and pages for people end here.
pub(super) fn genuine(
    response: Response,
    host: &str,
    media_type: &str,
    now: Timestamp,
) -> Result<Response, GraphError> {
    let host = host.to_owned();
    let after = response.retry_after(now).map(|span| span.max(RETRY_AFTER_MIN));
    let content_type = response.header("content-type").unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match response.status {
        429 => Err(GraphError::Throttled { host, after }),
        408 | 500 | 502..=599 => {
            let what = format!("status {}", response.status);
            Err(GraphError::Unavailable { host, what, after })
        }
        300..=399 => {
            let what = redirect(&response);
            Err(GraphError::Unusable { host, what })
        }
        _ if is_html(&media, &response.body) => {
            let what = html(&response, &media);
            Err(GraphError::Unusable { host, what })
        }
        200 if response.body.is_empty() => {
            Err(GraphError::Unusable { host, what: "an empty answer".to_owned() })
        }
        200 if media != media_type => {
            let what = format!("content type {:?} instead of {media_type}", tidy(&media, 60));
            Err(GraphError::Unusable { host, what })
        }
        200 | 400..=499 | 501 => Ok(response),
        status => Err(GraphError::Unusable { host, what: format!("status {status}") }),
    }
}

/// What Graph's refusal of `asked` means.
pub(super) fn refused(response: &Response, host: &str, asked: Asked<'_>) -> GraphError {
    let host = host.to_owned();
    let error = ErrorBody::read(&response.body);
    let resync = error.codes.iter().any(|code| RESYNC_CODES.contains(&code.as_str()));
    let code = error.code.clone().unwrap_or_else(|| format!("status {}", response.status));
    match (response.status, asked) {
        (400 | 404 | 410, Asked::Link) if resync || response.status == 410 => {
            GraphError::Expired { host }
        }
        (400 | 404, Asked::Link) => GraphError::BadPage { host, code },
        // There is no link that could have expired: the service is being moved.
        (410, _) => GraphError::Unavailable { host, what: code, after: None },
        (401 | 403, _) => GraphError::Refused(Box::new(Refusal {
            by: host,
            words: error.message.unwrap_or_else(|| format!("status {}", response.status)),
            hint: Some(refusal::graph_hint(response.status)),
            code: error.code,
            trace_id: response.header("request-id").map(|id| tidy(id, 64)),
            correlation_id: response.header("client-request-id").map(|id| tidy(id, 64)),
        })),
        (400 | 404 | 501, Asked::Start(selection)) => {
            let message = error.message.unwrap_or_default();
            let what = match selection.quoted_in(&message) {
                Some(name) => format!("property {name}"),
                None => format!("{code}: {message}"),
            };
            GraphError::Unsupported { host, what }
        }
        (501, _) => GraphError::Unsupported { host, what: code },
        _ => GraphError::Unusable { host, what: code },
    }
}

/// What Graph says of a refusal, in its own words.
pub(super) fn words(response: &Response) -> String {
    let error = ErrorBody::read(&response.body);
    let parts = [Some(format!("status {}", response.status)), error.code, error.message];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether Graph itself says that an object is not there, rather than something on the way.
pub(super) fn is_not_found(response: &Response) -> bool {
    response.status == 404 && ErrorBody::read(&response.body).code.is_some()
}

/// Graph's error body: the outer code and message, and every code inside in lower case.
#[derive(Default)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    codes: Vec<String>,
}

impl ErrorBody {
    fn read(body: &Bytes) -> Self {
        if body.len() > ERROR_BODY_MAX {
            return Self::default();
        }
        let body = serde_json::from_slice::<Value>(&json::lenient(body));
        let Ok(body) = body else { return Self::default() };
        let text = |value: Option<&Value>, max| {
            value
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(|text| tidy(text, max))
        };
        let mut read = Self {
            code: text(body.pointer("/error/code"), 100),
            message: text(body.pointer("/error/message"), 300),
            codes: Vec::new(),
        };
        let mut level = body.get("error");
        while let Some(error) = level {
            read.codes.extend(text(error.get("code"), 100).map(|code| code.to_ascii_lowercase()));
            level = error.get("innerError").or_else(|| error.get("innererror"));
        }
        read
    }
}

fn redirect(response: &Response) -> String {
    let target = response.header("location").and_then(|location| Url::parse(location).ok());
    let target = target.map_or_else(|| "an unnamed place".to_owned(), |url| host_of(&url));
    format!("a redirect to {}, which was not followed; is a proxy in between?", tidy(&target, 100))
}

fn is_html(media: &str, body: &Bytes) -> bool {
    media == "text/html" || body.trim_ascii_start().starts_with(b"<")
}

fn html(response: &Response, media: &str) -> String {
    let head = response.body.get(..response.body.len().min(4096)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let lower = head.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = lower.get(start..)?.find("</title>")?;
        head.get(start..start + end)
    });
    let title = title.map(|title| format!(" titled {:?}", tidy(title, 80))).unwrap_or_default();
    let media = tidy(media, 60);
    let status = response.status;
    format!("status {status} with a page for people ({media}){title}; is a proxy in between?")
}
