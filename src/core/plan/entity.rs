//! The change of one account, one group, one membership: what the planner asks for each entity.

use std::sync::Arc;

use super::adoption::adoption;
use super::diff::{ACTIVE_UNKNOWN, Reference, difference, whole};
use super::planner::{Note, Planner, Roster};
use super::{Action, Change, End, open, twins};
use crate::core::derive::{self, Entitlement, GroupStanding, RuleKey};
use crate::core::model::{
    Account, AccountEntry, AttrPath, Attributes, Datum, Drift, Entity, GroupEntry, GroupKey,
    Ledger, Link, Origin, PersonId, ScimId, SourceUser, Use, Wanted,
};
use crate::core::ownership;
use crate::core::policy::Adopt;
use crate::core::survey::Found;

/// What planning one entity came to.
pub(super) enum Outcome {
    Nothing,
    Change(Change),
    Note(Note),
    Ask,
    Release,
}

impl Planner {
    fn settle(&mut self, entity: Entity, outcome: Outcome) {
        self.changes.remove(&entity);
        self.notes.remove(&entity);
        self.unsurveyed.remove(&entity);
        if let Entity::Group(key) = &entity {
            self.releases.remove(key);
        }
        match (outcome, entity) {
            (Outcome::Change(change), _) => {
                self.changes.insert(Arc::new(change));
            }
            (Outcome::Note(note), entity) => {
                self.notes.insert(entity, note);
            }
            (Outcome::Ask, entity) => {
                self.unsurveyed.insert(entity);
            }
            (Outcome::Release, Entity::Group(key)) => {
                self.releases.insert(key);
            }
            (Outcome::Nothing | Outcome::Release, _) => {}
        }
    }

    /// Where nothing is to be done it may be told that there is another one.
    fn settle_or_tell(&mut self, roster: &Roster<'_>, entity: Entity, outcome: Outcome) {
        let standing = match &entity {
            Entity::Account(person) => self.entitlements.get(person),
            Entity::Group(_) | Entity::Member(..) => None,
        };
        let outcome = match outcome {
            Outcome::Nothing => {
                twins::told(roster, &entity, standing).map_or(Outcome::Nothing, Outcome::Note)
            }
            outcome => outcome,
        };
        self.settle(entity, outcome);
    }

    pub(super) fn diff_account(&mut self, roster: &Roster<'_>, person: PersonId) {
        self.later.remove(&person);
        let outcome = self.account_outcome(roster, person);
        self.settle_or_tell(roster, Entity::Account(person), outcome);
    }

    fn account_outcome(&mut self, roster: &Roster<'_>, person: PersonId) -> Outcome {
        let entry = roster.ledger.accounts.get(&person);
        let link = entry.map_or(&Link::Unlinked, |entry| &entry.link);
        let Some(user) = roster.user(person) else { return Outcome::Nothing };
        let Roster { policy, ledger, survey, .. } = *roster;
        if let Some(why) = ownership::left_alone(person, policy, ledger, survey) {
            return Outcome::Note(Note::Untouched(why));
        }
        match self.entitlements.get(&person) {
            None => return Outcome::Nothing,
            Some(Entitlement::Unknown(why)) => return Outcome::Note(Note::Waiting(why.clone())),
            Some(Entitlement::Out(why)) => return departure(roster, (person, user), link, why),
            Some(Entitlement::In) => {}
        }
        let account = derive::account(person, &user.properties, roster.policy);
        let nothing = Attributes::new();
        let refers_to = |one: PersonId| self.reference(roster, one);
        match (link, entry) {
            (Link::Pending(_), _) => Outcome::Note(open::note(link, survey.accounts.get(&person))),
            (Link::Linked(_), Some(entry)) => {
                let mut found = differing(&account, entry.holds(), ledger, refers_to);
                found.leave_active(&entry.sent);
                let drift = roster.ledger.drift.get(&Entity::Account(person));
                if found.is_empty() && drift.is_some_and(Drift::is_disabled) {
                    return Outcome::Note(Note::Waiting(DISABLED.to_owned()));
                }
                let why = if undoes(drift, &found) { DRIFT } else { "attributes changed in Entra" };
                change_unless(found, person, Action::Update, why)
            }
            (Link::Deactivated(_), Some(entry)) => {
                let found = differing(&account, entry.holds(), ledger, refers_to);
                change_unless(found, person, Action::Reactivate, "entitled again")
            }
            _ => match roster.survey.accounts.get(&person) {
                None => Outcome::Ask,
                Some(Found::Many(ids)) => {
                    Outcome::Note(Note::Stuck(twins::several("accounts", ids)))
                }
                Some(Found::Unknown) => Outcome::Note(Note::Stuck(UNKNOWN.to_owned())),
                Some(Found::Absent) => {
                    if let Some(why) = ownership::not_made(&account, policy) {
                        return Outcome::Note(Note::Untouched(why));
                    }
                    creation(person, link, &account, whole_of(&account, ledger, refers_to))
                }
                Some(Found::One(found)) if roster.policy.adopt == Adopt::Never => {
                    Outcome::Note(Note::Stuck(not_adopted("an account", &found.id)))
                }
                Some(Found::One(candidate)) => {
                    if let Some(why) = self.contest(&Entity::Account(person), candidate) {
                        return Outcome::Note(Note::Stuck(why));
                    }
                    let mut found =
                        differing(&account, (&candidate.attributes, &nothing), ledger, refers_to);
                    let is_left = found.leave_active(&candidate.attributes);
                    let mut change = adoption(Entity::Account(person), candidate, found);
                    if is_left {
                        change.reason = format!("{}; {ACTIVE_UNKNOWN}", change.reason).into();
                    }
                    Outcome::Change(change)
                }
            },
        }
    }

    pub(super) fn diff_group(&mut self, roster: &Roster<'_>, key: &GroupKey) {
        let outcome = self.group_outcome(roster, key);
        self.settle_or_tell(roster, Entity::Group(key.clone()), outcome);
    }

    fn group_outcome(&self, roster: &Roster<'_>, key: &GroupKey) -> Outcome {
        let Some(group) = self.groups.get(key) else { return Outcome::Nothing };
        let entry = roster.ledger.groups.get(key);
        let link = entry.map_or(&Link::Unlinked, |entry| &entry.link);
        let managed = link.managed().is_some();
        let name = match &group.standing {
            GroupStanding::Unknown(why) => return Outcome::Note(Note::Waiting(why.clone())),
            GroupStanding::Unwanted if managed => return Outcome::Release,
            GroupStanding::Deleted(tombstone) if managed => {
                return match entry {
                    Some(entry) if entry.origin == Origin::Created => {
                        Outcome::Change(deletion(key, entry, derive::gone(*tombstone)))
                    }
                    _ => Outcome::Release,
                };
            }
            GroupStanding::Unwanted | GroupStanding::Deleted(_) => return Outcome::Nothing,
            GroupStanding::Wanted { name: None, trouble } => {
                let why = trouble.clone().unwrap_or_else(|| "the group has no name".to_owned());
                return Outcome::Note(Note::Waiting(why));
            }
            GroupStanding::Wanted { name: Some(name), .. } => name,
        };
        let wanted = group_account(key, name);
        let nothing = Attributes::new();
        match (link, entry) {
            (Link::Pending(_), _) => Outcome::Note(open::note(link, roster.survey.groups.get(key))),
            (Link::Linked(_) | Link::Deactivated(_), Some(entry)) => {
                let found = difference(&wanted, (&entry.sent, &nothing), roster.ledger, |_| {
                    Reference::Unknown
                });
                if found.is_empty() {
                    return Outcome::Nothing;
                }
                let drift = roster.ledger.drift.get(&Entity::Group(key.clone()));
                let renamed = "renamed in Entra, or its name rule changed";
                let why = if undoes(drift, &found) { DRIFT } else { renamed };
                let (before, after) = (found.before, found.after);
                Outcome::Change(group_change(key, Action::GroupUpdate, before, after, why))
            }
            _ => match roster.survey.groups.get(key) {
                None => Outcome::Ask,
                Some(Found::Many(ids)) => Outcome::Note(Note::Stuck(twins::several("groups", ids))),
                Some(Found::Unknown) => Outcome::Note(Note::Stuck(UNKNOWN.to_owned())),
                Some(Found::Absent) => Outcome::Change(group_change(
                    key,
                    Action::GroupCreate,
                    Attributes::new(),
                    wanted,
                    "wanted, and not on the platform",
                )),
                // One that we released is ours to take up again.
                Some(Found::One(found))
                    if roster.policy.adopt == Adopt::Never
                        && *link != Link::Released(found.id.clone()) =>
                {
                    Outcome::Note(Note::Stuck(not_adopted("a group", &found.id)))
                }
                Some(Found::One(candidate)) => {
                    if let Some(why) = self.contest(&Entity::Group(key.clone()), candidate) {
                        return Outcome::Note(Note::Stuck(why));
                    }
                    let found = difference(
                        &wanted,
                        (&candidate.attributes, &nothing),
                        roster.ledger,
                        |_| Reference::Unknown,
                    );
                    Outcome::Change(adoption(Entity::Group(key.clone()), candidate, found))
                }
            },
        }
    }

    pub(super) fn diff_member(&mut self, roster: &Roster<'_>, key: &GroupKey, person: PersonId) {
        let entity = Entity::Member(key.clone(), person);
        let outcome =
            self.membership(roster, key, person).map_or(Outcome::Nothing, Outcome::Change);
        self.settle(entity, outcome);
    }

    fn membership(&self, roster: &Roster<'_>, key: &GroupKey, person: PersonId) -> Option<Change> {
        let group = self.groups.get(key)?;
        let GroupStanding::Wanted { .. } = group.standing else { return None };
        let standing = self.entitlements.get(&person)?;
        let Roster { policy, ledger, survey, .. } = *roster;
        if ownership::left_alone(person, policy, ledger, survey).is_some() {
            return None;
        }
        let entry = roster.ledger.groups.get(key);
        let present = entry.is_some_and(|entry| entry.members.contains(&person));
        let entity = Entity::Member(key.clone(), person);
        let is_drift = roster.ledger.drift.contains_key(&entity);
        let change = |action, reason: &'static str, follows| Change {
            entity: entity.clone(),
            action,
            before: Attributes::new(),
            after: Account::new(),
            reason: if is_drift { DRIFT } else { reason }.into(),
            follows,
            adopts: None,
        };
        match standing {
            Entitlement::Unknown(_) => None,
            Entitlement::Out(_) => present.then(|| {
                change(
                    Action::MemberRemove,
                    "a deactivated account is no member",
                    Some(End::Account),
                )
            }),
            Entitlement::In => {
                let belongs = group.people.contains(&person);
                // Who is not shown may be in it or not: sent again where it should be, taken out where not.
                let is_sure = !roster.ledger.unseen.contains_key(&entity);
                if (belongs == present && is_sure)
                    || (!belongs && !present)
                    || self.key_is_unknown(key, person)
                {
                    return None;
                }
                if !belongs {
                    let reason = if group.emptied {
                        "Entra shows no member of the group, or of one within it, any more, and has not said that \
                         anybody left"
                    } else {
                        "left the group in Entra"
                    };
                    return group
                        .is_out(person)
                        .then(|| change(Action::MemberRemove, reason, None));
                }
                let follows = match self.footing(roster, key, person) {
                    Footing::Firm => None,
                    Footing::After(end) => Some(end),
                    Footing::Missing => return None,
                };
                Some(change(Action::MemberAdd, "belongs to the group in Entra", follows))
            }
        }
    }

    fn footing(&self, roster: &Roster<'_>, key: &GroupKey, person: PersonId) -> Footing {
        let account = Entity::Account(person);
        let linked = roster.ledger.accounts.get(&person).map(|entry| &entry.link);
        let pending = self.changes.get(&account).map(|change| change.action);
        let of_account = match (linked, pending) {
            (_, Some(Action::Create | Action::Adopt | Action::Reactivate)) => {
                Footing::After(End::Account)
            }
            (Some(Link::Linked(_)), _) => Footing::Firm,
            _ => return Footing::Missing,
        };
        let group = Entity::Group(key.clone());
        let linked = roster.ledger.groups.get(key).map(|entry| &entry.link);
        match (linked, self.changes.get(&group).map(|change| change.action)) {
            (Some(Link::Linked(_) | Link::Deactivated(_)), _) => of_account,
            // A create on its way may carry the membership: it stays in the plan until that is known.
            (Some(Link::Pending(_)), _) | (_, Some(Action::GroupCreate | Action::GroupAdopt)) => {
                match of_account {
                    Footing::After(_) => Footing::After(End::Both),
                    Footing::Firm | Footing::Missing => Footing::After(End::Group),
                }
            }
            _ => Footing::Missing,
        }
    }

    pub(super) fn key_is_unknown(&self, key: &GroupKey, person: PersonId) -> bool {
        let GroupKey::Rule { rule, .. } = key else { return false };
        let keys = self.keys.get(&person).into_iter().flatten();
        keys.into_iter().any(|(id, key)| id == rule && *key == RuleKey::Unknown)
    }
}

/// Why something is changed back.
const DRIFT: &str = "drift: changed on the platform by somebody else";
/// Why nothing is made of what may be there already.
const UNKNOWN: &str = "whether the platform has it already is not known: its listing is not whole, and \
    it answers no look-up by filter; nothing is made. Ask the vendor about filters; Manntall asks again \
    with each comparison and when told to: manntall retry";
/// Why an account that should be active is not.
const DISABLED: &str = "made inactive on the platform by somebody else; it is not activated again";

/// The difference, without what the target does not take from anybody.
fn differing(
    account: &Account,
    held: (&Attributes, &Attributes),
    ledger: &Ledger,
    refers_to: impl Fn(PersonId) -> Reference,
) -> super::Difference {
    let mut found = difference(account, held, ledger, refers_to);
    if !ledger.left_out.is_empty() {
        let left_out = found.after.take_if(|path, wanted| {
            let is_unassigned = matches!(wanted, Wanted::Value(value) if value.is_unassigned());
            ledger.is_left_out(path, Use::of(false, is_unassigned))
        });
        drop(found.before.take_if(|path, _| left_out.contains_key(path)));
    }
    found
}

/// The whole account, without what the target does not take from anybody.
fn whole_of(
    account: &Account,
    ledger: &Ledger,
    refers_to: impl Fn(PersonId) -> Reference,
) -> Account {
    let mut after = whole(account, refers_to);
    drop(after.take_if(|path, _| ledger.is_left_out(path, Use::Create)));
    after
}

/// Whether all of the difference is what somebody else changed on the target.
fn undoes(drift: Option<&Drift>, found: &super::Difference) -> bool {
    drift.is_some_and(|drift| {
        found.after.keys().all(|path| {
            let shown = drift.shown.get(path).filter(|value| !value.is_unassigned());
            drift.shown.contains_key(path) && shown == found.before.get(path)
        })
    })
}

/// What a new membership stands on.
enum Footing {
    /// The account and the group are on the target.
    Firm,
    /// This one of them is made by its change.
    After(End),
    /// One of them is not there, and none is to come.
    Missing,
}

/// What becomes of somebody who is to have no active account.
fn departure(
    roster: &Roster<'_>,
    (person, user): (PersonId, &SourceUser),
    link: &Link,
    why: &str,
) -> Outcome {
    let entity = Entity::Account(person);
    // The account that was deactivated is not found, and another one may carry the person's id.
    let is_replaced =
        matches!(link, Link::Deactivated(_)) && roster.ledger.absent_since(&entity).is_some();
    let entry = roster.ledger.accounts.get(&person);
    let may_be_active = entry.is_some_and(AccountEntry::is_active_unknown);
    match link {
        Link::Linked(_) => {
            let is_drift = roster.ledger.drift.get(&entity).is_some_and(Drift::is_activated);
            let again = format!("drift: made active again on the platform; {why}");
            deactivation(person, if is_drift { &again } else { why })
        }
        Link::Deactivated(_) if !is_replaced && may_be_active => deactivation(person, why),
        Link::Deactivated(_) if !is_replaced => twins::of_leaver(roster, person, user, why),
        _ if open::is_doubted(link, roster.survey.accounts.get(&person)) => {
            Outcome::Note(open::note_of_leaver())
        }
        _ => twins::legacy(roster, person, user, why).map_or(Outcome::Nothing, Outcome::Change),
    }
}

fn deactivation(person: PersonId, why: &str) -> Outcome {
    let active = |value| Datum::Bool(value);
    Outcome::Change(Change {
        entity: Entity::Account(person),
        action: Action::Deactivate,
        before: Attributes::from([(AttrPath::active(), active(true))]),
        after: Account::from([(AttrPath::active(), Wanted::Value(active(false)))]),
        reason: why.to_owned().into(),
        follows: None,
        adopts: None,
    })
}

fn creation(person: PersonId, link: &Link, account: &Account, after: Account) -> Outcome {
    let name = AttrPath::user_name();
    if !after.contains_key(&name) {
        return Outcome::Note(if account.contains_key(&name) {
            let why =
                "no login name: Entra has no value for it; the account is made once it has one";
            Note::NoLogin(why.to_owned())
        } else {
            let why = "userName cannot be said for now, and no account can be made without it";
            Note::Waiting(why.to_owned())
        });
    }
    let reason = match link {
        Link::Gone(_) => "in scope; the account was deleted on the platform, and is made again",
        _ => "in scope, and not on the platform",
    };
    Outcome::Change(change(
        Entity::Account(person),
        Action::Create,
        Attributes::new(),
        after,
        reason,
    ))
}

fn change_unless(
    found: super::Difference,
    person: PersonId,
    action: Action,
    reason: &str,
) -> Outcome {
    if found.is_empty() {
        return Outcome::Nothing;
    }
    Outcome::Change(change(Entity::Account(person), action, found.before, found.after, reason))
}

fn deletion(key: &GroupKey, entry: &GroupEntry, why: &str) -> Change {
    group_change(key, Action::GroupDelete, entry.sent.clone(), Account::new(), why)
}

fn group_change(
    key: &GroupKey,
    action: Action,
    before: Attributes,
    after: Account,
    reason: &str,
) -> Change {
    change(Entity::Group(key.clone()), action, before, after, reason)
}

fn change(
    entity: Entity,
    action: Action,
    before: Attributes,
    after: Account,
    reason: &str,
) -> Change {
    let reason = reason.to_owned().into();
    Change { entity, action, before, after, reason, follows: None, adopts: None }
}

/// What a group should hold on the target, members apart.
fn group_account(key: &GroupKey, name: &str) -> Account {
    Account::from([
        (AttrPath::external_id(), Wanted::Value(key.external_id().into())),
        (AttrPath::display_name(), Wanted::Value(name.into())),
    ])
}

fn not_adopted(what: &str, id: &ScimId) -> String {
    format!(
        "{what} exists already as {id}, and adopt is \"never\"; take it away there, or allow it"
    )
}
