//! Polls on demand: many who ask at once share one, so that nobody has a tenant throttled by asking.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// In the long run one poll so often.
const EVERY: Duration = Duration::from_secs(5);
/// So many may come at once after a quiet time: whoever works does not wait.
const AT_ONCE: u32 = 4;

/// When polls were asked for.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// When the last one began, if any did.
    last: Option<Duration>,
    /// Until when those that were asked for use up what may come.
    used_until: Duration,
}

/// What somebody who needs a poll does.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Asks for one.
    Asks,
    /// Has one that began after they came.
    Shares,
    /// Waits so long.
    Waits(Duration),
}

impl Polls {
    /// Waits until a poll may be asked for; `false` where one that began meanwhile does as well.
    pub(super) async fn wait_for_turn(&self, clock: &dyn Clock) -> bool {
        let came = clock.elapsed();
        loop {
            let turn = {
                let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                asked.turn(came, clock.elapsed())
            };
            match turn {
                Turn::Asks => return true,
                Turn::Shares => return false,
                Turn::Waits(wait) => clock.sleep(wait).await,
            }
        }
    }
}

impl Asked {
    fn turn(&mut self, came: Duration, now: Duration) -> Turn {
        if self.last.is_some_and(|last| last > came) {
            return Turn::Shares;
        }
        let used = self.used_until.saturating_sub(now);
        let over = used.saturating_sub(EVERY * (AT_ONCE - 1));
        if over > Duration::ZERO {
            return Turn::Waits(over);
        }
        self.used_until = now + used + EVERY;
        self.last = Some(now);
        Turn::Asks
    }
}

#[cfg(test)]
mod tests;
