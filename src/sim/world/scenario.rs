//! Scenario files: a tenant written by hand, in TOML.
//!
//! People and groups go by short keys of the author's choosing; object ids follow from the keys, so that
//! the same file always gives the same ids. See `examples/three-departments.toml`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Event, ObjectId, Properties, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    domain: String,
    tenant_id: Option<ObjectId>,
    #[serde(default)]
    people: Vec<Person>,
    #[serde(default)]
    groups: Vec<Team>,
    #[serde(default)]
    events: Vec<Timed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    key: String,
    manager: Option<String>,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Team {
    key: String,
    #[serde(default)]
    members: Vec<String>,
    properties: Properties,
}

#[derive(Deserialize)]
struct Timed {
    /// Time since the start, for example `90s` or `5m`.
    after: String,
    #[serde(flatten)]
    event: Map<String, Value>,
}

/// Reads a scenario. Its events are tried out at once, so that a file that loads also plays.
pub(super) fn load(text: &str) -> Result<World, String> {
    let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
    let tenant_id =
        scenario.tenant_id.unwrap_or_else(|| ObjectId::named(&scenario.domain, "tenant"));
    let mut world = World::new(tenant_id, &scenario.domain);
    add_people(&mut world, &scenario.people)?;
    add_groups(&mut world, &scenario.people, &scenario.groups)?;
    world.start_here();

    let mut schedule = Vec::new();
    for (number, timed) in scenario.events.into_iter().enumerate() {
        let entry = |error: String| format!("event {}: {error}", number + 1);
        let after =
            humantime::parse_duration(&timed.after).map_err(|error| entry(error.to_string()))?;
        schedule.push((after, read_event(&world, timed.event).map_err(entry)?));
    }
    schedule.sort_by_key(|(after, _)| *after);
    rehearse(&world, &schedule)?;
    world.schedule = schedule;
    Ok(world)
}

fn add_people(world: &mut World, people: &[Person]) -> Result<(), String> {
    for person in people {
        let mut properties = person.properties.clone();
        let names = ["givenName", "surname"]
            .map(|name| properties.get(name).and_then(Value::as_str).unwrap_or_default());
        let display_name = names.join(" ");
        properties.insert_default("displayName", display_name.trim());
        let upn = format!("{}@{}", person.key, world.domain);
        properties.insert_default("userPrincipalName", upn);
        let hire = Event::Hire { user: id(world, &person.key), properties, manager: None };
        world.apply(hire).map_err(|error| format!("person {:?}: {error}", person.key))?;
    }
    // Managers may be written after those who report to them.
    for person in people {
        let Some(manager) = &person.manager else { continue };
        let manager_id = id(world, manager);
        if !people.iter().any(|other| other.key == *manager) {
            return Err(format!("person {:?}: there is no manager {manager:?}", person.key));
        }
        let user = id(world, &person.key);
        world.set_manager(user, Some(manager_id));
    }
    Ok(())
}

fn add_groups(world: &mut World, people: &[Person], teams: &[Team]) -> Result<(), String> {
    for team in teams {
        let create =
            Event::CreateGroup { group: id(world, &team.key), properties: team.properties.clone() };
        world.apply(create).map_err(|error| format!("group {:?}: {error}", team.key))?;
    }
    for team in teams {
        let group = id(world, &team.key);
        for member in &team.members {
            let member_id = id(world, member);
            let join = if people.iter().any(|person| person.key == *member) {
                Event::Join { group, user: member_id }
            } else {
                Event::Nest { group, child: member_id }
            };
            world
                .apply(join)
                .map_err(|error| format!("group {:?}: member {member:?}: {error}", team.key))?;
        }
    }
    Ok(())
}

/// Object ids may be written out; anything else is a key.
fn id(world: &World, key: &str) -> ObjectId {
    key.parse().unwrap_or_else(|_| ObjectId::named(&world.tenant_id.to_string(), key))
}

fn read_event(world: &World, mut fields: Map<String, Value>) -> Result<Event, String> {
    for name in ["user", "manager", "group", "child"] {
        if let Some(Value::String(key)) = fields.get_mut(name) {
            *key = id(world, key).to_string();
        }
    }
    let event = Value::Object(fields);
    serde_json::from_value(event).map_err(|error| error.to_string())
}

fn rehearse(world: &World, schedule: &[(Duration, Event)]) -> Result<(), String> {
    let mut copy = world.clone();
    for (after, event) in schedule {
        let at = humantime::format_duration(*after);
        let kind = event.kind();
        copy.apply(event.clone()).map_err(|error| format!("event {kind:?} after {at}: {error}"))?;
    }
    Ok(())
}
