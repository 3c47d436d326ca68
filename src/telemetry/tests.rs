//! What reaches a log, and in which words.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines_of(voice: Voice, speak: impl FnOnce()) -> Vec<String> {
    let paper = Paper::default();
    let writer = {
        let paper = paper.clone();
        move || paper.clone()
    };
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(one_line())
        .with_writer(writer)
        .with_ansi(false)
        .without_time();
    let subscriber =
        tracing_subscriber::registry().with(lines).with(wanted(voice)).with(Fold::new());
    tracing::subscriber::with_default(subscriber, speak);
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn speak() {
    tracing::error!(target: "manntall::trouble", "the platform refuses");
    tracing::warn!("something else");
    tracing::info!("by the way");
    tracing::error!(target: "hyper", "a library quotes kari.nordmann");
}

#[test]
fn a_command_leaves_to_its_end_what_it_tells_there() {
    let lines = lines_of(Voice::Command, speak);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("something else"));
}

#[test]
fn a_level_that_was_asked_for_is_obeyed() {
    assert_eq!(lines_of(Voice::Service(Level::Info), speak).len(), 3);
    assert_eq!(lines_of(Voice::Service(Level::Error), speak).len(), 1);
    assert_eq!(lines_of(Voice::Service(Level::Off), speak).len(), 0);
}

#[test]
fn an_error_that_comes_again_and_again_is_one_line() {
    let lines = lines_of(Voice::Service(Level::Info), || {
        for attempt in 0..1000 {
            tracing::error!(target: "manntall::trouble", "no answer");
            tracing::info!(attempt, "no error");
        }
    });
    assert_eq!(lines.iter().filter(|line| line.contains("no answer")).count(), 1);
    assert_eq!(lines.len(), 1001, "only warnings and errors are folded");
}

#[test]
fn a_message_is_one_record_whatever_it_holds() {
    let lines = lines_of(Voice::Service(Level::Info), || {
        tracing::warn!(entity = %"a\nb", "stuck: {}", "line one\nERROR forged");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn every_event_that_matters_has_an_id_of_its_own_and_is_documented() {
    let ids: BTreeSet<&str> = MESSAGE_IDS.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), MESSAGE_IDS.len());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md");
    let documented = std::fs::read_to_string(path).unwrap();
    for (target, id) in MESSAGE_IDS {
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(documented.contains(id), "{target} is not in docs/monitoring.md");
    }
}

#[test]
fn another_stream_is_not_taken_for_the_journal() {
    assert!(!leads_there("1:1") && !leads_there("") && !leads_there("x"));
}
