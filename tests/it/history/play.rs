//! Plays a history: processes that come and go, faults in their way, events between them, and rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::Claims;
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::sim::entra::Quirks;
use manntall::sim::platform::Platform;
use manntall::sim::world::{
    Event, GeneratorOptions, Group, MemberKind, State, User, World, generate,
};
use manntall::store::memory::Snapshot;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::operator::{held, is_everyday, say};
use super::rules::{change_rules, configure, tight};
use super::script::{Accident, Edit, EntraFault, Events, PlatformFault, Script, Step};
use super::watch::{Recent, UNREADABLE, watch};
use super::{approve, asked};
use crate::oracle::entitled_ids;
use crate::stage::{Inner, Stage};

/// What a history came to.
pub(crate) struct Outcome {
    /// Digest of every request.
    pub(crate) trace: String,
    /// Faults that were met and guards that acted, by name.
    pub(crate) fired: BTreeMap<String, u64>,
    pub(crate) wrong: Vec<String>,
    /// The history with the events that really happened.
    pub(crate) script: Script,
}

impl Outcome {
    /// What a history comes to that does not come to its end.
    pub(super) fn nothing(script: &Script) -> Self {
        let (trace, fired, wrong) = (String::new(), BTreeMap::new(), Vec::new());
        Self { trace, fired, wrong, script: script.clone() }
    }
}

/// A history while it is played.
pub(super) struct Play {
    pub(super) script: Script,
    pub(super) stage: Stage,
    pub(super) recent: Arc<Mutex<Recent>>,
    pub(super) wrong: Arc<Mutex<Vec<String>>>,
    fired: BTreeMap<String, u64>,
    /// The tenant as it was at the end of each step, where new rules may meet what nobody could read.
    worlds: Vec<World>,
    /// What the store held when the last process began.
    earlier: Option<Snapshot>,
    /// Accounts and groups that are not Manntall's: those that stood there before, and after a backup was
    /// restored those that it knows nothing of.
    pub(super) existing: BTreeSet<String>,
    pub(super) has_restored: bool,
    /// Whether a complete read has once missed somebody.
    pub(super) has_missed: bool,
    /// How the right platform, and the other one, describe themselves.
    descriptions: BTreeMap<bool, String>,
    pub(super) verbose: bool,
}

/// Plays a history from start to rest.
pub(crate) async fn play(script: &Script, verbose: bool) -> Outcome {
    let mut play = Play::new(script.clone(), verbose);
    for at in 0..script.steps.len() {
        play.step(at).await;
    }
    play.rest().await;
    play.count_waits();
    let inner = play.stage.lock();
    let mut hash = Sha256::new();
    inner.trace.iter().for_each(|line| hash.update(line));
    *play.fired.entry("requests".to_owned()).or_default() += inner.trace.len() as u64;
    if verbose {
        inner.trace.iter().for_each(|line| println!("{line}"));
    }
    let mut fired = play.fired;
    for (name, times) in &inner.chaos.fired {
        *fired.entry((*name).to_owned()).or_default() += times;
    }
    let wrong = play.wrong.lock().unwrap().clone();
    Outcome { trace: format!("{:x}", hash.finalize()), fired, wrong, script: play.script }
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
        let mut stage = Stage::new(world, script.seed);
        stage.dialect.group_create_with_members = script.group_create_with_members;
        stage.dialect.member_batch = script.member_batch;
        if script.is_tight {
            stage.policy.budgets = tight();
        }
        if script.adopts_unasked {
            stage.policy.adopt = Adopt::Automatic;
        }
        // Read and not acted on because of a kill, and withheld from then on: the last known value stays.
        let is_withheld_late = script.steps.windows(2).any(|steps| {
            let is_killed = steps[0].end.is_some() || steps[0].commit.is_some();
            is_killed && steps[1].entra == Some(EntraFault::EnabledNull)
        });
        let keep = if script.lags || is_withheld_late { 4 } else { 1 };
        let recent = Arc::new(Mutex::new(Recent { keep, ..Recent::default() }));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let mut play = Self {
            stage,
            recent: Arc::clone(&recent),
            wrong: Arc::clone(&wrong),
            fired: BTreeMap::new(),
            worlds: Vec::new(),
            earlier: None,
            existing: BTreeSet::new(),
            has_restored: false,
            has_missed: false,
            descriptions: BTreeMap::new(),
            verbose,
            script,
        };
        make_earlier_accounts(&mut play.stage.lock(), play.script.seed, play.script.existing);
        play.existing = play.stage.lock().platform.users().map(|user| user.id.clone()).collect();
        {
            let mut inner = play.stage.lock();
            inner.entra.quirks = Quirks { lag: 0, ..Quirks::all(play.script.quirks) };
            if play.script.lags {
                inner.entra.quirks.lag = 50;
            }
            inner.chaos.latency_ms = play.script.latency_ms;
            inner.witness = Some(Box::new(watch(Arc::clone(&recent), wrong)));
            recent.lock().unwrap().note(&inner.world);
        }
        if play.script.quirks > 0 {
            play.fire("quirks");
        }
        if play.script.lags {
            play.fire("lag");
        }
        play
    }

    pub(super) fn fire(&mut self, what: impl Into<String>) {
        *self.fired.entry(what.into()).or_default() += 1;
    }

    pub(super) fn complain(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    async fn step(&mut self, at: usize) {
        let step = self.script.steps[at].clone();
        if self.verbose {
            println!("-- step {at}: {step:?}");
        }
        let mut rng = fastrand::Rng::with_seed(step.dice);
        if let Some(edit) = &step.edit {
            self.edit(edit, &mut rng);
        }
        let before = self.stage.store.snapshot();
        if let Some(earlier) = self.earlier.take().filter(|_| step.restores) {
            self.stage.store.restore(&earlier);
            self.stage.store.cast_doubt("a backup was restored");
            self.has_restored = true;
            self.recent.lock().unwrap().restore();
            self.fire("backup restored");
        }
        self.earlier = Some(before);
        // What was told, and held, cut off by a kill or confirmed and not made, and is withheld from then on: the
        // last value that was known stays. So it does where nobody can say whom the next answer is about, where that is
        // refused as a whole, or where a page of it is lost: what nobody could read takes back nothing that was told.
        if is_silent(&step) {
            let mut recent = self.recent.lock().unwrap();
            recent.keep = recent.keep.max(UNREADABLE);
        }
        self.trouble(&step);
        let met = asked(&self.stage);
        self.one_life(at, &step).await;
        self.calm(&step, met);
        self.stage.pass(Duration::from_secs(step.pause_s)).await;
        self.happen(at, &mut rng);
        let inner = self.stage.lock();
        self.recent.lock().unwrap().note(&inner.world);
        if self.script.steps.iter().any(is_silent) {
            self.worlds.push(inner.world.clone());
        }
    }

    /// A loop that wakes for nothing, again and again, does no harm, but it eats a processor and takes the
    /// permits that others wait for.
    fn count_waits(&self) {
        let waits = self.stage.waits.load(Ordering::Relaxed);
        let requests = self.stage.lock().trace.len() as u64;
        let minutes = self.stage.clock.elapsed().as_secs() / 60;
        if waits > 10 * (requests + minutes) {
            self.complain(format!(
                "woke {waits} times for {requests} requests in {minutes} minutes"
            ));
        }
    }

    fn edit(&mut self, edit: &Edit, rng: &mut fastrand::Rng) {
        self.fire(format!("edit: {edit:?}"));
        let mut recent = self.recent.lock().unwrap();
        let rules = &mut recent.rules;
        let inner = self.stage.inner.lock().unwrap();
        change_rules(rules, edit, &inner.world, rng);
        configure(&mut self.stage.policy, rules);
        // What was told last before nobody could read it is judged by the new rules as well.
        let told = &self.worlds[self.worlds.len().saturating_sub(UNREADABLE)..];
        recent.keep += told.len();
        for world in told {
            recent.note(world);
        }
        recent.note(&inner.world);
    }

    /// One process, from start to end or to its kill.
    async fn one_life(&mut self, at: usize, step: &Step) {
        let Ok(mut engine) = self.stage.engine() else { return };
        let is_other = step.platform.contains(&PlatformFault::OtherPlatform);
        let pinned = description(&engine);
        self.recent.lock().unwrap().is_foreign =
            pinned.is_some() && pinned == self.descriptions.get(&!is_other).cloned();
        let is_audited = self.script.seed.is_multiple_of(8);
        if is_audited {
            engine.audit_plans();
        }
        let (stage, recent) = (&self.stage, &self.recent);
        let mut has_said = false;
        let life = async {
            if stage.drive_anyhow(&mut engine).await.is_err() {
                return;
            }
            let mut rejected = Claims::new();
            if let Some(says) = step.says {
                let (approved, no) = say(stage, &mut engine, says, step.dice);
                has_said = !(approved.is_empty() && no.is_empty());
                recent.lock().unwrap().approve(&approved);
                rejected = no;
            } else if step.approves {
                let all = held(&engine);
                recent.lock().unwrap().approve(&all);
                approve(stage, &mut engine, is_everyday);
            } else {
                return;
            }
            if stage.drive_anyhow(&mut engine).await.is_ok() {
                // Before, a kill may have come between the word and its record.
                recent.lock().unwrap().reject(rejected.into_keys());
            }
        };
        // A request at which the world ends never comes back.
        let _ = tokio::time::timeout(Duration::from_secs(3_000), life).await;
        if let Some(says) = step.says.filter(|_| has_said) {
            self.fire(format!("said: {says:?}"));
        }
        let differing = engine.differing_plans();
        if differing > 0 {
            self.complain(format!("step {at}: {differing} plans differ from the whole"));
        }
        if let Some(stall) = engine.stall() {
            self.complain(format!("step {at}: {}", stall.message));
        }
        self.note_guards(&engine);
        let mut mirrors = engine.state().mirrors.values();
        self.has_missed |= mirrors.any(|mirror| mirror.unsettled().has_missing);
        if let (None, Some(now)) = (pinned, description(&engine)) {
            self.descriptions.insert(is_other, now);
        }
    }

    pub(super) fn note_guards(&mut self, engine: &Engine) {
        if !engine.state().trials.is_empty() {
            self.fire("tried first");
        }
        for (name, times) in engine.guard_trips() {
            *self.fired.entry(format!("guard: {name}")).or_default() += times;
        }
    }

    /// What happens in the tenant between two processes.
    fn happen(&mut self, at: usize, rng: &mut fastrand::Rng) {
        let mut inner = self.stage.lock();
        let Inner { world, platform, .. } = &mut *inner;
        let mut happened = Vec::new();
        // Chance of its own, so that everything else in a history stays as it is.
        let mut types = fastrand::Rng::with_seed(self.script.steps[at].dice ^ 0x7e57);
        let mut happen = |world: &mut World, event: Event| {
            let is_for_a_person = is_last_one(world, &event) || takes_a_name(platform, &event);
            if !is_for_a_person && world.apply(event.clone()).is_ok() {
                if self.verbose {
                    println!("   event {event:?}");
                }
                happened.push(event);
            }
        };
        match &self.script.steps[at].events {
            Events::Random(count) => {
                for _ in 0..*count {
                    if let Some(event) = world.random_event(rng) {
                        happen(world, event);
                    }
                    if let Some(event) = change_of_type(world, platform, &mut types) {
                        happen(world, event);
                        *self.fired.entry("type changed".to_owned()).or_default() += 1;
                    }
                }
            }
            Events::These(events) => {
                for event in events {
                    happen(world, event.clone());
                }
            }
        }
        if let Some(accident) = self.script.steps[at].accident.take() {
            for event in many(world, accident) {
                happen(world, event);
            }
            *self.fired.entry(format!("accident: {accident:?}")).or_default() += 1;
        }
        drop(inner);
        self.script.steps[at].events = Events::These(happened);
    }
}

/// Now and then a member becomes a guest, or a guest a member: a delta round tells nothing else of them.
pub(crate) fn change_of_type(
    world: &World,
    platform: &Platform,
    rng: &mut fastrand::Rng,
) -> Option<Event> {
    if rng.u8(..5) > 0 {
        return None;
    }
    let guests: Vec<_> = world.live_users().filter(|user| is_guest(user)).collect();
    let wants_guest = guests.is_empty() || rng.bool();
    let members = world.live_users().filter(|user| !is_guest(user)).skip(1).collect();
    let user = rng.choice(if wants_guest { members } else { guests })?;
    let upn = user.text("userPrincipalName").unwrap_or_default();
    let again = Event::NewUpn { user: user.id, upn: upn.to_owned() };
    let value = if wants_guest { "Guest" } else { "Member" };
    let event =
        Event::SetProperty { user: user.id, name: "userType".to_owned(), value: value.into() };
    (wants_guest || !takes_a_name(platform, &again)).then_some(event)
}

fn is_guest(user: &User) -> bool {
    user.text("userType") == Some("Guest")
}

/// Accounts that somebody has made by hand before Manntall comes, for so many people in a hundred, some of
/// them inactive by now.
pub(crate) fn make_earlier_accounts(inner: &mut Inner, seed: u64, per_cent: u8) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for id in entitled_ids(&inner.world) {
        if rng.u8(0..100) >= per_cent {
            continue;
        }
        let user = &inner.world.users()[&id];
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": user.text("userPrincipalName"),
            "active": rng.u8(0..8) > 0,
        });
        if rng.bool() {
            body["externalId"] = id.to_string().into();
        }
        inner.create_account(&body, 0);
    }
}

/// What an accident does to whom.
fn many(world: &World, accident: Accident) -> Vec<Event> {
    let most = |all: usize| all - all / 4;
    match accident {
        Accident::Disabled => {
            let people: Vec<_> = entitled_ids(world).into_iter().collect();
            let people = people.iter().take(most(people.len()));
            people.map(|&user| Event::Disable { user }).collect()
        }
        Accident::Emptied => {
            let is_ours =
                |group: &&Group| group.text("displayName").unwrap_or("").starts_with("PLT ");
            let groups = world.groups().values().filter(is_ours);
            let largest = groups.max_by_key(|group| group.members.len());
            let Some(largest) = largest else { return Vec::new() };
            let members = largest.members.iter().take(most(largest.members.len()));
            let people = members.filter(|member| member.kind == MemberKind::User);
            people.map(|person| Event::Leave { group: largest.id, user: person.id }).collect()
        }
    }
}

/// How the pinned platform described itself.
fn description(engine: &Engine) -> Option<String> {
    engine.state().identity.target.as_ref()?.config.clone()
}

/// A complete read without a single person or group proves nothing: it stays a trouble.
pub(crate) fn is_last_one(world: &World, event: &Event) -> bool {
    let live = |states: &mut dyn Iterator<Item = State>| {
        states.filter(|state| *state == State::Live).count()
    };
    match event {
        Event::DeleteGroup { .. } | Event::PurgeGroup { .. } => {
            live(&mut world.groups().values().map(|group| group.state)) < 2
        }
        Event::SoftDelete { .. } | Event::Purge { .. } => {
            live(&mut world.users().values().map(|user| user.state)) < 2
        }
        _ => false,
    }
}

/// A name that somebody else's account still holds: who of the two is to have it is for a person to say.
pub(crate) fn takes_a_name(platform: &Platform, event: &Event) -> bool {
    let (id, name) = match event {
        Event::NewUpn { user, upn } => (user, upn.as_str()),
        Event::Hire { user, properties, .. } => {
            let name = properties.get("userPrincipalName").and_then(serde_json::Value::as_str);
            (user, name.unwrap_or_default())
        }
        _ => return false,
    };
    let id = id.to_string();
    let mut accounts = platform.users().filter(|account| account.external_id() != Some(&id));
    accounts.any(|account| account.user_name().eq_ignore_ascii_case(name))
}

/// Whether Entra tells in this step what nobody can read, or leaves it out.
fn is_silent(step: &Step) -> bool {
    matches!(
        step.entra,
        Some(
            EntraFault::DepartmentWithheld
                | EntraFault::TitleWithheld
                | EntraFault::NoObjects
                | EntraFault::NoIds
                | EntraFault::EmptyRead
                | EntraFault::PagesLost
                | EntraFault::WrongTypes
                | EntraFault::HalfTexts
                | EntraFault::LargeTexts
        )
    )
}
