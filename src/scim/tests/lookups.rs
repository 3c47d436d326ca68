//! Looking up, listing, and the URLs of both.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::json;

use super::bench::Bench;
use crate::core::model::ScimId;
use crate::scim::dialect::Dialect;
use crate::scim::{Cursor, Discovery, ListPage, MatchBy, ScimError, Turn, UserResource, Walk};

#[tokio::test]
async fn values_are_escaped_for_json_and_then_for_the_url() {
    let bench = Bench::new();
    let values =
        ["O'Brien", "\"quoted\"", "back\\slash", "a+b@x", "R&D", "100%", "Ærø", "🦊", "a\nb"];
    for value in values {
        bench.answer(200, r#"{"totalResults":0}"#);
        let hits = bench.reader.user_by(bench.permit().await, MatchBy::UserName(value)).await;
        assert_eq!(hits, Ok(Vec::new()));
    }
    let sent = bench.requests();
    for (request, value) in sent.iter().zip(values) {
        // What a server gets back by undoing both.
        let (_, filter) = request.url.query_pairs().next().unwrap();
        let literal = filter.strip_prefix("userName eq ").unwrap();
        assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value);
    }
    let queries: Vec<&str> = sent.iter().filter_map(|request| request.url.query()).collect();
    assert_snapshot!(queries.join("\n"), @r#"
    filter=userName%20eq%20%22O%27Brien%22&count=10
    filter=userName%20eq%20%22%5C%22quoted%5C%22%22&count=10
    filter=userName%20eq%20%22back%5C%5Cslash%22&count=10
    filter=userName%20eq%20%22a%2Bb%40x%22&count=10
    filter=userName%20eq%20%22R%26D%22&count=10
    filter=userName%20eq%20%22100%25%22&count=10
    filter=userName%20eq%20%22%C3%86r%C3%B8%22&count=10
    filter=userName%20eq%20%22%F0%9F%A6%8A%22&count=10
    filter=userName%20eq%20%22a%5Cnb%22&count=10
    "#);
}

#[tokio::test]
async fn groups_are_looked_up_without_their_members() {
    let bench = Bench::new();
    bench.answer(200, r#"{"totalResults":1,"Resources":[{"id":"g","displayName":"Vann"}]}"#);
    let hits = bench.reader.group_by(bench.permit().await, MatchBy::DisplayName("Vann")).await;
    assert_eq!(hits.unwrap().len(), 1);
    assert_snapshot!(bench.sent().join("\n"), @r#"
    GET /Groups?filter=displayName%20eq%20%22Vann%22&count=10&excludedAttributes=members
    "#);
}

#[tokio::test]
async fn hits_are_checked_against_what_was_asked() {
    let body = r#"{"totalResults":3,"Resources":[
        {"id":"1","userName":"KARI@asker.example.no","externalId":"A"},
        {"id":"2","userName":"kari@asker.example.no.evil.example.no","externalId":"a"},
        {"id":"3","userName":"ærø","externalId":"b"}]}"#;
    for (by, expected) in [
        (MatchBy::UserName("kari@Asker.example.no"), vec!["1"]),
        (MatchBy::UserName("ÆRØ"), vec!["3"]),
        (MatchBy::ExternalId("a"), vec!["2"]),
    ] {
        let bench = Bench::new();
        bench.answer(200, body);
        let hits = bench.reader.user_by(bench.permit().await, by).await.unwrap();
        let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        assert_eq!(ids, expected, "{by:?}");
    }
}

#[tokio::test]
async fn filter_that_is_ignored_is_not_taken_for_absence() {
    for body in [
        r#"{"totalResults":5000,"Resources":[{"id":"1","userName":"ola"}]}"#,
        r#"{"totalResults":5000,"Resources":[{"id":"1","userName":"ola"},{"id":"2","userName":"kari"}]}"#,
        r#"{"totalResults":1}"#,
    ] {
        let bench = Bench::new();
        bench.answer(200, body);
        let result = bench.reader.user_by(bench.permit().await, MatchBy::UserName("kari")).await;
        assert_eq!(result, Err(ScimError::FilterIgnored { attribute: "userName" }), "{body}");
    }
}

#[tokio::test]
async fn object_that_is_no_list_is_not_taken_for_an_empty_one() {
    let bench = Bench::new();
    bench.answer(200, r#"{"message":"welcome"}"#);
    let result = bench.reader.user_by(bench.permit().await, MatchBy::UserName("kari")).await;
    assert!(matches!(result, Err(ScimError::NotScim { .. })), "{result:?}");
}

#[tokio::test]
async fn ids_are_one_segment_of_the_path() {
    for (id, path) in [
        ("a/b", "/Users/a%2Fb"),
        ("../Groups/1", "/Users/..%2FGroups%2F1"),
        ("x?y=1#z", "/Users/x%3Fy%3D1%23z"),
        ("%2f", "/Users/%252f"),
        ("%2e%2e", "/Users/%252e%252e"),
        ("ærø 🦊", "/Users/%C3%A6r%C3%B8%20%F0%9F%A6%8A"),
        ("a\\b\tc", "/Users/a%5Cb%09c"),
        ("...", "/Users/..."),
    ] {
        let bench = Bench::new();
        bench.answer(404, "");
        let user = bench.reader.user(bench.permit().await, &ScimId::new(id)).await;
        assert_eq!(user, Ok(None));
        assert_eq!(bench.sent(), [format!("GET {path}")]);
    }
}

#[tokio::test]
async fn ids_that_no_url_can_carry_are_not_sent() {
    for id in ["", ".", ".."] {
        let bench = Bench::new();
        let result = bench.writer.delete_group(bench.permit().await, &ScimId::new(id)).await;
        assert!(matches!(result, Err(ScimError::NotSent { .. })), "{result:?}");
        assert_eq!(bench.sent(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn another_resource_than_the_one_asked_for_is_refused() {
    let bench = Bench::new();
    bench.answer(200, r#"{"id":"2","userName":"ola"}"#).answer(200, r#"{"userName":"ola"}"#);
    for _ in 0..2 {
        let result = bench.reader.user(bench.permit().await, &ScimId::new("1")).await;
        assert_eq!(result, Err(ScimError::Mismatch));
    }
}

#[tokio::test]
async fn discovery_survives_a_target_that_has_none() {
    let bench = Bench::new();
    bench.answer(404, "not found").answer(
        200,
        r#"{"patch":{"supported":false},"Filter":{"supported":"True","maxResults":"200"},"x":1}"#,
    );
    let none = bench.reader.discover(bench.permit().await).await;
    let defaults = Discovery { told: false, patch: true, filter: true, max_results: None };
    assert_eq!(none, Ok(defaults));
    let some = bench.reader.discover(bench.permit().await).await;
    let said = Discovery { told: true, patch: false, filter: true, max_results: Some(200) };
    assert_eq!(some, Ok(said));
}

/// Walks all users of a target that answers with `pages`; returns the ids, the requests, and whether
/// everything was told.
async fn walk(pages: &[(Option<usize>, &[u32])]) -> (Vec<String>, usize, bool) {
    let bench = Bench::speaking(Dialect { page_size: 3, ..Dialect::default() });
    for (total, ids) in pages {
        let total = total.map(|total| format!("\"totalResults\":{total},")).unwrap_or_default();
        let users: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        bench.answer(200, &format!("{{{total}\"Resources\":[{}]}}", users.join(",")));
    }
    let mut walk = Walk::new(0);
    let mut seen = BTreeSet::new();
    loop {
        let page = bench.reader.list_users(bench.permit().await, &walk.cursor()).await.unwrap();
        let turn = walk.take(&page);
        seen.extend(page.items.into_iter().map(|user| user.id.to_string()));
        if turn == Turn::Ended {
            break;
        }
    }
    (seen.into_iter().collect(), bench.sent().len(), walk.told().is_whole())
}

#[tokio::test]
async fn a_listing_ends_at_an_empty_page_and_is_whole_if_it_told_what_it_announced() {
    for (pages, ids, is_whole) in [
        (vec![(Some(5), &[1, 2, 3][..]), (Some(5), &[4, 5]), (Some(5), &[])], 5, true),
        (vec![(Some(0), &[])], 0, true),
        // Pages smaller than asked.
        (vec![(Some(4), &[1, 2]), (Some(4), &[3, 4]), (Some(4), &[])], 4, true),
        // No total at all, or one that counts the page only.
        (vec![(None, &[1, 2, 3]), (None, &[4]), (None, &[])], 4, false),
        (vec![(Some(3), &[1, 2, 3]), (Some(3), &[4, 5, 6]), (Some(0), &[])], 6, false),
    ] {
        assert_eq!(walk(&pages).await, (names(ids), pages.len(), is_whole), "{pages:?}");
    }
}

fn names(count: u32) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_listing_that_told_less_than_it_announced_is_not_whole() {
    for (pages, ids) in [
        // An empty page before the end.
        (vec![(Some(9), &[1, 2, 3][..]), (Some(9), &[])], 3),
        // The same page again: the start is ignored.
        (vec![(Some(9), &[1, 2, 3]), (Some(9), &[1, 2, 3])], 3),
        (vec![(Some(3), &[1, 2, 3]), (Some(3), &[1, 2, 3])], 3),
        // A total that is always the same.
        (vec![(Some(3), &[1, 2, 3]), (Some(3), &[4, 5]), (Some(3), &[])], 5),
        // A row that is told twice has pushed another one out of sight.
        (vec![(Some(5), &[1, 2, 3]), (Some(5), &[3, 4]), (Some(5), &[])], 4),
        // A total that moves.
        (vec![(Some(4), &[1, 2, 3]), (Some(5), &[4, 5]), (Some(5), &[])], 5),
    ] {
        assert_eq!(walk(&pages).await, (names(ids), pages.len(), false), "{pages:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_there_and_hides_nothing_else() {
    let long = "x".repeat(150_000);
    let rows = [
        r#"{"userName":"no id"}"#.to_owned(),
        "null".to_owned(),
        "17".to_owned(),
        r#"{"id":{"a":1}}"#.to_owned(),
        r#"{"id":"2","userName":["kari"]}"#.to_owned(),
        r#"{"id":"3","userName":"\ud83d","active":"0"}"#.to_owned(),
        r#"{"id":"4","userName":"ola","title":1e999}"#.to_owned(),
        format!(r#"{{"id":"{long}"}}"#),
        format!(r#"{{"id":"5","externalId":"{long}"}}"#),
    ];
    let bench = Bench::new();
    let body = format!(r#"{{"totalResults":9,"Resources":[{}]}}"#, rows.join(","));
    bench.answer(200, &body);
    let page = bench.reader.list_users(bench.permit().await, &Cursor::first()).await.unwrap();
    let ids: Vec<(&str, bool)> =
        page.items.iter().map(|user| (user.id.as_str(), user.is_garbled)).collect();
    assert_eq!(ids, [("2", true), ("3", false), ("5", true)]);
    assert_eq!((page.unreadable, page.total), (6, Some(9)));
    assert_eq!(page.items[1].user_name.as_deref(), Some("\u{fffd}"));
    assert_eq!(page.items[1].active, Some(false));
    let mut walk = Walk::new(0);
    assert!(matches!(walk.take(&page), Turn::On(_)));
    assert!(!walk.told().is_whole());
    assert!(walk.told().to_string().contains("8 that cannot be read, among them \"2\", \"5\""));
}

#[tokio::test]
async fn a_target_that_makes_up_rows_without_end_is_left_after_a_multiple_of_what_is_known() {
    let mut walk = Walk::new(50);
    let mut asked = 0_usize;
    loop {
        let rows = asked * 100..asked * 100 + 100;
        let page = ListPage {
            items: rows
                .filter_map(|row| UserResource::read(json!({ "id": row.to_string() })))
                .collect(),
            unreadable: 0,
            total: Some(usize::MAX),
        };
        asked += 1;
        if walk.take(&page) == Turn::Ended {
            break;
        }
    }
    assert!((1_000..2_000).contains(&asked), "{asked} pages");
    assert!(!walk.told().is_whole());
}

#[tokio::test]
async fn a_look_up_that_finds_somebody_else_is_no_answer() {
    // Filters by the name that the account had when it was made.
    let bench = Bench::new();
    bench.answer(200, r#"{"totalResults":1,"Resources":[{"id":"1","userName":"kari.ny"}]}"#);
    let result = bench.reader.user_by(bench.permit().await, MatchBy::UserName("kari")).await;
    assert_eq!(result, Err(ScimError::FilterIgnored { attribute: "userName" }));
    // A hit without an id is there, and nothing can be said without it.
    bench.answer(200, r#"{"totalResults":1,"Resources":[{"userName":"kari"}]}"#);
    let result = bench.reader.user_by(bench.permit().await, MatchBy::UserName("kari")).await;
    assert_eq!(result, Err(ScimError::Unreadable));
}
