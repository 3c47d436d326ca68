//! Proof: every `full_compare` all that the target holds of ours is read, and compared with what it has
//! confirmed. What somebody else changed there is drift.
//!
//! Drift of what is ours becomes what the ledger says that the target holds; so the planner plans to
//! change it back, with that as the reason, and the budgets count it like any other change. What is
//! not ours is not looked at: other accounts, members whom we do not know, attributes that we never
//! set. An account that somebody else made inactive stays so, and is reported.
//!
//! A listing proves presence, never absence: what is missing in it is asked for by its id. What was written to
//! since a page was asked for is left out.

mod drift;
mod people;
mod twins;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) use drift::account_difference;
use drift::{difference, take, take_account};

use super::apply::ReadBack;
use super::records::{Key, Proof};
use super::survey::Failed;
use super::{Engine, Event, Launch};
use crate::core::model::{
    AttrPath, Attributes, Drift, Entity, GroupEntry, GroupKey, Kind, PersonId, ScimId,
};
use crate::scim::dialect::MembersRead;
use crate::scim::{ListPage, Listed, ScimError, Turn, Walk};

/// So many resources that a listing lacks are asked for by their id in one comparison, the rest in the next.
const LOOKUPS_MAX: usize = 500;
/// A page that fails so often running, while the target answers other questions, ends the comparison.
const FAILURES_MAX: u32 = 3;
/// A target that shows the same value in place of ours in so many comparisons running keeps its own: that is
/// not sent again.
const INSISTS_AFTER: u32 = 3;

/// A comparison that goes on, if one does.
#[derive(Default)]
pub(super) struct ProofRun {
    is_on: bool,
    reading: Option<Reading>,
    drift: u64,
    /// What the listing of users lacks, and is asked for before the groups are listed.
    asked: BTreeSet<Entity>,
    met: people::Met,
    twins: twins::Found,
    retry: Option<Duration>,
    failures: u32,
}

/// One listing.
struct Reading {
    kind: Kind,
    walk: Walk,
    busy: bool,
    /// What was ours and is said to be gone, and was not met yet.
    gone: BTreeMap<ScimId, Entity>,
    /// What was ours when the listing began, and was not met yet.
    missing: BTreeSet<ScimId>,
    /// Attributes that were shown at least once. What is never shown says nothing by being missing.
    told: BTreeSet<AttrPath>,
    differs: BTreeMap<Entity, Attributes>,
    /// Groups whose members are not all what they should be, or were not told.
    suspects: BTreeSet<GroupKey>,
    /// What was written to since the last page was asked for.
    moving: BTreeSet<Entity>,
    /// What carries an id of ours and is linked to nothing.
    strangers: twins::Strangers,
}

/// What is compared of a resource.
struct Shown {
    id: ScimId,
    external_id: Option<String>,
    is_garbled: bool,
    attributes: Attributes,
    members: Option<BTreeSet<ScimId>>,
}

impl Listed for Shown {
    fn id(&self) -> &ScimId {
        &self.id
    }

    fn is_garbled(&self) -> bool {
        self.is_garbled
    }
}

/// A page of the comparison.
pub(super) struct Compared(Result<ListPage<Shown>, Failed>);

impl ProofRun {
    /// The entity is about to be written to: what was listed of it is no evidence any more.
    pub(super) fn forget(&mut self, entity: &Entity) {
        if let (true, Entity::Account(person)) = (self.is_on, entity) {
            self.met.written.insert(*person);
        }
        if let Some(reading) = &mut self.reading {
            reading.differs.remove(entity);
            if let Entity::Group(key) = entity {
                reading.suspects.remove(key);
            }
            reading.moving.insert(entity.clone());
        }
    }
}

impl Engine {
    /// Whether a comparison goes on, or is to begin now.
    pub(super) fn is_proving(&self) -> bool {
        let now = self.clock.now();
        // A state in doubt is compared by recovery, which proves as much.
        let is_trusted = self.state.recovery.is_none();
        let is_due = is_trusted && self.state.proof.as_ref().is_some_and(|proof| proof.next <= now);
        is_due || self.target.proof.is_on
    }

    /// As [`Engine::compare_due`], of a comparison that is due or goes on.
    pub(super) fn proof_run_due(&self) -> Option<Duration> {
        self.compare_due().filter(|_| self.is_proving())
    }

    pub(super) fn compare_due(&self) -> Option<Duration> {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let run = &self.target.proof;
        if run.is_on {
            return run.retry;
        }
        let next = self.state.proof.as_ref()?.next;
        Some((elapsed + next.since(now)).max(run.retry.unwrap_or_default()))
    }

    /// The target was listed at first contact, when nothing there was ours: the first comparison
    /// follows after the usual time.
    pub(super) fn begin_proofs(&mut self) {
        if self.state.proof.is_none() {
            let next = self.clock.now().plus(self.timing.full_compare);
            self.state.proof = Some(Proof { at: None, next, drift: 0 });
            self.state.mark(Key::Proof);
        }
    }

    /// Recovery has compared everything.
    pub(super) fn prove_by_recovery(&mut self) {
        self.target.proof = ProofRun::default();
        self.end_comparison(true);
    }

    /// Asks for the next page, when a comparison is due and a permit is left by everything else.
    pub(super) fn compare_next(&mut self, launch: &mut Launch) {
        self.state.compare_by(self.clock.now().plus(self.timing.full_compare));
        let elapsed = self.clock.elapsed();
        let waits = [self.target.proof.retry, self.target.health.retry];
        if !self.is_proving() || waits.into_iter().flatten().any(|at| at > elapsed) {
            return;
        }
        if !self.target.proof.is_on {
            self.target.proof.is_on = true;
            self.target.proof.reading = Some(self.reading_of(Kind::Users));
        }
        // Whoever has no account any more is no member of anything either.
        let waits = |one| self.target.queue.is_busy(one) && !self.target.is_read_in_vain(one);
        let waits_for_reads = self.target.proof.asked.iter().any(waits);
        let is_busy = self.target.proof.reading.as_ref().is_none_or(|reading| reading.busy);
        if is_busy || waits_for_reads {
            return;
        }
        let Some(permit) = self.permit() else { return };
        let moving = self.state.ledger.doubts.keys().cloned().collect();
        let Some(reading) = &mut self.target.proof.reading else { return };
        reading.busy = true;
        reading.moving = moving;
        let (kind, cursor) = (reading.kind, reading.walk.cursor());
        let (reader, pacer) = (self.target.reader.clone(), self.target.pacer.clone());
        let paths = self.target.read_paths(kind);
        launch.push(Box::pin(async move {
            let compared = match kind {
                Kind::Users => reader.list_users(permit, &cursor).await.map(|page| {
                    page.map(|user| Shown {
                        attributes: user.attributes(paths.iter()),
                        id: user.id,
                        external_id: user.external_id,
                        is_garbled: user.is_garbled,
                        members: None,
                    })
                }),
                Kind::Groups => {
                    reader.list_groups_with_members(permit, &cursor).await.map(|page| {
                        page.map(|group| Shown {
                            attributes: group.attributes(paths.iter()),
                            id: group.id,
                            external_id: group.external_id,
                            is_garbled: group.is_garbled,
                            members: group.members,
                        })
                    })
                }
            };
            let compared = match compared {
                Ok(page) => Ok(page),
                Err(error) => Err(Failed::blame(error, &reader, &pacer).await),
            };
            Event::Compared(Box::new(Compared(compared)))
        }));
    }

    fn reading_of(&self, kind: Kind) -> Reading {
        let missing = match kind {
            Kind::Users => self.target.links.accounts.keys().cloned().collect(),
            Kind::Groups => self.target.links.groups.keys().cloned().collect(),
        };
        Reading {
            kind,
            walk: Walk::new(self.known(kind)),
            gone: self.gone(kind),
            busy: false,
            missing,
            told: BTreeSet::new(),
            differs: BTreeMap::new(),
            suspects: BTreeSet::new(),
            moving: BTreeSet::new(),
            strangers: twins::Strangers::new(),
        }
    }

    pub(super) fn on_compared(&mut self, Compared(result): Compared) {
        let Some(mut reading) = self.target.proof.reading.take() else { return };
        reading.busy = false;
        match result {
            Ok(page) => {
                self.target_answered();
                (self.target.proof.failures, self.target.proof.retry) = (0, None);
                let turn = reading.walk.take(&page);
                let told = page.items.iter().map(|one| (&one.id, one.external_id.as_deref()));
                self.note_carried(reading.kind, told);
                for shown in page.items {
                    self.compare_one(&mut reading, shown);
                }
                match turn {
                    Turn::On(_) => self.target.proof.reading = Some(reading),
                    Turn::Ended => self.finish_reading(reading),
                }
            }
            // Where the target asks for patience, the pacer has it.
            Err(Failed { error: error @ ScimError::Throttled { .. }, .. }) => {
                self.target.proof.reading = Some(reading);
                self.target_failed(&error);
            }
            Err(Failed { error, is_its_own }) => {
                self.target.proof.failures += 1;
                let is_vain = self.target.proof.failures >= FAILURES_MAX || !error.passes();
                if is_its_own && is_vain {
                    tracing::warn!(
                        "the platform cannot be compared: {error}. Manntall tries again after full_compare"
                    );
                    return self.end_comparison(false);
                }
                let wait = Duration::from_secs(1 << self.target.proof.failures.min(6));
                self.target.proof.retry = Some(self.clock.elapsed() + wait);
                self.target.proof.reading = Some(reading);
                if !is_its_own {
                    self.target_failed(&error);
                }
            }
        }
    }

    fn compare_one(&mut self, reading: &mut Reading, shown: Shown) {
        let told = (shown.external_id.as_deref(), &shown.attributes);
        self.take_spelling(reading.kind, &shown.id, told);
        if self.is_behind(reading, &shown) {
            // What was linked is missing, and asked for by its id.
            return;
        }
        let Shown { id, external_id, is_garbled: _, attributes, members } = shown;
        reading.missing.remove(&id);
        self.state.note_active(&attributes);
        let told = attributes.iter().filter(|(_, value)| !value.is_unassigned());
        reading.told.extend(told.map(|(path, _)| path.clone()));
        let (entity, differs) = match reading.kind {
            Kind::Users => {
                let Some(person) = self.target.links.accounts.get(&id).copied() else {
                    return self.meet_unlinked(reading, id, external_id, attributes);
                };
                let Some(entry) = self.state.ledger.accounts.get(&person) else { return };
                self.target.proof.met.note(person, attributes.get(&AttrPath::active()));
                (Entity::Account(person), account_difference(entry, &attributes))
            }
            Kind::Groups => {
                let Some(key) = self.target.links.groups.get(&id).cloned() else {
                    return self.meet_unlinked(reading, id, external_id, attributes);
                };
                let members = members.map(|shown| self.target.as_accounts(shown));
                let Some(entry) = self.state.ledger.groups.get(&key) else { return };
                let differs = difference(&entry.sent, &entry.answered, &attributes);
                let is_suspect = self.has_other_members(&key, entry, members.as_ref());
                if is_suspect && !reading.moving.contains(&Entity::Group(key.clone())) {
                    reading.suspects.insert(key.clone());
                }
                (Entity::Group(key), differs)
            }
        };
        self.target.look_now(&entity);
        if reading.moving.contains(&entity) {
            return;
        }
        if differs.is_empty() {
            self.end_drift(&entity, &attributes);
        } else {
            reading.differs.insert(entity, differs);
        }
    }

    /// Whether people of ours are missing from the group, or are there although they should not be.
    fn has_other_members(
        &self,
        key: &GroupKey,
        entry: &GroupEntry,
        shown: Option<&BTreeSet<ScimId>>,
    ) -> bool {
        // A target that seemed to show nobody may show somebody after all.
        let is_read = self.target.dialect.members_read != MembersRead::Never
            && !(self.cannot_read_members() && shown.is_none_or(BTreeSet::is_empty));
        let Some(shown) = shown else { return is_read && !entry.members.is_empty() };
        let ledger = &self.state.ledger;
        let is_sure = |person: PersonId| {
            ledger.unseen.is_empty()
                || !ledger.unseen.contains_key(&Entity::Member(key.clone(), person))
        };
        let id_of = |person: &PersonId| ledger.present_account(*person);
        let sure = entry.members.iter().filter(|person| is_sure(**person));
        let is_missing = sure.filter_map(id_of).any(|id| !shown.contains(id));
        let mut known = shown.iter().filter_map(|id| self.target.links.accounts.get(id));
        // Also whoever shows after all.
        is_read && (is_missing || known.any(|one| !entry.members.contains(one) || !is_sure(*one)))
    }

    fn finish_reading(&mut self, reading: Reading) {
        let Reading { kind, missing, told, differs, suspects, gone, walk, strangers, .. } = reading;
        self.find_twins(strangers, &missing, (kind, &walk.into_told()));
        for (entity, mut shown) in differs {
            shown.retain(|path, value| !value.is_unassigned() || told.contains(path));
            if !shown.is_empty() {
                self.note_drift(entity, shown);
            }
        }
        let missing = missing.iter().filter_map(|id| match kind {
            Kind::Users => self.target.links.accounts.get(id).copied().map(Entity::Account),
            Kind::Groups => self.target.links.groups.get(id).cloned().map(Entity::Group),
        });
        let mut asked: BTreeSet<Entity> = missing.collect();
        asked.extend(suspects.into_iter().map(Entity::Group));
        let most = LOOKUPS_MAX.saturating_sub(self.target.proof.asked.len());
        if asked.len() > most {
            tracing::warn!(
                "{} resources of ours are missing from the listing or not told whole; {most} of them \
                 are asked for now, and the rest after the next comparison",
                asked.len()
            );
        }
        if kind == Kind::Users {
            self.target.proof.met.unread = asked.len().saturating_sub(most);
        }
        for entity in asked.into_iter().take(most) {
            // What is being written to answers for itself.
            if self.target.queue.is_busy(&entity) {
                continue;
            }
            self.target.proof.asked.insert(entity.clone());
            self.target.queue.occupy(entity.clone());
            match entity {
                Entity::Account(person) => self.target.reads.accounts.push(person),
                Entity::Group(key) | Entity::Member(key, _) => {
                    self.target.reads.groups.push((key, ReadBack::Compare));
                }
            }
        }
        match kind {
            Kind::Users => {
                self.ask_for_gone(gone);
                self.count_people();
                self.target.proof.reading = Some(self.reading_of(Kind::Groups));
            }
            Kind::Groups => self.end_comparison(true),
        }
    }

    fn end_comparison(&mut self, is_whole: bool) {
        let now = self.clock.now();
        self.ask_doubtful_again();
        let run = std::mem::take(&mut self.target.proof);
        let at = if is_whole { Some(now) } else { self.state.proof.as_ref().and_then(|it| it.at) };
        let next = now.plus(self.timing.full_compare);
        tracing::info!(drift = run.drift, "the platform was compared with what it confirmed");
        self.state.proof = Some(Proof { at, next, drift: run.drift });
        self.state.mark(Key::Proof);
        if is_whole {
            self.note_people(run.met, &run.asked);
            self.note_twins(run.twins);
        }
    }

    /// Somebody else changed this on the target.
    pub(super) fn note_drift(&mut self, entity: Entity, shown: Attributes) {
        let known = self.state.ledger.drift.get(&entity).filter(|known| known.shown == shown);
        let (since, times) = known.map_or((self.clock.now(), 0), |one| (one.since, one.times));
        let drift = Drift { since, shown, times: times + 1 };
        let paths: Vec<String> = drift.shown.keys().map(ToString::to_string).collect();
        let insists = drift.times >= INSISTS_AFTER;
        let what = if insists { "kept by the platform" } else { "changed by somebody else" };
        tracing::warn!(entity = %entity.logged(self.state.digests()), paths = ?paths, "drift: {what}");
        match &entity {
            Entity::Account(person) => {
                if let Some(entry) = self.state.ledger.accounts.get_mut(person) {
                    take_account(entry, &drift.shown, insists);
                }
                self.state.mark(Key::Account(*person));
            }
            Entity::Group(key) => {
                if let Some(entry) = self.state.ledger.groups.get_mut(key) {
                    take(&mut entry.sent, &mut entry.answered, &drift.shown, insists);
                }
                self.state.mark(Key::TargetGroup(key.clone()));
            }
            Entity::Member(..) => {}
        }
        self.count_drift();
        self.target.forget_repeats(&entity);
        self.state.ledger.drift.insert(entity.clone(), drift);
        self.state.mark(Key::Drift(entity.clone()));
        self.target.touch(entity);
        self.target.planning.judge_due = true;
    }

    /// One more difference, in the comparison that goes on or in the reads that follow from the last.
    pub(super) fn count_drift(&mut self) {
        if self.target.proof.is_on {
            self.target.proof.drift += 1;
        } else if let Some(proof) = &mut self.state.proof {
            proof.drift += 1;
            self.state.mark(Key::Proof);
        }
    }
}
