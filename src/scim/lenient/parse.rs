//! Parsing: bytes to JSON, as far as there is any, in bounded memory.
//!
//! One element that no parser takes must not hide the others: a text that was cut in the middle of a
//! character (`transport::json`), a number beyond all bounds.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::transport::json;

/// What a body may come to once it is parsed. A few bytes can become many objects: a member list of
/// 50,000 weighs half of this, a page of a thousand people a tenth.
const WEIGHT_MAX: usize = 2_500_000;
/// An object takes about as much memory as so many texts.
const OBJECT: usize = 20;

/// The JSON in a body, as far as there is any. What cannot be read of an element is null in a list, and
/// left out of an object.
pub(in crate::scim) fn parse(body: &[u8]) -> Option<Value> {
    if let Ok(value) = bounded(body) {
        return Some(value);
    }
    let text = json::lenient(&Bytes::copy_from_slice(body));
    bounded(&text).ok().or_else(|| piecewise(std::str::from_utf8(&text).ok()?))
}

/// Element by element, when one of them spoils the whole.
fn piecewise(text: &str) -> Option<Value> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let mut weight = 0;
    let mut object = Map::new();
    for (name, raw) in members {
        if let Ok(value) = weighed(raw.get().as_bytes(), &mut weight) {
            object.insert(name, value);
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            let item = |raw: &RawValue| {
                weight += 1;
                weighed(raw.get().as_bytes(), &mut weight).unwrap_or(Value::Null)
            };
            object.insert(name, Value::Array(items.into_iter().map(item).collect()));
        }
    }
    (weight <= WEIGHT_MAX).then_some(Value::Object(object))
}

fn bounded(body: &[u8]) -> serde_json::Result<Value> {
    weighed(body, &mut 0)
}

fn weighed(body: &[u8], weight: &mut usize) -> serde_json::Result<Value> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let value = Weighed(weight).deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// Builds a value and counts what it comes to.
struct Weighed<'a>(&'a mut usize);

impl Weighed<'_> {
    fn add<E: Error>(&mut self, weight: usize) -> Result<(), E> {
        *self.0 += weight;
        if *self.0 > WEIGHT_MAX { Err(E::custom("too many elements")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Weighed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<Value, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weighed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<Value, E> {
        self.add(1).map(|()| Value::Bool(value))
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<Value, E> {
        self.add(1).map(|()| value.into())
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<Value, E> {
        self.add(1).map(|()| value.into())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<Value, E> {
        self.add(1).map(|()| value.into())
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<Value, E> {
        self.add(1).map(|()| value.into())
    }

    fn visit_unit<E: Error>(mut self) -> Result<Value, E> {
        self.add(1).map(|()| Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.add(2)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Weighed(self.0))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        self.add(OBJECT)?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(Weighed(self.0))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
