//! Answers and failures, told apart by what the caller does next.

use std::time::Duration;

use super::bench::{Bench, attributes};
use crate::core::model::{Attributes, ScimId};
use crate::scim::dialect::{Dialect, MemberRemove};
use crate::scim::members::OtherMembers;
use crate::scim::{Cursor, MatchBy, ScimError};
use crate::transport::TransportError;

fn kari() -> Attributes {
    attributes([("userName", "kari@asker.example.no".into()), ("displayName", "Kari".into())])
}

async fn create(bench: &Bench) -> ScimError {
    bench.writer.create_user(bench.permit().await, &kari()).await.unwrap_err()
}

async fn change(bench: &Bench) -> ScimError {
    let (permit, id) = (bench.permit().await, ScimId::new("9f1f"));
    bench.writer.update_user(permit, &id, &Attributes::new(), &kari()).await.unwrap_err()
}

async fn read(bench: &Bench) -> ScimError {
    bench.reader.list_users(bench.permit().await, &Cursor::first()).await.unwrap_err()
}

/// The names of the errors for one answer to a create, a change and a read.
async fn kinds(status: u16, body: &str) -> String {
    let bench = Bench::new();
    bench.answer(status, body).answer(status, body).answer(status, body);
    let name = |error: ScimError| format!("{error:?}").split([' ', '{']).next().unwrap().to_owned();
    let all = [create(&bench).await, change(&bench).await, read(&bench).await].map(name);
    all.join(" ")
}

#[tokio::test]
async fn statuses_are_told_apart() {
    for (status, expected) in [
        (302, "NotScim NotScim NotScim"),
        (400, "Rejected Rejected Rejected"),
        (401, "Refused Refused Refused"),
        (403, "Forbidden Forbidden Refused"),
        (404, "NotScim Gone NotScim"),
        (407, "NotScim NotScim NotScim"),
        (408, "Uncertain Unavailable Unavailable"),
        (409, "Conflict Conflict Rejected"),
        (413, "TooLarge TooLarge TooLarge"),
        (429, "Throttled Throttled Throttled"),
        (500, "Uncertain Unavailable Unavailable"),
        (501, "Rejected Rejected Rejected"),
        (504, "Uncertain Unavailable Unavailable"),
    ] {
        assert_eq!(kinds(status, "").await, expected, "{status}");
    }
}

#[tokio::test]
async fn wording_tells_duplicates_and_size() {
    for (status, body, expected) in [
        (400, r#"{"scimType":"uniqueness"}"#, "Conflict Conflict Rejected"),
        (400, r#"{"ScimType":"tooMany"}"#, "TooLarge TooLarge TooLarge"),
        (400, r#"{"Errors":[{"description":"Already exists"}]}"#, "Conflict Conflict Rejected"),
        (500, r#"{"error":{"message":"duplicate key"}}"#, "Conflict Conflict Unavailable"),
        (500, "duplicate key", "Conflict Conflict Unavailable"),
        (502, "duplicate key", "Uncertain Unavailable Unavailable"),
    ] {
        assert_eq!(kinds(status, body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn refused_filter_is_told_apart_from_a_refused_request() {
    for (status, filter) in [(400, true), (500, false)] {
        let bench = Bench::new();
        bench.answer(status, r#"{"scimType":"invalidFilter","detail":"no such attribute"}"#);
        let by = MatchBy::ExternalId("b7d3");
        let error = bench.reader.user_by(bench.permit().await, by).await.unwrap_err();
        let refused = ScimError::FilterIgnored { attribute: "externalId" };
        assert_eq!(error == refused, filter, "{error:?}");
    }
}

#[tokio::test]
async fn requests_may_move_between_threads() {
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let bench =
        Bench::speaking(Dialect { member_remove: MemberRemove::PutMerge, ..Dialect::default() });
    bench.answer(404, "");
    let (permit, id) = (movable(bench.permit()).await, ScimId::new("g1"));
    let ids = [ScimId::new("9f1e")];
    let gone =
        movable(bench.writer.remove_members(permit, &id, &ids, &OtherMembers::default())).await;
    assert_eq!(gone, Err(ScimError::Gone));
}

#[tokio::test]
async fn web_page_is_never_a_success_nor_a_missing_resource() {
    let page = "\n<!DOCTYPE html><html><head><TITLE>Sign in</TITLE></head>";
    assert_eq!(kinds(200, page).await, "Uncertain NotScim NotScim");
    assert_eq!(kinds(404, page).await, "NotScim NotScim NotScim");
    let bench = Bench::new();
    bench.answer(200, page);
    let error = read(&bench).await;
    assert_eq!(
        error.to_string(),
        "platform.example.no does not answer as a SCIM service: status 200 with a web page; check url \
         and the proxy settings"
    );
    assert_eq!(error.told(), Some("Sign in"));
    bench.answer_with(302, "", &[("location", "https://login.example.no/x?user=kari")]);
    let error = read(&bench).await.to_string();
    assert!(error.contains("it redirects to login.example.no;"), "{error}");
}

#[tokio::test]
async fn an_error_in_a_success_is_the_failure_that_it_names() {
    let error = |status: &str| {
        format!(
            r#"{{"Schemas":["urn:ietf:params:scim:api:messages:2.0:error"],"detail":"no"{status}}}"#
        )
    };
    for (status, like) in [
        (r#","status":"400""#, 400),
        (r#","status":409"#, 409),
        (r#","status":"429""#, 429),
        (r#","status":"500""#, 500),
        // What is no error's status names no failure that could be told apart.
        ("", 500),
        (r#","status":"200""#, 500),
        (r#","status":null"#, 500),
    ] {
        let expected = kinds(like, "").await;
        assert_eq!(kinds(200, &error(status)).await, expected, "{status}");
        assert_eq!(kinds(201, &error(status)).await, expected, "{status}");
    }
    assert_eq!(kinds(200, &error(r#","status":"404""#)).await, "NotScim Gone NotScim");
}

#[tokio::test]
async fn reads_want_json_and_changes_are_content_with_a_status() {
    for body in ["", "{\"totalResults\":1,", "[]", "ok"] {
        let bench = Bench::new();
        bench.answer(200, body);
        let error = read(&bench).await;
        assert!(matches!(error, ScimError::NotScim { .. }), "{error:?}");
        bench.answer(200, body);
        let (permit, id) = (bench.permit().await, ScimId::new("9f1f"));
        let changed = bench.writer.update_user(permit, &id, &Attributes::new(), &kari()).await;
        assert_eq!(changed, Ok(None), "{body}");
    }
}

#[tokio::test]
async fn a_server_that_shows_the_whole_request_shows_no_token() {
    let bench = Bench::new();
    let headers = [("content-type", "t0ken; charset=utf-8")];
    bench.answer_with(500, "GET /Users authorization: Bearer T0KEN", &[]);
    bench.answer_with(200, "Bearer t0ken", &headers);
    for _ in 0..2 {
        let error = read(&bench).await;
        for said in [error.to_string(), error.told().unwrap_or_default().to_owned()] {
            assert!(!said.to_lowercase().contains("t0ken"), "{said}");
        }
    }
}

#[tokio::test]
async fn change_answered_with_another_resource_is_a_mismatch() {
    let bench = Bench::new();
    bench.answer(200, r#"{"id":"9f20"}"#);
    assert_eq!(change(&bench).await, ScimError::Mismatch);
}

#[tokio::test]
async fn lost_answers_are_uncertain_only_for_creates() {
    let (host, detail) = ("platform.example.no:443", "timed out");
    let lost = || TransportError::Unanswered { host: host.into(), detail: detail.into() };
    let unsent = || TransportError::NotSent { host: host.into(), detail: detail.into() };
    let bench = Bench::new();
    bench.fail(lost()).fail(lost()).fail(lost()).fail(unsent());
    assert!(matches!(create(&bench).await, ScimError::Uncertain { .. }));
    assert!(matches!(change(&bench).await, ScimError::Unavailable { .. }));
    assert!(matches!(read(&bench).await, ScimError::Unavailable { .. }));
    assert!(matches!(create(&bench).await, ScimError::NotSent { .. }));
}

#[tokio::test]
async fn complaints_are_read_in_every_shape_without_what_we_sent() {
    for body in [
        r#"{"status":"400","detail":"KARI is no name"}"#,
        r#"{"Errors":[{"code":400,"description":"Kari is no name"}]}"#,
        r#"{"error":{"message":"kari is no name"}}"#,
        r#"{"error":"Kari is no name"}"#,
        r#"{"Meta":{"problem":{"message":"Kari is no name"}}}"#,
        r#"{"urn:x:error":{"detail":"Kari is no name"}}"#,
        r#"{"detail":"{\"message\":\"Kari is no name\"}"}"#,
        r#""Kari is no name""#,
        "Kari\nis no name\r\n",
    ] {
        let bench = Bench::new();
        bench.answer(400, body);
        let error = create(&bench).await;
        assert_eq!(error.to_string(), "the platform rejects the change (status 400)", "{body}");
        assert_eq!(error.told(), Some("… is no name"), "{body}");
    }
}

#[tokio::test]
async fn looked_up_and_earlier_values_are_hidden_too() {
    let bench = Bench::new();
    bench.answer(400, r#"{"detail":"cannot filter on Ola-Hansen"}"#);
    let by = MatchBy::ExternalId("ola-hansen");
    let error = bench.reader.user_by(bench.permit().await, by).await.unwrap_err();
    assert_eq!(error.told(), Some("cannot filter on …"));
    bench.answer(400, r#"{"detail":"Lege may not become Sjef"}"#);
    let title = |title: &str| attributes([("title", title.into())]);
    let (permit, id) = (bench.permit().await, ScimId::new("9f1f"));
    let error = bench.writer.update_user(permit, &id, &title("Lege"), &title("Sjef")).await;
    assert_eq!(error.unwrap_err().told(), Some("… may not become …"));
}

#[tokio::test]
async fn retry_after_pauses_the_pacer() {
    let bench = Bench::new();
    bench.answer_with(429, "", &[("retry-after", "30")]);
    let after = Some(Duration::from_secs(30));
    assert_eq!(create(&bench).await, ScimError::Throttled { after });
    // Of an answer about one resource nobody knows yet whether it is for everybody.
    assert_eq!(bench.pacer.waits_until(), Some(Duration::from_secs(5)));
    bench.answer_with(429, "", &[("retry-after", "30")]);
    assert_eq!(read(&bench).await, ScimError::Throttled { after });
    assert_eq!(bench.pacer.waits_until(), Some(Duration::from_secs(35)));
    assert!((bench.pacer.rate() - 2.5).abs() < 1e-9, "half the rate each time");
    bench.answer_with(503, "", &[("retry-after", "60")]);
    assert!(matches!(read(&bench).await, ScimError::Unavailable { after: Some(_), .. }));
    assert_eq!(bench.pacer.waits_until(), Some(Duration::from_secs(95)));
    assert!((bench.pacer.rate() - 2.5).abs() < 1e-9, "503 is no complaint about the rate");
}
