//! What a snapshot amounts to: one state for each tenant and platform, and one for everything.

use std::fmt;

use serde::Serialize;

use super::{Cause, Own, Presence, Snapshot, SourceStand, TargetStand, Trouble};
use crate::core::model::{Kind, Timestamp};

/// How a tenant, a platform or everything is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not once through yet.
    NeverRun,
    /// Nothing to do.
    Idle,
    /// At work.
    Running,
    /// Changes wait for a person's word.
    Held,
    /// Something could not be read or done.
    Degraded,
    /// A peer refuses us: but for a probe now and then, it is left alone.
    Quarantined,
    /// A person has stopped everything.
    Paused,
    /// No process keeps the platform true. Only a command can say so.
    NotRunning,
}

impl State {
    /// All that a running service can be in.
    pub const ALL: [Self; 7] = [
        Self::NeverRun,
        Self::Idle,
        Self::Running,
        Self::Held,
        Self::Degraded,
        Self::Quarantined,
        Self::Paused,
    ];

    /// The name in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverRun => "never_run",
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Held => "held",
            Self::Degraded => "degraded",
            Self::Quarantined => "quarantined",
            Self::Paused => "paused",
            Self::NotRunning => "not_running",
        }
    }

    /// Whether somebody should look.
    pub fn wants_attention(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Degraded | Self::Quarantined | Self::Paused | Self::NotRunning
        )
    }

    /// Which of several states stands for all: whatever stops most comes first, and a first round that
    /// is under way is work.
    fn weight(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::NeverRun => 1,
            Self::Running => 2,
            Self::Held => 3,
            Self::Degraded => 4,
            Self::Quarantined => 5,
            Self::Paused => 6,
            Self::NotRunning => 7,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the verdict is about, which decides what there is to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Everything together.
    Whole,
    /// Ourselves.
    Own(Own),
    /// This tenant.
    Source(String),
    /// The groups of this tenant, while its users are read.
    Groups(String),
    /// This tenant, which no longer tells something of many.
    Withheld(String),
    /// This tenant, which is another one than before.
    Foreign(String),
    /// What this tenant has told and is not known.
    Gap(String),
    /// The users, or the groups, of this tenant, of which nothing was heard for too long.
    Silent(String, Kind),
    /// This platform.
    Target(String),
    /// The seats of this platform.
    Seats(String),
    /// So many changes that wait for a word.
    Holds(u64),
    /// So many things that a person has to look at.
    Stuck(u64),
    /// So many people who should be out and are not confirmed out.
    Leaving(u64),
}

/// How it is, since when, and what that is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// What that is about.
    pub about: About,
}

/// How one tenant is doing.
pub fn source_state(source: &SourceStand) -> State {
    if let Some(state) = state_of_troubles(&source.troubles) {
        return state;
    }
    if source.silences().next().is_some() || source.gaps().next().is_some() {
        return State::Degraded;
    }
    match (source.reading, source.proven()) {
        (1.., _) => State::Running,
        (0, None) => State::NeverRun,
        (0, Some(_)) => State::Idle,
    }
}

/// How one platform is doing.
pub fn target_state(target: &TargetStand) -> State {
    if let Some(state) = state_of_troubles(&target.troubles) {
        return state;
    }
    if target.stuck > 0 || target.leaves_open().is_some() {
        State::Degraded
    } else if target.asked().next().is_some() {
        State::Held
    } else if target.is_busy && !target.pending.is_empty() {
        State::Running
    } else if target.last_success.is_none() {
        // Where something was made, a first round is under way, or was broken off.
        let has_made = target.accounts > 0 || target.groups > 0;
        if has_made { State::Running } else { State::NeverRun }
    } else {
        State::Idle
    }
}

/// The whole: the weightiest state of any part. Where nothing runs, that comes before everything.
pub fn verdict(snapshot: &Snapshot) -> Verdict {
    if let Presence::Gone { since, .. } = snapshot.presence {
        return Verdict { state: State::NotRunning, since, about: About::Whole };
    }
    let whole = of_all(snapshot);
    let state = snapshot.seen(whole.state);
    Verdict { state, ..whole }
}

fn of_all(snapshot: &Snapshot) -> Verdict {
    // Without room for the state nothing else matters: nobody is asked anything.
    if let Some(full) = snapshot.troubles.iter().find(|own| own.kind == Own::DiskFull) {
        return Verdict { state: State::Degraded, since: full.since, about: About::Own(full.kind) };
    }
    if let Some(since) = snapshot.paused {
        return Verdict { state: State::Paused, since, about: About::Whole };
    }
    let sources = snapshot.sources.iter().map(|(name, source)| of_source(name, source, snapshot));
    let targets = snapshot.targets.iter().map(|(name, target)| of_target(name, target, snapshot));
    // Of two alike the one that has lasted longer.
    let own = snapshot.troubles.iter().filter(|trouble| !trouble.kind.is_warning());
    let own = own.map(|trouble| Verdict {
        state: State::Degraded,
        since: trouble.since,
        about: About::Own(trouble.kind),
    });
    let weightiest = sources
        .chain(targets)
        .chain(own)
        .max_by_key(|part| (part.state.weight(), std::cmp::Reverse(part.since)));
    weightiest.unwrap_or(Verdict {
        state: State::NeverRun,
        since: snapshot.started,
        about: About::Whole,
    })
}

fn of_source(name: &str, source: &SourceStand, snapshot: &Snapshot) -> Verdict {
    let state = source_state(source);
    let only_withheld = source.troubles.iter().all(|one| one.cause == Cause::Withheld);
    let only_groups = source.troubles.iter().all(|one| one.kind == Some(Kind::Groups));
    // That nothing is heard of users says more than what is wrong with groups, or with a property.
    let silent = source.silences().next();
    if let Some((kind, since)) = silent
        && (only_withheld || (only_groups && kind == Kind::Users))
    {
        return Verdict { state, since, about: About::Silent(name.to_owned(), kind) };
    }
    if let (Some(since), []) = (source.gaps().map(|(_, gap)| gap.since).min(), &*source.troubles) {
        return Verdict { state, since, about: About::Gap(name.to_owned()) };
    }
    let is_foreign = source.troubles.iter().any(|one| one.cause == Cause::Foreign);
    let about = match state {
        _ if is_foreign => About::Foreign,
        _ if only_withheld => About::Withheld,
        _ if only_groups => About::Groups,
        _ => About::Source,
    };
    part(state, &source.troubles, || about(name.to_owned()), snapshot)
}

fn of_target(name: &str, target: &TargetStand, snapshot: &Snapshot) -> Verdict {
    let state = target_state(target);
    let is_troubled = !target.troubles.is_empty();
    match state {
        State::Held => {
            let since = target.asked().map(|hold| hold.since).min();
            let count = target.asked().map(|hold| hold.count).sum();
            let since = since.unwrap_or(snapshot.changed);
            Verdict { state, since, about: About::Holds(count) }
        }
        State::Degraded if !is_troubled && let Some(leaving) = target.leaves_open() => {
            Verdict { state, since: leaving.since, about: About::Leaving(leaving.count) }
        }
        State::Degraded if !is_troubled => {
            let since = target.stuck_since.unwrap_or(snapshot.changed);
            Verdict { state, since, about: About::Stuck(target.stuck) }
        }
        _ => {
            let only_seats = target.troubles.iter().all(|one| one.cause == Cause::NoSeats);
            let about = if only_seats { About::Seats } else { About::Target };
            part(state, &target.troubles, || about(name.to_owned()), snapshot)
        }
    }
}

fn part(
    state: State,
    troubles: &[Trouble],
    about: impl FnOnce() -> About,
    snapshot: &Snapshot,
) -> Verdict {
    let trouble = troubles.iter().map(|trouble| trouble.since).min();
    let (since, about) = match (state, trouble) {
        (State::NeverRun, _) => (snapshot.started, About::Whole),
        (_, Some(since)) => (since, about()),
        (_, None) => (snapshot.changed, About::Whole),
    };
    Verdict { state, since, about }
}

fn state_of_troubles(troubles: &[Trouble]) -> Option<State> {
    let states = troubles.iter().map(|trouble| match trouble.cause {
        Cause::Refused => State::Quarantined,
        Cause::Unavailable
        | Cause::Throttled
        | Cause::NoSeats
        | Cause::Withheld
        | Cause::Foreign => State::Degraded,
    });
    states.max()
}
