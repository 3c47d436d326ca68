//! What a monitor is told, by table.

use super::*;
use crate::core::plan::Action;
use crate::core::report;

const NOW: Timestamp = Timestamp(1_772_431_200_000);

fn ends(change: impl FnOnce(&mut Snapshot, &mut TargetStand)) -> (u8, String) {
    let before = Timestamp(NOW.0 - 30_000);
    let mut target =
        TargetStand { last_success: Some(before), active: 7, ..TargetStand::default() };
    let source = SourceStand { last_complete: [Some(before); 2], ..SourceStand::default() };
    let mut snapshot = Snapshot {
        at: before,
        poll_interval: Duration::from_secs(60),
        sources: [("asker".to_owned(), source)].into(),
        ..Snapshot::default()
    };
    change(&mut snapshot, &mut target);
    snapshot.targets.insert("platform".to_owned(), target);
    let (line, end) = check(&snapshot, None, NOW);
    (end.code(), line)
}

fn trouble(code: u8) -> report::Trouble {
    let cause = report::Cause::of_code(code);
    report::Trouble { since: NOW, cause, kind: None, message: "kari.nordmann".to_owned() }
}

#[test]
fn a_check_ends_as_monitors_expect() {
    let hold = || Held {
        id: "45f0b4f37434".to_owned(),
        guard: "budget.deactivate",
        count: 143,
        since: NOW,
        rejected: 0,
    };
    let old = Timestamp(NOW.0 - 3_600_000);
    assert_eq!(ends(|_, _| {}).0, 0);
    assert_eq!(ends(|_, target| target.holds = vec![hold()]).0, 1);
    assert_eq!(ends(|_, target| target.stuck = 1).0, 1);
    assert_eq!(ends(|whole, _| whole.paused = Some(NOW)).0, 1);
    assert_eq!(ends(|_, target| target.troubles = vec![trouble(69)]).0, 1);
    assert_eq!(ends(|_, target| target.troubles = vec![trouble(12)]).0, 2);
    assert_eq!(ends(|whole, _| whole.at = old).0, 2, "nobody writes reports any more");
    assert_eq!(ends(|_, target| target.last_success = Some(old)).0, 2);
    let importing = ends(|_, target| {
        (target.last_success, target.pending) = (None, [(Action::Create, 5_000)].into());
        target.is_busy = true;
    });
    assert_eq!(importing.0, 0, "a first import takes its time");
}

#[test]
fn a_check_knows_a_dead_service_from_a_timer_that_has_not_come_yet() {
    let old = Timestamp(NOW.0 - 7_200_000);
    let of = |presence| {
        ends(move |whole, target| {
            (whole.at, whole.presence, target.last_success) = (old, presence, Some(old));
        })
    };
    let (code, line) = of(Presence::Gone { since: old, is_urgent: true });
    assert_eq!(code, 2);
    assert!(
        line.starts_with("MANNTALL CRITICAL - not_running since 2026-03-02 04:00:00 +00:00; see")
    );
    assert_eq!(of(Presence::Gone { since: old, is_urgent: false }).0, 1, "a sync was broken off");
    assert_eq!(of(Presence::Between).0, 0, "a sync that ended well two hours ago");
    assert_eq!(of(Presence::Here).0, 2, "nothing has come through for three polls");
}

#[test]
fn who_should_be_out_for_three_polls_and_is_not_confirmed_out_is_a_warning() {
    let of = |minutes: i64| {
        ends(|whole, target| {
            target.is_busy = true;
            let since = Timestamp(whole.at.0 - minutes * 60_000);
            target.leaving = Some(LeavingStand { count: 2, since });
        })
    };
    assert_eq!(of(1).0, 0, "a leaver is on the way out");
    let (code, line) = of(30);
    assert_eq!(code, 1);
    assert!(line.contains("should be out and not confirmed out since 2026-"), "{line}");
    let idle = ends(|whole, target| {
        target.leaving = Some(LeavingStand { count: 2, since: whole.at });
    });
    assert_eq!(idle.0, 1, "nothing is being done about it");
}

#[test]
fn the_line_has_figures_and_names_nobody() {
    let (_, line) = ends(|_, target| target.troubles = vec![trouble(12)]);
    assert_eq!(
        line,
        "MANNTALL CRITICAL - quarantined since 2026-03-02 06:00:00 +00:00; see: manntall status | \
         'platform active'=7 'platform pending'=0 'platform held'=0 'platform stuck'=0 \
         'platform leaving'=0\n"
    );
}

#[test]
fn a_check_is_critical_once_one_lane_is_silent() {
    let of = |users: i64, groups: i64| {
        ends(|whole, _| {
            for source in whole.sources.values_mut() {
                source.last_round =
                    [users, groups].map(|seconds: i64| Some(Timestamp(NOW.0 - seconds * 1_000)));
            }
            whole.listen(NOW);
        })
    };
    assert_eq!(of(10, 170).0, 0);
    let (code, line) = of(200, 10);
    assert_eq!(code, 2);
    assert!(line.contains("degraded since 2026-03-02 05:56:40"), "{line}");
    assert!(line.contains("nothing heard of the users of tenant asker since"), "{line}");
    assert!(!line.contains("nothing has come through"), "{line}");
    assert_eq!(of(10, 200).0, 2);
}
