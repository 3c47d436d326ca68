//! What looks after the state and the journal, and what decides, over the socket of the running service:
//! the same as without it, and only for those who may.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::process::geteuid;
use serde_json::{Value, json};

use super::control::{as_stranger, only_hold, serve, serving, stop};
use super::service::wait_until;
use super::site::{Ended, Site};

fn lines(ended: &Ended) -> Vec<Value> {
    ended.data.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What there is in the folder of the site beside what was there before.
fn names(site: &Site) -> Vec<String> {
    let found = std::fs::read_dir(site.path("")).unwrap().flatten();
    let mut names: Vec<_> = found.map(|one| one.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_state_is_looked_at_and_the_journal_read_while_the_service_runs() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let alone = site.run(&["state", "info", "--json"]).expect(0).json();
    let journal = lines(&site.run(&["audit", "export"]).expect(0));
    let said = site.run(&["audit", "verify"]).expect(0);
    let head = said.data.trim().trim_end_matches('.').rsplit(' ').next().unwrap().to_owned();

    let service = serve(&site);
    site.run(&["sync"]).expect(0);
    let info = site.run(&["state", "info", "--json"]).expect(0).json();
    for key in ["folder", "format", "install_id", "witness", "recovery"] {
        assert_eq!(info[key], alone[key], "{key}");
    }
    for kind in ["user", "account", "group", "target-group"] {
        assert_eq!(info["records"][kind], alone["records"][kind], "{kind}");
    }
    let verified = site.run(&["state", "verify"]).expect(0);
    assert!(verified.data.starts_with("The store is whole: "), "{}", verified.data);
    let exported = lines(&site.run(&["audit", "export"]).expect(0));
    assert_eq!(exported[..journal.len()], journal[..]);
    site.run(&["audit", "verify", "--head", &head]).expect(0);
    let other = head.replace(['a', 'b', 'c'], "0").replacen('d', "e", 1);
    site.run(&["audit", "verify", "--head", &other]).expect(13);

    let ended = site.run(&["state", "rebuild", "--anyway"]).expect(11);
    assert!(ended.talk.contains("systemctl stop manntall"), "{}", ended.talk);
    site.run(&["state", "verify"]).expect(0);
    stop(service);
}

#[test]
fn a_backup_of_the_running_service_is_whole_and_put_back_without_harm() {
    let (site, service) = serving();
    let info = || site.run(&["state", "info", "--json"]).expect(0).json();
    assert_eq!(info()["last_backup"], Value::Null);
    let file = site.path("backup.ndjson");
    let file = file.to_str().unwrap();
    let before = names(&site);
    let said = site.run(&["state", "backup", file]).expect(0);
    assert!(said.talk.contains("keep it as safe as the state itself"), "{}", said.talk);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(&site).len(), before.len() + 1, "nothing else is left behind");
    assert!(info()["last_backup"].is_string());
    let whole = std::fs::read(file).unwrap();
    let again = site.run(&["state", "backup", file]).expect(1);
    assert!(again.talk.contains("exists"), "{}", again.talk);
    assert_eq!(std::fs::read(file).unwrap(), whole);
    let nowhere = site.path("no/such/folder/backup");
    site.run(&["state", "backup", nowhere.to_str().unwrap()]).expect(1);
    let running = site.run(&["state", "restore", file, "--move-aside"]).expect(11);
    assert!(running.talk.contains("systemctl stop manntall"), "{}", running.talk);

    let leaver = site.disable(1).remove(0);
    site.run(&["sync"]).expect(0);
    let (active, created) = (site.active(), site.ask("GET", "requests", &Value::Null));
    assert!(!active.contains(&leaver));
    stop(service);
    site.run(&["state", "restore", file, "--move-aside"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active(), active);
    let made = site.ask("GET", "requests", &Value::Null);
    assert_eq!(made["scim"]["POST users"], created["scim"]["POST users"], "no duplicate");
}

#[test]
fn every_word_is_taken_by_the_service_as_without_it() {
    let site = Site::new();
    let (id, name) = site.employees().swap_remove(2);
    site.break_down(&json!({
        "scim": { "refuse_users": [{ "attribute": "userName", "contains": name, "status": 400 }] }
    }));
    site.run(&["sync"]).expect(3);
    let service = serve(&site);
    site.run(&["sync"]).expect(3);
    let stuck = site.run(&["stuck", "--json"]).expect(0).json();
    assert_eq!(stuck["stuck"][0]["key"], format!("asker/{id}"));
    site.break_down(&json!({ "scim": {} }));
    let said = site.run(&["retry", &name]).expect(0);
    assert!(said.talk.contains("the service now tries them"), "{}", said.talk);
    site.run(&["sync"]).expect(0);
    assert!(site.active().contains(&name));
    site.run(&["retry"]).expect(0);

    let until = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(30)).to_string();
    let announce = |until: &str, code| {
        let words = ["--deactivations", "10", "--until", until, "--reason", "summer jobs end"];
        site.run(&[&["allow"][..], &words].concat()).expect(code);
    };
    // At most a year ahead.
    announce("2099-06-30", 64);
    announce(&until, 0);
    let leavers = site.disable(10);
    site.run(&["sync"]).expect(0);
    assert!(leavers.iter().all(|one| !site.active().contains(one)), "they were announced");
    let listed = site.run(&["allow", "--list", "--json"]).expect(0).json();
    assert_eq!(
        (&listed["allowed"][0]["used"], &listed["allowed"][0]["by"]),
        (&json!(10), &json!("kari"))
    );
    site.run(&["allow", "--revoke", "1"]).expect(0);
    site.disable(12);
    site.run(&["sync"]).expect(4);
    let hold = only_hold(&site);
    let said = site.run(&["reject", &hold]).expect(0);
    assert!(said.talk.contains("kari"), "{}", said.talk);
    site.run(&["sync"]).expect(0);
    stop(service);
    let decided = lines(&site.run(&["audit", "export"]).expect(0));
    for kind in ["retry", "reject"] {
        assert!(decided.iter().any(|line| line["kind"] == kind && line["by"] == "kari"), "{kind}");
    }
}

#[test]
fn who_may_look_sees_the_state_and_who_may_approve_takes_it_along() {
    if !geteuid().is_root() {
        // Only root can be somebody else. The rule itself is tested beside it.
        return;
    }
    let site = Site::new();
    let [readers, approvers] = [1, 2].map(super::control::group);
    site.configure_first(&format!("readers = \"{readers}\"\napprovers = \"{approvers}\""));
    let open = |path: PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    site.run(&["sync"]).expect(0);
    let (id, name) = site.employees().swap_remove(0);
    let service = serve(&site);
    site.run(&["plan", "--out", site.path("plan.json").to_str().unwrap()]).expect(0);
    open(site.path("plan.json"), 0o644);
    // A folder in which everybody may make files, as /tmp is.
    open(site.path(""), 0o1777);
    open(site.state(), 0o711);
    open(site.config(), 0o644);
    open(site.state().join("control.sock"), 0o666);
    let program = site.path("manntall");
    std::fs::copy(env!("CARGO_BIN_EXE_manntall"), &program).unwrap();
    open(program.clone(), 0o755);
    let (file, plan) = (site.path("backup.ndjson"), site.path("plan.json"));
    let (file, plan) = (file.to_str().unwrap(), plan.to_str().unwrap());

    let (code, said) = as_stranger(&site, &program, 1, &["explain", &name, "--json"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("by their object id"), "{said}");
    let (code, said) = as_stranger(&site, &program, 1, &["explain", &id, "--json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("(hidden)") && !said.contains('@'), "{said}");
    for line in [&["state", "info"][..], &["state", "verify"], &["audit", "verify"]] {
        let (code, said) = as_stranger(&site, &program, 1, line);
        assert_eq!(code, Some(0), "{line:?}: {said}");
        assert!(!said.contains('@'), "{line:?}: {said}");
    }
    let before = names(&site);
    let refused: [&[&str]; 12] = [
        &["state", "backup", file],
        &["audit", "export"],
        &["retry"],
        &["resume"],
        &["pause"],
        &["approve", "0123"],
        &["reject", "0123"],
        &["allow", "--creates", "5", "--until", "2027-01-01", "--reason", "new school"],
        &["deactivate", &name, "--reason", "ticket 4711"],
        &["deactivate", &name, "--lift"],
        &["apply", plan],
        &["log-level", "trace"],
    ];
    for line in refused {
        let (code, said) = as_stranger(&site, &program, 1, line);
        assert_eq!(code, Some(1), "{line:?}: {said}");
        assert!(said.contains(&format!("the group {approvers}")), "{line:?}: {said}");
        assert!(said.contains("Nothing was done"), "{line:?}: {said}");
    }
    assert_eq!(names(&site), before, "nothing was left behind");
    assert!(site.active().contains(&name));

    let (code, said) = as_stranger(&site, &program, 2, &["state", "backup", file]);
    assert_eq!(code, Some(0), "{said}");
    let made = std::fs::metadata(file).unwrap();
    assert_eq!((made.uid(), made.permissions().mode() & 0o777), (54_321, 0o600));
    let (code, said) = as_stranger(&site, &program, 2, &["audit", "export"]);
    assert_eq!(code, Some(0), "{said}");
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["by"]), (&json!("backup"), &json!("uid 54321")));
    stop(service);
}

#[test]
fn whoever_waits_hears_that_entra_has_asked_for_it() {
    let site = Site::new();
    let log = site.path("log");
    let service = site.start_logged(&["run"], &log);
    site.break_down(&json!({ "graph": { "throttle": { "requests": 2, "retry_after_s": 12 } } }));
    let logged = || std::fs::read_to_string(&log).unwrap();
    wait_until("the service is told to wait", || logged().contains("Entra asks for a wait"));
    let socket = site.state().join("control.sock");
    wait_until("the socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let said = site.run(&["sync"]).expect(0);
    assert!(said.talk.contains("asker: Entra has asked for a wait until "), "{}", said.talk);
    assert_eq!(site.active().len(), site.employees().len());
    stop(service);
}

#[test]
fn an_answer_that_is_cut_off_leaves_open_only_what_could_have_been_done() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    // As a service that is killed while it is asked.
    let listener = UnixListener::bind(site.state().join("control.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            BufReader::new(stream.unwrap()).read_line(&mut String::new()).unwrap();
        }
    });
    let open = "whether it was done shows";
    let looked = site.run(&["status"]).expect(1);
    assert!(looked.talk.contains("nothing was changed. Ask again"), "{}", looked.talk);
    assert!(!looked.talk.contains(open), "{}", looked.talk);
    let told = site.run(&["pause"]).expect(1);
    assert!(told.talk.contains(open), "{}", told.talk);
}
