//! Between [`Datum`] and the values of the evaluator. A property that is missing from the map is
//! *unknown*: reading it ends the evaluation there and then, so nothing can launder it.

use std::sync::Arc;

use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::Input;
use super::language::{LIST_MAX, TEXT_MAX};
use crate::core::model::{Datum, Properties};

/// The cause of an evaluation that ended because it read something unknown.
#[derive(Debug, thiserror::Error)]
#[error("{0} is unknown")]
pub(super) struct UnknownRead(pub(super) String);

/// Serves the one variable of an expression.
#[derive(Debug)]
struct Scope {
    variable: &'static str,
    value: Value,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some(self.variable)).then(|| self.value.clone())
    }
}

/// Serves properties by path, `mail` or `employeeOrgData.division`.
#[derive(Debug)]
struct Fields(Arc<Properties>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, path: &str) -> Option<Value> {
        Some(match find(&self.0, path) {
            Ok(datum) => to_value(datum),
            Err(unknown) => Value::from(
                Error::new(ErrorKind::InvalidOperation, "unknown property").with_source(unknown),
            ),
        })
    }
}

/// What a property holds, by path.
pub(super) fn find<'a>(properties: &'a Properties, path: &str) -> Result<&'a Datum, UnknownRead> {
    let (name, part) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let unknown = || UnknownRead(name.to_owned());
    match (part, properties.get(name)) {
        // Graph shows null when it may not tell, and acting on that would lock everybody out.
        (_, Some(Datum::Null)) if name == "accountEnabled" => Err(unknown()),
        (None, Some(datum)) => Ok(datum),
        // A known complex value without the part, or null as a whole: the part is absent.
        (Some(part), Some(Datum::Map(parts))) => Ok(parts.get(part).unwrap_or(&Datum::Null)),
        (Some(_), Some(Datum::Null)) => Ok(&Datum::Null),
        // Not told, or not in the shape that Graph documents: nothing is known about it.
        _ => Err(unknown()),
    }
}

/// The context to evaluate in.
pub(super) fn context(variable: &'static str, input: Input<'_>) -> Value {
    let value = match input {
        Input::Properties(properties) => Value::from_object(Fields(Arc::clone(properties))),
        Input::Key(key) => Value::from(key),
    };
    Value::from_object(Scope { variable, value })
}

fn to_value(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::from(()),
        Datum::Bool(value) => Value::from(*value),
        Datum::Int(value) => Value::from(*value),
        Datum::Text(text) => Value::from(text),
        Datum::List(items) => items.iter().map(to_value).collect(),
        Datum::Map(parts) => parts.iter().map(|(name, part)| (name, to_value(part))).collect(),
    }
}

/// The result as a datum; fails for what no attribute can hold.
pub(super) fn to_datum(value: &Value) -> Result<Datum, Error> {
    let refuse = |what: String| Err(Error::new(ErrorKind::InvalidOperation, what));
    Ok(match value.kind() {
        ValueKind::None => Datum::Null,
        ValueKind::Bool => Datum::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) if value.is_integer() => Datum::Int(number),
            _ => return refuse(format!("{value} is not a whole number within reach")),
        },
        ValueKind::String => Datum::Text(value.to_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            Datum::List(value.try_iter()?.map(|item| to_datum(&item)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut parts = std::collections::BTreeMap::new();
            for key in value.try_iter()? {
                parts.insert(key.to_string(), to_datum(&value.get_item(&key)?)?);
            }
            Datum::Map(parts)
        }
        other => return refuse(format!("the result is {other}, which no attribute can hold")),
    })
}

/// The name of the unknown property whose reading ended the evaluation, if that is what happened.
pub(super) fn unknown_read(error: &Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        if let Some(UnknownRead(name)) = source.downcast_ref() {
            return Some(name.clone());
        }
        cause = source.source();
    }
    None
}

/// Whether a result is larger than any value that people have.
pub(super) fn is_too_long(datum: &Datum) -> bool {
    fn length(datum: &Datum) -> usize {
        match datum {
            Datum::Null | Datum::Bool(_) | Datum::Int(_) => 8,
            Datum::Text(text) => text.len(),
            Datum::List(items) => items.iter().map(length).sum(),
            Datum::Map(map) => map.iter().map(|(name, item)| name.len() + length(item)).sum(),
        }
    }
    match datum {
        Datum::Text(text) => text.len() > TEXT_MAX,
        other => length(other) > LIST_MAX,
    }
}
