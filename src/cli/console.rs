//! Data goes to stdout, talk to stderr. Colour is dropped where the terminal or `NO_COLOR` asks for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::view::text::is_visible;

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
    raw(&signs(text));
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
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // What could be taken for a sign of ours is escaped as well: to a program no locale matters.
        if c == '\n' || (is_visible(c) && SIGNS.iter().all(|(sign, _)| *sign != c)) {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a text cannot fail.
                let _ = std::fmt::Write::write_fmt(&mut safe, format_args!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

/// Says something to a person.
pub(super) fn talk(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", signs(text));
}
