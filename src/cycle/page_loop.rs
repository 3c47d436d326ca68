//! Chain: notices a chain of pages that goes round in a circle or does not come to an end.
//!
//! Graph has been seen to hand out the same nextLink again and again, and links that look new each time
//! but lead back to the start of the round. It decides nothing: the caller begins the read anew. How
//! often a lane fails, and how long it then waits, is counted here too.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::core::model::Element;

/// A failing walk is asked for again after one second, doubling up to this.
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// Honest rounds repeat an object now and then, and so a short page. So many pages that were all there
/// before are a circle.
const REPEATED_MAX: u32 = 100;
/// Graph may give several pages in a row with nothing on them. So many lead nowhere.
const EMPTY_MAX: u32 = 1_000;

/// What was seen of one round.
#[derive(Debug, Default)]
pub(super) struct Chain {
    links: BTreeSet<String>,
    pages: BTreeSet<u64>,
    repeated: u32,
    empty: u32,
}

impl Chain {
    /// Notes the page behind the link `at`, with the link to the next page. `false` when the chain goes
    /// round.
    pub(super) fn goes_on(&mut self, at: Option<&str>, elements: &[Element], next: &str) -> bool {
        self.links.extend(at.map(str::to_owned));
        if elements.is_empty() {
            self.empty += 1;
        } else {
            self.empty = 0;
            self.repeated += u32::from(!self.pages.insert(fingerprint(elements)));
        }
        self.repeated < REPEATED_MAX && self.empty < EMPTY_MAX && !self.links.contains(next)
    }
}

/// Two pages about the same objects and members have the same. A large group comes on many pages, each
/// with other members.
fn fingerprint(elements: &[Element]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for element in elements {
        element.id().hash(&mut hasher);
        if let Element::Group { added, removed, .. } = element {
            added.hash(&mut hasher);
            removed.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// How one lane of a walk fails.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failing {
    /// Requests without a good answer, in a row.
    pub(super) requests: u32,
    /// How long it has waited since the last good answer, because the peer asks for fewer requests.
    pub(super) waited: Duration,
    /// Times that the round began again since a round was whole.
    pub(super) restarts: u32,
    /// Nothing is asked before this.
    pub(super) retry: Option<Duration>,
    /// Whether the peer itself has asked for that wait.
    pub(super) is_asked_for: bool,
}

impl Failing {
    /// A request was answered as it should be.
    pub(super) fn answered(&mut self) {
        (self.requests, self.waited) = (0, Duration::ZERO);
    }

    /// What is left of it when a person asks for something now: our own waits end, and the peer's word
    /// stands.
    pub(super) fn hurried(self, now: Duration) -> Self {
        let stands = self.is_asked_for && self.retry.is_some_and(|at| at > now);
        if stands { self } else { Self::default() }
    }
}

/// The wait after so many failures in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(9)).min(RETRY_MAX)
}
