//! Plays a history: processes that come and go, faults in their way, events between them, and rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::core::expression::Subject;
use manntall::core::judge::{Guard, Hold};
use manntall::core::policy::{Adopt, Budget, Budgets, GroupRule};
use manntall::cycle::Engine;
use manntall::sim::entra::{EmptyReads, ExpireLinks, LoopLinks, Quirks};
use manntall::sim::http::Request;
use manntall::sim::platform::Kind;
use manntall::sim::platform::fault::{Fault, Faults, Matcher, PathKind};
use manntall::sim::world::{Event, GeneratorOptions, State, World, generate};
use manntall::store::memory::{CrashPoint, Snapshot};
use manntall::transport::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::script::{Edit, EntraFault, Events, PlatformFault, Script, Step};
use super::watch::{Recent, watch};
use super::{approve, counts, settle};
use crate::oracle::{Rules, differences_under, entitled_ids};
use crate::stage::{Chaos, Fate, SCIM, Stage, expression};

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

/// A history while it is played.
struct Play {
    script: Script,
    stage: Stage,
    recent: Arc<Mutex<Recent>>,
    wrong: Arc<Mutex<Vec<String>>>,
    fired: BTreeMap<String, u64>,
    /// What the store held when the last process began.
    earlier: Option<Snapshot>,
    /// Accounts and groups that are not Manntall's: those that stood there before, and after a backup was
    /// restored those that it knows nothing of.
    existing: BTreeSet<String>,
    has_restored: bool,
    /// How the right platform, and the other one, describe themselves.
    descriptions: BTreeMap<bool, String>,
    verbose: bool,
}

/// Plays a history from start to rest.
pub(crate) async fn play(script: &Script, verbose: bool) -> Outcome {
    let mut play = Play::new(script.clone(), verbose);
    for at in 0..script.steps.len() {
        play.step(at).await;
    }
    play.rest().await;
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
        let keep = if script.lags { 4 } else { 1 };
        let recent = Arc::new(Mutex::new(Recent { keep, ..Recent::default() }));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let mut play = Self {
            stage,
            recent: Arc::clone(&recent),
            wrong: Arc::clone(&wrong),
            fired: BTreeMap::new(),
            earlier: None,
            existing: BTreeSet::new(),
            has_restored: false,
            descriptions: BTreeMap::new(),
            verbose,
            script,
        };
        play.settle_earlier_accounts();
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

    fn fire(&mut self, what: impl Into<String>) {
        *self.fired.entry(what.into()).or_default() += 1;
    }

    fn complain(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Accounts that somebody has made by hand before Manntall comes, some of them inactive by now.
    fn settle_earlier_accounts(&mut self) {
        let mut rng = fastrand::Rng::with_seed(self.script.seed);
        let mut inner = self.stage.lock();
        let inner = &mut *inner;
        for id in entitled_ids(&inner.world) {
            if rng.u8(0..100) >= self.script.existing {
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
            let token = inner.platform.options().token.clone();
            let request = Request {
                method: "POST".to_owned(),
                target: "/scim/v2/Users".to_owned(),
                headers: vec![
                    ("authorization".to_owned(), format!("Bearer {token}")),
                    ("content-type".to_owned(), "application/scim+json".to_owned()),
                ],
                body: body.to_string().into_bytes(),
            };
            assert_eq!(inner.platform.handle(&request, 0).status, 201);
        }
        self.existing = inner.platform.users().map(|user| user.id.clone()).collect();
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
            self.fire("backup restored");
        }
        self.earlier = Some(before);
        self.trouble(&step);
        let met = counts(&self.stage);
        self.one_life(at, &step).await;
        self.calm(&step, met);
        self.stage.pass(Duration::from_secs(step.pause_s)).await;
        self.happen(at, &mut rng);
        let inner = self.stage.lock();
        self.recent.lock().unwrap().note(&inner.world);
    }

    fn edit(&mut self, edit: &Edit, rng: &mut fastrand::Rng) {
        self.fire(format!("edit: {edit:?}"));
        let mut recent = self.recent.lock().unwrap();
        let rules = &mut recent.rules;
        let inner = self.stage.inner.lock().unwrap();
        match edit {
            Edit::Scope => {
                let users = inner.world.users().values();
                let departments: BTreeSet<_> =
                    users.filter_map(|user| user.text("department")).collect();
                rules.without = match rules.without {
                    Some(_) => None,
                    None => rng.choice(departments).map(str::to_owned),
                };
            }
            Edit::Titles => rules.capital_titles = !rules.capital_titles,
            Edit::Sections => {
                let other = if rules.section == "Seksjon" { "Avdeling" } else { "Seksjon" };
                rules.section = other.to_owned();
            }
        }
        configure(&mut self.stage.policy, rules);
        recent.note(&inner.world);
    }

    /// Puts faults in the way of the next process.
    fn trouble(&mut self, step: &Step) {
        if let Some((number, before)) = step.commit {
            let when = if before { CrashPoint::BeforeCommit } else { CrashPoint::AfterCommit };
            self.stage.store.crash_at(number, when);
        }
        self.stage.skew_ms.store(step.skew_s * 1_000, Ordering::Relaxed);
        let mut inner = self.stage.lock();
        let inner = &mut *inner;
        inner.chaos = Chaos {
            rng: fastrand::Rng::with_seed(step.dice),
            not_sent: step.way.not_sent,
            lost_answers: step.way.lost_answers,
            errors_before: step.way.errors_before,
            errors_after: step.way.errors_after,
            throttled: step.way.throttled,
            end_in: step.end,
            ended: false,
            latency_ms: inner.chaos.latency_ms,
            fired: std::mem::take(&mut inner.chaos.fired),
        };
        let faults = &mut inner.entra.faults;
        match step.entra {
            None => {}
            Some(EntraFault::LinksGone) => faults.expire_links = Some(ExpireLinks::Gone),
            Some(EntraFault::LinksNotFound) => faults.expire_links = Some(ExpireLinks::NotFound),
            Some(EntraFault::Forbidden) => faults.forbidden = true,
            Some(EntraFault::TokenRefused) => faults.refuse_token = Some(7_000_222),
            Some(EntraFault::EnabledNull) => {
                faults.account_enabled_null = true;
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::DepartmentWithheld) => {
                faults.withhold = ["department".to_owned()].into();
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::TitleWithheld) => {
                faults.withhold = ["jobTitle".to_owned()].into();
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::EmptyRead) => {
                faults.empty_full_reads = Some(EmptyReads::CountZero);
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::PagesLost) => {
                faults.lose_pages = 3;
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::Html) => faults.html_page = true,
            Some(EntraFault::HalfBodies) => faults.cut_body = true,
            Some(EntraFault::LoopingLinks) => faults.loop_links = Some(LoopLinks::SameLink),
            Some(EntraFault::NextLinksRefused) => faults.refuse_next_links = Some(404),
        }
        for fault in &step.platform {
            strike(inner, *fault);
        }
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
        let stage = &self.stage;
        let life = async {
            if stage.drive(&mut engine).await.is_ok() && step.approves {
                // Nobody says yes to a tenant that has lost its titles, or to another platform.
                approve(stage, &mut engine, is_everyday);
                let _ = stage.drive(&mut engine).await;
            }
        };
        // A request at which the world ends never comes back.
        let _ = tokio::time::timeout(Duration::from_secs(3_000), life).await;
        let differing = engine.differing_plans();
        if differing > 0 {
            self.complain(format!("step {at}: {differing} plans differ from the whole"));
        }
        self.note_guards(&engine);
        if let (None, Some(now)) = (pinned, description(&engine)) {
            self.descriptions.insert(is_other, now);
        }
    }

    fn note_guards(&mut self, engine: &Engine) {
        for (name, times) in engine.guard_trips() {
            *self.fired.entry(format!("guard: {name}")).or_default() += times;
        }
    }

    /// Takes all faults away, and remembers which were met.
    fn calm(&mut self, step: &Step, met: (u64, u64)) {
        let crashed = self.stage.store.is_crashed();
        self.stage.store = self.stage.store.reopen();
        self.stage.skew_ms.store(0, Ordering::Relaxed);
        let now = counts(&self.stage);
        let mut fired = Vec::new();
        {
            let mut inner = self.stage.lock();
            let inner = &mut *inner;
            if let Some((_, end)) = step.end.filter(|_| inner.chaos.ended) {
                fired.push(format!("killed: {end:?}"));
            } else if let Some((_, before)) = step.commit.filter(|_| crashed) {
                let when = if before { "before" } else { "after" };
                fired.push(format!("killed {when} a commit"));
            }
            if step.skew_s != 0 {
                fired.push("clock wrong".to_owned());
            }
            if let Some(fault) = step.entra.filter(|_| now.0 > met.0) {
                fired.push(format!("entra: {fault:?}"));
            }
            let waiting = &inner.platform.faults.fail_next;
            for fault in step.platform.iter().filter(|_| now.1 > met.1) {
                if !waiting.iter().any(|(_, one)| name(one) == Some(*fault)) {
                    fired.push(format!("platform: {fault:?}"));
                }
            }
            inner.entra.faults = manntall::sim::entra::Faults::default();
            inner.platform.faults = Faults::default();
            inner.meddler = None;
            inner.held_token = inner.platform.options().token.clone();
            let latency_ms = inner.chaos.latency_ms;
            let fired = std::mem::take(&mut inner.chaos.fired);
            inner.chaos = Chaos { latency_ms, fired, ..Chaos::default() };
        }
        fired.into_iter().for_each(|what| self.fire(what));
    }

    /// What happens in the tenant between two processes.
    fn happen(&mut self, at: usize, rng: &mut fastrand::Rng) {
        let mut inner = self.stage.lock();
        let world = &mut inner.world;
        let mut happened = Vec::new();
        let mut happen = |world: &mut World, event: Event| {
            // A complete read without a single group proves nothing: it stays a trouble.
            if !is_last_group(world, &event) && world.apply(event.clone()).is_ok() {
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
                }
            }
            Events::These(events) => {
                events.iter().for_each(|event| happen(world, event.clone()));
            }
        }
        drop(inner);
        self.script.steps[at].events = Events::These(happened);
    }

    /// After the faults: two healthy cycles, everything held approved, and then nothing is sent any more.
    async fn rest(&mut self) {
        {
            let mut inner = self.stage.lock();
            inner.entra.quirks.lag = 0;
            let mut recent = self.recent.lock().unwrap();
            recent.note(&inner.world);
            recent.is_foreign = false;
        }
        let mut engine = self.stage.engine().unwrap();
        engine.retry_all();
        approve(&self.stage, &mut engine, |hold| hold.meter.guard == Guard::Identity);
        for _ in 0..2 {
            self.settle_but_coverage(&mut engine).await;
            self.stage.pass(Duration::from_secs(61)).await;
        }
        for (why, pause) in self.waits(&engine) {
            if !self.differences(&engine).is_empty() || why == "read again" {
                self.fire(format!("waited: {why}"));
                self.stage.pass(Duration::from_secs(pause)).await;
                for _ in 0..2 {
                    self.settle_but_coverage(&mut engine).await;
                    self.stage.pass(Duration::from_secs(61)).await;
                }
            }
        }
        settle(&self.stage, &mut engine).await;
        self.stage.pass(Duration::from_secs(61)).await;
        self.judge(&engine);
        self.be_silent(&mut engine).await;
        self.note_guards(&engine);
    }

    /// What two cycles may not be enough for, and how long it takes then.
    fn waits(&self, engine: &Engine) -> Vec<(&'static str, u64)> {
        let met = |fault: &dyn Fn(&Step) -> bool| self.script.steps.iter().any(fault);
        let mut waits = Vec::new();
        if met(&|step| step.platform.contains(&PlatformFault::NoSeats)) {
            waits.push(("no seats", 15 * 60));
        }
        // What was deleted while the delta link died, and a property that was withheld: the second
        // complete read decides.
        if engine.state().mirrors.values().any(manntall::core::mirror::Mirror::has_missing)
            || engine.holds().iter().any(|hold| hold.meter.guard == Guard::Coverage)
        {
            waits.push(("read again", 3_700));
        }
        // What a tenant never told when it was first read is only told by the next complete read.
        let hides = |step: &Step| {
            use EntraFault::{
                DepartmentWithheld, EmptyRead, EnabledNull, PagesLost, TitleWithheld,
            };
            matches!(
                step.entra,
                Some(DepartmentWithheld | EmptyRead | EnabledNull | PagesLost | TitleWithheld)
            )
        };
        if met(&hides) {
            waits.push(("complete read", 24 * 3_600));
            waits.push(("second complete read", 3_700));
        }
        waits
    }

    /// In what the platform differs from what it should be.
    fn differences(&self, engine: &Engine) -> Vec<String> {
        let inner = self.stage.lock();
        let ledger = &engine.state().ledger;
        let accounts = ledger.accounts.values().filter_map(|entry| entry.link.managed());
        let groups = ledger.groups.values().filter_map(|entry| entry.link.managed());
        let ours: BTreeSet<String> = accounts.chain(groups).map(ToString::to_string).collect();
        let found = inner.platform.users().chain(inner.platform.groups());
        let others = found
            .map(|found| found.id.clone())
            .filter(|id| self.has_restored || self.existing.contains(id))
            .filter(|id| !ours.contains(id))
            .collect();
        let rules = self.recent.lock().unwrap().rules.clone();
        differences_under(&rules, &inner.world, &inner.platform, &others)
    }

    async fn settle_but_coverage(&self, engine: &mut Engine) {
        self.stage.drive(engine).await.unwrap();
        for _ in 0..6 {
            if !approve(&self.stage, engine, |hold| hold.meter.guard != Guard::Coverage) {
                break;
            }
            self.stage.drive(engine).await.unwrap();
        }
    }

    /// Whether everything is as it should be.
    fn judge(&self, engine: &Engine) {
        let mut wrong = self.wrong.lock().unwrap();
        wrong.extend(self.differences(engine));
        if wrong.is_empty() {
            return;
        }
        for (entity, escrow) in &engine.state().ledger.escrow {
            wrong.push(format!("stuck: {entity:?}: {}", escrow.reason));
        }
        if self.verbose {
            println!("planned at rest: {:#?}", engine.planner().changes());
            println!("notes: {:#?}", engine.planner().notes());
            println!("unsurveyed: {:?}", engine.planner().unsurveyed());
            println!("holds: {:?}", engine.holds());
            println!("troubles: {:?} {:?}", engine.source_troubles(), engine.target_trouble());
            println!("ledger: {:#?}", engine.state().ledger);
        }
    }

    /// Nothing changes any more, so nothing is sent but the two polls.
    async fn be_silent(&self, engine: &mut Engine) {
        self.stage.lock().entra.quirks = Quirks::default();
        let before = counts(&self.stage);
        settle(&self.stage, engine).await;
        let after = counts(&self.stage);
        if after.1 != before.1 {
            self.complain(format!("{} requests to the target at rest", after.1 - before.1));
        }
        if after.0 != before.0 + 2 {
            self.complain(format!("{} requests to Graph at rest", after.0 - before.0));
        }
    }
}

/// How the pinned platform described itself.
fn description(engine: &Engine) -> Option<String> {
    engine.state().identity.target.as_ref()?.config.clone()
}

fn is_everyday(hold: &Hold) -> bool {
    !matches!(hold.meter.guard, Guard::Identity | Guard::Coverage)
}

fn is_last_group(world: &World, event: &Event) -> bool {
    let live = world.groups().values().filter(|group| group.state == State::Live).count();
    matches!(event, Event::DeleteGroup { .. } | Event::PurgeGroup { .. }) && live < 2
}

/// Budgets that an everyday change is over.
fn tight() -> Budgets {
    let budget = Budget { basis_points: 100, min: 1, max: Some(1) };
    Budgets {
        deactivate: budget,
        delete: Budget { min: 0, max: Some(0), ..budget },
        member_remove: budget,
        group_shrink: Budget { basis_points: 1_000, min: 0, max: None },
        rename: Budget { min: 0, max: Some(0), ..budget },
        clear: Budget { min: 0, max: Some(0), ..budget },
        create: budget,
        reactivate: Budget { min: 0, max: Some(0), ..budget },
    }
}

/// The configuration that says what `rules` say.
fn configure(policy: &mut manntall::core::policy::Policy, rules: &Rules) {
    let mut people = "person.accountEnabled and person.userType != \"Guest\"".to_owned();
    if let Some(department) = &rules.without {
        people.push_str(&format!(" and person.department != \"{department}\""));
    }
    policy.people = expression(&people, Subject::Person);
    let title = if rules.capital_titles {
        "person.jobTitle and (person.jobTitle | upper)"
    } else {
        "person.jobTitle"
    };
    for (path, value) in &mut policy.account {
        if path.to_string() == "title" {
            *value = expression(title, Subject::Person);
        }
    }
    for rule in &mut policy.groups {
        if let GroupRule::People { name, .. } = rule {
            *name = expression(&format!("\"{} \" ~ key", rules.section), Subject::Key);
        }
    }
}

/// Switches on a fault of the platform.
fn strike(inner: &mut crate::stage::Inner, fault: PlatformFault) {
    let patch = Matcher::of("PATCH", PathKind::Item(Kind::User));
    let other = inner.platform.users().next().map(|user| user.id.clone()).unwrap_or_default();
    let mut next = |matcher, fault| inner.platform.faults.fail_next.push_back((matcher, fault));
    match fault {
        PlatformFault::CutBody => next(Matcher::default(), Fault::CutBody),
        PlatformFault::FirstOperationOnly => next(patch, Fault::FirstOperationOnly),
        PlatformFault::NoOperation => next(patch, Fault::NoOperation),
        PlatformFault::Html => next(Matcher::default(), Fault::Html(200)),
        PlatformFault::OtherId => next(patch, Fault::OtherId(other)),
        PlatformFault::TokenRefused => inner.held_token = "of yesterday".to_owned(),
        PlatformFault::NoSeats => inner.platform.faults.no_seats = Some(403),
        PlatformFault::ReadLag => inner.platform.faults.read_lag_ms = 20_000,
        PlatformFault::OtherLocation => {
            inner.platform.faults.location =
                Some("https://elsewhere.example.com/Users/1".to_owned());
        }
        PlatformFault::OtherPlatform => {
            inner.meddler = Some(Box::new(|request| {
                let is_config = request.method == Method::Get
                    && request.url.as_str() == format!("{SCIM}/ServiceProviderConfig");
                is_config.then(|| {
                    Fate::Change(Box::new(|mut response| {
                        let text = String::from_utf8_lossy(&response.body);
                        response.body = text.replacen('{', r#"{"vendor":"another","#, 1).into();
                        response
                    }))
                })
            }));
        }
    }
}

/// The fault of ours that the simulator's stands for.
fn name(fault: &Fault) -> Option<PlatformFault> {
    match fault {
        Fault::CutBody => Some(PlatformFault::CutBody),
        Fault::FirstOperationOnly => Some(PlatformFault::FirstOperationOnly),
        Fault::NoOperation => Some(PlatformFault::NoOperation),
        Fault::Html(_) => Some(PlatformFault::Html),
        Fault::OtherId(_) => Some(PlatformFault::OtherId),
        _ => None,
    }
}
