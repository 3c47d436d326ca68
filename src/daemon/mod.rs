//! The service around the cycle: drives it until a signal says stop, and then lets what is in flight
//! come to its end.
//!
//! It parses no configuration and knows no command.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::cycle::{Ended, Engine, Until};
use crate::scim::Writer;
use crate::store::StoreError;

/// So long may requests in flight take after the first signal. What is still open then is settled by
/// the next start, as after a kill.
const GRACE: Duration = Duration::from_secs(30);

/// How a drive under signals ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As far as it was to go.
    Done,
    /// A signal stopped it, and what was in flight has come to its end.
    Drained,
    /// A second signal, or the end of the time allowed, broke it off.
    BrokenOff,
}

/// SIGINT and SIGTERM, taken over from the system's default.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Drives the engine until it is done or a signal comes.
///
/// # Errors
/// When the store fails.
pub async fn drive(
    engine: &mut Engine,
    writer: Option<&Writer>,
    until: Until,
    clock: Arc<dyn Clock>,
    signals: &mut Signals,
) -> Result<Outcome, StoreError> {
    let (stop, mut stopped) = watch::channel(false);
    let mut driving = pin!(engine.drive(writer, until, &mut stopped));
    tokio::select! {
        ended = &mut driving => return ended.map(outcome),
        () = signals.next() => {}
    }
    tracing::info!(target: "manntall::stopping", "stopping: what is in flight comes to its end first");
    // The drive holds the other end as long as it lives.
    let _ = stop.send(true);
    tokio::select! {
        ended = &mut driving => ended.map(outcome),
        () = signals.next() => Ok(Outcome::BrokenOff),
        () = clock.sleep(GRACE) => Ok(Outcome::BrokenOff),
    }
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Done => Outcome::Done,
        Ended::Stopped => Outcome::Drained,
    }
}
