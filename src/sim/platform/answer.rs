//! Errors and answers in SCIM's shape (RFC 7644 §3.12).

use serde_json::{Value, json};

use crate::sim::http::Response;

/// A refusal as SCIM words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimError {
    /// HTTP status code.
    pub status: u16,
    /// `scimType`, where RFC 7644 table 9 has a keyword for the case.
    pub scim_type: Option<&'static str>,
    /// Text for people.
    pub detail: String,
}

impl ScimError {
    /// An error without a keyword.
    pub(super) fn plain(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// A 400 with one of the keywords of RFC 7644 table 9.
    pub(super) fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// The error as an answer.
    pub(super) fn response(&self) -> Response {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(keyword), Some(map)) = (self.scim_type, body.as_object_mut()) {
            map.insert("scimType".to_owned(), Value::from(keyword));
        }
        let mut response = answer(self.status, &body);
        if self.status == 401 {
            // RFC 7644 §2 asks for the challenge of RFC 9110 §11.6.1.
            response.headers.push(("www-authenticate".to_owned(), "Bearer".to_owned()));
        }
        response
    }
}

/// An answer with a SCIM body.
pub(super) fn answer(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), "application/scim+json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}
