//! The target's own words, made fit for a log, a journal and a screen: no control characters, no
//! personal data, bounded. It deliberately removes too much rather than too little.

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
    render(&shown, &hidden)
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

fn render(shown: &[char], hidden: &[bool]) -> String {
    let mut text = String::new();
    let mut count = 0;
    let mut before = ' ';
    for (&c, &hide) in shown.iter().zip(hidden) {
        let c = if hide { '…' } else { c };
        if (c == '…' || c == ' ') && c == before {
            continue;
        }
        if count == WORDS_LEN_MAX {
            text.push('…');
            break;
        }
        text.push(c);
        before = c;
        count += 1;
    }
    text.trim_end().to_owned()
}
