//! How much is too much: the populations that budgets are shares of, and what a meter has left.

use std::collections::BTreeMap;

use super::JudgementContext;
use super::meter::{Guard, Meter, Of};
use crate::core::model::{AttrPath, GroupKey, Ledger, Link, SourceName};
use crate::core::policy::{ADOPTIONS_UNASKED_MAX, Adopt, Budget, Budgets};

/// Populations below this size are small: a floor of five would be half of a unit of ten.
const SMALL_BELOW: u64 = 50;

/// Of a small population one in so many, and always one, may go unasked: a unit of ten can lose two
/// people in a day like any other, and no floor empties it.
const SMALL_SHARE: u64 = 5;

/// Groups that have fewer members in the rolling day come and go by halves as a matter of course.
const SHRINK_MEMBERS_MIN: u64 = 10;

/// What the target holds of ours, and by source, as far as budgets are shares of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Population {
    /// By the source of the person.
    pub sources: BTreeMap<SourceName, SourcePopulation>,
    /// Members of each managed group.
    pub members: BTreeMap<GroupKey, u64>,
}

/// What the target holds of ours of the people of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourcePopulation {
    /// Managed accounts, deactivated ones too.
    pub accounts: u64,
    /// Managed accounts that are active.
    pub active: u64,
    /// Memberships in managed groups, whatever source the group is from.
    pub memberships: u64,
    /// Managed accounts that hold the attribute.
    pub holders: BTreeMap<AttrPath, u64>,
}

impl Population {
    /// Counts a ledger.
    pub fn of(ledger: &Ledger) -> Self {
        let mut population = Self::default();
        for (person, entry) in &ledger.accounts {
            if entry.link.managed().is_none() {
                continue;
            }
            let source = population.sources.entry(person.source).or_default();
            source.accounts += 1;
            source.active += u64::from(matches!(entry.link, Link::Linked(_)));
            for (path, _) in entry.sent.iter().filter(|(_, value)| !value.is_unassigned()) {
                match source.holders.get_mut(path) {
                    Some(count) => *count += 1,
                    None => drop(source.holders.insert(path.clone(), 1)),
                }
            }
        }
        for (key, entry) in &ledger.groups {
            if entry.link.managed().is_none() {
                continue;
            }
            let mut members = 0;
            for person in &entry.members {
                members += 1;
                population.sources.entry(person.source).or_default().memberships += 1;
            }
            population.members.insert(key.clone(), members);
        }
        population
    }

    fn groups_of(&self, source: Option<SourceName>) -> u64 {
        let is_of = |key: &&GroupKey| match key {
            GroupKey::Directory { source: of, .. } => Some(*of) == source,
            GroupKey::Rule { .. } => source.is_none(),
        };
        self.members.keys().filter(is_of).count().try_into().unwrap_or(u64::MAX)
    }
}

/// What one meter shows.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) fresh: u64,
    /// Cleared unasked by an earlier judgement and not made yet.
    pub(super) queued: u64,
    pub(super) approved: u64,
    /// Who leaves the group with their account, and counts there.
    pub(super) following: u64,
    pub(super) left: u64,
}

/// How many fresh changes the meter lets through in this judgement: its limit, but no more than what
/// those made and those queued leave of twice the limit in the rolling day.
pub(super) fn left(
    meter: &Meter,
    reading: &Reading,
    context: &JudgementContext,
    budgets: &Budgets,
) -> u64 {
    let &Reading { fresh: _, queued, approved, following, left: _ } = reading;
    let made = context.spent.get(meter).copied().unwrap_or(0);
    let spent = made.saturating_add(queued);
    // What was announced comes on top, and is used up first.
    let windows = context.windows.iter().filter(|window| window.guard == meter.guard);
    let announced = windows.fold(0, |sum: u64, window| sum.saturating_add(window.left(meter)));
    let spent_here = made.saturating_add(queued.saturating_sub(announced));
    let unspent = |limit: u64| {
        let left = limit.min(limit.saturating_mul(2).saturating_sub(spent_here));
        left.saturating_add(announced.saturating_sub(queued))
    };
    let empty = SourcePopulation::default();
    let source = meter.source.and_then(|source| context.population.sources.get(&source));
    let people = source.unwrap_or(&empty);
    match (meter.guard, &meter.of) {
        (Guard::Deactivate, _) => unspent(careful(budgets.deactivate, people.active)),
        (Guard::Delete, Of::Groups) => {
            unspent(careful(budgets.delete, context.population.groups_of(meter.source)))
        }
        (Guard::Delete, _) => unspent(careful(budgets.delete, people.accounts)),
        (Guard::MemberRemove, _) => unspent(careful(budgets.member_remove, people.memberships)),
        (Guard::GroupShrink, of) => {
            let members = match of {
                Of::Group(group) => context.population.members.get(group).copied().unwrap_or(0),
                Of::All | Of::Groups | Of::Attribute(_) | Of::Property(_) => 0,
            };
            let is_emptied = matches!(of, Of::Group(group) if context.emptied.contains(group));
            // Who is about to leave is as good as gone: of a share as large as a half, twice would be
            // all of a group whose members have not begun to leave.
            let members = members.saturating_sub(queued);
            // Those who left today still count here, or a group could be halved until it is small.
            if !is_emptied && members.saturating_add(spent) < SHRINK_MEMBERS_MIN {
                return u64::MAX;
            }
            // Whoever leaves by a word, or with their account, empties a group as well as others do.
            let most = members.saturating_sub(1).saturating_sub(approved + following);
            if is_emptied {
                announced.saturating_sub(queued)
            } else {
                unspent(limit(budgets.group_shrink, members))
            }
            .min(most)
        }
        (Guard::Rename, _) => unspent(limit(budgets.rename, people.active)),
        (Guard::Clear, of) => {
            let holders = match of {
                Of::Attribute(path) => people.holders.get(path).copied().unwrap_or(0),
                Of::All | Of::Groups | Of::Group(_) | Of::Property(_) => 0,
            };
            unspent(limit(budgets.clear, holders))
        }
        (Guard::Create, _) => unspent(limit(budgets.create, people.accounts)),
        (Guard::Reactivate, _) => unspent(limit(budgets.reactivate, people.accounts)),
        (Guard::Adopt, _) => match context.adopt {
            Adopt::Never => 0,
            Adopt::Approve => unspent(ADOPTIONS_UNASKED_MAX.try_into().unwrap_or(u64::MAX)),
            Adopt::Automatic => u64::MAX,
        },
        (
            Guard::ScopeChange
            | Guard::Inactive
            | Guard::Coverage
            | Guard::Identity
            | Guard::Quarantine
            | Guard::Stall
            | Guard::Trial
            | Guard::Unreachable
            | Guard::Other
            | Guard::ScopeEmptied,
            _,
        ) => 0,
    }
}

fn limit(budget: Budget, population: u64) -> u64 {
    let Budget { basis_points, min, max } = budget;
    let share = population.saturating_mul(basis_points.into()) / 10_000;
    share.max(min.into()).min(max.map_or(u64::MAX, u64::from))
}

fn careful(budget: Budget, population: u64) -> u64 {
    let limit = limit(budget, population);
    if population < SMALL_BELOW { limit.min((population / SMALL_SHARE).max(1)) } else { limit }
}
