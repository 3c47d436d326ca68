//! The calls to Graph: a page of a delta round, a count, one user. Each sends one request, or two when
//! the token was refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tracing::Instrument;
use url::Url;

use super::answer::{self, Asked};
use super::error::GraphError;
use super::link::{self, Position, path_of};
use super::token::Tokens;
use super::wire::{self, Page, Selection};
use super::{GraphOptions, token};
use crate::clock::Clock;
use crate::core::model::{Element, Kind, ObjectId};
use crate::random::Random;
use crate::transport::{Bearer, Method, Request, Response, SharedTransport};

const JSON: &str = "application/json";

/// `return=minimal` makes incremental pages carry only what changed. It is not part of the delta
/// token, so it is sent with every request. The page size is the documented cap; Graph may send less.
const PREFER: &str = "return=minimal, odata.maxpagesize=200";

/// A clock that is further off than this makes signed assertions fail, and dates in reports wrong.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// Reads one tenant.
pub struct GraphClient {
    source: crate::core::model::SourceName,
    tenant_id: String,
    origins: String,
    graph_url: Url,
    host: String,
    users: Selection,
    groups: Selection,
    tokens: Tokens,
    transport: SharedTransport,
    clock: Arc<dyn Clock>,
    random: Arc<Random>,
    skew_told: AtomicBool,
    /// Our clock minus Graph's at its last answer, in milliseconds; [`i64::MIN`] before that.
    ahead_ms: AtomicI64,
}

impl GraphClient {
    /// A client for one tenant. Nothing is sent yet.
    pub fn new(
        options: GraphOptions,
        transport: SharedTransport,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
    ) -> Self {
        Self {
            source: options.source,
            tenant_id: options.tenant_id.clone(),
            origins: origins(&options.graph_url, &options.login_url),
            graph_url: options.graph_url.clone(),
            host: answer::host_of(&options.graph_url),
            users: Selection::new(Kind::Users, &options.user_properties),
            groups: Selection::new(Kind::Groups, &options.group_properties),
            tokens: Tokens::new(
                options,
                token::Ports {
                    transport: Arc::clone(&transport),
                    clock: Arc::clone(&clock),
                    random: Arc::clone(&random),
                },
            ),
            transport,
            clock,
            random,
            skew_told: AtomicBool::new(false),
            ahead_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Our clock minus Graph's at its last answer, in milliseconds.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        Some(self.ahead_ms.load(Ordering::Relaxed)).filter(|ms| *ms != i64::MIN)
    }

    /// The tenant that it reads, as configured.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// Where credentials and tokens are sent: the origins of the login service and of Graph.
    pub fn origins(&self) -> &str {
        &self.origins
    }

    /// Reads the page at `at`. Asking again for the same page is harmless.
    pub async fn page(&self, kind: Kind, at: &Position) -> Result<Page, GraphError> {
        let selection = self.selection(kind);
        let (url, asked) = match at {
            Position::Start => {
                let url = self.own_url(&[path_of(kind), "delta"], &selection.delta_query());
                (url, Asked::Start(selection))
            }
            Position::Link(link) => (link.page_url(&self.graph_url, kind)?, Asked::Link),
        };
        let span = tracing::info_span!("graph.page", source = %self.source, kind = path_of(kind));
        async {
            let response = self.get(&url, JSON, &[("prefer", PREFER)]).await?;
            if response.status != 200 {
                return Err(answer::refused(&response, &self.host, asked));
            }
            wire::page(&response.body, selection, &self.graph_url, &self.host)
        }
        .instrument(span)
        .await
    }

    /// The application permissions that Entra says were granted; `None` when the token does not tell.
    /// For diagnosis only: tokens are opaque to us, and nothing is decided by it.
    pub async fn roles(&self) -> Result<Option<Arc<BTreeSet<String>>>, GraphError> {
        Ok(self.tokens.current().await?.roles)
    }

    /// How many objects of this kind Graph counts. The count lags behind and is no evidence; a tenant that
    /// refuses it ([`GraphError::Uncounted`]) can be read all the same.
    pub async fn count(&self, kind: Kind) -> Result<u64, GraphError> {
        let url = self.own_url(&[path_of(kind), "$count"], "");
        // Counting needs the advanced query capabilities of Entra.
        let response = self.get(&url, "text/plain", &[("consistencylevel", "eventual")]).await?;
        match response.status {
            200 => {}
            401 => return Err(answer::refused(&response, &self.host, Asked::Other)),
            _ => {
                let (request, what) = (url.path().to_owned(), answer::words(&response));
                return Err(GraphError::Uncounted { request, what });
            }
        }
        let text = String::from_utf8_lossy(&response.body);
        text.trim_start_matches('\u{feff}').trim().parse().map_err(|_| GraphError::Unusable {
            host: self.host.clone(),
            what: "a count that is no number".to_owned(),
        })
    }

    /// One user, described whole, or one group without its members. `None` is no proof of a deletion: what was
    /// just created may not be found either.
    pub async fn object(&self, kind: Kind, id: ObjectId) -> Result<Option<Element>, GraphError> {
        let (segment, selection) = match kind {
            Kind::Users => ("users", &self.users),
            Kind::Groups => ("groups", &self.groups),
        };
        let url = self.own_url(&[segment, &id.to_string()], &selection.object_query());
        let response = self.get(&url, JSON, &[]).await?;
        match response.status {
            200 => wire::object(&response.body, selection, &self.host).map(Some),
            _ if answer::is_not_found(&response) => Ok(None),
            _ => Err(answer::refused(&response, &self.host, Asked::Other)),
        }
    }

    fn selection(&self, kind: Kind) -> &Selection {
        match kind {
            Kind::Users => &self.users,
            Kind::Groups => &self.groups,
        }
    }

    fn own_url(&self, path: &[&str], query: &str) -> Url {
        let mut url = self.graph_url.clone();
        url.set_path(&format!("v1.0/{}", path.join("/")));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        url
    }

    /// Sends a GET with a token; a refused token is dropped, fetched once, and the same URL repeated.
    async fn get(
        &self,
        url: &Url,
        media_type: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Response, GraphError> {
        let held = self.tokens.current().await?;
        let response = self.send(url, media_type, headers, &held.bearer).await?;
        if response.status != 401 {
            return Ok(response);
        }
        let held = self.tokens.after_refusal_of(held).await?;
        self.send(url, media_type, headers, &held.bearer).await
    }

    async fn send(
        &self,
        url: &Url,
        media_type: &str,
        headers: &[(&'static str, &str)],
        bearer: &Bearer,
    ) -> Result<Response, GraphError> {
        if let Some(why) = link::fault(url, &self.graph_url) {
            return Err(GraphError::ForeignLink { host: answer::host_of(url), why });
        }
        // Support asks for this id; Graph gives it back, and its own beside it.
        let request_id = self.random.guid();
        let mut request = Request::new(Method::Get, url.clone())
            .header("accept", media_type)
            .header("client-request-id", request_id.clone());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.authorized(bearer).map_err(|error| GraphError::ForeignLink {
            host: error.actual,
            why: "another origin",
        })?;
        let response = self.transport.send(request).await.map_err(answer::unanswered)?;
        tracing::debug!(
            client_request_id = request_id,
            request_id = response.header("request-id"),
            status = response.status,
            "Graph answered"
        );
        self.note_skew(&response);
        answer::genuine(response, &self.host, media_type, self.clock.now())
    }

    /// Warns once when this machine's clock and Graph's are apart, and again after they have agreed.
    fn note_skew(&self, response: &Response) {
        let (ours, Some(theirs)) = (self.clock.now(), response.date()) else { return };
        let apart = ours.since(theirs).max(theirs.since(ours));
        self.ahead_ms.store(ours.0.saturating_sub(theirs.0), Ordering::Relaxed);
        if apart <= SKEW_MAX {
            self.skew_told.store(false, Ordering::Relaxed);
        } else if !self.skew_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the clock of this machine and that of {} are {} s apart, so tokens and certificates may be \
                 refused and recorded times are wrong; set the clock: timedatectl set-ntp true",
                self.host,
                apart.as_secs()
            );
        }
    }
}

/// The origins that credentials and tokens are sent to, in words that are compared.
pub fn origins(graph: &Url, login: &Url) -> String {
    let [graph, login] = [graph, login].map(|url| url.origin().ascii_serialization());
    format!("{login} and {graph}")
}
