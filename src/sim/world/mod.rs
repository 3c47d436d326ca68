//! The truth of one tenant: its people, groups and memberships, and the log of everything that changed.
//!
//! A world knows nothing of requests, tokens or pages. It changes through [`World::apply`] alone, so that
//! the log is complete and a delta link of any age can be answered from it. It has no clock either: the
//! log is numbered, not dated.

mod change;
mod event;
mod generate;
mod id;
mod names;
mod properties;
mod random;
mod scenario;
pub mod schema;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use change::{Change, ObjectRef, What};
pub use event::{Event, EventError};
pub use generate::{GeneratorOptions, generate};
pub use id::ObjectId;
pub use properties::Properties;

/// Where an object is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In use.
    Live,
    /// In the deleted items, from where it may come back.
    SoftDeleted,
    /// Gone for good.
    Purged,
}

/// A person, or a guest, or an account that stands for neither.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The object id.
    pub id: ObjectId,
    /// Everything that was ever set, without the id and the manager.
    pub properties: Properties,
    /// The user this one reports to.
    pub manager: Option<ObjectId>,
    /// Where the user is in its life.
    pub state: State,
}

/// A group of any type, with its direct members.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The object id.
    pub id: ObjectId,
    /// Everything that was ever set, without the id and the members.
    pub properties: Properties,
    /// Direct members. A soft-deleted user stays in here until purged, as in Entra.
    pub members: BTreeSet<MemberRef>,
    /// Where the group is in its life.
    pub state: State,
}

/// A direct member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRef {
    /// What the member is.
    pub kind: MemberKind,
    /// Its object id.
    pub id: ObjectId,
}

/// The kinds of directory objects that a group may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberKind {
    /// A user.
    User,
    /// A nested group.
    Group,
    /// A device.
    Device,
    /// A service principal.
    ServicePrincipal,
    /// An organizational contact.
    OrgContact,
}

impl MemberKind {
    /// The type as Graph writes it.
    pub fn odata_type(self) -> &'static str {
        match self {
            Self::User => "#microsoft.graph.user",
            Self::Group => "#microsoft.graph.group",
            Self::Device => "#microsoft.graph.device",
            Self::ServicePrincipal => "#microsoft.graph.servicePrincipal",
            Self::OrgContact => "#microsoft.graph.orgContact",
        }
    }
}

impl MemberRef {
    /// The user `id` as a member.
    pub fn user(id: ObjectId) -> Self {
        Self { kind: MemberKind::User, id }
    }

    /// The group `id` as a member.
    pub fn group(id: ObjectId) -> Self {
        Self { kind: MemberKind::Group, id }
    }
}

impl User {
    /// The text of the property `name`, where it is set to a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }

    /// Whether `accountEnabled` is true.
    pub fn is_enabled(&self) -> bool {
        self.properties.get("accountEnabled") == Some(&Value::Bool(true))
    }
}

impl Group {
    /// The text of the property `name`, where it is set to a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }
}

/// One tenant: people, groups, and the log of their changes.
#[derive(Debug, Clone)]
pub struct World {
    /// The tenant's id.
    pub tenant_id: ObjectId,
    /// The domain of the tenant's user principal names.
    pub domain: String,
    users: BTreeMap<ObjectId, User>,
    groups: BTreeMap<ObjectId, Group>,
    log: Vec<Change>,
    /// User principal names of live users, in lower case: Entra compares them without regard to case.
    names_taken: BTreeMap<String, ObjectId>,
    schedule: Vec<(Duration, Event)>,
}

impl World {
    /// An empty tenant.
    pub fn new(tenant_id: ObjectId, domain: &str) -> Self {
        Self {
            tenant_id,
            domain: domain.to_owned(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            log: Vec::new(),
            names_taken: BTreeMap::new(),
            schedule: Vec::new(),
        }
    }

    /// The tenant that a scenario file describes; the error names the entry that is wrong.
    pub fn from_scenario(text: &str) -> Result<Self, String> {
        scenario::load(text)
    }

    /// Every user there ever was, purged ones too.
    pub fn users(&self) -> &BTreeMap<ObjectId, User> {
        &self.users
    }

    /// Every group there ever was, purged ones too.
    pub fn groups(&self) -> &BTreeMap<ObjectId, Group> {
        &self.groups
    }

    /// The users that are in use.
    pub fn live_users(&self) -> impl Iterator<Item = &User> {
        self.users.values().filter(|user| user.state == State::Live)
    }

    /// The groups that are in use.
    pub fn live_groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(|group| group.state == State::Live)
    }

    /// The live user that holds the user principal name `name`, in whatever case.
    pub fn user_named(&self, name: &str) -> Option<&User> {
        self.users.get(self.names_taken.get(&name.to_lowercase())?)
    }

    /// Number of the newest change; 0 in a world as it was made.
    pub fn sequence(&self) -> u64 {
        self.log.len() as u64
    }

    /// The changes after the one numbered `from`, up to and including the one numbered `to`.
    pub fn changes(&self, from: u64, to: u64) -> &[Change] {
        let at =
            |sequence: u64| usize::try_from(sequence).unwrap_or(usize::MAX).min(self.log.len());
        self.log.get(at(from)..at(to)).unwrap_or_default()
    }

    /// Takes the scheduled events that are due `elapsed` after the start, in order; applying them is up to the caller.
    pub fn take_due_events(&mut self, elapsed: Duration) -> Vec<Event> {
        let due = self.schedule.partition_point(|(after, _)| *after <= elapsed);
        self.schedule.drain(..due).map(|(_, event)| event).collect()
    }

    /// How long after the start the next scheduled event is due.
    pub fn next_event_after(&self) -> Option<Duration> {
        self.schedule.first().map(|(after, _)| *after)
    }

    /// Makes the present the beginning: what happened so far is no longer a change.
    fn start_here(&mut self) {
        self.log.clear();
    }
}
