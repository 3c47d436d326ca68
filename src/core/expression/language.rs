//! The words of the language: filters and tests that an expression may use, and the guards that
//! checking puts into the text. All are pure; there are no functions, methods, loops or includes.

use std::sync::LazyLock;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters};

use super::schema::Kind;

/// Steps that one evaluation may take; an honest expression takes some dozens.
const STEPS_MAX: u64 = 10_000;

/// No text that an expression works on or makes is longer than this: steps alone do not bound memory.
pub(super) const TEXT_MAX: usize = 8 * 1024;
/// What a list that comes out holds together at the most.
pub(super) const LIST_MAX: usize = 64 * 1024;

/// What a filter or test works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Text only; absent text is an error.
    Text,
    /// A list only; an absent list is an error.
    List,
    /// A list; an absent list has no elements.
    Elements,
    /// Anything that is not absent.
    Present,
    /// Anything.
    Any,
}

/// What comes out of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// Always this kind.
    Always(Kind),
    /// The kind that came in.
    Same,
    /// An element of the list that came in, or nothing.
    Element,
    /// What came in, or the first argument.
    Either,
}

/// A filter or test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Fewest and most arguments.
    pub(super) arguments: (usize, usize),
    /// Kind of the arguments.
    pub(super) argument: Kind,
    pub(super) gives: Gives,
}

const fn word(
    name: &'static str,
    takes: Takes,
    arguments: (usize, usize),
    argument: Kind,
    gives: Gives,
) -> Word {
    Word { name, takes, arguments, argument, gives }
}

/// Everything that may follow `|`.
pub(super) const FILTERS: &[Word] = &[
    word("capitalize", Takes::Text, (0, 0), Kind::Any, Gives::Always(Kind::Text)),
    word("default", Takes::Any, (1, 2), Kind::Any, Gives::Either),
    word("first", Takes::Elements, (0, 0), Kind::Any, Gives::Element),
    word("int", Takes::Present, (0, 0), Kind::Any, Gives::Always(Kind::Int)),
    word("join", Takes::List, (0, 1), Kind::Text, Gives::Always(Kind::Text)),
    word("last", Takes::Elements, (0, 0), Kind::Any, Gives::Element),
    word("length", Takes::Present, (0, 0), Kind::Any, Gives::Always(Kind::Int)),
    word("lower", Takes::Text, (0, 0), Kind::Any, Gives::Always(Kind::Text)),
    word("replace", Takes::Text, (2, 2), Kind::Text, Gives::Always(Kind::Text)),
    word("sort", Takes::List, (0, 0), Kind::Any, Gives::Same),
    word("split", Takes::Text, (0, 1), Kind::Text, Gives::Always(Kind::List)),
    word("string", Takes::Present, (0, 0), Kind::Any, Gives::Always(Kind::Text)),
    word("title", Takes::Text, (0, 0), Kind::Any, Gives::Always(Kind::Text)),
    word("trim", Takes::Text, (0, 1), Kind::Text, Gives::Always(Kind::Text)),
    word("unique", Takes::List, (0, 0), Kind::Any, Gives::Same),
    word("upper", Takes::Text, (0, 0), Kind::Any, Gives::Always(Kind::Text)),
];

/// Everything that may follow `is`. Of what is absent, none of them is true but `none`.
pub(super) const TESTS: &[Word] = &[
    word("containing", Takes::Any, (1, 1), Kind::Text, Gives::Always(Kind::Bool)),
    word("endingwith", Takes::Any, (1, 1), Kind::Text, Gives::Always(Kind::Bool)),
    word("false", Takes::Any, (0, 0), Kind::Any, Gives::Always(Kind::Bool)),
    word("none", Takes::Any, (0, 0), Kind::Any, Gives::Always(Kind::Bool)),
    word("startingwith", Takes::Any, (1, 1), Kind::Text, Gives::Always(Kind::Bool)),
    word("true", Takes::Any, (0, 0), Kind::Any, Gives::Always(Kind::Bool)),
];

/// Guard of a text join, with the words that name the operand.
pub(super) const JOINED: &str = "guard_joined";
/// Guard of an operand that must be text, and of one that must be a list.
pub(super) const TEXT: &str = "guard_text";
/// Guard of a list.
pub(super) const LIST: &str = "guard_list";
/// Guard of an operand that must not be absent.
pub(super) const PRESENT: &str = "guard_present";
/// `value in container`.
pub(super) const WITHIN: &str = "guard_within";
/// `container[key]`, where what is missing is absent.
pub(super) const ITEM: &str = "guard_item";

/// The one environment, made at first use.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(STEPS_MAX));
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("default", default);
    env.add_filter("first", |list: &Value| elements(list).map(|mut items| present(items.next())));
    env.add_filter("int", filters::int);
    env.add_filter("join", join);
    env.add_filter("last", |list: &Value| elements(list).map(|items| present(items.last())));
    env.add_filter("length", filters::length);
    env.add_filter("lower", filters::lower);
    env.add_filter("replace", replace);
    env.add_filter("sort", filters::sort);
    env.add_filter("split", filters::split);
    env.add_filter("string", |value: &Value| joined(value, "the value").map(|v| v.to_string()));
    env.add_filter("title", filters::title);
    env.add_filter("trim", filters::trim);
    env.add_filter("unique", filters::unique);
    env.add_filter("upper", filters::upper);
    env.add_filter(JOINED, joined);
    env.add_filter(TEXT, |value: &Value, label: &str| {
        short(value, label)?;
        guard(value, label, value.kind() == ValueKind::String, "text")
    });
    env.add_filter(LIST, |value: &Value, label: &str| {
        guard(value, label, is_list(value), "a list")
    });
    env.add_filter(PRESENT, |value: &Value, label: &str| guard(value, label, true, "there"));
    env.add_filter(WITHIN, within);
    env.add_filter(ITEM, item);
    env.add_test("containing", |value: &Value, part: &str| {
        value.as_str().is_some_and(|text| text.contains(part))
    });
    env.add_test("endingwith", |value: &Value, end: &str| {
        value.as_str().is_some_and(|text| text.ends_with(end))
    });
    env.add_test("startingwith", |value: &Value, start: &str| {
        value.as_str().is_some_and(|text| text.starts_with(start))
    });
    env.add_test("false", |value: &Value| value.kind() == ValueKind::Bool && !value.is_true());
    env.add_test("true", |value: &Value| value.kind() == ValueKind::Bool && value.is_true());
    env.add_test("none", Value::is_none);
    env
});

fn failure(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn elements(list: &Value) -> Result<impl Iterator<Item = Value>, Error> {
    if list.is_none() || is_list(list) {
        return Ok((!list.is_none()).then(|| list.try_iter()).transpose()?.into_iter().flatten());
    }
    Err(failure(format!("{} is not a list", list.kind())))
}

fn present(value: Option<Value>) -> Value {
    value.filter(|value| !value.is_undefined()).unwrap_or(Value::from(()))
}

fn guard(value: &Value, label: &str, fits: bool, wanted: &str) -> Result<Value, Error> {
    if value.is_none() {
        return Err(failure(format!(
            "{label} is absent (null); write {label} | default(…) to say what to take instead"
        )));
    }
    if !fits {
        return Err(failure(format!("{label} is {}, not {wanted}", value.kind())));
    }
    Ok(value.clone())
}

/// Lets text and numbers into a join. Absent values stop here: otherwise the word "none" would end up
/// in names and addresses.
fn joined(value: &Value, label: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => short(value, label).map(|()| value.clone()),
        ValueKind::None => Err(failure(format!(
            "{label} is absent (null) in a text join; write {label} | default(\"\") to leave it out"
        ))),
        other => Err(failure(format!("{label} is {other} in a text join, not text"))),
    }
}

fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let mut text = String::new();
    for (at, part) in list.try_iter()?.enumerate() {
        let part = joined(&part, "an element of the list")?;
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(&part.to_string());
        fits(text.len(), "what join makes")?;
    }
    Ok(text)
}

/// Replaces `from` by `to`. How long that becomes is known before it is made.
fn replace(value: &Value, from: &str, to: &str) -> Result<String, Error> {
    let text = value.to_string();
    let count = text.matches(from).count();
    fits(text.len().saturating_add(count.saturating_mul(to.len())), "what replace makes")?;
    Ok(text.replace(from, to))
}

/// Refuses a text that is too long to be worked on.
fn short(value: &Value, label: &str) -> Result<(), Error> {
    value.as_str().map_or(Ok(()), |text| fits(text.len(), label))
}

fn fits(length: usize, what: &str) -> Result<(), Error> {
    if length > TEXT_MAX {
        return Err(failure(format!("{what} is longer than {} KiB", TEXT_MAX / 1024)));
    }
    Ok(())
}

/// `default(other)` takes `other` for what is absent, `default(other, true)` also for what is empty
/// or false.
fn default(value: Value, other: Value, also_empty: Option<bool>) -> Value {
    let missing = value.is_none() || (also_empty == Some(true) && !value.is_true());
    if missing { other } else { value }
}

/// Nothing is within what is absent, and what is absent is within no text.
fn within(value: &Value, container: &Value) -> Result<bool, Error> {
    if container.is_none() {
        return Ok(false);
    }
    if let Some(text) = container.as_str() {
        return match value.as_str() {
            Some(part) => Ok(text.contains(part)),
            None if value.is_none() => Ok(false),
            None => Err(failure(format!("cannot look for {} in text", value.kind()))),
        };
    }
    match container.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Ok(container.try_iter()?.any(|item| item == *value))
        }
        other => Err(failure(format!("cannot look for anything in {other}"))),
    }
}

fn item(container: &Value, key: &Value) -> Result<Value, Error> {
    match container.kind() {
        ValueKind::None => Ok(Value::from(())),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            container.get_item(key).map(|value| present(Some(value)))
        }
        other => Err(failure(format!("cannot take an element of {other}"))),
    }
}
