//! The ways in which a personality departs from the RFCs.

use serde_json::json;

use super::super::{Quirk, Twins};
use super::*;

#[test]
fn sloppy_platform_forgets_title_and_answers_in_odd_shapes() {
    let mut platform = Platform::new(options(Personality::Sloppy));
    let body = json!({ "userName": "kari", "title": "Lege", "active": "TRUE", "nickName": null, "nosuch": 1 });
    let (status, user) = send(&mut platform, "POST", "Users", &body);
    assert_eq!(status, 201);
    assert_eq!(
        user,
        json!({ "schemas": [USER], "id": 1001, "userName": "kari", "active": "True" })
    );
    let change = json!([
        { "op": "Replace", "value": { "title": "Rektor", "name.givenName": "Kari", "active": "False" } },
        { "op": "Add", "path": "emails[type eq \"work\"].value", "value": "k@x" },
    ]);
    let first = patch(&mut platform, "Users/1001", &change);
    assert_eq!(first.0, 200);
    assert_eq!(first.1["emails"], json!([{ "type": "work", "value": "k@x" }]));
    assert_eq!((&first.1["active"], &first.1["title"]), (&json!("False"), &Value::Null));
    assert_eq!(first.1["name"]["givenName"], "Kari");
    assert_eq!(patch(&mut platform, "Users/1001", &change), (204, Value::Null));
    let (status, list) = get(&mut platform, &format!("Users?{}", query("nosuch eq \"x\"")));
    assert_eq!((status, &list["totalResults"]), (200, &json!("0")));
    let (_, group) = send(
        &mut platform,
        "POST",
        "Groups",
        &json!({ "displayName": "G", "members": [{ "value": 1001 }] }),
    );
    assert_eq!(group["members"][0]["value"], 1001);
}

#[test]
fn dropped_attribute_keeps_its_old_value() {
    let mut platform = Platform::new(options(Personality::Sloppy));
    let id = platform
        .insert_user(&json!({ "userName": "kari", "title": "Lege" }), Twins::Refused)
        .unwrap();
    let change = json!([{ "op": "replace", "path": "title", "value": "Rektor" }]);
    assert_eq!(patch(&mut platform, &format!("Users/{id}"), &change).1["title"], "Lege");
}

#[test]
fn filter_on_external_id_may_find_nothing() {
    let mut options = options(Personality::Strict);
    options.quirks.insert(Quirk::ExternalIdFilterMatchesNothing);
    let mut platform = Platform::new(options);
    platform
        .insert_user(&json!({ "userName": "kari", "externalId": "k" }), Twins::Refused)
        .unwrap();
    let (status, list) = get(&mut platform, &format!("Users?{}", query("externalId eq \"k\"")));
    assert_eq!((status, &list["totalResults"]), (200, &json!(0)));
}

#[test]
fn twins_can_be_seeded_only() {
    let mut platform = strict();
    let kari = json!({ "userName": "kari", "id": "first" });
    assert_eq!(platform.insert_user(&kari, Twins::Refused).unwrap(), "first");
    assert_eq!(
        platform.insert_user(&json!({ "userName": "KARI" }), Twins::Refused).unwrap_err().status,
        409
    );
    platform.insert_user(&json!({ "userName": "KARI" }), Twins::Allowed).unwrap();
    let (_, list) = get(&mut platform, &format!("Users?{}", query("userName eq \"kari\"")));
    assert_eq!(list["totalResults"], 2);
}
