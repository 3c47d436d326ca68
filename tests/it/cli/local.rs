//! What goes wrong on this machine: a log that nobody reads, a state that cannot be written or is
//! somebody else's.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::service::wait_until;
use super::site::{Running, Site};

/// What a pipe holds before who writes to it has to wait (pipe(7)).
const PIPE_BYTES: usize = 65_536;

#[test]
fn a_service_whose_log_nobody_reads_goes_on_and_stops_when_told() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (mut read, mut write) = std::io::pipe().unwrap();
    write.write_all(&vec![b'\n'; PIPE_BYTES]).unwrap();
    let mut command = site.command(&["run", "--log-level", "trace"]);
    command.stdout(Stdio::null()).stderr(write);
    let mut service = Running(command.spawn().unwrap());
    drop(command);
    let leaver = site.disable(1).remove(0);
    wait_until("the leaver is out", || !site.active().contains(&leaver));
    kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
    let took = wait_until("the end", || service.0.try_wait().unwrap().is_some());
    // A drain that is waited for in vain ends after half a minute.
    assert!(took < Duration::from_secs(29), "{took:?}");
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text.trim(), "", "nothing fitted into the pipe");
    // Read from the beginning, the same service says the same as ever.
    let (mut read, write) = std::io::pipe().unwrap();
    let mut command = site.command(&["run"]);
    command.stdout(Stdio::null()).stderr(write);
    let mut service = Running(command.spawn().unwrap());
    drop(command);
    let socket = site.state().join("control.sock");
    wait_until("the service", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert!(text.contains("the service has started"), "{text}");
    assert!(text.trim_end().ends_with("the service has stopped"), "{text}");
}

#[test]
fn without_journald_there_are_lines() {
    if Path::new("/run/systemd/journal/socket").exists() {
        println!("not tried: this machine has journald");
        return;
    }
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.break_down(&serde_json::json!({ "graph": { "forbidden": true } }));
    let said = site.run(&["sync", "--log-format", "journald", "--log-level", "debug"]).expect(12);
    assert!(said.talk.contains("DEBUG"), "{}", said.talk);
}

/// Every file below the folder with its content, owner and mode.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let known = std::fs::metadata(&path).unwrap();
            if known.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read(&path).unwrap();
                found.insert(path.display().to_string(), (text, known.uid(), known.mode()));
            }
        }
    }
    found
}

#[test]
fn a_state_on_a_read_only_disk_is_left_as_it_is() {
    const SCRIPT: &str = r#"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        shift; exec "$@""#;
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let before = files(&site.state());
    site.disable(1);
    let writes = site.writes();
    for arguments in [&["sync"][..], &["run"], &["pause"], &["status"]] {
        let command = site.command(arguments);
        let mut shell = std::process::Command::new("unshare");
        shell.args(["-rm", "sh", "-c", SCRIPT, "sh"]).arg(site.state());
        shell.arg(command.get_program()).args(command.get_args()).env("LOGNAME", "kari");
        let ended = Site::end(shell);
        if ended.code == 99 || ended.talk.contains("unshare:") {
            println!("not tried: this machine lets nobody mount: {}", ended.talk);
            return;
        }
        let ended = ended.expect(1);
        assert!(ended.talk.contains("ead-only"), "{arguments:?}: {}", ended.talk);
    }
    assert_eq!((files(&site.state()) == before, site.writes()), (true, writes));
    site.run(&["sync"]).expect(0);
    assert!(site.writes() > writes);
}

#[test]
fn a_state_of_another_owner_or_open_to_others_is_left_as_it_is() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.disable(1);
    let (state, writes) = (site.state(), site.writes());
    let me = geteuid().as_raw();
    let harm = |what: &str, words: &str| {
        let before = files(&state);
        for command in ["sync", "status"] {
            let ended = site.run(&[command]).expect(1);
            assert!(ended.talk.contains(words), "{what}: {}", ended.talk);
        }
        assert!(files(&state) == before && site.writes() == writes, "{what}");
    };
    std::fs::set_permissions(state.join("store"), Permissions::from_mode(0o755)).unwrap();
    harm("open to others", "chmod");
    std::fs::set_permissions(state.join("store"), Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(&state, Permissions::from_mode(0o770)).unwrap();
    harm("others may write into the folder itself", "chmod go-rw");
    std::fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    site.run(&["status"]).expect(0);
    let mode = std::fs::metadata(&state).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o711, "others list what is in the folder");
    std::fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    if me == 0 {
        let owned = |owner| {
            for path in [state.clone(), state.join("store"), state.join("witness.json")] {
                chown(path, Some(owner), None).unwrap();
            }
        };
        owned(65_534);
        harm("of another owner", "and this is root; run the command as its owner");
        owned(0);
        let fresh = Site::new();
        std::fs::create_dir_all(fresh.state()).unwrap();
        chown(fresh.state(), Some(65_534), None).unwrap();
        fresh.run(&["sync"]).expect(1);
        assert!(
            !fresh.state().join("store").exists(),
            "root makes nothing its owner could not use"
        );
    } else {
        println!("not tried: only root gives files to somebody else");
    }
    site.run(&["sync"]).expect(0);
    assert!(site.writes() > writes);
}

#[test]
fn times_are_utc_inside_and_have_their_offset_where_people_read_them() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replacen("[service]", "[service]\ntime_zone = \"Asia/Kathmandu\"", 1);
    std::fs::write(site.config(), text).unwrap();
    site.run(&["sync"]).expect(0);
    let status = site.run(&["status", "--json"]).expect(0).json();
    let at = status["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    let text = site.run(&["status"]).expect(0).data;
    assert!(text.contains(" +05:45"), "{text}");
    let export = site.run(&["audit", "export"]).expect(0).data;
    for line in export.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["at"].as_str().unwrap().ends_with('Z'), "{line}");
    }
}
