//! Collect: walks each tenant's users and groups, stages pages, and folds whole rounds into the mirror.

mod counting;
mod due;
mod failing;
mod folding;
mod hurry;
mod singles;
mod unsaid;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::counting::REJECTED_RETRY;
pub(super) use self::singles::Single;
use self::singles::Singles;
pub(super) use self::unsaid::UNSAID;
use self::unsaid::Unsaid;
use super::Sources;
use super::page_loop::{Chain, Failing};
use super::records::Key;
use super::{Engine, Event, Launch, Trouble, Until};
use crate::core::judge::ClearedPlan;
use crate::core::mirror::Unsettled;
use crate::core::model::{Kind, ObjectId, SourceName, Timestamp};
use crate::graph::delta::{Ask, Lane, RefusedRead};
use crate::graph::{Flaw, GraphClient, GraphError, Next, Page, Position};
use crate::random::Random;
use crate::store::StoreError;

/// A round that had to begin again so often without coming to its end will not come to it by itself.
const RESTARTS_TOLD: u32 = 3;

/// Why a round begins again.
const CIRCLE: &str = "Graph's pages go round in a circle; Manntall begins the read again";

/// What one walk is doing, beside what is durable.
#[derive(Debug, Default)]
pub(super) struct LaneRun {
    /// A poll of the delta lane is due at this time; none while it runs.
    poll: Option<Duration>,
    /// Whether the walk has come to its end, or failed for good, since the drive began.
    polled: Polled,
    /// When the drive began that is to read it.
    began: Duration,
    /// Whether a round was read to its end since the drive began.
    fresh: bool,
    /// When a round was last read to its end.
    pub(super) last_round: Option<Timestamp>,
    /// The lanes whose round in hand was asked for since the drive began. One that was read before a
    /// stop is folded like any other, and says nothing about today.
    current: BTreeSet<Lane>,
    busy: BTreeSet<Lane>,
    /// What goes wrong in the delta lane and in the full lane. A complete read that fails must not hold
    /// up the leavers that the delta lane tells of.
    failing: [Failing; 2],
    /// The rounds of the delta lane and of the full lane.
    chains: [Chain; 2],
    /// The people who are read one by one; of the lane of users only.
    singles: Singles,
    /// How many delta links were lost since links last.
    links_lost: u32,
    /// When the last one was.
    link_lost: Option<Duration>,
    /// How many rounds were read to their end, from one link to the next, since then.
    links_kept: u32,
    /// How many users came without a word on whether they may sign in, since a round was folded.
    account_enabled_nulls: usize,
    /// The first few of them, of each page.
    null_ids: BTreeSet<ObjectId>,
    /// What of the mirror waited for another complete read, when that was last looked at.
    unsettled: Option<Unsettled>,
    /// Of whom Entra does not say whether they may sign in; of the lane of users only.
    unsaid: Unsaid,
    /// Whether it was told that Graph does not count.
    uncounted_told: bool,
}

impl LaneRun {
    /// When the drive began that is to read it.
    pub(super) fn asked(&self, elapsed: Duration, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub_unsigned(
            u64::try_from(elapsed.saturating_sub(self.began).as_millis()).unwrap_or(u64::MAX),
        ))
    }

    /// Whether a round of this drive was read to its end so short a time ago.
    pub(super) fn has_told(&self, now: Timestamp, patience: Duration) -> bool {
        self.fresh && self.last_round.is_some_and(|last| now.since(last) <= patience)
    }

    fn failing(&self, lane: Lane) -> Failing {
        let [delta, full] = self.failing;
        match lane {
            Lane::Delta => delta,
            Lane::Full => full,
        }
    }

    fn failing_mut(&mut self, lane: Lane) -> &mut Failing {
        let [delta, full] = &mut self.failing;
        match lane {
            Lane::Delta => delta,
            Lane::Full => full,
        }
    }
}

/// What has come of the poll that somebody waits for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Polled {
    #[default]
    Open,
    /// Somebody has asked since it began: another one follows.
    Again,
    Done,
}

/// A finished request of a walk.
pub(super) struct Collected {
    source: SourceName,
    kind: Kind,
    lane: Lane,
    /// Whether it was a count that was asked for.
    is_count: bool,
    result: Result<Reply, GraphError>,
}

enum Reply {
    Page(Position, Box<Page>),
    Count(u64),
}

impl Engine {
    /// Restores the walks, and begins anew what a kill interrupted.
    pub(super) fn begin_walks(&mut self) {
        for source in self.sources.tenants.values() {
            for kind in [Kind::Users, Kind::Groups] {
                let key = (source.name, kind);
                let selection = selection(source, kind);
                let walk = self.state.walks.entry(key).or_default();
                if let Some(completed) = walk.completed {
                    self.sources.complete.insert(key);
                    let due = if walk.selection == selection {
                        completed.plus(self.timing.full_compare)
                    } else {
                        self.clock.now()
                    };
                    walk.want_full(due);
                }
                let refused = walk.refused.clone();
                self.state.mirrors.entry(source.name).or_default();
                self.sources.lanes.insert(key, LaneRun::default());
                if let Some(RefusedRead { since, message }) = refused {
                    let trouble = Trouble { since, code: 69, guard: None, message };
                    self.sources.troubles.insert(key, trouble);
                }
            }
        }
    }

    /// A drive begins with a poll of everything. Somebody waits for one that is to end by itself, and so for a
    /// complete read without which there is no news.
    pub(super) fn begin_polls(&mut self, until: Until) {
        // What an earlier drive cleared rests on what was read then: it is judged anew.
        self.target.queue.refill(ClearedPlan::default(), BTreeSet::new());
        self.guards.recorded = None;
        self.target.planning.judge_due = true;
        let now = self.clock.elapsed();
        for lane in self.sources.lanes.values_mut() {
            lane.poll = Some(now);
            lane.polled = Polled::Open;
            lane.began = now;
            lane.fresh = false;
            lane.current.clear();
            lane.failing = [Failing::default(); 2];
        }
        self.guards.hurry(now);
        if until != Until::Stopped {
            self.hurry_full_reads();
        }
    }

    /// Reads a source from now on that was not read before.
    pub(super) fn begin_source(&mut self, source: SourceName) {
        let began = self.clock.elapsed();
        for kind in [Kind::Users, Kind::Groups] {
            let run = LaneRun { poll: Some(began), began, ..LaneRun::default() };
            self.sources.lanes.insert((source, kind), run);
        }
    }

    /// Whether everything of the source was read since that is asked for now.
    pub(super) fn is_read_as_wanted(&self, source: SourceName) -> bool {
        let Some(found) = self.sources.tenants.get(&source) else { return true };
        [Kind::Users, Kind::Groups].into_iter().all(|kind| {
            let walk = self.state.walks.get(&(source, kind));
            walk.is_some_and(|walk| {
                walk.completed.is_some() && walk.selection == selection(found, kind)
            })
        })
    }

    /// Begins whatever request of a walk is due.
    pub(super) fn collect_next(&mut self, launch: &mut Launch) -> Result<(), StoreError> {
        let keys: Vec<_> = self.sources.lanes.keys().copied().collect();
        for (source, kind) in keys {
            self.fold_if_whole(source, kind)?;
            for lane in [Lane::Delta, Lane::Full] {
                if let Some(ask) = self.next_ask(source, kind, lane) {
                    self.sources.ask(source, kind, lane, ask, launch);
                }
            }
        }
        self.ask_singles(launch);
        Ok(())
    }

    fn next_ask(&mut self, source: SourceName, kind: Kind, lane: Lane) -> Option<Ask> {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let watch = self.guards.sources.get(&source);
        let shut = watch.filter(|watch| watch.shut().is_some());
        let of_groups = self.guards.groups.get(&source).filter(|_| kind == Kind::Groups);
        let of_groups = of_groups.filter(|watch| shut.is_none() && watch.shut().is_some());
        let probes = shut.is_some() || of_groups.is_some();
        if let Some(watch) = shut
            && !(watch.is_probe_due(elapsed) && self.is_probe(source, kind, now))
        {
            return None;
        }
        if of_groups.is_some_and(|watch| !watch.is_probe_due(elapsed)) {
            return None;
        }
        let asks_groups = of_groups.is_some();
        let run = self.sources.lanes.get_mut(&(source, kind))?;
        let walk = self.state.walks.get_mut(&(source, kind))?;
        if run.busy.contains(&lane)
            || (!probes && run.failing(lane).retry.is_some_and(|at| at > elapsed))
        {
            return None;
        }
        let ask = match lane {
            Lane::Delta => {
                let due = probes || run.poll.is_some_and(|at| at <= elapsed);
                let is_open = walk.delta_is_open();
                let ask = (due || is_open).then(|| walk.delta_ask()).flatten()?;
                if !is_open {
                    // It may be late, after a night of sleep: the next is due an interval from now.
                    run.poll = Some(elapsed);
                    run.current.insert(lane);
                }
                ask
            }
            Lane::Full => {
                // A clock that was ahead may have put it off. Without a delta link nothing else brings news,
                // and without a read that is trusted nothing is written.
                let is_needed = !walk.has_link() || !walk.is_trusted();
                let longest = if is_needed { REJECTED_RETRY } else { self.timing.full_compare };
                walk.want_full(now.plus(longest));
                let ask = walk.full_ask(now)?;
                walk.begin_full();
                self.state.mark(Key::Walk(source, kind));
                ask
            }
        };
        let guards = &mut self.guards;
        let watches = if asks_groups { &mut guards.groups } else { &mut guards.sources };
        if probes && let Some(watch) = watches.get_mut(&source) {
            watch.begin_probe();
        }
        Some(ask)
    }

    /// Whether it is this kind of object that a tenant in quarantine is asked about: users, or groups
    /// where there is nothing to ask about users by now.
    fn is_probe(&self, source: SourceName, kind: Kind, now: Timestamp) -> bool {
        let users = self.state.walks.get(&(source, Kind::Users));
        let has_question = users.is_some_and(|walk| walk.has_ask(now));
        has_question == (kind == Kind::Users)
    }

    pub(super) fn on_collected(&mut self, collected: Collected) -> Result<(), StoreError> {
        let Collected { source, kind, lane, is_count, result } = collected;
        if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
            run.busy.remove(&lane);
        }
        if let (true, Err(error)) = (is_count, &result)
            && !matches!(error, GraphError::Refused(_))
        {
            // A count that fails says nothing of the tenant, unless it was asked for to see whether it is back.
            if matches!(error, GraphError::Uncounted { .. }) {
                self.source_answered(source, kind);
            } else if self.guards.is_shut(source, kind) {
                self.source_failed(source, kind, error);
            }
            return self.on_no_count(source, kind, error);
        }
        match &result {
            Ok(_) => self.source_answered(source, kind),
            Err(error) => self.source_failed(source, kind, error),
        }
        match result {
            Ok(Reply::Page(at, page)) => {
                self.pin_tenant(source);
                self.on_page(source, kind, lane, &at, *page);
                Ok(())
            }
            Ok(Reply::Count(count)) => self.on_count(source, kind, Some(count)),
            Err(error) => {
                self.on_walk_error(source, kind, lane, &error);
                Ok(())
            }
        }
    }

    fn on_page(&mut self, source: SourceName, kind: Kind, lane: Lane, at: &Position, page: Page) {
        let Page { elements, next, findings } = page;
        let nulls = findings.iter().filter(|found| found.flaw == Flaw::AccountEnabledNull);
        let (mut null_ids, mut null_count) = (BTreeSet::new(), 0);
        for found in nulls {
            null_ids.extend(&found.ids);
            null_count += found.count;
        }
        for finding in &findings {
            tracing::warn!(tenant = %source, kind = ?kind, "Entra: {finding}");
        }
        let now = self.clock.now();
        if (lane, &next) == (Lane::Full, &Next::Lost) {
            return self.on_lost_link(source, kind);
        }
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        let again = now.plus(run.wait_for_full(lane));
        run.failing_mut(lane).answered();
        run.account_enabled_nulls += null_count;
        run.null_ids.append(&mut null_ids);
        let [delta, full] = &mut run.chains;
        let chain = match lane {
            Lane::Delta => delta,
            Lane::Full => full,
        };
        let at = match at {
            Position::Start => None,
            Position::Link(link) => Some(link.as_str()),
        };
        let goes_on = match &next {
            Next::Page(next) => chain.goes_on(at, &elements, next.as_str()),
            Next::Delta(_) | Next::Lost => true,
        };
        if matches!(next, Next::Delta(_) | Next::Lost) {
            *chain = Chain::default();
        }
        self.state.stage(source, kind, lane, &elements);
        let staged = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return };
        if !walk.on_page(lane, next, staged) || !goes_on {
            walk.on_expired(lane, again);
            self.on_restart(source, kind, lane, CIRCLE);
        } else if walk.is_mute(lane) {
            self.state.mark_for_later(Key::Walk(source, kind));
        } else {
            self.state.mark(Key::Walk(source, kind));
        }
    }
}

impl Sources {
    /// Whether this kind of object has been read from every tenant since the drive began. What was read
    /// before a stop may be long out of date: it is not acted on before Entra has spoken again.
    pub(super) fn is_fresh(&self, kind: Kind) -> bool {
        // Without a source that may be read nothing is ever fresh.
        !self.lanes.is_empty() && self.lanes.iter().all(|((_, of), lane)| *of != kind || lane.fresh)
    }

    fn ask(&mut self, source: SourceName, kind: Kind, lane: Lane, ask: Ask, launch: &mut Launch) {
        let (Some(run), Some(found)) =
            (self.lanes.get_mut(&(source, kind)), self.tenants.get(&source))
        else {
            return;
        };
        run.busy.insert(lane);
        let client = Arc::clone(&found.client);
        let is_count = ask == Ask::Count;
        launch.push(Box::pin(async move {
            let result = answer(&client, kind, ask).await;
            Event::Collected(Collected { source, kind, lane, is_count, result })
        }));
    }
}

/// Up to a tenth less than the interval: services that were started together do not ask together for
/// long, and none waits longer than it was told to.
fn spread(interval: Duration, jitter: Option<&Random>) -> Duration {
    let tenth = u64::try_from(interval.as_millis() / 10).unwrap_or(u64::MAX);
    interval.saturating_sub(Duration::from_millis(jitter.map_or(0, |random| random.below(tenth))))
}

async fn answer(client: &GraphClient, kind: Kind, ask: Ask) -> Result<Reply, GraphError> {
    match ask {
        Ask::Page(at) => {
            let page = client.page(kind, &at).await?;
            Ok(Reply::Page(at, Box::new(page)))
        }
        Ask::Count => Ok(Reply::Count(client.count(kind).await?)),
    }
}

/// The properties that are asked for.
fn selected(source: &super::Source, kind: Kind) -> &BTreeSet<String> {
    match kind {
        Kind::Users => &source.user_properties,
        Kind::Groups => &source.group_properties,
    }
}

/// Their names in one text; others make the old delta link useless for the new properties.
fn selection(source: &super::Source, kind: Kind) -> String {
    let names = selected(source, kind);
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
