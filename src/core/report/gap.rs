//! Gaps: what a tenant has listed and could not be read, or would not count. Nobody is taken from anything
//! because of one, and whoever leaves behind one is not noticed: so it stays in sight until everything was
//! read.

use serde::{Deserialize, Serialize};

use crate::core::model::{Kind, ObjectId, Timestamp};

/// What of one kind of object is not known since the last complete read that told everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Since when there is one.
    pub since: Timestamp,
    /// Elements that could not be read, or do not say in a way that can be read whether somebody may sign in.
    pub unread: u64,
    /// Those of them without an object id that could be read.
    pub unnamed: u64,
    /// The first of the others.
    pub first: Option<ObjectId>,
    /// Whether the last complete read could not be counted.
    pub uncounted: bool,
}

impl Gap {
    /// None yet.
    pub fn none(at: Timestamp) -> Self {
        Self { since: at, unread: 0, unnamed: 0, first: None, uncounted: false }
    }

    /// Adds an element that could not be read.
    pub fn add(&mut self, id: Option<ObjectId>) {
        self.unread = self.unread.saturating_add(1);
        self.unnamed = self.unnamed.saturating_add(u64::from(id.is_none()));
        self.first = self.first.or(id);
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        Self {
            since: self.since,
            unread: self.unread.saturating_add(later.unread),
            unnamed: self.unnamed.saturating_add(later.unnamed),
            first: self.first.or(later.first),
            uncounted: self.uncounted || later.uncounted,
        }
    }

    /// Itself, where it is one.
    pub fn found(self) -> Option<Self> {
        (self.unread > 0 || self.uncounted).then_some(self)
    }

    /// What it is, what it means, what was done about it, and what to do next.
    pub fn words(&self, kind: Kind) -> String {
        let Self { since: _, unread, unnamed, first, uncounted } = self;
        let (nouns, path) = match kind {
            Kind::Users => ("users", "/users/$count"),
            Kind::Groups => ("groups", "/groups/$count"),
        };
        let mut words = Vec::new();
        if *unread > 0 {
            let unnamed = match unnamed {
                0 => String::new(),
                some => format!(", {some} without an object id"),
            };
            let first = first.map(|id| format!(", such as {id}")).unwrap_or_default();
            let stays = match kind {
                Kind::Users => {
                    "Whoever of them has left stays active; take them out with: manntall deactivate"
                }
                Kind::Groups => "Whoever has left such a group stays in it",
            };
            words.push(format!(
                "{unread} of the {nouns} that Entra told of could not be read{unnamed}{first}. {stays}. Everything \
                 else goes on, and everything is read again within service.confirm_absence. If it lasts, look for \
                 what changes Graph's answers on their way, such as a proxy, and report it to Microsoft"
            ));
        }
        if *uncounted {
            let stays = match kind {
                Kind::Users => "a leaver whom no delta round tells of stays active",
                Kind::Groups => "a group that is gone without a word stays",
            };
            words.push(format!(
                "Graph does not count the {nouns} of this tenant, so nobody is taken for gone because a complete \
                 read misses them: {stays}. Everything else goes on, and everything is read again within a quarter of \
                 service.full_compare. Let the application call GET {path}; the log says how it was refused"
            ));
        }
        words.join(". ")
    }
}
