//! Whoever verifies or exports while the loop is at work sees what is durable, and no more.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::Arc;

use crate::audit::{Decision, DecisionKind};
use crate::core::model::Timestamp;
use crate::cycle::state::State;
use crate::store::memory::MemoryStore;

#[test]
fn an_entry_that_is_not_committed_yet_breaks_no_chain() {
    let mut state = State::load(Arc::new(MemoryStore::new()), Timestamp(0)).unwrap();
    let decide = |state: &mut State, detail: &str| {
        let (kind, detail) = (DecisionKind::Pause, detail.to_owned());
        state.decide(Decision {
            at: Timestamp(0),
            kind,
            entity: None,
            by: None,
            detail,
            changes: None,
        });
    };
    decide(&mut state, "first");
    state.commit().unwrap();
    let head = state.stored_head().unwrap();
    decide(&mut state, "second");
    assert_eq!(state.verify_journal(&[]).unwrap(), Ok(1));
    assert_eq!(state.stored_head().unwrap(), head);
    assert!(state.entry(0).unwrap().is_some() && state.entry(1).unwrap().is_none());
    state.commit().unwrap();
    assert_eq!(state.verify_journal(&[]).unwrap(), Ok(2));
    assert_eq!(state.stored_head().unwrap(), *state.audit_head());
}
