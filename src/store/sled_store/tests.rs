//! What the real store does with its own file handle, which nobody outside it sees.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs::{self, File};

use super::{Folder, translate};
use crate::store::{Batch, OpenMode, Store, StoreError, open};

/// A kill does not show a sync that is missing: the system writes what it holds for a dead process. So
/// the sync is made to fail, and must be heard of.
#[test]
fn a_commit_that_cannot_be_synced_is_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mode = OpenMode::CreateIfAbsent { install_id: "test".to_owned() };
    let mut store = open(folder.path(), mode).unwrap();
    let witness = || fs::read(folder.path().join("witness.json")).unwrap();
    let before = witness();
    // A device that keeps nothing cannot be synced (fsync(2): EINVAL).
    store.data = File::open("/dev/null").unwrap();
    let batch = Batch { records: vec![(b"a/1".to_vec(), Some(b"x".to_vec()))] };
    let error = store.commit(batch).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(store.get(b"a/1").unwrap_err(), error);
    assert_eq!(witness(), before, "the witness speaks of nothing that is not on the disk");
}

#[test]
fn what_cannot_be_read_is_said_without_the_words_of_a_library() {
    let home = tempfile::tempdir().unwrap();
    let error = translate(&Folder::new(home.path()), sled::Error::Corruption { at: None, bt: () });
    let said = error.to_string();
    assert!(matches!(error, StoreError::Damaged { .. }), "{said}");
    let folder = home.path().display().to_string();
    assert!(said.contains(&folder) && said.contains("its data file cannot be read"), "{said}");
    assert!(!said.contains("backtrace") && !said.contains("None"), "{said}");
}
