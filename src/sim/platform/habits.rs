//! What a platform makes of ids, versions, listings and creates, beside what the RFCs say.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::ScimError;
use super::schema::{ENTERPRISE, Kind};
use super::store::{MemberEdit, Row};
use super::{Call, PathKind, Platform, Quirk};
use crate::sim::http::Request;

/// Habits of a platform's answers. All are off until a test sets them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerHabits {
    /// Whatever is read or listed tells ids in capitals, and the answer to a create as they are; both are taken.
    pub ids_in_capitals: bool,
    /// A listing without a filter leaves out whoever is inactive, and does not count them.
    pub inactive_unlisted: bool,
    /// A create whose `userName` or `displayName` has this piece of text is written into the resource with this
    /// id, and answered with it.
    pub merges: Vec<(String, String)>,
    /// The next creates get these ids, the last one first, as where ids that became free are given out again.
    pub reused: Vec<String>,
    /// Changes that do not name the version that they change are refused with this status.
    pub wants_versions: Option<u16>,
}

impl AnswerHabits {
    /// Whether a listing shows the resource.
    pub(super) fn lists(&self, row: &Row) -> bool {
        let is_inactive = || row.attributes().get("active") == Some(&Value::Bool(false));
        !(self.inactive_unlisted && row.kind == Kind::User && is_inactive())
    }

    /// Tells ids as the platform likes to where something is read.
    pub(super) fn tell_ids(&self, resource: &mut Value) {
        if !self.ids_in_capitals {
            return;
        }
        let manager = format!("/{}/manager/value", ENTERPRISE.name);
        for place in ["/id", manager.as_str()] {
            if let Some(Value::String(id)) = resource.pointer_mut(place) {
                *id = id.to_uppercase();
            }
        }
    }
}

/// The version of a resource.
pub(super) fn version(row: &Row) -> String {
    format!("W/\"{}\"", row.modified_ms)
}

impl Platform {
    /// The request with the ids that the platform itself has in place of those that it told.
    pub(super) fn with_own_ids(&self, request: &Request) -> Request {
        let mut request = request.clone();
        let mut body = String::from_utf8_lossy(&request.body).into_owned();
        for kind in [Kind::User, Kind::Group] {
            for row in self.store.all(kind) {
                let told = row.id.to_uppercase();
                request.target = request.target.replace(&told, &row.id);
                body = body.replace(&told, &row.id);
            }
        }
        request.body = body.into_bytes();
        request
    }

    /// Refuses a change that does not name the version that it changes.
    pub(super) fn check_version(&self, call: &Call) -> Result<(), ScimError> {
        let (Some(status), PathKind::Item(kind)) = (self.faults.answers.wants_versions, call.kind)
        else {
            return Ok(());
        };
        let Some(row) = self.store.get(kind, call.id()).filter(|_| call.request.method != "GET")
        else {
            return Ok(());
        };
        match call.request.header("if-match") {
            Some(named) if named == version(row) => Ok(()),
            Some(_) => Err(ScimError::plain(412, "another version by now")),
            None => Err(ScimError::plain(status, "If-Match is required")),
        }
    }

    /// Writes a create into what is there already, where the platform takes the two for one; the id of that.
    pub(super) fn merge(
        &mut self,
        kind: Kind,
        new: &Map<String, Value>,
        edit: MemberEdit,
        now_ms: u64,
    ) -> Option<String> {
        let name = ["userName", "displayName"].into_iter().find_map(|name| new.get(name)?.as_str());
        let name = name?;
        let merges = &self.faults.answers.merges;
        let (_, id) = merges.iter().find(|(piece, _)| name.contains(piece))?.clone();
        let old = self.store.get(kind, &id)?.attributes();
        let mut both = old.clone();
        both.extend(new.clone());
        "merge".clone_into(&mut self.note);
        self.save(kind, &id, (old, both), edit, now_ms);
        Some(id)
    }

    /// What a platform with quirks makes of a listing without a filter.
    pub(super) fn bend_listing(
        &self,
        found: &mut Vec<&Row>,
        skipped: &mut usize,
        total: &mut usize,
    ) {
        if self.has(&Quirk::NewestFirst) {
            found.reverse();
        }
        if self.has(&Quirk::StartIgnored) {
            *skipped = 0;
        }
        found.retain(|row| self.faults.answers.lists(row));
        *total = found.len();
        if let Some(most) = self.faults.listed_max {
            found.truncate(most);
            *total = most.min(*total);
        }
        for quirk in &self.options.quirks {
            match quirk {
                Quirk::TotalAlways(number) => *total = *number,
                Quirk::ListsNoMoreThan(number) => found.truncate(*number),
                _ => {}
            }
        }
    }
}
