//! Plays some days: services that come and go, what happens while they run, and rest.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::clock::{Clock, TokioClock};
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::cycle::door::{Door, Heritage, Shut, door};
use manntall::cycle::state::State;
use manntall::scim::RecentWrites;
use manntall::scim::dialect::{MemberRemove, UpdateMethod};
use manntall::sim::entra::Quirks;
use manntall::sim::platform::Quirk;
use manntall::sim::world::{GeneratorOptions, World, generate};
use manntall::store::memory::{CrashPoint, MemoryStore, Snapshot};
use manntall::transport::Method;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::faults::{calm, trouble_entra, trouble_platform};
use super::hands::Handiwork;
use super::operator::{Said, say};
use super::script::{Act, Removal, Script, Setup, Timed, Word};
use super::watch::{Known, watch};
use crate::history::{
    Edit, change_of_type, change_rules, configure, is_approved, is_last_one, make_earlier_accounts,
    takes_a_name, tight,
};
use crate::oracle::Rules;
use crate::stage::{Chaos, Meddler, SCIM, Stage};

/// What some days came to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Digest of every request.
    pub(crate) trace: String,
    /// What was met, by name.
    pub(crate) fired: BTreeMap<String, u64>,
    pub(crate) wrong: Vec<String>,
}

/// Some days while they are played.
pub(super) struct Play {
    pub(super) script: Script,
    pub(super) stage: Stage,
    pub(super) known: Arc<Mutex<Known>>,
    wrong: Arc<Mutex<Vec<String>>>,
    fired: BTreeMap<String, u64>,
    /// Since when nothing may be written, and whether somebody has to be deactivated by hand all the same.
    pub(super) pause: Arc<Mutex<PauseInForce>>,
    pub(super) handiwork: Handiwork,
    /// Accounts that stood there before Manntall came.
    pub(super) existing: BTreeSet<String>,
    pub(super) has_restored: bool,
    /// What the store held when the present process began.
    begun_with: Snapshot,
    /// What the present process wrote lately.
    recent: Arc<RecentWrites>,
    next: usize,
    pub(super) verbose: bool,
}

/// What is on its way may take so long.
const UNDER_WAY_MS: i64 = 30_000;

#[derive(Default)]
pub(super) struct PauseInForce {
    since_ms: Option<i64>,
    has_orders: bool,
    /// When orders were lifted: what was on its way by then may be sent still.
    lifted_ms: Option<i64>,
    met_work: bool,
}

impl PauseInForce {
    /// Whatever was paused or ordered before is over.
    pub(super) fn end(&mut self) {
        self.since_ms = None;
        (self.has_orders, self.lifted_ms) = (false, None);
    }
}

/// How a process came to its end.
enum Ending {
    /// Killed, or its store failed.
    Killed,
    /// Stopped by a signal; the next one begins after so long.
    Stopped(Duration),
    /// The same process goes on with another configuration.
    Reloaded,
    /// Nothing more is to happen.
    Over,
}

/// Plays the days from start to rest.
pub(super) async fn play(script: &Script, verbose: bool) -> Outcome {
    let mut play = Play::new(script.clone(), verbose);
    loop {
        play.begun_with = play.stage.store.snapshot();
        let ending = play.one_process().await;
        play.stage.store = play.stage.store.reopen();
        {
            let mut inner = play.stage.lock();
            let has_died = std::mem::take(&mut inner.chaos.ended);
            inner.chaos.end_in = None;
            drop(inner);
            if has_died || matches!(ending, Ending::Killed) {
                play.fire("killed");
            }
        }
        match ending {
            Ending::Over => break,
            Ending::Killed => play.stage.pass(Duration::from_secs(5)).await,
            Ending::Stopped(span) => play.stage.pass(span).await,
            Ending::Reloaded => continue,
        }
        play.recent = Arc::default();
    }
    play.rest().await;
    let inner = play.stage.lock();
    if verbose {
        inner.trace.iter().for_each(|line| println!("{line}"));
    }
    let mut hash = Sha256::new();
    inner.trace.iter().for_each(|line| hash.update(line));
    let mut fired = play.fired;
    *fired.entry("requests".to_owned()).or_default() += inner.trace.len() as u64;
    for (name, times) in &inner.chaos.fired {
        *fired.entry((*name).to_owned()).or_default() += times;
    }
    if play.pause.lock().unwrap().met_work {
        *fired.entry("paused and met work".to_owned()).or_default() += 1;
    }
    let wrong = play.wrong.lock().unwrap().clone();
    Outcome { trace: format!("{:x}", hash.finalize()), fired, wrong }
}

impl Play {
    fn new(script: Script, verbose: bool) -> Self {
        let world = generate(&GeneratorOptions {
            users: script.users,
            groups: script.groups,
            memberships: script.memberships,
            seed: script.seed,
            ..GeneratorOptions::default()
        });
        let setup = &script.setup;
        let within = world.groups().values().max_by_key(|group| group.members.len());
        let within = within.filter(|_| setup.within_group).map(|group| group.id.to_string());
        let mut stage = configured(setup, world, script.seed);
        let rules = Rules { within, ..Rules::default() };
        configure(&mut stage.policy, &rules);
        let known = Arc::new(Mutex::new(Known::default()));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let pause = Arc::new(Mutex::new(PauseInForce::default()));
        {
            let mut inner = stage.lock();
            let inner = &mut *inner;
            make_earlier_accounts(inner, script.seed, setup.existing);
            inner.entra.quirks = Quirks { lag: 0, ..Quirks::all(script.quirks) };
            if script.lags {
                inner.entra.quirks.lag = 50;
            }
            inner.chaos.latency_ms = script.latency_ms;
            inner.witness = Some(Box::new(watch(Arc::clone(&known), Arc::clone(&wrong))));
            inner.meddler = Some(watch_pause(&pause, &wrong, &stage.clock));
            let mut known = known.lock().unwrap();
            known.rules = rules;
            known.lags = script.lags;
            known.note(&inner.world, now_ms(&stage.clock));
            known.accept(&inner.platform);
        }
        let existing: BTreeSet<_> =
            stage.lock().platform.users().map(|user| user.id.clone()).collect();
        let begun_with = stage.store.snapshot();
        let mut fired = BTreeMap::new();
        if setup.within_group {
            fired.insert("within a group".to_owned(), 1);
        }
        if setup.never_adopts && !existing.is_empty() {
            fired.insert("never adopts, and met an account".to_owned(), 1);
        }
        Self {
            script,
            stage,
            known,
            wrong,
            fired,
            pause,
            handiwork: Handiwork::default(),
            existing,
            has_restored: false,
            begun_with,
            recent: Arc::default(),
            next: 0,
            verbose,
        }
    }

    pub(super) fn fire(&mut self, what: impl Into<String>) {
        *self.fired.entry(what.into()).or_default() += 1;
    }

    pub(super) fn complain(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// A new engine with a door into it, as after a start.
    pub(super) fn start(&self) -> Option<(Engine, Door)> {
        let mut engine = self.stage.engine().ok()?;
        let (door, visits) = door();
        engine.succeed(Heritage::of(visits));
        Some((engine, door))
    }

    /// One process, from its start to its end, and what happens meanwhile.
    async fn one_process(&mut self) -> Ending {
        let Some((mut engine, door)) = self.start() else { return Ending::Killed };
        let (stop, mut stopped) = watch::channel(false);
        let writer = self.stage.writer_after(Arc::clone(&self.recent));
        let mut drive =
            pin!(engine.drive(Some(&writer), manntall::cycle::Until::Stopped, &mut stopped));
        let ending = loop {
            let Some(Timed { after_s, dice, act }) = self.script.acts.get(self.next).cloned()
            else {
                return Ending::Over;
            };
            tokio::select! {
                biased;
                _ = &mut drive => return Ending::Killed,
                () = self.stage.pass(Duration::from_secs(after_s)) => {}
            }
            if self.stage.lock().chaos.ended {
                return Ending::Killed;
            }
            self.next += 1;
            if self.verbose {
                println!("-- {} {act:?}", self.stage.clock.now());
            }
            let mut rng = fastrand::Rng::with_seed(dice);
            let name = act.name();
            match act {
                Act::Kill => {
                    self.fire(name);
                    return Ending::Killed;
                }
                Act::Stop { for_s } => {
                    self.fire(name);
                    break Ending::Stopped(Duration::from_secs(for_s));
                }
                Act::Reload(edit) => {
                    self.fire(name);
                    self.edit(edit.as_ref(), &mut rng);
                    break Ending::Reloaded;
                }
                Act::Restore => {
                    self.fire(name);
                    self.restore();
                    return Ending::Killed;
                }
                Act::Operator(word) => {
                    let said = self.address(&door, word, rng.u64(..));
                    let said = tokio::time::timeout(Duration::from_secs(3_600), said);
                    let answer = tokio::select! {
                        biased;
                        _ = &mut drive => return Ending::Killed,
                        answer = said => answer,
                    };
                    match answer {
                        Ok(Ok(said)) => self.note_word(word, said),
                        Ok(Err(_)) => return Ending::Killed,
                        Err(_) => self.complain(format!("nobody answered {word:?} for an hour")),
                    }
                }
                act => {
                    if self.happen(&act, &mut rng) {
                        self.fire(name);
                    }
                }
            }
        };
        let _ = stop.send(true);
        // As the shell around the engine does: what is in flight may come to its end for so long.
        let _ = tokio::time::timeout(Duration::from_secs(30), &mut drive).await;
        ending
    }

    /// Says something to the running engine.
    fn address(
        &self,
        door: &Door,
        word: Word,
        seed: u64,
    ) -> impl Future<Output = Result<Option<Said>, Shut>> + use<> {
        let mut pause = self.pause.lock().unwrap();
        match word {
            // An order is carried out while everything else is paused.
            Word::Deactivate => pause.has_orders = true,
            // Writing goes on in the turn that takes the word, before the answer.
            Word::Resume => pause.since_ms = None,
            _ => {}
        }
        drop(pause);
        let (known, at, door) = (Arc::clone(&self.known), self.stage.clock.now(), door.clone());
        async move {
            let said = door.visit(move |engine| {
                let mut rng = fastrand::Rng::with_seed(seed);
                say(engine, word, &mut rng, at, &known)
            });
            said.await
        }
    }

    /// The engine has answered, so what was said is durable.
    fn note_word(&mut self, word: Word, said: Option<Said>) {
        let is_something = said.is_some();
        if is_something {
            self.fire(Act::Operator(word).name());
        }
        let at_ms = now_ms(&self.stage.clock);
        let mut known = self.known.lock().unwrap();
        match said {
            Some(Said::Approved(claims)) => {
                known.rejected.retain(|one| !is_approved(one, &claims));
            }
            Some(Said::Rejected(claims)) => known.reject(claims.into_keys(), at_ms),
            Some(Said::Else) | None => {}
        }
        let mut pause = self.pause.lock().unwrap();
        match word {
            Word::Pause => pause.since_ms = Some(self.stage.clock.now().0),
            Word::LiftAll if pause.has_orders => {
                (pause.has_orders, pause.lifted_ms) = (false, Some(self.stage.clock.now().0));
            }
            _ => {}
        }
    }

    /// A backup that was made when the present process began is put back, as by the command: what was said
    /// since is taken over from the state that gives way.
    fn restore(&mut self) {
        let now = self.stage.clock.now();
        let load = |store: &MemoryStore| State::load(Arc::new(store.clone()), now).unwrap();
        self.stage.store = self.stage.store.reopen();
        let words = load(&self.stage.store).words();
        self.stage.store.restore(&self.begun_with);
        let mut state = load(&self.stage.store);
        state.enter_recovery(now, "a backup was restored");
        state.recall(words);
        state.commit().unwrap();
        self.has_restored = true;
    }

    /// What happens outside the process; `false` where nothing could happen.
    fn happen(&mut self, act: &Act, rng: &mut fastrand::Rng) -> bool {
        let at_ms = now_ms(&self.stage.clock);
        let mut inner = self.stage.inner.lock().unwrap();
        let inner = &mut *inner;
        let done = match act {
            Act::Tenant(count) => {
                let mut happened = false;
                for _ in 0..*count {
                    let kind = change_of_type(&inner.world, &inner.platform, rng);
                    let Some(event) = kind.or_else(|| inner.world.random_event(rng)) else { break };
                    let is_for_a_person =
                        is_last_one(&inner.world, &event) || takes_a_name(&inner.platform, &event);
                    if !is_for_a_person && inner.world.apply(event.clone()).is_ok() {
                        happened = true;
                        if self.verbose {
                            println!("   event {event:?}");
                        }
                    }
                }
                happened
            }
            Act::Hand(hand) => {
                let done = self.handiwork.work(inner, *hand, rng, at_ms);
                self.known.lock().unwrap().accept(&inner.platform);
                done
            }
            Act::KillAtRequest(number, end) => {
                inner.chaos.end_in = Some((*number, *end));
                true
            }
            Act::KillAtCommit(number, before) => {
                let when = if *before { CrashPoint::BeforeCommit } else { CrashPoint::AfterCommit };
                self.stage.store.crash_at(*number, when);
                true
            }
            Act::Clock(skew_s) => {
                self.stage.skew_ms.store(skew_s * 1_000, std::sync::atomic::Ordering::Relaxed);
                true
            }
            Act::Way(way) => {
                inner.chaos = Chaos {
                    rng: fastrand::Rng::with_seed(rng.u64(..)),
                    not_sent: way.not_sent,
                    lost_answers: way.lost_answers,
                    errors_before: way.errors_before,
                    errors_after: way.errors_after,
                    throttled: way.throttled,
                    ..std::mem::take(&mut inner.chaos)
                };
                true
            }
            Act::Entra(trouble) => trouble_entra(inner, *trouble),
            Act::Platform(trouble) => trouble_platform(inner, *trouble),
            Act::Calm => calm(inner),
            _ => false,
        };
        self.known.lock().unwrap().note(&inner.world, at_ms);
        done
    }

    fn edit(&mut self, edit: Option<&Edit>, rng: &mut fastrand::Rng) {
        let at_ms = now_ms(&self.stage.clock);
        let mut known = self.known.lock().unwrap();
        let inner = self.stage.inner.lock().unwrap();
        let rules = &mut known.rules;
        if let Some(edit) = edit {
            change_rules(rules, edit, &inner.world, rng);
        }
        configure(&mut self.stage.policy, rules);
        known.note(&inner.world, at_ms);
    }
}

pub(super) fn now_ms(clock: &TokioClock) -> u64 {
    u64::try_from(clock.now().0).unwrap()
}

/// A stage for a service that is configured so.
fn configured(setup: &Setup, world: World, seed: u64) -> Stage {
    let mut stage = match setup.removal {
        Removal::ValueArray => Stage::with_quirks(world, seed, &[Quirk::MemberArrayRemoves]),
        Removal::ValueFilter | Removal::PutMerge => Stage::new(world, seed),
    };
    stage.dialect.group_create_with_members = setup.group_create_with_members;
    stage.dialect.member_batch = setup.member_batch;
    stage.dialect.page_size = setup.page_size;
    stage.dialect.update_method =
        if setup.puts { UpdateMethod::PutMerge } else { UpdateMethod::Patch };
    stage.dialect.member_remove = match setup.removal {
        Removal::ValueFilter => MemberRemove::ValueFilter,
        Removal::ValueArray => MemberRemove::ValueArray,
        Removal::PutMerge => MemberRemove::PutMerge,
    };
    stage.requests_per_second = f64::from(setup.requests_per_second);
    stage.timing.poll_interval = Duration::from_secs(setup.poll_s);
    stage.timing.full_compare = Duration::from_secs(setup.full_compare_s);
    stage.timing.confirm_absence = Duration::from_secs(setup.confirm_absence_s);
    if setup.is_tight {
        stage.policy.budgets = tight();
    }
    if setup.adopts_unasked {
        stage.policy.adopt = Adopt::Automatic;
    }
    if setup.never_adopts {
        stage.policy.adopt = Adopt::Never;
    }
    stage
}

/// Complains of whatever is sent to change something while the service is paused.
fn watch_pause(
    pause: &Arc<Mutex<PauseInForce>>,
    wrong: &Arc<Mutex<Vec<String>>>,
    clock: &Arc<TokioClock>,
) -> Meddler {
    let (pause, wrong, clock) = (Arc::clone(pause), Arc::clone(wrong), Arc::clone(clock));
    Box::new(move |request| {
        let writes = request.method != Method::Get && request.url.as_str().starts_with(SCIM);
        let mut pause = pause.lock().unwrap();
        let is_paused = pause.since_ms.is_some_and(|since| clock.now().0 > since);
        pause.met_work |= is_paused;
        let is_ordered =
            pause.has_orders || pause.lifted_ms.is_some_and(|at| clock.now().0 - at < UNDER_WAY_MS);
        if writes && is_paused && !is_ordered {
            let what = format!("{} {}", request.method.name(), request.url.path());
            wrong.lock().unwrap().push(format!("written while paused: {what}"));
        }
        None
    })
}
