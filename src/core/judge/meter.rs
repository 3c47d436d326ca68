//! What is counted: the guards, and which of them a change trips. Says nothing of how much is too
//! much; that is `limit`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::core::model::{AttrParts, AttrPath, Datum, Entity, GroupKey, SourceName, Wanted};
use crate::core::plan::{Action, Change};
use crate::core::policy::Adopt;

/// A check over the whole plan, or over a source or target. What a change trips comes in the order of
/// `meters`; the first of them decides which hold it belongs to. New ones go to the end: the store
/// keeps them by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Accounts deactivated.
    Deactivate,
    /// Accounts or groups deleted, each counted by itself.
    Delete,
    /// Members removed from groups, but for those that follow another change.
    MemberRemove,
    /// Members removed from one group.
    GroupShrink,
    /// Login names or main addresses changed.
    Rename,
    /// One attribute cleared.
    Clear,
    /// Accounts created after the first import.
    Create,
    /// Accounts reactivated.
    Reactivate,
    /// Existing accounts and groups taken over, counted together over all sources.
    Adopt,
    /// Anything removed that rests on a change of the rules: none of it goes unasked.
    ScopeChange,
    /// Accounts activated that somebody else has deactivated on the target: none goes unasked.
    Inactive,
    /// An attribute of a source that too many objects have lost at once; a finding, not a change.
    Coverage,
    /// A source or target that is another one than before; a finding, not a change.
    Identity,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Deactivate,
        Self::Delete,
        Self::MemberRemove,
        Self::GroupShrink,
        Self::Rename,
        Self::Clear,
        Self::Create,
        Self::Reactivate,
        Self::Adopt,
        Self::ScopeChange,
        Self::Inactive,
        Self::Coverage,
        Self::Identity,
    ];

    /// Whether what it holds is no change, but something about a whole source or target.
    pub fn finds(self) -> bool {
        matches!(self, Self::Coverage | Self::Identity)
    }

    /// The name in plans, status and metrics, for example `budget.member_remove`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deactivate => "budget.deactivate",
            Self::Delete => "budget.delete",
            Self::MemberRemove => "budget.member_remove",
            Self::GroupShrink => "budget.group_shrink",
            Self::Rename => "budget.rename",
            Self::Clear => "budget.clear",
            Self::Create => "budget.create",
            Self::Reactivate => "budget.reactivate",
            Self::Adopt => "adopt",
            Self::ScopeChange => "scope_change",
            Self::Inactive => "ownership.inactive",
            Self::Coverage => "coverage",
            Self::Identity => "identity",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One count that a guard keeps, in a judgement and over the rolling day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Meter {
    /// The guard that counts.
    pub guard: Guard,
    /// The source whose people or groups are counted; none for groups made by rule, for a single
    /// group and for adoptions.
    pub source: Option<SourceName>,
    /// What is counted, where the guard keeps several counts.
    pub of: Of,
}

/// What a [`Meter`] counts within its guard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Of {
    /// Everything that trips the guard: accounts, or memberships.
    All,
    /// Groups, where the guard counts accounts as well.
    Groups,
    /// Members of this group.
    Group(GroupKey),
    /// Accounts that lose this attribute.
    Attribute(AttrPath),
    /// Objects of the source that lose this property.
    Property(Arc<str>),
}

/// The source that a change counts for: that of the person, also in a group of another source, or
/// that of the directory group.
fn source_of(entity: &Entity) -> Option<SourceName> {
    match entity {
        Entity::Account(person) | Entity::Member(_, person) => Some(person.source),
        Entity::Group(GroupKey::Directory { source, .. }) => Some(*source),
        Entity::Group(GroupKey::Rule { .. }) => None,
    }
}

/// The meters that count the change, the strictest first; none when nothing limits it.
pub(super) fn meters(change: &Change, standing: &Standing) -> Vec<Meter> {
    if is_inactive_elsewhere(change) {
        let source = source_of(&change.entity);
        return vec![Meter { guard: Guard::Inactive, source, of: Of::All }];
    }
    budgeted(change, standing)
}

/// What counts a change that rests on a change of the rules.
pub(super) fn scope_change(change: &Change) -> Meter {
    Meter { guard: Guard::ScopeChange, source: source_of(&change.entity), of: Of::All }
}

/// Whether the change takes anything from anybody: an account, a membership, a name or a value.
pub fn is_destructive(change: &Change) -> bool {
    // Creates and adoptions are counted too, but take nothing.
    let takes = |meter: &Meter| match meter.guard {
        Guard::Deactivate
        | Guard::Delete
        | Guard::MemberRemove
        | Guard::GroupShrink
        | Guard::Rename
        | Guard::Clear => true,
        Guard::Create
        | Guard::Reactivate
        | Guard::Adopt
        | Guard::ScopeChange
        | Guard::Inactive
        | Guard::Coverage
        | Guard::Identity => false,
    };
    budgeted(change, &Standing::default()).iter().any(takes)
}

/// Whether the change would activate an account that we did not deactivate: a linked account that the
/// target shows as inactive, or one that was so when it was found. Our own deactivations are known by
/// their link, and are taken back by [`Action::Reactivate`].
fn is_inactive_elsewhere(change: &Change) -> bool {
    let active = AttrPath::active();
    matches!(change.action, Action::Update | Action::Adopt)
        && change.before.get(&active) == Some(&Datum::Bool(false))
        && change.after.get(&active) == Some(&Wanted::Value(Datum::Bool(true)))
}

fn budgeted(change: &Change, standing: &Standing) -> Vec<Meter> {
    let source = source_of(&change.entity);
    let meter = |guard, of| Meter { guard, source, of };
    match change.action {
        Action::Deactivate => vec![meter(Guard::Deactivate, Of::All)],
        Action::Delete => vec![meter(Guard::Delete, Of::All)],
        Action::GroupDelete => vec![meter(Guard::Delete, Of::Groups)],
        Action::MemberRemove => {
            let mut meters = vec![meter(Guard::MemberRemove, Of::All)];
            if let Entity::Member(group, _) = &change.entity {
                let of = Of::Group(group.clone());
                meters.push(Meter { guard: Guard::GroupShrink, source: None, of });
            }
            meters
        }
        Action::Update => altered(change, source),
        Action::Reactivate => {
            let mut meters = altered(change, source);
            meters.push(meter(Guard::Reactivate, Of::All));
            meters
        }
        Action::Create if !standing.first_import => vec![meter(Guard::Create, Of::All)],
        Action::Adopt | Action::GroupAdopt => {
            let mut meters = Vec::new();
            let inactive = Wanted::Value(Datum::Bool(false));
            if change.after.get(&AttrPath::active()) == Some(&inactive) {
                meters.push(meter(Guard::Deactivate, Of::All));
            }
            if standing.adopt != Adopt::Automatic {
                meters.push(Meter { guard: Guard::Adopt, source: None, of: Of::All });
            }
            meters
        }
        Action::Create | Action::GroupCreate | Action::GroupUpdate | Action::MemberAdd => {
            Vec::new()
        }
    }
}

/// What the change of an existing account trips by its values: once for a new name, and once for
/// each attribute that it clears. A value that is unknown before can be neither.
fn altered(change: &Change, source: Option<SourceName>) -> Vec<Meter> {
    let mut renamed = false;
    let mut meters = Vec::new();
    for (path, wanted) in &change.after {
        let Wanted::Value(after) = wanted else { continue };
        let Some(before) = change.before.get(path).filter(|before| !before.is_unassigned()) else {
            continue;
        };
        if after.is_unassigned() {
            let of = Of::Attribute(path.clone());
            meters.push(Meter { guard: Guard::Clear, source, of });
        } else if names(path) && !same_name(before, after) {
            renamed = true;
        }
    }
    if renamed {
        meters.insert(0, Meter { guard: Guard::Rename, source, of: Of::All });
    }
    meters
}

/// Whether people log in or are written to by the attribute. Attribute names are case-insensitive
/// (RFC 7643 §2.1), and so is the canonical value `work` of `type` (§2.3.8, §4.1.2).
fn names(path: &AttrPath) -> bool {
    let AttrParts { schema, attribute, filter, sub } = path.parts();
    let is = |text: &str, name: &str| text.eq_ignore_ascii_case(name);
    if !schema.is_none_or(|schema| is(schema, "urn:ietf:params:scim:schemas:core:2.0:User")) {
        return false;
    }
    match (filter, sub) {
        (None, None) => is(attribute, "userName"),
        (Some((key, value)), Some(sub)) => {
            is(attribute, "emails") && is(key, "type") && is(value, "work") && is(sub, "value")
        }
        _ => false,
    }
}

fn same_name(before: &Datum, after: &Datum) -> bool {
    match (before.as_text(), after.as_text()) {
        (Some(before), Some(after)) => before.to_lowercase() == after.to_lowercase(),
        _ => before == after,
    }
}
