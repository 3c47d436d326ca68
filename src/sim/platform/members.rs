//! Members of groups: which ids a request names, and what a PATCH does to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::ScimError;
use super::filter::Filter;
use super::patch::{Operation, Verb};
use super::schema::Kind;
use super::store::{MemberEdit, Resource};
use super::value::{Rigour, normalise_single};
use super::{Platform, Quirk};

impl Platform {
    /// The ids in a list of members; each must exist, and be of the type that it is said to be.
    pub(super) fn member_ids(&self, items: &[Value]) -> Result<BTreeSet<String>, ScimError> {
        let mut ids = BTreeSet::new();
        for item in items {
            let invalid = |detail: &str| ScimError::bad("invalidValue", detail);
            let id = item.get("value").and_then(Value::as_str);
            let id = id.ok_or_else(|| invalid("a member has no value"))?;
            let kind = self
                .store
                .kind_of(id)
                .ok_or_else(|| invalid(&format!("there is no user or group {id}")))?;
            let stated = item.get("type").and_then(Value::as_str);
            if stated.is_some_and(|stated| !stated.eq_ignore_ascii_case(kind.name())) {
                return Err(invalid(&format!("{id} is a {}", kind.name())));
            }
            ids.insert(id.to_owned());
        }
        Ok(ids)
    }

    /// Adds what one operation on `members` does to `edit`.
    pub(super) fn edit_members(
        &self,
        group: &Resource,
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
                for id in self.named_members(operation)? {
                    edit.add(id);
                }
            }
            (None, Verb::Replace) => {
                let ids = self.named_members(operation)?;
                edit.clear();
                for id in ids {
                    edit.add(id);
                }
            }
            (None, Verb::Remove) => match &operation.value {
                Some(Value::Array(items)) if self.has(&Quirk::MemberArrayRemoves) => {
                    for id in items.iter().filter_map(|item| item.get("value")) {
                        edit.remove(&plain(id));
                    }
                }
                // RFC 7644 §3.5.2.2 knows no value for remove: the path alone says what goes, and
                // `members` is all of them.
                _ => edit.clear(),
            },
            (Some(_), Verb::Remove) if self.has(&Quirk::MemberFilterEmpties) => edit.clear(),
            (Some(filter), Verb::Remove) => {
                let chosen = self.chosen_members(group, filter, edit);
                if chosen.is_empty() && self.rigour() == Rigour::Strict {
                    return Err(ScimError::bad("noTarget", "the path selects no member"));
                }
                for id in chosen {
                    edit.remove(&id);
                }
            }
            (Some(_), Verb::Add | Verb::Replace) => {
                return Err(ScimError::bad("mutability", "a member cannot be changed"));
            }
        }
        Ok(())
    }

    fn named_members(&self, operation: &Operation) -> Result<BTreeSet<String>, ScimError> {
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
        self.member_ids(&normal)
    }

    fn chosen_members(&self, group: &Resource, filter: &Filter, edit: &MemberEdit) -> Vec<String> {
        // The usual filter names one id; a big group need not be rendered for it.
        if let Filter::Compare(..) = filter
            && let [(name, id)] = filter.pinned().as_slice()
            && name == "value"
        {
            let found = edit.contains(&group.members, id);
            return found.then(|| (*id).to_owned()).into_iter().collect();
        }
        let now = group.members.iter().chain(&edit.added).filter(|id| {
            edit.contains(&group.members, id) && filter.matches(&self.member_json(id))
        });
        now.cloned().collect()
    }

    /// A member as a group shows it.
    pub(super) fn member_json(&self, id: &str) -> Map<String, Value> {
        let kind = self.store.kind_of(id).unwrap_or(Kind::User);
        let mut map = Map::from_iter([
            ("value".to_owned(), json!(id)),
            ("type".to_owned(), json!(kind.name())),
            ("$ref".to_owned(), json!(self.location(kind, id))),
        ]);
        let display = self.store.get(kind, id).and_then(|member| member.text("displayName"));
        if let Some(display) = display {
            map.insert("display".to_owned(), json!(display));
        }
        map
    }
}

fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
