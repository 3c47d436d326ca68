//! Reads JSON as targets write it, not only as the standard says: keys in any letter case, flat
//! `name.formatted` keys, numbers and texts for ids, texts for booleans, one object where an array is
//! expected. It never guesses a value that is not there.

use serde_json::Value;

use crate::core::model::{AttrParts, AttrPath, Datum, ScimId};

/// The JSON in a body, also after a byte order mark, which RFC 8259 §8.1 lets a reader ignore.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// The member `name` of an object, in any letter case (RFC 7643 §2.1), the exact case first.
pub(super) fn get<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    let object = json.as_object()?;
    object.get(name).or_else(|| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// The key under which an object holds `name`, in the object's own letter case.
pub(super) fn key_of(object: &serde_json::Map<String, Value>, name: &str) -> String {
    if object.contains_key(name) {
        return name.to_owned();
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or(name, String::as_str).to_owned()
}

/// A text or a number as text; nothing else, and no empty text.
pub(super) fn text(json: &Value) -> Option<String> {
    match json {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text member `name`.
pub(super) fn text_of(json: &Value, name: &str) -> Option<String> {
    get(json, name).and_then(text)
}

/// An id: text or number.
pub(super) fn id(json: &Value) -> Option<ScimId> {
    text(json).map(|id| ScimId::new(&id))
}

/// A boolean, also as text in any letter case or as 0 and 1.
pub(super) fn boolean(json: &Value) -> Option<bool> {
    match json {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// A count: number or text.
pub(super) fn count(json: &Value) -> Option<usize> {
    text(json)?.parse().ok()
}

/// The elements of an array; one object or value counts as an array of one, null as none.
pub(super) fn elements(json: &Value) -> &[Value] {
    match json {
        Value::Null => &[],
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// What a resource holds at `path`; [`Datum::Null`] when it holds nothing there.
pub(super) fn value_at(resource: &Value, path: &AttrPath) -> Datum {
    let AttrParts { schema, attribute, filter, sub } = path.parts();
    let home = match schema {
        None => Some(resource),
        Some(schema) => get(resource, schema),
    };
    let nested = home.and_then(|home| get(home, attribute)).and_then(|value| match (filter, sub) {
        (None, None) => Some(value),
        (None, Some(sub)) => elements(value).iter().find_map(|element| get(element, sub)),
        (Some((key, wanted)), sub) => {
            let elements = elements(value);
            let element = elements.get(position(elements, key, wanted)?)?;
            sub.map_or(Some(element), |sub| get(element, sub))
        }
    });
    // `"name.formatted": "X Y"` and `"urn:…:User:department": "IT"` at the top level.
    let flat = || if filter.is_none() { get(resource, path.as_str()) } else { None };
    let Some(found) = nested.or_else(flat) else { return Datum::Null };
    if path.is_reference() {
        return reference(found);
    }
    let last = sub.unwrap_or(attribute);
    if last.eq_ignore_ascii_case("active") || last.eq_ignore_ascii_case("primary") {
        return boolean(found).map_or_else(|| datum(found), Datum::Bool);
    }
    datum(found)
}

/// Where the element is that a value filter selects. An only element that does not name its `key` at
/// all is taken as the one that is meant.
pub(super) fn position(elements: &[Value], key: &str, wanted: &str) -> Option<usize> {
    let is = |element: &Value| {
        get(element, key).and_then(Value::as_str).is_some_and(|is| is.eq_ignore_ascii_case(wanted))
    };
    elements.iter().position(is).or_else(|| match elements {
        [only] if get(only, key).is_none_or(Value::is_null) => Some(0),
        _ => None,
    })
}

/// A reference to another account: the id alone, or an object, or a list of one.
fn reference(found: &Value) -> Datum {
    let Some(first) = elements(found).first() else { return Datum::Null };
    let value = get(first, "value").or_else(|| get(first, "managerId")).unwrap_or(first);
    text(value).map_or(Datum::Null, Datum::from)
}

fn datum(json: &Value) -> Datum {
    match json {
        Value::Null => Datum::Null,
        Value::Bool(value) => Datum::Bool(*value),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| number.to_string().into(), Datum::Int)
        }
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Datum::List(items.iter().map(datum).collect()),
        Value::Object(object) => {
            Datum::Map(object.iter().map(|(key, value)| (key.clone(), datum(value))).collect())
        }
    }
}
