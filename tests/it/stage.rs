//! The stage: one simulated tenant, one simulated platform, an in-memory store, and engines that come
//! and go between them, all in one process and in paused time.

mod bridge;
mod clock;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use manntall::clock::{Clock, TokioClock};
use manntall::core::expression::{Expression, Subject};
use manntall::core::model::{AttrPath, SourceName, Timestamp};
use manntall::core::policy::{Adopt, Budgets, GroupRule, Policy};
use manntall::cycle::state::State;
use manntall::cycle::{Ended, Engine, Source, Target, Timing, Until};
use manntall::graph::{Credential, GraphClient, GraphOptions, SecretReader};
use manntall::random::Random;
use manntall::scim::dialect::Dialect;
use manntall::scim::pace::Pacer;
use manntall::scim::{Reader, RecentWrites, ScimOptions, Writer};
use manntall::sim;
use manntall::sim::entra::{Entra, EntraOptions};
use manntall::sim::platform::{Personality, Platform, PlatformOptions, Quirk};
use manntall::sim::world::World;
use manntall::store::memory::MemoryStore;
use manntall::store::{SharedStore, StoreError};
use manntall::transport::{Request, Response, Transport};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use url::Url;

use self::bridge::Bridge;
pub(crate) use self::bridge::{Chaos, End, Fate};
use self::clock::Skewed;

pub(crate) const GRAPH: &str = "https://graph.example.no";
pub(crate) const LOGIN: &str = "https://login.example.no";
pub(crate) const SCIM: &str = "https://platform.example.no/scim/v2";
const SECRET: &str = "stage-secret";
const TOKEN: &str = "stage-token";
/// 2026-03-02T06:00:00Z, a Monday.
const EPOCH: i64 = 1_772_431_200_000;

/// Looks on at what the platform is made to do.
type Witness = Box<dyn FnMut(&World, &Platform, &sim::http::Request) + Send>;

/// Decides what becomes of a request, before chance does.
pub(crate) type Meddler = Box<dyn FnMut(&Request) -> Option<Fate> + Send>;

/// The simulated world behind the transport.
pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) entra: Entra,
    pub(crate) platform: Platform,
    pub(crate) chaos: Chaos,
    /// One line for each request, for the hash of the trace.
    pub(crate) trace: Vec<String>,
    /// Called after each request that the platform dealt with.
    pub(crate) witness: Option<Witness>,
    /// A fault of the bridge, where one is switched on.
    pub(crate) meddler: Option<Meddler>,
    /// The token that Manntall's file holds, and the client secret.
    pub(crate) held_token: String,
    pub(crate) held_secret: String,
}

#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) inner: Arc<Mutex<Inner>>,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) store: MemoryStore,
    pub(crate) keep: Expression,
    pub(crate) policy: Policy,
    pub(crate) dialect: Dialect,
    pub(crate) requests_per_second: f64,
    pub(crate) timing: Timing,
    /// How far Manntall's wall clock is ahead of everybody else's, in milliseconds.
    pub(crate) skew_ms: Arc<AtomicI64>,
    /// How often Manntall lay down to wait.
    pub(crate) waits: Arc<AtomicU64>,
}

impl Stage {
    pub(crate) fn new(world: World, seed: u64) -> Self {
        Self::with_quirks(world, seed, &[])
    }

    /// A stage with a strict platform that leaves the RFCs in these ways.
    pub(crate) fn with_quirks(world: World, seed: u64, quirks: &[Quirk]) -> Self {
        let entra = Entra::new(EntraOptions {
            client_id: "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47".to_owned(),
            client_secret: SECRET.to_owned(),
            graph_url: GRAPH.to_owned(),
            login_url: LOGIN.to_owned(),
            seed,
            ..EntraOptions::default()
        });
        let mut options = PlatformOptions::new(Personality::Strict, SCIM, TOKEN);
        options.seed = seed;
        options.quirks.extend(quirks.iter().cloned());
        let inner = Inner {
            world,
            entra,
            platform: Platform::new(options),
            chaos: Chaos { rng: fastrand::Rng::with_seed(seed), ..Chaos::default() },
            trace: Vec::new(),
            witness: None,
            meddler: None,
            held_token: TOKEN.to_owned(),
            held_secret: SECRET.to_owned(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock: Arc::new(TokioClock::starting_at(Timestamp(EPOCH))),
            store: MemoryStore::new(),
            keep: KEEP.clone(),
            policy: POLICY.clone(),
            dialect: Dialect { group_create_with_members: true, ..Dialect::default() },
            requests_per_second: 1_000.0,
            timing: Timing {
                poll_interval: Duration::from_secs(60),
                full_compare: Duration::from_secs(24 * 3600),
                confirm_absence: Duration::from_secs(3600),
            },
            skew_ms: Arc::default(),
            waits: Arc::default(),
        }
    }

    /// The clock as Manntall sees it.
    fn own_clock(&self) -> Arc<dyn Clock> {
        let (clock, ms, waits) = (&self.clock, &self.skew_ms, &self.waits);
        Arc::new(Skewed { clock: Arc::clone(clock), ms: Arc::clone(ms), waits: Arc::clone(waits) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Bridge {
            inner: Arc::clone(&self.inner),
            clock: Arc::clone(&self.clock),
            store: self.store.clone(),
        })
    }

    /// A new engine over what the store holds, as after a start.
    pub(crate) fn engine(&self) -> Result<Engine, StoreError> {
        let store: SharedStore = Arc::new(self.store.clone());
        self.engine_on(store)
    }

    pub(crate) fn engine_on(&self, store: SharedStore) -> Result<Engine, StoreError> {
        let clock = self.own_clock();
        let state = State::load(store, clock.now())?;
        let name = SourceName::new("asker");
        let (user_properties, group_properties) = selected(&self.policy);
        let options = GraphOptions {
            source: name,
            tenant_id: self.lock().world.tenant_id.to_string(),
            client_id: "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47".to_owned(),
            credential: Credential::Secret(self.held(|inner| &inner.held_secret)),
            graph_url: Url::parse(GRAPH).unwrap(),
            login_url: Url::parse(LOGIN).unwrap(),
            user_properties: user_properties.clone(),
            group_properties: group_properties.clone(),
        };
        let random = Arc::new(Random::seeded(7));
        let client = GraphClient::new(options, self.transport(), clock.clone(), random);
        let source = Source {
            name,
            client: Arc::new(client),
            keep: self.keep.clone(),
            user_properties,
            group_properties,
        };
        let target = Target {
            reader: Reader::new(self.scim_options(), self.transport(), clock.clone()),
            pacer: Pacer::new(self.requests_per_second, 8, clock.clone()),
            dialect: self.dialect.clone(),
            policy: self.policy.clone(),
        };
        Ok(Engine::new(clock, self.timing, vec![source], target, state))
    }

    fn scim_options(&self) -> ScimOptions {
        let token = self.held(|inner| &inner.held_token);
        ScimOptions {
            url: Url::parse(SCIM).unwrap(),
            token: Arc::new(move || token().unwrap()),
            dialect: self.dialect.clone(),
        }
    }

    /// Reads a secret as it is by then, as from a file that may be replaced.
    fn held(&self, which: fn(&Inner) -> &String) -> SecretReader {
        let inner = Arc::clone(&self.inner);
        Arc::new(move || Ok(SecretString::from(which(&inner.lock().unwrap()).clone())))
    }

    /// The writer of a process that has just begun.
    pub(crate) fn writer(&self) -> Writer {
        self.writer_after(Arc::default())
    }

    /// The writer of a process that wrote `recent` lately.
    pub(crate) fn writer_after(&self, recent: Arc<RecentWrites>) -> Writer {
        Writer::new(self.scim_options(), self.transport(), self.own_clock(), recent)
    }

    /// One `sync` from start to end.
    pub(crate) async fn sync(&self) -> Result<Engine, StoreError> {
        let mut engine = self.engine()?;
        self.drive(&mut engine).await?;
        Ok(engine)
    }

    pub(crate) async fn drive(&self, engine: &mut Engine) -> Result<Ended, StoreError> {
        let ended = self.drive_anyhow(engine).await;
        assert_eq!(engine.stall(), None);
        ended
    }

    /// Drives an engine that may come to a stall.
    pub(crate) async fn drive_anyhow(&self, engine: &mut Engine) -> Result<Ended, StoreError> {
        let (_hold, mut stop) = watch::channel(false);
        let writer = self.writer();
        engine.drive(Some(&writer), Until::Settled, &mut stop).await
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, span: Duration) {
        self.clock.sleep(span).await;
    }
}

static POLICY: LazyLock<Policy> = LazyLock::new(policy);
static KEEP: LazyLock<Expression> =
    LazyLock::new(|| expression("user.userType != \"Guest\"", Subject::User));

/// The expressions of a default configuration, and two group rules.
fn policy() -> Policy {
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mapping = [
        ("userName".to_owned(), "person.userPrincipalName"),
        ("displayName".to_owned(), "person.displayName"),
        ("name.givenName".to_owned(), "person.givenName"),
        ("name.familyName".to_owned(), "person.surname"),
        ("title".to_owned(), "person.jobTitle"),
        ("emails[type eq \"work\"].value".to_owned(), "person.mail"),
        ("phoneNumbers[type eq \"mobile\"].value".to_owned(), "person.mobilePhone"),
        (format!("{ENTERPRISE}:department"), "person.department"),
        (format!("{ENTERPRISE}:employeeNumber"), "person.employeeId"),
        (format!("{ENTERPRISE}:manager"), "person.manager"),
    ];
    let account = mapping
        .into_iter()
        .map(|(path, text)| (AttrPath::parse(&path).unwrap(), expression(text, Subject::Person)))
        .collect();
    Policy {
        people: expression(
            "person.accountEnabled and person.userType != \"Guest\"",
            Subject::Person,
        ),
        people_of: None,
        account,
        groups: vec![
            GroupRule::Directory {
                id: "plt".into(),
                filter: expression("group.displayName is startingwith(\"PLT \")", Subject::Group),
                name: expression("group.displayName | replace(\"PLT \", \"\")", Subject::Group),
            },
            GroupRule::People {
                id: "sections".into(),
                each: expression("person.department", Subject::Person),
                name: expression("\"Seksjon \" ~ key", Subject::Key),
            },
        ],
        budgets: Budgets::default(),
        adopt: Adopt::Approve,
        never: std::collections::BTreeSet::new(),
        own_account: None,
    }
}

pub(crate) fn expression(text: &str, subject: Subject) -> Expression {
    Expression::parse(text, subject).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn selected(
    policy: &Policy,
) -> (std::collections::BTreeSet<String>, std::collections::BTreeSet<String>) {
    let mut users: std::collections::BTreeSet<String> =
        ["accountEnabled", "userPrincipalName", "userType"].map(str::to_owned).into();
    let mut groups: std::collections::BTreeSet<String> = ["displayName".to_owned()].into();
    users.extend(policy.people.reads().iter().cloned());
    users.extend(policy.account.values().flat_map(|one| one.reads().iter().cloned()));
    for rule in &policy.groups {
        match rule {
            GroupRule::Directory { filter, name, .. } => {
                groups.extend(filter.reads().iter().cloned());
                groups.extend(name.reads().iter().cloned());
            }
            GroupRule::People { each, .. } => users.extend(each.reads().iter().cloned()),
        }
    }
    (users, groups)
}

impl Inner {
    /// Somebody else makes an account on the platform.
    pub(crate) fn create_account(&mut self, body: &serde_json::Value, at_ms: u64) {
        let token = &self.platform.options().token;
        let request = sim::http::Request {
            method: "POST".to_owned(),
            target: "/scim/v2/Users".to_owned(),
            headers: vec![
                ("authorization".to_owned(), format!("Bearer {token}")),
                ("content-type".to_owned(), "application/scim+json".to_owned()),
            ],
            body: body.to_string().into_bytes(),
        };
        let response = self.platform.handle(&request, at_ms);
        assert_eq!(response.status, 201, "{}", String::from_utf8_lossy(&response.body));
    }

    fn answer(&mut self, request: &Request, clock: &TokioClock) -> Response {
        let mut headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if let Some(secret) = request.bearer_secret() {
            let value = format!("Bearer {}", secret.expose_secret());
            headers.push(("authorization".to_owned(), value));
        }
        let url = &request.url;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let wire = sim::http::Request {
            method: request.method.name().to_owned(),
            target: format!("{}{query}", url.path()),
            headers,
            body: request.body.as_deref().unwrap_or_default().to_vec(),
        };
        let now = clock.now().0;
        let now_ms = u64::try_from(now).unwrap();
        let response = match url.host_str() {
            Some("graph.example.no") => self.entra.handle_graph(&self.world, &wire, now_ms / 1000),
            Some("login.example.no") => self.entra.handle_login(&self.world, &wire, now_ms / 1000),
            Some("platform.example.no") => {
                let response = self.platform.handle(&wire, now_ms);
                if let Some(witness) = &mut self.witness {
                    witness(&self.world, &self.platform, &wire);
                }
                response
            }
            other => panic!("a request to {other:?}"),
        };
        Response { status: response.status, headers: response.headers, body: response.body.into() }
    }
}
