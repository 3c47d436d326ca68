//! Read, merge, PUT: writes values into a resource as the target gave it, so that what we do not
//! manage goes back unchanged (RFC 7644 §3.5.1: what PUT leaves out may be cleared).

use serde_json::{Map, Value, json};

use super::body;
use super::dialect::ClearValue;
use super::lenient;
use super::members::is_meant;
use super::resource::member;
use crate::core::model::{AttrParts, AttrPath, Datum, ScimId};

/// Only the target sets these (RFC 7643 §3.1, §4.1.2).
const READ_ONLY: [&str; 3] = ["id", "meta", "groups"];
/// An element with nothing beyond these says nothing.
const SAYS_NOTHING: [&str; 3] = ["primary", "display", "$ref"];

/// Writes `value` at `path`, or clears the path when the value is unassigned.
pub(super) fn set(
    resource: &mut Map<String, Value>,
    path: &AttrPath,
    value: &Datum,
    clear: ClearValue,
) {
    let AttrParts { schema, attribute, filter, sub } = path.parts();
    let value = match body::to_json(path, value) {
        None if clear == ClearValue::ReplaceEmpty => Some(json!("")),
        value => value,
    };
    if let Some(schema) = schema.filter(|_| value.is_some()) {
        list_schema(resource, schema);
    }
    // A flat key would contradict the nested one.
    let flat = lenient::key_of(resource, path.as_str());
    if flat.contains(['.', ':']) {
        resource.remove(&flat);
    }
    let home = match schema {
        None => resource,
        Some(schema) => match object_in(resource, schema, value.is_some()) {
            Some(extension) => extension,
            None => return,
        },
    };
    match (filter, sub) {
        (None, None) => put(home, attribute, value),
        (None, Some(sub)) => {
            if let Some(complex) = object_in(home, attribute, value.is_some()) {
                put(complex, sub, value);
            }
        }
        (Some((key, kind)), sub) => {
            let listed = home.entry(lenient::key_of(home, attribute)).or_insert(Value::Null);
            in_element(listed, attribute, (key, kind), sub.unwrap_or("value"), value);
            if lenient::elements(listed).is_empty() {
                put(home, attribute, None);
            }
        }
    }
}

fn put(home: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    let key = lenient::key_of(home, name);
    match value {
        Some(value) => {
            home.insert(key, value);
        }
        None => {
            home.remove(&key);
        }
    }
}

/// The object under `name`; made when it is missing and there is something to write into it.
fn object_in<'a>(
    home: &'a mut Map<String, Value>,
    name: &str,
    make: bool,
) -> Option<&'a mut Map<String, Value>> {
    let key = lenient::key_of(home, name);
    if make && !home.get(&key).is_some_and(Value::is_object) {
        home.insert(key.clone(), json!({}));
    }
    home.get_mut(&key).and_then(Value::as_object_mut)
}

fn in_element(
    listed: &mut Value,
    attribute: &str,
    (key, kind): (&str, &str),
    sub: &str,
    value: Option<Value>,
) {
    let mut elements = match listed.take() {
        Value::Null => Vec::new(),
        Value::Array(elements) => elements,
        one => vec![one],
    };
    match (lenient::position(&elements, key, kind), value) {
        (Some(at), value) => {
            if let Some(element) = elements.get_mut(at).and_then(Value::as_object_mut) {
                put(element, sub, value);
                let says_nothing = |name: &String| {
                    name.eq_ignore_ascii_case(key)
                        || SAYS_NOTHING.iter().any(|idle| name.eq_ignore_ascii_case(idle))
                };
                if element.keys().all(says_nothing) {
                    elements.remove(at);
                }
            }
        }
        (None, Some(value)) => {
            let mut new = body::new_element(attribute, key, kind);
            let has_primary = |element: &Value| {
                lenient::get(element, "primary").and_then(lenient::boolean) == Some(true)
            };
            if elements.iter().any(has_primary) {
                new.remove("primary");
            }
            new.insert(sub.to_owned(), value);
            elements.push(Value::Object(new));
        }
        (None, None) => {}
    }
    *listed = Value::Array(elements);
}

fn list_schema(resource: &mut Map<String, Value>, schema: &str) {
    let listed = resource.entry(lenient::key_of(resource, "schemas")).or_insert_with(|| json!([]));
    if let Some(listed) = listed.as_array_mut() {
        let known = |one: &Value| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(schema));
        if !listed.iter().any(known) {
            listed.push(schema.into());
        }
    }
}

/// Adds members who are not there yet.
pub(super) fn add_members(group: &mut Map<String, Value>, ids: &[ScimId], others: &[ScimId]) {
    let mut members = take_members(group);
    for id in ids {
        let is_there = |one: &Value| member(one).is_some_and(|it| is_meant(&it, id, others));
        if !members.iter().any(is_there) {
            members.push(json!({ "value": id.as_str() }));
        }
    }
    put(group, "members", Some(members.into()));
}

/// Adds members who are known not to be there.
pub(super) fn append_members(group: &mut Map<String, Value>, ids: &[&ScimId]) {
    if ids.is_empty() {
        return;
    }
    let mut members = take_members(group);
    members.extend(ids.iter().map(|id| json!({ "value": id.as_str() })));
    put(group, "members", Some(members.into()));
}

/// Leaves members out. The list is always stated, also when nobody is left: some servers take a
/// missing list as *no change*.
pub(super) fn remove_members(group: &mut Map<String, Value>, ids: &[ScimId], others: &[ScimId]) {
    let mut members = take_members(group);
    let leaves = |it: &ScimId| ids.iter().any(|id| is_meant(it, id, others));
    members.retain(|one| !member(one).is_some_and(|it| leaves(&it)));
    put(group, "members", Some(members.into()));
}

fn take_members(group: &mut Map<String, Value>) -> Vec<Value> {
    let key = lenient::key_of(group, "members");
    match group.remove(&key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(members)) => members,
        Some(one) => vec![one],
    }
}

/// A resource as the target gave it, without empty texts and without what says nothing without them:
/// `"emails": [{"primary": true, "value": ""}]` is how some servers show that there is none, and they
/// refuse it when it is sent back.
pub(super) fn without_empty(resource: Map<String, Value>) -> Map<String, Value> {
    let mut json = Value::Object(resource);
    drop_empty(&mut json);
    match json {
        Value::Object(resource) => resource,
        _ => Map::new(),
    }
}

/// Whether something empty was taken out of it, or of what is in it.
fn drop_empty(json: &mut Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_str() == Some("");
    match json {
        Value::Object(object) => {
            let before = object.len();
            object.retain(|_, value| !is_empty(value));
            let mut dropped = object.len() < before;
            object.retain(|_, value| {
                let emptied = drop_empty(value);
                dropped |= emptied;
                !(emptied && says_nothing(value))
            });
            dropped
        }
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|item| {
                let emptied = drop_empty(item);
                !(is_empty(item) || emptied && says_nothing(item))
            });
            items.len() < before
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether nothing is left that somebody has said.
fn says_nothing(json: &Value) -> bool {
    let idle = |name: &String| {
        name.eq_ignore_ascii_case("type")
            || SAYS_NOTHING.iter().any(|idle| name.eq_ignore_ascii_case(idle))
    };
    match json {
        Value::Object(object) => object.keys().all(idle),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Makes a resource as the target gave it fit to be sent back.
pub(super) fn writable(mut resource: Map<String, Value>, core_schema: &str) -> Value {
    for name in READ_ONLY {
        put(&mut resource, name, None);
    }
    list_schema(&mut resource, core_schema);
    let mut json = Value::Object(resource);
    drop_nulls(&mut json);
    json
}

fn drop_nulls(json: &mut Value) {
    match json {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
