//! The fake Entra: a token endpoint and the part of Microsoft Graph that Manntall reads, answered from a
//! [`World`].
//!
//! Everything is a plain function from a request to a response; the caller says what time it is. Access
//! tokens and links carry all they need in themselves, so that a copy of the tenant honours them too. It
//! follows the documentation (users and groups delta, token endpoint, error shapes); where that leaves
//! Graph free, [`Quirks`] make use of the freedom. What it does not do: write, expand, search, sort, or
//! check the signature of a client assertion.

mod delta;
mod directory;
mod distort;
mod faults;
mod link;
mod login;
mod query;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::http::{Request, Response};
use super::world::World;
use link::Kind;
use query::Target;
use reply::{Refusal, Stamp};

pub use distort::Distortion;
pub use faults::{Counting, EmptyReads, ExpireLinks, Faults, LoopLinks, Quirks, Throttle};

/// How the fake tenant is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraOptions {
    /// The application that may ask for tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Origin of Graph as clients see it, without a slash at the end; links begin with it.
    pub graph_url: String,
    /// Origin of the login endpoint as clients see it, without a slash at the end.
    pub login_url: String,
    /// Objects per delta page at most; never more than 200.
    pub page_size_max: usize,
    /// Members per delta page, and so per appearance of a group, at most.
    pub links_max: usize,
    /// Application permissions that were consented to.
    pub roles: Vec<String>,
    /// How long an access token is good for.
    pub token_life_s: u64,
    /// How long a link is good for.
    pub link_life_s: u64,
    /// Whether a well-formed client assertion is taken at its word. Its signature is never checked, so
    /// that assertions are refused unless this is set.
    pub accept_unsigned_assertions: bool,
    /// Ids, quirks and signatures come from here.
    pub seed: u64,
}

impl Default for EntraOptions {
    fn default() -> Self {
        Self {
            client_id: "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47".to_owned(),
            client_secret: "simulated~secret".to_owned(),
            graph_url: "https://graph.example.no".to_owned(),
            login_url: "https://login.example.no".to_owned(),
            page_size_max: 200,
            links_max: 500,
            roles: vec!["User.Read.All".to_owned(), "GroupMember.Read.All".to_owned()],
            token_life_s: 3_599,
            // Seven days, as announced for directory objects in 2020.
            link_life_s: 7 * 24 * 3_600,
            accept_unsigned_assertions: false,
            seed: 1,
        }
    }
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the requests")]
pub enum RequestKind {
    Token,
    OpenIdConfiguration,
    UsersDelta,
    GroupsDelta,
    UserList,
    GroupList,
    UserCount,
    GroupCount,
    User,
    Group,
    Other,
}

/// How many requests came in, whatever the answer was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<RequestKind, u64>);

impl Counters {
    /// Requests of this kind.
    pub fn of(&self, kind: RequestKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Requests to Graph of all kinds.
    pub fn graph(&self) -> u64 {
        let login = self.of(RequestKind::Token) + self.of(RequestKind::OpenIdConfiguration);
        self.0.values().sum::<u64>() - login
    }
}

/// The fake tenant's endpoints.
#[derive(Debug, Clone)]
pub struct Entra {
    /// How it is set up; may be changed at any time.
    pub options: EntraOptions,
    /// What goes wrong just now.
    pub faults: Faults,
    /// How Graph's habits show.
    pub quirks: Quirks,
    /// The requests so far; may be reset.
    pub counters: Counters,
    rng: fastrand::Rng,
    /// Makes each link differ from all before.
    serial: u64,
    /// Links of an earlier epoch have been declared expired, in this way.
    epoch: u32,
    expired: ExpireLinks,
    /// What the last round of each kind could have seen; see [`Quirks::lag`].
    seen: BTreeMap<Kind, u64>,
    /// Access tokens whose seal was looked at already.
    opened: BTreeMap<String, login::Claims>,
}

impl Entra {
    /// A tenant without faults and quirks.
    pub fn new(options: EntraOptions) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(options.seed),
            options,
            faults: Faults::default(),
            quirks: Quirks::default(),
            counters: Counters::default(),
            serial: 0,
            epoch: 0,
            expired: ExpireLinks::NotFound,
            opened: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Answers a request to either endpoint; Graph's paths begin with a version.
    pub fn handle(&mut self, world: &World, req: &Request, now_unix_s: u64) -> Response {
        if req.target.starts_with("/v1.0/") {
            self.handle_graph(world, req, now_unix_s)
        } else {
            self.handle_login(world, req, now_unix_s)
        }
    }

    /// Answers a request to the login endpoint.
    pub fn handle_login(&mut self, world: &World, req: &Request, now_unix_s: u64) -> Response {
        let target = Target::parse(&req.target);
        let stamp = Stamp::new(&mut self.rng, req, now_unix_s);
        let kind = if req.method == "POST" {
            RequestKind::Token
        } else {
            RequestKind::OpenIdConfiguration
        };
        *self.counters.0.entry(kind).or_default() += 1;
        self.login(world, req, &target, &stamp)
    }

    /// Answers a request to Graph.
    pub fn handle_graph(&mut self, world: &World, req: &Request, now_unix_s: u64) -> Response {
        let target = Target::parse(&req.target);
        let stamp = Stamp::new(&mut self.rng, req, now_unix_s);
        let route = route(&target);
        let kind = route.as_ref().map_or(RequestKind::Other, Route::request_kind);
        *self.counters.0.entry(kind).or_default() += 1;
        if let Some(how) = self.faults.expire_links.take() {
            self.epoch += 1;
            self.expired = how;
        }
        if let Some(response) = self.intercept(&stamp) {
            return response;
        }
        let answer = self.graph(world, req, &target, route, &stamp);
        let mut response = answer.unwrap_or_else(|refusal| stamp.refuse(&refusal));
        if let Some(date) = &self.faults.date {
            response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            response.headers.push(("date".to_owned(), date.clone()));
        }
        if self.faults.cut_body {
            response.body.truncate(response.body.len() / 2);
        }
        response
    }

    /// The faults that strike before anybody looks at the request.
    fn intercept(&mut self, stamp: &Stamp) -> Option<Response> {
        if let Some(location) = &self.faults.redirect {
            return Some(stamp.redirect(location));
        }
        if self.faults.html_page {
            return Some(stamp.login_page());
        }
        if let Some(throttle) =
            self.faults.throttle.as_mut().filter(|throttle| throttle.requests > 0)
        {
            throttle.requests -= 1;
            return Some(stamp.refuse(&Refusal::throttled(throttle.retry_after_s)));
        }
        if self.faults.server_error_next > 0 {
            self.faults.server_error_next -= 1;
            return Some(stamp.refuse(&Refusal::unavailable()));
        }
        if self.faults.unauthorized_next > 0 {
            self.faults.unauthorized_next -= 1;
            return Some(stamp.refuse(&Refusal::unauthorized(&self.options)));
        }
        None
    }

    fn graph(
        &mut self,
        world: &World,
        req: &Request,
        target: &Target,
        route: Result<Route, Refusal>,
        stamp: &Stamp,
    ) -> Result<Response, Refusal> {
        let roles = self.check_access_token(world, req, stamp.now_unix_s)?;
        let route = route?;
        if req.method != "GET" {
            return Err(Refusal::new(
                405,
                "Request_BadRequest",
                "Specified HTTP method is not allowed.",
            ));
        }
        let allowed =
            route.kind().roles().iter().any(|role| roles.iter().any(|granted| granted == role));
        if self.faults.forbidden || !allowed {
            let message = "Insufficient privileges to complete the operation.";
            return Err(Refusal::new(403, "Authorization_RequestDenied", message));
        }
        match route {
            Route::Delta(kind) => self.delta(world, kind, req, target, stamp),
            Route::List(kind) => self.list(world, kind, req, target, stamp),
            Route::Count(kind) => self.count(world, kind, req, stamp),
            Route::Single(kind, key) => self.single(world, kind, &key, target, stamp),
        }
    }
}

/// The reads that the fake Graph knows.
enum Route {
    Delta(Kind),
    List(Kind),
    Count(Kind),
    Single(Kind, String),
}

impl Route {
    fn kind(&self) -> Kind {
        match self {
            Self::Delta(kind) | Self::List(kind) | Self::Count(kind) | Self::Single(kind, _) => {
                *kind
            }
        }
    }

    fn request_kind(&self) -> RequestKind {
        match self {
            Self::Delta(Kind::Users) => RequestKind::UsersDelta,
            Self::Delta(Kind::Groups) => RequestKind::GroupsDelta,
            Self::List(Kind::Users) => RequestKind::UserList,
            Self::List(Kind::Groups) => RequestKind::GroupList,
            Self::Count(Kind::Users) => RequestKind::UserCount,
            Self::Count(Kind::Groups) => RequestKind::GroupCount,
            Self::Single(Kind::Users, _) => RequestKind::User,
            Self::Single(Kind::Groups, _) => RequestKind::Group,
        }
    }
}

/// SDKs spell the function with its namespace, with parentheses, or with both.
const DELTA_SPELLINGS: [&str; 4] =
    ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"];

fn route(target: &Target) -> Result<Route, Refusal> {
    let path: Vec<&str> = target.path.iter().map(String::as_str).collect();
    let (kind, rest) = match path.as_slice() {
        ["v1.0", "users", rest @ ..] => (Kind::Users, rest),
        ["v1.0", "groups", rest @ ..] => (Kind::Groups, rest),
        _ => return Err(Refusal::no_segment(path.get(1).copied().unwrap_or_default())),
    };
    match rest {
        [] => Ok(Route::List(kind)),
        ["$count"] => Ok(Route::Count(kind)),
        [function] if DELTA_SPELLINGS.contains(function) => Ok(Route::Delta(kind)),
        [key] => Ok(Route::Single(kind, (*key).to_owned())),
        [_, segment, ..] => Err(Refusal::no_segment(segment)),
    }
}
