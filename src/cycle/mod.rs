//! One pass after the other: collect → survey → derive → judge → apply. The only place where the edges
//! meet.
//!
//! ```text
//!   Graph ──pages──► collect ──► mirror ─┐
//!                                        ├─► planner ──► judge ──► queue ──► apply ──► target
//!   target ──reads─► survey ──► answers ─┤                                     │
//!                                 ledger ◄───────────── confirmed answers ─────┘
//! ```
//!
//! One task owns all state and runs one loop. A turn of the loop takes what has arrived, decides what
//! to ask and what to send next, writes all of it to the store as **one commit**, and only then lets
//! the new requests go. So nothing is acted on that is not durable, polling never waits for a backlog,
//! and a kill at any point is the same as a pause.
//!
//! The same loop serves the first run, a restart, a retry, the steady state and a dry run. A dry run has no
//! [`Writer`], so there is nothing in it that could write to the target; its store is thrown away.

pub mod absence;
mod apply;
mod blame;
mod by_hand;
mod chunks;
mod collect;
mod decide;
pub mod deferred;
pub mod door;
mod doubt;
pub mod guards;
pub mod identity;
pub mod journal;
pub mod leaving;
mod live;
mod outcome;
mod page_loop;
mod peer;
mod proof;
mod quarantine;
mod queue;
mod ready_events;
pub mod records;
mod recovery;
pub mod report;
mod seat_limit;
mod self_check;
mod sent;
mod spelling;
mod stall;
pub mod state;
mod survey;
mod target;
mod trial;
mod until;
mod update;
mod view;
pub mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::expression::Expression;
use crate::core::model::{Kind, SourceName, Timestamp};
use crate::core::policy::Policy;
use crate::graph::GraphClient;
use crate::random::Random;
use crate::scim::dialect::Dialect;
use crate::scim::pace::Pacer;
use crate::scim::{Reader, ScimError, Writer};
use crate::store::StoreError;

pub use peer::Probes;
pub use until::{Ended, Until};

use apply::Applied;
use collect::{Collected, LaneRun, Single};
use door::Visits;
use guards::Guards;
use identity::Told;
use live::Live;
use proof::Compared;
use report::{Noted, Progress};
use self_check::SelfCheck;
use stall::Stall;
use state::State;
use survey::Answered;
use target::TargetLoop;

/// Requests finished together are recorded together, up to so many in one commit.
const EVENTS_PER_TURN: usize = 64;

/// One tenant to read.
pub struct Source {
    /// The operator's name of it.
    pub name: SourceName,
    /// Reads it.
    pub client: Arc<GraphClient>,
    /// What of it is mirrored.
    pub keep: Expression,
    /// The properties of users that are asked for.
    pub user_properties: BTreeSet<String>,
    /// The properties of groups that are asked for.
    pub group_properties: BTreeSet<String>,
}

/// The platform to keep true.
pub struct Target {
    /// Reads it.
    pub reader: Reader,
    /// Paces everything that is sent to it, reads too.
    pub pacer: Pacer,
    /// How it departs from the standard.
    pub dialect: Dialect,
    /// What the operator wants there.
    pub policy: Policy,
}

/// When to do what by itself.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two polls of a tenant.
    pub poll_interval: Duration,
    /// Between two complete reads.
    pub full_compare: Duration,
    /// From a complete read that missed something to the one that decides.
    pub confirm_absence: Duration,
}

/// What is wrong with a peer, since when, and the exit code that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// Exit code of a command that ends because of it: 1 a bug of ours, 3 no seats, 12 refused, 69
    /// unreachable, 75 throttled, 78 a configuration that names another peer.
    pub code: u8,
    /// The guard that acts because of it, by name; none for what is only told.
    pub guard: Option<Arc<str>>,
    /// What happened, what we did about it, what to do next.
    pub message: String,
}

/// Counts of what was done since the engine was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Changes confirmed, by action name.
    pub done: BTreeMap<&'static str, u64>,
    /// Changes refused.
    pub refused: u64,
}

/// Something that a request in flight came to.
enum Event {
    Collected(Collected),
    Single(Box<Single>),
    Answered(Box<Answered>),
    Applied(Box<Applied>),
    Identified(Told),
    Probed(Result<(), ScimError>),
    Compared(Box<Compared>),
}

type Launch = Vec<BoxFuture<'static, Event>>;

/// The whole service but its shell.
pub struct Engine {
    clock: Arc<dyn Clock>,
    timing: Timing,
    state: State,
    sources: Sources,
    target: TargetLoop,
    guards: Guards,
    stall: Stall,
    flight: Flight,
    journal: JournalCare,
    /// What is known about the disk, the clock and other instances.
    self_check: SelfCheck,
    /// Visitors, where there is a door.
    visits: Option<Visits>,
    reporting: Reporting,
    receipt: Option<Arc<str>>,
}

/// The tenants that are read, and how far that is.
#[derive(Default)]
struct Sources {
    tenants: BTreeMap<SourceName, Source>,
    keep: BTreeMap<SourceName, Expression>,
    lanes: BTreeMap<(SourceName, Kind), LaneRun>,
    /// The lanes that have been read whole.
    complete: BTreeSet<(SourceName, Kind)>,
    troubles: BTreeMap<(SourceName, Kind), Trouble>,
    /// Spreads polls a little, so that services started together do not ask together.
    jitter: Option<Arc<Random>>,
}

/// The requests that are on their way.
#[derive(Default)]
struct Flight {
    /// When each was begun.
    since: BTreeMap<u64, Duration>,
    /// How many were begun.
    begun: u64,
}

/// How long the journal is kept, and when it was last shortened.
struct JournalCare {
    keep: Duration,
    cared: Option<Duration>,
}

/// What people and machines are told.
#[derive(Default)]
struct Reporting {
    tally: Tally,
    noted: Noted,
    progress: watch::Sender<Progress>,
    live: Live,
}

impl Engine {
    /// Puts an engine together around what was loaded.
    pub fn new(
        clock: Arc<dyn Clock>,
        timing: Timing,
        sources: Vec<Source>,
        target: Target,
        state: State,
    ) -> Self {
        let keep = sources.iter().map(|source| (source.name, source.keep.clone())).collect();
        let tenants = sources.into_iter().map(|source| (source.name, source)).collect();
        let target = TargetLoop::new(target, Arc::clone(&clock));
        let mut engine = Self {
            clock,
            timing,
            state,
            sources: Sources { tenants, keep, ..Sources::default() },
            target,
            guards: Guards::default(),
            stall: Stall::default(),
            flight: Flight::default(),
            journal: JournalCare { keep: journal::KEEP_HISTORY, cared: None },
            self_check: SelfCheck::default(),
            visits: None,
            reporting: Reporting::default(),
            receipt: None,
        };
        engine.state.let_wait(timing.full_compare);
        engine.begin();
        engine
    }

    /// Takes up what the last process left.
    fn begin(&mut self) {
        self.index_links();
        self.forget_other_forms();
        self.doubt_what_is_old();
        self.reopen_doubts();
        self.begin_looks();
        self.begin_walks();
        self.begin_identity();
        self.begin_rules();
        self.begin_singles();
    }

    /// Runs the loop. Without a writer nothing can be written to the target.
    ///
    /// `stop` turns true when the drive is to end: requests in flight are waited for, new ones are not
    /// begun.
    ///
    /// # Errors
    /// When the store fails. What was in flight is then unknown, as after a kill.
    pub async fn drive(
        &mut self,
        writer: Option<&Writer>,
        until: Until,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, StoreError> {
        let mut inflight = FuturesUnordered::new();
        self.flight.since.clear();
        self.begin_polls(until);
        loop {
            let stopping = *stop.borrow();
            let began = self.clock.elapsed();
            let mut launch = Launch::new();
            self.target.health.pace_wait = None;
            self.target.planning.judged = false;
            self.state.now = self.clock.now();
            self.let_in();
            self.target.pacer.pause_writes(self.state.paused.is_some());
            if !stopping {
                self.take_words();
                self.collect_next(&mut launch)?;
                self.end_recovery();
                self.plan();
                self.apply_leavers(writer, &mut launch);
                self.survey_next(until, &mut launch);
                self.plan(); // Some answers need no request.
                self.read_next(&mut launch);
                self.read_trials(&mut launch);
                if let Some(writer) = writer {
                    self.apply_next(writer, &mut launch);
                }
                self.compare_next(&mut launch);
                self.meet_target(until, &mut launch);
            }
            let rests = inflight.is_empty() && launch.is_empty();
            let applies = writer.is_some();
            let stalls = rests && !stopping && self.is_stalled(applies, until, began);
            let ends = rests && (stopping || stalls || self.is_done(applies, until));
            let ends = ends && (stopping || until != Until::Stopped);
            let launch = self.number(launch, began);
            self.let_look();
            self.look_after_itself();
            self.note_down(ends)?;
            self.care_for_journal(ends)?;
            if ends { self.state.commit_all() } else { self.state.commit() }?;
            self.answer_visits();
            self.show_progress(applies, until);
            self.show_live(rests);
            inflight.extend(launch);
            if ends {
                return Ok(if stopping { Ended::Stopped } else { Ended::Done });
            }
            self.wait(&mut inflight, stop, (stopping, began)).await?;
        }
    }

    /// Waits for the next thing to happen, and takes in everything that has happened by then.
    async fn wait(
        &mut self,
        inflight: &mut FuturesUnordered<BoxFuture<'static, (u64, Event)>>,
        stop: &mut watch::Receiver<bool>,
        (stopping, began): (bool, Duration),
    ) -> Result<(), StoreError> {
        // Who stops begins nothing, so nothing can be due.
        let due = if stopping { Duration::MAX } else { self.next_due(began) };
        let span = due.saturating_sub(self.clock.elapsed()).min(self.timing.poll_interval);
        let timer = self.clock.sleep(span);
        let stopped = async {
            if stopping || stop.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let visited = async {
            match &mut self.visits {
                Some(visits) => visits.arrives().await,
                None => std::future::pending().await,
            }
        };
        // In this order, so that the same things happening give the same history.
        let event = tokio::select! {
            biased;
            Some(event) = inflight.next() => event,
            () = timer => return Ok(()),
            () = stopped => return Ok(()),
            () = visited => return Ok(()),
        };
        self.take_in(event)?;
        for _ in 1..EVENTS_PER_TURN {
            let Some(event) = ready_events::next(inflight).await else { break };
            self.take_in(event)?;
        }
        Ok(())
    }

    /// Numbers what is about to be sent, to know how long each request has been on its way.
    fn number(&mut self, launch: Launch, began: Duration) -> Vec<BoxFuture<'static, (u64, Event)>> {
        let numbered = launch.into_iter().map(|request| {
            self.flight.begun += 1;
            let number = self.flight.begun;
            self.flight.since.insert(number, began);
            request.map(move |event| (number, event)).boxed()
        });
        numbered.collect()
    }

    fn take_in(&mut self, (number, event): (u64, Event)) -> Result<(), StoreError> {
        self.flight.since.remove(&number);
        match event {
            Event::Collected(collected) => return self.on_collected(collected),
            Event::Single(single) => self.on_single(*single),
            Event::Answered(answered) => self.on_answered(*answered),
            Event::Applied(applied) => self.on_applied(*applied),
            Event::Identified(told) => self.on_identified(told),
            Event::Probed(result) => self.on_probed(result),
            Event::Compared(compared) => self.on_compared(*compared),
        }
        Ok(())
    }

    /// When something is due by itself, on the monotonic clock.
    fn next_due(&self, began: Duration) -> Duration {
        // The queue may have run dry after this turn's chance to judge. A judgement that was made in
        // this turn and has already moved on would come to the same again.
        if self.is_judge_due() && !self.target.planning.judged {
            return began;
        }
        let dues = [self.collect_due(), self.judgement_due(), self.compare_due(), self.stall_due()];
        // What was due when the turn began was dealt with in it, or waits for something that wakes the
        // loop: an answer, a permit, the end of a pause. What has come due since was not.
        let dues = dues.into_iter().flatten().chain(self.work_dues());
        let dues = dues.filter(|due| *due > began);
        dues.min().unwrap_or(began + self.timing.poll_interval)
    }

    /// When what is left to do at the target goes on by itself. What only looks ahead is not among it.
    fn work_dues(&self) -> impl Iterator<Item = Duration> + '_ {
        let dues = [
            self.target.queue.due(),
            self.target.health.pace_wait,
            self.target.health.retry,
            self.meeting_due(),
            self.target.reads_due(),
        ];
        dues.into_iter().flatten().chain(self.survey_dues())
    }
}
