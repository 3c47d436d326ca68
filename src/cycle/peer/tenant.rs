//! Tenants as peers: which of them answers, as a whole or with its groups alone, and which is left alone.
//!
//! Users are what leavers are told by. So their failures are those of the tenant, while those of groups are of
//! the groups alone: where these are refused, people are read as ever.

use super::{full_stop, guard_of, what_to_look_for};
use crate::core::model::{Kind, SourceName};
use crate::cycle::Engine;
use crate::cycle::Trouble;
use crate::cycle::guards::Guards;
use crate::cycle::quarantine::{Failure, Notice, Watch};
use crate::graph::{Disposition, GraphError};

impl Guards {
    /// Whether the tenant is left alone, as a whole or as far as this kind of object goes.
    pub(in crate::cycle) fn is_shut(&self, source: SourceName, kind: Kind) -> bool {
        let is_shut = self.sources.get(&source).is_some_and(|watch| watch.shut().is_some());
        is_shut || (kind == Kind::Groups && self.groups_are_shut(source))
    }

    fn groups_are_shut(&self, source: SourceName) -> bool {
        self.groups.get(&source).is_some_and(|watch| watch.shut().is_some())
    }
}

impl Engine {
    /// Whether an answer about this kind of object is one about the whole tenant. So it is about groups only
    /// where they are asked for to see whether the tenant is back.
    fn speaks_for_all(&self, source: SourceName, kind: Kind) -> bool {
        let watch = self.guards.sources.get(&source);
        kind == Kind::Users || watch.is_some_and(|watch| watch.shut().is_some())
    }

    fn watch_of(&mut self, source: SourceName, speaks_for_all: bool) -> &mut Watch {
        let watches =
            if speaks_for_all { &mut self.guards.sources } else { &mut self.guards.groups };
        watches.entry(source).or_default()
    }

    /// A tenant has answered.
    pub(in crate::cycle) fn source_answered(&mut self, source: SourceName, kind: Kind) {
        let now = self.target.both_clocks();
        let of_all = self.speaks_for_all(source, kind);
        let watch = self.watch_of(source, of_all);
        if watch.shut().is_none_or(|shut| !shut.probing) {
            return watch.answered();
        }
        if let Some(Notice::Released { after }) = watch.probe_answered(now) {
            let minutes = after.as_secs() / 60;
            let groups = if of_all { "" } else { " about its groups" };
            tracing::warn!(
                tenant = %source,
                minutes,
                "the tenant answers again{groups}; Manntall goes on"
            );
        }
        // What is wrong with the other kind is over once that has been read.
        self.settle_trouble(source, kind);
        if of_all {
            self.guards.groups.remove(&source);
            self.poll_source(source);
        }
    }

    /// What a failure says about a tenant, as a whole or about its groups.
    pub(in crate::cycle) fn source_failed(
        &mut self,
        source: SourceName,
        kind: Kind,
        error: &GraphError,
    ) {
        let (at_once, code) = match error.disposition() {
            Disposition::Halt if matches!(error, GraphError::Refused(_)) => (true, 12),
            Disposition::Halt => (true, 69),
            Disposition::Retry { .. } if matches!(error, GraphError::Throttled { .. }) => {
                return self.source_answered(source, kind);
            }
            Disposition::Retry { .. } => (false, 69),
            // It answers, though not as we like.
            Disposition::RestartRound | Disposition::ReadAll => {
                return self.source_answered(source, kind);
            }
        };
        let failure = Failure { at_once, code, reason: error.to_string() };
        let (now, random) = (self.target.both_clocks(), self.random());
        let of_all = self.speaks_for_all(source, kind);
        let watch = self.watch_of(source, of_all);
        let notice = if watch.shut().is_some_and(|shut| shut.probing) {
            watch.probe_failed(failure, now, &random)
        } else {
            watch.failed(failure, now, &random)
        };
        let Some(shut) = watch.shut() else { return };
        let means = if of_all {
            "Until it answers, leavers stay active and nobody is removed"
        } else {
            "That is about groups alone: until it tells of them, groups and memberships stay as they are, \
             while people are read and leavers go on"
        };
        let reason = full_stop(&shut.reason);
        let look = what_to_look_for(shut.code);
        let message = format!("{reason} {means}. {look}: manntall check --online");
        let (since, code) = (shut.since, shut.code);
        let guard = guard_of(code);
        match notice {
            // Where groups were left alone already, the rest of the same tenant is no news to count.
            Some(Notice::Entered) if of_all && self.guards.groups_are_shut(source) => {}
            Some(Notice::Entered) => self.trip(guard),
            Some(Notice::Reminder) => {
                tracing::error!(target: "manntall::trouble", guard = guard.name(), tenant = %source, "still: {message}");
            }
            _ => {}
        }
        if of_all {
            // They are asked with the rest again.
            self.guards.groups.remove(&source);
        }
        let kinds: &[Kind] = if of_all { &[Kind::Users, Kind::Groups] } else { &[Kind::Groups] };
        for &kind in kinds {
            let (guard, message) = (Some(guard.name().into()), message.clone());
            self.source_trouble(source, kind, Trouble { since, code, guard, message });
            self.end_poll(source, kind);
        }
    }
}
