//! Plain reads, headers, faults, and the shape of everything that is emitted.

use std::collections::BTreeMap;

use serde_json::json as body;

use super::*;
use crate::sim::world::Event;
use crate::sim::world::schema::{GROUP, Shape, USER};

#[test]
fn lists_page_by_links_and_hold_what_was_asked_for() {
    let mut bench = Bench::new(1);
    let first = bench.read("/v1.0/users?$select=id,displayName,faxNumber,businessPhones&$top=15");
    let next = first["@odata.nextLink"].as_str().unwrap().to_owned();
    let second = bench.read(&next);
    assert_eq!(first["value"].as_array().unwrap().len(), 15);
    assert_eq!(
        (second["value"].as_array().unwrap().len(), second.get("@odata.nextLink")),
        (5, None)
    );
    assert_eq!(
        first["value"][0]["faxNumber"],
        Value::Null,
        "what was never set is null outside of delta"
    );
    assert_eq!(bench.refusal("/v1.0/users?$top=1000").0, 400);
    assert_eq!(bench.read("/v1.0/groups")["value"].as_array().unwrap().len(), 5);
}

#[test]
fn counts_want_the_consistency_header() {
    let mut bench = Bench::new(1);
    let eventual = [("consistencylevel", "eventual")];
    let response = bench.get_with("/v1.0/users/$count", &eventual);
    assert_eq!(
        (response.header("content-type"), response.body.as_slice()),
        (Some("text/plain"), b"20".as_slice())
    );
    assert_eq!(bench.get_with("/v1.0/groups/$count", &eventual).body, b"5");
    assert_eq!(bench.refusal("/v1.0/users/$count").0, 400);
    let count = |response: &Response| json(response).get("@odata.count").cloned();
    let list = "/v1.0/users?$count=true&$top=1";
    assert_eq!(count(&bench.get_with(list, &eventual)), Some(body!(20)));
    assert_eq!(count(&bench.get(list)), None);

    for (how, expected) in
        [(EmptyReads::CountZero, b"0".as_slice()), (EmptyReads::CountTrue, b"20")]
    {
        bench.entra.faults.empty_full_reads = Some(how);
        assert_eq!(bench.get_with("/v1.0/users/$count", &eventual).body, expected);
    }
}

#[test]
fn single_objects_are_found_by_id_and_users_by_name() {
    let mut bench = Bench::new(1);
    let user = bench.world.live_users().next().unwrap().clone();
    let name = user.text("userPrincipalName").unwrap().to_owned();
    let by_id = bench.read(&format!("/v1.0/users/{}?$select=id,userPrincipalName", user.id));
    assert_eq!(by_id["userPrincipalName"], name);
    let encoded = name.replace('#', "%23").to_uppercase();
    assert_eq!(bench.read(&format!("/v1.0/users/{encoded}?$select=id,userPrincipalName")), by_id);
    let group = *bench.world.groups().keys().next().unwrap();
    assert_eq!(bench.read(&format!("/v1.0/groups/{group}"))["id"], group.to_string());
    assert_eq!(bench.refusal("/v1.0/users/nobody").0, 404);
    bench.world.apply(Event::DeleteGroup { group }).unwrap();
    assert_eq!(bench.refusal(&format!("/v1.0/groups/{group}")).0, 404);
    assert_eq!(bench.refusal("/v1.0/devices").0, 400);
}

#[test]
fn answers_carry_what_support_asks_for() {
    let mut bench = Bench::new(1);
    let response = bench.get_with(
        "/v1.0/users/delta",
        &[("client-request-id", "abc"), ("prefer", "return=minimal")],
    );
    assert_eq!(response.header("client-request-id"), Some("abc"));
    assert_eq!(response.header("date"), Some("Wed, 18 Nov 2026 11:06:40 GMT"));
    assert_eq!(response.header("preference-applied"), Some("return=minimal"));
    assert!(
        response
            .header("content-type")
            .unwrap()
            .starts_with("application/json;odata.metadata=minimal")
    );
    assert_eq!(response.header("request-id").unwrap().len(), 36);
    let body = json(&response);
    assert_eq!(body["@odata.context"], "https://graph.example.no/v1.0/$metadata#users");
}

#[test]
fn faults_strike_and_wear_off() {
    let mut bench = Bench::new(1);
    let target = "/v1.0/users/delta";
    let status = |bench: &mut Bench| bench.get(target).status;

    bench.entra.faults.throttle = Some(Throttle { requests: 2, retry_after_s: Some(7) });
    assert_eq!(bench.get(target).header("retry-after"), Some("7"));
    assert_eq!((status(&mut bench), status(&mut bench)), (429, 200));
    bench.entra.faults.throttle = Some(Throttle { requests: 1, retry_after_s: None });
    assert_eq!(bench.get(target).header("retry-after"), None);
    bench.entra.faults.server_error_next = 1;
    assert_eq!((status(&mut bench), status(&mut bench)), (503, 200));
    bench.entra.faults.unauthorized_next = 1;
    assert!(bench.get(target).header("www-authenticate").is_some());
    assert_eq!(status(&mut bench), 200);

    bench.entra.faults = Faults { forbidden: true, ..Faults::default() };
    assert_eq!(bench.refusal(target), (403, "Authorization_RequestDenied".to_owned()));
    bench.entra.faults =
        Faults { redirect: Some("https://elsewhere.example.no/".to_owned()), ..Faults::default() };
    assert_eq!(bench.get(target).header("location"), Some("https://elsewhere.example.no/"));
    bench.entra.faults = Faults { html_page: true, ..Faults::default() };
    assert_eq!(bench.get(target).header("content-type"), Some("text/html; charset=utf-8"));
    bench.entra.faults = Faults { cut_body: true, ..Faults::default() };
    assert!(serde_json::from_slice::<Value>(&bench.get(target).body).is_err());
}

#[test]
fn requests_are_counted_by_kind() {
    let mut bench = Bench::new(1);
    for target in
        ["/v1.0/users/delta", "/v1.0/groups/delta()", "/v1.0/users", "/v1.0/users/x", "/v1.0/x"]
    {
        bench.get(target);
    }
    let counters = &bench.entra.counters;
    assert_eq!((counters.graph(), counters.of(RequestKind::Other)), (5, 1));
    assert_eq!((counters.of(RequestKind::GroupsDelta), counters.of(RequestKind::User)), (1, 1));
}

/// The metadata of Graph itself.
fn metadata() -> Value {
    let text = include_str!("../../../../tests/fixtures/graph/v1.0-directory-properties.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_property_tables_are_those_of_the_metadata() {
    let metadata = metadata();
    for (kind, table) in [("user", USER), ("group", GROUP)] {
        let shape = |edm: &str| match edm {
            "Edm.String" => Shape::Text,
            "Edm.Boolean" => Shape::Flag,
            "Edm.Int32" => Shape::Number,
            "Edm.DateTimeOffset" => Shape::Time,
            "Collection(Edm.String)" => Shape::Texts,
            other if other.starts_with("Collection(") => Shape::List,
            _ => Shape::Other,
        };
        let published = metadata["entityTypes"][kind]["properties"].as_object().unwrap();
        let published: BTreeMap<_, _> = published
            .iter()
            .map(|(name, of)| (name.as_str(), shape(of["type"].as_str().unwrap())))
            .collect();
        assert_eq!(published.into_iter().collect::<Vec<_>>(), table);
    }
}

/// Checks the names and types of one emitted object against the metadata, complex values included.
fn check_object(metadata: &Value, kind: &str, object: &Value) {
    for (name, value) in object.as_object().unwrap() {
        if name.starts_with('@') {
            continue;
        }
        if let Some(relation) = name.strip_suffix("@delta") {
            assert!(
                metadata["entityTypes"][kind]["directoryNavigation"].get(relation).is_some(),
                "{name}"
            );
            continue;
        }
        let published = metadata["entityTypes"][kind]["properties"][name]["type"].as_str();
        let published = published.unwrap_or_else(|| unreachable!("{kind} has no {name}"));
        check_value(metadata, published, value);
    }
}

fn check_value(metadata: &Value, published: &str, value: &Value) {
    let fits = match (published, value) {
        (_, Value::Null) | ("Edm.Boolean", Value::Bool(_)) | ("Edm.String", Value::String(_)) => {
            true
        }
        ("Edm.DateTimeOffset", Value::String(time)) => time.parse::<jiff::Timestamp>().is_ok(),
        ("Collection(Edm.String)", Value::Array(items)) => items.iter().all(Value::is_string),
        (_, Value::Array(items)) => published.starts_with("Collection(") && items.is_empty(),
        (_, Value::Object(fields)) => {
            let complex = published.strip_prefix("microsoft.graph.").unwrap();
            fields.iter().all(|(name, value)| {
                let field = metadata["complexTypes"][complex][name].as_str();
                field.is_some_and(|field| field == "Edm.String")
                    && (value.is_string() || value.is_null())
            })
        }
        _ => false,
    };
    assert!(fits, "{published} cannot hold {value}");
}

#[test]
fn everything_emitted_is_in_the_metadata() {
    let metadata = metadata();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut bench = Bench::new(1);
    for _ in 0..300 {
        let event = bench.world.random_event(&mut rng).unwrap();
        bench.world.apply(event).unwrap();
    }
    for (kind, table, relation) in [("user", USER, "manager"), ("group", GROUP, "members")] {
        let mut names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        names.push(relation);
        let select = names.join(",");
        let (pages, _) = bench.round(&format!("/v1.0/{kind}s/delta?$select={select}"));
        let emitted = objects(&pages);
        let list = bench.read(&format!("/v1.0/{kind}s?$select={select}"));
        let mut seen = std::collections::BTreeSet::new();
        for object in emitted.iter().chain(list["value"].as_array().unwrap()) {
            check_object(&metadata, kind, object);
            seen.extend(object.as_object().unwrap().keys().cloned());
        }
        assert!(seen.len() > 12, "{seen:?}");
    }
}
