//! Text for terminals. Names come from a directory that others write to: nothing in them may move the
//! cursor, change a colour, or turn the direction of a line.

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;

use crate::core::model::Timestamp;
pub(crate) use crate::core::visible::is_visible;
use crate::core::words::plural;

/// A longer value is cut: a line of a plan must stay a line.
const CHARS_MAX: usize = 200;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
pub(crate) const RISKY: Style = AnsiColor::Red.on_default();

/// A message says what to do at its end, so more of it is shown.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// The text with everything escaped that is not plainly visible.
pub(crate) fn harmless(text: &str) -> String {
    harmless_up_to(text, CHARS_MAX)
}

fn harmless_up_to(text: &str, chars_max: usize) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        if at == chars_max {
            safe.push('…');
            break;
        }
        if is_visible(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "{}", c.escape_unicode());
        }
    }
    safe
}

/// Words of ours, which may quote others: the same, with times as people read them.
pub(crate) fn own(words: &str) -> String {
    harmless(&in_zone(words))
}

/// The text with each time that is written as in logs and JSON, in UTC, as [`time`] writes it. What stands in
/// quotes is a value, and stays.
pub(crate) fn in_zone(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_matches(|c: char| c.is_whitespace() || ".,;:()".contains(c));
        let is_time = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with('Z');
        if is_time && bare.parse::<jiff::Timestamp>().is_ok() {
            all.push_str(&word.replacen(bare, &time_of(bare), 1));
        } else {
            all.push_str(word);
        }
    }
    all
}

/// Writes a message of ours, which may quote others, indented and in lines that fit.
pub(crate) fn message(text: &mut String, begin: &str, words: &str) {
    let mut begin = begin.to_owned();
    for line in words.lines() {
        let line = format!("{begin}{}", harmless_up_to(&in_zone(line), MESSAGE_CHARS_MAX));
        Lines::new(text, 2, 4).words(Style::new(), &line).end();
        begin.clear();
    }
}

/// The zone of the times that people read; a matter of display, as colour is. UTC until it is set.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Shows times in the zone of this IANA name from here on; the first call counts.
pub(crate) fn set_zone(name: &str) {
    if let Ok(zone) = jiff::tz::db().get(name) {
        let _ = ZONE.set(zone);
    }
}

/// A time for people, in the configured zone with its offset.
pub(crate) fn time(at: Timestamp) -> String {
    let zone = ZONE.get().unwrap_or(&TimeZone::UTC).clone();
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(time) => time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => at.to_string(),
    }
}

/// A time for people, from one as JSON has it.
pub(crate) fn time_of(text: &str) -> String {
    text.parse::<jiff::Timestamp>()
        .map_or_else(|_| harmless(text), |at| time(Timestamp(at.as_millisecond())))
}

/// How long ago, in the largest unit that fits.
pub(crate) fn ago(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2_880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1_440),
    }
}

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: &str) -> String {
    if style == Style::new() {
        return text.to_owned();
    }
    format!("{style}{text}{style:#}")
}

/// A whole number with separators, as `5,890`.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, as `1 change` or `5,890 changes`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), plural(count, one, many))
}

/// How often.
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

/// Terminals have at least so many columns, and pagers and tickets show no more.
const COLUMNS: usize = 80;

/// Writes parts one after the other, and goes on in the next line, indented, where one does not fit.
pub(crate) struct Lines<'t> {
    text: &'t mut String,
    column: usize,
    indent: usize,
    begun: bool,
}

impl<'t> Lines<'t> {
    /// Begins at column `first`; what does not fit goes on at column `indent`.
    pub(crate) fn new(text: &'t mut String, first: usize, indent: usize) -> Self {
        text.push_str(&" ".repeat(first));
        Self { text, column: first, indent, begun: false }
    }

    /// Adds a part that is kept together where it can be.
    pub(crate) fn part(mut self, style: Style, part: &str) -> Self {
        let length = part.chars().count();
        if self.indent + length > COLUMNS {
            return self.words(style, part);
        }
        self.place(style, part, length);
        self
    }

    /// Adds words, any of which may begin a new line.
    pub(crate) fn words(mut self, style: Style, words: &str) -> Self {
        for word in words.split_inclusive(' ') {
            let word = word.strip_suffix(' ').unwrap_or(word);
            self.place(style, word, word.chars().count());
        }
        self
    }

    fn place(&mut self, style: Style, part: &str, length: usize) {
        if self.begun && self.column + 1 + length > COLUMNS {
            let kept = self.text.trim_end().len();
            self.text.truncate(kept);
            self.text.push('\n');
            self.text.push_str(&" ".repeat(self.indent));
            self.column = self.indent;
        } else if self.begun {
            self.text.push(' ');
            self.column += 1;
        }
        self.text.push_str(&styled(style, part));
        self.column += length;
        self.begun = true;
    }

    /// Ends the line.
    pub(crate) fn end(self) {
        self.text.push('\n');
    }
}
