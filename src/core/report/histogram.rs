//! Counts of how long things took, in fixed steps.

use std::time::Duration;

/// How long things took: so many up to each limit, and in sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    counts: [u64; Histogram::LIMITS_MS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    /// The upper limits, from a quick answer to a leaver who is out within the hour.
    pub const LIMITS_MS: [u64; 12] =
        [10, 50, 100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000];

    /// Counts one.
    pub fn record(&mut self, span: Duration) {
        for (count, limit) in self.counts.iter_mut().zip(Self::LIMITS_MS) {
            *count += u64::from(span <= Duration::from_millis(limit));
        }
        self.count += 1;
        self.sum += span;
    }

    /// How many took so long at the most, for each limit.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        Self::LIMITS_MS.into_iter().map(Duration::from_millis).zip(self.counts)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}
