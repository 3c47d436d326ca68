//! What a command has to say, as a value: so that the service can say it in the command's place.

use serde::{Deserialize, Serialize};

use super::{Exit, Failure, console};

/// Data for stdout, talk for stderr, and how the command ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) data: Option<String>,
    pub(super) talk: Vec<String>,
    pub(super) exit: Exit,
}

/// The form in which data is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Said {
    /// A value in the form that is wanted.
    pub(super) fn shown<T: Serialize>(
        form: Form,
        value: &T,
        render: impl FnOnce(&T) -> String,
    ) -> Self {
        let data = match form {
            Form::Json => console::json_text(value),
            Form::Text => render(value),
        };
        Self { data: Some(data), talk: Vec::new(), exit: Exit::Done }
    }

    /// Words for a person.
    pub(super) fn talked(words: impl Into<String>) -> Self {
        Self { data: None, talk: vec![words.into()], exit: Exit::Done }
    }

    /// The same with more words for a person.
    pub(super) fn and(mut self, words: impl Into<String>) -> Self {
        self.talk.push(words.into());
        self
    }

    /// Says it.
    pub(super) fn tell(&self) -> Exit {
        if let Some(data) = &self.data {
            console::data(data);
        }
        for words in &self.talk {
            console::talk(words);
        }
        self.exit
    }
}

impl From<Failure> for Said {
    fn from(failure: Failure) -> Self {
        Self { data: None, talk: vec![failure.in_full()], exit: failure.exit }
    }
}
