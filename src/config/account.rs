//! Reads `[targets.NAME.account]`: SCIM attribute = expression, over the default mapping.

use std::collections::BTreeMap;

use super::outline::Shape;
use super::reading::{Entry, Reading, Table, Wrong};
use super::tree::Place;
use crate::core::expression::{Expression, Subject, nearest};
use crate::core::model::AttrPath;

/// Entra's default mapping, with Graph's own property names. `active` and `externalId` are Manntall's
/// own; `proxyAddresses` is left out, since a list fits no single place.
pub(super) const DEFAULTS: [(&str, &str); 18] = [
    ("addresses[type eq \"other\"].formatted", "person.officeLocation"),
    ("addresses[type eq \"work\"].country", "person.country"),
    ("addresses[type eq \"work\"].locality", "person.city"),
    ("addresses[type eq \"work\"].postalCode", "person.postalCode"),
    ("addresses[type eq \"work\"].region", "person.state"),
    ("addresses[type eq \"work\"].streetAddress", "person.streetAddress"),
    ("displayName", "person.displayName"),
    ("emails[type eq \"work\"].value", "person.mail"),
    ("name.familyName", "person.surname"),
    ("name.givenName", "person.givenName"),
    ("phoneNumbers[type eq \"fax\"].value", "person.faxNumber"),
    ("phoneNumbers[type eq \"mobile\"].value", "person.mobilePhone"),
    ("phoneNumbers[type eq \"work\"].value", "person.businessPhones | first"),
    ("title", "person.jobTitle"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "person.department"),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        "person.employeeId",
    ),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "person.manager"),
    ("userName", "person.userPrincipalName"),
];

/// The schema of core user attributes, which a path may name or leave out (RFC 7644 §3.10).
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:user:";

/// What nobody may map, and why.
fn reserved(attribute: &str) -> Option<&'static str> {
    Some(match attribute {
        "active" => {
            "is set by Manntall alone, from scope and accountEnabled; say who is in scope in \
             `scope.people`"
        }
        "externalid" => {
            "is set by Manntall alone: it is the object id by which accounts are found again"
        }
        "id" | "meta" | "schemas" => "belongs to the platform",
        "groups" => "is read-only in SCIM; say which groups there are in `[[targets.NAME.groups]]`",
        "password" => "is never set by Manntall",
        _ => return None,
    })
}

/// One attribute of the mapping.
struct Mapped {
    path: AttrPath,
    /// `None`: left as it is on the platform.
    expression: Option<Expression>,
    /// Key and place in the configuration; `None` for what is mapped by default.
    written: Option<(String, Place)>,
}

/// The whole mapping.
#[derive(Default)]
pub(super) struct Mapping {
    pub(super) expressions: BTreeMap<AttrPath, Expression>,
    /// Where what is not mapped by default was written, in words.
    pub(super) written: BTreeMap<AttrPath, String>,
}

/// Reads the mapping. An empty expression takes the attribute out of it: it is left as it is.
pub(super) fn read(table: Table, reading: &mut Reading<'_>) -> Option<Mapping> {
    let mut mapped: BTreeMap<String, Mapped> = BTreeMap::new();
    for (name, entry) in table.all() {
        let path = match path(&name) {
            Ok(path) => path,
            Err(wrong) => {
                reading.refuse(&entry.name, &entry.key, wrong);
                continue;
            }
        };
        if let Some(other) = mapped.get(&canonical(path.as_str())) {
            let message = format!("maps `{}` a second time", other.path);
            reading.refuse(&entry.name, &entry.key, message);
            continue;
        }
        let expression = expression(&entry, &path).unwrap_or_else(|wrong| {
            reading.refuse(&entry.node.place, &entry.key, wrong);
            None
        });
        let written = Some((entry.key, entry.name));
        mapped.insert(canonical(path.as_str()), Mapped { path, expression, written });
    }
    for (path, expression) in DEFAULTS {
        if !mapped.contains_key(&canonical(path)) {
            let path = AttrPath::parse(path)?;
            let expression = Expression::parse(expression, Subject::Person).ok();
            let key = canonical(path.as_str());
            mapped.insert(key, Mapped { path, expression, written: None });
        }
    }
    overlaps(&mapped, reading);
    let mut mapping = Mapping::default();
    for Mapped { path, expression, written } in mapped.into_values() {
        if let Some((_, place)) = written {
            mapping.written.insert(path.clone(), reading.in_words(&place));
        }
        mapping.expressions.extend(expression.map(|expression| (path, expression)));
    }
    Some(mapping)
}

fn expression(entry: &Entry, path: &AttrPath) -> Result<Option<Expression>, Wrong> {
    entry.note(Shape::Expression);
    match entry.text()? {
        "" if *path == AttrPath::user_name() => Err("must be mapped".into()),
        "" => Ok(None),
        _ => entry.naming(Subject::Person).map(Some),
    }
}

/// A whole and a part of it cannot both be mapped: each would undo the other.
fn overlaps(mapped: &BTreeMap<String, Mapped>, reading: &mut Reading<'_>) {
    for (whole, one) in mapped {
        let (Some(_), Some((key, place))) = (&one.expression, &one.written) else { continue };
        let part = mapped.iter().find(|(name, other)| {
            let rest = name.strip_prefix(whole.as_str());
            other.expression.is_some() && rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        if let Some((_, part)) = part {
            let message = format!(
                "maps the whole of `{}`, of which `{}` is mapped, too; map that to \"\" to take it out",
                one.path, part.path
            );
            reading.refuse(place, key, message);
        }
    }
}

/// Attribute names are the same in either letter case (RFC 7643 §2.1).
fn canonical(path: &str) -> String {
    let lower = path.to_lowercase();
    let lower = lower.strip_prefix(CORE).unwrap_or(&lower);
    // A reference is mapped as a whole; `.value` is how it is sent.
    match lower.strip_suffix(":user:manager.value") {
        Some(schema) => format!("{schema}:user:manager"),
        None => lower.to_owned(),
    }
}

fn path(name: &str) -> Result<AttrPath, Wrong> {
    let wanted = canonical(name);
    let attribute = wanted.split(['.', '[']).next().unwrap_or_default();
    if let Some(reason) = reserved(attribute) {
        return Err(reason.into());
    }
    if let Some((known, _)) = DEFAULTS.iter().find(|(known, _)| canonical(known) == wanted) {
        return AttrPath::parse(known).ok_or_else(|| "is no attribute".into());
    }
    let text = match name.get(..CORE.len()) {
        Some(schema) if schema.eq_ignore_ascii_case(CORE) => name.get(CORE.len()..),
        _ => Some(name),
    };
    text.and_then(AttrPath::parse).ok_or_else(|| Wrong {
        message: "is no SCIM attribute in one of the forms title, name.givenName, emails[type eq \
                  \"work\"].value, urn:…:User:department"
            .to_owned(),
        suggestion: nearest(name, DEFAULTS.iter().map(|(known, _)| *known)),
        within: None,
        is_hidden: false,
    })
}
