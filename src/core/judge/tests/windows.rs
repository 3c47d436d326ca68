//! What somebody announced beforehand.

use std::collections::BTreeMap;

use super::world::*;
use crate::core::judge::{Guard, Meter, Of, Window};

fn window(count: u64) -> Window {
    Window {
        id: 1,
        guard: Guard::Deactivate,
        count,
        at: later(10),
        until: later(60),
        by: "ola".into(),
        reason: "the summer jobs end".to_owned(),
        used: BTreeMap::new(),
        revoked: None,
    }
}

#[test]
fn a_window_is_open_from_its_beginning_until_its_end_unless_it_is_revoked() {
    let mut window = window(5);
    for (minute, open) in [(9, false), (10, true), (59, true), (60, false)] {
        assert_eq!(window.is_open(later(minute)), open, "{minute}");
    }
    window.revoked = Some((later(20), "per".into()));
    assert!(!window.is_open(later(30)));
}

#[test]
fn a_window_counts_what_is_made_of_it_by_tenant_while_it_is_open() {
    let mut window = window(2);
    let (ours, other) = (meter(Guard::Deactivate), meter(Guard::Delete));
    let theirs = Meter { source: Some(source("hurum")), ..ours.clone() };
    assert!(!window.spend(&other, later(20)), "of another budget");
    assert!(!window.spend(&ours, later(5)), "before it begins");
    assert!(window.spend(&ours, later(20)));
    assert_eq!((window.left(&ours), window.left(&theirs)), (1, 2));
    assert!(window.spend(&ours, later(20)) && window.spend(&theirs, later(20)));
    assert!(!window.spend(&ours, later(20)), "nothing is left");
    assert_eq!(window.used, [(ours, 2), (theirs, 1)].into());
}

#[test]
fn what_was_announced_comes_on_top_and_is_used_up_first() {
    for (used, spent, queued, left) in
        [(0, 0, 0, 142), (60, 0, 0, 82), (0, 84, 0, 100), (100, 42, 0, 42), (0, 0, 30, 112)]
    {
        let mut context = town(2100);
        let of = meter(Guard::Deactivate);
        context.windows = vec![Window { used: [(of.clone(), used)].into(), ..window(100) }];
        context.spent.insert(of, spent);
        context.cleared = all_claims(&deactivations(0..queued));
        let fits = run(&deactivations(0..queued + left), &context);
        assert_eq!(fits.held.len(), 0, "{used} {spent} {queued}");
        let over = run(&deactivations(0..=queued + left), &context);
        assert_eq!((over.cleared.len(), over.held.len()), (queued, left + 1), "{used} {spent}");
    }
    // It is the window of that budget alone.
    let mut context = town(2100);
    context.windows = vec![window(100)];
    assert_eq!(run(&plan((0..43).map(rename)), &context).held.len(), 43);
    let of = Meter { guard: Guard::Rename, source: Some(source("asker")), of: Of::All };
    context.windows = vec![Window { guard: Guard::Rename, ..window(1) }];
    assert_eq!(context.windows[0].left(&of), 1);
    assert_eq!(run(&plan((0..43).map(rename)), &context).held.len(), 0);
}
