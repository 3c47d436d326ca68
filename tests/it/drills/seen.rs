//! What an operator gets to see of a running service, with everything that is never the same made alike.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::alerts;
use crate::cli::service::wait_until;
use crate::cli::site::{Running, Site};
use crate::scenarios::fits;

/// What is looked at: so many lines before they are broken, which fit on the first screen when they are.
const FIRST_LINES: usize = 6;
const FIRST_SCREEN: usize = 24;

/// The texts of one drill.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: String,
    pub(super) page: String,
    pub(super) log: String,
    pub(super) alert: String,
}

/// A running service of a site.
pub(super) struct Service<'a> {
    pub(super) site: &'a Site,
    pub(super) process: Running,
    address: String,
}

const LOG: &str = "run.log";

impl<'a> Service<'a> {
    pub(super) fn start(site: &'a Site) -> Self {
        Self::start_on(site, None).expect("it runs")
    }

    /// With the state on a disk of so many KiB; `None` where this machine lets nobody have one.
    pub(super) fn start_on(site: &'a Site, kib: Option<u64>) -> Option<Self> {
        let log = site.path(LOG);
        let mut process = match kib {
            Some(kib) => site.start_on_disk(kib, &["run"], &log),
            None => site.start_logged(&["run"], &log),
        };
        let mut address = None;
        wait_until("the status port", || {
            let log = fs::read_to_string(site.path(LOG)).unwrap_or_default();
            let found = log.split("listens at http://").nth(1);
            address = found.and_then(|rest| rest.split('/').next()).map(str::to_owned);
            address.is_some() || process.0.try_wait().unwrap().is_some()
        });
        Some(Self { site, process, address: address? })
    }

    pub(super) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The warnings and errors that say `words`, without their times.
    fn log(&self, words: &str) -> Option<String> {
        let log = fs::read_to_string(self.site.path(LOG)).unwrap();
        let mut bad = log.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR "));
        let line = bad.rfind(|line| line.contains(words))?;
        let (_, line) = line.split_once(' ')?;
        Some(line.trim_start().to_owned())
    }

    /// Waits until the value that the alert is about is there and the log has said `words`, and gives all
    /// four texts.
    pub(super) fn see(&self, words: &str, alert: &str, sample: &str) -> Seen {
        let rule = alerts::rule(alert);
        let metric = sample.split(['{', ' ']).next().unwrap();
        assert!(rule.expression.contains(metric), "{alert} is not about {metric}");
        wait_until(sample, || self.get("metrics").contains(sample));
        wait_until(words, || self.log(words).is_some());
        let status = self.site.run(&["status"]).expect(0).data;
        let whole = status.replace("\n    ", " ");
        let first = whole.lines().take(FIRST_LINES).collect::<Vec<_>>().join("\n");
        let screen = status.lines().take(FIRST_SCREEN).collect::<Vec<_>>().join("\n");
        assert!(screen.replace("\n    ", " ").starts_with(&first), "more than a screen: {status}");
        let page = self.get("");
        Seen {
            status: self.alike(&first),
            page: self.alike(&sentences(&page)),
            log: self.alike(&self.log(words).unwrap()),
            alert: rule.says(alert),
        }
    }

    /// Makes alike what is never the same.
    fn alike(&self, text: &str) -> String {
        let folder = self.site.path("");
        let folder = folder.to_str().unwrap().trim_end_matches('/');
        let mut text = text.replace(&format!("{folder}/state"), "/var/lib/manntall");
        text = text.replace(folder, "/etc/manntall");
        for (shape, word) in [
            ("####-##-## ##:##:## +##:##", "TIME"),
            ("####-##-##T##:##:##.######Z", "TIME"),
            ("####-##-##T##:##:##.###Z", "TIME"),
            ("####-##-##T##:##:##Z", "TIME"),
            ("####-##-## ##:##:##Z", "TIME"),
            ("%%%%%%%%-%%%%-%%%%-%%%%-%%%%%%%%%%%%", "ID"),
            ("127.0.0.1:#####", "127.0.0.1:PORT"),
            ("127.0.0.1:####", "127.0.0.1:PORT"),
            ("hold=%%%%%%%%%%%%", "hold=HOLD"),
            (&format!(":{}", "%".repeat(64)), ":HASH"),
        ] {
            text = shaped(&text, shape, word);
        }
        for before in
            ["process ", "process=", "are ", "is ", "generation ", "was at ", "noting ", "only "]
        {
            text = number_after(&text, before);
        }
        // Users and groups are asked for at once, and which of them is told of last is a matter of chance.
        text.replace("kind=Users", "kind=Groups").replace("kind=\"groups\"", "kind=\"users\"")
    }
}

/// The sentence of the page, and what it says is wrong.
fn sentences(page: &str) -> String {
    let (_, verdict) = page.split_once("<p class=\"verdict").expect("a verdict");
    let verdict = format!("<p {}", verdict.split_once("</p>").unwrap().0);
    let (page, _) = page.split_once("<h2 id=\"tenants\"").expect("a table of tenants");
    let troubles = page.split("<li><strong>").skip(1).filter_map(|item| item.split_once("</li>"));
    let all = troubles.map(|(item, _)| item);
    [verdict.as_str()].into_iter().chain(all).map(words_of).collect::<Vec<_>>().join("\n")
}

/// The words of a piece of the page, without how long ago anything was.
fn words_of(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, words)| words));
    }
    let mut plain = String::new();
    for part in text.replace("&#39;", "'").replace("&#34;", "\"").replace("&amp;", "&").split(" (")
    {
        let (aside, rest) = part.split_once(')').unwrap_or(("", part));
        let is_age = ["ago", "now"].iter().any(|end| aside.ends_with(end));
        if plain.is_empty() {
            plain.push_str(part);
        } else if is_age {
            plain.push_str(rest);
        } else {
            plain.push_str(" (");
            plain.push_str(part);
        }
    }
    plain.trim().to_owned()
}

/// Replaces what has this shape, as [`fits`] reads it.
fn shaped(text: &str, shape: &str, word: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if fits(rest, shape) {
            out.push_str(word);
            rest = &rest[shape.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Replaces the digits after each `before`.
fn number_after(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push_str(before);
        out.push_str(if rest.len() < part.len() { "N" } else { "" });
        out.push_str(rest);
    }
    out
}
