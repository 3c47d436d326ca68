//! Expressions over a person, a user, a group or a key, for filters, mapping, names and rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::{Datum, Properties};

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

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    reads: BTreeSet<String>,
}

/// What came out of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Everything read was known.
    Known(Datum),
    /// These properties were read and are unknown: there is no result.
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
    pub fn parse(text: &str, _subject: Subject) -> Result<Self, ExpressionError> {
        Ok(Self { text: text.into(), reads: BTreeSet::new() })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The top-level properties that the expression may read, for `$select`.
    pub fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// Evaluates over `input`.
    pub fn evaluate(&self, _input: Input<'_>) -> Evaluated {
        Evaluated::Failed(String::new())
    }
}
