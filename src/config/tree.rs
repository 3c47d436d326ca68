//! The merged configuration as a tree in which every value knows where it was written. The `config`
//! crate decides which layer wins; types are taken from the TOML itself, because the crate turns
//! `"off"` into false and `"300"` into 300 without a word.

use std::collections::BTreeMap;
use std::ops::Range;

use config::{Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::outline::Sketch;

/// Prefix of environment variables, and what separates the parts of their names.
const PREFIX: &str = "MANNTALL";
const SEPARATOR: &str = "__";

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Byte range in the file.
    File(Range<usize>),
    /// Environment variable.
    Variable(String),
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Truth(bool),
    /// A date or time, which no key takes.
    Date,
    List(Vec<Node>),
    Table(BTreeMap<String, Child>),
    /// Nothing is written; who reads it is asked what could be.
    Asked(Sketch),
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

impl Node {
    /// The items, when it is a list.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match &self.content {
            Content::List(items) => Some(items.clone()),
            Content::Asked(sketch) => Some(vec![sketch.list().node()]),
            _ => None,
        }
    }
}

/// An entry of a table.
#[derive(Debug, Clone)]
pub(super) struct Child {
    /// Where the name stands.
    pub(super) name: Place,
    pub(super) node: Node,
}

/// The file as a layer.
#[derive(Debug, Clone)]
struct FileLayer(Value);

impl Source for FileLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        self.0.clone().into_table()
    }

    /// The lowest layer: nothing is below it, and quoted names must not be taken apart.
    fn collect_to(&self, cache: &mut Value) -> Result<(), config::ConfigError> {
        *cache = self.0.clone();
        Ok(())
    }
}

/// Lays the environment over the file.
pub(super) fn layered(
    file: &Spanned<DeTable<'_>>,
    environment: &BTreeMap<String, String>,
) -> Result<Node, config::ConfigError> {
    let table = table_value(file.get_ref());
    let variables = config::Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .source(Some(environment.clone().into_iter().collect()));
    let merged =
        config::Config::builder().add_source(FileLayer(table)).add_source(variables).build()?;
    let children = children(&merged.cache, Some(file.get_ref()), PREFIX);
    Ok(Node { place: Place::File(0..0), content: Content::Table(children) })
}

fn table_value(table: &DeTable<'_>) -> Value {
    let entries: Map<String, Value> = table
        .iter()
        .map(|(name, value)| (name.get_ref().to_string(), file_value(value.get_ref())))
        .collect();
    Value::new(None, ValueKind::Table(entries))
}

fn file_value(value: &DeValue<'_>) -> Value {
    let kind = match value {
        DeValue::Table(table) => return table_value(table),
        DeValue::Array(items) => {
            ValueKind::Array(items.iter().map(|item| file_value(item.get_ref())).collect())
        }
        // The layers are merged by name only; what a value is, is read from the TOML again.
        _ => ValueKind::Nil,
    };
    Value::new(None, kind)
}

fn children(
    merged: &Value,
    written: Option<&DeTable<'_>>,
    variable: &str,
) -> BTreeMap<String, Child> {
    let ValueKind::Table(entries) = &merged.kind else { return BTreeMap::new() };
    let child = |(name, value): (&String, &Value)| {
        let written = written.and_then(|table| table.get_key_value(name.as_str()));
        let variable = format!("{variable}{SEPARATOR}{}", name.to_uppercase());
        let place = match written {
            Some((key, _)) => Place::File(key.span()),
            None => Place::Variable(variable.clone()),
        };
        let node = merge(value, written.map(|(_, value)| value), &variable);
        (name.clone(), Child { name: place, node })
    };
    entries.iter().map(child).collect()
}

fn merge(merged: &Value, written: Option<&Spanned<DeValue<'_>>>, variable: &str) -> Node {
    if matches!(merged.kind, ValueKind::Table(_)) {
        let table = written.and_then(|value| value.get_ref().as_table());
        let place = match written {
            Some(value) => Place::File(value.span()),
            None => Place::Variable(variable.to_owned()),
        };
        return Node { place, content: Content::Table(children(merged, table, variable)) };
    }
    match (&merged.kind, written) {
        (ValueKind::String(text), _) => Node {
            place: Place::Variable(variable.to_owned()),
            content: Content::Text(text.clone()),
        },
        (_, Some(value)) => from_file(value),
        (_, None) => Node {
            place: Place::Variable(variable.to_owned()),
            content: Content::Text(String::new()),
        },
    }
}

fn from_file(value: &Spanned<DeValue<'_>>) -> Node {
    let content = match value.get_ref() {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Content::Fraction(f64::INFINITY), Content::Whole),
        DeValue::Float(number) => Content::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Content::Truth(*truth),
        DeValue::Datetime(_) => Content::Date,
        DeValue::Array(items) => Content::List(items.iter().map(from_file).collect()),
        DeValue::Table(table) => Content::Table(
            table
                .iter()
                .map(|(key, value)| {
                    let name = Place::File(key.span());
                    (key.get_ref().to_string(), Child { name, node: from_file(value) })
                })
                .collect(),
        ),
    };
    Node { place: Place::File(value.span()), content }
}
