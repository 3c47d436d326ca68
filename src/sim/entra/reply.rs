//! Writing an answer: headers as Graph sends them, and its error bodies.

use serde_json::{Value, json};

use super::EntraOptions;
use super::link::Kind;
use crate::sim::http::{Request, Response};
use crate::sim::world::ObjectId;

const ODATA: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// What every answer to one request carries: when, and the ids that support asks for.
pub(super) struct Stamp {
    pub(super) now_unix_s: u64,
    pub(super) request_id: String,
    client_request_id: String,
    time: jiff::Timestamp,
}

impl Stamp {
    pub(super) fn new(rng: &mut fastrand::Rng, req: &Request, now_unix_s: u64) -> Self {
        let request_id = ObjectId::random(rng).to_string();
        let seconds = i64::try_from(now_unix_s).unwrap_or(i64::MAX);
        Self {
            now_unix_s,
            client_request_id: req.header("client-request-id").unwrap_or(&request_id).to_owned(),
            request_id,
            time: jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX),
        }
    }

    /// A body of Graph's.
    pub(super) fn json(&self, body: &Value) -> Response {
        self.response(200, ODATA, body.to_string())
    }

    /// A bare text, as `$count` is.
    pub(super) fn text(&self, body: String) -> Response {
        self.response(200, "text/plain", body)
    }

    /// A body of the login endpoint.
    pub(super) fn login_json(&self, status: u16, body: &Value) -> Response {
        let mut response =
            self.response(status, "application/json; charset=utf-8", body.to_string());
        response.headers.retain(|(name, _)| name != "cache-control" && name != "odata-version");
        response.headers.push(("cache-control".to_owned(), "no-store, no-cache".to_owned()));
        response
    }

    /// Entra's error body, with `error_codes`.
    pub(super) fn login_error(
        &self,
        status: u16,
        error: &str,
        code: u32,
        text: &str,
        login_url: &str,
    ) -> Response {
        let time = self.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let (trace, correlation) = (&self.request_id, &self.client_request_id);
        let description = format!(
            "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"
        );
        let body = json!({
            "error": error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{login_url}/error?code={code}"),
        });
        self.login_json(status, &body)
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({
            "error": {
                "code": refusal.code,
                "message": refusal.message,
                "innerError": {
                    "date": self.time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                    "request-id": self.request_id,
                    "client-request-id": self.client_request_id,
                },
            },
        });
        let mut response = self.response(refusal.status, ODATA, body.to_string());
        response.headers.extend(refusal.headers.iter().cloned());
        response
    }

    pub(super) fn redirect(&self, location: &str) -> Response {
        let mut response = self.response(302, "text/html", String::new());
        response.headers.push(("location".to_owned(), location.to_owned()));
        response
    }

    pub(super) fn login_page(&self) -> Response {
        let page = "<!DOCTYPE html><html><head><title>Logg inn</title></head><body>Du må logge inn.</body></html>";
        self.response(200, "text/html; charset=utf-8", page.to_owned())
    }

    fn response(&self, status: u16, content_type: &str, body: String) -> Response {
        let date = self.time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = [
            ("content-type", content_type),
            ("request-id", &self.request_id),
            ("client-request-id", &self.client_request_id),
            ("x-ms-resource-unit", "1"),
            ("odata-version", "4.0"),
            ("cache-control", "no-cache"),
            ("date", &date),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Response { status, headers, body: body.into_bytes() }
    }
}

/// An error of Graph's.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    headers: Vec<(String, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn throttled(retry_after_s: Option<u64>) -> Self {
        let refusal = Self::new(429, "TooManyRequests", "Too many requests.")
            .with_header("x-ms-throttle-information", "ResourceUnitLimitExceeded")
            .with_header("x-ms-throttle-limit-percentage", "1.2");
        match retry_after_s {
            Some(seconds) => refusal.with_header("retry-after", seconds.to_string()),
            None => refusal,
        }
    }

    pub(super) fn unavailable() -> Self {
        Self::new(503, "serviceNotAvailable", "Service is temporarily unavailable.")
    }

    pub(super) fn unauthorized(options: &EntraOptions) -> Self {
        let authorize = format!("{}/common/oauth2/authorize", options.login_url);
        let challenge = format!("Bearer realm=\"\", authorization_uri=\"{authorize}\"");
        let message = "Lifetime validation failed, the token is expired.";
        Self::new(401, "InvalidAuthenticationToken", message)
            .with_header("www-authenticate", challenge)
    }

    pub(super) fn no_segment(segment: &str) -> Self {
        Self::new(400, "BadRequest", format!("Resource not found for the segment '{segment}'."))
    }

    pub(super) fn no_property(name: &str, kind: Kind) -> Self {
        let of = format!("microsoft.graph.{}", kind.singular());
        let message = format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type '{of}'."
        );
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn no_object(key: &str) -> Self {
        let message = format!(
            "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    pub(super) fn badly_formed_page_token() -> Self {
        Self::new(400, "Request_BadRequest", "Badly formed token.")
    }

    pub(super) fn sync_state_not_found() -> Self {
        let message = "The sync state generation is not found. The delta token is expired and data must be synchronized again.";
        Self::new(400, "syncStateNotFound", message)
    }

    /// A forced resync; the location holds an empty token and, as often, not the query.
    pub(super) fn gone(start: String) -> Self {
        let message = "Resync required. The delta token is no longer valid and the application must restart with a full synchronization.";
        Self::new(410, "resyncRequired", message).with_header("location", start)
    }
}
