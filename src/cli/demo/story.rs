//! What happens in the simulated tenant during a demonstration, with a sentence for each.

use serde_json::json;

use crate::cli::fakes::Sim;
use crate::cli::{Exit, Failure};
use crate::sim::world::{Event, ObjectId, Properties, State, User, World};

/// So many people are disabled by accident: more than twice what goes unasked.
const ACCIDENT: usize = 12;

/// Before the first import somebody has just been deleted, who comes back later.
pub(super) fn before(world: &mut World) {
    if let Some(user) = employees(world).last().map(|user| user.id) {
        // The user was live a line above, so this cannot fail.
        let _ = world.apply(Event::SoftDelete { user });
    }
}

/// Hires, a wedding, a move, a leaver, somebody who comes back, and a change of a group.
pub(super) fn day(world: &mut World) -> Result<Vec<String>, Failure> {
    let staff: Vec<(ObjectId, String)> =
        employees(world).map(|user| (user.id, name_of(user))).collect();
    let back = world.users().values().find(|user| user.state == State::SoftDeleted);
    let back = back.map(|user| (user.id, name_of(user)));
    let department = employees(world).find_map(|user| user.text("department")).unwrap_or("NAV");
    let department = department.to_owned();
    let mut events = vec![
        (hire(world, "Per Ivar", "Vik", &department), "Per Ivar Vik is hired".to_owned()),
        (hire(world, "Iŋgá", "Čállá", &department), "Iŋgá Čállá is hired".to_owned()),
    ];
    if let [(renamed, old), (moved, mover), (left, leaver), (ill, absent), ..] = staff.as_slice() {
        let surname = "Nordmann-Vik".to_owned();
        let display_name = format!("{} {surname}", old.split(' ').next().unwrap_or_default());
        events.push((
            Event::Rename { user: *renamed, surname, display_name: display_name.clone() },
            format!("{old} marries and is now {display_name}"),
        ));
        let job_title = "Rådgiver".to_owned();
        events.push((
            Event::Move {
                user: *moved,
                department: department.clone(),
                job_title,
                manager: Some(*renamed),
            },
            format!("{mover} moves to {department}"),
        ));
        events.push((Event::SoftDelete { user: *left }, format!("{leaver} leaves")));
        events.push((Event::Disable { user: *ill }, format!("{absent} goes on leave")));
    }
    if let Some((user, name)) = back {
        events.push((Event::Restore { user }, format!("{name} comes back")));
    }
    play(world, events)
}

/// Somebody's script goes wrong. Also gives the people whom it hits.
pub(super) fn accident(world: &mut World) -> Result<(Vec<String>, Vec<ObjectId>), Failure> {
    let victims: Vec<ObjectId> = employees(world).take(ACCIDENT).map(|user| user.id).collect();
    let events = victims.iter().map(|&user| (Event::Disable { user }, String::new())).collect();
    play(world, events)?;
    Ok((vec![format!("{} people are disabled within one second", victims.len())], victims))
}

/// Something random.
pub(super) fn anything(sim: &mut Sim) -> Vec<String> {
    let Some(event) = sim.world.random_event(&mut sim.rng) else { return Vec::new() };
    let words = event.kind().replace('_', " ");
    // It was made for the world as it is, so it can happen.
    let _ = sim.world.apply(event);
    vec![words]
}

fn employees(world: &World) -> impl Iterator<Item = &User> {
    world.live_users().filter(|user| user.is_enabled() && user.text("userType") != Some("Guest"))
}

fn name_of(user: &User) -> String {
    user.text("displayName").unwrap_or_default().to_owned()
}

fn hire(world: &World, given: &str, surname: &str, department: &str) -> Event {
    let key = format!("demo-{given}-{surname}");
    let user = ObjectId::named(&world.tenant_id.to_string(), &key);
    let login = given.to_lowercase().replace([' ', 'ŋ', 'á'], "x");
    let upn = format!("{login}.demo@{}", world.domain);
    let properties: Properties = [
        ("userPrincipalName", json!(upn)),
        ("mail", json!(upn)),
        ("displayName", json!(format!("{given} {surname}"))),
        ("givenName", json!(given)),
        ("surname", json!(surname)),
        ("department", json!(department)),
        ("jobTitle", json!("Konsulent")),
        ("userType", json!("Member")),
        ("accountEnabled", json!(true)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Event::Hire { user, properties, manager: None }
}

fn play(world: &mut World, events: Vec<(Event, String)>) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    for (event, sentence) in events {
        world.apply(event).map_err(|error| {
            Failure::new(Exit::Failed, format!("the demonstration's world is odd: {error}"))
        })?;
        words.push(sentence);
    }
    Ok(words)
}
