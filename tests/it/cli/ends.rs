//! Credentials that end: what is said beforehand and afterwards, by the real program.

use manntall::clock::{Clock, SystemClock};
use manntall::core::model::Timestamp;

use super::site::Site;

/// Text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The day so many days from now.
fn day(days: i64) -> String {
    let at = Timestamp(SystemClock::start().now().0 + days * 24 * 3600 * 1000);
    at.to_string().split('T').next().unwrap().to_owned()
}

/// A site whose client secret ends then, and whose token does.
fn site(secret: i64, token: i64) -> Site {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    for (key, days) in [("client_secret_", secret), ("token_", token)] {
        assert!(text.contains(&format!("{key}file")), "{days}");
    }
    let secret = format!("client_secret_expires = \"{}\"\nclient_secret_file", day(secret));
    let token = format!("token_expires = \"{}\"\ntoken_file", day(token));
    let text =
        text.replace("client_secret_file", &secret).replace("\ntoken_file", &format!("\n{token}"));
    std::fs::write(site.config(), text).unwrap();
    site
}

#[test]
fn l6_what_ends_soon_is_told_by_check_and_status_with_what_to_do() {
    let site = site(10, 400);
    let words = format!("sources.asker.client_secret ends {}", day(10));
    let ended = site.run(&["check"]).expect(0);
    for words in [&words, "Make a new client secret", "targets.platform.token ends "] {
        assert!(flat(&ended.data).contains(words), "{words} in\n{}", ended.data);
    }
    let ended = site.run(&["check", "--online"]).expect(0);
    assert!(ended.data.contains(&format!("! asker expiry: {words}")), "{}", ended.data);
    assert!(ended.data.contains("then: manntall check --online"), "{}", ended.data);
    assert!(
        ended.data.contains("✓ platform expiry: targets.platform.token ends"),
        "{}",
        ended.data
    );
    site.run(&["sync"]).expect(0);
    let ended = site.run(&["status"]).expect(0);
    let shown = flat(&ended.data);
    assert!(shown.contains(&words), "{}", ended.data);
    assert!(shown.contains("then: manntall check --online"), "{}", ended.data);
    assert!(shown.contains("leavers stay active. Make a new client secret"), "{}", ended.data);
    assert!(!ended.data.contains("token"), "{}", ended.data);
    let ended = site.run(&["status", "--check"]).expect(1);
    assert!(ended.data.starts_with("MANNTALL WARNING - idle since "), "{}", ended.data);
    assert!(ended.data.contains(&format!("; {words}; see: manntall status")), "{}", ended.data);
    let json = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(json["expiries"][0]["name"], "sources.asker.client_secret");
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn l6_what_has_ended_is_an_error_with_its_consequence() {
    let site = site(400, -2);
    let ended = site.run(&["check"]).expect(78);
    let words =
        format!("targets.platform.token has ended {} as noted, so the platform refuses", day(-2));
    assert!(ended.talk.contains(&words), "{}", ended.talk);
    let ended = site.run(&["check", "--online"]).expect(12);
    assert!(
        ended.data.contains("✗ platform expiry: targets.platform.token has ended"),
        "{}",
        ended.data
    );
    let json = site.run(&["check", "--json"]).expect(78).json();
    assert_eq!(json["valid"], false);
    assert_eq!(json["expiries"].as_array().unwrap().len(), 2);
}
