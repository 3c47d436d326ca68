//! Scenarios: the program as an operator meets it, as text. Each file of `tests/scenarios` holds a tenant, what is typed
//! and done, and what comes out; it is played with the real program over `manntall simulate`, and must come out the same.
//! `MANNTALL_WRITE=1 cargo test --test it scenarios` writes what came out into the files.

mod alike;
mod play;
mod script;

use std::path::{Path, PathBuf};

pub(crate) use alike::fits;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// The files, in the order of their names.
fn files() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.sort();
    files
}

#[test]
fn scenarios_come_out_as_they_are_written() {
    let files = files();
    let playing: Vec<_> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            (file, text.clone(), std::thread::spawn(move || play::play(&text)))
        })
        .collect();
    let mut stale = Vec::new();
    for (file, text, playing) in playing {
        let played = playing
            .join()
            .unwrap_or_else(|_| panic!("{} cannot be played; see above", file.display()));
        if played == text {
            continue;
        }
        if std::env::var_os("MANNTALL_WRITE").is_some() {
            std::fs::write(file, &played).unwrap();
        }
        let differs = text.lines().zip(played.lines()).find(|(was, is)| was != is);
        stale.push(format!("{}: {differs:#?}\nall of it:\n{played}", file.display()));
    }
    assert!(
        stale.is_empty(),
        "MANNTALL_WRITE=1 cargo test --test it scenarios writes them anew; see what differs before that:\n{}",
        stale.join("\n")
    );
}
