//! What may be written in a configuration, as a tree. It is not kept beside the parser but asked of it:
//! the parser runs over a value that is `Content::Asked`, takes every key that it knows, and each way
//! of reading notes here what it takes. So the JSON schema and the reference page cannot drift from
//! what is accepted.
//!
//! What it does not hold: rules between keys (one credential of several), and what keys mean (see
//! `reference`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::reading::Reading;
use super::sections;
use super::tree::{Content, Node, Place};

/// What one value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Any text.
    Text,
    /// Text that is an expression.
    Expression,
    /// A GUID.
    Guid,
    /// An `https` address.
    Url,
    /// A duration with its unit, within these bounds.
    Duration(Duration, Duration),
    /// A date, as "2027-03-01".
    Date,
    /// A share with its sign, as "2%".
    Share,
    /// One of these words.
    Choice(Vec<String>),
    /// True or false.
    Truth,
    /// A whole number within these bounds.
    Whole(u32, u32),
    /// A number above 0 and up to this one.
    Number(f64),
    /// A list of what the outline says.
    List(Outline),
    /// A table with these keys and no others.
    Table(Vec<Key>),
    /// A table whose names the operator chooses, each with what the outline says.
    Named(Outline),
}

/// What may stand in one place: any of its shapes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outline {
    /// The shapes.
    pub shapes: Vec<Shape>,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it takes.
    pub outline: Outline,
}

/// Everything that may be written, from the top.
pub fn outline() -> Outline {
    let sketch = Sketch::default();
    let mut reading = Reading { file: Path::new(""), text: "", errors: Vec::new() };
    // What the parser makes of it is nothing; what it asks for is noted.
    let _ = sections(sketch.node(), &BTreeMap::new(), &mut reading);
    sketch.outline()
}

/// Every key with its path from the top, as `targets.NAME.groups[].id`, in the order of the parser.
pub fn keys() -> Vec<(String, Key)> {
    let mut found = Vec::new();
    collect(&outline(), "", &mut found);
    found
}

fn collect(outline: &Outline, path: &str, found: &mut Vec<(String, Key)>) {
    for shape in &outline.shapes {
        match shape {
            Shape::Table(keys) => {
                for key in keys {
                    let dot = if path.is_empty() { "" } else { "." };
                    let below = format!("{path}{dot}{}", key.name);
                    found.push((below.clone(), key.clone()));
                    collect(&key.outline, &below, found);
                }
            }
            Shape::Named(inner) => collect(inner, &format!("{path}.NAME"), found),
            Shape::List(inner) => collect(inner, &format!("{path}[]"), found),
            Shape::Text
            | Shape::Expression
            | Shape::Guid
            | Shape::Url
            | Shape::Duration(..)
            | Shape::Date
            | Shape::Share
            | Shape::Choice(_)
            | Shape::Truth
            | Shape::Whole(..)
            | Shape::Number(_) => {}
        }
    }
}

/// Where one value is being noted.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch(Rc<RefCell<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    simple: Option<Shape>,
    list: Option<Sketch>,
    named: Option<Sketch>,
    table: Option<Vec<(&'static str, bool, Sketch)>>,
}

impl Sketch {
    /// A value that notes here what is asked of it.
    pub(super) fn node(&self) -> Node {
        Node { place: Place::File(0..0), content: Content::Asked(self.clone()) }
    }

    /// The value is read as this. The first reader counts: it is the narrowest, and calls the others.
    pub(super) fn simple(&self, shape: Shape) {
        self.0.borrow_mut().simple.get_or_insert(shape);
    }

    /// The value is read as a list; gives where its items are noted.
    pub(super) fn list(&self) -> Self {
        self.0.borrow_mut().list.get_or_insert_default().clone()
    }

    /// The value is read as a table.
    pub(super) fn table(&self) {
        self.0.borrow_mut().table.get_or_insert_default();
    }

    /// The names of the table are the operator's; gives where what they hold is noted.
    pub(super) fn named(&self) -> Self {
        self.0.borrow_mut().named.get_or_insert_default().clone()
    }

    /// A key of the table is asked for; gives where its value is noted.
    pub(super) fn key(&self, name: &'static str) -> Self {
        let mut noted = self.0.borrow_mut();
        let keys = noted.table.get_or_insert_default();
        if let Some((_, _, sketch)) = keys.iter().find(|(known, ..)| *known == name) {
            return sketch.clone();
        }
        let sketch = Self::default();
        keys.push((name, false, sketch.clone()));
        sketch
    }

    /// A key of the table must be there.
    pub(super) fn require(&self, name: &'static str) {
        self.key(name);
        let mut noted = self.0.borrow_mut();
        let found = noted.table.iter_mut().flatten().find(|(known, ..)| *known == name);
        if let Some((_, required, _)) = found {
            *required = true;
        }
    }

    fn outline(&self) -> Outline {
        let Noted { simple, list, named, table } = &*self.0.borrow();
        let mut shapes: Vec<Shape> = simple.iter().cloned().collect();
        shapes.extend(list.as_ref().map(|items| Shape::List(items.outline())));
        let keys = |keys: &Vec<(&'static str, bool, Self)>| -> Vec<Key> {
            let key = |(name, required, sketch): &(&'static str, bool, Self)| Key {
                name: (*name).to_owned(),
                required: *required,
                outline: sketch.outline(),
            };
            keys.iter().map(key).collect()
        };
        match (named, table) {
            (Some(inner), _) => shapes.push(Shape::Named(inner.outline())),
            (None, Some(table)) => shapes.push(Shape::Table(keys(table))),
            (None, None) => {}
        }
        Outline { shapes }
    }
}
