//! The client against canned answers, in paused time.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod answers;
mod exchanges;
mod links;
mod pages;
mod tokens;
mod unread;
mod walks;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::clock::TokioClock;
use crate::core::model::{Kind, Timestamp};
use crate::random::Random;
use crate::transport::{Request, Response, Transport, TransportError};

const GRAPH: &str = "https://graph.microsoft.com";
const TENANT: &str = "3f9c1c1e-6a55-4d0e-9f1b-0c5d7a2b8e10";
const CLIENT: &str = "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47";
const ASE: &str = "0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01";
/// 2026-11-22T06:00:00Z.
const NOW: Timestamp = Timestamp(1_795_327_200_000);

type Answer = Result<Response, TransportError>;

/// Gives prepared answers, those of the login host and those of Graph each in their order, and keeps
/// what was sent.
#[derive(Default)]
struct Canned {
    login: Mutex<VecDeque<Answer>>,
    graph: Mutex<VecDeque<Answer>>,
    sent: Mutex<Vec<Request>>,
}

impl Transport for Canned {
    fn send(&self, request: Request) -> BoxFuture<'static, Answer> {
        let login = request.url.host_str().is_some_and(|host| host.starts_with("login."));
        let queue = if login { &self.login } else { &self.graph };
        let answer = queue.lock().unwrap().pop_front();
        let host = request.url.host_str().unwrap_or_default().to_owned();
        self.sent.lock().unwrap().push(request);
        let nothing = TransportError::Unanswered { host, detail: "no answer prepared".into() };
        Box::pin(async move {
            // Gives other tasks the chance to ask at the same time.
            tokio::task::yield_now().await;
            answer.unwrap_or(Err(nothing))
        })
    }
}

/// A client with everything around it that a test looks at.
struct Bench {
    canned: Arc<Canned>,
    client: GraphClient,
}

impl Bench {
    /// A client with a secret, and a token that lasts an hour waiting for it.
    fn new() -> Self {
        let bench = Self::with(Credential::Secret(reader("EXAMPLE~secret~value")));
        bench.token("first", 3600);
        bench
    }

    fn with(credential: Credential) -> Self {
        let canned = Arc::new(Canned::default());
        let transport: Arc<dyn Transport> = Arc::<Canned>::clone(&canned);
        let clock = Arc::new(TokioClock::starting_at(NOW));
        let client =
            GraphClient::new(options(credential), transport, clock, Arc::new(Random::seeded(1)));
        Self { canned, client }
    }

    fn token(&self, token: &str, expires_in: u64) {
        let body = json!({"token_type": "Bearer", "expires_in": expires_in, "access_token": token});
        self.login(Ok(answer(200, &body)));
    }

    fn login(&self, answer: Answer) {
        self.canned.login.lock().unwrap().push_back(answer);
    }

    fn graph(&self, answer: Response) -> &Self {
        self.canned.graph.lock().unwrap().push_back(Ok(answer));
        self
    }

    async fn users(&self) -> Result<Page, GraphError> {
        self.client.page(Kind::Users, &Position::Start).await
    }

    async fn groups(&self) -> Result<Page, GraphError> {
        self.client.page(Kind::Groups, &Position::Start).await
    }

    async fn follow(&self, link: &str) -> Result<Page, GraphError> {
        self.client.page(Kind::Users, &Position::Link(Link::stored(link.to_owned()))).await
    }

    /// URLs of what was sent to Graph.
    fn urls(&self) -> Vec<String> {
        let sent = self.canned.sent.lock().unwrap();
        let urls = sent.iter().map(|request| request.url.to_string());
        urls.filter(|url| !url.contains("/oauth2/")).collect()
    }

    /// The tokens that went to Graph.
    fn tokens(&self) -> Vec<String> {
        use secrecy::ExposeSecret;
        let sent = self.canned.sent.lock().unwrap();
        sent.iter()
            .filter_map(|request| Some(request.bearer_secret()?.expose_secret().to_owned()))
            .collect()
    }

    /// The forms that went to the login host.
    fn forms(&self) -> Vec<Vec<(String, String)>> {
        let sent = self.canned.sent.lock().unwrap();
        sent.iter()
            .filter(|request| request.url.path().contains("/oauth2/"))
            .map(|request| {
                let body = request.body.clone().unwrap();
                url::form_urlencoded::parse(&body).into_owned().collect()
            })
            .collect()
    }
}

fn options(credential: Credential) -> GraphOptions {
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    GraphOptions {
        source: SourceName::new("asker"),
        tenant_id: TENANT.into(),
        client_id: CLIENT.into(),
        credential,
        graph_url: Url::parse(GRAPH).unwrap(),
        login_url: Url::parse("https://login.microsoftonline.com").unwrap(),
        user_properties: set(&[
            "accountEnabled",
            "displayName",
            "jobTitle",
            "manager",
            "onPremisesExtensionAttributes",
        ]),
        group_properties: set(&["displayName", "groupTypes"]),
    }
}

fn reader(secret: &str) -> SecretReader {
    let secret = SecretString::from(secret.to_owned());
    Arc::new(move || Ok(secret.clone()))
}

fn answer(status: u16, body: &Value) -> Response {
    let content_type = "application/json;odata.metadata=minimal;charset=utf-8";
    raw(status, content_type, &body.to_string())
}

fn raw(status: u16, content_type: &str, body: &str) -> Response {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Response { status, headers, body: body.to_owned().into() }
}

fn with_header(mut response: Response, name: &str, value: &str) -> Response {
    response.headers.push((name.to_owned(), value.to_owned()));
    response
}

fn link(token: &str) -> String {
    format!("{GRAPH}/v1.0/users/delta?$deltatoken={token}")
}

/// The last page of a round of users with these elements.
fn last_page(elements: &Value) -> Response {
    answer(200, &json!({"@odata.deltaLink": link("d1"), "value": elements}))
}

/// The same, of groups.
fn last_page_of_groups(elements: &Value) -> Response {
    let link = link("d1").replace("/users/", "/groups/");
    answer(200, &json!({"@odata.deltaLink": link, "value": elements}))
}
