//! What becomes of the file that a backup is written into.

use std::path::Path;

use super::put;
use crate::store::Store;
use crate::store::backup::{Header, NewFile, read_file};
use crate::store::memory::MemoryStore;

fn keep_at(path: &Path) {
    let store = MemoryStore::new();
    store.commit(put("ledger/1", b"kept")).unwrap();
    let mut file = NewFile::create(path).unwrap();
    file.fill(&store, &Header::new("now".to_owned(), "test".to_owned(), 1)).unwrap();
    file.keep().unwrap();
}

#[test]
fn a_backup_is_there_whatever_it_is_called_and_its_neighbours_stay() {
    for name in
        ["state", "state.backup", "state.new", "state.2026.11.22", ".state", "state.partial"]
    {
        let folder = tempfile::tempdir().unwrap();
        let neighbours =
            ["state.new", "state.2026.11.new", "notes"].map(|name| folder.path().join(name));
        let path = folder.path().join(name);
        for neighbour in neighbours.iter().filter(|neighbour| **neighbour != path) {
            std::fs::write(neighbour, "of somebody else").unwrap();
        }
        keep_at(&path);
        assert_eq!(read_file(&path).unwrap().len(), 1, "{name}");
        for neighbour in neighbours.iter().filter(|neighbour| **neighbour != path) {
            assert_eq!(std::fs::read_to_string(neighbour).unwrap(), "of somebody else", "{name}");
        }
        let entries = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(entries, 3 + usize::from(name != "state.new"), "{name} leaves something behind");
    }
}

#[test]
fn a_backup_that_did_not_arrive_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = NewFile::create(&folder.path().join("state")).unwrap();
    file.take(b"half of it\n").unwrap();
    assert!(file.check().is_err());
    drop(file);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
