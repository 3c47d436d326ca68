//! What the platform holds, with the indexes that make look-ups cheap.
//!
//! Rows keep the order in which they came, so that pages are stable. Nothing here knows the schema's rules;
//! uniqueness is checked by the caller, which also lets a test seed twins.
//!
//! A million accounts and some millions of memberships must fit into memory: attributes are kept as JSON
//! text, a tenth of what a map takes, and memberships as row numbers. [`Resource`] is what a row means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::schema::Kind;

/// An account or a group as tests see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// The id that the platform gave.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// All attributes that a client may set, by canonical name, members excepted.
    pub attributes: Map<String, Value>,
    /// Ids of the members; empty for an account.
    pub members: BTreeSet<String>,
    /// When it came, in milliseconds; 0 for a seeded one.
    pub created_ms: u64,
    /// When it last changed, in milliseconds.
    pub modified_ms: u64,
}

impl Resource {
    /// The text of a top-level attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }

    /// `externalId`, where it was set and kept.
    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// `userName` of an account; empty for a group.
    pub fn user_name(&self) -> &str {
        self.text("userName").unwrap_or_default()
    }

    /// `displayName`; empty where there is none.
    pub fn display_name(&self) -> &str {
        self.text("displayName").unwrap_or_default()
    }

    /// Whether the account may be used; an account whose `active` was never set counts as active.
    pub fn active(&self) -> bool {
        self.attributes.get("active").and_then(Value::as_bool).unwrap_or(true)
    }
}

/// An account or a group as the platform keeps it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: Arc<str>,
    pub(super) kind: Kind,
    /// All attributes that a client may set, by canonical name, members excepted; as JSON.
    attributes: Box<str>,
    /// Numbers of the members' rows; empty for an account.
    pub(super) members: BTreeSet<u64>,
    /// Numbers of the groups that this is a direct member of.
    member_of: BTreeSet<u64>,
    pub(super) created_ms: u64,
    pub(super) modified_ms: u64,
    /// The row as a test has seen it since its last change.
    picture: OnceLock<Box<Resource>>,
}

impl Row {
    pub(super) fn attributes(&self) -> Map<String, Value> {
        serde_json::from_str(&self.attributes).unwrap_or_default()
    }

    /// `displayName`, read without the rest: a large group shows it for each member.
    pub(super) fn display_name(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "displayName")]
            display_name: Option<String>,
        }
        let named: Option<Named> = serde_json::from_str(&self.attributes).ok();
        named?.display_name
    }
}

fn as_text(attributes: &Map<String, Value>) -> Box<str> {
    serde_json::to_string(attributes).unwrap_or_default().into()
}

/// The attributes that have an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// `userName` of a user, `displayName` of a group; ignores case.
    Name,
    /// `externalId`; case exact.
    External,
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<u64, Row>,
    by_id: BTreeMap<Arc<str>, u64>,
    by_key: BTreeSet<(Key, Box<str>, u64)>,
}

impl Table {
    fn keys(
        kind: Kind,
        attributes: &Map<String, Value>,
        number: u64,
    ) -> impl Iterator<Item = (Key, Box<str>, u64)> {
        let text = |name| attributes.get(name).and_then(Value::as_str);
        let name = match kind {
            Kind::User => text("userName"),
            Kind::Group => text("displayName"),
        };
        let name = (Key::Name, name.unwrap_or_default().to_lowercase().into(), number);
        let external = text("externalId").map(|id| (Key::External, id.into(), number));
        std::iter::once(name).chain(external)
    }

    fn insert(&mut self, number: u64, row: Row, attributes: &Map<String, Value>) {
        self.by_key.extend(Self::keys(row.kind, attributes, number));
        self.by_id.insert(Arc::clone(&row.id), number);
        self.rows.insert(number, row);
    }

    fn remove(&mut self, id: &str) -> Option<(u64, Row)> {
        let number = self.by_id.remove(id)?;
        let row = self.rows.remove(&number)?;
        for key in Self::keys(row.kind, &row.attributes(), number) {
            self.by_key.remove(&key);
        }
        Some((number, row))
    }
}

/// Everything that the platform holds.
#[derive(Debug, Default)]
pub(super) struct Store {
    users: Table,
    groups: Table,
    /// Users and groups are counted together, so that a number means one row.
    next_number: u64,
}

/// A change of a group's members by their numbers, gathered before any of it is made: a PATCH is atomic
/// (RFC 7644 §3.5.2).
#[derive(Debug, Default)]
pub(super) struct MemberEdit {
    pub(super) cleared: bool,
    pub(super) added: BTreeSet<u64>,
    pub(super) removed: BTreeSet<u64>,
}

impl MemberEdit {
    /// Whether `member` will be one of a group that now has `members`.
    pub(super) fn contains(&self, members: &BTreeSet<u64>, member: u64) -> bool {
        let before = !self.cleared && !self.removed.contains(&member) && members.contains(&member);
        before || self.added.contains(&member)
    }

    pub(super) fn clear(&mut self) {
        *self = Self { cleared: true, ..Self::default() };
    }

    pub(super) fn add(&mut self, member: u64) {
        self.removed.remove(&member);
        self.added.insert(member);
    }

    pub(super) fn remove(&mut self, member: u64) {
        self.added.remove(&member);
        self.removed.insert(member);
    }
}

impl Store {
    fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        }
    }

    /// All of a kind, in the order they came.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Row> {
        self.table(kind).rows.values()
    }

    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<&Row> {
        let table = self.table(kind);
        table.rows.get(table.by_id.get(id)?)
    }

    /// The number of the row that an id belongs to.
    pub(super) fn number_of(&self, id: &str) -> Option<u64> {
        self.users.by_id.get(id).or_else(|| self.groups.by_id.get(id)).copied()
    }

    pub(super) fn numbered(&self, number: u64) -> Option<&Row> {
        self.users.rows.get(&number).or_else(|| self.groups.rows.get(&number))
    }

    /// A row to be changed, which spoils its picture.
    fn numbered_mut(&mut self, number: u64) -> Option<&mut Row> {
        let row = match self.users.rows.get_mut(&number) {
            Some(row) => row,
            None => self.groups.rows.get_mut(&number)?,
        };
        row.picture.take();
        Some(row)
    }

    /// The resources of a kind with this key, in the order they came.
    pub(super) fn with_key(&self, kind: Kind, key: Key, value: &str) -> Vec<&Row> {
        let value: Box<str> = match key {
            Key::Name => value.to_lowercase().into(),
            Key::External => value.into(),
        };
        let table = self.table(kind);
        let found = table.by_key.range((key, value.clone(), 0)..=(key, value, u64::MAX));
        found.filter_map(|(_, _, number)| table.rows.get(number)).collect()
    }

    /// The rows with these numbers, in the order of their ids: what has many members shows them so.
    pub(super) fn by_id(&self, numbers: impl Iterator<Item = u64>) -> Vec<&Row> {
        let mut rows: Vec<_> = numbers.filter_map(|number| self.numbered(number)).collect();
        rows.sort_unstable_by_key(|row| &row.id);
        rows
    }

    /// The groups that `id` is a direct member of.
    pub(super) fn groups_of(&self, id: &str) -> Vec<&Row> {
        let row = self.number_of(id).and_then(|number| self.numbered(number));
        self.by_id(row.into_iter().flat_map(|row| row.member_of.iter().copied()))
    }

    /// What a row means, for tests; made when it is asked for.
    pub(super) fn picture<'a>(&'a self, row: &'a Row) -> &'a Resource {
        row.picture.get_or_init(|| {
            let members = row.members.iter().filter_map(|number| self.numbered(*number));
            Box::new(Resource {
                id: row.id.to_string(),
                kind: row.kind,
                attributes: row.attributes(),
                members: members.map(|member| member.id.to_string()).collect(),
                created_ms: row.created_ms,
                modified_ms: row.modified_ms,
            })
        })
    }

    pub(super) fn insert(
        &mut self,
        kind: Kind,
        id: &str,
        attributes: &Map<String, Value>,
        members: BTreeSet<u64>,
        now_ms: u64,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let row = Row {
            id: id.into(),
            kind,
            attributes: as_text(attributes),
            members: BTreeSet::new(),
            member_of: BTreeSet::new(),
            created_ms: now_ms,
            modified_ms: now_ms,
            picture: OnceLock::new(),
        };
        self.table_mut(kind).insert(number, row, attributes);
        self.edit_members(id, MemberEdit { added: members, ..MemberEdit::default() });
    }

    /// Replaces the attributes of a resource and stamps it.
    pub(super) fn set_attributes(
        &mut self,
        kind: Kind,
        id: &str,
        attributes: &Map<String, Value>,
        now_ms: u64,
    ) {
        let table = self.table_mut(kind);
        if let Some((number, mut row)) = table.remove(id) {
            row.attributes = as_text(attributes);
            row.modified_ms = now_ms;
            row.picture.take();
            table.insert(number, row, attributes);
        }
    }

    /// Gives a resource another id.
    pub(super) fn rename(&mut self, kind: Kind, old: &str, new: &str) {
        let table = self.table_mut(kind);
        if let Some((number, mut row)) = table.remove(old) {
            row.id = new.into();
            let attributes = row.attributes();
            table.insert(number, row, &attributes);
        }
        // Whoever shows it as a member shows it under the new id.
        self.users.rows.values_mut().chain(self.groups.rows.values_mut()).for_each(|row| {
            row.picture.take();
        });
    }

    /// Changes the members of a group; says whether anything changed.
    pub(super) fn edit_members(&mut self, group: &str, edit: MemberEdit) -> bool {
        let Some(number) = self.groups.by_id.get(group).copied() else { return false };
        let Some(row) = self.numbered_mut(number) else { return false };
        // Taken out meanwhile, since the members' own rows change as well.
        let mut members = std::mem::take(&mut row.members);
        let mut changed = false;
        let removed = if edit.cleared { members.clone() } else { edit.removed };
        for member in removed {
            if edit.added.contains(&member) || !members.remove(&member) {
                continue;
            }
            changed = true;
            if let Some(member) = self.numbered_mut(member) {
                member.member_of.remove(&number);
            }
        }
        for member in edit.added {
            if members.insert(member) {
                changed = true;
                if let Some(member) = self.numbered_mut(member) {
                    member.member_of.insert(number);
                }
            }
        }
        if let Some(row) = self.numbered_mut(number) {
            row.members = members;
        }
        changed
    }

    /// Takes a user out of every group.
    pub(super) fn leave_all_groups(&mut self, id: &str) {
        let Some(number) = self.number_of(id) else { return };
        let groups: Vec<Arc<str>> =
            self.groups_of(id).iter().map(|row| Arc::clone(&row.id)).collect();
        for group in groups {
            let removed = BTreeSet::from([number]);
            self.edit_members(&group, MemberEdit { removed, ..MemberEdit::default() });
        }
    }

    /// Stamps a group whose members changed.
    pub(super) fn touch(&mut self, id: &str, now_ms: u64) {
        let number = self.groups.by_id.get(id).copied();
        if let Some(row) = number.and_then(|number| self.numbered_mut(number)) {
            row.modified_ms = now_ms;
        }
    }

    /// Removes a resource, and with it its memberships.
    pub(super) fn remove(&mut self, kind: Kind, id: &str) -> bool {
        let Some((number, row)) = self.table_mut(kind).remove(id) else { return false };
        for member in row.members {
            if let Some(member) = self.numbered_mut(member) {
                member.member_of.remove(&number);
            }
        }
        for group in row.member_of {
            if let Some(group) = self.numbered_mut(group) {
                group.members.remove(&number);
            }
        }
        true
    }
}
