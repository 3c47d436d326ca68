//! JSON objects by their names. Graph writes each name in one way; what stands between may not. A name in other
//! letters is that name.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::core::model::ObjectId;

/// The names of one object with what stands there, unread.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Each name with what stands there, in the order given.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_ref(), *raw))
    }

    /// What stands under a name; of several, the last.
    pub(super) fn last(&self, wanted: &str) -> Option<&'a RawValue> {
        let found = self.named().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).last();
        found.map(|(_, raw)| raw)
    }

    /// What is said of the id, as often as it is said. A name in other letters counts where there is none
    /// in the right ones.
    pub(super) fn ids(&self) -> Vec<Option<ObjectId>> {
        let under = |is_id: fn(&str) -> bool| {
            let named = self.named().filter(|(name, _)| is_id(name));
            let read = named.map(|(_, raw)| ObjectId::parse(text(raw)?.trim()));
            read.collect::<Vec<_>>()
        };
        let exact = under(|name| name == "id");
        if exact.is_empty() { under(|name| name.eq_ignore_ascii_case("id")) } else { exact }
    }
}

pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a directory object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object(Vec::new());
        while let Some((Name(name), raw)) = map.next_entry()? {
            object.0.push((name, raw));
        }
        Ok(object)
    }
}

/// The envelope of a delta page. `@odata.context` is sometimes wrong (a known issue of Graph), so it
/// is not read.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) next: Option<String>,
    pub(super) delta: Option<String>,
    pub(super) value: Option<Vec<&'a RawValue>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Envelopes)
    }
}

struct Envelopes;

impl<'de> Visitor<'de> for Envelopes {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Name(name)) = map.next_key()? {
            match name.to_ascii_lowercase().as_str() {
                "@odata.nextlink" => once(&mut envelope.next, &mut map)?,
                "@odata.deltalink" => once(&mut envelope.delta, &mut map)?,
                "value" => once(&mut envelope.value, &mut map)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(envelope)
    }
}

/// Takes in what stands under a name. Of two that differ nobody knows which is meant.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    known: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    match (map.next_value()?, known.is_some()) {
        (Some(_), true) => Err(A::Error::custom("a name that comes twice")),
        (Some(found), false) => {
            *known = Some(found);
            Ok(())
        }
        (None, _) => Ok(()),
    }
}
