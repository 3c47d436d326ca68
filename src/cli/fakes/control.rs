//! A way in for tests: lets things happen in the simulated tenant, and tells what is there and what was
//! asked. It is served beside the platform under `/_sim/`, with the platform's token; Manntall itself
//! never uses it.
//!
//! | request | does |
//! |---|---|
//! | `POST /_sim/event` | one event, as in scenario files |
//! | `POST /_sim/events?count=N&seed=S` | so many random events; answers them |
//! | `POST /_sim/faults` | `{"graph": {…}, "quirks": {…}, "scim": {…}}`: replaces what is named |
//! | `GET /_sim/truth` | users, groups and memberships of the tenant |
//! | `GET /_sim/platform` | accounts and groups of the platform |
//! | `GET /_sim/requests` | requests by kind, writes, rate limit violations |

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Sim;
use crate::sim::entra::{self, Quirks, RequestKind};
use crate::sim::http::{Request, Response};
use crate::sim::platform::fault::{self, PathKind};
use crate::sim::platform::{Kind, Resource};
use crate::sim::world::{Event, Group, State, User};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Event,
    Events,
    Faults,
    Truth,
    Platform,
    Requests,
    Unknown,
}

/// Which command a request is, if it is one.
pub(super) fn route(request: &Request) -> Option<Command> {
    let path = request.target.split('?').next()?;
    let name = path.strip_prefix("/_sim/")?;
    Some(match (request.method.as_str(), name) {
        ("POST", "event") => Command::Event,
        ("POST", "events") => Command::Events,
        ("POST", "faults") => Command::Faults,
        ("GET", "truth") => Command::Truth,
        ("GET", "platform") => Command::Platform,
        ("GET", "requests") => Command::Requests,
        _ => Command::Unknown,
    })
}

/// The answer to somebody without the token.
pub(super) fn refused() -> Response {
    respond(401, &json!({ "error": "the platform's token is missing" }))
}

/// Carries a command out.
pub(super) fn answer(sim: &mut Sim, command: Command, request: &Request) -> Response {
    let done = match command {
        Command::Event => event(sim, request),
        Command::Events => events(sim, request),
        Command::Faults => faults(sim, request),
        Command::Truth => Ok(truth(sim)),
        Command::Platform => Ok(platform(sim)),
        Command::Requests => Ok(requests(sim)),
        Command::Unknown => Err("there is no such command".to_owned()),
    };
    match done {
        Ok(body) => respond(200, &body),
        Err(error) => respond(400, &json!({ "error": error })),
    }
}

fn event(sim: &mut Sim, request: &Request) -> Result<Value, String> {
    let event: Event = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    sim.world.apply(event).map_err(|error| error.to_string())?;
    Ok(json!({ "sequence": sim.world.sequence() }))
}

fn events(sim: &mut Sim, request: &Request) -> Result<Value, String> {
    let (_, query) = request.target.split_once('?').unwrap_or_default();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name: &str| query.get(name).map(|text| text.parse::<u64>());
    let count = number("count").unwrap_or(Ok(1)).map_err(|error| format!("count: {error}"))?;
    if let Some(seed) = number("seed") {
        let seed = seed.map_err(|error| format!("seed: {error}"))?;
        sim.rng = fastrand::Rng::with_seed(seed);
    }
    let mut happened = Vec::new();
    for _ in 0..count {
        let Some(event) = sim.world.random_event(&mut sim.rng) else { break };
        happened.push(serde_json::to_value(&event).map_err(|error| error.to_string())?);
        sim.world.apply(event).map_err(|error| error.to_string())?;
    }
    Ok(Value::from(happened))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    graph: Option<entra::Faults>,
    quirks: Option<Quirks>,
    scim: Option<fault::Faults>,
}

fn faults(sim: &mut Sim, request: &Request) -> Result<Value, String> {
    let wrong: Wrong = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    if let Some(graph) = wrong.graph {
        sim.entra.faults = graph;
    }
    if let Some(quirks) = wrong.quirks {
        sim.entra.quirks = quirks;
    }
    if let Some(scim) = wrong.scim {
        sim.platform.faults = scim;
    }
    Ok(json!({}))
}

fn truth(sim: &Sim) -> Value {
    let user = |user: &User| {
        json!({
            "id": user.id,
            "state": state(user.state),
            "properties": user.properties,
            "manager": user.manager,
        })
    };
    let group = |group: &Group| {
        json!({
            "id": group.id,
            "state": state(group.state),
            "properties": group.properties,
            "members": group.members,
        })
    };
    json!({
        "users": sim.world.users().values().map(user).collect::<Vec<_>>(),
        "groups": sim.world.groups().values().map(group).collect::<Vec<_>>(),
    })
}

fn state(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::SoftDeleted => "soft_deleted",
        State::Purged => "purged",
    }
}

fn platform(sim: &Sim) -> Value {
    let resource = |resource: &Resource| {
        let mut shown = Value::Object(resource.attributes.clone());
        if let Some(map) = shown.as_object_mut() {
            map.insert("id".to_owned(), Value::from(resource.id.as_str()));
            if resource.kind == Kind::Group {
                map.insert("members".to_owned(), json!(resource.members));
            }
        }
        shown
    };
    json!({
        "users": sim.platform.users().map(resource).collect::<Vec<_>>(),
        "groups": sim.platform.groups().map(resource).collect::<Vec<_>>(),
    })
}

fn requests(sim: &Sim) -> Value {
    let kinds = [
        ("token", RequestKind::Token),
        ("openid_configuration", RequestKind::OpenIdConfiguration),
        ("users_delta", RequestKind::UsersDelta),
        ("groups_delta", RequestKind::GroupsDelta),
        ("user_list", RequestKind::UserList),
        ("group_list", RequestKind::GroupList),
        ("user_count", RequestKind::UserCount),
        ("group_count", RequestKind::GroupCount),
        ("user", RequestKind::User),
        ("group", RequestKind::Group),
        ("other", RequestKind::Other),
    ];
    let graph: BTreeMap<_, _> =
        kinds.into_iter().map(|(name, kind)| (name, sim.entra.counters.of(kind))).collect();
    let platform: BTreeMap<String, u64> = sim
        .platform
        .requests
        .iter()
        .map(|(method, path, count)| (format!("{method} {}", path_name(path)), count))
        .collect();
    json!({
        "graph": graph,
        "scim": platform,
        "scim_total": sim.platform.requests.total(),
        "scim_writes": sim.platform.writes.len(),
        "violations": sim.platform.violations,
    })
}

fn path_name(path: PathKind) -> &'static str {
    match path {
        PathKind::Collection(Kind::User) => "users",
        PathKind::Collection(Kind::Group) => "groups",
        PathKind::Item(Kind::User) => "user",
        PathKind::Item(Kind::Group) => "group",
        PathKind::Search(Kind::User) => "users/.search",
        PathKind::Search(Kind::Group) => "groups/.search",
        PathKind::SearchAll => ".search",
        PathKind::Discovery => "discovery",
        PathKind::Other => "other",
    }
}

fn respond(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}
