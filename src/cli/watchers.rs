//! Those who watch the running service: the status port, and whoever is to be told.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::wire::{Wiring, token_source};
use super::{Exit, Failure, network, surroundings};
use crate::config::{self, Config};
use crate::core::report::Snapshot;
use crate::status::Desk;
use crate::status::notices::{self, Mail, Notices};
use crate::status::server::{self, Running};

/// They watch for as long as this lives.
pub(super) struct Watchers {
    /// Tells people and machines; has to be polled.
    pub(super) notices: BoxFuture<'static, Infallible>,
    /// The status port; none when it could not be opened.
    port: Option<Port>,
}

struct Port {
    /// Where it was to listen.
    wanted: SocketAddr,
    /// Where it does.
    address: SocketAddr,
    running: Running,
}

impl Watchers {
    /// Lets them watch until one of them meets a bug, and gives its words.
    pub(super) async fn failed(&mut self) -> String {
        let Self { notices, port } = self;
        let failed = async {
            match port {
                Some(port) => port.running.failed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            words = failed => words,
            never = notices => match never {},
        }
    }

    /// Where the status port listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.port.as_ref().map(|port| port.address)
    }
}

/// Lets everybody watch who is to, in place of those `before`: a port that is to listen where it does
/// stays open. One that cannot be opened is no reason to leave leavers in: it is said, and the service
/// goes on without.
pub(super) fn start(
    wiring: &Wiring,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    before: Option<Watchers>,
) -> Result<Watchers, Failure> {
    let config = &wiring.config;
    let token = match &config.status.token_file {
        Some(file) => Some(token_source(file)?),
        None => None,
    };
    let notices = notices::watch(
        notices_of(config)?,
        snapshots.clone(),
        Arc::clone(&wiring.transport),
        Arc::clone(&wiring.clock),
    );
    let current = Arc::new(config.clone());
    let ends = surroundings::watch(Arc::clone(&current), Arc::clone(&wiring.clock));
    let notices =
        futures_util::future::join(notices, ends).map(|(never, _)| match never {}).boxed();
    let clock = Arc::clone(&wiring.clock);
    let desk = Desk {
        snapshots,
        traffic: Arc::clone(&wiring.traffic),
        clock: Arc::clone(&wiring.clock),
        look: Arc::new(move || surroundings::look(&current, clock.now())),
        rules: config::digest(config),
        zone: TimeZone::get(&config.service.time_zone).unwrap_or(TimeZone::UTC),
        address: config.status.listen.ip(),
        hosts: config.status.hosts.clone(),
        token,
    };
    let wanted = config.status.listen;
    let port = before.and_then(|before| before.port).filter(|port| port.wanted == wanted);
    if let Some(port) = port {
        port.running.replace(desk);
        return Ok(Watchers { notices, port: Some(port) });
    }
    match open(wanted, desk) {
        Ok((address, running)) => {
            tracing::info!(%address, "the status port listens at http://{address}/");
            Ok(Watchers { notices, port: Some(Port { wanted, address, running }) })
        }
        Err(error) => {
            tracing::error!(
                address = %wanted,
                "the status port cannot be opened ({error}); the service goes on without it. Free the \
                 port or set another one as status.listen, then start the service again"
            );
            Ok(Watchers { notices, port: None })
        }
    }
}

/// Whether those who are to be told can be told, and the port's token can be read.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    notices_of(config)?;
    config.status.token_file.as_deref().map(token_source).transpose()?;
    Ok(())
}

fn open(listen: SocketAddr, desk: Desk) -> std::io::Result<(SocketAddr, Running)> {
    let listener = TcpListener::bind(listen)?;
    Ok((listener.local_addr()?, server::start(listener, desk)?))
}

fn notices_of(config: &Config) -> Result<Notices, Failure> {
    let config::Notices {
        language,
        webhook_url_file,
        mail,
        ping_start_url,
        ping_success_url,
        ping_fail_url,
    } = config.notices.clone();
    let wrong = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(Exit::Config, format!("notices: {}", crate::errors::chain(error)))
    };
    let secret = |file: &Path| config::secret(file).map_err(|error| wrong(&error));
    let mail = match mail {
        None => None,
        Some(config::Mail { server, from, to, user }) => {
            let user = match user {
                None => None,
                Some((name, file)) => Some((name, secret(&file)?)),
            };
            let trusted = network::trusted(&config.network)?;
            let mail = Mail::new(&server, &from, &to, user, trusted.as_deref());
            Some(mail.map_err(|error| wrong(&error))?)
        }
    };
    Ok(Notices {
        language: Some(language),
        webhook: webhook_url_file.as_deref().map(secret).transpose()?,
        mail,
        ping_start: ping_start_url,
        ping_success: ping_success_url,
        ping_fail: ping_fail_url,
    })
}
