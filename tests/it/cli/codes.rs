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
