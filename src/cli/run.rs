//! `run`: the service. Polls and applies until a signal says stop, takes the commands that are typed
//! meanwhile, and loads its configuration anew at SIGHUP.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::control::{self, Request, Service, Task};
use super::watchers::Watchers;
use super::wire::{Wiring, only_target};
use super::{Context, Exit, Failure, drive, runs, status, watchers};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::core::report::{Own, OwnTrouble, RunKind};
use crate::cycle::Engine;
use crate::cycle::door::{Door, Heritage, door};
use crate::daemon::control::{ControlSocket, Host};
use crate::daemon::notify::{Line, Notifier};
use crate::daemon::{self, Hangups, Outcome, Served, ServiceError, Shell};
use crate::store::sled_store::SledStore;
use crate::store::{self, StoreError};

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.load()?;
    let outcome = drive::block_on(serve(context, config)).inspect_err(|failure| {
        if failure.exit == Exit::Locked {
            tell_first(context);
        }
    })?;
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

/// The service that holds the state is told that another one was started, so that somebody hears of it.
fn tell_first(context: &Context) {
    let task = Task::Rival { process: std::process::id() };
    if let Err(failure) = control::ask(context, Request::Task(task)) {
        tracing::debug!("the first instance was not told: {}", failure.message);
    }
}

async fn serve(context: &Context, config: Config) -> Result<Outcome, Failure> {
    let wiring = Wiring::new(config)?;
    // Before anything else: of two services on one state the second ends here.
    let store = match wiring.take_store().await {
        Err(error) if !lacks_room(&error, &wiring.config) => return Err(error.into()),
        store => store,
    };
    let (state_dir, clock) = (wiring.config.service.state_dir.clone(), Arc::clone(&wiring.clock));
    let work = serve_on(context, wiring, store);
    let place = (state_dir.as_path(), &clock);
    Box::pin(runs::during(RunKind::Service, place, |_| Exit::Done, work)).await
}

/// Serves until a signal comes, on the store that was opened first.
async fn serve_on(
    context: &Context,
    wiring: Wiring,
    mut store: Opened,
) -> Result<Outcome, Failure> {
    let clock = Arc::clone(&wiring.clock);
    let mut signals = drive::signals()?;
    let mut hangups = Hangups::take()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot wait for SIGHUP: {error}")))?;
    let (door, visits) = door();
    let mut heritage = Heritage::of(visits);
    let current = Arc::new(wiring.config.clone());
    let shown = heritage.snapshots(only_target(&current)?.0);
    let service = Service::new(door.clone(), Arc::clone(&clock), Arc::clone(&current), shown);
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
    tracing::info!(target: "manntall::started", version = env!("CARGO_PKG_VERSION"), "the service has started");
    let mut engines = Engines { context, wiring, heritage, door: &door, service: &service };
    let mut watchers = engines.watched(None)?;
    loop {
        let next = match store {
            Ok(store) => engines.work(store, &mut shell, &mut watchers, beside.as_mut()).await?,
            Err(error) => {
                engines.sit_out(&error, &mut shell, &mut watchers, beside.as_mut()).await?
            }
        };
        store = match next {
            Next::End(outcome) => return Ok(outcome),
            Next::Go(store) => store,
            Next::Reload(next, store) => {
                engines.take_over(*next);
                watchers = engines.watched(Some(watchers))?;
                store
            }
        };
    }
}

/// The store to go on with, or why there is no room for it.
type Opened = Result<Arc<SledStore>, StoreError>;

/// What comes after an engine, or after the time without one.
enum Next {
    End(Outcome),
    Go(Opened),
    Reload(Box<Wiring>, Opened),
}

/// The service through all its engines.
struct Engines<'a> {
    context: &'a Context,
    wiring: Wiring,
    heritage: Heritage,
    door: &'a Door,
    service: &'a Service,
}

impl Engines<'_> {
    fn watched(&mut self, before: Option<Watchers>) -> Result<Watchers, Failure> {
        let target = only_target(&self.wiring.config)?.0;
        watchers::start(&self.wiring, self.heritage.snapshots(target), before)
    }

    fn take_over(&mut self, next: Wiring) {
        self.wiring = next;
        self.service.configure(Arc::new(self.wiring.config.clone()));
        tracing::info!("the configuration was loaded anew, and is in force");
    }

    /// Drives one engine on the store to its end.
    async fn work(
        &mut self,
        store: Arc<SledStore>,
        shell: &mut Shell<'_>,
        watchers: &mut Watchers,
        beside: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Failure> {
        self.service.keep(Some(Arc::clone(&store)));
        let mut engine = self.wiring.engine(Arc::clone(&store) as _)?;
        engine.succeed(std::mem::take(&mut self.heritage));
        engine.spread_polls(self.wiring.random());
        let writer = self.wiring.writer()?;
        let reload = || reload(self.context, &self.wiring, self.door);
        let served = tokio::select! {
            served = daemon::serve(&mut engine, &writer, shell, reload, beside) => served,
            words = watchers.failed() => Err(ServiceError::Panic(words)),
        };
        self.heritage = engine.close();
        match served {
            Ok(Served::Ended(outcome)) => Ok(Next::End(outcome)),
            Ok(Served::Reload(next)) => Ok(Next::Reload(Box::new(next), Ok(store))),
            Err(ServiceError::Store(error)) if lacks_room(&error, &self.wiring.config) => {
                Ok(Next::Go(Err(error)))
            }
            Err(ServiceError::Store(error)) => Err(error.into()),
            Err(bug @ ServiceError::Panic(_)) => Err(Failure::new(Exit::Failed, bug.to_string())),
        }
    }

    /// Without room for the state nothing is read or written; the port and the socket say so, and the
    /// store is opened anew when there is some. That is the way that a start after a kill takes.
    async fn sit_out(
        &mut self,
        error: &StoreError,
        shell: &mut Shell<'_>,
        watchers: &mut Watchers,
        mut beside: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Failure> {
        let folder = self.wiring.config.service.state_dir.clone();
        let message = format!(
            "{error}. Nothing is read or changed until there is room, and leavers stay active; what is on \
             record stays. Free some (df -h {}), and Manntall goes on by itself within seconds",
            folder.display()
        );
        tracing::error!("{message}");
        let sign = format!("not done, or not known to be done: {message}");
        let since = shell.clock.now();
        let trouble = OwnTrouble { kind: Own::DiskFull, since, message };
        self.heritage.stand_still(&sign);
        // Nobody holds it any more, so that it can be opened anew.
        self.service.keep(None);
        loop {
            self.heritage.show(&trouble, shell.clock.elapsed(), shell.clock.now());
            let reload = || reload(self.context, &self.wiring, self.door);
            let sat = tokio::select! {
                sat = daemon::sit_out(shell, reload, beside.as_mut()) => sat,
                words = watchers.failed() => {
                    let bug = ServiceError::Panic(words);
                    return Err(Failure::new(Exit::Failed, bug.to_string()));
                }
            };
            match sat {
                Some(Served::Ended(outcome)) => return Ok(Next::End(outcome)),
                Some(Served::Reload(next)) => {
                    return Ok(Next::Reload(Box::new(next), Err(error.clone())));
                }
                None if store::try_room(&folder).is_err() => {}
                None => match self.wiring.own_store() {
                    Ok(store) => {
                        tracing::warn!("there is room for the state again, and everything goes on");
                        return Ok(Next::Go(Ok(store)));
                    }
                    // Somebody looks at it, or took the room.
                    Err(StoreError::Locked { .. } | StoreError::NoRoom { .. }) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }
}

/// Whether the store failed for lack of room. Some of it shows as another error, such as a page that was
/// cut off, so the disk itself is asked.
fn lacks_room(error: &StoreError, config: &Config) -> bool {
    match error {
        StoreError::NoRoom { .. } => true,
        StoreError::Io { .. } | StoreError::Damaged { .. } => {
            let tried = store::try_room(&config.service.state_dir);
            matches!(tried, Err(StoreError::NoRoom { .. }))
        }
        StoreError::Locked { .. }
        | StoreError::Newer { .. }
        | StoreError::Older { .. }
        | StoreError::Absent { .. }
        | StoreError::Backup { .. } => false,
    }
}

fn open_socket(config: &Config, service: &Service) -> Result<ControlSocket, Failure> {
    let path = &config.status.control_socket;
    ControlSocket::open(path, &service.groups()).map_err(|error| {
        let path = path.display();
        let message = format!(
            "the control socket {path} cannot be opened: {error}; nothing was started. Let the service write \
             there (in a container, mount a volume for service.state_dir), or set status.control_socket to \
             another place"
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
    let config = config.map_err(|errors| errors.brief())?;
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
