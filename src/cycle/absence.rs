//! Absence: whether a resource of ours that the target answers 404 for is really gone.
//!
//! A gateway whose route to the platform is lost answers 404 for everything, and so does a wrong url. So
//! a 404 to a write proves nothing: the resource is read. A 404 to that read proves something only while
//! another resource, which the target confirmed before, is found, just before and just after; and what
//! is gone is not found by our id or by its name either. Where any of that cannot be said, it is not
//! known, and the read is repeated later.

use std::ops::Bound;

use super::Engine;
use super::survey::Question;
use crate::core::model::{Entity, Kind, ScimId};
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{About, Cursor, GroupResource, Reader, ScimError, UserResource};

/// So many others of each kind are asked for before nothing is concluded. One or the other may be gone
/// as well.
const KNOWN_MAX: usize = 3;

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
}

impl Engine {
    /// The read of a resource of ours that ends with what it is, or with the proof that it is gone.
    pub(super) fn inquiry(&self, entity: &Entity, id: &ScimId) -> Inquiry {
        let kind = match entity {
            Entity::Account(_) => Kind::Users,
            Entity::Group(_) | Entity::Member(..) => Kind::Groups,
        };
        let after = (Bound::Excluded(id), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Excluded(id));
        let users = self.accounts_by_id.range::<ScimId, _>(after);
        let users = users.chain(self.accounts_by_id.range::<ScimId, _>(before));
        let groups = self.groups_by_id.range::<ScimId, _>(after);
        let groups = groups.chain(self.groups_by_id.range::<ScimId, _>(before));
        Inquiry {
            reader: self.target.reader.clone(),
            pacer: self.target.pacer.clone(),
            kind,
            id: id.clone(),
            users: users.map(|(id, _)| id.clone()).take(KNOWN_MAX).collect(),
            groups: groups.map(|(id, _)| id.clone()).take(KNOWN_MAX).collect(),
            question: self.question(entity),
        }
    }
}

impl Inquiry {
    /// The account; `None` when it is gone.
    pub(super) async fn user(&self, permit: Permit) -> Result<Option<UserResource>, ScimError> {
        if let Some(user) = self.reader.user(permit, &self.id).await? {
            return Ok(Some(user));
        }
        self.find_known().await?;
        if let Some(user) = self.reader.user(self.pacer.permit().await, &self.id).await? {
            return Ok(Some(user));
        }
        self.look_up().await?;
        self.find_known().await?;
        Ok(None)
    }

    /// The group; `None` when it is gone.
    pub(super) async fn group(&self, permit: Permit) -> Result<Option<GroupResource>, ScimError> {
        if let Some(group) = self.reader.group_with_members(permit, &self.id).await? {
            return Ok(Some(group));
        }
        self.find_known().await?;
        let permit = self.pacer.permit().await;
        if let Some(group) = self.reader.group_with_members(permit, &self.id).await? {
            return Ok(Some(group));
        }
        self.look_up().await?;
        self.find_known().await?;
        Ok(None)
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
        if let Some(id) = listed.iter().find(|id| **id != self.id) {
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
        Err(ScimError::Astray { host: self.reader.url().host_str().unwrap_or_default().to_owned() })
    }

    async fn has(&self, kind: Kind, id: &ScimId) -> Result<bool, ScimError> {
        let permit = self.pacer.permit().await;
        let found = match kind {
            Kind::Users => self.reader.user(permit, id).await.map(|user| user.is_some()),
            Kind::Groups => self.reader.group(permit, id).await.map(|group| group.is_some()),
        };
        match found {
            // Platforms protect single accounts.
            Err(ScimError::Forbidden { .. }) => Ok(false),
            found => found,
        }
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

    /// What is found by our id or by its name under the same id is not gone.
    async fn look_up(&self) -> Result<(), ScimError> {
        let permit = self.pacer.permit().await;
        match self.question.ask(&self.reader, &self.pacer, permit).await {
            Ok(looked) if looked.seen.contains_key(&self.id) => Err(contradicts()),
            // A target that cannot be asked so has said all that it can.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// One resource of which the target says two things. Another read would bring the same.
fn contradicts() -> ScimError {
    let words = "it shows the resource and answers 404 for its id; nothing is concluded from that";
    ScimError::Rejected { status: 404, words: words.into(), about: About::default() }
}
