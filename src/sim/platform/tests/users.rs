//! Users: made, read, changed and refused.

use serde_json::json;

use super::*;

#[test]
fn created_user_is_answered_whole_and_found_again() {
    let mut platform = strict();
    let body = json!({
        "SCHEMAS": [USER, ENTERPRISE], "USERNAME": "Kari@asker.example.no", "externalId": "k1",
        "id": "mine", "meta": { "resourceType": "Group" },
        "name": { "familyName": "Nordmann" }, "password": "hemmelig",
        ENTERPRISE: { "department": "Helse" },
    });
    let response = raw(&mut platform, "POST", "Users", Some(&body));
    let user: Value = serde_json::from_slice(&response.body).unwrap();
    let id = user["id"].as_str().unwrap();
    assert_eq!(response.header("location").unwrap(), format!("{BASE}/Users/{id}"));
    assert_eq!(
        user,
        json!({
            "schemas": [USER, ENTERPRISE], "userName": "Kari@asker.example.no", "externalId": "k1",
            "id": id, "name": { "familyName": "Nordmann" }, ENTERPRISE: { "department": "Helse" },
            "meta": {
                "resourceType": "User", "location": format!("{BASE}/Users/{id}"),
                "created": "1970-01-01T00:00:01Z", "lastModified": "1970-01-01T00:00:01Z",
            },
        })
    );
    assert_eq!(get(&mut platform, &format!("Users/{id}")), (200, user));
}

#[test]
fn user_name_is_unique_without_regard_to_case() {
    let mut platform = strict();
    hire(&mut platform, "ærlig@asker.example.no");
    let other = hire(&mut platform, "ola@asker.example.no");
    let twin = json!({ "schemas": [USER], "userName": "ÆRLIG@asker.example.no" });
    assert_eq!(refusal(send(&mut platform, "POST", "Users", &twin)), refused(409, "uniqueness"));
    let path = format!("Users/{other}");
    assert_eq!(refusal(send(&mut platform, "PUT", &path, &twin)), refused(409, "uniqueness"));
    let rename = json!([{ "op": "replace", "path": "userName", "value": twin["userName"] }]);
    assert_eq!(refusal(patch(&mut platform, &path, &rename)), refused(409, "uniqueness"));
    let own = json!([{ "op": "replace", "path": "userName", "value": "OLA@asker.example.no" }]);
    assert_eq!(patch(&mut platform, &path, &own).0, 200);
}

#[test]
fn malformed_bodies_are_refused() {
    let mut platform = strict();
    let named = |more: Value| {
        let mut body = json!({ "schemas": [USER], "userName": "kari" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, scim_type) in [
        (json!({ "userName": "kari" }), "invalidSyntax"),
        (json!({ "schemas": [GROUP], "userName": "kari" }), "invalidSyntax"),
        (json!({ "schemas": [USER] }), "invalidValue"),
        (named(json!({ "userName": "" })), "invalidValue"),
        (named(json!({ "active": "True" })), "invalidValue"),
        (named(json!({ "title": null })), "invalidValue"),
        (named(json!({ "title": 7 })), "invalidValue"),
        (named(json!({ "tittle": "x" })), "invalidSyntax"),
        (named(json!({ "emails": { "value": "x" } })), "invalidValue"),
        (named(json!({ "emails": [{ "adress": "x" }] })), "invalidSyntax"),
        (
            named(
                json!({ "emails": [{ "primary": true, "value": "a" }, { "primary": true, "value": "b" }] }),
            ),
            "invalidValue",
        ),
        (named(json!({ ENTERPRISE: { "department": "Helse" } })), "invalidSyntax"),
        (
            named(
                json!({ "schemas": [USER, ENTERPRISE], ENTERPRISE: { "manager": { "value": "nobody" } } }),
            ),
            "invalidValue",
        ),
    ] {
        let answer = send(&mut platform, "POST", "Users", &body);
        assert_eq!(refusal(answer), refused(400, scim_type), "{body}");
    }
    assert_eq!(platform.users().count(), 0);
}

#[test]
fn requests_without_token_or_media_type_are_refused() {
    let mut platform = strict();
    let mut wrong = request("GET", "Users", None);
    wrong.headers[0].1 = "Bearer tokens".to_owned();
    assert_eq!(platform.handle(&wrong, 0).status, 401);
    let mut wrong = request("POST", "Users", Some(&json!({ "schemas": [USER], "userName": "k" })));
    wrong.headers[1].1 = "text/json".to_owned();
    assert_eq!(platform.handle(&wrong, 0).status, 415);
    for (method, path, status) in [
        ("POST", "Schemas", 405),
        ("PUT", "Users", 405),
        ("POST", "Bulk", 501),
        ("GET", "Me", 501),
        ("GET", "Persons", 404),
        ("GET", "Users/nobody", 404),
        ("DELETE", "Users/nobody", 404),
    ] {
        assert_eq!(send(&mut platform, method, path, &Value::Null).0, status, "{method} {path}");
    }
}

#[test]
fn put_clears_what_it_leaves_out() {
    let mut platform = strict();
    let body = json!({ "schemas": [USER], "userName": "kari", "title": "Lege", "externalId": "k" });
    let id = send(&mut platform, "POST", "Users", &body).1["id"].as_str().unwrap().to_owned();
    let body = json!({ "schemas": [USER], "userName": "kari", "active": false });
    let (status, user) = send(&mut platform, "PUT", &format!("Users/{id}"), &body);
    assert_eq!(status, 200);
    assert_eq!((&user["title"], &user["externalId"]), (&Value::Null, &Value::Null));
    assert!(!platform.user(&id).unwrap().active());
}

/// Applies operations to a user with two addresses and shows what is left of the interesting attributes.
fn patched(changes: &Value) -> (u16, Value) {
    let mut platform = strict();
    let chief = hire(&mut platform, "chief");
    let body = json!({
        "schemas": [USER, ENTERPRISE], "userName": "kari", "title": "Lege", "name": { "givenName": "Kari" },
        "emails": [
            { "type": "work", "value": "w", "primary": true },
            { "type": "home", "value": "h" },
        ],
        ENTERPRISE: { "department": "Helse", "manager": { "value": chief } },
    });
    let (_, before) = send(&mut platform, "POST", "Users", &body);
    let path = format!("Users/{}", before["id"].as_str().unwrap());
    let (status, answer) = patch(&mut platform, &path, changes);
    let (_, mut after) = get(&mut platform, &path);
    if status != 200 {
        assert_eq!(after, before, "a refused PATCH changes nothing");
        return (status, answer["scimType"].clone());
    }
    assert_eq!(answer, after);
    let mut left = after.as_object_mut().unwrap().clone();
    left.retain(|name, value| before[name] != *value && name != "meta");
    (status, Value::Object(left))
}

#[test]
fn patch_changes_exactly_what_its_path_names() {
    for (change, left) in [
        (
            json!({ "op": "replace", "path": "title", "value": "Rektor" }),
            json!({ "title": "Rektor" }),
        ),
        (
            json!({ "op": "add", "path": "NAME.familyName", "value": "N" }),
            json!({ "name": { "givenName": "Kari", "familyName": "N" } }),
        ),
        (
            json!({ "op": "replace", "path": "name", "value": { "familyName": "N" } }),
            json!({ "name": { "givenName": "Kari", "familyName": "N" } }),
        ),
        (
            json!({ "op": "replace", "value": { "active": false, "nickName": "K" } }),
            json!({ "active": false, "nickName": "K" }),
        ),
        (
            json!({ "op": "replace", "path": "emails[type eq \"work\" and value sw \"W\"].value", "value": "new" }),
            json!({ "emails": [{ "type": "work", "value": "new", "primary": true }, { "type": "home", "value": "h" }] }),
        ),
        (
            json!({ "op": "add", "path": "emails", "value": [{ "type": "home", "value": "h" }, { "type": "other", "value": "o", "primary": true }] }),
            json!({ "emails": [
                { "type": "work", "value": "w", "primary": false },
                { "type": "home", "value": "h" },
                { "type": "other", "value": "o", "primary": true },
            ] }),
        ),
        (
            json!({ "op": "remove", "path": "emails[type eq \"work\"]" }),
            json!({ "emails": [{ "type": "home", "value": "h" }] }),
        ),
        (
            json!({ "op": "remove", "path": "emails[type eq \"home\"].value" }),
            json!({ "emails": [{ "type": "work", "value": "w", "primary": true }, { "type": "home" }] }),
        ),
    ] {
        assert_eq!(patched(&json!([change])), (200, left), "{change}");
    }
    let department = format!("{ENTERPRISE}:department");
    let (_, left) = patched(&json!([{ "op": "replace", "path": department, "value": "Skole" }]));
    assert_eq!(left[ENTERPRISE]["department"], "Skole");
    assert!(left[ENTERPRISE]["manager"].is_object());
    let manager = format!("{ENTERPRISE}:manager.value");
    let (_, left) = patched(&json!([{ "op": "remove", "path": manager }]));
    assert_eq!(left, json!({ ENTERPRISE: { "department": "Helse" } }));
}

#[test]
fn refused_patch_changes_nothing() {
    for (change, scim_type) in [
        (json!({ "op": "Replace", "path": "title", "value": "x" }), "invalidSyntax"),
        (json!({ "op": "replace", "path": "tittle", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "active", "value": "False" }), "invalidValue"),
        (json!({ "op": "replace", "path": "title", "value": null }), "invalidValue"),
        (json!({ "op": "replace", "path": "title" }), "invalidValue"),
        (json!({ "op": "replace", "path": "id", "value": "x" }), "mutability"),
        (json!({ "op": "replace", "value": { "id": "x" } }), "mutability"),
        (json!({ "op": "replace", "value": { "name.givenName": "x" } }), "invalidPath"),
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "remove", "path": "userName" }), "mutability"),
        (
            json!({ "op": "replace", "path": "emails[type eq \"fax\"].value", "value": "x" }),
            "noTarget",
        ),
        (
            json!({ "op": "replace", "path": "emails[typ eq \"fax\"].value", "value": "x" }),
            "invalidFilter",
        ),
        (json!({ "op": "replace", "path": "emails.value", "value": "x" }), "invalidPath"),
    ] {
        let good = json!({ "op": "replace", "path": "nickName", "value": "K" });
        assert_eq!(patched(&json!([good, change])), (400, json!(scim_type)), "{change}");
    }
}

#[test]
fn unchanged_user_keeps_its_time_stamp() {
    let mut platform = strict();
    let id = hire(&mut platform, "kari");
    let change = |active: bool| {
        let change = json!([{ "op": "replace", "path": "active", "value": active }]);
        request("PATCH", &format!("Users/{id}"), Some(&operations(&change)))
    };
    platform.handle(&change(true), 5_000);
    assert_eq!(platform.user(&id).unwrap().modified_ms, 1_000);
    platform.handle(&change(false), 6_000);
    assert_eq!(platform.user(&id).unwrap().modified_ms, 6_000);
}

#[test]
fn same_seed_gives_the_same_bytes() {
    let answers = |seed| {
        let mut platform = Platform::new(PlatformOptions { seed, ..options(Personality::Strict) });
        hire(&mut platform, "kari");
        raw(&mut platform, "GET", "Users", None).body
    };
    assert_eq!(answers(1), answers(1));
    assert_ne!(answers(1), answers(2));
}
