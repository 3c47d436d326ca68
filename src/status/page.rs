//! The page for people. No script, one small style sheet inside it, and nothing else to load.

use std::collections::BTreeSet;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::words::{self, Words};
use crate::core::model::Timestamp;
use crate::core::report::{
    About, Expiry, Nearness, OwnTrouble, Snapshot, SourceStand, State, Surroundings, TargetStand,
    Trouble, source_state, target_state, verdict,
};
use crate::core::visible::plain;

/// Light and dark, and readable when everything is twice as large.
const STYLE: &str = include_str!("page.css");

/// The only style that the browser is allowed to obey is the one on the page.
pub(super) fn policy() -> String {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// What of an address asks the browser to sign in.
pub(super) const SIGN_IN: &str = "sign-in";

/// Where the ids of holds and the words of errors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// On the page.
    Shown,
    /// On the page for whoever signs in.
    BehindToken,
    /// Not on the page: there is no token.
    Elsewhere,
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    words: &'a Words,
    languages: &'a [&'static Words],
    style: &'static str,
    state: Badge,
    since: Moment,
    says: Vec<Piece>,
    facts: Vec<Fact>,
    sources: Vec<Row>,
    source_heads: [&'a str; 6],
    targets: Vec<Row>,
    target_heads: [&'a str; 10],
    holds: Vec<HoldRow>,
    troubles: Vec<TroubleRow>,
    hidden: Vec<Piece>,
    /// Where to sign in, if that shows more.
    sign_in: Option<&'static str>,
    version: &'static str,
    started: Moment,
    renewed: String,
}

/// A state as word and sign; its colour only adds to that.
struct Badge {
    class: &'static str,
    sign: &'static str,
    word: &'static str,
}

/// A point in time for machines and for people.
struct Moment {
    machine: String,
    text: String,
}

/// Text, or something to be typed.
struct Piece {
    is_command: bool,
    text: String,
}

struct Fact {
    name: &'static str,
    value: String,
}

struct Row {
    name: String,
    state: Badge,
    cells: Vec<String>,
}

struct HoldRow {
    id: String,
    guard: &'static str,
    count: String,
    since: Moment,
}

struct TroubleRow {
    name: String,
    since: Moment,
    message: String,
}

/// What turns times and numbers into text.
struct Reader<'a> {
    words: &'a Words,
    zone: &'a TimeZone,
    now: Timestamp,
}

/// The page as HTML.
pub(super) fn render(
    snapshot: &Snapshot,
    surroundings: &Surroundings,
    more: More,
    words: &'static Words,
    zone: &TimeZone,
    now: Timestamp,
) -> String {
    let reader = Reader { words, zone, now };
    let verdict = verdict(snapshot);
    let page = Page {
        words,
        languages: &words::ALL,
        style: STYLE,
        state: reader.badge(verdict.state),
        since: reader.moment(verdict.since),
        says: pieces(&words.says(&verdict)),
        facts: facts(&reader, snapshot, surroundings),
        sources: snapshot.sources.iter().map(|(n, source)| reader.source(n, source)).collect(),
        source_heads: [
            words.tenant,
            words.state,
            words.last_complete,
            words.last_round,
            words.users,
            words.groups,
        ],
        targets: snapshot.targets.iter().map(|(n, target)| reader.target(n, target)).collect(),
        target_heads: [
            words.platform,
            words.state,
            words.last_success,
            words.accounts,
            words.active,
            words.groups,
            words.memberships,
            words.pending,
            words.waiting,
            words.stuck,
        ],
        holds: holds(&reader, snapshot),
        troubles: troubles(&reader, snapshot),
        hidden: pieces(if more == More::Elsewhere { words.hidden } else { words.hidden_token }),
        sign_in: (more == More::BehindToken).then_some(SIGN_IN),
        version: env!("CARGO_PKG_VERSION"),
        started: reader.moment(snapshot.started),
        renewed: words.renewed.replace("{when}", &reader.time(snapshot.at)),
    };
    // Writing text to memory does not fail.
    page.render().unwrap_or_default()
}

/// Splits at the backticks.
fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, text)| Piece { is_command: at % 2 == 1, text: text.to_owned() }).collect()
}

fn facts(reader: &Reader<'_>, snapshot: &Snapshot, surroundings: &Surroundings) -> Vec<Fact> {
    let words = reader.words;
    let mut facts = Vec::new();
    for (name, target) in &snapshot.targets {
        let mut fact = |fact: &'static str, value: String| {
            let several = snapshot.targets.len() > 1;
            let value = if several { format!("{name}: {value}") } else { value };
            facts.push(Fact { name: fact, value });
        };
        fact(words.entitled, reader.equation(target));
        fact(words.leavers, reader.leavers(target));
        fact(words.slowest, reader.slowest(target));
        fact(words.changes, reader.changes(target));
        if target.rejected() > 0 {
            fact(words.rejected, words.number(target.rejected()));
        }
        fact(words.target_proof, reader.proof(target));
        if !target.left_out.is_empty() {
            let names = target.left_out.iter().map(|one| one.attribute.as_str());
            let names: BTreeSet<&str> = names.collect();
            fact(words.left_out, names.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    facts.push(Fact { name: words.proof, value: reader.perhaps(snapshot.proven()) });
    facts.push(Fact { name: words.backup, value: reader.perhaps(snapshot.last_backup) });
    // While it is being asked there is no next time.
    facts.extend(snapshot.next.map(|next| Fact { name: words.next, value: reader.time(next) }));
    let ends = surroundings.expiries.iter().filter_map(|expiry| reader.end(expiry));
    facts.extend(ends.map(|value| Fact { name: words.ends, value }));
    facts
}

fn holds(reader: &Reader<'_>, snapshot: &Snapshot) -> Vec<HoldRow> {
    let holds = snapshot.targets.values().flat_map(TargetStand::asked);
    let rows = holds.map(|hold| HoldRow {
        id: hold.id.clone(),
        guard: hold.guard,
        count: reader.words.number(hold.count),
        since: reader.moment(hold.since),
    });
    rows.collect()
}

fn troubles(reader: &Reader<'_>, snapshot: &Snapshot) -> Vec<TroubleRow> {
    let sources = snapshot.sources.iter().map(|(name, source)| (name, &source.troubles));
    let targets = snapshot.targets.iter().map(|(name, target)| (name, &target.troubles));
    let all = sources.chain(targets);
    let row = |name: &String, trouble: &Trouble| TroubleRow {
        name: name.clone(),
        since: reader.moment(trouble.since),
        message: plain(&trouble.message),
    };
    let gaps = snapshot.sources.iter().flat_map(|(name, source)| {
        source.gaps().map(move |(kind, gap)| TroubleRow {
            name: name.clone(),
            since: reader.moment(gap.since),
            message: gap.words(kind),
        })
    });
    // Where something is wrong, that is why nothing is heard.
    let quiet = snapshot.sources.iter().filter(|(_, source)| source.troubles.is_empty());
    let silences = quiet.flat_map(|(name, source)| {
        source.silences().map(move |(kind, since)| TroubleRow {
            name: name.clone(),
            since: reader.moment(since),
            message: reader.words.silence(name, kind).replace('`', ""),
        })
    });
    let mut rows: Vec<_> = silences.chain(gaps).collect();
    for (name, troubles) in all {
        for (at, trouble) in troubles.iter().enumerate() {
            // Reading users and reading groups fail alike.
            if !troubles.iter().take(at).any(|before| before.message == trouble.message) {
                rows.push(row(name, trouble));
            }
        }
    }
    // The sentence has said it already where no more may be told.
    let about = verdict(snapshot).about;
    let is_news = |own: &&OwnTrouble| !own.message.is_empty() || about != About::Own(own.kind);
    rows.extend(snapshot.troubles.iter().filter(is_news).map(|own| {
        // What is wrong with ourselves has words for everybody; they stand in for what may not be told.
        let means = reader.words.own(own.kind).replace('`', "");
        let message = if own.message.is_empty() { means } else { plain(&own.message) };
        TroubleRow { name: "manntall".to_owned(), since: reader.moment(own.since), message }
    }));
    rows
}

impl Reader<'_> {
    fn badge(&self, state: State) -> Badge {
        let sign = match state {
            State::NeverRun => "○",
            State::Idle => "✓",
            State::Running => "▶",
            State::Held => "◆",
            State::Degraded => "▲",
            State::Quarantined | State::NotRunning => "✕",
            State::Paused => "‖",
        };
        Badge { class: state.name(), sign, word: self.words.state(state) }
    }

    /// As a date with its offset, and how long ago.
    fn time(&self, time: Timestamp) -> String {
        let moment = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
        let date = moment.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z");
        format!("{date} ({})", self.relative(time))
    }

    fn relative(&self, time: Timestamp) -> String {
        let (past, future) = (self.now.since(time), time.since(self.now));
        if past.as_secs() > 0 {
            self.words.ago.replace("{span}", &self.words.span(past))
        } else if future.as_secs() > 0 {
            self.words.ahead.replace("{span}", &self.words.span(future))
        } else {
            self.words.now.to_owned()
        }
    }

    fn moment(&self, time: Timestamp) -> Moment {
        Moment { machine: time.to_string(), text: self.time(time) }
    }

    fn perhaps(&self, time: Option<Timestamp>) -> String {
        time.map_or_else(|| self.words.never.to_owned(), |time| self.time(time))
    }

    fn source(&self, name: &str, source: &SourceStand) -> Row {
        let cells = vec![
            self.perhaps(source.proven()),
            self.perhaps(source.heard()),
            self.words.number(source.users),
            self.words.number(source.groups),
        ];
        Row { name: name.to_owned(), state: self.badge(source_state(source)), cells }
    }

    fn target(&self, name: &str, target: &TargetStand) -> Row {
        let number = |number| self.words.number(number);
        let cells = vec![
            self.perhaps(target.last_success),
            number(target.accounts),
            number(target.active),
            number(target.groups),
            number(target.memberships),
            number(target.pending.values().sum()),
            number(target.held()),
            number(target.stuck),
        ];
        Row { name: name.to_owned(), state: self.badge(target_state(target)), cells }
    }

    fn equation(&self, target: &TargetStand) -> String {
        let counts = [
            ("{entitled}", target.entitled),
            ("{active}", target.entitled_active),
            ("{waiting}", target.entitled_waiting()),
            ("{stuck}", target.entitled_stuck),
        ];
        let equation =
            counts.into_iter().fold(self.words.equation.to_owned(), |text, (name, count)| {
                text.replace(name, &self.words.number(count))
            });
        match target.without_login {
            0 => equation,
            count => format!(
                "{equation} + {}",
                self.words.equation_nameless.replace("{n}", &self.words.number(count))
            ),
        }
    }

    fn leavers(&self, target: &TargetStand) -> String {
        let count = self.words.number(target.leavers.active);
        match target.leavers.oldest {
            Some(oldest) => {
                let since = self.words.leavers_first.replace("{since}", &self.time(oldest));
                format!("{count}; {since}")
            }
            None => count,
        }
    }

    fn slowest(&self, target: &TargetStand) -> String {
        let waits = target.leavers.oldest.map(|oldest| self.now.since(oldest));
        match (waits, target.leavers.slowest) {
            (Some(waits), slowest) if slowest.is_none_or(|slowest| waits >= slowest) => {
                self.words.slowest_waits.replace("{span}", &self.words.span(waits))
            }
            (_, Some(slowest)) => self.words.span(slowest),
            (_, None) => self.words.slowest_none.to_owned(),
        }
    }

    fn proof(&self, target: &TargetStand) -> String {
        let Some(at) = target.last_proof else { return self.words.never.to_owned() };
        let found = self.words.proof_found.replace("{when}", &self.time(at));
        let found = found.replace("{drift}", &self.words.number(target.drift));
        let mut found = found.replace("{disabled}", &self.words.number(target.disabled));
        if target.hides_members {
            found = format!("{found}; {}", self.words.proof_blind);
        }
        let Some(proof) = target.proof else { return found };
        let people = if let Some(since) = proof.clean_since {
            self.words.proof_clean.replace("{since}", &self.time(since))
        } else {
            let open = self.words.proof_open;
            let open = open.replace("{leavers}", &self.words.number(proof.leavers));
            open.replace("{missing}", &self.words.number(proof.missing))
        };
        format!("{found}; {people}")
    }

    /// A credential that ends soon or has ended.
    fn end(&self, expiry: &Expiry) -> Option<String> {
        let words = match expiry.nearness(self.now) {
            Nearness::Far => return None,
            Nearness::Near(_) => self.words.ends_soon,
            Nearness::Over => self.words.ends_over,
        };
        let text = words.replace("{name}", &expiry.what.to_string());
        Some(text.replace("{when}", &self.time(expiry.at)))
    }

    fn changes(&self, target: &TargetStand) -> String {
        let done = target.last_day.iter().filter(|(_, count)| **count > 0);
        let done: Vec<String> =
            done.map(|(action, count)| self.words.done(*action, *count)).collect();
        if done.is_empty() { self.words.changes_none.to_owned() } else { done.join(", ") }
    }
}
