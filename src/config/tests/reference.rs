//! The schema and the reference page say what the parser does.

use std::collections::BTreeSet;

use super::super::ConfigError;
use super::super::outline::{Shape, keys};
use super::super::reference::{WORDS, words};
use super::super::schema::schema;
use super::{crate_folder, fixtures, load_file, load_text, minimal};

#[test]
fn every_key_has_words_and_all_words_have_a_key() {
    let paths: Vec<String> = keys().into_iter().map(|(path, _)| path).collect();
    let mut used = BTreeSet::new();
    for path in &paths {
        let words = words(path).unwrap_or_else(|| panic!("{path} has no words in reference.rs"));
        assert!(!words.meaning.is_empty(), "{path}");
        used.insert(words.path);
    }
    let gone: Vec<_> = WORDS.iter().filter(|words| !used.contains(words.path)).collect();
    assert!(gone.is_empty(), "words about keys that are gone: {gone:?}");
    assert!(paths.len() > 60, "{paths:?}");
}

#[test]
fn every_key_says_what_it_takes() {
    for (path, key) in keys() {
        assert!(!key.outline.shapes.is_empty(), "{path} is never read as anything");
    }
}

#[test]
fn each_default_that_is_told_is_the_real_one() {
    let plain = format!("{:?}", load_text(&minimal(), &[]).unwrap());
    let mut tried = 0;
    for words in WORDS.iter().filter(|words| !words.default.is_empty()) {
        let path = words.path.replace("sources.NAME", "sources.asker");
        let path = path.replace("targets.NAME", "targets.platform");
        let (table, key) = path.rsplit_once('.').unwrap();
        let line = format!("{key} = {}\n", words.default);
        let header = format!("[{table}]\n");
        let minimal = minimal();
        let text = match minimal.split_once(&header) {
            Some((before, after)) => format!("{before}{header}{line}{after}"),
            None => format!("{minimal}\n{header}{line}"),
        };
        let written = load_text(&text, &[]).unwrap_or_else(|errors| panic!("{path}: {errors}"));
        // The folder that the text lay in is another one each time.
        let strip = |text: &str| {
            let tail = text.split('/').map(|part| if part.starts_with(".tmp") { "" } else { part });
            tail.collect::<Vec<_>>().join("/")
        };
        assert_eq!(strip(&format!("{written:?}")), strip(&plain), "{path}");
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
}

/// What a schema can tell: unknown and missing keys, wrong types, words and numbers. Which keys a group
/// rule or a credential needs depends on others, and the environment may hold whole sections.
fn schema_can_tell(error: &ConfigError) -> bool {
    let forms = [
        "is unknown",
        "is not text",
        "expected one of",
        "expected a date",
        "expected a whole number",
        "is neither true nor false",
    ];
    let needs_another = ["each", "where", "client_secret_file", "sources", "targets"];
    let missing = error.message.starts_with("is missing: ")
        && !needs_another.iter().any(|key| error.key.ends_with(key));
    missing || forms.iter().any(|words| error.message.contains(words))
}

#[test]
fn the_schema_takes_what_is_right_and_refuses_what_it_can_tell_is_wrong() {
    let (mut known, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("schema.json", schema()).unwrap();
    let schema = compiler.compile("schema.json", &mut known).unwrap();
    let json = |text: &str| {
        let table: toml::Table = toml::from_str(text).ok()?;
        serde_json::to_value(table).ok()
    };
    let mut files: Vec<_> =
        std::fs::read_dir(fixtures()).unwrap().map(|e| e.unwrap().path()).collect();
    files.push(crate_folder().join("deploy/manntall.example.toml"));
    let (mut right, mut refused) = (0, 0);
    for path in files {
        let Some(value) = json(&std::fs::read_to_string(&path).unwrap()) else { continue };
        let judged = known.validate(&value, schema);
        match load_file(&path) {
            Ok(_) => {
                assert!(judged.is_ok(), "{}: {}", path.display(), judged.unwrap_err());
                right += 1;
            }
            Err(errors) if errors.errors().iter().any(schema_can_tell) => {
                assert!(judged.is_err(), "{}: {errors}", path.display());
                refused += 1;
            }
            Err(_) => {}
        }
    }
    assert!(right >= 4 && refused >= 20, "{right} {refused}");
}

#[test]
fn every_shape_is_found_somewhere() {
    let all = keys();
    let has = |wanted: fn(&Shape) -> bool| {
        all.iter().any(|(_, key)| key.outline.shapes.iter().any(wanted))
    };
    assert!(has(|shape| matches!(shape, Shape::Share)));
    assert!(has(|shape| matches!(shape, Shape::List(_))));
    assert!(has(|shape| matches!(shape, Shape::Truth)));
    assert!(has(|shape| matches!(shape, Shape::Date)));
}
