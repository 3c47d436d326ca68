//! The simulated services behind real sockets on this machine: for `simulate`, `demo` and the tests.
//!
//! Both listeners share one state, so that what happens in the tenant and what the platform holds can
//! be asked together. They serve on loopback addresses only.

mod control;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::core::model::Timestamp;
use crate::sim::entra::{Entra, EntraOptions};
use crate::sim::http::{Request, Response};
use crate::sim::platform::record::Rate;
use crate::sim::platform::{Personality, Platform, PlatformOptions, Twins};
use crate::sim::server::{Reply, TlsIdentity, serve};
use crate::sim::world::World;

/// How the fakes are set up.
pub(super) struct FakesOptions {
    /// Address of Graph and the login endpoint, for example `127.0.0.1:0`.
    pub(super) graph: String,
    /// Address of the platform.
    pub(super) scim: String,
    /// The tenant.
    pub(super) world: World,
    /// Secrets and ids come from here.
    pub(super) seed: u64,
    /// How the platform reads the RFCs.
    pub(super) personality: Personality,
    /// Its rate limit.
    pub(super) rate: Option<Rate>,
    /// How long each of its answers takes.
    pub(super) delay: Duration,
    /// So many of the tenant's people have accounts there already, not yet linked to anybody.
    pub(super) accounts: usize,
    /// Serves HTTPS.
    pub(super) tls: Option<TlsIdentity>,
}

/// What a client needs to know; the first line that `simulate` writes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Hello {
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) graph_url: String,
    pub(super) login_url: String,
    pub(super) scim_url: String,
    pub(super) scim_token: String,
}

/// The state of both services.
pub(super) struct Sim {
    pub(super) world: World,
    pub(super) entra: Entra,
    pub(super) platform: Platform,
    pub(super) rng: fastrand::Rng,
    clock: Arc<dyn Clock>,
    started: (Timestamp, Duration),
}

/// Running fakes.
#[derive(Clone)]
pub(super) struct Fakes {
    shared: Arc<Mutex<Sim>>,
    clock: Arc<dyn Clock>,
    pub(super) hello: Hello,
}

impl Fakes {
    /// Binds both addresses and serves them for as long as the runtime lives.
    pub(super) async fn start(options: FakesOptions, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let (graph, graph_url) = bind(&options.graph, scheme).await?;
        let (scim, scim_origin) = bind(&options.scim, scheme).await?;
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let entra = EntraOptions {
            client_secret: format!("simulated~{:016x}", rng.u64(..)),
            graph_url: graph_url.clone(),
            login_url: graph_url.clone(),
            seed: options.seed,
            ..EntraOptions::default()
        };
        let hello = Hello {
            tenant_id: options.world.tenant_id.to_string(),
            client_id: entra.client_id.clone(),
            client_secret: entra.client_secret.clone(),
            graph_url: graph_url.clone(),
            login_url: graph_url,
            scim_url: format!("{scim_origin}/scim/v2"),
            scim_token: format!("simulated-{:016x}", rng.u64(..)),
        };
        let mut platform_options =
            PlatformOptions::new(options.personality, &hello.scim_url, &hello.scim_token);
        platform_options.rate = options.rate;
        platform_options.seed = options.seed;
        let mut platform = Platform::new(platform_options);
        settle_in(&mut platform, &options.world, options.accounts)?;
        let shared = Arc::new(Mutex::new(Sim {
            world: options.world,
            entra: Entra::new(entra),
            platform,
            rng,
            started: (clock.now(), clock.elapsed()),
            clock: Arc::clone(&clock),
        }));
        let fakes = Self { shared, clock, hello };
        fakes.serve(graph, scim, options.tls.as_ref(), options.delay);
        Ok(fakes)
    }

    fn serve(
        &self,
        graph: TcpListener,
        scim: TcpListener,
        tls: Option<&TlsIdentity>,
        delay: Duration,
    ) {
        let entra = Arc::clone(&self.shared);
        let on_graph = move |request: Request| Reply::from(lock(&entra).graph(&request));
        let platform = Arc::clone(&self.shared);
        let token = format!("Bearer {}", self.hello.scim_token);
        let on_scim = move |request: Request| match control::route(&request) {
            None => Reply { response: lock(&platform).scim(&request), delay },
            Some(_) if request.header("authorization") != Some(&token) => {
                Reply::from(control::refused())
            }
            Some(command) => Reply::from(control::answer(&mut lock(&platform), command, &request)),
        };
        let forever = std::future::pending::<()>;
        tokio::spawn(serve(graph, tls.cloned(), on_graph, forever()));
        tokio::spawn(serve(scim, tls.cloned(), on_scim, forever()));
    }

    /// The state of both services.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sim> {
        lock(&self.shared)
    }

    /// Lets the events that the scenario has timed happen, for ever.
    pub(super) async fn play(&self) {
        loop {
            let next = {
                let mut sim = self.lock();
                let elapsed = self.clock.elapsed().saturating_sub(sim.started.1);
                for event in sim.world.take_due_events(elapsed) {
                    // Rehearsed when the file was read; a test may have come in between.
                    let _ = sim.world.apply(event);
                }
                sim.world.next_event_after().map(|after| after.saturating_sub(elapsed))
            };
            match next {
                Some(span) => self.clock.sleep(span).await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Sim {
    fn graph(&mut self, request: &Request) -> Response {
        let now = self.now_ms() / 1000;
        self.entra.handle(&self.world, request, now)
    }

    fn scim(&mut self, request: &Request) -> Response {
        let now = self.now_ms();
        self.platform.handle(request, now)
    }

    /// Wall time that never runs backwards.
    fn now_ms(&self) -> u64 {
        let now = self.started.0.plus(self.clock.elapsed().saturating_sub(self.started.1));
        u64::try_from(now.0).unwrap_or(0)
    }
}

fn lock(shared: &Mutex<Sim>) -> MutexGuard<'_, Sim> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some people have accounts already, made by hand long ago: the login name in capitals, no externalId.
fn settle_in(platform: &mut Platform, world: &World, accounts: usize) -> io::Result<()> {
    for user in world.live_users().filter(|user| user.is_enabled()).take(accounts) {
        let name = user.text("userPrincipalName").unwrap_or_default();
        let account = json!({
            "userName": name.to_uppercase(),
            "displayName": user.text("displayName"),
            "active": true,
        });
        platform
            .insert_user(&account, Twins::Refused)
            .map_err(|error| io::Error::other(error.detail))?;
    }
    Ok(())
}

/// Binds a loopback address; gives the listener and its origin under the name that was asked for.
async fn bind(address: &str, scheme: &str) -> io::Result<(TcpListener, String)> {
    let found: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    if found.is_empty() || !found.iter().all(|one| one.ip().is_loopback()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the simulated services are for this machine only: give a loopback address, as 127.0.0.1:0",
        ));
    }
    let listener = TcpListener::bind(found.as_slice()).await?;
    let port = listener.local_addr()?.port();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Ok((listener, format!("{scheme}://{host}:{port}")))
}
