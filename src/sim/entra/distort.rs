//! Pages on which something cannot be read: what Graph has sent, or may, in the place of honest elements.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::link::Kind;

/// Stands for half of a surrogate pair until the body is written, since no text of ours can hold one.
const HALF: &str = "\u{f8ff}\u{f8fe}";

/// What is wrong with about half of the elements of delta pages, always with the same objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distortion {
    /// A name of a property ends in the middle of a character.
    HalfNames,
    /// Texts end in the middle of a character.
    HalfTexts,
    /// Annotations of links that say nothing are null.
    NullLinks,
    /// Annotations of links hold an entry that is none.
    OddEntries,
    /// Properties have values of another type.
    WrongTypes,
    /// Every property of everybody has a value of another type, `accountEnabled` apart.
    AllTypes,
    /// The element is a number.
    NoObjects,
    /// The element has no id.
    NoIds,
    /// The element has its id in another letter case.
    OddIds,
    /// A tombstone is a text; whoever is there has one that is null.
    OddRemovals,
    /// A text has so many thousand bytes.
    Large(u32),
    /// Names are in other letters, in the entries of links and around the elements, too.
    OtherLetters,
}

impl Distortion {
    /// Distorts the elements of a page.
    pub(super) fn apply(self, kind: Kind, elements: &mut [Value]) {
        for element in elements {
            let id = element.get("id").and_then(Value::as_str).unwrap_or_default();
            let is_odd = id.bytes().next().is_some_and(|first| first % 2 == 1);
            if is_odd || self == Self::AllTypes {
                self.distort(kind, element);
            }
        }
    }

    /// The name of the link at the end of a page.
    pub(super) fn name(self, name: &str) -> String {
        if self == Self::OtherLetters { name.to_uppercase() } else { name.to_owned() }
    }

    fn distort(self, kind: Kind, element: &mut Value) {
        if self == Self::NoObjects {
            *element = json!(7);
            return;
        }
        let Some(fields) = element.as_object_mut() else { return };
        let link = format!("{}@delta", kind.relation());
        match self {
            Self::HalfNames => drop(fields.insert(format!("note{HALF}"), json!(1))),
            Self::HalfTexts => each_text(fields, |text| text.push_str(HALF)),
            Self::NullLinks => drop(fields.entry(link).or_insert(Value::Null)),
            Self::OddEntries => {
                let entries = fields.entry(link).or_insert_with(|| json!([]));
                entries.as_array_mut().into_iter().for_each(|list| list.push(json!({ "id": 7 })));
            }
            Self::WrongTypes | Self::AllTypes => {
                for (name, value) in fields {
                    let is_told = name.contains('@') || name == "id" || name == "accountEnabled";
                    if !is_told {
                        *value = json!({ "of": [1.5] });
                    }
                }
            }
            Self::NoIds => drop(fields.remove("id")),
            Self::OddIds => {
                if let Some(id) = fields.remove("id").as_ref().and_then(Value::as_str) {
                    fields.insert("ID".to_owned(), id.to_uppercase().into());
                }
            }
            Self::OddRemovals => {
                let removed = fields.entry("@removed").or_insert(Value::Null);
                if !removed.is_null() {
                    *removed = "gone".into();
                }
            }
            Self::Large(thousands) => {
                let many = usize::try_from(thousands).unwrap_or(usize::MAX);
                each_text(fields, |text| *text = "x".repeat(many * 1_000));
            }
            Self::OtherLetters => {
                in_other_letters(fields);
                let entries = fields.get_mut(&link.to_uppercase()).and_then(Value::as_array_mut);
                for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
                    in_other_letters(entry);
                }
            }
            Self::NoObjects => {}
        }
    }
}

/// The body with the halves of characters that no text of ours can hold.
pub(super) fn written(body: Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains(HALF) => text.replace(HALF, "\\ud83d").into_bytes(),
        _ => body,
    }
}

fn in_other_letters(fields: &mut Map<String, Value>) {
    let told = std::mem::take(fields);
    fields.extend(told.into_iter().map(|(name, value)| (name.to_uppercase(), value)));
}

fn each_text(fields: &mut Map<String, Value>, change: impl Fn(&mut String)) {
    for name in ["displayName", "jobTitle"] {
        if let Some(Value::String(text)) = fields.get_mut(name) {
            change(text);
        }
    }
}
