//! Twins: what becomes of an account or group of the target that carries our id and is not the linked one.
//! Of whoever stays it is left as it is, and told; of whoever has left it is deactivated like the first.

use super::adoption::{adoption, is_its_own};
use super::entity::Outcome;
use super::planner::{Note, Roster};
use super::{Change, diff};
use crate::core::derive::Entitlement;
use crate::core::model::{
    AttrPath, Datum, Entity, Link, PersonId, ScimId, SourceUser, Twins, Wanted,
};
use crate::core::ownership;
use crate::core::policy::Adopt;
use crate::core::survey::Found;

/// Somebody who certainly left, and whose account was never linked: it carries the person's id, so it
/// is taken over as what it should be, inactive.
pub(super) fn legacy(
    roster: &Roster<'_>,
    person: PersonId,
    user: &SourceUser,
    why: &str,
) -> Option<Change> {
    let Found::One(candidate) = roster.survey.accounts.get(&person)? else { return None };
    let entry = roster.ledger.accounts.get(&person);
    // Of whom we have deactivated one account, another one is no more anybody else's; nor is one of somebody for
    // whom we have sent a create, or whose account was said to be gone.
    let was_ours = entry.is_some_and(|entry| {
        matches!(entry.link, Link::Deactivated(_) | Link::Unlinked | Link::Gone(_))
    });
    let is_ordered = roster.ledger.by_hand.contains_key(&person);
    if roster.policy.adopt == Adopt::Never
        || !(user.is_certain_leaver() || is_ordered || was_ours)
        || !is_its_own(&Entity::Account(person), &candidate.attributes)
    {
        return None;
    }
    let mut change = adoption(Entity::Account(person), candidate, diff::Difference::default());
    change.reason = format!("{}; {why}", change.reason).into();
    let active = candidate.attributes.get(&AttrPath::active());
    if active != Some(&Datum::Bool(false)) {
        if let Some(active) = active {
            change.before.insert(AttrPath::active(), active.clone());
        }
        change.after.insert(AttrPath::active(), Wanted::Value(Datum::Bool(false)));
    }
    Some(change)
}

/// The linked account of somebody who is out is inactive. Others that carry the person's id are taken over
/// one after the other, each as inactive.
pub(super) fn of_leaver(
    roster: &Roster<'_>,
    person: PersonId,
    user: &SourceUser,
    why: &str,
) -> Outcome {
    let twins = roster.ledger.twins.get(&Entity::Account(person));
    let Some(twins) = twins.filter(|twins| twins.may_be_active()) else { return Outcome::Nothing };
    let stays = |why: &str| {
        Outcome::Note(Note::Twins(format!(
            "somebody who is out has another active account there, by the externalId: {}. {why}; deactivate \
             it on the platform by hand, then: manntall retry",
            ids_of(twins)
        )))
    };
    let Some(found) = roster.survey.accounts.get(&person) else { return Outcome::Ask };
    if let Found::One(candidate) = found
        && let Some(why) = ownership::not_taken(candidate, roster.policy)
    {
        return stays(why);
    }
    match legacy(roster, person, user, why) {
        Some(change) => Outcome::Change(change),
        None if roster.policy.adopt == Adopt::Never => {
            stays("It is not ours, and adopt is \"never\"")
        }
        None => stays("A look-up by the externalId does not find it"),
    }
}

/// What is told of an account or group of ours that needs no change, and has a twin.
pub(super) fn told(
    roster: &Roster<'_>,
    entity: &Entity,
    standing: Option<&Entitlement>,
) -> Option<Note> {
    let twins = roster.ledger.twins.get(entity)?;
    let (linked, what, then) = match entity {
        Entity::Account(person) if standing == Some(&Entitlement::In) => (
            roster.ledger.accounts.get(person)?.link.managed()?,
            "account",
            "when the person leaves, all of them are deactivated",
        ),
        Entity::Group(key) => (
            roster.ledger.groups.get(key)?.link.managed()?,
            "group",
            "whoever leaves the group stays in the other one",
        ),
        Entity::Account(_) | Entity::Member(..) => return None,
    };
    Some(Note::Twins(format!(
        "another {what} on the platform carries the same externalId: {}. Manntall keeps {linked} true and \
         leaves the other as it is; {then}. Delete there the one that nobody uses, or take its externalId \
         away; then: manntall retry",
        ids_of(twins)
    )))
}

/// Several resources match what is not linked yet.
pub(super) fn several(what: &str, ids: &[ScimId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ScimId::as_str).collect();
    format!("several {what} on the platform match: {}; keep one, then retry", ids.join(", "))
}

/// One resource matches several of ours.
pub(super) fn contested(entity: &Entity, id: &ScimId, others: usize) -> String {
    let (what, other) = match (entity, others) {
        (Entity::Account(_), 1) => ("account", "another person".to_owned()),
        (Entity::Account(_), _) => ("account", format!("{others} other people")),
        (Entity::Group(_) | Entity::Member(..), 1) => ("group", "another group".to_owned()),
        (Entity::Group(_) | Entity::Member(..), _) => ("group", format!("{others} other groups")),
    };
    format!(
        "the {what} {id} goes by the name of {other} of ours, too: none takes it over. Give each a name of its own"
    )
}

fn ids_of(twins: &Twins) -> String {
    /// So many are named.
    const NAMED_MAX: usize = 5;
    let mut ids: Vec<&str> = twins.ids.keys().take(NAMED_MAX).map(ScimId::as_str).collect();
    if twins.ids.len() > NAMED_MAX {
        ids.push("…");
    }
    ids.join(", ")
}
