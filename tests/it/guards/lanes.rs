//! Users and groups of a tenant, each by itself: of which nothing is heard, and which of them is refused.

use std::time::Duration;

use bytes::Bytes;
use manntall::clock::Clock;
use manntall::core::model::Kind;
use manntall::core::report::{About, Snapshot, State, verdict};
use manntall::cycle::{Engine, Until};
use manntall::sim::entra::ExpireLinks;
use manntall::transport::Response;
use tokio::sync::watch;

use super::{active, disable, next, town, trips, wrong};
use crate::history::runtime;
use crate::stage::{Fate, Stage};

/// The service for so long; what it shows then, as whoever asks a moment later sees it.
async fn serve(stage: &Stage, engine: &mut Engine, span: Duration) -> Snapshot {
    let shown = engine.snapshots("platform");
    let (stop, mut stopped) = watch::channel(false);
    let writer = stage.writer();
    let mut snapshot = Snapshot::default();
    let ends = async {
        stage.pass(span).await;
        snapshot = shown.borrow().as_ref().clone();
        snapshot.listen(stage.clock.now());
        stop.send(true).unwrap();
    };
    let driving = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
    futures_util::future::join(driving, ends).await.0.unwrap();
    snapshot
}

/// Whatever is asked of Graph about this kind of object is answered so.
fn answer(stage: &Stage, kind: Kind, status: u16) {
    let part = if kind == Kind::Users { "/users/" } else { "/groups/" };
    stage.lock().meddler = Some(Box::new(move |request| {
        let headers = match status {
            429 => vec![("retry-after".to_owned(), "300".to_owned())],
            _ => Vec::new(),
        };
        let code = if status == 403 { "Authorization_RequestDenied" } else { "x" };
        let body =
            format!(r#"{{"error":{{"code":"{code}","message":"Insufficient privileges"}}}}"#);
        let is_met =
            request.url.host_str() == Some("graph.example.no") && request.url.path().contains(part);
        is_met.then(|| Fate::Answer(Response { status, headers, body: Bytes::from(body) }))
    }));
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn users_of_whom_nothing_is_heard_are_told_while_groups_answer() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        serve(&stage, &mut engine, 2 * MINUTE).await;
        answer(&stage, Kind::Users, 429);
        disable(&stage, 1);
        let shown = serve(&stage, &mut engine, 2 * MINUTE).await;
        assert_eq!(verdict(&shown).state, State::Idle, "two polls are no silence");
        let before = shown.sources.values().next().unwrap().last_round;
        answer(&stage, Kind::Users, 429);
        let shown = serve(&stage, &mut engine, 5 * MINUTE).await;
        let (name, source) = shown.sources.first_key_value().unwrap();
        assert_eq!((before[0], source.troubles.len()), (source.last_round[0], 0));
        let said = verdict(&shown);
        assert_eq!(
            (said.state, said.about),
            (State::Degraded, About::Silent(name.clone(), Kind::Users))
        );
        assert_eq!(source.silences().map(|(kind, _)| kind).collect::<Vec<_>>(), [Kind::Users]);
        stage.lock().meddler = None;
        let shown = serve(&stage, &mut engine, 10 * MINUTE).await;
        assert_eq!(verdict(&shown).state, State::Idle);
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn a_tenant_that_answers_each_poll_is_heard_whatever_else_is_wrong_with_it() {
    runtime().block_on(async {
        let (stage, mut engine) = town(120).await;
        {
            let faults = &mut stage.lock().entra.faults;
            faults.withhold = ["department".to_owned()].into();
            faults.expire_links = Some(ExpireLinks::Gone);
        }
        let shown = serve(&stage, &mut engine, 20 * MINUTE).await;
        let (_, source) = shown.sources.first_key_value().unwrap();
        assert!(!source.troubles.is_empty() && source.silences().next().is_none());
        let said = verdict(&shown);
        assert!(matches!(said.about, About::Withheld(_)), "{said:?}");
        let words = &source.troubles[0].message;
        assert!(words.contains("everything else goes on") && words.contains("manntall holds"));
        let last = shown.targets["platform"].last_success.unwrap();
        assert!(stage.clock.now().since(last) <= shown.patience(), "all is done that may be done");
    });
}

#[test]
fn leavers_go_on_while_groups_alone_are_refused() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        serve(&stage, &mut engine, 2 * MINUTE).await;
        answer(&stage, Kind::Groups, 403);
        let refused = serve(&stage, &mut engine, 2 * MINUTE).await;
        let (name, source) = refused.sources.first_key_value().unwrap();
        let said = verdict(&refused);
        assert_eq!((said.state, &said.about), (State::Quarantined, &About::Groups(name.clone())));
        let words = &source.troubles[0].message;
        assert!(source.troubles.len() == 1 && words.contains("groups alone"), "{words}");
        assert_eq!(trips(&engine, "quarantine"), 1);
        for minutes in [2, 40] {
            let before = active(&stage);
            disable(&stage, 1);
            let shown = serve(&stage, &mut engine, minutes * MINUTE).await;
            assert_eq!(active(&stage), before - 1, "waits for groups");
            assert_eq!(verdict(&shown), said, "it has lasted since it began");
        }
        let before = active(&stage);
        disable(&stage, 1);
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), before - 1, "a sync is no other");
        stage.lock().meddler = None;
        let shown = serve(&stage, &mut engine, 70 * MINUTE).await;
        assert_eq!(verdict(&shown).state, State::Idle, "{:?}", engine.source_troubles());
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

#[test]
fn users_that_are_refused_are_the_whole_tenant() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        serve(&stage, &mut engine, 2 * MINUTE).await;
        answer(&stage, Kind::Users, 403);
        let shown = serve(&stage, &mut engine, 2 * MINUTE).await;
        let (name, source) = shown.sources.first_key_value().unwrap();
        let said = verdict(&shown);
        assert_eq!((said.state, said.about), (State::Quarantined, About::Source(name.clone())));
        assert!(source.troubles.iter().all(|one| one.message.contains("leavers stay active")));
        stage.lock().meddler = None;
        let shown = serve(&stage, &mut engine, 70 * MINUTE).await;
        assert_eq!(verdict(&shown).state, State::Idle, "{:?}", engine.source_troubles());
    });
}
