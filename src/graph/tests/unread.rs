//! What cannot be read on a page is unknown by itself, and named.

use super::*;
use crate::core::model::{Datum, Element, MemberKind, ObjectId, Properties, PropertyName};

const KARI: &str = "2d8c2a74-8d2d-4e40-9e2c-4a30af906c03";

fn id(text: &str) -> ObjectId {
    ObjectId::parse(text).unwrap()
}

/// A page with elements that stand there to the letter.
fn page_of(elements: &str) -> Response {
    let body = format!(r#"{{"@odata.deltaLink":"{}","value":[{elements}]}}"#, link("d1"));
    raw(200, "application/json", &body)
}

async fn users(elements: &str) -> Page {
    let bench = Bench::new();
    bench.graph(page_of(elements));
    bench.users().await.unwrap()
}

async fn groups(elements: &str) -> Page {
    let bench = Bench::new();
    let page = page_of(elements);
    let body = String::from_utf8(page.body.to_vec()).unwrap().replace("/users/", "/groups/");
    bench.graph(Response { body: body.into(), ..page });
    bench.groups().await.unwrap()
}

fn flaws(page: &Page) -> Vec<&Flaw> {
    page.findings.iter().map(|found| &found.flaw).collect()
}

/// The one user on the page: what is known, and what is there and cannot be read.
fn one(page: &Page) -> (&Properties, Vec<&str>) {
    match page.elements.as_slice() {
        [Element::User { properties, unread, .. } | Element::Group { properties, unread, .. }] => {
            (properties, unread.iter().map(PropertyName::as_str).collect())
        }
        others => unreachable!("{others:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn half_of_a_character_costs_that_character_and_nothing_else() {
    let row = format!(r#"{{"id":"{ASE}","displayName":"Kari \ud83d","accountEnabled":false}}"#);
    let page = users(&row).await;
    let (known, unread) = one(&page);
    assert_eq!(known.get("displayName"), Some(&Datum::from("Kari \u{fffd}")));
    assert_eq!(known.get("accountEnabled"), Some(&Datum::Bool(false)));
    assert!(unread.is_empty() && page.findings.is_empty(), "{page:?}");
    // The same where nobody selected it, in a member, in a name of a property and in what is no UTF-8.
    let row = format!(
        r##"{{"id":"{ASE}","note":"\udc00","\ud800":1,"displayName":"Vei","members@delta":[
            {{"@odata.type":"#microsoft.graph.user","id":"{KARI}","displayName":"\ud83d"}}]}}"##
    );
    let page = groups(&row).await;
    let [Element::Group { added, .. }] = page.elements.as_slice() else { unreachable!("{page:?}") };
    assert_eq!(*added, [(MemberKind::User, id(KARI))]);
    let bench = Bench::new();
    let row = format!(r#"{{"id":"{ASE}","displayName":"K?re"}}"#);
    let mut bytes = page_of(&row).body.to_vec();
    let at = bytes.windows(4).position(|bytes| bytes == b"K?re").unwrap();
    bytes[at + 1] = 0xe5;
    bench.graph(Response { body: bytes.into(), ..page_of("") });
    let page = bench.users().await.unwrap();
    assert_eq!(one(&page).0.get("displayName"), Some(&Datum::from("K\u{fffd}re")));
}

#[tokio::test(start_paused = true)]
async fn a_property_of_another_type_is_unknown_and_the_rest_is_used() {
    for (name, value) in [
        ("displayName", "7"),
        ("displayName", "[]"),
        ("jobTitle", "true"),
        ("jobTitle", r#"{"a":"b"}"#),
        ("jobTitle", "1e999"),
        ("accountEnabled", r#""true""#),
        ("accountEnabled", "1"),
        ("onPremisesExtensionAttributes", r#""text""#),
        ("onPremisesExtensionAttributes", "[]"),
        ("onPremisesExtensionAttributes", r#"{"extensionAttribute5":7}"#),
        ("onPremisesExtensionAttributes", r#"{"extensionAttribute5":["SKJERMET"]}"#),
    ] {
        let other = if name == "displayName" { "jobTitle" } else { "displayName" };
        let page = users(&format!(r#"{{"{name}":{value},"{other}":"x","id":"{ASE}"}}"#)).await;
        let (known, unread) = one(&page);
        assert_eq!(*known, Properties::from([(other, Datum::from("x"))]), "{name} {value}");
        assert_eq!(unread, [name], "{value}");
        assert_eq!(flaws(&page), [&Flaw::WrongValue(name.to_owned())], "{value}");
        assert_eq!(page.findings[0].example, Some(id(ASE)));
    }
}

#[tokio::test(start_paused = true)]
async fn null_and_other_types_in_the_annotation_of_a_link_say_nothing() {
    for (value, told) in [("null", 0), ("7", 1), ("\"x\"", 1), ("{}", 1), ("[null]", 1), ("[7]", 1)]
    {
        let page = users(&format!(r#"{{"id":"{ASE}","manager@delta":{value}}}"#)).await;
        assert_eq!(one(&page), (&Properties::new(), vec!["manager"]), "{value}");
        assert_eq!(page.findings.len(), told, "{value}");
        let page = groups(&format!(r#"{{"id":"{ASE}","members@delta":{value}}}"#)).await;
        assert_eq!(one(&page), (&Properties::new(), vec!["members"]), "{value}");
        assert_eq!(page.findings.len(), told, "{value}");
    }
    // Of many members one cannot be read: the others are used.
    let member = format!(r##"{{"@odata.type":"#microsoft.graph.user","id":"{KARI}"}}"##);
    let odd = format!(r#"{{"@odata.type":7,"id":"{KARI}"}}"#);
    for (list, is_whole) in [
        (format!("[{member}]"), true),
        (format!("[{odd},{member}]"), true),
        (format!("[{member},{{\"id\":\"kari\"}}]"), false),
        (format!("[{member},{{\"id\":\"{ASE}\",\"@removed\":\"yes\"}}]"), false),
        (format!("[{member},{{\"id\":\"{ASE}\",\"id\":\"{KARI}\"}}]"), false),
    ] {
        let page = groups(&format!(r#"{{"id":"{ASE}","members@delta":{list}}}"#)).await;
        let [Element::Group { added, removed, unread, .. }] = page.elements.as_slice() else {
            unreachable!("{page:?}")
        };
        assert_eq!((added.last(), removed.len()), (Some(&(MemberKind::User, id(KARI))), 0));
        assert_eq!(unread.is_empty(), is_whole, "{list}");
    }
    let null = format!(r#"{{"id":"{ASE}","members@delta":[{{"id":"{KARI}","@removed":null}}]}}"#);
    let page = groups(&null).await;
    let [Element::Group { added, removed, .. }] = page.elements.as_slice() else { unreachable!() };
    assert_eq!((added.len(), removed.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn only_a_clear_removal_is_one_and_who_cannot_be_read_is_there() {
    for (value, flaw) in [
        ("null", None),
        ("\"yes\"", Some(Flaw::UnclearRemoval)),
        ("false", Some(Flaw::UnclearRemoval)),
        ("[]", Some(Flaw::UnclearRemoval)),
    ] {
        let page = users(&format!(r#"{{"id":"{ASE}","@removed":{value},"jobTitle":"x"}}"#)).await;
        assert_eq!(flaws(&page), flaw.iter().collect::<Vec<_>>());
        let properties = Properties::from([("jobTitle", Datum::from("x"))]);
        let wanted = match flaw {
            None => Element::User { id: id(ASE), properties, unread: Vec::new() },
            Some(_) => Element::Unreadable { id: Some(id(ASE)), properties },
        };
        assert_eq!(page.elements, [wanted], "{value}");
    }
    let reason =
        format!(r#"{{"id":"{ASE}","@removed":{{"reason":"deleted","more":[[[[[1.5]]]]]}}}}"#);
    assert!(matches!(users(&reason).await.elements[..], [Element::Removed { .. }]));
}

#[tokio::test(start_paused = true)]
async fn the_id_is_found_wherever_it_can_be() {
    for (row, ids) in [
        (format!(r#"{{"jobTitle":1.5,"ID":" {} "}}"#, ASE.to_uppercase()), vec![Some(id(ASE))]),
        (format!(r#"{{"Id":7,"id":"{ASE}"}}"#), vec![Some(id(ASE))]),
        (format!(r#"{{"id":"{ASE}","id":"{ASE}"}}"#), vec![Some(id(ASE))]),
        // Of two ids nobody knows which is meant, and neither is gone.
        (format!(r#"{{"id":"{KARI}","id":"{ASE}"}}"#), vec![Some(id(ASE)), Some(id(KARI))]),
        (format!(r#"{{"id":"{ASE}","id":null}}"#), vec![Some(id(ASE))]),
        (r#"{"id":"\ud83d"}"#.to_owned(), vec![None]),
        (format!(r#"{{"id":"{}"}}"#, "a".repeat(1_000_000)), vec![None]),
    ] {
        let page = users(&row).await;
        let found: Vec<_> = page.elements.iter().map(Element::id).collect();
        assert_eq!(found, ids, "{}", row.get(..80).unwrap_or(&row));
    }
}

#[tokio::test(start_paused = true)]
async fn names_in_other_letters_are_those_names() {
    let page = users(&format!(r#"{{"id":"{ASE}","AccountEnabled":false,"JOBTITLE":"x"}}"#)).await;
    let told = [("accountEnabled", Datum::Bool(false)), ("jobTitle", Datum::from("x"))];
    assert_eq!(one(&page), (&Properties::from(told), vec![]));
    for gone in [r#""@Removed":{"Reason":"deleted"}"#, r#""@REMOVED":{"REASON":"deleted"}"#] {
        let page = users(&format!(r#"{{"Id":"{ASE}",{gone},"displayName":"Åse"}}"#)).await;
        let tombstone = crate::core::model::Tombstone::Purged;
        assert_eq!(page.elements, [Element::Removed { id: id(ASE), tombstone }]);
    }
    let page = users(&format!(r#"{{"id":"{ASE}","MANAGER@Delta":[{{"ID":"{KARI}"}}]}}"#)).await;
    assert_eq!(one(&page).0.get("manager"), Some(&Datum::from(KARI)));
    let members = format!(
        r##"[{{"@OData.Type":"#Microsoft.Graph.User","Id":"{KARI}"}},{{"id":"{ASE}","@Removed":{{}}}}]"##
    );
    let page = groups(&format!(r#"{{"id":"{ASE}","Members@Delta":{members}}}"#)).await;
    let [Element::Group { added, removed, .. }] = page.elements.as_slice() else { unreachable!() };
    assert_eq!((&added[..], &removed[..]), (&[(MemberKind::User, id(KARI))][..], &[id(ASE)][..]));
    // A part of a value is not there in its own letters only.
    let part = r#"{"ExtensionAttribute1":"x"}"#;
    let page = users(&format!(r#"{{"id":"{ASE}","onPremisesExtensionAttributes":{part}}}"#)).await;
    assert_eq!(one(&page), (&Properties::new(), vec!["onPremisesExtensionAttributes"]));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_read_by_names_in_any_letters_and_each_comes_once() {
    let (next, delta) = (link("n"), link("d"));
    for (body, is_read) in [
        (format!(r#"{{"@OData.NextLink":"{next}","VALUE":[{{"id":"{ASE}"}}]}}"#), true),
        (
            format!(
                r#"{{"@odata.deltaLink":"{delta}","@odata.nextLink":null,"value":[{{"id":7}}]}}"#
            ),
            true,
        ),
        (
            format!(r#"{{"@odata.deltaLink":"{delta}","@odata.NextLink":"{next}","value":[]}}"#),
            false,
        ),
        (
            format!(r#"{{"@odata.deltaLink":"{delta}","value":[],"Value":[{{"id":"{ASE}"}}]}}"#),
            false,
        ),
    ] {
        let bench = Bench::new();
        bench.graph(raw(200, "application/json", &body));
        let page = bench.users().await;
        assert_eq!(page.as_ref().is_ok_and(|page| page.elements.len() == 1), is_read, "{page:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_manager_is_read_in_any_letters_and_never_taken_for_none() {
    for (told, known, unread) in [
        (format!(r#""Manager":{{"ID":"{KARI}"}}"#), Some(KARI), 0),
        (r#""MANAGER":{"displayName":"Kari"}"#.to_owned(), None, 1),
        (r#""manager":null"#.to_owned(), None, 0),
    ] {
        let bench = Bench::new();
        bench.graph(raw(200, "application/json", &format!(r#"{{"id":"{ASE}",{told}}}"#)));
        let Ok(Some(Element::User { properties, unread: of, .. })) =
            bench.client.object(Kind::Users, id(ASE)).await
        else {
            unreachable!("it is a user")
        };
        assert_eq!(properties.get("manager").and_then(Datum::as_text), known, "{told}");
        assert_eq!(of.len(), unread, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_unknown_and_a_large_group_comes_in_pieces() {
    for bytes in [110_000, 1_000_000, 10_000_000] {
        let row = format!(
            r#"{{"id":"{ASE}","displayName":"{}","accountEnabled":false}}"#,
            "å".repeat(bytes / 2)
        );
        let page = users(&row).await;
        let enabled = Properties::from([("accountEnabled", Datum::Bool(false))]);
        assert_eq!(one(&page), (&enabled, vec!["displayName"]), "{bytes}");
        assert_eq!(flaws(&page), [&Flaw::TooLarge("displayName".to_owned())]);
    }
    for count in [6_100_u32, 50_000] {
        let member = |number: u32| {
            format!(
                r##"{{"@odata.type":"#microsoft.graph.user","id":"{number:08x}-0000-4000-8000-000000000000"}}"##
            )
        };
        let members: Vec<_> = (0..count).map(member).collect();
        let row = format!(
            r#"{{"id":"{ASE}","displayName":"Alle","members@delta":[{}]}}"#,
            members.join(",")
        );
        let page = groups(&row).await;
        let mut found = 0;
        for element in &page.elements {
            let Element::Group { id: of, added, .. } = element else { unreachable!("{element:?}") };
            assert!(*of == id(ASE) && added.len() <= 1_000);
            found += added.len();
        }
        assert_eq!(found, count as usize);
        assert!(page.findings.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_half_a_character_still_says_why() {
    let bench = Bench::new();
    let body = r#"{"error":{"code":"Request_BadRequest","message":"No \ud83d count."}}"#;
    bench.graph(raw(400, "application/json", body));
    assert_eq!(
        bench.client.count(Kind::Groups).await.unwrap_err().to_string(),
        "Graph refused GET /v1.0/groups/$count: status 400, Request_BadRequest, No \u{fffd} count."
    );
}
