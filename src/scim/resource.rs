//! Users and groups as a target answered them. Every field but the id may be missing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{address, lenient};
use crate::core::model::{AttrPath, Attributes, ScimId};

/// A user as the target answered it.
#[derive(Debug, Clone, PartialEq)]
pub struct UserResource {
    /// The target's id.
    pub id: ScimId,
    /// Our id of the person, if the target stores it.
    pub external_id: Option<String>,
    /// Login name.
    pub user_name: Option<String>,
    /// Whether the account may be used.
    pub active: Option<bool>,
    /// Whether its `externalId` or `userName` says something that cannot be read: nobody knows then
    /// whose it is.
    pub is_garbled: bool,
    /// Whether the answer to its create tells that it was there before.
    pub was_there: bool,
    /// The whole answer; null when the target only named the id of what it created.
    pub json: Value,
}

impl UserResource {
    /// Reads a resource; `None` without an id.
    pub(super) fn read(json: Value) -> Option<Self> {
        Some(Self {
            id: lenient::get(&json, "id").and_then(lenient::id)?,
            external_id: lenient::text_of(&json, "externalId"),
            user_name: lenient::text_of(&json, "userName"),
            active: lenient::get(&json, "active").and_then(lenient::boolean),
            is_garbled: ["externalId", "userName"].iter().any(|it| lenient::is_garbled(&json, it)),
            was_there: false,
            json,
        })
    }

    /// What the target holds at `paths`. A path that the answer does not hold is known to be
    /// unassigned (RFC 7643 §2.5), but for `active`. What is not known is left out: `active` that is
    /// missing or not understood, a value that is too large, and everything without any answer.
    pub fn attributes<'a>(&self, paths: impl Iterator<Item = &'a AttrPath>) -> Attributes {
        attributes(&self.json, paths)
    }
}

/// A group as the target answered it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupResource {
    /// The target's id.
    pub id: ScimId,
    /// Our key of the group, if the target stores it.
    pub external_id: Option<String>,
    /// Name shown.
    pub display_name: Option<String>,
    /// Ids of the members. `None` when the answer has no `members` at all: the group may be empty,
    /// or the target may not have told (look-ups and listings ask it not to). Null and `[]` are
    /// said, and mean nobody.
    pub members: Option<BTreeSet<ScimId>>,
    /// As [`UserResource::is_garbled`], of its `externalId` and `displayName`.
    pub is_garbled: bool,
    /// Whether the answer to its create tells that it was there before.
    pub was_there: bool,
    /// The whole answer; null when the target only named the id of what it created.
    pub json: Value,
}

impl GroupResource {
    /// Reads a resource; `None` without an id.
    pub(super) fn read(json: Value) -> Option<Self> {
        Some(Self {
            id: lenient::get(&json, "id").and_then(lenient::id)?,
            external_id: lenient::text_of(&json, "externalId"),
            display_name: lenient::text_of(&json, "displayName"),
            members: lenient::get(&json, "members").map(members),
            is_garbled: ["externalId", "displayName"]
                .iter()
                .any(|name| lenient::is_garbled(&json, name)),
            was_there: false,
            json,
        })
    }

    /// What the target holds at `paths`, as for [`UserResource::attributes`].
    pub fn attributes<'a>(&self, paths: impl Iterator<Item = &'a AttrPath>) -> Attributes {
        attributes(&self.json, paths)
    }
}

fn attributes<'a>(json: &Value, paths: impl Iterator<Item = &'a AttrPath>) -> Attributes {
    if !json.is_object() {
        return Attributes::new();
    }
    paths.filter_map(|path| Some((path.clone(), lenient::value_at(json, path)?))).collect()
}

/// The ids in a `members` value: objects with `value`, or bare ids.
pub(super) fn members(json: &Value) -> BTreeSet<ScimId> {
    lenient::elements(json).iter().filter_map(member).collect()
}

/// The id of one member: `value`, or where that is left out the end of `$ref`.
pub(super) fn member(json: &Value) -> Option<ScimId> {
    let says = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    if let Some(value) = lenient::get(json, "value").filter(says) {
        return lenient::id(value);
    }
    match lenient::get(json, "$ref").and_then(Value::as_str) {
        Some(reference) => address::last_segment(reference),
        None => lenient::id(json),
    }
}
