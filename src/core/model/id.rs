//! Identifiers as distinct types: a platform id cannot be passed where an Entra object id is wanted.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::DigestKey;

/// The operator's name of a source (one Entra tenant), as in `[sources.asker]`.
///
/// Names are interned for the life of the process, so that ids which carry one stay `Copy`; there are
/// as many as the configuration and the store name, a few dozen at most. One pointer, not the two of a
/// `&str`: there is one in the id of everybody in every group.
#[derive(Clone, Copy, Eq)]
pub struct SourceName(&'static &'static str);

impl Hash for SourceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for SourceName {
    // Equal names share their text.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Ord for SourceName {
    // The name is the first part of every key: to compare texts would be most of what planning costs.
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other { Ordering::Equal } else { self.0.cmp(other.0) }
    }
}

impl PartialOrd for SourceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

static NAMES: Mutex<BTreeMap<&'static str, SourceName>> = Mutex::new(BTreeMap::new());

impl SourceName {
    /// The name as a value; equal texts give equal names.
    pub fn new(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return *known;
        }
        let text: &'static str = Box::leak(name.to_owned().into_boxed_str());
        let new = Self(Box::leak(Box::new(text)));
        names.insert(text, new);
        new
    }

    /// The name, if the configuration or the store has named it: what callers and platforms write makes
    /// no new ones, or they could use up the memory.
    pub fn known(name: &str) -> Option<Self> {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).copied()
    }

    /// The text of the name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceName({})", self.0)
    }
}

impl Serialize for SourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

/// Entra's object id of a user, group or other directory object: a GUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    /// Parses the 8-4-4-4-12 text form, in either letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let id: Hyphenated = text.parse().ok()?;
        Some(Self(id.into_uuid().into_bytes()))
    }

    /// The sixteen bytes, most significant first.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id with these sixteen bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A person, for ever: source and object id of the first source user the person was seen as.
///
/// Shown as `source/object-id`; the object id is also the account's `externalId` on the target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId {
    /// The source of the first source user.
    pub source: SourceName,
    /// The object id of the first source user.
    pub object: ObjectId,
}

impl PersonId {
    /// Parses `source/object-id`, of a source that is [known](SourceName::known).
    pub fn parse(text: &str) -> Option<Self> {
        let (source, object) = text.split_once('/')?;
        Some(Self { source: SourceName::known(source)?, object: ObjectId::parse(object)? })
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.object)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A group that the target should have: a directory group carried over, or a group made by a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupKey {
    /// Shown as `group:source/object-id`.
    Directory {
        /// The tenant that holds the group.
        source: SourceName,
        /// The group's object id there.
        object: ObjectId,
    },
    /// Shown as `rule:id/value`.
    Rule {
        /// The `id` of the rule in the configuration.
        rule: Arc<str>,
        /// The value of `each` that the group stands for.
        value: Arc<str>,
    },
}

impl GroupKey {
    /// What stands for the key where ids may be seen and names not. The group of a rule is named after what
    /// people have in common, so of that only a keyed digest is shown.
    pub fn hidden(&self, digests: &DigestKey) -> String {
        match self {
            Self::Directory { .. } => self.to_string(),
            Self::Rule { rule, value } => {
                format!("rule:{rule}/#{}", digests.pseudonym("group", value))
            }
        }
    }

    /// Parses the form that [`fmt::Display`] writes, of a source that is [known](SourceName::known).
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("group:") {
            let person = PersonId::parse(rest)?;
            return Some(Self::Directory { source: person.source, object: person.object });
        }
        let (rule, value) = text.strip_prefix("rule:")?.split_once('/')?;
        Some(Self::Rule { rule: rule.into(), value: value.into() })
    }

    /// The `externalId` of the group on the target: the object id, or the whole rule key.
    pub fn external_id(&self) -> String {
        match self {
            Self::Directory { object, .. } => object.to_string(),
            Self::Rule { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { source, object } => write!(f, "group:{source}/{object}"),
            Self::Rule { rule, value } => write!(f, "rule:{rule}/{value}"),
        }
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The id that a SCIM target gave to one of its resources (RFC 7643 §3.1): opaque, case-exact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScimId(Arc<str>);

impl ScimId {
    /// Takes the id as the target wrote it.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as the target wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are spelled alike, but for letter case.
    pub fn is_spelled_like(&self, other: &Self) -> bool {
        self == other || self.0.to_lowercase() == other.0.to_lowercase()
    }

    /// Whether both are certainly one id: the same to the letter, or UUIDs and the like in different letter case.
    pub fn is_same(&self, other: &Self) -> bool {
        Self::are_same(&self.0, &other.0)
    }

    /// The same of two texts, one of which may be a reference.
    pub fn are_same(left: &str, right: &str) -> bool {
        left == right || (left.eq_ignore_ascii_case(right) && is_hexadecimal(left))
    }

    /// The same, as the value of a reference.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Whether an id is a number in hexadecimal digits, which mean the same in either letter case.
fn is_hexadecimal(id: &str) -> bool {
    /// Shorter ones may be made of all letters and digits, and have only some of them by chance.
    const DIGITS_MIN: usize = 16;
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    digits >= DIGITS_MIN
        && id.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-{}".contains(&byte))
}

impl fmt::Display for ScimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScimId({})", self.0)
    }
}
