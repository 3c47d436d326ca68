//! Whether a filter can select anybody at all. Some properties have few values; a filter that is false
//! for every one of them, whatever the other properties are, is a mistake in the configuration.
//!
//! It finds what is certain only: `person.userType == "guest"`, `false`, `x and not x` of a truth value.

use std::sync::Arc;

use super::schema::{self, Kind};
use super::{Evaluated, Expression, Input, Subject};
use crate::core::model::{Datum, Properties};

/// With more properties of few values than this it is not asked.
const PROPERTIES_MAX: usize = 6;

/// All values of a property that has few, null included where it is a value.
fn values(subject: Subject, name: &str) -> Option<Vec<Datum>> {
    let text = |value: &str| Datum::from(value);
    match (subject, name) {
        // The only two there are (Graph, "user resource type").
        (Subject::Person | Subject::User, "userType") => {
            Some(vec![text("Member"), text("Guest"), Datum::Null])
        }
        // Null is how Graph says that it does not tell; the account is enabled or it is not.
        (_, "accountEnabled") => Some(vec![Datum::Bool(true), Datum::Bool(false)]),
        _ if schema::property(subject, name) == Some(Kind::Bool) => {
            Some(vec![Datum::Bool(true), Datum::Bool(false), Datum::Null])
        }
        _ => None,
    }
}

/// Whether `filter` may be true for somebody.
pub(super) fn may_select(filter: &Expression) -> bool {
    let known: Vec<(&String, Vec<Datum>)> = filter
        .reads
        .iter()
        .filter_map(|name| Some((name, values(filter.subject, name)?)))
        .collect();
    if known.len() > PROPERTIES_MAX {
        return true;
    }
    // What is not in the properties is unknown, and a known result never depends on what is unknown.
    let mut worlds = vec![Properties::new()];
    for (name, values) in known {
        worlds = worlds
            .iter()
            .flat_map(|world| {
                values.iter().map(|value| {
                    let mut world = world.clone();
                    world.insert(name.into(), value.clone());
                    world
                })
            })
            .collect();
    }
    worlds.into_iter().any(|world| {
        // Anything but true selects nobody, and so does a failure.
        match filter.evaluate(Input::Properties(&Arc::new(world))) {
            Evaluated::Known(result) => result == Datum::Bool(true),
            Evaluated::Unknown(_) => true,
            Evaluated::Failed(_) => false,
        }
    })
}
