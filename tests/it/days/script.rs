//! Days of a service, as data: drawn from a seed, made smaller when they go wrong, and kept as a file when
//! they have shown something (`tests/fixtures/days/`).

use serde::{Deserialize, Serialize};

use crate::history::{Edit, Way};
use crate::stage::End;

/// A service over some days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub(crate) setup: Setup,
    pub(crate) acts: Vec<Timed>,
}

/// How the service is configured, and what the platform takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself, and each may go alone")]
pub(crate) struct Setup {
    pub(crate) poll_s: u64,
    pub(crate) full_compare_s: u64,
    pub(crate) confirm_absence_s: u64,
    pub(crate) requests_per_second: u32,
    pub(crate) page_size: usize,
    pub(crate) member_batch: usize,
    pub(crate) group_create_with_members: bool,
    pub(crate) puts: bool,
    pub(crate) removal: Removal,
    /// Whether the budgets are so small that an everyday change is over them.
    pub(crate) is_tight: bool,
    pub(crate) adopts_unasked: bool,
    /// How many in a hundred have an account before Manntall comes.
    pub(crate) existing: u8,
    /// Whether no account that stood there before may be taken over.
    #[serde(default)]
    pub(crate) never_adopts: bool,
    /// Whether only the members of the largest group get an account.
    #[serde(default)]
    pub(crate) within_group: bool,
}

/// How a member is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Removal {
    ValueFilter,
    ValueArray,
    PutMerge,
}

/// Something that happens so many seconds after what happened before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) after_s: u64,
    /// Chance in this act comes from here.
    pub(crate) dice: u64,
    pub(crate) act: Act,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// So many random events in the tenant.
    Tenant(u8),
    /// Somebody at work on the platform.
    Hand(Hand),
    /// The operator of the running service.
    Operator(Word),
    /// The process ends at the request of this number from now.
    KillAtRequest(u32, End),
    /// The process ends at the commit of this number from now, before it or after it.
    KillAtCommit(u64, bool),
    /// The process is killed now.
    Kill,
    /// The service is stopped, and started again later.
    Stop {
        for_s: u64,
    },
    /// The configuration is loaded anew, changed or as it was.
    Reload(Option<Edit>),
    /// The store is put back to what it was when the last process began.
    Restore,
    /// The machine's wall clock is ahead by so many seconds from now on.
    Clock(i64),
    /// Faults on the way from now on, in per cent of all requests.
    Way(Way),
    Entra(EntraTrouble),
    Platform(PlatformTrouble),
    /// Everything works again.
    Calm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hand {
    Deactivate,
    Activate,
    RenameAccount,
    Retitle,
    DeleteAccount,
    MakeAccount,
    RenameGroup,
    DeleteGroup,
    AddMember,
    RemoveMember,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    Pause,
    Resume,
    ApproveAll,
    ApproveButOne,
    RejectOne,
    Deactivate,
    LiftAll,
    Allow,
    Retry,
    PollNow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntraTrouble {
    LinksGone,
    LinksNotFound,
    Forbidden,
    TokenRefused,
    EmptyRead,
    PagesLost,
    Html,
    HalfBodies,
    LoopingLinks,
    NextLinksRefused,
    NewcomersBare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PlatformTrouble {
    TokenRotated,
    NoSeats,
    ReadLag,
    CutBody,
    Html,
}

const ENTRA: [EntraTrouble; 11] = [
    EntraTrouble::LinksGone,
    EntraTrouble::LinksNotFound,
    EntraTrouble::Forbidden,
    EntraTrouble::TokenRefused,
    EntraTrouble::EmptyRead,
    EntraTrouble::PagesLost,
    EntraTrouble::Html,
    EntraTrouble::HalfBodies,
    EntraTrouble::LoopingLinks,
    EntraTrouble::NextLinksRefused,
    EntraTrouble::NewcomersBare,
];

const PLATFORM: [PlatformTrouble; 5] = [
    PlatformTrouble::TokenRotated,
    PlatformTrouble::NoSeats,
    PlatformTrouble::ReadLag,
    PlatformTrouble::CutBody,
    PlatformTrouble::Html,
];

const HANDS: [Hand; 10] = [
    Hand::Deactivate,
    Hand::Activate,
    Hand::RenameAccount,
    Hand::Retitle,
    Hand::DeleteAccount,
    Hand::MakeAccount,
    Hand::RenameGroup,
    Hand::DeleteGroup,
    Hand::AddMember,
    Hand::RemoveMember,
];

const WORDS: [Word; 10] = [
    Word::Pause,
    Word::Resume,
    Word::ApproveAll,
    Word::ApproveButOne,
    Word::RejectOne,
    Word::Deactivate,
    Word::LiftAll,
    Word::Allow,
    Word::Retry,
    Word::PollNow,
];

const EDITS: [Option<Edit>; 4] =
    [Some(Edit::Scope), Some(Edit::Titles), Some(Edit::Sections), None];

/// Everything that a long run has to meet.
pub(crate) fn must_fire() -> Vec<String> {
    let entra = ENTRA.iter().map(|fault| format!("{:?}", Act::Entra(*fault)));
    let platform = PLATFORM.iter().map(|fault| format!("{:?}", Act::Platform(*fault)));
    let hands = HANDS.iter().map(|hand| format!("{:?}", Act::Hand(*hand)));
    let words = WORDS.iter().map(|word| format!("{:?}", Act::Operator(*word)));
    let edits = EDITS.iter().map(|edit| format!("{:?}", Act::Reload(edit.clone())));
    let others = [
        "killed",
        "Stop",
        "Restore",
        "Clock",
        "Way",
        "paused and met work",
        "within a group",
        "never adopts, and met an account",
    ];
    let others = others.map(str::to_owned).into_iter();
    others.chain(entra).chain(platform).chain(hands).chain(words).chain(edits).collect()
}

impl Script {
    /// The days of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xda75);
        let one_in = |rng: &mut fastrand::Rng, n: u8| rng.u8(0..n) == 0;
        let choose = |rng: &mut fastrand::Rng, from: &[u64]| *rng.choice(from).unwrap();
        let removals = [Removal::ValueFilter, Removal::ValueArray, Removal::PutMerge];
        let setup = Setup {
            poll_s: choose(&mut rng, &[300, 600, 1_800]),
            full_compare_s: choose(&mut rng, &[6 * 3_600, 24 * 3_600]),
            confirm_absence_s: choose(&mut rng, &[1_200, 3_600, 7_200]),
            requests_per_second: *rng.choice(&[1, 5, 100]).unwrap(),
            page_size: *rng.choice(&[2, 5, 100]).unwrap(),
            member_batch: rng.usize(1..6),
            group_create_with_members: rng.bool(),
            puts: one_in(&mut rng, 3),
            removal: *rng.choice(&removals).unwrap(),
            is_tight: one_in(&mut rng, 4),
            adopts_unasked: one_in(&mut rng, 3),
            existing: if one_in(&mut rng, 4) { *rng.choice(&[30, 90]).unwrap() } else { 0 },
            // Chance of their own, so that everything else in some days stays as it is.
            never_adopts: seed % 5 == 3,
            within_group: seed % 7 == 3,
        };
        Self {
            seed,
            users: rng.usize(3..10),
            groups: rng.usize(1..4),
            memberships: rng.usize(2..20),
            quirks: *rng.choice(&[0, 20, 60]).unwrap(),
            lags: one_in(&mut rng, 5),
            latency_ms: rng.u64(0..2_000),
            setup,
            acts: (0..rng.u32(4..24)).map(|_| Timed::draw(&mut rng)).collect(),
        }
    }
}

impl Timed {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        let spans: [u64; 9] = [0, 1, 3, 20, 120, 700, 4_000, 15_000, 40_000];
        let after_s = *rng.choice(&spans).unwrap();
        Self { after_s, dice: rng.u64(..), act: Act::draw(rng) }
    }
}

impl Act {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(0..100) {
            0..26 => Self::Tenant(rng.u8(1..4)),
            26..46 => Self::Hand(*rng.choice(&HANDS).unwrap()),
            46..64 => Self::Operator(*rng.choice(&WORDS).unwrap()),
            64..68 => {
                let ends = [End::Unsent, End::Unanswered, End::Unrecorded];
                Self::KillAtRequest(rng.u32(0..20), *rng.choice(&ends).unwrap())
            }
            68..72 => Self::KillAtCommit(rng.u64(1..8), rng.bool()),
            72..74 => Self::Kill,
            74..77 => Self::Stop { for_s: *rng.choice(&[1, 60, 5_000, 90_000]).unwrap() },
            77..81 => Self::Reload(rng.choice(&EDITS).unwrap().clone()),
            81..82 => Self::Restore,
            82..84 => Self::Clock(*rng.choice(&[-86_400, -3_600, 61, 3_600, 86_400]).unwrap()),
            84..87 => {
                let some = |rng: &mut fastrand::Rng| if rng.bool() { rng.u8(1..25) } else { 0 };
                Self::Way(Way {
                    not_sent: some(rng),
                    lost_answers: some(rng),
                    errors_before: some(rng),
                    errors_after: some(rng),
                    throttled: some(rng),
                })
            }
            87..91 => Self::Entra(*rng.choice(&ENTRA).unwrap()),
            91..94 => Self::Platform(*rng.choice(&PLATFORM).unwrap()),
            _ => Self::Calm,
        }
    }

    /// By what name the act is counted.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tenant(_) => "Tenant".to_owned(),
            Self::KillAtRequest(..) | Self::KillAtCommit(..) => "kill planned".to_owned(),
            Self::Stop { .. } => "Stop".to_owned(),
            Self::Clock(_) => "Clock".to_owned(),
            Self::Way(_) => "Way".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// The same days with one thing less, in every way.
pub(super) fn smaller(script: &Script) -> Vec<Script> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Script)| {
        let mut one = script.clone();
        change(&mut one);
        if one != *script {
            found.push(one);
        }
    };
    for at in 0..script.acts.len() {
        with(&|one| {
            let gone = one.acts.remove(at);
            if let Some(next) = one.acts.get_mut(at) {
                next.after_s += gone.after_s;
            }
        });
    }
    for (at, timed) in script.acts.iter().enumerate() {
        if let Act::Tenant(count) = timed.act {
            with(&|one| one.acts[at].act = Act::Tenant(count.min(1)));
        }
        with(&|one| one.acts[at].after_s = 0);
    }
    with(&|one| one.quirks = 0);
    with(&|one| one.lags = false);
    with(&|one| one.latency_ms = 0);
    with(&|one| one.setup.existing = 0);
    with(&|one| one.setup.never_adopts = false);
    with(&|one| one.setup.within_group = false);
    with(&|one| one.setup.is_tight = false);
    with(&|one| one.setup.puts = false);
    with(&|one| one.setup.removal = Removal::ValueFilter);
    with(&|one| one.setup.requests_per_second = 100);
    with(&|one| one.setup.page_size = 100);
    with(&|one| one.setup.member_batch = 5);
    found
}
