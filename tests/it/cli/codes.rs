//! Exit codes (design 4.3): scripts rest on them.

use std::os::unix::fs::PermissionsExt;

use super::site::Site;

#[test]
fn usage_is_64_and_help_is_0() {
    let site = Site::new();
    for wrong in [&["frobnicate"][..], &["plan", "--frobnicate"], &["approve"], &[]] {
        site.run(wrong).expect(64);
    }
    site.run(&["--help"]).expect(0);
    site.run(&["plan", "--help"]).expect(0);
    site.run(&["--version"]).expect(0);
    site.run(&["simulate", "--graph", "192.0.2.1:0"]).expect(64);
}

#[test]
fn without_state_the_questions_are_10() {
    let site = Site::new();
    for question in [
        &["status"][..],
        &["holds"],
        &["stuck"],
        &["retry"],
        &["explain", "kari@asker.example.no"],
        &["approve", "abcd"],
        &["reject", "abcd"],
    ] {
        let ended = site.run(question).expect(10);
        assert!(ended.talk.contains("manntall sync"), "says what to do: {}", ended.talk);
        assert!(!site.state().exists());
    }
}

#[test]
fn a_wrong_configuration_is_78_with_every_error_at_once() {
    let site = Site::new();
    site.run(&["check"]).expect(0);
    site.configure("requests_per_sekond = 5\nconcurrency = \"many\"");
    for command in ["check", "plan", "sync"] {
        let ended = site.run(&[command]).expect(78);
        assert!(ended.talk.contains("requests_per_second"), "suggests: {}", ended.talk);
        assert!(ended.talk.contains("concurrency"), "{}", ended.talk);
    }
    site.configure("");
    let token = site.path("platform.token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check", "plan", "sync"] {
        let ended = site.run(&[command]).expect(78);
        assert!(ended.talk.contains("chmod 600"), "{}", ended.talk);
    }
    assert!(!site.state().exists());
}

#[test]
fn refused_credentials_are_12() {
    let site = Site::new();
    site.secret("asker.secret", "wrong");
    let plan = site.run(&["plan", "--json"]).expect(12);
    assert_eq!(plan.json()["complete"], false);
    assert!(!plan.talk.contains("wrong\""), "{}", plan.talk);
    let failed = |command: &str, peer: &str| {
        let ended = site.run(&[command]).expect(12);
        let first = ended.data.lines().next().unwrap();
        assert_eq!(first, format!("Failed: {peer} refuses Manntall."), "{}", ended.data);
        for wrong in ["Done:", "no changes", "growing intervals", "in quarantine"] {
            let said = [&ended.data, &ended.talk].iter().any(|text| text.contains(wrong));
            assert!(!said, "{wrong}: {}{}", ended.data, ended.talk);
        }
        assert!(ended.talk.contains("manntall check --online"), "{}", ended.talk);
    };
    failed("sync", "tenant asker");
    failed("plan", "tenant asker");
    site.secret("asker.secret", site.said("client_secret"));
    site.secret("platform.token", "wrong");
    failed("sync", "the platform");
    failed("plan", "the platform");
}

#[test]
fn a_peer_that_cannot_be_reached_is_69() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    site.disable(1);
    site.break_down(&serde_json::json!({ "graph": { "html_page": true } }));
    let ended = site.run(&["plan", "--json"]).expect(69);
    assert_eq!(ended.json()["complete"], false);
    let failed = site.run(&["sync"]).expect(69);
    let first = "Failed: tenant asker gives no usable answer.\nUntil then: nothing was changed.";
    assert!(failed.data.starts_with(first), "{}", failed.data);
    assert!(!failed.talk.contains("quarantine"), "it refuses nobody: {}", failed.talk);
    assert_eq!(site.active(), before);
}

#[test]
fn a_held_store_is_11() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let held = manntall::store::open(&site.state(), manntall::store::OpenMode::MustExist).unwrap();
    for command in [&["sync"][..], &["plan"], &["status"], &["approve", "abcd"], &["run"]] {
        site.run(command).expect(11);
    }
    drop(held);
    site.run(&["status"]).expect(0);
}

#[test]
fn whoever_holds_the_state_is_named_with_what_helps() {
    let slow = "requests_per_second = 2";
    let site = Site::with(&["--users", "400", "--groups", "8", "--delay-ms", "1000"], slow);
    let mut sync = site.start(&["sync"]);
    let process = sync.0.id();
    let run = site.state().join("run.json");
    super::service::wait_until("the sync is at work", || run.exists());
    for command in [&["sync"][..], &["run"], &["stuck"], &["state", "rebuild"]] {
        let talk = site.run(command).expect(11).talk;
        let holder = format!("is held by a sync ({process}), which began 20");
        assert!(talk.replace('\n', " ").contains(&holder), "{talk}");
        assert!(talk.contains(&format!("kill {process}")) && !talk.contains("systemctl"), "{talk}");
    }
    sync.0.kill().unwrap();
    sync.0.wait().unwrap();
    // Who is not known is named by its number.
    let held = manntall::store::open(&site.state(), manntall::store::OpenMode::MustExist).unwrap();
    let talk = site.run(&["stuck"]).expect(11).talk;
    let holder = format!("is held by another process ({})", std::process::id());
    assert!(talk.replace('\n', " ").contains(&holder), "{talk}");
    assert!(talk.contains(&format!("ps -p {}", std::process::id())), "{talk}");
    drop(held);
}

#[test]
fn a_monitor_is_told_of_a_wrong_configuration_in_plain_words() {
    let site = Site::new();
    std::fs::write(site.config(), "[service]\npoll_intervall = \"1m\"\n").unwrap();
    let ended = site.run(&["status", "--check"]).expect(3);
    assert!(ended.data.starts_with("MANNTALL UNKNOWN - "), "{}", ended.data);
    assert!(ended.data.contains("manntall.toml:1:1: "), "{}", ended.data);
    assert!(ended.data.lines().count() == 1 && !ended.data.contains("u{1b}"), "{}", ended.data);
    // Nobody asks for colours through a pipe, whatever the terminal is.
    for arguments in [&["check"][..], &["status"], &["sync"], &["plan"]] {
        let ended = site.run(arguments).expect(78);
        let text = ended.data + &ended.talk;
        assert!(!text.contains(['\u{1b}', '\u{9b}']) && !text.contains("\\u{1b}"), "{text}");
    }
}

#[test]
fn an_attribute_that_scim_does_not_have_is_told_with_the_one_that_is_meant() {
    let site = Site::new();
    site.configure(
        "\n[targets.platform.account]\nuserNam = 'person.mail'\nnickName = 'person.givenName'\n\
         givenname = 'person.givenName'\nrole = '\"member\"'\n\"name.givenNam\" = 'person.givenName'\n\
         \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:departmnt\" = 'person.department'\n\
         \"urn:example:params:scim:schemas:extension:asker:2.0:User:departmnt\" = 'person.department'\n",
    );
    let told = site.run(&["check", "--json"]).expect(0).json();
    let told: Vec<&str> =
        told["warnings"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    for (wrong, right) in [
        ("userNam", "userName"),
        ("givenname", "name.givenName"),
        ("role", "roles"),
        ("name.givenNam", "name.givenName"),
        ("departmnt", enterprise),
    ] {
        let says = |one: &&&str| {
            one.contains(&format!("{wrong}`: SCIM has no"))
                && one.contains(&format!("did you mean `{right}`?"))
                && one.contains(" line ")
        };
        assert_eq!(told.iter().filter(says).count(), 1, "{wrong}: {told:?}");
    }
    assert_eq!(told.len(), 5, "{told:?}");
    let talk = site.run(&["check"]).expect(0).talk;
    assert_eq!(talk.matches("Warning: ").count(), 5, "{talk}");
}

#[test]
fn a_damaged_store_is_13() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let folders = [site.state()];
    let mut files = Vec::new();
    let mut open: Vec<_> = folders.into();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    let largest = files.iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    // Emptied: sled opens that without a word. It is compared with both sides, and made whole again.
    let accounts = site.active();
    let kept = std::fs::read(largest).unwrap();
    std::fs::write(largest, b"").unwrap();
    let status = site.run(&["status"]).expect(0);
    assert!(status.data.contains("the state is in doubt"), "{}", status.data);
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active(), accounts);
    let status = site.run(&["status"]).expect(0);
    assert!(!status.data.contains("the state is in doubt"), "{}", status.data);

    // Put back by itself, it is another store than the one that the witness knows; and damaged, it is
    // nothing that can be read.
    let mut damaged = kept;
    damaged.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
    std::fs::write(largest, damaged).unwrap();
    let ended = site.run(&["status"]);
    assert!(ended.code == 13 || ended.data.contains("in doubt"), "{}{}", ended.data, ended.talk);
}
