//! JSON of what we create: nested, without nulls, without anything that only the target may set.

use serde_json::{Map, Value, json};

use super::dialect::ClearValue;
use super::merge;
use crate::core::model::{AttrPath, Attributes, Datum, ScimId};

/// The core user schema (RFC 7643 §4.1).
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core group schema (RFC 7643 §4.2).
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The body of a new user; what is unassigned is left out.
pub(super) fn user(attributes: &Attributes) -> Value {
    let mut user = Map::new();
    user.insert("schemas".to_owned(), json!([USER]));
    for (path, value) in attributes.iter().filter(|(_, value)| !value.is_unassigned()) {
        merge::set(&mut user, path, value, ClearValue::Remove);
    }
    Value::Object(user)
}

/// The body of a new group, with its first members where there are any.
pub(super) fn group(external_id: &str, display_name: &str, ids: &[ScimId]) -> Value {
    let mut group = json!({
        "schemas": [GROUP],
        "externalId": external_id,
        "displayName": display_name,
    });
    if let (Some(group), false) = (group.as_object_mut(), ids.is_empty()) {
        group.insert("members".to_owned(), members(ids));
    }
    group
}

/// Member references; only `value`, the one part that every server takes.
pub(super) fn members(ids: &[ScimId]) -> Value {
    ids.iter().map(|id| json!({ "value": id.as_str() })).collect()
}

/// An element of a multi-valued attribute that holds no value yet. The work address is the main one.
pub(super) fn new_element(attribute: &str, key: &str, kind: &str) -> Map<String, Value> {
    let mut element = Map::new();
    element.insert(key.to_owned(), kind.into());
    if (attribute, key, kind) == ("emails", "type", "work") {
        element.insert("primary".to_owned(), true.into());
    }
    element
}

/// A value as it is written at `path`; `None` when it is unassigned, since null is never sent.
pub(super) fn to_json(path: &AttrPath, value: &Datum) -> Option<Value> {
    if value.is_unassigned() {
        return None;
    }
    let json = plain(value)?;
    Some(if path.is_reference() && path.parts().sub.is_none() {
        json!({ "value": json })
    } else {
        json
    })
}

fn plain(value: &Datum) -> Option<Value> {
    Some(match value {
        Datum::Null => return None,
        Datum::Bool(value) => (*value).into(),
        Datum::Int(value) => (*value).into(),
        Datum::Text(text) => (**text).into(),
        Datum::List(items) => items.iter().filter_map(plain).collect(),
        Datum::Map(map) => {
            map.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect()
        }
    })
}
