//! Links lead to this tenant's Graph or nowhere, on arrival and out of the store.

use super::*;

/// Links that must be refused, with nothing in common but ill will.
fn hostile() -> Vec<String> {
    let fixed = [
        "https://graph.microsoft.com.evil.example/v1.0/users/delta?$skiptoken=1",
        "https://evil.example/v1.0/users/delta?$skiptoken=1",
        "https://graph.microsoft.com@evil.example/v1.0/users/delta",
        "https://graph.microsoft.com:443@evil.example/v1.0/users/delta",
        "https://user@graph.microsoft.com/v1.0/users/delta",
        "https://user:word@graph.microsoft.com/v1.0/users/delta",
        "https://:word@graph.microsoft.com/v1.0/users/delta",
        "https://graph.microsoft.com:8443/v1.0/users/delta",
        "https://graph.microsoft.com:80/v1.0/users/delta",
        "http://graph.microsoft.com/v1.0/users/delta",
        "http://127.0.0.1/v1.0/users/delta",
        "http://localhost/v1.0/users/delta",
        "https://graph.microsoft.com./v1.0/users/delta",
        "https://gr\u{430}ph.microsoft.com/v1.0/users/delta",
        "https://xn--grph-43d.microsoft.com/v1.0/users/delta",
        "https://graph.microsoft.com\\@evil.example/v1.0/users/delta",
        "https:\\\\evil.example\\v1.0\\users\\delta",
        "//evil.example/v1.0/users/delta",
        "/v1.0/users/delta?$skiptoken=1",
        "v1.0/users/delta",
        "https:///evil.example/v1.0/users/delta",
        "https://graph.microsoft.com/v1.0.evil/users/delta",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/v1.0/",
        "https://graph.microsoft.com/v1.0/../beta/users/delta",
        "https://graph.microsoft.com/v1.0/%2e%2e/beta/users/delta",
        "https://graph.microsoft.com/v1.0/users%2f..%2f..%2fbeta/delta",
        "https://graph.microsoft.com/v1.0/users%5cdelta",
        "https://graph.microsoft.com/v1.0/users%00/delta",
        "https://graph.microsoft.com//v1.0/users/delta",
        "https://graph.microsoft.com/beta/users/delta",
        "https://graph.microsoft.com/V1.0/users/delta",
        "https://graph.microsoft.com/v1.0/users/delta#fragment",
        "https://graph.microsoft.com/v1.0/users/\tdelta",
        "https://evil.exam\nple/v1.0/users/delta",
        " https://graph.microsoft.com/v1.0/users/delta",
        "https://graph.microsoft.com/v1.0/users/delta?a b",
        "https://graph.microsoft.us/v1.0/users/delta",
        "https:graph.microsoft.com/v1.0/users/delta",
        "https:/graph.microsoft.com/v1.0/users/delta",
        "https:////graph.microsoft.com/v1.0/users/delta",
        "https://@graph.microsoft.com/v1.0/users/delta",
        "https://gr%61ph.microsoft.com/v1.0/users/delta",
        "https://graph.microsoft.com:/v1.0/users/delta",
        "https://graph.microsoft.com:0443/v1.0/users/delta",
        "https://192.0.2.7/v1.0/users/delta",
        "https://[2001:db8::7]/v1.0/users/delta",
        "ftp://graph.microsoft.com/v1.0/users/delta",
        "file:///v1.0/users/delta",
        "javascript:alert(1)",
        "data:application/json,{}",
        "",
    ];
    fixed.iter().map(|&text| text.to_owned()).collect()
}

/// One that leads home, and is longer than any server takes.
fn too_long(length: usize) -> String {
    format!("{GRAPH}/v1.0/users/delta?$skiptoken={}", "a".repeat(length))
}

#[tokio::test(start_paused = true)]
async fn a_hostile_link_from_the_store_sends_nothing() {
    for text in hostile().into_iter().chain([too_long(20_000)]) {
        let bench = Bench::new();
        let result = bench.follow(&text).await;
        assert!(matches!(result, Err(GraphError::ForeignLink { .. })), "{text}: {result:?}");
        assert_eq!(bench.canned.sent.lock().unwrap().len(), 0, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_link_on_a_page_spoils_the_page() {
    for text in hostile() {
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            let bench = Bench::new();
            bench.graph(answer(200, &json!({name: text, "value": []})));
            let result = bench.users().await;
            assert!(matches!(result, Err(GraphError::ForeignLink { .. })), "{text}: {result:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_too_long_spoils_nothing_that_stands_on_its_page() {
    for length in [20_000, 100_000, 1_000_000, 10_000_000] {
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            let bench = Bench::new();
            let element = json!({"id": ASE, "accountEnabled": false});
            bench.graph(answer(200, &json!({name: too_long(length), "value": [element]})));
            let page = bench.users().await.unwrap();
            assert_eq!((page.next, page.elements.len()), (Next::Lost, 1), "{length}");
            assert_eq!(page.findings[0].flaw, Flaw::LinkTooLong);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_to_other_objects_is_not_followed_and_spoils_its_page() {
    let home = |path: &str| format!("{GRAPH}/v1.0/{path}?$skiptoken=1");
    for (path, to) in [
        ("groups/delta", "groups"),
        ("Groups/microsoft.graph.delta()", "groups"),
        ("users", "another resource"),
        ("users/0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01", "another resource"),
        ("users/delta/0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01", "another resource"),
        ("users/deltas", "another resource"),
        ("directoryObjects/delta", "another resource"),
        ("3f9c1c1e-6a55-4d0e-9f1b-0c5d7a2b8e10/users/delta", "another resource"),
    ] {
        let words = format!(
            "a link of graph.microsoft.com for pages of users leads to {to}; it was not followed and nothing of \
             its page was used; Manntall begins the round again"
        );
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            let bench = Bench::new();
            bench.graph(answer(200, &json!({name: home(path), "value": [{"id": ASE}]})));
            let error = bench.users().await.unwrap_err();
            assert_eq!(error.to_string(), words);
            assert_eq!(error.disposition(), Disposition::RestartRound);
        }
        let bench = Bench::new();
        let error = bench.follow(&home(path)).await.unwrap_err();
        assert_eq!((error.to_string(), bench.urls().len()), (words, 0));
    }
    for path in
        ["users/delta", "Users/delta()", "users/microsoft.graph.delta%28%29", "users/delta/"]
    {
        let bench = Bench::new();
        bench.graph(answer(200, &json!({"@odata.nextLink": home(path), "value": []})));
        assert!(bench.users().await.is_ok(), "{path}");
    }
}

#[test]
fn a_foreign_link_names_the_host_and_nothing_else() {
    let graph_url = Url::parse(GRAPH).unwrap();
    let error = Link::parse("https://kari:pw@evil.example/v1.0/users/x?$skiptoken=s", &graph_url);
    assert_eq!(
        error.unwrap_err().to_string(),
        "a page link points to evil.example (another host); it was not followed and no token was sent there"
    );
}

#[test]
fn every_spelling_of_delta_is_accepted_as_it_is() {
    let graph_url = Url::parse(GRAPH).unwrap();
    for text in [
        "https://graph.microsoft.com/v1.0/users/delta?$skiptoken=oEBw_p1",
        "https://graph.microsoft.com/v1.0/users/delta()?$skiptoken=oEBw_p1",
        "https://graph.microsoft.com/v1.0/users/microsoft.graph.delta()?$deltatoken=a%2Fb",
        "https://graph.microsoft.com:443/v1.0/users/delta?$deltatoken=x",
        "https://GRAPH.microsoft.com/v1.0/users/delta?$deltatoken=x",
    ] {
        assert_eq!(Link::parse(text, &graph_url).unwrap().as_str(), text);
    }
}

#[test]
fn plain_http_leads_to_this_machine_only() {
    let link = |origin: &str| {
        let graph_url = Url::parse(origin).unwrap();
        Link::parse(&format!("{origin}/v1.0/users/delta?$deltatoken=x"), &graph_url)
    };
    assert!(link("http://127.0.0.1:9470").is_ok());
    assert!(link("http://[::1]:9470").is_ok());
    assert!(link("http://localhost:9470").is_ok());
    assert!(link("http://graph.example.no").is_err());
    assert!(link("http://localhost.example.no").is_err());
}
