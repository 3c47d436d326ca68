//! What a test may want to know afterwards: requests counted, writes listed, and the rate limit's bucket.

use std::collections::BTreeMap;

use super::fault::PathKind;

/// How many requests came, by method and kind of path. Every request counts, refused ones too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    counts: BTreeMap<(String, PathKind), u64>,
}

impl Counters {
    pub(super) fn count(&mut self, method: &str, path: PathKind) {
        *self.counts.entry((method.to_owned(), path)).or_default() += 1;
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The requests of one method to one kind of path.
    pub fn of(&self, method: &str, path: PathKind) -> u64 {
        self.counts.get(&(method.to_owned(), path)).copied().unwrap_or_default()
    }

    /// All counts, in order of method and path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, PathKind, u64)> {
        self.counts.iter().map(|((method, path), count)| (method.as_str(), *path, *count))
    }
}

/// One POST, PUT, PATCH or DELETE on users or groups that the platform dealt with; what the rate limit, a
/// fault or a wrong token stopped before is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// When it came, in milliseconds.
    pub at_ms: u64,
    /// Method.
    pub method: String,
    /// Path below the base URL, for example `Users/2f1c`.
    pub target: String,
    /// The body as it came; empty unless [`super::PlatformOptions::keep_bodies`] is set.
    pub body: String,
    /// In a few words, for example `replace active, add members (3)`.
    pub summary: String,
    /// Status that was answered.
    pub status: u16,
}

/// A rate limit: so many requests a second, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second that are allowed in the long run.
    pub per_second: u32,
    /// Requests that may come at once after a rest.
    pub burst: u32,
}

/// A token bucket in thousandths of a request, so that whole milliseconds lose nothing.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Rate,
    filled_milli: u64,
    at_ms: u64,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, filled_milli: u64::from(rate.burst) * 1000, at_ms: 0 }
    }

    /// Takes one request's worth, or says after how many seconds there will be one.
    pub(super) fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(self.rate.per_second.into());
        let full = u64::from(self.rate.burst) * 1000;
        self.filled_milli = self.filled_milli.saturating_add(gained).min(full);
        self.at_ms = self.at_ms.max(now_ms);
        if let Some(left) = self.filled_milli.checked_sub(1000) {
            self.filled_milli = left;
            return Ok(());
        }
        let missing = 1000 - self.filled_milli;
        let per_second = u64::from(self.rate.per_second.max(1)) * 1000;
        Err(missing.div_ceil(per_second).max(1))
    }
}
