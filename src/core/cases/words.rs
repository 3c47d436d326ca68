//! Lines of a case: words, and words with a value.

use std::collections::BTreeMap;

use crate::core::model::Datum;

/// One line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What stands by itself, in order.
    pub(super) words: Vec<String>,
    /// What has a value: `name=value`, the value as written.
    pub(super) values: BTreeMap<String, String>,
}

impl Line {
    pub(super) fn of(text: &str) -> Self {
        let mut line = Self::default();
        for token in tokens(text) {
            match token.split_once('=') {
                Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                    line.values.insert(name.to_owned(), value.to_owned());
                }
                _ => line.words.push(token),
            }
        }
        line
    }

    /// Takes a word out; whether it was there.
    pub(super) fn has(&mut self, word: &str) -> bool {
        let at = self.words.iter().position(|one| one == word);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// Takes the names of a list out.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let list = self.take(name).unwrap_or_default();
        list.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    /// Nothing of a line goes unread.
    pub(super) fn end(&self, text: &str) {
        assert!(
            self.words.is_empty() && self.values.is_empty(),
            "not understood: {self:?} in {text}"
        );
    }
}

/// A line at its spaces, but for those within quotes.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut token, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            tokens.push(std::mem::take(&mut token));
        } else {
            token.push(c);
        }
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// A value as written: JSON, or a text without quotes. `None` for `?`.
pub(super) fn value(text: &str) -> Option<Datum> {
    if text == "?" {
        return None;
    }
    let json = serde_json::from_str(text).unwrap_or_else(|_| text.into());
    Some(datum(&json))
}

fn datum(json: &serde_json::Value) -> Datum {
    match json {
        serde_json::Value::Null => Datum::Null,
        serde_json::Value::Bool(value) => Datum::Bool(*value),
        serde_json::Value::Number(value) => Datum::Int(value.as_i64().unwrap()),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => Datum::List(items.iter().map(datum).collect()),
        serde_json::Value::Object(map) => {
            Datum::Map(map.iter().map(|(name, item)| (name.clone(), datum(item))).collect())
        }
    }
}
