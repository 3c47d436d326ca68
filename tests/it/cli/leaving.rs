//! Whoever should be out and is not confirmed out is pending, in every view.

use serde_json::{Value, json};

use super::site::Site;

/// The platform's id of somebody's account.
fn account_of(site: &Site, login: &str) -> String {
    let platform = site.ask("GET", "platform", &Value::Null);
    let users = platform["users"].as_array().unwrap();
    let user = users.iter().find(|user| user["userName"] == login).unwrap();
    user["id"].as_str().unwrap().to_owned()
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_order_that_finds_no_account_is_pending_until_it_is_confirmed() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (object, login) = site.employees()[0].clone();
    let account = account_of(&site, &login);
    site.break_down(&json!({ "scim": { "unfindable": [account] } }));
    site.run(&["deactivate", &login, "--reason", "ticket 4711"]).expect(3);

    let status = flat(&site.run(&["status"]).expect(0).data);
    assert!(status.starts_with("Degraded since"), "{status}");
    assert!(status.contains("1 person who should be out is not confirmed out"), "{status}");
    assert!(
        status.contains("should be out, and not confirmed out: 1, the first since"),
        "{status}"
    );
    let view = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(view["verdict"], "degraded");
    assert_eq!(view["targets"]["platform"]["leaving"]["count"], 1);
    let check = site.run(&["status", "--check"]).expect(1).data;
    assert!(check.contains("'platform leaving'=1"), "{check}");
    let stuck = flat(&site.run(&["stuck"]).expect(0).data);
    assert!(stuck.starts_with("Should be out, and not confirmed out: 1"), "{stuck}");
    let listed = site.run(&["stuck", "--json"]).expect(0).json();
    let key = listed["leaving"][0]["key"].as_str().unwrap();
    assert!(key.contains(&object), "{listed}");
    let told = flat(&site.run(&["explain", &login]).expect(0).data);
    assert!(told.contains("should be out, and is not confirmed out since"), "{told}");
    let said = site.run(&["sync"]).expect(3);
    assert!(flat(&said.data).contains("Should be out, and not confirmed out: 1"), "{}", said.data);

    site.break_down(&json!({ "scim": {} }));
    site.run(&["sync"]).expect(0);
    assert!(!site.active().contains(&login));
    let status = site.run(&["status"]).expect(0).data;
    assert!(status.starts_with("Idle"), "{status}");
    assert!(site.run(&["stuck"]).expect(0).data.starts_with("Nothing is stuck."));
}

#[test]
fn why_somebody_is_not_out_yet_is_what_is_so_now() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.run(&["pause", "--reason", "maintenance"]).expect(0);
    let leaver = site.disable(1).remove(0);
    site.run(&["sync"]).expect(4);
    let told = || {
        let stuck = flat(&site.run(&["stuck"]).expect(0).data);
        stuck + &flat(&site.run(&["explain", &leaver]).expect(0).data)
    };
    let paused = told();
    assert_eq!(
        paused.matches("writing is paused; go on with: manntall resume").count(),
        2,
        "{paused}"
    );
    site.run(&["resume"]).expect(0);
    let resumed = told();
    let sends = "nothing runs; the next sync sends it";
    assert_eq!(resumed.matches(sends).count(), 2, "{resumed}");
    assert!(!resumed.contains("about to be sent"), "{resumed}");
}

#[test]
fn a_sync_that_could_not_begin_is_on_record() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    std::fs::remove_file(site.path("asker.secret")).unwrap();
    site.run(&["sync"]).expect(78);
    let status = flat(&site.run(&["status"]).expect(0).data);
    assert!(status.contains("78") && !status.contains("ended well"), "{status}");
    assert!(status.contains("manntall check"), "{status}");
    let line = site.run(&["status", "--check"]).expect(1).data;
    assert!(line.contains("WARNING - not_running"), "{line}");
}
