//! What the target last confirmed: the ledger of one target.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AttrPath, Attributes, Datum, DigestKey, GroupKey, PersonId, ScimId, Timestamp};

/// Where an account or group of ours stands on the target.
///
/// Unlinked → Pending → Linked ⇄ Deactivated → Released | Gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Link {
    /// Nothing is known to exist.
    #[default]
    Unlinked,
    /// A create was about to be sent, or was sent and not answered: it is settled by looking the
    /// resource up, never by repeating the request.
    Pending(Intent),
    /// Exists and is ours.
    Linked(ScimId),
    /// Exists, is ours, and is inactive. Groups are never deactivated.
    Deactivated(ScimId),
    /// Exists, and we no longer manage it.
    Released(ScimId),
    /// Was ours; the target no longer has it.
    Gone(ScimId),
}

/// A create that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// When the first request was about to be sent.
    pub since: Timestamp,
    /// How many look-ups have found nothing since.
    pub lookups: u32,
    /// Not to be looked up again before this time.
    pub next: Timestamp,
}

impl Link {
    /// The id of a resource that we manage now.
    pub fn managed(&self) -> Option<&ScimId> {
        match self {
            Self::Linked(id) | Self::Deactivated(id) => Some(id),
            Self::Unlinked | Self::Pending(_) | Self::Released(_) | Self::Gone(_) => None,
        }
    }
}

/// How a link came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Origin {
    /// We created the resource.
    #[default]
    Created,
    /// It existed, and was taken over.
    Adopted,
}

/// What the target last confirmed about one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountEntry {
    /// Where the account stands.
    pub link: Link,
    /// Created by us or adopted.
    pub origin: Origin,
    /// What we sent and had confirmed; for an adopted account what it held when it was read.
    pub sent: Attributes,
    /// Where the target answered something other than what it confirmed: a named state of that
    /// attribute, not a difference to be sent again every cycle.
    pub answered: Attributes,
    /// What was written and got no clear answer, and could not be read back: what was there before. The target may hold
    /// either, so that what is wanted by then is sent, be it nothing.
    pub doubted: Attributes,
}

impl AccountEntry {
    /// Whether it is known to be active. One that was adopted may not say so, and is not known to be inactive either.
    pub fn is_active(&self) -> bool {
        matches!(self.link, Link::Linked(_))
            && self.sent.get(&AttrPath::active()) == Some(&Datum::Bool(true))
    }

    /// What came of a write of these attributes is not known, and cannot be read.
    pub fn forget(&mut self, paths: &BTreeSet<AttrPath>) {
        for path in paths {
            self.answered.remove(path);
            if *path == AttrPath::active() {
                self.forget_active();
            } else if let Some(before) = self.sent.remove(path) {
                self.doubted.insert(path.clone(), before);
            } else {
                self.doubted.entry(path.clone()).or_insert(Datum::Null);
            }
        }
    }

    /// What it holds, and what of it is in doubt.
    pub fn holds(&self) -> (&Attributes, &Attributes) {
        (&self.sent, &self.doubted)
    }

    /// What the target holds, as far as a change to `wanted` has to know. In place of what is in doubt stands what was
    /// there before, and a list of that where it would be no change: no single value is known.
    pub fn held_before(&self, wanted: &Attributes) -> Attributes {
        let mut held = self.sent.clone();
        for (path, before) in self.doubted.iter().filter(|(_, before)| !before.is_unassigned()) {
            let Some(wanted) = wanted.get(path) else { continue };
            let is_change = wanted != before;
            let before = before.clone();
            held.insert(path.clone(), if is_change { before } else { Datum::List(vec![before]) });
        }
        held
    }

    /// What came of the last write of `active` is not known: the account may be either, whatever the link says. Who was
    /// made inactive by somebody else is activated by somebody's word, as before.
    pub fn forget_active(&mut self) {
        let is_disabled = self.sent.get(&AttrPath::active()) == Some(&Datum::Bool(false));
        if is_disabled && matches!(self.link, Link::Linked(_)) {
            return;
        }
        self.sent.insert(AttrPath::active(), Datum::Null);
    }

    /// Whether it is not known what came of the last write of `active`.
    pub fn is_active_unknown(&self) -> bool {
        self.sent.get(&AttrPath::active()) == Some(&Datum::Null)
    }

    /// The attributes of which the target keeps another value than the one that it confirmed, while somebody
    /// uses the account.
    pub fn rewritten(&self) -> impl Iterator<Item = &AttrPath> {
        let is_linked = matches!(self.link, Link::Linked(_));
        self.answered.keys().filter(move |_| is_linked)
    }

    /// The login names that it goes by: the one that was sent, the one that the target made of it, and the one that it
    /// may have still.
    pub fn login_names(&self) -> impl Iterator<Item = &str> {
        let name = AttrPath::user_name();
        let all = [self.sent.get(&name), self.answered.get(&name), self.doubted.get(&name)];
        all.into_iter().flatten().filter_map(Datum::as_text)
    }
}

/// What the target last confirmed about one group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupEntry {
    /// Where the group stands.
    pub link: Link,
    /// Created by us or adopted.
    pub origin: Origin,
    /// What we sent and had confirmed: `displayName` and `externalId`.
    pub sent: Attributes,
    /// Where the target answered something else.
    pub answered: Attributes,
    /// Members that we put there, or found there when the group was adopted and know as ours: whoever may
    /// be in it by our doing, also where the target does not show that ([`Ledger::unseen`]).
    /// Members whom we do not know are not listed and never touched.
    pub members: BTreeSet<PersonId>,
}

impl GroupEntry {
    /// As [`AccountEntry::rewritten`], by the names under which they are counted.
    pub fn rewritten(&self) -> impl Iterator<Item = String> {
        let is_linked = self.link.managed().is_some();
        self.answered.keys().filter(move |_| is_linked).map(|path| format!("{OF_GROUPS}{path}"))
    }
}

/// Stands before what is counted of groups in place of people.
pub const OF_GROUPS: &str = "groups.";

/// What a change is about, and its key in a plan: an entity has at most one change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Entity {
    /// The account of a person.
    Account(PersonId),
    /// A group.
    Group(GroupKey),
    /// One person's membership of one group.
    Member(GroupKey, PersonId),
}

impl Entity {
    /// What a log calls it: ids only.
    pub fn logged(&self, digests: &DigestKey) -> String {
        match self {
            Self::Account(person) => person.to_string(),
            Self::Group(key) => key.hidden(digests),
            Self::Member(key, person) => format!("{} in {}", person, key.hidden(digests)),
        }
    }
}

/// Why an entity waits apart from the rest: the target, or our own caution, refused its change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// What happened, without anything that the target said.
    pub reason: String,
    /// What the target said, for whoever has to repair it.
    pub told: Option<String>,
    /// The change that was refused. Another change of the same entity is tried at once.
    pub change: super::super::plan::ChangeDigest,
    /// First refusal.
    pub since: Timestamp,
    /// Last refusal.
    pub last: Timestamp,
    /// Refusals so far; the back-off grows with them from one minute to six hours.
    pub attempts: u32,
    /// Not to be tried again before this time.
    pub next: Timestamp,
}

/// A write other than a create that was about to be sent, or was sent and not answered. What it wrote
/// is known only once the entity has been read: until then nothing more is sent to it. One for each
/// account, and one for each group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// What the write does.
    pub action: super::super::plan::Action,
    /// The attributes that it writes.
    pub paths: BTreeSet<AttrPath>,
    /// Whose memberships it changes.
    pub people: Vec<PersonId>,
    /// Whether nothing was written: what is held of the attributes is only to be read.
    pub is_read: bool,
}

/// A membership that was sent and that the target does not show. The person may be a member: who leaves
/// the group is taken out of it all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// When it was missed first.
    pub since: Timestamp,
    /// How often it was confirmed since, and was not shown after that.
    pub adds: u32,
}

/// What the last comparison with the target found changed there by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// When it was found first.
    pub since: Timestamp,
    /// What the target shows in place of what it confirmed; nothing for a membership.
    pub shown: Attributes,
    /// In how many comparisons running it showed the same.
    pub times: u32,
}

impl Drift {
    /// Whether somebody else has made the account inactive: it is left so, and said.
    pub fn is_disabled(&self) -> bool {
        self.shown.get(&AttrPath::active()) == Some(&Datum::Bool(false))
    }

    /// Whether the account is active although the target confirmed that it is not.
    pub fn is_activated(&self) -> bool {
        self.shown.get(&AttrPath::active()) == Some(&Datum::Bool(true))
    }
}

/// Other resources of the target that carry the id of an account or group of ours, beside the one that is
/// linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twins {
    /// When one was found first.
    pub since: Timestamp,
    /// Their ids, and whether each is active, where that is told.
    pub ids: BTreeMap<ScimId, Option<bool>>,
}

impl Twins {
    /// Whether somebody may sign in with one of them.
    pub fn may_be_active(&self) -> bool {
        self.ids.values().any(|active| *active != Some(false))
    }
}

/// What is done with an attribute. Targets may take it in one way and not in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Use {
    /// It is set in a create.
    Create,
    /// It is set in a change.
    Change,
    /// Its value is taken away.
    Clear,
}

impl Use {
    /// What is done with it in a create or a change of an account, with a value or without.
    pub fn of(is_create: bool, is_unassigned: bool) -> Self {
        match (is_create, is_unassigned) {
            (true, _) => Self::Create,
            (false, false) => Self::Change,
            (false, true) => Self::Clear,
        }
    }
}

impl Use {
    /// The name in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Clear => "clear",
        }
    }
}

impl WhyLeftOut {
    /// The name in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "in creates",
            Self::Change => "in changes",
            Self::Clear => "when it is cleared",
        })
    }
}

/// Why an attribute is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyLeftOut {
    /// The target refuses it.
    Refused,
    /// The target confirms it, and does not do it.
    Ignored,
}

/// An attribute that the target takes from nobody, and that is not sent for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why.
    pub why: WhyLeftOut,
    /// The same in words, without anything that the target said.
    pub reason: String,
    /// What the target said, for whoever has to repair it.
    pub told: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// From how many people it was not taken, before it was left out.
    pub people: u64,
    /// Digest of the rules and the dialect: under others it is sent again.
    pub rules: super::super::plan::ChangeDigest,
}

/// Somebody's word that a person has no active account, whatever Entra says, until it is lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Why, in the words of whoever said it.
    pub reason: String,
}

/// Everything confirmed by one target, and what people said about single accounts of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Accounts by person.
    pub accounts: BTreeMap<PersonId, AccountEntry>,
    /// Groups by key; members change through [`Ledger::put_member`] only.
    pub groups: BTreeMap<GroupKey, GroupEntry>,
    /// What is stuck.
    pub escrow: BTreeMap<Entity, Escrow>,
    /// What may have been written, and is to be read before anything else is.
    pub doubts: BTreeMap<Entity, Doubt>,
    /// What somebody else changed there.
    pub drift: BTreeMap<Entity, Drift>,
    /// Accounts and groups of ours that the target does not have by one look, and since when. Until a later
    /// look has proven the same they are ours as before, and nothing is made in their place.
    pub absent: BTreeMap<Entity, Timestamp>,
    /// Memberships that are to be sent again, because the target does not show them.
    pub unseen: BTreeMap<Entity, Unseen>,
    /// What carries the id of an account or group of ours, and is another one.
    pub twins: BTreeMap<Entity, Twins>,
    /// Who was deactivated by hand.
    pub by_hand: BTreeMap<PersonId, ByHand>,
    /// What is not sent of anybody.
    pub left_out: BTreeMap<(AttrPath, Use), LeftOut>,
    memberships: BTreeMap<PersonId, BTreeSet<GroupKey>>,
}

impl Ledger {
    /// Whether the attribute is left out of what is sent.
    pub fn is_left_out(&self, path: &AttrPath, use_: Use) -> bool {
        !self.left_out.is_empty() && self.left_out.contains_key(&(path.clone(), use_))
    }

    /// Since when the target has been without the account or group, or without what the membership is made
    /// of, by one look.
    pub fn absent_since(&self, entity: &Entity) -> Option<Timestamp> {
        if self.absent.is_empty() {
            return None;
        }
        let since = |entity: &Entity| self.absent.get(entity).copied();
        match entity {
            Entity::Account(_) | Entity::Group(_) => since(entity),
            Entity::Member(key, person) => {
                since(&Entity::Group(key.clone())).or_else(|| since(&Entity::Account(*person)))
            }
        }
    }

    /// The account of a member, where the target has it as far as we know.
    pub fn present_account(&self, person: PersonId) -> Option<&ScimId> {
        let id = self.accounts.get(&person)?.link.managed()?;
        self.absent_since(&Entity::Account(person)).is_none().then_some(id)
    }

    /// The groups that the person is a confirmed member of.
    pub fn groups_of(&self, person: PersonId) -> impl Iterator<Item = &GroupKey> {
        self.memberships.get(&person).into_iter().flatten()
    }

    /// Notes that the person is a member of the group.
    pub fn put_member(&mut self, key: &GroupKey, person: PersonId) {
        self.groups.entry(key.clone()).or_default().members.insert(person);
        self.memberships.entry(person).or_default().insert(key.clone());
    }

    /// Notes that the person is no member of the group.
    pub fn drop_member(&mut self, key: &GroupKey, person: PersonId) {
        if let Some(entry) = self.groups.get_mut(key) {
            entry.members.remove(&person);
        }
        if let Some(groups) = self.memberships.get_mut(&person) {
            groups.remove(key);
            if groups.is_empty() {
                self.memberships.remove(&person);
            }
        }
    }
}
