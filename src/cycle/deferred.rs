//! Deferred: changes that are wanted and left out of the plan for now, each with the reason. Everything
//! that leaves a change out goes through `Engine::deferral`, so that a plan can say so.

use super::Engine;
use super::outcome::{ESCROW_MAX, NOT_BEFORE};
use crate::core::derive::Entitlement;
use crate::core::judge::{Aspect, Guarded};
use crate::core::model::{Entity, Escrow, Kind, Link, PersonId, Timestamp};
use crate::core::plan::{Action, Change, ChangeDigest, Changes, Note};

/// Why a change is left out of the plan for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deferral {
    /// It was refused, and is due again later.
    Refused,
    /// The target takes no further account for now.
    NoSeat,
    /// The target does not have it by one look, and a later one decides.
    Absent,
    /// Its tenant is another one than before.
    Foreign,
    /// The tenant's groups have not been read since the start.
    GroupsUnread,
    /// The state is in doubt, and is compared with both sides first.
    Doubtful,
}

/// Something that is left out of the plan for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// What it is about.
    pub entity: Entity,
    /// The change, where one can be said.
    pub action: Option<Action>,
    /// Why, in a sentence without names.
    pub why: String,
}

impl Engine {
    /// Why the change is left out of the plan for now; `None` where it is judged.
    pub(super) fn deferral(&self, change: &Change) -> Option<Deferral> {
        let now = self.clock.now();
        let escrow = &self.state.ledger.escrow;
        if escrow
            .get(&change.entity)
            .is_some_and(|stuck| waits(stuck, now) && stuck.change == change.digest())
        {
            return Some(Deferral::Refused);
        }
        // What is adopted was found.
        if !matches!(change.action, Action::Adopt | Action::GroupAdopt)
            && self.state.ledger.absent_since(&change.entity).is_some()
        {
            return Some(Deferral::Absent);
        }
        if self.target.waits_for_seat(change) {
            return Some(Deferral::NoSeat);
        }
        if self.concerns_foreign(&change.entity) {
            return Some(Deferral::Foreign);
        }
        // Groups never delay leavers: until groups were read, only accounts are judged.
        if !matches!(change.entity, Entity::Account(_)) && !self.sources.is_fresh(Kind::Groups) {
            return Some(Deferral::GroupsUnread);
        }
        self.is_doubtful(change).then_some(Deferral::Doubtful)
    }

    /// Takes out of a plan what is left out for now.
    pub(super) fn leave_out_deferred(&mut self, changes: &mut Changes) {
        self.target.forget_seats();
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let escrow = self.state.ledger.escrow.values();
        let refused = escrow.filter(|stuck| waits(stuck, now));
        let refused = refused.map(|stuck| elapsed + stuck.next.since(now));
        self.target.refusals.due = refused.chain(self.target.seats_due()).min();
        changes.retain(|change| self.deferral(change).is_none());
    }

    /// Whether exactly this was refused and is not due yet: a part of a change whose other parts are held.
    pub(super) fn waits_after_refusal(&self, entity: &Entity, digest: ChangeDigest) -> bool {
        let now = self.clock.now();
        let stuck = self.state.ledger.escrow.get(entity);
        stuck.is_some_and(|stuck| waits(stuck, now) && stuck.change == digest)
    }

    /// Everything that is left out of the plan for now, and why.
    pub fn deferred(&self) -> Vec<Deferred> {
        let mut all: Vec<Deferred> = Vec::new();
        for change in self.target.planning.planner.changes().values() {
            if let Some(why) = self.deferral(change) {
                let why = self.words_of(&why, &change.entity);
                let (entity, action) = (change.entity.clone(), Some(change.action));
                all.push(Deferred { entity, action, why });
            }
        }
        // What is absent and to stay as it is.
        for entity in self.state.ledger.absent.keys() {
            if !self.target.planning.planner.changes().contains_key(entity) {
                let why = self.words_of_absent(entity);
                all.push(Deferred { entity: entity.clone(), action: None, why });
            }
        }
        for (entity, note) in self.target.planning.planner.notes() {
            if let Note::Stuck(why) | Note::NoLogin(why) | Note::Twins(why) = note {
                all.push(Deferred { entity: entity.clone(), action: None, why: why.clone() });
            }
        }
        for (entity, why) in self.untouched_leavers() {
            let why = format!(
                "{why}. The person should have no account any more, and this one stays active: look at it on the \
                 platform"
            );
            all.push(Deferred { entity: entity.clone(), action: Some(Action::Deactivate), why });
        }
        for (entity, why) in self.waiting_for_entra() {
            all.push(Deferred { entity: entity.clone(), action: None, why: why.to_owned() });
        }
        all.sort_by(|one, other| one.entity.cmp(&other.entity));
        all
    }

    /// Who should be out, and has an account of ours that is never touched; and why it is not.
    fn untouched_leavers(&self) -> impl Iterator<Item = (&Entity, &'static str)> {
        self.target.planning.planner.notes().iter().filter_map(|(entity, note)| {
            let (Entity::Account(person), Note::Untouched(why)) = (entity, note) else {
                return None;
            };
            let entry = self.state.ledger.accounts.get(person)?;
            let is_out = matches!(
                self.target.planning.planner.entitlements().get(person),
                Some(Entitlement::Out(_))
            );
            (is_out && matches!(entry.link, Link::Linked(_))).then_some((entity, *why))
        })
    }

    /// Whoever and whatever waits until Entra has told what must be known of it, and why. Nobody is among them of
    /// whom nothing would be done either way.
    pub fn waiting_for_entra(&self) -> impl Iterator<Item = (&Entity, &str)> {
        self.target.planning.planner.notes().iter().filter_map(|(entity, note)| {
            match (entity, note) {
                (Entity::Account(person), Note::Waiting(why)) if self.waits(*person) => {
                    Some((entity, why.as_str()))
                }
                (Entity::Group(key), Note::Waiting(why)) => {
                    let link = self.state.ledger.groups.get(key).map(|entry| &entry.link);
                    matches!(link, Some(Link::Linked(_))).then_some((entity, why.as_str()))
                }
                _ => None,
            }
        })
    }

    fn waits(&self, person: PersonId) -> bool {
        let entry = self.state.ledger.accounts.get(&person);
        let link = entry.map_or(&Link::Unlinked, |entry| &entry.link);
        let mirror = self.state.mirrors.get(&person.source);
        let Some(user) = mirror.and_then(|mirror| mirror.users.get(&person.object)) else {
            return false;
        };
        match self.target.planning.planner.entitlements().get(&person) {
            // Whoever has no active account loses none by having left.
            Some(Entitlement::Unknown(_)) => {
                matches!(link, Link::Linked(_)) || !user.presence.is_missing()
            }
            // In scope, but there is no login name to be said.
            Some(Entitlement::In) => !matches!(link, Link::Pending(_) | Link::Linked(_)),
            Some(Entitlement::Out(_)) | None => false,
        }
    }

    /// Whether a change is left out of the plan for now.
    pub fn is_deferred(&self, change: &Change) -> bool {
        self.deferral(change).is_some()
    }

    pub(super) fn words_of(&self, why: &Deferral, entity: &Entity) -> String {
        match why {
            Deferral::Refused => match self.state.ledger.escrow.get(entity) {
                Some(stuck) => format!("stuck, tried again after {}: manntall stuck", stuck.next),
                None => "stuck: manntall stuck".to_owned(),
            },
            Deferral::NoSeat => "the platform has no seat left".to_owned(),
            Deferral::Absent => self.words_of_absent(entity),
            Deferral::Foreign => {
                "its tenant is another one than before; see: manntall holds".to_owned()
            }
            Deferral::GroupsUnread => {
                "the groups of the tenant have not been read since the start".to_owned()
            }
            Deferral::Doubtful => {
                "the state is in doubt, and is compared with both sides first".to_owned()
            }
        }
    }

    /// Whether something that was held cannot be judged now: it is left out of the plan, or nobody knows
    /// for the moment whether it is wanted.
    pub(super) fn is_unjudged(&self, guarded: &Guarded) -> bool {
        let Guarded::Of { entity, aspect } = guarded else { return false };
        if !matches!(entity, Entity::Account(_)) && !self.sources.is_fresh(Kind::Groups) {
            return true;
        }
        let roster = self.roster();
        match (self.target.planning.planner.changes().get(entity), entity, aspect) {
            (Some(change), _, _) if self.deferral(change).is_some() => true,
            (Some(change), Entity::Account(person), Aspect::Value(path)) => {
                !change.after.contains_key(path)
                    && self.target.planning.planner.is_value_unknown(&roster, *person, path)
            }
            (Some(_), _, _) => false,
            (None, Entity::Account(person), Aspect::Value(path)) => {
                self.target.planning.planner.is_undetermined(&roster, entity)
                    || self.target.planning.planner.is_value_unknown(&roster, *person, path)
            }
            (None, _, _) => self.target.planning.planner.is_undetermined(&roster, entity),
        }
    }

    /// Takes out of escrow what is not wanted any more: it is gone with its change.
    pub(super) fn release_unwanted(&mut self) {
        let groups = self.sources.is_fresh(Kind::Groups);
        let roster = self.roster();
        let ledger = &self.state.ledger;
        let is_over = |entity: &&Entity| {
            (groups || matches!(entity, Entity::Account(_)))
                && !self.target.planning.planner.changes().contains_key(entity)
                && !self.target.planning.planner.is_undetermined(&roster, entity)
                && !ledger.doubts.contains_key(*entity)
                && !self.target.refusals.pending.contains_key(*entity)
                && !self.target.queue.is_busy(entity)
        };
        let over: Vec<Entity> = ledger.escrow.keys().filter(is_over).cloned().collect();
        for entity in over {
            let logged = entity.logged(self.state.digests());
            tracing::info!(entity = %logged, "no longer stuck: the change is not wanted any more");
            self.state.release_escrow(&entity);
        }
    }
}

/// Whether what is stuck is not due yet. What was written down by a clock that was ahead keeps nobody waiting for
/// longer than the longest usual wait.
fn waits(stuck: &Escrow, now: Timestamp) -> bool {
    let is_long = || stuck.last <= now && stuck.next.since(stuck.last) <= NOT_BEFORE;
    stuck.next > now && (stuck.next.since(now) <= ESCROW_MAX || is_long())
}
