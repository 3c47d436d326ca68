//! What the last run says once it is over.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const NOW: Timestamp = Timestamp(1_772_431_200_000);

fn ago(hours: u32) -> Timestamp {
    Timestamp(NOW.0 - i64::from(hours) * 3_600_000)
}

/// A sync that began so many hours ago and ended a minute later, after others.
fn sync(began: u32, earlier: &[u32], exit: u8) -> Run {
    let end = Some(RunEnd { at: ago(began).plus(Duration::from_secs(60)), exit });
    Run {
        kind: RunKind::Sync,
        process: 17,
        began: ago(began),
        end,
        earlier: earlier.iter().map(|hours| ago(*hours)).collect(),
        seen: ago(began),
    }
}

#[test]
fn a_service_that_is_not_there_is_missed_at_once() {
    let mut run = Run { kind: RunKind::Service, end: None, seen: ago(2), ..sync(50, &[], 0) };
    assert_eq!(run.presence(NOW), Presence::Gone { since: ago(2), is_urgent: true });
    run.end = Some(RunEnd { at: ago(1), exit: 0 });
    assert_eq!(run.presence(NOW), Presence::Gone { since: ago(1), is_urgent: true });
}

#[test]
fn syncs_come_and_go_and_one_that_does_not_come_is_missed() {
    // What it came to is told by what it noted; that it came to an end is what counts here.
    for exit in [0, 3, 4, 12, 69] {
        assert_eq!(sync(3, &[], exit).presence(NOW), Presence::Between);
    }
    let since = |began: u32| ago(began).plus(Duration::from_secs(60));
    let missed = |run: &Run| run.presence(NOW) != Presence::Between;
    assert!(!missed(&sync(25, &[73, 49], 0)), "every day");
    let late = sync(27, &[75, 51], 0);
    assert_eq!(late.presence(NOW), Presence::Gone { since: since(27), is_urgent: true });
    assert!(!missed(&sync(71, &[239, 167, 143, 119, 95], 0)), "there was such a weekend before");
    assert!(!missed(&sync(7 * 24, &[14 * 24], 0)), "once a week");
    assert!(missed(&sync(9 * 24, &[60 * 24], 0)), "a pause of months is no interval");
    assert_eq!(sync(1, &[3, 2], 0).patience(), 26 * HOUR, "runs by hand set no pace");
}

#[test]
fn a_sync_that_was_broken_off_left_something_to_do() {
    let killed = Run { end: None, seen: ago(2), ..sync(3, &[], 0) };
    assert_eq!(killed.presence(NOW), Presence::Gone { since: ago(2), is_urgent: false });
    let interrupted = sync(3, &[], 130);
    assert!(matches!(interrupted.presence(NOW), Presence::Gone { is_urgent: false, .. }));
    let unconfigured = sync(3, &[], 78);
    assert!(matches!(unconfigured.presence(NOW), Presence::Gone { is_urgent: false, .. }));
    assert!(matches!(sync(30, &[], 130).presence(NOW), Presence::Gone { is_urgent: true, .. }));
}
