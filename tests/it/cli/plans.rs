//! Plan, sync, show, apply.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::site::Site;

fn changes(plan: &Value) -> &Vec<Value> {
    plan["targets"]["platform"]["changes"].as_array().expect("a plan has changes")
}

#[test]
fn plan_says_what_sync_then_does_and_leaves_nothing() {
    let site = Site::new();
    let plan = site.run(&["plan", "--json", "--detailed-exitcode"]).expect(2).json();
    assert!(!site.state().exists(), "a plan makes no state");
    assert_eq!(site.writes(), 0);
    let summary = plan["targets"]["platform"]["summary"].as_object().unwrap();
    let names: BTreeSet<&str> = summary.keys().map(String::as_str).collect();
    let all = [
        "create",
        "adopt",
        "update",
        "deactivate",
        "reactivate",
        "delete",
        "group_create",
        "group_adopt",
        "group_update",
        "group_delete",
        "member_add",
        "member_remove",
    ];
    assert_eq!(names, BTreeSet::from(all));
    assert_eq!(plan["format"], "manntall-plan/1");
    assert_eq!(plan["complete"], true);

    let done = site.run(&["sync", "--json"]).expect(0).json();
    for (action, count) in summary {
        let done = done["done"][action].as_u64().unwrap_or(0);
        assert_eq!(done, count.as_u64().unwrap(), "{action}");
    }
    let employees: BTreeSet<String> = site.employees().into_iter().map(|(_, name)| name).collect();
    assert_eq!(site.active(), employees);
    let plan = site.run(&["plan", "--json", "--detailed-exitcode"]).expect(0).json();
    assert_eq!(changes(&plan).len(), 0);
}

#[test]
fn plan_changes_nothing_in_the_state_and_sends_no_write() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.ask("POST", "events?count=20&seed=7", &Value::Null);
    let digest = || {
        let open = manntall::store::open(&site.state(), manntall::store::OpenMode::MustExist);
        open.unwrap().digest().unwrap()
    };
    let (before, writes) = (digest(), site.writes());
    site.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert_eq!(digest(), before);
    assert_eq!(site.writes(), writes);
}

#[test]
fn each_change_names_its_person_its_cause_and_its_values() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, name) = site.employees().swap_remove(3);
    site.happen(&json!({
        "event": "rename", "user": id, "surname": "Nordmann", "display_name": "Kari Nordmann"
    }));
    let plan = site.run(&["plan", "--json", "--reveal"]).expect(0).json();
    let [change] = changes(&plan).as_slice() else { panic!("one change: {plan}") };
    assert_eq!(change["action"], "update");
    assert_eq!(change["kind"], "user");
    assert_eq!(change["key"], format!("asker/{id}"));
    assert_eq!(change["name"], name);
    assert_eq!(change["after"]["displayName"], "Kari Nordmann");
    assert_eq!(change["after"]["name.familyName"], "Nordmann");
    assert_ne!(change["before"]["displayName"], "Kari Nordmann");
    assert_eq!(change["held"], Value::Null);
    let (_, another) = site.employees().swap_remove(4);
    let other = site.run(&["plan", "--json", "--person", &another]).expect(0).json();
    assert_eq!(changes(&other).len(), 0);
    // Whoever is misspelt has no plan, not an empty one.
    let nobody = site.run(&["plan", "--json", "--person", "nobody@example.no"]).expect(1);
    assert!(nobody.talk.contains("nobody is known as"), "{}", nobody.talk);
    let same = site.run(&["plan", "--json", "--person", &name.to_uppercase()]).expect(0).json();
    assert_eq!(changes(&same).len(), 1);
}

#[test]
fn two_groups_of_one_name_are_told_before_they_collide() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let said = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let warning = "Warning: 2 groups would be called";
    assert!(!said(&site.run(&["plan"]).expect(0).data).contains(warning));
    let truth = site.ask("GET", "truth", &Value::Null);
    let groups = truth["groups"].as_array().unwrap().iter().filter(|one| one["state"] == "live");
    let name = |one: &Value| one["properties"]["displayName"].as_str().unwrap().to_owned();
    let groups: Vec<_> = groups.filter(|one| name(one).starts_with("PLT ")).collect();
    let same = name(groups[0]).to_uppercase();
    site.happen(&json!({ "event": "rename_group", "group": groups[1]["id"], "name": same }));
    let plan = site.run(&["plan"]).expect(0);
    assert!(said(&plan.data).contains(warning), "{}", plan.data);
    let plan = site.run(&["plan", "--json"]).expect(0).json();
    let keys = plan["targets"]["platform"]["same_names"][0]["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
}

#[test]
fn a_saved_plan_is_shown_and_applied_as_it_stands() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let employees = site.employees();
    let title = |at: usize, text: &str| {
        let (id, _) = &employees[at];
        json!({ "event": "set_property", "user": id, "name": "jobTitle", "value": text })
    };
    site.happen(&title(0, "Rektor"));
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    site.run(&["plan", "--out", file]).expect(0);
    let closed = site.run(&["show", file, "--reveal"]).expect(1);
    assert!(closed.talk.contains("manntall plan --reveal --out FILE"), "{}", closed.talk);
    let there = site.run(&["plan", "--out", file, "--reveal"]).expect(1);
    assert!(there.talk.contains("exists already"), "{}", there.talk);
    site.run(&["plan", "--out", file, "--reveal", "--force"]).expect(0);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let masked = site.run(&["show", file]).expect(0);
    assert!(masked.data.contains("title: ••• → •••"), "{}", masked.data);
    let shown = site.run(&["show", file, "--reveal"]).expect(0);
    assert!(shown.data.contains("\"Rektor\""), "{}", shown.data);
    assert!(shown.data.contains(&format!("Apply: manntall apply {file}")), "{}", shown.data);

    // Another person's change does not make the plan stale, and is left alone.
    site.happen(&title(1, "Lærer"));
    let done = site.run(&["apply", file, "--json"]).expect(0).json();
    assert_eq!(done["done"], json!({ "update": 1 }));
    let plan = site.run(&["plan", "--json", "--reveal"]).expect(0).json();
    let [left] = changes(&plan).as_slice() else { panic!("one change is left: {plan}") };
    assert_eq!(left["after"]["title"], "Lærer");

    // The same person's change does.
    site.run(&["plan", "--out", file, "--force"]).expect(0);
    site.happen(&title(1, "Vaktmester"));
    let writes = site.writes();
    let stale = site.run(&["apply", file]).expect(5);
    assert!(stale.talk.contains("stale"), "{}", stale.talk);
    assert_eq!(site.writes(), writes);
}

#[test]
fn a_name_cannot_act_on_the_terminal() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, _) = site.employees().swap_remove(0);
    site.happen(&json!({
        "event": "rename", "user": id, "surname": "x",
        "display_name": "\u{1b}[2J\u{202e}evil\u{7}\r\n"
    }));
    let plan = site.run(&["plan", "--color", "never", "--reveal"]).expect(0);
    assert!(plan.data.contains("evil"), "{}", plan.data);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!plan.data.contains(acts), "{:?}", plan.data);
}

#[test]
fn a_plan_that_was_saved_before_there_was_a_state_is_applied_as_it_stands() {
    let site = Site::new();
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    let shown = site.run(&["plan", "--json", "--out", file]).expect(0).data;
    assert!(!site.state().exists(), "a plan makes no state");
    assert!(!shown.contains("digest_key"), "it is in the file alone");
    site.run(&["apply", file]).expect(0);
    assert_eq!(site.active().len(), site.employees().len());
}
