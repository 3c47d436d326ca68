//! From the mirror and the policy to what should be: who is in scope, the account each person should
//! have, the groups there should be. Each function looks at one entity; none can fail: what cannot be
//! said is `Unknown`, and whoever asked leaves the entity as it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::expression::{Evaluated, Expression, Input};
use super::model::{
    Account, AttrPath, ByHand, Datum, GroupKey, ObjectId, PersonId, Presence, Properties,
    SourceGroup, SourceName, SourceUser, Tombstone, Wanted,
};
use super::policy::{GroupRule, Policy};

/// Whether a person should have an active account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entitlement {
    /// Yes.
    In,
    /// No, on evidence; why, in one sentence.
    Out(String),
    /// It cannot be said now: everything about the person stays as it is.
    Unknown(String),
}

/// Whether a group should be on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStanding {
    /// Yes, under this name; the rule that wants it. The name is `None` when it cannot be said now.
    Wanted {
        /// `displayName` on the target.
        name: Option<Arc<str>>,
        /// Why the name cannot be said.
        trouble: Option<String>,
    },
    /// No rule wants it any more: it is released, left as it is on the target.
    Unwanted,
    /// Entra deleted it.
    Deleted(Tombstone),
    /// It cannot be said now: the group and its members stay as they are.
    Unknown(String),
}

/// The value of `each` for one person and one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKey {
    /// The person belongs to the group of this value.
    In(Arc<str>),
    /// The person belongs to no group of this rule.
    Nowhere,
    /// It cannot be said now: memberships of this rule stay as they are.
    Unknown,
}

/// Whether the person behind `user` should have an active account. `reached` says whether the person
/// is a (transitive) member of one of the groups that `scope.groups` names; `None` where that is not known.
pub fn standing(
    user: &SourceUser,
    keep: &Expression,
    policy: &Policy,
    reached: impl FnOnce() -> Option<bool>,
) -> Entitlement {
    match user.presence {
        Presence::Present => {}
        Presence::Removed(tombstone) if user.partial => {
            let gone = gone(tombstone);
            return Entitlement::Unknown(format!(
                "{gone}, and named again since; a single read decides"
            ));
        }
        Presence::Removed(tombstone) => return Entitlement::Out(gone(tombstone).to_owned()),
        Presence::MissingOnce(_) | Presence::NotFound(_) => {
            return Entitlement::Unknown(
                "missing from one complete read; a second one decides".to_owned(),
            );
        }
    }
    let input = Input::Properties(&user.properties);
    let people = policy.people.evaluate(input);
    // Out on evidence is out, however little else is known.
    let is_out = matches!(people, Evaluated::Known(Datum::Bool(false)));
    if user.partial && !user.kept && !is_out {
        return Entitlement::Unknown(TO_BE_READ.to_owned());
    }
    if !user.kept && !user.partial {
        return match keep.evaluate(input) {
            Evaluated::Known(Datum::Bool(false)) => Entitlement::Out("keep is false".to_owned()),
            _ if is_out => Entitlement::Out(out_of_scope(&user.properties)),
            Evaluated::Known(_) => {
                Entitlement::Unknown("keep changed; details not read yet".to_owned())
            }
            Evaluated::Unknown(names) => Entitlement::Unknown(unknown("keep", &names)),
            Evaluated::Failed(why) => Entitlement::Unknown(format!("keep failed: {why}")),
        };
    }
    match people {
        Evaluated::Known(Datum::Bool(true)) | Evaluated::Unknown(_) if user.partial => {
            Entitlement::Unknown(TO_BE_READ.to_owned())
        }
        Evaluated::Known(Datum::Bool(true)) => {
            match policy.people_of.as_ref().map_or(Some(true), |_| reached()) {
                Some(true) => Entitlement::In,
                Some(false) => {
                    Entitlement::Out("not a member of any group of scope.groups".to_owned())
                }
                None => Entitlement::Unknown(SCOPE_UNTOLD.to_owned()),
            }
        }
        Evaluated::Known(Datum::Bool(false)) => Entitlement::Out(out_of_scope(&user.properties)),
        Evaluated::Known(_) => {
            Entitlement::Unknown("scope.people gave neither true nor false".to_owned())
        }
        Evaluated::Unknown(names) => Entitlement::Unknown(unknown("scope.people", &names)),
        Evaluated::Failed(why) => Entitlement::Unknown(format!("scope.people failed: {why}")),
    }
}

/// Why nothing can be said of somebody whom `keep` has begun to keep, or of whom something came unreadable.
const TO_BE_READ: &str = "not all is known of this person; waits to be read whole from Entra";

/// Why it cannot be said whether somebody in none of the known members of `scope.groups` is out of scope.
pub const SCOPE_UNTOLD: &str = "not all members of the groups of scope.groups are known";

/// How the reason of whatever follows from an order by hand begins; what comes after that is somebody's own words.
const BY_HAND: &str = "deactivated by hand by ";

/// The standing of somebody who was deactivated by hand: a person's word counts more than Entra's.
pub fn by_hand(word: &ByHand) -> Entitlement {
    // When, is on record with it, and is shown in the zone of whoever looks.
    let ByHand { by, at: _, reason } = word;
    Entitlement::Out(format!("{BY_HAND}{by}: {reason}"))
}

/// Whether the reason of a change holds somebody's own words, also after the order was lifted.
pub fn has_free_text(reason: &str) -> bool {
    reason.contains(BY_HAND)
}

/// The account that a person in scope should have. What an expression could not say is left out.
pub fn account(person: PersonId, properties: &Arc<Properties>, policy: &Policy) -> Account {
    let mut account = Account::new();
    account.insert(AttrPath::external_id(), Wanted::Value(person.object.to_string().into()));
    account.insert(AttrPath::active(), Wanted::Value(Datum::Bool(true)));
    for (path, expression) in &policy.account {
        if let Ok(wanted) = attribute(path, expression, person.source, properties) {
            account.insert(path.clone(), wanted);
        }
    }
    account
}

/// Why the value of an attribute cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsaid {
    /// These properties were read and are unknown.
    Unknown(BTreeSet<String>),
    /// The expression failed, and what it said.
    Failed(String),
    /// A reference is to be the object id of a person, and is none.
    NoObjectId,
}

impl Unsaid {
    /// The same in words.
    pub fn why(&self, path: &AttrPath) -> String {
        match self {
            Self::Unknown(names) => unknown(path.as_str(), names),
            Self::Failed(why) => why.clone(),
            Self::NoObjectId => format!("{path} must be an object id"),
        }
    }
}

/// What one attribute of the account of a person of this `source` should be.
///
/// # Errors
/// When that cannot be said: what the target holds then stays as it is.
pub fn attribute(
    path: &AttrPath,
    expression: &Expression,
    source: SourceName,
    properties: &Arc<Properties>,
) -> Result<Wanted, Unsaid> {
    let value = match expression.evaluate(Input::Properties(properties)) {
        Evaluated::Known(value) => value,
        Evaluated::Unknown(names) => return Err(Unsaid::Unknown(names)),
        Evaluated::Failed(why) => return Err(Unsaid::Failed(why)),
    };
    if value.is_unassigned() {
        return Ok(Wanted::Value(Datum::Null));
    }
    if !path.is_reference() {
        return Ok(Wanted::Value(value));
    }
    let object = value.as_text().and_then(ObjectId::parse).ok_or(Unsaid::NoObjectId)?;
    Ok(Wanted::Account(PersonId { source, object }))
}

/// Whether a directory group should be on the target. The first rule that matches names it.
pub fn directory_group(group: &SourceGroup, policy: &Policy) -> GroupStanding {
    match group.presence {
        Presence::Present => {}
        Presence::Removed(tombstone) => return GroupStanding::Deleted(tombstone),
        Presence::MissingOnce(_) | Presence::NotFound(_) => {
            return GroupStanding::Unknown(
                "missing from one complete read; a second one decides".to_owned(),
            );
        }
    }
    let input = Input::Properties(&group.properties);
    for rule in &policy.groups {
        let GroupRule::Directory { id, filter, name } = rule else { continue };
        match filter.evaluate(input) {
            Evaluated::Known(Datum::Bool(true)) => return wanted_group(name, input),
            Evaluated::Known(Datum::Bool(false)) => {}
            Evaluated::Known(_) => {
                return GroupStanding::Unknown(format!(
                    "where of rule {id} gave neither true nor false"
                ));
            }
            Evaluated::Unknown(names) => {
                return GroupStanding::Unknown(unknown(&format!("where of rule {id}"), &names));
            }
            Evaluated::Failed(why) => {
                return GroupStanding::Unknown(format!("where of rule {id} failed: {why}"));
            }
        }
    }
    GroupStanding::Unwanted
}

/// A group made by rule: wanted as long as the rule is in the configuration.
pub fn rule_group(rule: &str, value: &str, policy: &Policy) -> GroupStanding {
    let found = policy.groups.iter().find_map(|candidate| match candidate {
        GroupRule::People { id, name, .. } if **id == *rule => Some(name),
        _ => None,
    });
    found.map_or(GroupStanding::Unwanted, |name| wanted_group(name, Input::Key(value)))
}

fn wanted_group(name: &Expression, input: Input<'_>) -> GroupStanding {
    let (name, trouble) = match name.evaluate(input) {
        Evaluated::Known(Datum::Text(name)) if !name.is_empty() => (Some(name), None),
        Evaluated::Known(_) => (None, Some("name gave no text".to_owned())),
        Evaluated::Unknown(names) => (None, Some(unknown("name", &names))),
        Evaluated::Failed(why) => (None, Some(why)),
    };
    GroupStanding::Wanted { name, trouble }
}

/// The groups made by rule that a person in scope belongs to, one answer a rule.
pub fn rule_keys(properties: &Arc<Properties>, policy: &Policy) -> Vec<(Arc<str>, RuleKey)> {
    let mut keys = Vec::new();
    for rule in &policy.groups {
        let GroupRule::People { id, each, .. } = rule else { continue };
        let key = match each.evaluate(Input::Properties(properties)) {
            Evaluated::Known(Datum::Text(value)) if !value.is_empty() => RuleKey::In(value),
            Evaluated::Known(value) if value.is_unassigned() => RuleKey::Nowhere,
            Evaluated::Known(Datum::Int(value)) => RuleKey::In(value.to_string().as_str().into()),
            Evaluated::Known(_) | Evaluated::Unknown(_) | Evaluated::Failed(_) => RuleKey::Unknown,
        };
        keys.push((Arc::clone(id), key));
    }
    keys
}

/// The key of a group made by rule.
pub fn rule_group_key(rule: &Arc<str>, value: &Arc<str>) -> GroupKey {
    GroupKey::Rule { rule: Arc::clone(rule), value: Arc::clone(value) }
}

fn out_of_scope(properties: &Properties) -> String {
    match properties.get("accountEnabled") {
        Some(Datum::Bool(false)) => "disabled in Entra".to_owned(),
        _ => "scope.people is false".to_owned(),
    }
}

/// What a tombstone means, in words.
pub fn gone(tombstone: Tombstone) -> &'static str {
    match tombstone {
        Tombstone::SoftDeleted => "deleted in Entra",
        Tombstone::Purged => "deleted in Entra for good",
        Tombstone::Missing => "missing from two complete reads",
    }
}

fn unknown(what: &str, names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("{what} reads {}, which Entra has not told", names.join(", "))
}
