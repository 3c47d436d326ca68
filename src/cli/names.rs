//! What people and groups are called, for plans and answers that an operator asks for; never for logs.

use crate::core::model::{AttrPath, Attributes, Datum, GroupKey, PersonId};
use crate::core::plan::Planner;
use crate::cycle::state::State;

/// Finds names.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) state: &'a State,
    pub(super) planner: &'a Planner,
}

impl Names<'_> {
    /// The person's userPrincipalName as Entra last told it, else the id.
    pub(super) fn person(&self, person: PersonId) -> String {
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

    /// The group's name on the target, else in the directory, else its key.
    pub(super) fn group(&self, key: &GroupKey) -> String {
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
}

fn text(attributes: &Attributes, path: &AttrPath) -> Option<String> {
    Some(attributes.get(path)?.as_text()?.to_owned())
}
