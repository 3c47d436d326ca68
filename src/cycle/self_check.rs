//! Own: what is wrong with ourselves rather than with a peer, noticed by the loop and told to whoever
//! watches: little room on the disk, a clock that is off, a state in doubt, a configuration that is not in
//! force, another instance that was refused. Nothing here decides what happens to an account.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Sources;
use super::state::State;
use super::{Engine, Trouble};
use crate::core::model::Timestamp;
use crate::core::report::{Own, OwnTrouble};
use crate::store::Room;

/// How often the disk and the clock are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Less free than this is told, whatever the size of the disk.
const ROOM_BYTES_MIN: u64 = 200 * 1024 * 1024;
/// Less than a tenth free is told too, unless that is this much, which is more than the state of a million
/// people takes: on a large disk a tenth is no matter of ours.
const ROOM_SHARE_MIN: u64 = 10;
const ROOM_BYTES_AMPLE: u64 = 10 * ROOM_BYTES_MIN;

/// A clock that is off by more is told. Answers are dated to the second, and some take a while.
const SKEW_MAX_MS: u64 = 60_000;

/// Another instance that was refused is told for so long; one that is started again and again stays.
const RIVAL_TOLD: Duration = Duration::from_secs(15 * 60);

/// What is known about ourselves.
#[derive(Debug, Default)]
pub(super) struct SelfCheck {
    looked: Option<Duration>,
    room: Option<Room>,
    /// What was found at the last look, by kind.
    found: BTreeMap<Own, OwnTrouble>,
    /// The process that was refused, and when.
    rival: Option<(u32, Timestamp)>,
    /// What is wrong with the configuration file, which was to be loaded anew.
    pub(super) config_trouble: Option<Trouble>,
}

impl State {
    /// Why the state is not to be trusted, and what is done about it.
    pub fn doubt(&self) -> Option<OwnTrouble> {
        let doubt = self.recovery.as_ref()?;
        let message = format!(
            "the state is in doubt: {}. Both sides are read and compared before anything is taken from \
             anybody; the service or manntall sync does so by itself",
            doubt.why
        );
        Some(OwnTrouble { kind: Own::Doubt, since: doubt.since, message })
    }

    /// That there is little room left, if there is.
    pub fn low_room(&self, now: Timestamp) -> Option<OwnTrouble> {
        low_room(self.room()?, now)
    }
}

fn low_room(room: Room, since: Timestamp) -> Option<OwnTrouble> {
    let Room { free, total } = room;
    let is_low =
        free < ROOM_BYTES_MIN || (free < ROOM_BYTES_AMPLE && free < total / ROOM_SHARE_MIN);
    let mega = |bytes: u64| bytes / (1024 * 1024);
    is_low.then(|| OwnTrouble {
        kind: Own::DiskLow,
        since,
        message: format!(
            "only {} of {} MiB are free on the disk of service.state_dir. Everything goes on until \
             there is no room; then nothing more is changed until there is. Free some: df -h, du -x",
            mega(free),
            mega(total)
        ),
    })
}

impl Engine {
    /// Looks at the disk and the clock from time to time, and tells once what is new.
    pub(super) fn look_after_itself(&mut self) {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        if self.self_check.looked.is_some_and(|at| elapsed < at + LOOK_EVERY) {
            return;
        }
        self.self_check.looked = Some(elapsed);
        self.self_check.room = self.state.room();
        let room = self.self_check.room.and_then(|room| low_room(room, now));
        let found = room.into_iter().chain(self.sources.skew(now));
        let before = std::mem::take(&mut self.self_check.found);
        for mut trouble in found {
            match before.get(&trouble.kind) {
                Some(known) => trouble.since = known.since,
                // The reader of the tenant has told of the clock already.
                None if trouble.kind == Own::Clock => {}
                None => tracing::warn!("{}", trouble.message),
            }
            self.self_check.found.insert(trouble.kind, trouble);
        }
    }

    /// Another process wanted this state and was refused.
    pub fn note_rival(&mut self, process: u32) {
        tracing::warn!(
            process,
            "another manntall (process {process}) was started on this state and was refused; this one goes \
             on. End the other one, or it may be started again and again: systemctl list-units 'manntall*'"
        );
        self.self_check.rival = Some((process, self.clock.now()));
    }

    fn rival(&self) -> Option<OwnTrouble> {
        let now = self.clock.now();
        let (process, since) =
            self.self_check.rival.filter(|(_, at)| now.since(*at) < RIVAL_TOLD)?;
        let message = format!(
            "another manntall (process {process}) was started on this state and was refused; this one goes \
             on. End the other one: systemctl list-units 'manntall*'"
        );
        Some(OwnTrouble { kind: Own::Rival, since, message })
    }

    /// What is wrong with ourselves.
    pub fn own_troubles(&self) -> Vec<OwnTrouble> {
        let configuration = self.self_check.config_trouble.as_ref().map(|trouble| {
            let Trouble { since, message, code: _, guard: _ } = trouble;
            OwnTrouble { kind: Own::Configuration, since: *since, message: message.clone() }
        });
        let stall = self.stall().map(|trouble| OwnTrouble {
            kind: Own::Stall,
            since: trouble.since,
            message: trouble.message.clone(),
        });
        let all = configuration.into_iter().chain(stall);
        let all = all.chain(self.state.doubt()).chain(self.rival());
        all.chain(self.self_check.found.values().cloned()).collect()
    }

    /// What is free on the disk of the state.
    pub(super) fn disk_free(&self) -> Option<u64> {
        self.self_check.room.map(|room| room.free)
    }
}

impl Sources {
    /// That our clock is off, by the tenant's that is furthest away.
    fn skew(&self, since: Timestamp) -> Option<OwnTrouble> {
        let apart = self.tenants.values().filter_map(|source| source.client.clock_ahead_ms());
        let apart = apart.max_by_key(|ms| ms.unsigned_abs())?;
        (apart.unsigned_abs() > SKEW_MAX_MS).then(|| OwnTrouble {
            kind: Own::Clock,
            since,
            message: format!(
                "the clock of this machine is {} s {} that of Entra. Everything goes on, but tokens and \
                 certificates may be refused and recorded times are wrong; set the clock: timedatectl \
                 set-ntp true",
                apart.unsigned_abs() / 1000,
                if apart > 0 { "ahead of" } else { "behind" }
            ),
        })
    }
}
