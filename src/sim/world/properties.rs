//! The properties of one object, kept so that a million people fit into memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is rarely the same for two people.
const PERSONAL: [&str; 6] =
    ["userPrincipalName", "mail", "mailNickname", "employeeId", "mobilePhone", "businessPhones"];

/// Properties by Graph's name, in the order of the names. A key that is present was set at least once;
/// null means it was cleared.
///
/// A sorted list takes a fifth of what a map would. Its entries are shared: by copies, and by people who
/// went through the same pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
pub struct Properties(Vec<Arc<(String, Value)>>);

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the property `name`, if it was ever set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.position(name).ok()?;
        self.0.get(at).map(|property| &property.1)
    }

    /// Sets the property `name`.
    pub fn insert(&mut self, name: String, value: Value) {
        let at = self.position(&name);
        let property = Arc::new((name, value));
        match at {
            Ok(at) => self.0.splice(at..=at, [property]).for_each(drop),
            Err(at) => self.0.insert(at, property),
        }
    }

    /// Sets the property `name` where it was never set.
    pub(super) fn insert_default(&mut self, name: &str, value: impl Into<Value>) {
        if self.get(name).is_none() {
            self.insert(name.to_owned(), value.into());
        }
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|property| (property.0.as_str(), &property.1))
    }

    /// Where `name` is, or where it belongs.
    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|property| property.0.as_str().cmp(name))
    }
}

impl FromIterator<(String, Value)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        pairs.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl<const N: usize> From<[(String, Value); N]> for Properties {
    fn from(pairs: [(String, Value); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl From<BTreeMap<String, Value>> for Properties {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self(map.into_iter().map(Arc::new).collect())
    }
}

impl From<Properties> for BTreeMap<String, Value> {
    fn from(properties: Properties) -> Self {
        properties.0.into_iter().map(Arc::unwrap_or_clone).collect()
    }
}

/// The properties that were met before, so that people who have them alike can share them.
#[derive(Debug, Default)]
pub(super) struct Pool(BTreeMap<String, Arc<(String, Value)>>);

impl Pool {
    /// The same properties, shared with everybody who has them too.
    pub(super) fn share(&mut self, mut properties: Properties) -> Properties {
        for property in &mut properties.0 {
            let (name, value) = &**property;
            if !PERSONAL.contains(&name.as_str()) {
                let known = self.0.entry(format!("{name} {value}"));
                *property = Arc::clone(known.or_insert_with(|| Arc::clone(property)));
            }
        }
        properties.0.shrink_to_fit();
        properties
    }
}
