//! Twelve drills: each brings the real service into a state that operators meet, and looks at what it tells
//! them: the first screen of `status`, the page, the log line and the alert. Each must name cause,
//! consequence and the next command. `docs/drills.md` is made of these texts, and is held fresh here;
//! `MANNTALL_WRITE=1 cargo test --test it drills` writes it anew.

mod acts;
mod alerts;
mod seen;

use std::fmt::Write;
use std::path::Path;

use seen::Seen;

/// What each of the four texts has to say.
struct Says {
    cause: &'static str,
    consequence: &'static str,
    /// A command, or a key of the configuration.
    next: &'static str,
}

/// One drill.
struct Drill {
    title: &'static str,
    /// How it is brought about.
    how: &'static str,
    act: fn() -> Option<Seen>,
    status: Says,
    page: Says,
    log: Says,
    alert: Says,
}

const fn says(cause: &'static str, consequence: &'static str, next: &'static str) -> Says {
    Says { cause, consequence, next }
}

/// Commands of the system that an operator is sent to.
const SYSTEM: &[&str] = &[
    "df -h",
    "timedatectl set-ntp true",
    "systemctl list-units 'manntall*'",
    "systemctl stop manntall",
    "update-ca-certificates",
];

const DRILLS: [Drill; 12] = [
    Drill {
        title: "Consent withdrawn",
        how: "Graph answers every read with 403, as after the consent to a permission was withdrawn.",
        act: || Some(acts::consent_withdrawn()),
        status: says("refuses Manntall", "leavers stay active", "manntall check --online"),
        page: says("refuses Manntall", "leavers stay active", "manntall check --online"),
        log: says("GroupMember.Read.All", "nobody is removed", "manntall check --online"),
        alert: says("refuses Manntall", "leavers stay active", "manntall check --online"),
    },
    Drill {
        title: "Secret expired",
        how: "Entra refuses the client secret with AADSTS7000222.",
        act: || Some(acts::secret_expired()),
        status: says("AADSTS7000222", "leavers stay active", "manntall check --online"),
        page: says("refuses Manntall", "leavers stay active", "manntall check --online"),
        log: says("AADSTS7000222", "nobody is removed", "manntall check --online"),
        alert: says("refuses Manntall", "leavers stay active", "manntall check --online"),
    },
    Drill {
        title: "Proxy login page",
        how: "Graph's answers are a page that asks a person to log in, with status 200.",
        act: || Some(acts::proxy_login_page()),
        status: says("page for people", "leavers too", "manntall check --online"),
        page: says("no usable answer", "leavers too", "manntall check --online"),
        log: says("page for people", "nobody is removed", "manntall check --online"),
        alert: says("cannot be read", "leavers", "manntall status"),
    },
    Drill {
        title: "Unknown certificate authority",
        how: "Graph's certificate is signed by an authority that this machine does not know, as a proxy's is.",
        act: || Some(acts::unknown_authority()),
        status: says("certificate", "leavers too", "update-ca-certificates"),
        page: says("no usable answer", "leavers too", "manntall check --online"),
        log: says("certificate", "nobody is removed", "update-ca-certificates"),
        alert: says("cannot be read", "leavers", "manntall status"),
    },
    Drill {
        title: "Clock wrong",
        how: "Entra's answers are dated ten minutes later than this machine's clock.",
        act: || Some(acts::clock_wrong()),
        status: says("behind that of Entra", "may be refused", "timedatectl set-ntp true"),
        page: says("clocks", "may be refused", "timedatectl set-ntp true"),
        log: says("clock of this machine", "may be refused", "timedatectl set-ntp true"),
        alert: says("clocks", "may be refused", "timedatectl set-ntp true"),
    },
    Drill {
        title: "Disk full",
        how: "The disk of the state is filled up while the service runs, and somebody leaves.",
        act: acts::disk_full,
        status: says("no room", "leavers stay active", "df -h"),
        page: says("no room", "leavers stay active", "service.state_dir"),
        log: says("no room", "leavers stay active", "df -h"),
        alert: says("no room", "leavers stay active", "df -h"),
    },
    Drill {
        title: "Hold",
        how: "Twelve of sixty people are disabled at once.",
        act: || Some(acts::hold()),
        status: says("wait for approval", "are not made until then", "manntall holds"),
        page: says("wait for approval", "are not made until then", "manntall holds"),
        log: says("budget.deactivate", "stay as they are", "manntall holds"),
        alert: says("waited for approval", "stay as they are", "manntall holds"),
    },
    Drill {
        title: "Quarantine",
        how: "The platform no longer takes the token.",
        act: || Some(acts::quarantine()),
        status: says("refuses Manntall", "leavers stay active", "manntall check --online"),
        page: says("refuses Manntall", "leavers stay active", "manntall check --online"),
        log: says("quarantine", "nothing is sent", "manntall check --online"),
        alert: says("refuses Manntall", "leavers stay active", "manntall check --online"),
    },
    Drill {
        title: "Two accounts with one mail",
        how: "Accounts are named by mail address, and two people in Entra are given the same one.",
        act: || Some(acts::one_mail_for_two()),
        status: says("userName", "everything else goes on", "manntall stuck"),
        page: says("cannot be done", "everything else goes on", "manntall stuck"),
        log: says("userName", "Everything else goes on", "manntall stuck"),
        alert: says("stuck", "everything else goes on", "manntall stuck"),
    },
    Drill {
        title: "Seat limit",
        how: "The platform refuses a newcomer's account, because every seat is taken.",
        act: || Some(acts::seat_limit()),
        status: says("no seat left", "everything else", "manntall retry"),
        page: says("no seat left", "everything else", "manntall retry"),
        log: says("no seat left", "everything else goes on", "manntall retry"),
        alert: says("no seat left", "everything else", "manntall retry"),
    },
    Drill {
        title: "Second instance",
        how: "`manntall run` is started once more on the same state. The second ends with 11 and names the first; \
              these are the words of the first.",
        act: || Some(acts::second_instance()),
        status: says("another manntall", "this one goes on", "systemctl list-units 'manntall*'"),
        page: says("another Manntall", "this one goes on", "systemctl list-units 'manntall*'"),
        log: says("another manntall", "this one goes on", "systemctl list-units 'manntall*'"),
        alert: says("Another Manntall", "goes on", "systemctl list-units 'manntall*'"),
    },
    Drill {
        title: "Store rolled back",
        how: "The store's data is put back to what it was before the last sync, beside the newer witness.",
        act: || Some(acts::store_rolled_back()),
        status: says("in doubt", "before anything is taken from anybody", "manntall sync"),
        page: says("old copy", "only people whom Entra shows", "manntall status"),
        log: says("in doubt", "only people whom Entra shows", "manntall status"),
        alert: says("old copy", "only people whom Entra shows", "manntall status"),
    },
];

/// Text on one line, to look for words in it wherever its lines break.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is missing in a text.
fn lacks(title: &str, what: &str, text: &str, says: &Says) -> Vec<String> {
    let text = flat(text);
    let parts = [("cause", says.cause), ("consequence", says.consequence), ("next", says.next)];
    let missing = parts.into_iter().filter(|(_, words)| !text.contains(words));
    missing
        .map(|(part, words)| format!("{title}, {what}: no {part} ({words}) in: {text}"))
        .collect()
}

/// Whether an operator who types or sets this gets on.
fn is_real(next: &str) -> bool {
    if let Some(line) = next.strip_prefix("manntall ") {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_manntall"));
        command.args(line.split(' ')).arg("--help");
        return command.output().unwrap().status.success();
    }
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/configuration.md");
    let keys = std::fs::read_to_string(keys).unwrap();
    SYSTEM.contains(&next)
        || next.split_once('.').is_some_and(|(_, key)| keys.contains(&format!("`{key}`")))
}

/// What follows our name where it is no command.
const TALK: [&str; 5] = ["is", "was", "process", "on", "since"];

/// Every command of ours that a text names is one.
fn unreal(text: &str) -> Vec<String> {
    let text = flat(text);
    let words = text.split("manntall ").skip(1).filter_map(|after| {
        let word: String = after.chars().take_while(char::is_ascii_lowercase).collect();
        (!word.is_empty() && !TALK.contains(&word.as_str())).then_some(word)
    });
    words.filter(|word| !is_real(&format!("manntall {word}"))).collect()
}

fn page(told: &[(&Drill, Seen)]) -> String {
    let mut text = String::from(
        "# Drills\n\nTwelve things that happen, and what Manntall says about each: the first screen of \
         `manntall status`, the page\n(without a token), the line in the log, and the alert of `deploy/alerts.yml` \
         that fires. The texts are\nthose of the real service; `tests/it/drills.rs` brings about each state, checks \
         that each text names cause,\nconsequence and what to do next, and holds this page fresh. Times, numbers \
         of processes and ports, ids and paths\nare made alike.\n",
    );
    for (at, (drill, seen)) in told.iter().enumerate() {
        let Seen { status, page, log, alert } = seen;
        let _ = write!(
            text,
            "\n## {}. {}\n\n{}\n\n`manntall status`:\n\n```text\n{}\n```\n\nThe page:\n\n```text\n{}\n```\n\n\
             The log:\n\n```text\n{}\n```\n\nThe alert {}\n",
            at + 1,
            drill.title,
            flat(drill.how),
            status.trim_end(),
            page.trim_end(),
            log.trim_end(),
            alert,
        );
    }
    text
}

#[test]
fn each_drill_names_cause_consequence_and_the_next_command() {
    let acts: Vec<_> = DRILLS.iter().map(|drill| (drill, std::thread::spawn(drill.act))).collect();
    let (mut told, mut wrong, mut untried) = (Vec::new(), Vec::new(), Vec::new());
    for (drill, act) in acts {
        let seen = match act.join() {
            Ok(Some(seen)) => seen,
            Ok(None) => {
                untried.push(drill.title);
                continue;
            }
            Err(_) => {
                wrong.push(format!("{} did not come about; see above", drill.title));
                continue;
            }
        };
        let Drill { title, status, page, log, alert, .. } = drill;
        for (what, text, says) in [
            ("status", &seen.status, status),
            ("page", &seen.page, page),
            ("log", &seen.log, log),
            ("alert", &seen.alert, alert),
        ] {
            wrong.extend(lacks(title, what, text, says));
            wrong.extend(unreal(text).into_iter().map(|one| format!("{title}, {what}: no {one}")));
            if !is_real(says.next) {
                wrong.push(format!("{title}, {what}: {} is nothing to be typed", says.next));
            }
        }
        told.push((drill, seen));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drills.md");
    let made = page(&told);
    if std::env::var_os("MANNTALL_WRITE").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    if !untried.is_empty() {
        println!(
            "not tried, since this machine does not allow it, and the page not compared: {untried:?}"
        );
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "docs/drills.md is stale at {differs:#?}; MANNTALL_WRITE=1 cargo test --test it drills writes it anew"
    );
}
