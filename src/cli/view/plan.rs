//! A plan as a value: what `plan --json` writes (format `manntall-plan/1`), what `--out` saves, what
//! `show` and `apply` read back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hold::HeldLine;
use super::text::harmless;
use crate::cli::names::{Names, is_personal, masked};
use crate::cli::reveal::Sight;
use crate::core::model::{Account, Attributes, Datum, DigestKey, Entity, Wanted};
use crate::core::plan::{Action, Change};
use crate::cycle::Engine;
use crate::cycle::deferred::Deferred;

/// Name and version of the form.
pub(crate) const FORMAT: &str = "manntall-plan/1";

/// Stands for what is not shown to whoever asks.
pub(crate) const MASK: &str = "(hidden)";

/// What is said of a platform that shows nobody who is in a group.
pub(crate) const UNREADABLE: &str = "memberships of this platform cannot be read back: they count as made once \
     it confirms them, and no comparison proves them";

/// A whole plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) format: String,
    pub(crate) created: String,
    pub(crate) complete: bool,
    pub(crate) targets: BTreeMap<String, TargetPlan>,
    /// Whether everything was stopped when it was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) paused: bool,
    /// The key of its digests, where there was no installation yet whose key it could be. Only in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest_key: Option<DigestKey>,
}

/// The plan of one target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TargetPlan {
    /// Every action with its count, what is held included.
    pub(crate) summary: BTreeMap<Action, u64>,
    pub(crate) held: Vec<HeldLine>,
    /// What is wanted and left out of the plan for now.
    #[serde(default)]
    pub(crate) deferred: Vec<DeferredLine>,
    pub(crate) changes: Vec<ChangeLine>,
    /// Groups that would have one name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) same_names: Vec<SameName>,
    /// Whether memberships cannot be read back from the platform.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) members_unreadable: bool,
}

/// Several groups that would have one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SameName {
    pub(crate) name: String,
    pub(crate) keys: Vec<String>,
}

/// Something that is wanted and left out of the plan for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeferredLine {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// What would be done, where that can be said.
    pub(crate) action: Option<Action>,
    pub(crate) why: String,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    User,
    Group,
    Member,
}

/// Which person, group or membership a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangeLine {
    pub(crate) action: Action,
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) reason: String,
    pub(crate) before: BTreeMap<String, Value>,
    pub(crate) after: BTreeMap<String, Value>,
    pub(crate) held: Option<String>,
    /// Whether somebody has rejected it: nothing asks about it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rejected: bool,
    /// Equal digests are the same change.
    pub(crate) digest: String,
}

/// The plan of an engine that has planned.
pub(crate) fn of_engine(engine: &Engine, target: &str, created: String, sight: &Sight) -> Document {
    let names = Names { state: engine.state(), planner: engine.planner(), sight };
    let planner = engine.planner();
    let hold_of = |entity: &Entity| {
        let held = engine.judgement().and_then(|judgement| judgement.held.of(entity).first());
        held.map(|held| held.hold.to_string())
    };
    let changes = engine
        .judged()
        .into_iter()
        .map(|(change, hold)| line(&change, names, hold.map(|hold| hold.to_string())));
    // What follows waits for both accounts: the one that refers, and the one that it refers to.
    let later = planner.later().values().map(|change| {
        let mut both = change.after.values().filter_map(|wanted| match wanted {
            Wanted::Account(person) => Some(Entity::Account(*person)),
            Wanted::Value(_) => None,
        });
        let held = hold_of(&change.entity).or_else(|| both.find_map(|one| hold_of(&one)));
        line(change, names, held)
    });
    let now = engine.now();
    let mut changes: Vec<ChangeLine> = changes.chain(later).collect();
    let rejected = engine.holds().iter().filter(|hold| hold.rejected.is_some());
    let rejected: BTreeSet<String> = rejected.map(|hold| hold.id.to_string()).collect();
    for line in &mut changes {
        line.rejected = line.held.as_ref().is_some_and(|hold| rejected.contains(hold));
    }
    let held = engine.holds().iter().map(|hold| HeldLine::of(hold, engine.state(), now)).collect();
    let deferred = engine.deferred().iter().map(|one| deferred(one, names)).collect();
    let mut plan = TargetPlan::new(held, deferred, changes);
    let same_names = planner.same_names();
    let same_names = same_names.into_values().filter_map(|keys| {
        let name = names.group(keys.first()?);
        Some(SameName { name, keys: keys.into_iter().map(|key| names.group_key(key)).collect() })
    });
    plan.same_names = same_names.collect();
    plan.members_unreadable = engine.report().target.hides_members;
    Document {
        format: FORMAT.to_owned(),
        created,
        complete: engine.is_complete(),
        targets: BTreeMap::from([(target.to_owned(), plan)]),
        paused: engine.state().paused.is_some(),
        digest_key: None,
    }
}

impl Document {
    /// Leaves only what concerns one person.
    pub(crate) fn narrow(&mut self, person: &str) {
        for plan in self.targets.values_mut() {
            let mut only = std::mem::take(plan).only(|line| line.subject.is_about(person));
            only.deferred.retain(|line| line.subject.is_about(person));
            *plan = only;
        }
    }

    /// Whether values are left out of it.
    pub(crate) fn hides_values(&self) -> bool {
        let mut changes = self.targets.values().flat_map(|plan| &plan.changes);
        changes.any(|line| line.before.values().chain(line.after.values()).any(|one| one == MASK))
    }
}

/// A plan as it was saved. What it holds is shown to whoever says in whose sight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedPlan(Document);

impl SavedPlan {
    /// Reads one, or says why the bytes are none; that may quote them, and does nothing to the terminal.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| harmless(&error.to_string()))?;
        if document.format == FORMAT {
            Ok(Self(document))
        } else {
            Err(format!("its format is not {FORMAT}"))
        }
    }

    /// Whether it was saved with values.
    pub(crate) fn has_values(&self) -> bool {
        let mut changes = self.0.targets.values().flat_map(|plan| &plan.changes);
        let shows = |one: &Value| is_personal(one) && one != MASK;
        changes.any(|line| line.before.values().chain(line.after.values()).any(shows))
    }

    /// What it says, in this sight.
    pub(crate) fn seen(mut self, sight: &Sight) -> Document {
        if !matches!(sight, Sight::Clear(_)) {
            let changes = self.0.targets.values_mut().flat_map(|plan| &mut plan.changes);
            for value in
                changes.flat_map(|line| line.before.values_mut().chain(line.after.values_mut()))
            {
                *value = masked(value.take());
            }
        }
        self.0
    }
}

impl TargetPlan {
    fn new(held: Vec<HeldLine>, deferred: Vec<DeferredLine>, changes: Vec<ChangeLine>) -> Self {
        let mut summary: BTreeMap<Action, u64> =
            Action::ALL.into_iter().map(|action| (action, 0)).collect();
        for change in &changes {
            *summary.entry(change.action).or_default() += 1;
        }
        Self { summary, held, deferred, changes, ..Self::default() }
    }

    /// The part of the plan that concerns what `wants` picks.
    pub(crate) fn only(self, wants: impl Fn(&ChangeLine) -> bool) -> Self {
        let changes: Vec<_> = self.changes.into_iter().filter(|line| wants(line)).collect();
        let holds: BTreeSet<_> = changes.iter().filter_map(|line| line.held.clone()).collect();
        let held = self.held.into_iter().filter(|hold| holds.contains(&hold.id)).collect();
        let unreadable = self.members_unreadable;
        Self { members_unreadable: unreadable, ..Self::new(held, self.deferred, changes) }
    }
}

impl Subject {
    fn of(entity: &Entity, names: Names<'_>) -> Self {
        let subject = |kind, name| Self {
            kind,
            key: names.key(entity),
            name,
            group: None,
            group_name: None,
            member: None,
        };
        match entity {
            Entity::Account(person) => subject(Kind::User, names.person(*person)),
            Entity::Group(key) => subject(Kind::Group, names.group(key)),
            Entity::Member(key, person) => Self {
                group: Some(names.group_key(key)),
                group_name: Some(names.group(key)),
                member: Some(person.to_string()),
                ..subject(Kind::Member, names.person(*person))
            },
        }
    }

    /// Whether it is about this person: by key, object id or name.
    pub(crate) fn is_about(&self, person: &str) -> bool {
        let key = match self.kind {
            Kind::User => Some(&self.key),
            Kind::Member => self.member.as_ref(),
            Kind::Group => None,
        };
        key.is_some_and(|key| {
            key == person
                || key.rsplit('/').next().is_some_and(|id| id.eq_ignore_ascii_case(person))
                || self.name.to_lowercase() == person.to_lowercase()
        })
    }
}

/// Something that is left out for now.
fn deferred(one: &Deferred, names: Names<'_>) -> DeferredLine {
    let Deferred { entity, action, why } = one;
    // It may name what stands on the platform.
    let why = names.free_text(why);
    DeferredLine { subject: Subject::of(entity, names), action: *action, why }
}

/// One change.
pub(crate) fn line(change: &Change, names: Names<'_>, held: Option<String>) -> ChangeLine {
    let Change { entity, action, before, after, reason, follows: _, adopts: _ } = change;
    ChangeLine {
        action: *action,
        subject: Subject::of(entity, names),
        reason: names.reason(reason),
        before: attributes(before, names),
        after: account(after, names),
        held,
        rejected: false,
        digest: change.digest().keyed(names.state.digests()).to_string(),
    }
}

fn attributes(attributes: &Attributes, names: Names<'_>) -> BTreeMap<String, Value> {
    attributes.iter().map(|(path, datum)| (path.to_string(), names.value(datum))).collect()
}

fn account(account: &Account, names: Names<'_>) -> BTreeMap<String, Value> {
    let value = |wanted: &Wanted| match wanted {
        Wanted::Value(datum) => names.value(datum),
        // Who leads whom is a value like any other.
        Wanted::Account(person) => names.value(&Datum::from(person.to_string().as_str())),
    };
    account.iter().map(|(path, wanted)| (path.to_string(), value(wanted))).collect()
}
