//! Data goes to stdout, talk to stderr. Colour is dropped where the terminal or `NO_COLOR` asks for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::view::text::{in_zone, is_visible};
use crate::core::visible::escape;

/// Whether the terminal shows nothing but ASCII. A matter of display, as colour is.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// Our own signs and what stands for them where the locale has only ASCII. Names stay as they are.
const SIGNS: [(char, &str); 10] = [
    ('→', "->"),
    ('…', "..."),
    ('−', "-"),
    ('–', "-"),
    ('•', "*"),
    ('✓', "ok"),
    ('✗', "x"),
    ('›', ">"),
    ('·', "."),
    ('≤', "<="),
];

/// Takes the signs that the locale can show from the environment (locale(7)). Where none is set, UTF-8
/// is assumed, as it is everywhere today.
pub(super) fn set_locale(environment: &BTreeMap<String, String>) {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names.iter().filter_map(|name| environment.get(*name));
    let locale = set.map(|value| value.to_lowercase()).find(|value| !value.is_empty());
    let plain = locale.is_some_and(|name| !name.contains("utf-8") && !name.contains("utf8"));
    PLAIN.store(plain, Ordering::Relaxed);
}

fn signs(text: &str) -> String {
    if !PLAIN.load(Ordering::Relaxed) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            let sign = SIGNS.iter().find(|(sign, _)| *sign == c);
            sign.map_or_else(|| c.to_string(), |(_, plain)| (*plain).to_owned())
        })
        .collect()
}

/// Writes data for people.
pub(super) fn data(text: &str) {
    raw(&safe(&signs(text)));
}

/// The text as a terminal may have it. Whatever was quoted in it, it does no more than begin lines and
/// change colours: this is the one place where text goes out, so nothing is forgotten.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = style_of(rest);
        if !style.is_empty() {
            safe.push_str(style);
            rest = rest.get(style.len()..).unwrap_or_default();
            continue;
        }
        if c == '\n' || is_visible(c) {
            safe.push(c);
        } else {
            safe.extend(c.escape_unicode());
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    safe
}

/// The sequence that changes colour or weight (ECMA-48, SGR) with which a text begins.
fn style_of(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return "" };
    let length = inner.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    let ends = inner.as_bytes().get(length) == Some(&b'm');
    if ends { text.get(..length + 3).unwrap_or_default() } else { "" }
}

/// Writes lines of JSON, one value each.
pub(super) fn json_lines(lines: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(escaped(lines).as_bytes())?;
    out.flush()
}

/// Writes data as it is. A reader who has seen enough and closed the pipe is no error of ours.
fn raw(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = write!(out, "{text}")
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { writeln!(out) });
    let _ = out.flush();
}

/// Writes a value as indented JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) {
    raw(&json_text(value));
}

/// A value as indented JSON. What a name may hold to act on a terminal is escaped: to a program that
/// reads it, it is the same text.
pub(super) fn json_text<T: serde::Serialize>(value: &T) -> String {
    // Writing to memory fails only for maps whose keys are no text, which none of ours has.
    escaped(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// JSON with everything escaped that may act on a terminal.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // What could be taken for a sign of ours is escaped as well: to a program no locale matters.
        if c == '\n' || (is_visible(c) && SIGNS.iter().all(|(sign, _)| *sign != c)) {
            safe.push(c);
        } else {
            escape(c, &mut safe);
        }
    }
    safe
}

/// Says something to a person.
pub(super) fn talk(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", safe(&signs(&in_zone(text))));
}

#[cfg(test)]
mod tests;
