//! A hold over a whole municipality is kept whole.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::judge::{Approval, Rejection};
use crate::core::model::{Attributes, Entity, ObjectId, PersonId, SourceName, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::cycle::state::State;
use crate::store::SharedStore;
use crate::store::memory::MemoryStore;

fn digests(count: u32) -> BTreeSet<ChangeDigest> {
    let change = |number: u32| Change {
        entity: Entity::Account(PersonId {
            source: SourceName::new("asker"),
            object: ObjectId::parse(&format!("{number:08x}-0000-4000-8000-000000000000")).unwrap(),
        }),
        action: Action::Deactivate,
        before: Attributes::new(),
        after: crate::core::model::Account::new(),
        reason: String::new().into(),
        follows: None,
    };
    (0..count).map(|number| change(number).digest()).collect()
}

#[test]
fn what_covers_25_000_changes_is_kept_and_shrinks_again() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let now = Timestamp(0);
    let load = || State::load(Arc::clone(&store), now).unwrap();
    let mut state = load();
    let (at, by) = (now, Arc::<str>::from("kari"));
    let long = Approval { changes: digests(25_000), by: by.clone(), at, until: Timestamp(9) };
    state.approve(long.clone());
    state.reject(Rejection { changes: digests(9_000), by: by.clone(), at });
    state.commit().unwrap();
    let mut state = load();
    assert_eq!(state.approvals, [long]);
    assert_eq!(state.rejections[0].changes.len(), 9_000);
    // The first has ended, and a shorter one takes its place.
    let short = Approval { changes: digests(2), by, at: Timestamp(10), until: Timestamp(20) };
    state.approve(short.clone());
    state.commit().unwrap();
    assert_eq!(load().approvals, [short]);
    assert_eq!(store.scan(b"approval/").unwrap().len(), 1);
}
