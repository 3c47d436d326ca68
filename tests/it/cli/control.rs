//! Commands while the service runs: the same words, other rights, and what systemd hears.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;

use super::service::wait_until;
use super::site::{Running, Site};

pub(super) fn signal(service: &Running, signal: Signal) {
    kill_process(Pid::from_child(&service.0), signal).unwrap();
}

/// A service that answers.
pub(super) fn serve(site: &Site) -> Running {
    let service = site.start(&["run"]);
    let socket = site.state().join("control.sock");
    wait_until("the control socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    service
}

/// A site whose people have their accounts, and its service.
pub(super) fn serving() -> (Site, Running) {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let service = serve(&site);
    (site, service)
}

pub(super) fn stop(mut service: Running) {
    signal(&service, Signal::TERM);
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

/// What commands that only look say, without the times at which they were asked.
fn words(site: &Site, person: &str) -> Vec<Value> {
    let lines: [&[&str]; 5] = [
        &["status", "--json"],
        &["holds", "--json"],
        &["stuck", "--json"],
        &["explain", person, "--json"],
        &["plan", "--json"],
    ];
    let mut said: Vec<Value> = lines.iter().map(|line| site.run(line).expect(0).json()).collect();
    for value in &mut said {
        let value = value.as_object_mut().unwrap();
        value.remove("at");
        value.remove("created");
        value.remove("disk_free");
        // Who is at work is what differs.
        value.remove("service");
        value.remove("beside");
        if let Some(platform) = value.get_mut("targets").and_then(|all| all.get_mut("platform")) {
            platform.as_object_mut().unwrap().remove("last_success");
        }
    }
    said
}

pub(super) fn only_hold(site: &Site) -> String {
    let holds = site.run(&["holds", "--json"]).expect(0).json();
    holds["holds"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn commands_say_the_same_with_and_without_the_service() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = site.active();
    let victims = site.disable(10);
    site.run(&["sync"]).expect(4);
    let alone = words(&site, &victims[0]);

    let service = serve(&site);
    site.run(&["sync"]).expect(4);
    assert_eq!(words(&site, &victims[0]), alone);
    site.run(&["plan", "--detailed-exitcode"]).expect(2);
    site.run(&["approve", "0000"]).expect(1);
    site.run(&["approve", "abc"]).expect(64);
    site.run(&["explain", "nobody@example.no"]).expect(1);

    let id = only_hold(&site);
    let said = site.run(&["approve", &id, "--except", &victims[0]]).expect(0);
    assert!(said.talk.contains("kari approved 9"), "{}", said.talk);
    let synced = site.run(&["sync", "--json"]).expect(4).json();
    assert_eq!(synced["held"][0]["count"], 1, "{synced}");
    assert_eq!(site.active().len(), before.len() - 9);
    site.run(&["reject", &only_hold(&site)]).expect(0);
    site.run(&["sync"]).expect(0);
    stop(service);

    let facts = site.run(&["explain", &victims[1], "--json"]).expect(0).json();
    let done = facts["history"].as_array().unwrap().iter();
    let mut done = done.filter(|line| line["action"] == "deactivate");
    assert_eq!(done.next().unwrap()["approved_by"], "kari");
}

#[test]
fn a_saved_plan_is_done_by_the_service_or_refused_as_stale() {
    let (site, service) = serving();
    site.run(&["pause"]).expect(0);
    let leaver = site.disable(1).remove(0);
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    site.run(&["plan", "--out", file]).expect(0);
    let shown = site.run(&["show", file]).expect(0).data;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("Apply: manntall resume, then manntall apply"), "{shown}");
    site.run(&["apply", file]).expect(4);
    assert!(site.active().contains(&leaver), "writing is paused");
    site.run(&["resume"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert!(!site.active().contains(&leaver));
    site.run(&["apply", file]).expect(5);
    stop(service);
}

#[test]
fn a_pause_and_an_order_are_the_same_with_and_without_the_service() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let people = site.employees();
    site.run(&["deactivate", &people[0].1]).expect(64);
    let said = site.run(&["deactivate", &people[0].1, "--reason", "ticket 4711"]).expect(0);
    assert!(said.talk.contains("is deactivated"), "{}", said.talk);
    site.run(&["pause", "--reason", "maintenance"]).expect(0);
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["verdict"], "paused");
    assert_eq!(status["by_hand"], 1);
    site.run(&["sync"]).expect(4);

    let service = serve(&site);
    let status = site.run(&["status"]).expect(0);
    assert!(status.data.contains("paused by kari"), "{}", status.data);
    assert!(status.data.contains("maintenance"), "{}", status.data);
    // An order is carried out all the same.
    let before = site.writes();
    site.run(&["deactivate", &people[1].1, "--reason", "ticket 4712"]).expect(0);
    assert_eq!(site.writes(), before + 1);
    let facts = site.run(&["explain", &people[1].1, "--json"]).expect(0).json();
    assert_eq!(facts["standing"], "out");
    assert!(facts["why"].as_str().unwrap().contains("by hand by kari"), "{facts}");
    site.run(&["resume"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active().len(), people.len() - 2, "Entra says that both are enabled");
    site.run(&["deactivate", &people[1].1, "--lift"]).expect(0);
    site.run(&["sync"]).expect(0);
    stop(service);

    site.run(&["deactivate", &people[0].1, "--lift"]).expect(0);
    site.run(&["sync"]).expect(0);
    assert_eq!(site.active().len(), people.len());

    let export = site.run(&["audit", "export"]).expect(0).data;
    let decided: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (kind, times) in [("by_hand", 2), ("pause", 1), ("resume", 1), ("lift", 2)] {
        let by: Vec<_> =
            decided.iter().filter(|line| line["kind"] == kind).map(|line| &line["by"]).collect();
        assert_eq!(by, vec!["kari"; times], "{kind}");
    }
}

/// Runs a command as a user whom nobody knows, with one group.
pub(super) fn as_stranger(
    site: &Site,
    program: &PathBuf,
    group: u32,
    line: &[&str],
) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.args(line).arg("--config").arg(site.config());
    command.env_clear().env("LOGNAME", "root").uid(54_321).gid(group);
    let output = loop {
        match command.output() {
            // A copy is busy until each child that another test forked meanwhile runs its own program.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now();
            }
            output => break output.unwrap(),
        }
    };
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// This machine's name of a group is taken as it is.
pub(super) fn group(number: u32) -> String {
    let all = std::fs::read_to_string("/etc/group").unwrap();
    let line = all.lines().find(|line| line.split(':').nth(2) == Some(&number.to_string()));
    line.unwrap().split(':').next().unwrap().to_owned()
}

#[test]
fn rights_are_those_of_the_user_and_not_what_is_claimed() {
    if !geteuid().is_root() {
        // Only root can be somebody else. The rule itself is tested beside it.
        return;
    }
    let site = Site::new();
    let (readers, approvers) = (group(1), group(2));
    site.configure_first(&format!("readers = \"{readers}\"\napprovers = \"{approvers}\""));
    let open = |path: PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    site.run(&["sync"]).expect(0);
    let leaver = site.disable(10).remove(0);
    site.run(&["sync"]).expect(4);
    let service = serve(&site);
    // As with a runtime directory: everybody may pass, and the socket itself is closed.
    open(site.path(""), 0o755);
    open(site.state(), 0o711);
    open(site.config(), 0o644);
    let program = site.path("manntall");
    std::fs::copy(env!("CARGO_BIN_EXE_manntall"), &program).unwrap();
    open(program.clone(), 0o755);

    let (code, said) = as_stranger(&site, &program, 54_321, &["status"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is closed to you") && said.contains(&readers), "{said}");
    // Even where the socket is open to all.
    open(site.state().join("control.sock"), 0o666);
    let (code, said) = as_stranger(&site, &program, 54_321, &["status"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("refused") && said.contains(&readers), "{said}");

    let (code, said) = as_stranger(&site, &program, 1, &["holds", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains('@'), "names are hidden: {said}");
    assert!(said.contains("(hidden)"), "{said}");
    let (code, said) = as_stranger(&site, &program, 1, &["plan"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains(&leaver), "{said}");
    let id = only_hold(&site);
    for line in [&["approve", &id][..], &["pause"], &["plan", "--reveal"], &["sync"]] {
        let (code, said) = as_stranger(&site, &program, 1, line);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("the group {approvers}")), "{said}");
    }
    let (code, said) = as_stranger(&site, &program, 2, &["approve", &id]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("uid 54321 approved 10"), "it claimed to be root: {said}");
    stop(service);
}

#[test]
fn a_changed_configuration_is_taken_over_and_a_broken_one_is_not() {
    let site = Site::new();
    let service = serve(&site);
    site.run(&["sync"]).expect(0);
    site.configure("concurency = 3");
    signal(&service, Signal::HUP);
    let status = || site.run(&["status", "--json"]).expect(0).json();
    wait_until("it is said", || !status()["configuration"].is_null());
    let said = status();
    assert_eq!(said["verdict"], "degraded");
    let message = said["configuration"]["message"].as_str().unwrap();
    assert!(message.contains("concurency"), "{message}");
    let leaver = site.disable(1).remove(0);
    wait_until("it goes on", || !site.active().contains(&leaver));

    let before = site.writes();
    site.configure("\n[targets.platform.account]\nnickName = 'person.givenName'\n");
    signal(&service, Signal::HUP);
    wait_until("it is in force", || site.writes() >= before + 50);
    assert!(status()["configuration"].is_null());
    site.run(&["sync"]).expect(0);
    stop(service);
}

#[test]
fn systemd_hears_that_it_is_ready_how_it_is_and_that_it_is_alive() {
    let site = Site::new();
    let path = site.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")];
    let mut service = site.start_with(&["run"], &environment);
    let hear = || {
        let mut text = [0; 4096];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let first = hear();
    assert!(first.contains("READY=1"), "{first}");
    let mut alive = 0;
    let mut line = String::new();
    while alive < 4 || !line.contains("last change") {
        let heard = hear();
        assert!(!heard.contains("READY=1"), "once only: {heard}");
        alive += usize::from(heard.contains("WATCHDOG=1"));
        heard
            .lines()
            .filter(|line| line.starts_with("STATUS="))
            .for_each(|one| one.clone_into(&mut line));
    }
    assert!(line.starts_with("STATUS=1 tenant ok, 0 holds, last change "), "{line}");
    signal(&service, Signal::TERM);
    let mut last = hear();
    while !last.contains("STOPPING=1") {
        last = hear();
    }
    assert!(last.contains("EXTEND_TIMEOUT_USEC="), "{last}");
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_frozen_process_starves_the_watchdog_and_one_that_wakes_feeds_it_again() {
    let site = Site::new();
    let path = site.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")];
    let service = site.start_with(&["run"], &environment);
    // Whether a sign of life comes within so long; one is due every half second.
    let feeds = |patience: Duration| {
        socket.set_read_timeout(Some(patience)).unwrap();
        let mut text = [0; 4096];
        while let Ok(length) = socket.recv(&mut text) {
            if String::from_utf8_lossy(&text[..length]).contains("WATCHDOG=1") {
                return true;
            }
        }
        false
    };
    for _ in 0..3 {
        assert!(feeds(Duration::from_secs(60)));
    }
    signal(&service, Signal::STOP);
    // What was on its way when it stopped still arrives.
    while feeds(Duration::from_millis(700)) {}
    assert!(!feeds(Duration::from_secs(3)), "the watchdog would act after one and a half");
    signal(&service, Signal::CONT);
    assert!(feeds(Duration::from_secs(60)));
    stop(service);
}

/// Whether the process minds Ctrl-C, and has a connection beside the two ends by which it hears of signals.
fn waits_for_an_answer(process: u32) -> bool {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = std::fs::read_to_string(folder.join("status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let minds = u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0;
    let open = std::fs::read_dir(folder.join("fd")).unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    minds && targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count() > 2
}

#[test]
fn who_breaks_off_a_command_is_told_whether_the_service_has_it() {
    let (site, service) = serving();
    signal(&service, Signal::STOP);
    for line in [&["pause", "--reason", "ticket 4711"][..], &["status"]] {
        let mut command = site.command(line);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        wait_until("it waits for an answer", || waits_for_an_answer(child.id()));
        assert_eq!(child.try_wait().unwrap(), None);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(!said.contains("goes on with what it was told"), "{said}");
        let is_order = line.len() > 1;
        assert_eq!(said.contains("nobody knows whether it took this"), is_order, "{said}");
    }
    signal(&service, Signal::CONT);
    stop(service);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::with(&["--users", "60", "--delay-ms", "120000"], "");
    let mut service = serve(&site);
    wait_until("a request is on its way", || {
        let requests = site.ask("GET", "requests", &Value::Null);
        requests["scim"].as_object().is_some_and(|sent| !sent.is_empty())
    });
    signal(&service, Signal::TERM);
    // It waits for the answer, and says so meanwhile.
    site.run(&["status"]).expect(0);
    signal(&service, Signal::TERM);
    let ended = wait_until("it ends", || service.0.try_wait().unwrap().is_some());
    assert!(
        ended < Duration::from_secs(25),
        "it would wait half a minute for the answer: {ended:?}"
    );
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_service_takes_nothing_from_the_first() {
    let site = Site::new();
    let service = serve(&site);
    site.run(&["run"]).expect(11);
    site.run(&["status"]).expect(0);
    stop(service);
    assert!(!site.state().join("control.sock").exists(), "it cleans up");
}
