//! A copy is kept by whoever was handed it.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use super::*;

#[test]
fn a_copy_is_kept_once_and_by_whoever_was_handed_it() {
    let copies = Copies::default();
    let first = Copied { generation: 7, records: 3, ticket: String::new() };
    assert!(!copies.take_back("kari", &first), "none was handed out");
    let ticket = copies.hand_out("kari", &first).unwrap();
    let mine = Copied { ticket, ..first.clone() };
    assert!(!copies.take_back("per", &mine), "it is another's");
    let newer = Copied { generation: 8, ..mine.clone() };
    assert!(!copies.take_back("kari", &newer), "it is another copy");
    assert!(copies.take_back("kari", &mine));
    assert!(!copies.take_back("kari", &mine), "once");
}
