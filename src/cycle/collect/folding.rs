//! Folding: takes a round that was read to its end into the mirror, and says what follows from it.

use std::collections::BTreeSet;

use super::counting::{gap, unread, untold};
use super::{Polled, selected, selection, spread};
use crate::core::coverage::{ACCOUNT_ENABLED, Glance};
use crate::core::judge::Guard;
use crate::core::mirror::{Folding, Round};
use crate::core::model::{Element, Kind, ObjectId, SourceName, Timestamp};
use crate::core::report::Gap;
use crate::cycle::page_loop::Failing;
use crate::cycle::records::Key;
use crate::cycle::{Engine, Trouble};
use crate::graph::delta::{Lane, Walk};
use crate::store::StoreError;

/// Where Graph did not count, everything is read so much more often than otherwise: it may count again.
const UNCOUNTED_PARTS: u32 = 4;

/// A round that was read to its end.
#[derive(Clone, Copy)]
struct Ended {
    source: SourceName,
    kind: Kind,
    lane: Lane,
    round: Round,
    /// Nothing was told in it.
    is_mute: bool,
}

/// What a fold did to the mirror.
#[derive(Default)]
struct Folded {
    changed: BTreeSet<ObjectId>,
    /// Something is left that no later delta round tells of.
    is_unsure: bool,
    /// What of it could not be read.
    gap: Option<Gap>,
}

impl Engine {
    /// Folds a round that is whole: first durably marked as whole, then folded in steps that may be
    /// repeated. A round without a word has no steps, and nothing of it need be durable: an idle service
    /// writes nothing.
    pub(super) fn fold_if_whole(
        &mut self,
        source: SourceName,
        kind: Kind,
    ) -> Result<(), StoreError> {
        let walk = self.state.walks.get(&(source, kind));
        let Some((lane, round)) = walk.and_then(Walk::folding) else { return Ok(()) };
        let now = self.clock.now();
        let is_mute = walk.is_some_and(|walk| walk.is_mute(lane));
        let ended = Ended { source, kind, lane, round, is_mute };
        if !is_mute {
            self.state.commit()?;
        }
        let elements = self.state.staged(source, kind, lane)?;
        let said = !elements.is_empty();
        if !self.sources.tenants.contains_key(&source) {
            return Ok(());
        }
        let elements = self.believed(ended, elements, now)?;
        let Folded { changed, is_unsure, gap } = self.fold(ended, elements);
        self.mark_folded(source, kind, &changed)?;
        self.want_singles(source, kind, &changed);
        match kind {
            Kind::Users => self.renew_answers(source, &changed),
            Kind::Groups => self.renew_group_answers(source, &changed),
        }
        if let (Some(gap), Some(walk)) = (gap, self.state.walks.get_mut(&(source, kind))) {
            walk.note_gap(round, gap);
        }
        self.end_walk(ended, is_unsure, now)?;
        self.note_link(ended);
        self.after_round(source, kind, round, said);
        self.end_round(source, kind, lane);
        Ok(())
    }

    /// What is believed of a round: properties that many lose at once are not.
    fn believed(
        &mut self,
        ended: Ended,
        elements: Vec<Element>,
        now: Timestamp,
    ) -> Result<Vec<Element>, StoreError> {
        let Ended { source, kind, round, .. } = ended;
        let Some(found) = self.sources.tenants.get(&source) else { return Ok(elements) };
        let selected = selected(found, kind);
        let mirror = self.state.mirrors.entry(source).or_default();
        let known = self.state.coverage.entry((source, kind)).or_default();
        let glance = Glance { kind, round, selected, elements: &elements, mirror };
        let mut coverage =
            if elements.is_empty() { known.clone() } else { known.after(&glance, now) };
        if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
            let mut nulls = std::mem::take(&mut run.null_ids);
            // The last word of a round counts, and a complete read tells it by its silence.
            let told = if nulls.is_empty() { BTreeSet::new() } else { told(&elements) };
            nulls.retain(|id| round == Round::Delta && !told.contains(id));
            coverage.lose_states(&nulls, mirror, now);
        }
        let elements = coverage.believed(elements);
        if coverage != *known {
            // What is not believed must be known before the first step of the fold is durable.
            *known = coverage;
            self.state.mark(Key::Coverage(source, kind));
            self.state.commit()?;
        }
        Ok(elements)
    }

    /// Takes what is believed into the mirror.
    fn fold(&mut self, ended: Ended, elements: Vec<Element>) -> Folded {
        let Ended { source, kind, lane, round, is_mute } = ended;
        let Some(found) = self.sources.tenants.get(&source) else { return Folded::default() };
        let walk = self.state.walks.get(&(source, kind));
        let listed = walk.map_or(0, |walk| walk.listed(lane));
        let counted = lane == Lane::Delta || !walk.is_some_and(|walk| walk.uncounted);
        let doubted = self.state.recovery.is_some();
        let coverage = self.state.coverage.entry((source, kind)).or_default();
        let selected = coverage.told(selected(found, kind));
        let keep = &found.keep;
        let how = Folding { kind, round, listed, selected: &selected, keep, doubted, counted };
        let mirror = self.state.mirrors.entry(source).or_default();
        let untold = untold(&elements);
        let unread = unread(&elements, lane);
        let gap = (!is_mute).then(|| gap(&elements, self.clock.now()));
        let changed = mirror.fold(&how, elements);
        // To look at everybody costs as much as there is, and most rounds say nothing.
        let known = self.sources.lanes.get(&(source, kind)).and_then(|run| run.unsettled);
        let unsettled = known.filter(|_| is_mute).unwrap_or_else(|| mirror.unsettled());
        for run in [Kind::Users, Kind::Groups].map(|of| (source, of)) {
            if let Some(run) = self.sources.lanes.get_mut(&run) {
                run.unsettled = Some(unsettled);
            }
        }
        if let (Lane::Full, Some(run)) = (lane, self.sources.lanes.get_mut(&(source, kind))) {
            // Every user has it: a complete read without it is as good as one where it is null.
            run.account_enabled_nulls += untold;
        }
        let is_partial = kind == Kind::Groups && unsettled.has_partial_group;
        // Whatever changed there is told of by no later delta round.
        let is_unsure =
            unsettled.has_missing || is_partial || unread || self.is_withheld(source, kind);
        Folded { changed, is_unsure, gap }
    }

    /// Notes in the walk that the round is folded, and when the next complete read is due.
    fn end_walk(
        &mut self,
        ended: Ended,
        is_unsure: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Ended { source, kind, lane, is_mute, .. } = ended;
        let digest = self.sources.tenants.get(&source).map(|found| selection(found, kind));
        let mut is_wanted = false;
        if let Some(walk) = self.state.walks.get_mut(&(source, kind)) {
            walk.on_folded(lane, now, &digest.unwrap_or_default());
            // After every round, since a clock that was wrong may have put the complete read off.
            let span = if is_unsure {
                self.timing.confirm_absence
            } else if walk.gap.as_ref().is_some_and(|gap| gap.uncounted) {
                self.timing.full_compare / UNCOUNTED_PARTS
            } else {
                self.timing.full_compare
            };
            is_wanted = walk.want_full(now.plus(span));
        }
        if is_mute && !is_wanted {
            self.state.mark_for_later(Key::Walk(source, kind));
        } else {
            self.state.mark(Key::Walk(source, kind));
        }
        if !is_mute {
            self.state.commit()?;
            self.state.unstage(source, kind, lane)?;
        }
        Ok(())
    }

    /// Notes whether a delta round has led to a link for the next one.
    fn note_link(&mut self, ended: Ended) {
        let Ended { source, kind, lane, .. } = ended;
        let has_link = self.state.walks.get(&(source, kind)).is_some_and(Walk::has_link);
        let elapsed = self.clock.elapsed();
        if lane == Lane::Delta
            && let Some(run) = self.sources.lanes.get_mut(&(source, kind))
        {
            if has_link {
                run.on_link_kept();
            } else {
                run.failing_mut(Lane::Full).retry = Some(elapsed + run.wait_for_full(lane));
                run.on_link_lost(elapsed);
            }
        }
    }

    /// Says when the next poll is due.
    fn end_round(&mut self, source: SourceName, kind: Kind, lane: Lane) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        if !run.current.remove(&lane) {
            run.poll = Some(elapsed);
            return;
        }
        let interval = spread(self.timing.poll_interval, self.sources.jitter.as_deref());
        run.poll = Some(match run.poll {
            _ if run.polled == Polled::Again => elapsed,
            Some(begun) => (begun + interval).max(elapsed),
            None => elapsed + interval,
        });
        run.polled = match run.polled {
            Polled::Again => Polled::Open,
            Polled::Open | Polled::Done => Polled::Done,
        };
        run.fresh = true;
        run.last_round = Some(now);
    }

    fn mark_folded(
        &mut self,
        source: SourceName,
        kind: Kind,
        changed: &BTreeSet<ObjectId>,
    ) -> Result<(), StoreError> {
        /// A commit of a fold holds so many objects at the most.
        const STEP: usize = 2_000;
        for (at, &id) in changed.iter().enumerate() {
            match kind {
                Kind::Users => self.state.mark(Key::User(source, id)),
                Kind::Groups => self.state.mark_group(source, id),
            }
            if (at + 1) % STEP == 0 {
                self.state.commit()?;
            }
        }
        if let Some(touched) = &mut self.target.planning.touched {
            let ids = changed.iter().map(|&id| (source, id));
            match kind {
                Kind::Users => touched.users.extend(ids),
                Kind::Groups => touched.groups.extend(ids),
            }
        }
        Ok(())
    }

    fn after_round(&mut self, source: SourceName, kind: Kind, round: Round, said: bool) {
        let is_first = self.sources.complete.insert((source, kind));
        if is_first {
            self.target.planning.touched = None;
        }
        if kind == Kind::Users && (is_first || said || round != Round::Delta) {
            self.look_for_unsaid(source);
        }
        // What is told again after each round has lasted since it was told first.
        let before = self.sources.troubles.get(&(source, kind));
        let before = before.filter(|one| one.guard.as_deref() == Some(Guard::Coverage.name()));
        let before = before.map(|one| one.since);
        let is_fresh = self.sources.lanes.get(&(source, kind)).is_some_and(|run| run.fresh);
        let is_news = said || !is_fresh || round != Round::Delta;
        let elapsed = self.clock.elapsed();
        let is_early = elapsed < self.reporting.noted.judge_again;
        self.target.planning.judge_due |= is_news || self.target.queue.is_drained() || !is_early;
        if round != Round::Delta {
            self.recount();
        }
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        match round {
            Round::Full(_) => run.failing = [Failing::default(); 2],
            Round::Delta | Round::Refused => *run.failing_mut(Lane::Delta) = Failing::default(),
        }
        self.settle_trouble(source, kind);
        self.tell_withheld(source, kind);
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        let nulls = std::mem::take(&mut run.account_enabled_nulls);
        let (are_many, is_lost) = (run.unsaid.are_many, nulls > 0 || !run.unsaid.is_empty());
        if are_many && !self.sources.troubles.contains_key(&(source, kind)) {
            let message = "accountEnabled comes back null or not at all; the last known values stay, and \
                           nobody is deactivated because of it. Check the permissions of the application in \
                           Entra: manntall check --online";
            let (since, message) = (before.unwrap_or(self.clock.now()), message.to_owned());
            let guard = Some(Guard::Coverage.name().into());
            self.trip(Guard::Coverage);
            self.source_trouble(source, kind, Trouble { since, code: 69, guard, message });
        }
        if is_lost {
            // Whoever was disabled meanwhile is told of by no later delta round.
            let again = self.clock.now().plus(self.timing.confirm_absence);
            let walk = self.state.walks.get_mut(&(source, kind));
            if walk.is_some_and(|walk| walk.want_full(again)) {
                self.state.mark(Key::Walk(source, kind));
            }
        }
    }
}

/// The users of whom the elements say whether they may sign in, or that they are gone.
fn told(elements: &[Element]) -> BTreeSet<ObjectId> {
    let told = elements.iter().filter_map(|element| match element {
        Element::User { id, properties, .. } if properties.contains_key(ACCOUNT_ENABLED) => {
            Some(*id)
        }
        Element::Removed { id, .. } => Some(*id),
        _ => None,
    });
    told.collect()
}
