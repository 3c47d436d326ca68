//! The service around the cycle: drives it until a signal says stop, and then lets what is in flight
//! come to its end; takes callers on the control socket; tells systemd how it is.
//!
//! It parses no configuration and knows no command.

pub mod control;
pub mod notify;
pub mod rights;
mod slots;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::cycle::{Ended, Engine, Until};
use crate::errors::panic_words;
use crate::scim::Writer;
use crate::store::StoreError;
use notify::Notifier;

/// So long may requests in flight take after the first signal. What is still open then is settled by
/// the next start, as after a kill.
const GRACE: Duration = Duration::from_secs(30);

/// How often it is looked whether an engine can run again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

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

/// SIGHUP, taken over: the configuration is to be loaded anew.
pub struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// How serving with one engine ended.
pub enum Served<T> {
    /// For good.
    Ended(Outcome),
    /// The next engine takes over.
    Reload(T),
}

/// Why a service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug. What was recorded by then is sound; the next start goes on from there.
    #[error("the service has met a bug and ends; nothing that was recorded is lost: {0}")]
    Panic(String),
}

/// What a service is driven with, beside its engine.
pub struct Shell<'a> {
    /// Measures the time that what is in flight may take.
    pub clock: &'a dyn Clock,
    /// End it.
    pub signals: &'a mut Signals,
    /// Begin it anew.
    pub hangups: &'a mut Hangups,
    /// Hears of it.
    pub notifier: Notifier,
}

/// Drives the engine until a signal comes, and does what is to be done beside it. At SIGHUP `reload` is
/// asked for what comes next; when it has nothing, the engine goes on as it is.
///
/// # Errors
/// When the store fails, and when the loop panics.
pub async fn serve<T>(
    engine: &mut Engine,
    writer: &Writer,
    shell: &mut Shell<'_>,
    mut reload: impl FnMut() -> Option<T>,
    mut beside: Pin<&mut impl Future<Output = ()>>,
) -> Result<Served<T>, ServiceError> {
    let (stop, mut stopped) = watch::channel(false);
    let drive = engine.drive(Some(writer), Until::Stopped, &mut stopped);
    let mut driving = pin!(AssertUnwindSafe(drive).catch_unwind());
    let next = loop {
        tokio::select! {
            ended = &mut driving => return came_to(ended).map(Served::Ended),
            () = shell.signals.next() => break None,
            _ = shell.hangups.0.recv() => if let Some(next) = reload() {
                break Some(next);
            },
            () = &mut beside => {}
        }
    };
    // The drive holds the other end as long as it lives.
    let _ = stop.send(true);
    if next.is_none() {
        tracing::info!(target: "manntall::stopping", "stopping: what is in flight comes to its end first");
        let longest = GRACE + Duration::from_secs(5);
        let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
        shell.notifier.tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest)]);
    }
    let mut grace = shell.clock.sleep(GRACE);
    loop {
        tokio::select! {
            ended = &mut driving => {
                let outcome = came_to(ended)?;
                return Ok(next.map_or(Served::Ended(outcome), Served::Reload));
            }
            () = shell.signals.next() => return Ok(Served::Ended(Outcome::BrokenOff)),
            () = &mut grace => {
                return Ok(next.map_or(Served::Ended(Outcome::BrokenOff), Served::Reload));
            }
            () = &mut beside => {}
        }
    }
}

/// Waits a little while no engine can run; everything beside goes on, and signals are heeded. `None` when
/// it is time to look again whether one can.
pub async fn sit_out<T>(
    shell: &mut Shell<'_>,
    mut reload: impl FnMut() -> Option<T>,
    mut beside: Pin<&mut impl Future<Output = ()>>,
) -> Option<Served<T>> {
    let mut pause = shell.clock.sleep(LOOK_AGAIN);
    loop {
        tokio::select! {
            () = &mut pause => return None,
            () = shell.signals.next() => return Some(Served::Ended(Outcome::Drained)),
            _ = shell.hangups.0.recv() => if let Some(next) = reload() {
                return Some(Served::Reload(next));
            },
            () = &mut beside => {}
        }
    }
}

fn came_to(
    ended: Result<Result<Ended, StoreError>, Box<dyn Any + Send>>,
) -> Result<Outcome, ServiceError> {
    match ended {
        Ok(ended) => Ok(outcome(ended?)),
        Err(panic) => Err(ServiceError::Panic(panic_words(panic.as_ref()))),
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
