//! What went over the wire, counted by peer. Hosts are those of the configuration, so they are few.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Histogram;

/// One request and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// Host asked.
    pub peer: &'a str,
    /// Method, in upper case.
    pub method: &'static str,
    /// Status of the answer; none where none came.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// How long the peer wants to be left alone, where it says so.
    pub throttled: Option<Duration>,
    /// Our clock minus the peer's, in milliseconds, where the answer is dated.
    pub skew_ms: Option<i64>,
}

/// Everything that was exchanged since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    /// By host.
    pub peers: BTreeMap<String, PeerTraffic>,
}

/// What was exchanged with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerTraffic {
    /// By method and status; 0 where no answer came.
    pub requests: BTreeMap<(&'static str, u16), u64>,
    /// How long answers took.
    pub spans: Histogram,
    /// Waits that the peer asked for, in sum.
    pub throttled: Duration,
    /// Our clock minus the peer's at its last answer, in milliseconds. Answers are dated to the second.
    pub skew_ms: Option<i64>,
}

impl Traffic {
    /// Counts one exchange.
    pub fn record(&mut self, exchange: &Exchange<'_>) {
        let &Exchange { peer, method, status, took, throttled, skew_ms } = exchange;
        if !self.peers.contains_key(peer) {
            self.peers.insert(peer.to_owned(), PeerTraffic::default());
        }
        let Some(of_peer) = self.peers.get_mut(peer) else { return };
        *of_peer.requests.entry((method, status.unwrap_or(0))).or_default() += 1;
        of_peer.spans.record(took);
        of_peer.throttled += throttled.unwrap_or_default();
        of_peer.skew_ms = skew_ms.or(of_peer.skew_ms);
    }
}
