//! Object ids of the directory: GUIDs, written the way Graph writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// The object id of a user, a group or a member of another kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(Uuid);

impl ObjectId {
    /// A new id from `rng`.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        Self::version_4(rng.u128(..).to_be_bytes())
    }

    /// The id that belongs to `name` within `space`, always the same; scenario files name objects this way.
    pub fn named(space: &str, name: &str) -> Self {
        let digest = Sha256::digest(format!("{space}/{name}"));
        Self::version_4(std::array::from_fn(|at| digest[at]))
    }

    fn version_4(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id: Result<Hyphenated, _> = text.parse();
        id.map(|id| Self(id.into_uuid())).map_err(|_| format!("{text:?} is not an object id"))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}
