//! Why Graph or the token endpoint gave nothing usable, sorted by what the caller does next.

use std::fmt;
use std::time::Duration;

/// Longest wait that is obeyed. Values beyond it have been seen and were mistakes; asking again after ten
/// minutes costs one request.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What the caller does about a [`GraphError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Ask the same again: after this span, or after the caller's own back-off.
    Retry {
        /// What the peer asked for, capped.
        after: Option<Duration>,
    },
    /// Begin the round again from the last delta link; when that is what was refused, or when it
    /// happens again, begin a complete read. The mirror stays.
    RestartRound,
    /// Begin a complete read beside the mirror, which stays.
    ReadAll,
    /// Stop this tenant and tell the operator; another try alone changes nothing.
    Halt,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Too many requests. Wait and ask the same again.
    #[error("{host} asks for fewer requests; Manntall waits and asks again")]
    Throttled {
        /// Host that answered.
        host: String,
        /// `Retry-After`, as the peer says it; without it the caller's own back-off.
        after: Option<Duration>,
    },
    /// Not reachable, or a passing fault of the service. Back off and ask the same again.
    #[error("{host} is not available: {what}; Manntall tries again")]
    Unavailable {
        /// Host that was asked.
        host: String,
        /// What happened.
        what: String,
        /// `Retry-After`, as the peer says it, where there is one.
        after: Option<Duration>,
    },
    /// Credentials, consent or permission were refused (exit 12). Nobody but an administrator helps.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The delta link is too old, or Graph wants a resync: read everything again, keep the mirror.
    #[error("the delta link of {host} has expired; Manntall reads everything again")]
    Expired {
        /// Host that answered.
        host: String,
    },
    /// The link was refused: begin the round again from the last delta link.
    #[error("{host} refused a page link ({code}); Manntall begins the round again")]
    BadPage {
        /// Host that answered.
        host: String,
        /// Graph's error code.
        code: String,
    },
    /// A link points to another place than this tenant's Graph. It was not followed, so no token was
    /// sent there. A security event.
    #[error(
        "a page link points to {host} ({why}); it was not followed and no token was sent there"
    )]
    ForeignLink {
        /// Host that the link names, or a remark that it names none.
        host: String,
        /// Which rule it broke.
        why: &'static str,
    },
    /// A link leads to other objects of Graph than those that are read, as where a cache confuses two answers.
    /// It was not followed, and nothing of its page was used: the round begins again.
    #[error(
        "a link of {host} for pages of {of} leads to {to}; it was not followed and nothing of its page was used; \
         Manntall begins the round again"
    )]
    WrongLink {
        /// Host that answered.
        host: String,
        /// What is read.
        of: &'static str,
        /// Where the link leads.
        to: &'static str,
    },
    /// An answer that is not Graph's: a proxy's login page, an empty or cut body, a redirect.
    #[error("{host} gave no usable answer: {what}")]
    Unusable {
        /// Host that was asked.
        host: String,
        /// What came instead.
        what: String,
    },
    /// A delta answer that breaks its own rules. Nothing of it was used.
    #[error("{host} gave a page that breaks the delta rules: {what}; nothing of it was used")]
    Malformed {
        /// Host that was asked.
        host: String,
        /// The rule that it broke.
        what: &'static str,
    },
    /// Graph refuses to count. A complete read is then without an independent check, and everything else
    /// goes on.
    #[error("Graph refused GET {request}: {what}")]
    Uncounted {
        /// The path that was asked for.
        request: String,
        /// Graph's code and message.
        what: String,
    },
    /// Something that we ask for does not exist there: a fault of the configuration.
    #[error("{host} does not offer what was asked for: {what}")]
    Unsupported {
        /// Host that answered.
        host: String,
        /// What it does not know.
        what: String,
    },
}

impl GraphError {
    /// The wait that the peer has asked for, however long.
    pub fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Throttled { after, .. } | Self::Unavailable { after, .. } => *after,
            _ => None,
        }
    }

    /// What the caller does next.
    ///
    /// An unusable or malformed answer is asked for again: a proxy's login page or a cut body passes.
    /// The caller bounds how often.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Throttled { after, .. } | Self::Unavailable { after, .. } => {
                Disposition::Retry { after: after.map(|span| span.min(RETRY_AFTER_MAX)) }
            }
            Self::Unusable { .. } | Self::Malformed { .. } => Disposition::Retry { after: None },
            Self::BadPage { .. } | Self::WrongLink { .. } => Disposition::RestartRound,
            Self::Expired { .. } => Disposition::ReadAll,
            Self::Refused(_)
            | Self::ForeignLink { .. }
            | Self::Uncounted { .. }
            | Self::Unsupported { .. } => Disposition::Halt,
        }
    }
}

/// Credentials or consent were refused, in the peer's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused: a host, or what could not be read on this machine.
    pub by: String,
    /// First line of the peer's explanation, bounded.
    pub words: String,
    /// `AADSTS…` number or Graph's error code.
    pub code: Option<String>,
    /// What support asks for: Entra's trace id, or Graph's request id.
    pub trace_id: Option<String>,
    /// Correlation id, or our own request id.
    pub correlation_id: Option<String>,
    /// What to do about it, where we know.
    pub hint: Option<&'static str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused us: {}", self.by, self.words)?;
        if let Some(code) = self.code.as_deref().filter(|code| !self.words.contains(*code)) {
            write!(f, " ({code})")?;
        }
        if let Some(id) = &self.trace_id {
            write!(f, " [trace id {id}]")?;
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " [correlation id {id}]")?;
        }
        if let Some(hint) = self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}
