//! Members of groups: which ids a request names, and what a PATCH does to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::ScimError;
use super::filter::Filter;
use super::patch::{Operation, Verb};
use super::schema::Kind;
use super::store::{MemberEdit, Row};
use super::value::{Rigour, normalise_single};
use super::{Platform, Quirk};

impl Platform {
    /// The rows that a list of members names; each must exist, and be of the type that it is said to be.
    pub(super) fn members_in(&self, items: &[Value]) -> Result<BTreeSet<u64>, ScimError> {
        let habits = &self.faults.members;
        habits.check(items)?;
        let mut members = BTreeSet::new();
        for item in items {
            let invalid = |detail: &str| ScimError::bad("invalidValue", detail);
            let reference =
                item.get("$ref").and_then(Value::as_str).filter(|_| habits.by_reference);
            let referred = reference.and_then(|text| text.rsplit('/').next());
            let id = item.get("value").and_then(Value::as_str).or(referred);
            let id = id.ok_or_else(|| invalid("a member has no value"))?;
            let in_capitals = || self.store.number_of(&id.to_lowercase());
            let number = self
                .store
                .number_of(id)
                .or_else(|| in_capitals().filter(|_| habits.in_capitals))
                .ok_or_else(|| invalid(&format!("there is no user or group {id}")))?;
            let kind = self.store.numbered(number).map_or(Kind::User, |member| member.kind);
            let stated = item.get("type").and_then(Value::as_str);
            if stated.is_some_and(|stated| !stated.eq_ignore_ascii_case(kind.name())) {
                return Err(invalid(&format!("{id} is a {}", kind.name())));
            }
            if !habits.dropped.contains(id) {
                members.insert(number);
            }
        }
        Ok(members)
    }

    /// Adds what one operation on `members` does to `edit`.
    pub(super) fn edit_members(
        &self,
        group: &Row,
        operation: &Operation,
        edit: &mut MemberEdit,
    ) -> Result<(), ScimError> {
        let path = &operation.path;
        if path.chain.len() > 1 || !path.tail.is_empty() {
            // RFC 7643 §4.2: members are added and removed, never edited.
            return Err(ScimError::bad("mutability", "a member cannot be changed"));
        }
        match (&path.filter, operation.verb) {
            (None, Verb::Add) => {
                for member in self.named_members(operation)? {
                    if let (Some(status), true) =
                        (self.faults.members.repeats_refused, group.members.contains(&member))
                    {
                        return Err(ScimError::plain(status, "User is already a member"));
                    }
                    let most = self.faults.members.kept_max.unwrap_or(usize::MAX);
                    if group.members.len() + edit.added.len() < most {
                        edit.add(member);
                    }
                }
            }
            (None, Verb::Replace) => {
                let members = self.named_members(operation)?;
                edit.clear();
                for member in members {
                    edit.add(member);
                }
            }
            (None, Verb::Remove) => match &operation.value {
                Some(Value::Array(items)) if self.has(&Quirk::MemberArrayRemoves) => {
                    let ids = items.iter().filter_map(|item| item.get("value")).map(plain);
                    for member in ids.filter_map(|id| self.store.number_of(&id)) {
                        edit.remove(member);
                    }
                }
                // RFC 7644 §3.5.2.2 knows no value for remove: the path alone says what goes, and
                // `members` is all of them.
                _ => edit.clear(),
            },
            (Some(_), Verb::Remove)
                if self.has(&Quirk::MemberFilterEmpties) || self.faults.members.removal_empties =>
            {
                edit.clear();
            }
            (Some(filter), Verb::Remove) => {
                let chosen = self.chosen_members(group, filter, edit);
                if let (true, Some(status)) =
                    (chosen.is_empty(), self.faults.members.absent_refused)
                {
                    return Err(ScimError::plain(status, "Resource not found"));
                }
                if chosen.is_empty() && self.rigour() == Rigour::Strict {
                    return Err(ScimError::bad("noTarget", "the path selects no member"));
                }
                for member in chosen {
                    edit.remove(member);
                }
            }
            (Some(_), Verb::Add | Verb::Replace) => {
                return Err(ScimError::bad("mutability", "a member cannot be changed"));
            }
        }
        Ok(())
    }

    /// Some servers take whatever is replaced in a group for all of it (langwatch/langwatch#7131).
    pub(super) fn empty_by(&self, kind: Kind, operation: &Operation, edit: &mut MemberEdit) {
        let is_name = operation.path.starts_at("displayName");
        let is_struck = self.faults.members.replace_empties && kind == Kind::Group;
        if is_struck && !is_name && matches!(operation.verb, Verb::Replace | Verb::Add) {
            edit.clear();
        }
    }

    /// Puts the members of a group back to what a copy that lags behind has of them (fleetdm/fleet#50724).
    pub(super) fn fall_back(&mut self, id: &str, now_ms: u64) {
        let Some(lag) = self.faults.members.stale_ms else { return };
        let copies = self.copies.get(id).map(Vec::as_slice).unwrap_or_default();
        let old = copies.iter().rev().find(|(at, _)| *at + lag <= now_ms);
        let Some((_, added)) = old.cloned() else { return };
        let edit = MemberEdit { cleared: true, added, ..MemberEdit::default() };
        self.store.edit_members(id, edit);
    }

    /// Notes for the copy who is in a group from now on.
    pub(super) fn copy_members(&mut self, id: &str, now_ms: u64) {
        if self.faults.members.stale_ms.is_some()
            && let Some(row) = self.store.get(Kind::Group, id)
        {
            let members = row.members.clone();
            self.copies.entry(id.to_owned()).or_default().push((now_ms, members));
        }
    }

    fn named_members(&self, operation: &Operation) -> Result<BTreeSet<u64>, ScimError> {
        let items = match &operation.value {
            Some(Value::Array(items)) => items.as_slice(),
            Some(single @ Value::Object(_)) => std::slice::from_ref(single),
            _ => return Err(ScimError::bad("invalidValue", "members need an array")),
        };
        let attribute = operation.path.chain.first().copied();
        let mut normal = Vec::new();
        for item in items {
            let Some(attribute) = attribute else { continue };
            normal.extend(normalise_single(attribute, item, self.rigour())?);
        }
        self.members_in(&normal)
    }

    fn chosen_members(&self, group: &Row, filter: &Filter, edit: &MemberEdit) -> Vec<u64> {
        let will_be = |member: &u64| edit.contains(&group.members, *member);
        // The usual filter names one id; a big group need not be rendered for it.
        if let Filter::Compare(..) = filter
            && let [(name, id)] = filter.pinned().as_slice()
            && name == "value"
        {
            return self.store.number_of(id).filter(will_be).into_iter().collect();
        }
        let matches = |member: &Row| filter.matches(&self.member_json(member));
        let now = group.members.iter().chain(&edit.added).copied().filter(will_be);
        now.filter(|number| self.store.numbered(*number).is_some_and(matches)).collect()
    }

    /// A member as a group shows it.
    pub(super) fn member_json(&self, member: &Row) -> Map<String, Value> {
        let mut map = Map::from_iter([
            ("value".to_owned(), json!(&*member.id)),
            ("type".to_owned(), json!(member.kind.name())),
            ("$ref".to_owned(), json!(self.location(member.kind, &member.id))),
        ]);
        if let Some(display) = member.display_name() {
            map.insert("display".to_owned(), json!(display));
        }
        map
    }
}

fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
