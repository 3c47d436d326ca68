//! What a snapshot amounts to, by table.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::time::Duration;

use super::*;
use crate::core::model::ObjectId;

fn trouble(cause: Cause, since: i64) -> Trouble {
    Trouble { since: Timestamp(since), cause, kind: None, message: "refused for kari".to_owned() }
}

fn own(kind: Own, since: i64) -> OwnTrouble {
    OwnTrouble { kind, since: Timestamp(since), message: "told by kari".to_owned() }
}

fn calm_verdict() -> (State, i64, About) {
    (State::Idle, 500, About::Whole)
}

fn hold(count: u64, since: i64, rejected: u64) -> Held {
    Held {
        id: "45f0b4f37434".to_owned(),
        guard: "budget.deactivate",
        count,
        since: Timestamp(since),
        rejected,
    }
}

/// One tenant and one platform at rest since 500.
fn calm() -> Snapshot {
    let source = SourceStand {
        last_complete: [Some(Timestamp(300)), Some(Timestamp(200))],
        ..SourceStand::default()
    };
    let target = TargetStand { last_success: Some(Timestamp(900)), ..TargetStand::default() };
    Snapshot {
        started: Timestamp(100),
        changed: Timestamp(500),
        sources: [("asker".to_owned(), source)].into(),
        targets: [("platform".to_owned(), target)].into(),
        ..Snapshot::default()
    }
}

fn check(
    change: impl FnOnce(&mut Snapshot, &mut SourceStand, &mut TargetStand),
    expected: (State, i64, About),
) {
    let mut snapshot = calm();
    let (_, mut source) = snapshot.sources.pop_first().unwrap();
    let (_, mut target) = snapshot.targets.pop_first().unwrap();
    change(&mut snapshot, &mut source, &mut target);
    snapshot.sources.insert("asker".to_owned(), source);
    snapshot.targets.insert("platform".to_owned(), target);
    let Verdict { state, since, about } = verdict(&snapshot);
    let (state_expected, since_expected, about_expected) = expected;
    assert_eq!((state, since.0), (state_expected, since_expected));
    assert_eq!(about, about_expected);
}

#[test]
fn the_verdict_is_that_of_the_part_that_stops_most() {
    let asker = || About::Source("asker".to_owned());
    let platform = || About::Target("platform".to_owned());
    check(|_, _, _| {}, (State::Idle, 500, About::Whole));
    check(|_, s, _| s.last_complete[1] = None, (State::NeverRun, 100, About::Whole));
    check(|_, _, t| t.last_success = None, (State::NeverRun, 100, About::Whole));
    check(
        |_, s, _| (s.last_complete, s.reading) = ([None, None], 7),
        (State::Running, 500, About::Whole),
    );
    check(
        |_, _, t| {
            (t.holds, t.pending) =
                (vec![hold(3, 400, 0), hold(4, 350, 0)], [(Action::Create, 1)].into());
        },
        (State::Held, 350, About::Holds(7)),
    );
    check(|_, _, t| t.holds = vec![hold(0, 400, 3)], (State::Idle, 500, About::Whole));
    check(
        |_, _, t| (t.stuck, t.stuck_since) = (2, Some(Timestamp(250))),
        (State::Degraded, 250, About::Stuck(2)),
    );
    check(
        |_, _, t| {
            (t.stuck, t.stuck_since, t.holds) = (2, Some(Timestamp(450)), vec![hold(1, 400, 0)]);
        },
        (State::Degraded, 450, About::Stuck(2)),
    );
    check(
        |_, s, t| {
            (s.troubles, t.holds) = (vec![trouble(Cause::Unavailable, 600)], vec![hold(1, 400, 0)]);
        },
        (State::Degraded, 600, asker()),
    );
    check(
        |_, _, t| t.troubles = vec![trouble(Cause::Throttled, 600)],
        (State::Degraded, 600, platform()),
    );
    check(
        |_, s, t| {
            (s.troubles, t.troubles) =
                (vec![trouble(Cause::Unavailable, 50)], vec![trouble(Cause::Refused, 600)]);
        },
        (State::Quarantined, 600, platform()),
    );
    check(
        |_, _, t| t.troubles = vec![trouble(Cause::NoSeats, 600)],
        (State::Degraded, 600, About::Seats("platform".to_owned())),
    );
    check(
        |whole, _, _| whole.troubles = vec![own(Own::Clock, 450)],
        (State::Degraded, 450, About::Own(Own::Clock)),
    );
    check(|whole, _, _| whole.troubles = vec![own(Own::DiskLow, 450)], calm_verdict());
    check(|whole, _, _| whole.troubles = vec![own(Own::Rival, 450)], calm_verdict());
    check(
        |whole, s, _| {
            (whole.paused, s.troubles) = (Some(Timestamp(700)), vec![trouble(Cause::Refused, 600)]);
            whole.troubles = vec![own(Own::DiskFull, 450)];
        },
        (State::Degraded, 450, About::Own(Own::DiskFull)),
    );
    check(
        |whole, s, _| {
            (whole.paused, s.troubles) = (Some(Timestamp(700)), vec![trouble(Cause::Refused, 600)]);
        },
        (State::Paused, 700, About::Whole),
    );
}

#[test]
fn running_is_said_only_while_something_is_being_done() {
    let waits = |t: &mut TargetStand| t.pending = [(Action::Create, 3)].into();
    check(|_, _, t| waits(t), calm_verdict());
    check(
        |_, _, t| {
            waits(t);
            t.is_busy = true;
        },
        (State::Running, 500, About::Whole),
    );
    check(|_, _, t| (t.last_success, t.accounts) = (None, 75), (State::Running, 500, About::Whole));
}

#[test]
fn where_nothing_runs_nothing_else_comes_first_and_nothing_is_under_way() {
    let gone = Presence::Gone { since: Timestamp(650), is_urgent: true };
    check(
        |whole, s, t| {
            whole.presence = gone;
            whole.paused = Some(Timestamp(700));
            s.troubles = vec![trouble(Cause::Refused, 600)];
            (t.is_busy, t.pending) = (true, [(Action::Create, 3)].into());
        },
        (State::NotRunning, 650, About::Whole),
    );
    check(|whole, _, _| whole.presence = Presence::Between, calm_verdict());
    check(
        |whole, s, _| {
            whole.presence = Presence::Between;
            s.reading = 7;
        },
        (State::NotRunning, 500, About::Whole),
    );
}

#[test]
fn before_the_first_turn_nothing_has_run() {
    assert_eq!(verdict(&Snapshot::default()).state, State::NeverRun);
}

#[test]
fn the_last_proof_is_as_old_as_its_oldest_part() {
    let mut snapshot = calm();
    assert_eq!(snapshot.proven(), Some(Timestamp(200)));
    snapshot.sources.insert("royken".to_owned(), SourceStand::default());
    assert_eq!(snapshot.proven(), None, "one tenant was never read whole");
}

#[test]
fn what_everybody_may_see_has_no_words_of_errors_and_no_ids() {
    let mut snapshot = calm();
    snapshot.troubles = vec![own(Own::Configuration, 1)];
    for source in snapshot.sources.values_mut() {
        source.troubles = vec![trouble(Cause::Refused, 1)];
    }
    for target in snapshot.targets.values_mut() {
        target.troubles = vec![trouble(Cause::Refused, 1)];
        target.holds = vec![hold(1, 1, 0)];
    }
    let bare = format!("{:?}", snapshot.for_everybody());
    assert!(!bare.contains("kari") && !bare.contains("45f0"), "{bare}");
    assert_eq!(verdict(&snapshot.for_everybody()), verdict(&snapshot));
}

#[test]
fn a_histogram_counts_each_span_up_to_its_limits() {
    let mut histogram = Histogram::default();
    for ms in [5, 700, 700, 10_000_000] {
        histogram.record(Duration::from_millis(ms));
    }
    let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3]);
    assert_eq!((histogram.count(), histogram.sum()), (4, Duration::from_millis(10_001_405)));
}

#[test]
fn a_gap_degrades_its_tenant_and_is_told_without_names() {
    let id = ObjectId::parse("03467a8c-1d1f-4f5e-9b3c-2f8a90d1c777").unwrap();
    let mut gap = Gap::none(Timestamp(350));
    assert_eq!(gap.clone().found(), None);
    gap.add(Some(id));
    gap.add(None);
    let found = gap.clone().found();
    let asker = || About::Gap("asker".to_owned());
    check(|_, s, _| s.gaps = [found.clone(), None], (State::Degraded, 350, asker()));
    // What stops more comes first.
    check(
        |_, s, _| {
            (s.gaps, s.troubles) = ([None, found.clone()], vec![trouble(Cause::Refused, 600)]);
        },
        (State::Quarantined, 600, About::Source("asker".to_owned())),
    );
    let words = gap.words(Kind::Users);
    assert!(words.starts_with("2 of the users") && words.contains(&id.to_string()), "{words}");
    let mut snapshot = calm();
    snapshot.sources.values_mut().for_each(|source| source.gaps = [found.clone(), None]);
    let bare = snapshot.for_everybody();
    assert!(!format!("{bare:?}").contains("03467a8c"));
    assert_eq!(verdict(&bare), verdict(&snapshot));
}

#[test]
fn silence_is_that_of_each_kind_by_itself() {
    let at = |seconds: i64| Some(Timestamp(seconds * 1_000));
    let of = |asked, last_round, reading, now: i64| {
        let mut snapshot = calm();
        snapshot.poll_interval = Duration::from_secs(60);
        let source = snapshot.sources.values_mut().next().unwrap();
        (source.asked, source.last_round, source.reading) = (asked, last_round, reading);
        snapshot.listen(Timestamp(now * 1_000));
        snapshot.sources["asker"].silent
    };
    assert_eq!(of(at(0), [at(500), at(700)], 0, 680), [None, None]);
    assert_eq!(of(at(0), [at(500), at(700)], 0, 700), [at(500), None]);
    assert_eq!(of(at(0), [at(500), at(500)], 9, 700), [at(500), at(500)]);
    // What was heard before it began to ask again is no reproach, nor is a long first read.
    assert_eq!(of(at(600), [at(100), None], 0, 700), [None, None]);
    assert_eq!(of(at(100), [None, None], 0, 700), [at(100), at(100)]);
    assert_eq!(of(at(100), [None, None], 9, 700), [None, None]);
    assert_eq!(of(None, [None, None], 0, 700), [None, None], "nobody asks");
}
