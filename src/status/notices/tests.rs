//! When something is told, to whom, and what is never in it.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::clock::TokioClock;
use crate::core::model::Timestamp;
use crate::core::report::{About, Held, SourceStand, State, TargetStand, Verdict};
use crate::transport::{Response, Transport, TransportError};

const START: Timestamp = Timestamp(1_772_431_200_000);

/// Keeps what is sent, and answers as it is told.
#[derive(Clone, Default)]
struct Post(Arc<Mutex<Vec<(String, String)>>>, Arc<Mutex<u16>>);

impl Transport for Post {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        self.0.lock().unwrap().push((request.url.to_string(), body.into_owned()));
        let status = *self.1.lock().unwrap();
        Box::pin(
            async move { Ok(Response { status, headers: Vec::new(), body: bytes::Bytes::new() }) },
        )
    }
}

fn at(now: Timestamp, holds: Vec<Held>) -> Snapshot {
    let source = SourceStand {
        last_complete: [Some(now); 2],
        last_round: [Some(now); 2],
        ..SourceStand::default()
    };
    let target = TargetStand { last_success: Some(now), holds, ..TargetStand::default() };
    Snapshot {
        at: now,
        poll_interval: Duration::from_secs(60),
        sources: [("asker".to_owned(), source)].into(),
        targets: [("platform".to_owned(), target)].into(),
        ..Snapshot::default()
    }
}

fn held(count: u64) -> Vec<Held> {
    let id = "45f0b4f37434".to_owned();
    vec![Held { id, guard: "budget.deactivate", count, since: START, rejected: 0 }]
}

fn says(state: State, about: About) -> Verdict {
    Verdict { state, since: START, about }
}

#[test]
fn what_lasts_is_told_once_then_daily_then_that_it_is_over() {
    let mut bell = Bell::default();
    let mut ring = |verdict: &Verdict, seconds: u64| {
        bell.ring(verdict, START.plus(Duration::from_secs(seconds)), bell::LASTS)
    };
    let well = says(State::Idle, About::Whole);
    let waits = |count| says(State::Held, About::Holds(count));
    let refuses = says(State::Quarantined, About::Target("platform".to_owned()));
    let day = 24 * 3600;
    for (verdict, seconds, expected) in [
        (&well, 0, None),
        (&refuses, 10, None),
        (&well, 30, None),
        (&waits(3), 40, None),
        (&waits(3), 90, None),
        (&waits(9), 100, Some(Ring::Began)),
        (&waits(4), 200, None),
        (&waits(4), 100 + day, Some(Ring::Lasts)),
        (&refuses, 200 + day, None),
        (&refuses, 260 + day, Some(Ring::Changed)),
        (&says(State::Running, About::Whole), 300 + day, None),
        (&well, 360 + day, Some(Ring::Over)),
        (&well, 3 * day, None),
    ] {
        assert_eq!(ring(verdict, seconds), expected, "after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_told_by_webhook_without_its_id_and_pings_go_on() {
    let clock = Arc::new(TokioClock::starting_at(START));
    let post = Post(Arc::default(), Arc::new(Mutex::new(204)));
    let url = |path: &str| Url::parse(&format!("https://ping.example.no/{path}")).unwrap();
    let notices = Notices {
        language: Some("nb".to_owned()),
        webhook: Some(SecretString::from("https://chat.example.no/hook?key=geheim\n")),
        mail: None,
        ping_start: Some(url("start")),
        ping_success: Some(url("ok")),
        ping_fail: Some(url("fail")),
    };
    let (sender, receiver) = watch::channel(Arc::new(at(START, Vec::new())));
    let watching = super::watch(notices, receiver, Arc::new(post.clone()), clock.clone());
    let story = async {
        clock.sleep(Duration::from_secs(30)).await;
        for _ in 0..8 {
            sender.send_replace(Arc::new(at(clock.now(), held(143))));
            clock.sleep(Duration::from_secs(50)).await;
        }
        sender.send_replace(Arc::new(at(clock.now(), Vec::new())));
        clock.sleep(Duration::from_secs(90)).await;
        // From now on nothing succeeds any more.
        clock.sleep(Duration::from_secs(180)).await;
    };
    tokio::select! {
        never = watching => match never {},
        () = story => {}
    }
    let sent = post.0.lock().unwrap();
    let posts: Vec<serde_json::Value> = sent
        .iter()
        .filter(|(url, _)| url.starts_with("https://chat."))
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    let events: Vec<_> = posts.iter().map(|post| post["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["began", "over", "began"]);
    let text = posts[2]["text"].as_str().unwrap();
    assert!(text.contains("har ikke fortalt noe om brukerne sine"), "{text}");
    let text = posts[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Manntall: Holdt tilbake siden 2026-03-02T06:00:00Z: 143 endringer"),
        "{text}"
    );
    assert!(!text.contains("45f0"), "{text}");
    let pings: Vec<&str> =
        sent.iter().filter_map(|(url, _)| url.strip_prefix("https://ping.example.no/")).collect();
    assert_eq!(pings.first(), Some(&"start"));
    assert_eq!(pings.get(1), Some(&"ok"));
    assert!(pings.contains(&"fail"), "{pings:?}");
    assert!(pings.len() < 9, "not at every look: {pings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_notice_goes_to_nobody_who_could_be_overheard() {
    let post = Post(Arc::default(), Arc::new(Mutex::new(204)));
    let teller = Teller {
        notices: Notices::default(),
        transport: Arc::new(post.clone()),
        words: words::ALL[0],
    };
    teller.post(&SecretString::from("http://chat.example.no/hook"), String::new()).await;
    assert!(post.0.lock().unwrap().is_empty());
}

/// A mail server that takes one mail and returns what it was told.
fn take_one_mail(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut out = stream;
    let mut told = String::new();
    let mut is_text = false;
    out.write_all(b"220 post.example.no\r\n").unwrap();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 {
            return told;
        }
        told.push_str(&line);
        let answer = match (is_text, line.trim_end()) {
            (true, ".") => {
                is_text = false;
                "250 taken"
            }
            (true, _) => continue,
            (false, "DATA") => {
                is_text = true;
                "354 go on"
            }
            (false, "QUIT") => "221 bye",
            (false, _) => "250 yes",
        };
        out.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        if answer.starts_with("250 taken") {
            return told;
        }
    }
}

#[tokio::test]
async fn a_mail_says_what_the_page_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let taken = std::thread::spawn(move || take_one_mail(&listener));
    let to = ["drift@example.no".to_owned()];
    let mail =
        Mail::new(&Url::parse(&server).unwrap(), "manntall@example.no", &to, None, None).unwrap();
    mail.send("Manntall: Holdt tilbake", "143 endringer venter på godkjenning").await.unwrap();
    let told = taken.join().unwrap();
    assert!(told.contains("RCPT TO:<drift@example.no>"), "{told}");
    assert!(told.contains("Subject: Manntall: Holdt tilbake"), "{told}");
    assert!(told.contains("143 endringer venter"), "{told}");
}

#[test]
fn a_mail_server_elsewhere_needs_tls() {
    let to = ["drift@example.no".to_owned()];
    let make = |server: &str, from: &str| {
        Mail::new(&Url::parse(server).unwrap(), from, &to, None, None).map(drop).is_ok()
    };
    assert!(make("smtps://post.example.no", "manntall@example.no"));
    assert!(make("smtp://localhost", "manntall@example.no"));
    assert!(!make("smtp://post.example.no", "manntall@example.no"));
    assert!(!make("smtps://post.example.no", "no address"));
}
