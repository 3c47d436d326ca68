//! What is counted: the guards, and which of them a change trips. Says nothing of how much is too
//! much; that is `limit`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::JudgementContext;
use super::part::parts;
use crate::core::model::{AttrParts, AttrPath, Datum, Entity, GroupKey, SourceName, Wanted};
use crate::core::plan::{Action, Change};
use crate::core::policy::Adopt;

/// Defines the guards with their names. That each of them is among [`Guard::ALL`], and so in status and
/// metrics, is no one's to remember.
macro_rules! guards {
    ($(#[$of:meta])* pub enum Guard { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$of])*
        pub enum Guard {
            $($(#[$doc])* $variant,)*
        }

        impl Guard {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The name in plans, status and metrics, for example `budget.member_remove`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

guards! {
    /// A check over the whole plan, or over a source or target. What a change trips comes in the order of
    /// `meters`; the first of them decides which hold it belongs to. New ones go to the end: the store
    /// keeps them by number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Guard {
        /// Accounts deactivated.
        Deactivate = "budget.deactivate",
        /// Accounts or groups deleted, each counted by itself.
        Delete = "budget.delete",
        /// Members removed from groups, but for those that follow another change.
        MemberRemove = "budget.member_remove",
        /// Members removed from one group.
        GroupShrink = "budget.group_shrink",
        /// Login names or main addresses changed.
        Rename = "budget.rename",
        /// One attribute cleared.
        Clear = "budget.clear",
        /// Accounts created after the first import.
        Create = "budget.create",
        /// Accounts reactivated.
        Reactivate = "budget.reactivate",
        /// Existing accounts and groups taken over, counted together over all sources.
        Adopt = "adopt",
        /// Anything removed that rests on a change of the rules: none of it goes unasked.
        ScopeChange = "scope_change",
        /// Accounts activated that somebody else has deactivated on the target: none goes unasked.
        Inactive = "ownership.inactive",
        /// An attribute of a source that too many objects have lost at once; a finding, not a change.
        Coverage = "coverage",
        /// A source or target that is another one than before; a finding, not a change.
        Identity = "identity",
        /// A source or target that gives no usable answer and is left alone for a while; holds nothing.
        Quarantine = "quarantine",
        /// Much work, and nothing of it confirmed for long; holds nothing.
        Stall = "stall",
        /// What was made first of a large approval is not as it should be; ends the approval.
        Trial = "trial",
        /// A source or target that cannot be reached and is left alone for a while; holds nothing.
        Unreachable = "unreachable",
        /// Accounts and groups to be taken over that carry the id of another: none goes unasked.
        Other = "ownership.other",
        /// A group of `scope.groups` that is shown empty, while nothing was said of who left; a finding.
        ScopeEmptied = "scope_emptied",
    }
}

impl Guard {
    /// Whether something can wait for somebody's word by it.
    pub fn holds(self) -> bool {
        !matches!(self, Self::Quarantine | Self::Stall | Self::Trial | Self::Unreachable)
    }

    /// Whether what it holds is no change, but something about a whole source, group or target.
    pub fn finds(self) -> bool {
        matches!(self, Self::Coverage | Self::Identity | Self::ScopeEmptied)
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One count that a guard keeps, in a judgement and over the rolling day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
pub(super) fn source_of(entity: &Entity) -> Option<SourceName> {
    match entity {
        Entity::Account(person) | Entity::Member(_, person) => Some(person.source),
        Entity::Group(GroupKey::Directory { source, .. }) => Some(*source),
        Entity::Group(GroupKey::Rule { .. }) => None,
    }
}

impl Meter {
    /// What counts a change of the entity that rests on a change of the rules.
    pub fn of_rules(entity: &Entity) -> Self {
        Self { guard: Guard::ScopeChange, source: source_of(entity), of: Of::All }
    }
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
        | Guard::Identity
        | Guard::Quarantine
        | Guard::Stall
        | Guard::Trial
        | Guard::Unreachable
        | Guard::Other
        | Guard::ScopeEmptied => false,
    };
    let parts = parts(change, &JudgementContext::default());
    parts.iter().any(|part| part.meters.iter().any(takes))
}

/// Whether the change would activate an account that we did not deactivate: a linked account that the
/// target shows as inactive, or one that was so when it was found. Our own deactivations are known by
/// their link, and are taken back by [`Action::Reactivate`].
pub(super) fn is_inactive_elsewhere(change: &Change) -> bool {
    let active = AttrPath::active();
    matches!(change.action, Action::Update | Action::Adopt)
        && change.before.get(&active) == Some(&Datum::Bool(false))
        && change.after.get(&active) == Some(&Wanted::Value(Datum::Bool(true)))
}

/// The meters that count a change for what it does to the entity as a whole, the strictest first; none when
/// nothing limits that.
pub(super) fn of_core(change: &Change, context: &JudgementContext) -> Vec<Meter> {
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
        Action::Reactivate => vec![meter(Guard::Reactivate, Of::All)],
        Action::Create if !context.first_import => vec![meter(Guard::Create, Of::All)],
        Action::Adopt | Action::GroupAdopt if change.takes_of_another() => {
            vec![meter(Guard::Other, Of::All)]
        }
        Action::Adopt if is_inactive_elsewhere(change) => vec![meter(Guard::Inactive, Of::All)],
        Action::Adopt | Action::GroupAdopt => {
            let mut meters = Vec::new();
            let inactive = Wanted::Value(Datum::Bool(false));
            if change.after.get(&AttrPath::active()) == Some(&inactive) {
                meters.push(meter(Guard::Deactivate, Of::All));
            }
            if context.adopt != Adopt::Automatic {
                meters.push(Meter { guard: Guard::Adopt, source: None, of: Of::All });
            }
            meters
        }
        Action::Update
        | Action::Create
        | Action::GroupCreate
        | Action::GroupUpdate
        | Action::MemberAdd => Vec::new(),
    }
}

/// Whether people log in or are written to by the attribute. Attribute names are case-insensitive
/// (RFC 7643 §2.1), and so is the canonical value `work` of `type` (§2.3.8, §4.1.2).
pub(super) fn names(path: &AttrPath) -> bool {
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

pub(super) fn same_name(before: &Datum, after: &Datum) -> bool {
    match (before.as_text(), after.as_text()) {
        (Some(before), Some(after)) => before.to_lowercase() == after.to_lowercase(),
        _ => before == after,
    }
}
