//! The real store and its files: who gets in, who may read them, what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::{batch_number, create, everything, put, remove, reopen};
use crate::store::sled_store::{FORMAT, SEGMENT_BYTES, envelope::seal};
use crate::store::{Batch, Store, StoreError, VALUE_BYTES_MAX};

fn detail(error: &StoreError) -> &str {
    match error {
        StoreError::Damaged { detail, .. } | StoreError::Io { detail } => detail,
        other => panic_with(other),
    }
}

#[expect(clippy::panic, reason = "tests fail loudly")]
fn panic_with(error: &StoreError) -> ! {
    panic!("unexpected: {error}")
}

fn edit_witness(folder: &Path, field: &str, value: serde_json::Value) {
    let file = folder.join("witness.json");
    let mut witness: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    witness[field] = value;
    fs::write(file, witness.to_string()).unwrap();
}

#[test]
fn no_store_is_absent_and_nothing_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(reopen(folder.path()), Err(StoreError::Absent { .. })));
    assert!(matches!(reopen(&folder.path().join("none")), Err(StoreError::Absent { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_store_is_made_with_its_folders_and_for_its_owner_only() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state/deep");
    let store = create(&folder).unwrap();
    store.commit(put("a/1", b"x")).unwrap();
    for (name, mode) in [
        ("", 0o40700),
        ("store", 0o40700),
        ("store/blobs", 0o40700),
        ("store/db", 0o100_600),
        ("store/conf", 0o100_600),
        ("witness.json", 0o100_600),
        ("store.lock", 0o100_600),
    ] {
        let found = fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(found, mode, "{name} has mode {found:o}");
    }
}

#[test]
fn a_store_that_others_can_read_is_refused_with_the_command_that_closes_it() {
    for (name, mode, command) in [
        ("store/db", 0o640, "chmod -R go="),
        ("store", 0o750, "chmod -R go="),
        ("witness.json", 0o604, "chmod -R go="),
        ("", 0o770, "chmod go-rw"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path()).unwrap());
        let path = folder.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = reopen(folder.path()).unwrap_err();
        assert!(detail(&error).contains(command), "{error}");
    }
}

#[test]
fn a_folder_that_others_can_list_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    drop(create(folder.path()).unwrap());
    for (mode, closed) in [(0o755, 0o711), (0o750, 0o710), (0o711, 0o711), (0o700, 0o700)] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        drop(reopen(folder.path()).unwrap());
        let found = fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, closed, "{mode:o}");
    }
}

/// Opening a named pipe waits for its other end.
#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    use std::os::unix::net::UnixListener;
    for (name, what) in [
        ("witness.json", "a named pipe"),
        ("witness.json", "a socket"),
        ("witness.json", "a folder"),
        ("store/conf", "a named pipe"),
        ("store/db", "a named pipe"),
        ("store/snap.7FFFFFFFFFFFFFFF", "a named pipe"),
        ("store.lock", "a named pipe"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path()).unwrap());
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        match what {
            "a socket" => drop(UnixListener::bind(&path).unwrap()),
            "a folder" => fs::create_dir(&path).unwrap(),
            _ => {
                let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
                assert!(made.success());
            }
        }
        let mode = if what == "a folder" { 0o700 } else { 0o600 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let state = folder.path().to_owned();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            tell.send([create(&state).unwrap_err(), reopen(&state).unwrap_err()])
        });
        let errors = told.recv_timeout(Duration::from_secs(30));
        for error in errors.unwrap() {
            let said = format!("{name} is {what} and no regular file");
            assert!(detail(&error).contains(&said), "{name}: {error}");
        }
    }
}

#[test]
fn opening_to_read_changes_no_key_no_value_and_not_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    (1..=5).for_each(|n| store.commit(batch_number(n)).unwrap());
    let digest = store.digest().unwrap();
    drop(store);
    let witness = fs::read(folder.path().join("witness.json")).unwrap();
    for _ in 0..3 {
        let store = reopen(folder.path()).unwrap();
        everything(&store);
        store.commit(Batch::default()).unwrap();
        assert_eq!(store.digest().unwrap(), digest);
        drop(store);
        assert_eq!(fs::read(folder.path().join("witness.json")).unwrap(), witness);
    }
    let store = reopen(folder.path()).unwrap();
    store.commit(put("mirror/new", b"")).unwrap();
    assert_ne!(store.digest().unwrap(), digest);
}

#[test]
fn a_second_opener_is_told_who_holds_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    let holder = Some(std::process::id());
    for second in [reopen(folder.path()), create(folder.path())] {
        let text = folder.path().display().to_string();
        assert_eq!(second.unwrap_err(), StoreError::Locked { folder: text, holder });
    }
    drop(store);
    reopen(folder.path()).unwrap();
}

#[test]
fn a_lock_file_left_behind_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()).unwrap());
    for stale in ["4194304999999", "1", ""] {
        fs::write(folder.path().join("store.lock"), stale).unwrap();
        reopen(folder.path()).unwrap();
    }
}

#[test]
fn another_format_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()).unwrap());
    let witness = folder.path().join("witness.json");
    let (text, known) = (folder.path().display().to_string(), FORMAT);
    for found in [known - 1, known + 1] {
        edit_witness(folder.path(), "format", found.into());
        let before = fs::read(&witness).unwrap();
        let folder_text = text.clone();
        let other = if found > known {
            StoreError::Newer { folder: folder_text, found, known }
        } else {
            StoreError::Older { folder: folder_text, found, known }
        };
        assert_eq!(reopen(folder.path()).unwrap_err(), other);
        assert_eq!(create(folder.path()).unwrap_err(), other);
        assert_eq!(fs::read(&witness).unwrap(), before);
    }
}

#[test]
fn a_store_that_disagrees_with_its_witness_doubts_itself_until_the_next_commit() {
    for (field, value, said) in [
        ("generation", 7.into(), "gone back in time"),
        ("digest", 1.into(), "other records than the witness"),
        ("records", serde_json::json!({"a": 9}), "other records than the witness"),
        ("generation", "x".into(), "cannot be read"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = create(folder.path()).unwrap();
        store.commit(put("a/1", b"x")).unwrap();
        drop(store);
        edit_witness(folder.path(), field, value);
        for _ in 0..2 {
            let doubt = create(folder.path()).unwrap().doubt().unwrap();
            assert!(doubt.contains(said), "{doubt}");
        }
        let store = reopen(folder.path()).unwrap();
        store.commit(put("a/2", b"y")).unwrap();
        assert_eq!(store.doubt(), None);
        drop(store);
        let store = reopen(folder.path()).unwrap();
        assert_eq!((store.doubt(), everything(&store).len()), (None, 2));
        assert!(store.generation() == 8 || !said.contains("back"), "the witness never goes back");
    }
}

#[test]
fn the_witness_of_another_installation_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path()).unwrap().commit(put("a/1", b"x")).unwrap();
    edit_witness(folder.path(), "install_id", "another".into());
    for _ in 0..2 {
        let error = create(folder.path()).unwrap_err();
        assert!(detail(&error).contains("another installation"), "{error}");
    }
}

#[test]
fn a_store_ahead_of_its_witness_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    store.commit(put("a/1", b"x")).unwrap();
    let older = fs::read(folder.path().join("witness.json")).unwrap();
    store.commit(put("a/2", b"y")).unwrap();
    drop(store);
    fs::write(folder.path().join("witness.json"), older).unwrap();
    let store = reopen(folder.path()).unwrap();
    assert_eq!((store.generation(), everything(&store).len()), (2, 2));
}

#[test]
fn a_lost_witness_and_a_lost_store_are_doubts_but_an_unfinished_beginning_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness.json");
    drop(create(folder.path()).unwrap());
    fs::remove_file(&witness).unwrap();
    assert!(matches!(reopen(folder.path()), Err(StoreError::Absent { .. })));
    let store = create(folder.path()).unwrap();
    assert_eq!(store.doubt(), None);
    store.commit(put("a/1", b"x")).unwrap();
    drop(store);

    let kept = fs::read(&witness).unwrap();
    fs::remove_file(&witness).unwrap();
    assert!(create(folder.path()).unwrap().doubt().unwrap().contains("is missing"));
    fs::write(&witness, kept).unwrap();
    fs::set_permissions(&witness, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(reopen(folder.path()).unwrap().doubt(), None);

    fs::remove_dir_all(folder.path().join("store")).unwrap();
    assert!(reopen(folder.path()).unwrap().doubt().unwrap().contains("is empty"));
    let store = create(folder.path()).unwrap();
    assert!(store.doubt().unwrap().contains("is empty"));
    assert_eq!(store.install_id(), "test", "it is still the same installation");
    store.verify().unwrap();
    store.commit(put("a/1", b"x")).unwrap();
    assert_eq!((store.generation(), store.doubt()), (2, None));
}

#[test]
fn a_snapshot_that_was_being_written_when_the_process_was_killed_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()).unwrap());
    reopen(folder.path()).unwrap().commit(put("a/1", b"x")).unwrap();
    let files = folder.path().join("store");
    drop(reopen(folder.path()).unwrap());
    let names = fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path());
    let mut snapshots = names.filter(|path| path.to_string_lossy().contains("/snap."));
    let whole = fs::read(snapshots.next().unwrap()).unwrap();
    let unfinished = files.join("snap.7FFFFFFFFFFFFFFF.generating");
    for length in [0, 5, whole.len() - 1] {
        fs::write(&unfinished, &whole[..length]).unwrap();
        reopen(folder.path()).unwrap().verify().unwrap();
        assert!(!unfinished.exists(), "{length} bytes of it");
    }
}

/// Does something to the records behind the store's back.
fn tamper(folder: &Path, act: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(folder.join("store")).segment_size(SEGMENT_BYTES);
    // Threads of sled's may still hold the file of the store that was just closed.
    let db = std::iter::repeat_with(|| config.open()).take(20_000).find_map(Result::ok).unwrap();
    act(&db);
    db.flush().unwrap();
}

/// Writes `a/1` twice and `a/2` once, and gives the first stored bytes of `a/1`.
fn store_with_a_past(folder: &Path) -> sled::IVec {
    drop(create(folder).unwrap());
    let mut first = None;
    for value in [b"x", b"y"] {
        let store = reopen(folder).unwrap();
        store.commit(put("a/1", value)).unwrap();
        drop(store);
        tamper(folder, |db| first = first.take().or(db.get("a/1").unwrap()));
    }
    reopen(folder).unwrap().commit(put("a/2", b"z")).unwrap();
    first.unwrap()
}

#[test]
fn records_that_are_wrong_missing_or_of_another_age_are_damage() {
    type Act = fn(&sled::Db, sled::IVec);
    let acts: [(&str, Act); 7] = [
        ("it should hold {\"a\": 2} records and holds {\"a\": 1}", |db, _| {
            db.remove("a/2").unwrap();
        }),
        ("it should hold {\"a\": 2} records and holds {\"a\": 2, \"b\": 1}", |db, _| {
            db.insert("b/1", seal(b"b/1", b"of nowhere")).unwrap();
        }),
        ("some records are older than others", |db, first| {
            db.insert("a/1", first).unwrap();
        }),
        ("the record with key 612f31 is damaged", |db, first| {
            let mut bytes = first.to_vec();
            bytes[1] ^= 4;
            db.insert("a/1", bytes).unwrap();
        }),
        ("the record with key 612f32 is damaged", |db, first| {
            db.insert("a/2", first).unwrap();
        }),
        ("the record with key 612f31 is damaged", |db, _| {
            db.insert("a/1", b"").unwrap();
        }),
        ("it has lost its proof", |db, _| {
            db.remove(b"\0proof").unwrap();
        }),
    ];
    for (said, act) in acts {
        let folder = tempfile::tempdir().unwrap();
        let first = store_with_a_past(folder.path());
        // The witness lags, so that only the store's own proof can tell.
        edit_witness(folder.path(), "generation", 1.into());
        reopen(folder.path()).unwrap();
        tamper(folder.path(), |db| act(db, first));
        let error = reopen(folder.path()).unwrap_err();
        assert!(detail(&error).contains(said), "{said}: {error}");
    }
}

#[test]
fn after_a_failed_commit_nothing_is_answered_until_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    store.commit(put("a/1", b"x")).unwrap();
    let in_the_way = folder.path().join("witness.json.new");
    fs::create_dir(&in_the_way).unwrap();
    let error = store.commit(put("a/2", b"y")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(store.scan(b"").unwrap_err(), error);
    assert_eq!(store.get(b"a/1").unwrap_err(), error);
    assert_eq!(store.commit(put("a/3", b"z")).unwrap_err(), error);
    drop(store);
    fs::remove_dir(in_the_way).unwrap();
    let store = reopen(folder.path()).unwrap();
    assert_eq!(store.generation(), 2, "the second had reached the disk");
    store.commit(put("a/3", b"z")).unwrap();
}

#[test]
fn a_data_file_held_by_something_else_is_locked_by_nobody_we_know() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()).unwrap());
    let text = folder.path().display().to_string();
    tamper(folder.path(), |_| {
        let error = reopen(folder.path()).unwrap_err();
        assert_eq!(error, StoreError::Locked { folder: text, holder: None });
    });
}

/// sled never syncs what it writes to `blobs/`. Pages are made as large as they can get: full ones, and
/// after removals ones that are merged with a full neighbour.
#[test]
fn the_largest_records_never_leave_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let key = |n: usize| format!("a/{}{n:04}", "k".repeat(900));
    let blobs = || fs::read_dir(folder.path().join("store/blobs")).unwrap().count();
    for round in 0..6 {
        for part in 0..10 {
            let mut batch = Batch::default();
            for _ in 0..12 {
                let change = if round % 2 == 0 || rng.u8(..4) == 0 {
                    put(&key(rng.usize(..120)), &vec![rng.u8(..); VALUE_BYTES_MAX])
                } else {
                    remove(&key(rng.usize(..120)))
                };
                batch.records.extend(change.records);
            }
            store.commit(batch).unwrap();
            assert_eq!(blobs(), 0, "round {round}, part {part}");
        }
    }
    drop(store);
    reopen(folder.path()).unwrap().verify().unwrap();
    assert_eq!(blobs(), 0);
}
