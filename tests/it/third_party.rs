//! Software that we did not write (`tests/third_party`) against real processes of ours: Microsoft's
//! clients and scim2-tester judge the simulator, and two SCIM servers judge the engine.
//!
//! The simulator shares its author with the engine; an error of both would be seen by nobody else.

mod judge;
pub(crate) mod peer;
mod servers;

use std::collections::{BTreeMap, BTreeSet};

use manntall::transport::Method;
use serde_json::{Value, json};

use crate::cli::site::Site;
use judge::{Attribute, ENTERPRISE, differences};
use peer::{Server, TOKEN, node, python, request, succeed};

/// The texts of these JSON values.
fn texts(values: &Value) -> BTreeSet<String> {
    let values = values.as_array().expect("a list").iter();
    values.map(|value| value.as_str().expect("a text").to_owned()).collect()
}

/// Ids of what lives in the tenant.
fn live(truth: &Value, kind: &str) -> BTreeSet<String> {
    let all = truth[kind].as_array().expect("the truth has lists").iter();
    all.filter(|one| one["state"] == "live")
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// Members of the groups that live.
fn memberships(truth: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let groups = truth["groups"].as_array().expect("the truth has groups").iter();
    let ids = |group: &Value| {
        let members = group["members"].as_array().expect("a group has members").iter();
        members.map(|member| member["id"].as_str().expect("an id").to_owned()).collect()
    };
    groups
        .filter(|group| group["state"] == "live")
        .map(|group| (group["id"].as_str().expect("an id").to_owned(), ids(group)))
        .collect()
}

/// A certificate authority of the moment, and a certificate of it for this machine with its key.
fn throw_away_ca() -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let mut leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    // By default both are named alike, which would make it look as if it had signed itself.
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    (ca_pem, leaf.pem(), key.serialize_pem())
}

#[test]
fn microsofts_own_clients_see_the_tenant_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = throw_away_ca();
    std::fs::write(path("ca.pem"), &ca).unwrap();
    std::fs::write(path("server.pem"), certificate).unwrap();
    std::fs::write(path("server.key"), key).unwrap();
    let tls = ["--tls-cert", &path("server.pem"), "--tls-key", &path("server.key")];
    let site = Site::with(&[&["--users", "500", "--groups", "40"], &tls[..]].concat(), "");
    let control = |method, name: &str| {
        let origin = site.said("scim_url").strip_suffix("/scim/v2").expect("the platform's path");
        request(method, &format!("{origin}/_sim/{name}"), site.said("scim_token"), Some(&ca))
    };

    let mut azure_identity = python("entra_token.py");
    azure_identity
        .args(["login_url", "tenant_id", "client_id", "client_secret"].map(|n| site.said(n)));
    // The resource of the simulated tenant is its own origin.
    azure_identity.env("GRAPH_URL", site.said("graph_url"));
    let token = succeed({
        azure_identity.arg(path("ca.pem"));
        azure_identity
    });
    let walk = |links: &[&str]| -> Value {
        let mut client = node("graph_client.mjs");
        client.env("NODE_EXTRA_CA_CERTS", path("ca.pem"));
        client.args([site.said("graph_url"), token.trim()]).args(links);
        serde_json::from_str(&succeed(client)).expect("it writes JSON")
    };
    let right = |seen: &Value, truth: &Value| {
        assert_eq!(texts(&seen["users"]), live(truth, "users"));
        let groups = seen["groups"].as_array().expect("groups").iter();
        let groups: BTreeMap<_, _> = groups
            .map(|group| {
                (group["id"].as_str().expect("an id").to_owned(), texts(&group["members"]))
            })
            .collect();
        assert_eq!(groups, memberships(truth));
    };
    let before = control(Method::Get, "truth");
    let seen = walk(&[]);
    right(&seen, &before);

    control(Method::Post, "events?count=400&seed=3");
    let after = control(Method::Get, "truth");
    right(&walk(&[]), &after);
    let link = |kind: &str| seen["deltaLink"][kind].as_str().expect("a delta link");
    let news = walk(&[link("users"), link("groups")]);
    for (kind, removed) in [("users", "removedUsers"), ("groups", "removedGroups")] {
        let (before, after) = (live(&before, kind), live(&after, kind));
        let (gone, new) = (&before - &after, &after - &before);
        assert!(!gone.is_empty() && !new.is_empty(), "{kind} came and went");
        let removed = texts(&news[removed]);
        assert!(removed.is_superset(&gone) && removed.is_disjoint(&after), "{kind} that went");
        let told = match kind {
            "users" => texts(&news[kind]),
            _ => news[kind]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned())
                .collect(),
        };
        assert!(told.is_superset(&new) && told.is_subset(&after), "{kind} that came");
    }
}

#[test]
fn scim2_tester_finds_no_error_in_the_strict_platform() {
    let site = Site::with(&["--personality", "strict"], "");
    let mut tester = python("scim_tester.py");
    tester.args([site.said("scim_url"), site.said("scim_token")]);
    println!("{}", succeed(tester));
}

/// What there is to know about a server.
struct Target {
    script: &'static str,
    /// Tables of the target, after its own keys.
    configuration: &'static str,
    attributes: &'static [Attribute],
}

fn sub<'a>(value: &'a Value, list: &str, kind: &str) -> &'a Value {
    let found = value[list].as_array().into_iter().flatten().find(|item| item["type"] == kind);
    found.map_or(&Value::Null, |item| &item["value"])
}

fn work_address(account: &Value) -> &Value {
    let listed = account["addresses"].as_array().into_iter().flatten();
    listed.into_iter().find(|item| item["type"] == "work").unwrap_or(&Value::Null)
}

const SCIM2_SERVER: Target = Target {
    script: "scim2_server_run.py",
    configuration: "[targets.platform.dialect]\ngroup_create_with_members = true\n",
    attributes: &[
        ("userPrincipalName", |account| &account["userName"]),
        ("displayName", |account| &account["displayName"]),
        ("givenName", |account| &account["name"]["givenName"]),
        ("surname", |account| &account["name"]["familyName"]),
        ("jobTitle", |account| &account["title"]),
        ("mail", |account| sub(account, "emails", "work")),
        ("mobilePhone", |account| sub(account, "phoneNumbers", "mobile")),
        ("businessPhones", |account| sub(account, "phoneNumbers", "work")),
        ("city", |account| &work_address(account)["locality"]),
        ("streetAddress", |account| &work_address(account)["streetAddress"]),
        ("postalCode", |account| &work_address(account)["postalCode"]),
        ("department", |account| &account[ENTERPRISE]["department"]),
        ("employeeId", |account| &account[ENTERPRISE]["employeeNumber"]),
        ("manager", |account| &account[ENTERPRISE]["manager"]["value"]),
    ],
};

const DJANGO: Target = Target {
    script: "django_scim_run.py",
    // What the server does not store would be sent at every turn.
    configuration: r#"[targets.platform.dialect]
update_method = "put_merge"
member_remove = "value_array"

[targets.platform.account]
'addresses[type eq "other"].formatted' = ""
'addresses[type eq "work"].country' = ""
'addresses[type eq "work"].locality' = ""
'addresses[type eq "work"].postalCode' = ""
'addresses[type eq "work"].region' = ""
'addresses[type eq "work"].streetAddress' = ""
'phoneNumbers[type eq "fax"].value' = ""
'phoneNumbers[type eq "mobile"].value' = ""
'phoneNumbers[type eq "work"].value' = ""
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber" = ""
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager" = ""
"#,
    attributes: &[
        ("userPrincipalName", |account| &account["userName"]),
        ("displayName", |account| &account["displayName"]),
        ("givenName", |account| &account["name"]["givenName"]),
        ("surname", |account| &account["name"]["familyName"]),
        ("jobTitle", |account| &account["title"]),
        ("mail", |account| &account["emails"][0]["value"]),
        ("department", |account| &account[ENTERPRISE]["department"]),
    ],
};

#[test]
fn scim2_server_is_kept_true() {
    kept_true(&SCIM2_SERVER);
}

#[test]
fn django_scim2_is_kept_true() {
    kept_true(&DJANGO);
}

fn kept_true(target: &Target) {
    let server = Server::start(python(target.script));
    let site = Site::with(&["--users", "300", "--groups", "25"], "");
    configure(&site, &server, target.configuration);
    let judge = || {
        let (truth, users) = (site.ask("GET", "truth", &Value::Null), server.all("Users"));
        let wrong = differences(&truth, &users, &server.all("Groups"), target.attributes);
        assert!(
            wrong.is_empty(),
            "{} differences: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(20)]
        );
        assert!(users.len() > 200, "there are people");
    };
    sync_until_nothing_is_held(&site);
    judge();
    nothing_is_left(&site, &server);

    let happened = site.ask("POST", "events?count=200&seed=11", &Value::Null);
    let kinds: BTreeSet<_> =
        happened.as_array().unwrap().iter().map(|event| event["event"].to_string()).collect();
    assert_eq!(kinds.len(), 20, "events of every kind happened: {kinds:?}");
    site.run(&["plan", "--detailed-exitcode"]).expect(2);
    sync_until_nothing_is_held(&site);
    judge();
    nothing_is_left(&site, &server);
}

/// The simulator is Entra only; the target is the server.
fn configure(site: &Site, server: &Server, tables: &str) {
    let groups = r#"
[[targets.platform.groups]]
id = "all"
from = "directory"
where = 'true'
"#;
    let rest = format!("requests_per_second = 1000\n{tables}\n{groups}");
    site.configure_target(&server.url, &rest);
    site.secret("platform.token", TOKEN);
}

/// Approves what is held, as often as that leads on.
fn sync_until_nothing_is_held(site: &Site) {
    for _ in 0..5 {
        let ended = site.run(&["sync"]);
        if ended.code != 4 {
            ended.expect(0);
            return;
        }
        let holds = site.run(&["holds", "--json"]).expect(0).json();
        for hold in holds["holds"].as_array().expect("a list of holds") {
            site.run(&["approve", hold["id"].as_str().expect("a hold has an id")]).expect(0);
        }
    }
    panic!("something is held again and again");
}

/// A further cycle has nothing to do and writes nothing; `meta` of every resource would tell.
fn nothing_is_left(site: &Site, server: &Server) {
    let contents = || (server.all("Users"), server.all("Groups"));
    let before = contents();
    site.run(&["plan", "--detailed-exitcode"]).expect(0);
    let done = site.run(&["sync", "--json"]).expect(0).json();
    assert_eq!(done["done"], json!({}));
    assert!(contents() == before, "a cycle without news has changed something");
}
