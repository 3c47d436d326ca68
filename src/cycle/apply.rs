//! Apply: sends what the queue gives, as permits allow. Only the cleared plan reaches this place.
//!
//! Before a create its intent is stored; the request goes only after the commit that holds it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::look_before;
use super::queue::{Gate, Limits, Next};
use super::records::Key;
pub(super) use super::sent::{People, ReadBack, Sent, Word};
use super::target::TargetLoop;
use super::update::{Writing, Written};
use super::{Engine, Event, Launch};
use crate::core::judge::Cleared;
use crate::core::model::{
    Account, AttrPath, Attributes, Datum, Drift, Entity, GroupKey, Intent, Kind, Ledger, Link,
    PersonId, ScimId, Timestamp, Wanted,
};
use crate::core::plan::Action;
use crate::core::survey::Found;
use crate::scim::dialect::{MemberRemove, UpdateMethod};
use crate::scim::members::OtherMembers;
use crate::scim::pace::{Permit, Receipt};
use crate::scim::{GroupResource, ScimError, UserResource, Writer};

/// A read before a change is good for so long: the longest pause that a target can ask for lies between.
const FRESH_FOR: Duration = Duration::from_secs(900);

/// After so many tries without a verdict the attributes of a change are sent one by one, once.
const ONE_BY_ONE_AFTER: u32 = 2;

/// What the target answered.
pub(super) enum Reply {
    Written(Box<Written>),
    User(Option<UserResource>),
    Group(Option<GroupResource>),
    Nothing,
    /// Nothing was sent: the look before has shown another one under the id.
    Stranger,
}

/// A finished write, or the read that proves it.
pub(super) struct Applied {
    pub(super) sent: Sent,
    pub(super) cleared: Option<Cleared>,
    pub(super) result: Result<Reply, ScimError>,
    pub(super) receipt: Receipt,
}

impl Engine {
    /// Leavers take the first permits of a turn, before anything is read.
    pub(super) fn apply_leavers(&mut self, writer: Option<&Writer>, launch: &mut Launch) {
        let Some(writer) = writer else { return };
        let waits = self.target.health.retry.is_some_and(|at| at > self.clock.elapsed());
        while !waits && self.state.paused.is_none() && self.target.queue.has_leaver() {
            let Some(permit) = self.leaver_permit() else { return };
            let Some(cleared) = self.target.queue.take_leaver(&self.state.ledger) else { break };
            self.send_one(writer, permit, cleared, launch);
        }
        self.target.pacer.no_leaver_waits();
    }

    /// Begins as many writes as there are permits.
    pub(super) fn apply_next(&mut self, writer: &Writer, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        if self.target.health.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        loop {
            let paused = self.state.paused.is_some();
            let limits = self.limits();
            let has_next = if paused {
                self.target.queue.has_urgent(elapsed)
            } else {
                self.target.queue.has_ready(&self.state.ledger, limits, elapsed)
            };
            if !has_next {
                return;
            }
            let Some(permit) = self.permit() else { return };
            let (next, permit) = if paused {
                (self.target.queue.take_urgent(), permit.for_order())
            } else {
                (self.target.queue.take(&self.state.ledger, limits, elapsed), permit)
            };
            let Some(next) = next else { return };
            match next {
                Next::One(cleared) => self.send_one(writer, permit, cleared, launch),
                Next::Add(key, id, people) => {
                    self.send_members(writer, permit, (key, id), people, true, launch);
                }
                Next::Remove(key, id, people) => {
                    self.send_members(writer, permit, (key, id), people, false, launch);
                }
            }
        }
    }

    fn limits(&self) -> Limits {
        let (removal, addition) = (self.target.removal_form(), self.target.addition_form());
        let target = &self.state.target;
        // One form that does something else than it should makes every membership wait: what it left of
        // a group is not known well enough to build on.
        let distrusted = target.distrusted_form.as_ref();
        let distrusts = distrusted.is_some_and(|bad| [&removal, &addition].contains(&&bad.form));
        let is_blind = self.cannot_read_members();
        let gate = |form: &str| {
            if distrusts {
                Gate::Shut
            } else if is_blind
                || target.proven_forms.contains(form)
                || !self.target.members.proving.contains(form)
            {
                Gate::Open
            } else {
                Gate::Later
            }
        };
        Limits {
            batch: self.target.dialect.member_batch,
            removals: gate(&removal),
            additions: gate(&addition),
        }
    }

    fn send_one(&mut self, writer: &Writer, permit: Permit, cleared: Cleared, launch: &mut Launch) {
        let change = cleared.change().clone();
        let permit = permit.good_until(cleared.clearance().until());
        let resolved = resolve(&change.after, &self.state.ledger);
        let is_unresolved = resolved.is_empty();
        let wanted = self.without_left_out(&change, resolved);
        let is_for_values =
            matches!(change.action, Action::Update | Action::Reactivate | Action::GroupUpdate);
        match (&change.entity, change.action) {
            // All of it refers to somebody whose account is held or stuck.
            (entity, _) if is_for_values && is_unresolved => self.target.queue.set_aside(entity),
            // Nothing of it is left to be sent, so nothing of it can be done.
            _ if is_for_values && wanted.is_empty() => self.target.leave_empty(&cleared),
            (entity, Action::Create | Action::GroupCreate) if self.is_begun(entity) => {
                self.target.drop_stale(entity);
            }
            (&Entity::Account(person), Action::Create) => {
                self.send_create(writer, permit, cleared, (person, wanted), launch);
            }
            (&Entity::Account(person), Action::Adopt) => {
                let found = self.target.survey.answers.accounts.get(&person);
                let is_taken =
                    |id| self.target.links.accounts.get(id).is_some_and(|of| *of != person);
                if matches!(found, Some(Found::One(candidate)) if is_taken(&candidate.id)) {
                    self.target.drop_stale(&change.entity);
                    self.target.look_again(&change.entity);
                } else if let Some(Found::One(candidate)) = found {
                    let (id, held) = (candidate.id.clone(), candidate.attributes.clone());
                    self.send_change(writer, permit, cleared, (person, id, held, wanted), launch);
                } else {
                    self.target.drop_stale(&change.entity);
                }
            }
            (&Entity::Account(person), _) => {
                let entry = self.state.ledger.accounts.get(&person);
                let found = entry.and_then(|entry| {
                    Some((entry.link.managed()?.clone(), entry.held_before(&wanted)))
                });
                if let Some((id, held)) = found {
                    self.send_change(writer, permit, cleared, (person, id, held, wanted), launch);
                } else {
                    self.target.drop_stale(&change.entity);
                }
            }
            (Entity::Group(key), Action::GroupCreate) => {
                self.send_group_create(writer, permit, cleared, (key.clone(), wanted), launch);
            }
            (Entity::Group(key), _) => {
                self.send_group_change(writer, permit, cleared, (key.clone(), wanted), launch);
            }
            (Entity::Member(..), _) => {}
        }
    }

    /// Whether a create of the entity is on its way already, or has been answered since the plan was
    /// judged.
    fn is_begun(&self, entity: &Entity) -> bool {
        let link = match entity {
            Entity::Account(person) => self.state.ledger.accounts.get(person).map(|e| &e.link),
            Entity::Group(key) => self.state.ledger.groups.get(key).map(|e| &e.link),
            Entity::Member(..) => None,
        };
        link.is_some_and(|link| matches!(link, Link::Pending(_)) || link.managed().is_some())
    }

    fn send_create(
        &mut self,
        writer: &Writer,
        permit: Permit,
        cleared: Cleared,
        (person, attributes): (PersonId, Attributes),
        launch: &mut Launch,
    ) {
        let intent = self.intent(Entity::Account(person));
        let entry = self.state.ledger.accounts.entry(person).or_default();
        entry.link = Link::Pending(intent);
        entry.sent = attributes.clone();
        self.state.mark(Key::Account(person));
        self.target.touch(Entity::Account(person));
        let (until, receipt) = (cleared.clearance().until(), permit.receipt());
        let writing = self.writing(writer, &attributes, until);
        launch.push(Box::pin(async move {
            let result = writing.create(permit, &attributes).await;
            let result = result.map(|written| Reply::Written(Box::new(written)));
            applied(Sent::Create { person }, Some(cleared), result, receipt)
        }));
    }

    fn send_change(
        &mut self,
        writer: &Writer,
        permit: Permit,
        cleared: Cleared,
        (person, id, held, attributes): (PersonId, ScimId, Attributes, Attributes),
        launch: &mut Launch,
    ) {
        let action = cleared.change().action;
        if action != Action::Adopt {
            self.begin_write(Entity::Account(person), action, attributes.keys().cloned());
        }
        // What fails as a whole, and fails again, may fail because of one attribute.
        let one_by_one =
            self.target.refusals.tries.get(&Entity::Account(person)) == Some(&ONE_BY_ONE_AFTER);
        let (until, receipt) = (cleared.clearance().until(), permit.receipt());
        let writing = self.writing(writer, &attributes, until);
        let marks = self.looks_first(&Entity::Account(person), action, &attributes);
        let clock = Arc::clone(&self.clock);
        launch.push(Box::pin(async move {
            let look = (&writing.reader, &*clock);
            let permit = look_before(look, permit, (Kind::Users, &id), marks).await;
            let result = match permit {
                Some(permit) => {
                    let made = writing.change(permit, &id, (&held, &attributes), one_by_one).await;
                    made.map(|written| Reply::Written(Box::new(written)))
                }
                None => Ok(Reply::Stranger),
            };
            let sent = Sent::Change { person, id, held };
            applied(sent, Some(cleared), result, receipt)
        }));
    }

    fn writing(
        &self,
        writer: &Writer,
        attributes: &Attributes,
        until: Option<Timestamp>,
    ) -> Writing {
        let [agreed, untold] = self.target.refusals.ignored.checked();
        let (reader, pacer) = (self.target.reader.clone(), self.target.pacer.clone());
        // Whoever it was said of: what is answered about one departure is no better about another.
        let is_departure = attributes.get(&AttrPath::active()) == Some(&Datum::Bool(false));
        let was_undone = is_departure && self.state.ledger.drift.values().any(Drift::is_activated);
        let writer = writer.clone();
        Writing { writer, reader, pacer, agreed, untold, was_undone, until }
    }

    fn send_group_create(
        &mut self,
        writer: &Writer,
        permit: Permit,
        cleared: Cleared,
        (key, attributes): (GroupKey, Attributes),
        launch: &mut Launch,
    ) {
        let first = if self.target.dialect.group_create_with_members {
            let batch = self.target.dialect.member_batch;
            self.target.queue.first_members(&key, &self.state.ledger, batch)
        } else {
            People::new()
        };
        let intent = self.intent(Entity::Group(key.clone()));
        let entry = self.state.ledger.groups.entry(key.clone()).or_default();
        entry.link = Link::Pending(intent);
        entry.sent = attributes.clone();
        self.state.mark(Key::TargetGroup(key.clone()));
        self.target.touch(Entity::Group(key.clone()));
        let (writer, receipt) = (writer.clone(), permit.receipt());
        launch.push(Box::pin(async move {
            let name = text(&attributes, &AttrPath::display_name());
            let external_id = text(&attributes, &AttrPath::external_id());
            let members: Vec<ScimId> = first.iter().map(|(_, id)| id.clone()).collect();
            let result = writer.create_group(permit, &external_id, &name, &members).await;
            let result = result.map(|group| Reply::Group(Some(group)));
            applied(Sent::GroupCreate { key, attributes, first }, Some(cleared), result, receipt)
        }));
    }

    fn send_group_change(
        &mut self,
        writer: &Writer,
        permit: Permit,
        cleared: Cleared,
        (key, attributes): (GroupKey, Attributes),
        launch: &mut Launch,
    ) {
        let found = if cleared.change().action == Action::GroupAdopt {
            match self.target.survey.answers.groups.get(&key) {
                Some(Found::One(candidate)) => {
                    if self.target.links.groups.get(&candidate.id).is_some_and(|of| *of != key) {
                        self.target.look_again(&Entity::Group(key.clone()));
                        return self.target.drop_stale(&Entity::Group(key));
                    }
                    Some((candidate.id.clone(), candidate.attributes.clone()))
                }
                _ => None,
            }
        } else {
            let entry = self.state.ledger.groups.get(&key);
            entry.and_then(|entry| Some((entry.link.managed()?.clone(), entry.sent.clone())))
        };
        let Some((id, held)) = found else { return self.target.drop_stale(&Entity::Group(key)) };
        let action = cleared.change().action;
        let mut watch = None;
        if action != Action::GroupAdopt {
            self.begin_write(Entity::Group(key.clone()), action, attributes.keys().cloned());
        } else if !attributes.is_empty() {
            match self.adoption_gate() {
                Gate::Shut => return self.target.queue.set_aside(&Entity::Group(key)),
                Gate::Later => return self.target.adopt_later(&Entity::Group(key)),
                Gate::Open => watch = self.watch_adoption(),
            }
        }
        let (writer, receipt) = (writer.clone(), permit.receipt());
        let marks = self.looks_first(&Entity::Group(key.clone()), action, &attributes);
        let members = match self.target.dialect.update_method {
            UpdateMethod::PutMerge => self.other_members(&key, &BTreeSet::new()),
            UpdateMethod::Patch => OtherMembers::default(),
        };
        let (reader, clock) = (self.target.reader.clone(), Arc::clone(&self.clock));
        launch.push(Box::pin(async move {
            let look = (&reader, &*clock);
            let permit = look_before(look, permit, (Kind::Groups, &id), marks).await;
            let Some(permit) = permit else {
                let sent = Sent::GroupDelete { key };
                return applied(sent, Some(cleared), Ok(Reply::Stranger), receipt);
            };
            if action == Action::GroupDelete {
                let result = writer.delete_group(permit, &id).await.map(|()| Reply::Nothing);
                return applied(Sent::GroupDelete { key }, Some(cleared), result, receipt);
            }
            let (permit, before) = match watch {
                None => (Ok(permit), None),
                Some(reader) => match reader.group_before(permit, &id).await {
                    Ok((permit, Some(group))) => (Ok(permit), group.members),
                    Ok((_, None)) => (Err(ScimError::Gone), None),
                    Err(error) => (Err(error), None),
                },
            };
            let result = match permit {
                Err(error) => Err(error),
                Ok(_) if attributes.is_empty() => Ok(None),
                Ok(permit) => {
                    writer.update_group(permit, &id, (&held, &attributes), &members).await
                }
            };
            let sent = Sent::GroupChange { key, id, held, attributes, before };
            applied(sent, Some(cleared), result.map(Reply::Group), receipt)
        }));
    }

    fn send_members(
        &mut self,
        writer: &Writer,
        permit: Permit,
        (key, id): (GroupKey, ScimId),
        people: People,
        adds: bool,
        launch: &mut Launch,
    ) {
        let form = if adds { self.target.addition_form() } else { self.target.removal_form() };
        // Whatever is sent now outdates what was read, whether or not it is to be proven.
        let fresh = self.target.fresh_members(&key);
        let mut before = None;
        if !self.state.target.proven_forms.contains(&form) && !self.cannot_read_members() {
            before = fresh;
            if before.is_none() {
                // The proof compares the group with what it held just before, so that is read first.
                for (person, _) in people {
                    self.target.queue.put_back(&Entity::Member(key.clone(), person));
                }
                return self.send_read_back((key, ReadBack::Before), permit, launch);
            }
            self.target.members.proving.insert(form);
        }
        let action = if adds { Action::MemberAdd } else { Action::MemberRemove };
        let permit = permit.good_until(self.target.queue.until_of(&key, &people));
        let named: BTreeSet<PersonId> = people.iter().map(|(person, _)| *person).collect();
        let others = match self.target.dialect.member_remove {
            MemberRemove::PutMerge => self.other_members(&key, &named),
            MemberRemove::ValueFilter | MemberRemove::ValueArray => OtherMembers::default(),
        };
        self.begin_members(Entity::Group(key.clone()), action, named);
        let (writer, receipt) = (writer.clone(), permit.receipt());
        let marks = self.looks_at_group_first(&key);
        let (reader, clock) = (self.target.reader.clone(), Arc::clone(&self.clock));
        launch.push(Box::pin(async move {
            let look = (&reader, &*clock);
            let Some(permit) = look_before(look, permit, (Kind::Groups, &id), marks).await else {
                let sent = Sent::Members { key, people, adds, before };
                return applied(sent, None, Ok(Reply::Stranger), receipt);
            };
            let ids: Vec<ScimId> = people.iter().map(|(_, id)| id.clone()).collect();
            let result = if adds {
                writer.add_members(permit, &id, &ids, &others).await
            } else {
                writer.remove_members(permit, &id, &ids, &others).await
            };
            let sent = Sent::Members { key, people, adds, before };
            applied(sent, None, result.map(Reply::Group), receipt)
        }));
    }

    fn intent(&mut self, entity: Entity) -> Intent {
        let now = self.clock.now();
        let next = now.plus(Self::next_lookup(0).unwrap_or_default());
        self.target.expect_answer(entity, next);
        Intent { since: now, lookups: 0, next }
    }
}

impl TargetLoop {
    /// Who was in the group by the read that was made for the change that is sent now.
    fn fresh_members(&mut self, key: &GroupKey) -> Option<BTreeSet<ScimId>> {
        let (at, shown) = self.members.fresh.remove(key)?;
        (self.clock.elapsed() <= at + FRESH_FOR).then_some(shown)
    }

    pub(super) fn removal_form(&self) -> String {
        let form = match self.dialect.member_remove {
            MemberRemove::ValueFilter => "value_filter",
            MemberRemove::ValueArray => "value_array",
            MemberRemove::PutMerge => "put_merge",
        };
        format!("member_remove = \"{form}\"")
    }

    pub(super) fn addition_form(&self) -> String {
        let form = match self.dialect.member_remove {
            MemberRemove::ValueFilter | MemberRemove::ValueArray => "patch",
            MemberRemove::PutMerge => "put_merge",
        };
        format!("member_add by {form}")
    }

    /// What the change rested on is gone since the plan was judged: the next judgement decides anew.
    pub(super) fn drop_stale(&mut self, entity: &Entity) {
        self.queue.finish(entity);
        self.queue.release(entity);
    }
}

pub(super) fn applied(
    sent: Sent,
    cleared: Option<Cleared>,
    result: Result<Reply, ScimError>,
    receipt: Receipt,
) -> Event {
    Event::Applied(Box::new(Applied { sent, cleared, result, receipt }))
}

fn text(attributes: &Attributes, path: &AttrPath) -> String {
    attributes.get(path).and_then(Datum::as_text).unwrap_or_default().to_owned()
}

/// Puts ids in the place of references. A reference to somebody without an account is left out; it is
/// sent once the account is there.
pub(super) fn resolve(account: &Account, ledger: &Ledger) -> Attributes {
    let resolved = account.iter().filter_map(|(path, wanted)| {
        let value = match wanted {
            Wanted::Value(value) => value.clone(),
            Wanted::Account(person) => {
                let id = ledger.accounts.get(person)?.link.managed()?;
                Datum::Text(id.text())
            }
        };
        Some((path.clone(), value))
    });
    resolved.collect()
}
