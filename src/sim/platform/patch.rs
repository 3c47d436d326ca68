//! PATCH: reading the operations and applying them to attributes (RFC 7644 §3.5.2).
//!
//! A group's members are not kept among its attributes; what becomes of them is in `members.rs`.

use serde_json::{Map, Value};

use super::answer::ScimError;
use super::filter::{Filter, FilterError, Operator, path_prefix};
use super::schema::{Attribute, Kind, Mutability, Scope};
use super::value::{Rigour, check_primary, is_primary, normalise, normalise_single};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
    Replace,
}

/// One operation with its path resolved; a path-less one has been split into one for each attribute.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) verb: Verb,
    pub(super) path: Path,
    pub(super) value: Option<Value>,
}

/// Where an operation works: `name.givenName`, `emails[type eq "work"].value`.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) chain: Vec<&'static Attribute>,
    pub(super) filter: Option<Filter>,
    pub(super) tail: Vec<&'static Attribute>,
}

impl Path {
    /// Whether the path begins at the top-level attribute `name`.
    pub(super) fn starts_at(&self, name: &str) -> bool {
        self.chain.first().is_some_and(|first| first.name == name)
    }

    fn parse(text: &str, kind: Kind) -> Result<Self, ScimError> {
        let invalid = || ScimError::bad("invalidPath", format!("no such path: {text}"));
        let name = path_prefix(text);
        let chain = Scope::Resource(kind).resolve(name).ok_or_else(invalid)?;
        let rest = text.get(name.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Self { chain, filter: None, tail: Vec::new() });
        }
        let last = chain.last().copied().filter(|last| last.multi).ok_or_else(invalid)?;
        let (inner, after) =
            rest.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).ok_or_else(invalid)?;
        let filter = Filter::parse(inner, Scope::Inside(last)).map_err(|error| match error {
            FilterError::Syntax(detail) => ScimError::bad("invalidFilter", detail),
            FilterError::Unknown(name) => {
                ScimError::bad("invalidFilter", format!("unknown attribute {name}"))
            }
        })?;
        let tail = match after.strip_prefix('.') {
            Some(after) => Scope::Inside(last).resolve(after).ok_or_else(invalid)?,
            None if after.is_empty() => Vec::new(),
            None => return Err(invalid()),
        };
        Ok(Self { chain, filter: Some(filter), tail })
    }
}

/// Reads the body of a PATCH.
pub(super) fn parse(kind: Kind, body: &Value, rigour: Rigour) -> Result<Vec<Operation>, ScimError> {
    const URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let is_patch = member(body, "schemas")
        .and_then(Value::as_array)
        .is_some_and(|schemas| schemas.iter().any(|schema| schema == URN));
    if rigour == Rigour::Strict && !is_patch {
        return Err(ScimError::bad("invalidSyntax", format!("schemas lacks {URN}")));
    }
    let operations = member(body, "Operations")
        .and_then(Value::as_array)
        .filter(|operations| !operations.is_empty())
        .ok_or_else(|| ScimError::bad("invalidSyntax", "Operations is missing or empty"))?;
    let mut result = Vec::new();
    for operation in operations {
        parse_operation(kind, operation, rigour, &mut result)?;
    }
    Ok(result)
}

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

fn parse_operation(
    kind: Kind,
    operation: &Value,
    rigour: Rigour,
    result: &mut Vec<Operation>,
) -> Result<(), ScimError> {
    let spelt = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
    // RFC 7644 §3.5.2 knows three values, in lower case.
    let lowered = spelt.to_lowercase();
    let verb = match if rigour == Rigour::Lenient { lowered.as_str() } else { spelt } {
        "add" => Verb::Add,
        "remove" => Verb::Remove,
        "replace" => Verb::Replace,
        _ => return Err(ScimError::bad("invalidSyntax", format!("no such op: \"{spelt}\""))),
    };
    let value = member(operation, "value").cloned();
    match member(operation, "path") {
        Some(Value::String(path)) => {
            result.push(Operation { verb, path: Path::parse(path, kind)?, value });
            Ok(())
        }
        Some(_) => Err(ScimError::bad("invalidPath", "path is no string")),
        None if verb == Verb::Remove => Err(ScimError::bad("noTarget", "remove needs a path")),
        None => {
            let Some(Value::Object(value)) = value else {
                let detail = "an operation without path needs an object as value";
                return Err(ScimError::bad("invalidValue", detail));
            };
            split(kind, verb, value, rigour, result)
        }
    }
}

/// Splits a path-less operation; lenient platforms take dotted keys and pass over names unknown to them.
fn split(
    kind: Kind,
    verb: Verb,
    value: Map<String, Value>,
    rigour: Rigour,
    result: &mut Vec<Operation>,
) -> Result<(), ScimError> {
    for (name, value) in value {
        if name.eq_ignore_ascii_case("schemas") {
            continue;
        }
        let path = match rigour {
            Rigour::Strict => kind
                .find(&name)
                .map(|attribute| Path { chain: vec![attribute], filter: None, tail: Vec::new() })
                .ok_or_else(|| {
                    ScimError::bad("invalidPath", format!("no such attribute: {name}"))
                })?,
            Rigour::Lenient => match Path::parse(&name, kind) {
                Ok(path) => path,
                Err(_) => continue,
            },
        };
        result.push(Operation { verb, path, value: Some(value) });
    }
    Ok(())
}

/// Applies one operation to the attributes of a resource. After an error they are of no use any more.
pub(super) fn apply(
    attributes: &mut Map<String, Value>,
    operation: &Operation,
    rigour: Rigour,
) -> Result<(), ScimError> {
    let Path { chain, filter, tail } = &operation.path;
    if chain.iter().chain(tail).any(|attribute| attribute.mutability == Mutability::ReadOnly) {
        return Err(ScimError::bad("mutability", "the attribute is read-only"));
    }
    let edit = Edit { verb: operation.verb, value: operation.value.as_ref(), rigour };
    edit.walk(attributes, chain, filter.as_ref(), tail)
}

struct Edit<'a> {
    verb: Verb,
    value: Option<&'a Value>,
    rigour: Rigour,
}

impl Edit<'_> {
    fn walk(
        &self,
        object: &mut Map<String, Value>,
        chain: &[&'static Attribute],
        filter: Option<&Filter>,
        tail: &[&'static Attribute],
    ) -> Result<(), ScimError> {
        let Some((first, rest)) = chain.split_first() else { return Ok(()) };
        if rest.is_empty() {
            return match filter {
                Some(filter) => self.matching(object, first, filter, tail),
                None => self.whole(object, first),
            };
        }
        if first.multi {
            // RFC 7644 §3.5.2 asks for a value filter to point at a part of one of many values.
            let detail = format!("{} has many values, the path needs a filter", first.name);
            return Err(ScimError::bad("invalidPath", detail));
        }
        let mut inner = match object.remove(first.name) {
            Some(Value::Object(inner)) => inner,
            _ => Map::new(),
        };
        self.walk(&mut inner, rest, filter, tail)?;
        if !inner.is_empty() {
            object.insert(first.name.to_owned(), Value::Object(inner));
        }
        Ok(())
    }

    fn value(&self) -> Result<&Value, ScimError> {
        self.value.ok_or_else(|| ScimError::bad("invalidValue", "the operation has no value"))
    }

    /// Works on the attribute as a whole.
    fn whole(
        &self,
        object: &mut Map<String, Value>,
        attribute: &'static Attribute,
    ) -> Result<(), ScimError> {
        if self.verb == Verb::Remove {
            if attribute.required {
                // RFC 7644 §3.5.2.2: a required attribute cannot be removed.
                let detail = format!("{} is required", attribute.name);
                return Err(ScimError::bad("mutability", detail));
            }
            object.remove(attribute.name);
            return Ok(());
        }
        if attribute.multi && self.verb == Verb::Add {
            return self.append(object, attribute);
        }
        match normalise(attribute, self.value()?, self.rigour)? {
            // A complex attribute is merged: sub-attributes that are not named stay (§3.5.2.3).
            Some(Value::Object(new)) => {
                let target =
                    object.entry(attribute.name).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(target) = target {
                    target.extend(new);
                }
            }
            Some(new) => {
                object.insert(attribute.name.to_owned(), new);
            }
            None => {
                object.remove(attribute.name);
            }
        }
        Ok(())
    }

    /// Adds values to a multi-valued attribute; one that is there already is not added twice (§3.5.2.1).
    fn append(
        &self,
        object: &mut Map<String, Value>,
        attribute: &'static Attribute,
    ) -> Result<(), ScimError> {
        let new = match self.value()? {
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        let mut items = match object.remove(attribute.name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        for item in new {
            let Some(item) = normalise_single(attribute, item, self.rigour)? else { continue };
            if is_primary(&item) {
                clear_primary(&mut items);
            }
            if !items.contains(&item) {
                items.push(item);
            }
        }
        if !items.is_empty() {
            object.insert(attribute.name.to_owned(), Value::Array(items));
        }
        Ok(())
    }

    /// Works on the values that a filter selects, or on a part of each.
    fn matching(
        &self,
        object: &mut Map<String, Value>,
        attribute: &'static Attribute,
        filter: &Filter,
        tail: &[&'static Attribute],
    ) -> Result<(), ScimError> {
        let items = match object.remove(attribute.name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let (mut chosen, mut others): (Vec<_>, Vec<_>) = items
            .into_iter()
            .enumerate()
            .partition(|(_, item)| item.as_object().is_some_and(|item| filter.matches(item)));
        if chosen.is_empty() {
            chosen.extend(self.without_match(filter)?.map(|item| (others.len(), item)));
        }
        for (_, item) in &mut chosen {
            self.one(item, attribute, tail)?;
        }
        chosen.retain(|(_, item)| item.as_object().is_some_and(|item| !item.is_empty()));
        if chosen.iter().any(|(_, item)| is_primary(item)) {
            for (_, item) in &mut others {
                clear_one_primary(item);
            }
        }
        let mut items = chosen;
        items.append(&mut others);
        items.sort_by_key(|(position, _)| *position);
        let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
        check_primary(attribute, &items)?;
        if !items.is_empty() {
            object.insert(attribute.name.to_owned(), Value::Array(items));
        }
        Ok(())
    }

    /// A filter without match is `noTarget` (RFC 7644 table 9). Platforms trained on Entra rather make the
    /// value that `emails[type eq "work"].value` describes, and have nothing against removing nothing.
    fn without_match(&self, filter: &Filter) -> Result<Option<Value>, ScimError> {
        if self.rigour == Rigour::Strict {
            return Err(ScimError::bad("noTarget", "the path selects no value"));
        }
        Ok(match filter {
            Filter::Compare(path, Operator::Eq, wanted) if self.verb != Verb::Remove => {
                path.first().map(|part| {
                    Value::Object(Map::from_iter([(part.name.to_owned(), wanted.clone())]))
                })
            }
            _ => None,
        })
    }

    /// Works on one selected value.
    fn one(
        &self,
        item: &mut Value,
        attribute: &'static Attribute,
        tail: &[&'static Attribute],
    ) -> Result<(), ScimError> {
        let Value::Object(map) = item else { return Ok(()) };
        if !tail.is_empty() {
            return self.walk(map, tail, None, &[]);
        }
        if self.verb != Verb::Add {
            map.clear();
        }
        if self.verb != Verb::Remove
            && let Some(Value::Object(new)) =
                normalise_single(attribute, self.value()?, self.rigour)?
        {
            map.extend(new);
        }
        Ok(())
    }
}

/// A new primary value takes the mark from the old one (RFC 7644 §3.5.2).
fn clear_primary(items: &mut [Value]) {
    items.iter_mut().for_each(clear_one_primary);
}

fn clear_one_primary(item: &mut Value) {
    if is_primary(item)
        && let Some(map) = item.as_object_mut()
    {
        map.insert("primary".to_owned(), Value::Bool(false));
    }
}
