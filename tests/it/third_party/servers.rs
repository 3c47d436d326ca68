//! Two SCIM servers of other houses, each with a nature of its own: Better Auth, strict, and Ory Polis,
//! which shows no members, lies about totals and finds nobody by a login name that is no mail address.
//! Both refuse one person's account and fail on every change of another's.

use std::collections::{BTreeMap, BTreeSet};

use manntall::transport::Method;
use serde_json::{Value, json};

use super::judge::{Attribute, ENTERPRISE, differences};
use super::peer::{Server, TOKEN, node, request};
use crate::cli::site::Site;

/// People whom the server will not serve: by object id.
struct Unlucky {
    /// Each create is answered with 403.
    refused: String,
    /// Each change is answered with 500.
    failing: String,
}

struct Case {
    script: &'static str,
    configuration: &'static str,
}

const GROUPS: &str = r#"
[[targets.platform.groups]]
id = "all"
from = "directory"
where = 'true'
"#;

/// A tenant of 60 people and 12 groups in which everybody has a plain mail address, and the server.
fn start(case: &Case) -> (Site, Server, Unlucky) {
    let site = Site::with(&["--users", "60", "--groups", "12"], "");
    // Better Auth takes no letter beyond ASCII before the @, which is its right: not what is tried here.
    for (number, (id, _)) in site.employees().into_iter().enumerate() {
        let address = format!("person{number}@asker.example.no");
        site.happen(&json!({ "event": "new_upn", "user": id, "upn": address }));
        let name = "mail";
        site.happen(
            &json!({ "event": "set_property", "user": id, "name": name, "value": address }),
        );
    }
    let people = site.employees();
    let unlucky = Unlucky { refused: people[7].0.clone(), failing: people[21].0.clone() };
    let mut command = node(case.script);
    command.args(["--refuse-create", &unlucky.refused, "--fail-change", &unlucky.failing]);
    let server = Server::start(command);
    let rest = format!("requests_per_second = 1000\n{}\n{GROUPS}", case.configuration);
    site.configure_target(&server.url, &rest);
    site.secret("platform.token", TOKEN);
    (site, server, unlucky)
}

/// Runs `sync` until nothing is held; what is stuck stays so.
fn sync(site: &Site) {
    for _ in 0..5 {
        let ended = site.run(&["sync"]);
        if ended.code != 4 {
            assert!([0, 3].contains(&ended.code), "{}\n{}\n{}", ended.code, ended.data, ended.talk);
            return;
        }
        let holds = site.run(&["holds", "--json"]).expect(0).json();
        for hold in holds["holds"].as_array().expect("a list of holds") {
            site.run(&["approve", hold["id"].as_str().expect("a hold has an id")]).expect(0);
        }
    }
    panic!("something is held again and again");
}

/// How many requests that write the server has had.
fn writes(server: &Server) -> u64 {
    let origin = server.url.split("/api/").next().expect("an origin");
    let counted = request(Method::Get, &format!("{origin}/front/writes"), TOKEN, None);
    counted["writes"].as_u64().expect("a number")
}

fn stuck(site: &Site) -> BTreeSet<String> {
    let stuck = site.run(&["stuck", "--json"]).expect(0).json();
    let stuck = stuck["stuck"].as_array().expect("a list").iter();
    stuck.map(|item| item["key"].as_str().expect("a key").to_owned()).collect()
}

/// What is wrong on the server with everybody but the one who is refused.
fn wrong(
    site: &Site,
    users: &[Value],
    groups: &[Value],
    refused: &str,
    by: &[Attribute],
) -> Vec<String> {
    let truth = site.ask("GET", "truth", &Value::Null);
    let mut wrong = differences(&truth, users, groups, by);
    wrong.retain(|line| !line.contains(refused));
    wrong
}

const BETTER_AUTH_ATTRIBUTES: &[Attribute] = &[
    ("userPrincipalName", |account| &account["userName"]),
    ("displayName", |account| &account["displayName"]),
    ("givenName", |account| &account["name"]["givenName"]),
    ("surname", |account| &account["name"]["familyName"]),
    ("jobTitle", |account| &account["title"]),
    ("mail", |account| &account["emails"][0]["value"]),
    ("department", |account| &account[ENTERPRISE]["department"]),
];

#[test]
fn better_auth_has_everybody_whom_it_does_not_refuse() {
    let case = Case {
        script: "servers/better_auth.mjs",
        configuration: "[targets.platform.dialect]\ngroup_create_with_members = true\n",
    };
    let (site, server, unlucky) = start(&case);
    sync(&site);
    let judge = |but: &str| {
        let (users, groups) = (server.walk("Users"), server.walk("Groups"));
        let wrong = wrong(&site, &users, &groups, but, BETTER_AUTH_ATTRIBUTES);
        assert!(wrong.is_empty(), "{} differences: {wrong:#?}", wrong.len());
        assert!(users.len() > 40 && groups.len() >= 10);
    };
    judge(&unlucky.refused);
    let names = stuck(&site);
    assert!(names.iter().any(|name| name.contains(&unlucky.refused)), "{names:?}");
    silent(&site, &server);

    everybody_moves(&site);
    sync(&site);
    let users = server.walk("Users");
    let titles: BTreeMap<_, _> =
        users.iter().map(|user| (user["externalId"].as_str().unwrap(), &user["title"])).collect();
    for (id, _) in site.employees() {
        let moved = titles.get(id.as_str()).is_some_and(|title| **title == "Rådgiver");
        assert_eq!(moved, id != unlucky.refused && id != unlucky.failing, "{id}");
    }
    leavers_are_out(&site, &server, &unlucky);
}

#[test]
fn polis_has_everybody_whom_it_does_not_refuse() {
    let case = Case { script: "servers/polis.mjs", configuration: "" };
    let (site, server, unlucky) = start(&case);
    sync(&site);
    let (users, groups) = (server.walk("Users"), server.walk("Groups"));
    let mut lines = wrong(&site, &users, &groups, &unlucky.refused, &[]);
    // It takes members and shows none, and it drops the externalId of a group.
    lines.retain(|line| !line.contains("group"));
    assert!(lines.is_empty(), "{} differences: {lines:#?}", lines.len());
    assert!(users.len() > 40 && groups.len() >= 10, "{} {}", users.len(), groups.len());
    let names = stuck(&site);
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names.iter().any(|name| name.contains(&unlucky.refused)), "{names:?}");
    silent(&site, &server);
    leavers_are_out(&site, &server, &unlucky);
}

fn everybody_moves(site: &Site) {
    for (id, _) in site.employees() {
        let (name, value) = ("jobTitle", "Rådgiver");
        site.happen(&json!({ "event": "set_property", "user": id, "name": name, "value": value }));
    }
}

/// A further cycle sends no write but for whoever is stuck.
fn silent(site: &Site, server: &Server) {
    let before = writes(server);
    let done = site.run(&["sync", "--json"]);
    assert_eq!(done.json()["done"], json!({}), "{}", done.talk);
    assert_eq!(writes(server), before, "a cycle without news has written");
}

/// Five leave; all but the one whose changes fail are out, and that one is told.
fn leavers_are_out(site: &Site, server: &Server, unlucky: &Unlucky) {
    let people = site.employees();
    let others = people.iter().map(|(id, _)| id).filter(|id| **id != unlucky.refused);
    let leavers: Vec<_> = others.filter(|id| **id != unlucky.failing).take(4).cloned().collect();
    for id in leavers.iter().chain([&unlucky.failing]) {
        site.happen(&json!({ "event": "disable", "user": id }));
    }
    sync(site);
    let users = server.walk("Users");
    let active = |id: &str| {
        let account = users.iter().find(|user| user["externalId"] == id).expect("an account");
        account["active"] == true
    };
    for id in &leavers {
        assert!(!active(id), "{id} has left");
    }
    assert!(active(&unlucky.failing));
    let names = stuck(site);
    assert!(names.iter().any(|name| name.contains(&unlucky.failing)), "{names:?}");
}
