//! The target's words carry no personal data.

use super::bench::{Bench, attributes};
use crate::scim::words::{Words, words};

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

/// What a platform may say of people, ours in other forms and others whom we do not know.
const CANARIES: [&str; 8] = [
    "Storgata 5 of Ola Tredjemann is also used by Per Fjerdemann in ward Psykiatri",
    "Ha\u{30a}kon Bjo\u{338}rka\u{30a}sveien 7",
    "\\u00d8deg\\u00e5rdsen",
    "%C3%98deg%C3%A5rdsen",
    "S2FyaSBOb3JkbWFubg==",
    "nnamdroN iraK",
    "K.a.r.i N.o.r.d.m.a.n.n",
    "Odegardsen",
];

#[tokio::test]
async fn nothing_that_a_target_says_is_in_what_may_be_logged() {
    for said in CANARIES {
        for status in [400, 401, 403, 409, 413, 500, 503] {
            for body in [
                serde_json::json!({ "scimType": said, "detail": said }).to_string(),
                said.to_owned(),
                format!("<html><title>{said}</title>"),
            ] {
                let bench = Bench::new();
                bench.answer_with(status, &body, &[("content-type", "Fjerdemann")]);
                let kari = attributes([("userName", "kari@asker.example.no".into())]);
                let made = bench.writer.create_user(bench.permit().await, &kari).await;
                let error = made.unwrap_err();
                for logged in
                    [error.to_string(), format!("{error:?}"), Words::from(&error).to_string()]
                {
                    let lower = logged.to_lowercase();
                    let words = said.split(|c: char| !c.is_alphanumeric());
                    let quoted = words.filter(|word| word.len() > 4);
                    let quoted: Vec<_> =
                        quoted.filter(|w| lower.contains(&w.to_lowercase())).collect();
                    assert_eq!(quoted, Vec::<&str>::new(), "{status} {body}: {logged}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_code_and_the_attribute_of_a_refusal_are_told_to_everybody() {
    let bench = Bench::new();
    let detail =
        r#"{"scimType":"invalidPath","detail":"no phoneNumbers for Kari, and no \"title\" title"}"#;
    bench.answer(400, detail).answer(400, r#"{"detail":"the active title of the manager"}"#);
    let kari = attributes([("displayName", "Kari".into())]);
    let refused = [
        bench.writer.create_user(bench.permit().await, &kari).await.unwrap_err().to_string(),
        bench.writer.create_user(bench.permit().await, &kari).await.unwrap_err().to_string(),
    ];
    assert_eq!(
        refused,
        [
            "the platform rejects the change (status 400): invalidPath, about phoneNumbers and title",
            "the platform rejects the change (status 400)",
        ]
    );
}
