//! Reads JSON as targets write it, not only as the standard says: keys in any letter case, flat
//! `name.formatted` keys, numbers and texts for ids, texts for booleans, one object where an array is
//! expected. It never guesses a value that is not there; what is too large to be one is not understood.

use serde_json::Value;

use crate::core::model::{AttrParts, AttrPath, Datum, ScimId};

mod parse;
pub(super) use parse::parse;

/// A longer id is none: ids are keys of records and parts of URLs.
const ID_BYTES_MAX: usize = 1024;
/// A text that is compared with one of ours is no longer than this, or it is not understood.
const TEXT_BYTES_MAX: usize = 4096;
/// What a target shows at one attribute is kept up to this size; what is larger is not known. A record
/// of the store holds a whole account.
const VALUE_BYTES_MAX: usize = 8192;

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
        Value::Number(number) => Some(whole(number).unwrap_or_else(|| number.to_string())),
        _ => None,
    }
}

/// A whole number in its digits, also where it was written `17.0`; `None` for any other, and for one with
/// more digits than were kept of it.
fn whole(number: &serde_json::Number) -> Option<String> {
    /// From here on not every whole number can be told from the next one.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let exact = number.as_f64().filter(|value| value.abs() < EXACT_MAX && value.fract() == 0.0);
    exact.map(|value| format!("{value:.0}"))
}

/// The text member `name`, up to a length that such a text may have.
pub(super) fn text_of(json: &Value, name: &str) -> Option<String> {
    get(json, name).and_then(text).filter(|text| text.len() <= TEXT_BYTES_MAX)
}

/// Whether the member `name` says something that cannot be read as a text.
pub(super) fn is_garbled(json: &Value, name: &str) -> bool {
    let says = get(json, name).filter(|value| !matches!(value, Value::Null));
    says.is_some_and(|value| value.as_str() != Some("") && text_of(json, name).is_none())
}

/// An id: a text, or a number that says all of itself. Two large numbers may be read as one.
pub(super) fn id(json: &Value) -> Option<ScimId> {
    let id = match json {
        Value::Number(number) => whole(number),
        json => text(json),
    };
    id.filter(|id| id.len() <= ID_BYTES_MAX).map(|id| ScimId::new(&id))
}

/// A boolean, also as a number or as text in any letter case.
pub(super) fn boolean(json: &Value) -> Option<bool> {
    match json {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.trim() {
            "0" => Some(false),
            "1" => Some(true),
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
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

/// What a resource holds at `path`; [`Datum::Null`] when it holds nothing there. `None` when that is
/// not known: the value is too large to be one, or it is `active`, and that is missing or not
/// understood. An account that does not say whether it is active is not therefore inactive, nor active.
pub(super) fn value_at(resource: &Value, path: &AttrPath) -> Option<Datum> {
    let found = found_at(resource, path);
    if *path == AttrPath::active() {
        return found.and_then(boolean).map(Datum::Bool);
    }
    let Some(found) = found else { return Some(Datum::Null) };
    if size(found, VALUE_BYTES_MAX) > VALUE_BYTES_MAX {
        return None;
    }
    if path.is_reference() {
        return Some(reference(found));
    }
    let AttrParts { attribute, sub, .. } = path.parts();
    if sub.unwrap_or(attribute).eq_ignore_ascii_case("primary") {
        return Some(boolean(found).map_or_else(|| datum(found), Datum::Bool));
    }
    Some(datum(found))
}

/// About how much memory a value takes, counted no further than past `most`.
fn size(json: &Value, most: usize) -> usize {
    const EACH: usize = 16;
    match json {
        Value::Null | Value::Bool(_) | Value::Number(_) => EACH,
        Value::String(text) => EACH + text.len(),
        Value::Array(items) => items
            .iter()
            .fold(EACH, |sum, item| if sum > most { sum } else { sum + size(item, most) }),
        Value::Object(members) => members.iter().fold(EACH, |sum, (key, value)| {
            if sum > most { sum } else { sum + key.len() + size(value, most) }
        }),
    }
}

fn found_at<'a>(resource: &'a Value, path: &AttrPath) -> Option<&'a Value> {
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
    nested.or_else(flat)
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
