//! `check --online` against the simulated services and what goes wrong with them.

use serde_json::{Value, json};

use super::site::{Ended, Site};

fn states(ended: &Ended) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let report = ended.json();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .map(|one| {
            (format!("{} {}", text(&one["subject"]), text(&one["check"])), text(&one["state"]))
        })
        .collect()
}

fn state(ended: &Ended, check: &str) -> String {
    let found = states(ended).into_iter().find(|(name, _)| name == check);
    found.unwrap_or_else(|| panic!("{check} in {}", ended.data)).1
}

#[test]
fn everything_in_order_is_0_and_nothing_is_written() {
    let site = Site::new();
    let ended = site.run(&["check", "--online"]).expect(0);
    for line in [
        "✓ asker token",
        "✓ asker permissions: GroupMember.Read.All, User.Read.All",
        "✓ asker people: Graph counts 60",
        "✓ asker clock",
        "✓ platform dialect",
        "✓ platform accounts",
        "✓ platform groups",
    ] {
        assert!(ended.data.contains(line), "{line} in\n{}", ended.data);
    }
    assert!(ended.data.lines().all(|line| line.chars().count() <= 80), "{}", ended.data);
    let report = site.run(&["check", "--online", "--json"]).expect(0);
    assert!(states(&report).iter().all(|(_, state)| state == "good"), "{}", report.data);
    assert_eq!(site.writes(), 0);
    assert!(!site.state().exists());
}

#[test]
fn a_missing_permission_is_named_with_a_letter_to_the_administrator() {
    let site = Site::new();
    site.break_down(
        &json!({ "graph": { "roles": ["User.ReadBasic.All", "GroupMember.Read.All"] } }),
    );
    let ended = site.run(&["check", "--online", "--json"]).expect(12);
    assert_eq!(state(&ended, "asker permissions"), "bad");
    assert_eq!(state(&ended, "asker people"), "bad");
    assert_eq!(state(&ended, "asker groups"), "good");
    let shown = site.run(&["check", "--online"]).expect(12);
    let consent = format!("/{}/adminconsent?client_id=", site.said("tenant_id"));
    for words in ["User.Read.All is not granted", site.said("client_id"), consent.as_str()] {
        assert!(shown.data.contains(words), "{words} in\n{}", shown.data);
    }
}

#[test]
fn withdrawn_consent_is_told_and_the_platform_is_still_checked() {
    let site = Site::new();
    site.break_down(&json!({ "graph": { "roles": [] } }));
    let ended = site.run(&["check", "--online", "--json"]).expect(12);
    assert_eq!(state(&ended, "asker token"), "good", "Entra gives a token even then");
    assert_eq!(state(&ended, "asker permissions"), "bad");
    assert_eq!(state(&ended, "platform accounts"), "good");
    assert_eq!(ended.json()["letters"].as_array().unwrap().len(), 1);
    // Refused although the token names the permissions.
    site.break_down(&json!({ "graph": { "forbidden": true } }));
    let ended = site.run(&["check", "--online", "--json"]).expect(12);
    assert_eq!(state(&ended, "asker people"), "bad");
}

#[test]
fn a_refused_secret_skips_what_needs_it_and_nothing_else() {
    let site = Site::new();
    site.break_down(&json!({ "graph": { "refuse_token": 7_000_222 } }));
    let ended = site.run(&["check", "--online", "--json"]).expect(12);
    assert_eq!(state(&ended, "asker token"), "bad");
    assert_eq!(state(&ended, "asker people"), "skipped");
    assert_eq!(state(&ended, "platform accounts"), "good");
    let shown = site.run(&["check", "--online"]).expect(12);
    assert!(shown.data.contains("create a new client secret"), "{}", shown.data);

    site.break_down(&json!({ "graph": {} }));
    site.secret("platform.token", "wrong");
    let ended = site.run(&["check", "--online", "--json"]).expect(12);
    assert_eq!(state(&ended, "asker people"), "good");
    assert_eq!(state(&ended, "platform accounts"), "bad");
}

#[test]
fn a_letter_to_the_administrator_asks_for_what_is_wrong_and_for_nothing_else() {
    let site = Site::new();
    for (code, asks) in [
        (700_016, "compare both ids"),
        (7_000_215, "its Value (not its Secret ID)"),
        (7_000_222, "has a client secret that has ended"),
        (90002, "there is no such tenant"),
        (65001, "lacks a permission"),
    ] {
        site.break_down(&json!({ "graph": { "refuse_token": code } }));
        let ended = site.run(&["check", "--online", "--json"]).expect(12);
        let json = ended.json();
        let letters = json["letters"].as_array().unwrap();
        assert_eq!(letters.len(), 1, "{code}: {letters:?}");
        let letter = letters[0].as_str().unwrap();
        assert!(letter.contains(asks), "{code}: {letter}");
        assert_eq!(letter.contains("lacks a permission"), code == 65001, "{code}: {letter}");
        assert!(letter.contains(site.said("client_id")), "{code}: {letter}");
    }
}

#[test]
fn a_dialect_that_the_platform_contradicts_is_doubtful_and_an_unreachable_peer_is_69() {
    let site = Site::with(&["--users", "20"], "[targets.platform.dialect]\npage_size = 1000");
    let ended = site.run(&["check", "--online"]).expect(0);
    assert!(ended.data.contains("! platform dialect"), "{}", ended.data);
    assert!(ended.data.contains("set page_size = "), "{}", ended.data);
    let config = std::fs::read_to_string(site.config()).unwrap();
    let gone = config.replace(site.said("scim_url"), "http://127.0.0.1:1/scim/v2");
    std::fs::write(site.config(), gone).unwrap();
    let ended = site.run(&["check", "--online", "--json"]).expect(69);
    assert_eq!(state(&ended, "platform accounts"), "bad");
    assert_eq!(state(&ended, "asker people"), "good");
}

#[test]
fn a_refused_count_is_named_and_keeps_nobody_from_being_read() {
    let site = Site::new();
    site.break_down(&json!({ "graph": { "counting": { "refused": 400 } } }));
    let ended = site.run(&["check", "--online", "--json"]).expect(0);
    let request = "GET /v1.0/users/$count: status 400, Request_BadRequest";
    assert_eq!(state(&ended, "asker people"), "doubtful");
    assert!(ended.data.contains(request), "{}", ended.data);
    assert!(!ended.data.contains("name resolution"), "{}", ended.data);
    let ended = site.run(&["sync"]).expect(0);
    assert_eq!(ended.talk.matches("/v1.0/users/$count").count(), 1, "{}", ended.talk);
    assert!(site.writes() > 0);
}

#[test]
fn a_page_that_is_too_large_is_told_with_the_size_that_can_be_read() {
    let site = Site::with(&["--users", "40"], "");
    site.run(&["sync"]).expect(0);
    let platform = site.ask("GET", "platform", &Value::Null);
    let last = platform["users"].as_array().unwrap().last().unwrap()["id"].clone();
    site.break_down(&json!({ "scim": { "oversized": [last, "nickName", 20_000_000] } }));
    let ended = site.run(&["check", "--online", "--json"]).expect(0);
    assert_eq!(state(&ended, "platform accounts"), "doubtful");
    assert!(ended.data.contains("set page_size = 10"), "{}", ended.data);
}
