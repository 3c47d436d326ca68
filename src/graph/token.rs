//! Tokens of one tenant by the client-credentials grant (RFC 6749 §4.4), asked for through our own
//! transport. One request at a time per tenant; a token in hand is used until a new one is in hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use oauth2::basic::{
    BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenResponse,
};
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use super::refusal::EntraError;
use super::{
    Credential, GraphError, GraphOptions, Refusal, SecretReader, answer, assertion, roles,
};
use crate::clock::Clock;
use crate::core::model::Timestamp;
use crate::random::Random;
use crate::transport::{Bearer, Method, Request, SharedTransport, is_protected, json};

/// A token is renewed when this much of its life is left, or a tenth of it where that is less: a
/// request that waits in a queue must not arrive with a dead token, and a short-lived token must not be
/// renewed before every request.
const RENEWAL_MARGIN_MAX: Duration = Duration::from_secs(300);

/// Assumed when the answer does not say: the shortest life that Entra can be configured to.
const LIFETIME_UNTOLD: Duration = Duration::from_secs(600);

const JSON: &str = "application/json";

type EntraClient = Client<
    EntraError,
    BasicTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// What a token request needs from the outside.
pub(super) struct Ports {
    pub(super) transport: SharedTransport,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<Random>,
}

/// A token in hand, with its times on the clock that never jumps, and on the wall clock, which alone
/// goes on while the machine sleeps. Whichever comes first counts.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) bearer: Bearer,
    /// The permissions that it says are granted; for diagnosis only.
    pub(super) roles: Option<Arc<BTreeSet<String>>>,
    number: u64,
    renew_at: Duration,
    renew_at_wall: Timestamp,
    dead_at: Duration,
}

/// Fetches, keeps and renews the token of one tenant.
pub(super) struct Tokens {
    options: GraphOptions,
    ports: Ports,
    // Held across the request, so that many callers wait for one token request.
    held: Mutex<Option<Held>>,
}

impl Tokens {
    pub(super) fn new(options: GraphOptions, ports: Ports) -> Self {
        Self { options, ports, held: Mutex::new(None) }
    }

    /// A token that has some life left.
    pub(super) async fn current(&self) -> Result<Held, GraphError> {
        let mut slot = self.held.lock().await;
        let (now, wall) = (self.ports.clock.elapsed(), self.ports.clock.now());
        match slot.clone() {
            Some(held) if now < held.renew_at && wall < held.renew_at_wall => Ok(held),
            old => match (self.fetch(old.as_ref()).await, old) {
                (Ok(new), _) => Ok(slot.insert(new).clone()),
                (Err(error), Some(old)) if now < old.dead_at => {
                    tracing::warn!(tenant = %self.options.source, %error, "token not renewed yet");
                    Ok(old)
                }
                (Err(error), _) => Err(error),
            },
        }
    }

    /// Another token than the one that Graph refused.
    pub(super) async fn after_refusal_of(&self, refused: Held) -> Result<Held, GraphError> {
        let mut slot = self.held.lock().await;
        if let Some(held) = slot.as_ref().filter(|held| held.number != refused.number) {
            return Ok(held.clone());
        }
        *slot = None;
        let new = self.fetch(Some(&refused)).await?;
        Ok(slot.insert(new).clone())
    }

    async fn fetch(&self, old: Option<&Held>) -> Result<Held, GraphError> {
        let host = answer::host_of(&self.options.login_url);
        let url = self.token_url(&host)?;
        let client = EntraClient::new(ClientId::new(self.options.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(url.clone()));
        let proof = self.proof(&url)?;
        let client = match &proof {
            Proof::Secret(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            }
            Proof::Assertion(_) => client,
        };
        let scope = format!("{}/.default", self.options.graph_url.origin().ascii_serialization());
        let mut request = client.exchange_client_credentials().add_scope(Scope::new(scope));
        if let Proof::Assertion(assertion) = &proof {
            request = request
                .add_extra_param("client_assertion_type", assertion::TYPE)
                .add_extra_param("client_assertion", assertion.expose_secret().to_owned());
        }
        let (asked_at, asked_at_wall) = (self.ports.clock.elapsed(), self.ports.clock.now());
        let carrier = Carrier { tokens: self, host: host.clone() };
        // Boxed, or the compiler cannot see for every lifetime that the future may change threads.
        let asked: BoxFuture<'_, _> = Box::pin(request.request_async(&carrier));
        let answer = asked.await.map_err(|error| meaning(error, host.clone()))?;
        let life = answer.expires_in().unwrap_or(LIFETIME_UNTOLD);
        let secret = SecretString::from(answer.access_token().secret().clone());
        let use_for = life.saturating_sub(RENEWAL_MARGIN_MAX.min(life / 10));
        let roles = roles::of(secret.expose_secret()).map(Arc::new);
        Ok(Held {
            roles,
            bearer: Bearer::for_origin_of(&self.options.graph_url, secret),
            number: old.map_or(0, |old| old.number) + 1,
            // An answer may name a life beyond all time.
            renew_at: asked_at.saturating_add(use_for),
            renew_at_wall: asked_at_wall.plus(use_for),
            dead_at: asked_at.saturating_add(life),
        })
    }

    fn token_url(&self, host: &str) -> Result<Url, GraphError> {
        let mut url = self.options.login_url.clone();
        if !is_protected(&url) {
            let what = "a login_url that is neither https nor a loopback address".to_owned();
            return Err(GraphError::Unsupported { host: host.to_owned(), what });
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend([self.options.tenant_id.as_str(), "oauth2", "v2.0", "token"]);
        }
        Ok(url)
    }

    /// The proof is made anew for each request: files are rotated, assertions live for minutes.
    fn proof(&self, token_url: &Url) -> Result<Proof, GraphError> {
        match &self.options.credential {
            Credential::Secret(read) => Ok(Proof::Secret(read_secret(read)?)),
            Credential::Federated(read) => Ok(Proof::Assertion(read_secret(read)?)),
            Credential::Certificate { certificate, private_key } => {
                let claims = assertion::Claims {
                    audience: token_url.as_str(),
                    client_id: &self.options.client_id,
                    id: self.ports.random.guid(),
                    now: self.ports.clock.now(),
                };
                let (certificate, key) = (read_secret(certificate)?, read_secret(private_key)?);
                assertion::sign(&claims, certificate.expose_secret(), key.expose_secret())
                    .map(Proof::Assertion)
                    .map_err(unusable_credential)
            }
        }
    }

    /// Carries a request of the OAuth2 library over our transport.
    fn send(
        &self,
        request: HttpRequest,
        host: String,
    ) -> BoxFuture<'static, Result<HttpResponse, GraphError>> {
        let url = Url::parse(&request.uri().to_string());
        let transport = Arc::clone(&self.ports.transport);
        let clock = Arc::clone(&self.ports.clock);
        Box::pin(async move {
            let unusable =
                |what: &str| GraphError::Unusable { host: host.clone(), what: what.into() };
            let url = url.map_err(|_| unusable("the token endpoint is not a URL"))?;
            let request = Request::new(Method::Post, url)
                .header("accept", JSON)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(request.into_body());
            let response = transport.send(request).await.map_err(answer::unanswered)?;
            let response = answer::genuine(response, &host, JSON, clock.now())?;
            oauth2::http::Response::builder()
                .status(response.status)
                .header("content-type", JSON)
                .body(json::lenient(&response.body).into())
                .map_err(|_| unusable("an answer without a valid status"))
        })
    }
}

/// Our transport in the shape that the OAuth2 library asks for.
struct Carrier<'t> {
    tokens: &'t Tokens,
    host: String,
}

impl<'c> oauth2::AsyncHttpClient<'c> for Carrier<'_> {
    type Error = GraphError;
    type Future = BoxFuture<'c, Result<HttpResponse, GraphError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.tokens.send(request, self.host.clone())
    }
}

enum Proof {
    Secret(SecretString),
    Assertion(SecretString),
}

fn read_secret(read: &SecretReader) -> Result<SecretString, GraphError> {
    let secret = read().map_err(unusable_credential)?;
    // A line end that an editor left behind is no part of the secret.
    Ok(SecretString::from(secret.expose_secret().trim().to_owned()))
}

fn unusable_credential(words: String) -> GraphError {
    GraphError::Refused(Box::new(Refusal {
        by: "this machine's copy of the credential".to_owned(),
        words,
        code: None,
        trace_id: None,
        correlation_id: None,
        hint: Some("check the files named for this source and that the service may read them"),
    }))
}

fn meaning(error: RequestTokenError<GraphError, EntraError>, host: String) -> GraphError {
    match error {
        RequestTokenError::ServerResponse(error) => error.meaning(host),
        RequestTokenError::Request(error) => error,
        // What could not be read may hold the token, so it is not shown.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => GraphError::Unusable {
            host,
            what: "an answer that is neither a token nor a refusal".to_owned(),
        },
    }
}
