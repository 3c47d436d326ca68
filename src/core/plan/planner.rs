//! Keeps the plan of one target up to date: from everything, or from what was touched.
//!
//! Whatever is asked for, the outcome is the same; what was touched only saves work. Restart asks for
//! everything, so being touched need not be durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claims::Claims;
use super::nesting::Nesting;
use super::{Change, Changes};
use crate::core::derive::{self, Entitlement, GroupStanding, RuleKey};
use crate::core::expression::Expression;
use crate::core::mirror::Mirror;
use crate::core::model::{
    Entity, GroupKey, Kind, Ledger, ObjectId, PersonId, SourceName, SourceUser,
};
use crate::core::policy::Policy;
use crate::core::survey::Survey;

/// One consistent view of everything that a plan rests on.
#[derive(Debug, Clone, Copy)]
pub struct Roster<'a> {
    /// What each tenant last said.
    pub mirrors: &'a BTreeMap<SourceName, Mirror>,
    /// What has been read whole at least once. Nothing is planned from the rest.
    pub complete: &'a BTreeSet<(SourceName, Kind)>,
    /// The `keep` filter of each tenant.
    pub keep: &'a BTreeMap<SourceName, Expression>,
    /// What the operator wants.
    pub policy: &'a Policy,
    /// What the target last confirmed.
    pub ledger: &'a Ledger,
    /// What was found on the target for entities without a link.
    pub survey: &'a Survey,
}

impl<'a> Roster<'a> {
    /// The person as their tenant last showed them.
    pub(super) fn user(&self, person: PersonId) -> Option<&'a SourceUser> {
        self.mirrors.get(&person.source)?.users.get(&person.object)
    }
}

/// What to plan anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Only these, and what follows from them.
    Touched(Touched),
}

/// What changed since the plan was last brought up to date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Users whose mirror record changed.
    pub users: BTreeSet<(SourceName, ObjectId)>,
    /// Groups whose mirror record changed.
    pub groups: BTreeSet<(SourceName, ObjectId)>,
    /// Entities whose ledger entry or survey answer changed.
    pub entities: BTreeSet<Entity>,
}

impl Touched {
    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.entities.is_empty()
    }
}

/// Why an entity has no change although one might be expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It is left alone, whatever Entra says.
    Untouched(&'static str),
    /// It resolves by itself, or stays as it is until Entra says more.
    Waiting(String),
    /// No account can be made, because Entra has no value for the login name. Nobody has anything to decide.
    NoLogin(String),
    /// A person has to decide or repair something.
    Stuck(String),
    /// All is as it should be, but the target has another one that carries the same id.
    Twins(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DerivedGroup {
    pub(super) standing: GroupStanding,
    /// Everybody who belongs to the group, whether in scope or not.
    pub(super) people: BTreeSet<PersonId>,
    /// Whether these are all. Where they may not be, nobody is taken out but whoever `left`.
    pub(super) whole: bool,
    /// Who is out by a word on that very group, while all is told of the groups within it.
    pub(super) left: BTreeSet<PersonId>,
    /// Whether Entra lists no member of it, or of a group within it, any more, without a word on who left.
    pub(super) emptied: bool,
}

impl DerivedGroup {
    /// A group made by rule, without people yet: who belongs to it is derived, and nobody else does.
    fn by_rule(standing: GroupStanding) -> Self {
        let (people, left) = (BTreeSet::new(), BTreeSet::new());
        Self { standing, people, whole: true, left, emptied: false }
    }

    /// Whether the person, who does not belong to it by what is known, is out of it for certain.
    pub(super) fn is_out(&self, person: PersonId) -> bool {
        self.whole || self.left.contains(&person)
    }
}

/// The plan of one target, and what it was derived through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planner {
    pub(super) nesting: Nesting,
    pub(super) entitlements: BTreeMap<PersonId, Entitlement>,
    pub(super) keys: BTreeMap<PersonId, Vec<(Arc<str>, RuleKey)>>,
    pub(super) groups: BTreeMap<GroupKey, DerivedGroup>,
    pub(super) managers: BTreeMap<PersonId, PersonId>,
    pub(super) reports: BTreeMap<PersonId, BTreeSet<PersonId>>,
    pub(super) changes: Changes,
    /// What is left for an update, because it refers to an account that is made later in the same plan.
    pub(super) later: BTreeMap<PersonId, Change>,
    pub(super) notes: BTreeMap<Entity, Note>,
    pub(super) unsurveyed: BTreeSet<Entity>,
    pub(super) releases: BTreeSet<GroupKey>,
    pub(super) account_claims: Claims<PersonId>,
    pub(super) group_claims: Claims<GroupKey>,
}

impl Planner {
    /// The pending changes.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The updates that will follow from the pending changes: of two accounts that refer to each other
    /// one is made first, without the reference.
    pub fn later(&self) -> &BTreeMap<PersonId, Change> {
        &self.later
    }

    /// Everything that is going to be done: the pending changes, and the updates that follow.
    pub fn foreseen(&self) -> impl Iterator<Item = &Change> {
        self.changes.values().map(AsRef::as_ref).chain(self.later.values())
    }

    /// Why entities wait or are stuck.
    pub fn notes(&self) -> &BTreeMap<Entity, Note> {
        &self.notes
    }

    /// Entities that need an answer from the target before they can be planned.
    pub fn unsurveyed(&self) -> &BTreeSet<Entity> {
        &self.unsurveyed
    }

    /// Groups that are to be released: no request, only our own record.
    pub fn releases(&self) -> &BTreeSet<GroupKey> {
        &self.releases
    }

    /// The name that a group should have on the target, as far as it can be said.
    pub fn group_name(&self, key: &GroupKey) -> Option<&str> {
        match &self.groups.get(key)?.standing {
            GroupStanding::Wanted { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    /// The groups that would have a name which another one has, too, regardless of letter case, by name. A target
    /// may refuse the second, or take it for the first.
    pub fn same_names(&self) -> BTreeMap<String, Vec<&GroupKey>> {
        let mut names: BTreeMap<String, Vec<&GroupKey>> = BTreeMap::new();
        for key in self.groups.keys() {
            if let Some(name) = self.group_name(key) {
                names.entry(name.to_lowercase()).or_default().push(key);
            }
        }
        names.retain(|_, keys| keys.len() > 1);
        names
    }

    /// Whether each person should have an active account.
    pub fn entitlements(&self) -> &BTreeMap<PersonId, Entitlement> {
        &self.entitlements
    }

    /// The groups that the person belongs to and that should be on the target.
    pub fn groups_of(&self, person: PersonId) -> Vec<&GroupKey> {
        let wanted = self.groups.iter().filter(|(_, group)| {
            matches!(group.standing, GroupStanding::Wanted { .. }) && group.people.contains(&person)
        });
        wanted.map(|(key, _)| key).collect()
    }

    /// Brings the plan up to date.
    pub fn refresh(&mut self, roster: &Roster<'_>, scope: Scope) {
        let touched = match scope {
            Scope::Touched(touched) => touched,
            Scope::All => {
                *self = Self::default();
                everything(roster)
            }
        };
        let Touched { users, mut groups, entities } = touched;
        let mut people: BTreeSet<PersonId> =
            users.iter().map(|&(source, object)| PersonId { source, object }).collect();
        let mut dirty: BTreeSet<GroupKey> = BTreeSet::new();
        let mut pairs: BTreeSet<(GroupKey, PersonId)> = BTreeSet::new();
        for entity in entities {
            match entity {
                Entity::Account(person) => {
                    people.insert(person);
                }
                Entity::Group(key) => {
                    // One that nobody wants comes up once the target is known to hold it.
                    if let GroupKey::Directory { source, object } = key
                        && !self.groups.contains_key(&key)
                    {
                        groups.insert((source, object));
                    }
                    dirty.insert(key);
                }
                Entity::Member(key, person) => {
                    pairs.insert((key, person));
                }
            }
        }
        for &(source, group) in &groups {
            if let Some(mirror) = roster.mirrors.get(&source) {
                self.nesting.update(source, group, mirror);
            }
        }
        self.derive_directory_groups(roster, &groups, &mut dirty, &mut people);
        people.extend(self.rivals_of_people(roster, &people));
        for &person in &people {
            self.derive_person(roster, person, &mut dirty, &mut pairs);
            self.claim_account(roster, person);
        }
        self.diff_accounts(roster, &people);
        self.derive_rule_groups(roster, &dirty);
        dirty.extend(self.rivals_of_groups(roster, &dirty));
        for key in &dirty {
            self.claim_group(roster, key);
        }
        for key in &dirty {
            self.diff_group(roster, key);
        }
        for key in &dirty {
            for person in self.anybody_of(roster, key) {
                self.diff_member(roster, key, person);
            }
        }
        for (key, person) in pairs.iter().filter(|(key, _)| !dirty.contains(key)) {
            self.diff_member(roster, key, *person);
        }
    }

    /// Everybody who belongs to the group, is in it on the target, or has a change planned there.
    fn anybody_of(&self, roster: &Roster<'_>, key: &GroupKey) -> Vec<PersonId> {
        let known = self.groups.get(key).map(|group| group.people.iter().copied());
        let held = roster.ledger.groups.get(key).map(|entry| entry.members.iter().copied());
        let stale = self.changes.range(pair_range(key)).filter_map(|change| match &change.entity {
            Entity::Member(_, person) => Some(*person),
            Entity::Account(_) | Entity::Group(_) => None,
        });
        let everybody = known.into_iter().flatten().chain(held.into_iter().flatten());
        let mut people: Vec<PersonId> = everybody.chain(stale).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// Directory groups that were touched, and those above them.
    fn derive_directory_groups(
        &mut self,
        roster: &Roster<'_>,
        touched: &BTreeSet<(SourceName, ObjectId)>,
        dirty: &mut BTreeSet<GroupKey>,
        people: &mut BTreeSet<PersonId>,
    ) {
        let mut affected = touched.clone();
        for &(source, group) in touched {
            affected.extend(self.nesting.above(source, group).into_iter().map(|id| (source, id)));
        }
        for (source, object) in affected {
            if !roster.complete.contains(&(source, Kind::Groups)) {
                continue;
            }
            let Some(mirror) = roster.mirrors.get(&source) else { continue };
            let Some(found) = mirror.groups.get(&object) else { continue };
            let key = GroupKey::Directory { source, object };
            let standing = derive::directory_group(found, roster.policy);
            let is_scope =
                roster.policy.people_of.as_ref().is_some_and(|groups| groups.contains(&object));
            let needed = is_scope
                || matches!(standing, GroupStanding::Wanted { .. })
                || roster.ledger.groups.contains_key(&key);
            if !needed {
                self.groups.remove(&key);
                dirty.insert(key);
                continue;
            }
            let (reached, through) = self.nesting.reached(source, object);
            let is_open_within =
                through.iter().any(|&id| id != object && mirror.may_have_others(id));
            let whole = !is_open_within && !found.is_partial();
            let left = found.left.iter().flatten().filter(|_| !is_open_within);
            let left: BTreeSet<_> = left.map(|&object| PersonId { source, object }).collect();
            let emptied = through.iter().any(|&id| mirror.is_emptied(id));
            if is_scope {
                let is_as_sure =
                    |before: &&DerivedGroup| (before.whole, before.emptied) == (whole, emptied);
                match self.groups.get(&key).filter(is_as_sure) {
                    Some(before) => {
                        people.extend(before.people.symmetric_difference(&reached));
                        people.extend(before.left.symmetric_difference(&left));
                    }
                    // Whoever is not in it is out of scope, or was until now.
                    None => people.extend(everybody(roster)),
                }
            }
            let derived = DerivedGroup { standing, people: reached, whole, left, emptied };
            self.groups.insert(key.clone(), derived);
            dirty.insert(key);
        }
    }

    /// Entitlement and rule keys of one person, and the memberships that hang on them.
    fn derive_person(
        &mut self,
        roster: &Roster<'_>,
        person: PersonId,
        dirty: &mut BTreeSet<GroupKey>,
        pairs: &mut BTreeSet<(GroupKey, PersonId)>,
    ) {
        for group in self.nesting.above(person.source, person.object) {
            let key = GroupKey::Directory { source: person.source, object: group };
            // Of a group that is planned anew every membership is looked at anyway.
            if !dirty.contains(&key) && self.groups.contains_key(&key) {
                pairs.insert((key, person));
            }
        }
        for key in roster.ledger.groups_of(person).filter(|key| !dirty.contains(key)) {
            pairs.insert((key.clone(), person));
        }
        let old = self.keys.remove(&person).unwrap_or_default();
        let standing = self.standing(roster, person);
        let new = match (&standing, roster.user(person)) {
            (Some(Entitlement::In), Some(user)) => {
                derive::rule_keys(&user.properties, roster.policy)
            }
            _ => Vec::new(),
        };
        for (rule, key) in old.iter().chain(&new) {
            if let RuleKey::In(value) = key {
                let key = derive::rule_group_key(rule, value);
                pairs.insert((key.clone(), person));
                dirty_if_first_or_last(&mut self.groups, dirty, &key);
            }
        }
        for (rule, key) in &old {
            if let RuleKey::In(value) = key {
                let key = derive::rule_group_key(rule, value);
                if let Some(group) = self.groups.get_mut(&key) {
                    group.people.remove(&person);
                }
            }
        }
        for (rule, key) in &new {
            if let RuleKey::In(value) = key {
                let key = derive::rule_group_key(rule, value);
                let standing = || derive::rule_group(rule, value, roster.policy);
                let made = || DerivedGroup::by_rule(standing());
                let group = self.groups.entry(key).or_insert_with(made);
                group.people.insert(person);
            }
        }
        match standing {
            Some(standing) => self.entitlements.insert(person, standing),
            None => self.entitlements.remove(&person),
        };
        if !new.is_empty() {
            self.keys.insert(person, new);
        }
    }

    /// Groups made by rule exist because somebody belongs to them, or because the ledger has them.
    fn derive_rule_groups(&mut self, roster: &Roster<'_>, dirty: &BTreeSet<GroupKey>) {
        for key in dirty {
            let GroupKey::Rule { rule, value } = key else { continue };
            let managed = roster.ledger.groups.contains_key(key);
            let peopled = self.groups.get(key).is_some_and(|group| !group.people.is_empty());
            if !managed && !peopled {
                self.groups.remove(key);
                continue;
            }
            let standing = derive::rule_group(rule, value, roster.policy);
            self.groups
                .entry(key.clone())
                .and_modify(|group| group.standing = standing.clone())
                .or_insert_with(|| DerivedGroup::by_rule(standing));
        }
    }

    fn standing(&self, roster: &Roster<'_>, person: PersonId) -> Option<Entitlement> {
        let user = roster.user(person)?;
        if let Some(word) = roster.ledger.by_hand.get(&person) {
            return Some(derive::by_hand(word));
        }
        let keep = roster.keep.get(&person.source)?;
        let wants_groups = roster.policy.people_of.as_ref();
        if !roster.complete.contains(&(person.source, Kind::Users)) {
            return Some(Entitlement::Unknown(UNREAD.to_owned()));
        }
        // Whoever is disabled or deleted is out whatever is known of groups.
        let has_groups = roster.complete.contains(&(person.source, Kind::Groups));
        let reached = || {
            let groups = wants_groups.filter(|_| has_groups)?;
            self.is_in_any(roster, person, groups.iter())
        };
        Some(match derive::standing(user, keep, roster.policy, reached) {
            Entitlement::Unknown(why) if why == derive::SCOPE_UNTOLD && !has_groups => {
                Entitlement::Unknown(UNREAD.to_owned())
            }
            standing => standing,
        })
    }

    /// Whether the person is in one of these groups; `None` where the person may be, for all that was told.
    fn is_in_any<'a>(
        &self,
        roster: &Roster<'_>,
        person: PersonId,
        groups: impl Iterator<Item = &'a ObjectId>,
    ) -> Option<bool> {
        let mut is_known = true;
        for &object in groups {
            let key = GroupKey::Directory { source: person.source, object };
            match self.groups.get(&key) {
                Some(group) if group.people.contains(&person) => return Some(true),
                Some(group) => {
                    is_known &= group.is_out(person);
                    is_known &= !group.emptied;
                }
                // It is a group of another tenant, or nobody told of it.
                None => {
                    is_known &= roster.mirrors.values().any(|one| one.groups.contains_key(&object));
                }
            }
        }
        is_known.then_some(false)
    }
}

const UNREAD: &str = "the first complete read has not ended";

/// Everybody in all tenants.
fn everybody(roster: &Roster<'_>) -> impl Iterator<Item = PersonId> {
    roster.mirrors.iter().flat_map(|(&source, mirror)| {
        mirror.users.keys().map(move |&object| PersonId { source, object })
    })
}

fn dirty_if_first_or_last(
    groups: &mut BTreeMap<GroupKey, DerivedGroup>,
    dirty: &mut BTreeSet<GroupKey>,
    key: &GroupKey,
) {
    if groups.get(key).is_none_or(|group| group.people.len() <= 1) {
        dirty.insert(key.clone());
    }
}

fn pair_range(key: &GroupKey) -> std::ops::RangeInclusive<Entity> {
    let person = |byte, name: &str| PersonId {
        source: SourceName::new(name),
        object: ObjectId::from_bytes([byte; 16]),
    };
    Entity::Member(key.clone(), person(0, ""))
        ..=Entity::Member(key.clone(), person(255, "\u{10ffff}"))
}

fn everything(roster: &Roster<'_>) -> Touched {
    let mut touched = Touched::default();
    for (&source, mirror) in roster.mirrors {
        touched.users.extend(mirror.users.keys().map(|&id| (source, id)));
        touched.groups.extend(mirror.groups.keys().map(|&id| (source, id)));
    }
    touched.entities.extend(roster.ledger.accounts.keys().map(|&id| Entity::Account(id)));
    touched.entities.extend(roster.ledger.groups.keys().cloned().map(Entity::Group));
    touched
}
