//! A plan for people: risky things first, a symbol and a word for each line, long lists folded, and one
//! line at the end that says it all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anstyle::Style;
use serde_json::Value;

use super::hold::HeldLine;
use super::plan::{
    ChangeLine, DeferredLine, Document, Kind, MASK, SameName, TargetPlan, UNREADABLE,
};
use super::text::{BOLD, CHANGED, DIM, GOOD, Lines, RISKY, harmless, number, own, styled, time_of};
use crate::core::plan::Action;

/// More lines of one kind than this are folded,
const FOLD_FROM: usize = 20;
/// to so many.
const FOLDED: usize = 10;
/// The attributes of so many creates are shown; of more, only the names.
const CREATES_IN_FULL: usize = 3;

/// Causes of what is folded that are counted by themselves.
const CAUSES_SHOWN: usize = 3;
/// Where the words of a line begin, behind symbol and action.
const WORDS_AT: usize = 15;
/// Stands for a value that is not shown.
const HIDDEN: &str = "•••";

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

/// How a plan is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look<'a> {
    /// The file that the plan is saved in.
    pub(crate) saved: Option<&'a str>,
    /// Whether there was no state yet: nothing can be decided before a sync has met what is held.
    pub(crate) is_first: bool,
}

/// The whole plan.
pub(crate) fn render(document: &Document, look: Look<'_>) -> String {
    let mut text = String::new();
    for (name, plan) in &document.targets {
        let heading = format!("Plan for {} of {}", harmless(name), time_of(&document.created));
        let _ = writeln!(text, "{}", styled(BOLD, &heading));
        if !document.complete {
            let warning =
                "Incomplete: not everything could be read; nothing is removed on what is missing.";
            let _ = writeln!(text, "{}", styled(RISKY, warning));
        }
        if plan.members_unreadable {
            let _ = writeln!(text, "Note: {UNREADABLE}.");
        }
        for SameName { name, keys } in &plan.same_names {
            let (count, name, keys) = (keys.len(), harmless(name), harmless(&keys.join(", ")));
            let warning = format!(
                "Warning: {count} groups would be called {name} ({keys}). The platform may refuse the second, or take it \
                 for the first. Rename one in Entra, or set another `name` for one of the rules."
            );
            Lines::new(&mut text, 0, 2).words(Style::new(), &warning).end();
        }
        holds(&mut text, &plan.held, look);
        let several = sources(&plan.changes).len() > 1;
        for (title, actions) in SECTIONS {
            for source in sources(&plan.changes) {
                let own = plan.changes.iter().filter(|line| source_of(line) == source);
                let title = match source {
                    Some(source) if several => format!("{title} of {}", harmless(source)),
                    _ => title.to_owned(),
                };
                section(&mut text, &title, actions, &own.collect::<Vec<_>>());
            }
        }
        deferred(&mut text, &plan.deferred);
        text.push('\n');
        let end = total(plan, document.complete);
        let lines = Lines::new(&mut text, 0, 2).words(Style::new(), &end);
        match look.saved {
            _ if plan.changes.is_empty() => lines.end(),
            _ if plan.changes.iter().all(|line| line.held.is_some()) && !look.is_first => {
                let is_rejected = !plan.held.is_empty()
                    && plan.held.iter().all(|hold| hold.mark() == "! rejected");
                let word = if is_rejected { "rejected" } else { "held" };
                lines.part(Style::new(), &format!("All of it is {word}: manntall holds")).end();
            }
            saved => {
                let how = saved.map(|file| format!("manntall apply {file}"));
                let how = how.unwrap_or_else(|| "manntall sync".to_owned());
                let words = if document.paused {
                    format!("Paused, so nothing of it is made. Apply: manntall resume, then {how}")
                } else {
                    format!("Apply: {how}")
                };
                lines.part(Style::new(), &words).end();
            }
        }
    }
    if document.hides_values() {
        let hint = "Values of people are not shown; --reveal shows them, and puts that on record.";
        let _ = writeln!(text, "{}", styled(DIM, hint));
    }
    text
}

/// The tenants that the changes are about; `None` for groups made by rule.
fn sources(changes: &[ChangeLine]) -> BTreeSet<Option<&str>> {
    changes.iter().map(source_of).collect()
}

fn source_of(line: &ChangeLine) -> Option<&str> {
    let key = line.subject.member.as_deref().unwrap_or(&line.subject.key);
    let key = key.strip_prefix("group:").unwrap_or(key);
    key.split_once('/').map(|(source, _)| source).filter(|source| !source.starts_with("rule:"))
}

fn holds(text: &mut String, held: &[HeldLine], look: Look<'_>) {
    if held.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Held"));
    for hold in held {
        Lines::new(text, 2, WORDS_AT)
            .part(RISKY, &format!("{:<12}", hold.mark()))
            .words(Style::new(), &format!("{}: {}", harmless(&hold.id), hold.words()))
            .end();
        let next = if look.is_first { Vec::new() } else { hold.next() };
        for words in next {
            Lines::new(text, WORDS_AT, WORDS_AT).part(Style::new(), &words).end();
        }
    }
    if look.is_first {
        let words = "Nothing can be decided before the first sync, which makes the rest and gives each \
                     hold the name that it keeps: manntall sync, then manntall holds";
        Lines::new(text, WORDS_AT, WORDS_AT).words(Style::new(), words).end();
    }
}

/// What is wanted and left out for now, by reason.
fn deferred(text: &mut String, lines: &[DeferredLine]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Left out for now"));
    for line in lines.iter().take(FOLD_FROM) {
        let name = harmless(&line.subject.name);
        let what = match &line.subject.group_name {
            Some(group) => format!("{name} in {}", harmless(group)),
            None => name,
        };
        let (sign, word, style) = line.action.map_or(('.', "wait", DIM), symbol);
        Lines::new(text, 2, WORDS_AT)
            .part(style, &format!("{sign} {word:<10}"))
            .part(Style::new(), &what)
            .part(DIM, &format!("because {}", own(&line.why)))
            .end();
    }
    if let Some(more) = lines.len().checked_sub(FOLD_FROM).filter(|more| *more > 0) {
        let words = format!("… and {} more; --json shows all", number(more as u64));
        Lines::new(text, 2, WORDS_AT).words(DIM, &words).end();
    }
}

fn section(text: &mut String, title: &str, actions: &[Action], changes: &[&ChangeLine]) {
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
        if let Some(rest) = lines.get(shown..).filter(|rest| !rest.is_empty()) {
            folded(text, action, rest);
        }
    }
}

/// What is not shown one by one, counted by cause.
fn folded(text: &mut String, action: Action, lines: &[&&ChangeLine]) {
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        *causes.entry(&line.reason).or_default() += 1;
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(cause, count)| (std::cmp::Reverse(*count), *cause));
    let (_, word, _) = symbol(action);
    let mut words = format!("… and {} more to {word}", number(lines.len() as u64));
    for (at, (cause, count)) in causes.iter().take(CAUSES_SHOWN).enumerate() {
        let sign = if at == 0 { ":" } else { "," };
        let _ = write!(words, "{sign} {} because {}", number(*count), own(cause));
    }
    if causes.len() > CAUSES_SHOWN {
        words.push_str(", and others");
    }
    words.push_str("; --json shows all");
    Lines::new(text, 2, WORDS_AT).words(DIM, &words).end();
}

/// One change, as `plan` and `holds` show it.
pub(crate) fn change(text: &mut String, line: &ChangeLine, in_full: bool) {
    let (sign, word, style) = symbol(line.action);
    let name = harmless(&line.subject.name);
    let what = match (line.subject.kind, &line.subject.group_name) {
        (Kind::Member, Some(group)) if line.action == Action::MemberRemove => {
            format!("{name} from {}", harmless(group))
        }
        (Kind::Member, Some(group)) => format!("{name} to {}", harmless(group)),
        _ => name,
    };
    let mut lines = Lines::new(text, 2, WORDS_AT)
        .part(style, &format!("{sign} {word:<10}"))
        .part(Style::new(), &what)
        .part(DIM, &format!("because {}", own(&line.reason)));
    if let Some(hold) = &line.held {
        let word = if line.rejected { "rejected" } else { "held" };
        lines = lines.part(RISKY, &format!("! {word} {}", harmless(hold)));
    }
    lines.end();
    if in_full {
        attributes(text, line);
    }
}

fn attributes(text: &mut String, line: &ChangeLine) {
    // That `active` goes with it, the action says.
    let told = matches!(line.action, Action::Deactivate | Action::Reactivate).then_some("active");
    for (path, new) in line.after.iter().filter(|(path, _)| Some(path.as_str()) != told) {
        let words = match line.before.get(path) {
            Some(old) => format!("{} → {}", value(old), value(new)),
            None => value(new),
        };
        Lines::new(text, WORDS_AT, WORDS_AT + 2)
            .part(Style::new(), &format!("{}:", harmless(path)))
            .part(Style::new(), &words)
            .end();
    }
}

/// A value for people.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text == MASK => HIDDEN.to_owned(),
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
        let words = if !plan.deferred.is_empty() {
            return format!(
                "Plan: no changes but {} left out for now.",
                number(plan.deferred.len() as u64)
            );
        } else if complete {
            "Plan: no changes; the platform is as it should be."
        } else {
            "Whether anything is to be changed cannot be told now."
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
    if adds > 0 || removes > 0 {
        parts.push(format!("members: +{} −{}", number(adds), number(removes)));
    }
    if !plan.held.is_empty() {
        let open: Vec<_> = plan.held.iter().filter(|hold| hold.count > 0).collect();
        let words = |hold: &&HeldLine| format!("{} {}", harmless(&hold.guard), number(hold.count));
        if !open.is_empty() {
            parts.push(format!("held: {}", open.iter().map(words).collect::<Vec<_>>().join(", ")));
        }
        let rejected: u64 = plan.held.iter().map(|hold| hold.rejected).sum();
        if rejected > 0 {
            parts.push(format!("rejected: {}", number(rejected)));
        }
    }
    if !plan.deferred.is_empty() {
        parts.push(format!("left out: {}", number(plan.deferred.len() as u64)));
    }
    format!("Plan: {}.", parts.join("; "))
}
