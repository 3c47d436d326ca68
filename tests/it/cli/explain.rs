//! `explain` says where every value comes from, since when things are as they are, and what to do.

use serde_json::{Value, json};

use super::control::{only_hold, serve, stop};
use super::site::Site;

fn explained(site: &Site, person: &str) -> Value {
    site.run(&["explain", person, "--json", "--reveal"]).expect(0).json()
}

fn attribute<'a>(facts: &'a Value, path: &str) -> &'a Value {
    let all = facts["attributes"].as_array().unwrap();
    all.iter().find(|one| one["path"] == path).unwrap()
}

fn next(facts: &Value) -> String {
    let steps = facts["next"].as_array().unwrap().iter();
    steps.map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_value_names_its_line_its_source_and_when_it_was_sent() {
    let site = Site::new();
    site.configure("\n[targets.platform.account]\ntitle = 'person.department | lower'\n");
    site.run(&["sync"]).expect(0);
    let (id, name) = site.employees().swap_remove(0);
    let facts = explained(&site, &name);
    let key = format!("asker/{id}");
    let text = std::fs::read_to_string(site.config()).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("title = ")).unwrap();

    let title = attribute(&facts, "title");
    assert_eq!(title["expression"], "person.department | lower");
    let written = title["written"].as_str().unwrap();
    assert!(written.ends_with(&format!("manntall.toml line {line}")), "{written}");
    let department = title["from"][0]["value"].as_str().unwrap();
    assert_eq!(
        title["from"],
        json!([{ "user": key, "property": "department", "value": department }])
    );
    assert_eq!(title["value"], department.to_lowercase());
    assert_eq!(title["sent"], title["value"]);
    let login = attribute(&facts, "userName");
    assert_eq!(login["written"], "default mapping");
    assert_eq!(attribute(&facts, "externalId")["written"], Value::Null, "set by Manntall itself");
    let created = &facts["history"][0];
    assert_eq!(created["action"], "create");
    assert_eq!((&facts["account"]["since"], &title["sent_at"]), (&created["at"], &created["at"]));
    let properties: Vec<_> =
        facts["because"].as_array().unwrap().iter().map(|one| one["property"].clone()).collect();
    assert_eq!(properties, ["accountEnabled", "userType"], "what the scope reads");
    assert!(next(&facts).contains("nothing"), "{facts}");

    let masked = site.run(&["explain", &name]).expect(0).data;
    assert!(masked.contains(&format!("from department of {key}: •••")), "{masked}");
    assert!(masked.contains("title: •••") && masked.contains("sent "), "{masked}");
    let shown = site.run(&["explain", &name, "--reveal"]).expect(0).data;
    for words in [
        format!("= person.department | lower ({written})"),
        format!("from department of {key}: \"{department}\""),
        "account       active since ".to_owned(),
        "sent ".to_owned(),
        format!("accountEnabled of {key}: true"),
        "Next\n  nothing: all is as it should be".to_owned(),
    ] {
        assert!(shown.contains(&words), "{words}\n{shown}");
    }
}

#[test]
fn whatever_keeps_a_person_from_being_right_is_followed_by_what_helps() {
    let site = Site::new();
    let people = site.employees();
    let (id, refused) = people[3].clone();
    site.break_down(&json!({
        "scim": { "refuse_users": [{ "attribute": "userName", "contains": refused, "status": 400 }] }
    }));
    site.run(&["sync"]).expect(3);
    let facts = explained(&site, &refused);
    assert!(next(&facts).contains(&format!("manntall retry asker/{id}")), "{facts}");
    site.break_down(&json!({ "scim": {} }));
    site.run(&["retry"]).expect(0);
    site.run(&["sync"]).expect(0);

    // The service says the same.
    let service = serve(&site);
    let by_hand = &people[4];
    for _ in 0..2 {
        let said = site.run(&["deactivate", &by_hand.1, "--reason", "ticket 4711"]).expect(0);
        let name = format!(" ({}): the account is deactivated", by_hand.1);
        assert!(said.talk.contains(&name), "{}", said.talk);
    }
    let facts = explained(&site, &by_hand.1);
    let lift = format!("manntall deactivate asker/{} --lift", by_hand.0);
    assert!(next(&facts).contains(&lift), "{facts}");
    let mut history = facts["history"].as_array().unwrap().iter();
    let last = history.rfind(|line| line["action"] == "deactivate").unwrap();
    assert_eq!(facts["account"]["since"], last["at"]);
    let said = history.rfind(|line| line["action"] == "by_hand").unwrap();
    assert_eq!((&said["kind"], &said["reason"]), (&json!("decision"), &json!("ticket 4711")));
    let by = said["by"].as_str().unwrap();
    let shown = site.run(&["explain", &by_hand.1]).expect(0).data;
    assert!(shown.contains(&format!("  by_hand: ticket 4711, by {by}")), "{shown}");
    assert_eq!(
        shown.matches("  by_hand: ").count(),
        1,
        "an order that is repeated is one: {shown}"
    );
    // What is, and not what was wanted.
    assert!(shown.contains("  active: false"), "{shown}");
    assert!(!shown.contains(": is a member"), "{shown}");
    let of_today = |line: &&str| line.contains('T') && line.contains("Z:");
    assert_eq!(shown.lines().find(of_today), None, "one form of time: {shown}");

    let leaver = site.disable(12).remove(0);
    site.run(&["sync"]).expect(4);
    let hold = only_hold(&site);
    let facts = explained(&site, &leaver);
    assert!(next(&facts).contains(&format!("manntall approve {hold}")), "{facts}");
    assert_eq!(
        facts["because"][0],
        json!({
            "user": facts["person"], "property": "accountEnabled", "value": false
        })
    );

    site.run(&["pause"]).expect(0);
    let user = &people[20].0;
    site.happen(&json!({
        "event": "set_property", "user": user, "name": "jobTitle", "value": "Rektor"
    }));
    site.run(&["sync"]).expect(4);
    let facts = explained(&site, user);
    assert!(next(&facts).contains("manntall resume"), "{facts}");
    site.run(&["resume"]).expect(0);
    stop(service);
}
