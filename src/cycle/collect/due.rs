//! When something is to be read from a tenant by itself, and whether somebody waits for it.

use std::time::Duration;

use super::{LaneRun, Polled};
use crate::core::model::{Kind, SourceName};
use crate::cycle::Engine;
use crate::cycle::Sources;
use crate::graph::delta::{Lane, Walk};

impl Engine {
    /// Whether the tenant was asked for users since the drive began, and that has come to nothing, or takes
    /// longer than from one poll to the next. A hiccup is no silence.
    pub(in crate::cycle) fn is_silent(&self, source: SourceName) -> bool {
        let elapsed = self.clock.elapsed();
        self.sources.lanes.get(&(source, Kind::Users)).is_some_and(|lane| {
            let is_late = elapsed >= lane.began + self.timing.poll_interval;
            !lane.fresh && (is_late || lane.polled == Polled::Done)
        })
    }

    /// When the next request to a tenant is due.
    pub(in crate::cycle) fn collect_due(&self) -> Option<Duration> {
        let singles = self.sources.lanes.values().filter_map(|lane| lane.singles_due(false));
        self.reads_of_tenants().map(|(_, due)| due).chain(singles).min()
    }

    /// The same, by tenant.
    pub(in crate::cycle) fn dues_of_tenants(
        &self,
    ) -> impl Iterator<Item = (SourceName, Duration)> + '_ {
        self.reads_of_tenants().map(|((source, _), due)| (source, due))
    }

    /// The same, of the reads without which a drive does not end: its poll, and while the state is in
    /// doubt a complete read of everything.
    pub(in crate::cycle) fn awaited_read_due(&self) -> Option<Duration> {
        self.awaited_reads().map(|(_, due, _)| due).min()
    }

    /// Those reads by themselves, and whether it is Entra that has asked for the wait.
    pub(in crate::cycle) fn awaited_reads(
        &self,
    ) -> impl Iterator<Item = ((SourceName, Kind), Duration, bool)> + '_ {
        let singles = self.sources.lanes.iter().filter_map(|(key, lane)| {
            let due = lane.singles_due(true)?;
            Some((*key, due, false))
        });
        let rounds = self.reads_of_tenants().filter_map(|((source, kind), due)| {
            let lane = self.sources.lanes.get(&(source, kind))?;
            let is_awaited = lane.polled != Polled::Done || !self.is_read(source, kind);
            let asked = lane.failing.iter().filter(|failing| failing.is_asked_for);
            let is_asked_for = asked.filter_map(|failing| failing.retry).any(|at| at == due);
            is_awaited.then_some(((source, kind), due, is_asked_for))
        });
        rounds.chain(singles)
    }

    fn reads_of_tenants(&self) -> impl Iterator<Item = ((SourceName, Kind), Duration)> + '_ {
        let lanes = self.sources.lanes.iter().filter(|(_, lane)| lane.busy.is_empty());
        lanes.flat_map(|(key, lane)| self.dues_of(*key, lane).map(|due| (*key, due)))
    }

    fn dues_of(
        &self,
        key: (SourceName, Kind),
        lane: &LaneRun,
    ) -> impl Iterator<Item = Duration> + use<> {
        let now = (self.clock.elapsed(), self.clock.now());
        let walk = self.state.walks.get(&key);
        let full = walk.and_then(Walk::full_due);
        let full = full.map(|at| now.0 + at.since(now.1));
        let poll = lane.poll.filter(|_| walk.is_some_and(|walk| walk.delta_ask().is_some()));
        let at_once = walk.and_then(|walk| walk.full_ask(now.1)).map(|_| now.0);
        let after = |due: Option<Duration>, of| {
            due.map(|due| due.max(lane.failing(of).retry.unwrap_or_default()))
        };
        let full = full.into_iter().chain(at_once).min();
        [after(poll, Lane::Delta), after(full, Lane::Full)].into_iter().flatten()
    }
}

impl Sources {
    /// Whether the poll that somebody waits for has come to its end everywhere.
    pub(in crate::cycle) fn is_collected(&self) -> bool {
        let is_done = |lane: &LaneRun| lane.polled == Polled::Done && lane.busy.is_empty();
        self.lanes.values().all(|lane| is_done(lane) && !lane.awaits_singles())
    }
}
