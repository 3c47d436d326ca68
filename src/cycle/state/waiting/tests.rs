//! What may wait does, for no longer than it may, and goes along with everything else.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use crate::core::model::{Kind, SourceName, Timestamp};
use crate::cycle::records::Key;
use crate::cycle::state::State;
use crate::graph::delta::Walk;
use crate::store::memory::MemoryStore;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR_MS: i64 = 60 * 60 * 1000;

fn state(store: &MemoryStore, full_compare: Duration) -> State {
    let load = || State::load(Arc::new(store.clone()), Timestamp(10 * HOUR_MS)).unwrap();
    if store.commits() == 0 {
        // What the first commit of an installation makes.
        load().commit_all().unwrap();
    }
    let mut state = load();
    state.let_wait(full_compare);
    state.walks.insert(users(), Walk::default());
    state.mark_for_later(key());
    state
}

fn users() -> (SourceName, Kind) {
    (SourceName::new("asker"), Kind::Users)
}

fn key() -> Key {
    Key::Walk(users().0, Kind::Users)
}

/// The hours after which it is on record, asked for once an hour.
fn hours_until_written(full_compare: Duration) -> i64 {
    let store = MemoryStore::new();
    let mut state = state(&store, full_compare);
    for hour in 0..100 {
        state.now = Timestamp((10 + hour) * HOUR_MS);
        state.mark_for_later(key());
        state.commit().unwrap();
        if store.commits() > 1 {
            return hour;
        }
    }
    100
}

#[test]
fn nothing_waits_longer_than_six_hours_or_a_quarter_of_full_compare() {
    assert_eq!(hours_until_written(DAY), 6);
    assert_eq!(hours_until_written(6 * DAY), 6);
    assert_eq!(hours_until_written(DAY / 2), 3);
}

#[test]
fn what_waits_is_written_along_with_anything_else_and_then_waits_no_more() {
    let store = MemoryStore::new();
    let mut state = state(&store, DAY);
    state.commit().unwrap();
    assert_eq!(store.commits(), 1);
    state.mark(Key::Target);
    state.commit().unwrap();
    let load = || State::load(Arc::new(store.clone()), Timestamp(0)).unwrap();
    assert!(load().walks.contains_key(&users()));
    state.now = Timestamp(1_000 * HOUR_MS);
    assert!(!state.is_dirty());
}

#[test]
fn everything_is_written_at_the_end_and_once_the_clock_has_gone_back() {
    let store = MemoryStore::new();
    let mut ended = state(&store, DAY);
    ended.commit_all().unwrap();
    assert_eq!(store.commits(), 2);
    let mut back = state(&store, DAY);
    back.now = Timestamp(9 * HOUR_MS);
    back.commit().unwrap();
    assert_eq!(store.commits(), 3);
}
