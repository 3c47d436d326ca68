//! Errors as an operator reads them.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::panic::PanicHookInfo;

/// An error with its causes on one line, outermost first. A cause whose words its parent already
/// said is not repeated, and line ends become spaces, so that one error is one line in a log.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = one_line(&error.to_string());
        if !words.is_empty() && !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        cause = error.source();
    }
    line
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a panic says, without what it quotes: the standard library quotes the text that it stumbled over,
/// and that may be somebody's name.
pub fn panic_words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words");
    let mut words = String::new();
    let mut quoted = None;
    for c in one_line(text).chars() {
        match quoted {
            Some(quote) if c == quote => quoted = None,
            Some(_) => {}
            None if matches!(c, '"' | '`' | '\'') => {
                quoted = Some(c);
                words.push('…');
            }
            None => words.push(c),
        }
    }
    words
}

/// Writes a panic down where the log is: where it happened, and its words without what they quote.
pub fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let words = panic_words(info.payload());
    tracing::error!(place, "something stumbled: {words}");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        tracing::error!("{trace}");
    }
}

#[cfg(test)]
mod tests;
