//! Plays a scenario: starts the simulated services, runs what is typed, and writes down what comes out.
//!
//! | typed | does |
//! |---|---|
//! | `manntall …` | runs the program; standard error follows, each line after `2> ` |
//! | `entra EVENT key=value …` | one event in the tenant, as in a world's `[[events]]` |
//! | `faults JSON` | sets what goes wrong, as `POST /_sim/faults` |
//! | `platform` | shows the accounts and groups of the platform |
//! | `configure TOML` | writes the configuration anew, with these lines more for the target; `;` parts them |
//! | `rm -r state` | loses the state |

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::alike::Alike;
use super::script::{Piece, pieces};
use crate::cli::site::Site;

/// What the file would be if it were written from what came out.
pub(super) fn play(text: &str) -> String {
    let pieces = pieces(text);
    let site = site(&pieces);
    let mut alike = Alike::new(&site, keys(&pieces));
    let mut out = String::new();
    for piece in &pieces {
        match piece {
            Piece::Line(line) => out.push_str(line),
            Piece::Typed(line) => {
                let said = alike.same(&run(&site, &alike.real(line)));
                out.push_str(format!("$ {line}\n{said}").trim_end());
            }
            Piece::World(_) | Piece::Target(_) | Piece::Simulate(_) => continue,
        }
        out.push('\n');
    }
    out
}

fn site(pieces: &[Piece]) -> Site {
    let world = pieces.iter().find_map(|piece| match piece {
        Piece::World(world) => Some(world),
        _ => None,
    });
    let target = pieces.iter().find_map(|piece| match piece {
        Piece::Target(target) => Some(target.as_str()),
        _ => None,
    });
    let mut arguments: Vec<&str> = Vec::new();
    for piece in pieces {
        if let Piece::Simulate(more) = piece {
            arguments.extend(more.split_whitespace());
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    if let Some(world) = world {
        std::fs::write(file.path(), world).unwrap();
        arguments.extend(["--world", file.path().to_str().unwrap()]);
    }
    Site::with(&arguments, target.unwrap_or_default())
}

/// The keys by which the world names people and groups.
fn keys(pieces: &[Piece]) -> Vec<String> {
    let worlds = pieces.iter().filter_map(|piece| match piece {
        Piece::World(world) => Some(world),
        _ => None,
    });
    let lines = worlds.flat_map(|world| world.lines());
    let keys =
        lines.filter_map(|line| line.strip_prefix("key = ")).map(|key| key.trim_matches('"'));
    keys.map(str::to_owned).collect()
}

fn run(site: &Site, line: &str) -> String {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "manntall" => {
            let words = words(rest);
            let ended = site.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            // Where a line of the status is broken depends on what is never the same.
            let mut said =
                if words[0] == "status" { ended.data.replace("\n    ", " ") } else { ended.data };
            for line in ended.talk.lines() {
                said.push_str(format!("2> {line}").trim_end());
                said.push('\n');
            }
            if ended.code != 0 {
                said.push_str("[exit ");
                said.push_str(&ended.code.to_string());
                said.push(']');
            }
            said
        }
        "entra" => {
            site.happen(&event(site, rest));
            String::new()
        }
        "faults" => {
            site.break_down(&serde_json::from_str(rest).unwrap());
            String::new()
        }
        "platform" => platform(&site.ask("GET", "platform", &Value::Null)),
        "configure" => {
            site.configure(&rest.replace(';', "\n"));
            String::new()
        }
        "rm" if rest == "-r state" => {
            std::fs::remove_dir_all(site.state()).unwrap();
            String::new()
        }
        _ => panic!("{line} means nothing in a scenario"),
    }
}

/// A line at its spaces, but for those within quotes, which are taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The object id that belongs to a key of the world.
pub(super) fn id(site: &Site, key: &str) -> String {
    manntall::sim::world::ObjectId::named(site.said("tenant_id"), key).to_string()
}

fn event(site: &Site, line: &str) -> Value {
    let mut words = words(line).into_iter();
    let mut event = json!({ "event": words.next().unwrap() });
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word} in {line}"));
        event[name] = match name {
            "user" | "manager" | "group" | "child" => id(site, value).into(),
            _ => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
    }
    event
}

/// What is on the platform, a line for each.
fn platform(found: &Value) -> String {
    let list = |name: &str| found[name].as_array().unwrap().clone();
    let mut names = BTreeMap::new();
    let mut accounts = Vec::new();
    for user in list("users") {
        let name = user["userName"].as_str().unwrap_or("?").to_owned();
        let state = if user["active"] == true { "active" } else { "inactive" };
        let title = user["title"].as_str().map(|title| format!(", {title}")).unwrap_or_default();
        accounts.push(format!("account {name}: {state}{title}"));
        names.insert(user["id"].as_str().unwrap().to_owned(), name);
    }
    let mut groups = Vec::new();
    for group in list("groups") {
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let member = |member: &Value| {
            let id = member.as_str().unwrap();
            names.get(id).cloned().unwrap_or_else(|| id.to_owned())
        };
        let mut members: Vec<_> = members.iter().map(member).collect();
        members.sort();
        let name = group["displayName"].as_str().unwrap();
        groups.push(format!("group {name}: {}", members.join(", ")));
    }
    accounts.sort();
    groups.sort();
    accounts.extend(groups);
    accounts.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}
