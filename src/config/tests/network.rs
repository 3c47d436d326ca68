//! `[network]`.

use std::path::Path;

use super::super::Network;
use super::{fixtures, load_text, minimal, valid};

fn network(text: &str, environment: &[(&str, &str)]) -> Network {
    load_text(&format!("[network]\n{text}\n{}", minimal()), environment).unwrap().network
}

#[test]
fn every_key_of_the_network_table_is_taken_over() {
    let config = valid("full.toml");
    let network = &config.network;
    let proxy = network.proxy.as_ref().unwrap();
    assert_eq!(proxy.url.as_str(), "http://proxy.asker.example.no:3128/");
    assert_eq!(proxy.variable, None);
    assert_eq!(network.no_proxy, ["intern.asker.example.no", ".lokal", "10.0.0.0/8", "fd00::/8"]);
    assert_eq!(network.ca_file.as_deref(), Some(Path::new("/etc/manntall/ca.pem")));
    let secrets = config.secret_files();
    let file = secrets.iter().find(|(key, _)| key == "network.proxy_credentials_file").unwrap();
    assert_eq!(file.1, fixtures().join("proxy.secret"));
}

#[test]
fn the_environment_names_a_proxy_only_where_that_is_allowed() {
    let environment = [
        ("https_proxy", "proxy.example.no:8080"),
        ("ALL_PROXY", "http://other.example.no"),
        ("NO_PROXY", "intern.example.no, *.lokal,,10.0.0.0/8"),
    ];
    assert_eq!(network("", &environment), Network::default());
    let allowed = network("proxy_from_environment = true", &environment);
    let proxy = allowed.proxy.unwrap();
    assert_eq!(proxy.url.as_str(), "http://proxy.example.no:8080/");
    assert_eq!(proxy.variable, Some("https_proxy"));
    assert_eq!(allowed.no_proxy, ["intern.example.no", "lokal", "10.0.0.0/8"]);
    // An environment that names none is no mistake: the unit of the service may set it later.
    assert_eq!(network("proxy_from_environment = true", &[("HTTPS_PROXY", " ")]).proxy, None);
    let more = "proxy_from_environment = true\nno_proxy = [\"*\"]\nproxy_credentials_file = \"p\"";
    assert_eq!(network(more, &[]).no_proxy, ["*"]);
}

#[test]
fn a_password_in_a_variable_is_refused_and_not_shown() {
    let text = format!("[network]\nproxy_from_environment = true\n{}", minimal());
    let environment = [("HTTPS_PROXY", "http://manntall:hush@proxy.example.no:3128")];
    let errors = load_text(&text, &environment).unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("(set by HTTPS_PROXY)"), "{shown}");
    assert!(shown.contains("proxy_credentials_file"), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}
