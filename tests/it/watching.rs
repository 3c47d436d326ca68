//! What those who watch get to see: each state from a real engine, through the real port, in a real
//! browser; a quiet day in the log; and the alert rules by Prometheus' own tool.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use manntall::clock::{Clock, TokioClock};
use manntall::core::model::Timestamp;
use manntall::core::report::{Snapshot, State, Surroundings, verdict};
use manntall::cycle::door::door;
use manntall::cycle::records::Pause;
use manntall::cycle::{Engine, Until};
use manntall::sim::entra::{Entra, EntraOptions};
use manntall::sim::world::{Event, GeneratorOptions, World, generate};
use manntall::status::notices::{self, Notices};
use manntall::status::server::{self, Running};
use manntall::status::{Desk, TokenReader};
use manntall::telemetry::Fold;
use manntall::transport::{Request, Response, Transport, TransportError};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::acceptance::drift;
use crate::history::runtime;
use crate::stage::{GRAPH, LOGIN, Stage};
use crate::third_party::peer::{node, promtool, succeed};

fn world() -> World {
    let options = GeneratorOptions {
        users: 150,
        groups: 12,
        memberships: 400,
        seed: 1,
        ..GeneratorOptions::default()
    };
    generate(&options)
}

/// Lets the service run for a while, breaks it off, and gives what it showed last.
async fn run(stage: &Stage, engine: &mut Engine, span: Duration) -> Snapshot {
    let shown = engine.snapshots("platform");
    let (_hold, mut stop) = watch::channel(false);
    let writer = stage.writer();
    let drive = engine.drive(Some(&writer), Until::Stopped, &mut stop);
    let _ = tokio::time::timeout(span, drive).await;
    shown.borrow().as_ref().clone()
}

const MINUTES: Duration = Duration::from_secs(300);

/// A stage on which everything is done.
async fn calm() -> Stage {
    let stage = Stage::new(world(), 1);
    run(&stage, &mut stage.engine().unwrap(), MINUTES).await;
    stage
}

/// One snapshot of each state, made by what brings it about.
async fn snapshots() -> BTreeMap<State, (Stage, Snapshot)> {
    let mut all = BTreeMap::new();

    let stage = Stage::new(world(), 1);
    stage.lock().chaos.latency_ms = 60_000;
    let shown = run(&stage, &mut stage.engine().unwrap(), Duration::from_secs(3)).await;
    all.insert(State::NeverRun, (stage, shown));

    let stage = calm().await;
    let shown = run(&stage, &mut stage.engine().unwrap(), MINUTES).await;
    all.insert(State::Idle, (stage, shown));

    let mut stage = Stage::new(world(), 1);
    stage.requests_per_second = 0.5;
    let shown = run(&stage, &mut stage.engine().unwrap(), Duration::from_secs(120)).await;
    all.insert(State::Running, (stage, shown));

    let stage = calm().await;
    let leavers: Vec<_> = stage.lock().world.users().keys().copied().take(60).collect();
    for user in leavers {
        // Some of them are guests or out already.
        let _ = stage.lock().world.apply(Event::Disable { user });
    }
    let shown = run(&stage, &mut stage.engine().unwrap(), MINUTES).await;
    all.insert(State::Held, (stage, shown));

    let stage = calm().await;
    stage.lock().chaos.not_sent = 100;
    let shown = run(&stage, &mut stage.engine().unwrap(), MINUTES).await;
    all.insert(State::Degraded, (stage, shown));

    let stage = calm().await;
    // Somebody has renewed the secret and told nobody.
    stage.lock().entra = Entra::new(EntraOptions {
        client_id: "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47".to_owned(),
        client_secret: "another-secret".to_owned(),
        graph_url: GRAPH.to_owned(),
        login_url: LOGIN.to_owned(),
        ..EntraOptions::default()
    });
    let shown = run(&stage, &mut stage.engine().unwrap(), MINUTES).await;
    all.insert(State::Quarantined, (stage, shown));

    let stage = calm().await;
    let mut engine = stage.engine().unwrap();
    let (by, reason) = ("kari.nordmann".to_owned(), Some("Nordre barnehage".to_owned()));
    engine.state_mut().pause(Pause { by, at: stage.clock.now(), reason });
    let shown = run(&stage, &mut engine, MINUTES).await;
    all.insert(State::Paused, (stage, shown));
    all
}

const TOKEN: &str = "the-token-of-the-status-port";

/// The port with one snapshot behind it, and where it is.
fn serve(snapshot: &Snapshot) -> (Running, String) {
    let (_, snapshots) = watch::channel(Arc::new(snapshot.clone()));
    let clock = TokioClock::starting_at(snapshot.at.plus(Duration::from_secs(4)));
    serve_live(snapshots, Arc::new(clock))
}

/// The port with whatever is told behind it, and where it is.
fn serve_live(
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clock: Arc<dyn Clock>,
) -> (Running, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token: TokenReader = Arc::new(|| SecretString::from(TOKEN));
    let desk = Desk {
        snapshots,
        traffic: Arc::default(),
        clock,
        look: Arc::new(Surroundings::default),
        rules: "0123456789abcdef".to_owned(),
        zone: TimeZone::get("Europe/Oslo").unwrap(),
        address: address.ip(),
        hosts: BTreeSet::new(),
        token: Some(token),
    };
    (server::start(listener, desk).unwrap(), format!("http://{address}/"))
}

/// Everything by which a person or a group can be known, on either side.
fn names(stage: &Stage) -> BTreeSet<String> {
    let inner = stage.lock();
    let mut names = BTreeSet::from(["kari.nordmann".to_owned(), "Nordre barnehage".to_owned()]);
    for user in inner.world.users().values() {
        names.insert(user.id.to_string());
        let told = ["displayName", "userPrincipalName", "mail", "mobilePhone", "department"];
        names.extend(told.into_iter().filter_map(|name| user.text(name)).map(str::to_owned));
    }
    for group in inner.world.groups().values() {
        names.insert(group.id.to_string());
        names.extend(group.text("displayName").map(str::to_owned));
    }
    names.extend(inner.platform.users().map(|user| user.id.clone()).filter(|id| id.len() > 6));
    names.retain(|name| name.len() > 3);
    assert!(names.len() > 300, "there are people and groups to be named");
    names
}

#[test]
fn each_state_comes_about_and_is_what_it_is_called() {
    let all = runtime().block_on(snapshots());
    for state in State::ALL {
        let (_, snapshot) = &all[&state];
        assert_eq!(verdict(snapshot).state, state, "{snapshot:#?}");
    }
    let (_, held) = &all[&State::Held];
    let target = &held.targets["platform"];
    assert_eq!(
        target.leavers.active,
        target.held(),
        "each hold of leavers is a leaver still active"
    );
    assert_eq!(target.entitled, target.entitled_active + target.entitled_waiting());
    let (_, refused) = &all[&State::Quarantined];
    let wait = refused.next.unwrap().since(refused.at);
    assert!(wait > Duration::from_secs(30), "it is left alone until its next question: {wait:?}");
    let (_, idle) = &all[&State::Idle];
    let target = &idle.targets["platform"];
    assert_eq!((target.entitled, target.entitled_active), (target.active, target.active));
    assert!(target.last_day.values().sum::<u64>() > 150, "a restart forgets no change of the day");
}

#[test]
fn the_page_shows_each_state_in_a_browser_and_names_nobody() {
    let all = runtime().block_on(snapshots());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/status-page");
    std::fs::create_dir_all(&folder).unwrap();
    let mut browser = node("status_page.mjs");
    browser.arg(&folder);
    let mut ports = Vec::new();
    for (state, (_, snapshot)) in &all {
        let (port, url) = serve(snapshot);
        for language in ["en", "nb", "sv"] {
            browser.arg(format!("{state}-{language}={url}?lang={language}"));
        }
        ports.push(port);
    }
    let seen: Value = serde_json::from_str(&succeed(browser)).unwrap();
    let words = [
        (State::NeverRun, ["○ Never run", "○ Aldri kjørt", "○ Aldrig körd"]),
        (State::Idle, ["✓ Idle", "✓ Hviler", "✓ Vilar"]),
        (State::Running, ["▶ Running", "▶ I arbeid", "▶ I arbete"]),
        (State::Held, ["◆ Held", "◆ Holdt tilbake", "◆ Hålls tillbaka"]),
        (State::Degraded, ["▲ Degraded", "▲ Svekket", "▲ Försämrad"]),
        (State::Quarantined, ["✕ Quarantined", "✕ I karantene", "✕ I karantän"]),
        (State::Paused, ["‖ Paused", "‖ Stanset", "‖ Stoppad"]),
    ];
    for (state, words) in words {
        for (language, word) in ["en", "nb", "sv"].into_iter().zip(words) {
            let page = &seen[format!("{state}-{language}")];
            let verdict = page["verdict"].as_str().unwrap();
            assert!(verdict.starts_with(word), "{state} {language}: {verdict}");
            assert!(page["title"].as_str().unwrap().starts_with(word));
            assert_eq!(page["lang"], language);
            assert_eq!(page["charset"], "UTF-8");
            assert_eq!(page["status"], 200);
            assert_eq!(page["scripts"], 0);
            assert_eq!(page["complaints"], serde_json::json!([]), "{state} {language}");
            assert_eq!(page["others"], serde_json::json!([]), "it loads nothing else");
            assert!(
                page["overflow"].as_i64().unwrap() <= 0,
                "{state} {language}: sideways at 200 %"
            );
            for contrast in page["contrast"].as_array().unwrap() {
                assert!(
                    contrast.as_f64().unwrap() >= 4.5,
                    "{state} {language}: contrast {contrast}"
                );
            }
            assert_nameless(&all[&state].0, page["html"].as_str().unwrap());
        }
    }
}

#[test]
fn nothing_that_the_port_tells_everybody_names_a_person_or_a_group() {
    let all = runtime().block_on(snapshots());
    for (stage, snapshot) in all.values() {
        let (_port, url) = serve(snapshot);
        for path in ["", "metrics", "api/v1/status", "healthz?verbose", "readyz?verbose"] {
            assert_nameless(stage, &fetch(&url, path));
        }
    }
}

fn assert_nameless(stage: &Stage, text: &str) {
    let text = text.to_lowercase();
    for name in names(stage) {
        assert!(!text.contains(&name.to_lowercase()), "it says {name}");
    }
}

/// One request as a monitor sends it.
fn fetch(url: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    answer
}

/// A clock that is ahead of another by so many seconds.
struct Ahead(Arc<TokioClock>, Arc<AtomicU64>);

impl Ahead {
    fn span(&self) -> Duration {
        Duration::from_secs(self.1.load(Ordering::Relaxed))
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now().plus(self.span())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed() + self.span()
    }

    fn sleep(&self, span: Duration) -> futures_util::future::BoxFuture<'static, ()> {
        self.0.sleep(span)
    }
}

#[test]
fn a_loop_that_is_stuck_fails_livez_until_it_turns_again() {
    let (door, visits) = door();
    let (stop, mut stopped) = watch::channel(false);
    let stage = Stage::new(world(), 1);
    let mut engine = stage.engine().unwrap();
    engine.open(visits);
    let later = Arc::new(AtomicU64::new(0));
    let clock = Ahead(Arc::clone(&stage.clock), Arc::clone(&later));
    let (_port, url) = serve_live(engine.snapshots("platform"), Arc::new(clock));
    // In real time: whoever holds the loop up holds up a thread.
    let service = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let writer = stage.writer();
        runtime.block_on(engine.drive(Some(&writer), Until::Stopped, &mut stopped)).unwrap();
    });
    let answers =
        |path: &str, code: &str| fetch(&url, path).starts_with(&format!("HTTP/1.1 {code} "));
    let turns = async || door.visit(|engine| engine.is_settled()).await.unwrap();
    let people = tokio::runtime::Builder::new_current_thread().build().unwrap();
    people.block_on(async { while !turns().await {} });
    assert!(answers("livez", "200") && answers("readyz", "200"));

    let (entered, inside) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    door.leave_word(move |_| {
        entered.send(()).unwrap();
        let _ = held.recv();
    });
    inside.recv().unwrap();
    assert!(answers("livez", "200"), "a turn may take its time");
    later.store(400, Ordering::Relaxed);
    assert!(answers("livez", "503"), "this one has taken too long");
    let verbose = fetch(&url, "livez?verbose");
    assert!(verbose.contains("[-] loop: last turn 40"), "{verbose}");
    assert!(answers("", "200") && answers("metrics", "200"), "the port itself goes on");

    drop(release);
    later.store(0, Ordering::Relaxed);
    people.block_on(turns());
    assert!(answers("livez", "200"));
    stop.send(true).unwrap();
    service.join().unwrap();
}

/// Counts and keeps what would be logged at the default level.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("manntall") && *metadata.level() <= tracing::Level::INFO {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut text = Text(format!("{} {}", metadata.level(), metadata.target()));
            event.record(&mut text);
            self.1.lock().unwrap().push(text.0);
        }
    }
}

struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// Sends to nobody.
struct Nowhere;

impl Transport for Nowhere {
    fn send(
        &self,
        request: Request,
    ) -> futures_util::future::BoxFuture<'static, Result<Response, TransportError>> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let error = TransportError::NotSent { host, detail: "there is nobody".to_owned() };
        Box::pin(async move { Err(error) })
    }
}

/// The lines of a day, while `happens` goes on.
fn day(
    prepare: impl FnOnce(&Stage),
    happens: impl AsyncFnOnce(&Stage),
) -> (usize, Vec<String>, Stage) {
    runtime().block_on(async {
        let stage = calm().await;
        prepare(&stage);
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone()).with(Fold::new());
        let _guard = tracing::subscriber::set_default(subscriber);
        let mut engine = stage.engine().unwrap();
        let shown = engine.snapshots("platform");
        let clock: Arc<dyn Clock> = stage.clock.clone();
        let watching = notices::watch(Notices::default(), shown, Arc::new(Nowhere), clock);
        let (_hold, mut stop) = watch::channel(false);
        let writer = stage.writer();
        tokio::select! {
            ended = engine.drive(Some(&writer), Until::Stopped, &mut stop) => panic!("{ended:?}"),
            never = watching => match never {},
            () = async {
                happens(&stage).await;
                stage.pass(Duration::from_secs(24 * 3600)).await;
            } => {}
        }
        let kept = lines.1.lock().unwrap().clone();
        (lines.0.load(Ordering::Relaxed), kept, stage)
    })
}

#[test]
fn a_quiet_day_has_fewer_than_a_hundred_lines_and_none_names_anybody() {
    let (count, lines, stage) = day(
        |_| {},
        async |stage| {
            let people: Vec<_> = stage.lock().world.users().keys().copied().take(20).collect();
            for (at, user) in people.into_iter().enumerate() {
                // One leaver now and then, among people who get another title.
                let event = match at {
                    3 | 11 => Event::Disable { user },
                    _ => Event::SetProperty {
                        user,
                        name: "jobTitle".to_owned(),
                        value: format!("Tittel {at}").into(),
                    },
                };
                let _ = stage.lock().world.apply(event);
                stage.pass(Duration::from_secs(1_800)).await;
            }
        },
    );
    assert!(count < 100, "{count} lines: {lines:#?}");
    assert!(lines.iter().any(|line| line.contains("accounts updated: 1")), "{lines:#?}");
    let all = lines.join("\n");
    // Object ids may be logged; names, addresses and values may not.
    let inner = stage.lock();
    for user in inner.world.users().values() {
        for name in ["displayName", "userPrincipalName", "mail", "mobilePhone"] {
            let Some(text) = user.text(name) else { continue };
            assert!(!all.contains(text), "a line says {text}");
        }
    }
}

#[test]
fn a_line_about_the_group_of_a_rule_does_not_say_what_its_people_have_in_common() {
    let (_, lines, stage) = day(
        |stage| {
            let name = json!({ "op": "replace", "path": "displayName", "value": "Kaffeklubben" });
            drift::patch(stage, &drift::group(stage).0, &name);
        },
        async |stage| stage.pass(stage.timing.full_compare).await,
    );
    let all = lines.join("\n");
    assert!(all.contains("drift: changed by somebody else"), "{lines:#?}");
    let inner = stage.lock();
    let ours = inner.platform.groups().filter_map(|group| group.external_id());
    for key in ours.filter(|key| key.starts_with("rule:")) {
        assert!(!all.contains(key), "a line says {key}");
    }
}

#[test]
fn a_day_without_the_tenant_and_the_platform_has_fewer_than_a_hundred_lines() {
    let (count, lines, _) = day(|stage| stage.lock().chaos.not_sent = 100, async |_| {});
    assert!(count > 0 && count < 100, "{count} lines: {lines:#?}");
}

#[test]
fn the_alert_rules_fire_when_they_should_and_not_before() {
    let mut promtool = promtool();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    promtool.args(["test", "rules", "alerts_test.yml"]).current_dir(&deploy);
    succeed(promtool);
    let rules = std::fs::read_to_string(deploy.join("alerts.yml")).unwrap();
    let tests = std::fs::read_to_string(deploy.join("alerts_test.yml")).unwrap();
    let docs = std::fs::read_to_string(deploy.join("../docs/monitoring.md")).unwrap();
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} has no test");
        assert!(docs.contains(&format!("### {name}\n")), "{name} has no page");
    }
}

#[test]
fn idle_is_since_the_pause_was_over() {
    runtime().block_on(async {
        let stage = calm().await;
        let mut engine = stage.engine().unwrap();
        assert_eq!(verdict(&run(&stage, &mut engine, MINUTES).await).state, State::Idle);
        let at = stage.clock.now();
        engine.state_mut().pause(Pause { by: "kari".to_owned(), at, reason: None });
        let paused = verdict(&run(&stage, &mut engine, MINUTES).await);
        assert_eq!((paused.state, paused.since), (State::Paused, at));
        engine.state_mut().resume("kari");
        let last = verdict(&run(&stage, &mut engine, MINUTES).await);
        assert_eq!(last.state, State::Idle);
        assert!(last.since > at.plus(Duration::from_secs(200)), "{} and {at}", last.since);
    });
}
