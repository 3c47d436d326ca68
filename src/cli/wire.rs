//! Puts the service together: configuration in, engine out. The only place that makes clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

use super::{Exit, Failure, network, runs};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Credential};
use crate::core::model::SourceName;
use crate::cycle::state::State;
use crate::cycle::{Engine, Source, Target, Timing};
use crate::graph::{self, GraphClient, GraphOptions, SecretReader};
use crate::random::Random;
use crate::scim::pace::Pacer;
use crate::scim::{Reader, RecentWrites, ScimOptions, TokenSource, Writer};
use crate::store::memory::MemoryStore;
use crate::store::overlay::Overlay;
use crate::store::sled_store::SledStore;
use crate::store::{self, OpenMode, SharedStore, StoreError};
use crate::transport::SharedTransport;
use crate::transport::http::HttpTransport;
use crate::transport::metered::{Metered, SharedTraffic};

/// Who only looks at the state is gone after a few of these.
const LOOK_TAKES: Duration = Duration::from_millis(100);
/// So many are waited for.
const LOOKS_MAX: u32 = 30;

/// Whether there is a state already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Installed {
    Yes,
    NotYet,
}

/// A configuration and the ports that a service of it runs on.
pub(super) struct Wiring {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    /// What was sent and answered so far.
    pub(super) traffic: SharedTraffic,
    random: Arc<Random>,
    /// What everything is sent by.
    pub(super) transport: SharedTransport,
    /// What was written to the platform lately.
    recent: Arc<RecentWrites>,
}

impl Wiring {
    /// Sets the ports up and checks that every secret is there. Must be called within a runtime.
    pub(super) fn new(config: Config) -> Result<Self, Failure> {
        let clock = Arc::new(SystemClock::start());
        let random = Arc::new(Random::system());
        Self::on(config, clock, SharedTraffic::default(), random, Arc::default())
    }

    /// The same with another configuration: time goes on, so do the counts, and what was written is remembered.
    pub(super) fn anew(&self, config: Config) -> Result<Self, Failure> {
        let (clock, traffic) = (Arc::clone(&self.clock), Arc::clone(&self.traffic));
        Self::on(config, clock, traffic, Arc::clone(&self.random), Arc::clone(&self.recent))
    }

    fn on(
        config: Config,
        clock: Arc<dyn Clock>,
        traffic: SharedTraffic,
        random: Arc<Random>,
        recent: Arc<RecentWrites>,
    ) -> Result<Self, Failure> {
        check_secrets(&config)?;
        let options = network::options(&config.network)?;
        let transport = HttpTransport::new(&options, Arc::clone(&clock))
            .map_err(|error| Failure::new(Exit::Failed, crate::errors::chain(&error)))?;
        let transport = Metered::new(Arc::new(transport), Arc::clone(&clock), Arc::clone(&traffic));
        Ok(Self { config, clock, traffic, random, transport: Arc::new(transport), recent })
    }

    /// The store of the service, made where there is none.
    pub(super) fn own_store(&self) -> Result<Arc<SledStore>, StoreError> {
        let mode = OpenMode::CreateIfAbsent { install_id: self.random.guid() };
        Ok(Arc::new(store::open(&self.config.service.state_dir, mode)?))
    }

    /// The same, after a short wait where it is held by a command that only looks, such as a monitor's. A
    /// run that is under way is not waited for.
    pub(super) async fn take_store(&self) -> Result<Arc<SledStore>, StoreError> {
        for _ in 0..LOOKS_MAX {
            match self.own_store() {
                Err(StoreError::Locked { holder, .. }) if !self.is_under_way(holder) => {
                    self.clock.sleep(LOOK_TAKES).await;
                }
                opened => return opened,
            }
        }
        self.own_store()
    }

    fn is_under_way(&self, holder: Option<u32>) -> bool {
        let run = runs::last(&self.config.service.state_dir);
        run.is_some_and(|run| run.end.is_none() && holder == Some(run.process))
    }

    /// Where the service's jitter comes from.
    pub(super) fn random(&self) -> Arc<Random> {
        Arc::clone(&self.random)
    }

    /// What a dry run works on: the state as it is under a layer that is thrown away, or an empty one
    /// in memory where there is no state yet.
    pub(super) fn throw_away_store(&self) -> Result<(SharedStore, Installed), Failure> {
        match existing_store(&self.config) {
            Ok(base) => Ok((Arc::new(Overlay::new(base)), Installed::Yes)),
            Err(Failure { exit: Exit::NoState, .. }) => {
                Ok((Arc::new(MemoryStore::new()), Installed::NotYet))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The engine around what `store` holds. It can write to the target only with a [`Writer`].
    pub(super) fn engine(&self, store: SharedStore) -> Result<Engine, Failure> {
        let state = State::load(store, self.clock.now())?;
        let sources = self.sources();
        let target = self.target()?;
        let service = &self.config.service;
        let timing = Timing {
            poll_interval: service.poll_interval,
            full_compare: service.full_compare,
            confirm_absence: service.confirm_absence,
        };
        Ok(Engine::new(Arc::clone(&self.clock), timing, sources, target, state))
    }

    /// What writes to the target. A dry run never asks for it.
    pub(super) fn writer(&self) -> Result<Writer, Failure> {
        let options = self.scim_options()?;
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        Ok(Writer::new(options, transport, clock, Arc::clone(&self.recent)))
    }

    /// What reads one tenant.
    pub(super) fn graph_client(&self, name: SourceName, source: &config::Source) -> GraphClient {
        let options = GraphOptions {
            source: name,
            tenant_id: source.tenant_id.clone(),
            client_id: source.client_id.clone(),
            credential: credential(&source.credential),
            graph_url: source.graph_url.clone(),
            login_url: source.login_url.clone(),
            user_properties: self.config.user_properties(),
            group_properties: self.config.group_properties(),
        };
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        GraphClient::new(options, transport, clock, Arc::clone(&self.random))
    }

    /// What reads the platform.
    pub(super) fn reader(&self) -> Result<Reader, Failure> {
        let options = self.scim_options()?;
        Ok(Reader::new(options, Arc::clone(&self.transport), Arc::clone(&self.clock)))
    }

    fn sources(&self) -> Vec<Source> {
        let user_properties = self.config.user_properties();
        let group_properties = self.config.group_properties();
        let sources = self.config.sources.iter();
        sources
            .map(|(&name, source)| Source {
                name,
                client: Arc::new(self.graph_client(name, source)),
                keep: source.keep.clone(),
                user_properties: user_properties.clone(),
                group_properties: group_properties.clone(),
            })
            .collect()
    }

    fn target(&self) -> Result<Target, Failure> {
        let (_, target) = only_target(&self.config)?;
        let clock = Arc::clone(&self.clock);
        let pacer = Pacer::new(target.requests_per_second, target.concurrency, clock);
        Ok(Target {
            reader: self.reader()?,
            pacer,
            dialect: target.dialect.clone(),
            policy: target.policy.clone(),
        })
    }

    fn scim_options(&self) -> Result<ScimOptions, Failure> {
        let (_, target) = only_target(&self.config)?;
        Ok(ScimOptions {
            url: target.url.clone(),
            token: token_source(&target.token_file)?,
            dialect: target.dialect.clone(),
        })
    }
}

/// The target and its name; the configuration has exactly one.
pub(super) fn only_target(config: &Config) -> Result<(&str, &config::Target), Failure> {
    let found = config.targets.iter().next().map(|(name, target)| (name.as_str(), target));
    found.ok_or_else(|| Failure::new(Exit::Config, "the configuration names no platform"))
}

/// The store as it is; [`Exit::NoState`] where there is none.
pub(super) fn existing_store(config: &Config) -> Result<Arc<SledStore>, Failure> {
    Ok(Arc::new(store::open(&config.service.state_dir, OpenMode::MustExist)?))
}

/// All secrets can be read; else every one that cannot is named at once.
pub(super) fn check_secrets(config: &Config) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for (key, file) in config.secret_files() {
        if let Err(error) = config::secret(file) {
            faults.push(format!("{key}: {}", crate::errors::chain(&error)));
        }
    }
    faults.extend(network::faults(config));
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Config, faults.join("\n")))
}

fn credential(credential: &Credential) -> graph::Credential {
    let reader = |file: &std::path::Path| -> SecretReader {
        let file = file.to_owned();
        Arc::new(move || config::secret(&file).map_err(|error| crate::errors::chain(&error)))
    };
    match credential {
        Credential::Secret { file, expires: _ } => graph::Credential::Secret(reader(file)),
        Credential::Certificate { certificate, private_key } => graph::Credential::Certificate {
            certificate: public_reader(certificate),
            private_key: reader(private_key),
        },
        Credential::Federated { token } => graph::Credential::Federated(reader(token)),
    }
}

/// A certificate is no secret; others may read it.
fn public_reader(file: &std::path::Path) -> SecretReader {
    let file = file.to_owned();
    Arc::new(move || {
        let text = std::fs::read_to_string(&file);
        text.map(SecretString::from)
            .map_err(|error| format!("the file {} cannot be read: {error}", config::shown(&file)))
    })
}

/// Reads the token anew for every request; while the file is being replaced the last good one counts.
pub(super) fn token_source(file: &std::path::Path) -> Result<TokenSource, Failure> {
    let read = |file: &std::path::Path| config::secret(file);
    let first =
        read(file).map_err(|error| Failure::new(Exit::Config, crate::errors::chain(&error)))?;
    let (file, last) = (file.to_owned(), Mutex::new(first));
    Ok(Arc::new(move || {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(fresh) = read(&file) {
            *last = fresh;
        }
        last.clone()
    }))
}
