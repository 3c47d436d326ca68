//! Ownership: accounts that Manntall leaves alone, whatever Entra says. Those on the operator's
//! never-list, the one whose token is used, and, as long as they are not ours, administrators of the
//! target. A pure look at what is known of one account; what is not linked is not touched anyway.
//!
//! And [`Marks`]: by what a linked account or group is known again. Targets give the id of what is gone to
//! something else: a row number that is free again, a counter that was put back, a login name as the id.

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

/// By what the resource behind a link is known again: our id of it, and the names that it went by.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    ids: Vec<String>,
    names: Vec<String>,
    tells_id: bool,
}

impl Marks {
    /// Of what was sent and answered, and the name that it should have. `tells_id` where this target is known to
    /// show our ids.
    pub fn new(
        our_id: &str,
        name: &AttrPath,
        (sent, answered): (&Attributes, &Attributes),
        wanted: Option<&str>,
        tells_id: bool,
    ) -> Self {
        let of = |path: &AttrPath| {
            let both = [sent.get(path), answered.get(path)].into_iter().flatten();
            both.filter_map(Datum::as_text).map(plain)
        };
        let id = AttrPath::external_id();
        // What answered without our id may never show it.
        let keeps_it = answered.get(&id).is_none_or(|shown| !shown.is_unassigned());
        Self {
            ids: of(&id).chain([plain(our_id)]).collect(),
            names: of(name).chain(wanted.map(plain)).filter(|name| !name.is_empty()).collect(),
            tells_id: tells_id && keeps_it,
        }
    }

    /// Whether what is shown under the id of something that is gone may be that again: where the target shows our
    /// ids, it has to carry ours, or a name that we know.
    pub fn may_be_again(&self, external_id: Option<&str>, name: Option<&str>) -> bool {
        match external_id.map(plain).filter(|id| !id.is_empty()) {
            Some(id) => self.ids.contains(&id),
            None => !self.tells_id || self.know(name),
        }
    }

    /// Whether the name is one of it.
    pub fn know(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.names.contains(&plain(name)))
    }

    /// Whether what is shown under the linked id is another resource by now: neither the id of ours that it
    /// carries nor its name is one that we know of it. One difference alone is somebody's change, and what is not
    /// told says nothing.
    pub fn is_another(&self, external_id: Option<&str>, name: Option<&str>) -> bool {
        let Some(name) = name.map(plain).filter(|name| !name.is_empty()) else { return false };
        if self.names.is_empty() || self.names.contains(&name) {
            return false;
        }
        match external_id.map(plain).filter(|id| !id.is_empty()) {
            Some(id) => !self.ids.contains(&id),
            None => self.tells_id,
        }
    }
}

/// Letter case and blanks at the ends say nothing: targets change both.
fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests;
