//! `run`: the service. Polls and applies until a signal says stop, takes the commands that are typed
//! meanwhile, and loads its configuration anew at SIGHUP.

use std::pin::pin;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::control::Service;
use super::wire::Wiring;
use super::{Context, Exit, Failure, drive, status, watchers};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::cycle::Engine;
use crate::cycle::door::{Door, Heritage, door};
use crate::daemon::control::{ControlSocket, Host};
use crate::daemon::notify::{Line, Notifier};
use crate::daemon::{self, Hangups, Outcome, Served, ServiceError, Shell};

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.load()?;
    let outcome = drive::block_on(serve(context, config))?;
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
}

async fn serve(context: &Context, config: Config) -> Result<Outcome, Failure> {
    let mut wiring = Wiring::new(config)?;
    let clock = Arc::clone(&wiring.clock);
    let store = wiring.own_store()?;
    let mut signals = drive::signals()?;
    let mut hangups = Hangups::take()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot wait for SIGHUP: {error}")))?;
    let (door, visits) = door();
    let current = Arc::new(wiring.config.clone());
    let service =
        Service::new(door.clone(), Arc::clone(&clock), Arc::clone(&store), Arc::clone(&current));
    let socket = open_socket(&current, &service)?;
    let notifier = Notifier::new(context.environment.contains_key("NOTIFY_SOCKET"));
    let zone = TimeZone::get(&current.service.time_zone).unwrap_or(TimeZone::UTC);
    let line: Line = Arc::new(move |engine| status::line(engine, &zone));
    let mut beside = pin!(async {
        let callers = socket.serve(&service, clock.as_ref());
        futures_util::future::join(callers, notifier.follow(&door, clock.as_ref(), &line)).await;
    });
    let clock: &dyn Clock = clock.as_ref();
    let mut shell = Shell { clock, signals: &mut signals, hangups: &mut hangups, notifier };
    let mut before = None;
    tracing::info!(target: "manntall::started", version = env!("CARGO_PKG_VERSION"), "the service has started");
    let mut heritage = Heritage::of(visits);
    loop {
        let mut engine = wiring.engine(Arc::clone(&store) as _)?;
        engine.succeed(heritage);
        engine.spread_polls(wiring.random());
        let writer = wiring.writer()?;
        let reload = || reload(context, &wiring, &door);
        let mut watchers = watchers::start(&wiring, &mut engine, before.take())?;
        let served = tokio::select! {
            served = daemon::serve(&mut engine, &writer, &mut shell, reload, beside.as_mut()) => served,
            words = watchers.failed() => return Err(failure(ServiceError::Panic(words))),
        };
        match served.map_err(failure)? {
            Served::Ended(outcome) => return Ok(outcome),
            Served::Reload(next) => {
                heritage = engine.close();
                before = Some(watchers);
                wiring = next;
                service.configure(Arc::new(wiring.config.clone()));
                tracing::info!("the configuration was loaded anew, and is in force");
            }
        }
    }
}

fn open_socket(config: &Config, service: &Service) -> Result<ControlSocket, Failure> {
    let path = &config.status.control_socket;
    ControlSocket::open(path, &service.groups()).map_err(|error| {
        let path = path.display();
        let message = format!(
            "the control socket {path} cannot be opened: {error}; nothing was started. Set \
             status.control_socket to a place that the service may write to"
        );
        Failure::new(Exit::Failed, message)
    })
}

/// What the file says now, if that can be run; otherwise it is said what is wrong, and the service goes
/// on as it is.
fn reload(context: &Context, current: &Wiring, door: &Door) -> Option<Wiring> {
    match load(context, current) {
        Ok(wiring) => Some(wiring),
        Err(message) => {
            tracing::error!(
                "the changed configuration is not in force, and the service goes on with the one it \
                 has: {message}"
            );
            door.leave_word(move |engine: &mut Engine| engine.refuse_configuration(message));
            None
        }
    }
}

fn load(context: &Context, running: &Wiring) -> Result<Wiring, String> {
    let current = &running.config;
    let config = config::load(&context.config, &context.environment);
    let config = config.map_err(|errors| errors.to_string())?;
    if config.service.state_dir != current.service.state_dir {
        return Err("service.state_dir has changed, which takes a restart".to_owned());
    }
    if config.status.control_socket != current.status.control_socket {
        return Err("status.control_socket has changed, which takes a restart".to_owned());
    }
    let wiring = running.anew(config).map_err(|failure| failure.message)?;
    wiring.writer().map_err(|failure| failure.message)?;
    watchers::check(&wiring.config).map_err(|failure| failure.message)?;
    Ok(wiring)
}

fn failure(error: ServiceError) -> Failure {
    match error {
        ServiceError::Store(error) => error.into(),
        bug @ ServiceError::Panic(_) => Failure::new(Exit::Failed, bug.to_string()),
    }
}
