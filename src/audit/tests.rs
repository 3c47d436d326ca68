//! Whatever is done to a journal behind its back is found, and where.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use proptest::prelude::*;

use super::{Decision, DecisionKind, Entry, Head, Stored, verify};
use crate::core::model::Timestamp;

fn entry(at: i64) -> Entry {
    Entry::Decision(Decision {
        at: Timestamp(at),
        kind: DecisionKind::Hold,
        entity: None,
        by: None,
        detail: format!("number {at}"),
        changes: None,
    })
}

fn journal(length: u64) -> (Head, Vec<(u64, Option<Stored>)>) {
    let mut head = Head::default();
    let entries = (0..length).map(|at| {
        let (number, stored) = head.append(entry(i64::try_from(at).unwrap()));
        (number, Some(stored))
    });
    let entries = entries.collect();
    (head, entries)
}

/// What somebody may do to the entries.
#[derive(Debug, Clone)]
enum Deed {
    Edit(usize),
    /// Edits, and makes the hash of the edited entry right.
    EditAndSeal(usize),
    Spoil(usize),
    Remove(usize),
    /// Removes, and moves those behind up.
    CloseUp(usize),
    Swap(usize, usize),
    Repeat(usize),
    Truncate(usize),
    /// Truncates, and sets the head back to what is left.
    TruncateWithHead(usize),
    /// Writes the whole journal anew with one entry changed, head and all.
    Rewrite(usize),
    Add,
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = || 0..20_usize;
    prop_oneof![
        at().prop_map(Deed::Edit),
        at().prop_map(Deed::EditAndSeal),
        at().prop_map(Deed::Spoil),
        at().prop_map(Deed::Remove),
        at().prop_map(Deed::CloseUp),
        (at(), at()).prop_map(|(one, other)| Deed::Swap(one, other)),
        at().prop_map(Deed::Repeat),
        at().prop_map(Deed::Truncate),
        at().prop_map(Deed::TruncateWithHead),
        at().prop_map(Deed::Rewrite),
        Just(Deed::Add),
    ]
}

fn renumber(entries: &mut [(u64, Option<Stored>)]) {
    for ((number, _), right) in entries.iter_mut().zip(0..) {
        *number = right;
    }
}

/// Does it, and tells the first entry that is wrong now.
fn act(deed: &Deed, head: &mut Head, entries: &mut Vec<(u64, Option<Stored>)>) -> Option<u64> {
    let last = entries.len() - 1;
    let number = |at: usize| u64::try_from(at).unwrap();
    match *deed {
        Deed::Edit(at) | Deed::EditAndSeal(at) => {
            let at = at.min(last);
            let stored = entries[at].1.as_mut().unwrap();
            stored.entry = entry(999);
            if matches!(deed, Deed::EditAndSeal(_)) {
                let mut before = Head::default();
                for at in 0..number(at) {
                    before.append(entry(i64::try_from(at).unwrap()));
                }
                stored.hash = before.append(entry(999)).1.hash;
            }
            // A right hash under a wrong entry shows at the next one, or at the head.
            let follows = usize::from(matches!(deed, Deed::EditAndSeal(_)) && at < last);
            Some(number(at + follows))
        }
        Deed::Spoil(at) => {
            entries[at.min(last)].1 = None;
            Some(number(at.min(last)))
        }
        Deed::Remove(at) => {
            entries.remove(at.min(last));
            Some(number(at.min(last)))
        }
        Deed::CloseUp(at) => {
            entries.remove(at.min(last));
            renumber(entries);
            Some(number(at.min(last)))
        }
        Deed::Swap(one, other) => {
            let (one, other) = (one.min(last), other.min(last));
            entries.swap(one, other);
            renumber(entries);
            (one != other).then(|| number(one.min(other)))
        }
        Deed::Repeat(at) => {
            let again = entries[at.min(last)].clone();
            entries.insert(at.min(last), again);
            renumber(entries);
            Some(number(at.min(last) + 1))
        }
        Deed::Truncate(at) => {
            entries.truncate(at.min(last));
            Some(number(at.min(last)))
        }
        Deed::TruncateWithHead(at) => {
            let (shorter, kept) = journal(number(at.min(last)));
            (*head, *entries) = (shorter, kept);
            Some(number(at.min(last)))
        }
        Deed::Rewrite(at) => {
            let mut other = Head::default();
            for (number, stored) in entries.iter_mut() {
                let is_it = *number == u64::try_from(at.min(last)).unwrap();
                let time = if is_it { 999 } else { i64::try_from(*number).unwrap() };
                *stored = Some(other.append(entry(time)).1);
            }
            *head = other;
            // Only the head that was noted elsewhere can tell, and only that it was done.
            Some(number(last))
        }
        Deed::Add => {
            let (number, stored) = head.clone().append(entry(999));
            entries.push((number, Some(stored)));
            Some(number)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_edit_removal_reorder_or_truncation_is_found_where_it_is(
        length in 1_u64..20,
        deed in deed(),
    ) {
        let (mut head, mut entries) = journal(length);
        let noted = [(head.next, head.hash.to_string())];
        prop_assert_eq!(verify(&head, entries.clone(), &noted), Ok(length));
        let wrong = act(&deed, &mut head, &mut entries);
        let found = verify(&head, entries, &noted).err().map(|flaw| flaw.number);
        prop_assert_eq!(found, wrong);
    }
}

#[test]
fn what_is_pruned_leaves_a_chain_that_still_holds() {
    let (mut head, entries) = journal(9);
    for (_, stored) in &entries[..4] {
        head.drop_first(stored.as_ref().unwrap().hash);
    }
    let noted = [(2, "of an entry that is gone".to_owned()), (9, head.hash.to_string())];
    assert_eq!(verify(&head, entries[4..].to_vec(), &noted), Ok(5));
    let flaw = verify(&head, entries[5..].to_vec(), &noted).unwrap_err();
    assert_eq!(flaw.to_string(), "entry 4: it is missing");
    let flaw = verify(&head, entries[3..].to_vec(), &noted).unwrap_err();
    assert_eq!(flaw.to_string(), "entry 3: it lies before the beginning of the journal");
}
