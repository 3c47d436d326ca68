//! Reads `[[targets.NAME.groups]]`: which groups there are on the platform.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::outline::Shape;
use super::reading::{Entry, Reading, Table, Wrong};
use crate::core::expression::{Expression, Subject};
use crate::core::policy::GroupRule;

/// What a rule starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Directory,
    People,
}

pub(super) fn read(entry: &Entry, reading: &mut Reading<'_>) -> Vec<GroupRule> {
    let Some(items) = entry.node.items() else {
        let message = format!("expected tables, each under [[{}]]", entry.key);
        reading.refuse(&entry.name, &entry.key, message);
        return Vec::new();
    };
    let mut ids = BTreeSet::new();
    let mut rules = Vec::new();
    for (at, node) in items.into_iter().enumerate() {
        let Some(table) = Table::open(node, format!("{}[{at}]", entry.key), reading) else {
            continue;
        };
        rules.extend(rule(table, &mut ids, reading));
    }
    rules
}

fn rule(
    mut table: Table,
    ids: &mut BTreeSet<Arc<str>>,
    reading: &mut Reading<'_>,
) -> Option<GroupRule> {
    let expected = "a name of the rule that stays, as it is part of the identity of its groups";
    let id = table.required("id", expected, reading, |entry| {
        let id = name(entry)?;
        if ids.insert(Arc::clone(&id)) {
            return Ok(id);
        }
        Err(format!("`{id}` is the id of another rule").into())
    });
    let expected = "\"directory\" for groups of the directory, \"people\" for groups made by rule";
    let from = table.required("from", expected, reading, |entry| {
        entry.choice(&[("directory", Start::Directory), ("people", Start::People)])
    });
    match from {
        Some(Start::Directory) => directory(table, id, reading),
        Some(Start::People) => people(table, id, reading),
        None => {
            // Without `from` nothing more is known about the rest than that it is text.
            for name in ["where", "each", "name"] {
                table.optional(name, reading, |entry| {
                    entry.note(Shape::Expression);
                    entry.text().map(|_| ())
                });
            }
            table.finish(reading);
            None
        }
    }
}

fn directory(
    mut table: Table,
    id: Option<Arc<str>>,
    reading: &mut Reading<'_>,
) -> Option<GroupRule> {
    refuse_other(&mut table, "each", "people", reading);
    let expected =
        "which groups, as 'group.displayName is startingwith(\"PLT \")', or 'true' for all";
    let filter = table.required("where", expected, reading, |entry| entry.filter(Subject::Group));
    let name = naming(&mut table, "group.displayName", Subject::Group, reading);
    table.finish(reading);
    Some(GroupRule::Directory { id: id?, filter: filter?, name: name? })
}

fn people(mut table: Table, id: Option<Arc<str>>, reading: &mut Reading<'_>) -> Option<GroupRule> {
    refuse_other(&mut table, "where", "directory", reading);
    let expected = "the value that decides on the group, as 'person.department'";
    let each = table.required("each", expected, reading, |entry| entry.naming(Subject::Person));
    let name = naming(&mut table, "key", Subject::Key, reading);
    table.finish(reading);
    Some(GroupRule::People { id: id?, each: each?, name: name? })
}

fn naming(
    table: &mut Table,
    default: &str,
    subject: Subject,
    reading: &mut Reading<'_>,
) -> Option<Expression> {
    match table.take("name") {
        None => Expression::parse(default, subject).ok(),
        Some(entry) => entry
            .naming(subject)
            .map_err(|wrong| reading.refuse(&entry.node.place, &entry.key, wrong))
            .ok(),
    }
}

fn refuse_other(table: &mut Table, name: &'static str, from: &str, reading: &mut Reading<'_>) {
    if let Some(entry) = table.take(name) {
        let message = format!("belongs to rules with from = \"{from}\"");
        reading.refuse(&entry.name, &entry.key, message);
    }
}

/// Rule ids stand before a slash in the keys of groups.
fn name(entry: &Entry) -> Result<Arc<str>, Wrong> {
    let id = entry.filled()?;
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(id.into());
    }
    Err("holds letters without accents, digits, - and _ only".into())
}
