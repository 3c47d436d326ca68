//! Any JSON value as a [`Datum`], within bounds. What cannot be kept is consumed and gives nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::core::model::Datum;

/// Deepest nesting kept. Directory properties have two levels (a list of complex values); the rest is
/// room for what Graph may add.
const DEPTH_MAX: u8 = 4;

/// A value, or nothing where it cannot be kept: fractions, integers beyond 64 bits, deep nesting.
pub(super) struct Value(pub(super) Option<Datum>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Depth(0).deserialize(json).map(Self)
    }
}

#[derive(Clone, Copy)]
struct Depth(u8);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Option<Datum>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<Datum>, D::Error> {
        if self.0 > DEPTH_MAX {
            return IgnoredAny::deserialize(json).map(|_| None);
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Option<Datum>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Option<Datum>, E> {
        Ok(Some(Datum::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<Datum>, E> {
        Ok(Some(Datum::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<Datum>, E> {
        Ok(Some(Datum::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<Datum>, E> {
        Ok(i64::try_from(value).ok().map(Datum::Int))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<Datum>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<Datum>, E> {
        Ok(Some(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Option<Datum>, E> {
        Ok(Some(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Datum>, A::Error> {
        let mut items = Some(Vec::new());
        while let Some(item) = seq.next_element_seed(Depth(self.0 + 1))? {
            items = items.zip(item).map(|(mut items, item)| {
                items.push(item);
                items
            });
        }
        Ok(items.map(Datum::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Datum>, A::Error> {
        let mut items = Some(BTreeMap::new());
        while let Some(name) = map.next_key::<String>()? {
            let item = map.next_value_seed(Depth(self.0 + 1))?;
            // Annotations such as `@odata.type` are no part of the value.
            if !name.contains('@') {
                items = items.zip(item).map(|(mut items, item)| {
                    items.insert(name, item);
                    items
                });
            }
        }
        Ok(items.map(Datum::Map))
    }
}
