//! The target's words carry no personal data.

use crate::scim::words::words;

fn sent() -> Vec<String> {
    ["Kari Nordmann", "kari.nordmann@asker.example.no", "O'Brien", "Ærø", "IT", "İpek"]
        .map(str::to_owned)
        .to_vec()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(words(text, &sent()), expected);
}

#[test]
fn what_we_sent_is_hidden_in_any_letter_case_and_order() {
    check("User KARI NORDMANN exists", "User … exists");
    check("User Nordmann, Kari exists", "User …, … exists");
    check("no place called ÆRØ, it says", "no place called …, it says");
    check("o\u{200b}'brien and o'b\u{202e}rien", "… and …");
    check("İPEK and ipek", "… and ipek");
}

#[test]
fn addresses_and_numbers_are_hidden_whoever_they_belong_to() {
    check("taken by \"ola.hansen@sala.example.se\".", "taken by \"…\".");
    check("taken by ola%40sala.example.se", "taken by …");
    check("call +47 900 00 000 now", "call … now");
    check("number 01017012345", "number …");
    check("maximum is 64 characters", "maximum is 64 characters");
}

#[test]
fn words_are_one_short_line() {
    check("a\r\n\tb\u{7}c\u{2066}d  ", "a b cd");
    let long = words(&"x y ".repeat(500), &[]);
    assert_eq!(long.chars().count(), 201);
    assert!(long.ends_with('…'));
}
