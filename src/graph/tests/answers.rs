//! What each kind of answer means to the caller.

use std::time::Duration;

use super::*;

fn error_body(code: &str) -> Value {
    json!({"error": {"code": code, "message": "words"}})
}

async fn start(response: Response) -> GraphError {
    let bench = Bench::new();
    bench.graph(response);
    bench.users().await.unwrap_err()
}

async fn follow(response: Response) -> GraphError {
    let bench = Bench::new();
    bench.graph(response);
    bench.follow(&link("d1")).await.unwrap_err()
}

fn retry_after(error: &GraphError) -> Option<u64> {
    match error.disposition() {
        Disposition::Retry { after } => after.map(|span| span.as_secs()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_obeyed_within_bounds() {
    for (value, seconds) in [
        ("10", 10),
        ("0", 1),
        ("999999999", 600),
        ("Sun, 22 Nov 2026 06:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 05:00:00 GMT", 1),
        ("Fri, 22 Nov 2126 06:00:00 GMT", 600),
    ] {
        for status in [429, 503] {
            let response = with_header(raw(status, "text/html", "<p>"), "retry-after", value);
            assert_eq!(retry_after(&follow(response).await), Some(seconds), "{status} {value}");
        }
    }
    let error = follow(raw(429, "", "")).await;
    assert_eq!(error.disposition(), Disposition::Retry { after: None });
}

#[tokio::test(start_paused = true)]
async fn a_lost_delta_token_is_recognised_in_every_spelling() {
    let nested = json!({"error": {"code": "badRequest", "innerError": {"code": "x",
        "innererror": {"code": "ResyncRequired"}}}});
    for response in [
        answer(410, &error_body("resyncRequired")),
        answer(410, &error_body("anything")),
        raw(410, "", ""),
        answer(400, &error_body("SyncStateNotFound")),
        answer(404, &error_body("syncStateNotFound")),
        answer(400, &nested),
    ] {
        assert_eq!(follow(response).await.disposition(), Disposition::ReadAll);
    }
    // Without a link nothing can have expired, and a complete read must not begin for ever.
    let error = start(answer(410, &error_body("resyncRequired"))).await;
    assert_eq!(error.disposition(), Disposition::Retry { after: None });
}

#[tokio::test(start_paused = true)]
async fn a_refused_page_link_restarts_the_round() {
    for (status, code) in
        [(400, "Request_BadRequest"), (400, "Directory_ExpiredPageToken"), (404, "UnknownError")]
    {
        let error = follow(answer(status, &error_body(code))).await;
        assert_eq!(error.disposition(), Disposition::RestartRound, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_for_people_is_named_with_its_title() {
    let page = "<!DOCTYPE html><html><head><TITLE>Log in to\nthe network</TITLE></head>";
    for status in [200, 401, 403, 404] {
        let error = follow(raw(status, "text/html; charset=utf-8", page)).await;
        assert_eq!(
            error.to_string(),
            format!(
                "graph.microsoft.com gave no usable answer: status {status} with a page for people \
                 (text/html) titled \"Log in to\"; is a proxy in between?"
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_graphs_are_unusable() {
    for response in [
        raw(200, "application/json", ""),
        raw(200, "text/plain", "{}"),
        raw(200, "", "{}"),
        raw(204, "", ""),
        raw(418, "application/json", "{}"),
        raw(200, "application/json", "null"),
        raw(200, "application/json", "[]"),
        raw(200, "application/json", "{\"value\": 7}"),
    ] {
        let error = follow(response.clone()).await;
        assert!(matches!(error, GraphError::Unusable { .. }), "{response:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_named_by_its_host_only() {
    let redirect = with_header(raw(302, "", ""), "location", "https://proxy.example.no/in?u=kari");
    let words = follow(redirect).await.to_string();
    assert!(words.contains("a redirect to proxy.example.no, which was not followed"), "{words}");
    assert!(!words.contains("kari"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_property_is_named() {
    let message = "Could not find a property named 'jobTitle' on type 'microsoft.graph.user'.";
    let body = json!({"error": {"code": "Request_BadRequest", "message": message}});
    for status in [400, 501] {
        let error = start(answer(status, &body)).await;
        assert_eq!(
            error.to_string(),
            "graph.microsoft.com does not offer what was asked for: property jobTitle"
        );
        assert_eq!(error.disposition(), Disposition::Halt);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_carries_ids_and_advice() {
    let body = json!({"error": {"code": "Authorization_RequestDenied",
        "message": "Insufficient privileges to complete the operation."}});
    let error = start(with_header(answer(403, &body), "request-id", "7a1e0c44")).await;
    assert_eq!(
        error.to_string(),
        "graph.microsoft.com refused us: Insufficient privileges to complete the operation. \
         (Authorization_RequestDenied) [trace id 7a1e0c44]; hint: grant the application permissions \
         User.Read.All and GroupMember.Read.All, with admin consent"
    );
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_tried_again() {
    let bench = Bench::new();
    let error = bench.users().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "graph.microsoft.com is not available: no answer prepared; Manntall tries again"
    );
    assert_eq!(error.disposition(), Disposition::Retry { after: None::<Duration> });
}
