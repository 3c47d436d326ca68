//! Ways in for everything that parses foreign bytes: one function each, which must return whatever comes.
//! Used by the fuzz targets (`fuzz/`) and by the bounded random driver of the normal tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use manntall::clock::{Clock, SystemClock};
use manntall::core::model::{Kind, ObjectId, ScimId, SourceName, Timestamp};
use manntall::cycle::state::State;
use manntall::graph::{Credential, GraphClient, GraphOptions, Link, Position};
use manntall::random::Random;
use manntall::scim::dialect::Dialect;
use manntall::scim::pace::Pacer;
use manntall::scim::{Cursor, MatchBy, Reader, ScimOptions, Writer};
use manntall::store::memory::MemoryStore;
use manntall::store::{Batch, Store};
use manntall::transport::{Request, Response, Transport, TransportError};
use secrecy::SecretString;
use url::Url;

/// Answers every request with the same bytes, but for tokens where those are not the matter.
struct Canned {
    status: u16,
    body: Vec<u8>,
    tokens_too: bool,
}

impl Transport for Canned {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        const TOKEN: &[u8] = br#"{"token_type":"Bearer","expires_in":3599,"access_token":"x"}"#;
        let is_login = request.url.path().ends_with("/token");
        let (status, body) = if is_login && !self.tokens_too {
            (200, TOKEN.to_vec())
        } else {
            (self.status, self.body.clone())
        };
        let kind = if is_login || self.status != 299 { "application/json" } else { "text/plain" };
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Box::pin(std::future::ready(Ok(Response { status, headers, body: body.into() })))
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|_| unreachable!())
}

fn graph(status: u16, body: &[u8], tokens_too: bool) -> GraphClient {
    let names = ["accountEnabled", "displayName", "manager", "members", "userPrincipalName"];
    let properties: BTreeSet<String> = names.map(str::to_owned).into();
    let options = GraphOptions {
        source: SourceName::new("asker"),
        tenant_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        client_id: "22222222-2222-4222-8222-222222222222".to_owned(),
        credential: Credential::Secret(Arc::new(|| Ok(SecretString::from("x")))),
        graph_url: url("https://graph.example.no"),
        login_url: url("https://login.example.no"),
        user_properties: properties.clone(),
        group_properties: properties,
    };
    let transport = Arc::new(Canned { status, body: body.to_vec(), tokens_too });
    let clock = Arc::new(SystemClock::start());
    GraphClient::new(options, transport, clock, Arc::new(Random::seeded(1)))
}

/// A page of users and of groups, a count, one user, and a refusal of each.
pub(crate) fn graph_page(bytes: &[u8]) {
    let position =
        Link::stored("https://graph.example.no/v1.0/users/delta?$deltatoken=x".to_owned());
    for status in [200, 400, 403, 410] {
        let client = graph(status, bytes, false);
        for kind in [Kind::Users, Kind::Groups] {
            let _ = client.page(kind, &Position::Start).now_or_never();
            let _ = client.page(kind, &Position::Link(position.clone())).now_or_never();
            let _ = client.count(kind).now_or_never();
        }
        if let Some(id) = ObjectId::parse("11111111-1111-4111-8111-111111111111") {
            let _ = client.user(id).now_or_never();
        }
    }
}

/// The answer of the token endpoint.
pub(crate) fn token_answer(bytes: &[u8]) {
    for status in [200, 400, 401] {
        let _ = graph(status, bytes, true).count(Kind::Users).now_or_never();
    }
}

/// Lists, resources, errors and discovery of a SCIM platform, to reads and to writes.
pub(crate) fn scim_answer(bytes: &[u8]) {
    for status in [200, 201, 400, 404, 409, 500] {
        let transport = Arc::new(Canned { status, body: bytes.to_vec(), tokens_too: true });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let options = || ScimOptions {
            url: url("https://platform.example.no/scim/v2"),
            token: Arc::new(|| SecretString::from("x")),
            dialect: Dialect::default(),
        };
        let reader = Reader::new(options(), transport.clone(), Arc::clone(&clock));
        let writer = Writer::new(options(), transport, Arc::clone(&clock));
        let pacer = Pacer::new(100_000.0, 64, clock);
        let id = ScimId::new("7");
        let permit = || pacer.permit().now_or_never();
        let reads = || {
            let _ = reader.discover(permit()?).now_or_never();
            let _ = reader.user(permit()?, &id).now_or_never();
            let _ = reader.group(permit()?, &id).now_or_never();
            let _ = reader.user_by(permit()?, MatchBy::UserName("kari")).now_or_never();
            let _ = reader.list_users(permit()?, &Cursor::first()).now_or_never();
            let _ = reader.list_groups(permit()?, &Cursor::first()).now_or_never();
            let _ = writer.create_user(permit()?, &BTreeMap::new()).now_or_never();
            let _ = writer.create_group(permit()?, "x", "x", &[]).now_or_never();
            let _ = writer.add_members(permit()?, &id, std::slice::from_ref(&id)).now_or_never();
            Some(())
        };
        let _ = reads();
    }
}

/// A configuration file.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let file = folder.path().join("manntall.toml");
    if std::fs::write(&file, bytes).is_ok() {
        let loaded = manntall::config::load(&file, &BTreeMap::new());
        let _ = loaded.map_err(|errors| errors.to_string());
    }
}

/// A saved plan.
pub(crate) fn saved_plan(bytes: &[u8]) {
    let _ = manntall::cli::is_saved_plan(bytes);
}

/// A request on the control socket.
pub(crate) fn control_request(bytes: &[u8]) {
    let _ = manntall::cli::is_control_request(bytes);
}

/// A record of the store under each kind of key: the first byte chooses one.
pub(crate) fn store_record(bytes: &[u8]) {
    const KEYS: [&[u8]; 16] = [
        b"walk/asker\0\0",
        b"user/asker\x001111111111111111",
        b"group/asker\x001111111111111111",
        b"edges/asker\x001111111111111111\0",
        b"account/asker\x001111111111111111",
        b"target-group/x",
        b"members/x",
        b"escrow/x",
        b"doubt/x",
        b"target/",
        b"held/\0\0\0\0",
        b"approval/\0\0\0\0",
        b"journal/\0\0\0\0\0\0\0\0",
        b"hold/x",
        b"report/",
        b"",
    ];
    let (choice, value) = bytes.split_first().unwrap_or((&0, bytes));
    let (key, value) = match KEYS.get(usize::from(*choice) % KEYS.len()) {
        Some(key) if !key.is_empty() => (key.to_vec(), value.to_vec()),
        // A key of any bytes.
        _ => (value.iter().copied().take(20).collect(), value.to_vec()),
    };
    let store = MemoryStore::new();
    if store.commit(Batch { records: vec![(key, Some(value))] }).is_ok()
        && let Ok(state) = State::load(Arc::new(store), Timestamp(0))
    {
        let _ = (state.journal(), state.holds());
    }
}

/// A link that a server gave.
pub(crate) fn link(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let home = url("https://graph.example.no");
    if let Ok(link) = Link::parse(&text, &home) {
        // What is accepted leads home.
        let parsed = url(link.as_str());
        assert_eq!(parsed.origin(), home.origin(), "{text:?}");
        assert!(parsed.username().is_empty() && parsed.path().starts_with("/v1.0/"), "{text:?}");
    }
}
