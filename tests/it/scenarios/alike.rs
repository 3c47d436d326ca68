//! Makes alike in what comes out what is never the same: times, ids, ports, folders.

use std::collections::BTreeMap;

use super::play::id;
use crate::cli::site::Site;

/// What stands for what.
pub(super) struct Alike {
    folder: String,
    /// Object ids of the world.
    keys: BTreeMap<String, String>,
    /// Other ids, in the order in which they came up.
    met: Vec<String>,
    /// Holds, in the order in which they came up.
    holds: Vec<String>,
}

impl Alike {
    pub(super) fn new(site: &Site, keys: Vec<String>) -> Self {
        let folder = site.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let mut keys: BTreeMap<_, _> = keys.into_iter().map(|key| (id(site, &key), key)).collect();
        keys.insert(site.said("tenant_id").to_owned(), "tenant".to_owned());
        Self { folder, keys, met: Vec::new(), holds: Vec::new() }
    }

    /// A line as it is to be run: with the hold in place of `HOLD1`.
    pub(super) fn real(&self, line: &str) -> String {
        let holds = self.holds.iter().enumerate().rev();
        holds.fold(line.to_owned(), |line, (at, hold)| {
            line.replace(&format!("HOLD{}", at + 1), hold)
        })
    }

    /// What came out, as it always comes out.
    pub(super) fn same(&mut self, text: &str) -> String {
        let text = text.replace(&format!("{}/state", self.folder), "/var/lib/manntall");
        let text = text.replace(&self.folder, "/etc/manntall");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            if let Some((length, word)) = self.word(rest, out.chars().next_back()) {
                out.push_str(&word);
                rest = &rest[length..];
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// What begins here and is never the same: how long it is, and what stands for it.
    fn word(&mut self, rest: &str, before: Option<char>) -> Option<(usize, String)> {
        const TIMES: [&str; 3] =
            ["####-##-## ##:##:## +##:##", "####-##-##T##:##:##.######Z", "####-##-##T##:##:##Z"];
        const ID: &str = "%%%%%%%%-%%%%-%%%%-%%%%-%%%%%%%%%%%%";
        const HOLD: &str = "%%%%%%%%%%%%";
        if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        if let Some(shape) = TIMES.iter().find(|shape| fits(rest, shape)) {
            return Some((shape.len(), "TIME".to_owned()));
        }
        if let Some(id) = rest.get(..ID.len()).filter(|_| fits(rest, ID)) {
            let known = self.keys.get(id).map(|key| format!("<{key}>"));
            return Some((
                ID.len(),
                known.unwrap_or_else(|| format!("ID{}", place(&mut self.met, id))),
            ));
        }
        if let Some(hold) = rest.get(..HOLD.len()).filter(|_| fits(rest, HOLD)) {
            let is_word =
                rest[HOLD.len()..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric());
            if is_word && hold.contains(|c: char| c.is_ascii_digit()) {
                return Some((HOLD.len(), format!("HOLD{}", place(&mut self.holds, hold))));
            }
        }
        if let Some(span) =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(span, _)| span)
            && (span == "just now" || span.ends_with(" ago"))
        {
            return Some((span.len() + 2, "(AGO)".to_owned()));
        }
        let port = rest.strip_prefix("127.0.0.1:")?;
        let digits = port.chars().take_while(char::is_ascii_digit).count();
        Some((rest.len() - port.len() + digits, "127.0.0.1:PORT".to_owned()))
    }
}

fn place(known: &mut Vec<String>, one: &str) -> usize {
    let at = known.iter().position(|known| known == one).unwrap_or_else(|| {
        known.push(one.to_owned());
        known.len() - 1
    });
    at + 1
}

/// Whether a text begins with this shape: `#` is a digit, `%` a hexadecimal one.
pub(crate) fn fits(text: &str, shape: &str) -> bool {
    let mut chars = text.chars();
    shape.chars().all(|wanted| match (wanted, chars.next()) {
        ('#', Some(c)) => c.is_ascii_digit(),
        ('%', Some(c)) => c.is_ascii_hexdigit(),
        (wanted, found) => found == Some(wanted),
    })
}
