//! What can be said without any network: the state as it was last committed, and the plan as far as
//! that alone makes it.

use std::collections::{BTreeMap, BTreeSet};

use super::reveal::Sight;
use super::view::text::harmless;
use super::{Exit, Failure, wire};
use crate::config::Config;
use crate::core::model::{Datum, ObjectId, PersonId, SourceName};
use crate::core::plan::{Planner, Roster, Scope};
use crate::core::survey::Survey;
use crate::cycle::state::State;

/// The plan that the state alone makes. Nothing was asked of the target, so that accounts which are to
/// be created show as still to be looked up.
pub(super) fn plan(config: &Config, state: &State) -> Result<Planner, Failure> {
    let (_, target) = wire::only_target(config)?;
    let complete: BTreeSet<_> = state
        .walks
        .iter()
        .filter(|(_, walk)| walk.completed.is_some())
        .map(|(key, _)| *key)
        .collect();
    let keep: BTreeMap<SourceName, _> =
        config.sources.iter().map(|(&name, source)| (name, source.keep.clone())).collect();
    let roster = Roster {
        mirrors: &state.mirrors,
        complete: &complete,
        keep: &keep,
        policy: &target.policy,
        ledger: &state.ledger,
        survey: &Survey::default(),
    };
    let mut planner = Planner::default();
    planner.refresh(&roster, Scope::All);
    Ok(planner)
}

/// The one person that `text` means: a key, an object id, and to whoever sees names a login name or an
/// address.
pub(super) fn person(state: &State, text: &str, sight: &Sight) -> Result<PersonId, Failure> {
    let found = people(state, text, sight)?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(nobody(text)),
        several => {
            let keys: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::new(
                Exit::Failed,
                format!("{} is several people; give one of: {}", quoted(text), keys.join(", ")),
            ))
        }
    }
}

/// Says that `text` means nobody.
pub(super) fn nobody(text: &str) -> Failure {
    let message = format!(
        "nobody is known as {}; give source/object-id, an object id, a userPrincipalName or a mail \
         address, as Entra told it at the last sync",
        quoted(text)
    );
    Failure::new(Exit::Failed, message)
}

/// What somebody typed, to be repeated to them; it may be of any length.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", harmless(text))
}

/// Everybody whom `text` may mean.
///
/// # Errors
/// Whoever may not see names finds nobody by name either: that would unmask a list one by one.
pub(super) fn people(state: &State, text: &str, sight: &Sight) -> Result<Vec<PersonId>, Failure> {
    let key = PersonId::parse(text);
    let object = ObjectId::parse(text);
    if matches!(sight, Sight::Masked) && key.is_none() && object.is_none() {
        return Err(Failure::new(
            Exit::Failed,
            "who may only look finds people by their object id: give source/object-id or an object id",
        ));
    }
    let name = text.to_lowercase();
    let is_called = |value: Option<&Datum>| {
        value.and_then(Datum::as_text).is_some_and(|value| value.to_lowercase() == name)
    };
    let mut found = BTreeSet::new();
    for (&source, mirror) in &state.mirrors {
        for (&id, user) in &mirror.users {
            let person = PersonId { source, object: id };
            if key == Some(person)
                || object == Some(id)
                || is_called(user.properties.get("userPrincipalName"))
                || is_called(user.properties.get("mail"))
            {
                found.insert(person);
            }
        }
    }
    let known = state.ledger.accounts.keys().copied();
    found.extend(known.filter(|one| key == Some(*one) || object == Some(one.object)));
    Ok(found.into_iter().collect())
}
