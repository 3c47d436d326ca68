//! What takes the place of the state takes over what people have said to it; where nobody knows all of that,
//! nothing is written before somebody has looked.

use serde_json::{Value, json};

use super::site::Site;

/// The holds as `holds` shows them.
fn holds(site: &Site) -> Vec<Value> {
    let holds = site.run(&["holds", "--json"]).expect(0).json();
    holds["holds"].as_array().unwrap().clone()
}

#[test]
fn what_was_said_since_the_backup_outlives_the_restore() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let file = site.path("backup.ndjson");
    let file = file.to_str().unwrap();
    site.run(&["state", "backup", file]).expect(0);
    let ordered = site.employees().pop().unwrap().1;
    site.run(&["deactivate", &ordered, "--reason", "ticket 4711"]).expect(0);
    site.run(&["pause", "--reason", "month end"]).expect(0);
    let leaver = site.disable(1).remove(0);
    let active = site.active();
    let restored = site.run(&["state", "restore", file, "--move-aside"]).expect(0);
    for words in ["was taken over", "paused by kari", "month end"] {
        assert!(restored.talk.contains(words), "{words}: {}", restored.talk);
    }
    let ended = site.run(&["sync"]).expect(4);
    assert!(ended.talk.contains("month end"), "{}", ended.talk);
    assert_eq!(site.active(), active, "the leaver waits for the end of the pause");
    site.run(&["resume"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert!(!site.active().contains(&leaver) && !site.active().contains(&ordered));
    site.run(&["deactivate", &ordered, "--lift"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert!(site.active().contains(&ordered));
    site.run(&["state", "verify"]).expect(0);
}

#[test]
fn where_not_all_that_was_said_is_known_nothing_is_written_before_somebody_looks() {
    let cases = [
        ("none", "restore"),
        ("unreadable", "restore"),
        ("unreadable", "rebuild"),
        ("in doubt", "restore"),
        ("in doubt", "rebuild"),
    ];
    for (case, command) in cases {
        let site = Site::new();
        site.run(&["sync"]).expect(0);
        let file = site.path("backup.ndjson");
        let file = file.to_str().unwrap();
        site.run(&["state", "backup", file]).expect(0);
        let witness = site.state().join("witness.json");
        match case {
            "none" => std::fs::remove_dir_all(site.state()).unwrap(),
            "unreadable" => {
                let text = std::fs::read_to_string(&witness).unwrap();
                let mut words: Value = serde_json::from_str(&text).unwrap();
                words["install_id"] = json!("of another store");
                std::fs::write(&witness, words.to_string()).unwrap();
            }
            _ => std::fs::remove_file(&witness).unwrap(),
        }
        let leaver = site.disable(1).remove(0);
        let line = match (case, command) {
            (_, "rebuild") => vec!["state", "rebuild"],
            ("none", _) => vec!["state", "restore", file],
            _ => vec!["state", "restore", file, "--move-aside"],
        };
        let writes = site.writes();
        let restored = site.run(&line).expect(0);
        for words in ["Writing is paused", "manntall resume"] {
            assert!(restored.talk.contains(words), "{case}: {}", restored.talk);
        }
        let ended = site.run(&["sync"]).expect(4);
        for words in ["go on with: manntall resume", "is not known"] {
            assert!(ended.talk.contains(words), "{case}, {command}: {}", ended.talk);
        }
        let status = site.run(&["status"]).expect(0).data;
        assert!(status.contains("paused by kari since"), "{case}: {status}");
        assert_eq!(site.writes(), writes, "{case}, {command}: written while paused");
        assert!(site.active().contains(&leaver), "{case}");
        site.run(&["resume"]).expect(0);
        site.run(&["sync"]).expect(0);
        assert!(!site.active().contains(&leaver), "{case}");
        let journal = site.run(&["audit", "export"]).expect(0).data;
        for kind in ["pause", "restore", "resume"] {
            assert!(journal.contains(&format!("\"kind\":\"{kind}\"")), "{case}: no {kind}");
        }
    }
}

#[test]
fn a_state_that_is_begun_anew_knows_what_people_said_to_a_sound_one() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.disable(1);
    site.run(&["sync"]).expect(0);
    site.disable(12);
    site.run(&["sync"]).expect(4);
    let held = holds(&site);
    let id = held[0]["id"].as_str().unwrap();
    site.run(&["reject", id]).expect(0);
    let before = site.active();
    let rebuilt = site.run(&["state", "rebuild", "--anyway"]).expect(0);
    assert!(rebuilt.talk.contains("was taken over"), "{}", rebuilt.talk);
    for _ in 0..2 {
        site.run(&["sync"]).expect(0);
        assert_eq!(site.active(), before, "made although it was rejected");
        let held = holds(&site);
        assert_eq!((held[0]["id"].as_str(), &held[0]["rejected_by"]), (Some(id), &json!("kari")));
    }
    let status = site.run(&["status"]).expect(0).data;
    assert!(!status.contains("does not show whether accounts are active"), "{status}");
}

#[test]
fn the_first_plan_proposes_nothing_that_cannot_be_done_and_the_first_holds_keep_their_names() {
    let site = Site::with(&["--users", "60", "--seed-platform", "20"], "");
    let planned = site.run(&["plan"]).expect(0).data;
    assert!(planned.contains("! held"), "{planned}");
    assert!(!planned.contains("manntall approve"), "{planned}");
    assert!(planned.contains("before the first sync"), "{planned}");
    site.run(&["sync"]).expect(4);
    let first = holds(&site);
    for _ in 0..2 {
        site.run(&["sync"]).expect(4);
        assert_eq!(holds(&site), first);
    }
    let planned = site.run(&["plan"]).expect(0).data;
    assert!(planned.contains("manntall approve"), "{planned}");
}
