//! Every command that README.md and docs/ show in a block for the shell is run, against simulated services
//! and in a folder of its own. What cannot be run here is listed with the reason.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::site::{Running, Site};

/// Beginnings of lines that are not run, each with its reason.
const NOT_RUN: &[(&str, &str)] = &[
    ("sudo apt", "changes the machine"),
    ("sudo manntall init", "asks a person at a terminal; cli::setup runs it"),
    ("systemctl ", "changes the machine"),
    ("sudo systemctl", "changes the machine"),
    ("sudo usermod", "changes the machine"),
    ("apt", "changes the machine"),
    ("install ", "changes the machine"),
    ("usermod ", "changes the machine"),
    ("podman ", "no container engine is part of the tests"),
    ("./test", "is this, with more around it"),
    ("cargo build", "has been done when this runs"),
    ("cargo install", "fetches a program"),
    ("cargo test", "is this"),
    ("deploy/package.sh", "builds a release; tried by hand"),
    ("tests/", "has its own place in .ci/run"),
];

/// Commands that go on until they are stopped.
const GOES_ON: &[&str] = &["run", "simulate", "demo"];

/// A line of a block, without its comment.
struct Line {
    place: String,
    text: String,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    let mut open = vec![root.join("docs")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn lines(document: &Path) -> Vec<Line> {
    let text = fs::read_to_string(document).unwrap();
    let name = document.file_name().unwrap().to_string_lossy().into_owned();
    let (mut found, mut within, mut begun) = (Vec::new(), false, String::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            within = !within && matches!(language, "sh" | "bash" | "shell" | "console");
            continue;
        }
        if !within {
            continue;
        }
        let line = line.split(" # ").next().unwrap().trim();
        let line = line.split("   #").next().unwrap().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        begun.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            let place = format!("{name}:{}", at + 1);
            found.push(Line { place, text: std::mem::take(&mut begun) });
        }
    }
    found
}

/// The words of a line, as a shell would take them apart in simple cases.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// A synced site on which twelve deactivations are held.
fn site() -> Site {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    site.disable(12);
    site.run(&["sync"]).expect(4);
    site
}

/// What the documents say as an example, as it is on this site.
fn real(site: &Site, word: &str) -> String {
    let first = || {
        let holds = site.run(&["holds", "--json"]).expect(0).json();
        let all = holds.as_array().or_else(|| holds["holds"].as_array()).cloned();
        all.unwrap_or_default().into_iter().next().unwrap_or_default()
    };
    let hold = || first()["id"].as_str().unwrap_or("abcd").to_owned();
    match word {
        "45f0b4f37434" => hold(),
        "45f0" => hold()[..4].to_owned(),
        "plan.json" => site.path("plan.json").to_str().unwrap().to_owned(),
        _ if word.ends_with("@asker.example.no") => {
            let person = first()["changes"][0]["name"].as_str().map(str::to_owned);
            person.unwrap_or_else(|| site.employees().remove(0).1)
        }
        _ if word.starts_with("examples/") || word.starts_with("deploy/") => {
            Path::new(env!("CARGO_MANIFEST_DIR")).join(word).to_str().unwrap().to_owned()
        }
        _ => word.to_owned(),
    }
}

fn run(site: &Site, line: &Line, started: &mut Vec<Running>) {
    let text = line.text.strip_prefix("sudo -u manntall ").unwrap_or(&line.text);
    let text = text.strip_prefix("sudo ").unwrap_or(text);
    let (text, file) =
        text.split_once(" > ").map_or((text, None), |(text, file)| (text, Some(file)));
    let all = words(text);
    let arguments: Vec<String> = match all.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
    {
        ["manntall", rest @ ..] | ["cargo", "run", "--locked", "--", rest @ ..] => {
            rest.iter().map(|word| real(site, word)).collect()
        }
        _ => panic!(
            "{}: {:?} is neither run nor listed in tests/it/documents.rs",
            line.place, line.text
        ),
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_manntall"));
    command.args(&arguments).current_dir(site.path("")).stdin(Stdio::null());
    command.env_clear().env("TMPDIR", site.path("")).env("LOGNAME", "kari");
    if !arguments.contains(&"--config") {
        command.arg("--config").arg(site.config());
    }
    if GOES_ON.contains(&arguments[0]) && !arguments.contains(&"--once") {
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Running(process);
        if arguments[0] != "run" {
            let mut first = String::new();
            BufReader::new(running.0.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
            assert!(!first.is_empty(), "{}: it says nothing", line.place);
            if let Some(file) = file {
                fs::write(site.path(file), first).unwrap();
            }
        }
        assert_eq!(running.0.try_wait().unwrap(), None, "{}: it ended", line.place);
        // The service would keep the state from the commands that follow.
        if arguments[0] != "run" {
            started.push(running);
        }
        return;
    }
    let output = command.output().unwrap();
    let code = output.status.code().unwrap();
    // Done, stuck, held, or a plan that the world has overtaken: all of them are what may happen.
    assert!(
        matches!(code, 0 | 2 | 3 | 4 | 5),
        "{}: {:?} ended with {code}\n{}\n{}",
        line.place,
        line.text,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_in_the_documents_works() {
    let (mut ran, mut not_run, mut used) = (0, 0, std::collections::BTreeSet::new());
    for document in documents() {
        let lines = lines(&document);
        let listed = |line: &Line| NOT_RUN.iter().find(|(begin, _)| line.text.starts_with(begin));
        if lines.iter().all(|line| listed(line).is_some()) {
            not_run += lines.len();
            used.extend(lines.iter().filter_map(listed).map(|(begin, _)| *begin));
            continue;
        }
        let (site, mut started) = (site(), Vec::new());
        for line in &lines {
            if let Some((begin, _)) = listed(line) {
                used.insert(*begin);
                not_run += 1;
            } else {
                run(&site, line, &mut started);
                ran += 1;
            }
        }
    }
    println!("{ran} commands were run, {not_run} were not, for the reasons listed: {used:?}");
    assert!(ran >= 12, "only {ran}");
}
