//! Plain reads: lists, counts and single objects, as they are now.

use serde_json::{Value, json};

use super::link::{Cursor, Kind, Link, Purpose};
use super::query::Target;
use super::reply::{Refusal, Stamp};
use super::{Counting, EmptyReads, Entra};
use crate::sim::http::{Request, Response};
use crate::sim::world::{ObjectId, Properties, State, World, schema};

/// Objects per page where nothing is asked, and at most (Graph: "List users").
const TOP_DEFAULT: usize = 100;
const TOP_MAX: usize = 999;

impl Entra {
    pub(super) fn list(
        &mut self,
        world: &World,
        kind: Kind,
        req: &Request,
        target: &Target,
        stamp: &Stamp,
    ) -> Result<Response, Refusal> {
        let mut link = match target.option("skiptoken") {
            Some(token) => self.open(world, token, (kind, Purpose::List), stamp.now_unix_s)?,
            None => start_of_list(kind, target)?,
        };
        let ids = match self.faults.empty_full_reads {
            Some(_) => Vec::new(),
            None => live_ids(world, kind),
        };
        let filtered = |id: &&ObjectId| link.filter.is_empty() || link.filter.contains(id);
        let after = |id: &&ObjectId| !matches!(link.cursor, Cursor::After(last) if **id <= last);
        let mut rest = ids.iter().filter(after).filter(filtered);
        let page: Vec<_> = rest.by_ref().take(link.page_size).copied().collect();
        let more = rest.next().is_some();

        let value: Vec<_> = page
            .iter()
            .filter_map(|id| properties(world, kind, *id))
            .map(|(id, found)| self.entity(&link, id, found))
            .collect();
        let mut body = json!({ "@odata.context": self.context(&link), "value": value });
        let counts = target.option("count") == Some("true") && wants_eventual(req);
        if let (true, Some(fields)) = (counts, body.as_object_mut()) {
            fields.insert("@odata.count".to_owned(), self.counted(world, kind).into());
        }
        if let (true, Some(last), Some(fields)) = (more, page.last(), body.as_object_mut()) {
            link.cursor = Cursor::After(*last);
            let next = self.address(world, link, stamp.now_unix_s);
            fields.insert("@odata.nextLink".to_owned(), next.into());
        }
        Ok(stamp.json(&body))
    }

    pub(super) fn count(
        &self,
        world: &World,
        kind: Kind,
        req: &Request,
        stamp: &Stamp,
    ) -> Result<Response, Refusal> {
        if !wants_eventual(req) {
            let message = "Request with $count query parameter only works through MSGraph with ConsistencyLevel header set to eventual.";
            return Err(Refusal::new(400, "Request_UnsupportedQuery", message));
        }
        let counted = self.counted(world, kind);
        match self.faults.counting {
            None => Ok(stamp.text(counted.to_string())),
            Some(Counting::Off(more)) => {
                let counted = i64::try_from(counted).unwrap_or(i64::MAX);
                Ok(stamp.text((counted + more).to_string()))
            }
            Some(Counting::NoNumber) => Ok(stamp.text("many".to_owned())),
            Some(Counting::Refused(status)) => {
                let message = "Request_BadRequest: $count is not supported for this resource.";
                Err(Refusal::new(status, "Request_BadRequest", message))
            }
        }
    }

    pub(super) fn single(
        &self,
        world: &World,
        kind: Kind,
        key: &str,
        target: &Target,
        stamp: &Stamp,
    ) -> Result<Response, Refusal> {
        let select = target.select(kind)?;
        let named =
            || if kind == Kind::Users { world.user_named(key).map(|user| user.id) } else { None };
        let id = key.parse().ok().or_else(named).ok_or_else(|| Refusal::no_object(key))?;
        let (id, found) = properties(world, kind, id).ok_or_else(|| Refusal::no_object(key))?;
        if self.faults.hide_single_users && kind == Kind::Users {
            return Err(Refusal::no_object(key));
        }
        let link = Link::start(kind, select, Vec::new());
        let mut entity = self.entity(&link, id, found);
        // The relation is expanded, and left out where there is none (Graph: "Get a user").
        let expands = target.option("expand").is_some_and(|what| what.starts_with("manager"));
        let manager = world.users().get(&id).filter(|_| expands).and_then(|user| user.manager);
        if let (Some(manager), Some(fields)) = (manager, entity.as_object_mut()) {
            let manager =
                json!({ "@odata.type": "#microsoft.graph.user", "id": manager.to_string() });
            fields.insert("manager".to_owned(), manager);
        }
        if let Some(fields) = entity.as_object_mut() {
            fields.insert(
                "@odata.context".to_owned(),
                format!("{}/$entity", self.context(&link)).into(),
            );
        }
        Ok(stamp.json(&entity))
    }

    fn counted(&self, world: &World, kind: Kind) -> usize {
        match self.faults.empty_full_reads {
            Some(EmptyReads::CountZero) => 0,
            _ => live_ids(world, kind).len(),
        }
    }

    /// An object outside of delta: what was never set is null here, or an empty array.
    fn entity(&self, link: &Link, id: ObjectId, found: &Properties) -> Value {
        let mut fields = serde_json::Map::new();
        fields.insert("id".to_owned(), id.to_string().into());
        let told = link.select.iter().filter(|name| !self.faults.withhold.contains(*name));
        for name in told.filter(|name| *name != "id" && *name != link.kind.relation()) {
            let shape = match link.kind {
                Kind::Users => schema::user_property(name),
                Kind::Groups => schema::group_property(name),
            };
            let value = match (found.get(name), shape) {
                (Some(value), _) => self.shown(name, value),
                (None, Some(schema::Shape::Texts | schema::Shape::List)) => json!([]),
                (None, Some(_)) => Value::Null,
                // A directory extension that is not set does not show.
                (None, None) => continue,
            };
            fields.insert(name.clone(), value);
        }
        Value::Object(fields)
    }

    /// The value as this tenant tells it.
    pub(super) fn shown(&self, name: &str, value: &Value) -> Value {
        if self.faults.account_enabled_null && name == "accountEnabled" {
            Value::Null
        } else {
            value.clone()
        }
    }

    pub(super) fn context(&self, link: &Link) -> String {
        let (root, kind) = (&self.options.graph_url, link.kind.plural());
        let select = link.select.join(",");
        let default = link.kind.default_select().join(",") == select;
        let columns = if default { String::new() } else { format!("({select})") };
        format!("{root}/v1.0/$metadata#{kind}{columns}")
    }
}

fn start_of_list(kind: Kind, target: &Target) -> Result<Link, Refusal> {
    let mut link = Link::start(kind, target.select(kind)?, target.filter()?);
    link.purpose = Purpose::List;
    link.page_size = match target.option("top").map(str::parse::<usize>) {
        None => TOP_DEFAULT,
        Some(Ok(top @ 1..=TOP_MAX)) => top,
        Some(_) => {
            let message = "Invalid page size specified. Must be between 1 and 999 inclusive.";
            return Err(Refusal::new(400, "Request_UnsupportedQuery", message));
        }
    };
    Ok(link)
}

/// Advanced queries want this header (Graph: "Advanced query capabilities").
fn wants_eventual(req: &Request) -> bool {
    req.header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
}

fn live_ids(world: &World, kind: Kind) -> Vec<ObjectId> {
    match kind {
        Kind::Users => world.live_users().map(|user| user.id).collect(),
        Kind::Groups => world.live_groups().map(|group| group.id).collect(),
    }
}

/// The properties of a live object.
fn properties(world: &World, kind: Kind, id: ObjectId) -> Option<(ObjectId, &Properties)> {
    let (state, properties) = match kind {
        Kind::Users => world.users().get(&id).map(|user| (user.state, &user.properties))?,
        Kind::Groups => world.groups().get(&id).map(|group| (group.state, &group.properties))?,
    };
    (state == State::Live).then_some((id, properties))
}
