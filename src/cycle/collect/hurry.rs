//! Hurry: polls now what would be polled later, because a person or a guard asks for it.

use super::{Engine, Polled};
use crate::core::model::{SourceName, Timestamp};
use crate::cycle::page_loop::Failing;
use crate::cycle::records::Key;
use crate::cycle::stall::Stall;
use crate::graph::delta::Walk;

impl Engine {
    /// Polls everything now, also what waits after a failure. Where Entra has asked for a wait it is
    /// waited for; where it has done so again and again, and somebody was told, that is the answer.
    pub fn poll_now(&mut self) {
        let now = self.clock.elapsed();
        self.stall = Stall::default();
        for (key, lane) in &mut self.sources.lanes {
            let walk = self.state.walks.get(key);
            let is_reading = !lane.busy.is_empty() || walk.is_some_and(Walk::delta_is_open);
            lane.failing = lane.failing.map(|failing| failing.hurried(now));
            lane.hurry_singles();
            let waits = lane.failing.iter().any(|failing| failing.retry.is_some());
            // What a guard has found is no reason not to ask.
            let told =
                self.sources.troubles.get(key).is_some_and(|trouble| trouble.guard.is_none());
            if waits && told {
                lane.polled = Polled::Done;
                continue;
            }
            lane.poll = Some(now);
            lane.polled = if is_reading { Polled::Again } else { Polled::Open };
        }
        self.guards.hurry(now);
        self.hurry_full_reads();
    }

    /// Reads everything now where no delta link brings news, also where a complete read was refused and waits:
    /// whoever asks is not to wait with it.
    pub(super) fn hurry_full_reads(&mut self) {
        let now = self.clock.now();
        for (&(source, kind), walk) in &mut self.state.walks {
            if !walk.has_link() && walk.want_full(now) {
                self.state.marked.insert(Key::Walk(source, kind));
            }
        }
    }

    /// Which tenant has asked us to wait, and until when; the longest wait of several.
    pub fn asked_to_wait(&self) -> Option<(SourceName, Timestamp)> {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let waits = self.sources.lanes.iter().flat_map(|(&(source, _), lane)| {
            let asked = lane.failing.iter().filter(|failing| failing.is_asked_for);
            asked.filter_map(move |failing| Some((failing.retry?, source)))
        });
        let (until, source) = waits.filter(|(until, _)| *until > elapsed).max()?;
        Some((source, now.plus(until.saturating_sub(elapsed))))
    }

    /// Polls one source now.
    pub(in crate::cycle) fn poll_source(&mut self, source: SourceName) {
        let now = self.clock.elapsed();
        for (_, run) in self.sources.lanes.iter_mut().filter(|((name, _), _)| *name == source) {
            (run.poll, run.failing) = (Some(now), [Failing::default(); 2]);
        }
    }
}
