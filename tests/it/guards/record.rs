//! What is on record of a write beside what was written.

use manntall::sim::world::{GeneratorOptions, generate};

use crate::history::runtime;
use crate::stage::{Fate, Stage};

/// The platform names each of its answers, in this header and in this way.
async fn import(header: &'static str, name: impl Fn(usize) -> String) -> Vec<Option<String>> {
    let world = generate(&GeneratorOptions { users: 6, seed: 2, ..GeneratorOptions::default() });
    let stage = Stage::new(world, 2);
    let names: Vec<String> = (0..100).map(name).collect();
    let mut answers = 0;
    stage.lock().meddler = Some(Box::new(move |request| {
        let is_platform = request.url.host_str() == Some("platform.example.no");
        answers += usize::from(is_platform);
        let name = names[answers % names.len()].clone();
        is_platform.then(|| {
            Fate::Change(Box::new(move |mut response| {
                response.headers.push((header.to_owned(), name));
                response
            }))
        })
    }));
    let engine = stage.sync().await.unwrap();
    let journal = engine.state().journal().unwrap();
    journal.into_iter().map(|write| write.request_id.map(|id| id.to_string())).collect()
}

#[test]
fn a_write_is_on_record_with_what_the_platform_calls_the_request() {
    runtime().block_on(async {
        let ids = import("x-request-id", |at| format!("req-{at}")).await;
        assert!(ids.len() > 4, "{ids:?}");
        let mut told: Vec<&str> = ids.iter().map(|id| id.as_deref().unwrap()).collect();
        assert!(told.iter().all(|id| id.starts_with("req-")), "{told:?}");
        told.sort_unstable();
        told.dedup();
        assert!(told.len() > 4, "each has its own: {told:?}");
    });
}

#[test]
fn what_cannot_be_an_id_is_not_put_on_record() {
    runtime().block_on(async {
        for odd in ["kari.nordmann@asker.example.no", "a b", &"x".repeat(65), ""] {
            let ids = import("x-request-id", |_| odd.to_owned()).await;
            assert!(ids.iter().all(Option::is_none), "{odd}: {ids:?}");
        }
        let ids = import("x-other", |_| "req-1".to_owned()).await;
        assert!(!ids.is_empty() && ids.iter().all(Option::is_none), "{ids:?}");
    });
}
