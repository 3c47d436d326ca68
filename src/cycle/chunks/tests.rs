//! A hold over a whole municipality is kept whole.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::Arc;

use crate::core::judge::{Approval, Aspect, Claims, Guarded, Rejection};
use crate::core::model::{Entity, ObjectId, PersonId, SourceName, Timestamp};
use crate::core::plan::ChangeDigest;
use crate::cycle::state::State;
use crate::store::SharedStore;
use crate::store::memory::MemoryStore;

fn departures(count: u32) -> Claims {
    let departure = |number: u32| {
        let object = format!("{number:08x}-0000-4000-8000-000000000000");
        let object = ObjectId::parse(&object).unwrap();
        let entity = Entity::Account(PersonId { source: SourceName::new("asker"), object });
        (Guarded::Of { entity, aspect: Aspect::Departure }, ChangeDigest::of(&()))
    };
    (0..count).map(departure).collect()
}

#[test]
fn what_covers_25_000_changes_is_kept_and_shrinks_again() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let now = Timestamp(0);
    let load = || State::load(Arc::clone(&store), now).unwrap();
    let mut state = load();
    let (at, by) = (now, Arc::<str>::from("kari"));
    let long = Approval {
        claims: departures(25_000),
        by: by.clone(),
        at,
        until: Timestamp(9),
        hold: None,
    };
    state.approve(long.clone());
    state.commit().unwrap();
    let mut state = load();
    assert_eq!(state.approvals, [long]);
    // A rejection takes back what it names.
    state.reject(Rejection { claims: departures(9_000), by: by.clone(), at });
    state.commit().unwrap();
    let mut state = load();
    assert_eq!(state.approvals[0].claims.len(), 16_000);
    assert_eq!(state.rejections[0].claims.len(), 9_000);
    // The first has ended, and a shorter one takes its place.
    let short =
        Approval { claims: departures(2), by, at: Timestamp(10), until: Timestamp(20), hold: None };
    state.approve(short.clone());
    state.commit().unwrap();
    assert_eq!(load().approvals, [short]);
    assert_eq!(store.scan(b"approval/").unwrap().len(), 1);
}
