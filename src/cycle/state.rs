//! Everything durable, in memory: loaded once, changed here, written as one commit a step.
//!
//! Whoever changes something marks its key; [`State::commit`] writes the marked records as they are by
//! then, in one batch, and returns once that is durable. What was not committed is not acted on. What may
//! wait (`waiting`) is written along with the rest.

mod approvals;
mod buckets;
mod load;
mod members;
mod recall;
mod recent;
mod rejections;
mod spent;
#[cfg(test)]
mod tests;
mod waiting;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::buckets::Buckets;
pub use self::recall::Words;
pub use self::recent::Recent;
use self::waiting::Waiting;
pub(crate) use self::words::count_of;
use super::chunks::Chunks;
use super::identity::Identity;
use super::records::{Key, Pause, Proof, Recovery, TargetRecord, decode, encode, is_split};
use super::report::Report;
use crate::audit::{DecisionKind, Head};
use crate::core::coverage::Coverage;
use crate::core::judge::{Approval, Guarded, HeldBefore, Rejection, Trial, Window};
use crate::core::mirror::Mirror;
use crate::core::model::{
    DigestKey, Element, Entity, GroupEntry, GroupKey, Kind, Ledger, Link, ObjectId, Origin,
    Presence, Properties, SourceGroup, SourceName, Timestamp,
};
use crate::core::plan::ChangeDigest;
use crate::core::report;
use crate::core::rules::Rules;
use crate::graph::delta::{Lane, Walk};
use crate::store::{Batch, Record, Room, SharedStore, Store, StoreError};

/// Unasked changes count for this long.
pub const WINDOW: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

type GroupRecord = (Presence, Arc<Properties>, bool, bool, Option<BTreeSet<ObjectId>>, bool);
type TargetGroupRecord =
    (Link, Origin, crate::core::model::Attributes, crate::core::model::Attributes, bool);

/// The state of one service.
pub struct State {
    store: SharedStore,
    pub(super) marked: BTreeSet<Key>,
    waiting: Waiting,
    chunks: Chunks,
    staged: Vec<(Key, Option<Vec<u8>>)>,
    split_source: BTreeSet<(SourceName, ObjectId)>,
    split_target: BTreeSet<GroupKey>,
    /// What each tenant last said.
    pub mirrors: BTreeMap<SourceName, Mirror>,
    /// How each tenant is read.
    pub walks: BTreeMap<(SourceName, Kind), Walk>,
    /// What the target last confirmed.
    pub ledger: Ledger,
    /// The target as a whole.
    pub target: TargetRecord,
    /// Where the journal begins and ends.
    pub(super) audit_head: Head,
    /// The time of this turn, for what is recorded in it.
    pub(super) now: Timestamp,
    /// When it was compared, and is to be compared.
    pub proof: Option<Proof>,
    /// What the last comparison found of leavers and of people who are missing.
    pub proven: Option<report::Proof>,
    /// Why none of this is to be trusted yet, if it is not.
    pub recovery: Option<Recovery>,
    /// How things stood when the service last wrote that down.
    pub report: Option<Report>,
    /// What earlier judgements held.
    pub held: Vec<HeldBefore>,
    /// What people approved.
    pub approvals: Vec<Approval>,
    /// What of them was used up since they were written.
    used: BTreeMap<Guarded, BTreeSet<ChangeDigest>>,
    /// Large approvals, as far as they have been tried out.
    pub trials: Vec<Trial>,
    /// What people rejected.
    pub rejections: Vec<Rejection>,
    /// What people announced.
    pub windows: Vec<Window>,
    /// How many objects have what they are asked for.
    pub coverage: BTreeMap<(SourceName, Kind), Coverage>,
    /// Which tenants and which target these are.
    pub identity: Identity,
    /// The rules that the plan was last made from.
    pub rules: Option<Rules>,
    /// What counts of the journal.
    pub recent: Recent,
    /// Whether somebody wants nothing to be written for now.
    pub paused: Option<Pause>,
    /// Since when all is known that people have said; `None` for since ever.
    words_since: Option<Timestamp>,
    /// The key of the digests that leave the process.
    digests: DigestKey,
}

/// The hour that a time lies in, counted from 1970.
pub(super) fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(3_600_000)
}

impl State {
    /// Loads everything but the journal's older part.
    pub fn load(store: SharedStore, now: Timestamp) -> Result<Self, StoreError> {
        let mut state = Self {
            store,
            marked: BTreeSet::new(),
            waiting: Waiting::default(),
            chunks: Chunks::default(),
            staged: Vec::new(),
            split_source: BTreeSet::new(),
            split_target: BTreeSet::new(),
            mirrors: BTreeMap::new(),
            walks: BTreeMap::new(),
            ledger: Ledger::default(),
            target: TargetRecord::default(),
            audit_head: Head::default(),
            now,
            proof: None,
            proven: None,
            recovery: None,
            report: None,
            held: Vec::new(),
            approvals: Vec::new(),
            used: BTreeMap::new(),
            trials: Vec::new(),
            rejections: Vec::new(),
            windows: Vec::new(),
            coverage: BTreeMap::new(),
            identity: Identity::default(),
            rules: None,
            recent: Recent::default(),
            paused: None,
            words_since: None,
            digests: DigestKey::new([[0; 32]; 2]),
        };
        state.load_digest_key()?;
        let store = Arc::clone(&state.store);
        // The journal is most of what there is, so it is read beside the rest.
        state.recent = thread::scope(|threads| {
            let recent = threads.spawn(|| Recent::load(&*store, now));
            state.load_sources()?;
            state.load_target()?;
            recent.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        state.audit_head = state.record(&Key::AuditHead)?.unwrap_or_default();
        state.report = state.record(&Key::Report)?;
        state.recovery = state.record(&Key::Recovery)?;
        if let Some(why) = state.store.doubt() {
            state.enter_recovery(now, &why);
        }
        Ok(state)
    }

    /// Trusts nothing of this until it has been compared with both sides: everything is to be read
    /// anew, and what was permitted is asked about again. It is on record with the next commit, and until
    /// then the store doubts itself.
    pub fn enter_recovery(&mut self, now: Timestamp, why: &str) {
        self.recovery = Some(Recovery { since: now, why: why.to_owned() });
        self.mark(Key::Recovery);
        self.decide_on(DecisionKind::Recovery, None, why);
        for (&(source, kind), walk) in &mut self.walks {
            walk.doubt();
            self.marked.insert(Key::Walk(source, kind));
        }
        // Whoever is missing on the target now was there before: that is no first import.
        self.target.first_import_over = true;
        self.mark(Key::Target);
        self.end_permissions(now);
        self.words_since = Some(now);
        self.mark(Key::WordsSince);
    }

    /// Everything was compared: what is here is true again.
    pub fn leave_recovery(&mut self) {
        self.recovery = None;
        self.mark(Key::Recovery);
        self.decide_on(DecisionKind::Trust, None, "both sides were read and compared");
    }

    /// The key of the digests that leave the process.
    pub fn digests(&self) -> &DigestKey {
        &self.digests
    }

    /// Whether anything was ever stored.
    pub fn is_empty(&self) -> bool {
        self.walks.is_empty() && self.ledger.accounts.is_empty()
    }

    /// The elements that a lane staged, in the order they arrived.
    pub fn staged(
        &self,
        source: SourceName,
        kind: Kind,
        lane: Lane,
    ) -> Result<Vec<Element>, StoreError> {
        let walk = self.walks.get(&(source, kind));
        let count = walk.map_or(0, |walk| staged_count(walk, lane));
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut elements = Vec::new();
        if count == 0 {
            return Ok(elements);
        }
        each(&*self.store, &Key::staged_prefix(source, kind, lane), |key, value| {
            if elements.len() < count {
                elements.push(record(key, value)?);
            }
            Ok(())
        })?;
        Ok(elements)
    }

    /// Marks a record as changed.
    pub fn mark(&mut self, key: Key) {
        self.marked.insert(key);
    }

    /// Marks a source group and all its members.
    pub fn mark_group(&mut self, source: SourceName, group: ObjectId) {
        self.mark(Key::Group(source, group));
        let members = self
            .mirrors
            .get(&source)
            .and_then(|mirror| mirror.groups.get(&group))
            .map_or(0, |group| group.members.len());
        let was = self.split_source.contains(&(source, group));
        let split = is_split(members, was);
        if split {
            self.split_source.insert((source, group));
        }
        for bucket in 0..=if split { u8::MAX } else { 0 } {
            self.mark(Key::Edges(source, group, bucket));
        }
    }

    /// Stages elements behind those that the lane has staged already. The caller then moves the walk on,
    /// and marks it.
    pub fn stage(&mut self, source: SourceName, kind: Kind, lane: Lane, elements: &[Element]) {
        let walk = self.walks.entry((source, kind)).or_default();
        let first = staged_count(walk, lane);
        for (at, element) in (first..).zip(elements) {
            self.staged.push((Key::Staged(source, kind, lane, at), Some(encode(element))));
        }
    }

    /// Removes what a lane staged, once the walk no longer counts it, and so in as many commits as it
    /// takes: the store holds on to all that one commit replaces until its end. What a kill leaves lies
    /// behind the count of the next round, or under it.
    pub fn unstage(
        &mut self,
        source: SourceName,
        kind: Kind,
        lane: Lane,
    ) -> Result<(), StoreError> {
        /// One commit removes so many at the most.
        const STEP: usize = 2_000;
        let mut keys = Vec::new();
        self.store.for_each(&Key::staged_prefix(source, kind, lane), &mut |key, _| {
            keys.push((key.to_vec(), None));
        })?;
        let mut keys = keys.into_iter();
        loop {
            let records: Vec<_> = keys.by_ref().take(STEP).collect();
            if records.is_empty() {
                return Ok(());
            }
            self.store.commit(Batch { records })?;
        }
    }

    /// Whether anything is to be committed now.
    pub fn is_dirty(&self) -> bool {
        !self.marked.is_empty() || !self.staged.is_empty() || self.waiting.is_due(self.now)
    }

    /// Writes everything that was marked, as one, and what waits along with it.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if !self.is_dirty() {
            return Ok(());
        }
        let mut marked = std::mem::take(&mut self.marked);
        marked.append(&mut self.waiting.take());
        let mut buckets = Buckets::default();
        let mut records = Vec::with_capacity(marked.len() + self.staged.len());
        for key in marked {
            let (bytes, value) = (key.bytes(), self.value(&key, &mut buckets));
            if key.is_long() {
                self.chunks.split(&bytes, value.as_deref(), &mut records);
            } else {
                records.push((bytes, value));
            }
        }
        let staged = std::mem::take(&mut self.staged);
        records.extend(staged.into_iter().map(|(key, value)| (key.bytes(), value)));
        self.store.commit(Batch { records })
    }

    fn value(&self, key: &Key, buckets: &mut Buckets) -> Option<Vec<u8>> {
        match key {
            Key::Walk(source, kind) => self.walks.get(&(*source, *kind)).map(encode),
            Key::User(source, id) => self.mirrors.get(source)?.users.get(id).map(encode),
            Key::Group(source, id) => self.mirrors.get(source)?.groups.get(id).map(|group| {
                let split = self.split_source.contains(&(*source, *id));
                let SourceGroup { presence, properties, members: _, whole, left, emptied } = group;
                encode(&(presence, properties, split, whole, left, emptied))
            }),
            Key::Edges(source, id, part) => buckets.edges(self, (*source, *id), *part),
            Key::Account(person) => self.ledger.accounts.get(person).map(encode),
            Key::TargetGroup(key) => self.ledger.groups.get(key).map(|entry| {
                let GroupEntry { link, origin, sent, answered, members: _ } = entry;
                encode(&(link, origin, sent, answered, self.split_target.contains(key)))
            }),
            Key::Members(key, part) => buckets.members(self, key, *part),
            Key::Escrow(entity) => self.ledger.escrow.get(entity).map(encode),
            Key::Doubt(entity) => self.ledger.doubts.get(entity).map(encode),
            Key::Drift(entity) => self.ledger.drift.get(entity).map(encode),
            Key::Unseen(entity) => self.ledger.unseen.get(entity).map(encode),
            Key::Absent(entity) => self.ledger.absent.get(entity).map(encode),
            Key::Twins(entity) => self.ledger.twins.get(entity).map(encode),
            Key::Proof => self.proof.as_ref().map(encode),
            Key::Proven => self.proven.as_ref().map(encode),
            Key::Target => Some(encode(&self.target)),
            Key::Recovery => self.recovery.as_ref().map(encode),
            Key::AuditHead => Some(encode(&self.audit_head)),
            Key::Noted => Some(self.audit_head.to_string().into_bytes()),
            Key::Paused => self.paused.as_ref().map(encode),
            Key::WordsSince => self.words_since.as_ref().map(encode),
            Key::LeftOut(path, use_) => {
                self.ledger.left_out.get(&(path.clone(), *use_)).map(encode)
            }
            Key::ByHand(person) => self.ledger.by_hand.get(person).map(encode),
            Key::Held(at) => item(&self.held, *at).map(encode),
            Key::Approval(at) => item(&self.approvals, *at).map(encode),
            Key::Used(guarded) => self.used.get(guarded).map(encode),
            Key::Rejection(at) => item(&self.rejections, *at).map(encode),
            Key::Window(at) => item(&self.windows, *at).map(encode),
            Key::Coverage(source, kind) => self.coverage.get(&(*source, *kind)).map(encode),
            Key::Identity => Some(encode(&self.identity)),
            Key::Trials => Some(encode(&self.trials)),
            Key::DigestKey => Some(encode(&self.digests)),
            Key::Rules => self.rules.as_ref().map(encode),
            Key::Report => self.report.as_ref().map(encode),
            // Written through `put` or staged, never marked.
            Key::Staged(..)
            | Key::Journal(_)
            | Key::HoldPart(..)
            | Key::HeldChange(_)
            | Key::Stuck(_) => None,
        }
    }

    /// Writes or removes a record that is not kept in memory, with the next commit.
    pub(super) fn put<T: Serialize>(&mut self, key: Key, value: Option<&T>) {
        self.staged.push((key, value.map(encode)));
    }

    /// One record that is not kept in memory.
    pub(super) fn record<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let key = key.bytes();
        self.store.get(&key)?.map(|value| record(&key, &value)).transpose()
    }

    /// All records of one kind that are not kept in memory.
    pub(super) fn records<T: DeserializeOwned>(
        &self,
        prefix: &[u8],
    ) -> Result<Vec<(Key, T)>, StoreError> {
        let found = self.read(prefix)?.into_iter();
        found.map(|(key, value)| Ok((parse(&key)?, record(&key, &value)?))).collect()
    }

    pub(super) fn scan(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        self.store.for_each(prefix, visit)
    }

    /// The room for the state, where that can be told.
    pub fn room(&self) -> Option<Room> {
        self.store.room()
    }

    /// The end of the journal as the witness beside the store has it.
    pub(super) fn witnessed(&self) -> Option<String> {
        self.store.noted()
    }

    fn read(&self, prefix: &[u8]) -> Result<Vec<Record>, StoreError> {
        self.store.scan(prefix)
    }

    /// Replaces what is remembered of holds.
    pub fn remember_held(&mut self, held: Vec<HeldBefore>) {
        let most = self.held.len().max(held.len());
        for at in 0..most {
            if self.held.get(at) != held.get(at) {
                self.mark(Key::Held(u32::try_from(at).unwrap_or(u32::MAX)));
            }
        }
        self.held = held;
    }

    /// Takes an entity out of escrow.
    pub fn release_escrow(&mut self, entity: &Entity) {
        if self.ledger.escrow.remove(entity).is_some() {
            self.mark(Key::Escrow(entity.clone()));
        }
    }
}

/// Takes in one record after the other, so that not all of them are held beside what is made of them.
fn each(
    store: &dyn Store,
    prefix: &[u8],
    mut take_in: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut result = Ok(());
    store.for_each(prefix, &mut |key, value| {
        if result.is_ok() {
            result = take_in(key, value);
        }
    })?;
    result
}

fn staged_count(walk: &Walk, lane: Lane) -> u32 {
    match lane {
        Lane::Delta => walk.staged_delta,
        Lane::Full => walk.staged_full,
    }
}

fn item<T>(items: &[T], at: u32) -> Option<&T> {
    items.get(usize::try_from(at).ok()?)
}

fn parse(key: &[u8]) -> Result<Key, StoreError> {
    Key::parse(key).ok_or_else(|| damaged(key))
}

fn record<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    decode(value).ok_or_else(|| damaged(key))
}

fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged {
        folder: String::new(),
        detail: format!(
            "the record {} cannot be read",
            String::from_utf8_lossy(key).escape_debug()
        ),
    }
}
