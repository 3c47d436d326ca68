//! The port from outside: what it shows to whom, in every form and language.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod access;
mod sockets;
mod text;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{Request, StatusCode};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use tokio::sync::watch;

use super::{Desk, answer};
use crate::clock::{SystemClock, TokioClock};
use crate::core::judge::Guard;
use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::core::report::{
    AbsentStand, Cause, Credential, Exchange, Expiry, Held, Leavers, LeavingStand, LeftOutStand,
    Machine, Own, OwnTrouble, Proof, Snapshot, SourceStand, Surroundings, TargetStand, Traffic,
    Trouble,
};

pub(super) const TOKEN: &str = "status-token-of-the-test";

/// What nobody without the token may ever read.
const PRIVATE: [&str; 3] = ["kari.nordmann", "45f0b4f37434", "Nordre barnehage"];

/// 2026-03-02T06:00:00Z.
const NOW: Timestamp = Timestamp(1_772_431_200_000);

fn before(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1000)
}

fn trouble(cause: Cause, since: i64) -> Trouble {
    Trouble {
        since: before(since),
        cause,
        kind: None,
        message: "<script>alert(1)</script> kari.nordmann@asker.example.no in Nordre barnehage"
            .to_owned(),
    }
}

fn busy_target() -> TargetStand {
    let mut leavers = Leavers {
        active: 2,
        oldest: Some(before(60)),
        slowest: Some(Duration::from_secs(17)),
        ..Leavers::default()
    };
    leavers.spans.record(Duration::from_secs(17));
    TargetStand {
        accounts: 6300,
        active: 6192,
        groups: 400,
        memberships: 31_000,
        entitled: 6200,
        entitled_active: 6190,
        entitled_stuck: 3,
        twins: 3,
        leaving: Some(LeavingStand { count: 1, since: before(600) }),
        waiting: 2,
        without_login: 0,
        pending: [(Action::Create, 7)].into(),
        is_busy: true,
        holds: vec![Held {
            id: PRIVATE[1].to_owned(),
            guard: "budget.deactivate",
            count: 143,
            since: before(10_800),
            rejected: 0,
        }],
        stuck: 3,
        stuck_since: Some(before(200_000)),
        last_success: Some(before(600)),
        last_proof: Some(before(7_200)),
        proof: Some(Proof {
            at: before(7_200),
            leavers: 0,
            missing: 0,
            unseen: 0,
            untold: 4,
            clean_since: Some(before(7 * 86_400)),
        }),
        drift: 2,
        disabled: 1,
        hides_members: false,
        untold: 4,
        absent: Some(AbsentStand { count: 2, since: before(600), decides: before(-3_000) }),
        left_out: vec![LeftOutStand {
            attribute: "title".to_owned(),
            use_: "clear".to_owned(),
            why: "ignored".to_owned(),
            people: 3,
        }],
        rewritten: [("userName".to_owned(), 2)].into(),
        last_confirmed: Some(before(5)),
        troubles: vec![trouble(Cause::Throttled, 120)],
        leavers,
        confirmed: [(Action::Create, 12)].into(),
        refused: [(Action::Update, 1)].into(),
        last_day: [(Action::Create, 1012), (Action::Deactivate, 4)].into(),
        trips: [(Guard::Deactivate, 1)].into(),
    }
}

/// Something of everything, with hostile and personal words wherever words can be.
pub(super) fn busy() -> Snapshot {
    let source = SourceStand {
        last_complete: [Some(before(7200)), Some(before(3600))],
        last_round: [Some(before(30)), Some(before(31))],
        users: 6200,
        groups: 410,
        coverage: [("department".to_owned(), (6_100, 6_200))].into(),
        reading: 0,
        gaps: [None, None],
        asked: Some(before(86_400)),
        silent: [None, None],
        troubles: vec![trouble(Cause::Unavailable, 90)],
    };
    Snapshot {
        at: NOW,
        turned: Duration::ZERO,
        started: before(86_400),
        poll_interval: Duration::from_secs(60),
        next: Some(Timestamp(NOW.0 + 30_000)),
        changed: before(600),
        paused: None,
        troubles: vec![OwnTrouble {
            kind: Own::DiskLow,
            since: before(300),
            message: "kari.nordmann has filled the disk".to_owned(),
        }],
        disk_free: Some(100 * 1024 * 1024),
        last_backup: Some(before(86_400)),
        sources: [("asker".to_owned(), source)].into(),
        targets: [("platform".to_owned(), busy_target())].into(),
        passes_by_result: BTreeMap::from([("ok", 3)]),
        ..Snapshot::default()
    }
}

pub(super) fn traffic() -> Traffic {
    let mut traffic = Traffic::default();
    traffic.record(&Exchange {
        peer: "graph.example.no",
        method: "GET",
        status: Some(200),
        took: Duration::from_millis(80),
        throttled: None,
        skew_ms: Some(-1500),
    });
    traffic
}

pub(super) fn surroundings() -> Surroundings {
    let of = |days: i64, what| Expiry { at: before(-days * 86_400), what };
    Surroundings {
        expiries: vec![
            of(-2, Credential::Token("platform".to_owned())),
            of(9, Credential::ClientSecret("asker".to_owned())),
            of(900, Credential::Authority),
        ],
        machine: Machine {
            state_bytes: Some(7_000_000),
            resident_bytes: Some(40_000_000),
            open_files: Some(17),
            processor: Some(Duration::from_millis(12_340)),
            began: Some(before(86_400)),
        },
    }
}

fn desk_of(snapshot: Snapshot, address: IpAddr, token: Option<&'static str>) -> Desk {
    let (_, snapshots) = watch::channel(Arc::new(snapshot));
    Desk {
        snapshots,
        traffic: Arc::new(Mutex::new(traffic())),
        look: Arc::new(surroundings),
        clock: Arc::new(TokioClock::starting_at(NOW)),
        rules: "0123456789abcdef".to_owned(),
        zone: TimeZone::get("Europe/Oslo").unwrap(),
        address,
        hosts: ["manntall.example.no".to_owned()].into(),
        token: token.map(|token| -> super::TokenReader {
            Arc::new(move || SecretString::from(token.to_owned()))
        }),
    }
}

/// On loopback, without a token.
fn desk(snapshot: Snapshot) -> Desk {
    desk_of(snapshot, Ipv4Addr::LOCALHOST.into(), Some(TOKEN))
}

/// A desk on the system's clock, for real sockets.
pub(super) fn real_desk(snapshot: Snapshot) -> Desk {
    Desk { clock: Arc::new(SystemClock::start()), ..desk(snapshot) }
}

/// A request by a well-behaved browser, and whatever headers besides.
fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(path).header("host", "localhost:9470");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

async fn get(desk: &Desk, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let answer = answer(desk, &request(path, headers));
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

const PATHS: [&str; 8] = [
    "/",
    "/?lang=sv",
    "/livez?verbose",
    "/readyz?verbose",
    "/healthz?verbose",
    "/metrics",
    "/api/v1/status",
    "/nowhere",
];

#[tokio::test(start_paused = true)]
async fn without_the_token_nothing_names_a_person_a_group_or_a_hold() {
    let desk = desk(busy());
    for path in PATHS {
        let (_, text) = get(&desk, path, &[]).await;
        for word in PRIVATE {
            assert!(!text.contains(word), "{path} shows {word}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_token_the_page_says_what_is_wrong_and_names_the_hold() {
    let bearer = format!("Bearer {TOKEN}");
    let (status, text) = get(&desk(busy()), "/", &[("authorization", &bearer)]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("kari.nordmann@asker.example.no") && text.contains("45f0b4f37434"));
    assert!(!text.contains("<script"), "what others wrote is escaped");
    assert!(!text.contains("?sign-in"), "whoever is in need not sign in");
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_may_not_be_named_is_no_number_and_a_token_is_spoken_of_where_there_is_one() {
    let hidden = r#"<th role="rowheader" scope="row"><code>manntall holds</code>"#;
    let (_, text) = get(&desk(busy()), "/?lang=en", &[]).await;
    assert!(text.contains(hidden), "{text}");
    assert!(text.contains(r#"href="?sign-in&amp;lang=en""#), "{text}");
    assert!(text.contains("shown after signing in"), "{text}");
    let desk = desk_of(busy(), Ipv4Addr::LOCALHOST.into(), None);
    let (_, text) = get(&desk, "/?lang=en", &[]).await;
    assert!(text.contains(hidden), "{text}");
    for word in ["sign-in", "Sign in", "signing in", "with the token"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_has_exactly_the_agreed_fields() {
    let (_, text) = get(&desk(busy()), "/api/v1/status", &[]).await;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": "2026-03-01T06:00:00Z",
        "verdict": "degraded",
        "since": "2026-03-02T05:58:00Z",
        "next": "2026-03-02T06:00:30Z",
        "troubles": ["disk_low"],
        "disk_free": 104_857_600,
        "last_backup": "2026-03-01T06:00:00Z",
        "sources": { "asker": {
            "state": "degraded",
            "last_complete": { "users": "2026-03-02T04:00:00Z", "groups": "2026-03-02T05:00:00Z" },
            "users": 6200,
            "unread": null, "uncounted": null, "silent": null, "groups": 410,
        } },
        "targets": { "platform": {
            "state": "degraded",
            "accounts": 6300,
            "active": 6192,
            "groups": 400,
            "memberships": 31_000,
            "pending": { "create": 7 },
            "held": 143,
            "rejected": 0,
            "without_login": 0,
            "twins": 3, "waiting": 2,
            "leaving": { "count": 1, "since": "2026-03-02T05:50:00Z" },
            "stuck": 3,
            "last_success": "2026-03-02T05:50:00Z",
            "last_proof": "2026-03-02T04:00:00Z",
            "proof": {
                "leavers": 0,
                "missing": 0,
                "unseen": 0,
                "untold": 4,
                "clean_since": "2026-02-23T06:00:00Z",
            },
            "drift": 2,
            "disabled": 1,
            "members_readable": true,
            "untold": 4,
            "absent": {
                "count": 2,
                "since": "2026-03-02T05:50:00Z",
                "decides": "2026-03-02T06:50:00Z",
            },
            "left_out": [
                { "attribute": "title", "use": "clear", "why": "ignored", "people": 3 },
            ],
            "rewritten": { "userName": 2 },
        } },
        "expiries": [
            { "name": "targets.platform.token", "at": "2026-02-28T06:00:00Z" },
            { "name": "sources.asker.client_secret", "at": "2026-03-11T06:00:00Z" },
            { "name": "network.ca_file", "at": "2028-08-18T06:00:00Z" },
        ],
    });
    assert_eq!(status, expected);
}

#[tokio::test(start_paused = true)]
async fn health_fails_for_what_each_question_is_about_and_for_nothing_else() {
    let mut calm = busy();
    calm.sources.values_mut().for_each(|source| source.troubles.clear());
    calm.targets.values_mut().for_each(|target| target.troubles.clear());
    let check = async |snapshot: &Snapshot, expected: [u16; 3]| {
        let desk = desk(snapshot.clone());
        let mut found = Vec::new();
        for path in ["/livez", "/readyz", "/healthz"] {
            found.push(get(&desk, path, &[]).await.0.as_u16());
        }
        assert_eq!(found, expected);
    };
    check(&calm, [200, 200, 200]).await;
    let mut stale = calm.clone();
    stale.sources.values_mut().for_each(|source| source.last_round[0] = Some(before(181)));
    check(&stale, [200, 200, 503]).await;
    let mut refused = calm.clone();
    for target in refused.targets.values_mut() {
        let message = String::new();
        target.troubles = vec![Trouble { since: NOW, cause: Cause::Refused, kind: None, message }];
    }
    check(&refused, [200, 200, 503]).await;
    let mut full = calm.clone();
    full.troubles[0].kind = Own::DiskFull;
    check(&full, [200, 200, 503]).await;
    let mut unread = calm.clone();
    unread.sources.values_mut().for_each(|source| source.last_complete[1] = None);
    check(&unread, [200, 503, 200]).await;
    check(&Snapshot::default(), [200, 503, 503]).await;

    let desk = desk(calm);
    tokio::time::advance(Duration::from_secs(361)).await;
    assert_eq!(get(&desk, "/livez", &[]).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn health_tells_people_line_by_line_and_machines_in_json() {
    let desk = desk(busy());
    let (_, text) = get(&desk, "/healthz?verbose", &[]).await;
    assert_eq!(
        text,
        "[+] loop: turning\n\
         [+] tenant asker: degraded, last success 31 s ago, limit 180 s\n\
         [+] platform platform: degraded, last success 5 s ago, limit 180 s\n\
         ok\n"
    );
    let (_, text) = get(&desk, "/livez", &[("accept", "application/json")]).await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["status"], &json["checks"][0]["name"]), (&"ok".into(), &"loop".into()));
    assert_eq!(get(&desk, "/livez", &[]).await.1, "ok\n");
}
