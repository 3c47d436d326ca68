//! How things stand: what the running loop tells whoever watches, and the one place that says what that
//! amounts to.
//!
//! A [`Snapshot`] holds counts, times and the operator's own names of tenants and platforms. What may
//! name a person, a group or an address is in [`Trouble::message`] and [`Held::id`] only, and
//! [`Snapshot::for_everybody`] takes those out. Nothing here decides what happens to an account.

mod expiry;
mod gap;
mod histogram;
mod machine;
mod own;
mod presence;
mod traffic;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::Guard;

pub use expiry::{Credential, Expiry, Nearness, WARN_DAYS};
pub use gap::Gap;
pub use histogram::Histogram;
pub use machine::Machine;
pub use own::{Own, OwnTrouble};
pub use presence::{Presence, Run, RunEnd, RunKind};
pub use traffic::{Exchange, PeerTraffic, Traffic};
pub use verdict::{About, State, Verdict, source_state, target_state, verdict};

use super::model::{Kind, Timestamp};
use super::plan::Action;

/// The least time without success that is told.
pub const PATIENCE_MIN: Duration = Duration::from_secs(60);

/// How everything stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// When on the monotonic clock: the loop made a turn then.
    pub turned: Duration,
    /// When the loop began.
    pub started: Timestamp,
    /// Whether anything is there that keeps the platform true.
    pub presence: Presence,
    /// Between two polls of a tenant.
    pub poll_interval: Duration,
    /// When a tenant is polled next.
    pub next: Option<Timestamp>,
    /// Since when the verdict has been what it is. What is wrong or waits has a time of its own.
    pub changed: Timestamp,
    /// Since when a person has had everything stopped.
    pub paused: Option<Timestamp>,
    /// What is wrong with ourselves.
    pub troubles: Vec<OwnTrouble>,
    /// Bytes free for the state, where that can be told.
    pub disk_free: Option<u64>,
    /// When the state was copied into a backup last.
    pub last_backup: Option<Timestamp>,
    /// The tenants, by the operator's name.
    pub sources: BTreeMap<String, SourceStand>,
    /// The platforms, by the operator's name.
    pub targets: BTreeMap<String, TargetStand>,
    /// From the first news of a pass to the moment when nothing was left to do.
    pub passes: Histogram,
    /// Passes by how they ended: without trouble, or with some.
    pub passes_by_result: BTreeMap<&'static str, u64>,
}

/// What is known beside the loop, and shown with what it tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// When credentials end, the first one first.
    pub expiries: Vec<Expiry>,
    /// The process and its state.
    pub machine: Machine,
}

/// How one tenant stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceStand {
    /// When the last complete read of users, and of groups, ended.
    pub last_complete: [Option<Timestamp>; 2],
    /// When whatever runs began to ask; nothing where nothing asks.
    pub asked: Option<Timestamp>,
    /// When the last round of users, and of groups, ended well.
    pub last_round: [Option<Timestamp>; 2],
    /// Users known.
    pub users: u64,
    /// Groups known.
    pub groups: u64,
    /// By attribute: of how many of the users that are kept it is told, and how many these are.
    pub coverage: BTreeMap<String, (u64, u64)>,
    /// Objects that were read and not yet taken in.
    pub reading: u64,
    /// What of users, and of groups, was told and is not known.
    pub gaps: [Option<Gap>; 2],
    /// Since when no round of users, and of groups, has ended well, where that is too long ago.
    pub silent: [Option<Timestamp>; 2],
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

/// How one platform stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetStand {
    /// Accounts of ours.
    pub accounts: u64,
    /// Those that are active.
    pub active: u64,
    /// Groups of ours.
    pub groups: u64,
    /// Memberships of ours.
    pub memberships: u64,
    /// People who should have an active account.
    pub entitled: u64,
    /// Those of them who have one.
    pub entitled_active: u64,
    /// Those of them who have none until a person has looked.
    pub entitled_stuck: u64,
    /// Those of them who have none because Entra has no login name for them. Nothing is wrong.
    pub without_login: u64,
    /// Changes that are to be made and need nobody's word, by action. Some wait for others.
    pub pending: BTreeMap<Action, u64>,
    /// Whether something is being done about them, or about what is still to be found out.
    pub is_busy: bool,
    /// Changes that wait for a person's word, or were rejected.
    pub holds: Vec<Held>,
    /// Things that a person has to look at.
    pub stuck: u64,
    /// The oldest of them.
    pub stuck_since: Option<Timestamp>,
    /// Accounts and groups of ours whose id another one there carries as well.
    pub twins: u64,
    /// People who should be out and are not confirmed out, and are neither held nor stuck.
    pub leaving: Option<LeavingStand>,
    /// People and groups that wait until Entra has told what must be known of them.
    pub waiting: u64,
    /// Attributes that are not sent, because the platform does not take them.
    pub left_out: Vec<LeftOutStand>,
    /// Of how many people the platform keeps another value than the one that it confirmed, by attribute; of groups
    /// with [`OF_GROUPS`](super::model::OF_GROUPS) before it.
    pub rewritten: BTreeMap<String, u64>,
    /// When everything that may be done was done last.
    pub last_success: Option<Timestamp>,
    /// When all that it holds of ours was compared last with what it confirmed.
    pub last_proof: Option<Timestamp>,
    /// Who should have been out and was not, and who was missing.
    pub proof: Option<Proof>,
    /// What that comparison found changed by somebody else.
    pub drift: u64,
    /// Accounts that somebody else made inactive there, and that are left so.
    pub disabled: u64,
    /// Whether nobody who is in a group can be read back there.
    pub hides_members: bool,
    /// Deactivations that rest on its answer alone: it does not show whether these accounts are active.
    pub untold: u64,
    /// What of ours it does not have by one look.
    pub absent: Option<AbsentStand>,
    /// When the target last confirmed a change.
    pub last_confirmed: Option<Timestamp>,
    /// What is wrong with it.
    pub troubles: Vec<Trouble>,
    /// Those who should be out.
    pub leavers: Leavers,
    /// Changes confirmed since the loop began, by action.
    pub confirmed: BTreeMap<Action, u64>,
    /// Changes refused since the loop began, by action.
    pub refused: BTreeMap<Action, u64>,
    /// Changes confirmed in the last day, by action.
    pub last_day: BTreeMap<Action, u64>,
    /// How often each guard has acted since the process began.
    pub trips: BTreeMap<Guard, u64>,
}

/// An attribute that is not sent, because the platform does not take it from anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutStand {
    /// Its path.
    pub attribute: String,
    /// What is not done with it: `create`, `change` or `clear`.
    #[serde(rename = "use")]
    pub use_: String,
    /// What the platform does: `refused` or `ignored`.
    pub why: String,
    /// From how many people it was not taken, before it was left out.
    pub people: u64,
}

/// People who should be out and are not confirmed out by the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingStand {
    /// How many.
    pub count: u64,
    /// Since when the first of them.
    pub since: Timestamp,
}

/// Accounts and groups that the platform does not have by one look. Nothing is concluded from that before
/// a later look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentStand {
    /// How many.
    pub count: u64,
    /// Since when the first of them.
    pub since: Timestamp,
    /// When all of them are decided about.
    pub decides: Timestamp,
}

/// What a comparison with the platform found, read back from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// When it ended.
    pub at: Timestamp,
    /// People who should be out, and whose account was shown as active.
    pub leavers: u64,
    /// People who should have an active account, and of whom none was shown.
    pub missing: u64,
    /// People who should be out, and whose account was not found for now: whether they are, nobody knows.
    pub unseen: u64,
    /// People who should be out, and whose account was shown without saying whether it is active.
    pub untold: u64,
    /// Since when each comparison has found nobody active, missing or unseen.
    pub clean_since: Option<Timestamp>,
}

/// People who lose their account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leavers {
    /// Whose account is active still.
    pub active: u64,
    /// Since when the one of them who waits longest has been known to leave.
    pub oldest: Option<Timestamp>,
    /// The longest that one of the last day took, from being known to being out.
    pub slowest: Option<Duration>,
    /// How long they took.
    pub spans: Histogram,
}

/// Changes that wait for one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What `approve` and `reject` are told.
    pub id: String,
    /// The guard that stopped them.
    pub guard: &'static str,
    /// How many wait.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
    /// How many of the same hold somebody has rejected: of these nothing is asked any more.
    pub rejected: u64,
}

/// What is wrong with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What it is at bottom.
    pub cause: Cause,
    /// Of a tenant: whether it is about users or about groups.
    pub kind: Option<Kind>,
    /// What happened, what was done about it, what to do next.
    pub message: String,
}

/// What a trouble is at bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Credentials or consent are refused: only a probe now and then is sent.
    Refused,
    /// No usable answer.
    Unavailable,
    /// Too many requests, says the peer.
    Throttled,
    /// The platform takes no further account; everything else goes on.
    NoSeats,
    /// Something that the tenant told of many is told no more; everything else goes on.
    Withheld,
    /// Another one than before: nothing is read from it.
    Foreign,
}

impl Cause {
    /// The cause behind the exit code of a command that ends because of it.
    pub fn of_code(code: u8) -> Self {
        match code {
            3 => Self::NoSeats,
            12 => Self::Refused,
            75 => Self::Throttled,
            78 => Self::Foreign,
            _ => Self::Unavailable,
        }
    }
}

impl SourceStand {
    /// The older of the last complete reads of users and groups; none before both were read.
    pub fn proven(&self) -> Option<Timestamp> {
        let [users, groups] = self.last_complete;
        Some(users?.min(groups?))
    }

    /// What was told and is not known, by kind of object.
    pub fn gaps(&self) -> impl Iterator<Item = (Kind, &Gap)> {
        let kinds = [Kind::Users, Kind::Groups].into_iter().zip(&self.gaps);
        kinds.filter_map(|(kind, gap)| Some((kind, gap.as_ref()?)))
    }

    /// Of which kinds of objects nothing was heard for too long, and since when.
    pub fn silences(&self) -> impl Iterator<Item = (Kind, Timestamp)> + '_ {
        let kinds = [Kind::Users, Kind::Groups].into_iter().zip(self.silent);
        kinds.filter_map(|(kind, since)| Some((kind, since?)))
    }

    /// The older of the last good rounds of users and groups.
    pub fn heard(&self) -> Option<Timestamp> {
        let [users, groups] = self.last_round;
        Some(users?.min(groups?))
    }
}

impl TargetStand {
    /// Those who should have an active account and wait for it: for their turn, or for a word.
    pub fn entitled_waiting(&self) -> u64 {
        self.entitled
            .saturating_sub(self.entitled_active + self.entitled_stuck + self.without_login)
    }

    /// Changes that wait for a person's word. What was rejected waits for nobody.
    pub fn held(&self) -> u64 {
        self.asked().map(|hold| hold.count).sum()
    }

    /// Changes that wait for a word which nobody has said.
    pub fn asked(&self) -> impl Iterator<Item = &Held> {
        self.holds.iter().filter(|hold| hold.count > 0)
    }

    /// Changes that somebody has rejected and that are wanted still.
    pub fn rejected(&self) -> u64 {
        self.holds.iter().map(|hold| hold.rejected).sum()
    }

    /// Who should be out and is not confirmed out, while nothing is being done about it.
    pub fn leaves_open(&self) -> Option<LeavingStand> {
        self.leaving.filter(|_| !self.is_busy)
    }

    /// When the target last did what was wanted of it.
    pub fn served(&self) -> Option<Timestamp> {
        self.last_success.max(self.last_confirmed)
    }
}

impl Snapshot {
    /// The last moment at which every tenant had been read whole: the last proof.
    pub fn proven(&self) -> Option<Timestamp> {
        self.sources.values().map(SourceStand::proven).min().flatten()
    }

    /// So long may a peer go without success before that is told: three polls, and never so short that one
    /// retry is an alarm.
    pub fn patience(&self) -> Duration {
        (3 * self.poll_interval).max(PATIENCE_MIN)
    }

    /// Notes of which users, and of which groups, nothing has been heard for too long by now: each by itself,
    /// since rounds of the one say nothing of the other.
    pub fn listen(&mut self, now: Timestamp) {
        let patience = self.patience();
        for source in self.sources.values_mut() {
            // The first read of a large tenant takes its time.
            let is_first = source.reading > 0;
            for (silent, last) in source.silent.iter_mut().zip(source.last_round) {
                let Some(since) = last.max(source.asked) else { continue };
                let is_late = now.since(since) > patience && (last.is_some() || !is_first);
                *silent = is_late.then_some(since);
            }
        }
    }

    /// The state of a part: where nothing runs, nothing is being done.
    pub fn seen(&self, state: State) -> State {
        match (self.presence, state) {
            (Presence::Between | Presence::Gone { .. }, State::Running) => State::NotRunning,
            (_, state) => state,
        }
    }

    /// The same without anything that may name a person, a group or an address.
    #[must_use]
    pub fn for_everybody(&self) -> Self {
        let mut bare = self.clone();
        bare.troubles.iter_mut().for_each(|trouble| trouble.message.clear());
        let sources = bare.sources.values_mut().map(|source| {
            source.gaps.iter_mut().flatten().for_each(|gap| gap.first = None);
            &mut source.troubles
        });
        let targets = bare.targets.values_mut();
        let troubles = targets.map(|target| {
            target.holds.iter_mut().for_each(|hold| hold.id.clear());
            &mut target.troubles
        });
        for trouble in sources.chain(troubles).flatten() {
            trouble.message.clear();
        }
        bare
    }
}
