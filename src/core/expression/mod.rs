//! Expressions over a person, a user, a group or a key, for filters, mapping, names and rules.
//!
//! The syntax is minijinja's. Every name is checked against the schema before the first evaluation;
//! reading an unknown property ends an evaluation, so neither `default` nor a comparison can turn
//! unknown into known; an absent value in a text join fails. No evaluation has effects, and each is
//! bounded.

mod language;
mod lower;
mod reach;
mod schema;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::machinery::parse_expr;

use self::lower::Lowering;
use self::schema::Kind;
use super::model::{Datum, Properties};

/// Longest text of an expression, in bytes.
const LENGTH_MAX: usize = 4000;

/// What an expression is about; decides which names it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// `person.…`: the properties of a person (Graph's user properties).
    Person,
    /// `user.…`: the properties of a source user, for `keep`.
    User,
    /// `group.…`: the properties of a source group.
    Group,
    /// `key`: the value of `each`, for the name of a group made by rule.
    Key,
}

impl Subject {
    fn variable(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::User => "user",
            Self::Group => "group",
            Self::Key => "key",
        }
    }
}

/// A checked expression.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    subject: Subject,
    kind: Kind,
    reads: BTreeSet<String>,
    /// The path, where the expression is a property and nothing else, as most of a mapping are: it is
    /// looked up without the evaluator, which takes fifty times as long.
    property: Option<Arc<str>>,
    code: Arc<minijinja::Expression<'static, 'static>>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// What came out of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Everything read was known.
    Known(Datum),
    /// These properties were read and are unknown: there is no result. The first one read ends the
    /// evaluation, so there may be more.
    Unknown(BTreeSet<String>),
    /// The expression failed for this subject, for example null in a text join.
    Failed(String),
}

/// What an expression is evaluated over.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Properties of the person, user or group.
    Properties(&'a Arc<Properties>),
    /// The key of a group made by rule.
    Key(&'a str),
}

/// Why a text is no valid expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong.
    pub message: String,
    /// Byte range in the expression's text.
    pub at: std::ops::Range<usize>,
    /// The nearest right name.
    pub suggestion: Option<String>,
}

impl Expression {
    /// Compiles `text` and checks every name in it.
    pub fn parse(text: &str, subject: Subject) -> Result<Self, ExpressionError> {
        let refuse = |message: String, at| ExpressionError { message, at, suggestion: None };
        if text.trim().is_empty() {
            return Err(refuse("the expression is empty".to_owned(), 0..text.len()));
        }
        if text.len() > LENGTH_MAX {
            let message = format!("an expression may have at most {LENGTH_MAX} bytes");
            return Err(refuse(message, LENGTH_MAX..text.len()));
        }
        let syntax = |error: &minijinja::Error| {
            let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            refuse(message, clamp(error.range().unwrap_or(0..text.len()), text))
        };
        let tree = parse_expr(text).map_err(|error| syntax(&error))?;
        let mut lowering = Lowering { subject, reads: BTreeSet::new(), depth: 0 };
        let lowered = lowering
            .lower(&tree)
            .map_err(|error| ExpressionError { at: clamp(error.at, text), ..error })?;
        let code = language::ENVIRONMENT
            .compile_expression_owned(lowered.code)
            .map_err(|error| refuse(format!("too deeply nested ({error})"), 0..text.len()))?;
        let (kind, reads) = (lowered.kind, lowering.reads);
        let property = lowered.property.map(Into::into);
        Ok(Self { text: text.into(), subject, kind, reads, property, code: Arc::new(code) })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The top-level properties that the expression may read, for `$select`.
    pub fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// Whether the result may be true or false, as a filter's must.
    pub fn may_be_bool(&self) -> bool {
        self.kind.may_be(Kind::Bool) && self.kind != Kind::Null
    }

    /// Whether a filter may be true for anybody, as far as that is certain without looking.
    pub fn may_select(&self) -> bool {
        reach::may_select(self)
    }

    /// Whether the result may be text, as a name must.
    pub fn may_be_text(&self) -> bool {
        self.kind.may_be(Kind::Text) && self.kind != Kind::Null
    }

    /// Evaluates over `input`.
    pub fn evaluate(&self, input: Input<'_>) -> Evaluated {
        if matches!(input, Input::Key(_)) != (self.subject == Subject::Key) {
            return Evaluated::Failed("the expression is about something else".to_owned());
        }
        if let (Some(path), Input::Properties(properties)) = (&self.property, input) {
            return match value::find(properties, path) {
                Ok(datum) => Evaluated::Known(datum.clone()),
                Err(unknown) => Evaluated::Unknown(BTreeSet::from([unknown.0])),
            };
        }
        let result = self.code.eval(value::context(self.subject.variable(), input));
        match result.and_then(|value| value::to_datum(&value)) {
            Ok(datum) if value::is_too_long(&datum) => {
                let most = language::TEXT_MAX / 1024;
                Evaluated::Failed(format!("the result is longer than {most} KiB"))
            }
            Ok(datum) => Evaluated::Known(datum),
            Err(error) => match value::unknown_read(&error) {
                Some(name) => Evaluated::Unknown(BTreeSet::from([name])),
                None => Evaluated::Failed(
                    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
                ),
            },
        }
    }
}

/// Whether the value of a property has the shape that Graph documents for it. Null is always one.
pub fn has_documented_shape(subject: Subject, name: &str, value: &Datum) -> bool {
    schema::property(subject, name).is_none_or(|kind| kind.holds(value))
}

/// The right name nearest to a wrong one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, right: impl Iterator<Item = &'a str>) -> Option<String> {
    let wrong = wrong.to_lowercase();
    right
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name.to_owned())
}

/// The range, within the text and on character boundaries.
fn clamp(at: std::ops::Range<usize>, text: &str) -> std::ops::Range<usize> {
    let floor = |mut place: usize| {
        place = place.min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let start = floor(at.start);
    start..floor(at.end).max(start)
}
