//! Data goes to stdout, talk to stderr. Colour is dropped where the terminal or `NO_COLOR` asks for it.

use std::io::Write;

/// Writes data. A reader who has seen enough and closed the pipe is no error of ours.
pub(super) fn data(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = write!(out, "{text}")
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { writeln!(out) });
    let _ = out.flush();
}

/// Writes a value as indented JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) {
    // Writing to memory fails only for maps whose keys are no text, which none of ours has.
    data(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Says something to a person.
pub(super) fn talk(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
