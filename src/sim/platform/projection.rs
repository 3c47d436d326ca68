//! `attributes` and `excludedAttributes`: which part of a resource is shown (RFC 7644 §3.9).

use serde_json::{Map, Value};

use super::answer::ScimError;
use super::schema::{Attribute, Kind, Returned, Scope};

/// A chain of attributes, from the top level down.
type Chain = Vec<&'static Attribute>;

/// Which part of a resource an answer shows.
#[derive(Debug, Clone)]
pub(super) enum Projection {
    All,
    Only(Vec<Chain>),
    Without(Vec<Chain>),
}

impl Projection {
    /// Reads the two lists; they exclude each other.
    pub(super) fn new(
        kind: Kind,
        only: Option<&str>,
        without: Option<&str>,
    ) -> Result<Self, ScimError> {
        match (only, without) {
            (Some(_), Some(_)) => Err(ScimError::bad(
                "invalidValue",
                "attributes and excludedAttributes exclude each other",
            )),
            (Some(only), None) => Ok(Self::Only(chains(kind, only))),
            (None, Some(without)) => Ok(Self::Without(chains(kind, without))),
            (None, None) => Ok(Self::All),
        }
    }

    /// Whether any part of the top-level attribute `name` is shown.
    pub(super) fn shows(&self, name: &str) -> bool {
        let starts = |chain: &Chain| chain.first().is_some_and(|first| first.name == name);
        match self {
            Self::All => true,
            Self::Only(chains) => chains.iter().any(starts),
            Self::Without(chains) => !chains.iter().any(|chain| chain.len() == 1 && starts(chain)),
        }
    }

    /// Cuts a rendered resource down to what is shown.
    pub(super) fn cut(&self, kind: Kind, mut full: Map<String, Value>) -> Map<String, Value> {
        match self {
            Self::All => full,
            Self::Without(chains) => {
                for chain in chains.iter().filter(|chain| !is_always(chain)) {
                    prune(&mut full, chain);
                }
                full
            }
            Self::Only(chains) => {
                let mut result = Map::new();
                for chain in chains {
                    copy(&full, chain, &mut result);
                }
                full.retain(|name, _| {
                    kind.find(name).is_some_and(|found| found.returned == Returned::Always)
                });
                result.extend(full);
                result
            }
        }
    }
}

/// Unknown names select nothing; the RFC has no error for them.
fn chains(kind: Kind, list: &str) -> Vec<Chain> {
    list.split(',').filter_map(|path| Scope::Resource(kind).resolve(path.trim())).collect()
}

fn is_always(chain: &Chain) -> bool {
    chain.first().is_some_and(|first| first.returned == Returned::Always)
}

fn prune(object: &mut Map<String, Value>, chain: &[&Attribute]) {
    let Some((first, rest)) = chain.split_first() else { return };
    if rest.is_empty() {
        object.remove(first.name);
        return;
    }
    match object.get_mut(first.name) {
        Some(Value::Object(inner)) => prune(inner, rest),
        Some(Value::Array(items)) => {
            items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| prune(item, rest));
        }
        _ => {}
    }
}

fn copy(from: &Map<String, Value>, chain: &[&Attribute], into: &mut Map<String, Value>) {
    let Some((first, rest)) = chain.split_first() else { return };
    let Some(value) = from.get(first.name) else { return };
    if rest.is_empty() {
        into.insert(first.name.to_owned(), value.clone());
        return;
    }
    let blank = match value {
        Value::Array(items) => Value::Array(vec![Value::Object(Map::new()); items.len()]),
        _ => Value::Object(Map::new()),
    };
    match (value, into.entry(first.name).or_insert(blank)) {
        (Value::Object(from), Value::Object(into)) => copy(from, rest, into),
        (Value::Array(from), Value::Array(into)) => {
            for (from, into) in from.iter().zip(into) {
                if let (Value::Object(from), Value::Object(into)) = (from, into) {
                    copy(from, rest, into);
                }
            }
        }
        _ => {}
    }
}
