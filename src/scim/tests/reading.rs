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
    assert_eq!((page.total, page.next), (Some(1), None));
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
    assert_eq!(at(json!({"id": "1", "active": "perhaps"}), "active"), "perhaps".into());
    assert_eq!(user(json!({"id": "1", "active": "perhaps"})).active, None);
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
