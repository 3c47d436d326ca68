//! Reads tables key by key and collects what is wrong. A key that nobody asked for is unknown, so a
//! misspelt safety setting is never ignored.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::errors::ConfigError;
use super::outline::Sketch;
use super::quoting;
use super::tree::{Child, Content, Node, Place};
use crate::core::expression::{ExpressionError, nearest};

/// Why a value is refused.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
    /// Byte range inside the text of the value.
    pub(super) within: Option<Range<usize>>,
    /// Whether nobody knows what the value is: it may be a secret, and is shown as `…`.
    pub(super) is_hidden: bool,
}

impl<T: Into<String>> From<T> for Wrong {
    fn from(message: T) -> Self {
        Self { message: message.into(), suggestion: None, within: None, is_hidden: false }
    }
}

impl From<ExpressionError> for Wrong {
    fn from(error: ExpressionError) -> Self {
        let ExpressionError { message, suggestion, at, .. } = error;
        Self { message, suggestion, within: Some(at), is_hidden: false }
    }
}

/// One run over one configuration.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    pub(super) file: &'t Path,
    pub(super) text: &'t str,
    pub(super) errors: Vec<ConfigError>,
}

/// A key or a message of an error has so many characters at the most: more is no text that anybody reads.
const CHARS_MAX: usize = 500;
/// Lines of more bytes are named and not shown.
const LINE_BYTES_MAX: usize = 2_000;

/// Whether a line is shown with its error.
fn may_be_shown(line: &str) -> bool {
    line.len() <= LINE_BYTES_MAX && !holds_secret(line)
}

/// Whether the value of a line is shown as `…` for what the line itself is: a secret may stand where an id
/// belongs, and before the `@` of an address.
fn is_masked(line: &str) -> bool {
    let (name, value) = line.split_once('=').unwrap_or(("", line));
    value.contains('@') || name.trim().trim_matches(['"', '\'']) == "client_id"
}

/// The line without its value. A line without a key is all value, but for the header of a table.
fn mask(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) => format!("{name}= …"),
        None if line.trim_start().starts_with('[') => line.to_owned(),
        None => "…".to_owned(),
    }
}

/// Where the mark of the line is in what is shown of it.
fn within_mask(masked: &str, line: &str, place: &Range<usize>) -> Range<usize> {
    let value = masked.len() - if masked.ends_with('…') { '…'.len_utf8() } else { 0 };
    let common = if masked == line { line.len() } else { value };
    let shown = |at: usize| if at <= common { at } else { value };
    let (start, end) = (shown(place.start), shown(place.end));
    if start == value && value < masked.len() || end > common {
        return value..masked.len();
    }
    start..end
}

fn clip(text: String) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl Reading<'_> {
    /// Reads an entry that is at hand; nothing, and an error noted, where it is wrong.
    pub(super) fn at<T>(
        &mut self,
        entry: &Entry,
        read: impl FnOnce(&Entry) -> Result<T, Wrong>,
    ) -> Option<T> {
        read(entry).map_err(|wrong| self.refuse(&entry.node.place, &entry.key, wrong)).ok()
    }

    /// Notes an error.
    pub(super) fn refuse(&mut self, place: &Place, key: &str, wrong: impl Into<Wrong>) {
        let Wrong { message, suggestion, within, is_hidden } = wrong.into();
        let (message, key) = (clip(message), clip(key.to_owned()));
        let Place::File(range) = place else {
            let Place::Variable(name) = place else { return };
            self.errors.push(ConfigError {
                file: "environment".to_owned(),
                line: 0,
                column: 0,
                key,
                message: format!("{message} (set by {name})"),
                suggestion,
                mark: None,
                masked: None,
            });
            return;
        };
        let range = within
            .and_then(|within| quoting::in_source(self.text, range, &within))
            .unwrap_or_else(|| range.clone());
        // Behind the last line end there is no line that people see.
        let end = self.text.trim_end_matches(['\r', '\n']).len();
        let range = range.start.min(end)..range.end.min(end);
        let before = self.text.get(..range.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..).unwrap_or_default().lines().next();
        let line = line.unwrap_or_default();
        let place = range.start - line_start..range.end.max(range.start) - line_start;
        let marked_lines = self.text.get(line_start..range.end).unwrap_or_default();
        let is_masked = is_hidden || marked_lines.contains('@') || is_masked(line);
        let masked = is_masked.then(|| mask(line));
        let may_be_shown =
            may_be_shown(line) && (is_masked || !marked_lines.lines().any(looks_random));
        self.errors.push(ConfigError {
            file: self.file.display().to_string(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            key,
            message,
            suggestion,
            mark: may_be_shown.then(|| match &masked {
                Some(masked) => within_mask(masked, line, &place),
                None => range,
            }),
            masked,
        });
    }

    /// Where something was written, in words.
    pub(super) fn in_words(&self, place: &Place) -> String {
        match place {
            Place::Variable(name) => format!("variable {name}"),
            Place::File(range) => {
                let before = self.text.get(..range.start).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                format!("{} line {line}", self.file.display())
            }
        }
    }

    /// A path as the operator means it: relative ones start at the folder of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The same for a file that holds a secret. A name without any folder is joined as `./name`, which is the
    /// same path: so it can be told later from one that was written with its folder, which is a path for
    /// certain.
    pub(super) fn secret_file(&self, path: &str) -> PathBuf {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        if path.contains('/') || folder.as_os_str().is_empty() {
            folder.join(path)
        } else {
            folder.join(".").join(path)
        }
    }
}

/// Whether a line looks as if somebody had written a secret into it, where the name of a file belongs,
/// or a password into an address.
fn holds_secret(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return looks_random(line) };
    if let Some((_, rest)) = value.split_once("://") {
        let host = rest.split(['/', '"', '\'']).next().unwrap_or_default();
        if host.contains('@') || rest.contains(['?', '#']) {
            return true;
        }
    }
    if looks_random(value) {
        return true;
    }
    let name = name.trim().trim_matches(['"', '\'']).to_lowercase();
    !name.ends_with("_file")
        && !name.ends_with("_expires")
        && [
            "secret",
            "token",
            "passw",
            "pwd",
            "key",
            "credential",
            "auth",
            "bearer",
            "header",
            "cookie",
            "webhook",
            "ping_",
            "signature",
        ]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether there is something in it that nobody types: long, letters and digits mixed, and no GUID.
fn looks_random(text: &str) -> bool {
    const LENGTH_MIN: usize = 16;
    const TURNS_MIN: usize = 4;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+~_-".contains(c);
    let mut words = text.split(|c| !is_part(c)).filter(|word| word.len() >= LENGTH_MIN);
    words.any(|word| {
        let pairs = word.as_bytes().windows(2);
        let turns = pairs.filter(
            |pair| matches!(pair, [one, other] if one.is_ascii_digit() != other.is_ascii_digit()),
        );
        let is_guid = word.len() == 36 && word.matches('-').count() == 4;
        turns.count() >= TURNS_MIN && !is_guid
    })
}

/// The words of [`holds_secret`] for a key.
fn is_secret(name: &str) -> bool {
    holds_secret(&format!("{name}="))
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) key: String,
    pub(super) place: Place,
    entries: BTreeMap<String, Child>,
    asked: Vec<&'static str>,
    /// Where it is noted what is asked for, when nothing is written.
    sketch: Option<Sketch>,
}

/// A value that is being read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) name: Place,
    pub(super) node: Node,
}

/// `parent.name`, quoted where TOML would want that.
fn join(parent: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if parent.is_empty() { name } else { format!("{parent}.{name}") }
}

impl Table {
    /// The node as a table.
    pub(super) fn open(node: Node, key: String, reading: &mut Reading<'_>) -> Option<Self> {
        let (entries, sketch) = match node.content {
            Content::Table(entries) => (entries, None),
            Content::Asked(sketch) => {
                sketch.table();
                (BTreeMap::new(), Some(sketch))
            }
            _ => {
                reading.refuse(&node.place, &key, "a table is expected here");
                return None;
            }
        };
        Some(Self { key, place: node.place, entries, asked: Vec::new(), sketch })
    }

    /// The entry of that name.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Entry> {
        self.asked.push(name);
        let key = join(&self.key, name);
        if let Some(sketch) = &self.sketch {
            return Some(Entry { key, name: self.place.clone(), node: sketch.key(name).node() });
        }
        let child = self.entries.remove(name)?;
        Some(Entry { key, name: child.name, node: child.node })
    }

    /// Reads an entry that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        reading: &mut Reading<'_>,
        read: impl FnOnce(&Entry) -> Result<T, Wrong>,
    ) -> Option<T> {
        let entry = self.take(name)?;
        read(&entry).map_err(|wrong| reading.refuse(&entry.node.place, &entry.key, wrong)).ok()
    }

    /// Reads an entry that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        reading: &mut Reading<'_>,
        read: impl FnOnce(&Entry) -> Result<T, Wrong>,
    ) -> Option<T> {
        if let Some(sketch) = &self.sketch {
            sketch.require(name);
        } else if !self.entries.contains_key(name) {
            self.missing(name, expected, reading);
        }
        self.optional(name, reading, read)
    }

    /// Notes that an entry is missing.
    pub(super) fn missing(&self, name: &str, expected: &str, reading: &mut Reading<'_>) {
        let key = join(&self.key, name);
        reading.refuse(&self.place, &key, format!("is missing: {expected}"));
    }

    /// The table of that name; an empty one when it is missing.
    pub(super) fn table(&mut self, name: &'static str, reading: &mut Reading<'_>) -> Option<Self> {
        match self.take(name) {
            Some(entry) => Self::open(entry.node, entry.key, reading),
            None => Some(Self {
                key: join(&self.key, name),
                place: self.place.clone(),
                entries: BTreeMap::new(),
                asked: Vec::new(),
                sketch: None,
            }),
        }
    }

    /// All entries whatever their names, in the order of the file.
    pub(super) fn all(self) -> Vec<(String, Entry)> {
        if let Some(sketch) = self.sketch {
            let (key, node) = (join(&self.key, "NAME"), sketch.named().node());
            return vec![("NAME".to_owned(), Entry { key, name: self.place, node })];
        }
        let mut entries: Vec<(String, Entry)> = self
            .entries
            .into_iter()
            .map(|(name, child)| {
                let key = join(&self.key, &name);
                (name, Entry { key, name: child.name, node: child.node })
            })
            .collect();
        entries.sort_by_key(|(_, entry)| match &entry.name {
            Place::File(at) => (false, at.start),
            Place::Variable(_) => (true, 0),
        });
        entries
    }

    /// Refuses everything that was not asked for.
    pub(super) fn finish(self, reading: &mut Reading<'_>) {
        for (name, child) in &self.entries {
            let key = join(&self.key, name);
            let file = format!("{name}_file");
            let file = self.asked.iter().find(|asked| **asked == file);
            let wrong = if let (true, Some(file)) = (is_secret(name), file) {
                Wrong {
                    message: "secrets are not written here; put it into a file and name the file"
                        .to_owned(),
                    suggestion: Some((*file).to_owned()),
                    within: None,
                    is_hidden: true,
                }
            } else {
                let suggestion = nearest(name, self.asked.iter().copied());
                let message = match &suggestion {
                    Some(_) => "is unknown".to_owned(),
                    None => format!("is unknown; known here: {}", self.asked.join(", ")),
                };
                Wrong { message, suggestion, within: None, is_hidden: true }
            };
            reading.refuse(&child.name, &key, wrong);
        }
    }
}
