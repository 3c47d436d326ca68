//! The configuration as an operator meets it: files read whole, with what they come to or what is wrong.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail loudly and may talk"
)]

mod layers;
mod misspelt;
mod network;
mod places;
mod reference;
mod secrets;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, ConfigErrors, Credential, Target, digest, load};
use crate::core::model::{AttrPath, ObjectId};
use crate::core::policy::{Adopt, Budget, Budgets, GroupRule};
use crate::scim::dialect::{ClearValue, Dialect, MemberRemove, MembersRead, UpdateMethod};

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    crate_folder().join("tests/fixtures/config")
}

fn load_file(path: &Path) -> Result<Config, ConfigErrors> {
    load(path, &BTreeMap::new())
}

fn valid(name: &str) -> Config {
    load_file(&fixtures().join(name)).unwrap()
}

fn only_target(config: &Config) -> &Target {
    config.targets.values().next().unwrap()
}

/// Loads text from a file of its own.
fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manntall.toml");
    std::fs::write(&path, text).unwrap();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&path, &environment)
}

fn minimal() -> String {
    std::fs::read_to_string(fixtures().join("minimal.toml")).unwrap()
}

/// `line:column key` of each error, as the first line of the fixtures says it.
fn places(errors: &ConfigErrors) -> String {
    let place = |error: &super::ConfigError| {
        let key = if error.key.is_empty() { "-" } else { &error.key };
        format!("{}:{} {key}", error.line, error.column)
    };
    errors.errors().iter().map(place).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_file_is_refused_exactly_where_its_first_line_says() {
    let (mut wrong, mut differing) = (0, Vec::new());
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let found = match load_file(&path) {
            Ok(_) => "valid".to_owned(),
            Err(errors) => {
                wrong += 1;
                assert!(errors.errors().iter().all(|error| !error.message.is_empty()));
                assert!(!errors.to_string().contains("hush"), "{errors}");
                places(&errors)
            }
        };
        if found != expected {
            differing.push(format!("{}: {found}, not {expected}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(wrong >= 150, "only {wrong} wrong files were found");
}

#[test]
fn the_shortest_configuration_has_the_documented_defaults() {
    let config = valid("minimal.toml");
    let service = &config.service;
    assert_eq!(service.state_dir, Path::new("/var/lib/manntall"));
    assert_eq!(service.poll_interval, Duration::from_secs(60));
    assert_eq!(service.full_compare, Duration::from_secs(86_400));
    assert_eq!(service.confirm_absence, Duration::from_secs(3600));
    assert_eq!(service.time_zone, "UTC");
    let (name, source) = config.sources.iter().next().unwrap();
    assert_eq!(name.as_str(), "asker");
    assert_eq!(source.client_id, "66666666-7777-8888-9999-aaaaaaaaaaaa");
    assert_eq!(source.graph_url.as_str(), "https://graph.microsoft.com/");
    assert_eq!(source.login_url.as_str(), "https://login.microsoftonline.com/");
    assert_eq!(source.keep.text(), "user.userType != \"Guest\"");
    // Relative files lie beside the configuration.
    assert_eq!(
        source.credential,
        Credential::Secret { file: fixtures().join("asker.secret"), expires: None }
    );
    let target = only_target(&config);
    assert_eq!(target.url.as_str(), "https://platform.example.no/scim/v2");
    assert!((target.requests_per_second - 10.0).abs() < f64::EPSILON);
    assert_eq!(target.concurrency, 8);
    assert_eq!(target.dialect, Dialect::default());
    let policy = &target.policy;
    assert_eq!(policy.people.text(), "person.accountEnabled and person.userType != \"Guest\"");
    assert_eq!(policy.people_of, None);
    assert_eq!(policy.adopt, Adopt::Approve);
    assert_eq!(policy.budgets, Budgets::default());
    assert!(policy.groups.is_empty());
    assert_eq!(policy.account.len(), 18);
    assert_eq!(policy.account[&AttrPath::user_name()].text(), "person.userPrincipalName");
    assert_eq!(policy.account[&AttrPath::manager()].text(), "person.manager");
    assert!(!policy.account.contains_key(&AttrPath::active()));
    assert!(!policy.account.contains_key(&AttrPath::external_id()));
}

#[test]
fn every_key_is_taken_over() {
    let config = valid("full.toml");
    let service = &config.service;
    assert_eq!(service.state_dir, fixtures().join("state"));
    assert_eq!(service.poll_interval, Duration::from_secs(30));
    assert_eq!(service.full_compare, Duration::from_secs(6 * 86_400));
    assert_eq!(service.confirm_absence, Duration::from_secs(1800));
    assert_eq!(service.time_zone, "Europe/Oslo");
    let source = config.sources.values().next().unwrap();
    assert_eq!(
        source.credential,
        Credential::Certificate {
            certificate: "/etc/manntall/asker.crt".into(),
            private_key: "/etc/manntall/asker.key".into(),
        }
    );
    assert_eq!(source.graph_url.as_str(), "http://127.0.0.1:8181/");
    assert_eq!(source.login_url.as_str(), "http://localhost:8182/");
    let target = only_target(&config);
    assert_eq!(target.url.as_str(), "http://[::1]:8183/scim/v2");
    assert_eq!(target.token_file, fixtures().join("platform.token"));
    assert_eq!(target.token_expires.unwrap().to_string(), "2027-03-01T00:00:00Z");
    assert!((target.requests_per_second - 2.5).abs() < f64::EPSILON);
    assert_eq!(target.concurrency, 64);
    let dialect = Dialect {
        content_type: "application/json".to_owned(),
        update_method: UpdateMethod::PutMerge,
        member_remove: MemberRemove::ValueArray,
        member_batch: 1,
        members_read: MembersRead::Attributes,
        group_create_with_members: true,
        clear_value: ClearValue::ReplaceEmpty,
        match_external_id: false,
        page_size: 1000,
    };
    assert_eq!(target.dialect, dialect);
    assert_eq!(target.policy.adopt, Adopt::Never);
    let group = ObjectId::parse("22222222-2222-3333-4444-555555555555").unwrap();
    assert_eq!(target.policy.people_of, Some(BTreeSet::from([group])));
    let rules = target.policy.groups.iter().map(|rule| match rule {
        GroupRule::Directory { id, filter, name } => {
            format!("{id} {} {}", filter.text(), name.text())
        }
        GroupRule::People { id, each, name } => format!("{id} {} {}", each.text(), name.text()),
    });
    assert_eq!(
        rules.collect::<Vec<_>>(),
        [
            "plt group.displayName is startingwith(\"PLT \") and group.securityEnabled \
             group.displayName | replace(\"PLT \", \"\")",
            "sections person.officeLocation key"
        ]
    );
}

#[test]
fn given_mappings_replace_default_ones_and_an_empty_one_removes_them() {
    let config = valid("full.toml");
    let account = &only_target(&config).policy.account;
    assert_eq!(account[&AttrPath::user_name()].text(), "person.mail | lower");
    assert!(!account.contains_key(&AttrPath::parse("title").unwrap()));
    assert_eq!(account[&AttrPath::parse("nickName").unwrap()].text(), "person.givenName");
    assert_eq!(account.len(), 18 - 1 + 2);
}

#[test]
fn a_share_keeps_floor_and_cap_and_a_table_sets_what_it_names() {
    let budget = |basis_points, min, max| Budget { basis_points, min, max };
    let config = valid("full.toml");
    let expected = Budgets {
        deactivate: budget(150, 5, Some(250)),
        delete: budget(25, 3, Some(10)),
        group_shrink: budget(10_000, 0, None),
        create: budget(1000, 0, None),
        ..Budgets::default()
    };
    assert_eq!(only_target(&config).policy.budgets, expected);
}

#[test]
fn clouds_have_their_own_addresses() {
    let config = valid("federated.toml");
    let source = config.sources.values().next().unwrap();
    assert_eq!(source.graph_url.as_str(), "https://dod-graph.microsoft.us/");
    assert_eq!(source.login_url.as_str(), "https://login.microsoftonline.us/");
    let token = PathBuf::from("/run/manntall/token");
    assert_eq!(source.credential, Credential::Federated { token });
    assert_eq!(only_target(&config).url.as_str(), "https://platform.example.no/");
}

#[test]
fn the_example_is_valid_and_shows_the_defaults() {
    let example = load_file(&crate_folder().join("deploy/manntall.example.toml")).unwrap();
    let default = valid("minimal.toml");
    let (shown, built_in) = (only_target(&example), only_target(&default));
    assert_eq!(shown.dialect, built_in.dialect);
    assert_eq!(shown.policy.budgets, built_in.policy.budgets);
    assert_eq!(shown.policy.adopt, built_in.policy.adopt);
    assert_eq!(shown.concurrency, built_in.concurrency);
    assert_eq!(shown.policy.people.text(), built_in.policy.people.text());
    let texts = |target: &Target| -> Vec<(AttrPath, String)> {
        let account = target.policy.account.iter();
        account.map(|(path, expression)| (path.clone(), expression.text().to_owned())).collect()
    };
    assert_eq!(texts(shown), texts(built_in));
    let service = super::Service { time_zone: "UTC".to_owned(), ..example.service };
    assert_eq!(service, default.service);
    assert_eq!(example.status, default.status);
    assert_eq!(example.network, default.network);
}

#[test]
fn graph_is_asked_for_what_expressions_read_and_what_is_always_needed() {
    let config = valid("full.toml");
    let users = config.user_properties();
    for name in [
        "accountEnabled",
        "companyName",
        "employeeId",
        "employeeOrgData",
        "givenName",
        "mail",
        "manager",
        "officeLocation",
        "userPrincipalName",
        "userType",
    ] {
        assert!(users.contains(name), "{name}");
    }
    assert!(!users.contains("jobTitle"), "the mapping of title was taken out");
    let groups: Vec<String> = config.group_properties().into_iter().collect();
    assert_eq!(groups, ["displayName", "securityEnabled"]);
    assert_eq!(valid("minimal.toml").group_properties().len(), 1);
}

#[test]
fn the_digest_follows_the_rules_and_nothing_else() {
    let of = |text: &str| digest(&load_text(text, &[]).unwrap());
    let plain = of(&minimal());
    assert_eq!(plain.len(), 64);
    assert_eq!(plain, of(&format!("{}concurrency = 3\n", minimal())));
    assert_eq!(plain, of(&format!("[service]\npoll_interval = \"5m\"\n{}", minimal())));
    let budget = "[targets.platform.budget]\ndelete = \"1%\"\n";
    assert_eq!(plain, of(&(minimal() + budget)));
    let changes = [
        "[targets.platform.scope]\npeople = 'person.accountEnabled'\n",
        "[targets.platform.scope]\ngroups = [\"22222222-2222-3333-4444-555555555555\"]\n",
        "[targets.platform.account]\ntitle = 'person.department'\n",
        "[targets.platform.account]\ntitle = ''\n",
        "[[targets.platform.groups]]\nid = 'a'\nfrom = 'people'\neach = 'person.city'\n",
    ];
    let mut digests: BTreeSet<String> = changes.map(|change| of(&(minimal() + change))).into();
    digests.insert(of(&minimal().replace("[targets", "keep = 'user.mail != none'\n[targets")));
    digests.insert(plain);
    assert_eq!(digests.len(), changes.len() + 2);
}
