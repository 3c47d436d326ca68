//! One platform that is kept true, and how far that is: what is to be done there, what is on its way, and what
//! went wrong. Nothing here survives the process; what does is in [`State`](super::state::State).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::absence::Look;
use super::outcome::{Attention, Ignored, PendingEscrow};
use super::proof::ProofRun;
use super::queue::Queue;
use super::recovery::Comparison;
use super::seat_limit::NoSeats;
use super::sent::ReadBacks;
use super::spelling::ById;
use super::survey::SurveyRun;
use super::{Target, Trouble};
use crate::clock::Clock;
use crate::core::judge::{Claims, Judgement};
use crate::core::model::{Entity, GroupKey, PersonId, ScimId};
use crate::core::plan::{ChangeDigest, Planner, Touched};
use crate::core::policy::Policy;
use crate::core::survey::Survey;
use crate::scim::Reader;
use crate::scim::dialect::Dialect;
use crate::scim::pace::Pacer;

/// The work at one target.
pub(super) struct TargetLoop {
    pub(super) clock: Arc<dyn Clock>,
    /// Reads the target.
    pub(super) reader: Reader,
    /// Paces everything that is sent to the target, reads too.
    pub(super) pacer: Pacer,
    /// How the target departs from the standard.
    pub(super) dialect: Dialect,
    /// What the operator wants there.
    pub(super) policy: Policy,
    pub(super) planning: Planning,
    pub(super) survey: Correlation,
    pub(super) proof: ProofRun,
    pub(super) queue: Queue,
    pub(super) links: Links,
    pub(super) reads: Reads,
    pub(super) members: MemberWork,
    pub(super) refusals: Refusals,
    pub(super) health: TargetHealth,
    /// How far the target has been compared with a state that is in doubt.
    pub(super) comparison: Comparison,
}

impl TargetLoop {
    /// Nothing is known of the target yet, and everything is to be planned.
    pub(super) fn new(target: Target, clock: Arc<dyn Clock>) -> Self {
        let Target { reader, pacer, dialect, policy } = target;
        Self {
            clock,
            reader,
            pacer,
            dialect,
            policy,
            planning: Planning { judge_due: true, ..Planning::default() },
            survey: Correlation::default(),
            proof: ProofRun::default(),
            queue: Queue::default(),
            links: Links::default(),
            reads: Reads::default(),
            members: MemberWork::default(),
            refusals: Refusals::default(),
            health: TargetHealth::default(),
            comparison: Comparison::default(),
        }
    }
}

/// From what Entra says to what may be sent.
#[derive(Default)]
pub(super) struct Planning {
    pub(super) planner: Planner,
    /// What the next plan has to look at; `None` for everything.
    pub(super) touched: Option<Touched>,
    pub(super) judgement: Option<Judgement>,
    /// Whether the plan has changed since it was judged.
    pub(super) judge_due: bool,
    /// Whether the plan was judged in this turn.
    pub(super) judged: bool,
    /// The changes that alone may be made, where a saved plan is carried out.
    pub(super) only: Option<BTreeSet<ChangeDigest>>,
    /// Changes cleared unasked that are not made yet. Lost with the process, which is the strict way.
    pub(super) cleared: Claims,
    /// Compares every plan with the plan made from everything, and counts those that differ.
    pub(super) audit: Option<u64>,
}

/// Which account and group of the target is whose.
#[derive(Default)]
pub(super) struct Correlation {
    pub(super) answers: Survey,
    pub(super) run: SurveyRun,
}

/// The links, by the ids that the target gave.
#[derive(Default)]
pub(super) struct Links {
    pub(super) accounts: ById<PersonId>,
    pub(super) groups: ById<GroupKey>,
}

/// What is to be read because a write or an earlier look does not say how things stand.
#[derive(Default)]
pub(super) struct Reads {
    /// Groups, to see what a change has left of them.
    pub(super) groups: ReadBacks,
    /// Accounts of which nobody knows what a write has left.
    pub(super) accounts: Vec<PersonId>,
    /// Accounts and groups that are read at a later time, for the same reason.
    pub(super) later: BTreeMap<Entity, Duration>,
    /// When what is absent by one look is looked at again.
    pub(super) looks: BTreeMap<Entity, Look>,
}

/// What is known of changes of members beyond the ledger.
#[derive(Default)]
pub(super) struct MemberWork {
    /// Groups that were read for a change of their members, when, and who was in them.
    pub(super) fresh: BTreeMap<GroupKey, (Duration, BTreeSet<ScimId>)>,
    /// How often in a row a change of a group's members got no verdict.
    pub(super) failed: BTreeMap<GroupKey, u32>,
    /// Memberships for which alone a form that is not proven did nothing.
    pub(super) idle: BTreeSet<Entity>,
    /// Forms of member changes whose first use is being read back.
    pub(super) proving: BTreeSet<String>,
}

/// What the target did not take, or did not do.
#[derive(Default)]
pub(super) struct Refusals {
    /// Confirmed changes that did not show.
    pub(super) ignored: Ignored,
    /// What is known of attributes and creates that the target does not take.
    pub(super) attention: Attention,
    /// Failures without a verdict, by entity.
    pub(super) tries: BTreeMap<Entity, u32>,
    /// Entities that go to escrow once the plan has their change again.
    pub(super) pending: BTreeMap<Entity, PendingEscrow>,
    /// When the first item in escrow may be tried again.
    pub(super) due: Option<Duration>,
}

/// Whether the target can be worked with, and when again.
#[derive(Default)]
pub(super) struct TargetHealth {
    pub(super) trouble: Option<Trouble>,
    /// When the target is tried again.
    pub(super) retry: Option<Duration>,
    /// That no account is made, because the target has no seat left.
    pub(super) no_seats: Option<NoSeats>,
    /// When the next permit for a request is to be had, if one was wanted.
    pub(super) pace_wait: Option<Duration>,
}
