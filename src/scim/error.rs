//! What can go wrong with a request, told apart by what the caller does next. What an error says as text
//! is ours; the target's own sentence is behind [`ScimError::told`] (see `words`).

use std::time::Duration;

use super::complaint::{About, Complaint};
use super::words::{Words, words};
use crate::core::model::AttrPath;
use crate::transport::{Response, TransportError};

/// Why a request did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScimError {
    /// 429: nothing was done. The pacer already waits and slows down; try again later.
    #[error("the platform asks us to slow down (status 429)")]
    Throttled {
        /// `Retry-After`, where the target named one, as it stands.
        after: Option<Duration>,
    },
    /// Nothing is known to be wrong with the request: a 5xx, or no whole answer. It was a read, or a
    /// change that may be made again; read what the target holds before doing so.
    #[error("the platform is unavailable: {what}")]
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
    /// Writing was paused meanwhile, so nothing was sent. What is to be written is written once it goes on.
    #[error("nothing was sent: writing is paused")]
    Paused,
    /// A create that may have happened. Look the resource up; never repeat the create before that.
    #[error("the create may have happened: {what}")]
    Uncertain {
        /// Status or network failure.
        what: Words,
        /// `Retry-After`, where the target named one.
        after: Option<Duration>,
    },
    /// A create that was answered well and without the id of what it made, so that nobody knows whether anything
    /// was. Look the resource up; never repeat the create before that.
    #[error(
        "the platform answered without the id of a new resource (status {status}), which may have been made \
         all the same"
    )]
    Unnamed {
        /// Status code.
        status: u16,
    },
    /// 401, or 403 to a question that is about nobody in particular: our token or our rights. Unless it
    /// answers other questions meanwhile, it is no fault of one item: stop this target.
    #[error("the platform refuses our credentials (status {status}){}", words.behind())]
    Refused {
        /// Status code.
        status: u16,
        /// The target's words.
        words: Words,
    },
    /// 403 to a request about one resource. Platforms protect single accounts and groups, those of
    /// administrators above all, so it says nothing about the target before something else is refused too.
    #[error("the platform does not allow it (status 403){}", words.behind())]
    Forbidden {
        /// The target's words.
        words: Words,
    },
    /// Somebody else holds a unique value, or the resource exists. Look it up.
    #[error("the platform already has such a resource{}", words.behind())]
    Conflict {
        /// The target's words.
        words: Words,
        /// What of the request they are about.
        about: About,
    },
    /// 412 or 428 to a change: the target wants to be told the version that is changed (RFC 7644 §3.14), and does
    /// not take the one that it tells, or tells none. Somebody else may have changed the resource just then.
    #[error(
        "the platform wants to be told which version of the resource is changed (If-Match), and takes none that \
         it shows (status {status}); ask the vendor to let changes without a version pass"
    )]
    Outdated {
        /// Status code.
        status: u16,
    },
    /// 404 to the change of a resource whose id we knew. It may be gone, or something in between
    /// answers 404 for everything: read it, and something else that is known, before concluding.
    #[error("the platform answers 404 for the resource")]
    Gone,
    /// The target will not take this change as it stands. The item is stuck.
    #[error("the platform rejects the change (status {status}){}", words.behind())]
    Rejected {
        /// Status code.
        status: u16,
        /// The target's words.
        words: Words,
        /// What of the request they are about.
        about: About,
    },
    /// A create that the target has no seat or licence for. Other changes go on.
    #[error("the platform has no seat left for a new account{}", words.behind())]
    Full {
        /// The target's words.
        words: Words,
    },
    /// 413 or `tooMany`: send fewer in one request.
    #[error("the platform finds the request too large{}", words.behind())]
    TooLarge {
        /// The target's words.
        words: Words,
    },
    /// Something other than the SCIM service answered: a proxy, a login page, a redirect. Unless it answers
    /// other questions meanwhile, stop this target. An intent to create stays open.
    #[error("{host} does not answer as a SCIM service: {what}; check url and the proxy settings")]
    NotScim {
        /// Host asked.
        host: String,
        /// What came instead.
        what: Words,
    },
    /// The target has lost all that it held before, or something between us and it has lost the way: that
    /// is no fault of one item. Stop this target.
    #[error(
        "{host} does not answer as a SCIM service: it answers 404 for all that it held before; check url \
         and the proxy settings"
    )]
    Astray {
        /// Host asked.
        host: String,
    },
    /// The target does not filter on this attribute: it refused to, or answered with resources that
    /// do not match. *Not found* means nothing here; list instead.
    #[error("the platform does not filter on {attribute}")]
    FilterIgnored {
        /// The attribute that we filtered on.
        attribute: &'static str,
    },
    /// The target shows what was asked for, in a way that cannot be read: without an id, or with one that
    /// is none. It is there, and nothing can be done to it.
    #[error("the platform shows what is looked for, without an id that could be used")]
    Unreadable,
    /// The answer is about another resource than the one asked for. Nothing in it was used.
    #[error("the platform answered for another resource than the one asked for")]
    Mismatch,
}

impl From<&ScimError> for Words {
    fn from(error: &ScimError) -> Self {
        Self::new(error.to_string(), error.told().map(str::to_owned))
    }
}

impl ScimError {
    /// What of the request it is about, where the target has looked at it and does not take it.
    pub fn about(&self) -> Option<&About> {
        match self {
            Self::Rejected { about, .. } | Self::Conflict { about, .. } => Some(about),
            _ => None,
        }
    }

    /// The target's own sentence, for whoever has to repair it. Never for a log or a journal.
    pub fn told(&self) -> Option<&str> {
        match self {
            Self::Refused { words, .. }
            | Self::Forbidden { words }
            | Self::Conflict { words, .. }
            | Self::Rejected { words, .. }
            | Self::Full { words }
            | Self::TooLarge { words } => words.told(),
            Self::Unavailable { what, .. }
            | Self::Uncertain { what, .. }
            | Self::NotScim { what, .. } => what.told(),
            Self::Throttled { .. }
            | Self::NotSent { .. }
            | Self::Unnamed { .. }
            | Self::Outdated { .. }
            | Self::Astray { .. }
            | Self::Paused
            | Self::Gone
            | Self::FilterIgnored { .. }
            | Self::Unreadable
            | Self::Mismatch => None,
        }
    }

    /// How long the target asks to be left alone.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { after }
            | Self::Unavailable { after, .. }
            | Self::Uncertain { after, .. } => *after,
            _ => None,
        }
    }

    /// Whether it asks for a longer wait than everybody bears because of one request.
    pub fn asks_to_wait(&self) -> bool {
        self.after().is_some_and(|after| after > PAUSE_SHARED_MAX)
    }

    /// Whether an answer to a request about one resource that says nothing yet about whose fault it is: such
    /// answers are mostly for everybody, and some platforms, and what stands before them, give them for
    /// one resource.
    pub fn may_be_of_one(&self) -> bool {
        let is_refused =
            matches!(self, Self::Refused { .. } | Self::Forbidden { .. } | Self::NotScim { .. });
        is_refused || self.asks_to_wait()
    }

    /// The same failure once it is known that the target answers others: it is the fault of this request
    /// alone, and nobody else waits for it.
    #[must_use]
    pub fn of_one(&self, creates: bool) -> Self {
        let about = About::default;
        match self {
            Self::Refused { status, words } => {
                Self::Rejected { status: *status, words: words.clone(), about: about() }
            }
            Self::Forbidden { words } => {
                Self::Rejected { status: 403, words: words.clone(), about: about() }
            }
            Self::NotScim { .. } if creates => Self::Uncertain { what: self.into(), after: None },
            Self::NotScim { .. } => Self::Unavailable { what: self.into(), after: None },
            Self::Throttled { .. } => Self::Throttled { after: None },
            Self::Unavailable { what, .. } => Self::Unavailable { what: what.clone(), after: None },
            Self::Uncertain { what, .. } => Self::Uncertain { what: what.clone(), after: None },
            error => error.clone(),
        }
    }

    /// Whether the same request may be answered well later, without anything else being done.
    pub fn passes(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::NotSent { .. }
            | Self::Paused
            | Self::Uncertain { .. }
            | Self::Unnamed { .. }
            | Self::Outdated { .. }
            | Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::NotScim { .. }
            | Self::Astray { .. } => true,
            Self::Conflict { .. }
            | Self::Gone
            | Self::Rejected { .. }
            | Self::Full { .. }
            | Self::TooLarge { .. }
            | Self::FilterIgnored { .. }
            | Self::Unreadable
            | Self::Mismatch => false,
        }
    }
}

/// A pause that is asked for in answer to a request about one resource is everybody's up to this. Whether a
/// longer one is, is asked first.
pub(super) const PAUSE_SHARED_MAX: Duration = Duration::from_secs(5);

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

    /// Whether the request is about one resource.
    pub(super) fn is_about_one(self) -> bool {
        self != Self::Read
    }

    /// Whether a target may refuse it and be well. Listings and look-ups have to be allowed.
    fn may_be_forbidden(self) -> bool {
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
                ScimError::Uncertain { what: what.into(), after: None }
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
        wrote: &[AttrPath],
    ) -> ScimError {
        let status = response.status;
        let complaint = Complaint::read(response, sent, wrote);
        if let (Self::LookUp(attribute), true) = (self, complaint.bad_filter) {
            return ScimError::FilterIgnored { attribute };
        }
        let (words, about) = (complaint.words, complaint.about);
        match status {
            429 => ScimError::Throttled { after },
            400 | 402 | 403 | 409 | 422 | 507
                if self == Self::Create && complaint.no_seat && !complaint.duplicate =>
            {
                ScimError::Full { words }
            }
            403 if self.may_be_forbidden() => ScimError::Forbidden { words },
            401 | 403 => ScimError::Refused { status, words },
            412 | 428 if self == Self::Change => ScimError::Outdated { status },
            _ if self.writes() && complaint.duplicate => ScimError::Conflict { words, about },
            _ if complaint.too_many || status == 413 => ScimError::TooLarge { words },
            501 => ScimError::Rejected { status, words, about },
            _ if status >= 500 || NO_VERDICT.contains(&status) => {
                let what = words.in_words(format!("status {status}{}", words.behind()));
                match self {
                    Self::Create => ScimError::Uncertain { what, after },
                    _ => ScimError::Unavailable { what, after },
                }
            }
            400..=499 if status != 407 && page_title(&response.body).is_none() => {
                ScimError::Rejected { status, words, about }
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
