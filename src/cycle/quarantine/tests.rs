//! Who hears what of a peer that is left alone, and when.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::time::Duration;

use super::{Failure, Notice, Now, Watch};
use crate::core::model::Timestamp;
use crate::random::Random;

fn at(minutes: u64) -> Now {
    let elapsed = Duration::from_secs(60 * minutes);
    Now { elapsed, wall: Timestamp(1_795_000_000_000).plus(elapsed) }
}

fn refusal(reason: &str) -> Failure {
    Failure { at_once: true, code: 12, reason: reason.to_owned() }
}

/// The minute of every notice while each probe is refused for so many days.
fn notices(days: u64) -> Vec<(u64, Notice)> {
    let (mut watch, random) = (Watch::default(), Random::seeded(3));
    let mut heard = Vec::new();
    heard.extend(watch.failed(refusal("the secret has expired"), at(0), &random).map(|n| (0, n)));
    for minute in 1..days * 24 * 60 {
        if watch.is_probe_due(at(minute).elapsed) {
            watch.begin_probe();
            let notice = watch.probe_failed(refusal("the secret has expired"), at(minute), &random);
            heard.extend(notice.map(|notice| (minute, notice)));
        }
    }
    heard
}

#[test]
fn whoever_is_in_charge_is_reminded_every_day_for_as_long_as_it_lasts() {
    let heard = notices(30);
    assert_eq!(heard[0], (0, Notice::Entered));
    assert!(heard[1..].iter().all(|(_, notice)| *notice == Notice::Reminder), "{heard:?}");
    assert!((28..=29).contains(&(heard.len() - 1)), "one a day: {heard:?}");
    for pair in heard.windows(2) {
        let hours = (pair[1].0 - pair[0].0) / 60;
        assert!((24..=25).contains(&hours), "{pair:?}");
    }
}

#[test]
fn another_reason_is_told_at_once_and_the_day_counts_from_then() {
    let (mut watch, random) = (Watch::default(), Random::seeded(3));
    watch.failed(refusal("the secret has expired"), at(0), &random);
    let notice = watch.probe_failed(refusal("consent was withdrawn"), at(23 * 60), &random);
    assert_eq!(notice, Some(Notice::OtherReason));
    let again = |watch: &mut Watch, hours: u64| {
        watch.probe_failed(refusal("consent was withdrawn"), at(hours * 60), &random)
    };
    assert_eq!(again(&mut watch, 46), None);
    assert_eq!(again(&mut watch, 47), Some(Notice::Reminder));
    let shut = watch.shut().unwrap();
    assert_eq!((shut.since, shut.reason.as_str()), (at(0).wall, "consent was withdrawn"));
    let released = watch.probe_answered(at(50 * 60));
    assert_eq!(released, Some(Notice::Released { after: Duration::from_secs(50 * 3600) }));
    assert!(watch.shut().is_none());
}

fn outage() -> Failure {
    Failure { at_once: false, code: 69, reason: "status 503".to_owned() }
}

#[test]
fn each_probe_that_fails_is_followed_by_a_longer_wait_up_to_an_hour() {
    let (mut watch, random) = (Watch::default(), Random::seeded(3));
    watch.failed(refusal("the secret has expired"), at(0), &random);
    let mut now = at(0);
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        let next = watch.shut().unwrap().next;
        let waited = next.saturating_sub(now.elapsed);
        let least = Duration::from_secs(60 * minutes);
        assert!(waited >= least && waited <= least + least / 10, "{waited:?}, {minutes} min");
        assert!(!watch.is_probe_due(next.saturating_sub(Duration::from_millis(1))));
        assert!(watch.is_probe_due(next));
        watch.begin_probe();
        assert!(!watch.is_probe_due(next + least), "one question at a time");
        now = Now { elapsed: next, wall: now.wall.plus(waited) };
        watch.probe_failed(refusal("the secret has expired"), now, &random);
    }
}

#[test]
fn half_of_ten_calls_must_fail_and_an_answer_of_before_opens_nothing() {
    let random = Random::seeded(3);
    for failing in 0..=10 {
        let mut watch = Watch::default();
        (failing..10).for_each(|_| watch.answered());
        let notices = (0..failing).filter_map(|_| watch.failed(outage(), at(0), &random));
        let is_shut = notices.last() == Some(Notice::Entered);
        assert_eq!(is_shut, failing >= 5, "{failing} of ten");
        // What was on its way by then proves nothing, and neither does another failure of the kind.
        watch.answered();
        assert_eq!(watch.shut().is_some(), is_shut);
        if is_shut {
            assert_eq!(watch.failed(outage(), at(1), &random), None);
            assert_eq!(watch.shut().unwrap().since, at(0).wall);
        }
    }
    let mut watch = Watch::default();
    let failed: Vec<_> = (0..9).filter_map(|_| watch.failed(outage(), at(0), &random)).collect();
    assert!(failed.is_empty(), "of fewer than ten calls nothing is concluded");
}
