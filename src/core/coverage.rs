//! Coverage: the share of objects that have each selected property. When many lose a property at
//! once, it is more likely withheld from us (consent withdrawn, a role removed, another `$select`)
//! than gone. Then it counts as unknown: last known values stay, until it is back or a person says
//! that it really is gone.
//!
//! Looks at one whole round before it is folded. A slow drip is not its business: the budgets count it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::mirror::ACCOUNT_ENABLED;
use super::mirror::{Mirror, Round};
use super::model::{Datum, Element, Kind, ObjectId, Presence, Properties, SourceUser, Timestamp};

/// Fewer than so many who lose a property are everyday work, and within the least budget for clearing.
const LOST_MIN: u64 = 10;
/// More than one in so many of those who had it is a sudden fall: from 98 % to just above 80 % is one.
const LOST_SHARE: u64 = 6;
/// Fewer than [`LOST_MIN`] hold it, at least so many, and all lose it in one round: a fall as well.
const ALL_LOST_MIN: u64 = 5;
/// More than so many who lost one property are counted and not remembered one by one.
const WHO_MAX: usize = 1_000;
/// What is known of one tenant's users or groups. Durable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// How many have lost a property in delta rounds since the last complete read.
    pub lost: BTreeMap<String, u64>,
    /// Properties that count as unknown.
    pub withheld: BTreeMap<String, Withheld>,
    /// Properties of which somebody said that they really are gone. The next complete read is taken as
    /// it stands.
    pub accepted: BTreeSet<String>,
}

/// A property that counts as unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Since when.
    pub since: Timestamp,
    /// How many had it.
    pub had: u64,
    /// How many of them lost it.
    pub lost: u64,
    /// Who they are, as far as they are not too many: the mirror keeps their last value, and so does not tell them
    /// from those who have it.
    pub who: BTreeSet<ObjectId>,
}

impl Withheld {
    /// All who lost it, where they are so few that each is a matter of its own.
    pub fn few(&self) -> Option<&BTreeSet<ObjectId>> {
        let all = u64::try_from(self.who.len()).is_ok_and(|known| known >= self.lost);
        (all && self.lost <= few_of(self.had)).then_some(&self.who)
    }
}

/// So many of these are few: what is wrong is wrong with them, and not with the tenant.
pub fn few_of(all: u64) -> u64 {
    (all / 100).max(3)
}

/// One whole round, before it is folded.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// Users or groups.
    pub kind: Kind,
    /// How it was read.
    pub round: Round,
    /// The properties asked for.
    pub selected: &'a BTreeSet<String>,
    /// What was said, in the order it arrived.
    pub elements: &'a [Element],
    /// What was known before.
    pub mirror: &'a Mirror,
}

/// Who had a property, and what the round says of them.
#[derive(Debug, Clone, Default)]
struct Count {
    had: u64,
    lost: BTreeSet<ObjectId>,
    found: u64,
    /// Who lost it before and is gone, or has it again.
    back: BTreeSet<ObjectId>,
}

impl Coverage {
    /// The coverage after the round. Judging the same round again, with part of it folded, withholds
    /// nothing more.
    #[must_use]
    pub fn after(&self, glance: &Glance<'_>, now: Timestamp) -> Self {
        let is_full = matches!(glance.round, Round::Full(_));
        let counts = counts(glance, &self.withheld);
        let mut after = self.clone();
        after.withheld.retain(|name, _| glance.selected.contains(name));
        for (name, count) in counts {
            let known = self.withheld.get(name);
            let before = if is_full { 0 } else { self.lost.get(name).copied().unwrap_or(0) };
            let lost_now = size(count.lost.len());
            let lost = (before + lost_now).saturating_sub(count.found + size(count.back.len()));
            let is_accepted = self.accepted.contains(name) && name != ACCOUNT_ENABLED;
            let had = || match known {
                _ if is_full => count.had,
                // The mirror keeps the last value of whoever lost it since.
                Some(known) => known.had,
                None => before + holders(glance, name),
            };
            let mut who = known.filter(|_| !is_full).map_or_else(BTreeSet::new, |known| {
                known.who.difference(&count.back).copied().collect()
            });
            let room = WHO_MAX.saturating_sub(who.len());
            who.extend(count.lost.iter().take(room));
            if !is_accepted && is_fall(name, lost, lost_now, had) {
                let since = known.map_or(now, |known| known.since);
                let withheld = Withheld { since, had: had(), lost: lost.min(had()), who };
                after.withheld.insert(name.to_owned(), withheld);
            } else if is_full {
                after.withheld.remove(name);
            } else if let Some(known) = after.withheld.get_mut(name) {
                (known.lost, known.who) = (lost.min(known.had), who);
            }
            after.lost.insert(name.to_owned(), lost);
        }
        if is_full {
            // Who has lost what is withheld is counted on from here.
            let lost = after.withheld.iter().map(|(name, one)| (name.clone(), one.lost));
            after.lost = lost.collect();
            after.accepted.clear();
        }
        after.lost.retain(|_, lost| *lost > 0);
        after
    }

    /// These came with null for whether they may sign in, which a delta round says of whoever it concerns and
    /// nothing else tells: they have lost it, until it is told of them again.
    pub fn lose_states(&mut self, ids: &BTreeSet<ObjectId>, mirror: &Mirror, now: Timestamp) {
        let has = |id: &ObjectId| {
            let user = mirror.users.get(id).filter(|user| user.kept && !user.partial);
            user.is_some_and(|user| has(&user.properties, ACCOUNT_ENABLED))
        };
        let known = self.withheld.get(ACCOUNT_ENABLED);
        let is_new = |id: &&ObjectId| known.is_none_or(|known| !known.who.contains(*id));
        let lost: Vec<ObjectId> = ids.iter().filter(is_new).filter(|id| has(id)).copied().collect();
        if lost.is_empty() {
            return;
        }
        let count = size(lost.len());
        let entry = self.withheld.entry(ACCOUNT_ENABLED.to_owned());
        let withheld = entry.or_insert_with(|| {
            let had = mirror.users.keys().filter(|id| has(id)).count();
            Withheld { since: now, had: size(had), lost: 0, who: BTreeSet::new() }
        });
        withheld.lost = (withheld.lost + count).min(withheld.had);
        withheld.who.extend(lost);
        *self.lost.entry(ACCOUNT_ENABLED.to_owned()).or_default() += count;
    }

    /// Takes somebody's word that a property really is gone.
    pub fn accept(&mut self, name: &str) {
        if name != ACCOUNT_ENABLED && self.withheld.remove(name).is_some() {
            self.accepted.insert(name.to_owned());
        }
    }

    /// The properties that may be asked about: all that are withheld, but whether people may sign in.
    pub fn acceptable(&self) -> impl Iterator<Item = (&str, &Withheld)> {
        let names = self.withheld.iter().map(|(name, withheld)| (name.as_str(), withheld));
        names.filter(|(name, _)| *name != ACCOUNT_ENABLED)
    }

    /// The properties that a round still tells: what is withheld is neither concluded from silence
    /// nor believed to be null.
    pub fn told(&self, selected: &BTreeSet<String>) -> BTreeSet<String> {
        selected.iter().filter(|name| !self.withheld.contains_key(*name)).cloned().collect()
    }

    /// Of how many of the users that are kept each property is told, and how many these are. Who lost one
    /// that is withheld does not count, although the mirror holds the last known value.
    pub fn shares(
        &self,
        mirror: &Mirror,
        selected: &BTreeSet<String>,
    ) -> BTreeMap<String, (u64, u64)> {
        let kept = |user: &&SourceUser| user.kept && !matches!(user.presence, Presence::Removed(_));
        let mut shares: BTreeMap<&str, u64> =
            selected.iter().map(|name| (name.as_str(), 0)).collect();
        let mut all = 0;
        for user in mirror.users.values().filter(kept) {
            all += 1;
            for (name, _) in user.properties.iter().filter(|(_, value)| !value.is_unassigned()) {
                if let Some(count) = shares.get_mut(name.as_str()) {
                    *count += 1;
                }
            }
        }
        for (name, withheld) in &self.withheld {
            if let Some(count) = shares.get_mut(name.as_str()) {
                *count = count.saturating_sub(withheld.lost);
            }
        }
        shares.into_iter().map(|(name, have)| (name.to_owned(), (have, all))).collect()
    }

    /// The elements without the nulls that are not believed.
    pub fn believed(&self, elements: Vec<Element>) -> Vec<Element> {
        if self.withheld.is_empty() {
            return elements;
        }
        let mut elements = elements;
        for element in &mut elements {
            if let Element::User { properties, .. }
            | Element::Group { properties, .. }
            | Element::Unreadable { properties, .. } = element
            {
                properties.retain(|name, value| {
                    !(value.is_unassigned() && self.withheld.contains_key(name.as_str()))
                });
            }
        }
        elements
    }
}

fn is_fall(name: &str, lost: u64, lost_now: u64, had: impl Fn() -> u64) -> bool {
    if name == ACCOUNT_ENABLED {
        return lost_now > 0;
    }
    (lost >= LOST_MIN && lost * LOST_SHARE > had())
        || ((ALL_LOST_MIN..LOST_MIN).contains(&lost_now) && lost_now == had())
}

/// What one round says of each object: which properties came with a value, and which as null, one bit
/// each in the order of the selection. No selection has more than 128.
#[derive(Default)]
struct Words {
    values: u128,
    nulls: u128,
    /// What could not be read is not lost, but for whether somebody may sign in: that is never guessed.
    unread: u128,
    is_gone: bool,
    is_described: bool,
}

fn counts<'a>(
    glance: &Glance<'a>,
    withheld: &BTreeMap<String, Withheld>,
) -> BTreeMap<&'a str, Count> {
    let bits = || glance.selected.iter().zip((0..128).map(|at| 1_u128 << at));
    let mut said: BTreeMap<ObjectId, Words> = BTreeMap::new();
    for element in glance.elements {
        let Some(id) = element.id() else { continue };
        let words = said.entry(id).or_default();
        let (properties, unread) = match element {
            Element::User { properties, unread, .. }
            | Element::Group { properties, unread, .. } => (properties, unread.as_slice()),
            // It says nothing of the object as a whole.
            Element::Unreadable { .. } => continue,
            Element::Removed { .. } => {
                words.is_gone = true;
                continue;
            }
        };
        words.is_gone = false;
        words.is_described = true;
        for (name, bit) in bits() {
            if name != ACCOUNT_ENABLED && unread.iter().any(|one| one.as_str() == name) {
                words.unread |= bit;
            }
            match properties.get(name.as_str()).map(Datum::is_unassigned) {
                Some(true) => {
                    words.values &= !bit;
                    words.nulls |= bit;
                }
                Some(false) => {
                    words.nulls &= !bit;
                    words.values |= bit;
                }
                None => {}
            }
        }
    }
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let is_full = matches!(glance.round, Round::Full(_));
    let is_counted = |name: &str, id: &ObjectId| {
        !is_full && withheld.get(name).is_some_and(|known| known.who.contains(id))
    };
    for (id, words) in &said {
        let known = known(glance, *id).filter(|_| words.is_described && !words.is_gone);
        for (name, bit) in bits() {
            let name = name.as_str();
            let is_counted = is_counted(name, id);
            let has = words.values & bit != 0;
            if is_counted && (words.is_gone || has) {
                counts.entry(name).or_default().back.insert(*id);
            }
            let Some(known) = known else { continue };
            let had = self::has(known, name);
            let is_silent = is_full && words.unread & bit == 0;
            let loses = had && !has && (is_silent || words.nulls & bit != 0);
            let count = counts.entry(name).or_default();
            count.had += u64::from(had);
            if loses && !is_counted {
                count.lost.insert(*id);
            }
            count.found += u64::from(!had && has && !is_full);
        }
    }
    counts
}

fn size(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

fn has(properties: &Properties, name: &str) -> bool {
    properties.get(name).is_some_and(|value| !value.is_unassigned())
}

/// What was known of an object that is kept whole.
fn known<'a>(glance: &Glance<'a>, id: ObjectId) -> Option<&'a Properties> {
    match glance.kind {
        Kind::Users => {
            let user = glance.mirror.users.get(&id)?;
            let is_whole = user.kept && !matches!(user.presence, Presence::Removed(_));
            is_whole.then_some(&*user.properties)
        }
        Kind::Groups => {
            let group = glance.mirror.groups.get(&id)?;
            (!matches!(group.presence, Presence::Removed(_))).then_some(&*group.properties)
        }
    }
}

/// How many have the property, by the mirror.
fn holders(glance: &Glance<'_>, name: &str) -> u64 {
    let ids: Vec<ObjectId> = match glance.kind {
        Kind::Users => glance.mirror.users.keys().copied().collect(),
        Kind::Groups => glance.mirror.groups.keys().copied().collect(),
    };
    let holders = ids.into_iter().filter(|id| known(glance, *id).is_some_and(|one| has(one, name)));
    size(holders.count())
}
