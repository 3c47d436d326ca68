//! A writer that is killed loses nothing that it acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{after_batches, batch_number, create, everything, reopen};
use crate::store::{Store as _, StoreError};

/// Tells the test binary, started again by a test, that it is the writer, and where.
const FOLDER: &str = "MANNTALL_TEST_KILL_FOLDER";

/// The process that is killed: it commits numbered batches and acknowledges each. In an ordinary run of
/// the tests it has nothing to do.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = create(Path::new(&folder)).unwrap();
    loop {
        let next = store.generation() + 1;
        store.commit(batch_number(next)).unwrap();
        // Not `println!`, which the test harness would catch.
        writeln!(std::io::stdout(), "ack {}", store.generation()).unwrap();
    }
}

fn start_writer(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::kill::writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn ten_kills_lose_no_acknowledged_commit_and_leave_none_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(11);
    let mut acknowledged = 0;
    for kill in 0..10 {
        let mut child = start_writer(folder.path());
        let mut acks = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("ack ").and_then(|(_, n)| n.parse::<u64>().ok()));
        acknowledged = acks.by_ref().take(rng.usize(1..30)).last().unwrap();
        if kill == 0 {
            let holder = Some(child.id());
            let text = folder.path().display().to_string();
            let second = reopen(folder.path()).unwrap_err();
            assert_eq!(second, StoreError::Locked { folder: text, holder });
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last line read and its death counts as well.
        acknowledged = acks.last().unwrap_or(acknowledged);

        let store = reopen(folder.path()).unwrap();
        let generation = store.generation();
        assert!(
            (acknowledged..=acknowledged + 1).contains(&generation),
            "kill {kill}: {generation} commits kept, {acknowledged} acknowledged"
        );
        assert!(everything(&store) == after_batches(generation), "kill {kill}");
    }
    assert!(acknowledged >= 10);
}
