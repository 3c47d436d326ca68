//! Paths of SCIM attributes and the accounts made of them.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::shared::{read_shared, shared};
use super::{Datum, Fields, PersonId};

/// The enterprise extension (RFC 7643 §4.3).
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Path of one single-valued place in a SCIM resource (RFC 7644 §3.5.2), in one of the forms
/// `title`, `name.givenName`, `emails[type eq "work"].value` and `urn:…:User:department`.
///
/// A mapping has some dozens, and every account of the ledger names them: equal paths share their text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttrPath(#[serde(deserialize_with = "read_shared")] Arc<str>);

static ACTIVE: LazyLock<AttrPath> = LazyLock::new(|| AttrPath::shared("active"));
static EXTERNAL_ID: LazyLock<AttrPath> = LazyLock::new(|| AttrPath::shared("externalId"));
static USER_NAME: LazyLock<AttrPath> = LazyLock::new(|| AttrPath::shared("userName"));
static DISPLAY_NAME: LazyLock<AttrPath> = LazyLock::new(|| AttrPath::shared("displayName"));
static ROLES: LazyLock<AttrPath> = LazyLock::new(|| AttrPath::shared("roles"));
static MANAGER: LazyLock<AttrPath> =
    LazyLock::new(|| AttrPath::shared(&format!("{ENTERPRISE}:manager")));

/// An [`AttrPath`] taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttrParts<'a> {
    /// Extension schema, for example [`ENTERPRISE`]; `None` for core attributes.
    pub schema: Option<&'a str>,
    /// Attribute name, for example `emails`.
    pub attribute: &'a str,
    /// Value filter of a multi-valued attribute as (sub-attribute, value): `("type", "work")`.
    pub filter: Option<(&'a str, &'a str)>,
    /// Sub-attribute, for example `value`.
    pub sub: Option<&'a str>,
}

impl AttrPath {
    /// Parses one of the four forms; `None` when the text has none of them.
    pub fn parse(text: &str) -> Option<Self> {
        split(text).map(|_| Self::shared(text))
    }

    fn shared(text: &str) -> Self {
        Self(shared(text))
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path taken apart.
    pub fn parts(&self) -> AttrParts<'_> {
        split(&self.0).unwrap_or(AttrParts {
            schema: None,
            attribute: &self.0,
            filter: None,
            sub: None,
        })
    }

    /// `active`, which says whether the account may be used.
    pub fn active() -> Self {
        ACTIVE.clone()
    }

    /// `externalId` of groups, where it is told apart from that of people.
    pub fn external_id_of_groups() -> Self {
        Self::shared("groups.externalId")
    }

    /// `externalId`, our own id of the person on the target.
    pub fn external_id() -> Self {
        EXTERNAL_ID.clone()
    }

    /// `userName`, the login name, unique without regard to case.
    pub fn user_name() -> Self {
        USER_NAME.clone()
    }

    /// `displayName`, the name shown.
    pub fn display_name() -> Self {
        DISPLAY_NAME.clone()
    }

    /// `roles`, which tell administrators of the target from others where it shows them.
    pub fn roles() -> Self {
        ROLES.clone()
    }

    /// The manager of the enterprise extension, a reference to another account.
    pub fn manager() -> Self {
        MANAGER.clone()
    }

    /// Whether the path is a reference to another account, resolved to its id when sent.
    pub fn is_reference(&self) -> bool {
        // Asked of every attribute of everybody, and most are of the core schema.
        self.0.starts_with(ENTERPRISE) && {
            let parts = self.parts();
            parts.schema == Some(ENTERPRISE) && parts.attribute == "manager"
        }
    }
}

fn split(text: &str) -> Option<AttrParts<'_>> {
    let (schema, rest) = match text.rfind(':') {
        Some(at) if text.starts_with("urn:") => {
            let (schema, rest) = text.split_at(at);
            (Some(schema), rest.get(1..)?)
        }
        _ => (None, text),
    };
    let name = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '$')
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let (head, sub) = match rest.rfind('.') {
        Some(at) if !rest.get(at..)?.contains(']') => (rest.get(..at)?, Some(rest.get(at + 1..)?)),
        _ => (rest, None),
    };
    let (attribute, filter) = match head.split_once('[') {
        None => (head, None),
        Some((attribute, condition)) => {
            let (key, value) = condition.strip_suffix(']')?.split_once(" eq ")?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            if !name(key) || value.contains(['"', '\\']) {
                return None;
            }
            (attribute, Some((key, value)))
        }
    };
    if !name(attribute) || !sub.is_none_or(name) || (filter.is_some() && sub.is_none()) {
        return None;
    }
    Some(AttrParts { schema, attribute, filter, sub })
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Attribute values of one account as the target shows or should show them. A path that is missing
/// is not managed or not known; one that is [`Datum::Null`] is known to be unassigned.
/// The value of a reference path is the text of a [`super::ScimId`].
pub type Attributes = Fields<AttrPath, Datum>;

/// A value that an account should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// This value; [`Datum::Null`] wants it unassigned.
    Value(Datum),
    /// The account of this person, whatever id it gets on the target.
    Account(PersonId),
}

/// The account that a person should have. Paths that are missing stay as they are on the target,
/// because the expression read something unknown.
pub type Account = Fields<AttrPath, Wanted>;
