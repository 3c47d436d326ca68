//! The walker by itself: what it asks after a round that came to nothing.

use super::*;
use crate::core::mirror::Round;
use crate::core::model::Timestamp;
use crate::core::report::Gap;
use crate::graph::delta::{Ask, Delta, Lane, Walk};

fn link(name: &str) -> Link {
    Link::stored(format!("{GRAPH}/v1.0/users/delta?{name}"))
}

/// A walk that was read whole and waits for news.
fn idle() -> Walk {
    let mut walk = Walk::default();
    walk.begin_full();
    assert!(walk.on_page(Lane::Full, Next::Delta(link("read")), 1));
    walk.on_counted(true);
    assert!(walk.on_page(Lane::Full, Next::Delta(link("caught-up")), 0));
    walk.on_folded(Lane::Full, NOW, "");
    walk
}

#[test]
fn a_chain_without_an_end_is_broken_off_and_the_rounds_after_it_are_read() {
    let mut walk = idle();
    let mut pages = 0;
    while walk.on_page(Lane::Delta, Next::Page(link("on")), 0) {
        pages += 1;
        assert!(pages < 100_000, "a chain goes on for ever");
    }
    walk.on_expired(Lane::Delta, NOW);
    walk.begin_full();
    assert!(walk.on_page(Lane::Full, Next::Delta(link("read again")), 1));
    walk.on_counted(true);
    assert!(walk.on_page(Lane::Full, Next::Delta(link("caught up again")), 0));
    walk.on_folded(Lane::Full, NOW, "");
    assert!(matches!(walk.delta_ask(), Some(Ask::Page(_))));
    assert!(walk.on_page(Lane::Delta, Next::Delta(link("news")), 0), "no round is read any more");
}

#[test]
fn the_pages_of_a_round_that_begins_again_are_counted_anew() {
    let mut walk = idle();
    let most = |walk: &mut Walk| {
        let pages =
            (0..100_000).take_while(|_| walk.on_page(Lane::Delta, Next::Page(link("on")), 0));
        pages.count()
    };
    let whole = most(&mut walk.clone());
    assert!((0..whole / 2).all(|_| walk.on_page(Lane::Delta, Next::Page(link("on")), 0)));
    walk.on_bad_page(Lane::Delta, NOW);
    assert_eq!(most(&mut walk), whole);
}

/// Of a read that Entra did not count nobody knows whether it showed everybody.
#[test]
fn a_read_that_was_not_counted_keeps_the_older_link() {
    for is_counted in [true, false] {
        let mut walk = idle();
        walk.want_full(NOW);
        walk.begin_full();
        assert!(walk.on_page(Lane::Full, Next::Delta(link("read again")), 1));
        walk.on_counted(is_counted);
        let mut gap = Gap::none(NOW);
        gap.uncounted = !is_counted;
        walk.note_gap(Round::Full(2), gap);
        assert!(walk.on_page(Lane::Full, Next::Delta(link("caught up again")), 0));
        walk.on_folded(Lane::Full, NOW, "");
        let name = if is_counted { "caught up again" } else { "caught-up" };
        assert_eq!(walk.delta, Delta::Idle(link(name)), "counted: {is_counted}");
    }
}

#[test]
fn only_a_complete_read_closes_a_gap() {
    let gap = |unread: u32, at: i64| {
        let mut gap = Gap::none(Timestamp(at));
        (0..unread).for_each(|_| gap.add(None));
        gap
    };
    let mut walk = idle();
    walk.note_gap(Round::Full(1), gap(0, 1));
    assert_eq!(walk.gap, None);
    walk.note_gap(Round::Delta, gap(2, 2));
    walk.note_gap(Round::Delta, gap(0, 3));
    walk.note_gap(Round::Refused, gap(1, 4));
    let known = walk.gap.clone().unwrap();
    assert_eq!((known.unread, known.since), (3, Timestamp(2)), "a round without any fills none");
    walk.note_gap(Round::Full(2), gap(1, 5));
    let known = walk.gap.clone().unwrap();
    assert_eq!((known.unread, known.since), (1, Timestamp(2)), "it lasts since then");
    walk.note_gap(Round::Full(3), gap(0, 6));
    assert_eq!(walk.gap, None);
    walk.uncounted = true;
    walk.note_gap(Round::Full(4), gap(0, 7));
    walk.note_gap(Round::Delta, gap(0, 8));
    assert!(walk.gap.as_ref().is_some_and(|gap| gap.uncounted));
    walk.uncounted = false;
    walk.note_gap(Round::Full(5), gap(0, 9));
    assert_eq!(walk.gap, None);
}
