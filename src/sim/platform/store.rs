//! What the platform holds, with the indexes that make look-ups cheap.
//!
//! Rows keep the order in which they came, so that pages are stable. Nothing here knows the schema's rules;
//! uniqueness is checked by the caller, which also lets a test seed twins.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::schema::Kind;

/// An account or a group as the platform holds it.
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
    rows: BTreeMap<u64, Resource>,
    by_id: BTreeMap<String, u64>,
    by_key: BTreeMap<(Key, String), BTreeSet<u64>>,
}

impl Table {
    fn keys(resource: &Resource) -> Vec<(Key, String)> {
        let name = match resource.kind {
            Kind::User => resource.user_name(),
            Kind::Group => resource.display_name(),
        };
        let mut keys = vec![(Key::Name, name.to_lowercase())];
        keys.extend(resource.external_id().map(|id| (Key::External, id.to_owned())));
        keys
    }

    fn insert(&mut self, row: u64, resource: Resource) {
        for key in Self::keys(&resource) {
            self.by_key.entry(key).or_default().insert(row);
        }
        self.by_id.insert(resource.id.clone(), row);
        self.rows.insert(row, resource);
    }

    fn remove(&mut self, id: &str) -> Option<(u64, Resource)> {
        let row = self.by_id.remove(id)?;
        let resource = self.rows.remove(&row)?;
        for key in Self::keys(&resource) {
            if let Some(rows) = self.by_key.get_mut(&key) {
                rows.remove(&row);
                if rows.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        Some((row, resource))
    }
}

/// Everything that the platform holds.
#[derive(Debug, Default)]
pub(super) struct Store {
    users: Table,
    groups: Table,
    /// The groups that a user or group is a direct member of.
    member_of: BTreeMap<String, BTreeSet<String>>,
    next_row: u64,
}

/// A change of a group's members, gathered before any of it is made: a PATCH is atomic (RFC 7644 §3.5.2).
#[derive(Debug, Default)]
pub(super) struct MemberEdit {
    pub(super) cleared: bool,
    pub(super) added: BTreeSet<String>,
    pub(super) removed: BTreeSet<String>,
}

impl MemberEdit {
    /// Whether `id` will be a member of a group that now has `members`.
    pub(super) fn contains(&self, members: &BTreeSet<String>, id: &str) -> bool {
        let before = !self.cleared && !self.removed.contains(id) && members.contains(id);
        before || self.added.contains(id)
    }

    pub(super) fn clear(&mut self) {
        *self = Self { cleared: true, ..Self::default() };
    }

    pub(super) fn add(&mut self, id: String) {
        self.removed.remove(&id);
        self.added.insert(id);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.added.remove(id);
        self.removed.insert(id.to_owned());
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
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.table(kind).rows.values()
    }

    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<&Resource> {
        let table = self.table(kind);
        table.rows.get(table.by_id.get(id)?)
    }

    /// What kind of resource an id belongs to.
    pub(super) fn kind_of(&self, id: &str) -> Option<Kind> {
        [Kind::User, Kind::Group].into_iter().find(|kind| self.table(*kind).by_id.contains_key(id))
    }

    /// The resources of a kind with this key, in the order they came.
    pub(super) fn with_key(&self, kind: Kind, key: Key, value: &str) -> Vec<&Resource> {
        let value = match key {
            Key::Name => value.to_lowercase(),
            Key::External => value.to_owned(),
        };
        let table = self.table(kind);
        let rows = table.by_key.get(&(key, value)).into_iter().flatten();
        rows.filter_map(|row| table.rows.get(row)).collect()
    }

    /// The groups that `id` is a direct member of.
    pub(super) fn groups_of(&self, id: &str) -> impl Iterator<Item = &Resource> {
        let groups = self.member_of.get(id).into_iter().flatten();
        groups.filter_map(|group| self.get(Kind::Group, group))
    }

    pub(super) fn insert(&mut self, mut resource: Resource) {
        let row = self.next_row;
        self.next_row += 1;
        let members = std::mem::take(&mut resource.members);
        let (kind, id) = (resource.kind, resource.id.clone());
        self.table_mut(kind).insert(row, resource);
        self.edit_members(&id, MemberEdit { added: members, ..MemberEdit::default() });
    }

    /// Replaces the attributes of a resource and stamps it.
    pub(super) fn set_attributes(
        &mut self,
        kind: Kind,
        id: &str,
        attributes: Map<String, Value>,
        now_ms: u64,
    ) {
        let table = self.table_mut(kind);
        if let Some((row, resource)) = table.remove(id) {
            table.insert(row, Resource { attributes, modified_ms: now_ms, ..resource });
        }
    }

    /// Changes the members of a group; says whether anything changed.
    pub(super) fn edit_members(&mut self, group: &str, edit: MemberEdit) -> bool {
        let Some(row) = self.groups.by_id.get(group) else { return false };
        let Some(resource) = self.groups.rows.get_mut(row) else { return false };
        let mut changed = false;
        let removed = if edit.cleared { resource.members.clone() } else { edit.removed };
        for id in removed {
            if edit.added.contains(&id) || !resource.members.remove(&id) {
                continue;
            }
            changed = true;
            if let Some(groups) = self.member_of.get_mut(&id) {
                groups.remove(group);
            }
        }
        for id in edit.added {
            if resource.members.insert(id.clone()) {
                changed = true;
                self.member_of.entry(id).or_default().insert(group.to_owned());
            }
        }
        changed
    }

    /// Stamps a group whose members changed.
    pub(super) fn touch(&mut self, kind: Kind, id: &str, now_ms: u64) {
        let table = self.table_mut(kind);
        if let Some(resource) = table.by_id.get(id).and_then(|row| table.rows.get_mut(row)) {
            resource.modified_ms = now_ms;
        }
    }

    /// Removes a resource, and with it its memberships.
    pub(super) fn remove(&mut self, kind: Kind, id: &str) -> bool {
        let Some((_, resource)) = self.table_mut(kind).remove(id) else { return false };
        for member in &resource.members {
            if let Some(groups) = self.member_of.get_mut(member) {
                groups.remove(id);
            }
        }
        for group in self.member_of.remove(id).unwrap_or_default() {
            let row = self.groups.by_id.get(&group);
            if let Some(group) = row.and_then(|row| self.groups.rows.get_mut(row)) {
                group.members.remove(id);
            }
        }
        true
    }
}
