//! What of a text is seen as it is. Names come from a directory that others write to, and other words from
//! platforms: nothing in them may move a cursor, change a colour, or turn the direction of a line.

use std::fmt::Write;

/// Whether a character is plainly visible: no control (C0 and C1), no directional mark (UAX #9), no invisible
/// separator and no tag.
pub fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with a space for whatever is not plainly visible: one line, whatever a peer has put into it.
pub fn plain(text: &str) -> String {
    text.replace(|c: char| !is_visible(c), " ")
}

/// JSON in which nothing acts on a terminal: to a program it is the same text.
pub fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_visible(c) {
            safe.push(c);
        } else {
            escape(c, &mut safe);
        }
    }
    safe
}

/// Writes a character as JSON escapes it (RFC 8259 §7).
pub fn escape(c: char, to: &mut String) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        // Writing to a text cannot fail.
        let _ = write!(to, "\\u{unit:04x}");
    }
}
