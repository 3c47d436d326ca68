//! `state` and `audit`: the store is copied, put back, begun anew, and its journal holds.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::site::Site;

fn writes_of(site: &Site, kind: &str) -> u64 {
    site.ask("GET", "requests", &Value::Null)["scim"][kind].as_u64().unwrap_or(0)
}

#[test]
fn a_backup_of_any_age_is_put_back_without_harm() {
    let site = Site::new();
    let file = site.path("backup.ndjson");
    let file = file.to_str().unwrap();
    site.run(&["state", "info"]).expect(10);
    site.run(&["sync"]).expect(0);
    site.run(&["state", "verify"]).expect(0);
    site.run(&["state", "backup", file]).expect(0);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = site.run(&["state", "backup", file]).expect(1);
    assert!(again.talk.contains("exists"), "{}", again.talk);
    site.disable(1);
    site.run(&["sync"]).expect(0);
    let later = site.disable(1).remove(0);
    let (active, created) = (site.active(), writes_of(&site, "POST users"));

    let refused = site.run(&["state", "restore", file]).expect(1);
    assert!(refused.talk.contains("--move-aside"), "{}", refused.talk);
    let restored = site.run(&["state", "restore", file, "--move-aside"]).expect(0);
    assert!(restored.talk.contains("ownership.inactive"), "{}", restored.talk);
    let info = site.run(&["state", "info", "--json"]).expect(0).json();
    assert!(info["recovery"].as_str().unwrap().contains("backup"), "{info}");
    assert!(site.run(&["status"]).expect(0).data.contains("in doubt"));
    site.run(&["sync"]).expect(0);

    let mut expected = active;
    expected.remove(&later);
    assert_eq!(site.active(), expected);
    assert_eq!(writes_of(&site, "POST users"), created, "nobody was made a second time");
    let info = site.run(&["state", "info", "--json"]).expect(0).json();
    assert_eq!((&info["recovery"], &info["witness"]), (&Value::Null, &"agrees".into()));
    site.run(&["state", "verify"]).expect(0);
    site.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_was_ordered_after_the_backup_and_is_lost_is_held_and_told() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let file = site.path("backup.ndjson");
    let file = file.to_str().unwrap();
    site.run(&["state", "backup", file]).expect(0);
    let name = site.active().first().unwrap().clone();
    site.run(&["deactivate", &name, "--reason", "ticket 4711"]).expect(0);
    assert!(!site.active().contains(&name));
    // Nothing is left that knows of it.
    std::fs::remove_dir_all(site.state()).unwrap();
    site.run(&["state", "restore", file]).expect(0);
    site.run(&["resume"]).expect(0);
    let ended = site.run(&["sync"]);
    assert!(!site.active().contains(&name), "{}", ended.talk);
    for (arguments, told) in [
        (&["holds"][..], "ownership.inactive"),
        (&["status"], "made inactive there by somebody else, and left so: 1"),
        (&["plan"], "ownership.inactive"),
        (&["explain", &name], "ownership.inactive"),
    ] {
        let said = site.run(arguments);
        assert!(said.data.contains(told), "{arguments:?}: {}{}", said.data, said.talk);
    }
}

#[test]
fn a_spoilt_backup_is_refused_before_anything_is_touched() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let file = site.path("backup.ndjson");
    site.run(&["state", "backup", file.to_str().unwrap()]).expect(0);
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let spoilt = [
        lines[..lines.len() - 1].join("\n"),
        [&lines[..3], &lines[4..]].concat().join("\n"),
        whole.replacen("\"v\":\"A", "\"v\":\"B", 1),
        whole.replacen("manntall-backup/3", "manntall-backup/1", 1),
        String::new(),
    ];
    for text in spoilt.iter().filter(|text| **text != whole) {
        std::fs::write(&file, text).unwrap();
        let arguments = ["state", "restore", file.to_str().unwrap(), "--move-aside"];
        let ended = site.run(&arguments).expect(1);
        assert!(ended.talk.contains("no whole backup"), "{}", ended.talk);
        site.run(&["state", "verify"]).expect(0);
    }
}

#[test]
fn a_store_that_is_damaged_or_of_an_older_version_is_begun_anew_on_command_only() {
    for (field, value) in [("install_id", "of another store".into()), ("format", 1.into())] {
        let site = Site::new();
        site.run(&["sync"]).expect(0);
        site.run(&["state", "rebuild"]).expect(1);
        let witness = site.state().join("witness.json");
        let text = std::fs::read_to_string(&witness).unwrap();
        let mut words: Value = serde_json::from_str(&text).unwrap();
        words[field] = value;
        std::fs::write(&witness, words.to_string()).unwrap();
        for command in [&["sync"][..], &["status"], &["state", "verify"], &["state", "info"]] {
            let ended = site.run(command).expect(13);
            assert!(ended.talk.contains("manntall state rebuild"), "{}", ended.talk);
            assert_eq!(ended.talk.contains("older version"), field == "format");
        }
        let (active, writes) = (site.active(), site.writes());
        let rebuilt = site.run(&["state", "rebuild"]).expect(0);
        assert!(rebuilt.talk.contains("deactivations by hand"), "{}", rebuilt.talk);
        site.run(&["sync"]).expect(0);
        assert_eq!(site.active(), active);
        assert_eq!(site.writes(), writes, "everything was found as it should be");
        let aside = std::fs::read_dir(site.state()).unwrap().flatten();
        let aside = aside.filter(|one| one.file_name().to_string_lossy().starts_with("aside-"));
        assert_eq!(aside.count(), 1);
    }
}

#[test]
fn every_write_and_decision_is_in_the_journal_and_the_journal_holds() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.disable(12);
    site.run(&["sync"]).expect(4);
    let holds = site.run(&["holds", "--json"]).expect(0).json();
    let id = holds["holds"][0]["id"].as_str().unwrap().to_owned();
    site.run(&["approve", &id]).expect(0);
    site.run(&["sync"]).expect(0);

    let export = site.run(&["audit", "export"]).expect(0);
    let lines: Vec<Value> =
        export.data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count() as u64;
    assert_eq!(of("create"), writes_of(&site, "POST users"));
    assert_eq!(of("deactivate"), 12);
    assert_eq!((of("hold"), of("approve")), (1, 1));
    let approval = lines.iter().find(|line| line["kind"] == "approve").unwrap();
    assert_eq!(approval["by"], "kari");
    for (_, name) in site.employees() {
        assert!(!export.data.contains(&name), "{name} is in the journal");
    }
    let ended = site.run(&["audit", "verify"]).expect(0);
    let head = ended.data.trim().trim_end_matches('.').rsplit(' ').next().unwrap().to_owned();
    site.run(&["audit", "verify", "--head", &head]).expect(0);
    let (number, hash) = head.split_once(':').unwrap();
    let other = format!("{number}:{}", hash.replace(['a', 'b', 'c'], "0").replacen('1', "2", 1));
    site.run(&["audit", "verify", "--head", &other]).expect(13);
    let ahead = format!("{}:{hash}", number.parse::<u64>().unwrap() + 1);
    let ended = site.run(&["audit", "verify", "--head", &ahead]).expect(13);
    assert!(ended.talk.contains("cut off"), "{}", ended.talk);
    site.run(&["audit", "verify", "--head", "nonsense"]).expect(64);
}

#[test]
fn a_backup_of_another_installation_is_not_put_back_unasked() {
    let (site, other) = (Site::new(), Site::new());
    let backup = site.path("other.backup");
    let file = backup.to_str().unwrap();
    other.run(&["sync"]).expect(0);
    other.run(&["state", "backup", file]).expect(0);
    site.run(&["sync"]).expect(0);
    let info = || site.run(&["state", "info"]).expect(0).data;
    let before = info();
    let refused = site.run(&["state", "restore", file, "--move-aside"]).expect(1);
    let words = ["Failed: the backup is of another installation", "--other-identity"];
    for words in words.iter().chain([&other.said("scim_url"), &site.said("scim_url")]) {
        assert!(refused.talk.contains(words), "{words}: {}", refused.talk);
    }
    // Whatever flag is missing, the proposed command has all that it takes.
    let whole = format!("manntall state restore {file} --move-aside --other-identity");
    for flags in [&[][..], &["--move-aside"], &["--other-identity"]] {
        let refused = site.run(&[&["state", "restore", file][..], flags].concat()).expect(1);
        assert!(refused.talk.contains(&whole), "{flags:?}: {}", refused.talk);
    }
    assert_eq!(info(), before, "nothing was moved");
    let restored = site.run(&["state", "restore", file, "--move-aside", "--other-identity"]);
    let restored = restored.expect(0);
    assert!(restored.talk.contains("of another installation"), "{}", restored.talk);
    assert!(restored.talk.contains("manntall resume"), "{}", restored.talk);
}

#[test]
fn what_is_wrong_with_a_path_is_said_of_that_path() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let file = site.path("missing").join("backup");
    let refused = site.run(&["state", "backup", file.to_str().unwrap()]).expect(1);
    let folder = format!("Failed: there is no folder {}", site.path("missing").display());
    assert!(refused.talk.starts_with(&folder), "{}", refused.talk);
    assert!(!refused.talk.contains("store"), "{}", refused.talk);
    let lost = site.path("lost.backup");
    let lost = lost.to_str().unwrap();
    let refused = site.run(&["state", "restore", lost, "--move-aside"]).expect(1);
    let said = format!("Failed: the backup {lost} cannot be read:");
    assert!(refused.talk.starts_with(&said), "{}", refused.talk);
    assert!(!refused.talk.contains("store"), "{}", refused.talk);
    std::fs::rename(site.state(), site.path("kept")).unwrap();
    std::fs::write(site.state(), "").unwrap();
    let refused = site.run(&["sync"]).expect(1);
    assert!(refused.talk.contains("service.state_dir"), "{}", refused.talk);
    assert!(refused.talk.contains("which is a file"), "{}", refused.talk);
}
