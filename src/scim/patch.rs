//! PATCH bodies (RFC 7644 §3.5.2): lower-case operations, always with a path, one for each attribute,
//! and only in the form that the dialect names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::body;
use super::dialect::ClearValue;
use crate::core::model::{AttrParts, AttrPath, Attributes, Datum, ScimId};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The whole body.
pub(super) fn request(operations: &[Value]) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// What of `wanted` differs from `held`. A path that is not held is unknown there, so it differs.
pub(super) fn differing(held: &Attributes, wanted: &Attributes) -> Attributes {
    let same = |path: &AttrPath, value: &Datum| {
        held.get(path).is_some_and(|is| is == value || is.is_unassigned() && value.is_unassigned())
    };
    wanted
        .iter()
        .filter(|(path, value)| !same(path, value))
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect()
}

/// The operations that turn what is `held` into what `changes` says.
pub(super) fn operations(held: &Attributes, changes: &Attributes, clear: ClearValue) -> Vec<Value> {
    let mut operations = Vec::new();
    let mut done = BTreeSet::new();
    for (path, value) in changes {
        let parts = path.parts();
        if parts.filter.is_none() {
            operations.push(single(path, value, held, clear));
        } else if done.insert((parts.schema, parts.attribute, parts.filter)) {
            element(parts, held, changes, clear, &mut operations);
        }
    }
    operations
}

fn single(path: &AttrPath, value: &Datum, held: &Attributes, clear: ClearValue) -> Value {
    match body::to_json(path, value) {
        Some(value) => json!({ "op": "replace", "path": path.as_str(), "value": value }),
        None if clear_of(path, held, clear) == ClearValue::ReplaceEmpty => {
            json!({ "op": "replace", "path": path.as_str(), "value": "" })
        }
        None => json!({ "op": "remove", "path": path.as_str() }),
    }
}

/// How `path` is cleared: only texts can be emptied, whatever the dialect says.
pub(super) fn clear_of(path: &AttrPath, held: &Attributes, clear: ClearValue) -> ClearValue {
    let no_text = matches!(held.get(path), Some(Datum::Bool(_) | Datum::List(_) | Datum::Map(_)));
    if path.is_reference() || no_text { ClearValue::Remove } else { clear }
}

/// Operations for one element of a multi-valued attribute, such as the work e-mail address.
///
/// An element that is not there yet is added whole: `replace` with a value filter that matches
/// nothing is an error (RFC 7644 §3.5.2.3), although servers made for Entra create it.
fn element(
    of: AttrParts<'_>,
    held: &Attributes,
    changes: &Attributes,
    clear: ClearValue,
    operations: &mut Vec<Value>,
) {
    let Some((key, kind)) = of.filter else { return };
    let belongs = |path: &&AttrPath| {
        let parts = path.parts();
        (parts.schema, parts.attribute, parts.filter) == (of.schema, of.attribute, of.filter)
    };
    let assigned =
        |path: &AttrPath, in_: &Attributes| in_.get(path).is_some_and(|v| !v.is_unassigned());
    let existed = held.keys().filter(belongs).any(|path| assigned(path, held));
    let remains = changes.keys().filter(belongs).any(|path| assigned(path, changes))
        || held
            .keys()
            .filter(belongs)
            .any(|path| !changes.contains_key(path) && assigned(path, held));
    let prefix = of.schema.map(|schema| format!("{schema}:")).unwrap_or_default();
    let whole = format!("{prefix}{}", of.attribute);
    if !existed && remains {
        let mut new = body::new_element(of.attribute, key, kind);
        for (path, value) in changes.iter().filter(|(path, _)| belongs(path)) {
            if let (Some(sub), Some(value)) = (path.parts().sub, body::to_json(path, value)) {
                new.insert(sub.to_owned(), value);
            }
        }
        operations.push(json!({ "op": "add", "path": whole, "value": [new] }));
    } else if !remains && clear == ClearValue::Remove {
        let path = format!("{whole}[{key} eq \"{kind}\"]");
        operations.push(json!({ "op": "remove", "path": path }));
    } else {
        for (path, value) in changes.iter().filter(|(path, _)| belongs(path)) {
            operations.push(single(path, value, held, clear));
        }
    }
}

/// Adds members; adding one who is there already changes nothing (RFC 7644 §3.5.2.1).
pub(super) fn add_members(ids: &[ScimId]) -> Vec<Value> {
    vec![json!({ "op": "add", "path": "members", "value": body::members(ids) })]
}

/// Takes members out one by one, each by its own value filter.
pub(super) fn remove_members_by_filter(ids: &[ScimId]) -> Vec<Value> {
    let path = |id: &ScimId| format!("members[value eq {}]", Value::from(id.as_str()));
    ids.iter().map(|id| json!({ "op": "remove", "path": path(id) })).collect()
}

/// Takes members out by a list of values. A conforming server reads this as *remove everybody*, so it
/// is sent only where the operator has chosen it.
pub(super) fn remove_members_by_value(ids: &[ScimId]) -> Vec<Value> {
    vec![json!({ "op": "remove", "path": "members", "value": body::members(ids) })]
}
