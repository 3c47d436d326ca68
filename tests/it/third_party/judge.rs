//! What a SCIM server should hold, worked out from the tenant's truth alone. Shares no code with the
//! engine; both sides are JSON as it came.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// An attribute that the server can hold: the property it comes from, and where it is in an account.
pub(super) type Attribute = (&'static str, fn(&Value) -> &Value);

/// Whether the person should have an active account.
fn entitled(user: &Value) -> bool {
    let properties = &user["properties"];
    user["state"] == "live"
        && properties["accountEnabled"] == true
        && properties["userType"] != "Guest"
}

/// A text, where an empty one is as good as none (RFC 7643 §2.5).
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn listed<'a>(truth: &'a Value, kind: &str) -> &'a Vec<Value> {
    truth[kind].as_array().expect("the truth has lists")
}

/// Name and people of the groups there should be, by object id.
fn groups(truth: &Value) -> BTreeMap<&str, (&str, BTreeSet<&str>)> {
    let people: BTreeSet<_> = listed(truth, "users")
        .iter()
        .filter(|user| entitled(user))
        .filter_map(|user| user["id"].as_str())
        .collect();
    let live: BTreeMap<_, _> = listed(truth, "groups")
        .iter()
        .filter(|group| group["state"] == "live")
        .filter_map(|group| Some((group["id"].as_str()?, group)))
        .collect();
    live.iter()
        .map(|(id, group)| {
            let name = group["properties"]["displayName"].as_str().expect("a group has a name");
            (*id, (name, people_below(&live, id, &people)))
        })
        .collect()
}

/// Those of `people` who are members of a group, however deep.
fn people_below<'a>(
    live: &BTreeMap<&'a str, &'a Value>,
    group: &'a str,
    people: &BTreeSet<&'a str>,
) -> BTreeSet<&'a str> {
    let mut open = vec![group];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let members = live.get(id).and_then(|group| group["members"].as_array());
            open.extend(members.into_iter().flatten().filter_map(|member| member["id"].as_str()));
        }
    }
    &seen & people
}

/// Every way in which a server differs from what it should be; empty when it is right.
pub(super) fn differences(
    truth: &Value,
    accounts: &[Value],
    shown: &[Value],
    attributes: &[Attribute],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_person: BTreeMap<&str, &Value> = BTreeMap::new();
    for account in accounts {
        match text(&account["externalId"]) {
            None => wrong.push(format!("an account without externalId: {}", account["id"])),
            Some(person) if by_person.insert(person, account).is_some() => {
                wrong.push(format!("two accounts for {person}"));
            }
            Some(_) => {}
        }
    }
    let mut strangers: BTreeSet<&str> = by_person.keys().copied().collect();
    for user in listed(truth, "users") {
        let person = user["id"].as_str().expect("a user has an id");
        strangers.remove(person);
        match (entitled(user), by_person.get(person)) {
            (true, None) => wrong.push(format!("{person} has no account")),
            (true, Some(account)) => {
                account_differences(user, account, attributes, &mut wrong);
                manager_difference(user, account, &by_person, attributes, &mut wrong);
            }
            (false, Some(account)) if account["active"] != false => {
                wrong.push(format!("{person} is still active"));
            }
            (false, _) => {}
        }
    }
    wrong.extend(strangers.into_iter().map(|id| format!("an account for {id}, who is nobody")));
    group_differences(truth, shown, &by_person, &mut wrong);
    wrong
}

fn account_differences(
    user: &Value,
    account: &Value,
    attributes: &[Attribute],
    wrong: &mut Vec<String>,
) {
    let person = &user["id"];
    if account["active"] != true {
        wrong.push(format!("{person} is not active"));
    }
    for (property, read) in attributes.iter().filter(|(property, _)| *property != "manager") {
        let want = match &user["properties"][property] {
            Value::Array(values) => values.first().and_then(text),
            value => text(value),
        };
        let have = text(read(account));
        // Names and addresses are the same in either letter case.
        let any_case = ["userPrincipalName", "mail"].contains(property);
        let fold = |text: &str| if any_case { text.to_lowercase() } else { text.to_owned() };
        if want.map(fold) != have.map(fold) {
            wrong.push(format!("{person}: {property} is {have:?}, should be {want:?}"));
        }
    }
}

/// A manager is told by the id of an account; somebody without one is no manager there.
fn manager_difference(
    user: &Value,
    account: &Value,
    by_person: &BTreeMap<&str, &Value>,
    attributes: &[Attribute],
    wrong: &mut Vec<String>,
) {
    let Some((_, read)) = attributes.iter().find(|(property, _)| *property == "manager") else {
        return;
    };
    let want = user["manager"].as_str().and_then(|manager| by_person.get(manager));
    let want = want.and_then(|manager| text(&manager["id"]));
    let have = text(read(account));
    if want != have {
        wrong.push(format!("{}: the manager is {have:?}, should be {want:?}", user["id"]));
    }
}

fn group_differences(
    truth: &Value,
    shown: &[Value],
    by_person: &BTreeMap<&str, &Value>,
    wrong: &mut Vec<String>,
) {
    let mut wanted = groups(truth);
    for group in shown {
        let id = text(&group["externalId"]).unwrap_or_default();
        let Some((name, people)) = wanted.remove(id) else {
            wrong.push(format!("a group {id:?} that should not be, or is there twice"));
            continue;
        };
        if group["displayName"] != name {
            wrong.push(format!("group {id} is named {}, not {name:?}", group["displayName"]));
        }
        let people: BTreeSet<_> = people
            .iter()
            .map(|person| {
                by_person
                    .get(person)
                    .map_or(*person, |account| account["id"].as_str().unwrap_or(person))
            })
            .collect();
        let members = group["members"].as_array().map_or(&[][..], Vec::as_slice);
        let listed: BTreeSet<_> =
            members.iter().filter_map(|member| member["value"].as_str()).collect();
        if listed.len() != members.len() {
            wrong.push(format!("group {id} has odd members: {members:?}"));
        }
        for one in people.difference(&listed) {
            wrong.push(format!("group {id} lacks {one}"));
        }
        for one in listed.difference(&people) {
            wrong.push(format!("group {id} has {one} too many"));
        }
    }
    wrong.extend(wanted.into_iter().map(|(id, (name, _))| format!("no group {id} ({name})")));
}
