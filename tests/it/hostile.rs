//! Hostile answers and hostile names: a token goes nowhere but home, and no text acts on whoever reads it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use manntall::clock::{Clock, SystemClock};
use manntall::core::model::{Attributes, Datum, Kind, ScimId, SourceName};
use manntall::cycle::records::Key;
use manntall::graph::delta::Delta;
use manntall::graph::{Credential, GraphClient, GraphError, GraphOptions, Link, Next, Position};
use manntall::random::Random;
use manntall::scim::dialect::Dialect;
use manntall::scim::pace::Pacer;
use manntall::scim::{Reader, ScimOptions, Writer};
use manntall::sim::http::{Request as SimRequest, Response as SimResponse};
use manntall::sim::server::serve;
use manntall::sim::world::Event;
use manntall::transport::http::{HttpOptions, HttpTransport};
use manntall::transport::{Request, Response, Transport, TransportError};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::acceptance::{assert_right, entitled, happen, next_poll, world, writes, writes_since};
use crate::cli::site::Site;
use crate::history::{runtime, settle};
use crate::stage::{GRAPH, Stage};

const CORPUS: &str = include_str!("../fixtures/hostile-urls.txt");
const SECRET: &str = "kjennelig-hemmelighet";
const TOKEN: &str = "kjennelig-tilgangsbevis";

/// One line of the corpus, made for a Graph at `graph` and a trap at `trap`.
struct Hostile {
    text: String,
    /// Leads to the configured origin and may be followed there.
    homeward: bool,
}

fn corpus(graph: &Url, trap: &str) -> Vec<Hostile> {
    let host = graph.host_str().unwrap();
    let authority = graph.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let (scheme, other) =
        if graph.scheme() == "http" { ("http", "https") } else { ("https", "http") };
    let lines = CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines = lines.map(|line| {
        let (homeward, line) = match line.strip_prefix('~') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let text = line
            .replace("{s}", scheme)
            .replace("{S}", &scheme.to_uppercase())
            .replace("{o}", other)
            .replace("{g}", &authority)
            .replace("{G}", &authority.to_uppercase())
            .replace("{h}", host)
            .replace("{t}", trap)
            .replace("{p}", trap.rsplit(':').next().unwrap())
            .replace("{huge}", &"a".repeat(20_000));
        Hostile { text: unescape(&text), homeward }
    });
    let corpus: Vec<Hostile> = lines.collect();
    assert!(corpus.len() >= 120, "{} links", corpus.len());
    corpus
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\u{") {
        let (before, after) = rest.split_at(at);
        let (code, after) = after[3..].split_once('}').unwrap();
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = after;
    }
    out.push_str(rest);
    out.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0")
}

/// The transport of the service, with a list of everything that leaves.
struct Listed {
    real: HttpTransport,
    sent: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Transport for Listed {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let origin = request.url.origin().ascii_serialization();
        self.sent.lock().unwrap().push((origin, request.bearer_secret().is_some()));
        self.real.send(request)
    }
}

type Sent = Arc<Mutex<Vec<(String, bool)>>>;

fn listed() -> (Arc<Listed>, Sent) {
    let sent = Sent::default();
    let clock = Arc::new(SystemClock::start());
    let real = HttpTransport::new(&HttpOptions::default(), clock).unwrap();
    (Arc::new(Listed { real, sent: Arc::clone(&sent) }), sent)
}

fn real<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A trap that counts who comes.
async fn trap() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let caught = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&caught);
    tokio::spawn(async move {
        while let Ok((_socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, caught)
}

/// A server that answers with what `handler` says.
async fn server(handler: impl FnMut(SimRequest) -> SimResponse + Send + 'static) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut handler = handler;
    tokio::spawn(serve(
        listener,
        None,
        move |request| handler(request).into(),
        std::future::pending(),
    ));
    url
}

fn answer(status: u16, kind: &str, body: &Value) -> SimResponse {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    SimResponse { status, headers, body: body.to_string().into_bytes() }
}

/// A Graph that gives tokens, and pages that end in the link that is set.
async fn graph(link: Arc<Mutex<(&'static str, String)>>) -> Url {
    server(move |request| {
        if request.method == "POST" {
            let token =
                json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN });
            return answer(200, "application/json", &token);
        }
        let (name, link) = link.lock().unwrap().clone();
        let page = json!({ "@odata.context": "x", name: link, "value": [] });
        answer(200, "application/json", &page)
    })
    .await
}

fn client(graph: &Url, transport: Arc<Listed>) -> GraphClient {
    let options = GraphOptions {
        source: SourceName::new("asker"),
        tenant_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        client_id: "22222222-2222-4222-8222-222222222222".to_owned(),
        credential: Credential::Secret(Arc::new(|| Ok(SecretString::from(SECRET)))),
        graph_url: graph.clone(),
        login_url: graph.clone(),
        user_properties: BTreeSet::new(),
        group_properties: BTreeSet::new(),
    };
    let random = Arc::new(Random::seeded(1));
    GraphClient::new(options, transport, Arc::new(SystemClock::start()), random)
}

#[test]
fn no_hostile_link_of_a_page_or_of_the_store_gets_a_token_or_a_request() {
    real(async {
        let (trap, caught) = trap().await;
        let link = Arc::new(Mutex::new(("@odata.nextLink", String::new())));
        let graph = graph(Arc::clone(&link)).await;
        let home = graph.origin().ascii_serialization();
        let (transport, sent) = listed();
        let client = client(&graph, transport);
        for hostile in corpus(&graph, &trap) {
            for name in ["@odata.nextLink", "@odata.deltaLink"] {
                *link.lock().unwrap() = (name, hostile.text.clone());
                let page = client.page(Kind::Users, &Position::Start).await;
                let refused = match &page {
                    Ok(page) => page.next == Next::Lost,
                    Err(error) => matches!(error, GraphError::ForeignLink { .. }),
                };
                assert!(
                    refused || hostile.homeward,
                    "{name} {:?} was taken: {page:?}",
                    hostile.text
                );
            }
            *link.lock().unwrap() = ("@odata.deltaLink", format!("{graph}v1.0/users/delta?x"));
            let stored = Position::Link(Link::stored(hostile.text.clone()));
            let page = client.page(Kind::Users, &stored).await;
            let refused = matches!(page, Err(GraphError::ForeignLink { .. }));
            assert!(refused || hostile.homeward, "{:?} was followed: {page:?}", hostile.text);
        }
        let sent = sent.lock().unwrap();
        let foreign: Vec<_> = sent.iter().filter(|(origin, _)| *origin != home).collect();
        assert_eq!(foreign, Vec::<&(String, bool)>::new(), "requests to another origin");
        assert!(sent.iter().any(|(_, bearer)| *bearer), "no token was sent at all");
        assert_eq!(caught.load(Ordering::Relaxed), 0, "somebody came to the trap");
    });
}

#[test]
fn no_hostile_location_of_a_platform_is_ever_gone_to() {
    real(async {
        let (trap, caught) = trap().await;
        let hostile = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&hostile);
        let platform = server(move |request| {
            let location = said.lock().unwrap().clone();
            let body = json!({ "id": "7", "userName": "kari", "meta": { "location": location } });
            let status = if request.method == "POST" { 201 } else { 200 };
            let mut response = answer(status, "application/scim+json", &body);
            // What cannot be a header never comes as one.
            if location.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                response.headers.push(("location".to_owned(), location));
            }
            response
        })
        .await;
        let home = platform.origin().ascii_serialization();
        let (transport, sent) = listed();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let options = || ScimOptions {
            url: platform.join("scim/v2").unwrap(),
            token: Arc::new(|| SecretString::from(TOKEN)),
            dialect: Dialect::default(),
        };
        let writer = Writer::new(options(), transport.clone(), Arc::clone(&clock), Arc::default());
        let reader = Reader::new(options(), transport, Arc::clone(&clock));
        let pacer = Pacer::new(100_000.0, 8, clock);
        let name = |name: &str| {
            let path = manntall::core::model::AttrPath::parse("userName").unwrap();
            Attributes::from([(path, Datum::from(name))])
        };
        for link in corpus(&Url::parse(GRAPH).unwrap(), &trap) {
            *hostile.lock().unwrap() = link.text;
            let made = writer.create_user(pacer.permit().await, &name("kari")).await.unwrap();
            assert_eq!(made.id, ScimId::new("7"));
            reader.user(pacer.permit().await, &made.id).await.unwrap();
            let (held, wanted) = (name("kari"), name("ola"));
            writer.update_user(pacer.permit().await, &made.id, &held, &wanted).await.unwrap();
        }
        assert!(sent.lock().unwrap().iter().all(|(origin, _)| *origin == home));
        assert_eq!(caught.load(Ordering::Relaxed), 0, "somebody came to the trap");
    });
}

#[test]
fn a_hostile_delta_link_in_the_store_sends_nothing_and_changes_nothing() {
    // The stage panics at a request to another host.
    runtime().block_on(async {
        let stage = Stage::new(world(12, 3, 20), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after the first import");
        let before = writes(&stage);
        let source = SourceName::new("asker");
        for hostile in corpus(&Url::parse(GRAPH).unwrap(), "127.0.0.1:9") {
            let mut engine = stage.engine().unwrap();
            let durable = engine.state_mut();
            let walk = durable.walks.get_mut(&(source, Kind::Users)).unwrap();
            let good = walk.clone();
            walk.delta = Delta::Idle(Link::stored(hostile.text.clone()));
            durable.mark(Key::Walk(source, Kind::Users));
            durable.commit().unwrap();
            drop(engine);

            let mut engine = stage.engine().unwrap();
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(writes_since(&stage, before), [], "{:?}", hostile.text);
            if !hostile.homeward {
                let told = engine.source_troubles().values();
                let told: Vec<_> = told.map(|trouble| trouble.message.as_str()).collect();
                assert!(told.iter().any(|one| one.contains("not followed")), "{told:?}");
            }
            let durable = engine.state_mut();
            durable.walks.insert((source, Kind::Users), good);
            durable.mark(Key::Walk(source, Kind::Users));
            durable.commit().unwrap();
        }
    });
}

/// Names that act on terminals, logs, pages, spreadsheets and templates.
const NAMES: [&str; 12] = [
    "Kari\u{1b}[2J\u{1b}[31mNordmann",
    "Kari\u{1b}]0;eid\u{7}",
    "Kari\u{1b}]8;;https://evil.example\u{1b}\\klikk\u{1b}]8;;\u{1b}\\",
    "Kari\r\n2026-11-22T10:00:00Z ERROR deactivated everybody",
    "Kari\u{202e}nnamdroN",
    "Kari\u{2066}\u{2069}\u{200f}\u{200b}",
    "Kari\u{8}\u{8}\u{8}\u{8}Ola",
    "Kari\u{9b}31m",
    "=HYPERLINK(\"https://evil.example\",\"Kari\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
];

fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[test]
fn hostile_names_are_harmless_in_every_output() {
    let site = Site::new();
    for ((id, _), name) in site.employees().into_iter().zip(NAMES) {
        for property in ["displayName", "department", "jobTitle"] {
            site.happen(
                &json!({ "event": "set_property", "user": id, "name": property, "value": name }),
            );
        }
    }
    let commands: [&[&str]; 6] = [
        &["plan", "--reveal"],
        &["plan", "--json", "--reveal"],
        &["sync", "--log-level", "trace"],
        &["explain", "kari.nordmann@asker.example.no", "--reveal"],
        &["status"],
        &["stuck"],
    ];
    for command in commands {
        let ended = site.run(command);
        for (where_, text) in [("stdout", &ended.data), ("stderr", &ended.talk)] {
            let bad: Vec<char> = text.chars().filter(|c| acts(*c)).collect();
            assert!(bad.is_empty(), "{command:?} {where_}: {bad:?}\n{text}");
            // One event is one line, and none of these is ours.
            let forged = text.lines().any(|line| line.starts_with("2026-11-22T10:00:00Z ERROR"));
            assert!(!forged, "{command:?} {where_}: {text}");
        }
        assert!(!ended.talk.contains("HYPERLINK"), "a name in the log: {}", ended.talk);
    }
}

#[test]
fn secrets_are_in_no_output_at_any_level() {
    let site = Site::new();
    let (secret, token) =
        (site.said("client_secret").to_owned(), site.said("scim_token").to_owned());
    let faults = [
        json!({}),
        json!({ "graph": { "unauthorized_next": 3 } }),
        json!({ "graph": { "html_page": true } }),
        json!({ "graph": { "cut_body": true } }),
        json!({ "graph": { "refuse_token": 7_000_215 } }),
        json!({ "graph": { "foreign_next_link": "https://evil.example" } }),
    ];
    let out = site.path("plan.json");
    let out = out.to_str().unwrap();
    let mut whole = String::new();
    for fault in faults {
        site.break_down(&json!({ "graph": {} }));
        site.break_down(&fault);
        for command in [
            vec!["plan", "--out", out, "--force"],
            vec!["plan", "--json"],
            vec!["check", "--online"],
            vec!["sync"],
            vec!["status", "--json"],
        ] {
            let arguments: Vec<&str> =
                command.iter().copied().chain(["--log-level", "trace"]).collect();
            let ended = site.run(&arguments);
            whole.push_str(&ended.data);
            whole.push_str(&ended.talk);
        }
    }
    whole.push_str(&std::fs::read_to_string(out).unwrap_or_default());
    for hidden in [&secret, &token] {
        assert!(!whole.contains(hidden.as_str()), "a secret is shown");
    }
    // The simulated access token is a JWT; links carry the state of a walk.
    for hidden in ["eyJ", "Bearer ", "deltatoken=", "skiptoken=", "client_secret="] {
        let line = whole.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None, "{hidden} is shown");
    }
}

#[test]
fn a_panic_shows_no_secret() {
    // Whatever is printed in a panic is printed by `Debug`: of everything that holds a secret.
    let secret = SecretString::from(SECRET);
    let url = Url::parse("https://graph.example.no").unwrap();
    let bearer = manntall::transport::Bearer::for_origin_of(&url, secret.clone());
    let request = Request::new(manntall::transport::Method::Get, url.clone());
    let request = request.authorized(&bearer).unwrap();
    let link = Link::stored(format!("{GRAPH}/v1.0/users/delta?$deltatoken={SECRET}"));
    let result = std::panic::catch_unwind(|| panic!("{secret:?} {bearer:?} {request:?} {link:?}"));
    let words = result.unwrap_err();
    let words = words.downcast_ref::<String>().unwrap();
    assert!(!words.contains(SECRET), "{words}");
    assert!(words.contains("https://graph.example.no"), "{words}");
}

#[test]
fn names_that_look_like_code_reach_the_platform_to_the_letter() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        let people = entitled(&stage);
        for (user, name) in people.iter().zip(NAMES) {
            let value = json!(name);
            happen(&stage, Event::SetProperty { user: *user, name: "displayName".into(), value });
        }
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "names are data");
    });
}
