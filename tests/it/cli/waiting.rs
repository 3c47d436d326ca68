//! Whoever waits until Entra has told what must be known is told of by each command that is asked.

use serde_json::json;

use super::site::Site;

const NEWCOMER: &str = "00000000-0000-0000-0000-000000000900";

#[test]
fn whoever_waits_for_entra_is_told_of_by_each_command() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.happen(&json!({ "event": "hire", "user": NEWCOMER, "manager": null, "properties": {
        "userPrincipalName": "ny@asker.example.no", "displayName": "Ny Nordmann",
        "givenName": "Ny", "surname": "Nordmann", "accountEnabled": null, "userType": "Member"
    } }));
    let leaver = site.disable(1).remove(0);
    let ended = site.run(&["sync"]).expect(3);
    assert!(ended.data.starts_with("Done: 1 deactivate"), "{leaver}: {}", ended.data);
    assert!(ended.data.contains("Stuck: 1; why: manntall stuck"), "{}", ended.data);

    let ended = site.run(&["status"]).expect(0);
    assert!(ended.data.starts_with("Degraded") && !ended.data.contains("no usable answer"));
    assert!(ended.data.contains("1 person or group waits until Entra"), "{}", ended.data);
    let target = &site.run(&["status", "--json"]).expect(0).json()["targets"]["platform"];
    assert_eq!((&target["waiting"], &target["stuck"]), (&json!(1), &json!(1)));
    let ended = site.run(&["status", "--check"]).expect(1);
    assert!(ended.data.contains("'platform stuck'=1"), "{}", ended.data);

    let stuck = site.run(&["stuck", "--json"]).expect(0).json();
    assert!(stuck["stuck"][0]["key"].as_str().unwrap().ends_with(NEWCOMER), "{stuck}");
    assert!(stuck["stuck"][0]["reason"].as_str().unwrap().contains("accountEnabled"), "{stuck}");

    let plan = site.run(&["plan", "--json"]).expect(0).json();
    let deferred = &plan["targets"]["platform"]["deferred"];
    assert!(deferred[0]["key"].as_str().unwrap().ends_with(NEWCOMER), "{plan}");
    let ended = site.run(&["plan"]).expect(0);
    assert!(!ended.data.contains("as it should be"), "{}", ended.data);

    let ended = site.run(&["retry", NEWCOMER]).expect(0);
    let said = format!("{}{}", ended.data, ended.talk);
    assert!(said.contains("this waits for Entra") && said.contains("accountEnabled"), "{said}");
}
