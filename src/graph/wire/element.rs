//! One element of a page. Whatever is wrong in it is wrong by itself: a property, a member or a link that
//! cannot be read is unknown, and the rest of the element is used. What cannot be used at all is still
//! said to be there, with its id where that can be found, since whoever cannot be read is not gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::object::{Object, text};
use super::value::Value;
use super::{Flaw, Selection, Tally};
use crate::core::expression::{self, Subject};
use crate::core::model::{
    Datum, Element, Kind, MemberKind, ObjectId, Properties, PropertyName, Tombstone,
};

/// Longest value of one property that is kept. The longest honest ones, hundreds of addresses, take less.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// All values of one element together.
const ELEMENT_BYTES_MAX: usize = 64 * 1024;

/// So many members stand in one element of ours at the most: an appearance with more comes to several.
const MEMBERS_MAX: usize = 1_000;

/// Decodes one element; a group with many members comes to several elements.
pub(super) fn elements(raw: &RawValue, selection: &Selection, tally: &mut Tally) -> Vec<Element> {
    let Some(parts) = Parts::of(raw, selection) else {
        tally.add(Flaw::WrongShape, None);
        return vec![Element::Unreadable { id: None, properties: Properties::new() }];
    };
    let id = match parts.ids.as_slice() {
        [Some(id), rest @ ..] if rest.iter().all(|other| *other == Some(*id)) => *id,
        ids => {
            let ids: BTreeSet<ObjectId> = ids.iter().copied().flatten().collect();
            tally.add(Flaw::NoObjectId, ids.first().copied());
            let unreadable = |id| Element::Unreadable { id, properties: Properties::new() };
            return if ids.is_empty() {
                vec![unreadable(None)]
            } else {
                ids.into_iter().map(|id| unreadable(Some(id))).collect()
            };
        }
    };
    let (properties, mut unread) = parts.values(id, selection, tally);
    match parts.removed {
        Removed::No => {}
        Removed::Yes(reason) => {
            let tombstone = tombstone(reason.as_deref(), id, tally);
            return vec![Element::Removed { id, tombstone }];
        }
        Removed::Unclear => {
            tally.add(Flaw::UnclearRemoval, Some(id));
            return vec![Element::Unreadable { id: Some(id), properties }];
        }
    }
    match selection.kind {
        Kind::Users => {
            let mut properties = properties;
            match manager(&parts.related, id, tally) {
                Told::Nothing => {}
                Told::Unknown => drop(unread.insert("manager".into())),
                Told::This(manager) => drop(properties.insert("manager".into(), manager)),
            }
            vec![Element::User { id, properties, unread: unread.into_iter().collect() }]
        }
        Kind::Groups => {
            let members = members(&parts.related, id, tally);
            if !members.is_whole {
                unread.insert("members".into());
            }
            in_pieces(id, properties, unread, members)
        }
    }
}

/// A group whose members may be more than one record of the store holds.
fn in_pieces(
    id: ObjectId,
    properties: Properties,
    unread: BTreeSet<PropertyName>,
    members: Members,
) -> Vec<Element> {
    let group = |properties, unread, added: &[_], removed: &[_]| Element::Group {
        id,
        properties,
        unread,
        added: added.to_vec(),
        removed: removed.to_vec(),
    };
    let Members { added, removed, .. } = members;
    let unread = unread.into_iter().collect();
    if added.len() + removed.len() <= MEMBERS_MAX {
        return vec![group(properties, unread, &added, &removed)];
    }
    let mut pieces = vec![group(properties, unread, &[], &[])];
    let nothing = || (Properties::new(), Vec::new());
    // Removals come first, as within one element.
    pieces.extend(removed.chunks(MEMBERS_MAX).map(|some| {
        let (properties, unread) = nothing();
        group(properties, unread, &[], some)
    }));
    pieces.extend(added.chunks(MEMBERS_MAX).map(|some| {
        let (properties, unread) = nothing();
        group(properties, unread, some, &[])
    }));
    pieces
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

/// What an element says of a link.
enum Told<T> {
    /// Nothing: it has not changed, or there is none.
    Nothing,
    /// Something that cannot be read, or null.
    Unknown,
    /// This.
    This(T),
}

/// The order inside `manager@delta` is not promised, so removals come first and the last manager that
/// is not removed wins. An empty list says nothing, and so does a list that cannot be read whole.
fn manager(related: &[&RawValue], id: ObjectId, tally: &mut Tally) -> Told<Datum> {
    let entries = entries(related, id, tally);
    if !entries.is_whole {
        return Told::Unknown;
    }
    let last = entries.read.iter().rev().find(|entry| !entry.is_removed);
    match last {
        Some(entry) => Told::This(entry.id.to_string().into()),
        None if entries.read.is_empty() => Told::Nothing,
        None => Told::This(Datum::Null),
    }
}

/// What an element says of a group's members.
struct Members {
    added: Vec<(MemberKind, ObjectId)>,
    removed: Vec<ObjectId>,
    /// Whether all that it says could be read.
    is_whole: bool,
}

fn members(related: &[&RawValue], id: ObjectId, tally: &mut Tally) -> Members {
    let entries = entries(related, id, tally);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    // Later words on a member count.
    let last: BTreeMap<ObjectId, usize> =
        entries.read.iter().enumerate().map(|(at, entry)| (entry.id, at)).collect();
    for (at, entry) in entries.read.iter().enumerate() {
        match entry.is_removed {
            _ if last.get(&entry.id) != Some(&at) => {}
            true => removed.push(entry.id),
            false => added.push((entry.kind, entry.id)),
        }
    }
    Members { added, removed, is_whole: entries.is_whole }
}

/// An entry of `manager@delta` or `members@delta`.
struct Entry {
    id: ObjectId,
    kind: MemberKind,
    is_removed: bool,
}

struct Entries {
    read: Vec<Entry>,
    is_whole: bool,
}

/// The entries of all the lists under one name. Null says nothing, and is no list.
fn entries(related: &[&RawValue], id: ObjectId, tally: &mut Tally) -> Entries {
    let mut entries = Entries { read: Vec::new(), is_whole: true };
    for list in related {
        match serde_json::from_str::<Option<Vec<&RawValue>>>(list.get()) {
            Ok(Some(list)) => {
                for raw in list {
                    if let Some(entry) = entry(raw) {
                        entries.read.push(entry);
                    } else {
                        tally.add(Flaw::WrongMember, Some(id));
                        entries.is_whole = false;
                    }
                }
            }
            Ok(None) => entries.is_whole = false,
            Err(_) => {
                tally.add(Flaw::WrongMember, Some(id));
                entries.is_whole = false;
            }
        }
    }
    entries
}

fn entry(raw: &RawValue) -> Option<Entry> {
    let object = Object::of(raw)?;
    let ids = object.ids();
    let [Some(id)] = ids.as_slice() else { return None };
    let mut kind = MemberKind::Other;
    let mut removed = Removed::No;
    for (name, raw) in object.named() {
        if name.eq_ignore_ascii_case("@odata.type") {
            kind = text(raw).map_or(MemberKind::Other, |kind| member_kind(&kind));
        } else if name.eq_ignore_ascii_case("@removed") {
            removed = removed.and(raw);
        }
    }
    let is_removed = match removed {
        Removed::No => false,
        Removed::Yes(_) => true,
        Removed::Unclear => return None,
    };
    Some(Entry { id: *id, kind, is_removed })
}

fn member_kind(odata_type: &str) -> MemberKind {
    match odata_type.trim_start_matches('#').to_ascii_lowercase().as_str() {
        "microsoft.graph.user" => MemberKind::User,
        "microsoft.graph.group" => MemberKind::Group,
        _ => MemberKind::Other,
    }
}

/// What `@removed` says.
#[derive(Debug, PartialEq, Eq)]
enum Removed {
    /// There is none, or it is null.
    No,
    /// The object is gone, for this reason.
    Yes(Option<String>),
    /// It is not what the protocol knows: neither gone nor there.
    Unclear,
}

impl Removed {
    /// With another word on it.
    fn and(self, raw: &RawValue) -> Self {
        if raw.get() == "null" || self == Self::Unclear {
            return self;
        }
        let Some(object) = Object::of(raw) else { return Self::Unclear };
        Self::Yes(object.last("reason").and_then(text))
    }
}

/// The parts of one element that are of interest.
struct Parts<'a> {
    /// What is said of its id, as often as it is said; none where that is no id.
    ids: Vec<Option<ObjectId>>,
    removed: Removed,
    /// What stands under the name of the link, as often as it does.
    related: Vec<&'a RawValue>,
    /// The selected properties in the order given; a name may come twice.
    selected: Vec<(&'a str, &'a RawValue)>,
}

impl<'a> Parts<'a> {
    fn of(raw: &'a RawValue, selection: &'a Selection) -> Option<Self> {
        let object = Object::of(raw)?;
        let ids = object.ids();
        let mut parts =
            Self { ids, removed: Removed::No, related: Vec::new(), selected: Vec::new() };
        let relation = match selection.kind {
            Kind::Users => selection.manager.then_some("manager@delta"),
            Kind::Groups => Some("members@delta"),
        };
        for (name, raw) in object.named() {
            if let Some(known) = selection.property(name) {
                parts.selected.push((known, raw));
            } else if name.eq_ignore_ascii_case("@removed") {
                parts.removed = parts.removed.and(raw);
            } else if relation.is_some_and(|known| name.eq_ignore_ascii_case(known)) {
                parts.related.push(raw);
            }
        }
        Some(parts)
    }

    /// The values that can be read, and the names of the others. Of a name that comes twice the last one
    /// counts, also where it cannot be read: what stood there before it is not known to be so.
    fn values(
        &self,
        id: ObjectId,
        selection: &Selection,
        tally: &mut Tally,
    ) -> (Properties, BTreeSet<PropertyName>) {
        let subject = match selection.kind {
            Kind::Users => Subject::User,
            Kind::Groups => Subject::Group,
        };
        let (mut properties, mut unread) = (Properties::new(), BTreeSet::new());
        for (name, raw) in &self.selected {
            let name = PropertyName::from(*name);
            properties.remove(name.as_str());
            match property(subject, name.as_str(), raw) {
                Ok(datum) => {
                    unread.remove(&name);
                    properties.insert(name, datum);
                }
                Err(flaw) => {
                    // Null is told like silence, and many nulls are a guard's business.
                    if flaw != Flaw::AccountEnabledNull {
                        unread.insert(name);
                    }
                    tally.add(flaw, Some(id));
                }
            }
        }
        let mut total: usize = properties.values().map(Datum::bytes).sum();
        while total > ELEMENT_BYTES_MAX {
            let largest = properties.iter().max_by_key(|(_, datum)| datum.bytes());
            let Some((name, datum)) = largest.map(|(name, datum)| (name.clone(), datum)) else {
                break;
            };
            total -= datum.bytes();
            tally.add(Flaw::TooLarge(name.to_string()), Some(id));
            properties.remove(name.as_str());
            unread.insert(name);
        }
        (properties, unread)
    }
}

/// Reads one property.
fn property(subject: Subject, name: &str, raw: &RawValue) -> Result<Datum, Flaw> {
    // Escapes take up to six times as much as what they stand for, and spaces anything.
    let value = serde_json::from_str::<Value>(raw.get()).ok().and_then(|value| value.0);
    let value = value.ok_or_else(|| Flaw::WrongValue(name.to_owned()))?;
    if value.bytes() > VALUE_BYTES_MAX {
        return Err(Flaw::TooLarge(name.to_owned()));
    }
    // Only a real boolean says whether an account is enabled. Null and anything else is unknown, and
    // must not reach the mirror, where it would read as a leaver.
    if name == "accountEnabled" && value == Datum::Null {
        return Err(Flaw::AccountEnabledNull);
    }
    if expression::has_documented_shape(subject, name, &value) {
        Ok(value)
    } else {
        Err(Flaw::WrongValue(name.to_owned()))
    }
}
