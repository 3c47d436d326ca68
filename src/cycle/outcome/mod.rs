//! Outcome: records what the target answered. Ledger, journal and budget change together, in the
//! commit that ends the turn.

mod attributes;
mod ignored;
mod lag;
mod links;
mod members;
mod merged;
mod names;
mod repeats;
mod stranger;
mod stuck;

pub(super) use attributes::Attention;
pub(super) use ignored::Ignored;
pub(super) use merged::NOT_BEFORE;
pub(super) use stranger::{STRANGER, is_another_group, is_another_user, look_before};
pub(super) use stuck::{ESCROW_FIRST, ESCROW_MAX, PendingEscrow, TRIES_MAX};

use self::stranger::{Newcomer, is_shown_as_newcomer};
use super::Engine;
use super::apply::{Applied, People, Reply, Sent};
use super::peer::failure;
use super::update::Written;
use crate::audit::{Hash, Write};
use crate::core::judge::Cleared;
use crate::core::model::{
    AttrPath, Attributes, Datum, Drift, Entity, Link, Origin, PersonId, ScimId,
};
use crate::core::plan::{Action, same};
use crate::scim::{ScimError, Words};

/// Why somebody who has an account cannot use it.
const KEPT_INACTIVE: &str = "the platform made the account inactive, and keeps it so although active was sent again by \
    itself; activate it there, or ask the platform why it does so";

/// What is told of an object about which alone the target asks for patience.
pub(super) const SLOWED_ALONE: &str = "the platform asks us to slow down (status 429) whenever this is sent, and answers everything else";

impl Engine {
    pub(super) fn on_applied(&mut self, applied: Applied) {
        if let Err(error) = &applied.result
            && error.may_be_of_one()
        {
            let error = error.clone();
            return self.on_suspect(applied, error);
        }
        let Applied { mut sent, cleared, result, receipt } = applied;
        self.receipt = receipt.id();
        let result = match result {
            Ok(reply) if !self.take_told(&sent, &reply) => Err(ScimError::Mismatch),
            result => result,
        };
        self.spell_sent(&mut sent);
        match result {
            Ok(reply) if self.went_to_another(&sent, &reply) => {
                self.target_answered();
                self.on_stranger(&sent, cleared.as_ref(), &reply);
            }
            Ok(mut reply) => {
                if let Reply::Group(Some(group)) = &mut reply {
                    group.members =
                        group.members.take().map(|shown| self.target.as_accounts(shown));
                }
                self.target_answered();
                if sent.writes() {
                    self.on_write_made();
                }
                self.on_success(sent, cleared.as_ref(), reply);
            }
            Err(error) => self.on_failure(sent, cleared.as_ref(), &error),
        }
        self.receipt = None;
    }

    fn on_success(&mut self, sent: Sent, cleared: Option<&Cleared>, reply: Reply) {
        match (sent, reply) {
            (Sent::Create { person }, Reply::Written(written)) => {
                self.on_created(person, *written, cleared);
            }
            (Sent::Change { person, id, held }, Reply::Written(written)) => {
                self.on_changed(person, &id, held, *written, cleared);
            }
            (Sent::GroupCreate { key, first, .. }, Reply::Group(Some(group)))
                if self.target.links.groups.owner(&group.id).is_some_and(|owner| *owner != key) =>
            {
                for (person, _) in &first {
                    self.target.queue.put_back(&Entity::Member(key.clone(), *person));
                }
                if let Some(owner) = self.target.links.groups.owner(&group.id).cloned() {
                    let (entity, owner) = (Entity::Group(key), Entity::Group(owner));
                    self.on_merged(&entity, owner, &group.id, cleared);
                }
            }
            (Sent::GroupCreate { key, attributes, first }, Reply::Group(Some(group))) => {
                let shown = group.attributes(attributes.keys());
                let is_sent = |id: &ScimId| first.iter().any(|(_, sent)| sent == id);
                let has_others = group.members.iter().flatten().any(|id| !is_sent(id));
                let was_there = group.was_there || has_others;
                let origin = self.origin_of(&Entity::Group(key.clone()), was_there);
                self.link_group(&key, &group.id, origin, attributes, &shown);
                self.done(&Entity::Group(key.clone()), cleared);
                self.confirm_first_members(&key, first, group.members.as_ref());
            }
            (Sent::GroupChange { key, id, held, attributes, before }, Reply::Group(group)) => {
                let shown = group.map(|group| group.attributes(attributes.keys()));
                let adopts = cleared.is_some_and(|one| one.change().action == Action::GroupAdopt);
                let origin = match self.state.ledger.groups.get(&key) {
                    // What we made and released is ours again, not somebody else's.
                    Some(entry) if !adopts || entry.link == Link::Released(id.clone()) => {
                        entry.origin
                    }
                    _ => Origin::Adopted,
                };
                let mut whole = held;
                whole.extend(attributes);
                self.link_group(&key, &id, origin, whole, &shown.unwrap_or_default());
                self.done(&Entity::Group(key.clone()), cleared);
                if adopts {
                    self.target.note_adopting(&key, before, true);
                    self.read_members(&key, People::new());
                }
            }
            (Sent::GroupDelete { key }, _) => {
                self.unlink_group(&key, true);
                self.done(&Entity::Group(key), cleared);
            }
            (Sent::Members { key, people, adds, before }, Reply::Group(answer)) => {
                self.on_members(key, people, adds, before, answer);
            }
            (Sent::ReadBack { key, why }, Reply::Group(group)) => {
                self.on_read_back(&key, why, group);
            }
            (Sent::ReadAccount { person }, Reply::User(user)) => self.on_account_read(person, user),
            (Sent::Try { entity }, reply) => self.on_tried(&entity, reply),
            (sent, _) => {
                debug_assert!(false, "an answer of another kind than what was sent");
                self.target.queue.release(&sent.entity());
            }
        }
    }

    fn on_created(&mut self, person: PersonId, written: Written, cleared: Option<&Cleared>) {
        let is_kept_inactive = written.is_kept_inactive();
        let Written { id, made, shown, refused, checked, is_unsettled, was_there, .. } = written;
        self.state.note_active(&shown);
        let entity = Entity::Account(person);
        let Some(id) = id else { return self.target.queue.release(&entity) };
        let owner = self.target.links.accounts.owner(&id).copied();
        let owner = owner.or_else(|| self.carried_in(&shown)).filter(|owner| *owner != person);
        let mut left_over = Vec::new();
        if let Some(owner) = owner {
            let is_newcomers = is_shown_as_newcomer(person, (&made, &shown));
            if !(is_newcomers && self.is_dead(owner)) {
                if is_newcomers {
                    let newcomer = Newcomer { person, id: id.clone(), sent: made, shown };
                    self.target.refusals.attention.newcomers.insert(owner, newcomer);
                }
                return self.on_merged(&entity, Entity::Account(owner), &id, cleared);
            }
            left_over = self.left_over(owner, &made);
            self.give_up(&Entity::Account(owner), &id);
        }
        self.target.refusals.ignored.note_checked(&checked);
        let mut kept = self.kept(person, &Attributes::new(), (made, &shown), (true, cleared));
        let mut stuck = self.on_refused(person, &refused, true);
        if is_kept_inactive {
            // An account that nobody can use is not the one that was wanted.
            kept.attributes.insert(AttrPath::active(), Datum::Bool(false));
            if !is_unsettled {
                self.end_trial(&entity, KEPT_INACTIVE);
                stuck.get_or_insert_with(|| KEPT_INACTIVE.into());
            }
        }
        if let Some(words) = stuck {
            self.target
                .refusals
                .pending
                .insert(entity.clone(), PendingEscrow { words, only: None });
        }
        let origin = self.origin_of(&entity, was_there);
        self.link_account(person, &id, origin, kept.attributes, &shown);
        self.done(&entity, cleared);
        if is_unsettled {
            left_over.push(AttrPath::active());
            self.begin_write(entity.clone(), Action::Reactivate, left_over);
            self.target.queue.occupy(entity.clone());
            self.target.read_later(entity);
        } else if !left_over.is_empty() {
            self.begin_write(entity.clone(), Action::Update, left_over);
            self.target.queue.occupy(entity);
            self.target.reads.accounts.push(person);
        }
    }

    fn on_changed(
        &mut self,
        person: PersonId,
        id: &ScimId,
        held: Attributes,
        written: Written,
        cleared: Option<&Cleared>,
    ) {
        let Written { made, shown, refused, checked, .. } = written;
        self.state.note_active(&shown);
        let entity = Entity::Account(person);
        self.target.refusals.ignored.note_checked(&checked);
        let active = AttrPath::active();
        if let (Some(wanted), Some(Datum::Bool(said))) = (made.get(&active), shown.get(&active))
            && *wanted != Datum::Bool(*said)
        {
            return self.on_shown_otherwise(person, cleared);
        }
        let adopts = cleared.is_some_and(|one| one.change().action == Action::Adopt);
        let given_up = given_up(&held, &made);
        let held = self.without_doubted(person, held);
        let stuck = self.on_refused(person, &refused, false);
        if made.is_empty() && !refused.is_empty() && !adopts {
            return self.on_all_refused(&entity, cleared, stuck);
        }
        if let Some(words) = stuck {
            self.target
                .refusals
                .pending
                .insert(entity.clone(), PendingEscrow { words, only: None });
        }
        let entry = self.state.ledger.accounts.get(&person);
        let origin = match entry {
            Some(entry) if !adopts => entry.origin,
            _ => Origin::Adopted,
        };
        // Inactive by somebody else, and no less so because its title was changed.
        let is_disowned = !made.contains_key(&active)
            && entry.is_some_and(|entry| matches!(entry.link, Link::Linked(_)));
        let activates = made.get(&active) == Some(&Datum::Bool(true));
        if made.get(&active) == Some(&Datum::Bool(false)) && self.state.recovery.is_some() {
            self.target.comparison.note_deactivated(person);
        }
        let count = made.len();
        let kept = self.kept(person, &held, (made, &shown), (false, cleared));
        let mut whole = held;
        whole.extend(kept.attributes);
        self.link_account(person, id, origin, whole, &shown);
        if let Some(name) = given_up {
            self.on_name_given_up(&name);
        }
        if is_disowned && let Some(entry) = self.state.ledger.accounts.get_mut(&person) {
            entry.link = Link::Linked(id.clone());
        }
        if activates && self.state.ledger.drift.get(&entity).is_some_and(Drift::is_disabled) {
            self.forget_drift(&entity);
        }
        if count > 0 && kept.ignored.len() == count && !adopts {
            // Nothing of it was done, whatever was said.
            let paths: Vec<&str> = kept.ignored.iter().map(AttrPath::as_str).collect();
            let words = format!("confirmed and not made: {}", paths.join(", "));
            return self.not_done(&entity, cleared, &words);
        }
        self.done(&entity, cleared);
    }

    /// What was held before a change, without what is in doubt.
    fn without_doubted(&self, person: PersonId, mut held: Attributes) -> Attributes {
        if let Some(entry) = self.state.ledger.accounts.get(&person) {
            held.retain(|path, _| !entry.doubted.contains_key(path));
        }
        held
    }

    /// Nothing of the change was taken.
    fn on_all_refused(&mut self, entity: &Entity, cleared: Option<&Cleared>, stuck: Option<Words>) {
        match stuck {
            Some(words) => {
                self.escrow(entity, cleared, words);
                self.end_write(entity);
                self.target.queue.release(entity);
            }
            // All of it is left out for everybody from now on.
            None => self.not_done(entity, cleared, "the platform takes nothing of this"),
        }
        self.target.touch(entity.clone());
    }

    /// The change was not made, and is planned again as far as it is still wanted.
    fn not_done(&mut self, entity: &Entity, cleared: Option<&Cleared>, words: &str) {
        if let Some(cleared) = cleared {
            self.record(cleared, Some(words));
        }
        self.made_on_trial(entity);
        self.end_write(entity);
        self.target.queue.finish(entity);
        self.target.queue.release(entity);
    }

    pub(in crate::cycle) fn on_failure(
        &mut self,
        sent: Sent,
        cleared: Option<&Cleared>,
        error: &ScimError,
    ) {
        match sent {
            Sent::Create { person, .. } => {
                self.on_create_failure(&Entity::Account(person), cleared, error);
            }
            Sent::GroupCreate { key, first, .. } => {
                for (person, _) in &first {
                    self.target.queue.put_back(&Entity::Member(key.clone(), *person));
                }
                self.on_create_failure(&Entity::Group(key), cleared, error);
            }
            Sent::Change { person, .. } => {
                self.on_change_failure(&Entity::Account(person), cleared, error);
            }
            Sent::GroupChange { key, before, .. } => {
                if cleared.is_some_and(|one| one.change().action == Action::GroupAdopt) {
                    self.target.note_adopting(&key, before, false);
                }
                self.on_change_failure(&Entity::Group(key), cleared, error);
            }
            Sent::GroupDelete { key } => {
                self.on_change_failure(&Entity::Group(key), cleared, error);
            }
            Sent::Members { key, people, adds, .. } => {
                self.on_members_failure(key, people, adds, error);
            }
            Sent::ReadBack { key, why } => self.on_read_back_failure(key, why, error),
            Sent::ReadAccount { person } => self.on_read_failure(Entity::Account(person), error),
            Sent::Try { entity } => self.on_try_failure(&entity, error),
        }
    }

    /// A create without a good answer: either it certainly did not happen, or it is looked up.
    fn on_create_failure(&mut self, entity: &Entity, cleared: Option<&Cleared>, error: &ScimError) {
        match error {
            ScimError::Throttled { .. } if self.is_slowed_alone(entity) => {
                self.forget_intent(entity);
                self.try_later(entity, cleared, SLOWED_ALONE);
            }
            ScimError::Paused => {
                self.forget_intent(entity);
                self.target.queue.put_back(entity);
            }
            ScimError::Throttled { .. } | ScimError::NotSent { .. } | ScimError::Refused { .. } => {
                self.forget_intent(entity);
                self.target_failed(error);
                self.target.queue.put_back(entity);
            }
            ScimError::Conflict { words, .. } => self.on_duplicate(entity, words),
            ScimError::Rejected { .. } | ScimError::TooLarge { .. } => {
                self.forget_intent(entity);
                self.escrow(entity, cleared, error);
            }
            ScimError::Full { .. } => {
                self.forget_intent(entity);
                self.escrow(entity, cleared, error);
                self.target.on_no_seat();
            }
            // Everything else may have happened: the intent stays open, and the survey settles it.
            _ => {
                self.target.note_vain_create(entity, cleared, error);
                self.object_failed(entity, error);
                self.target_failed(error);
                self.target.queue.finish(entity);
            }
        }
        self.target.queue.release(entity);
    }

    fn on_change_failure(&mut self, entity: &Entity, cleared: Option<&Cleared>, error: &ScimError) {
        match error {
            ScimError::Throttled { .. } if self.is_slowed_alone(entity) => {
                self.try_later(entity, cleared, SLOWED_ALONE);
            }
            ScimError::Paused => self.target.queue.put_back(entity),
            ScimError::Throttled { .. } | ScimError::Refused { .. } => {
                self.target_failed(error);
                self.target.queue.put_back(entity);
            }
            ScimError::NotSent { .. } => {
                self.target_failed(error);
                self.try_later(entity, cleared, error);
            }
            // What the answer is not about was made all the same: it is read, and a person hears of it.
            ScimError::Mismatch if self.state.ledger.doubts.contains_key(entity) => {
                self.escrow(entity, cleared, error);
                return self.target.read_later(entity.clone());
            }
            // It may have been made, or the resource may be gone: the target is read before anything else
            // is tried.
            ScimError::Unavailable { .. }
            | ScimError::Uncertain { .. }
            | ScimError::Gone
            | ScimError::NotScim { .. }
            | ScimError::Astray { .. } => {
                self.object_failed(entity, error);
                self.target_failed(error);
                if self.state.ledger.doubts.contains_key(entity) {
                    if self.target.is_vain(entity) {
                        self.escrow(entity, cleared, error);
                    }
                    return self.target.read_later(entity.clone());
                }
                self.target.look_again(entity);
                self.try_later(entity, cleared, error);
            }
            _ => self.escrow(entity, cleared, error),
        }
        self.end_write(entity);
        self.target.queue.release(entity);
    }

    /// A write failed in a way that may be the target's fault.
    fn object_failed(&mut self, entity: &Entity, error: &ScimError) {
        if let Some(failure) = failure(error) {
            self.on_object_failed(entity.clone(), failure);
        }
    }

    /// The change was made.
    pub(in crate::cycle) fn done(&mut self, entity: &Entity, cleared: Option<&Cleared>) {
        if let Some(cleared) = cleared {
            self.record(cleared, None);
            self.target.note_repeat(cleared);
        }
        self.made_on_trial(entity);
        self.target.refusals.tries.remove(entity);
        self.guards.slowed.remove(entity);
        self.target.refusals.attention.vain_creates.remove(entity);
        self.end_write(entity);
        // What was confirmed and does not show stays in escrow, and waits longer each time.
        if !self.target.refusals.pending.contains_key(entity) {
            self.state.release_escrow(entity);
        }
        self.target.queue.finish(entity);
        self.target.queue.release(entity);
    }

    fn done_by_queue(&mut self, entity: &Entity) {
        let cleared = self.target.queue.cleared(entity).cloned();
        if let Some(cleared) = &cleared {
            self.record(cleared, None);
        }
        self.made_on_trial(entity);
        self.target.refusals.tries.remove(entity);
        self.state.release_escrow(entity);
        self.target.queue.finish(entity);
    }

    fn record(&mut self, cleared: &Cleared, refused: Option<&str>) {
        let change = cleared.change();
        let clearance = cleared.clearance();
        let meters = clearance.meters().to_vec();
        let approved_by = clearance.approval().map(|(by, _)| by.to_string());
        match refused {
            None => {
                *self.reporting.tally.done.entry(change.action.name()).or_default() += 1;
                self.target.on_account_made(change);
                self.use_up_made(change);
            }
            Some(_) => self.reporting.tally.refused += 1,
        }
        let digests = self.state.digests();
        let write = Write {
            at: self.clock.now(),
            entity: change.entity.clone(),
            action: change.action,
            digest: change.digest().keyed(digests),
            paths: change.after.keys().map(ToString::to_string).collect(),
            before: Hash::keyed(digests, &change.before),
            after: Hash::keyed(digests, &change.after),
            reason: change.reason.to_string(),
            meters: if refused.is_some() { Vec::new() } else { meters },
            approved_by,
            refused: refused.map(str::to_owned),
            request_id: self.receipt.clone(),
        };
        self.reporting.live.on_record(&write);
        self.state.journal_add(write);
    }
}

/// The login name that an account goes by no longer.
fn given_up(held: &Attributes, made: &Attributes) -> Option<String> {
    let name = AttrPath::user_name();
    let (before, now) = (held.get(&name)?, made.get(&name)?);
    let before = before.as_text().filter(|_| !same(&name, before, now));
    before.map(str::to_owned)
}

/// Where the target shows something other than what it confirmed.
fn answered(sent: &Attributes, shown: &Attributes) -> Attributes {
    let differs = sent.iter().filter_map(|(path, value)| {
        let shown = shown.get(path)?;
        (!same(path, value, shown)).then(|| (path.clone(), shown.clone()))
    });
    differs.collect()
}
