//! The JSON of Graph, decoded straight into what was selected. None of these shapes leaves this folder.
//!
//! Graph's objects are open types: what is not selected is dropped unread. Its names have one spelling; one in
//! other letters is read as what it stands for, since passing it over would be silence. One damaged element is a
//! finding, not a failure; a page that is cut, or breaks the delta rules, fails as a whole and nothing
//! of it is used. What cannot be decoded is *unknown*, never *absent*: a value is named as unread, and an
//! element stands for somebody who is there.

mod element;
mod object;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};

use super::error::GraphError;
use super::link::{Link, Next};
use crate::core::model::{Datum, Element, Kind, ObjectId};
use crate::transport::json;
use element::elements;
use object::{Envelope, Object};

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
    /// The first few that have it.
    pub ids: Vec<ObjectId>,
}

/// So many objects of one flaw of a page are named.
const IDS_MAX: usize = 100;

/// What can be wrong with an element without spoiling its page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// `accountEnabled` was null. That is unknown, not disabled, so the last known value stays.
    AccountEnabledNull,
    /// No id, an id that is no GUID, or several ids. Nothing of the element was used.
    NoObjectId,
    /// Not the shape of a directory object. Nothing of the element was used.
    WrongShape,
    /// `@removed` is neither an object nor null. The object stays as it was.
    UnclearRemoval,
    /// A property with a value that cannot be kept: a fraction, too deep, of the wrong type. It is
    /// unknown, so the last known value stays.
    WrongValue(
        /// The property.
        String,
    ),
    /// A property that is too large to be kept. It is unknown, so the last known value stays.
    TooLarge(
        /// The property.
        String,
    ),
    /// A member or manager that cannot be read. Nobody is missing from that list.
    WrongMember,
    /// A tombstone with an unknown reason. It was taken as a soft delete.
    UnknownReason,
    /// The link to the next page or round is too long to be used.
    LinkTooLong,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flaw {
            Flaw::AccountEnabledNull => f.write_str("accountEnabled is null; the last value stays"),
            Flaw::NoObjectId => f.write_str("an element without one object id cannot be read; nobody is taken for gone because of it"),
            Flaw::WrongShape => f.write_str("an element that is no object cannot be read; nobody is taken for gone because of it"),
            Flaw::UnclearRemoval => {
                f.write_str("@removed of an element cannot be read; the object stays as it was")
            }
            Flaw::WrongValue(name) => {
                write!(f, "{name} cannot be read; the last value stays")
            }
            Flaw::TooLarge(name) => write!(f, "{name} is too large; the last value stays"),
            Flaw::WrongMember => {
                f.write_str("a member or manager cannot be read; nobody is missing from that list")
            }
            Flaw::LinkTooLong => f.write_str(
                "the link of a page is longer than 16 KiB; the page counts, and everything is read anew",
            ),
            Flaw::UnknownReason => {
                f.write_str("a tombstone of an unknown reason was taken as a soft delete")
            }
        }?;
        match (self.count, self.example) {
            (1, Some(id)) => write!(f, " (of {id})"),
            (1, None) => f.write_str(" (once)"),
            (count, Some(id)) => write!(f, " ({count} times, first of {id})"),
            (count, None) => write!(f, " ({count} times)"),
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

    /// The selected property of this name, whatever its letter case.
    fn property(&self, name: &str) -> Option<&str> {
        let exact = self.properties.get(name);
        exact
            .or_else(|| self.properties.iter().find(|known| known.eq_ignore_ascii_case(name)))
            .map(String::as_str)
    }

    /// `$select` of a delta round. The relation is selected like a property; `id` always comes.
    pub(super) fn delta_query(&self) -> String {
        let relation = match self.kind {
            Kind::Users => self.manager.then_some("manager"),
            Kind::Groups => Some("members"),
        };
        self.query(relation)
    }

    /// `$select` of a single read, where relations cannot be selected, and the manager is expanded instead.
    pub(super) fn object_query(&self) -> String {
        let expand = if self.manager { "&$expand=manager($select=id)" } else { "" };
        format!("{}{expand}", self.query(None))
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

/// Decodes a page.
pub(super) fn page(
    body: &Bytes,
    selection: &Selection,
    graph_url: &Url,
    host: &str,
) -> Result<Page, GraphError> {
    let malformed = |what| GraphError::Malformed { host: host.to_owned(), what };
    let body = json::lenient(body);
    let envelope: Envelope<'_> =
        serde_json::from_slice(&body).map_err(|error| unreadable(&error, host))?;
    let kept = |link: String| Link::read(&link, graph_url, selection.kind);
    let next = match (envelope.next, envelope.delta) {
        (Some(link), None) => kept(link)?.map_or(Next::Lost, Next::Page),
        (None, Some(link)) => kept(link)?.map_or(Next::Lost, Next::Delta),
        (Some(_), Some(_)) => return Err(malformed("both a next link and a delta link")),
        (None, None) => return Err(malformed("neither a next link nor a delta link")),
    };
    let raw = envelope.value.ok_or_else(|| malformed("no list of elements"))?;
    let mut tally = Tally::default();
    if next == Next::Lost {
        tally.add(Flaw::LinkTooLong, None);
    }
    let elements = raw.into_iter().flat_map(|raw| elements(raw, selection, &mut tally)).collect();
    Ok(Page { elements, next, findings: tally.findings() })
}

/// Decodes the answer to a single read.
pub(super) fn object(
    body: &Bytes,
    selection: &Selection,
    host: &str,
) -> Result<Element, GraphError> {
    let body = json::lenient(body);
    let raw: &RawValue = serde_json::from_slice(&body).map_err(|error| unreadable(&error, host))?;
    let read = elements(raw, selection, &mut Tally::default()).into_iter().next();
    let mut read =
        read.filter(|read| !matches!(read, Element::Unreadable { .. })).ok_or_else(|| {
            let what = "an answer that is not a directory object".to_owned();
            GraphError::Unusable { host: host.to_owned(), what }
        })?;
    if let (true, Element::User { properties, unread, .. }) = (selection.manager, &mut read) {
        match expanded_manager(raw) {
            Ok(manager) => properties.extend(manager.map(|id| ("manager".into(), id))),
            Err(Unreadable) => unread.push("manager".into()),
        }
    }
    Ok(read)
}

/// Something that is there and cannot be read.
struct Unreadable;

/// The manager in the answer to a single read that expands it. The relation is left out where there is none (Graph:
/// "Get a user"), as in a list of everybody.
fn expanded_manager(raw: &RawValue) -> Result<Option<Datum>, Unreadable> {
    let read = Object::of(raw).ok_or(Unreadable)?;
    let Some(manager) = read.last("manager").filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let manager = Object::of(manager).ok_or(Unreadable)?;
    match manager.ids().as_slice() {
        [Some(id)] => Ok(Some(id.to_string().into())),
        _ => Err(Unreadable),
    }
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

/// Counts flaws, so that a page of ten thousand damaged elements gives a handful of findings.
#[derive(Default)]
struct Tally(BTreeMap<Flaw, (usize, Vec<ObjectId>)>);

impl Tally {
    fn add(&mut self, flaw: Flaw, id: Option<ObjectId>) {
        let (count, ids) = self.0.entry(flaw).or_default();
        *count += 1;
        let has_room = ids.len() < IDS_MAX;
        ids.extend(id.filter(|_| has_room));
    }

    fn findings(self) -> Vec<Finding> {
        let finding = |(flaw, (count, ids)): (_, (usize, Vec<ObjectId>))| {
            let example = ids.first().copied();
            Finding { flaw, count, example, ids }
        };
        self.0.into_iter().map(finding).collect()
    }
}
