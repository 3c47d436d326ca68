//! Strangers: what the target shows under an id of ours and is another account or group by now.
//!
//! Ids are used again: by row numbers, by counters that were put back with a backup, by login names that are the
//! id. What is another one ([`Marks`]) is never written to. The link to it counts as one to something gone: whoever
//! was linked is looked for by our id, and where nothing carries it two looks decide, as in `absence`.

use std::time::Duration;

use futures_util::future::{Either, select};

use crate::audit::DecisionKind;
use crate::clock::Clock;
use crate::core::judge::Cleared;
use crate::core::model::{
    AttrPath, Attributes, Datum, Entity, GroupKey, Kind, Link, PersonId, ScimId, Use,
};
use crate::core::ownership::Marks;
use crate::core::plan::Action;
use crate::cycle::Engine;
use crate::cycle::absence::words_of_absence;
use crate::cycle::apply::{ReadBack, Reply, Sent};
use crate::cycle::records::Key;
use crate::cycle::survey::{Seen, our_id};
use crate::cycle::target::TargetLoop;
use crate::cycle::update::Written;
use crate::scim::pace::Permit;
use crate::scim::{GroupResource, Reader, UserResource};

/// What is recorded where a link led to something else.
pub(in crate::cycle) const STRANGER: &str = "its id is that of another one on the platform";
/// What is recorded of a change that went to something else.
const WRITTEN: &str =
    "the platform showed another one under its id when this was sent: look at that one";
/// What a newcomer was linked to.
const NEWCOMERS: &str = "the platform made it under the id of one that is no more";
/// A look before a write waits no longer than this: nobody stays in for a read that gets no answer.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A group that was found to be ours is not looked at again within so long.
const KNOWN_FOR: Duration = Duration::from_secs(900);

/// A create that was answered with the id of somebody else of ours, and with the newcomer's own values.
#[derive(Debug)]
pub(in crate::cycle) struct Newcomer {
    pub(in crate::cycle) person: PersonId,
    pub(in crate::cycle) id: ScimId,
    pub(in crate::cycle) sent: Attributes,
    pub(in crate::cycle) shown: Attributes,
}

impl Engine {
    /// By what the resource of an entity is known again.
    pub(in crate::cycle) fn marks(&self, entity: &Entity) -> Marks {
        let ledger = &self.state.ledger;
        let (sent, answered, name, wanted, kind) = match entity {
            Entity::Account(person) => {
                let entry = ledger.accounts.get(person);
                let wanted = self.wanted_login_name(*person);
                let of = entry.map(|entry| (&entry.sent, &entry.answered)).unzip();
                (of.0, of.1, AttrPath::user_name(), wanted, Kind::Users)
            }
            Entity::Group(key) | Entity::Member(key, _) => {
                let entry = ledger.groups.get(key);
                let wanted = self.target.planning.planner.group_name(key).map(str::to_owned);
                let of = entry.map(|entry| (&entry.sent, &entry.answered)).unzip();
                (of.0, of.1, AttrPath::display_name(), wanted, Kind::Groups)
            }
        };
        let none = Attributes::new();
        let held = (sent.unwrap_or(&none), answered.unwrap_or(&none));
        Marks::new(&our_id(entity), &name, held, wanted.as_deref(), self.tells_ids(kind))
    }

    /// Whether the target has shown an id of ours. That it does outlives the process.
    fn tells_ids(&self, kind: Kind) -> bool {
        self.state.target.taken.contains(&shown_id(kind))
    }

    /// Something was told: does it carry our id of what is linked to it?
    pub(in crate::cycle) fn note_carried<'a>(
        &mut self,
        kind: Kind,
        mut told: impl Iterator<Item = (&'a ScimId, Option<&'a str>)>,
    ) {
        if self.tells_ids(kind) {
            return;
        }
        let carries_ours = told.any(|(id, carried)| match kind {
            Kind::Users => {
                let owner = self.target.links.accounts.get(id);
                owner.is_some_and(|one| carried == Some(&one.object.to_string()))
            }
            Kind::Groups => {
                let owner = self.target.links.groups.get(id);
                owner.is_some_and(|key| carried == Some(&key.external_id()))
            }
        });
        if carries_ours {
            self.state.target.taken.insert(shown_id(kind));
            self.state.mark(Key::Target);
        }
    }

    /// Whether what is shown under the id of the entity is another one by now.
    pub(in crate::cycle) fn is_stranger(
        &self,
        entity: &Entity,
        external_id: Option<&str>,
        shown: &Attributes,
    ) -> bool {
        if external_id == Some(&our_id(entity)) {
            return false;
        }
        let name = shown.get(&name_of(entity)).and_then(Datum::as_text);
        self.marks(entity).is_another(external_id, name)
    }

    /// The same of what was listed or looked up.
    pub(in crate::cycle) fn is_seen_as_another(&self, entity: &Entity, seen: &Seen) -> bool {
        self.is_stranger(entity, seen.external_id.as_deref(), &seen.attributes)
    }

    /// Whether what was found under the id of something gone may be that again.
    pub(in crate::cycle) fn may_be_again(&self, entity: &Entity, seen: &Seen) -> bool {
        let name = seen.attributes.get(&name_of(entity)).and_then(Datum::as_text);
        self.marks(entity).may_be_again(seen.external_id.as_deref(), name)
    }

    /// Whether it is something that is neither that again nor to be had by its name.
    pub(in crate::cycle) fn is_behind_gone(&self, entity: &Entity, seen: &Seen) -> bool {
        let name = seen.attributes.get(&name_of(entity)).and_then(Datum::as_text);
        !self.may_be_again(entity, seen) && !self.marks(entity).know(name)
    }

    /// Whether the answer to a change, or the look before it, has shown something else.
    pub(in crate::cycle) fn went_to_another(&self, sent: &Sent, reply: &Reply) -> bool {
        let entity = sent.entity();
        let is_linked = self.link(&entity).is_some_and(|link| link.managed().is_some());
        match (sent, reply) {
            (_, Reply::Stranger) => true,
            (Sent::Change { .. }, Reply::Written(written)) if is_linked => {
                let Written { whose, .. } = &**written;
                whose.as_ref().is_some_and(|(id, name)| {
                    self.marks(&entity).is_another(id.as_deref(), name.as_deref())
                })
            }
            (Sent::GroupChange { .. } | Sent::Members { .. }, Reply::Group(Some(group)))
                if is_linked =>
            {
                is_another_group(&self.marks(&entity), group)
            }
            _ => false,
        }
    }

    /// A change has met another one under the id: whatever is linked is read, and looked for.
    pub(in crate::cycle) fn on_stranger(
        &mut self,
        sent: &Sent,
        cleared: Option<&Cleared>,
        reply: &Reply,
    ) {
        let entity = sent.entity();
        let was_sent = !matches!(reply, Reply::Stranger);
        if was_sent {
            tracing::error!(
                target: "manntall::trouble",
                entity = %entity.logged(self.state.digests()),
                id = ?self.link(&entity).and_then(Link::managed).map(ScimId::as_str),
                "{WRITTEN}. Nothing more is sent to it"
            );
            if let Some(cleared) = cleared {
                self.record(cleared, Some(WRITTEN));
            }
            self.end_trial(&entity, STRANGER);
        }
        for waiting in sent.waiting() {
            match waiting {
                Entity::Member(..) => self.target.queue.put_back(&waiting),
                Entity::Account(_) | Entity::Group(_) => self.target.queue.finish(&waiting),
            }
        }
        if let Sent::Members { key, adds, .. } = sent {
            self.target.refusals.attention.known_groups.remove(key);
            let form = if *adds { self.target.addition_form() } else { self.target.removal_form() };
            self.target.members.proving.remove(&form);
        }
        self.end_write(&entity);
        match entity {
            Entity::Account(person) => self.target.reads.accounts.push(person),
            Entity::Group(key) | Entity::Member(key, _) => {
                self.target.reads.groups.push((key, ReadBack::Compare));
            }
        }
    }

    /// A read has shown another one under the id, and nothing that carries our id anywhere else.
    pub(in crate::cycle) fn miss_behind(&mut self, entity: &Entity, id: &ScimId) {
        if self.target.refusals.attention.strangers.insert(entity.clone(), id.clone()).is_none() {
            tracing::warn!(
                entity = %entity.logged(self.state.digests()),
                id = id.as_str(),
                "the platform shows another one under its id: neither our id nor a name of ours is on it. Nothing is \
                 sent to it; see: manntall stuck"
            );
        }
        self.miss(entity);
    }

    /// Under the id of what another one was found, in words.
    pub(in crate::cycle) fn behind_links(&self) -> impl Iterator<Item = (Entity, String)> {
        let behind = self.target.refusals.attention.strangers.keys();
        behind.map(|entity| (entity.clone(), self.words_of_absent(entity)))
    }

    /// Why nothing is done about what is absent by one look.
    pub(in crate::cycle) fn words_of_absent(&self, entity: &Entity) -> String {
        let since = self.state.ledger.absent_since(entity).unwrap_or_default();
        let words = words_of_absence(since, self.timing.confirm_absence);
        match self.target.refusals.attention.strangers.get(entity) {
            Some(id) => format!(
                "{id} on the platform, the id of {}, is that of another one by now, which is left alone; its own is {words}",
                entity.logged(self.state.digests())
            ),
            None => words,
        }
    }

    /// Whether what a read shows in place of an account of ours is to be put right: the create of another one was
    /// written into it, as far as is known.
    pub(in crate::cycle) fn is_written_over(&self, person: PersonId) -> bool {
        self.has_id_in_doubt(&Entity::Account(person)) && !self.target.is_out(person)
    }

    /// Whether our id of it may have been written over. A state that is in doubt itself cannot say.
    pub(in crate::cycle) fn has_id_in_doubt(&self, entity: &Entity) -> bool {
        let doubt = self.state.ledger.doubts.get(entity);
        self.state.recovery.is_none()
            && doubt.is_some_and(|doubt| doubt.paths.contains(&AttrPath::external_id()))
    }

    /// Whether the account of somebody who is out is no more, where a newcomer's has its id.
    pub(in crate::cycle) fn is_dead(&self, owner: PersonId) -> bool {
        let entity = Entity::Account(owner);
        let link = self.link(&entity);
        self.target.is_out(owner)
            && matches!(link, Some(Link::Deactivated(_)))
            && !self.target.queue.is_busy(&entity)
    }

    /// What the account of somebody who is out may have left in one that a newcomer got: it is read, and taken out.
    pub(in crate::cycle) fn left_over(&self, owner: PersonId, made: &Attributes) -> Vec<AttrPath> {
        let entry = self.state.ledger.accounts.get(&owner);
        let held = entry.into_iter().flat_map(|entry| entry.sent.keys());
        held.filter(|path| !made.contains_key(path)).cloned().collect()
    }

    /// The link led to what is another one for certain.
    pub(in crate::cycle) fn give_up(&mut self, entity: &Entity, id: &ScimId) {
        self.target.refusals.attention.strangers.insert(entity.clone(), id.clone());
        self.lose(entity);
    }

    /// An account of ours has been read whose id a create was answered with: is it the newcomer's?
    pub(in crate::cycle) fn settle_newcomer(&mut self, owner: PersonId) {
        let Some(newcomer) = self.target.refusals.attention.newcomers.remove(&owner) else {
            return;
        };
        let Newcomer { person, id, mut sent, shown } = newcomer;
        if let Some(inactive @ Datum::Bool(false)) = shown.get(&AttrPath::active()) {
            sent.insert(AttrPath::active(), inactive.clone());
        }
        let entity = Entity::Account(person);
        let is_open = self.link(&entity).is_none_or(|link| matches!(link, Link::Unlinked));
        if self.target.links.accounts.contains_key(&id) || !is_open {
            return;
        }
        let origin = self.origin_of(&entity, false);
        self.link_account(person, &id, origin, sent, &shown);
        self.state.release_escrow(&entity);
        self.state.decide_on(DecisionKind::Settle, Some(entity), NEWCOMERS);
        self.state.mark(Key::Account(person));
        self.target.planning.judge_due = true;
    }

    /// A read has shown another account under the id of this person.
    pub(in crate::cycle) fn on_stranger_read(&mut self, person: PersonId, user: &UserResource) {
        let entity = Entity::Account(person);
        let newcomer = self.target.refusals.attention.newcomers.get(&person);
        let is_newcomers = newcomer.is_some_and(|one| {
            one.id == user.id && user.external_id == Some(one.person.object.to_string())
        });
        if is_newcomers && self.target.is_out(person) {
            self.give_up(&entity, &user.id);
            return self.settle_newcomer(person);
        }
        if self.state.ledger.doubts.contains_key(&entity) {
            self.end_trial(&entity, STRANGER);
        }
        self.miss_behind(&entity, &user.id);
    }

    /// By what a change of members is to be preceded by a look: nobody has found the group to be ours lately.
    pub(in crate::cycle) fn looks_at_group_first(&mut self, key: &GroupKey) -> Option<Marks> {
        let known = self.target.refusals.attention.known_groups.get(key);
        if known.is_some_and(|at| self.clock.elapsed() <= *at + KNOWN_FOR) {
            return None;
        }
        // The look, or the answer to the change, says so again.
        self.target.note_known(key);
        Some(self.marks(&Entity::Group(key.clone())))
    }

    /// By what a change is to be preceded by a look: it takes somebody out or in, or writes over a name.
    pub(in crate::cycle) fn looks_first(
        &self,
        entity: &Entity,
        action: Action,
        wanted: &Attributes,
    ) -> Option<Marks> {
        let is_name = |path: &AttrPath| {
            let attribute = path.parts().attribute;
            matches!(attribute, "userName" | "displayName" | "externalId" | "name" | "active")
        };
        let is_grave = match action {
            Action::Deactivate | Action::Reactivate | Action::GroupDelete => true,
            Action::Update | Action::GroupUpdate => wanted.keys().any(is_name),
            _ => false,
        };
        is_grave.then(|| self.marks(entity))
    }

    pub(in crate::cycle) fn user_is_stranger(&self, person: PersonId, user: &UserResource) -> bool {
        is_another_user(&self.marks(&Entity::Account(person)), user)
    }

    pub(in crate::cycle) fn group_is_stranger(
        &self,
        key: &GroupKey,
        group: &GroupResource,
    ) -> bool {
        is_another_group(&self.marks(&Entity::Group(key.clone())), group)
    }
}

impl TargetLoop {
    /// The group was found to be ours just now.
    pub(in crate::cycle) fn note_known(&mut self, key: &GroupKey) {
        self.refusals.attention.known_groups.insert(key.clone(), self.clock.elapsed());
    }
}

pub(in crate::cycle) fn is_another_user(marks: &Marks, user: &UserResource) -> bool {
    !user.is_garbled && marks.is_another(user.external_id.as_deref(), user.user_name.as_deref())
}

pub(in crate::cycle) fn is_another_group(marks: &Marks, group: &GroupResource) -> bool {
    let (id, name) = (group.external_id.as_deref(), group.display_name.as_deref());
    !group.is_garbled && marks.is_another(id, name)
}

/// Whether the answer to a create shows nothing but the newcomer, under the id of somebody of ours.
pub(in crate::cycle) fn is_shown_as_newcomer(
    person: PersonId,
    (made, shown): (&Attributes, &Attributes),
) -> bool {
    let text = |of: &Attributes, path: &AttrPath| {
        of.get(path).and_then(Datum::as_text).map(|text| text.trim().to_lowercase())
    };
    let (id, name) = (AttrPath::external_id(), AttrPath::user_name());
    let told = text(shown, &name);
    text(shown, &id) == Some(person.object.to_string())
        && told.is_some()
        && told == text(made, &name)
}

fn name_of(entity: &Entity) -> AttrPath {
    match entity {
        Entity::Account(_) => AttrPath::user_name(),
        Entity::Group(_) | Entity::Member(..) => AttrPath::display_name(),
    }
}

/// Under what it is kept that the target shows our ids.
fn shown_id(kind: Kind) -> (AttrPath, Use) {
    let path = match kind {
        Kind::Users => AttrPath::external_id(),
        Kind::Groups => AttrPath::external_id_of_groups(),
    };
    (path, Use::Create)
}

/// Looks at a resource before something is written to it, if there are marks. The right to write; none where it is
/// another one. Where nobody can say, it is written to.
pub(in crate::cycle) async fn look_before(
    (reader, clock): (&Reader, &dyn Clock),
    permit: Permit,
    (kind, id): (Kind, &ScimId),
    marks: Option<Marks>,
) -> Option<Permit> {
    let Some(marks) = &marks else { return Some(permit) };
    let is_another = {
        let look = std::pin::pin!(shows_another(reader, &permit, (kind, id), marks));
        match select(look, clock.sleep(LOOK_MAX)).await {
            Either::Left((is_another, _)) => is_another,
            Either::Right(_) => false,
        }
    };
    if is_another { None } else { Some(permit.again().await) }
}

async fn shows_another(
    reader: &Reader,
    permit: &Permit,
    (kind, id): (Kind, &ScimId),
    marks: &Marks,
) -> bool {
    match kind {
        Kind::Users => {
            let user = reader.user_now(permit, id).await;
            matches!(user, Ok(Some(user)) if is_another_user(marks, &user))
        }
        Kind::Groups => {
            let group = reader.group_now(permit, id).await;
            matches!(group, Ok(Some(group)) if is_another_group(marks, &group))
        }
    }
}
