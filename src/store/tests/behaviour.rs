//! The same behaviour of all stores, and what the store in memory and the overlay add.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{create, everything, put, remove, reopen};
use crate::store::memory::{CrashPoint, MemoryStore};
use crate::store::overlay::Overlay;
use crate::store::{
    Batch, KEY_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX, WHOLE_VALUE_BYTES_MAX, backup,
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Few keys that are prefixes of each other, so that batches meet and scans have edges.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'/'), Just(0xff)], 1..4),
        "[ab]{1,2}/[0-9]{1,2}".prop_map(String::into_bytes),
    ]
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let value = prop_oneof![
        2 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => Just(None),
        1 => vec(any::<u8>(), 4000..5000).prop_map(Some),
    ];
    let batch = vec((key(), value), 0..20).prop_map(|records| Batch { records });
    vec(batch, 0..12)
}

fn apply(model: &mut Model, batch: &Batch) {
    for (key, value) in &batch.records {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn expect_same(store: &dyn Store, model: &Model) {
    for prefix in [&b""[..], b"a", b"a/", b"b/1", b"\xff", b"ab/12", b"nothing"] {
        let wanted: Vec<_> = model
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(store.scan(prefix).unwrap(), wanted);
        let mut visited = Vec::new();
        store
            .for_each(prefix, &mut |key, value| visited.push((key.to_vec(), value.to_vec())))
            .unwrap();
        assert_eq!(visited, wanted);
        assert_eq!(store.get(prefix).unwrap().as_ref(), model.get(prefix));
    }
}

fn expect_like_a_map(store: &dyn Store, model: &mut Model, batches: &[Batch]) {
    for batch in batches {
        store.commit(batch.clone()).unwrap();
        apply(model, batch);
        expect_same(store, model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_store_in_memory_is_a_map(batches in batches()) {
        let (store, mut model) = (MemoryStore::new(), Model::new());
        expect_like_a_map(&store, &mut model, &batches);
        expect_same(&store.reopen(), &model);
    }

    #[test]
    fn the_real_store_is_a_map_also_after_reopening(before in batches(), after in batches()) {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        expect_like_a_map(&create(folder.path()).unwrap(), &mut model, &before);
        let store = reopen(folder.path()).unwrap();
        expect_same(&store, &model);
        expect_like_a_map(&store, &mut model, &after);
        store.verify().unwrap();
        prop_assert_eq!(store.counts().values().sum::<u64>(), model.len() as u64);
    }

    #[test]
    fn an_overlay_is_a_map_and_leaves_its_base_alone(base in batches(), over in batches()) {
        let (store, mut model) = (MemoryStore::new(), Model::new());
        expect_like_a_map(&store, &mut model, &base);
        let (digest, commits) = (store.digest(), store.commits());
        expect_like_a_map(&Overlay::new(Arc::new(store.clone())), &mut model, &over);
        prop_assert_eq!(store.digest(), digest);
        prop_assert_eq!(store.commits(), commits);
    }
}

#[test]
fn what_the_real_store_could_not_keep_is_refused_by_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let real = create(folder.path()).unwrap();
    let stores: [&dyn Store; 3] =
        [&real, &MemoryStore::new(), &Overlay::new(Arc::new(MemoryStore::new()))];
    for store in stores {
        let too_long = "k".repeat(KEY_BYTES_MAX + 1);
        for batch in [
            put("a", &vec![0; WHOLE_VALUE_BYTES_MAX + 1]),
            put(&too_long, b""),
            put("", b""),
            remove(""),
            put("\0proof", b""),
        ] {
            assert!(matches!(store.commit(batch), Err(StoreError::Io { .. })));
        }
        assert_eq!(everything(store), []);
        store.commit(put(&too_long[1..], &vec![7; VALUE_BYTES_MAX])).unwrap();
        assert_eq!(everything(store).len(), 1);
    }
}

#[test]
fn a_long_value_is_kept_whole_among_others_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let text = |length: usize| -> Vec<u8> { (0..=250_u8).cycle().take(length).collect() };
    let lengths =
        [110_000, 10_000_000, VALUE_BYTES_MAX, 2 * VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1, 7, 0];
    let mut store = create(folder.path()).unwrap();
    let mut model = Model::new();
    for (at, length) in lengths.into_iter().enumerate() {
        let batch = Batch {
            records: vec![
                (b"a".to_vec(), Some(b"before".to_vec())),
                (b"b/1".to_vec(), Some(text(length))),
                (format!("b/2{at}").into_bytes(), Some(text(length / 2))),
                (b"b/3".to_vec(), Some(b"behind".to_vec())),
            ],
        };
        store.commit(batch.clone()).unwrap();
        apply(&mut model, &batch);
        expect_same(&store, &model);
        assert_eq!(store.counts().values().sum::<u64>(), model.len() as u64);
        store.verify().unwrap();
        drop(store);
        store = reopen(folder.path()).unwrap();
        expect_same(&store, &model);
    }
    let mut copy = Vec::new();
    let header = backup::Header::new(String::new(), store.install_id(), store.generation());
    assert_eq!(backup::write(&store, &header, &mut copy).unwrap(), model.len() as u64);
    // Without the long ones nothing is left of their parts.
    let keys: Vec<_> = model.keys().cloned().map(|key| (key, None)).collect();
    store.commit(Batch { records: keys }).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let empty = create(empty.path()).unwrap();
    empty.commit(put("a", b"")).unwrap();
    empty.commit(remove("a")).unwrap();
    assert_eq!(everything(&store), everything(&empty));
    drop(store);
    expect_same(&reopen(folder.path()).unwrap(), &Model::new());
}

#[test]
fn a_crash_keeps_exactly_what_was_committed() {
    for (when, kept) in [(CrashPoint::BeforeCommit, 2), (CrashPoint::AfterCommit, 3)] {
        let store = MemoryStore::new();
        store.commit(put("a", b"1")).unwrap();
        store.crash_at(2, when);
        store.commit(put("b", b"2")).unwrap();
        let other_handle = store.clone();
        let crash = store.commit(put("c", b"3")).unwrap_err();
        assert_eq!(crash, StoreError::Io { detail: "simulated crash".to_owned() });
        assert_eq!(other_handle.scan(b"").unwrap_err(), crash);
        assert_eq!(other_handle.commit(put("d", b"4")).unwrap_err(), crash);

        let reopened = store.reopen();
        assert_eq!(everything(&reopened).len(), kept);
        assert_eq!(reopened.commits(), kept as u64);
        reopened.commit(put("d", b"4")).unwrap();
        assert_eq!(store.scan(b"").unwrap_err(), crash, "the dead handle stays dead");
    }
}

#[test]
fn an_older_state_can_be_put_back() {
    let store = MemoryStore::new();
    store.commit(put("a", b"1")).unwrap();
    let (old, digest) = (store.snapshot(), store.digest());
    store.commit(put("a", b"2")).unwrap();
    assert_ne!(store.digest(), digest);
    store.restore(&old);
    assert_eq!(store.digest(), digest);
}
