//! What is shown of people and groups, for plans and answers that an operator asks for; never for logs.
//!
//! Names, keys and values go out through here alone, so that who asks sees what they may: values take a
//! [`Revealed`], which only an entry in the journal gives.

use serde_json::Value;

use super::reveal::Sight;
use super::view::plan::MASK;
use crate::core::derive;
use crate::core::model::{AttrPath, Attributes, Datum, Entity, GroupKey, PersonId};
use crate::core::plan::Planner;
use crate::cycle::state::State;

/// Finds names, for somebody who may see so much.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) state: &'a State,
    pub(super) planner: &'a Planner,
    pub(super) sight: &'a Sight,
}

impl Names<'_> {
    /// The person's userPrincipalName as Entra last told it, else the id.
    pub(super) fn person(&self, person: PersonId) -> String {
        if self.is_masked() {
            return MASK.to_owned();
        }
        let user = self.state.mirrors.get(&person.source).and_then(|m| m.users.get(&person.object));
        let name = user.and_then(|user| user.properties.get("userPrincipalName"));
        let sent = || {
            let entry = self.state.ledger.accounts.get(&person)?;
            text(&entry.sent, &AttrPath::user_name())
        };
        name.and_then(Datum::as_text)
            .map(str::to_owned)
            .or_else(sent)
            .unwrap_or_else(|| person.to_string())
    }

    /// The person's displayName with the userPrincipalName, for whoever has to see that it is the right one.
    pub(super) fn full_name(&self, person: PersonId) -> String {
        let user = self.state.mirrors.get(&person.source).and_then(|m| m.users.get(&person.object));
        let told = user.and_then(|user| user.properties.get("displayName")?.as_text());
        let sent = || {
            let entry = self.state.ledger.accounts.get(&person)?;
            text(&entry.sent, &AttrPath::display_name())
        };
        match told.map(str::to_owned).or_else(sent) {
            Some(shown) if !self.is_masked() => format!("{shown} ({})", self.person(person)),
            _ => self.person(person),
        }
    }

    /// The group's name on the target, else in the directory, else its key.
    pub(super) fn group(&self, key: &GroupKey) -> String {
        if self.is_masked() {
            return MASK.to_owned();
        }
        let wanted = self.planner.group_name(key).map(str::to_owned);
        let sent = || {
            let entry = self.state.ledger.groups.get(key)?;
            text(&entry.sent, &AttrPath::display_name())
        };
        let mirrored = || {
            let GroupKey::Directory { source, object } = key else { return None };
            let group = self.state.mirrors.get(source)?.groups.get(object)?;
            Some(group.properties.get("displayName")?.as_text()?.to_owned())
        };
        wanted.or_else(sent).or_else(mirrored).unwrap_or_else(|| key.to_string())
    }

    /// The key of a group. That of a rule says what people have in common.
    pub(super) fn group_key(&self, key: &GroupKey) -> String {
        if self.is_masked() { key.hidden(self.state.digests()) } else { key.to_string() }
    }

    /// The key of anything.
    pub(super) fn key(&self, entity: &Entity) -> String {
        match entity {
            Entity::Account(person) => person.to_string(),
            Entity::Group(key) => self.group_key(key),
            Entity::Member(key, person) => format!("{}#{person}", self.group_key(key)),
        }
    }

    /// A value of a person or a group.
    pub(super) fn value(&self, datum: &Datum) -> Value {
        match self.sight {
            Sight::Clear(_) => json(datum),
            Sight::Named => masked(json(datum)),
            Sight::Masked => Value::from(MASK),
        }
    }

    /// What somebody wrote, such as a reason. It may be about anybody.
    pub(super) fn free_text(&self, text: &str) -> String {
        self.sight.free_text(text)
    }

    /// The reason of a change. That of an order is in the words of whoever gave it.
    pub(super) fn reason(&self, reason: &str) -> String {
        if derive::has_free_text(reason) { self.free_text(reason) } else { reason.to_owned() }
    }

    /// Whether not even names are shown.
    pub(super) fn is_masked(&self) -> bool {
        matches!(self.sight, Sight::Masked)
    }
}

/// Truth values and absent ones say nothing about a person that the plan does not say anyway.
pub(super) fn is_personal(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(_))
}

/// What of a value is shown to whoever sees names.
pub(super) fn masked(value: Value) -> Value {
    if is_personal(&value) { Value::from(MASK) } else { value }
}

/// A value as JSON. Private: whoever shows one has to say to whom.
fn json(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::from(*value),
        Datum::Int(value) => Value::from(*value),
        Datum::Text(text) => Value::from(&**text),
        Datum::List(items) => items.iter().map(json).collect(),
        Datum::Map(map) => map.iter().map(|(name, item)| (name.clone(), json(item))).collect(),
    }
}

fn text(attributes: &Attributes, path: &AttrPath) -> Option<String> {
    Some(attributes.get(path)?.as_text()?.to_owned())
}
