//! Foreign bytes, by a bounded random driver: whatever comes, nothing panics, and nothing takes for ever.
//! The same ways in are fuzz targets in `fuzz/`, where coverage guides what is tried.

mod entries;

use std::time::Duration;

use manntall::clock::{Clock, SystemClock};

/// More than this for one input, on a busy machine and in a debug build, is an attack that works.
const ONE_MAX: Duration = Duration::from_secs(30);

/// Pieces that mean something to one parser or another.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "1e999",
    "99999999999999999999",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "@removed",
    "members@delta",
    "manager@delta",
    "@odata.nextLink",
    "@odata.deltaLink",
    "value",
    "id",
    "Resources",
    "totalResults",
    "schemas",
    "detail",
    "scimType",
    "uniqueness",
    "meta",
    "accountEnabled",
    "error",
    "innerError",
    "resyncRequired",
    "access_token",
    "expires_in",
    "<title>",
    "</",
    "..",
    "%2f",
];

const GRAPH: [&str; 3] = [
    r#"{"@odata.context":"x","value":[{"id":"11111111-1111-4111-8111-111111111111","accountEnabled":true,"displayName":"Kari","manager@delta":[{"id":"21111111-1111-4111-8111-111111111111"}]}],"@odata.deltaLink":"https://graph.example.no/v1.0/users/delta?$deltatoken=x"}"#,
    r##"{"value":[{"id":"11111111-1111-4111-8111-111111111111","members@delta":[{"@odata.type":"#microsoft.graph.user","id":"21111111-1111-4111-8111-111111111111","@removed":{"reason":"deleted"}}]}],"@odata.nextLink":"https://graph.example.no/v1.0/groups/delta?$skiptoken=x"}"##,
    r#"{"error":{"code":"resyncRequired","message":"Resync","innerError":{"code":"x","innerError":{"code":"y"}}}}"#,
];
const TOKEN: [&str; 2] = [
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"x"}"#,
    r#"{"error":"invalid_client","error_description":"AADSTS7000215: x Trace ID: y","error_codes":[7000215]}"#,
];
const SCIM: [&str; 4] = [
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"7","userName":"kari","active":"True","emails":[{"type":"work","value":"kari@asker.example.no"}],"meta":{"location":"https://evil.example"}}"#,
    r#"{"totalResults":"2","Resources":[{"id":7,"userName":"kari"},{"id":"8","members":[{"value":"9"},"10",null]}]}"#,
    r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"409","scimType":"uniqueness","detail":"taken"}"#,
    r#"{"patch":{"supported":true},"filter":{"supported":true,"maxResults":200}}"#,
];
const CONFIGURATION: [&str; 2] = [
    include_str!("../fixtures/config/full.toml"),
    include_str!("../fixtures/config/everything-at-once.toml"),
];
const PLAN: [&str; 1] = [
    r#"{"format":"manntall-plan/1","created":"2026-11-22T10:00:00Z","complete":true,"targets":{"platform":{"summary":{},"held":[],"changes":[{"action":"update","kind":"user","key":"asker/11111111-1111-4111-8111-111111111111","name":"x","reason":"x","before":{},"after":{},"held":null}]}}}"#,
];
const REQUESTS: [&str; 6] = [
    r#"{"manntall_control":1,"state_dir":"/var/lib/manntall","by":"kari","form":"text","request":{"task":{"status":{"check":false}}}}"#,
    r#"{"manntall_control":1,"state_dir":"/var/lib/manntall","by":"kari","form":"json","request":{"task":{"approve":{"id":"0a1b2c","except":["asker/11111111-1111-4111-8111-111111111111"],"until":{"secs":86400,"nanos":0}}}}}"#,
    r#"{"manntall_control":1,"state_dir":"","by":"","form":"json","request":{"plan":{"person":"kari@asker.example.no","reveal":true}}}"#,
    r#"{"manntall_control":1,"state_dir":"x","by":"kari","form":"text","request":"sync"}"#,
    r#"{"manntall_control":1,"state_dir":"x","by":"kari","form":"text","request":{"apply":{"target":"platform","changes":[{"action":"deactivate","name":"x","digest":"00"}]}}}"#,
    r#"{"manntall_control":1,"state_dir":"x","by":"kari","form":"text","request":{"task":{"retry":{"person":null}}}}"#,
];
const LINKS: [&str; 2] = [
    "https://graph.example.no/v1.0/users/delta?$deltatoken=x",
    "https://graph.example.no@evil.example/v1.0/users/delta",
];

/// Feeds `entry` with variations of `seeds`, always the same.
fn drive(entry: fn(&[u8]), seeds: &[&str], times: usize) {
    let mut rng = fastrand::Rng::with_seed(7);
    let run = |input: &[u8]| {
        let began = SystemClock::start();
        entry(input);
        let took = began.elapsed();
        assert!(took < ONE_MAX, "{took:?} for {}", String::from_utf8_lossy(input));
    };
    run(b"");
    for seed in seeds {
        run(seed.as_bytes());
    }
    for _ in 0..times {
        let mut input = rng.choice(seeds).unwrap().as_bytes().to_vec();
        for _ in 0..rng.usize(1..6) {
            mutate(&mut input, seeds, &mut rng);
        }
        run(&input);
    }
    for deep in ["[", "{\"a\":", "{\"value\":[", "a=[", "a.", "(", "{\"error\":{\"innerError\":"] {
        run(deep.repeat(100_000).as_bytes());
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[&str], rng: &mut fastrand::Rng) {
    let at = rng.usize(0..=input.len());
    match rng.u8(0..7) {
        0 => input.truncate(at),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 => {
            let to = rng.usize(at..=input.len());
            input.drain(at..to);
        }
        3 => {
            let piece = rng.choice(PIECES).unwrap();
            input.splice(at..at, piece.bytes());
        }
        4 => {
            let other = rng.choice(seeds).unwrap().as_bytes();
            let from = rng.usize(0..=other.len());
            input.splice(at..at, other[from..].iter().copied());
        }
        5 => {
            let to = rng.usize(at..=input.len());
            let piece = input[at..to].repeat(rng.usize(1..4));
            input.splice(at..at, piece);
        }
        _ => {
            let bytes: Vec<u8> = (0..rng.usize(1..9)).map(|_| rng.u8(..)).collect();
            input.splice(at..at, bytes);
        }
    }
}

#[test]
fn any_bytes_for_a_graph_page_are_survived() {
    drive(entries::graph_page, &GRAPH, 1_500);
}

#[test]
fn any_bytes_for_a_token_answer_are_survived() {
    drive(entries::token_answer, &TOKEN, 1_500);
}

#[test]
fn any_bytes_for_a_scim_answer_are_survived() {
    drive(entries::scim_answer, &SCIM, 1_500);
}

#[test]
fn any_bytes_for_a_configuration_are_survived() {
    drive(entries::configuration, &CONFIGURATION, 300);
}

#[test]
fn any_bytes_for_a_saved_plan_are_survived() {
    drive(entries::saved_plan, &PLAN, 1_500);
}

#[test]
fn any_bytes_for_a_request_on_the_control_socket_are_survived() {
    let is_taken = |seed: &&&str| manntall::cli::is_control_request(seed.as_bytes());
    assert_eq!(REQUESTS.iter().filter(is_taken).count(), REQUESTS.len());
    drive(entries::control_request, &REQUESTS, 3_000);
}

#[test]
fn any_bytes_for_a_record_of_the_store_are_survived() {
    drive(entries::store_record, &[GRAPH[0], "\u{1}\u{2}\u{3}\u{4}\u{5}", "\0\0\0"], 3_000);
}

#[test]
fn any_bytes_for_a_link_are_survived_and_what_is_accepted_leads_home() {
    let hostile: Vec<&str> = include_str!("../fixtures/hostile-urls.txt").lines().collect();
    drive(entries::link, &LINKS, 3_000);
    drive(entries::link, &hostile, 3_000);
}
