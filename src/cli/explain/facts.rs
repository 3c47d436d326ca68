//! What there is to say about one person, as a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::audit::Write;
use crate::cli::Failure;
use crate::cli::names::Names;
use crate::cli::view::plan::{ChangeLine, MASK, json, line};
use crate::cli::view::text::time;
use crate::core::derive::{self, Standing};
use crate::core::mirror::Mirror;
use crate::core::model::{
    AccountEntry, AttrPath, Entity, GroupKey, Link, MemberKind, ObjectId, Origin, PersonId,
    Presence, SourceUser, Wanted,
};
use crate::core::plan::Planner;
use crate::core::policy::Policy;
use crate::cycle::state::State;

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
    pub(super) account: AccountFacts,
    pub(super) attributes: Vec<AttributeFacts>,
    pub(super) groups: Vec<GroupFacts>,
    pub(super) pending: Vec<ChangeLine>,
    pub(super) stuck: Vec<String>,
    pub(super) history: Vec<HistoryLine>,
}

/// The account on the target.
#[derive(Debug, Serialize)]
pub(super) struct AccountFacts {
    pub(super) state: &'static str,
    pub(super) id: Option<String>,
    pub(super) origin: Option<&'static str>,
}

/// One attribute of the account.
#[derive(Debug, Serialize)]
pub(super) struct AttributeFacts {
    pub(super) path: String,
    pub(super) expression: Option<String>,
    /// What the expression gives now; none when it cannot be said.
    pub(super) value: Option<Value>,
    pub(super) trouble: Option<String>,
    /// What was sent and confirmed.
    pub(super) sent: Option<Value>,
    /// What the target shows instead, where it does.
    pub(super) answered: Option<Value>,
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

/// One thing that was done, or refused.
#[derive(Debug, Serialize)]
pub(super) struct HistoryLine {
    pub(super) at: String,
    pub(super) action: &'static str,
    pub(super) group: Option<String>,
    pub(super) paths: Vec<String>,
    pub(super) reason: String,
    pub(super) approved_by: Option<String>,
    pub(super) refused: Option<String>,
}

impl Facts {
    /// Hides names and values.
    pub(super) fn mask(&mut self) {
        MASK.clone_into(&mut self.name);
        for one in &mut self.attributes {
            for value in [&mut one.value, &mut one.sent, &mut one.answered].into_iter().flatten() {
                *value = Value::from(MASK);
            }
        }
        for group in &mut self.groups {
            MASK.clone_into(&mut group.name);
            MASK.clone_into(&mut group.why);
        }
        self.pending.iter_mut().for_each(ChangeLine::mask);
        for group in self.history.iter_mut().filter_map(|line| line.group.as_mut()) {
            MASK.clone_into(group);
        }
    }
}

/// Collects the facts.
pub(super) fn collect(
    state: &State,
    planner: &Planner,
    policy: &Policy,
    person: PersonId,
) -> Result<Facts, Failure> {
    let names = Names { state, planner };
    let mirror = state.mirrors.get(&person.source);
    let user = mirror.and_then(|mirror| mirror.users.get(&person.object));
    let entry = state.ledger.accounts.get(&person);
    let (standing, why) = match planner.standings().get(&person) {
        Some(Standing::In) => ("in", "scope.people is true".to_owned()),
        Some(Standing::Out(why)) => ("out", why.clone()),
        Some(Standing::Unknown(why)) => ("unknown", why.clone()),
        None => ("unknown", "Entra has not told of this person".to_owned()),
    };
    let held = held(state, person)?;
    let changes = planner.foreseen().filter(|change| concerns(&change.entity, person));
    let mut pending: Vec<_> =
        changes.map(|change| line(change, names, held.get(&change.entity).cloned())).collect();
    for (entity, hold) in held.iter().filter(|(entity, _)| !planner.changes().contains_key(entity))
    {
        let found = state.holds()?.into_iter().filter(|one| one.id.to_string() == *hold);
        for one in found {
            let theirs = state.held_changes(&one)?.into_iter().filter(|one| one.entity == *entity);
            pending.extend(theirs.map(|change| line(&change, names, Some(hold.clone()))));
        }
    }
    let journal = state.journal()?.into_iter().filter(|record| concerns(&record.entity, person));
    Ok(Facts {
        person: person.to_string(),
        name: names.person(person),
        in_entra: in_entra(user),
        standing,
        why,
        account: account(entry),
        attributes: user
            .map_or_else(Vec::new, |user| attributes(state, person, user, entry, policy)),
        groups: groups(names, mirror, person),
        pending,
        stuck: stuck(state, person)?,
        history: journal.map(|record| history(names, record)).collect(),
    })
}

fn concerns(entity: &Entity, person: PersonId) -> bool {
    match entity {
        Entity::Account(one) | Entity::Member(_, one) => *one == person,
        Entity::Group(_) => false,
    }
}

fn in_entra(user: Option<&SourceUser>) -> String {
    let Some(user) = user else { return "not known".to_owned() };
    match user.presence {
        Presence::Present if user.kept => "present".to_owned(),
        Presence::Present => "present, and keep is false: only the id is kept".to_owned(),
        Presence::MissingOnce(_) => {
            "missing from one complete read; a second one decides".to_owned()
        }
        Presence::Removed(tombstone) => derive::gone(tombstone).to_owned(),
    }
}

fn account(entry: Option<&AccountEntry>) -> AccountFacts {
    let link = entry.map_or(&Link::Unlinked, |entry| &entry.link);
    let (state, id) = match link {
        Link::Unlinked => ("none", None),
        Link::Pending(_) => ("create under way", None),
        Link::Linked(id) => ("active", Some(id)),
        Link::Deactivated(id) => ("deactivated", Some(id)),
        Link::Released(id) => ("released", Some(id)),
        Link::Gone(id) => ("gone", Some(id)),
    };
    let origin = entry.filter(|_| id.is_some()).map(|entry| match entry.origin {
        Origin::Created => "created",
        Origin::Adopted => "adopted",
    });
    AccountFacts { state, id: id.map(ToString::to_string), origin }
}

fn attributes(
    state: &State,
    person: PersonId,
    user: &SourceUser,
    entry: Option<&AccountEntry>,
    policy: &Policy,
) -> Vec<AttributeFacts> {
    let (wanted, troubles) = derive::account(person, &user.properties, policy);
    let troubles: BTreeMap<AttrPath, String> = troubles.into_iter().collect();
    let sent = entry.map(|entry| &entry.sent);
    let paths: BTreeSet<&AttrPath> = wanted
        .keys()
        .chain(troubles.keys())
        .chain(sent.into_iter().flat_map(|s| s.keys()))
        .collect();
    let account_of = |one: &PersonId| {
        let id = state.ledger.accounts.get(one)?.link.managed()?;
        Some(Value::from(id.as_str()))
    };
    let facts = paths.into_iter().map(|path| AttributeFacts {
        path: path.to_string(),
        expression: policy.account.get(path).map(|expression| expression.text().to_owned()),
        value: wanted.get(path).map(|wanted| match wanted {
            Wanted::Value(datum) => json(datum),
            // As it is sent, once that person has an account.
            Wanted::Account(one) => account_of(one).unwrap_or_else(|| Value::from(one.to_string())),
        }),
        trouble: troubles.get(path).cloned(),
        sent: sent.and_then(|sent| sent.get(path)).map(json),
        answered: entry.and_then(|entry| entry.answered.get(path)).map(json),
    });
    facts.collect()
}

fn groups(names: Names<'_>, mirror: Option<&Mirror>, person: PersonId) -> Vec<GroupFacts> {
    let Names { state, planner } = names;
    let belongs: BTreeSet<&GroupKey> = planner.groups_of(person).into_iter().collect();
    let confirmed: BTreeSet<&GroupKey> = state.ledger.groups_of(person).collect();
    let facts = belongs.union(&confirmed).map(|&key| GroupFacts {
        key: key.to_string(),
        name: names.group(key),
        belongs: belongs.contains(key),
        confirmed: confirmed.contains(key),
        why: match key {
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
                "{}; since {}, tried {} times, next after {}",
                escrow.reason,
                time(escrow.since),
                escrow.attempts,
                time(escrow.next)
            ));
        }
    }
    for (entity, note) in state.stuck_notes()? {
        if concerns(&entity, person) {
            stuck.push(format!("{}; since {}", note.reason, time(note.since)));
        }
    }
    Ok(stuck)
}

fn history(names: Names<'_>, record: Write) -> HistoryLine {
    let group = match &record.entity {
        Entity::Member(key, _) => Some(names.group(key)),
        Entity::Account(_) | Entity::Group(_) => None,
    };
    HistoryLine {
        at: record.at.to_string(),
        action: record.action.name(),
        group,
        paths: record.paths,
        reason: record.reason,
        approved_by: record.approved_by,
        refused: record.refused,
    }
}
