//! Those who watch the running service: the status port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Failure;
use super::wire::{Wiring, only_target, token_source};
use crate::config;
use crate::cycle::Engine;
use crate::status::Desk;
use crate::status::server::{self, Running};

/// They watch for as long as this lives.
pub(super) struct Watchers {
    /// Where the status port listens; none when it could not be opened.
    pub(super) address: Option<SocketAddr>,
    _port: Option<Running>,
}

/// Lets everybody watch who is to. A status port that cannot be opened is no reason to leave leavers
/// in: it is said, and the service goes on without.
pub(super) fn start(wiring: &Wiring, engine: &mut Engine) -> Result<Watchers, Failure> {
    let config = &wiring.config;
    let (target, _) = only_target(config)?;
    let token = match &config.status.token_file {
        Some(file) => Some(token_source(file)?),
        None => None,
    };
    let desk = Desk {
        snapshots: engine.snapshots(target),
        traffic: Arc::clone(&wiring.traffic),
        clock: Arc::clone(&wiring.clock),
        rules: config::digest(config),
        zone: TimeZone::get(&config.service.time_zone).unwrap_or(TimeZone::UTC),
        address: config.status.listen.ip(),
        hosts: config.status.hosts.clone(),
        token,
    };
    match open(config.status.listen, desk) {
        Ok((address, port)) => {
            tracing::info!(%address, "the status port listens at http://{address}/");
            Ok(Watchers { address: Some(address), _port: Some(port) })
        }
        Err(error) => {
            tracing::error!(
                address = %config.status.listen,
                "the status port cannot be opened ({error}); the service goes on without it. Free the \
                 port or set another one as status.listen, then start the service again"
            );
            Ok(Watchers { address: None, _port: None })
        }
    }
}

fn open(listen: SocketAddr, desk: Desk) -> std::io::Result<(SocketAddr, Running)> {
    let listener = TcpListener::bind(listen)?;
    Ok((listener.local_addr()?, server::start(listener, desk)?))
}
