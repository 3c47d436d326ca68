//! Who sees what: values of people are behind `--reveal` in every view and form, each look is on record, and
//! who may only look learns nothing about anybody.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::geteuid;
use serde_json::{Value, json};

use super::control::{as_stranger, group, serve, serving, stop};
use super::site::Site;

/// Values that everybody in these tests has, and no name has.
const VALUES: [(&str, &str); 3] = [
    ("jobTitle", "Kanarityngdelærer"),
    ("streetAddress", "Kanarigata 7"),
    ("mobilePhone", "+47 988 90 637"),
];
/// What a group made by rule is named after.
const SECTION: &str = "Voldsalarmseksjonen";
/// Written by somebody who gave an order.
const REASON: &str = "Sykmeldt siden mandag";

const RULE: &str = r#"
[[targets.platform.groups]]
id = "sections"
from = "people"
each = 'person.department'
name = '"Seksjon " ~ key'
"#;

/// Many adoptions are held, some are stuck, one was ordered by hand; everybody has the values above.
fn site() -> Site {
    let site = Site::with(&["--users", "60", "--seed-platform", "20"], RULE);
    let people = site.employees();
    for (at, (id, _)) in people.iter().enumerate() {
        for (name, value) in VALUES {
            site.happen(
                &json!({ "event": "set_property", "user": id, "name": name, "value": value }),
            );
        }
        if at % 3 == 0 {
            site.happen(&json!({
                "event": "set_property", "user": id, "name": "department", "value": SECTION
            }));
        }
    }
    site.break_down(&json!({ "scim": { "refuse_users": [
        { "attribute": "userName", "contains": people[40].1, "status": 400 }
    ] } }));
    let ended = site.run(&["sync"]);
    assert!([3, 4].contains(&ended.code), "{}", ended.talk);
    site
}

fn export(site: &Site) -> Vec<Value> {
    let export = site.run(&["audit", "export"]).expect(0).data;
    export.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the journal has of one kind.
fn on_record(site: &Site, kind: &str) -> usize {
    export(site).iter().filter(|line| line["kind"] == kind).count()
}

/// Every command that shows something.
fn views<'a>(person: &'a str, file: &'a str) -> Vec<Vec<&'a str>> {
    let lines: [&[&str]; 12] = [
        &["plan"],
        &["plan", "--person", person],
        &["plan", "--out", file, "--force"],
        &["show", file],
        &["holds"],
        &["explain", person],
        &["stuck"],
        &["status"],
        &["allow", "--list"],
        &["sync"],
        &["state", "info"],
        &["audit", "verify"],
    ];
    let json = lines.iter().map(|line| [line, &["--json"][..]].concat());
    lines.iter().map(|line| line.to_vec()).chain(json).collect()
}

#[test]
fn values_are_behind_reveal_in_every_view_and_form_and_each_look_is_on_record() {
    let site = site();
    let (id, _) = site.employees().swap_remove(3);
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    let look = |site: &Site| {
        for line in views(&id, file) {
            let ended = site.run(&[&line[..], &["--log-level", "trace"]].concat());
            let saved = std::fs::read_to_string(file).unwrap_or_default();
            for (_, value) in VALUES {
                for (what, text) in [("data", &ended.data), ("talk", &ended.talk), ("file", &saved)]
                {
                    assert!(!text.contains(value), "{line:?} {what}: {text}");
                }
            }
        }
        assert_eq!(on_record(site, "reveal"), 0);
    };
    look(&site);
    let service = serve(&site);
    look(&site);

    let reveal = |site: &Site, count: &mut usize| {
        for line in [
            &["plan", "--reveal"][..],
            &["plan", "--reveal", "--json"],
            &["plan", "--reveal", "--json", "--out", file, "--force"],
            &["show", file, "--reveal"],
            &["show", file, "--reveal", "--json"],
            &["holds", "--reveal"],
            &["holds", "--reveal", "--json"],
            &["explain", &id, "--reveal"],
            &["explain", &id, "--reveal", "--json"],
        ] {
            let ended = site.run(line);
            assert!(ended.data.contains(VALUES[0].1), "{line:?}: {}{}", ended.data, ended.talk);
            *count += 1;
            assert_eq!(on_record(site, "reveal"), *count, "{line:?}");
        }
        for line in [&["show", file][..], &["show", file, "--json"]] {
            let ended = site.run(line);
            assert!(!ended.data.contains(VALUES[0].1), "{line:?}: {}", ended.data);
        }
        // Whoever has the file can read it: it is written again without values.
        site.run(&["plan", "--out", file, "--force"]).expect(0);
    };
    let mut count = 0;
    reveal(&site, &mut count);
    stop(service);
    reveal(&site, &mut count);
    let looks = export(&site);
    let looks = looks.iter().filter(|line| line["kind"] == "reveal");
    assert!(looks.clone().all(|line| line["by"] == "kari"));
    let of_one = looks.filter(|line| line["person"] == format!("asker/{id}")).count();
    assert_eq!(of_one, 4, "two of them with the service and two without");
}

/// The same program for somebody else: who may only look is 1, who may approve 2.
fn open_to_others(site: &Site) -> PathBuf {
    let open = |path: PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(site.path(""), 0o1777);
    open(site.state(), 0o711);
    open(site.config(), 0o644);
    open(site.state().join("control.sock"), 0o666);
    let program = site.path("manntall");
    std::fs::copy(env!("CARGO_BIN_EXE_manntall"), &program).unwrap();
    open(program.clone(), 0o755);
    program
}

#[test]
fn who_may_only_look_learns_nothing_about_anybody() {
    if !geteuid().is_root() {
        // Only root can be somebody else. What is masked is decided in one place, and tested above.
        return;
    }
    let site = site();
    let groups = format!("readers = \"{}\"\napprovers = \"{}\"", group(1), group(2));
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replacen("[status]\n", &format!("[status]\n{groups}\n"), 1))
        .unwrap();
    let people = site.employees();
    let (id, login) = &people[3];
    let until = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(30)).to_string();
    site.run(&["deactivate", id, "--reason", REASON]);
    // Of whom there is an account: the order is on record as it was carried out, and stays so when it is lifted.
    let active = site.active();
    let known: Vec<_> = people[4..].iter().filter(|(_, name)| active.contains(name)).collect();
    let (made, lifted) = (&known[0].0, &known[1].0);
    for person in [made, lifted] {
        site.run(&["deactivate", person, "--reason", REASON]);
    }
    site.run(&["deactivate", lifted, "--lift"]);
    site.run(&["allow", "--creates", "5", "--until", &until, "--reason", REASON]).expect(0);
    site.run(&["pause", "--reason", REASON]).expect(0);
    let service = serve(&site);
    let program = open_to_others(&site);
    let file = site.path("plan.json");
    let file = file.to_str().unwrap();
    let stuck = &people[40].0;
    let mut said = BTreeSet::new();
    let facts = |person: &str| site.run(&["explain", person]).expect(0).data;
    assert!(facts(made).contains(&format!("because deactivated by hand by kari: {REASON}")));
    let views = [id, stuck, made, lifted].map(|person| views(person, file));
    for line in views.into_iter().flatten() {
        if line[0] == "sync" {
            continue;
        }
        let (code, text) = as_stranger(&site, &program, 1, &line);
        assert!([Some(0), Some(4), Some(3)].contains(&code), "{line:?}: {text}");
        let saved = std::fs::read_to_string(file).unwrap_or_default();
        for hidden in [SECTION, REASON, "@", "userName is", "Seksjon", "Kanari", "988 90"] {
            for text in [&text, &saved] {
                assert!(!text.contains(hidden), "{hidden} in {line:?}: {text}");
            }
        }
        said.insert(text);
    }
    assert!(said.iter().any(|text| text.contains("rule:sections/#")), "groups are told apart");
    for line in [
        &["explain", login][..],
        &["plan", "--person", login],
        &["explain", "nobody@example.no"],
        &["explain", id, "--reveal"],
        &["holds", "--reveal"],
        &["plan", "--reveal"],
        &["audit", "export"],
        &["state", "backup", file],
    ] {
        let (code, text) = as_stranger(&site, &program, 1, line);
        assert_eq!(code, Some(1), "{line:?}: {text}");
        assert!(!text.contains(id.as_str()) || line[1] == id, "{line:?}: {text}");
    }
    stop(service);
}

/// Says something on the socket as another program would; gives the lines of the answer.
fn converse(site: &Site, request: &Value) -> Vec<Value> {
    let mut stream = UnixStream::connect(site.state().join("control.sock")).unwrap();
    let state = site.state().canonicalize().unwrap();
    let letter = json!({
        "manntall_control": 2, "state_dir": state, "by": "kari", "form": "json", "request": request
    });
    // A service that refuses early closes before it has read all.
    let _ = writeln!(stream, "{letter}");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn a_copy_is_on_record_before_its_first_byte_and_kept_by_whoever_was_handed_it() {
    let (site, service) = serving();
    let pieces = converse(&site, &json!("backup"));
    assert!(pieces[0]["piece"].is_string(), "{:?}", pieces[0]);
    assert_eq!(on_record(&site, "copy_out"), 1, "whoever takes one by hand as well");
    assert_eq!(on_record(&site, "backup"), 0, "nobody has said that it is kept");
    let forged = json!({ "task": { "backup_kept": { "generation": 999_999, "records": 1 } } });
    let said = converse(&site, &forged);
    assert!(said.last().unwrap().to_string().contains("no copy of the state"), "{said:?}");
    let info = || site.run(&["state", "info", "--json"]).expect(0).json();
    assert_eq!(info()["last_backup"], Value::Null);

    site.run(&["state", "backup", site.path("one").to_str().unwrap()]).expect(0);
    assert_eq!((on_record(&site, "copy_out"), on_record(&site, "backup")), (2, 1));
    assert!(info()["last_backup"].is_string());
    stop(service);
    site.run(&["state", "backup", site.path("two").to_str().unwrap()]).expect(0);
    assert_eq!((on_record(&site, "copy_out"), on_record(&site, "backup")), (3, 2));
}

#[test]
fn the_same_change_has_another_digest_in_another_installation() {
    let digests = || {
        let site = Site::new();
        site.run(&["sync"]).expect(0);
        let (id, _) = site.employees().swap_remove(0);
        site.happen(&json!({
            "event": "set_property", "user": id, "name": "mobilePhone", "value": "+47 988 90 637"
        }));
        let plan = site.run(&["plan", "--json"]).expect(0).json();
        let planned = plan["targets"]["platform"]["changes"][0]["digest"].clone();
        let again = site.run(&["plan", "--json"]).expect(0).json();
        assert_eq!(again["targets"]["platform"]["changes"][0]["digest"], planned);
        site.run(&["sync"]).expect(0);
        let journal = export(&site);
        let last = journal.last().unwrap();
        assert_eq!(last["change"], planned, "the journal names the change as the plan did");
        [planned, last["before"].clone(), last["after"].clone()]
    };
    let (one, other) = (digests(), digests());
    for (one, other) in one.iter().zip(&other) {
        assert!(one.is_string() && one != other, "{one} {other}");
    }
}

#[test]
fn requests_and_reasons_of_any_size_are_refused_and_the_service_goes_on() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, login) = site.employees().swap_remove(0);
    let service = serve(&site);
    for size in [100_000, 1_000_000, 10_000_000, 40_000_000] {
        let text = "x".repeat(size);
        for request in [
            json!({ "task": { "pause": { "reason": text } } }),
            json!({ "deactivate": { "person": id, "reason": text } }),
            json!({ "deactivate": { "person": text, "reason": "ticket" } }),
            json!({ "task": { "explain": { "person": text, "reveal": false } } }),
            json!({ "task": { "reject": { "id": text } } }),
            json!({ "nothing": text }),
        ] {
            let said = converse(&site, &request);
            let last = said.last().map(ToString::to_string).unwrap_or_default();
            assert!(last.contains("\"exit\"") || last.contains("said"), "{size}: {last:.300}");
            assert!(!last.contains("\"done\""), "{size}: {last:.300}");
        }
    }
    let status = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["paused"], &status["by_hand"]), (&Value::Null, &json!(0)));
    site.run(&["pause", "--reason", &"å".repeat(1_001)]).expect(64);
    // Whoever claims a name of any length is written down, and does not stop the service.
    site.run(&["pause", "--reason", &"å".repeat(1_000)]).expect(0);
    site.run(&["resume"]).expect(0);
    site.run(&["deactivate", &login, "--reason", "ticket 4711"]).expect(0);
    assert!(!site.active().contains(&login));
    site.run(&["audit", "verify"]).expect(0);
    stop(service);
}

#[test]
fn many_plans_at_once_share_a_few_polls() {
    let (site, service) = serving();
    site.run(&["plan"]).expect(0);
    let polls = || {
        let requests = site.ask("GET", "requests", &Value::Null);
        requests["graph"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>()
    };
    let before = polls();
    std::thread::scope(|threads| {
        for _ in 0..24 {
            threads.spawn(|| site.run(&["plan"]).expect(0));
        }
    });
    let asked = polls() - before;
    assert!(asked <= 20, "{asked} requests for 24 plans");
    stop(service);
}

#[test]
fn another_login_service_gets_no_secret_until_somebody_says_that_it_is_right() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let caught = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&caught);
    std::thread::spawn(move || {
        if listener.accept().is_ok() {
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let text = std::fs::read_to_string(site.config()).unwrap();
    let login = format!("login_url = \"{}\"", site.said("login_url"));
    assert!(text.contains(&login));
    std::fs::write(
        site.config(),
        text.replace(&login, &format!("login_url = \"http://{address}\"")),
    )
    .unwrap();
    let online = site.run(&["check", "--online"]).expect(78);
    assert!(online.talk.contains("No secret was sent there"), "{}", online.talk);
    let synced = site.run(&["sync"]).expect(78);
    assert!(synced.talk.contains("no secret is sent there"), "{}", synced.talk);
    assert!(!caught.load(std::sync::atomic::Ordering::Relaxed), "somebody came");
}

#[test]
fn a_claimed_name_stands_beside_the_real_user_and_acts_on_no_terminal() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let hostile = "ordforer\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200b}";
    for line in
        [&["pause"][..], &["status"], &["resume"], &["audit", "export"], &["status", "--json"]]
    {
        let mut command = site.command(line);
        command.env("SUDO_USER", hostile);
        let ended = Site::end(command);
        for text in [&ended.data, &ended.talk] {
            let acts =
                |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}".contains(c);
            assert!(!text.contains(acts), "{line:?}: {text:?}");
        }
    }
    let paused = export(&site).into_iter().find(|line| line["kind"] == "pause").unwrap();
    let by = paused["by"].as_str().unwrap();
    let uid = geteuid().as_raw();
    assert!(by.starts_with("ordforer") && by.ends_with(&format!("(sudo, uid {uid})")), "{by}");
}
