//! What systemd is told (sd_notify(3)): ready, how things are, and that the loop still gets on.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Clock;
use crate::core::visible::plain;
use crate::cycle::Engine;
use crate::cycle::door::{Door, Shut};

/// How often the line in `systemctl status` is brought up to date where no watchdog asks for more.
const LINE_EVERY: Duration = Duration::from_secs(20);
/// No request takes longer, with its token, its repetition after a 401 and a read before it: each
/// exchange ends after two minutes. One that does is lost, and the watchdog hears nothing more.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// One line about an engine.
pub type Line = Arc<dyn Fn(&Engine) -> String + Send + Sync>;

/// Tells systemd, where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Notifier {
    listens: bool,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// `listens`: whether the environment names systemd's socket.
    pub fn new(listens: bool) -> Self {
        Self { listens, watchdog: sd_notify::watchdog_enabled() }
    }

    /// Tells systemd.
    pub(super) fn tell(self, states: &[NotifyState<'_>]) {
        if self.listens
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::debug!("systemd was not told: {error}");
        }
    }

    /// Says that the service is ready once the loop has turned, and then, again and again, that it still
    /// turns. The loop itself answers: one that is frozen, or waits for a lost request, starves the
    /// watchdog.
    pub async fn follow(self, door: &Door, clock: &dyn Clock, line: &Line) {
        if !self.listens {
            return std::future::pending().await;
        }
        let interval = self.watchdog.map_or(LINE_EVERY, |span| (span / 3).min(LINE_EVERY));
        let mut ready = Some(NotifyState::Ready);
        loop {
            let line = Arc::clone(line);
            let look = move |engine: &mut Engine| (line(engine), engine.longest_in_flight());
            let (words, longest) = match door.visit(look).await {
                Ok(found) => found,
                // No engine runs and another one will: whoever says so is alive.
                Err(Shut { why: Some(why) }) => (why.to_string(), None),
                Err(Shut { why: None }) => return std::future::pending().await,
            };
            // A line of its own could tell systemd anything else.
            let words = plain(&words);
            let mut states = beat(&words, longest);
            states.extend(ready.take());
            self.tell(&states);
            clock.sleep(interval).await;
        }
    }
}

/// What is said of a loop that has just answered.
pub(super) fn beat(words: &str, longest_in_flight: Option<Duration>) -> Vec<NotifyState<'_>> {
    let mut states = vec![NotifyState::Status(words)];
    if longest_in_flight.is_none_or(|span| span < REQUEST_TIME_MAX) {
        states.push(NotifyState::Watchdog);
    } else {
        tracing::error!("a request has been lost; the watchdog is left to starve");
    }
    states
}
