//! Pacing against a strict target, on a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use super::bench::HandClock;
use crate::clock::Clock;
use crate::scim::pace::{PAUSE_MAX, Pacer, Wait};

fn pacer(requests_per_second: f64, concurrency: usize) -> (Arc<HandClock>, Pacer) {
    let clock = Arc::new(HandClock::default());
    (clock.clone(), Pacer::new(requests_per_second, concurrency, clock))
}

/// A token bucket that fills with `rate` and holds `size` requests, as a target counts.
struct Bucket {
    rate: f64,
    size: f64,
    level: f64,
    last: Duration,
    refused: usize,
}

impl Bucket {
    fn arrive(&mut self, now: Duration) {
        self.level += now.saturating_sub(self.last).as_secs_f64() * self.rate;
        self.level = self.level.min(self.size);
        self.last = self.last.max(now);
        // Sums of floating point numbers are off by less than this.
        if self.level + 1e-6 < 1.0 {
            self.refused += 1;
        } else {
            self.level -= 1.0;
        }
    }
}

/// Sends 2,000 requests as fast as permits come, each travelling up to `jitter`; returns the share of
/// the rate that was used and how many a bucket of `size` refused.
async fn drive(requests_per_second: f64, size: f64, jitter: Duration) -> (f64, usize) {
    const REQUESTS: u32 = 2_000;
    let (clock, pacer) = pacer(requests_per_second, 4);
    let mut rng = fastrand::Rng::with_seed(7);
    let last = Duration::ZERO;
    let mut bucket = Bucket { rate: requests_per_second, size, level: size, last, refused: 0 };
    for _ in 0..REQUESTS {
        drop(pacer.permit().await);
        let travel = Duration::from_micros(rng.u64(0..=u64::try_from(jitter.as_micros()).unwrap()));
        bucket.arrive(clock.elapsed() + Duration::from_millis(5) + travel);
    }
    let took = clock.elapsed().as_secs_f64();
    (f64::from(REQUESTS - 1) / took / requests_per_second, bucket.refused)
}

#[tokio::test]
async fn allowed_rate_is_used_and_a_bucket_of_one_never_overflows() {
    for rate in [0.5, 1.0, 3.0, 7.0, 10.0, 15.0, 25.0, 30.0, 40.0, 50.0, 100.0] {
        let (share, refused) = drive(rate, 1.0, Duration::ZERO).await;
        assert!((0.97..=1.0).contains(&share), "{share} of {rate}");
        assert_eq!(refused, 0, "at {rate}");
    }
}

#[tokio::test]
async fn small_differences_in_travel_time_are_absorbed() {
    // One hundredth of the spacing for a bucket of one; a whole spacing for a bucket of two.
    for (rate, size, jitter_ms) in
        [(10.0, 1.0, 1), (1.0, 1.0, 10), (10.0, 2.0, 99), (50.0, 2.0, 19)]
    {
        let (share, refused) = drive(rate, size, Duration::from_millis(jitter_ms)).await;
        assert!((0.97..=1.0).contains(&share), "{share} of {rate}");
        assert_eq!(refused, 0, "at {rate} with {jitter_ms} ms");
    }
}

#[tokio::test]
async fn very_fast_targets_are_not_held_back_by_the_timer() {
    let (share, _) = drive(5_000.0, 20.0, Duration::ZERO).await;
    assert!(share > 0.9, "{share}");
}

#[test]
fn quiet_time_gives_no_burst() {
    let (clock, pacer) = pacer(10.0, 4);
    drop(pacer.try_permit());
    clock.advance(Duration::from_secs(3600));
    assert!(pacer.try_permit().is_ok());
    let Err(Wait::For(wait)) = pacer.try_permit() else { unreachable!("a second one at once") };
    assert!(wait >= Duration::from_millis(100), "{wait:?}");
}

#[test]
fn asking_early_does_not_narrow_the_spacing() {
    let (clock, pacer) = pacer(25.0, 4);
    drop(pacer.try_permit().map_err(drop).unwrap());
    for _ in 0..39 {
        clock.advance(Duration::from_millis(1));
        assert!(matches!(pacer.try_permit(), Err(Wait::For(_))));
    }
}

#[test]
fn slots_are_bounded_and_come_back() {
    let (clock, pacer) = pacer(1000.0, 2);
    let first = pacer.try_permit();
    clock.advance(Duration::from_secs(1));
    let second = pacer.try_permit();
    clock.advance(Duration::from_secs(1));
    assert_eq!(pacer.try_permit().map(drop), Err(Wait::Busy));
    drop(first);
    assert!(pacer.try_permit().is_ok());
    drop(second);
}

#[test]
fn a_target_that_fails_leaves_one_slot_to_leavers() {
    let (clock, pacer) = pacer(1000.0, 2);
    let failed = pacer.try_permit().map_err(drop).unwrap();
    failed.failed();
    drop(failed);
    clock.advance(Duration::from_secs(1));
    let slow = pacer.try_permit();
    clock.advance(Duration::from_secs(1));
    assert_eq!(pacer.try_permit().map(drop), Err(Wait::Busy), "the other slot is kept");
    let leaver = pacer.try_leaver_permit().map_err(drop).unwrap();
    leaver.answered();
    drop(leaver);
    clock.advance(Duration::from_secs(1));
    assert!(pacer.try_permit().is_ok(), "it answers again");
    drop(slow);
}

#[test]
fn a_leaver_who_waits_is_the_next() {
    let (clock, pacer) = pacer(1000.0, 1);
    let slow = pacer.try_permit();
    clock.advance(Duration::from_secs(1));
    assert_eq!(pacer.try_leaver_permit().map(drop), Err(Wait::Busy), "one slot is all there is");
    drop(slow);
    assert_eq!(pacer.try_permit().map(drop), Err(Wait::Busy), "nothing else comes before");
    drop(pacer.try_leaver_permit().map_err(drop).unwrap());
    clock.advance(Duration::from_secs(1));
    assert!(pacer.try_permit().is_ok());
    assert!(pacer.try_leaver_permit().is_err());
    pacer.no_leaver_waits();
    clock.advance(Duration::from_secs(1));
    assert!(pacer.try_permit().is_ok());
}

#[tokio::test]
async fn change_of_two_requests_needs_one_slot_and_two_tokens() {
    let (clock, pacer) = pacer(10.0, 1);
    let permit = pacer.permit().await.again().await;
    assert!(clock.elapsed() >= Duration::from_millis(100));
    assert_eq!(pacer.try_permit().map(drop), Err(Wait::Busy));
    drop(permit);
    clock.advance(Duration::from_secs(1));
    assert!(pacer.try_permit().is_ok());
}

#[test]
fn longest_pause_wins_and_absurd_ones_are_cut() {
    let (clock, pacer) = pacer(10.0, 1);
    assert_eq!(pacer.waits_until(), None);
    pacer.pause_for(Duration::from_secs(30));
    pacer.pause_for(Duration::from_secs(5));
    assert_eq!(pacer.try_permit().map(drop), Err(Wait::For(Duration::from_secs(30))));
    clock.advance(Duration::from_secs(30));
    assert!(pacer.try_permit().is_ok());
    pacer.pause_for(Duration::from_secs(1_000_000));
    assert_eq!(pacer.waits_until(), Some(Duration::from_secs(30) + PAUSE_MAX));
}

#[tokio::test]
async fn complaints_halve_the_rate_once_a_round_trip_and_it_comes_back_slowly() {
    let (clock, pacer) = pacer(16.0, 8);
    let together = [pacer.permit().await, pacer.permit().await, pacer.permit().await];
    clock.advance(Duration::from_millis(10));
    for permit in together {
        permit.throttled(None);
    }
    assert!((pacer.rate() - 8.0).abs() < 1e-9, "one halving for requests that left together");
    for _ in 0..10 {
        pacer.permit().await.throttled(None);
        clock.advance(Duration::from_millis(1));
    }
    assert!((pacer.rate() - 1.0).abs() < 1e-9, "not below a sixteenth");
    for answers in 0..(15 * 20) {
        assert!(pacer.rate() < 16.0, "after {answers}");
        pacer.permit().await.answered();
    }
    assert!((pacer.rate() - 16.0).abs() < 1e-9);
}

#[tokio::test]
async fn change_of_rate_gives_no_request_away() {
    let (clock, pacer) = pacer(10.0, 1);
    pacer.permit().await.throttled(Some(Duration::ZERO));
    let next = clock.elapsed() + Duration::from_millis(200);
    drop(pacer.permit().await);
    assert!(clock.elapsed() >= next, "spaced for half the rate");
}

/// The loop is busy with a commit whenever a permit is due.
#[tokio::test]
async fn what_commits_cost_is_made_up_for_and_a_bucket_of_two_never_overflows() {
    for rate in [20.0, 80.0] {
        let (clock, pacer) = pacer(rate, 32);
        let mut rng = fastrand::Rng::with_seed(3);
        let last = Duration::ZERO;
        let mut bucket = Bucket { rate, size: 2.0, level: 2.0, last, refused: 0 };
        for _ in 0..2_000 {
            while let Err(wait) = pacer.try_permit().map(drop) {
                let Wait::For(span) = wait else { unreachable!("every slot is free") };
                clock.advance(span + Duration::from_millis(rng.u64(0..=8)));
            }
            bucket.arrive(clock.elapsed());
        }
        let share = 2_000.0 / clock.elapsed().as_secs_f64() / rate;
        assert!((0.97..=1.0).contains(&share), "{share} of {rate}");
        assert_eq!(bucket.refused, 0, "at {rate}");
    }
}
