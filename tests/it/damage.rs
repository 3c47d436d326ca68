//! The files of the real store are damaged in hundreds of ways, and the service is started on what is
//! left: nobody is ever harmed, and whatever lost anything is noticed.
//!
//! The world and the platform live in memory and in paused time; the store is sled's, on a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use manntall::clock::Clock;
use manntall::cycle::state::State;
use manntall::sim::world::{Event, GeneratorOptions, generate};
use manntall::store::{self, OpenMode, Store, StoreError};

use crate::history::runtime;
use crate::oracle::{differences, entitled_ids};
use crate::stage::Stage;

const CASES: u64 = 200;

fn open(folder: &Path) -> Result<Arc<store::sled_store::SledStore>, StoreError> {
    store::open(folder, OpenMode::CreateIfAbsent { install_id: "test".to_owned() }).map(Arc::new)
}

fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to.join("store/blobs")).unwrap();
    for name in ["", "store"] {
        for entry in fs::read_dir(from.join(name)).unwrap().flatten() {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(name).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// The states that files are taken from: an older one of the same store, the present one, and the store
/// of somebody else.
struct Past {
    old: tempfile::TempDir,
    now: tempfile::TempDir,
    other: tempfile::TempDir,
}

/// Damages one file at a place that the seed chooses.
fn spoil(file: &Path, rng: &mut fastrand::Rng) -> &'static str {
    let bytes = fs::read(file).unwrap();
    let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) as u64 + 1;
    let data = fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    match rng.u8(..8) {
        6 => {
            // sled's own header of the first segment, and what follows it.
            let (at, mut byte) = (rng.u64(..64), [0]);
            data.read_exact_at(&mut byte, at).unwrap();
            data.write_all_at(&[byte[0] ^ (1 << rng.u8(..8))], at).unwrap();
            "a bit of its beginning turned over"
        }
        7 => {
            let from = rng.u64(..20);
            data.write_all_at(&vec![0; rng.usize(1..44)], from).unwrap();
            "zeros at its beginning"
        }
        0 | 1 => {
            for _ in 0..*rng.choice(&[1, 1, 8]).unwrap() {
                let (at, mut byte) = (rng.u64(..used), [0]);
                data.read_exact_at(&mut byte, at).unwrap();
                byte[0] ^= 1 << rng.u8(..8);
                data.write_all_at(&byte, at).unwrap();
            }
            "bits turned over"
        }
        2 => {
            data.set_len(rng.u64(..used)).unwrap();
            "cut off"
        }
        3 => {
            data.set_len(used / 2).unwrap();
            "halved"
        }
        4 => {
            data.set_len(0).unwrap();
            "emptied"
        }
        _ => {
            let at = rng.u64(..used);
            data.write_all_at(&vec![0; usize::try_from((used - at).min(4096)).unwrap()], at)
                .unwrap();
            "a block of zeros"
        }
    }
}

/// Does something to a copy of the present state. Whether anything is lost shows later.
fn harm(folder: &Path, past: &Past, rng: &mut fastrand::Rng) -> String {
    let (old, other) = (past.old.path(), past.other.path());
    let files = |from: &Path, what: &[&str]| {
        for name in what {
            if from.join(name).exists() {
                fs::copy(from.join(name), folder.join(name)).unwrap();
            }
        }
    };
    let no_summaries = || {
        for entry in fs::read_dir(folder.join("store")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    };
    let mode = |name: &str, mode| {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let what = rng.u8(..20);
    match what {
        0..=6 => format!("the data file: {}", spoil(&folder.join("store/db"), rng)),
        7 | 8 => {
            no_summaries();
            format!("the data file, without summaries: {}", spoil(&folder.join("store/db"), rng))
        }
        9 => format!("the witness: {}", spoil(&folder.join("witness.json"), rng)),
        10 => format!("sled's own file: {}", spoil(&folder.join("store/conf"), rng)),
        11 => {
            no_summaries();
            files(old, &["store/db"]);
            "older data under a newer witness".to_owned()
        }
        12 => {
            files(old, &["witness.json"]);
            "newer data under an older witness".to_owned()
        }
        13 => {
            fs::remove_dir_all(folder.join("store")).unwrap();
            copy(old, folder);
            "all of it older, an undated copy".to_owned()
        }
        14 => {
            fs::remove_file(folder.join("witness.json")).unwrap();
            "no witness".to_owned()
        }
        15 => {
            fs::remove_dir_all(folder.join("store")).unwrap();
            "no store".to_owned()
        }
        16 => {
            no_summaries();
            files(other, &[*rng.choice(&["store/db", "witness.json"]).unwrap()]);
            "a file of another installation".to_owned()
        }
        17 => {
            let name = *rng.choice(&["store", "store/db", "witness.json", "store.lock"]).unwrap();
            mode(name, *rng.choice(&[0o755, 0o777, 0o744]).unwrap());
            format!("{name} is open to others")
        }
        18 => {
            let format = *rng.choice(&[1, 9]).unwrap();
            say_format(&folder.join("witness.json"), format);
            format!("format {format}")
        }
        _ => {
            fs::write(folder.join("store/blobs/7"), b"left over").unwrap();
            "something in the folder that stays empty".to_owned()
        }
    }
}

/// Makes a witness one of another format.
fn say_format(file: &Path, format: u32) {
    let mut witness: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    witness["format"] = format.into();
    fs::write(file, witness.to_string()).unwrap();
}

/// Who has what on the platform: active accounts, and members of groups.
fn held(stage: &Stage) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let inner = stage.lock();
    let active = inner.platform.users().filter(|user| user.active());
    let groups = inner.platform.groups();
    (
        active.map(|user| user.id.clone()).collect(),
        groups.map(|group| (group.id.clone(), group.members.clone())).collect(),
    )
}

async fn sync(stage: &Stage, store: Arc<store::sled_store::SledStore>) -> bool {
    let mut engine = stage.engine_on(store).unwrap();
    stage.drive(&mut engine).await.unwrap();
    engine.state().recovery.is_none()
}

/// An import, a copy of it, and a working day after it.
async fn live(stage: &Stage) -> Past {
    let [old, now, other] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    sync(stage, open(now.path()).unwrap()).await;
    copy(now.path(), old.path());
    let people: Vec<_> = entitled_ids(&stage.lock().world).into_iter().collect();
    let happen = |event| stage.lock().world.apply(event).unwrap();
    happen(Event::Disable { user: people[0] });
    sync(stage, open(now.path()).unwrap()).await;
    happen(Event::Enable { user: people[0] });
    happen(Event::Disable { user: people[1] });
    let titled = |user, text: &str| Event::SetProperty {
        user,
        name: "jobTitle".to_owned(),
        value: text.into(),
    };
    happen(titled(people[2], "Rektor"));
    sync(stage, open(now.path()).unwrap()).await;
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..12 {
        let event = stage.lock().world.random_event(&mut rng).unwrap();
        // What was deleted while nothing is left of the state is known to nobody.
        if !matches!(event.kind(), "soft_delete" | "purge" | "delete_group" | "purge_group") {
            happen(event);
        }
        sync(stage, open(now.path()).unwrap()).await;
    }
    let stranger =
        store::open(other.path(), OpenMode::CreateIfAbsent { install_id: "b".to_owned() });
    let mut stranger = State::load(Arc::new(stranger.unwrap()), stage.clock.now()).unwrap();
    stranger.resume("kari");
    stranger.commit().unwrap();
    drop(stranger);
    Past { old, now, other }
}

#[test]
fn whatever_happens_to_the_files_nobody_is_harmed() {
    runtime().block_on(async {
        let options = GeneratorOptions {
            users: 14,
            groups: 3,
            memberships: 30,
            seed: 4,
            ..GeneratorOptions::default()
        };
        let stage = Stage::new(generate(&options), 4);
        let past = live(&stage).await;
        let right = {
            let inner = stage.lock();
            differences(&inner.world, &inner.platform)
        };
        assert_eq!(right, Vec::<String>::new());
        let (before, wanted) = (held(&stage), open(past.now.path()).unwrap().scan(b"").unwrap());
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        for seed in 0..CASES {
            let mut rng = fastrand::Rng::with_seed(seed);
            let folder = tempfile::tempdir().unwrap();
            copy(past.now.path(), folder.path());
            let what = harm(folder.path(), &past, &mut rng);
            let came_to = match open(folder.path()) {
                Ok(store) => {
                    let is_whole = store.scan(b"").unwrap() == wanted;
                    let is_doubted = store.doubt().is_some();
                    let is_undated = what.contains("undated");
                    assert!(is_whole || is_doubted || is_undated, "case {seed}, unnoticed: {what}");
                    assert!(
                        sync(&stage, store.clone()).await,
                        "case {seed} stays in doubt: {what}"
                    );
                    // What was acknowledged on what was left is there afterwards.
                    let acknowledged = store.scan(b"").unwrap();
                    drop(store);
                    let again = open(folder.path());
                    let again = again.map(|store| (store.doubt(), store.scan(b"").unwrap()));
                    assert!(again.ok() == Some((None, acknowledged)), "case {seed}, lost: {what}");
                    if is_doubted { "doubted and compared" } else { "without any loss" }
                }
                Err(StoreError::Damaged { .. }) => {
                    // Begun anew, as the message says.
                    store::move_aside(folder.path(), "test").unwrap();
                    let store = open(folder.path()).unwrap();
                    let mut anew = State::load(store.clone(), stage.clock.now()).unwrap();
                    anew.enter_recovery(stage.clock.now(), "begun anew");
                    anew.commit().unwrap();
                    assert!(sync(&stage, store).await, "case {seed} stays in doubt: {what}");
                    "damaged, and begun anew"
                }
                Err(
                    StoreError::Newer { .. } | StoreError::Older { .. } | StoreError::Io { .. },
                ) => "refused",
                Err(other) => panic!("case {seed}: {what}: {other}"),
            };
            *seen.entry(came_to).or_default() += 1;
            assert_eq!(held(&stage), before, "case {seed}: {what}");
        }
        println!("{CASES} cases of damage: {seen:?}; nobody was harmed");
        assert!(seen.len() == 4 && seen.values().all(|count| *count > 5), "{seen:?}");
    });
}
