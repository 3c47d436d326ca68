//! `/api/v1/status`: the snapshot in the form that scripts rest on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::core::report::{
    AbsentStand, Expiry, LeavingStand, LeftOutStand, Proof, Snapshot, SourceStand, State,
    Surroundings, TargetStand, source_state, target_state, verdict,
};
use crate::core::visible::escaped;

#[derive(Serialize)]
struct StatusView<'a> {
    version: &'static str,
    started: String,
    verdict: State,
    since: String,
    next: Option<String>,
    /// What is wrong with ourselves, by kind.
    troubles: Vec<&'static str>,
    disk_free: Option<u64>,
    last_backup: Option<String>,
    sources: BTreeMap<&'a str, SourceView>,
    targets: BTreeMap<&'a str, TargetView<'a>>,
    expiries: Vec<ExpiryView>,
}

#[derive(Serialize)]
struct ExpiryView {
    name: String,
    at: String,
}

#[derive(Serialize)]
struct SourceView {
    state: State,
    last_complete: LastComplete,
    users: u64,
    groups: u64,
    unread: Option<OfKinds<u64>>,
    uncounted: Option<OfKinds<bool>>,
    silent: Option<OfKinds<Option<String>>>,
}

/// Something of users and of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OfKinds<T> {
    users: T,
    groups: T,
}

/// How many of what a tenant told could not be read, and what it does not count; nothing where all is known.
pub(crate) fn gaps(source: &SourceStand) -> (Option<OfKinds<u64>>, Option<OfKinds<bool>>) {
    let [users, groups] = &source.gaps;
    let unread = [users, groups].map(|gap| gap.as_ref().map_or(0, |gap| gap.unread));
    let uncounted = [users, groups].map(|gap| gap.as_ref().is_some_and(|gap| gap.uncounted));
    let some =
        |[users, groups]: [u64; 2]| (users + groups > 0).then_some(OfKinds { users, groups });
    let any = |[users, groups]: [bool; 2]| (users || groups).then_some(OfKinds { users, groups });
    (some(unread), any(uncounted))
}

/// Since when nothing was heard of users, and of groups, where that is too long ago.
pub(crate) fn silent(source: &SourceStand) -> Option<OfKinds<Option<String>>> {
    let [users, groups] = source.silent.map(text);
    (users.is_some() || groups.is_some()).then_some(OfKinds { users, groups })
}

#[derive(Serialize)]
struct LastComplete {
    users: Option<String>,
    groups: Option<String>,
}

#[derive(Serialize)]
struct TargetView<'a> {
    state: State,
    accounts: u64,
    active: u64,
    groups: u64,
    memberships: u64,
    pending: &'a BTreeMap<Action, u64>,
    held: u64,
    rejected: u64,
    stuck: u64,
    without_login: u64,
    /// Accounts and groups of ours whose id another one there carries as well.
    twins: u64,
    /// Who should be out and is not confirmed out, beside those who are held or stuck.
    leaving: Option<LeavingView>,
    /// People and groups that wait until Entra has told what must be known of them.
    waiting: u64,
    last_success: Option<String>,
    last_proof: Option<String>,
    /// What that read back of people.
    proof: Option<ProofView>,
    drift: u64,
    disabled: u64,
    /// Whether memberships can be read back there.
    members_readable: bool,
    /// Deactivations that rest on the platform's answer alone.
    untold: u64,
    absent: Option<AbsentView>,
    left_out: &'a [LeftOutStand],
    rewritten: &'a BTreeMap<String, u64>,
}

/// Who should be out and was not, and who was missing, at the last proof.
#[derive(Debug, Serialize)]
pub(crate) struct ProofView {
    pub(crate) leavers: u64,
    pub(crate) missing: u64,
    pub(crate) unseen: u64,
    pub(crate) untold: u64,
    pub(crate) clean_since: Option<String>,
}

impl ProofView {
    pub(crate) fn of(proof: Proof) -> Self {
        let Proof { at: _, leavers, missing, unseen, untold, clean_since } = proof;
        Self { leavers, missing, unseen, untold, clean_since: text(clean_since) }
    }
}

/// Who should be out and is not confirmed out, and since when the first of them.
#[derive(Debug, Serialize)]
pub(crate) struct LeavingView {
    pub(crate) count: u64,
    pub(crate) since: String,
}

impl LeavingView {
    pub(crate) fn of(leaving: LeavingStand) -> Self {
        Self { count: leaving.count, since: leaving.since.to_string() }
    }
}

/// What the platform does not have by one look, and when it is decided about.
#[derive(Debug, Serialize)]
pub(crate) struct AbsentView {
    pub(crate) count: u64,
    pub(crate) since: String,
    pub(crate) decides: String,
}

impl AbsentView {
    pub(crate) fn of(absent: AbsentStand) -> Self {
        let AbsentStand { count, since, decides } = absent;
        Self { count, since: since.to_string(), decides: decides.to_string() }
    }
}

/// How things stand as JSON. It has no place for the name of a person or a group.
pub(super) fn render(snapshot: &Snapshot, surroundings: &Surroundings) -> String {
    let verdict = verdict(snapshot);
    let sources = snapshot.sources.iter();
    let targets = snapshot.targets.iter();
    let view = StatusView {
        version: env!("CARGO_PKG_VERSION"),
        started: snapshot.started.to_string(),
        verdict: verdict.state,
        since: verdict.since.to_string(),
        next: text(snapshot.next),
        troubles: snapshot.troubles.iter().map(|own| own.kind.name()).collect(),
        disk_free: snapshot.disk_free,
        last_backup: text(snapshot.last_backup),
        sources: sources.map(|(name, source)| (name.as_str(), source_view(source))).collect(),
        targets: targets.map(|(name, target)| (name.as_str(), target_view(target))).collect(),
        expiries: surroundings.expiries.iter().map(expiry_view).collect(),
    };
    escaped(&serde_json::to_string(&view).unwrap_or_default())
}

fn expiry_view(expiry: &Expiry) -> ExpiryView {
    ExpiryView { name: expiry.what.to_string(), at: expiry.at.to_string() }
}

fn source_view(source: &SourceStand) -> SourceView {
    let [users, groups] = source.last_complete;
    let (unread, uncounted) = gaps(source);
    SourceView {
        state: source_state(source),
        last_complete: LastComplete { users: text(users), groups: text(groups) },
        users: source.users,
        groups: source.groups,
        unread,
        uncounted,
        silent: silent(source),
    }
}

fn target_view(target: &TargetStand) -> TargetView<'_> {
    TargetView {
        state: target_state(target),
        accounts: target.accounts,
        active: target.active,
        groups: target.groups,
        memberships: target.memberships,
        pending: &target.pending,
        held: target.held(),
        rejected: target.rejected(),
        stuck: target.stuck,
        without_login: target.without_login,
        twins: target.twins,
        leaving: target.leaving.map(LeavingView::of),
        waiting: target.waiting,
        last_success: text(target.last_success),
        last_proof: text(target.last_proof),
        proof: target.proof.map(ProofView::of),
        drift: target.drift,
        disabled: target.disabled,
        members_readable: !target.hides_members,
        untold: target.untold,
        absent: target.absent.map(AbsentView::of),
        left_out: &target.left_out,
        rewritten: &target.rewritten,
    }
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}
