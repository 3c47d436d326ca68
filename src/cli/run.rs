//! `run`: the service. Polls and applies until a signal says stop.

use std::sync::Arc;

use super::wire::Wiring;
use super::{Context, Exit, Failure, drive, watchers};
use crate::cycle::Until;
use crate::daemon::{self, Outcome};

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.load()?;
    drive::block_on(async {
        let wiring = Wiring::new(config)?;
        let mut engine = wiring.engine(wiring.own_store()?)?;
        let writer = wiring.writer()?;
        let mut signals = drive::signals()?;
        tracing::info!(target: "manntall::started", version = env!("CARGO_PKG_VERSION"), "the service has started");
        let mut watchers = watchers::start(&wiring, &mut engine)?;
        let clock = Arc::clone(&wiring.clock);
        let outcome = tokio::select! {
            outcome = daemon::drive(&mut engine, Some(&writer), Until::Stopped, clock, &mut signals) => outcome?,
            () = &mut watchers.notices => Outcome::Done,
        };
        match outcome {
            Outcome::Done | Outcome::Drained => {
                tracing::info!(target: "manntall::stopped", "the service has stopped");
            }
            Outcome::BrokenOff => tracing::warn!(
                target: "manntall::stopped",
                "the service has stopped while requests were in flight; the next start settles them"
            ),
        }
        Ok(Exit::Done)
    })
}
