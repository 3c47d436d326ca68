//! What is held, what is stuck, and what people say about it.

use serde_json::{Value, json};

use super::control::{serve, stop};
use super::site::{Ended, Site};

fn only_hold(site: &Site) -> Value {
    let mut holds = site.run(&["holds", "--json"]).expect(0).json();
    let list = holds["holds"].as_array_mut().unwrap();
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

#[test]
fn an_accident_is_held_until_somebody_approves_exactly_it() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    let victims = site.disable(10);
    let plan = site.run(&["plan", "--json"]).expect(0).json();
    site.run(&["sync"]).expect(4);
    assert_eq!(site.active(), before, "nobody is lost");

    let hold = only_hold(&site);
    assert_eq!(hold["guard"], "budget.deactivate");
    assert_eq!(hold["count"], 10);
    assert_eq!(hold["id"], plan["targets"]["platform"]["held"][0]["id"], "the plan said so");
    let id = hold["id"].as_str().unwrap();
    site.run(&["approve", "abc"]).expect(64);
    site.run(&["approve", "0000"]).expect(1);
    site.run(&["approve", id, "--except", "nobody@example.no"]).expect(1);
    site.run(&["sync"]).expect(4);
    assert_eq!(site.active(), before);

    let said = site.run(&["approve", &id[..4], "--except", &victims[0]]).expect(0);
    assert!(said.talk.contains("kari approved 9"), "{}", said.talk);
    let line = |begin: &str| {
        let lines = said.talk.lines().filter(|line| line.contains(begin));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(victims[1..].iter().all(|name| line("Approved: ").contains(name)), "{}", said.talk);
    assert!(line("1 stays held: ").contains(&victims[0]), "{}", said.talk);
    site.run(&["sync"]).expect(4);
    let active = site.active();
    assert!(active.contains(&victims[0]), "spared");
    assert_eq!(active.len(), before.len() - 9);
    let history = site.run(&["explain", &victims[1], "--json"]).expect(0).json();
    let last = history["history"].as_array().unwrap().iter();
    let mut last = last.filter(|line| line["action"] == "deactivate");
    assert_eq!(last.next().unwrap()["approved_by"], "kari");

    let rest = only_hold(&site);
    assert_eq!(rest["count"], 1);
    site.run(&["reject", rest["id"].as_str().unwrap()]).expect(0);
    let told = |status: Ended| {
        let said = status.data.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = "rejected, and not made: 1, 1 of them a departure: that account stays active; see: \
                     manntall holds";
        assert!(said.contains(words), "{}", status.data);
    };
    told(site.run(&["status"]).expect(0));
    site.run(&["sync"]).expect(0);
    assert!(site.active().contains(&victims[0]), "rejected");
    told(site.run(&["status"]).expect(0));
    let rejected = site.run(&["status", "--json"]).expect(0).json();
    let rejected = &rejected["targets"]["platform"]["rejected"];
    assert_eq!(*rejected, json!({ "changes": 1, "departures": 1 }));
}

#[test]
fn what_is_approved_is_shown_and_can_be_taken_back_until_it_is_made() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    let victims = site.disable(10);
    site.run(&["sync"]).expect(4);
    let hold = only_hold(&site);
    let id = hold["id"].as_str().unwrap();
    site.run(&["approve", id, "--until", "400d"]).expect(64);
    site.run(&["approve", id, "--until", "2099-01-01"]).expect(64);
    site.run(&["approve", id, "--until", "soon"]).expect(64);
    site.run(&["approve", id, "--except", &victims[0]]).expect(0);

    // Who is to leave by it is not out, and nobody says that there is nothing to do.
    let check = site.run(&["status", "--check"]);
    assert!(check.data.contains("leaving'=9"), "{}", check.data);
    assert!(check.data.contains("pending'=9"), "{}", check.data);
    let stuck = site.run(&["stuck", "--json"]).json();
    let leaving = stuck["leaving"].as_array().unwrap();
    assert_eq!(leaving.len(), 9, "{stuck}");
    assert_eq!(leaving[0]["reason"], "approved, waits for the next sync");

    // Who waits comes first, and is told from who is approved.
    let changes = only_hold(&site)["changes"].as_array().unwrap().clone();
    let words: Vec<&Value> = changes.iter().map(|change| &change["word"]).collect();
    assert_eq!(words[..2], ["waits", "approved"], "{words:?}");
    let shown = site.run(&["holds"]).expect(0).data;
    assert!(shown.contains("  waits:\n") && shown.contains("  approved:\n"), "{shown}");
    let status = site.run(&["status", "--json"]).expect(0).json();
    let approved = &status["approved"][0];
    assert_eq!((&approved["hold"], &approved["count"]), (&hold["id"], &json!(9)), "{status}");
    let next = |site: &Site| {
        let facts = site.run(&["explain", &victims[1], "--json"]).expect(0).json();
        facts["next"].to_string()
    };
    assert!(next(&site).contains("approved, to be made by"), "{}", next(&site));

    let said = site.run(&["reject", id]).expect(0);
    assert!(said.talk.contains("rejected 9 changes"), "{}", said.talk);
    assert!(said.talk.contains("1 waits for a word still"), "{}", said.talk);
    assert!(next(&site).contains("rejected by kari"), "{}", next(&site));
    assert!(!next(&site).contains("to be done by"), "{}", next(&site));
    site.run(&["sync"]).expect(4);
    assert_eq!(site.active(), before, "taken back");
    let changes = only_hold(&site)["changes"].as_array().unwrap().clone();
    let words: Vec<&Value> = changes.iter().map(|change| &change["word"]).collect();
    assert_eq!(words[..2], ["waits", "rejected"], "who was undecided is so still: {words:?}");
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["approved"], json!([]));
}

#[test]
fn an_approval_covers_what_waits_and_what_was_rejected_only_when_that_is_said() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    let victims = site.disable(10);
    site.run(&["sync"]).expect(4);
    let id = only_hold(&site)["id"].as_str().unwrap().to_owned();
    site.run(&["approve", &id, "--rejected"]).expect(1);
    site.run(&["approve", &id, "--except", &victims[0], &victims[1]]).expect(0);
    site.run(&["reject", &id]).expect(0);
    let said = site.run(&["approve", &id, "--except", &victims[1], &victims[2]]).expect(0).talk;
    assert!(said.contains("kari approved 1 change of"), "{said}");
    for words in [
        format!("1 stays held: {}", victims[1]),
        format!("1 stays rejected: {}", victims[2]),
        format!(
            "8 of this hold are rejected, and stay so; make them after all with: manntall approve {id}"
        ),
    ] {
        let said = said.replace(|one| "()".contains(one), "");
        let name = words.rsplit(' ').next().unwrap();
        let begin = words.trim_end_matches(name).trim_end();
        assert!(said.contains(begin) && said.contains(name), "{words}: {said}");
    }
    site.run(&["sync"]).expect(4);
    assert_eq!(site.active().len(), before.len() - 1);
    assert!(!site.active().contains(&victims[0]), "what waited is made, and nothing else");

    // Held is what waits for a word, wherever that is counted.
    let counted = |counts: [u64; 2], guards: Value, mark: &str| {
        let hold = only_hold(&site);
        assert_eq!([&hold["count"], &hold["rejected"]], counts, "{hold}");
        let status = site.run(&["status", "--json"]).expect(0).json();
        let target = &status["targets"]["platform"];
        let rejected = &target["rejected"]["changes"];
        assert_eq!([&target["held"], rejected], counts, "{target}");
        assert_eq!(target["guards"], guards);
        let shown = site.run(&["holds"]).expect(0).data;
        assert!(shown.starts_with(mark), "{shown}");
    };
    counted([1, 8], json!(["budget.deactivate"]), "! held");
    let flat = site.run(&["status"]).expect(0).data;
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!flat.contains("ended well"), "{flat}");
    assert!(flat.contains("; it left what waits for somebody's word (4);"), "{flat}");

    let id = only_hold(&site)["id"].as_str().unwrap().to_owned();
    site.run(&["reject", &id]).expect(0);
    counted([0, 9], json!([]), "! rejected");
    let planned = site.run(&["plan"]).expect(0).data;
    assert!(planned.contains("All of it is rejected"), "{planned}");
    let said = site.run(&["approve", &id]).expect(1).talk;
    assert!(said.contains("9 are rejected") && said.contains("--rejected"), "{said}");
    let shown = site.run(&["holds"]).expect(0).data;
    assert!(shown.contains(&format!("manntall approve {id} --rejected")), "{shown}");
    let said = site.run(&["approve", &id, "--rejected"]).expect(0).talk;
    assert!(said.contains("kari approved 9 changes"), "{said}");
    let shown = site.run(&["holds"]).expect(0).data;
    assert!(shown.contains(&format!("manntall reject {id}")), "{shown}");
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active().len(), before.len() - 10);
}

#[test]
fn what_is_rejected_is_called_so_and_is_no_reason_to_wait() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let victims = site.disable(10);
    site.run(&["sync"]).expect(4);
    let id = only_hold(&site)["id"].as_str().unwrap().to_owned();
    let planned = site.run(&["plan"]).expect(0).data;
    assert!(planned.contains(&format!("! held {id}")), "{planned}");
    site.run(&["reject", &id]).expect(0);
    let planned = site.run(&["plan"]).expect(0).data;
    assert!(planned.contains(&format!("! rejected {id}")), "{planned}");
    assert!(!planned.contains("! held"), "{planned}");
    let facts = site.run(&["explain", &victims[0], "--json"]).expect(0).json();
    let next = facts["next"].to_string();
    assert!(next.contains(&format!("manntall approve {id} --rejected")), "{next}");
    assert_eq!(facts["pending"][0]["rejected"], true, "{facts}");
    let told = site.run(&["explain", &victims[0]]).expect(0).data;
    assert!(told.contains("rejected") && !told.contains("! held"), "{told}");
    site.run(&["pause", "--reason", "maintenance"]).expect(0);
    site.run(&["sync"]).expect(0);
}

#[test]
fn a_leaver_is_not_stuck_behind_a_hold() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.disable(10);
    site.run(&["sync"]).expect(4);
    let leaver = site.disable(1).remove(0);
    site.run(&["sync"]).expect(4);
    assert!(!site.active().contains(&leaver));
}

#[test]
fn a_saved_plan_leaves_what_it_holds_held() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    site.disable(10);
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    site.run(&["plan", "--out", file]).expect(0);
    site.run(&["apply", file]).expect(4);
    assert_eq!(site.active(), before);
    let hold = only_hold(&site);
    site.run(&["approve", hold["id"].as_str().unwrap()]).expect(0);
    site.run(&["apply", file]).expect(0);
    assert_eq!(site.active().len(), before.len() - 10);
}

#[test]
fn what_the_platform_refuses_is_stuck_until_it_is_tried_again() {
    let site = Site::new();
    let (id, name) = site.employees().swap_remove(2);
    site.break_down(&json!({
        "scim": { "refuse_users": [{ "attribute": "userName", "contains": name, "status": 400 }] }
    }));
    let others = site.employees().len() - 1;
    site.run(&["sync"]).expect(3);
    assert_eq!(site.active().len(), others, "everybody else is there");
    let stuck = site.run(&["stuck", "--json"]).expect(0).json();
    let list = stuck["stuck"].as_array().unwrap();
    assert_eq!(list.len(), 1, "{stuck}");
    assert_eq!(list[0]["key"], format!("asker/{id}"));
    let reason = list[0]["reason"].as_str().unwrap();
    assert!(!reason.contains(&name), "the platform's words hold personal data: {reason}");

    let plan = site.run(&["plan", "--json"]).expect(0).json();
    let deferred = plan["targets"]["platform"]["deferred"].as_array().unwrap();
    let why = |one: &Value| one["why"].as_str().unwrap().starts_with("stuck, tried again after ");
    let about = |one: &Value| one["key"] == list[0]["key"] && one["action"] == "create";
    assert!(deferred.iter().any(|one| about(one) && why(one)), "{plan}");

    // The service says since when it is stuck, and not since when it runs.
    let service = serve(&site);
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["verdict"], &status["since"]), (&json!("degraded"), &list[0]["since"]));
    stop(service);

    site.break_down(&json!({ "scim": {} }));
    site.run(&["sync"]).expect(3);
    site.run(&["retry", &name]).expect(0);
    site.run(&["sync"]).expect(0);
    assert!(site.active().contains(&name));
    assert_eq!(site.run(&["stuck", "--json"]).expect(0).json(), json!({ "stuck": [] }));
}

#[test]
fn existing_accounts_are_adopted_only_when_few_or_approved() {
    let site = Site::with(&["--users", "60", "--seed-platform", "20"], "");
    let plan = site.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(plan["targets"]["platform"]["summary"]["adopt"], 20);
    site.run(&["sync"]).expect(4);
    let hold = only_hold(&site);
    assert_eq!(hold["guard"], "adopt");
    site.run(&["approve", hold["id"].as_str().unwrap()]).expect(0);
    site.run(&["sync"]).expect(0);
    let platform = site.ask("GET", "platform", &Value::Null);
    let users = platform["users"].as_array().unwrap();
    assert_eq!(users.len(), site.employees().len(), "no duplicates");
    assert!(users.iter().all(|user| user["externalId"].is_string()));
}

#[test]
fn explain_answers_by_name_id_and_key() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, name) = site.employees().swap_remove(0);
    for way in [name.clone(), id.to_uppercase(), format!("asker/{id}")] {
        let facts = site.run(&["explain", &way, "--json", "--reveal"]).expect(0).json();
        assert_eq!(facts["person"], format!("asker/{id}"));
        assert_eq!(facts["standing"], "in");
        assert_eq!(facts["account"]["state"], "active");
        let attributes = facts["attributes"].as_array().unwrap().iter();
        let mut login = attributes.filter(|one| one["path"] == "userName");
        let login = login.next().unwrap();
        assert_eq!(login["expression"], "person.userPrincipalName");
        assert_eq!(login["value"], name);
        assert_eq!(login["sent"], name);
    }
    let shown = site.run(&["explain", &name]).expect(0);
    assert!(shown.data.contains("History"), "{}", shown.data);
    site.run(&["explain", "nobody@example.no"]).expect(1);
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["verdict"], "idle");
    assert_eq!(status["targets"]["platform"]["active"], site.employees().len());
}
