//! What comes from outside by itself: links in pages, requests on the control socket and on the status port.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};

use manntall::clock::SystemClock;
use manntall::core::model::Timestamp;
use manntall::core::report::{Cause, Held, Snapshot, Surroundings, TargetStand, Trouble};
use manntall::graph::Link;
use manntall::status::{Desk, server};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use url::Url;

use super::url;

/// A link that a server gave: what is accepted leads home, by whatever parser.
pub(crate) fn link(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for home in ["https://graph.example.no", "http://127.0.0.1:8080"] {
        if let Ok(link) = Link::parse(&text, &url(home)) {
            assert_eq!(link.as_str(), text);
            let parsed = url(&text);
            assert_eq!(parsed.origin(), url(home).origin(), "{text:?}");
            assert!(parsed.username().is_empty() && parsed.password().is_none(), "{text:?}");
            // As the eye reads it, and as a parser would that cuts at the first slash.
            let (scheme, rest) = text.split_once("://").expect("a scheme");
            let (authority, _) = rest.split_once('/').expect("a path");
            let authority = authority.to_ascii_lowercase();
            let (own_scheme, own) = home.split_once("://").expect("a scheme");
            let is_own = authority == own || authority == format!("{own}:443");
            assert!(scheme.eq_ignore_ascii_case(own_scheme) && is_own, "{text:?}");
            assert!(parsed.path().starts_with("/v1.0/"), "{text:?}");
        }
    }
}

/// What is followed with a token.
pub(super) fn leads_home(link: &str) {
    let parsed = Url::parse(link).expect("a URL");
    assert_eq!(parsed.origin().ascii_serialization(), "https://graph.example.no");
    assert!(parsed.username().is_empty() && parsed.path().starts_with("/v1.0/"), "{link:?}");
}

/// A request on the control socket: what is understood is understood alike when it is written anew.
pub(crate) fn control_request(bytes: &[u8]) {
    if let Some(written) = manntall::cli::control_request(bytes) {
        assert!(!written.contains('\n'), "a request is one line");
        assert_eq!(manntall::cli::control_request(written.as_bytes()), Some(written));
    }
}

const TOKEN: &str = "kjennelig-tilgangsbevis";
/// What only the token shows.
const PRIVATE: [&str; 2] = ["kari.nordmann", "45f0b4f37434"];

static RUNTIME: LazyLock<Mutex<Runtime>> =
    LazyLock::new(|| Mutex::new(Builder::new_current_thread().enable_all().build().unwrap()));

/// A desk with something to hide.
fn desk(address: IpAddr) -> Arc<Desk> {
    let since = Timestamp(0);
    let trouble =
        Trouble { since, cause: Cause::Refused, kind: None, message: PRIVATE[0].to_owned() };
    let held = Held {
        id: PRIVATE[1].to_owned(),
        guard: "budget.deactivate",
        count: 9,
        since,
        rejected: 0,
    };
    let target =
        TargetStand { holds: vec![held], troubles: vec![trouble], ..TargetStand::default() };
    let targets = [("platform".to_owned(), target)].into();
    let snapshot = Snapshot { targets, ..Snapshot::default() };
    Arc::new(Desk {
        snapshots: watch::channel(Arc::new(snapshot)).1,
        traffic: Arc::default(),
        clock: Arc::new(SystemClock::start()),
        look: Arc::new(Surroundings::default),
        rules: "x".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        address,
        hosts: ["status.example.no".to_owned()].into(),
        token: Some(Arc::new(|| SecretString::from(TOKEN))),
    })
}

/// The bytes of a connection to the status port: who names no host of ours learns nothing, and who has no
/// token learns no name and no id; from another machine, one word.
pub(crate) fn status_request(bytes: &[u8]) {
    let runtime = RUNTIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let has = |part: &str| {
        bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    };
    // A password is encoded, and so not seen here.
    let may_know = has(TOKEN) || has("basic");
    let is_named =
        ["localhost", "127.", "192.0.2.1", ":1", "status.example.no"].into_iter().any(has);
    for (address, is_near) in [([127, 0, 0, 1].into(), true), ([192, 0, 2, 1].into(), false)] {
        let answer = runtime.block_on(converse(bytes, desk(address)));
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
        assert!(head.is_empty() || status.is_some(), "{head}");
        let shows = matches!(status, Some("200" | "503"));
        assert!(!shows || is_named, "{text}");
        assert!(may_know || !PRIVATE.iter().any(|private| text.contains(private)), "{text}");
        assert!(may_know || is_near || !shows || body.len() < 40, "{text}");
        assert!(!text.contains(TOKEN));
        assert!(text.matches("HTTP/1.").count() <= 1, "one answer to a connection: {text}");
    }
}

async fn converse(bytes: &[u8], desk: Arc<Desk>) -> Vec<u8> {
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut answer = Vec::new();
    let ask = async {
        // Who is refused is not listened to any longer.
        let _ = ours.write_all(bytes).await;
        let _ = ours.shutdown().await;
        let _ = ours.read_to_end(&mut answer).await;
    };
    tokio::join!(ask, server::converse(theirs, desk));
    answer
}
