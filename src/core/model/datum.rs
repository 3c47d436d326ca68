//! Values of directory properties and account attributes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::{Fields, PropertyName};

/// Deepest nesting that is read back. JSON is read to less; a damaged record may claim any depth, and
/// reading it would use up the stack.
const DEPTH_MAX: usize = 200;

/// One value as Entra or a target gave it, or as an expression made it.
///
/// `Null` means *known to be absent*. What is *unknown* has no datum at all: the key is missing from
/// the map that would hold it. The two are never the same thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Datum {
    /// Known to be absent.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Text. What an account gets from Entra as it is shares it with the mirror.
    Text(Arc<str>),
    /// Several values in the order given.
    #[serde(deserialize_with = "nested")]
    List(Vec<Datum>),
    /// A complex value.
    #[serde(deserialize_with = "nested")]
    Map(BTreeMap<String, Datum>),
}

/// Reads what is within another value, unless that is too deep.
fn nested<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
    let depth = DEPTH.get();
    if depth == DEPTH_MAX {
        return Err(D::Error::custom("values are nested too deeply"));
    }
    DEPTH.set(depth + 1);
    let read = T::deserialize(from);
    DEPTH.set(depth);
    read
}

/// Named values: what is missing is unknown, what is [`Datum::Null`] is absent.
pub type Properties = Fields<PropertyName, Datum>;

impl Datum {
    /// About how many bytes it takes to keep.
    pub fn bytes(&self) -> usize {
        // A level of nesting or an item is a byte or two of its own.
        const ITEM: usize = 4;
        match self {
            Self::Null | Self::Bool(_) => ITEM,
            Self::Int(_) => 10,
            Self::Text(text) => ITEM + text.len(),
            Self::List(items) => ITEM + items.iter().map(Self::bytes).sum::<usize>(),
            Self::Map(map) => {
                let parts = map.iter().map(|(name, item)| ITEM + name.len() + item.bytes());
                ITEM + parts.sum::<usize>()
            }
        }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is known to be absent: null, empty text or an empty list, which SCIM treats
    /// alike as unassigned (RFC 7643 §2.5).
    pub fn is_unassigned(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Map(_) => false,
        }
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Datum {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("(none)"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                f.write_str("{")?;
                for (at, (name, item)) in map.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name}: {item}")?;
                }
                f.write_str("}")
            }
        }
    }
}
