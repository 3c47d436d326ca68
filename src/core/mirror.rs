//! The mirror of one tenant: what Entra last said, folded from delta rounds and complete reads.
//!
//! Keeps three rules. What a page does not carry stays as it was. A tombstone, a null and a member
//! removal are evidence at once. What a complete read does not list is missing, and only a single read that does
//! not find it and a second complete read without it make that evidence.

mod groups;
mod single;
#[cfg(test)]
mod tests;
mod untold;

pub use self::single::SINGLES_MAX;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::single::is_given_back;
use super::expression::{Evaluated, Expression, Input};
use super::model::{
    Datum, Edge, Element, Kind, MemberKind, ObjectId, Presence, Properties, PropertyName,
    SourceGroup, SourceUser, Tombstone,
};

/// Whether somebody may sign in is never concluded from silence, not even for one person: null or missing for
/// everybody is what a withdrawn permission looks like, and reading it as false would deactivate a whole town.
pub const ACCOUNT_ENABLED: &str = "accountEnabled";

/// The login name: Entra has one for everybody.
const LOGIN_NAME: &str = "userPrincipalName";

/// The one link among the properties of a user.
const MANAGER: &str = "manager";

/// The link of a group, as it is named among what could not be read.
const MEMBERS: &str = "members";

/// The name of a group, which each has.
const DISPLAY_NAME: &str = "displayName";

/// What one tenant holds, as far as it told us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Users by object id, tombstones included.
    pub users: BTreeMap<ObjectId, SourceUser>,
    /// Groups by object id, tombstones included.
    pub groups: BTreeMap<ObjectId, SourceGroup>,
}

/// What of a mirror only another complete read settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled {
    /// Whether somebody, a group or a membership was missing from a complete read, or somebody was named after they
    /// were deleted.
    pub has_missing: bool,
    /// Whether there is a group of which not all is told yet.
    pub has_partial_group: bool,
}

/// How a round was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// From a delta link: says what changed.
    Delta,
    /// From the start: lists everything. The number grows with every complete read.
    Full(u32),
    /// From the start, and known not to list everything: of what it does not say nothing follows, also not of the
    /// members of a group that it shows for the first time.
    Refused,
}

/// What the mirror needs to know to fold a round.
#[derive(Debug, Clone, Copy)]
pub struct Folding<'a> {
    /// Users or groups.
    pub kind: Kind,
    /// How it was read.
    pub round: Round,
    /// How many of the elements stood in the list of a complete read. Those behind them came in the delta
    /// round that follows it, and tell changes.
    pub listed: usize,
    /// The properties asked for.
    pub selected: &'a BTreeSet<String>,
    /// The tenant's `keep` filter.
    pub keep: &'a Expression,
    /// Whether what is known is of unknown age, since the store is in doubt.
    pub doubted: bool,
    /// Whether an independent count agreed with a complete read. Without that it proves nobody's absence.
    pub counted: bool,
}

impl Folding<'_> {
    /// A complete read of what is in doubt counts alone: what it does not tell of an object is unknown, or
    /// values of an old backup would come back to the platform. Nor is it absent before the next complete read.
    fn forget_stale(&self, properties: &mut Properties, words: &Words) {
        if self.doubted && self.round != Round::Delta && words.described {
            properties.retain(|name, _| words.properties.contains_key(name));
        }
    }
}

impl Mirror {
    /// Folds the elements of one whole round, in the order they arrived, and returns the ids of the
    /// records that changed. Folding the same round again changes nothing.
    ///
    /// The elements are taken apart, not copied: those of a first read are as large as the mirror.
    pub fn fold(
        &mut self,
        how: &Folding<'_>,
        elements: impl IntoIterator<Item = Element>,
    ) -> BTreeSet<ObjectId> {
        let said = Said::collect(elements, how.listed);
        match how.kind {
            Kind::Users => self.fold_users(how, said),
            Kind::Groups => self.fold_groups(how, said),
        }
    }

    /// How many users or groups are not known to be gone.
    pub fn alive(&self, kind: Kind) -> usize {
        let alive = |presence: &Presence| !matches!(presence, Presence::Removed(_));
        match kind {
            Kind::Users => self.users.values().filter(|user| alive(&user.presence)).count(),
            Kind::Groups => self.groups.values().filter(|group| alive(&group.presence)).count(),
        }
    }

    /// What only another complete read settles. Looks at everybody.
    pub fn unsettled(&self) -> Unsettled {
        let is_open = |user: &SourceUser| {
            user.presence.is_missing() || (user.partial && user.tombstone().is_some())
        };
        let has_missing = self.users.values().any(is_open)
            || self.groups.values().any(|group| {
                group.presence.is_missing()
                    || group.members.values().any(|edge| edge.missing.is_some())
            });
        let has_partial_group = self.groups.values().any(SourceGroup::is_partial);
        Unsettled { has_missing, has_partial_group }
    }

    fn fold_users(&mut self, how: &Folding<'_>, mut said: Said) -> BTreeSet<ObjectId> {
        let covered = if said
            .is_sparse(how.selected, |id| self.users.get(&id).map(|user| &*user.properties))
        {
            covered(&said, how.round, self.users.values().map(|user| &user.properties))
        } else {
            BTreeSet::new()
        };
        let mut changed = BTreeSet::new();
        for (&id, words) in &mut said.objects {
            let before = self.users.get(&id);
            let Some(presence) = words.presence(before.map(|user| user.presence)) else { continue };
            let grave = words.buried.or(before.and_then(SourceUser::tombstone));
            let mut properties = before.map(|user| (*user.properties).clone()).unwrap_or_default();
            let tells_manager = words.speaks_of(MANAGER);
            how.forget_stale(&mut properties, words);
            let is_unclear = before.is_some()
                && how.round == Round::Delta
                && words.forget_unclear(&mut properties);
            // Who comes back is described from head to foot, as in a list.
            let is_back = presence == Presence::Present && grave.is_some();
            let comes = is_back || before.is_none();
            let is_new = comes && !words.is_listed;
            let is_bare = is_new && words.leaves_out_state(how.selected);
            // A change of somebody whom no read has shown, and no description: a single read tells the rest.
            let is_part = is_bare || (is_new && words.leaves_out_name(how.selected));
            merge(&mut properties, std::mem::take(&mut words.properties));
            let is_unproven =
                words.is_listed && before.is_some_and(|user| is_given_back(user, &properties));
            if is_bare || is_unproven {
                properties.remove(ACCOUNT_ENABLED);
            }
            let presence = match grave {
                Some(tombstone) if is_bare || is_unproven => Presence::Removed(tombstone),
                _ => presence,
            };
            if is_part && !tells_manager {
                properties.remove(MANAGER);
            } else if words.is_listed || is_back {
                forget_manager(&mut properties, tells_manager, how.selected);
            }
            // In a delta round what is not said of somebody known has not changed, known or not.
            let is_told_whole = words.is_listed || (comes && !is_part);
            if presence == Presence::Present && is_told_whole && !how.doubted {
                assume_absent(&mut properties, words, how.selected, &covered);
            }
            let properties = Arc::new(properties);
            let said = match how.keep.evaluate(Input::Properties(&properties)) {
                Evaluated::Known(Datum::Bool(kept)) => Some(kept),
                _ => None,
            };
            let kept = said.unwrap_or_else(|| before.is_some_and(|user| user.kept));
            // A delta round tells of whom `keep` begins to keep only what has changed.
            let begins = |user: &SourceUser| user.partial || (kept && !user.kept);
            let is_half = is_unclear || is_part || (!is_told_whole && before.is_some_and(begins));
            let is_there = presence == Presence::Present;
            let partial = said != Some(false) && (is_bare || is_unproven || (is_there && is_half));
            // What a newcomer is told of stays until a single read says whether `keep` keeps them.
            let is_whole = kept || (is_part && said.is_none());
            let properties =
                if is_whole { properties } else { strip(&properties, how.keep.reads()) };
            let mut after = SourceUser { presence, kept, properties, partial };
            if before != Some(&after) {
                Arc::make_mut(&mut after.properties).pack();
                changed.insert(id);
                self.users.insert(id, after);
            }
        }
        if let Some(number) = said.proves_absence(how) {
            changed.extend(self.miss_unlisted_users(&said, number));
            changed.extend(self.miss_untold_managers(number));
        }
        changed
    }
}

/// What one round said, by object, later words over earlier ones.
#[derive(Debug, Default)]
struct Said {
    objects: BTreeMap<ObjectId, Words>,
    /// Whether an element could not be read at all, so that it may be about anybody.
    has_unknown: bool,
    /// Whether an element could not be read.
    has_unreadable: bool,
}

#[derive(Debug, Default)]
struct Words {
    properties: Properties,
    /// What was there and could not be read.
    unread: BTreeSet<PropertyName>,
    /// The last word on whether the object is gone: a later element with properties outdoes a
    /// tombstone of the same round (deleted and restored).
    tombstone: Option<Tombstone>,
    /// The tombstone that came before a description: only one that says everything, or a single read, undoes it.
    buried: Option<Tombstone>,
    described: bool,
    /// Whether something was said of it that could not be read at all.
    unclear: bool,
    /// Whether it was described in the list of a complete read, and so from head to foot.
    is_listed: bool,
    /// Member to kind, or to `None` where the last word was a removal.
    members: BTreeMap<ObjectId, Option<MemberKind>>,
}

impl Said {
    fn collect(elements: impl IntoIterator<Item = Element>, listed: usize) -> Self {
        let mut said = Self::default();
        for (at, element) in elements.into_iter().enumerate() {
            let Some(id) = element.id() else {
                (said.has_unknown, said.has_unreadable) = (true, true);
                continue;
            };
            let words = said.objects.entry(id).or_default();
            words.is_listed |=
                at < listed && matches!(element, Element::User { .. } | Element::Group { .. });
            match element {
                Element::User { properties, unread, .. } => words.describe(properties, unread),
                Element::Group { properties, unread, added, removed, .. } => {
                    words.describe(properties, unread);
                    words.members.extend(removed.into_iter().map(|id| (id, None)));
                    words.members.extend(added.into_iter().map(|(kind, id)| (id, Some(kind))));
                }
                Element::Removed { tombstone, .. } => words.bury(tombstone),
                Element::Unreadable { properties, .. } => {
                    said.has_unreadable = true;
                    words.unclear = true;
                    words.tell(properties, Vec::new());
                }
            }
        }
        said
    }

    /// The number of the complete read, where who is not on it is missing: somebody who could not be read
    /// is there, and may be anybody.
    fn proves_absence(&self, how: &Folding<'_>) -> Option<u32> {
        match how.round {
            Round::Full(number) if how.counted && !self.has_unreadable => Some(number),
            Round::Full(_) | Round::Delta | Round::Refused => None,
        }
    }

    /// Whether some described object leaves a selected property open, so that coverage decides.
    fn is_sparse<'a>(
        &self,
        selected: &BTreeSet<String>,
        known: impl Fn(ObjectId) -> Option<&'a Properties>,
    ) -> bool {
        self.objects.iter().any(|(&id, words)| {
            let before = known(id);
            words.described
                && selected.iter().any(|name| {
                    name != ACCOUNT_ENABLED
                        && !words.properties.contains_key(name.as_str())
                        && !before.is_some_and(|properties| properties.contains_key(name.as_str()))
                })
        })
    }
}

impl Words {
    /// Whether the object may sign in, and that a list was whole, is no word on who comes after the tombstone.
    fn bury(&mut self, tombstone: Tombstone) {
        self.tombstone = Some(tombstone);
        self.is_listed = false;
        self.properties.remove(ACCOUNT_ENABLED);
    }

    fn describe(&mut self, properties: Properties, unread: Vec<PropertyName>) {
        self.buried = self.tombstone.take().or(self.buried);
        self.described = true;
        self.tell(properties, unread);
    }

    /// Later words on a property count, also where they cannot be read: what stood there before them is
    /// not known to be so.
    fn tell(&mut self, properties: Properties, unread: Vec<PropertyName>) {
        self.unread.retain(|name| !properties.contains_key(name.as_str()));
        merge(&mut self.properties, properties);
        for name in unread {
            self.properties.remove(name.as_str());
            self.unread.insert(name);
        }
    }

    /// Forgets what was known of somebody and may have changed, since it was told again in a way that nobody can
    /// read. Says whether there is anything that is to be read by itself; a manager comes with the next complete
    /// read.
    fn forget_unclear(&self, known: &mut Properties) -> bool {
        let is_unread = |name: &str| name != MANAGER && self.unread.contains(name);
        known.retain(|name, _| !self.unclear && !is_unread(name.as_str()));
        self.unclear || self.unread.iter().any(|name| is_unread(name.as_str()))
    }

    /// Whether anything is said of the property, be it what nobody can read.
    fn speaks_of(&self, name: &str) -> bool {
        self.properties.contains_key(name) || self.unread.contains(name)
    }

    /// The presence after these words; `None` where they say nothing of an object that is known. A
    /// tombstone is kept also of what was never seen alive: somebody may refer to it, or the platform hold
    /// an account of it.
    fn presence(&self, before: Option<Presence>) -> Option<Presence> {
        match self.tombstone {
            Some(tombstone) => Some(Presence::Removed(tombstone)),
            None if self.described => Some(Presence::Present),
            None => before.filter(|before| !matches!(before, Presence::Removed(_))),
        }
    }

    /// Who was told to have left by now.
    fn told_to_have_left(&self, mut before: BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
        before.retain(|id| !matches!(self.members.get(id), Some(Some(_))));
        before.extend(self.members.iter().filter(|(_, kind)| kind.is_none()).map(|(id, _)| *id));
        before
    }

    /// Takes in who came and went, and after a list of everybody who is missing from it.
    fn fold_members(&self, members: &mut BTreeMap<ObjectId, Edge>, list: Option<Round>) {
        if let Some(Round::Full(number)) = list {
            members.retain(|id, edge| match (self.members.get(id), edge.missing) {
                (Some(_), _) => true,
                (None, None) => {
                    edge.missing = Some(number);
                    true
                }
                (None, Some(first)) => first == number,
            });
        }
        for (&id, &kind) in &self.members {
            match kind {
                Some(MemberKind::Other) => {}
                Some(kind) => {
                    members.insert(id, Edge { kind, missing: None });
                }
                None => {
                    members.remove(&id);
                }
            }
        }
    }
}

fn merge(into: &mut Properties, from: Properties) {
    if into.is_empty() {
        *into = from;
    } else {
        into.extend(from);
    }
}

/// A link, unlike a property, leaves no trace when it is removed: a complete read shows it for those
/// who have a manager, and nothing for the others. Should Graph withhold all of them, the budget for
/// cleared attributes holds what follows.
fn forget_manager(properties: &mut Properties, is_told: bool, selected: &BTreeSet<String>) {
    if selected.contains(MANAGER) && !is_told {
        properties.insert(MANAGER.into(), Datum::Null);
    }
}

/// Graph leaves out a property that was never set. That is absence only for a property which the
/// tenant tells us of somebody; one that nobody has may just as well be withheld from us.
fn assume_absent(
    properties: &mut Properties,
    words: &Words,
    selected: &BTreeSet<String>,
    covered: &BTreeSet<String>,
) {
    for name in selected.intersection(covered) {
        let is_unknown = name == ACCOUNT_ENABLED || words.unread.contains(name.as_str());
        if !is_unknown && !properties.contains_key(name.as_str()) {
            properties.insert(name.into(), Datum::Null);
        }
    }
}

/// The properties that the tenant tells of somebody: in this round, and for a delta round also before.
/// In a complete read what nobody shows may be withheld since, and a newcomer's stays unknown.
fn covered<'a>(
    said: &Said,
    round: Round,
    known: impl Iterator<Item = &'a Arc<Properties>>,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut add = |properties: &Properties| {
        for (name, value) in properties {
            if *value != Datum::Null && !names.contains(name.as_str()) {
                names.insert(name.as_str().to_owned());
            }
        }
    };
    said.objects.values().for_each(|words| add(&words.properties));
    if !matches!(round, Round::Full(_)) {
        known.for_each(|properties| add(properties));
    }
    names
}

fn strip(properties: &Properties, reads: &BTreeSet<String>) -> Arc<Properties> {
    let wanted = properties.iter().filter(|(name, _)| reads.contains(name.as_str()));
    Arc::new(wanted.map(|(name, value)| (name.clone(), value.clone())).collect())
}
