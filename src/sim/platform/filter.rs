//! Filters: parsing and evaluation (RFC 7644 §3.4.2.2).
//!
//! A filter is resolved against the schema while it is read, so an unknown attribute is an error of the
//! reader, not a silent mismatch. What to answer to that error is for the caller to decide.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::schema::{Attribute, Scope, Type};

/// Deepest nesting that is read; a bound on the stack, far above any real filter.
const DEPTH_MAX: usize = 40;

/// Why a filter was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilterError {
    /// Not of the grammar; with what was expected.
    Syntax(String),
    /// Names an attribute that the schema does not have.
    Unknown(String),
}

/// The comparing operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A filter, resolved against the schema.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Present(Vec<&'static Attribute>),
    Compare(Vec<&'static Attribute>, Operator, Value),
    /// `emails[type eq "work"]`: some value satisfies the inner filter.
    Values(Vec<&'static Attribute>, Box<Filter>),
}

impl Filter {
    /// Reads a whole filter.
    pub(super) fn parse(text: &str, scope: Scope) -> Result<Self, FilterError> {
        let mut reader = Reader { text, at: 0, scope, depth: 0 };
        let filter = reader.disjunction()?;
        reader.skip_spaces();
        if reader.rest().is_empty() { Ok(filter) } else { Err(reader.wrong("the end")) }
    }

    /// Whether `object` (canonical attribute names) satisfies the filter.
    pub(super) fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::And(left, right) => left.matches(object) && right.matches(object),
            Self::Or(left, right) => left.matches(object) || right.matches(object),
            Self::Not(inner) => !inner.matches(object),
            Self::Present(path) => values(object, path).into_iter().any(is_assigned),
            Self::Compare(path, operator, wanted) => compare_path(object, path, *operator, wanted),
            Self::Values(path, inner) => values(object, path)
                .into_iter()
                .any(|value| value.as_object().is_some_and(|value| inner.matches(value))),
        }
    }

    /// Whether the filter reads the top-level attribute `name`.
    pub(super) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.mentions(name) || right.mentions(name)
            }
            Self::Not(inner) => inner.mentions(name),
            Self::Present(path) | Self::Compare(path, ..) | Self::Values(path, _) => {
                path.first().is_some_and(|first| first.name == name)
            }
        }
    }

    /// The equalities that every match must satisfy, as attribute path and text: what an index can answer.
    pub(super) fn pinned(&self) -> Vec<(String, &str)> {
        match self {
            Self::And(left, right) => [left.pinned(), right.pinned()].concat(),
            Self::Compare(path, Operator::Eq, Value::String(wanted)) => {
                let names: Vec<_> = path.iter().map(|attribute| attribute.name).collect();
                vec![(names.join("."), wanted)]
            }
            Self::Values(path, inner) => {
                let outer = path.first().map_or("", |first| first.name);
                let pins = inner.pinned().into_iter();
                pins.map(|(name, wanted)| (format!("{outer}.{name}"), wanted)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn is_assigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// All values at the end of `path`, arrays flattened.
fn values<'a>(object: &'a Map<String, Value>, path: &[&Attribute]) -> Vec<&'a Value> {
    let Some((first, rest)) = path.split_first() else { return Vec::new() };
    let Some(value) = object.get(first.name) else { return Vec::new() };
    let items = match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    if rest.is_empty() {
        return items;
    }
    items.into_iter().filter_map(Value::as_object).flat_map(|inner| values(inner, rest)).collect()
}

fn compare_path(
    object: &Map<String, Value>,
    path: &[&'static Attribute],
    operator: Operator,
    wanted: &Value,
) -> bool {
    let Some(mut leaf) = path.last().copied() else { return false };
    let mut found = values(object, path);
    if leaf.kind == Type::Complex {
        // A complex attribute without sub-attribute means its `value` (RFC 7643 §2.4).
        let Some(value) = leaf.find("value") else { return false };
        leaf = value;
        found = found.into_iter().filter_map(|item| item.get("value")).collect();
    }
    if found.is_empty() {
        // An attribute without value equals null and nothing else (RFC 7643 §2.5).
        return match operator {
            Operator::Eq => wanted.is_null(),
            Operator::Ne => !wanted.is_null(),
            _ => false,
        };
    }
    found.into_iter().any(|actual| compare(leaf, operator, actual, wanted))
}

fn compare(leaf: &Attribute, operator: Operator, actual: &Value, wanted: &Value) -> bool {
    if let (Value::String(actual), Value::String(wanted)) = (actual, wanted) {
        return compare_text(leaf, operator, actual, wanted);
    }
    match operator {
        Operator::Eq => actual == wanted,
        Operator::Ne => actual != wanted,
        _ => false,
    }
}

fn compare_text(leaf: &Attribute, operator: Operator, actual: &str, wanted: &str) -> bool {
    if let Some(order) = instants(leaf, actual, wanted) {
        return in_order(operator, order);
    }
    let (actual, wanted) = if leaf.case_exact {
        (actual.to_owned(), wanted.to_owned())
    } else {
        (actual.to_lowercase(), wanted.to_lowercase())
    };
    match operator {
        Operator::Co => actual.contains(&wanted),
        Operator::Sw => actual.starts_with(&wanted),
        Operator::Ew => actual.ends_with(&wanted),
        _ => in_order(operator, actual.cmp(&wanted)),
    }
}

fn in_order(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

/// Dates are compared in time, not letter by letter (RFC 7644 §3.4.2.2, `gt`).
fn instants(leaf: &Attribute, actual: &str, wanted: &str) -> Option<Ordering> {
    if leaf.kind != Type::DateTime {
        return None;
    }
    let actual: jiff::Timestamp = actual.parse().ok()?;
    Some(actual.cmp(&wanted.parse().ok()?))
}

/// The longest attribute path that `text` starts with.
pub(super) fn path_prefix(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$' | ':' | '.' | '-')))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    scope: Scope,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, expected: &str) -> FilterError {
        FilterError::Syntax(format!("expected {expected} at character {}", self.at))
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, symbol: char) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    /// Takes a keyword that ends where the word ends; keywords ignore case.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_spaces();
        let found = path_prefix(self.rest()).eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn disjunction(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.conjunction()?;
        while self.keyword("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.conjunction()?));
        }
        Ok(filter)
    }

    fn conjunction(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.term()?;
        while self.keyword("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.term()?));
        }
        Ok(filter)
    }

    fn term(&mut self) -> Result<Filter, FilterError> {
        if self.keyword("not") {
            return Ok(Filter::Not(Box::new(self.enclosed('(', ')')?)));
        }
        self.skip_spaces();
        if self.rest().starts_with('(') {
            return self.enclosed('(', ')');
        }
        let name = path_prefix(self.rest());
        if name.is_empty() {
            return Err(self.wrong("an attribute"));
        }
        self.at += name.len();
        let path = self.scope.resolve(name).ok_or_else(|| FilterError::Unknown(name.to_owned()))?;
        if self.rest().starts_with('[') {
            return self.value_path(path);
        }
        if self.keyword("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = self.operator()?;
        let wanted = self.literal()?;
        check_operand(&path, operator, &wanted)?;
        Ok(Filter::Compare(path, operator, wanted))
    }

    fn value_path(&mut self, path: Vec<&'static Attribute>) -> Result<Filter, FilterError> {
        let outer = self.scope;
        let Some(last) = path.last().filter(|last| last.kind == Type::Complex) else {
            return Err(self.wrong("a complex attribute before the bracket"));
        };
        self.scope = Scope::Inside(last);
        let inner = self.enclosed('[', ']')?;
        self.scope = outer;
        Ok(Filter::Values(path, Box::new(inner)))
    }

    fn enclosed(&mut self, open: char, close: char) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong("less nesting"));
        }
        if !self.take(open) {
            return Err(self.wrong(&format!("\"{open}\"")));
        }
        let inner = self.disjunction()?;
        if !self.take(close) {
            return Err(self.wrong(&format!("\"{close}\"")));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        const OPERATORS: [(&str, Operator); 9] = [
            ("eq", Operator::Eq),
            ("ne", Operator::Ne),
            ("co", Operator::Co),
            ("sw", Operator::Sw),
            ("ew", Operator::Ew),
            ("gt", Operator::Gt),
            ("ge", Operator::Ge),
            ("lt", Operator::Lt),
            ("le", Operator::Le),
        ];
        OPERATORS
            .into_iter()
            .find(|(keyword, _)| self.keyword(keyword))
            .map(|(_, operator)| operator)
            .ok_or_else(|| self.wrong("an operator"))
    }

    /// A JSON literal: a quoted string with JSON's escapes, a number, true, false or null.
    fn literal(&mut self) -> Result<Value, FilterError> {
        self.skip_spaces();
        let rest = self.rest();
        let length = if rest.starts_with('"') {
            quoted_length(rest)
        } else {
            rest.find([' ', ')', ']']).unwrap_or(rest.len())
        };
        let literal = rest.get(..length).and_then(|text| serde_json::from_str::<Value>(text).ok());
        // Arrays and objects are JSON, but no compValue of the grammar.
        let value = literal
            .filter(|value| !value.is_array() && !value.is_object())
            .ok_or_else(|| self.wrong("a JSON string, number, true, false or null"))?;
        self.at += length;
        Ok(value)
    }
}

/// Length of the quoted string at the start of `text`, quotes included.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Booleans have no order and no parts, and numbers no parts (RFC 7644 §3.4.2.2, `co` and `gt`).
fn check_operand(
    path: &[&'static Attribute],
    operator: Operator,
    wanted: &Value,
) -> Result<(), FilterError> {
    if matches!(operator, Operator::Eq | Operator::Ne) {
        return Ok(());
    }
    let boolean = path.last().is_some_and(|leaf| leaf.kind == Type::Boolean);
    if boolean || !wanted.is_string() {
        return Err(FilterError::Syntax(
            "this operator needs an attribute and a value with an order".to_owned(),
        ));
    }
    Ok(())
}
