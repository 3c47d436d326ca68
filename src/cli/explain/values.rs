//! Where each value of an account comes from: which line of the configuration maps it, which properties
//! of which source user that line reads, and when it was last sent.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::audit::Write;
use crate::cli::names::Names;
use crate::config;
use crate::core::derive;
use crate::core::expression::Expression;
use crate::core::model::{AttrPath, Datum, Link, PersonId, SourceUser, Wanted};
use crate::cycle::state::State;

/// One attribute of the account.
#[derive(Debug, Serialize)]
pub(super) struct AttributeFacts {
    pub(super) path: String,
    pub(super) expression: Option<String>,
    /// Where that is written; none for what Manntall sets by itself.
    pub(super) written: Option<String>,
    /// What the expression reads.
    pub(super) from: Vec<PropertyFacts>,
    /// What the expression gives now; none when it cannot be said.
    pub(super) value: Option<Value>,
    pub(super) trouble: Option<String>,
    /// What was sent and confirmed.
    pub(super) sent: Option<Value>,
    /// When, as far back as the journal goes.
    pub(super) sent_at: Option<String>,
    /// What the target shows instead, where it does.
    pub(super) answered: Option<Value>,
    /// Whether what was sent last is what the expression gives now.
    #[serde(skip)]
    pub(super) is_sent: bool,
}

/// One property of a source user.
#[derive(Debug, Serialize)]
pub(super) struct PropertyFacts {
    /// Whose, as source/object-id.
    pub(super) user: String,
    pub(super) property: String,
    /// What Entra last told; none when it has not.
    pub(super) value: Option<Value>,
    /// What it told, for comparison.
    #[serde(skip)]
    told: Option<Datum>,
    /// Whether the attribute is that value, so that it need not be said twice.
    #[serde(skip)]
    pub(super) is_carried_over: bool,
}

/// The properties that an expression reads, as Entra last told them.
pub(super) fn read_by(
    names: Names<'_>,
    expression: &Expression,
    person: PersonId,
    user: &SourceUser,
) -> Vec<PropertyFacts> {
    let reads = expression.reads().iter().map(|property| {
        let told = user.properties.get(property.as_str());
        PropertyFacts {
            user: person.to_string(),
            property: property.clone(),
            value: told.map(|value| names.value(value)),
            told: told.cloned(),
            is_carried_over: false,
        }
    });
    reads.collect()
}

/// Every attribute that is mapped, or was sent. `sent` is what was confirmed about the account itself,
/// oldest first.
pub(super) fn attributes(
    names: Names<'_>,
    person: PersonId,
    user: &SourceUser,
    target: &config::Target,
    sent: &[&Write],
) -> Vec<AttributeFacts> {
    let (state, policy) = (names.state, &target.policy);
    let entry = state.ledger.accounts.get(&person);
    let wanted = derive::account(person, &user.properties, policy);
    let trouble = |path: &AttrPath, expression: &Expression| {
        derive::attribute(path, expression, person.source, &user.properties)
            .err()
            .map(|unsaid| unsaid.why(path))
    };
    let confirmed = entry.map(|entry| &entry.sent);
    let is_active = entry.and_then(|entry| match entry.link {
        Link::Linked(_) => entry.sent.get(&AttrPath::active()).cloned(),
        Link::Deactivated(_) => Some(Datum::Bool(false)),
        _ => None,
    });
    let paths: BTreeSet<&AttrPath> = wanted
        .keys()
        .chain(policy.account.keys())
        .chain(confirmed.into_iter().flat_map(|confirmed| confirmed.keys()))
        .collect();
    let facts = paths.into_iter().map(|path| {
        let expression = policy.account.get(path);
        let written = target.written.get(path).cloned();
        let by_default = || "default mapping".to_owned();
        let value = wanted.get(path).map(|wanted| shown(state, wanted));
        let sent_value = confirmed.and_then(|confirmed| confirmed.get(path));
        // Whether the account is active is what it is, whatever is wanted.
        let is_active = is_active.as_ref().filter(|_| *path == AttrPath::active());
        let (value, sent_value) = match is_active {
            Some(is) => (Some(is.clone()), Some(is)),
            None => (value, sent_value),
        };
        let mut from = expression.map_or_else(Vec::new, |one| read_by(names, one, person, user));
        for one in &mut from {
            one.is_carried_over = one.told == value;
        }
        AttributeFacts {
            path: path.to_string(),
            expression: expression.map(|expression| expression.text().to_owned()),
            written: written.or_else(|| expression.map(|_| by_default())),
            from,
            is_sent: value.as_ref() == sent_value,
            value: value.map(|value| names.value(&value)),
            trouble: expression.and_then(|expression| trouble(path, expression)),
            sent: sent_value.map(|value| names.value(value)),
            sent_at: last(sent, path),
            answered: entry.and_then(|entry| entry.answered.get(path)).map(|one| names.value(one)),
        }
    });
    facts.collect()
}

/// A value as it is sent; a reference once that person has an account.
fn shown(state: &State, wanted: &Wanted) -> Datum {
    match wanted {
        Wanted::Value(datum) => datum.clone(),
        Wanted::Account(one) => {
            let entry = state.ledger.accounts.get(one);
            let id = entry.and_then(|entry| entry.link.managed());
            let id = id.map_or_else(|| one.to_string(), |id| id.as_str().to_owned());
            Datum::from(id.as_str())
        }
    }
}

fn last(sent: &[&Write], path: &AttrPath) -> Option<String> {
    let mut newest = sent.iter().rev();
    let found = newest.find(|write| write.paths.iter().any(|one| one == path.as_str()))?;
    Some(found.at.to_string())
}
