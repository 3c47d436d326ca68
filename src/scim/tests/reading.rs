//! Shapes that a reader must survive.

use serde_json::json;

use super::bench::Bench;
use crate::core::model::{AttrPath, Datum, ENTERPRISE, ScimId};
use crate::scim::{Cursor, UserResource};

fn user(json: serde_json::Value) -> UserResource {
    UserResource::read(json).unwrap()
}

fn at(json: serde_json::Value, path: &str) -> Datum {
    let path = AttrPath::parse(path).unwrap();
    user(json).attributes(std::iter::once(&path)).remove(&path).unwrap()
}

#[tokio::test]
async fn strange_list_is_read() {
    let bench = Bench::new();
    bench.answer(
        200,
        r#"{"totalResults":"1","resources":[{"ID":42,"UserName":"X@Y.no","name.formatted":"X Y",
            "active":"True","emails":{"value":"x@y.no"}}]}"#,
    );
    let page = bench.reader.list_users(bench.permit().await, &Cursor::first()).await.unwrap();
    assert_eq!((page.total, page.unreadable), (Some(1), 0));
    let [user] = page.items.try_into().unwrap();
    assert_eq!(user.id, ScimId::new("42"));
    assert_eq!(user.user_name.as_deref(), Some("X@Y.no"));
    assert_eq!(user.active, Some(true));
    let paths = ["name.formatted", "emails[type eq \"work\"].value", "active", "title"]
        .map(|path| AttrPath::parse(path).unwrap());
    let read: Vec<Datum> =
        user.attributes(paths.iter()).into_iter().map(|(_, value)| value).collect();
    // In the order of the paths: active, emails, name, title.
    assert_eq!(read, [Datum::Bool(true), "x@y.no".into(), "X Y".into(), Datum::Null]);
}

#[test]
fn active_is_read_in_every_spelling_and_otherwise_not_known() {
    let told = |active: serde_json::Value| {
        let user = user(json!({ "id": "1", "active": active }));
        let path = AttrPath::active();
        let shown = user.attributes(std::iter::once(&path)).remove(&path);
        assert_eq!(shown, user.active.map(Datum::Bool));
        user.active
    };
    for (active, expected) in [
        (json!(true), Some(true)),
        (json!("TRUE"), Some(true)),
        (json!("1"), Some(true)),
        (json!(1), Some(true)),
        (json!(1.0), Some(true)),
        (json!(false), Some(false)),
        (json!("False"), Some(false)),
        (json!("0"), Some(false)),
        (json!(0), Some(false)),
        (json!(" false "), Some(false)),
        (json!("inactive"), None),
        (json!("yes"), None),
        (json!(2), None),
        (json!(null), None),
        (json!({}), None),
    ] {
        assert_eq!(told(active.clone()), expected, "{active}");
    }
    let path = AttrPath::active();
    let none = user(json!({ "id": "1" })).attributes(std::iter::once(&path));
    assert!(none.is_empty(), "what is left out is not false, nor true");
}

#[test]
fn a_value_of_any_size_is_not_known_and_keeps_nothing_else_from_being_read() {
    let paths = ["title", "displayName", "roles"].map(|path| AttrPath::parse(path).unwrap());
    for bytes in [100_000, 1_000_000, 10_000_000] {
        let long = "x".repeat(bytes);
        let user = user(json!({
            "id": "1", "title": long, "displayName": "Kari", "externalId": long, "userName": long,
            "roles": [{ "value": long }],
        }));
        let shown = user.attributes(paths.iter());
        let name = (AttrPath::parse("displayName").unwrap(), Datum::from("Kari"));
        assert_eq!(shown.into_iter().collect::<Vec<_>>(), [name]);
        assert_eq!((user.external_id, user.user_name, user.is_garbled), (None, None, true));
        assert_eq!(UserResource::read(json!({ "id": long })), None);
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_and_what_is_no_utf_8_spoil_one_character() {
    let bench = Bench::new();
    let body =
        b"{\"id\":\"1\",\"userName\":\"\\ud83e\\udd8a \\udd8a \\\\ud83e \xff\",\"title\":\"a\tb\"}";
    bench.answer_bytes(200, body);
    let user = bench.reader.user(bench.permit().await, &ScimId::new("1")).await.unwrap().unwrap();
    assert_eq!(user.user_name.as_deref(), Some("🦊 \u{fffd} \\ud83e \u{fffd}"));
    let title = AttrPath::parse("title").unwrap();
    assert_eq!(user.attributes(std::iter::once(&title))[&title], "a\tb".into());
}

#[tokio::test]
async fn byte_order_mark_is_ignored() {
    let bench = Bench::new();
    bench.answer(200, "\u{feff}{\"id\":\"1\"}");
    let user = bench.reader.user(bench.permit().await, &ScimId::new("1")).await.unwrap();
    assert!(user.is_some());
}

#[test]
fn typed_elements_are_told_apart() {
    let work = "emails[type eq \"work\"].value";
    let emails = json!([{"type": "home", "value": "h"}, {"Type": "WORK", "Value": "w"}]);
    assert_eq!(at(json!({"id": "1", "emails": emails}), work), "w".into());
    let home = json!({"id": "1", "emails": [{"type": "home", "value": "h"}]});
    assert_eq!(at(home, work), Datum::Null);
    let untyped = json!({"id": "1", "emails": [{"value": "a"}, {"value": "b"}]});
    assert_eq!(at(untyped, work), Datum::Null, "two without a type: no guess");
    assert_eq!(at(json!({"id": "1", "emails": null}), work), Datum::Null);
}

#[test]
fn extension_and_manager_are_read_in_every_form() {
    let department = format!("{ENTERPRISE}:department");
    let manager = format!("{ENTERPRISE}:manager");
    let lower = ENTERPRISE.to_lowercase();
    assert_eq!(at(json!({"id": "1", lower: {"Department": "IT"}}), &department), "IT".into());
    let flat = json!({"id": "1", department.clone(): "IT"});
    assert_eq!(at(flat, &department), "IT".into());
    assert_eq!(at(json!({"id": "1", "schemas": [ENTERPRISE]}), &department), Datum::Null);
    for form in [
        json!({"value": "9f1e", "displayName": "Ola"}),
        json!("9f1e"),
        json!([{"$ref": "../Users/9f1e", "value": "9f1e"}]),
        json!({"managerId": "9f1e"}),
    ] {
        assert_eq!(at(json!({"id": "1", ENTERPRISE: {"manager": form}}), &manager), "9f1e".into());
    }
    assert_eq!(at(json!({"id": "1", ENTERPRISE: {"manager": {}}}), &manager), Datum::Null);
    assert_eq!(at(json!({"id": "1", ENTERPRISE: {"manager": 7}}), &manager), "7".into());
}

#[test]
fn values_keep_their_kind() {
    assert_eq!(at(json!({"id": "1", "title": "true"}), "title"), "true".into());
    assert_eq!(at(json!({"id": "1", "title": 7}), "title"), Datum::Int(7));
    assert_eq!(at(json!({"id": "1", "active": 0}), "active"), Datum::Bool(false));
}

#[tokio::test]
async fn members_that_are_not_told_are_not_nobody() {
    let bench = Bench::new();
    for (members, expected) in [
        ("", None),
        (r#","members":null"#, Some(vec![])),
        (r#","members":[]"#, Some(vec![])),
        (r#","Members":[{"value":7},{"Value":"a"},"b",{}]"#, Some(vec!["7", "a", "b"])),
        (r#","members":{"value":"a"}"#, Some(vec!["a"])),
    ] {
        bench.answer(200, &format!(r#"{{"id":"g"{members}}}"#));
        let group = bench.reader.group(bench.permit().await, &ScimId::new("g")).await.unwrap();
        let found = group.unwrap().members;
        assert_eq!(found, expected.map(|ids| ids.into_iter().map(ScimId::new).collect()));
    }
}

#[test]
fn a_number_as_an_id_says_all_of_itself_or_is_none() {
    let id = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        super::super::lenient::id(&json).map(|id| id.to_string())
    };
    assert_eq!(id("17").as_deref(), Some("17"));
    assert_eq!(id("17.0").as_deref(), Some("17"));
    assert_eq!(id("\"17\"").as_deref(), Some("17"));
    assert_eq!(id("18446744073709551615").as_deref(), Some("18446744073709551615"));
    // Two of these are one number to a parser.
    assert_eq!(id("123456789012345678901"), None);
    assert_eq!(id("123456789012345678902"), None);
    assert_eq!(id("17.5"), None);
}
