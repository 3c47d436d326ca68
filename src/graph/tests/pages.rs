//! What is on a page, and what is left out of it.

use super::*;
use crate::core::model::{Datum, Element, MemberKind, ObjectId, Properties, Tombstone};

async fn user(element: Value) -> (Vec<Element>, Vec<Finding>) {
    let bench = Bench::new();
    bench.graph(last_page(&json!([element])));
    let page = bench.users().await.unwrap();
    (page.elements, page.findings)
}

async fn properties(element: Value) -> (Properties, Vec<Flaw>) {
    let (elements, findings) = user(element).await;
    let properties = elements.into_iter().find_map(|element| match element {
        Element::User { properties, .. } => Some(properties),
        _ => None,
    });
    (properties.unwrap(), findings.into_iter().map(|finding| finding.flaw).collect())
}

#[tokio::test(start_paused = true)]
async fn null_as_account_state_is_unknown_and_counted() {
    let (known, flaws) = properties(json!({"id": ASE, "accountEnabled": null})).await;
    assert_eq!((known, flaws), (Properties::new(), vec![Flaw::AccountEnabledNull]));
    let (known, flaws) = properties(json!({"id": ASE, "accountEnabled": "false"})).await;
    let wrong = Flaw::WrongValue("accountEnabled".into());
    assert_eq!((known, flaws), (Properties::new(), vec![wrong]));
}

#[tokio::test(start_paused = true)]
async fn null_is_absent_and_what_is_missing_is_unknown() {
    let (known, flaws) = properties(json!({"id": ASE, "jobTitle": null})).await;
    assert_eq!(known, Properties::from([("jobTitle".to_owned(), Datum::Null)]));
    assert_eq!(flaws, []);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_selected_is_dropped() {
    let (known, flaws) =
        properties(json!({"id": ASE, "mobilePhone": 1.5, "members@delta": 7, "@odata.x": {}}))
            .await;
    assert_eq!((known, flaws), (Properties::new(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_kept_is_left_out() {
    for value in [json!(1.5), json!([1, 2.5]), json!({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}})] {
        let element = json!({"id": ASE, "displayName": "Åse", "jobTitle": value});
        let (known, flaws) = properties(element).await;
        assert_eq!(known, Properties::from([("displayName".to_owned(), Datum::from("Åse"))]));
        assert_eq!(flaws, [Flaw::WrongValue("jobTitle".into())]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_name_that_comes_twice_the_last_one_counts_also_where_it_cannot_be_read() {
    let bench = Bench::new();
    let element = format!(r#"{{"id":"{ASE}","accountEnabled":false,"accountEnabled":1.5}}"#);
    let page = last_page(&json!(["here"]));
    let body = String::from_utf8(page.body.to_vec()).unwrap().replace("\"here\"", &element);
    bench.graph(Response { body: body.into(), ..page });
    let page = bench.users().await.unwrap();
    let id = ObjectId::parse(ASE).unwrap();
    let unread = vec!["accountEnabled".into()];
    assert_eq!(page.elements, [Element::User { id, properties: Properties::new(), unread }]);
}

#[tokio::test(start_paused = true)]
async fn a_complex_value_is_a_map_without_annotations() {
    let value =
        json!({"@odata.type": "x", "extensionAttribute1": "Asker", "extensionAttribute2": null});
    let (known, _) = properties(json!({"id": ASE, "onPremisesExtensionAttributes": value})).await;
    let Some(Datum::Map(map)) = known.get("onPremisesExtensionAttributes") else {
        unreachable!("{known:?}")
    };
    assert_eq!(map.get("extensionAttribute1"), Some(&Datum::from("Asker")));
    assert_eq!(map.get("extensionAttribute2"), Some(&Datum::Null));
    assert_eq!(map.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn damaged_elements_are_counted_and_the_rest_is_kept() {
    let bench = Bench::new();
    let elements = json!([
        "text", 7, null, [], {}, {"id": null}, {"id": "kari"}, {"id": {"a": 1}},
        {"id": ASE, "@removed": "yes"}, {"id": ASE, "displayName": "Åse"}
    ]);
    bench.graph(last_page(&elements));
    let page = bench.users().await.unwrap();
    let ids: Vec<_> = page.elements.iter().map(Element::id).collect();
    let id = ObjectId::parse(ASE);
    assert_eq!(ids, [&[None; 8][..], &[id, id]].concat());
    let is_read = |element: &&Element| !matches!(element, Element::Unreadable { .. });
    assert_eq!(page.elements.iter().filter(is_read).count(), 1);
    let counts: Vec<_> = page.findings.into_iter().map(|found| (found.flaw, found.count)).collect();
    assert_eq!(counts, [(Flaw::NoObjectId, 4), (Flaw::WrongShape, 4), (Flaw::UnclearRemoval, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_keeps_its_reason() {
    for (reason, tombstone, flaws) in [
        (json!({"reason": "changed"}), Tombstone::SoftDeleted, vec![]),
        (json!({"reason": "deleted"}), Tombstone::Purged, vec![]),
        (json!({"reason": "bored"}), Tombstone::SoftDeleted, vec![Flaw::UnknownReason]),
        (json!({}), Tombstone::SoftDeleted, vec![Flaw::UnknownReason]),
    ] {
        let (elements, findings) = user(json!({"id": ASE, "@removed": reason})).await;
        let id = ObjectId::parse(ASE).unwrap();
        assert_eq!(elements, [Element::Removed { id, tombstone }]);
        assert_eq!(findings.into_iter().map(|found| found.flaw).collect::<Vec<_>>(), flaws);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_manager_who_is_not_removed_wins() {
    let kari = json!({"id": "2d8c2a74-8d2d-4e40-9e2c-4a30af906c03"});
    let gone = json!({"id": ASE, "@removed": {"reason": "deleted"}});
    let text = Datum::from("2d8c2a74-8d2d-4e40-9e2c-4a30af906c03");
    for (list, manager) in [
        (json!([kari, gone]), Some(text.clone())),
        (json!([gone, kari]), Some(text)),
        (json!([gone]), Some(Datum::Null)),
        (json!([]), None),
        (json!([gone, {"id": 7}]), None),
    ] {
        let (known, _) = properties(json!({"id": ASE, "manager@delta": list})).await;
        assert_eq!(known.get("manager"), manager.as_ref(), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_are_changes_of_every_kind() {
    let bench = Bench::new();
    let member = |kind: &str, last: u8| json!({"@odata.type": kind, "id": format!("00000000-0000-4000-8000-0000000000{last:02}")});
    let mut gone = member("#microsoft.graph.user", 4);
    gone["@removed"] = json!({"reason": "deleted"});
    let members = json!([
        member("#microsoft.graph.user", 1),
        member("#microsoft.graph.group", 2),
        member("#microsoft.graph.device", 3),
        gone,
        {"id": "no guid"}
    ]);
    bench.graph(last_page_of_groups(
        &json!([{"id": ASE, "groupTypes": ["Unified"], "members@delta": members}]),
    ));
    let page = bench.groups().await.unwrap();
    let [Element::Group { properties, added, removed, .. }] = page.elements.as_slice() else {
        unreachable!("{:?}", page.elements)
    };
    assert_eq!(properties.get("groupTypes"), Some(&Datum::List(vec![Datum::from("Unified")])));
    let kinds: Vec<_> = added.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [MemberKind::User, MemberKind::Group, MemberKind::Other]);
    assert_eq!(removed.len(), 1);
    assert_eq!(page.findings.first().map(|found| &found.flaw), Some(&Flaw::WrongMember));
}

#[tokio::test(start_paused = true)]
async fn later_words_on_a_member_count() {
    let bench = Bench::new();
    let id = |last: u8| format!("00000000-0000-4000-8000-0000000000{last:02}");
    let added = |last| json!({"@odata.type": "#microsoft.graph.user", "id": id(last)});
    let gone = |last| {
        let mut entry: Value = added(last);
        entry["@removed"] = json!({"reason": "deleted"});
        entry
    };
    let members = json!([added(1), gone(1), gone(2), added(2), added(3), added(3)]);
    bench.graph(last_page_of_groups(&json!([{"id": ASE, "members@delta": members}])));
    let page = bench.groups().await.unwrap();
    let [Element::Group { added, removed, .. }] = page.elements.as_slice() else {
        unreachable!("{:?}", page.elements)
    };
    let added: Vec<_> = added.iter().map(|(_, one)| one.to_string()).collect();
    assert_eq!(added, [id(2), id(3)]);
    assert_eq!(removed.iter().map(ToString::to_string).collect::<Vec<_>>(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_breaks_the_rules_is_refused_whole() {
    let (next, delta) = (link("n"), link("d"));
    for body in [
        json!({"value": []}),
        json!({"@odata.nextLink": next, "@odata.deltaLink": delta, "value": []}),
        json!({"@odata.deltaLink": delta}),
        json!({"error": {"code": "x"}}),
    ] {
        let bench = Bench::new();
        bench.graph(answer(200, &body));
        let result = bench.users().await;
        assert!(matches!(result, Err(GraphError::Malformed { .. })), "{body}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_page_is_refused_wherever_it_is_cut() {
    let whole = last_page(&json!([{"id": ASE, "displayName": "Åse"}])).body;
    for length in 1..whole.len() {
        let bench = Bench::new();
        let mut cut = raw(200, "application/json", "");
        cut.body = whole.slice(..length);
        bench.graph(cut);
        let result = bench.users().await;
        assert!(matches!(result, Err(GraphError::Unusable { .. })), "{length}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deep_nesting_does_no_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for name in ["jobTitle", "unselected", "id", "@removed", "manager@delta"] {
        let bench = Bench::new();
        let body =
            format!(r#"{{"@odata.deltaLink":"{}","value":[{{"{name}":{deep}}}]}}"#, link("d"));
        bench.graph(raw(200, "application/json", &body));
        let unreadable = Element::Unreadable { id: None, properties: Properties::new() };
        assert_eq!(bench.users().await.unwrap().elements, [unreadable], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_user_is_read_with_the_manager_where_there_is_one() {
    let bench = Bench::new();
    bench.graph(answer(200, &json!({"id": ASE, "accountEnabled": false})));
    let manager = "5d4f1d3c-3a6e-4e0b-8f57-1f1f6a0c2b11";
    bench.graph(answer(200, &json!({"id": ASE, "manager": {"id": manager}})));
    bench.graph(answer(200, &json!({"id": ASE, "manager": {"id": "nobody"}})));
    let not_found = json!({"error": {"code": "Request_ResourceNotFound", "message": "x"}});
    bench.graph(answer(404, &not_found)).graph(raw(404, "text/html", "<html></html>"));
    let id = ObjectId::parse(ASE).unwrap();
    let properties = Properties::from([("accountEnabled".to_owned(), Datum::Bool(false))]);
    let unread = Vec::new();
    assert_eq!(
        bench.client.object(Kind::Users, id).await,
        Ok(Some(Element::User { id, properties, unread }))
    );
    for known in [Some(manager), None] {
        let Ok(Some(Element::User { properties, unread, .. })) =
            bench.client.object(Kind::Users, id).await
        else {
            unreachable!("it is a user")
        };
        assert_eq!(properties.get("manager").and_then(Datum::as_text), known);
        // One who is there and cannot be read is not taken for none.
        assert_eq!(unread.is_empty(), known.is_some());
    }
    assert_eq!(bench.client.object(Kind::Users, id).await, Ok(None));
    assert!(matches!(bench.client.object(Kind::Users, id).await, Err(GraphError::Unusable { .. })));
    assert_eq!(
        bench.urls().first().unwrap(),
        "https://graph.microsoft.com/v1.0/users/0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01\
         ?$select=id,accountEnabled,displayName,jobTitle,onPremisesExtensionAttributes\
         &$expand=manager($select=id)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_count_is_plain_text() {
    let bench = Bench::new();
    bench.graph(raw(200, "text/plain", "\u{feff}6200")).graph(raw(200, "text/plain", "many"));
    assert_eq!(bench.client.count(Kind::Users).await, Ok(6200));
    assert!(matches!(bench.client.count(Kind::Users).await, Err(GraphError::Unusable { .. })));
    assert_eq!(bench.urls().first().unwrap(), "https://graph.microsoft.com/v1.0/users/$count");
    let sent = bench.canned.sent.lock().unwrap();
    assert!(sent.last().unwrap().headers.contains(&("consistencylevel", "eventual".to_owned())));
}
