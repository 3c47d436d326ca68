//! Tells people and machines when the state becomes one that somebody should look at: by a line in the
//! log, by webhook, by mail, and by silence towards a dead-man's switch.
//!
//! What is told is the sentence of the page: counts, states and the operator's names of tenants and
//! platforms, never a person. A notice that cannot be sent is a warning and stops nothing.

mod bell;
mod mail;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use url::Url;

use super::health;
use super::words::{self, Words};
use crate::clock::Clock;
use crate::core::plan::Action;
use crate::core::report::{Snapshot, verdict};
use crate::errors;
use crate::transport::{Method, Request, SharedTransport, is_protected};

use bell::{Bell, Ring};
pub use mail::{Mail, MailError};

/// How often a dead-man's switch hears that all is well, or that it is not.
const PING_EVERY: Duration = Duration::from_secs(300);

/// How soon something is noticed that comes with time alone.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Who is told, and in which language.
#[derive(Clone, Default)]
pub struct Notices {
    /// Code of the language; English unless it is one of the page's.
    pub language: Option<String>,
    /// Gets a POST with JSON for each notice. The address may be a secret.
    pub webhook: Option<SecretString>,
    /// Gets a mail for each notice.
    pub mail: Option<Mail>,
    /// Asked when the service starts.
    pub ping_start: Option<Url>,
    /// Asked again and again while all is well.
    pub ping_success: Option<Url>,
    /// Asked again and again while it is not.
    pub ping_fail: Option<Url>,
}

/// Watches for as long as it is polled.
pub async fn watch(
    notices: Notices,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    transport: SharedTransport,
    clock: Arc<dyn Clock>,
) -> Infallible {
    let words = words::choose(None, notices.language.as_deref());
    let teller = Teller { notices, transport, words };
    // Where the configuration was loaded anew, the counts go on.
    let logged = confirmed(&snapshots.borrow());
    let mut watcher = Watcher { logged, ..Watcher::default() };
    teller.ping(teller.notices.ping_start.as_ref()).await;
    loop {
        let mut snapshot = Snapshot::clone(&snapshots.borrow_and_update());
        snapshot.listen(clock.now());
        // Before the first turn there is something to say only when that does not come about.
        if !snapshot.sources.is_empty() || !snapshot.troubles.is_empty() {
            watcher.look(&teller, &snapshot, &*clock).await;
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                // The engine has ended, and with it what there is to tell.
                return std::future::pending().await;
            },
            () = clock.sleep(LOOK_EVERY) => {}
        }
    }
}

/// What was told so far.
#[derive(Default)]
struct Watcher {
    /// For the log: every change of state, at once.
    log: Bell,
    /// For people: only what lasts.
    bell: Bell,
    pinged: Option<(Duration, bool)>,
    logged: BTreeMap<Action, u64>,
}

impl Watcher {
    async fn look(&mut self, teller: &Teller, snapshot: &Snapshot, clock: &dyn Clock) {
        let now = clock.now();
        let verdict = verdict(snapshot);
        if self.log.ring(&verdict, now, Duration::ZERO).is_some() {
            let text = teller.sentence(snapshot);
            tracing::info!(target: "manntall::state", state = verdict.state.name(), "{text}");
        }
        self.log_changes(snapshot);
        if let Some(ring) = self.bell.ring(&verdict, now, bell::LASTS) {
            teller.tell(snapshot, ring).await;
        }
        let is_well = health::healthy(snapshot, now).is_ok();
        let due = self
            .pinged
            .is_none_or(|(at, was_well)| was_well != is_well || clock.elapsed() >= at + PING_EVERY);
        // Until the first round is through there is nothing to be said either way.
        if due && (is_well || self.pinged.is_some() || health::ready(snapshot).is_ok()) {
            self.pinged = Some((clock.elapsed(), is_well));
            let Notices { ping_success, ping_fail, .. } = &teller.notices;
            teller.ping(if is_well { ping_success } else { ping_fail }.as_ref()).await;
        }
    }

    /// One line for each cycle that changed something.
    fn log_changes(&mut self, snapshot: &Snapshot) {
        let is_done = snapshot.targets.values().all(|target| target.pending.is_empty());
        let counts = confirmed(snapshot);
        if !is_done || counts == self.logged {
            return;
        }
        let english = words::ALL[0];
        let new = counts.iter().filter_map(|(action, count)| {
            let new = count.saturating_sub(*self.logged.get(action).unwrap_or(&0));
            (new > 0).then(|| english.done(*action, new))
        });
        let text: Vec<String> = new.collect();
        tracing::info!(target: "manntall::done", "{}", text.join(", "));
        self.logged = counts;
    }
}

/// Changes confirmed since the process began.
fn confirmed(snapshot: &Snapshot) -> BTreeMap<Action, u64> {
    let mut counts = BTreeMap::new();
    for (action, count) in snapshot.targets.values().flat_map(|target| &target.confirmed) {
        *counts.entry(*action).or_default() += count;
    }
    counts
}

/// Tells.
struct Teller {
    notices: Notices,
    transport: SharedTransport,
    words: &'static Words,
}

impl Teller {
    /// How it is, since when, what that means and what to do.
    fn sentence(&self, snapshot: &Snapshot) -> String {
        let verdict = verdict(snapshot);
        let Words { since, .. } = self.words;
        let state = self.words.state(verdict.state);
        let says = self.words.says(&verdict).replace('`', "");
        format!("{state} {since} {}: {says}", verdict.since)
    }

    async fn tell(&self, snapshot: &Snapshot, ring: Ring) {
        let text = self.sentence(snapshot);
        let state = verdict(snapshot).state;
        if let Some(address) = &self.notices.webhook {
            let body = serde_json::json!({
                "text": format!("Manntall: {text}"),
                "event": ring.name(),
                "state": state,
            });
            self.post(address, body.to_string()).await;
        }
        if let Some(mail) = &self.notices.mail {
            let subject = format!("Manntall: {}", self.words.state(state));
            if let Err(error) = mail.send(&subject, &text).await {
                let error = errors::chain(&error);
                tracing::warn!(target: "manntall::notice", error, "a notice by mail could not be sent");
            }
        }
    }

    async fn post(&self, address: &SecretString, body: String) {
        let url = Url::parse(address.expose_secret().trim());
        let Some(url) = url.ok().filter(is_protected) else {
            tracing::warn!(
                target: "manntall::notice",
                "the webhook's address is no URL that begins with https; nothing was sent"
            );
            return;
        };
        let request =
            Request::new(Method::Post, url).header("content-type", "application/json").body(body);
        self.send(request, "webhook").await;
    }

    async fn ping(&self, url: Option<&Url>) {
        if let Some(url) = url {
            self.send(Request::new(Method::Get, url.clone()), "ping").await;
        }
    }

    /// The address stays out of the words: it may be a secret.
    async fn send(&self, request: Request, what: &'static str) {
        let error = match self.transport.send(request).await {
            Ok(answer) if answer.status < 300 => return,
            Ok(answer) => format!("the answer was {}", answer.status),
            Err(error) => errors::chain(&error),
        };
        tracing::warn!(target: "manntall::notice", what, error, "a notice could not be sent");
    }
}
