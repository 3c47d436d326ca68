//! Damage to the files is found, or has changed nothing: never an older or an emptier store that opens
//! without a doubt.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;

use super::{batch_number, create, everything, put, reopen};
use crate::store::sled_store::SEGMENT_BYTES;
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

/// Something done to the bytes at the beginning of a file.
struct Harm {
    what: String,
    bytes: Vec<u8>,
}

/// A bit of each of the first 64 bytes and of some behind them, and ranges of zeros.
fn harms(whole: &[u8], used: usize) -> Vec<Harm> {
    let flipped = |at: usize, bit: u32| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << bit;
        Harm { what: format!("bit {bit} of byte {at}"), bytes }
    };
    let zeroed = |from: usize, to: usize| {
        let mut bytes = whole.to_vec();
        bytes[from..to].fill(0);
        Harm { what: format!("zeros from {from} to {to}"), bytes }
    };
    let bytes = (0..64).chain((64..used).step_by(used / 100));
    let ranges =
        [(0, 1), (0, 4), (0, 20), (0, 64), (0, 4096), (4, 12), (12, 20), (16, 40), (20, 64)];
    let flips = bytes.map(|at| flipped(at, u32::try_from(at).unwrap() % 8));
    flips.chain(ranges.into_iter().map(|(from, to)| zeroed(from, to))).collect()
}

/// Whoever opens a store goes on to write to it: what is acknowledged then must be there afterwards,
/// or the damage has been found before.
#[test]
fn what_is_acknowledged_on_a_damaged_data_file_is_kept() {
    let sound = tempfile::tempdir().unwrap();
    let store = create(sound.path()).unwrap();
    // Most of what lies in the log has been replaced since.
    (1..=20).for_each(|n| store.commit(put(&format!("a/{}", n % 2), &[n; 60])).unwrap());
    drop(store);
    drop(reopen(sound.path()).unwrap());
    let wanted = everything(&reopen(sound.path()).unwrap());
    let file = "store/db";
    let whole = fs::read(sound.path().join(file)).unwrap();
    let used = usize::try_from(used_bytes(&sound.path().join(file))).unwrap() + 1;

    let mut lost = Vec::new();
    for Harm { what, bytes } in harms(&whole, used) {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        fs::write(folder.path().join(file), bytes).unwrap();
        match create(folder.path()) {
            Ok(store) => {
                let is_doubted = store.doubt().is_some();
                if !is_doubted && everything(&store) != wanted {
                    lost.push(format!("{what}: opens as another store"));
                }
                store.commit(put("paused/", b"kari")).unwrap();
                drop(store);
                match reopen(folder.path()) {
                    Ok(store)
                        if store.get(b"paused/").unwrap().is_some() && store.doubt().is_none() => {}
                    Ok(_) => lost.push(format!(
                        "{what}: acknowledged and lost, doubted before: {is_doubted}"
                    )),
                    Err(error) => lost.push(format!("{what}: acknowledged, then {error}")),
                }
            }
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => panic_at(&format!("{what}: {other}")),
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

/// Later segments have headers of their own.
#[test]
fn no_segment_without_its_header_is_passed_over() {
    let sound = tempfile::tempdir().unwrap();
    let store = create(sound.path()).unwrap();
    let mut rng = fastrand::Rng::with_seed(0);
    for n in 0..20 {
        let value: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(90_000).collect();
        let batch = (0..10).flat_map(|part| put(&format!("ballast/{n}/{part}"), &value).records);
        store.commit(Batch { records: batch.collect() }).unwrap();
    }
    drop(store);
    let segments =
        fs::metadata(sound.path().join("store/db")).unwrap().len() / SEGMENT_BYTES as u64;
    assert!(segments >= 2, "{segments}");
    for segment in 0..segments {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        let data = fs::OpenOptions::new().write(true).open(folder.path().join("store/db")).unwrap();
        data.write_all_at(&[0; 20], segment * SEGMENT_BYTES as u64).unwrap();
        // Also where it is tried again: the refusal leaves the file as it is.
        for _ in 0..2 {
            let refused = matches!(create(folder.path()), Err(StoreError::Damaged { .. }));
            assert!(refused, "segment {segment}");
        }
    }
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
            Err(
                StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Older { .. },
            ) => found += 1,
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
