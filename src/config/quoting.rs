//! From a place inside the text of a TOML string back to the place in the file, escapes considered
//! (TOML 1.1, "String").

use std::ops::Range;

/// The range in the file of `within`, which counts bytes of the text of the string at `at`. `None`
/// when what stands at `at` is no string.
pub(super) fn in_source(
    source: &str,
    at: &Range<usize>,
    within: &Range<usize>,
) -> Option<Range<usize>> {
    let raw = source.get(at.clone())?;
    let (quotes, escapes) = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quotes| raw.starts_with(quotes))
        .map(|quotes| (quotes, quotes.starts_with('"')))?;
    let mut place = quotes.len();
    if quotes.len() == 3 {
        // The line end right after the opening quotes does not count.
        let rest = raw.get(place..)?;
        place += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let mut decoded = 0;
    let (mut start, mut end) = (None, None);
    let last = raw.len().saturating_sub(quotes.len());
    while place < last {
        let (taken, made) = step(raw.get(place..last)?, escapes);
        // Skipped line ends make nothing; the text goes on behind them.
        if made > 0 {
            start = start.or((decoded + made > within.start).then_some(place));
            end = if decoded < within.end { Some(place + taken) } else { end };
        }
        decoded += made;
        place += taken;
    }
    let start = start.unwrap_or(last);
    let end = end.unwrap_or(start).max(start);
    Some(at.start + start..at.start + end)
}

/// How many bytes of the file the next character takes, and how many bytes of text it makes.
fn step(rest: &str, escapes: bool) -> (usize, usize) {
    let Some(first) = rest.chars().next() else { return (1, 0) };
    if !escapes || first != '\\' {
        return (first.len_utf8(), first.len_utf8());
    }
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(byte) if byte.is_ascii_whitespace() => {
            let behind = rest.get(1..).unwrap_or_default();
            return (1 + behind.len() - behind.trim_start().len(), 0);
        }
        _ => return (2, 1),
    };
    let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
}
