//! What a round left behind never comes back.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::Arc;

use super::State;
use crate::core::model::{Datum, Element, Kind, ObjectId, Properties, SourceName, Timestamp};
use crate::cycle::records::Key;
use crate::graph::delta::Lane;
use crate::store::SharedStore;
use crate::store::memory::{CrashPoint, MemoryStore};

fn users(count: u32, title: &str) -> Vec<Element> {
    let user = |number: u32| Element::User {
        id: ObjectId::parse(&format!("{number:08x}-0000-4000-8000-000000000000")).unwrap(),
        properties: Properties::from([("jobTitle", Datum::from(title))]),
        unread: Vec::new(),
    };
    (0..count).map(user).collect()
}

/// Says how much of what is staged counts, as a fold does that has ended.
fn count(state: &mut State, count: u32) {
    let source = SourceName::new("asker");
    state.walks.entry((source, Kind::Users)).or_default().staged_full = count;
    state.mark(Key::Walk(source, Kind::Users));
}

fn stage(state: &mut State, elements: &[Element]) {
    count(state, 0);
    state.stage(SourceName::new("asker"), Kind::Users, Lane::Full, elements);
    count(state, u32::try_from(elements.len()).unwrap());
    state.commit().unwrap();
}

#[test]
fn a_kill_between_two_steps_of_clearing_a_round_away_leaves_nothing_of_it_in_the_next() {
    let source = SourceName::new("asker");
    let load = |store: &MemoryStore| {
        let store: SharedStore = Arc::new(store.clone());
        State::load(store, Timestamp(0)).unwrap()
    };
    let mut store = MemoryStore::new();
    let mut state = load(&store);
    stage(&mut state, &users(5_000, "Lærer"));
    count(&mut state, 0);
    state.commit().unwrap();
    store.crash_at(2, CrashPoint::BeforeCommit);
    state.unstage(source, Kind::Users, Lane::Full).unwrap_err();
    for size in [10, 2_500] {
        store = store.reopen();
        state = load(&store);
        let next = users(size, "Rektor");
        stage(&mut state, &next);
        assert_eq!(state.staged(source, Kind::Users, Lane::Full).unwrap(), next);
    }
    state.unstage(source, Kind::Users, Lane::Full).unwrap();
    stage(&mut state, &users(1, "Rektor"));
    count(&mut state, u32::MAX);
    assert_eq!(state.staged(source, Kind::Users, Lane::Full).unwrap().len(), 1);
}
