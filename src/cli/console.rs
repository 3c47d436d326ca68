//! Data goes to stdout, talk to stderr. Colour is dropped where the terminal or `NO_COLOR` asks for it.

use std::io::Write;

use super::view::text::is_visible;

/// Writes data. A reader who has seen enough and closed the pipe is no error of ours.
pub(super) fn data(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = write!(out, "{text}")
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { writeln!(out) });
    let _ = out.flush();
}

/// Writes a value as indented JSON. What a name may hold to act on a terminal is escaped: to a program
/// that reads it, it is the same text.
pub(super) fn json<T: serde::Serialize>(value: &T) {
    // Writing to memory fails only for maps whose keys are no text, which none of ours has.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || is_visible(c) {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a text cannot fail.
                let _ = std::fmt::Write::write_fmt(&mut safe, format_args!("\\u{unit:04x}"));
            }
        }
    }
    data(&safe);
}

/// Says something to a person.
pub(super) fn talk(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
