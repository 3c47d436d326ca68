//! Damage to the files is found, or has changed nothing: never an older or an emptier store that opens.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;

use super::{batch_number, create, everything, reopen};
use crate::store::{Store as _, StoreError};

/// Copies a closed store.
fn copy(from: &Path, to: &Path) {
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700).create(to.join("store/blobs")).unwrap();
    for name in ["", "store"] {
        for entry in fs::read_dir(from.join(name)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(name).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// Damages the data file in one of several ways that the seed chooses.
fn damage(file: &Path, used_bytes: u64, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let data = fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut flip = |bits: u32| {
        for _ in 0..bits {
            let (at, mut byte) = (rng.u64(..used_bytes), [0]);
            data.read_exact_at(&mut byte, at).unwrap();
            byte[0] ^= 1 << rng.u8(..8);
            data.write_all_at(&byte, at).unwrap();
        }
    };
    match seed % 6 {
        0 | 1 => {
            flip(1);
            "one bit".to_owned()
        }
        2 => {
            flip(8);
            "eight bits".to_owned()
        }
        3 => {
            let length = rng.u64(..used_bytes);
            data.set_len(length).unwrap();
            format!("cut to {length} of {used_bytes} bytes")
        }
        4 => {
            let at = rng.u64(..used_bytes);
            data.write_all_at(&[0; 4096], at).unwrap();
            format!("a block of zeros at {at}")
        }
        _ => {
            let at = rng.u64(..used_bytes / 2);
            let (from, mut block) = (rng.u64(..used_bytes / 2), vec![0; 4096]);
            data.read_exact_at(&mut block, from).unwrap();
            data.write_all_at(&block, at).unwrap();
            format!("the block at {from} also at {at}")
        }
    }
}

/// How much of the file has been written: sled leaves the rest of a segment empty.
fn used_bytes(file: &Path) -> u64 {
    let bytes = fs::read(file).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64
}

#[test]
fn a_damaged_data_file_never_opens_as_another_store() {
    let sound = tempfile::tempdir().unwrap();
    let store = create(sound.path()).unwrap();
    (1..=25).for_each(|n| store.commit(batch_number(n)).unwrap());
    let wanted = everything(&store);
    drop(store);
    let used = used_bytes(&sound.path().join("store/db"));

    let mut found = 0;
    for seed in 0..90 {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        let what = damage(&folder.path().join("store/db"), used, seed);
        // Twice, since sled repairs its file in its own way when it opens it.
        for attempt in 1..=2 {
            match create(folder.path()) {
                Ok(store) => assert!(everything(&store) == wanted, "seed {seed}: {what}"),
                Err(StoreError::Damaged { .. }) => found += 1,
                Err(other) => panic_at(&format!("seed {seed}: {what}, {attempt}: {other}")),
            }
        }
    }
    assert!(found > 90, "most damage hits records; only {found} of 180 openings were refused");
}

#[expect(clippy::panic, reason = "tests fail loudly")]
fn panic_at(what: &str) {
    panic!("{what}")
}

#[test]
fn an_emptied_or_older_data_file_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    let store = create(folder.path()).unwrap();
    store.commit(batch_number(1)).unwrap();
    drop(store);
    copy(folder.path(), older.path());
    let store = reopen(folder.path()).unwrap();
    store.commit(batch_number(2)).unwrap();
    drop(store);

    let newer = fs::read(folder.path().join("witness.json")).unwrap();
    fs::write(older.path().join("witness.json"), newer).unwrap();
    let error = reopen(older.path()).unwrap_err();
    assert!(error.to_string().contains("generation 1 and was at 2"), "{error}");

    fs::OpenOptions::new()
        .write(true)
        .open(folder.path().join("store/db"))
        .unwrap()
        .set_len(0)
        .unwrap();
    for _ in 0..2 {
        let error = create(folder.path()).unwrap_err();
        assert!(error.to_string().contains("it is empty, but was at generation 2"), "{error}");
    }
}
