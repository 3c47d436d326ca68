//! Every documented exchange that the client can meet, from `tests/fixtures/graph/exchanges.json`.

use super::*;
use crate::core::model::{Element, Tombstone};

fn exchange(name: &str) -> Value {
    let file = include_str!("../../../tests/fixtures/graph/exchanges.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let all = file["exchanges"].as_array().unwrap().clone();
    all.into_iter().find(|exchange| exchange["name"] == name).unwrap()
}

fn response(exchange: &Value) -> Response {
    let answer = &exchange["response"];
    let headers = answer["headers"].as_object().unwrap();
    let body = match &answer["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    Response {
        status: u16::try_from(answer["status"].as_u64().unwrap()).unwrap(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap().to_owned()))
            .collect(),
        body: body.into(),
    }
}

/// Follows the URL of the exchange and gets its answer.
async fn played(name: &str) -> Result<Page, GraphError> {
    let bench = Bench::new();
    let exchange = exchange(name);
    bench.graph(response(&exchange));
    let url = exchange["request"]["url"].as_str().unwrap();
    let kind = if url.contains("/groups/") { Kind::Groups } else { Kind::Users };
    let at = if url.contains("token=") {
        Position::Link(Link::stored(url.to_owned()))
    } else {
        Position::Start
    };
    let result = bench.client.page(kind, &at).await;
    if at != Position::Start {
        assert_eq!(bench.urls(), [url]);
    }
    result
}

async fn token_refused(name: &str) -> Box<Refusal> {
    let bench = Bench::with(Credential::Secret(reader("s")));
    bench.login(Ok(response(&exchange(name))));
    match bench.users().await {
        Err(GraphError::Refused(refusal)) => refusal,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_request_is_the_documented_one() {
    let documented = exchange("token_secret_ok");
    let bench = Bench::with(Credential::Secret(reader("EXAMPLE~secret~value")));
    bench.login(Ok(response(&documented)));
    bench.graph(last_page(&json!([])));
    bench.users().await.unwrap();
    let form = bench.forms().remove(0);
    let expected = documented["request"]["form"].as_object().unwrap();
    assert_eq!(form.len(), expected.len());
    for (name, value) in form {
        assert_eq!(expected[&name], json!(value));
    }
    let sent = bench.canned.sent.lock().unwrap();
    let token_url = sent.first().unwrap().url.to_string();
    assert_eq!(json!(token_url), documented["request"]["url"]);
    drop(sent);
    assert_eq!(bench.tokens(), ["eyJ0eXAiOiJKV1QiLCJub25jZSI6..."]);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_come_with_words_and_advice() {
    for (name, code, advice) in [
        ("token_error_secret_wrong", "AADSTS7000215", "value of the client secret"),
        ("token_error_secret_expired", "AADSTS7000222", "create a new client secret"),
        ("token_error_app_not_in_tenant", "AADSTS700016", "admin consent"),
        ("token_error_tenant_unknown", "AADSTS90002", "check tenant_id"),
        ("token_error_assertion_signature", "AADSTS700027", "upload this certificate"),
    ] {
        let refusal = token_refused(name).await;
        assert_eq!(refusal.code.as_deref(), Some(code));
        assert!(refusal.words.starts_with(code), "{}", refusal.words);
        assert!(!refusal.words.contains("Trace ID"), "{}", refusal.words);
        assert!(refusal.hint.is_some_and(|hint| hint.contains(advice)), "{refusal}");
        assert_eq!(refusal.trace_id.as_deref(), Some("11111111-aaaa-4bbb-8ccc-222222220100"));
        let correlation = refusal.correlation_id.as_deref();
        assert_eq!(correlation, Some("33333333-dddd-4eee-8fff-444444444444"));
    }
    assert_eq!(
        token_refused("token_error_secret_expired").await.to_string(),
        "login.microsoftonline.com refused us: AADSTS7000222: The provided client secret keys for app \
         are expired. [trace id 11111111-aaaa-4bbb-8ccc-222222220100] [correlation id \
         33333333-dddd-4eee-8fff-444444444444]; hint: create a new client secret, or move to a \
         certificate"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_requests_are_the_documented_ones() {
    let bench = Bench::new();
    bench.graph(last_page(&json!([]))).graph(last_page_of_groups(&json!([])));
    bench.users().await.unwrap();
    bench.groups().await.unwrap();
    assert_eq!(
        bench.urls(),
        [
            "https://graph.microsoft.com/v1.0/users/delta?$select=id,accountEnabled,displayName,\
             jobTitle,onPremisesExtensionAttributes,manager",
            "https://graph.microsoft.com/v1.0/groups/delta?$select=id,displayName,groupTypes,members",
        ]
    );
    let sent = bench.canned.sent.lock().unwrap();
    let headers = &sent.last().unwrap().headers;
    let prefer = ("prefer", "return=minimal, odata.maxpagesize=200".to_owned());
    assert!(headers.contains(&prefer), "{headers:?}");
    assert!(headers.iter().any(|(name, id)| *name == "client-request-id" && id.len() == 36));
}

#[tokio::test(start_paused = true)]
async fn pages_of_users_decode() {
    for (name, elements, complete) in [
        ("users_delta_page_1", 2, false),
        ("users_delta_page_2_empty", 0, false),
        ("users_delta_page_3_last", 5, true),
        ("users_delta_incremental_minimal", 3, true),
        ("users_delta_incremental_default", 1, true),
        ("users_delta_no_change", 0, true),
        ("users_delta_latest", 0, true),
    ] {
        let listed = exchange(name)["response"]["body"]["value"].as_array().unwrap().len();
        let page = played(name).await.unwrap();
        assert_eq!(page.elements.len(), listed, "{name}");
        assert_eq!((page.elements.len(), &page.findings), (elements, &vec![]), "{name}");
        assert_eq!(matches!(page.next, Next::Delta(_)), complete, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn tombstones_of_both_reasons_are_read() {
    let page = played("users_delta_page_3_last").await.unwrap();
    let tombstones: Vec<_> = page
        .elements
        .iter()
        .filter_map(|element| match element {
            Element::Removed { tombstone, .. } => Some(*tombstone),
            _ => None,
        })
        .collect();
    assert_eq!(tombstones, [Tombstone::SoftDeleted, Tombstone::Purged]);
}

#[tokio::test(start_paused = true)]
async fn pages_of_groups_decode() {
    for name in [
        "groups_delta_big_group_page_1",
        "groups_delta_big_group_page_2",
        "groups_delta_last",
        "groups_delta_incremental",
    ] {
        let page = played(name).await.unwrap();
        let value = exchange(name)["response"]["body"]["value"].clone();
        let value = value.as_array().unwrap();
        assert_eq!(page.elements.len(), value.len(), "{name}");
        assert_eq!(page.findings, [], "{name}");
        let listed: usize =
            value.iter().filter_map(|group| Some(group["members@delta"].as_array()?.len())).sum();
        let read = |element: &Element| match element {
            Element::Group { added, removed, .. } => added.len() + removed.len(),
            _ => 0,
        };
        assert_eq!(page.elements.iter().map(read).sum::<usize>(), listed, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_pages_say_what_to_do_next() {
    use std::time::Duration;
    let after = |seconds| Disposition::Retry { after: Some(Duration::from_secs(seconds)) };
    for (name, disposition) in [
        ("delta_410_gone", Disposition::ReadAll),
        ("delta_400_expired", Disposition::ReadAll),
        ("throttled_429", after(10)),
        ("unavailable_503", after(5)),
        ("gateway_timeout_504", Disposition::Retry { after: None }),
        ("forbidden_403", Disposition::Halt),
        ("bad_filter_400", Disposition::Halt),
        // The token is renewed first, for which the bench has no answer prepared.
        ("unauthorized_401", Disposition::Retry { after: None }),
    ] {
        assert_eq!(played(name).await.unwrap_err().disposition(), disposition, "{name}");
    }
}
