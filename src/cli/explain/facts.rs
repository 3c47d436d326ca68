//! What there is to say about one person, as a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::values::{AttributeFacts, PropertyFacts, attributes, read_by};
use crate::audit::{Entry, Write};
use crate::cli::Failure;
use crate::cli::names::Names;
use crate::cli::view::plan::{ChangeLine, MASK, line};
use crate::cli::view::text::times;
use crate::config;
use crate::core::derive::{self, Entitlement};
use crate::core::mirror::Mirror;
use crate::core::model::{
    AccountEntry, ByHand, Entity, GroupKey, Link, MemberKind, ObjectId, Origin, PersonId, Presence,
    SourceUser, Timestamp,
};
use crate::core::plan::{Action, Change, Planner};
use crate::cycle::state::State;

/// Kinds of lines of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Write,
    Decision,
}

/// Everything about one person.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) person: String,
    pub(super) name: String,
    /// What Entra last said: present, missing once, deleted; whether details are kept.
    pub(super) in_entra: String,
    /// `in`, `out` or `unknown`.
    pub(super) standing: &'static str,
    pub(super) why: String,
    /// What the scope reads.
    pub(super) because: Vec<PropertyFacts>,
    pub(super) account: AccountFacts,
    pub(super) attributes: Vec<AttributeFacts>,
    pub(super) groups: Vec<GroupFacts>,
    pub(super) pending: Vec<ChangeLine>,
    pub(super) stuck: Vec<String>,
    /// What somebody may do now.
    pub(super) next: Vec<String>,
    pub(super) history: Vec<HistoryLine>,
}

/// The account on the target.
#[derive(Debug, Serialize)]
pub(super) struct AccountFacts {
    pub(super) state: &'static str,
    /// Since when, as far back as the journal goes.
    pub(super) since: Option<String>,
    pub(super) id: Option<String>,
    pub(super) origin: Option<&'static str>,
}

/// One group that the person belongs to, or is still a member of.
#[derive(Debug, Serialize)]
pub(super) struct GroupFacts {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) belongs: bool,
    pub(super) confirmed: bool,
    pub(super) why: String,
}

/// One thing that was done, or refused, or decided about this person alone.
#[derive(Debug, Serialize)]
pub(super) struct HistoryLine {
    pub(super) at: String,
    pub(super) kind: Kind,
    /// What was done, or what kind of decision it was.
    pub(super) action: &'static str,
    pub(super) group: Option<String>,
    pub(super) paths: Vec<String>,
    pub(super) reason: String,
    pub(super) approved_by: Option<String>,
    pub(super) refused: Option<String>,
    /// Who decided, where it was a person.
    pub(super) by: Option<String>,
}

/// Collects the facts.
pub(super) fn collect(
    names: Names<'_>,
    target: &config::Target,
    person: PersonId,
    now: Timestamp,
) -> Result<Facts, Failure> {
    let Names { state, planner, .. } = names;
    let mirror = state.mirrors.get(&person.source);
    let user = mirror.and_then(|mirror| mirror.users.get(&person.object));
    let entry = state.ledger.accounts.get(&person);
    let (standing, why) = match planner.entitlements().get(&person) {
        Some(Entitlement::In) => ("in", "scope.people is true".to_owned()),
        Some(Entitlement::Out(why)) => ("out", why.clone()),
        Some(Entitlement::Unknown(why)) => ("unknown", why.clone()),
        None => ("unknown", "Entra has not told of this person".to_owned()),
    };
    // Of an order by hand the reason is whatever somebody wrote.
    let why = match state.ledger.by_hand.get(&person) {
        Some(ByHand { by, at, reason }) => {
            names.free_text(&format!("deactivated by hand by {by} at {at}: {reason}"))
        }
        None => names.reason(&why),
    };
    let held = held(state, person)?;
    let changes = planner.foreseen().filter(|change| concerns(&change.entity, person));
    let mut pending: Vec<_> =
        changes.map(|change| line(change, names, hold_of(change, &held, planner))).collect();
    for (entity, hold) in held.iter().filter(|(entity, _)| !planner.changes().contains_key(entity))
    {
        let found = state.holds()?.into_iter().filter(|one| one.id.to_string() == *hold);
        for one in found {
            let theirs = state.held_changes(&one)?.into_iter().filter(|one| one.entity == *entity);
            pending.extend(theirs.map(|change| line(&change, names, Some(hold.clone()))));
        }
    }
    mark_rejected(state, person, &mut pending, now)?;
    let mut journal: Vec<Entry> = Vec::new();
    state.for_each_entry(|_, stored| {
        let entry = stored.map(|stored| stored.entry);
        let is_theirs =
            |entry: &Entry| entry.entity().is_some_and(|entity| concerns(entity, person));
        journal.extend(entry.filter(is_theirs));
    })?;
    let of_account: Vec<&Write> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Write(write) => Some(write),
            Entry::Decision(_) => None,
        })
        .filter(|write| write.refused.is_none() && write.entity == Entity::Account(person))
        .collect();
    let mut facts = Facts {
        person: person.to_string(),
        name: names.person(person),
        in_entra: in_entra(user),
        standing,
        why,
        because: user
            .map_or_else(Vec::new, |user| read_by(names, &target.policy.people, person, user)),
        account: account(entry, &of_account),
        attributes: user
            .map_or_else(Vec::new, |user| attributes(names, person, user, target, &of_account)),
        groups: groups(names, mirror, person),
        pending,
        stuck: stuck(state, person)?,
        next: Vec::new(),
        history: journal.iter().map(|entry| history(names, entry)).collect(),
    };
    if state.ledger.absent.contains_key(&Entity::Account(person)) {
        facts.account.state = "not found";
    }
    Ok(facts)
}

pub(super) fn concerns(entity: &Entity, person: PersonId) -> bool {
    match entity {
        Entity::Account(one) | Entity::Member(_, one) => *one == person,
        Entity::Group(_) => false,
    }
}

fn in_entra(user: Option<&SourceUser>) -> String {
    let Some(user) = user else { return "not known".to_owned() };
    match user.presence {
        Presence::Present if user.partial => "present; waits to be read whole".to_owned(),
        Presence::Present if user.kept => "present".to_owned(),
        Presence::Present => "present, and keep is false: only the id is kept".to_owned(),
        Presence::MissingOnce(_) => {
            "missing from one complete read; a single read and a second complete one decide".to_owned()
        }
        Presence::NotFound(_) => {
            "missing from one complete read and not found by a single read; a second complete read decides"
                .to_owned()
        }
        Presence::Removed(tombstone) if user.partial => {
            format!("{}, but named again since; a single read decides", derive::gone(tombstone))
        }
        Presence::Removed(tombstone) => derive::gone(tombstone).to_owned(),
    }
}

fn account(entry: Option<&AccountEntry>, confirmed: &[&Write]) -> AccountFacts {
    let link = entry.map_or(&Link::Unlinked, |entry| &entry.link);
    let (state, id) = match link {
        Link::Unlinked => ("none", None),
        Link::Pending(_) => ("create under way", None),
        Link::Linked(id) if entry.is_some_and(AccountEntry::is_active) => ("active", Some(id)),
        Link::Linked(id) => ("there, and not known to be active", Some(id)),
        Link::Deactivated(id) => ("deactivated", Some(id)),
        Link::Released(id) => ("released", Some(id)),
        Link::Gone(id) => ("gone", Some(id)),
    };
    let origin = entry.filter(|_| id.is_some()).map(|entry| match entry.origin {
        Origin::Created => "created",
        Origin::Adopted => "adopted",
    });
    let is_turn = |write: &&&Write| match link {
        Link::Linked(_) => {
            matches!(write.action, Action::Create | Action::Adopt | Action::Reactivate)
        }
        Link::Deactivated(_) => write.action == Action::Deactivate,
        Link::Gone(_) => write.action == Action::Delete,
        Link::Unlinked | Link::Pending(_) | Link::Released(_) => false,
    };
    let since = confirmed.iter().rev().find(is_turn).map(|write| write.at.to_string());
    AccountFacts { state, since, id: id.map(ToString::to_string), origin }
}

fn groups(names: Names<'_>, mirror: Option<&Mirror>, person: PersonId) -> Vec<GroupFacts> {
    let Names { state, planner, .. } = names;
    let entry = state.ledger.accounts.get(&person);
    let is_out = entry.is_some_and(|entry| matches!(entry.link, Link::Deactivated(_)))
        || state.ledger.by_hand.contains_key(&person);
    // Whatever Entra says, a deactivated account is no member.
    let groups = if is_out { Vec::new() } else { planner.groups_of(person) };
    let belongs: BTreeSet<&GroupKey> = groups.into_iter().collect();
    let confirmed: BTreeSet<&GroupKey> = state.ledger.groups_of(person).collect();
    let facts = belongs.union(&confirmed).map(|&key| GroupFacts {
        key: names.group_key(key),
        name: names.group(key),
        belongs: belongs.contains(key),
        confirmed: confirmed.contains(key),
        why: match key {
            _ if names.is_masked() => MASK.to_owned(),
            _ if is_out => "a deactivated account is no member".to_owned(),
            _ if !belongs.contains(key) => "belongs to it no longer".to_owned(),
            GroupKey::Rule { rule, value } => format!("rule {rule} gives {value:?}"),
            GroupKey::Directory { object, .. } => {
                mirror.map_or_else(String::new, |mirror| road(mirror, *object, person.object))
            }
        },
    });
    facts.collect()
}

/// How a person comes into a group: directly, or through which nested groups.
fn road(mirror: &Mirror, group: ObjectId, person: ObjectId) -> String {
    let mut from: BTreeMap<ObjectId, ObjectId> = BTreeMap::new();
    let mut open = vec![group];
    while let Some(at) = open.pop() {
        let members = mirror.groups.get(&at).map(|group| &group.members);
        for (&member, edge) in members.into_iter().flatten() {
            if member == person {
                let mut through = Vec::new();
                let mut step = at;
                while step != group {
                    through.push(group_name(mirror, step));
                    match from.get(&step) {
                        Some(&above) => step = above,
                        None => break,
                    }
                }
                through.reverse();
                return match through.as_slice() {
                    [] => "direct member".to_owned(),
                    names => format!("member through {}", names.join(" › ")),
                };
            }
            if edge.kind == MemberKind::Group && member != group && !from.contains_key(&member) {
                from.insert(member, at);
                open.push(member);
            }
        }
    }
    "member".to_owned()
}

fn group_name(mirror: &Mirror, group: ObjectId) -> String {
    let found = mirror.groups.get(&group).and_then(|group| group.properties.get("displayName"));
    found.and_then(|name| name.as_text()).map_or_else(|| group.to_string(), str::to_owned)
}

/// The hold that a change waits in. What follows another change waits with it, unless only values of that wait.
fn hold_of(change: &Change, held: &BTreeMap<Entity, String>, planner: &Planner) -> Option<String> {
    let waits_with = || {
        let is_whole = |leader: &Entity| {
            planner.changes().get(leader).is_some_and(|one| one.action != Action::Update)
        };
        change.leaders().filter(is_whole).find_map(|leader| held.get(&leader))
    };
    held.get(&change.entity).or_else(waits_with).cloned()
}

/// Marks what somebody has rejected, and nobody has approved since.
fn mark_rejected(
    state: &State,
    person: PersonId,
    pending: &mut [ChangeLine],
    now: Timestamp,
) -> Result<(), Failure> {
    for hold in state.holds()? {
        let theirs = hold
            .claims
            .iter()
            .filter(|(guarded, _)| guarded.entity().is_some_and(|entity| concerns(entity, person)));
        let theirs = theirs.map(|(guarded, shown)| (guarded.clone(), *shown)).collect();
        let said = state.said_of(&theirs, now);
        let id = hold.id.to_string();
        for line in pending.iter_mut().filter(|line| line.held.as_ref() == Some(&id)) {
            line.rejected = said.rejected > 0 && said.open + said.approved == 0;
        }
    }
    Ok(())
}

/// The holds that concern the person, by entity.
fn held(state: &State, person: PersonId) -> Result<BTreeMap<Entity, String>, Failure> {
    let mut held = BTreeMap::new();
    for hold in state.holds()? {
        for change in state.held_changes(&hold)? {
            if concerns(&change.entity, person) {
                held.insert(change.entity, hold.id.to_string());
            }
        }
    }
    Ok(held)
}

fn stuck(state: &State, person: PersonId) -> Result<Vec<String>, Failure> {
    let mut stuck = Vec::new();
    for (entity, escrow) in &state.ledger.escrow {
        if concerns(entity, person) {
            stuck.push(format!(
                "{}; since {}, tried {}, next after {}",
                escrow.reason,
                escrow.since,
                times(escrow.attempts.into()),
                escrow.next
            ));
        }
    }
    for (entity, note) in state.stuck_notes()?.into_iter().filter(|(_, note)| note.is_stuck()) {
        if concerns(&entity, person) {
            stuck.push(format!("{}; since {}", note.reason, note.since));
        }
    }
    Ok(stuck)
}

fn history(names: Names<'_>, entry: &Entry) -> HistoryLine {
    let group = match entry.entity() {
        Some(Entity::Member(key, _)) => Some(names.group(key)),
        Some(Entity::Account(_) | Entity::Group(_)) | None => None,
    };
    let at = entry.at().to_string();
    match entry {
        Entry::Write(write) => HistoryLine {
            at,
            kind: Kind::Write,
            action: write.action.name(),
            group,
            paths: write.paths.clone(),
            reason: names.reason(&write.reason),
            approved_by: write.approved_by.clone(),
            refused: write.refused.clone(),
            by: None,
        },
        Entry::Decision(decision) => HistoryLine {
            at,
            kind: Kind::Decision,
            action: decision.kind.name(),
            group,
            paths: Vec::new(),
            reason: names.free_text(&decision.detail),
            approved_by: None,
            refused: None,
            by: decision.by.as_deref().map(str::to_owned),
        },
    }
}
