//! Pacing of the requests to one target: how many at once, how many a second, and the pauses that the
//! target asks for.
//!
//! Nothing is sent without a [`Permit`], and a permit is a slot and a rate token in one. Waiting is
//! left to the caller and its clock: governor is only asked, never waited on, because its own timer
//! ignores paused time.
//!
//! The spacing is made for a target that counts strictly: two permits are never closer than the
//! allowed rate says, and there is no burst after a quiet time. A target that asks us to slow down
//! gets half the rate, and full speed again only step by step.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::core::model::Timestamp;

/// The share of the allowed rate that is used. The rest absorbs small differences in travel time, so
/// that a target with a bucket of one does not see two requests too close to each other.
const SHARE: f64 = 0.98;
/// Timers tick in milliseconds, so that a permit is up to this late without anybody's doing. It is made
/// up for by the share that is left, never by two requests closer than the allowed spacing.
const TICK: Duration = Duration::from_millis(1);
/// governor counts cells; a request is this many, so that tolerances are finer than a request.
const CELLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// No pause is longer, whatever the target says: an absurd `Retry-After` must not silence a target
/// for days. The caller is told the whole value.
pub const PAUSE_MAX: Duration = Duration::from_secs(600);
/// The pause after a 429 that names no time, at full rate; longer as the rate goes down.
const PAUSE_UNNAMED: Duration = Duration::from_secs(1);
/// Speed is counted in sixteenths of the allowed rate; one sixteenth is the lowest.
const FULL_SPEED: u32 = 16;
/// So many good answers in a row give back one sixteenth.
const GOOD_ANSWERS_PER_STEP: u32 = 20;

/// Paces one target. Clones pace together.
#[derive(Clone)]
pub struct Pacer(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    requests_per_second: f64,
    concurrency: usize,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    lane: Lane,
    speed: u32,
    in_flight: usize,
    not_before: Duration,
    last: Option<Duration>,
    /// How late permits were asked for, as far as that is made up for.
    late: Duration,
    slowed: Option<Duration>,
    /// The speed before it was halved last.
    before: Option<u32>,
    good_answers: u32,
    /// Whether the last request got no answer or a 5xx: one slot is kept for leavers.
    fails: bool,
    /// Whether a leaver waits for a permit: nothing else gets one before.
    leaver_waits: bool,
    /// Whether somebody wants nothing to be written for now.
    is_paused: bool,
}

/// Why there is no permit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Ask again after this span.
    For(Duration),
    /// Ask again when a permit has been given back: all slots are taken.
    Busy,
}

/// The right to send one request. The slot is free again when this is dropped.
pub struct Permit {
    shared: Arc<Shared>,
    issued: Duration,
    receipt: Receipt,
    /// Whether it is for an order, which a pause does not hold up.
    is_order: bool,
    /// When the word ends on which it writes.
    until: Option<Timestamp>,
}

/// What the target calls the request that it answered last under a permit, where it says so: its own
/// support finds the request by that.
#[derive(Debug, Clone, Default)]
pub struct Receipt(Arc<Mutex<Option<Arc<str>>>>);

impl Receipt {
    /// The id of the request.
    pub fn id(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Pacer {
    /// At most `requests_per_second`, and at most `concurrency` at once.
    pub fn new(requests_per_second: f64, concurrency: usize, clock: Arc<dyn Clock>) -> Self {
        let requests_per_second = requests_per_second.clamp(0.001, 100_000.0);
        let lane = Lane::new(requests_per_second, &clock);
        Self(Arc::new(Shared {
            clock,
            requests_per_second,
            concurrency: concurrency.max(1),
            state: Mutex::new(State {
                lane,
                speed: FULL_SPEED,
                in_flight: 0,
                not_before: Duration::ZERO,
                last: None,
                late: Duration::ZERO,
                slowed: None,
                before: None,
                good_answers: 0,
                fails: false,
                leaver_waits: false,
                is_paused: false,
            }),
            freed: Notify::new(),
        }))
    }

    /// A permit, if one is to be had now. A target that fails holds slots for as long as a request may
    /// last, so one is left for leavers then.
    pub fn try_permit(&self) -> Result<Permit, Wait> {
        let mut state = self.0.lock();
        let kept = usize::from(state.fails && self.0.concurrency > 1);
        if state.leaver_waits || state.in_flight >= self.0.concurrency - kept {
            return Err(Wait::Busy);
        }
        self.0.issue(&mut state)
    }

    /// As [`Pacer::try_permit`], for a leaver: any slot that is free. Where none is to be had, nothing
    /// else gets one before, until [`Pacer::no_leaver_waits`].
    pub fn try_leaver_permit(&self) -> Result<Permit, Wait> {
        let mut state = self.0.lock();
        let permit = if state.in_flight >= self.0.concurrency {
            Err(Wait::Busy)
        } else {
            self.0.issue(&mut state)
        };
        state.leaver_waits = permit.is_err();
        permit
    }

    /// No leaver waits for a permit any more.
    pub fn no_leaver_waits(&self) {
        let mut state = self.0.lock();
        if std::mem::take(&mut state.leaver_waits) {
            drop(state);
            self.0.freed.notify_waiters();
        }
    }

    /// A permit, as soon as one is to be had.
    pub async fn permit(&self) -> Permit {
        loop {
            match self.try_permit() {
                Ok(permit) => return permit,
                Err(Wait::For(span)) => self.0.clock.sleep(span).await,
                Err(Wait::Busy) => self.0.freed.notified().await,
            }
        }
    }

    /// Whether nothing may be written from now on, but for orders. Reads go on.
    pub fn pause_writes(&self, is_paused: bool) {
        self.0.lock().is_paused = is_paused;
    }

    /// No permit for `span` from now, at most [`PAUSE_MAX`]; a longer pause that is running goes on.
    pub fn pause_for(&self, span: Duration) {
        self.0.pause_for(span);
    }

    /// The last complaint was about one resource alone, while others were answered: the rate was not too
    /// high.
    pub fn pardon(&self) {
        let mut state = self.0.lock();
        if let Some(before) = state.before.take() {
            self.0.set_speed(&mut state, before);
        }
    }

    /// The time, as the clock's `elapsed`, at which the running pause ends; `None` without a pause.
    pub fn waits_until(&self) -> Option<Duration> {
        Some(self.0.lock().not_before).filter(|end| *end > self.0.clock.elapsed())
    }

    /// The rate now, in requests a second: the allowed one, or less since the target complained.
    pub fn rate(&self) -> f64 {
        self.0.rate(self.0.lock().speed)
    }
}

impl Permit {
    /// Where it will stand what the target calls the request.
    pub fn receipt(&self) -> Receipt {
        self.receipt.clone()
    }

    /// The same for an order.
    #[must_use]
    pub fn for_order(mut self) -> Self {
        self.is_order = true;
        self
    }

    /// The same for what somebody approved until then.
    #[must_use]
    pub fn good_until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }

    /// Whether a write may be sent at this moment. A change of several requests asks before each of them.
    pub(super) fn may_write(&self) -> bool {
        let is_over = self.until.is_some_and(|until| until <= self.shared.clock.now());
        !is_over && (self.is_order || !self.shared.lock().is_paused)
    }

    pub(super) fn receives(&self, id: Option<&str>) {
        let mut known = self.receipt.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = id.map(Into::into);
    }

    /// The right to one more request in the same slot, as soon as the rate allows. Keeping the slot
    /// means that a change of two requests cannot wait for itself.
    pub async fn again(mut self) -> Self {
        loop {
            let now = self.shared.clock.elapsed();
            let token = self.shared.lock().token(now);
            match token {
                Ok(issued) => {
                    self.issued = issued;
                    return self;
                }
                Err(span) => self.shared.clock.sleep(span).await,
            }
        }
    }

    /// The target answered 429: pauses, and halves the rate. Requests that were on their way when the
    /// rate was halved do not halve it again.
    pub(super) fn throttled(&self, after: Option<Duration>) {
        let now = self.shared.clock.elapsed();
        let mut state = self.shared.lock();
        state.good_answers = 0;
        if state.slowed.is_none_or(|slowed| self.issued > slowed) {
            state.slowed = Some(now);
            state.before = Some(state.speed);
            let slower = (state.speed / 2).max(1);
            self.shared.set_speed(&mut state, slower);
        }
        let unnamed = PAUSE_UNNAMED * (FULL_SPEED / state.speed);
        drop(state);
        self.shared.pause_for(after.unwrap_or(unnamed));
    }

    /// The target asked for a pause without complaining about the rate: 503 with `Retry-After`.
    pub(super) fn paused(&self, after: Duration) {
        self.shared.pause_for(after);
    }

    /// No answer came, or a 5xx: one slot is kept for leavers until the target answers again.
    pub(super) fn failed(&self) {
        self.shared.lock().fails = true;
    }

    /// The target answered well; after enough of that some of the rate comes back.
    pub(super) fn answered(&self) {
        let mut state = self.shared.lock();
        state.fails = false;
        if state.speed == FULL_SPEED {
            return;
        }
        state.good_answers += 1;
        if state.good_answers >= GOOD_ANSWERS_PER_STEP {
            state.good_answers = 0;
            let faster = state.speed + 1;
            self.shared.set_speed(&mut state, faster);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.lock().in_flight -= 1;
        self.shared.freed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(self: &Arc<Self>, state: &mut State) -> Result<Permit, Wait> {
        let issued = state.token(self.clock.elapsed()).map_err(Wait::For)?;
        state.in_flight += 1;
        let (shared, receipt) = (Arc::clone(self), Receipt::default());
        Ok(Permit { shared, issued, receipt, is_order: false, until: None })
    }

    fn rate(&self, speed: u32) -> f64 {
        self.requests_per_second * f64::from(speed) / f64::from(FULL_SPEED)
    }

    fn pause_for(&self, span: Duration) {
        let end = self.clock.elapsed() + span.min(PAUSE_MAX);
        let mut state = self.lock();
        state.not_before = state.not_before.max(end);
    }

    /// A quota of governor cannot change, so the lane is built anew. It would let its first request
    /// go at once, but the spacing to the last request of the old one is kept all the same.
    fn set_speed(&self, state: &mut State, speed: u32) {
        state.speed = speed;
        state.late = Duration::ZERO;
        state.lane = Lane::new(self.rate(speed), &self.clock);
    }
}

impl State {
    /// How long after the last request the next may go: what was late is made up for. Half the allowed
    /// spacing at the least, so that a target which counts two at once never sees a third; and never
    /// less than the allowed one where it was no more than the timer's tick.
    fn spacing(&self) -> Duration {
        let lane = &self.lane;
        if lane.spacing_min.is_zero() {
            return Duration::ZERO;
        }
        let closest = if self.late > TICK { lane.spacing_min / 2 } else { lane.spacing_min };
        lane.interval.saturating_sub(self.late).max(closest)
    }

    fn token(&mut self, now: Duration) -> Result<Duration, Duration> {
        let lane = &self.lane;
        let spaced = self.last.map_or(Duration::ZERO, |last| last + self.spacing());
        let open = self.not_before.max(spaced);
        let wait = open.saturating_sub(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        lane.check(now)?;
        if let Some(last) = self.last {
            let span = now.saturating_sub(last);
            let (early, overdue) =
                (lane.interval.saturating_sub(span), span.saturating_sub(lane.interval));
            // The loop was busy with a commit when the permit was due. An idle pacer is not late.
            let is_idle = overdue > lane.interval;
            let overdue = if is_idle { Duration::ZERO } else { self.late + overdue };
            self.late = overdue.saturating_sub(early).min(lane.interval);
        }
        self.last = Some(now);
        Ok(now)
    }
}

/// One rate, kept by governor.
struct Lane {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    /// Nominal time between two requests.
    interval: Duration,
    /// Two requests are never closer.
    spacing_min: Duration,
}

impl Lane {
    fn new(requests_per_second: f64, clock: &Arc<dyn Clock>) -> Self {
        let allowed = Duration::from_secs_f64(requests_per_second.recip());
        let cell = allowed.div_f64(SHARE * f64::from(CELLS.get())).max(Duration::from_nanos(1));
        // As much as is made up for: one request.
        let late_cells = TICK.as_nanos().div_ceil(cell.as_nanos()).max(u128::from(CELLS.get()));
        let late_cells = u32::try_from(late_cells).unwrap_or(u32::MAX);
        let quota = Quota::with_period(cell)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(CELLS.saturating_add(late_cells));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, Ticks(Arc::clone(clock))),
            interval: cell * CELLS.get(),
            spacing_min: spacing_min(allowed),
        }
    }

    /// Takes a token, or says how long until the next is due.
    fn check(&self, now: Duration) -> Result<(), Duration> {
        match self.limiter.check_n(CELLS) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(now)),
            // The quota holds more cells than one request takes, so this does not come about.
            Err(_) => Err(self.interval),
        }
    }
}

/// The allowed spacing to the nanosecond; to the millisecond below where waiting for the next timer
/// tick would cost more of the rate than the share that we leave anyway.
fn spacing_min(allowed: Duration) -> Duration {
    let ms = |whole: u128| Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX));
    let next_tick = ms(allowed.as_nanos().div_ceil(1_000_000));
    if next_tick.mul_f64(SHARE) <= allowed { allowed } else { ms(allowed.as_millis()) }
}

/// Our clock as governor's.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
