//! What may be written: a body is checked against the schema and brought into canonical form.
//!
//! Canonical means: attribute names as the schema spells them, read-only attributes and empty values gone.
//! Lenient platforms let more pass; what they let pass is named in [`super::Quirks::lenient`].

use serde_json::{Map, Value};

use super::answer::ScimError;
use super::schema::{Attribute, Kind, Mutability, Type};

/// Whether a platform insists on the letter of the RFCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rigour {
    Strict,
    Lenient,
}

/// Checks the body of a POST or PUT; what comes back holds the attributes that a client may set.
pub(super) fn normalise_resource(
    kind: Kind,
    body: &Value,
    rigour: Rigour,
) -> Result<Map<String, Value>, ScimError> {
    let body = body
        .as_object()
        .ok_or_else(|| ScimError::bad("invalidSyntax", "the body is not a JSON object"))?;
    if rigour == Rigour::Strict {
        check_schemas(kind, body)?;
    }
    let mut result = Map::new();
    for (name, value) in body {
        let Some(attribute) = kind.find(name) else {
            unknown(name, rigour)?;
            continue;
        };
        if attribute.name == "schemas" {
            continue;
        }
        if let Some(value) = normalise(attribute, value, rigour)? {
            result.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(result)
}

/// `schemas` must list the core schema, nothing foreign, and each extension used (RFC 7643 §3).
fn check_schemas(kind: Kind, body: &Map<String, Value>) -> Result<(), ScimError> {
    let listed = body
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("schemas"))
        .and_then(|(_, value)| value.as_array())
        .ok_or_else(|| ScimError::bad("invalidSyntax", "schemas is missing or no array"))?;
    let is_listed = |urn: &str| {
        listed.iter().any(|item| item.as_str().is_some_and(|item| item.eq_ignore_ascii_case(urn)))
    };
    if !is_listed(kind.urn()) {
        return Err(ScimError::bad("invalidSyntax", format!("schemas lacks {}", kind.urn())));
    }
    for item in listed {
        let known = item.as_str().is_some_and(|item| {
            item.eq_ignore_ascii_case(kind.urn())
                || kind.find(item).is_some_and(Attribute::is_extension)
        });
        if !known {
            return Err(ScimError::bad("invalidSyntax", format!("unknown schema {item}")));
        }
    }
    let unlisted = body.keys().find(|name| {
        kind.find(name)
            .is_some_and(|attribute| attribute.is_extension() && !is_listed(attribute.name))
    });
    match unlisted {
        Some(name) => Err(ScimError::bad("invalidSyntax", format!("schemas lacks {name}"))),
        None => Ok(()),
    }
}

fn unknown(name: &str, rigour: Rigour) -> Result<(), ScimError> {
    match rigour {
        Rigour::Strict => Err(ScimError::bad("invalidSyntax", format!("unknown attribute {name}"))),
        Rigour::Lenient => Ok(()),
    }
}

/// Checks a value for `attribute`; `None` when there is nothing to store.
pub(super) fn normalise(
    attribute: &'static Attribute,
    value: &Value,
    rigour: Rigour,
) -> Result<Option<Value>, ScimError> {
    if attribute.mutability == Mutability::ReadOnly {
        return Ok(None);
    }
    if value.is_null() {
        return match rigour {
            Rigour::Strict => {
                Err(ScimError::bad("invalidValue", format!("{} is null", attribute.name)))
            }
            Rigour::Lenient => Ok(None),
        };
    }
    if !attribute.multi {
        return normalise_single(attribute, value, rigour);
    }
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) if rigour == Rigour::Lenient => std::slice::from_ref(value),
        _ => return Err(wrong_type(attribute, "an array")),
    };
    let mut result = Vec::new();
    for item in items {
        result.extend(normalise_single(attribute, item, rigour)?);
    }
    check_primary(attribute, &result)?;
    Ok((!result.is_empty()).then_some(Value::Array(result)))
}

/// Checks one value of `attribute`, which may be multi-valued.
pub(super) fn normalise_single(
    attribute: &'static Attribute,
    value: &Value,
    rigour: Rigour,
) -> Result<Option<Value>, ScimError> {
    let expected = match attribute.kind {
        Type::Complex => {
            let object = value.as_object().ok_or_else(|| wrong_type(attribute, "an object"))?;
            return normalise_complex(attribute, object, rigour);
        }
        Type::Boolean => match (value, rigour) {
            (Value::Bool(_), _) => return Ok(Some(value.clone())),
            (Value::String(text), Rigour::Lenient) => match text.to_lowercase().parse::<bool>() {
                Ok(parsed) => return Ok(Some(Value::Bool(parsed))),
                Err(_) => "true or false",
            },
            _ => "true or false",
        },
        Type::DateTime => match value.as_str().map(str::parse::<jiff::Timestamp>) {
            Some(Ok(_)) => return Ok(Some(value.clone())),
            _ => "a date and time",
        },
        Type::String | Type::Reference | Type::Binary => match (value, rigour) {
            (Value::String(_), _) => return Ok(Some(value.clone())),
            (Value::Number(number), Rigour::Lenient) => {
                return Ok(Some(Value::String(number.to_string())));
            }
            _ => "a string",
        },
    };
    Err(wrong_type(attribute, expected))
}

fn normalise_complex(
    attribute: &'static Attribute,
    object: &Map<String, Value>,
    rigour: Rigour,
) -> Result<Option<Value>, ScimError> {
    let mut result = Map::new();
    for (name, value) in object {
        let Some(sub) = attribute.find(name) else {
            // RFC 7643 §3 speaks of the schemas of "the current JSON structure", which an extension's
            // object may be taken for; independent clients send it along.
            if attribute.is_extension() && name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            unknown(&format!("{}.{name}", attribute.name), rigour)?;
            continue;
        };
        if let Some(value) = normalise(sub, value, rigour)? {
            result.insert(sub.name.to_owned(), value);
        }
    }
    Ok((!result.is_empty()).then_some(Value::Object(result)))
}

/// At most one value is the primary one (RFC 7643 §2.4).
pub(super) fn check_primary(attribute: &Attribute, items: &[Value]) -> Result<(), ScimError> {
    if items.iter().filter(|item| is_primary(item)).count() > 1 {
        let detail = format!("{} has more than one primary value", attribute.name);
        return Err(ScimError::bad("invalidValue", detail));
    }
    Ok(())
}

/// Whether a value carries `primary: true`.
pub(super) fn is_primary(item: &Value) -> bool {
    item.get("primary") == Some(&Value::Bool(true))
}

fn wrong_type(attribute: &Attribute, expected: &str) -> ScimError {
    ScimError::bad("invalidValue", format!("{} must be {expected}", attribute.name))
}
