//! Absence: whether a resource of ours that the target answers 404 for is really gone.
//!
//! A gateway whose route to the platform is lost answers 404 for everything, and so does a wrong url. So
//! a 404 to a write proves nothing: the resource is read. A 404 to that read proves something only while
//! another resource, which the target confirmed before, is found, just before and just after; and what
//! is gone is not found by our id or by its name either. Where any of that cannot be said, it is not
//! known, and the read is repeated later.
//!
//! One proof is not enough: a platform may hide a single account for a while. What one look has proven is
//! noted, and only another look of at least `confirm_absence` later concludes from it, as with people whom
//! a complete read of Entra missed. What a look-up finds under another id, and carries ours, is the same
//! resource as before: it has moved. Until then the link stays, nothing is made in its place, and nothing is
//! sent to it; some looks in between find early what is shown again.

use std::ops::Bound;
use std::time::Duration;

use super::Engine;
use super::outcome::{is_another_group, is_another_user};
use super::survey::Question;
use super::target::TargetLoop;
use crate::core::model::{Entity, Kind, ScimId, Timestamp};
use crate::core::ownership::Marks;
use crate::core::plan::Action;
use crate::core::report::AbsentStand;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{About, Cursor, GroupResource, Reader, ScimError, UserResource};

/// So many others of each kind are asked for before nothing is concluded. One or the other may be gone
/// as well.
pub(super) const KNOWN_MAX: usize = 3;

/// Within `confirm_absence` so many looks.
const LOOKS: u32 = 4;

/// When something that is absent by one look is looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    next: Duration,
    /// From then on a look concludes that it is gone.
    decides: Duration,
}

/// Reads one resource of ours by its id. Only this says that one is gone.
pub(super) struct Inquiry {
    reader: Reader,
    pacer: Pacer,
    kind: Kind,
    id: ScimId,
    /// Others that the target has confirmed.
    users: Vec<ScimId>,
    groups: Vec<ScimId>,
    question: Question,
    marks: Marks,
}

impl Engine {
    /// What one look did not find is looked at anew by each process, and gone no sooner than before.
    pub(super) fn begin_looks(&mut self) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let span = self.timing.confirm_absence;
        for (entity, since) in &self.state.ledger.absent {
            // A clock that was ahead puts nothing off for longer.
            let is_ahead = *since > now;
            let passed = if is_ahead { Duration::ZERO } else { now.since(*since) };
            let decides = elapsed + span.saturating_sub(passed);
            self.target.reads.looks.insert(entity.clone(), Look { next: elapsed, decides });
        }
    }

    /// A look has proven that the target is without something of ours. It is lost by the second one, or by
    /// the first where we sent the request to delete it ourselves.
    pub(super) fn miss(&mut self, entity: &Entity) {
        let doubt = self.state.ledger.doubts.get(entity);
        if doubt.is_some_and(|doubt| matches!(doubt.action, Action::Delete | Action::GroupDelete)) {
            return self.lose(entity);
        }
        let (elapsed, span) = (self.clock.elapsed(), self.timing.confirm_absence);
        let next = elapsed + span / LOOKS;
        if let Some(look) = self.target.reads.looks.get_mut(entity) {
            if look.decides <= elapsed {
                return self.lose(entity);
            }
            look.next = next.min(look.decides);
            return;
        }
        self.target.reads.looks.insert(entity.clone(), Look { next, decides: elapsed + span });
        self.state.absent(entity);
        self.target.touch(entity.clone());
        self.count_drift();
        self.target.planning.judge_due = true;
        tracing::warn!(
            entity = %entity.logged(self.state.digests()),
            "the platform does not have it just now; nothing is concluded before a look after confirm_absence \
             says so too"
        );
    }

    /// It is there, or is no question any more.
    pub(super) fn end_absence(&mut self, entity: &Entity) {
        self.target.reads.looks.remove(entity);
        self.target.refusals.attention.strangers.remove(entity);
        if self.state.not_absent(entity) {
            self.target.touch(entity.clone());
            self.target.planning.judge_due = true;
        }
    }

    /// What is absent by one look, in words, unless it is being looked at.
    pub fn absence(&self, entity: &Entity) -> Option<String> {
        let look = self.target.reads.looks.get(entity)?;
        let is_looking = look.next <= self.clock.elapsed() || self.target.queue.is_busy(entity);
        self.state.ledger.absent_since(entity).filter(|_| !is_looking)?;
        Some(self.words_of_absent(entity))
    }

    /// What is absent by one look, counted.
    pub(super) fn absent_stand(&self) -> Option<AbsentStand> {
        let absent = &self.state.ledger.absent;
        let decides = absent.values().max()?.plus(self.timing.confirm_absence);
        let count = u64::try_from(absent.len()).unwrap_or(u64::MAX);
        Some(AbsentStand { count, since: *absent.values().min()?, decides })
    }

    /// Has what is due read.
    pub(super) fn take_looks(&mut self) {
        let elapsed = self.clock.elapsed();
        let (queue, span) = (&self.target.queue, self.timing.confirm_absence);
        let mut due = Vec::new();
        for (entity, look) in &mut self.target.reads.looks {
            if look.next <= elapsed && !queue.is_busy(entity) {
                look.next = elapsed + span / LOOKS;
                due.push(entity.clone());
            }
        }
        for entity in due {
            self.target.queue.occupy(entity.clone());
            self.target.reads.later.insert(entity, elapsed);
        }
    }

    /// The read of a resource of ours that ends with what it is, or with the proof that it is gone.
    pub(super) fn inquiry(&self, entity: &Entity, id: &ScimId) -> Inquiry {
        let kind = match entity {
            Entity::Account(_) => Kind::Users,
            Entity::Group(_) | Entity::Member(..) => Kind::Groups,
        };
        let after = (Bound::Excluded(id), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Excluded(id));
        let users = self.target.links.accounts.range::<ScimId, _>(after);
        let users = users.chain(self.target.links.accounts.range::<ScimId, _>(before));
        let groups = self.target.links.groups.range::<ScimId, _>(after);
        let groups = groups.chain(self.target.links.groups.range::<ScimId, _>(before));
        Inquiry {
            reader: self.target.reader.clone(),
            pacer: self.target.pacer.clone(),
            kind,
            id: id.clone(),
            users: users.map(|(id, _)| id.clone()).take(KNOWN_MAX).collect(),
            groups: groups.map(|(id, _)| id.clone()).take(KNOWN_MAX).collect(),
            question: self.question(entity),
            marks: self.marks(entity),
        }
    }
}

impl TargetLoop {
    /// Something shows that what is absent by one look may be there.
    pub(super) fn look_now(&mut self, entity: &Entity) {
        if let Some(look) = self.reads.looks.get_mut(entity) {
            look.next = self.clock.elapsed();
        }
    }

    /// When the next look is due.
    pub(super) fn looks_due(&self) -> Option<Duration> {
        let due = self.reads.looks.iter().filter(|(entity, _)| !self.queue.is_busy(entity));
        due.map(|(_, look)| look.next).min()
    }
}

impl Inquiry {
    /// The account, under the id that it has by now, or another one under its own; `None` when it is gone.
    pub(super) async fn user(&self, permit: Permit) -> Result<Option<UserResource>, ScimError> {
        if let Some(user) = self.reader.user(permit, &self.id).await? {
            if is_another_user(&self.marks, &user)
                && let Some(id) = self.look_elsewhere().await?
            {
                return self.reader.user(self.pacer.permit().await, &id).await;
            }
            return Ok(Some(user));
        }
        self.find_known().await?;
        if let Some(user) = self.reader.user(self.pacer.permit().await, &self.id).await? {
            return Ok(Some(user));
        }
        let moved = self.look_up().await?;
        self.find_known().await?;
        match moved {
            Some(id) => self.reader.user(self.pacer.permit().await, &id).await,
            None => Ok(None),
        }
    }

    /// The group, as [`Inquiry::user`].
    pub(super) async fn group(&self, permit: Permit) -> Result<Option<GroupResource>, ScimError> {
        if let Some(group) = self.reader.group_with_members(permit, &self.id).await? {
            if is_another_group(&self.marks, &group)
                && let Some(id) = self.look_elsewhere().await?
            {
                return self.reader.group_with_members(self.pacer.permit().await, &id).await;
            }
            return Ok(Some(group));
        }
        self.find_known().await?;
        let permit = self.pacer.permit().await;
        if let Some(group) = self.reader.group_with_members(permit, &self.id).await? {
            return Ok(Some(group));
        }
        let moved = self.look_up().await?;
        self.find_known().await?;
        let Some(id) = moved else { return Ok(None) };
        self.reader.group_with_members(self.pacer.permit().await, &id).await
    }

    /// Whether the target finds anything at all that it should: one of the same kind that it confirmed
    /// before, or else one that it lists. Where it lists none of them, one of the other kind.
    async fn find_known(&self) -> Result<(), ScimError> {
        let (same, others, other) = match self.kind {
            Kind::Users => (&self.users, &self.groups, Kind::Groups),
            Kind::Groups => (&self.groups, &self.users, Kind::Users),
        };
        for id in same {
            if self.has(self.kind, id).await? {
                return Ok(());
            }
        }
        let listed = self.listed().await?;
        if let Some(id) = listed.iter().find(|id| !id.is_spelled_like(&self.id)) {
            if self.has(self.kind, id).await? {
                return if listed.contains(&self.id) { Err(contradicts()) } else { Ok(()) };
            }
        } else {
            for id in others {
                if self.has(other, id).await? {
                    return Ok(());
                }
            }
        }
        // That is no fault of one resource.
        Err(astray(&self.reader))
    }

    /// Another one is under our id: what carries ours alone has moved.
    async fn look_elsewhere(&self) -> Result<Option<ScimId>, ScimError> {
        let permit = self.pacer.permit().await;
        let looked = self.question.ask(&self.reader, &self.pacer, permit).await?;
        Ok(looked.only_one_of(&self.question).filter(|id| *id != self.id))
    }

    async fn has(&self, kind: Kind, id: &ScimId) -> Result<bool, ScimError> {
        is_found(&self.reader, &self.pacer, kind, id).await
    }

    /// The ids on the first page.
    async fn listed(&self) -> Result<Vec<ScimId>, ScimError> {
        let (permit, first) = (self.pacer.permit().await, Cursor::first());
        Ok(match self.kind {
            Kind::Users => {
                let page = self.reader.list_users(permit, &first).await?;
                page.items.into_iter().map(|user| user.id).collect()
            }
            Kind::Groups => {
                let page = self.reader.list_groups(permit, &first).await?;
                page.items.into_iter().map(|group| group.id).collect()
            }
        })
    }

    /// What is found by our id or by its name under the same id is not gone. The one that carries our id
    /// under another id of the target has moved, as after a platform was put back.
    async fn look_up(&self) -> Result<Option<ScimId>, ScimError> {
        let permit = self.pacer.permit().await;
        let looked = self.question.ask(&self.reader, &self.pacer, permit).await?;
        if looked.seen.contains_key(&self.id) {
            return Err(contradicts());
        }
        // A target that cannot be asked so has said all that it can.
        Ok(looked.only_one_of(&self.question))
    }
}

/// Whether the target shows what it confirmed before.
pub(super) async fn is_found(
    reader: &Reader,
    pacer: &Pacer,
    kind: Kind,
    id: &ScimId,
) -> Result<bool, ScimError> {
    let permit = pacer.permit().await;
    let found = match kind {
        Kind::Users => reader.user(permit, id).await.map(|user| user.is_some()),
        Kind::Groups => reader.group(permit, id).await.map(|group| group.is_some()),
    };
    match found {
        // Platforms protect single accounts.
        Err(ScimError::Forbidden { .. }) => Ok(false),
        found => found,
    }
}

/// The target shows nothing of what it confirmed before.
pub(super) fn astray(reader: &Reader) -> ScimError {
    ScimError::Astray { host: reader.url().host_str().unwrap_or_default().to_owned() }
}

/// Why nothing is done about what the target does not have by one look.
pub fn words_of_absence(since: Timestamp, confirm_absence: Duration) -> String {
    let decides = since.plus(confirm_absence);
    format!(
        "not found on the platform since {since}; nothing is sent to it and nothing made in its place before \
         a look after {decides} (service.confirm_absence) finds nothing either"
    )
}

/// One resource of which the target says two things. Another read would bring the same.
fn contradicts() -> ScimError {
    let words = "it shows the resource and answers 404 for its id; nothing is concluded from that";
    ScimError::Rejected { status: 404, words: words.into(), about: About::default() }
}
