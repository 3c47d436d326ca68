//! What happens in a history, as data: drawn from a seed, made smaller when it goes wrong, and kept as a
//! file when it has shown something (`tests/fixtures/histories/`).

use manntall::sim::world::Event;
use serde::{Deserialize, Serialize};

use crate::stage::End;

/// A history from its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself, and each may go alone")]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) users: usize,
    pub(crate) groups: usize,
    pub(crate) memberships: usize,
    /// How often Graph's habits show, in per cent.
    pub(crate) quirks: u8,
    /// Whether Graph shows changes late.
    pub(crate) lags: bool,
    pub(crate) latency_ms: u64,
    pub(crate) group_create_with_members: bool,
    pub(crate) member_batch: usize,
    /// Whether the budgets are so small that an everyday change is over them.
    pub(crate) is_tight: bool,
    pub(crate) adopts_unasked: bool,
    /// How many in a hundred have an account before Manntall comes.
    pub(crate) existing: u8,
    pub(crate) steps: Vec<Step>,
}

/// One process, from start to end or to its kill, and what happens after it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    /// Chance in this step comes from here.
    pub(crate) dice: u64,
    pub(crate) way: Way,
    /// The process ends at the request of this number.
    pub(crate) end: Option<(u32, End)>,
    /// The process ends at the commit of this number, before it or after it.
    pub(crate) commit: Option<(u64, bool)>,
    pub(crate) entra: Option<EntraFault>,
    pub(crate) platform: Vec<PlatformFault>,
    /// What the operator changes before the start.
    pub(crate) edit: Option<Edit>,
    /// What somebody does to many at once after the end.
    pub(crate) accident: Option<Accident>,
    /// How far the machine's wall clock is ahead, in seconds.
    pub(crate) skew_s: i64,
    /// Whether the operator approves what is held.
    pub(crate) approves: bool,
    /// What the operator says in place of that.
    pub(crate) says: Option<Says>,
    /// Whether the store is put back to what it was one process earlier.
    pub(crate) restores: bool,
    pub(crate) pause_s: u64,
    pub(crate) events: Events,
}

/// Faults on the way, in per cent of all requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Way {
    pub(crate) not_sent: u8,
    pub(crate) lost_answers: u8,
    pub(crate) errors_before: u8,
    pub(crate) errors_after: u8,
    pub(crate) throttled: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntraFault {
    LinksGone,
    LinksNotFound,
    Forbidden,
    TokenRefused,
    EnabledNull,
    DepartmentWithheld,
    TitleWithheld,
    EmptyRead,
    PagesLost,
    Html,
    HalfBodies,
    LoopingLinks,
    NextLinksRefused,
    HalfNames,
    HalfTexts,
    NullLinks,
    OddEntries,
    WrongTypes,
    NoObjects,
    NoIds,
    OddRemovals,
    LargeTexts,
    LongLinks,
    CountRefused,
    CountOff,
    OtherLetters,
    StrayLinks,
    NewcomersBare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PlatformFault {
    CutBody,
    FirstOperationOnly,
    NoOperation,
    Html,
    OtherId,
    TokenRefused,
    NoSeats,
    ReadLag,
    OtherLocation,
    OtherPlatform,
    /// Everything about one person is answered 403, or 500.
    ForbidsOne,
    FailsOne,
    /// Titles are refused by their name, or not cleared although that is confirmed.
    TitlesRefused,
    ClearingsIgnored,
    /// Everything about one person is answered as if it were for everybody: 429, 503 for an hour, a redirect,
    /// 401, a web page; or by an error in a 200.
    ThrottlesOne,
    WaitsForOne,
    RedirectsOne,
    DistrustsOne,
    HtmlForOne,
    ErrorsInSuccess,
    /// One account is as if it were not there.
    HidesOne,
    /// A gateway answers 404 for everything.
    GatewayNotFound,
    /// A listing ends early and announces no more.
    ListsCut,
    /// Lists of members end after one, are empty, need to be asked for, or have their ids in capitals.
    MembersCut,
    MembersNeverShown,
    MembersByName,
    MembersInCapitals,
    /// New accounts are inactive, whatever is sent.
    CreatesInactive,
    /// Creates are answered without saying what was made.
    CreatesBare,
    /// A listing leaves out whoever is inactive, and announces no more.
    InactiveUnlisted,
}

/// What an operator says who looks at what is held one by one. The rest is left undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Says {
    RejectOne,
    RejectAll,
    /// Approves everything but one.
    ExceptOne,
}

/// What an operator does to the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edit {
    /// The people of somebody's department lose their accounts, or get them back.
    Scope,
    /// Titles in capitals, or not any more.
    Titles,
    /// Another name for the groups of departments.
    Sections,
}

/// What goes wrong for many at once, in the tenant itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Accident {
    /// Three in four people are disabled.
    Disabled,
    /// Three in four members are taken out of the largest group.
    Emptied,
}

/// What happens in the tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Events {
    /// So many at random.
    Random(u8),
    These(Vec<Event>),
}

impl Default for Events {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// What a run of 10,000 histories has to meet, beside each fault of Entra and of the platform.
const OTHERS: [&str; 39] = [
    "said: RejectOne",
    "said: RejectAll",
    "said: ExceptOne",
    "not sent",
    "answer lost",
    "503 before",
    "500 after",
    "429",
    "killed: Unsent",
    "killed: Unanswered",
    "killed: Unrecorded",
    "killed before a commit",
    "killed after a commit",
    "clock wrong",
    "backup restored",
    "quirks",
    "lag",
    "edit: Scope",
    "edit: Titles",
    "edit: Sections",
    "type changed",
    "accident: Disabled",
    "accident: Emptied",
    "tried first",
    "guard: adopt",
    "guard: budget.clear",
    "guard: budget.create",
    "guard: budget.deactivate",
    "guard: budget.delete",
    "guard: budget.group_shrink",
    "guard: budget.member_remove",
    "guard: budget.reactivate",
    "guard: budget.rename",
    "guard: coverage",
    "guard: identity",
    "guard: ownership.inactive",
    "guard: quarantine",
    "guard: scope_change",
    "guard: trial",
];

/// Every fault and guard that a run of 10,000 histories has to meet.
pub(crate) fn must_fire() -> Vec<String> {
    let others = OTHERS.iter().map(ToString::to_string);
    let entra = ENTRA.iter().map(|fault| format!("entra: {fault:?}"));
    let platform = PLATFORM.iter().chain(&ALONE).chain(&HIDING).chain(&SAID);
    let platform = platform.chain(&[PlatformFault::CreatesInactive]);
    let platform = platform.map(|fault| format!("platform: {fault:?}"));
    others.chain(entra).chain(platform).collect()
}

const ENTRA: [EntraFault; 28] = [
    EntraFault::LinksGone,
    EntraFault::LinksNotFound,
    EntraFault::Forbidden,
    EntraFault::TokenRefused,
    EntraFault::EnabledNull,
    EntraFault::DepartmentWithheld,
    EntraFault::TitleWithheld,
    EntraFault::EmptyRead,
    EntraFault::PagesLost,
    EntraFault::Html,
    EntraFault::HalfBodies,
    EntraFault::LoopingLinks,
    EntraFault::NextLinksRefused,
    EntraFault::HalfNames,
    EntraFault::HalfTexts,
    EntraFault::NullLinks,
    EntraFault::OddEntries,
    EntraFault::WrongTypes,
    EntraFault::NoObjects,
    EntraFault::NoIds,
    EntraFault::OddRemovals,
    EntraFault::LargeTexts,
    EntraFault::LongLinks,
    EntraFault::CountRefused,
    EntraFault::CountOff,
    EntraFault::OtherLetters,
    EntraFault::StrayLinks,
    EntraFault::NewcomersBare,
];

/// What strikes one person alone.
pub(crate) const ALONE: [PlatformFault; 6] = [
    PlatformFault::ThrottlesOne,
    PlatformFault::WaitsForOne,
    PlatformFault::RedirectsOne,
    PlatformFault::DistrustsOne,
    PlatformFault::HtmlForOne,
    PlatformFault::ErrorsInSuccess,
];

const PLATFORM: [PlatformFault; 14] = [
    PlatformFault::CutBody,
    PlatformFault::FirstOperationOnly,
    PlatformFault::NoOperation,
    PlatformFault::Html,
    PlatformFault::OtherId,
    PlatformFault::TokenRefused,
    PlatformFault::NoSeats,
    PlatformFault::ReadLag,
    PlatformFault::OtherLocation,
    PlatformFault::OtherPlatform,
    PlatformFault::ForbidsOne,
    PlatformFault::FailsOne,
    PlatformFault::TitlesRefused,
    PlatformFault::ClearingsIgnored,
];

/// What keeps something from being seen. It is drawn by chance of its own.
const HIDING: [PlatformFault; 7] = [
    PlatformFault::HidesOne,
    PlatformFault::GatewayNotFound,
    PlatformFault::ListsCut,
    PlatformFault::MembersCut,
    PlatformFault::MembersNeverShown,
    PlatformFault::MembersByName,
    PlatformFault::MembersInCapitals,
];

/// What is said otherwise than by the book. It is drawn by chance of its own, too.
const SAID: [PlatformFault; 2] = [PlatformFault::CreatesBare, PlatformFault::InactiveUnlisted];

impl Script {
    /// The history of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let one_in = |rng: &mut fastrand::Rng, n: u8| rng.u8(0..n) == 0;
        // What goes wrong at all goes wrong with few people; some guards ask for more.
        let is_large = one_in(&mut rng, 32);
        let (users, groups, memberships) = if is_large {
            (rng.usize(18..30), rng.usize(2..6), rng.usize(30..90))
        } else {
            (rng.usize(3..10), rng.usize(1..4), rng.usize(2..20))
        };
        Self {
            seed,
            users,
            groups,
            memberships,
            quirks: *rng.choice(&[0, 20, 60]).unwrap(),
            lags: one_in(&mut rng, 4),
            latency_ms: rng.u64(0..400),
            group_create_with_members: rng.bool(),
            member_batch: rng.usize(1..6),
            is_tight: one_in(&mut rng, 3),
            adopts_unasked: one_in(&mut rng, 4),
            existing: if one_in(&mut rng, 5) { *rng.choice(&[30, 90]).unwrap() } else { 0 },
            steps: Self::decided(seed, Step::draw_all(&mut rng, is_large)),
        }
    }

    /// In one history of four the operator decides one by one. Chance of its own, so that everything else in a history
    /// stays as it is.
    fn decided(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xdec1);
        let all = [Says::RejectOne, Says::RejectAll, Says::ExceptOne];
        for step in steps.iter_mut().filter(|_| seed % 4 == 3) {
            step.says = Some(*rng.choice(&all).unwrap()).filter(|_| rng.bool());
        }
        steps
    }
}

impl Step {
    fn draw_all(rng: &mut fastrand::Rng, is_large: bool) -> Vec<Self> {
        let mut steps: Vec<Self> = (0..rng.u32(2..7)).map(|_| Self::draw(rng, is_large)).collect();
        // What comes of an accident is approved as a whole, before anybody knows better; and the platform
        // does not do what it confirms.
        for at in 1..steps.len() {
            if steps[at - 1].accident.is_some() {
                steps[at].approves = true;
                if rng.bool() {
                    steps[at].platform = vec![PlatformFault::NoOperation];
                }
            }
        }
        steps
    }

    fn draw(rng: &mut fastrand::Rng, is_large: bool) -> Self {
        let mut step = Self { dice: rng.u64(..), ..Self::default() };
        if rng.bool() {
            let some = |rng: &mut fastrand::Rng| if rng.bool() { rng.u8(1..25) } else { 0 };
            step.way = Way {
                not_sent: some(rng),
                lost_answers: some(rng),
                errors_before: some(rng),
                errors_after: some(rng),
                throttled: some(rng),
            };
        }
        if rng.u8(0..3) == 0 {
            let stops = [End::Unsent, End::Unanswered, End::Unrecorded];
            step.end = Some((rng.u32(0..40), *rng.choice(&stops).unwrap()));
        }
        if rng.u8(0..4) == 0 {
            step.commit = Some((rng.u64(1..12), rng.bool()));
        }
        if rng.u8(0..5) == 0 {
            step.entra = rng.choice(&ENTRA).copied();
        }
        if rng.u8(0..5) == 0 {
            step.platform = (0..rng.u8(1..4)).map(|_| *rng.choice(&PLATFORM).unwrap()).collect();
        }
        // Chance of its own, so that everything else in a history stays as it is.
        let mut alone = fastrand::Rng::with_seed(step.dice ^ 0xa1_0e);
        if alone.u8(0..12) == 0 {
            step.platform.extend(alone.choice(&ALONE));
        }
        // Everything else in a history stays as it is.
        let mut hiding = fastrand::Rng::with_seed(step.dice ^ 0x41de);
        if hiding.u8(0..8) == 0 {
            step.platform.extend(hiding.choice(&HIDING));
        }
        // The same.
        if fastrand::Rng::with_seed(step.dice ^ 0x1_ac7).u8(0..12) == 0 {
            step.platform.push(PlatformFault::CreatesInactive);
        }
        let mut said = fastrand::Rng::with_seed(step.dice ^ 0x5a1d);
        step.platform.extend(said.choice(&SAID).filter(|_| said.u8(0..10) == 0));
        if rng.u8(0..8) == 0 {
            step.edit = rng.choice([Edit::Scope, Edit::Titles, Edit::Sections]);
        }
        if rng.u8(0..12) == 0 {
            step.skew_s = *rng.choice(&[-86_400, -3_600, 61, 3_600, 86_400]).unwrap();
        }
        // Few people are no many at once.
        if is_large && rng.u8(0..3) == 0 {
            step.accident = rng.choice([Accident::Disabled, Accident::Emptied]);
        }
        step.approves = rng.bool();
        step.restores = rng.u8(0..16) == 0;
        step.pause_s = *rng.choice(&[60, 60, 120, 3_700, 30_000]).unwrap();
        step.events = Events::Random(rng.u8(0..4));
        step
    }
}

/// Takes away whatever can go while it still goes wrong; `smaller` gives the same with one thing less, in
/// every way.
pub(crate) fn shrink<S>(
    mut script: S,
    smaller: impl Fn(&S) -> Vec<S>,
    fails: impl Fn(&S) -> bool,
) -> S {
    loop {
        let Some(smaller) = smaller(&script).into_iter().find(|smaller| fails(smaller)) else {
            return script;
        };
        script = smaller;
    }
}

/// The same history with one thing less, in every way, the largest first.
pub(super) fn smaller(script: &Script) -> Vec<Script> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Script)| {
        let mut one = script.clone();
        change(&mut one);
        if one != *script {
            found.push(one);
        }
    };
    for at in 0..script.steps.len() {
        with(&|one| drop(one.steps.remove(at)));
    }
    for (at, step) in script.steps.iter().enumerate() {
        if let Events::These(events) = &step.events {
            for event in 0..events.len() {
                with(&|one| {
                    if let Events::These(events) = &mut one.steps[at].events {
                        events.remove(event);
                    }
                });
            }
        }
        for fault in 0..step.platform.len() {
            with(&|one| _ = one.steps[at].platform.remove(fault));
        }
        with(&|one| one.steps[at].way = Way::default());
        with(&|one| one.steps[at].end = None);
        with(&|one| one.steps[at].commit = None);
        with(&|one| one.steps[at].entra = None);
        with(&|one| one.steps[at].edit = None);
        with(&|one| one.steps[at].accident = None);
        with(&|one| one.steps[at].restores = false);
        with(&|one| one.steps[at].says = None);
        with(&|one| one.steps[at].skew_s = 0);
        with(&|one| one.steps[at].approves = true);
        with(&|one| one.steps[at].pause_s = 60);
    }
    with(&|one| one.quirks = 0);
    with(&|one| one.lags = false);
    with(&|one| one.existing = 0);
    with(&|one| one.is_tight = false);
    with(&|one| one.latency_ms = 0);
    with(&|one| one.member_batch = 5);
    found
}
