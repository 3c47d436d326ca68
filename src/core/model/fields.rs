//! A small map for the values of one person or account, of which there are as many as people.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use litemap::LiteMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries in the order of their keys in one piece of memory: a third of what a [`BTreeMap`] of a dozen
/// entries takes.
///
/// [`BTreeMap`]: std::collections::BTreeMap
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields<K, V>(LiteMap<K, V>);

impl<K, V> Fields<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// Takes no more memory than the entries do, which a map that has grown does.
    pub fn pack(&mut self) {
        let mut entries = std::mem::take(self).0.into_tuple_vec();
        entries.shrink_to_fit();
        self.0 = LiteMap::from_sorted_store_unchecked(entries);
    }
}

impl<K: Ord, V> Fields<K, V> {
    /// Takes out the entries of which `wanted` is true.
    #[must_use]
    pub fn take_if(&mut self, mut wanted: impl FnMut(&K, &V) -> bool) -> Self {
        let all = std::mem::take(self).into_iter();
        let (taken, left): (Vec<_>, Vec<_>) = all.partition(|(key, value)| wanted(key, value));
        *self = left.into_iter().collect();
        taken.into_iter().collect()
    }
}

impl<K, V> Default for Fields<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Deref for Fields<K, V> {
    type Target = LiteMap<K, V>;

    fn deref(&self) -> &LiteMap<K, V> {
        &self.0
    }
}

impl<K, V> DerefMut for Fields<K, V> {
    fn deref_mut(&mut self) -> &mut LiteMap<K, V> {
        &mut self.0
    }
}

impl<K: Ord, V, N: Into<K>> FromIterator<(N, V)> for Fields<K, V> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), value));
        let mut fields = Self(entries.collect());
        fields.pack();
        fields
    }
}

impl<K: Ord, V, N: Into<K>, const COUNT: usize> From<[(N, V); COUNT]> for Fields<K, V> {
    fn from(entries: [(N, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Fields<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        self.0.extend(entries);
    }
}

impl<K, V> IntoIterator for Fields<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Fields<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = <&'a LiteMap<K, V> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Fields<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Fields<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Fields<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads entry by entry. The map's own way of reading makes room for as many as the record claims, and
/// a damaged one may claim any number.
struct Entries<K, V>(PhantomData<fn() -> (K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = Fields<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(K, V)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries.into_iter().collect())
    }
}
