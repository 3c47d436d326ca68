//! The text of a JSON body, read leniently. Directories and platforms keep texts that were cut in the
//! middle of a character, and write them as they are; a strict parser would refuse the whole body for
//! one of them, and with it everybody else who is on it.

use std::fmt::Write as _;

use bytes::Bytes;

/// The body as a strict parser takes it: what is no UTF-8 and half of a surrogate pair become U+FFFD, a
/// bare control character in a text is escaped, and a backslash before nothing known stands for itself.
/// A body without any of these is given back as it is.
pub fn lenient(body: &Bytes) -> Bytes {
    let text = match std::str::from_utf8(body) {
        Ok(_) => body.clone(),
        Err(_) => Bytes::from(String::from_utf8_lossy(body).into_owned()),
    };
    let text = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => text.slice_ref(rest),
        None => text,
    };
    mended(&text).map_or(text, Bytes::from)
}

/// The text with what a strict parser refuses put right; `None` where there is nothing of the kind.
fn mended(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::new();
    let (mut at, mut copied, mut is_text) = (0, 0, false);
    while let Some(&byte) = text.get(at) {
        let (length, right) = match byte {
            b'"' => {
                is_text = !is_text;
                (1, None)
            }
            b'\\' if is_text => escape(text.get(at..).unwrap_or_default()),
            0..=0x1f if is_text => {
                let mut right = String::new();
                // Writing to memory does not fail.
                let _ = write!(right, "\\u{byte:04x}");
                (1, Some(right))
            }
            _ => (1, None),
        };
        if let Some(right) = right {
            mended.extend_from_slice(text.get(copied..at).unwrap_or_default());
            mended.extend_from_slice(right.as_bytes());
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return None;
    }
    mended.extend_from_slice(text.get(copied..).unwrap_or_default());
    Some(mended)
}

/// How long the escape is that the text begins with, and what should stand there instead.
fn escape(text: &[u8]) -> (usize, Option<String>) {
    match text.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, None),
        Some(b'u') => match unit(text) {
            Some(0xd800..=0xdbff)
                if matches!(text.get(6..).and_then(unit), Some(0xdc00..=0xdfff)) =>
            {
                (12, None)
            }
            Some(0xd800..=0xdfff) => (6, Some("\\ufffd".to_owned())),
            Some(_) => (6, None),
            None => (1, Some("\\\\".to_owned())),
        },
        Some(_) => (1, Some("\\\\".to_owned())),
        None => (1, None),
    }
}

/// The UTF-16 unit of an escape `\uXXXX` at the beginning of the text.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    // The number's own parser takes a sign, too.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;
