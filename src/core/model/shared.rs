//! Texts that everybody's values are named by: equal ones share their memory.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

static SHARED: Mutex<BTreeSet<Arc<str>>> = Mutex::new(BTreeSet::new());

/// So many texts are shared, far more than a configuration names; those that come later stand alone.
const SHARED_MAX: usize = 1_000;

/// The text, in the memory of an equal one where there is one.
pub(super) fn shared(text: &str) -> Arc<str> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = shared.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = text.into();
    if shared.len() < SHARED_MAX {
        shared.insert(Arc::clone(&new));
    }
    new
}

/// Reads a shared text where it lies: a start reads a dozen of them for each person.
pub(super) fn read_shared<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<str>, D::Error> {
    struct Shared;

    impl Visitor<'_> for Shared {
        type Value = Arc<str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
            Ok(shared(text))
        }
    }

    deserializer.deserialize_str(Shared)
}

/// Graph's name of a property.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PropertyName(#[serde(deserialize_with = "read_shared")] Arc<str>);

impl PropertyName {
    /// The name as Graph writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PropertyName {
    fn from(name: &str) -> Self {
        Self(shared(name))
    }
}

impl From<&String> for PropertyName {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<String> for PropertyName {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl Borrow<str> for PropertyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
