//! The one place of this edge that sends: builds the request, reports the answer to the pacer, and
//! tells success from failure.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::error::{Effect, PAUSE_SHARED_MAX, not_scim, page_title};
use super::members::Learned;
use super::pace::Permit;
use super::recent::RecentWrites;
use super::version::Versions;
use super::{ScimError, ScimOptions, Words, lenient};
use crate::clock::Clock;
use crate::core::model::{AttrPath, Timestamp};
use crate::transport::{Bearer, Method, Request, Response, SharedTransport, TransportError};

/// Servers must take the first and should take the second (RFC 7644 §3.8).
const ACCEPT: &str = "application/scim+json, application/json;q=0.9";
/// A larger answer is none: a listing page has some hundred kilobytes, and a group of 50,000 about ten
/// megabytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Some platforms refuse requests that do not say who asks.
const USER_AGENT: &str = concat!("manntall/", env!("CARGO_PKG_VERSION"));

/// Speaks to one target.
pub(super) struct Client {
    pub(super) options: ScimOptions,
    pub(super) transport: SharedTransport,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) members: Learned,
    pub(super) versions: Versions,
    pub(super) recent: Arc<RecentWrites>,
}

/// A successful answer.
pub(super) struct Answer {
    /// Null when there was no body.
    pub(super) json: Value,
    pub(super) status: u16,
    /// The version of the resource: `ETag`, or `meta.version` where there is none.
    pub(super) version: Option<String>,
    /// When it was given, by the clock of whoever gave it.
    pub(super) date: Option<Timestamp>,
}

/// One request before it is sent.
#[derive(Clone)]
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<Value>,
    effect: Effect,
    /// Values that must not come back in an error message.
    private: Vec<String>,
    /// The attributes that it writes, which an error may be about.
    wrote: Vec<AttrPath>,
    /// The version of the resource to which a change is made.
    version: Option<String>,
}

impl Call {
    /// A request that only asks.
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::Get,
            url,
            body: None,
            effect: Effect::Read,
            private: Vec::new(),
            wrote: Vec::new(),
            version: None,
        }
    }

    /// A request that asks for one resource.
    pub(super) fn get_one(url: Url) -> Self {
        Self { effect: Effect::ReadOne, ..Self::get(url) }
    }

    /// A request for a new resource.
    pub(super) fn create(url: Url, body: Value) -> Self {
        Self { body: Some(body), effect: Effect::Create, ..Self::change(Method::Post, url) }
    }

    /// A request that changes a known resource.
    pub(super) fn change(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            body: None,
            effect: Effect::Change,
            private: Vec::new(),
            wrote: Vec::new(),
            version: None,
        }
    }

    /// A request that asks with a filter on `attribute`.
    pub(super) fn look_up(url: Url, attribute: &'static str) -> Self {
        Self { effect: Effect::LookUp(attribute), ..Self::get(url) }
    }

    /// Sets the body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Names the attributes that it writes.
    pub(super) fn writes<'a>(mut self, paths: impl IntoIterator<Item = &'a AttrPath>) -> Self {
        self.wrote.extend(paths.into_iter().cloned());
        self
    }

    /// Makes it only to this version.
    pub(super) fn if_match(mut self, version: String) -> Self {
        self.version = Some(version);
        self
    }

    /// Names more values that must not come back in an error message.
    pub(super) fn private(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.private.extend(values);
        self
    }
}

impl Client {
    pub(super) fn new(
        options: ScimOptions,
        transport: SharedTransport,
        clock: Arc<dyn Clock>,
        recent: Arc<RecentWrites>,
    ) -> Self {
        let (members, versions) = (Learned::default(), Versions::default());
        Self { options, transport, clock, members, versions, recent }
    }

    /// Sends `call` once. A 404 is `Ok(None)`: what it means, the caller knows.
    pub(super) async fn send(
        &self,
        permit: &Permit,
        call: Call,
    ) -> Result<Option<Answer>, ScimError> {
        let Call { method, url, body, effect, mut private, wrote, version } = call;
        let request = self.request(method, url, body.as_ref())?;
        let request = match version {
            Some(version) => request.header("if-match", version),
            None => request,
        };
        if effect.writes() && !permit.may_write() {
            return Err(ScimError::Paused);
        }
        let response = self.transport.send(request).await;
        let mut response = response.map_err(|error| {
            permit.failed();
            effect.unanswered(&error)
        })?;
        if response.body.len() > ANSWER_BYTES_MAX {
            let detail = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
            let error = TransportError::Unanswered { host: self.host(), detail };
            return Err(effect.unanswered(&error));
        }
        let json = match response.status {
            200..300 => lenient::parse(&response.body).unwrap_or(Value::Null),
            _ => Value::Null,
        };
        if let Some(status) = failure_in_success(&json) {
            response.status = status;
        }
        let after = response.retry_after(self.clock.now());
        report(permit, effect, &response, after);
        let token = &self.options.token;
        let sent = move || {
            if let Some(body) = &body {
                leaves(body, &mut private);
            }
            // Some servers show the whole request when they complain.
            private.push(token().expose_secret().to_owned());
            private
        };
        match response.status {
            200..300 => self.success(effect, json, &response, sent).map(Some),
            // A web page that says 404 comes from something in between, and proves nothing.
            404 if page_title(&response.body).is_none() => Ok(None),
            _ => Err(effect.failure(&self.host(), &response, after, &sent(), &wrote)),
        }
    }

    /// The host asked, for messages.
    pub(super) fn host(&self) -> String {
        self.options.url.host_str().unwrap_or_default().to_owned()
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Request, ScimError> {
        let bearer = Bearer::for_origin_of(&self.options.url, (self.options.token)());
        let mut request = Request::new(method, url)
            .answer_at_most(ANSWER_BYTES_MAX)
            .header("accept", ACCEPT)
            .header("user-agent", USER_AGENT)
            .authorized(&bearer)
            .map_err(|error| ScimError::NotSent { what: error.to_string() })?;
        if let Some(body) = body {
            request = request
                .header("content-type", self.options.dialect.content_type.as_str())
                .body(body.to_string());
        }
        Ok(request)
    }

    fn success(
        &self,
        effect: Effect,
        json: Value,
        response: &Response,
        sent: impl FnOnce() -> Vec<String>,
    ) -> Result<Answer, ScimError> {
        let strange = if effect.writes() {
            // A change is confirmed by its status; some servers add no body, or no JSON.
            page_title(&response.body).is_some()
        } else {
            !json.is_object()
        };
        if !strange {
            let version = version_of(response, &json);
            let (status, date) = (response.status, response.date());
            return Ok(Answer { json, status, version, date });
        }
        let error = not_scim(&self.host(), response, &sent());
        Err(match effect {
            // Whatever answered, the create may have reached the service behind it.
            Effect::Create => ScimError::Uncertain { what: Words::from(&error), after: None },
            _ => error,
        })
    }
}

/// The version of what was read, as `If-Match` takes it (RFC 9110 §8.8.3): in quotes.
fn version_of(response: &Response, json: &Value) -> Option<String> {
    let told = lenient::get(json, "meta").and_then(|meta| lenient::text_of(meta, "version"));
    let version = response.header("etag").map(str::to_owned).or(told)?;
    let version = version.trim();
    Some(if version.ends_with('"') { version.to_owned() } else { format!("\"{version}\"") })
}

/// Headers in which servers name a request, the most usual first. No standard names one.
const REQUEST_IDS: [&str; 4] =
    ["x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid"];
/// Longer ones are something else.
const REQUEST_ID_MAX: usize = 64;

/// What the server calls the request. It goes into the journal, so it is taken only if it can be
/// nothing but an id.
fn request_id(response: &Response) -> Option<&str> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '=');
    let mut ids = REQUEST_IDS.iter().filter_map(|name| response.header(name));
    ids.find(|id| !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.chars().all(is_id))
}

/// The status that an error of SCIM names, where one comes as a success: some servers, and gateways before
/// them, answer 200 to everything. One that names none that could be an error's is a failure of the server.
fn failure_in_success(json: &Value) -> Option<u16> {
    const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
    const UNNAMED: u16 = 500;
    let mut schemas = lenient::elements(lenient::get(json, "schemas")?).iter();
    let is_error =
        schemas.any(|one| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(ERROR)));
    let status = lenient::get(json, "status").and_then(lenient::count);
    let status = status.and_then(|status| u16::try_from(status).ok());
    is_error.then(|| status.filter(|status| (400..600).contains(status)).unwrap_or(UNNAMED))
}

/// Tells the pacer. One resource makes nobody wait for long: whether everybody has to is asked first.
fn report(permit: &Permit, effect: Effect, response: &Response, after: Option<Duration>) {
    permit.receives(request_id(response));
    let after =
        after.map(|after| if effect.is_about_one() { after.min(PAUSE_SHARED_MAX) } else { after });
    match (response.status, after) {
        (429, after) => permit.throttled(after),
        (200..500, _) => permit.answered(),
        (status, after) => {
            permit.failed();
            if let (503, Some(after)) = (status, after) {
                permit.paused(after);
            }
        }
    }
}

/// The values in a body that may be personal: all but what the protocol itself says.
fn leaves(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(object) => object
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "schemas" | "op" | "path" | "type"))
            .for_each(|(_, value)| leaves(value, found)),
        Value::Null | Value::Bool(_) => {}
    }
}
