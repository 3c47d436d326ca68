//! The command line is sound, and what it shows reads well.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::collections::BTreeMap;

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use super::reveal::Sight;
use super::view::hold::HeldLine;
use super::view::plan::{ChangeLine, Document, FORMAT, Kind, SavedPlan, Subject, TargetPlan};
use super::view::plan_text::{self, Look};
use super::view::text::{harmless, number, own};
use super::{Cli, Command, Exit, user_of};
use crate::core::plan::Action;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn common_flags_go_before_or_after_the_command() {
    for line in [
        ["manntall", "--json", "--config", "a.toml", "status"],
        ["manntall", "status", "--config", "a.toml", "--json"],
    ] {
        let cli = Cli::try_parse_from(line).unwrap();
        assert!(matches!(cli.command, Command::Status(_)));
        assert!(cli.common.json);
        assert_eq!(cli.common.config.unwrap().to_str(), Some("a.toml"));
    }
}

#[test]
fn of_several_ends_the_first_in_the_order_of_the_manual_is_told() {
    let order = [130, 13, 11, 78, 12, 69, 75, 4, 3, 0];
    let all = [
        Exit::Done,
        Exit::Stuck,
        Exit::Held,
        Exit::Throttled,
        Exit::Unreachable,
        Exit::Refused,
        Exit::Config,
        Exit::Locked,
        Exit::Damaged,
        Exit::Interrupted,
    ];
    let mut left = all.to_vec();
    for code in order {
        let first = Exit::first_of(left.iter().copied());
        assert_eq!(first.code(), code);
        left.retain(|exit| *exit != first);
    }
    assert_eq!(Exit::first_of([]), Exit::Done);
}

#[test]
fn times_in_our_words_are_those_of_the_zone_and_values_stay_as_they_are() {
    let words = "since 2026-03-02T06:00:00Z, again (2026-03-02T07:00:00Z): \"2026-03-02T06:00:00Z\" 4711Z Z";
    assert_eq!(
        own(words),
        "since 2026-03-02 06:00:00 +00:00, again (2026-03-02 07:00:00 +00:00): \"2026-03-02T06:00:00Z\" 4711Z Z"
    );
}

#[test]
fn hostile_text_is_harmless() {
    assert_eq!(harmless("Åse Lønn"), "Åse Lønn");
    assert_eq!(harmless("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
    assert_eq!(
        harmless("a\u{202e}b\u{2066}c\u{feff}\u{9b}"),
        "a\\u{202e}b\\u{2066}c\\u{feff}\\u{9b}"
    );
    assert_eq!(harmless("one\r\ntwo"), "one\\u{d}\\u{a}two");
    assert!(harmless(&"x".repeat(10_000)).chars().count() < 250);
}

#[test]
fn numbers_have_separators() {
    let shown = [0, 999, 1_000, 5_890, 1_234_567].map(number);
    assert_eq!(shown, ["0", "999", "1,000", "5,890", "1,234,567"]);
}

fn change(action: Action, name: &str) -> ChangeLine {
    ChangeLine {
        action,
        subject: Subject {
            kind: Kind::User,
            key: format!("asker/{name}"),
            name: format!("{name}@asker.example.no"),
            group: None,
            group_name: None,
            member: None,
        },
        reason: "disabled in Entra".to_owned(),
        before: BTreeMap::new(),
        after: BTreeMap::new(),
        held: None,
        rejected: false,
        digest: "00".repeat(16),
    }
}

fn member(action: Action, name: &str) -> ChangeLine {
    let change = change(action, name);
    let subject = Subject {
        kind: Kind::Member,
        group: Some("group:asker/larere".to_owned()),
        group_name: Some("Lærere".to_owned()),
        member: Some(format!("asker/{name}")),
        ..change.subject
    };
    ChangeLine { subject, reason: "belongs to the group in Entra".to_owned(), ..change }
}

fn document(held: Vec<HeldLine>, changes: Vec<ChangeLine>) -> Document {
    let mut plan = TargetPlan { held, changes, ..TargetPlan::default() };
    for change in &plan.changes {
        *plan.summary.entry(change.action).or_default() += 1;
    }
    Document {
        format: FORMAT.to_owned(),
        created: "2026-11-22T10:00:00Z".to_owned(),
        complete: true,
        targets: BTreeMap::from([("platform".to_owned(), plan)]),
        paused: false,
        digest_key: None,
    }
}

fn plain(document: &Document) -> String {
    anstream::adapter::strip_str(&plan_text::render(document, Look::default())).to_string()
}

#[test]
fn a_plan_shows_risky_things_first_with_values_and_causes() {
    let values = |pairs: &[(&str, Value)]| -> BTreeMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let mut update = change(Action::Update, "kari");
    update.reason = "attributes changed in Entra".to_owned();
    update.before = values(&[("title", json!("Lærer"))]);
    update.after = values(&[("title", json!("Rektor")), ("active", json!(true))]);
    let mut leaver = change(Action::Deactivate, "ola");
    leaver.held = Some("0123456789ab".to_owned());
    let hold = HeldLine {
        id: "0123456789ab".to_owned(),
        guard: "budget.deactivate".to_owned(),
        count: 1430,
        limit: 124,
        since: "2026-11-22T09:00:00Z".to_owned(),
        rejected_by: None,
        rejected: 0,
        approved: 0,
        instead: 0,
    };
    let changes = vec![
        change(Action::Create, "per"),
        update,
        leaver,
        member(Action::MemberAdd, "kari"),
        member(Action::MemberRemove, "ola"),
    ];
    insta::assert_snapshot!(plain(&document(vec![hold], changes)), @r#"
    Plan for platform of 2026-11-22 10:00:00 +00:00

    Held
      ! held       0123456789ab: 1,430 deactivations wait for approval (limit
                   without approval: 124), since 2026-11-22 09:00:00 +00:00
                   make them:    manntall approve 0123456789ab
                   refuse them:  manntall reject 0123456789ab

    People
      - deactivate ola@asker.example.no because disabled in Entra
                   ! held 0123456789ab
      ~ update     kari@asker.example.no because attributes changed in Entra
                   active: true
                   title: "Lærer" → "Rektor"
      + create     per@asker.example.no because disabled in Entra

    Memberships
      - remove     ola@asker.example.no from Lærere
                   because belongs to the group in Entra
      + add        kari@asker.example.no to Lærere
                   because belongs to the group in Entra

    Plan: people: 1 create, 1 update, 1 deactivate; members: +1 −1; held:
      budget.deactivate 1,430. Apply: manntall sync
    "#);
}

#[test]
fn a_plan_without_changes_says_so() {
    insta::assert_snapshot!(plain(&document(Vec::new(), Vec::new())), @r"
    Plan for platform of 2026-11-22 10:00:00 +00:00

    Plan: no changes; the platform is as it should be.
    ");
}

#[test]
fn long_lists_are_folded_with_their_count() {
    let changes = (0..5900).map(|at| change(Action::Create, &format!("p{at}"))).collect();
    let shown = plain(&document(Vec::new(), changes));
    assert_eq!(shown.lines().filter(|line| line.contains("+ create")).count(), 10);
    assert!(
        shown.contains("… and 5,890 more to create: 5,890 because disabled in Entra;"),
        "{shown}"
    );
    assert!(shown.ends_with("Plan: people: 5,900 create. Apply: manntall sync\n"), "{shown}");
}

#[test]
fn no_line_is_wider_than_a_terminal_whatever_it_says() {
    let mut long = change(Action::Update, &"x".repeat(70));
    long.reason = "attributes changed in Entra ".repeat(4);
    long.after = BTreeMap::from([("title".to_owned(), json!("Lærer ".repeat(30)))]);
    long.held = Some("0123456789ab".to_owned());
    let shown = plain(&document(Vec::new(), vec![long, member(Action::MemberAdd, "kari")]));
    // A name is never broken, so that it can be copied.
    let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide.len(), 1, "{shown}");
    assert!(wide[0].contains("xxx@asker.example.no"), "{shown}");
}

#[test]
fn values_of_people_are_masked_unless_they_are_asked_for() {
    let mut update = change(Action::Update, "kari");
    update.before = BTreeMap::from([
        ("title".to_owned(), json!("Lærer")),
        ("nickName".to_owned(), json!(null)),
    ]);
    update.after = BTreeMap::from([
        ("title".to_owned(), json!("Rektor")),
        ("nickName".to_owned(), json!("K")),
        ("active".to_owned(), json!(true)),
    ]);
    let saved = serde_json::to_vec(&document(Vec::new(), vec![update])).unwrap();
    let saved = SavedPlan::read(&saved).unwrap();
    assert!(saved.has_values());
    let seen = saved.seen(&Sight::Named);
    assert!(!serde_json::to_string(&seen).unwrap().contains("Lærer"));
    let shown = plan_text::render(&seen, Look { saved: Some("plan.json"), is_first: false });
    let shown = anstream::adapter::strip_str(&shown).to_string();
    for hidden in ["Lærer", "Rektor", "\"K\""] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    for words in [
        "title: ••• → •••",
        "nickName: (none) → •••",
        "active: true",
        "Apply: manntall apply plan.json",
        "--reveal",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

#[test]
fn people_of_several_tenants_are_shown_apart() {
    let mut other = change(Action::Create, "per");
    other.subject.key = "royken/per".to_owned();
    let shown = plain(&document(Vec::new(), vec![change(Action::Create, "kari"), other]));
    let at = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words} in {shown}"));
    assert!(at("People of asker") < at("kari@") && at("kari@") < at("People of royken"));
}

#[test]
fn a_plan_that_is_paused_says_what_comes_before_it_is_made() {
    let mut paused = document(Vec::new(), vec![member(Action::MemberAdd, "kari")]);
    assert!(plain(&paused).contains("Apply: manntall sync"));
    paused.paused = true;
    let words = plain(&paused).split_whitespace().collect::<Vec<_>>().join(" ");
    let end = "Paused, so nothing of it is made. Apply: manntall resume, then manntall sync";
    assert!(words.contains(end), "{words}");
}

#[test]
fn a_saved_plan_is_read_back_as_it_was() {
    let before = document(Vec::new(), vec![member(Action::MemberAdd, "kari")]);
    let text = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), before);
}

#[test]
fn a_hold_says_what_was_said_about_it_and_never_the_opposite() {
    let hold = |guard: &str, (count, limit): (u64, u64), rejected: u64, approved: u64| {
        let by = (rejected > 0 && count == 0).then(|| "kari".to_owned());
        let since = "2026-03-02T06:00:00Z".to_owned();
        let (id, guard) = (String::new(), guard.to_owned());
        HeldLine { id, guard, count, limit, since, rejected_by: by, rejected, approved, instead: 0 }
    };
    let made = HeldLine { instead: 1, ..hold("adopt", (1, 10), 0, 0) };
    assert_eq!(hold("adopt", (0, 5), 20, 0).mark(), "! rejected");
    assert_eq!(hold("adopt", (0, 5), 0, 20).mark(), "! approved");
    assert_eq!(hold("adopt", (1, 5), 9, 10).mark(), "! held");
    for (hold, words, ends) in [
        (made, "1 new account instead of an adoption waits for approval, since", true),
        (
            hold("budget.deactivate", (20, 5), 0, 0),
            "20 deactivations wait for approval (limit without approval: 5)",
            true,
        ),
        (
            hold("budget.deactivate", (1, 5), 0, 19),
            "1 deactivation still waits for approval, left of a larger hold; 19 approved, to be made by the next sync",
            true,
        ),
        (
            hold("scope_change", (225, 0), 0, 0),
            "225 changes from the new rules wait for approval",
            true,
        ),
        (
            hold("budget.deactivate", (0, 5), 20, 0),
            "20 deactivations rejected by kari, not made",
            false,
        ),
        (
            hold("budget.rename", (0, 5), 0, 20),
            "20 changed login names approved, to be made by the next sync",
            true,
        ),
    ] {
        assert!(hold.words().starts_with(words), "{}", hold.words());
        let asks = hold.next().iter().any(|next| next.contains("manntall reject"));
        assert_eq!(asks, ends, "{:?}", hold.next());
    }
}

#[test]
fn root_is_called_by_its_name_also_without_an_environment() {
    assert_eq!(user_of(0), "root");
    assert_eq!(user_of(4_000_000_001), "uid 4000000001");
}
