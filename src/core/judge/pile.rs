//! Sorts what a guard limits: what is cleared, and what waits together.

use std::collections::BTreeMap;

use super::guarded::Guarded;
use super::limit::{Reading, left};
use super::memory::{Memory, Past, Word};
use super::meter::{Guard, Meter};
use super::part::{Extent, Part, instead, parts};
use super::{HeldBefore, Standing};
use crate::core::model::{Entity, Timestamp};
use crate::core::plan::{Action, ChangeDigest, Changes};
use crate::core::policy::Budgets;

/// A part of a change that at least one meter counts.
pub(super) struct Limited<'a> {
    pub(super) entity: &'a Entity,
    pub(super) extent: Extent,
    pub(super) claims: Vec<(Guarded, ChangeDigest)>,
    pub(super) word: Option<Word<'a>>,
    pub(super) meters: Vec<Meter>,
    past: Past<'a>,
    /// Whether it takes from somebody once more what the day has counted already.
    is_repeat: bool,
}

/// What waits, or waited until it was approved, for the same reason and equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pile<'a> {
    pub(super) meter: &'a Meter,
    pub(super) since: Timestamp,
    pub(super) limit: u64,
    /// The place of the earlier hold that it continues; two of them never merge.
    before: Option<usize>,
}

impl<'a> Pile<'a> {
    /// The pile that goes on where an earlier hold was, in this place of [`Standing::held`].
    pub(super) fn after(at: usize, held: &'a HeldBefore) -> Self {
        let HeldBefore { meter, limit, since, claims: _ } = held;
        Self { meter, since: *since, limit: *limit, before: Some(at) }
    }
}

/// All meters that count something in this judgement.
pub(super) type Readings<'a> = BTreeMap<&'a Meter, Reading>;

/// What is judged by itself, in the order of the plan.
pub(super) fn limited<'a>(
    changes: &'a Changes,
    standing: &'a Standing,
    memory: &Memory<'a>,
) -> Vec<Limited<'a>> {
    let own = changes.values().filter(|change| !change.is_follower());
    own.flat_map(|change| {
        let lacks_adoption = memory.lacks_adoption(change);
        let is_instead = lacks_adoption || memory.lacks_creation(change);
        let mut parts = parts(change, standing);
        if lacks_adoption || (is_instead && parts.is_empty()) {
            parts = vec![instead(change)];
        }
        parts.into_iter().map(move |Part { extent, claims, mut meters }| {
            if claims.iter().any(|(subject, _)| standing.resting.contains(subject)) {
                // It waits for a word of its own, and uses up nobody's budget.
                meters = vec![Meter::of_rules(&change.entity)];
            }
            let named = claims.iter().map(|(subject, shown)| (subject, *shown));
            let word = memory.word(named);
            let past = match memory.past(&claims) {
                Past::Fresh | Past::Cleared if is_instead => Past::Renewed,
                past => past,
            };
            let is_repeat = change.action == Action::Deactivate
                && meters.iter().all(|meter| meter.guard == Guard::Deactivate)
                && standing.is_departed(&change.entity);
            Limited { entity: &change.entity, extent, claims, word, meters, past, is_repeat }
        })
    })
    .collect()
}

/// Reads every meter once.
pub(super) fn readings<'a>(
    limited: &'a [Limited<'_>],
    standing: &Standing,
    budgets: &Budgets,
) -> Readings<'a> {
    let mut readings = Readings::new();
    for item in limited {
        for meter in &item.meters {
            let reading = readings.entry(meter).or_default();
            match (item.word, item.past) {
                (Some(Word::Approved(_)), _) => reading.approved += 1,
                (None, Past::Fresh | Past::Cleared) if item.is_repeat => {}
                (None, Past::Fresh) => reading.fresh += 1,
                (None, Past::Cleared) => reading.queued += 1,
                (Some(Word::Rejected(_)), _) | (None, Past::Held(..) | Past::Renewed) => {}
            }
        }
    }
    for (meter, reading) in &mut readings {
        reading.left = left(meter, reading, standing, budgets);
    }
    readings
}

impl Limited<'_> {
    /// Where it waits, or waited until it was approved.
    pub(super) fn pile<'a>(&'a self, readings: &Readings<'a>, now: Timestamp) -> Option<Pile<'a>> {
        let mut read = self.meters.iter().filter_map(|meter| Some((meter, readings.get(meter)?)));
        let (since, (meter, reading)) = match (self.word, self.past) {
            (_, Past::Held(at, held)) => return Some(Pile::after(at, held)),
            (Some(Word::Approved(_)), _) | (None, Past::Cleared) => return None,
            (None, Past::Fresh) if self.is_repeat => return None,
            (Some(Word::Rejected(rejection)), _) => (rejection.at, read.next()?),
            (None, Past::Renewed) => (now, read.next()?),
            (None, Past::Fresh) => (now, read.find(|(_, reading)| reading.fresh > reading.left)?),
        };
        Some(Pile { meter, since, limit: reading.left, before: None })
    }
}
