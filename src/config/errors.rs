//! What is wrong with a configuration: every error with its place, all of them at once, for people
//! and for programs. Lines that seem to hold a secret are named but never shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// So many errors are shown to people: a file with more is probably no configuration at all.
const SHOWN_MAX: usize = 100;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, or `environment`.
    pub file: String,
    /// Line, from 1; 0 when the error is about no line.
    pub line: usize,
    /// Column in characters, from 1; 0 when the error is about no line.
    pub column: usize,
    /// The key, as `targets.platform.url`; empty when the file cannot be read so far.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// Byte range to mark, unless the line must not be shown.
    #[serde(skip)]
    pub(super) mark: Option<Range<usize>>,
    /// The line as it is shown instead, without its value; `mark` is a range of it then.
    #[serde(skip)]
    pub(super) masked: Option<String>,
}

/// All errors of one configuration, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    pub(super) text: String,
    pub(super) errors: Vec<ConfigError>,
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// The errors one by one; never empty.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// The human form with colours, for a terminal.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    /// File, line, column, key and what is wrong, and nothing of what is written there: for everybody who may not
    /// read the file. Only `check` shows lines.
    pub fn brief(&self) -> String {
        let shown = self.errors.iter().take(SHOWN_MAX).map(ConfigError::brief);
        let more = self.errors.len().saturating_sub(SHOWN_MAX);
        let more = (more > 0).then(|| format!("and {more} more; is this the right file?"));
        let lines: Vec<String> = shown.chain(more).collect();
        lines.join("\n")
    }

    fn render(&self, renderer: &Renderer) -> String {
        let shown = self.errors.iter().take(SHOWN_MAX);
        let mut shown: Vec<String> =
            shown.map(|error| renderer.render(&[error.group(&self.text)])).collect();
        match self.errors.len().saturating_sub(SHOWN_MAX) {
            0 => {}
            more => shown.push(format!("and {more} more; is this the right file?")),
        }
        shown.join("\n\n")
    }
}

impl ConfigError {
    fn brief(&self) -> String {
        let place = match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}:{}", self.file, self.column),
        };
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let meant = self.suggestion.as_ref().map(|name| format!("; did you mean `{name}`?"));
        format!("{place}: {key}{}{}", self.message, meant.unwrap_or_default())
    }

    fn group<'a>(&'a self, text: &'a str) -> Group<'a> {
        let title = match self.key.as_str() {
            "" => self.message.clone(),
            key => format!("{key}: {}", self.message),
        };
        let group = Level::ERROR.primary_title(title);
        let group = match &self.mark {
            Some(mark) if let Some(masked) = &self.masked => group.element(
                Snippet::source(masked.as_str())
                    .line_start(self.line)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(mark.clone())),
            ),
            Some(mark) => group.element(
                Snippet::source(text)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(mark.clone())),
            ),
            None if self.line > 0 => group
                .element(Origin::path(self.file.as_str()).line(self.line).char_column(self.column)),
            None => group.element(Origin::path(self.file.as_str())),
        };
        match &self.suggestion {
            Some(name) => group.element(Level::HELP.message(format!("did you mean `{name}`?"))),
            None => group,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}
