//! The JSON of Graph, decoded straight into what was selected. None of these shapes leaves this folder.
//!
//! Graph's objects are open types: what is not selected is dropped unread. One damaged element is a
//! finding, not a failure; a page that is cut, or breaks the delta rules, fails as a whole and nothing
//! of it is used. A value that cannot be decoded is left out, which means *unknown*, never *absent*.

mod value;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};

use super::error::GraphError;
use super::link::{Link, Next};
use crate::core::model::{Datum, Element, Kind, MemberKind, ObjectId, Properties, Tombstone};
use value::Value;

/// One page of a delta round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What is on it, in Graph's order. The same id may come several times, here and on other pages.
    pub elements: Vec<Element>,
    /// Where it goes on.
    pub next: Next,
    /// What on it could not be used, or is worth knowing.
    pub findings: Vec<Finding>,
}

/// A flaw of one page with the number of times it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub flaw: Flaw,
    /// How often on this page.
    pub count: usize,
    /// The first object that has it, where it could be read.
    pub example: Option<ObjectId>,
}

/// What can be wrong with an element without spoiling its page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// `accountEnabled` was null. That is unknown, not disabled, so the last known value stays.
    AccountEnabledNull,
    /// No id, or an id that is no GUID. The element was left out.
    NoObjectId,
    /// Not the shape of a directory object. The element was left out.
    WrongShape,
    /// A property with a value that cannot be kept: a fraction, too deep, of the wrong type. It was
    /// left out, so the last known value stays.
    WrongValue(
        /// The property.
        String,
    ),
    /// A member or manager that cannot be read. It was left out.
    WrongMember,
    /// A tombstone with an unknown reason. It was taken as a soft delete.
    UnknownReason,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flaw {
            Flaw::AccountEnabledNull => f.write_str("accountEnabled is null; the last value stays"),
            Flaw::NoObjectId => f.write_str("an element without an object id was left out"),
            Flaw::WrongShape => f.write_str("an element of an unknown shape was left out"),
            Flaw::WrongValue(name) => {
                write!(f, "{name} cannot be read; the last value stays")
            }
            Flaw::WrongMember => f.write_str("a member that cannot be read was left out"),
            Flaw::UnknownReason => {
                f.write_str("a tombstone of an unknown reason was taken as a soft delete")
            }
        }?;
        write!(f, " ({} times", self.count)?;
        match self.example {
            Some(id) => write!(f, ", first {id})"),
            None => f.write_str(")"),
        }
    }
}

/// What is asked for and kept of one kind of object.
#[derive(Debug)]
pub(super) struct Selection {
    kind: Kind,
    properties: BTreeSet<String>,
    manager: bool,
}

impl Selection {
    pub(super) fn new(kind: Kind, properties: &BTreeSet<String>) -> Self {
        let manager = kind == Kind::Users && properties.contains("manager");
        let mut properties = properties.clone();
        for relation in ["id", "manager", "members"] {
            properties.remove(relation);
        }
        Self { kind, properties, manager }
    }

    /// `$select` of a delta round. The relation is selected like a property; `id` always comes.
    pub(super) fn delta_query(&self) -> String {
        let relation = match self.kind {
            Kind::Users => self.manager.then_some("manager"),
            Kind::Groups => Some("members"),
        };
        self.query(relation)
    }

    /// `$select` of a single read, where relations cannot be selected.
    pub(super) fn object_query(&self) -> String {
        self.query(None)
    }

    fn query(&self, relation: Option<&str>) -> String {
        let names = ["id"].into_iter().chain(self.properties.iter().map(String::as_str));
        let names: Vec<String> = names
            .chain(relation)
            .map(|name| form_urlencoded::byte_serialize(name.as_bytes()).collect())
            .collect();
        format!("$select={}", names.join(","))
    }

    /// The selected property that `message` quotes, as Graph does when it does not know it.
    pub(super) fn quoted_in(&self, message: &str) -> Option<&str> {
        let quoted = |name: &&str| message.contains(&format!("'{name}'"));
        self.properties.iter().map(String::as_str).find(quoted)
    }
}

/// The envelope of a delta page. `@odata.context` is sometimes wrong (a known issue of Graph), so it
/// is not read.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
    #[serde(borrow)]
    value: Option<Vec<&'a RawValue>>,
}

/// Decodes a page.
pub(super) fn page(
    body: &[u8],
    selection: &Selection,
    graph_url: &Url,
    host: &str,
) -> Result<Page, GraphError> {
    let malformed = |what| GraphError::Malformed { host: host.to_owned(), what };
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|error| unreadable(&error, host))?;
    let next = match (envelope.next, envelope.delta) {
        (Some(link), None) => Next::Page(Link::parse(&link, graph_url)?),
        (None, Some(link)) => Next::Delta(Link::parse(&link, graph_url)?),
        (Some(_), Some(_)) => return Err(malformed("both a next link and a delta link")),
        (None, None) => return Err(malformed("neither a next link nor a delta link")),
    };
    let raw = envelope.value.ok_or_else(|| malformed("no list of elements"))?;
    let mut tally = Tally::default();
    let elements = raw.into_iter().filter_map(|raw| element(raw, selection, &mut tally)).collect();
    Ok(Page { elements, next, findings: tally.findings() })
}

/// Decodes the answer to a single read.
pub(super) fn object(
    body: &[u8],
    selection: &Selection,
    host: &str,
) -> Result<Element, GraphError> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|error| unreadable(&error, host))?;
    element(raw, selection, &mut Tally::default()).ok_or_else(|| GraphError::Unusable {
        host: host.to_owned(),
        what: "an answer that is not a directory object".to_owned(),
    })
}

fn unreadable(error: &serde_json::Error, host: &str) -> GraphError {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "an answer that is cut off",
        serde_json::error::Category::Data => "JSON that is not what was asked for",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            "an answer that is not JSON"
        }
    };
    GraphError::Unusable { host: host.to_owned(), what: what.to_owned() }
}

fn element(raw: &RawValue, selection: &Selection, tally: &mut Tally) -> Option<Element> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    let Ok(parts) = Object(selection).deserialize(&mut json) else {
        tally.add(Flaw::WrongShape, None);
        return None;
    };
    let id = parts.id.as_ref().and_then(Datum::as_text).and_then(ObjectId::parse);
    let Some(id) = id else {
        tally.add(Flaw::NoObjectId, None);
        return None;
    };
    for name in parts.refused {
        tally.add(Flaw::WrongValue(name), Some(id));
    }
    match parts.removed {
        None => {}
        Some(Datum::Map(removed)) => {
            let reason = removed.get("reason").and_then(Datum::as_text);
            return Some(Element::Removed { id, tombstone: tombstone(reason, id, tally) });
        }
        Some(_) => {
            tally.add(Flaw::WrongShape, Some(id));
            return None;
        }
    }
    let mut properties = parts.properties;
    match selection.kind {
        Kind::Users => {
            keep_known_state(id, &mut properties, tally);
            if let Some(manager) = manager(&parts.related, id, tally) {
                properties.insert("manager".into(), manager);
            }
            Some(Element::User { id, properties })
        }
        Kind::Groups => {
            let (added, removed) = members(&parts.related, id, tally);
            Some(Element::Group { id, properties, added, removed })
        }
    }
}

/// Graph's "Use delta query": `changed` means that the object can still be restored.
fn tombstone(reason: Option<&str>, id: ObjectId, tally: &mut Tally) -> Tombstone {
    match reason {
        Some("deleted") => Tombstone::Purged,
        Some("changed") => Tombstone::SoftDeleted,
        _ => {
            tally.add(Flaw::UnknownReason, Some(id));
            Tombstone::SoftDeleted
        }
    }
}

/// Only a real boolean says whether an account is enabled. Null and anything else is unknown, and
/// must not reach the mirror, where it would read as a leaver.
fn keep_known_state(id: ObjectId, properties: &mut Properties, tally: &mut Tally) {
    const NAME: &str = "accountEnabled";
    let flaw = match properties.get(NAME) {
        None | Some(Datum::Bool(_)) => return,
        Some(Datum::Null) => Flaw::AccountEnabledNull,
        Some(_) => Flaw::WrongValue(NAME.to_owned()),
    };
    properties.remove(NAME);
    tally.add(flaw, Some(id));
}

/// An entry of `manager@delta` or `members@delta`.
#[derive(Deserialize)]
struct Related<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "@odata.type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(rename = "@removed")]
    removed: Option<IgnoredAny>,
}

fn related<'a>(
    raw: &[&'a RawValue],
    id: ObjectId,
    tally: &mut Tally,
) -> Vec<(ObjectId, Related<'a>)> {
    let mut decode = |raw: &&'a RawValue| {
        let entry = serde_json::from_str::<Related<'a>>(raw.get()).ok();
        let entry = entry.and_then(|entry| Some((ObjectId::parse(&entry.id)?, entry)));
        if entry.is_none() {
            tally.add(Flaw::WrongMember, Some(id));
        }
        entry
    };
    raw.iter().filter_map(&mut decode).collect()
}

/// The order inside `manager@delta` is not promised, so removals come first and the last manager that
/// is not removed wins. An empty list says nothing, and so does a list that cannot be read whole.
fn manager(raw: &[&RawValue], id: ObjectId, tally: &mut Tally) -> Option<Datum> {
    let entries = related(raw, id, tally);
    if entries.len() != raw.len() {
        return None;
    }
    let last = entries.iter().rev().find(|(_, entry)| entry.removed.is_none());
    match last {
        Some((manager, _)) => Some(manager.to_string().into()),
        None if entries.is_empty() => None,
        None => Some(Datum::Null),
    }
}

type Changes = (Vec<(MemberKind, ObjectId)>, Vec<ObjectId>);

fn members(raw: &[&RawValue], id: ObjectId, tally: &mut Tally) -> Changes {
    let (mut added, mut removed) = Changes::default();
    for (member, entry) in related(raw, id, tally) {
        if entry.removed.is_some() {
            removed.push(member);
        } else {
            added.push((member_kind(&entry.kind), member));
        }
    }
    (added, removed)
}

fn member_kind(odata_type: &str) -> MemberKind {
    match odata_type.trim_start_matches('#') {
        "microsoft.graph.user" => MemberKind::User,
        "microsoft.graph.group" => MemberKind::Group,
        _ => MemberKind::Other,
    }
}

/// The parts of one element that are of interest.
#[derive(Default)]
struct Parts<'a> {
    id: Option<Datum>,
    /// What `@removed` holds, where there is one; null where that cannot be read.
    removed: Option<Datum>,
    related: Vec<&'a RawValue>,
    properties: Properties,
    refused: Vec<String>,
}

/// Reads one object of the page as far as it was selected.
struct Object<'s>(&'s Selection);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Parts<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Parts<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a directory object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
        let Self(selected) = self;
        let mut parts = Parts::default();
        while let Some(Name(name)) = map.next_key()? {
            match (name.as_ref(), selected.kind) {
                ("id", _) => parts.id = map.next_value::<Value>()?.0,
                ("@removed", _) => {
                    parts.removed = Some(map.next_value::<Value>()?.0.unwrap_or(Datum::Null));
                }
                ("manager@delta", Kind::Users) if selected.manager => {
                    parts.related = map.next_value()?;
                }
                ("members@delta", Kind::Groups) => parts.related = map.next_value()?,
                // Of a name that comes twice the last one counts, also where it cannot be read: what
                // stood there before it is not known to be so.
                (name, _) if selected.properties.contains(name) => {
                    if let Some(datum) = map.next_value::<Value>()?.0 {
                        parts.properties.insert(name.into(), datum);
                    } else {
                        parts.properties.remove(name);
                        parts.refused.push(name.to_owned());
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(parts)
    }
}

/// Counts flaws, so that a page of ten thousand damaged elements gives a handful of findings.
#[derive(Default)]
struct Tally(BTreeMap<Flaw, (usize, Option<ObjectId>)>);

impl Tally {
    fn add(&mut self, flaw: Flaw, id: Option<ObjectId>) {
        let (count, example) = self.0.entry(flaw).or_default();
        *count += 1;
        *example = example.or(id);
    }

    fn findings(self) -> Vec<Finding> {
        let finding = |(flaw, (count, example))| Finding { flaw, count, example };
        self.0.into_iter().map(finding).collect()
    }
}
