//! Ownership: accounts that Manntall leaves alone, whatever Entra says. Those on the operator's
//! never-list, the one whose token is used, and, as long as they are not ours, administrators of the
//! target. A pure look at what is known of one account; what is not linked is not touched anyway.

use super::model::{Account, AttrPath, Attributes, Datum, Ledger, PersonId, ScimId, Wanted};
use super::policy::Policy;
use super::survey::{Candidate, Found, Survey};

/// Why the account of a person is left alone; `None` when it may be touched.
pub fn left_alone(
    person: PersonId,
    policy: &Policy,
    ledger: &Ledger,
    survey: &Survey,
) -> Option<&'static str> {
    let entry = ledger.accounts.get(&person);
    let linked = entry.and_then(|entry| Some((entry.link.managed()?, entry)));
    if let Some((id, entry)) = linked {
        return named(policy, id, entry.login_names());
    }
    let Some(Found::One(candidate)) = survey.accounts.get(&person) else { return None };
    not_taken(candidate, policy)
}

/// Why an account that is not ours is not taken over; `None` when it may be.
pub fn not_taken(candidate: &Candidate, policy: &Policy) -> Option<&'static str> {
    let Candidate { id, attributes, .. } = candidate;
    let name = attributes.get(&AttrPath::user_name()).and_then(Datum::as_text);
    named(policy, id, name.into_iter())
        .or_else(|| administrator(attributes))
        .or_else(|| unreadable(attributes))
}

/// Why no account is made under this name; `None` when one may be.
pub fn not_made(account: &Account, policy: &Policy) -> Option<&'static str> {
    match account.get(&AttrPath::user_name()) {
        Some(Wanted::Value(Datum::Text(name))) => on_list(policy, name),
        _ => None,
    }
}

fn named<'a>(
    policy: &Policy,
    id: &ScimId,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<&'static str> {
    if policy.own_account.as_ref() == Some(id) {
        return Some("this is the account whose token Manntall uses; it is never touched");
    }
    if policy.never.is_empty() {
        return None;
    }
    on_list(policy, id.as_str()).or_else(|| names.find_map(|name| on_list(policy, name)))
}

fn on_list(policy: &Policy, word: &str) -> Option<&'static str> {
    let is_listed = !policy.never.is_empty() && policy.never.contains(&word.to_lowercase());
    is_listed.then_some("on the list never of the platform; it is never touched")
}

/// Roles are said in many words (RFC 7643 §4.1.2 leaves them to the vendor); that of an administrator
/// has always one like it.
fn administrator(shown: &Attributes) -> Option<&'static str> {
    let is_admin = |text: &str| text.to_lowercase().contains("admin");
    let roles = shown.get(&AttrPath::roles())?;
    says(roles, &is_admin)
        .then_some("an administrator of the platform; it is not taken over and never touched")
}

/// Who shows roles that cannot be read may be an administrator.
fn unreadable(shown: &Attributes) -> Option<&'static str> {
    (!shown.contains_key(&AttrPath::roles())).then_some(
        "its roles on the platform cannot be read; it is not taken over and never touched",
    )
}

fn says(value: &Datum, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Datum::Text(text) => is(text),
        Datum::List(items) => items.iter().any(|item| says(item, is)),
        Datum::Map(members) => members.values().any(|member| says(member, is)),
        Datum::Null | Datum::Bool(_) | Datum::Int(_) => false,
    }
}
