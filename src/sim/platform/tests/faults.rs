//! Faults and rate limits strike where they were set, and nowhere else.

use serde_json::{Value, json};

use super::super::Kind;
use super::super::fault::{Fault, Matcher, PathKind, Refusal, RetryAfter};
use super::super::record::Rate;
use super::*;

const USERS: PathKind = PathKind::Collection(Kind::User);

fn kari() -> Value {
    json!({ "schemas": [USER], "userName": "kari" })
}

#[test]
fn fault_strikes_once_and_only_what_it_fits() {
    let mut platform = strict();
    platform.faults.fail_next.push_back((Matcher::of("POST", USERS), Fault::StatusBefore(503)));
    assert_eq!(get(&mut platform, "Users").0, 200);
    assert_eq!(send(&mut platform, "POST", "Users", &kari()).0, 503);
    assert_eq!(platform.users().count(), 0);
    assert_eq!(send(&mut platform, "POST", "Users", &kari()).0, 201);
}

#[test]
fn lost_answer_leaves_the_effect() {
    for (fault, status) in [(Fault::StatusAfter(500), 500), (Fault::CutBody, 201)] {
        let mut platform = strict();
        platform.faults.fail_next.push_back((Matcher::default(), fault));
        let response = raw(&mut platform, "POST", "Users", Some(&kari()));
        assert_eq!(response.status, status);
        assert!(status == 500 || serde_json::from_slice::<Value>(&response.body).is_err());
        assert_eq!(platform.users().count(), 1);
        assert_eq!(platform.writes[0].status, status);
    }
}

#[test]
fn throttling_answers_carry_what_was_asked_for() {
    for (retry_after, header) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Date(60), Some("Thu, 01 Jan 1970 00:01:01 GMT")),
        (RetryAfter::Text("soon".to_owned()), Some("soon")),
    ] {
        let mut platform = strict();
        platform
            .faults
            .fail_next
            .push_back((Matcher::default(), Fault::TooManyRequests(retry_after)));
        let response = raw(&mut platform, "GET", "Users", None);
        assert_eq!((response.status, response.header("retry-after")), (429, header));
        assert_eq!(platform.violations, 0);
    }
    let mut platform = strict();
    platform.faults.fail_next.push_back((Matcher::default(), Fault::Html(502)));
    let response = raw(&mut platform, "GET", "Users", None);
    assert_eq!((response.status, response.header("content-type")), (502, Some("text/html")));
}

#[test]
fn refusal_quotes_the_person() {
    let mut platform = strict();
    platform.faults.refuse_users.push(Refusal {
        attribute: "userName".to_owned(),
        contains: "ARI".to_owned(),
        status: 400,
    });
    let (status, body) = send(&mut platform, "POST", "Users", &kari());
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("\"userName\":\"kari\""), "{body}");
    hire(&mut platform, "ola");
}

#[test]
fn hidden_user_is_unseen_but_takes_its_name() {
    let mut platform = strict();
    let id = hire(&mut platform, "kari");
    platform.faults.hidden_ids.insert(id);
    let (_, list) = get(&mut platform, &format!("Users?{}", query("userName eq \"kari\"")));
    assert_eq!(list["totalResults"], 0);
    assert_eq!(get(&mut platform, "Users").1["totalResults"], 0);
    assert_eq!(send(&mut platform, "POST", "Users", &kari()).0, 409);
}

#[test]
fn new_user_is_seen_after_the_lag() {
    let mut platform = strict();
    platform.faults.read_lag_ms = 500;
    hire(&mut platform, "kari");
    let list = request("GET", "Users", None);
    let total = |platform: &mut Platform, now_ms| {
        let body: Value = serde_json::from_slice(&platform.handle(&list, now_ms).body).unwrap();
        body["totalResults"].as_u64().unwrap()
    };
    assert_eq!(total(&mut platform, 1_499), 0);
    assert_eq!(total(&mut platform, 1_500), 1);
}

#[test]
fn reads_are_behind_by_the_lag_of_the_copy() {
    let mut platform = strict();
    let id = hire(&mut platform, "kari");
    platform.faults.copy_lag_ms = 500;
    let change = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "active", "value": false }],
    });
    let path = format!("Users/{id}");
    let answer = platform.handle(&request("PATCH", &path, Some(&change)), 5_000);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["active"], false, "the answer to a write is not behind");
    for target in [path.as_str(), "Users"] {
        let read = request("GET", target, None);
        let active = |platform: &mut Platform, now_ms| {
            let body: Value = serde_json::from_slice(&platform.handle(&read, now_ms).body).unwrap();
            body.pointer("/Resources/0").unwrap_or(&body)["active"].clone()
        };
        assert_eq!(active(&mut platform, 5_499), true, "{target}");
        assert_eq!(active(&mut platform, 5_500), false, "{target}");
    }
}

#[test]
fn rate_limit_counts_exactly_what_is_over_it() {
    let rate = Some(Rate { per_second: 10, burst: 2 });
    let mut platform = Platform::new(PlatformOptions { rate, ..options(Personality::Strict) });
    let list = request("GET", "Users", None);
    let statuses: Vec<_> = [0, 0, 0, 99, 100, 100, 10_000, 10_000, 10_000]
        .into_iter()
        .map(|now_ms| platform.handle(&list, now_ms).status)
        .collect();
    assert_eq!(statuses, [200, 200, 429, 429, 200, 429, 200, 200, 429]);
    assert_eq!(platform.violations, 4);
    assert_eq!(platform.requests.of("GET", USERS), 9);
    assert_eq!(platform.handle(&list, 10_000).header("retry-after"), Some("1"));
}

#[test]
fn writes_are_listed_in_order() {
    let mut platform =
        Platform::new(PlatformOptions { keep_bodies: true, ..options(Personality::Strict) });
    let id = hire(&mut platform, "kari");
    let change = json!([{ "op": "replace", "path": "name.givenName", "value": "K" }, { "op": "add", "path": "emails", "value": [{ "value": "k@x" }] }]);
    patch(&mut platform, &format!("Users/{id}"), &change);
    get(&mut platform, "Users");
    let seen: Vec<_> = platform
        .writes
        .iter()
        .map(|write| format!("{} {} {}", write.method, write.summary, write.status))
        .collect();
    assert_eq!(
        seen,
        ["POST create with 0 members 201", "PATCH replace name.givenName, add emails (1) 200"]
    );
    assert!(platform.writes[0].body.contains("\"kari\""));
}

#[test]
fn counters_and_total_agree() {
    let mut platform = strict();
    hire(&mut platform, "kari");
    get(&mut platform, "Users");
    get(&mut platform, "Users/x");
    get(&mut platform, "Schemas");
    get(&mut platform, "Nothing");
    assert_eq!(platform.requests.total(), 5);
    assert_eq!(platform.requests.iter().map(|(_, _, count)| count).sum::<u64>(), 5);
    assert_eq!(platform.requests.of("GET", PathKind::Item(Kind::User)), 1);
    assert_eq!(platform.requests.of("GET", PathKind::Discovery), 1);
}
