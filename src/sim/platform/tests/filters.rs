//! Filters of lists.

use serde_json::json;

use super::*;

fn school() -> Platform {
    let mut platform = strict();
    for (name, more) in [
        (
            "Kari@asker.example.no",
            json!({ "externalId": "Ab", "title": "Lærer \"A\\B\"", "active": true }),
        ),
        (
            "ola@asker.example.no",
            json!({ "externalId": "aB", "active": false, "emails": [{ "type": "work", "value": "Ola@x.example.no" }, { "type": "home", "value": "o@y" }] }),
        ),
        (
            "per@sala.example.no",
            json!({ "name": { "familyName": "Å" }, ENTERPRISE: { "department": "IT (drift) and more" } }),
        ),
    ] {
        let mut body = json!({ "userName": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        platform.insert_user(&body, super::super::Twins::Refused).unwrap();
    }
    platform
}

/// First letters of the users that a filter finds.
fn found(platform: &mut Platform, filter: &str) -> String {
    let (status, body) = get(platform, &format!("Users?{}", query(filter)));
    assert_eq!(status, 200, "{filter}: {body}");
    let users = body["Resources"].as_array().unwrap();
    assert_eq!(body["totalResults"], users.len());
    users.iter().map(|user| user["userName"].as_str().unwrap().get(..1).unwrap()).collect()
}

#[test]
fn filters_find_what_the_grammar_says() {
    let mut platform = school();
    let department = format!("{ENTERPRISE}:department eq \"it (DRIFT) and more\"");
    for (filter, expected) in [
        ("userName eq \"KARI@asker.example.no\"", "K"),
        ("USERNAME Eq \"kari@asker.example.no\"", "K"),
        ("externalId eq \"Ab\"", "K"),
        ("externalId eq \"AB\"", ""),
        ("title eq \"lærer \\\"a\\\\b\\\"\"", "K"),
        ("title eq \"l\\u00e6rer \\\"A\\\\B\\\"\"", "K"),
        ("userName ew \"asker.example.no\"", "Ko"),
        ("userName co \"SALA\" or userName sw \"k\"", "Kp"),
        ("userName sw \"k\" or userName sw \"o\" and active eq false", "Ko"),
        ("(userName sw \"k\" or userName sw \"o\") and active eq false", "o"),
        ("not (active eq true)", "op"),
        ("active ne true", "op"),
        ("active eq null", "p"),
        ("title pr", "K"),
        ("name.familyName eq \"å\"", "p"),
        ("emails pr", "o"),
        ("emails eq \"OLA@X.example.no\"", "o"),
        ("emails.type eq \"home\"", "o"),
        ("emails[type eq \"work\" and value co \"@x\"]", "o"),
        ("emails[type eq \"home\" and value co \"@x\"]", ""),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"p\"", "p"),
        (department.as_str(), "p"),
        ("userName gt \"l\" and userName le \"ola@asker.example.no\"", "o"),
        ("meta.created lt \"2011-05-13T04:42:34+02:00\"", "Kop"),
        ("meta.resourceType eq \"User\" and id pr", "Kop"),
    ] {
        assert_eq!(found(&mut platform, filter), expected, "{filter}");
    }
}

#[test]
fn bad_filters_are_refused() {
    let mut platform = school();
    let deep = format!("{}title pr{}", "(".repeat(100), ")".repeat(100));
    for filter in [
        "userName",
        "userName eq",
        "userName eq kari",
        "userName = \"kari\"",
        "userName eq \"kari",
        "userName eq \"kari\" and",
        "(userName pr",
        "userName pr)",
        "nosuch eq \"x\"",
        "emails[nosuch eq \"x\"]",
        "userName[value eq \"x\"]",
        "active gt true",
        "not title pr",
        "",
        deep.as_str(),
    ] {
        let answer = get(&mut platform, &format!("Users?{}", query(filter)));
        assert_eq!(refusal(answer), refused(400, "invalidFilter"), "{filter}");
    }
}

#[test]
fn pages_follow_start_and_count() {
    let mut platform =
        Platform::new(PlatformOptions { page_size_max: 3, ..options(Personality::Strict) });
    for name in ["a", "b", "c", "d", "e"] {
        hire(&mut platform, name);
    }
    for (query, expected) in [
        ("", "abc"),
        ("startIndex=4", "de"),
        ("startIndex=-7&count=2", "ab"),
        ("startIndex=6", ""),
        ("count=0", ""),
        ("count=-1", ""),
        ("count=100", "abc"),
        ("startIndex=2&count=1&filter=userName%20gt%20%22b%22", "d"),
    ] {
        let (_, body) = get(&mut platform, &format!("Users?{query}"));
        let users = body["Resources"].as_array().unwrap();
        let names: String = users.iter().map(|user| user["userName"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(body["itemsPerPage"], users.len());
        assert_eq!(body["totalResults"], if query.contains("filter") { 3 } else { 5 });
    }
    assert_eq!(get(&mut platform, "Users?count=many").0, 400);
}

#[test]
fn attributes_select_and_exclude() {
    let mut platform = school();
    let shown = |platform: &mut Platform, parameters: &str| {
        let path = format!("Users?{}&{parameters}", query("userName sw \"o\""));
        let (_, mut body) = get(platform, &path);
        let mut user = body["Resources"][0].take();
        let id = user.as_object_mut().unwrap().remove("id");
        assert!(id.is_some_and(|id| id.is_string()));
        user
    };
    assert_eq!(
        shown(&mut platform, "attributes=USERNAME,emails.type,nosuch"),
        json!({ "schemas": [USER], "userName": "ola@asker.example.no", "emails": [{ "type": "work" }, { "type": "home" }] })
    );
    assert_eq!(
        shown(&mut platform, "excludedAttributes=id,schemas,userName,emails.value,meta,externalId"),
        json!({ "schemas": [USER], "active": false, "emails": [{ "type": "work" }, { "type": "home" }] })
    );
    assert_eq!(get(&mut platform, "Users?attributes=title&excludedAttributes=active").0, 400);
}

#[test]
fn search_asks_the_same_in_a_body() {
    let mut platform = school();
    platform.insert_group(&json!({ "displayName": "Kari sin gruppe" })).unwrap();
    let names = |platform: &mut Platform, path: &str, filter: &str| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": filter, "attributes": ["userName", "displayName"], "count": 10,
        });
        let (status, body) = send(platform, "POST", path, &body);
        (status, body["totalResults"].as_u64().unwrap_or_default())
    };
    assert_eq!(names(&mut platform, "Users/.search", "userName sw \"k\""), (200, 1));
    assert_eq!(names(&mut platform, "Groups/.search", "userName sw \"k\""), (400, 0));
    assert_eq!(names(&mut platform, ".search", "userName sw \"k\""), (200, 1));
    assert_eq!(names(&mut platform, ".search", "userName sw \"z\""), (200, 0));
    assert_eq!(names(&mut platform, ".search", "displayName sw \"k\" or displayName pr"), (200, 1));
    assert_eq!(names(&mut platform, ".search", "nosuch pr"), (400, 0));
}

#[test]
fn percent_and_plus_in_queries_are_decoded_as_forms_are() {
    let mut platform = strict();
    hire(&mut platform, "a+b&c#100%@asker.example.no");
    let path = "Users?filter=userName+eq+%22a%2Bb%26c%23100%25%40asker.example.no%22";
    assert_eq!(get(&mut platform, path).1["totalResults"], 1);
}
