//! What the platform should hold, worked out from the world's truth alone. Shares no code with `core`.

use std::collections::{BTreeMap, BTreeSet};

use manntall::sim::platform::{Platform, Resource};
use manntall::sim::world::{MemberKind, ObjectId, State, User, World};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What the operator has configured, as far as an operator of the histories changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// A department whose people get no account.
    pub(crate) without: Option<String>,
    /// Titles are written in capitals.
    pub(crate) capital_titles: bool,
    /// What stands before the department in the name of its group.
    pub(crate) section: String,
    /// The group whose members alone get an account.
    pub(crate) within: Option<String>,
    /// People who get none, because an account that must not be taken over is in their way.
    pub(crate) barred: BTreeSet<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            without: None,
            capital_titles: false,
            section: "Seksjon".to_owned(),
            within: None,
            barred: BTreeSet::new(),
        }
    }
}

impl Rules {
    /// Whether the person should have an active account.
    fn entitles(&self, world: &World, user: &User) -> bool {
        user.state == State::Live
            && user.is_enabled()
            && user.text("userType") != Some("Guest")
            && (self.without.is_none() || self.without.as_deref() != user.text("department"))
            && self.within.as_ref().is_none_or(|group| is_within(world, group, user.id))
            && !self.barred.contains(&user.id.to_string())
    }
}

/// Who should have an active account, under the rules that most tests have.
pub(crate) fn entitled_ids(world: &World) -> BTreeSet<ObjectId> {
    entitled_ids_under(&Rules::default(), world)
}

/// Who should have an active account.
pub(crate) fn entitled_ids_under(rules: &Rules, world: &World) -> BTreeSet<ObjectId> {
    world.users().values().filter(|user| rules.entitles(world, user)).map(|user| user.id).collect()
}

/// Name and members of the groups there should be, by `externalId`.
pub(crate) fn groups_under(
    rules: &Rules,
    world: &World,
) -> BTreeMap<String, (String, BTreeSet<ObjectId>)> {
    let mut groups = BTreeMap::new();
    for group in world.groups().values() {
        let name = group.text("displayName").unwrap_or_default();
        if group.state != State::Live || !name.starts_with("PLT ") {
            continue;
        }
        let mut people = BTreeSet::new();
        let mut seen = BTreeSet::new();
        collect(rules, world, group.id, &mut seen, &mut people);
        let named = name.replace("PLT ", "");
        groups.insert(group.id.to_string(), (named, people));
    }
    for user in world.users().values().filter(|user| rules.entitles(world, user)) {
        if let Some(department) = user.text("department").filter(|text| !text.is_empty()) {
            let id = format!("rule:sections/{department}");
            let entry = groups.entry(id);
            let name = format!("{} {department}", rules.section);
            let entry = entry.or_insert_with(|| (name, BTreeSet::new()));
            entry.1.insert(user.id);
        }
    }
    groups
}

/// Whether somebody is in a group, through others as well.
fn is_within(world: &World, group: &str, person: ObjectId) -> bool {
    let mut open: Vec<ObjectId> = Vec::from_iter(group.parse::<ObjectId>().ok());
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        let Some(found) = world.groups().get(&id).filter(|one| one.state == State::Live) else {
            continue;
        };
        if seen.insert(id) {
            if found.members.iter().any(|one| one.kind == MemberKind::User && one.id == person) {
                return true;
            }
            let nested = found.members.iter().filter(|one| one.kind == MemberKind::Group);
            open.extend(nested.map(|one| one.id));
        }
    }
    false
}

fn collect(
    rules: &Rules,
    world: &World,
    id: ObjectId,
    seen: &mut BTreeSet<ObjectId>,
    people: &mut BTreeSet<ObjectId>,
) {
    if !seen.insert(id) {
        return;
    }
    let Some(group) = world.groups().get(&id).filter(|group| group.state == State::Live) else {
        return;
    };
    for member in &group.members {
        match member.kind {
            MemberKind::User => {
                let user = world.users().get(&member.id);
                people.extend(user.filter(|user| rules.entitles(world, user)).map(|user| user.id));
            }
            MemberKind::Group => collect(rules, world, member.id, seen, people),
            _ => {}
        }
    }
}

/// Every way in which the platform differs from what it should be; empty when it is right.
pub(crate) fn differences(world: &World, platform: &Platform) -> Vec<String> {
    differences_under(&Rules::default(), world, platform, &BTreeSet::new(), &BTreeMap::new())
}

/// Every way in which the platform differs from what it should be. The accounts and
/// groups of `others` are not Manntall's, and left alone; those of `nameless` are known to be somebody's,
/// also without an `externalId`.
pub(crate) fn differences_under(
    rules: &Rules,
    world: &World,
    platform: &Platform,
    others: &BTreeSet<String>,
    nameless: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for user in platform.users().filter(|user| !others.contains(&user.id)) {
        let nameless = || nameless.get(&user.id).map(String::as_str);
        let Some(external) = user.external_id().or_else(nameless) else {
            wrong.push(format!("an account without externalId: {}", user.id));
            continue;
        };
        if ids.insert(external.to_owned(), user.id.clone()).is_some() {
            wrong.push(format!("two accounts for {external}"));
        }
    }
    for user in world.users().values() {
        let account = ids.get(&user.id.to_string()).and_then(|id| platform.user(id));
        match (rules.entitles(world, user), account) {
            (true, None) => wrong.push(format!("{} has no account", user.id)),
            (true, Some(account)) => {
                if !account.active() {
                    wrong.push(format!("{} is not active", user.id));
                }
                for (path, want) in expected(rules, world, user, &ids) {
                    let have = lookup(&account.attributes, &path);
                    // A manager whose account is not ours may be referred to or not.
                    if have.as_ref().is_some_and(|text| others.contains(text)) {
                        continue;
                    }
                    if have.as_ref().map(|text| fold(&path, text))
                        != want.as_ref().map(|text| fold(&path, text))
                    {
                        wrong.push(format!("{}: {path} is {have:?}, should be {want:?}", user.id));
                    }
                }
            }
            (false, Some(account)) if account.active() => {
                wrong.push(format!("{} is still active", user.id));
            }
            (false, _) => {}
        }
    }
    group_differences(rules, world, platform, &ids, others, &mut wrong);
    wrong
}

fn fold(path: &str, text: &str) -> String {
    if path == "userName" || path == "emails" { text.to_lowercase() } else { text.to_owned() }
}

fn group_differences(
    rules: &Rules,
    world: &World,
    platform: &Platform,
    ids: &BTreeMap<String, String>,
    others: &BTreeSet<String>,
    wrong: &mut Vec<String>,
) {
    let mut wanted = groups_under(rules, world);
    for group in platform.groups() {
        let external = group.external_id().unwrap_or_default().to_owned();
        let Some((name, people)) = wanted.remove(&external) else {
            let truth = world.groups().values().find(|one| one.id.to_string() == external);
            match truth {
                // A rule group that nobody belongs to any more stays, empty.
                None if group.members.is_subset(others) => {}
                _ if others.contains(&group.id) => {}
                // Released: left as it is.
                Some(truth) if truth.state == State::Live => {}
                // Released under an earlier name, and deleted in Entra while it was not ours.
                Some(truth)
                    if truth.text("displayName").unwrap_or_default().replace("PLT ", "")
                        != group.display_name() => {}
                Some(truth)
                    if !truth.text("displayName").unwrap_or_default().starts_with("PLT ") => {}
                _ => wrong.push(format!("group {external} should be gone or empty")),
            }
            continue;
        };
        if group.display_name() != name {
            wrong.push(format!(
                "group {external} is named {:?}, not {name:?}",
                group.display_name()
            ));
        }
        let people: BTreeSet<String> = people
            .iter()
            .map(|id| ids.get(&id.to_string()).cloned().unwrap_or_else(|| format!("none for {id}")))
            .collect();
        for one in people.difference(&group.members) {
            wrong.push(format!("group {external} lacks {one}"));
        }
        for one in group.members.difference(&people).filter(|one| !others.contains(*one)) {
            wrong.push(format!("group {external} has {one} too many"));
        }
    }
    for (external, (name, _)) in wanted {
        wrong.push(format!("no group {external} ({name})"));
    }
}

/// What an account should hold, path by path.
fn expected(
    rules: &Rules,
    world: &World,
    user: &User,
    ids: &BTreeMap<String, String>,
) -> Vec<(String, Option<String>)> {
    let own = |name: &str| user.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    // A manager without an account, and one who has never been seen, are no reference at all.
    let manager = user.manager.and_then(|id| ids.get(&id.to_string()).cloned());
    let unseen = user.manager.is_some_and(|id| {
        // Who should have an account, and must not have the one that is there, leaves the last reference as it is.
        !world.users().contains_key(&id) || rules.barred.contains(&id.to_string())
    });
    let mut expected = vec![
        ("userName".to_owned(), own("userPrincipalName")),
        ("displayName".to_owned(), own("displayName")),
        ("name.givenName".to_owned(), own("givenName")),
        ("name.familyName".to_owned(), own("surname")),
        (
            "title".to_owned(),
            own("jobTitle")
                .map(|title| if rules.capital_titles { title.to_uppercase() } else { title }),
        ),
        ("emails".to_owned(), own("mail")),
        ("phoneNumbers".to_owned(), own("mobilePhone")),
        (format!("{ENTERPRISE}/department"), own("department")),
        (format!("{ENTERPRISE}/employeeNumber"), own("employeeId")),
    ];
    if !unseen {
        expected.push((format!("{ENTERPRISE}/manager"), manager));
    }
    expected
}

/// The attributes that are looked after one by one, and the properties that they come from.
const LOOKED_AFTER: [(&str, &str); 6] = [
    ("userName", "userPrincipalName"),
    ("displayName", "displayName"),
    ("name.familyName", "surname"),
    ("title", "jobTitle"),
    ("emails", "mail"),
    ("phoneNumbers", "mobilePhone"),
];

/// The attributes for which Entra has a value.
pub(crate) fn owned(user: &User) -> BTreeSet<&'static str> {
    let has = |name| user.text(name).is_some_and(|text| !text.is_empty());
    LOOKED_AFTER.iter().filter(|(_, name)| has(name)).map(|(path, _)| *path).collect()
}

/// The attributes for which the account has a value.
pub(crate) fn shown(account: &Resource) -> BTreeSet<&'static str> {
    let has = |path: &str| lookup(&account.attributes, path).is_some();
    LOOKED_AFTER.iter().filter(|(path, _)| has(path)).map(|(path, _)| *path).collect()
}

fn lookup(account: &Map<String, Value>, path: &str) -> Option<String> {
    let value = match path {
        "emails" | "phoneNumbers" => {
            let kind = if path == "emails" { "work" } else { "mobile" };
            let items = account.get(path)?.as_array()?;
            items.iter().find(|item| item["type"] == kind)?.get("value")?
        }
        _ if path.ends_with("/manager") => account.get(ENTERPRISE)?.get("manager")?.get("value")?,
        _ => match path.split_once('/').or_else(|| path.split_once('.')) {
            Some((outer, inner)) => account.get(outer)?.get(inner)?,
            None => account.get(path)?,
        },
    };
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
