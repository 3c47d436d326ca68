//! The status port: how things stand, for people and for monitors. Read only.
//!
//! It knows a [`Snapshot`] and the counts of what went over the wire, and never the engine. It runs in a
//! thread of its own: neither can a slow reader slow down the loop, nor does a busy loop leave a monitor
//! without an answer.
//!
//! Without the token it shows counts and states; what may name a person, a group or an address is
//! taken out of the snapshot before anything is made of it ([`Snapshot::for_everybody`]).

mod access;
mod health;
pub(crate) mod json;
mod metrics;
pub mod notices;
mod page;
pub mod server;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::model::Kind;
use crate::core::report::{Snapshot, State, Surroundings, Traffic, Verdict};

use access::{Refusal, Sight};
use health::Health;

/// An answer of the port.
type Answer = Response<Full<Bytes>>;

/// Reads the token anew whenever it is asked for.
pub type TokenReader = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// Finds out what is known beside the loop.
pub type Look = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// Everything that answers are made from.
pub struct Desk {
    /// How things stand.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What went over the wire.
    pub traffic: Arc<Mutex<Traffic>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is known beside the loop.
    pub look: Look,
    /// Digest of the rules of the configuration.
    pub rules: String,
    /// The zone of dates that people read.
    pub zone: TimeZone,
    /// The address that the port listens on.
    pub address: IpAddr,
    /// Names that it answers to, beside those of this machine.
    pub hosts: BTreeSet<String>,
    /// The token, where one is configured.
    pub token: Option<TokenReader>,
}

/// What a verdict means and what there is to do, in English, without the page around it.
pub(crate) fn meaning(verdict: &Verdict) -> String {
    words::ALL[0].says(verdict).replace('`', "")
}

/// What it means that nothing is heard of the users, or of the groups, of a tenant, in English.
pub(crate) fn silence(name: &str, kind: Kind) -> String {
    words::ALL[0].silence(name, kind).replace('`', "")
}

/// The word for a state, in English.
pub(crate) fn word(state: State) -> &'static str {
    words::ALL[0].state(state)
}

/// Answers one request. Never fails, and waits for nothing.
pub(crate) fn answer<B>(desk: &Desk, request: &Request<B>) -> Answer {
    let sight = match access::check(desk, request) {
        Ok(sight) => sight,
        Err(refusal) => return refuse(refusal),
    };
    let snapshot = desk.snapshots.borrow().clone();
    let mut snapshot = match sight {
        Sight::Everything => Arc::unwrap_or_clone(snapshot),
        Sight::Counts | Sight::Pulse => snapshot.for_everybody(),
    };
    let checked = |health: &Health| match sight {
        Sight::Pulse => plain(status_of(health), &health.brief()),
        Sight::Counts | Sight::Everything => checked(request, health),
    };
    let (now, elapsed) = (desk.clock.now(), desk.clock.elapsed());
    // What was shown may be old by now, where nothing is heard and so nothing happens.
    snapshot.listen(now);
    match request.uri().path() {
        "/livez" => checked(&health::live(&snapshot, elapsed)),
        "/readyz" => checked(&health::ready(&snapshot)),
        "/healthz" => checked(&health::healthy(&snapshot, now)),
        "/metrics" => {
            let traffic = desk.traffic.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let text = metrics::render(&snapshot, &(desk.look)(), &traffic, &desk.rules);
            respond(StatusCode::OK, metrics::CONTENT_TYPE, text)
        }
        "/api/v1/status" => {
            let text = json::render(&snapshot, &(desk.look)());
            respond(StatusCode::OK, "application/json", text)
        }
        "/" if sight == Sight::Counts && desk.token.is_some() && wants_in(request) => {
            refuse(Refusal::Token)
        }
        "/" => {
            let wanted =
                request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
            let words = words::choose(request.uri().query(), wanted);
            let style = page::policy();
            let more = match (sight, &desk.token) {
                (Sight::Everything, _) => page::More::Shown,
                (_, Some(_)) => page::More::BehindToken,
                (_, None) => page::More::Elsewhere,
            };
            let html = page::render(&snapshot, &(desk.look)(), more, words, &desk.zone, now);
            let mut answer = respond(StatusCode::OK, "text/html; charset=utf-8", html);
            if let Ok(style) = HeaderValue::from_str(&style) {
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, style);
            }
            let headers = answer.headers_mut();
            headers.insert("content-language", HeaderValue::from_static(words.code));
            headers.insert("vary", HeaderValue::from_static("accept-language, authorization"));
            answer
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "There is no such page; there are /, /livez, /readyz, \
             /healthz, /metrics and /api/v1/status.\n",
        ),
    }
}

/// Whether somebody follows the link to sign in. A browser sends no password where it was not asked for one.
fn wants_in<B>(request: &Request<B>) -> bool {
    let mut query = request.uri().query().into_iter().flat_map(|query| query.split('&'));
    query.any(|pair| pair == page::SIGN_IN)
}

fn checked<B>(request: &Request<B>, health: &Health) -> Answer {
    let status = status_of(health);
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("application/json")) {
        return respond(status, "application/json", health.json());
    }
    let is_verbose = request.uri().query().is_some_and(|query| {
        query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    });
    let text = if is_verbose { health.verbose() } else { health.brief() };
    plain(status, &text)
}

fn status_of(health: &Health) -> StatusCode {
    if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn refuse(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Host => plain(
            StatusCode::MISDIRECTED_REQUEST,
            "This name is not one that the status port answers to. Whoever runs it can add it to \
             status.hosts.\n",
        ),
        Refusal::Origin => plain(
            StatusCode::FORBIDDEN,
            "A page from somewhere else has asked. Whoever runs the status port can add its host to \
             status.hosts.\n",
        ),
        Refusal::Method => {
            let mut answer = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "The status port only shows: GET and HEAD.\n",
            );
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        Refusal::Token => {
            let mut answer = plain(
                StatusCode::UNAUTHORIZED,
                "This needs the token from status.token_file: as a bearer token, or as the password \
                 in a browser.\n",
            );
            for scheme in ["Bearer", "Basic realm=\"Manntall\", charset=\"UTF-8\""] {
                answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
            answer
        }
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    respond(status, "text/plain; charset=utf-8", text.to_owned())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Answer {
    /// Nothing may be loaded, run, framed, kept or told to others.
    const ALWAYS: [(hyper::header::HeaderName, &str); 5] = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    for (name, value) in ALWAYS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
        .headers_mut()
        .insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    answer
}

/// Whether the method only reads.
fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
