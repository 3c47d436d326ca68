//! Foreign bytes, by a bounded random driver: whatever comes, nothing panics, nothing takes for ever, and what
//! is accepted is what it should be. The same ways in are fuzz targets in `fuzz/`, where coverage guides what is
//! tried; seeds and words are theirs, and every seed is tried here.

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use manntall::clock::{Clock, SystemClock};
use manntall::core::expression::{Expression, Subject};
use manntall::store::{Store as _, backup};
use manntall::transport::certificate;
use manntall::{cli, config};

use crate::stage::Stage;
use crate::{acceptance, history};

/// More than this for one input, on a busy machine and in a debug build, is an attack that works.
const ONE_MAX: Duration = Duration::from_secs(30);

type Entry = fn(&[u8]);

/// Every target with the number of inputs that it is given here.
const TARGETS: [(&str, Entry, usize); 13] = [
    ("answer_head", entries::answer_head, 3_000),
    ("backup", entries::backup, 1_500),
    ("certificate", entries::certificate, 3_000),
    ("configuration", entries::configuration, 300),
    ("control_request", entries::control_request, 3_000),
    ("expression", entries::expression, 1_500),
    ("graph_page", entries::graph_page, 1_500),
    ("link", entries::link, 3_000),
    ("saved_plan", entries::saved_plan, 1_500),
    ("scim_answer", entries::scim_answer, 500),
    ("status_request", entries::status_request, 500),
    ("store_record", entries::store_record, 3_000),
    ("token_answer", entries::token_answer, 1_500),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(fuzz().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("seeds/{target}");
    let files = names(&folder).into_iter().map(|name| fuzz().join(&folder).join(name));
    files.map(|file| std::fs::read(file).unwrap()).collect()
}

/// The words of the dictionary, in libFuzzer's notation.
fn words() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(fuzz().join("words.dict")).unwrap();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let word = |quoted: &str| {
        let (mut word, mut rest) = (Vec::new(), quoted.as_bytes());
        while let Some((&byte, after)) = rest.split_first() {
            let (byte, length) = match (byte, after) {
                (b'\\', [b'x', high, low, ..]) => {
                    let digits = [*high, *low];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    (u8::from_str_radix(digits, 16).unwrap(), 4)
                }
                (b'\\', [escaped, ..]) => (*escaped, 2),
                _ => (byte, 1),
            };
            word.push(byte);
            rest = &rest[length..];
        }
        word
    };
    quoted.map(word).collect()
}

/// Gives the target its seeds, variations of them, always the same, and what is nested without end.
fn drive(target: &str) {
    let (_, entry, times) = TARGETS.iter().find(|(name, ..)| *name == target).unwrap();
    let (seeds, words) = (seeds(target), words());
    let run = |input: &[u8]| {
        let began = SystemClock::start();
        entry(input);
        let took = began.elapsed();
        assert!(took < ONE_MAX, "{took:?} for {}", String::from_utf8_lossy(input));
    };
    run(b"");
    for seed in &seeds {
        run(seed);
    }
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..*times {
        let mut input = rng.choice(&seeds).unwrap().clone();
        for _ in 0..rng.usize(1..6) {
            mutate(&mut input, &seeds, &words, &mut rng);
        }
        run(&input);
    }
    for deep in [
        "[",
        "{\"a\":",
        "{\"value\":[",
        "a=[",
        "a.",
        "(",
        "{\"error\":{\"innerError\":",
        "-",
        "not ",
        "\u{1}\u{4}\u{1}",
        "\u{4}\u{1}",
    ] {
        // Expressions end at 4,000 bytes.
        for times in [900, 100_000] {
            run(deep.repeat(times).as_bytes());
        }
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[Vec<u8>], rng: &mut fastrand::Rng) {
    let at = rng.usize(0..=input.len());
    match rng.u8(0..7) {
        0 => input.truncate(at),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 => {
            let to = rng.usize(at..=input.len());
            input.drain(at..to);
        }
        3 => {
            let word = rng.choice(words).unwrap();
            input.splice(at..at, word.iter().copied());
        }
        4 => {
            let other = rng.choice(seeds).unwrap();
            let from = rng.usize(0..=other.len());
            input.splice(at..at, other[from..].iter().copied());
        }
        5 => {
            let to = rng.usize(at..=input.len());
            let piece = input[at..to].repeat(rng.usize(1..4));
            input.splice(at..at, piece);
        }
        _ => {
            let bytes: Vec<u8> = (0..rng.usize(1..9)).map(|_| rng.u8(..)).collect();
            input.splice(at..at, bytes);
        }
    }
}

#[test]
fn every_way_in_is_a_fuzz_target_with_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(names("seeds"), targets);
    let files = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names("fuzz_targets"), files);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let file = fuzz().join(format!("fuzz_targets/{name}.rs"));
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("fuzz_target!(|data: &[u8]| entries::{name}(data));")));
    }
}

#[test]
fn seeds_reach_what_they_are_for() {
    let here = Path::new("here");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let takes_expression = |bytes: &[u8]| {
        let subjects = [Subject::Person, Subject::Group, Subject::Key];
        subjects.into_iter().any(|subject| Expression::parse(&text(bytes), subject).is_ok())
    };
    let takes_configuration =
        |bytes: &[u8]| config::parse(text(bytes), here, &BTreeMap::new()).is_ok();
    let accepted = |target: &str, takes: &dyn Fn(&[u8]) -> bool| {
        seeds(target).iter().filter(|seed| takes(seed)).count()
    };
    assert_eq!(accepted("control_request", &|one| cli::control_request(one).is_some()), 11);
    assert_eq!(accepted("saved_plan", &|one| cli::words_of_saved_plan(one).is_ok()), 2);
    assert_eq!(accepted("backup", &|one| backup::read(one, here).is_ok()), 4);
    assert_eq!(accepted("certificate", &|one| certificate::ends(one).is_ok()), 2);
    assert_eq!(accepted("expression", &takes_expression), 10);
    assert_eq!(accepted("configuration", &takes_configuration), 2);
    assert_eq!(accepted("store_record", &entries::is_whole_record), 12);
}

/// The seeds for records of the store are what a synced installation holds.
/// `MANNTALL_WRITE=1 cargo test --test it foreign` writes them anew where the format of the state has changed.
#[test]
fn records_of_an_installation_are_whole_and_serve_as_seeds() {
    let stage = Stage::new(acceptance::world(60, 8, 200), 1);
    history::runtime().block_on(async {
        let mut engine = stage.engine().unwrap();
        history::settle(&stage, &mut engine).await;
    });
    let mut alone = BTreeSet::new();
    for (choice, key) in entries::KEYS.into_iter().enumerate() {
        let Some(end) = key.iter().position(|&byte| byte == b'/') else { continue };
        let name = std::str::from_utf8(&key[..end]).unwrap();
        let records = stage.store.scan(&key[..=end]).unwrap().into_iter();
        let seeds = records.map(|(_, value)| [vec![u8::try_from(choice).unwrap()], value].concat());
        // One that is whole by itself, where there is one: parts of a list fit under their own key only.
        let seed = seeds.max_by_key(|seed| (entries::is_whole_record(seed), seed.len()));
        let Some(seed) = seed else { continue };
        if entries::is_whole_record(&seed) {
            alone.insert(name);
        }
        if std::env::var_os("MANNTALL_WRITE").is_some() {
            std::fs::write(fuzz().join("seeds/store_record").join(name), seed).unwrap();
        }
    }
    let wanted = ["walk", "user", "group", "account", "target-group", "target", "report", "rules"];
    assert!(alone.is_superset(&wanted.into()), "{alone:?}");
}

#[test]
fn any_bytes_for_the_head_of_an_answer_are_survived() {
    drive("answer_head");
}

#[test]
fn any_bytes_for_a_graph_page_are_survived_and_nothing_is_made_up() {
    drive("graph_page");
}

#[test]
fn any_bytes_for_a_token_answer_are_survived() {
    drive("token_answer");
}

#[test]
fn any_bytes_for_a_scim_answer_are_survived_and_bend_no_request() {
    drive("scim_answer");
}

#[test]
fn any_bytes_for_a_configuration_are_survived_and_errors_have_their_place() {
    drive("configuration");
}

#[test]
fn any_bytes_for_an_expression_are_survived_and_unknown_is_not_guessed() {
    drive("expression");
}

#[test]
fn any_bytes_for_a_saved_plan_are_survived_and_do_nothing_to_the_terminal() {
    drive("saved_plan");
}

#[test]
fn any_bytes_for_a_backup_are_survived_and_only_a_whole_one_is_taken() {
    drive("backup");
}

#[test]
fn any_bytes_for_a_certificate_are_survived() {
    drive("certificate");
}

#[test]
fn any_bytes_for_a_request_on_the_control_socket_are_survived() {
    drive("control_request");
}

#[test]
fn any_bytes_on_the_status_port_are_survived_and_learn_nothing_private() {
    drive("status_request");
}

#[test]
fn any_bytes_for_a_record_of_the_store_are_survived() {
    drive("store_record");
}

#[test]
fn any_bytes_for_a_link_are_survived_and_what_is_accepted_leads_home() {
    drive("link");
    include_str!("../fixtures/hostile-urls.txt")
        .lines()
        .for_each(|line| entries::link(line.as_bytes()));
}
