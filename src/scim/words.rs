//! The target's own words, in two forms. What is logged, kept in the journal and shown to everybody is
//! made of our own words and those of the standard alone, because a target may tell of people whom we do
//! not know. Its sentence goes to whoever has to repair it: one line, bounded, without what we sent.

use std::fmt;

/// The codes that RFC 7644 §3.12 knows. Others are the target's own words.
const SCIM_TYPES: [&str; 10] = [
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
];
/// Attributes of RFC 7643 that a sentence may name. Those that are words of everyday speech count only
/// where they stand in quotes or behind a path.
const ATTRIBUTES: [&str; 31] = [
    "userName",
    "externalId",
    "displayName",
    "nickName",
    "profileUrl",
    "userType",
    "preferredLanguage",
    "formatted",
    "familyName",
    "givenName",
    "middleName",
    "honorificPrefix",
    "honorificSuffix",
    "phoneNumbers",
    "streetAddress",
    "postalCode",
    "employeeNumber",
    "costCenter",
    "x509Certificates",
    "emails",
    "addresses",
    "photos",
    "locale",
    "timezone",
    "title",
    "active",
    "department",
    "division",
    "organization",
    "manager",
    "members",
];
/// The first so many of them are no words of everyday speech.
const TELLING: usize = 19;
/// So many attributes are named.
const ATTRIBUTES_MAX: usize = 3;

/// Why something was refused or failed. `Display` and `Debug` give what may be logged; the target's own
/// sentence has to be asked for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Words {
    plain: String,
    told: Option<String>,
}

impl Words {
    /// What may be logged, and what the target said, which may not.
    pub fn new(plain: impl Into<String>, told: Option<String>) -> Self {
        Self { plain: plain.into(), told: told.filter(|told| !told.is_empty()) }
    }

    /// The target's own sentence, for whoever has to repair it. Never for a log or a journal.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// The same with another form for logs.
    #[must_use]
    pub fn in_words(&self, plain: impl Into<String>) -> Self {
        Self { plain: plain.into(), told: self.told.clone() }
    }

    /// A target's complaint: its code and the attributes that it names, and its sentence.
    pub(super) fn of_complaint(scim_type: &str, detail: &str, sent: &[String]) -> Self {
        let code = SCIM_TYPES.iter().find(|known| known.eq_ignore_ascii_case(scim_type));
        let named = named(detail).map(|names| format!("about {names}"));
        let plain: Vec<String> =
            code.map(|code| (*code).to_owned()).into_iter().chain(named).collect();
        let shown = if detail.is_empty() { scim_type } else { detail };
        Self::new(plain.join(", "), Some(words(shown, sent)))
    }

    /// Put behind a sentence: nothing, or a colon and the words.
    pub(super) fn behind(&self) -> String {
        if self.plain.is_empty() { String::new() } else { format!(": {}", self.plain) }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.plain)
    }
}

impl From<&str> for Words {
    fn from(plain: &str) -> Self {
        Self::new(plain, None)
    }
}

impl From<String> for Words {
    fn from(plain: String) -> Self {
        Self::new(plain, None)
    }
}

impl From<&String> for Words {
    fn from(plain: &String) -> Self {
        Self::new(plain, None)
    }
}

/// The attributes of the standard that a sentence names.
fn named(detail: &str) -> Option<String> {
    let detail: String = detail.chars().take(LOOKED_AT_MAX).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let mut found: Vec<&str> = Vec::new();
    let mut before = ' ';
    for piece in detail.split_inclusive(|c| !is_part(c)) {
        let name = piece.trim_end_matches(|c| !is_part(c));
        let after = piece.chars().next_back().filter(|c| !is_part(*c)).unwrap_or(' ');
        let at = ATTRIBUTES.iter().position(|known| *known == name);
        let is_quoted = "\"'`.:[".contains(before) || "\"'`.[".contains(after);
        if let Some(known) =
            at.filter(|at| *at < TELLING || is_quoted).and_then(|at| ATTRIBUTES.get(at))
            && !found.contains(known)
            && found.len() < ATTRIBUTES_MAX
        {
            found.push(known);
        }
        before = after;
    }
    (!found.is_empty()).then(|| found.join(" and "))
}

/// Length of what is kept, in characters.
const WORDS_LEN_MAX: usize = 200;
/// More than this is not looked at.
const LOOKED_AT_MAX: usize = 4_000;
/// Shorter values that we sent are left alone: hiding every "a" would leave nothing to read.
const HIDDEN_LEN_MIN: usize = 3;
/// So many digits, whatever stands between them, may be a phone number or a national identity number.
const DIGITS_MIN: usize = 7;

/// `text` with everything in `sent`, and everything like an e-mail address or a phone number,
/// replaced by `…`. Longer values are hidden whole and word by word, since a target may turn
/// "Kari Nordmann" into "Nordmann, Kari".
pub(super) fn words(text: &str, sent: &[String]) -> String {
    hide(text, sent, WORDS_LEN_MAX)
}

/// The same at full length, to be looked at and not shown.
pub(super) fn redacted(text: &str, sent: &[String]) -> String {
    hide(text, sent, LOOKED_AT_MAX)
}

fn hide(text: &str, sent: &[String], most: usize) -> String {
    let shown: Vec<char> = text
        .chars()
        .filter_map(|c| match c {
            // Characters that turn the reading direction, or that nobody sees and that could split
            // a value so that it is not recognised.
            '\u{61c}'
            | '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => None,
            c if c.is_control() || c.is_whitespace() => Some(' '),
            c => Some(c),
        })
        .take(LOOKED_AT_MAX)
        .collect();
    let mut hidden = vec![false; shown.len()];
    hide_sent(&shown, sent, &mut hidden);
    hide_addresses(&shown, &mut hidden);
    hide_numbers(&shown, &mut hidden);
    render(&shown, &hidden, most)
}

fn hide_sent(shown: &[char], sent: &[String], hidden: &mut [bool]) {
    // Lower case may be longer than the original, so each lower-case character knows its origin.
    let lower: Vec<(char, usize)> = shown
        .iter()
        .enumerate()
        .flat_map(|(at, c)| c.to_lowercase().map(move |low| (low, at)))
        .collect();
    let mut hide = |value: &str| {
        let value: Vec<char> = value.trim().chars().flat_map(char::to_lowercase).collect();
        if value.len() < HIDDEN_LEN_MIN {
            return;
        }
        for window in lower.windows(value.len()) {
            if window.iter().zip(&value).all(|((low, _), wanted)| low == wanted) {
                for (_, at) in window {
                    if let Some(cell) = hidden.get_mut(*at) {
                        *cell = true;
                    }
                }
            }
        }
    };
    for value in sent {
        hide(value);
        value.split(|c: char| !c.is_alphanumeric()).for_each(&mut hide);
    }
}

fn hide_addresses(shown: &[char], hidden: &mut [bool]) {
    let ends = |c: char| c == ' ' || "\"'<>()[]{},;".contains(c);
    let mut start = 0;
    while start < shown.len() {
        let word = shown.get(start..).unwrap_or_default();
        let len = word.iter().position(|c| ends(*c)).unwrap_or(word.len());
        let word: String = word.iter().take(len).collect();
        if word.contains('@') || word.contains("%40") {
            hidden.iter_mut().skip(start).take(len).for_each(|cell| *cell = true);
        }
        start += len + 1;
    }
}

fn hide_numbers(shown: &[char], hidden: &mut [bool]) {
    let mut start = 0;
    while start < shown.len() {
        let run = shown.get(start..).unwrap_or_default();
        let len = run
            .iter()
            .position(|c| !c.is_numeric() && !"+-()./ ".contains(*c))
            .unwrap_or(run.len());
        let run = run.get(..len).unwrap_or_default();
        if run.iter().filter(|c| c.is_numeric()).count() >= DIGITS_MIN {
            let before = run.iter().take_while(|c| **c == ' ').count();
            let after = run.iter().rev().take_while(|c| **c == ' ').count();
            let cells = hidden.iter_mut().skip(start + before);
            cells.take(len - before - after).for_each(|cell| *cell = true);
        }
        start += len + 1;
    }
}

fn render(shown: &[char], hidden: &[bool], most: usize) -> String {
    let mut text = String::new();
    let mut count = 0;
    let mut before = ' ';
    for (&c, &hide) in shown.iter().zip(hidden) {
        let c = if hide { '…' } else { c };
        if (c == '…' || c == ' ') && c == before {
            continue;
        }
        if count == most {
            text.push('…');
            break;
        }
        text.push(c);
        before = c;
        count += 1;
    }
    text.trim_end().to_owned()
}
