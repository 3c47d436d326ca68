//! What can go wrong with a request, told apart by what the caller does next, and the reading of a
//! target's complaints. What an error says as text is ours; the target's own sentence is behind
//! [`ScimError::told`] (see `words`).

use std::time::Duration;

use serde_json::Value;

use super::lenient;
use super::words::{Words, words};
use crate::transport::{Response, TransportError};

/// Why a request did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScimError {
    /// 429: nothing was done. The pacer already waits and slows down; try again later.
    #[error("the target asks us to slow down")]
    Throttled {
        /// `Retry-After`, where the target named one, as it stands.
        after: Option<Duration>,
    },
    /// Nothing is known to be wrong with the request: a 5xx, or no whole answer. It was a read, or a
    /// change that may be made again; read what the target holds before doing so.
    #[error("the target is unavailable: {what}")]
    Unavailable {
        /// Status or network failure.
        what: Words,
        /// `Retry-After`, where the target named one.
        after: Option<Duration>,
    },
    /// The request never left, so it had no effect.
    #[error("nothing was sent: {what}")]
    NotSent {
        /// Why not.
        what: String,
    },
    /// A create that may have happened. Look the resource up; never repeat the create before that.
    #[error("the create may have happened: {what}")]
    Uncertain {
        /// Status or network failure.
        what: Words,
    },
    /// 401, or 403 to a question that is about nobody in particular: our token or our rights. Stop this
    /// target; it is no fault of one item.
    #[error("the target refuses our credentials (status {status}){}", words.behind())]
    Refused {
        /// Status code.
        status: u16,
        /// The target's words.
        words: Words,
    },
    /// 403 to a request about one resource. Platforms protect single accounts and groups, those of
    /// administrators above all, so it says nothing about the target before something else is refused too.
    #[error("the target does not allow it (status 403){}", words.behind())]
    Forbidden {
        /// The target's words.
        words: Words,
    },
    /// Somebody else holds a unique value, or the resource exists. Look it up.
    #[error("the target already has such a resource{}", words.behind())]
    Conflict {
        /// The target's words.
        words: Words,
    },
    /// 404 on an id that we knew.
    #[error("the target no longer has the resource")]
    Gone,
    /// The target will not take this change as it stands. The item is stuck.
    #[error("the target rejects the change (status {status}){}", words.behind())]
    Rejected {
        /// Status code.
        status: u16,
        /// The target's words.
        words: Words,
    },
    /// A create that the target has no seat or licence for. Other changes go on.
    #[error("the target has no seat left for a new account{}", words.behind())]
    Full {
        /// The target's words.
        words: Words,
    },
    /// 413 or `tooMany`: send fewer in one request.
    #[error("the target finds the request too large{}", words.behind())]
    TooLarge {
        /// The target's words.
        words: Words,
    },
    /// Something other than the SCIM service answered: a proxy, a login page, a redirect. Stop this
    /// target. An intent to create stays open.
    #[error("{host} does not answer as a SCIM service: {what}; check url and the proxy settings")]
    NotScim {
        /// Host asked.
        host: String,
        /// What came instead.
        what: Words,
    },
    /// The target does not filter on this attribute: it refused to, or answered with resources that
    /// do not match. *Not found* means nothing here; list instead.
    #[error("the target does not filter on {attribute}")]
    FilterIgnored {
        /// The attribute that we filtered on.
        attribute: &'static str,
    },
    /// The answer is about another resource than the one asked for. Nothing in it was used.
    #[error("the target answered for another resource than the one asked for")]
    Mismatch,
}

impl From<&ScimError> for Words {
    fn from(error: &ScimError) -> Self {
        Self::new(error.to_string(), error.told().map(str::to_owned))
    }
}

impl ScimError {
    /// The target's own sentence, for whoever has to repair it. Never for a log or a journal.
    pub fn told(&self) -> Option<&str> {
        match self {
            Self::Refused { words, .. }
            | Self::Forbidden { words }
            | Self::Conflict { words }
            | Self::Rejected { words, .. }
            | Self::Full { words }
            | Self::TooLarge { words } => words.told(),
            Self::Unavailable { what, .. }
            | Self::Uncertain { what }
            | Self::NotScim { what, .. } => what.told(),
            Self::Throttled { .. }
            | Self::NotSent { .. }
            | Self::Gone
            | Self::FilterIgnored { .. }
            | Self::Mismatch => None,
        }
    }

    /// Whether the same request may be answered well later, without anything else being done.
    pub fn passes(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::NotSent { .. }
            | Self::Uncertain { .. }
            | Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::NotScim { .. } => true,
            Self::Conflict { .. }
            | Self::Gone
            | Self::Rejected { .. }
            | Self::Full { .. }
            | Self::TooLarge { .. }
            | Self::FilterIgnored { .. }
            | Self::Mismatch => false,
        }
    }
}

/// What a request could have done when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Nothing; it is a read of one resource.
    ReadOne,
    /// Nothing; it is a read with a filter on this attribute.
    LookUp(&'static str),
    /// A change of a resource with a known id, which may be made again.
    Change,
    /// A new resource (RFC 7644 §3.3): POST is not idempotent.
    Create,
}

/// Status codes that a server or something before it gives when it cannot say how the request ended.
const NO_VERDICT: [u16; 2] = [408, 425];
/// Wording of duplicates in answers that carry no `scimType`, seen with 400 and 500.
const DUPLICATE: [&str; 6] =
    ["already exist", "already taken", "is taken", "already in use", "duplicate", "must be unique"];
/// How platforms say that every paid seat is taken. No standard has a code for it; seen with 400, 402,
/// 403, 409 and 507.
const NO_SEAT: [&str; 8] = [
    "licen",
    "seat",
    "user limit",
    "users limit",
    "maximum number of users",
    "quota",
    "plan limit",
    "subscription",
];
/// The title of a page is enough of it.
const TITLE_LEN_MAX: usize = 80;

impl Effect {
    /// Whether the request could change anything.
    pub(super) fn writes(self) -> bool {
        match self {
            Self::Read | Self::ReadOne | Self::LookUp(_) => false,
            Self::Change | Self::Create => true,
        }
    }

    /// Whether the request is about one resource. Listings and look-ups have to be allowed.
    fn is_about_one(self) -> bool {
        match self {
            Self::Read | Self::LookUp(_) => false,
            Self::ReadOne | Self::Change | Self::Create => true,
        }
    }

    /// The error for a request without a whole answer.
    pub(super) fn unanswered(self, error: &TransportError) -> ScimError {
        let what = error.to_string();
        match (error, self) {
            (TransportError::NotSent { .. }, _) => ScimError::NotSent { what },
            (TransportError::Unanswered { .. }, Self::Create) => {
                ScimError::Uncertain { what: what.into() }
            }
            (TransportError::Unanswered { .. }, _) => {
                ScimError::Unavailable { what: what.into(), after: None }
            }
        }
    }

    /// The error for an answer that is no success.
    pub(super) fn failure(
        self,
        host: &str,
        response: &Response,
        after: Option<Duration>,
        sent: &[String],
    ) -> ScimError {
        let status = response.status;
        let complaint = Complaint::read(response, sent);
        if let (Self::LookUp(attribute), true) = (self, complaint.bad_filter) {
            return ScimError::FilterIgnored { attribute };
        }
        let words = complaint.words;
        match status {
            429 => ScimError::Throttled { after },
            400 | 402 | 403 | 409 | 422 | 507
                if self == Self::Create && complaint.no_seat && !complaint.duplicate =>
            {
                ScimError::Full { words }
            }
            403 if self.is_about_one() => ScimError::Forbidden { words },
            401 | 403 => ScimError::Refused { status, words },
            _ if self.writes() && complaint.duplicate => ScimError::Conflict { words },
            _ if complaint.too_many || status == 413 => ScimError::TooLarge { words },
            501 => ScimError::Rejected { status, words },
            _ if status >= 500 || NO_VERDICT.contains(&status) => {
                let what = words.in_words(format!("status {status}{}", words.behind()));
                match self {
                    Self::Create => ScimError::Uncertain { what },
                    _ => ScimError::Unavailable { what, after },
                }
            }
            400..=499 if status != 407 && page_title(&response.body).is_none() => {
                ScimError::Rejected { status, words }
            }
            _ => not_scim(host, response, sent),
        }
    }
}

/// The error for an answer that no SCIM service gives (operations: proxies, login pages, redirects).
pub(super) fn not_scim(host: &str, response: &Response, sent: &[String]) -> ScimError {
    let status = response.status;
    let mut told = None;
    let what = if let (300..400, Some(location)) = (status, response.header("location")) {
        let to = url::Url::parse(location).ok();
        let to = to.as_ref().and_then(url::Url::host_str).unwrap_or(host);
        format!("it redirects to {to}")
    } else if let Some(title) = page_title(&response.body) {
        told = Some(words(&title, sent));
        format!("status {status} with a web page{}", media_type(response))
    } else if response.body.is_empty() {
        format!("status {status} without a body")
    } else {
        let media = media_type(response);
        format!("status {status} with a body{media} that is not the JSON of SCIM")
    };
    ScimError::NotScim { host: host.to_owned(), what: Words::new(what, told) }
}

/// What kind of body it says it has, in brackets, where that is a kind which is in use.
fn media_type(response: &Response) -> String {
    const KINDS: [&str; 7] = [
        "text/html",
        "text/plain",
        "text/xml",
        "application/xml",
        "application/json",
        "application/problem+json",
        "application/scim+json",
    ];
    let named = response.header("content-type").unwrap_or_default();
    let named = named.split(';').next().unwrap_or_default().trim();
    let known = KINDS.iter().find(|kind| kind.eq_ignore_ascii_case(named));
    known.map(|kind| format!(" ({kind})")).unwrap_or_default()
}

/// The title of a web page; `None` when the body is none. JSON never starts like markup.
pub(super) fn page_title(body: &[u8]) -> Option<String> {
    let head = body.get(..body.len().min(16_384)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    if !text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let from = at + lower.get(at..)?.find('>')? + 1;
        let to = from + lower.get(from..)?.find("</")?;
        text.get(from..to)
    });
    Some(title.unwrap_or_default().trim().chars().take(TITLE_LEN_MAX).collect())
}

/// A target's complaint, in whatever shape it came (RFC 7644 §3.12 and what is seen instead).
#[expect(
    clippy::struct_excessive_bools,
    reason = "a complaint may say several of these things at once"
)]
struct Complaint {
    duplicate: bool,
    too_many: bool,
    no_seat: bool,
    bad_filter: bool,
    words: Words,
}

impl Complaint {
    fn read(response: &Response, sent: &[String]) -> Self {
        let status = response.status;
        let json = lenient::parse(&response.body);
        let scim_type = json.as_ref().and_then(|json| lenient::text_of(json, "scimType"));
        let scim_type = scim_type.unwrap_or_default();
        let detail = match &json {
            Some(json) => detail(json).unwrap_or_default(),
            None => page_title(&response.body)
                .unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned()),
        };
        let lower = detail.to_lowercase();
        let worded = matches!(status, 400 | 500) && DUPLICATE.iter().any(|w| lower.contains(w));
        let typed = matches!(status, 400 | 500) && scim_type.eq_ignore_ascii_case("uniqueness");
        let words = Words::of_complaint(&scim_type, &detail, sent);
        // A 409 says that a value is taken, unless it speaks of seats. The person's own data is no part
        // of what is looked at.
        let told = words.told().unwrap_or_default().to_lowercase();
        let no_seat = NO_SEAT.iter().any(|word| told.contains(word));
        Self {
            no_seat,
            duplicate: (status == 409 && !no_seat) || typed || worded,
            too_many: status == 400 && scim_type.eq_ignore_ascii_case("tooMany"),
            bad_filter: status == 400 && scim_type.eq_ignore_ascii_case("invalidFilter"),
            words,
        }
    }
}

/// The words of a complaint: SCIM 2.0 `detail`, SCIM 1.1 `Errors`, `error` as text or object, and the
/// members that web frameworks use.
fn detail(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.iter().find_map(detail),
        Value::Object(_) => [
            "detail",
            "message",
            "description",
            "msg",
            "error_description",
            "errors",
            "error",
            "title",
        ]
        .iter()
        .find_map(|name| lenient::get(json, name).and_then(detail)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
