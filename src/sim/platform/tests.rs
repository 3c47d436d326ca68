//! The fake platform, asked as a client would ask it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod faults;
mod filters;
mod groups;
mod quirks;
mod users;

use serde_json::{Value, json};

use super::{Personality, Platform, PlatformOptions};
use crate::sim::http::{Request, Response};

const BASE: &str = "http://127.0.0.1:1/scim/v2";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn options(personality: Personality) -> PlatformOptions {
    PlatformOptions::new(personality, BASE, "token")
}

fn strict() -> Platform {
    Platform::new(options(Personality::Strict))
}

fn request(method: &str, path: &str, body: Option<&Value>) -> Request {
    Request {
        method: method.to_owned(),
        target: format!("/scim/v2/{path}"),
        headers: vec![
            ("authorization".to_owned(), "Bearer token".to_owned()),
            ("content-type".to_owned(), "application/scim+json; charset=utf-8".to_owned()),
        ],
        body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
    }
}

fn raw(platform: &mut Platform, method: &str, path: &str, body: Option<&Value>) -> Response {
    platform.handle(&request(method, path, body), 1_000)
}

/// Status and JSON of the answer, null where there is no body.
fn send(platform: &mut Platform, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let response = raw(platform, method, path, (!body.is_null()).then_some(body));
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn get(platform: &mut Platform, path: &str) -> (u16, Value) {
    send(platform, "GET", path, &Value::Null)
}

/// Creates a user and returns the id.
fn hire(platform: &mut Platform, user_name: &str) -> String {
    let body = json!({ "schemas": [USER], "userName": user_name, "active": true });
    let (status, user) = send(platform, "POST", "Users", &body);
    assert_eq!(status, 201, "{user}");
    match &user["id"] {
        Value::String(id) => id.clone(),
        number => number.to_string(),
    }
}

fn operations(operations: &Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

fn patch(platform: &mut Platform, path: &str, changes: &Value) -> (u16, Value) {
    send(platform, "PATCH", path, &operations(changes))
}

/// Status and `scimType` of a refusal.
fn refusal((status, body): (u16, Value)) -> (u16, String) {
    (status, body["scimType"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, scim_type: &str) -> (u16, String) {
    (status, scim_type.to_owned())
}

/// A filter as a client puts it into a query.
fn query(filter: &str) -> String {
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("filter={filter}")
}
