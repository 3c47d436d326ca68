//! The operations on users and groups: list, search, create, read, replace, patch, delete (RFC 7644 §3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::answer::{ScimError, answer, empty};
use super::filter::{Filter, FilterError};
use super::patch::{self, Operation, Verb};
use super::projection::Projection;
use super::schema::{Kind, Scope};
use super::store::{Key, MemberEdit, Row};
use super::value::{Rigour, normalise_resource};
use super::{Call, Faults, Platform, Quirk, discovery, stubborn};
use crate::sim::http::Response;

/// What a list is asked for (RFC 7644 §3.4.2, §3.4.3).
struct Query {
    only: Option<String>,
    without: Option<String>,
    filter: Option<String>,
    start: usize,
    count: Option<usize>,
}

/// Whether the rules of uniqueness hold for a seeded resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twins {
    /// As for a client.
    Refused,
    /// Two accounts may have the same `userName`, which no client can bring about.
    Allowed,
}

impl Platform {
    /// Seeds an account; `id` may be given among the attributes.
    pub fn insert_user(&mut self, attributes: &Value, twins: Twins) -> Result<String, ScimError> {
        self.seed(Kind::User, attributes, twins)
    }

    /// Seeds a group with its members; `id` may be given among the attributes.
    pub fn insert_group(&mut self, attributes: &Value) -> Result<String, ScimError> {
        self.seed(Kind::Group, attributes, Twins::Refused)
    }

    fn seed(&mut self, kind: Kind, body: &Value, twins: Twins) -> Result<String, ScimError> {
        let mut attributes = normalise_resource(kind, body, Rigour::Lenient)?;
        let members = self.take_members(kind, &mut attributes)?;
        if twins == Twins::Refused {
            self.check_unique(kind, None, &attributes)?;
        }
        let id = match body.get("id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => self.new_id(),
        };
        self.store.insert(kind, &id, &attributes, members, 0);
        Ok(id)
    }

    pub(super) fn discover(&self, call: &Call) -> Result<Response, ScimError> {
        let base_url = self.options.base_url.trim_end_matches('/');
        let found = match call.segments.first().map(String::as_str) {
            Some("ResourceTypes") => discovery::resource_types(base_url),
            Some("Schemas") => discovery::schemas(base_url),
            _ => {
                let maximum = self.options.page_size_max;
                return Ok(answer(200, &discovery::service_provider_config(base_url, maximum)));
            }
        };
        if call.parameter("filter").is_some() {
            // RFC 7644 §4: a filter on these endpoints is refused.
            return Err(ScimError::plain(403, "this endpoint cannot be filtered"));
        }
        let id = call.id();
        if id.is_empty() {
            let all: Vec<_> = found.into_iter().map(|(_, value)| value).collect();
            return Ok(answer(200, &self.list_response(all.len(), 1, &all)));
        }
        let (_, value) = found
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(id))
            .ok_or_else(|| ScimError::plain(404, format!("there is no {id}")))?;
        Ok(answer(200, &value))
    }

    pub(super) fn list(&self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        let number = |name| match call.parameter(name).map(str::parse::<i64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(ScimError::bad("invalidValue", format!("{name} is no number"))),
        };
        let query = Query {
            only: call.parameter("attributes").map(str::to_owned),
            without: call.parameter("excludedAttributes").map(str::to_owned),
            filter: call.parameter("filter").map(str::to_owned),
            start: index(number("startIndex")?.unwrap_or(1)).max(1),
            count: number("count")?.map(index),
        };
        self.answer_query(&[kind], &query, call.now_ms)
    }

    /// The same as a list, with the question in the body (RFC 7644 §3.4.3).
    pub(super) fn search(&self, kinds: &[Kind], call: &Call) -> Result<Response, ScimError> {
        let body = call.body(&self.options.content_types)?;
        let names = |name| {
            let list = body.get(name).and_then(Value::as_array)?;
            Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        };
        let number = |name| body.get(name).and_then(Value::as_i64);
        let query = Query {
            only: names("attributes"),
            without: names("excludedAttributes"),
            filter: body.get("filter").and_then(Value::as_str).map(str::to_owned),
            start: index(number("startIndex").unwrap_or(1)).max(1),
            count: number("count").map(index),
        };
        self.answer_query(kinds, &query, call.now_ms)
    }

    fn answer_query(
        &self,
        kinds: &[Kind],
        query: &Query,
        now_ms: u64,
    ) -> Result<Response, ScimError> {
        let mut found = Vec::new();
        let mut refused = Vec::new();
        let mut projections = BTreeMap::new();
        for kind in kinds {
            let (only, without) = (query.only.as_deref(), query.without.as_deref());
            projections.insert(*kind, Projection::new(*kind, only, without)?);
            match self.found(*kind, query.filter.as_deref()) {
                Ok(some) => found.extend(some),
                Err(error) => refused.push(error),
            }
        }
        let refused_by_all = refused.len() == kinds.len();
        // A search in users and groups may name what only one of them has (RFC 7644 §3.4.2.1).
        if let Some(error) = refused.pop_if(|_| refused_by_all) {
            return Err(error);
        }
        found.retain(|resource| self.is_seen(resource, now_ms));
        let maximum = self.options.page_size_max;
        let mut total = found.len();
        let mut skipped = query.start - 1;
        if query.filter.is_none() {
            self.bend_listing(&mut found, &mut skipped, &mut total);
        }
        let mut page: Vec<_> = found
            .iter()
            .skip(skipped)
            .take(query.count.unwrap_or(maximum).min(maximum))
            .filter_map(|row| {
                Some(self.shown(self.behind(row, now_ms), projections.get(&row.kind)?))
            })
            .collect();
        for one in &mut page {
            let id = one.get("id").and_then(Value::as_str);
            if id.is_some_and(|id| self.faults.without_id.contains(id))
                && let Some(members) = one.as_object_mut()
            {
                members.remove("id");
            }
            self.faults.answers.tell_ids(one);
        }
        page.extend((0..self.faults.null_rows).map(|_| Value::Null));
        Ok(answer(200, &self.list_response(total, query.start, &page)))
    }

    fn found(&self, kind: Kind, filter: Option<&str>) -> Result<Vec<&Row>, ScimError> {
        let Some(text) = filter else { return Ok(self.store.all(kind).collect()) };
        let named = |name: &str| text.starts_with(name);
        if let Some(status) = self
            .faults
            .filter_fails
            .iter()
            .find_map(|(name, status)| named(name).then_some(*status))
        {
            return Err(ScimError::plain(status, "this filter makes us fail"));
        }
        let matches_all =
            |quirk: &Quirk| matches!(quirk, Quirk::FilterMatchesAll(name) if named(name));
        if self.options.quirks.iter().any(matches_all) {
            return Ok(self.store.all(kind).collect());
        }
        match Filter::parse(text, Scope::Resource(kind)) {
            Ok(filter) => Ok(self.matching(kind, &filter)),
            Err(FilterError::Unknown(_)) if self.has(&Quirk::UnknownFilterMatchesNothing) => {
                Ok(Vec::new())
            }
            Err(FilterError::Unknown(name)) => {
                Err(ScimError::bad("invalidFilter", format!("unknown attribute {name}")))
            }
            Err(FilterError::Syntax(detail)) => Err(ScimError::bad("invalidFilter", detail)),
        }
    }

    /// Whether lists and filters show a resource.
    fn is_seen(&self, resource: &Row, now_ms: u64) -> bool {
        let lag_ms = self.faults.read_lag_ms.max(self.faults.copy_lag_ms);
        let is_new = resource.created_ms > 0 && resource.created_ms.saturating_add(lag_ms) > now_ms;
        let hidden = [&self.faults.hidden_ids, &self.faults.unfindable];
        !is_new && !hidden.into_iter().any(|ids| ids.contains(&*resource.id))
    }

    fn matching(&self, kind: Kind, filter: &Filter) -> Vec<&Row> {
        if self.has(&Quirk::ExternalIdFilterMatchesNothing) && filter.mentions("externalId") {
            return Vec::new();
        }
        let pins = filter.pinned();
        let candidates = pins.iter().find_map(|(path, value)| match (kind, path.as_str()) {
            (_, "id") => Some(self.store.get(kind, value).into_iter().collect()),
            (Kind::User, "userName") | (Kind::Group, "displayName") => {
                Some(self.store.with_key(kind, Key::Name, value))
            }
            (Kind::Group, "members" | "members.value") => Some(self.store.groups_of(value)),
            (_, "externalId") => Some(self.store.with_key(kind, Key::External, value)),
            _ => None,
        });
        candidates
            .unwrap_or_else(|| self.store.all(kind).collect())
            .into_iter()
            .filter(|resource| filter.matches(&self.full(resource, |name| filter.mentions(name))))
            .collect()
    }

    fn list_response(&self, total: usize, start: usize, page: &[Value]) -> Value {
        let total =
            if self.has(&Quirk::TotalAsText) { json!(total.to_string()) } else { json!(total) };
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "itemsPerPage": page.len(),
            "startIndex": start,
            "Resources": page,
        })
    }

    pub(super) fn create(&mut self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        let projection = projection(kind, call)?;
        let mut attributes =
            normalise_resource(kind, &call.body(&self.options.content_types)?, self.rigour())?;
        if !self.options.group_create_with_members {
            attributes.remove("members");
        }
        let members = self.take_members(kind, &mut attributes)?;
        if kind == Kind::User {
            self.faults.check_seat()?;
        }
        let edit = MemberEdit { added: members.clone(), ..MemberEdit::default() };
        if let Some(id) = self.merge(kind, &attributes, edit, call.now_ms) {
            return self.resource(kind, &id, &projection, 200);
        }
        self.settle(kind, None, &mut attributes)?;
        if kind == Kind::User && self.faults.creates_inactive {
            attributes.insert("active".to_owned(), Value::Bool(false));
        }
        let id = self.new_id();
        self.note = format!("create with {} members", members.len());
        self.store.insert(kind, &id, &attributes, members, call.now_ms);
        self.copy_members(&id, call.now_ms);
        let mut response = self.resource(kind, &id, &projection, 201)?;
        response.headers.push(("location".to_owned(), self.location(kind, &id)));
        Ok(response)
    }

    pub(super) fn read(&self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        let row = self.existing(kind, call.id())?;
        if self.faults.copy_lag_ms > 0 && !self.is_seen(row, call.now_ms) {
            return Err(not_found(kind, call.id()));
        }
        let mut told = self.shown(self.behind(row, call.now_ms), &projection(kind, call)?);
        self.faults.answers.tell_ids(&mut told);
        Ok(answer(200, &told))
    }

    /// What the body leaves out is cleared (RFC 7644 §3.5.1).
    pub(super) fn replace(&mut self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        let id = call.id();
        let projection = projection(kind, call)?;
        let old = self.existing(kind, id)?.attributes();
        let body = call.body(&self.options.content_types)?;
        if self.faults.blanks {
            stubborn::refuse_blanks(&body)?;
        }
        let mut attributes = normalise_resource(kind, &body, self.rigour())?;
        let added = self.take_members(kind, &mut attributes)?;
        self.settle(kind, Some((id, &old)), &mut attributes)?;
        "replace all".clone_into(&mut self.note);
        let edit = MemberEdit { cleared: true, added, ..MemberEdit::default() };
        let was = old.clone();
        self.save(kind, id, (old, attributes), edit, call.now_ms);
        let shown = self.resource(kind, id, &projection, 200);
        self.forget_departure(kind, id, &was, call.now_ms);
        shown
    }

    pub(super) fn patch(&mut self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        let id = call.id();
        let projection = projection(kind, call)?;
        let resource = self.existing(kind, id)?;
        let old = resource.attributes();
        let operations =
            patch::parse(kind, &call.body(&self.options.content_types)?, self.rigour())?;
        let mut attributes = old.clone();
        let mut edit = MemberEdit::default();
        for operation in &operations {
            if kind == Kind::Group && operation.path.starts_at("members") {
                if self.faults.members.ignored {
                    continue;
                }
                self.edit_members(resource, operation, &mut edit)?;
            } else {
                patch::apply(&mut attributes, operation, self.rigour())?;
                self.empty_by(kind, operation, &mut edit);
            }
        }
        self.settle(kind, Some((id, &old)), &mut attributes)?;
        self.note = summary(&operations);
        let was = old.clone();
        self.fall_back(id, call.now_ms);
        self.save(kind, id, (old, attributes), edit, call.now_ms);
        self.copy_members(id, call.now_ms);
        self.patches += u64::from(kind == Kind::User);
        let silent = match kind {
            Kind::User => self.has(&Quirk::PatchSometimesEmpty) && self.patches.is_multiple_of(2),
            // RFC 7644 §3.5.2 leaves 200 or 204 to the server unless `attributes` is given; showing
            // thousands of members after each change helps nobody.
            Kind::Group => call.parameter("attributes").is_none() && !self.faults.members.answers,
        };
        let shown = if silent { Ok(empty(204)) } else { self.resource(kind, id, &projection, 200) };
        self.forget_departure(kind, id, &was, call.now_ms);
        shown
    }

    pub(super) fn delete(&mut self, kind: Kind, call: &Call) -> Result<Response, ScimError> {
        if !self.store.remove(kind, call.id()) {
            return Err(not_found(kind, call.id()));
        }
        Ok(empty(204))
    }

    fn existing(&self, kind: Kind, id: &str) -> Result<&Row, ScimError> {
        self.store.get(kind, id).ok_or_else(|| not_found(kind, id))
    }

    fn resource(
        &self,
        kind: Kind,
        id: &str,
        projection: &Projection,
        status: u16,
    ) -> Result<Response, ScimError> {
        Ok(answer(status, &self.shown(self.existing(kind, id)?, projection)))
    }

    fn take_members(
        &self,
        kind: Kind,
        attributes: &mut Map<String, Value>,
    ) -> Result<BTreeSet<u64>, ScimError> {
        match attributes.remove("members") {
            Some(Value::Array(items)) if kind == Kind::Group => self.members_in(&items),
            _ => Ok(BTreeSet::new()),
        }
    }

    /// The last checks on new attributes, and what a platform does with them before it stores them.
    fn settle(
        &self,
        kind: Kind,
        before: Option<(&str, &Map<String, Value>)>,
        attributes: &mut Map<String, Value>,
    ) -> Result<(), ScimError> {
        let required = kind.core().iter().filter(|attribute| attribute.required);
        for name in required.map(|attribute| attribute.name) {
            if attributes.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(ScimError::bad("invalidValue", format!("{name} is required")));
            }
        }
        let form = match kind {
            Kind::User => &self.faults.user_names,
            Kind::Group => &self.faults.group_names,
        };
        if let Some(form) = form {
            form.settle(kind, before.map(|(_, old)| old), attributes);
        }
        self.check_unique(kind, before.map(|(id, _)| id), attributes)?;
        self.check_manager(kind, before.map(|(_, old)| old), attributes)?;
        if kind == Kind::User {
            let old = before.map(|(_, old)| old);
            let Faults { untaken, kept, .. } = &self.faults;
            stubborn::settle(untaken, kept, old, attributes)?;
            self.faults.check_user(attributes)?;
        }
        // A password is never returned, and nothing here could check one.
        attributes.remove("password");
        for quirk in &self.options.quirks {
            let Quirk::Drops(name) = quirk else { continue };
            match before.and_then(|(_, old)| old.get(name)) {
                Some(old) => attributes.insert(name.clone(), old.clone()),
                None => attributes.remove(name),
            };
        }
        Ok(())
    }

    /// `userName` is unique without regard to case (RFC 7643 §4.1.1).
    fn check_unique(
        &self,
        kind: Kind,
        own_id: Option<&str>,
        attributes: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        let name = attributes.get("userName").and_then(Value::as_str);
        let (Kind::User, Some(name)) = (kind, name) else { return Ok(()) };
        let others = self.store.with_key(Kind::User, Key::Name, name);
        if others.iter().any(|other| Some(&*other.id) != own_id) {
            return Err(ScimError {
                status: 409,
                scim_type: Some("uniqueness"),
                detail: "userName is taken".to_owned(),
            });
        }
        Ok(())
    }

    /// A strict platform refuses a new manager who does not exist.
    fn check_manager(
        &self,
        kind: Kind,
        old: Option<&Map<String, Value>>,
        attributes: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        let manager = |attributes: &Map<String, Value>| {
            let extension = attributes.get(kind.extension()?.name)?;
            Some(extension.get("manager")?.get("value")?.as_str()?.to_owned())
        };
        let new = manager(attributes);
        if self.rigour() == Rigour::Lenient || new == old.and_then(manager) {
            return Ok(());
        }
        match new {
            Some(id) if self.store.get(Kind::User, &id).is_none() => {
                Err(ScimError::bad("invalidValue", format!("there is no user {id} as manager")))
            }
            _ => Ok(()),
        }
    }

    /// Stores what changed; what did not change keeps its time stamp (RFC 7644 §3.5.2.1).
    pub(super) fn save(
        &mut self,
        kind: Kind,
        id: &str,
        (old, new): (Map<String, Value>, Map<String, Value>),
        edit: MemberEdit,
        now_ms: u64,
    ) {
        if old != new {
            self.store.set_attributes(kind, id, &new, now_ms);
        }
        if kind == Kind::Group && self.store.edit_members(id, edit) {
            self.store.touch(id, now_ms);
        }
        if self.faults.members.leavers_taken_out && new.get("active") == Some(&Value::Bool(false)) {
            self.store.leave_all_groups(id);
        }
    }
}

fn projection(kind: Kind, call: &Call) -> Result<Projection, ScimError> {
    Projection::new(kind, call.parameter("attributes"), call.parameter("excludedAttributes"))
}

/// A negative number counts as nought (RFC 7644 §3.4.2.4).
fn index(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

pub(super) fn not_found(kind: Kind, id: &str) -> ScimError {
    ScimError::plain(404, format!("there is no {} {id}", kind.name()))
}

fn summary(operations: &[Operation]) -> String {
    let words = operations.iter().map(|operation| {
        let verb = match operation.verb {
            Verb::Add => "add",
            Verb::Remove => "remove",
            Verb::Replace => "replace",
        };
        let names: Vec<_> = operation.path.chain.iter().map(|attribute| attribute.name).collect();
        let count = operation.value.as_ref().and_then(Value::as_array).map(Vec::len);
        let count = count.map(|count| format!(" ({count})")).unwrap_or_default();
        format!("{verb} {}{count}", names.join("."))
    });
    words.collect::<Vec<_>>().join(", ")
}
