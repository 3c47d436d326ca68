//! From a judged plan to the lines that a case compares.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::read::{NOW, Town};
use crate::core::judge::{HoldId, judge};
use crate::core::model::{AttrPath, Datum, ENTERPRISE, Entity, GroupKey, ObjectId, Wanted};
use crate::core::plan::{Action, Change, Note};

pub(super) fn outcome(town: &Town) -> String {
    let planner = town.plan();
    let standing = town.context(&planner);
    let judgement = judge(planner.changes().clone(), &standing, &town.policy.budgets, NOW);
    let mut lines = Vec::new();
    for cleared in judgement.cleared.values() {
        let approved = cleared.clearance().approval().is_some();
        let before = if approved { "approved: " } else { "" };
        lines.push(format!("{before}{}", change(cleared.change())));
    }
    let holds: BTreeMap<HoldId, _> = judgement.holds.iter().map(|hold| (hold.id, hold)).collect();
    for held in judgement.held.values() {
        let hold = holds[&held.hold];
        let what = change(&held.change);
        let word = if hold.open == 0 { "rejected" } else { "held" };
        lines.push(format!("{word} by {}, limit {}: {what}", hold.meter.guard, hold.limit));
    }
    lines.extend(planner.later().values().map(|later| format!("later: {}", change(later))));
    for (entity, note) in planner.notes() {
        let (word, why) = match note {
            Note::Untouched(why) => ("untouched", (*why).to_owned()),
            Note::Waiting(why) => ("waits", why.clone()),
            Note::NoLogin(why) => ("no login", why.clone()),
            Note::Stuck(why) => ("stuck", why.clone()),
            Note::Twins(why) => ("twins", why.clone()),
        };
        lines.push(format!("{word} {}: {why}", entity_name(entity)));
    }
    lines.extend(planner.unsurveyed().iter().map(|one| format!("asks for {}", entity_name(one))));
    lines.extend(planner.releases().iter().map(|key| format!("releases {}", group_name(key))));
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    readable(&lines.join("\n"))
}

fn change(change: &Change) -> String {
    let Change { entity, action, before, after, reason, follows: _, adopts } = change;
    let mut text = match entity {
        Entity::Member(key, person) => {
            let way = if *action == Action::MemberAdd { "into" } else { "out of" };
            format!("{} {way} {}", name(person.object), group_name(key))
        }
        Entity::Account(_) | Entity::Group(_) => {
            let action = action.name().trim_start_matches("group_");
            format!("{action} {}", entity_name(entity))
        }
    };
    if let Some(taken) = adopts {
        let _ = write!(text, " as {}", taken.id);
    }
    let is_new = matches!(action, Action::Create | Action::GroupCreate);
    for (path, wanted) in after {
        if is_new && is_ordinary(path, wanted) {
            continue;
        }
        let held = before.get(path).map(|held| format!("{held} -> ")).unwrap_or_default();
        let wanted = match wanted {
            Wanted::Value(value) => value.to_string(),
            Wanted::Account(person) => format!("account of {}", name(person.object)),
        };
        let _ = write!(text, ", {} {held}{wanted}", short(path));
    }
    let _ = write!(text, " ({reason})");
    text
}

/// What everything new has is not said of each.
fn is_ordinary(path: &AttrPath, wanted: &Wanted) -> bool {
    let is_active = *wanted == Wanted::Value(Datum::Bool(true));
    *path == AttrPath::external_id() || (*path == AttrPath::active() && is_active)
}

fn short(path: &AttrPath) -> String {
    let text = path.as_str().replace(&format!("{ENTERPRISE}:"), "");
    text.replace("emails[type eq \"work\"].value", "mail")
}

fn entity_name(entity: &Entity) -> String {
    match entity {
        Entity::Account(person) => name(person.object),
        Entity::Group(key) => format!("group {}", group_name(key)),
        Entity::Member(key, person) => format!("{} in {}", name(person.object), group_name(key)),
    }
}

fn group_name(key: &GroupKey) -> String {
    match key {
        GroupKey::Directory { source: _, object } => name(*object),
        GroupKey::Rule { rule, value } => format!("{rule}/{value}"),
    }
}

/// The name that an id is made of.
fn name(object: ObjectId) -> String {
    String::from_utf8_lossy(&object.bytes()).trim_end().to_owned()
}

/// The same where ids are written out.
fn readable(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(object) = rest.get(..LENGTH).and_then(ObjectId::parse) {
            out.push_str(&name(object));
            rest = &rest[LENGTH..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
