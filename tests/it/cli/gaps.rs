//! What could not be read is no clean success; that and what could not be counted stays in sight until all was.

use serde_json::{Value, json};

use super::site::{Ended, Site};

/// Employees whose elements the simulated tenant distorts, and their login names.
fn distorted(site: &Site) -> (String, String) {
    let is_odd = |id: &str| id.bytes().next().is_some_and(|first| first % 2 == 1);
    site.employees().into_iter().find(|(id, _)| is_odd(id)).expect("about half of them")
}

fn says(ended: &Ended, words: &[&str]) {
    for word in words {
        // Lines are broken where they are long.
        let said = format!("{} {}", ended.data, ended.talk);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(word), "{word} is missing from:\n{}\n{}", ended.data, ended.talk);
    }
}

/// Everything says that it is not well, for as long as it is not.
fn says_so(site: &Site, sync_ends: i32, of: &str, words: &[&str]) {
    let ended = site.run(&["sync"]).expect(sync_ends);
    assert!(ended.data.starts_with("Done:"), "{}", ended.data);
    says(&ended, words);
    let ended = site.run(&["status"]).expect(0);
    assert!(ended.data.starts_with("Degraded"), "{}", ended.data);
    says(&ended, words);
    let ended = site.run(&["status", "--check"]).expect(1);
    assert!(ended.data.contains("degraded"), "{}", ended.data);
    let source = &site.run(&["status", "--json"]).expect(0).json()["sources"]["asker"];
    assert_eq!(source["state"], "degraded", "{source}");
    assert!(!source[of].is_null(), "{source}");
    says(&site.run(&["plan"]), words);
}

/// Everything was read again, and nothing is wrong.
fn is_well_after_a_complete_read(site: &Site) {
    site.break_down(&json!({ "graph": { "expire_links": "gone" } }));
    site.run(&["sync"]).expect(0);
    let ended = site.run(&["status", "--json"]).expect(0);
    assert_eq!(ended.json()["verdict"], "idle", "{}", ended.data);
    assert_eq!(ended.json()["sources"]["asker"]["unread"], Value::Null);
}

#[test]
fn a_leaver_without_an_id_is_no_clean_success_and_stays_in_sight() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, login) = distorted(&site);
    site.break_down(&json!({ "graph": { "distort": "no_ids" } }));
    site.happen(&json!({ "event": "disable", "user": id }));
    let words = ["1 of the users that Entra told of could not be read", "manntall deactivate"];
    says_so(&site, 3, "unread", &words);
    // Nothing new is told, and still somebody has not been read.
    says_so(&site, 3, "unread", &words);
    assert!(site.active().contains(&login), "nobody knows who that was");
    is_well_after_a_complete_read(&site);
    assert!(!site.active().contains(&login));
}

/// Nothing that is known of is left undone, so a timer has no reason to call for help at every run.
#[test]
fn a_tenant_that_refuses_to_count_stays_in_sight() {
    let site = Site::new();
    site.break_down(&json!({ "graph": { "counting": { "refused": 400 } } }));
    let words = ["does not count", "$count", "stays active"];
    says_so(&site, 0, "uncounted", &words);
    says_so(&site, 0, "uncounted", &words);
    is_well_after_a_complete_read(&site);
}
