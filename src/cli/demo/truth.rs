//! Whether the platform is what it should be: straight from the simulated tenant to the simulated
//! platform, through nothing of the core, so that a fault there cannot hide itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cli::fakes::Sim;
use crate::sim::platform::Resource;
use crate::sim::world::{MemberKind, ObjectId, State, User, World};

/// Platform attribute and directory property that must agree.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("/userName", "userPrincipalName"),
    ("/displayName", "displayName"),
    ("/name/givenName", "givenName"),
    ("/name/familyName", "surname"),
    ("/title", "jobTitle"),
];

/// What is not as it should be, one sentence each. `spared` are the people whose deactivation is held.
pub(super) fn differences(sim: &Sim, spared: &[ObjectId]) -> Vec<String> {
    let entitled: BTreeMap<ObjectId, &User> = sim
        .world
        .users()
        .values()
        .filter(|user| user.state == State::Live && user.text("userType") != Some("Guest"))
        .filter(|user| user.is_enabled() || spared.contains(&user.id))
        .map(|user| (user.id, user))
        .collect();
    let mut wrong = Vec::new();
    let ids = accounts(sim, &entitled, &mut wrong);
    groups(sim, &entitled, &ids, &mut wrong);
    wrong
}

/// Checks the accounts; gives the platform's id of each person.
fn accounts(
    sim: &Sim,
    entitled: &BTreeMap<ObjectId, &User>,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, ObjectId> {
    let mut ids = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for account in sim.platform.users() {
        let owner = account.external_id().and_then(|id| id.parse::<ObjectId>().ok());
        let Some(owner) = owner else {
            wrong.push(format!("the account {} belongs to nobody", account.user_name()));
            continue;
        };
        if !seen.insert(owner) {
            wrong.push(format!("{owner} has two accounts"));
        }
        match (entitled.get(&owner), account.active()) {
            (None, true) => wrong.push(format!("{owner} has left and is active")),
            (None, false) => {}
            (Some(_), false) => wrong.push(format!("{owner} is entitled and not active")),
            (Some(user), true) => {
                ids.insert(account.id.clone(), owner);
                values(account, user, wrong);
            }
        }
    }
    for id in entitled.keys().filter(|id| !seen.contains(*id)) {
        wrong.push(format!("{id} is entitled and has no account"));
    }
    ids
}

fn values(account: &Resource, user: &User, wrong: &mut Vec<String>) {
    let held = Value::Object(account.attributes.clone());
    for (pointer, property) in ATTRIBUTES {
        let held = held.pointer(pointer).and_then(Value::as_str);
        let wanted = user.text(property);
        // A login name is the same in either letter case (RFC 7643 §4.1.1).
        let agrees = if pointer == "/userName" {
            held.map(str::to_lowercase) == wanted.map(str::to_lowercase)
        } else {
            held == wanted
        };
        if !agrees {
            wrong.push(format!("{} of {} is wrong", &pointer[1..], user.id));
        }
    }
}

fn groups(
    sim: &Sim,
    entitled: &BTreeMap<ObjectId, &User>,
    ids: &BTreeMap<String, ObjectId>,
    wrong: &mut Vec<String>,
) {
    let mut wanted: BTreeMap<String, BTreeSet<ObjectId>> = BTreeMap::new();
    for group in sim.world.live_groups() {
        let Some(name) = group.text("displayName").and_then(|name| name.strip_prefix("PLT "))
        else {
            continue;
        };
        let mut people = BTreeSet::new();
        reach(&sim.world, group.id, &mut BTreeSet::new(), &mut people);
        people.retain(|person| entitled.contains_key(person));
        wanted.insert(name.to_owned(), people);
    }
    for (id, user) in entitled {
        if let Some(department) = user.text("department").filter(|name| !name.is_empty()) {
            wanted.entry(format!("Seksjon {department}")).or_default().insert(*id);
        }
    }
    let held: BTreeMap<String, BTreeSet<ObjectId>> = sim
        .platform
        .groups()
        .map(|group| {
            let members = group.members.iter().filter_map(|member| ids.get(member).copied());
            (group.display_name().to_owned(), members.collect())
        })
        .collect();
    for (name, people) in &wanted {
        match held.get(name) {
            None => wrong.push(format!("the group {name} is missing")),
            Some(members) if members != people => wrong.push(format!(
                "the group {name} lacks {} members and has {} too many",
                people.difference(members).count(),
                members.difference(people).count()
            )),
            Some(_) => {}
        }
    }
    // A section that everybody has left stays, empty.
    for (name, members) in &held {
        if !wanted.contains_key(name) && !members.is_empty() {
            wrong.push(format!("the group {name} should have no members"));
        }
    }
}

/// Everybody in a group, through nested groups.
fn reach(
    world: &World,
    group: ObjectId,
    seen: &mut BTreeSet<ObjectId>,
    people: &mut BTreeSet<ObjectId>,
) {
    if !seen.insert(group) {
        return;
    }
    let found = world.groups().get(&group).filter(|group| group.state == State::Live);
    for member in found.into_iter().flat_map(|group| &group.members) {
        match member.kind {
            MemberKind::User => drop(people.insert(member.id)),
            MemberKind::Group => reach(world, member.id, seen, people),
            MemberKind::Device | MemberKind::ServicePrincipal | MemberKind::OrgContact => {}
        }
    }
}
