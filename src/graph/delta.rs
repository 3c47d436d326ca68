//! The walker: how one tenant's users or groups are read, as a state machine without any I/O.
//!
//! ```text
//! delta lane:  None ──────────────► Idle(link) ─► Paging(link, next) ─► Folding ─► Idle(new link)
//!                ▲                      │ expired          │ expired
//!                └──────────────────────┴──────────────────┘  and a complete read is wanted
//! full lane:   Resting ─► Wanted ─► Paging(next) ─► Counting ─► CatchingUp(next) ─► Folding ─► Resting
//!                ▲                                     │ proves nothing
//!                └──────────── later ── Refused ◄──────┘
//! ```
//!
//! - **Paging**: pages are staged, each in one commit with its next link, so that a kill resumes there.
//!   Nothing staged is visible in the mirror.
//! - **Counting**: a complete read must agree with an independent count before its silence means
//!   anything.
//! - **CatchingUp**: a complete read takes minutes, in which the delta lane goes on. Before it replaces
//!   anything it is followed by the delta round behind its own last page, with the delta lane at rest,
//!   so that it is never older than the mirror.
//! - **Folding**: the round is whole; what was staged goes into the mirror. Folding again after a kill
//!   gives the same.
//!
//! - **Refused**: a complete read that proves nothing by its silence, after the link of the delta lane was
//!   lost. What it tells stands like what a delta round tells, and its link is a link to go on from.
//!
//! After an expired link the mirror stays; a complete read fills a new generation beside it.

use serde::{Deserialize, Serialize};

use super::{Link, Next, Position};
use crate::core::mirror::Round;
use crate::core::model::Timestamp;
use crate::core::report::Gap;

/// The two ways of reading that go on beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// What changed.
    Delta,
    /// Everything.
    Full,
}

/// State of the delta lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Delta {
    /// There is no delta link: only a complete read gives one.
    #[default]
    None,
    /// The next round starts at this link.
    Idle(Link),
    /// In the middle of a round.
    Paging {
        /// Where the round started, to start it again.
        start: Link,
        /// The page to read next.
        next: Link,
        /// Whether the round was started again already.
        restarted: bool,
    },
    /// The round is whole; the next one starts at this link, where there is one.
    Folding(Option<Link>),
}

/// State of the full lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Full {
    /// No complete read is due.
    Resting,
    /// One is to begin at this time.
    Wanted(Timestamp),
    /// In the middle of one.
    Paging {
        /// The page to read next; none for the first.
        next: Option<Link>,
    },
    /// Every page is staged; the count is missing. The delta link of the read is kept.
    Counting(Link),
    /// The delta round behind the read.
    CatchingUp {
        /// The page to read next.
        next: Link,
    },
    /// The read is whole; the delta lane goes on at this link.
    Folding(Link),
    /// The read proves nothing by its silence. What it tells is taken in, the delta lane goes on at its link, and
    /// another read begins at this time.
    Refused(Link, Timestamp),
    /// One is to begin now: nothing was read yet, or what was read is in doubt.
    #[default]
    Due,
}

/// How one tenant's users or groups are read. Durable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Walk {
    /// The delta lane.
    pub delta: Delta,
    /// The full lane.
    pub full: Full,
    /// Number of the last complete read that was begun.
    pub generation: u32,
    /// When the last complete read was folded.
    pub completed: Option<Timestamp>,
    /// Whether all that was read is in doubt, until a complete read that begins from now on is folded.
    pub doubted: bool,
    /// Digest of what was selected in that read.
    pub selection: String,
    /// Elements staged by the delta lane.
    pub staged_delta: u32,
    /// Elements staged by the full lane.
    pub staged_full: u32,
    /// How many of these stand in the list itself, as opposed to the delta round behind it.
    pub listed: u32,
    /// Whether the complete read that is under way could not be counted, so that it proves nobody's absence.
    pub uncounted: bool,
    /// Pages read in the round of the full lane, and of the delta lane: a chain that does not end is
    /// broken off.
    pub pages: [u32; 2],
    /// That the last complete read proved nothing, until one does.
    pub refused: Option<RefusedRead>,
    /// What was told since the last complete read, or in it, and is not known.
    pub gap: Option<Gap>,
}

/// Why a complete read proved nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRead {
    /// Since when none proves anything.
    pub since: Timestamp,
    /// What is wrong, what was done about it, and what to do next.
    pub message: String,
}

/// What to ask next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A page.
    Page(Position),
    /// The number of objects.
    Count,
}

/// Pages in one round at the most: far more than the 250 of 50,000 people, far fewer than for ever.
/// A chain of next links that does not end has been reported of Graph.
const PAGES_MAX: u32 = 60_000;

impl Walk {
    /// What the delta lane asks when a poll is due. It begins no round while a complete read catches
    /// up; a round that was begun before is ended first.
    pub fn delta_ask(&self) -> Option<Ask> {
        let rests =
            matches!(self.full, Full::CatchingUp { .. } | Full::Folding(_) | Full::Refused(..));
        match &self.delta {
            Delta::None | Delta::Folding(_) => None,
            Delta::Idle(_) if rests => None,
            Delta::Idle(link) => Some(Ask::Page(Position::Link(link.clone()))),
            Delta::Paging { next, .. } => Some(Ask::Page(Position::Link(next.clone()))),
        }
    }

    /// Whether either lane has anything to ask now.
    pub fn has_ask(&self, now: Timestamp) -> bool {
        self.delta_ask().is_some() || self.full_ask(now).is_some()
    }

    /// What the full lane asks now. Catching up waits for the delta lane to end its round.
    pub fn full_ask(&self, now: Timestamp) -> Option<Ask> {
        match &self.full {
            Full::Resting | Full::Folding(_) | Full::Refused(..) => None,
            Full::Wanted(at) if *at > now => None,
            Full::Due | Full::Wanted(_) | Full::Paging { next: None } => {
                Some(Ask::Page(Position::Start))
            }
            Full::CatchingUp { .. } if self.delta_is_open() => None,
            Full::Paging { next: Some(next) } | Full::CatchingUp { next } => {
                Some(Ask::Page(Position::Link(next.clone())))
            }
            Full::Counting(_) => Some(Ask::Count),
        }
    }

    /// When the full lane wants to begin, if it waits.
    pub fn full_due(&self) -> Option<Timestamp> {
        match self.full {
            Full::Wanted(at) => Some(at),
            _ => None,
        }
    }

    /// Whether there is a link behind which Graph tells what changed.
    pub fn has_link(&self) -> bool {
        self.delta != Delta::None
    }

    /// Whether the delta lane is in the middle of a round.
    pub fn delta_is_open(&self) -> bool {
        matches!(self.delta, Delta::Paging { .. } | Delta::Folding(_))
    }

    /// Notes that the full lane begins: a new generation.
    pub fn begin_full(&mut self) {
        if matches!(self.full, Full::Due | Full::Wanted(_)) {
            self.generation += 1;
            self.restart_full_lane();
        }
    }

    fn restart_full_lane(&mut self) {
        self.full = Full::Paging { next: None };
        self.staged_full = 0;
        let [pages, _] = &mut self.pages;
        *pages = 0;
    }

    /// Nothing of the round in the delta lane counts any more.
    fn drop_delta_round(&mut self) {
        self.staged_delta = 0;
        let [_, pages] = &mut self.pages;
        *pages = 0;
    }

    /// Notes a page of `staged` elements. `false` when the chain of pages has grown beyond reason:
    /// the caller then treats the lane as expired.
    pub fn on_page(&mut self, lane: Lane, next: Next, staged: u32) -> bool {
        match lane {
            Lane::Delta => {
                let [_, pages] = &mut self.pages;
                *pages += 1;
                let endless = *pages > PAGES_MAX;
                self.staged_delta += staged;
                let (start, restarted) = match &self.delta {
                    Delta::Idle(link) => (link.clone(), false),
                    Delta::Paging { start, restarted, .. } => (start.clone(), *restarted),
                    Delta::None | Delta::Folding(_) => return false,
                };
                self.delta = match next {
                    Next::Page(next) => Delta::Paging { start, next, restarted },
                    Next::Delta(link) => Delta::Folding(Some(link)),
                    Next::Lost => Delta::Folding(None),
                };
                !endless
            }
            Lane::Full => {
                let [pages, _] = &mut self.pages;
                *pages += 1;
                let endless = *pages > PAGES_MAX;
                self.staged_full += staged;
                self.full = match (&self.full, next) {
                    // Whatever it listed, nothing says what has changed since.
                    (_, Next::Lost) => return false,
                    (Full::CatchingUp { .. }, Next::Page(next)) => Full::CatchingUp { next },
                    (Full::CatchingUp { .. }, Next::Delta(link)) => Full::Folding(link),
                    (_, Next::Page(next)) => Full::Paging { next: Some(next) },
                    (_, Next::Delta(link)) => {
                        self.listed = self.staged_full;
                        Full::Counting(link)
                    }
                };
                !endless
            }
        }
    }

    /// Notes that the count agreed, or that there is none to be had.
    pub fn on_counted(&mut self, has_count: bool) {
        if let Full::Counting(link) = &self.full {
            self.full = Full::CatchingUp { next: link.clone() };
            self.uncounted = !has_count;
        }
    }

    /// The complete read proves nothing: it is thrown away and begins again at `at`.
    pub fn reject_full(&mut self, at: Timestamp) {
        self.full = Full::Wanted(at);
        self.staged_full = 0;
    }

    /// The complete read proves nothing by its silence, for the reason given; another one begins at `at`. Where
    /// there is no delta link, what the read tells and its own link are better than nothing until then, unless
    /// what they would be added to is in doubt.
    pub fn refuse_full(&mut self, at: Timestamp, refused: RefusedRead) {
        let since = self.refused.as_ref().map_or(refused.since, |known| known.since);
        self.refused = Some(RefusedRead { since: since.min(refused.since), ..refused });
        match &self.full {
            Full::Counting(link) if !self.has_link() && self.is_trusted() => {
                self.full = Full::Refused(link.clone(), at);
            }
            _ => self.reject_full(at),
        }
    }

    /// The link of the lane is worth nothing any more. The mirror stays; a complete read is wanted at `at`.
    pub fn on_expired(&mut self, lane: Lane, at: Timestamp) {
        match lane {
            Lane::Delta => {
                self.delta = Delta::None;
                self.drop_delta_round();
                self.want_full(at);
            }
            Lane::Full => self.reject_full(at),
        }
    }

    /// The page was refused: the round starts again from its delta link, once; then all is read, at `at`.
    pub fn on_bad_page(&mut self, lane: Lane, at: Timestamp) {
        match (lane, &self.delta) {
            (Lane::Delta, Delta::Paging { start, restarted: false, .. }) => {
                let start = start.clone();
                self.delta = Delta::Paging { start: start.clone(), next: start, restarted: true };
                self.drop_delta_round();
            }
            _ => self.on_expired(lane, at),
        }
    }

    /// What was read so far is in doubt: a complete read begins now, from its first page. The delta lane
    /// goes on, since what Graph says behind an older link is no less true.
    pub fn doubt(&mut self) {
        self.full = Full::Due;
        self.staged_full = 0;
        self.doubted = true;
    }

    /// Whether a complete read was folded that nobody doubts.
    pub fn is_trusted(&self) -> bool {
        self.completed.is_some() && !self.doubted
    }

    /// A complete read is to begin at `at`, or earlier if one is wanted earlier. Says whether that is
    /// new.
    pub fn want_full(&mut self, at: Timestamp) -> bool {
        let is_new = match self.full {
            Full::Resting => true,
            Full::Wanted(due) => due > at,
            _ => false,
        };
        if is_new {
            self.full = Full::Wanted(at);
        }
        is_new
    }

    /// Whether the delta lane's round has said nothing so far. However it goes on, what was durable
    /// before it is as good as what is known now: Graph says the same behind the link where it began.
    pub fn is_mute(&self, lane: Lane) -> bool {
        lane == Lane::Delta && self.staged_delta == 0
    }

    /// How many of the elements that are staged for `lane` stand in a list of everything.
    pub fn listed(&self, lane: Lane) -> usize {
        match lane {
            Lane::Delta => 0,
            // It stands in no list whose silence means anything.
            Lane::Full if matches!(self.full, Full::Refused(..)) => 0,
            Lane::Full => usize::try_from(self.listed).unwrap_or(usize::MAX),
        }
    }

    /// The round that is whole and waits to be folded.
    pub fn folding(&self) -> Option<(Lane, Round)> {
        match (&self.full, &self.delta) {
            (Full::Folding(_), _) => Some((Lane::Full, Round::Full(self.generation))),
            (Full::Refused(..), _) => Some((Lane::Full, Round::Refused)),
            (_, Delta::Folding(_)) => Some((Lane::Delta, Round::Delta)),
            _ => None,
        }
    }

    /// Notes what of a round could not be read. Only a complete read makes good what an earlier one left open.
    pub fn note_gap(&mut self, round: Round, found: Gap) {
        let before = self.gap.take();
        let gap = match (round, &before) {
            (Round::Full(_), _) => Gap { uncounted: self.uncounted, ..found },
            (_, Some(before)) => before.and(&found),
            (_, None) => found,
        };
        self.gap = gap.found().map(|gap| {
            let since = before.map_or(gap.since, |before| before.since.min(gap.since));
            Gap { since, ..gap }
        });
    }

    /// Notes that the round of `lane` is in the mirror.
    pub fn on_folded(&mut self, lane: Lane, now: Timestamp, selection: &str) {
        match lane {
            Lane::Delta => {
                if let Delta::Folding(link) = &self.delta {
                    self.delta = link.clone().map_or(Delta::None, Delta::Idle);
                    self.drop_delta_round();
                    if !self.has_link() {
                        self.want_full(now);
                    }
                }
            }
            Lane::Full => {
                if let Full::Refused(link, at) = &self.full {
                    self.delta = Delta::Idle(link.clone());
                    self.full = Full::Wanted(*at);
                    self.staged_full = 0;
                    self.drop_delta_round();
                } else if let Full::Folding(link) = &self.full {
                    // A read that was not counted proves nobody's absence: whoever is gone meanwhile is told of behind
                    // the older link alone.
                    let is_kept = self.gap.as_ref().is_some_and(|gap| gap.uncounted)
                        && self.selection == selection
                        && matches!(self.delta, Delta::Idle(_));
                    if !is_kept {
                        self.delta = Delta::Idle(link.clone());
                    }
                    selection.clone_into(&mut self.selection);
                    self.full = Full::Resting;
                    self.staged_full = 0;
                    self.drop_delta_round();
                    self.completed = Some(now);
                    self.doubted = false;
                    self.refused = None;
                }
            }
        }
    }
}
