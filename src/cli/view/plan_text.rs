//! A plan for people: risky things first, a symbol and a word for each line, long lists folded, and one
//! line at the end that says it all.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;
use serde_json::Value;

use super::plan::{ChangeLine, Document, HeldLine, Kind, TargetPlan};
use super::text::{BOLD, CHANGED, DIM, GOOD, RISKY, harmless, number, styled, time_of};
use crate::core::plan::Action;

/// More lines of one kind than this are folded,
const FOLD_FROM: usize = 20;
/// to so many.
const FOLDED: usize = 10;
/// The attributes of so many creates are shown; of more, only the names.
const CREATES_IN_FULL: usize = 3;

/// The sections of a plan, risky actions first.
const SECTIONS: [(&str, &[Action]); 3] = [
    (
        "People",
        &[
            Action::Delete,
            Action::Deactivate,
            Action::Adopt,
            Action::Reactivate,
            Action::Update,
            Action::Create,
        ],
    ),
    (
        "Groups",
        &[Action::GroupDelete, Action::GroupAdopt, Action::GroupUpdate, Action::GroupCreate],
    ),
    ("Memberships", &[Action::MemberRemove, Action::MemberAdd]),
];

/// The whole plan.
pub(crate) fn render(document: &Document) -> String {
    let mut text = String::new();
    for (name, plan) in &document.targets {
        let heading = format!("Plan for {} of {}", harmless(name), time_of(&document.created));
        let _ = writeln!(text, "{}", styled(BOLD, &heading));
        if !document.complete {
            let warning =
                "Incomplete: not everything could be read; nothing is removed on what is missing.";
            let _ = writeln!(text, "{}", styled(RISKY, warning));
        }
        holds(&mut text, &plan.held);
        for (title, actions) in SECTIONS {
            section(&mut text, title, actions, &plan.changes);
        }
        let _ = writeln!(text, "\n{}", total(plan, document.complete));
    }
    text
}

fn holds(text: &mut String, held: &[HeldLine]) {
    if held.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Held"));
    for hold in held {
        let HeldLine { id, guard, count, limit, since, rejected_by } = hold;
        let mark = styled(RISKY, "! held");
        let (id, guard) = (harmless(id), harmless(guard));
        let (count, limit, since) = (number(*count), number(*limit), time_of(since));
        let _ =
            writeln!(text, "  {mark}  {id}: {count} > {limit} allowed by {guard}, since {since}");
        let _ = match rejected_by {
            Some(by) => writeln!(
                text,
                "          rejected by {}; to make them after all: manntall approve {id}",
                harmless(by)
            ),
            None => writeln!(
                text,
                "          to make these changes: manntall approve {id}   to refuse them: manntall reject {id}"
            ),
        };
    }
}

fn section(text: &mut String, title: &str, actions: &[Action], changes: &[ChangeLine]) {
    let mut begun = false;
    for &action in actions {
        let lines: Vec<_> = changes.iter().filter(|line| line.action == action).collect();
        if lines.is_empty() {
            continue;
        }
        if !begun {
            let _ = writeln!(text, "\n{}", styled(BOLD, title));
            begun = true;
        }
        let shown = if lines.len() > FOLD_FROM { FOLDED } else { lines.len() };
        let in_full = match action {
            Action::Create => lines.len() <= CREATES_IN_FULL,
            // The name says it all.
            Action::GroupCreate | Action::GroupAdopt => false,
            _ => true,
        };
        for line in lines.iter().take(shown) {
            change(text, line, in_full);
        }
        if shown < lines.len() {
            let more = number((lines.len() - shown) as u64);
            let (_, word, _) = symbol(action);
            let _ = writeln!(
                text,
                "  {}",
                styled(DIM, &format!("… and {more} more to {word}; --json shows all"))
            );
        }
    }
}

/// One change, as `plan` and `holds` show it.
pub(crate) fn change(text: &mut String, line: &ChangeLine, in_full: bool) {
    let (sign, word, style) = symbol(line.action);
    let mark = styled(style, &format!("{sign} {word:<10}"));
    let name = harmless(&line.name);
    let what = match (line.kind, &line.group_name) {
        (Kind::Member, Some(group)) if line.action == Action::MemberRemove => {
            format!("{name} from {}", harmless(group))
        }
        (Kind::Member, Some(group)) => format!("{name} to {}", harmless(group)),
        _ => name,
    };
    let _ = write!(text, "  {mark} {what}");
    if line.kind != Kind::Member {
        let _ = write!(text, " {}", styled(DIM, &format!("({})", harmless(&line.key))));
    }
    let _ = write!(text, " {}", styled(DIM, &format!("because {}", harmless(&line.reason))));
    if let Some(hold) = &line.held {
        let _ = write!(text, " {}", styled(RISKY, &format!("! held {}", harmless(hold))));
    }
    text.push('\n');
    if in_full {
        values(text, &line.before, &line.after);
    }
}

fn values(text: &mut String, before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) {
    for (path, new) in after {
        let path = harmless(path);
        let _ = match before.get(path.as_str()) {
            Some(old) => writeln!(text, "        {path}: {} → {}", value(old), value(new)),
            None => writeln!(text, "        {path}: {}", value(new)),
        };
    }
}

/// A value for people.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        other => harmless(&other.to_string()),
    }
}

fn symbol(action: Action) -> (char, &'static str, Style) {
    match action {
        Action::Create | Action::GroupCreate => ('+', "create", GOOD),
        Action::MemberAdd => ('+', "add", GOOD),
        Action::Adopt | Action::GroupAdopt => ('=', "adopt", CHANGED),
        Action::Update | Action::GroupUpdate => ('~', "update", CHANGED),
        Action::Reactivate => ('^', "reactivate", CHANGED),
        Action::Deactivate => ('-', "deactivate", RISKY),
        Action::MemberRemove => ('-', "remove", RISKY),
        Action::Delete | Action::GroupDelete => ('x', "delete", RISKY),
    }
}

/// The line at the end.
pub(crate) fn total(plan: &TargetPlan, complete: bool) -> String {
    let count = |action: Action| plan.summary.get(&action).copied().unwrap_or_default();
    if plan.changes.is_empty() {
        let words = if complete {
            "Plan: no changes; the platform is as it should be."
        } else {
            "Plan: no changes as far as can be told."
        };
        return words.to_owned();
    }
    let people = [
        Action::Create,
        Action::Adopt,
        Action::Update,
        Action::Deactivate,
        Action::Reactivate,
        Action::Delete,
    ];
    let groups =
        [Action::GroupCreate, Action::GroupAdopt, Action::GroupUpdate, Action::GroupDelete];
    let list = |actions: &[Action]| {
        let some = actions.iter().filter(|&&action| count(action) > 0);
        let words = some.map(|&action| format!("{} {}", number(count(action)), symbol(action).1));
        words.collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    for (title, actions) in [("people", people.as_slice()), ("groups", groups.as_slice())] {
        let words = list(actions);
        if !words.is_empty() {
            parts.push(format!("{title}: {words}"));
        }
    }
    let (adds, removes) = (count(Action::MemberAdd), count(Action::MemberRemove));
    if adds + removes > 0 {
        parts.push(format!("members: +{} −{}", number(adds), number(removes)));
    }
    if !plan.held.is_empty() {
        let holds: Vec<_> = plan
            .held
            .iter()
            .map(|hold| {
                format!("{} {} > {}", harmless(&hold.guard), number(hold.count), number(hold.limit))
            })
            .collect();
        parts.push(format!("held: {}", holds.join(", ")));
    }
    format!("Plan: {}.", parts.join("; "))
}
