//! Damage to the files is found, or has changed nothing: never an older or an emptier store that opens
//! without a doubt.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;

use super::{batch_number, create, everything, put, reopen};
use crate::store::{Batch, Store as _, StoreError};

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

/// The file in which sled sums up its log when it opens it.
fn snapshot_file(folder: &Path) -> String {
    let names = fs::read_dir(folder.join("store")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.starts_with("snap.")).unwrap()
}

#[test]
fn a_damaged_data_file_never_opens_as_another_store() {
    let sound = tempfile::tempdir().unwrap();
    for n in 1..=25 {
        create(sound.path()).unwrap().commit(batch_number(n)).unwrap();
    }
    // More than a segment of sled's log, so that there are old segments as well as the one in use.
    let mut rng = fastrand::Rng::with_seed(0);
    for n in 0..20 {
        let value: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(90_000).collect();
        let batch = (0..6).flat_map(|part| put(&format!("ballast/{n}/{part}"), &value).records);
        create(sound.path()).unwrap().commit(Batch { records: batch.collect() }).unwrap();
    }
    let wanted = everything(&reopen(sound.path()).unwrap());
    let used = used_bytes(&sound.path().join("store/db"));
    let summary = snapshot_file(sound.path());

    let mut found = 0;
    for seed in 0..96 {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        if seed % 4 < 2 {
            // Without the summary of the last opening sled reads its whole log again, and stops where it
            // is damaged; with it, only damage to a page in use shows, when the page is read.
            fs::remove_file(folder.path().join("store").join(&summary)).unwrap();
        }
        let what = damage(&folder.path().join("store/db"), used, seed);
        // Twice, since sled repairs its file in its own way when it opens it.
        for attempt in 1..=2 {
            match create(folder.path()) {
                Ok(store) if store.doubt().is_some() => found += 1,
                Ok(store) => assert!(everything(&store) == wanted, "seed {seed}: {what}"),
                Err(StoreError::Damaged { .. }) => found += 1,
                Err(other) => panic_at(&format!("seed {seed}: {what}, {attempt}: {other}")),
            }
        }
    }
    assert!(found > 60, "most damage hits records; only {found} of 192 openings found it");
}

#[expect(clippy::panic, reason = "tests fail loudly")]
fn panic_at(what: &str) {
    panic!("{what}")
}

#[test]
fn damage_to_the_small_files_is_found_or_changes_nothing() {
    let sound = tempfile::tempdir().unwrap();
    let store = create(sound.path()).unwrap();
    (1..=5).for_each(|n| store.commit(batch_number(n)).unwrap());
    let wanted = everything(&store);
    drop(store);
    drop(reopen(sound.path()).unwrap());
    let snapshot = format!("store/{}", snapshot_file(sound.path()));

    let mut found = 0;
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        let name = ["witness.json", "store/conf", snapshot.as_str()][rng.usize(..3)];
        let mut bytes = fs::read(folder.path().join(name)).unwrap();
        let at = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << rng.u8(..8),
        }
        fs::write(folder.path().join(name), bytes).unwrap();
        match create(folder.path()) {
            Ok(store) if store.doubt().is_some() => found += 1,
            Ok(store) => assert!(everything(&store) == wanted, "seed {seed}: {name}"),
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => found += 1,
            Err(other) => panic_at(&format!("seed {seed}: {name}: {other}")),
        }
    }
    assert!(found > 30, "only {found} of 60 were refused");
}

#[test]
fn an_emptied_or_older_data_file_is_doubted() {
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
    let doubt = reopen(older.path()).unwrap().doubt().unwrap();
    assert!(doubt.contains("generation 1 and was at 2"), "{doubt}");

    fs::OpenOptions::new()
        .write(true)
        .open(folder.path().join("store/db"))
        .unwrap()
        .set_len(0)
        .unwrap();
    for _ in 0..2 {
        let doubt = create(folder.path()).unwrap().doubt().unwrap();
        assert!(doubt.contains("empty, but was at generation 2"), "{doubt}");
    }
}
