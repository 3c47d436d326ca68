//! Where errors are shown, and how.

use std::path::Path;

use proptest::prelude::*;

use super::super::quoting::in_source;
use super::{load_file, load_text, minimal, places};

#[test]
fn an_error_shows_file_line_caret_and_what_was_meant() {
    let text = minimal().replace("[targets", "[service]\npol_interval = \"1m\"\n\n[targets");
    let errors = load_text(&text, &[]).unwrap_err();
    let file = &errors.errors()[0].file;
    let shown = errors.to_string().replace(file, "FILE");
    insta::assert_snapshot!(shown, @r#"
    error: service.pol_interval: is unknown
     --> FILE:8:1
      |
    8 | pol_interval = …
      | ^^^^^^^^^^^^
      |
      = help: did you mean `poll_interval`?
    "#);
    assert!(!errors.to_string().contains('\u{1b}'), "colour only where it is asked for");
    assert!(errors.coloured().contains('\u{1b}'));
}

#[test]
fn an_error_at_the_end_of_the_file_is_on_its_last_line() {
    let errors = load_text("a = \"\"\"\nb\n", &[]).unwrap_err();
    let places: Vec<_> = errors.errors().iter().map(|error| (error.line, error.column)).collect();
    assert!(places.contains(&(2, 2)), "{errors}");
    // What stands there is not shown, so its mark begins with the line.
    assert!(errors.to_string().contains(":2:1\n"), "{errors}");
}

#[test]
fn of_a_file_that_is_something_else_a_hundred_errors_are_shown() {
    let errors = load_text(&"= 1\n".repeat(300), &[]).unwrap_err();
    let all = errors.errors().len();
    assert!(all >= 300, "{all}");
    let shown = errors.to_string();
    assert_eq!(shown.matches("error: ").count(), 100);
    let more = format!("\n\nand {} more; is this the right file?", all - 100);
    assert!(shown.ends_with(&more), "{shown}");
}

#[test]
fn programs_get_the_same_facts() {
    let text = minimal().replace("asker.secret\"", "asker.secret\"\ncloud = \"globl\"");
    let errors = load_text(&text, &[]).unwrap_err();
    let json = serde_json::to_value(errors.errors()).unwrap();
    let mut error = json[0].clone();
    error["file"] = "FILE".into();
    let expected = serde_json::json!({
        "file": "FILE",
        "line": 6,
        "column": 9,
        "key": "sources.asker.cloud",
        "message": "expected one of: global, us-gov, us-dod, china",
        "suggestion": "global",
    });
    assert_eq!(error, expected);
}

#[test]
fn a_secret_that_was_written_into_the_file_is_not_shown() {
    for line in [
        "client_secret = \"hush\"",
        "client_secret = hush",
        "\"token\" = 'hush'",
        "password = \"hush",
        "graph_url = \"https://user:hush@graph.example.no\"\nlogin_url = \"https://login.example.no\"",
    ] {
        let text = minimal().replace("[targets", &format!("{line}\n\n[targets"));
        let errors = load_text(&text, &[]).unwrap_err();
        assert!(!errors.to_string().contains("hush"), "{errors}");
        assert!(!errors.coloured().contains("hush"), "{errors}");
        let json = serde_json::to_string(errors.errors()).unwrap();
        assert!(!json.contains("hush"), "{json}");
    }
}

#[test]
fn a_value_that_may_be_a_secret_is_shown_as_three_dots() {
    for (line, shown) in [
        ("client_secert = \"hush~hush1\"", "client_secert = …"),
        ("client_id = \"hush~hush1\"", "client_id = …"),
        ("client_secret_file = \"hush", "client_secret_file = …"),
        ("colour = \"\"\"hush", "colour = …"),
        ("graph_url = \"u:hush@graph.example.no\"", "graph_url = …"),
    ] {
        let text = minimal();
        let kept = text.lines().filter(|one| one.split('=').next() != line.split('=').next());
        let kept = kept.collect::<Vec<_>>().join("\n");
        let text = kept.replacen("[sources.asker]", &format!("[sources.asker]\n{line}"), 1);
        let errors = load_text(&text, &[]).unwrap_err();
        let json = serde_json::to_string(errors.errors()).unwrap();
        for told in [errors.to_string(), errors.coloured(), errors.brief(), json] {
            assert!(!told.contains("hush"), "{line}: {told}");
        }
        assert!(errors.to_string().contains(shown), "{line}: {errors}");
        assert!(!errors.brief().contains(" = "), "{}", errors.brief());
        assert!(errors.brief().contains("manntall.toml:"), "{}", errors.brief());
    }
}

#[test]
fn a_file_that_is_not_there_is_one_error_without_a_line() {
    let errors = load_file(Path::new("/nowhere/manntall.toml")).unwrap_err();
    assert_eq!(places(&errors), "0:0 -");
    assert!(errors.to_string().contains("/nowhere/manntall.toml"), "{errors}");
}

#[test]
fn columns_count_characters_and_windows_line_ends_are_no_trouble() {
    let text = "[service]\r\nstate_dir = \"/å\"\r\ntime_zone = 3 # é\r\n";
    let errors = load_text(&format!("{text}{}", minimal()), &[]).unwrap_err();
    assert_eq!(places(&errors), "3:13 service.time_zone");
    let text = "people = \"\"\"\r\nperson.mail == 'æ'\r\n or person.mial == 'ø'\"\"\"\r\n";
    let errors = load_text(&format!("{}[targets.platform.scope]\r\n{text}", minimal()), &[]);
    let errors = errors.unwrap_err();
    assert_eq!(places(&errors), "13:12 targets.platform.scope.people");
}

/// One character of text and a way to write it in a basic string.
fn written() -> impl Strategy<Value = (char, String)> {
    prop_oneof![
        prop::char::range(' ', '~')
            .prop_filter("needs an escape", |c| !"\"\\".contains(*c))
            .prop_map(|c| (c, c.to_string())),
        any::<char>().prop_map(|c| (c, format!("\\U{:08X}", u32::from(c)))),
        prop::char::range('\u{80}', '\u{fff}')
            .prop_map(|c| (c, format!("\\u{:04x}", u32::from(c)))),
        prop::sample::select(vec![
            ('"', "\\\""),
            ('\\', "\\\\"),
            ('\n', "\\n"),
            ('\t', "\\t"),
            ('\u{e9}', "\\xe9"),
            ('ø', "ø")
        ])
        .prop_map(|(c, text)| (c, text.to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_character_of_a_string_is_found_again_in_the_file(
        letters in prop::collection::vec(written(), 1..20),
        before in "[a-z æ=]{0,10}",
        lines in any::<bool>(),
    ) {
        let quotes = if lines { "\"\"\"" } else { "\"" };
        let start = if lines { "\"\"\"\n" } else { "\"" };
        let raw: String = letters.iter().map(|(_, raw)| raw.as_str()).collect();
        let source = format!("{before}{start}{raw}{quotes}\n");
        let at = before.len()..source.len() - 1;
        let value = toml::de::DeValue::parse(&source[at.clone()]).unwrap();
        let text: String = letters.iter().map(|(letter, _)| *letter).collect();
        prop_assert_eq!(value.get_ref().as_str(), Some(text.as_str()));
        let (mut decoded, mut place) = (0, before.len() + start.len());
        for (letter, raw) in &letters {
            let within = decoded..decoded + letter.len_utf8();
            prop_assert_eq!(in_source(&source, &at, &within), Some(place..place + raw.len()));
            decoded = within.end;
            place += raw.len();
        }
        let end = decoded..decoded;
        prop_assert_eq!(in_source(&source, &at, &end), Some(place..place));
    }
}
