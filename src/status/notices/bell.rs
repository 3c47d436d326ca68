//! When to tell: once a state has lasted, when it becomes another one, when it is over, and once a day
//! while it lasts. A pure machine; time comes in.

use std::time::Duration;

use crate::core::model::Timestamp;
use crate::core::report::{About, State, Verdict};

/// What comes and goes within this is not worth waking somebody.
pub(super) const LASTS: Duration = Duration::from_secs(60);

/// What lasts is told again after this.
const REMIND_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    /// Somebody should look.
    Began,
    /// It is something else now that somebody should look at.
    Changed,
    /// It still is.
    Lasts,
    /// All is well again.
    Over,
}

impl Ring {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Changed => "changed",
            Self::Lasts => "lasts",
            Self::Over => "over",
        }
    }
}

/// What a verdict is taken for: a hold that grows is the same matter still.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Matter {
    Well,
    Ill(State, About),
}

impl Matter {
    fn of(verdict: &Verdict) -> Self {
        if !verdict.state.wants_attention() {
            return Self::Well;
        }
        let about = match &verdict.about {
            About::Holds(_) => About::Holds(0),
            About::Stuck(_) => About::Stuck(0),
            about => about.clone(),
        };
        Self::Ill(verdict.state, about)
    }
}

/// Remembers what was told.
#[derive(Debug)]
pub(super) struct Bell {
    told: Matter,
    told_at: Timestamp,
    coming: Option<(Matter, Timestamp)>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { told: Matter::Well, told_at: Timestamp::default(), coming: None }
    }
}

impl Bell {
    /// Whether this verdict, at this time, is to be told, if it has lasted.
    pub(super) fn ring(
        &mut self,
        verdict: &Verdict,
        now: Timestamp,
        lasts: Duration,
    ) -> Option<Ring> {
        let matter = Matter::of(verdict);
        if matter == self.told {
            self.coming = None;
            let is_due = matter != Matter::Well && now.since(self.told_at) >= REMIND_AFTER;
            return is_due.then(|| {
                self.told_at = now;
                Ring::Lasts
            });
        }
        let since = match &self.coming {
            Some((coming, since)) if *coming == matter => *since,
            _ => now,
        };
        if now.since(since) < lasts {
            self.coming = Some((matter, since));
            return None;
        }
        let before = std::mem::replace(&mut self.told, matter);
        (self.told_at, self.coming) = (now, None);
        Some(match (&before, &self.told) {
            (_, Matter::Well) => Ring::Over,
            (Matter::Well, _) => Ring::Began,
            _ => Ring::Changed,
        })
    }
}
