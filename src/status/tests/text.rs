//! The page in its languages, and the metrics by a strict parser.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::report::Gap;
use crate::status::words;

#[test]
fn no_language_lacks_a_word_or_forgets_what_belongs_into_it() {
    let holes = |text: &str| -> BTreeSet<String> {
        let parts = text.split('{').skip(1);
        parts.map(|part| part.split('}').next().unwrap().to_owned()).collect()
    };
    let commands = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    for words in words::ALL {
        for ((name, text), (_, english)) in words.entries().iter().zip(words::ALL[0].entries()) {
            assert!(!text.is_empty(), "{} lacks {name}", words.code);
            assert_eq!(holes(text), holes(english), "{} {name}", words.code);
            assert_eq!(commands(text), commands(english), "{} {name}", words.code);
            assert!(!text.contains(" \n"), "{} {name}", words.code);
        }
    }
    let codes: BTreeSet<&str> = words::ALL.iter().map(|words| words.code).collect();
    assert_eq!(codes, BTreeSet::from(["en", "nb", "sv"]));
}

#[test]
fn the_address_chooses_the_language_then_the_browser() {
    let chosen = |query, accepted| words::choose(query, accepted).code;
    assert_eq!(chosen(None, None), "en");
    assert_eq!(chosen(Some("lang=sv"), Some("nb")), "sv");
    assert_eq!(chosen(Some("a=b&lang=no"), None), "nb");
    assert_eq!(chosen(Some("lang=xx"), Some("sv")), "sv");
    assert_eq!(chosen(None, Some("nn-NO,nn;q=0.9,en;q=0.8")), "nb");
    assert_eq!(chosen(None, Some("de, sv;q=0.5, en;q=0.7")), "en");
    assert_eq!(chosen(None, Some("sv;q=0, nb;q=0.1")), "nb");
    assert_eq!(chosen(None, Some("sv;q=banana, *")), "en");
}

#[tokio::test(start_paused = true)]
async fn the_page_opens_with_how_it_is_since_when_what_it_means_and_what_to_do() {
    let mut held = busy();
    held.sources.values_mut().for_each(|source| source.troubles.clear());
    for target in held.targets.values_mut() {
        target.troubles.clear();
        target.stuck = 0;
    }
    let desk = desk(held);
    let (_, page) = get(&desk, "/", &[]).await;
    let said = words_of(&page);
    for words in [
        "◆ Held since 2026-03-02 04:00:00 +01:00 (3\u{a0}hours ago): 143 changes wait for approval \
         and are not made until then, while everything else goes on; look at them with manntall holds",
        "Should have an account 6,200 = 6,190 active + 7 waiting + 3 stuck",
        "Leavers still active 2; the first known 2026-03-02 06:59:00 +01:00 (1\u{a0}minute ago)",
        "Slowest leaver of the last 24 hours 1\u{a0}minute, and still active",
        "Changes in the last 24 hours accounts created: 1,012, accounts deactivated: 4",
        "Last complete comparison with the platform 2026-03-02 05:00:00 +01:00 (2\u{a0}hours ago); \
         changed there by others: 2, deactivated there by others: 1; everybody out who should be, and nobody \
         missing, since 2026-02-23 07:00:00 +01:00 (7\u{a0}days ago)",
        "Last complete comparison with Entra 2026-03-02 05:00:00 +01:00 (2\u{a0}hours ago)",
        "Last backup 2026-03-01 07:00:00 +01:00 (24\u{a0}hours ago)",
        "Next look at Entra 2026-03-02 07:00:30 +01:00 (in 30\u{a0}seconds)",
        // What is wrong with ourselves is told to everybody, in words that name nobody.
        "there is little room left for the state on this machine",
        "Credentials that end targets.platform.token has ended 2026-02-28 07:00:00 +01:00 (2\u{a0}days \
         ago) and is refused, so leavers stay active",
        "sources.asker.client_secret ends 2026-03-11 07:00:00 +01:00 (in 9\u{a0}days): make it anew",
    ] {
        assert!(said.contains(words), "{words}\nis not in\n{said}");
    }
    let (_, page) = get(&desk, "/", &[("accept-language", "nb-NO")]).await;
    assert!(page.contains("<html lang=\"nb\">"));
    assert!(words_of(&page).contains(
        "◆ Holdt tilbake siden 2026-03-02 04:00:00 +01:00 (for 3\u{a0}timer siden): 143 endringer venter"
    ));
}

/// The text of a page, as a text browser shows it.
fn words_of(page: &str) -> String {
    let mut text = String::new();
    let body = page.split_once("<body>").unwrap().1;
    for part in body.split('<') {
        let (tag, words) = part.split_once('>').unwrap_or(("", part));
        if matches!(tag, "/dt" | "/td" | "/th" | "/p") {
            text.push(' ');
        }
        text.push_str(words);
    }
    text
}

#[tokio::test(start_paused = true)]
async fn the_page_needs_no_script_and_loads_nothing() {
    let (_, page) = get(&desk(busy()), "/", &[]).await;
    assert!(page.contains("<meta charset=\"utf-8\">"));
    for word in ["<script", "javascript:", "src=", "<link", "@import", "url(", " on"] {
        let markup: String = page.split('<').filter_map(|part| part.split('>').next()).collect();
        let place = if word == " on" { &markup } else { &page };
        assert!(!place.contains(word), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_style_of_another_page_is_not_obeyed() {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let desk = desk(busy());
    let found = answer(&desk, &request("/", &[]));
    let policy = found.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let (_, page) = get(&desk, "/", &[]).await;
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{digest}';")), "{policy}");
}

/// The labels of a sample and its value, as written.
type Sample = (BTreeMap<String, String>, String);

/// Reads the text format as Prometheus does, and refuses what it would refuse.
fn parse(text: &str) -> BTreeMap<String, (String, Vec<Sample>)> {
    let mut families: BTreeMap<String, (String, Vec<Sample>)> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help has words");
            assert!(!families.contains_key(name) && help.ends_with('.'), "{line}");
            name.clone_into(&mut helped);
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert_eq!(name, helped, "a type follows its help");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            name.clone_into(&mut current);
            families.insert(current.clone(), (kind.to_owned(), Vec::new()));
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let number: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(number.is_finite(), "{line}");
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').expect("a closing brace")),
            None => (series, ""),
        };
        let (kind, samples) = families.get_mut(&current).expect("a family before its samples");
        let ends: &[&str] =
            if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(ends.iter().any(|end| name == format!("{current}{end}")), "{line}");
        let name_fits = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        assert!(name_fits(name), "{line}");
        let mut found = BTreeMap::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").expect("a quoted value");
            assert!(name_fits(label), "{line}");
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next().expect("an end of the value") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(chars.next().unwrap().1),
                    (_, char) => value.push(char),
                }
            };
            assert!(found.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        found.insert("__name__".to_owned(), name.to_owned());
        assert!(samples.iter().all(|(known, _)| *known != found), "twice: {line}");
        samples.push((found, value.to_owned()));
    }
    families
}

/// Words that begin with the prefix, as in a document or a rule.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
    let named = words.filter(|word| word.starts_with("manntall_") || word.starts_with("process_"));
    named.map(str::to_owned).collect()
}

fn rendered(snapshot: &Snapshot) -> String {
    let surroundings = super::surroundings();
    crate::status::metrics::render(snapshot, &surroundings, &traffic(), "0123456789abcdef")
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_or_counted_is_on_the_page_and_in_the_metrics() {
    let mut snapshot = busy();
    snapshot.targets.values_mut().for_each(|target| *target = TargetStand::default());
    let gap = Gap { unread: 2, uncounted: true, ..Gap::none(before(80)) };
    for source in snapshot.sources.values_mut() {
        (source.gaps, source.troubles) = ([None, Some(gap.clone())], Vec::new());
    }
    let families = parse(&rendered(&snapshot));
    let of_groups = |name: &str| {
        let samples = families[name].1.iter();
        samples.filter(|(labels, _)| labels["kind"] == "groups").map(|one| one.1.clone()).next()
    };
    assert_eq!(of_groups("manntall_source_unread_elements").as_deref(), Some("2"));
    assert_eq!(of_groups("manntall_source_uncounted").as_deref(), Some("1"));
    let (_, page) = get(&desk(snapshot.clone()), "/", &[]).await;
    let said = words_of(&page);
    for words in [
        "▲ Degraded since",
        "tenant asker told of something that could not be read or counted",
        "2 of the groups that Entra told of could not be read",
        "Graph does not count the groups of this tenant",
    ] {
        assert!(said.contains(words), "{words} is missing from {said}");
    }
    let (_, json) = get(&desk(snapshot), "/api/v1/status", &[]).await;
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["sources"]["asker"]["unread"]["groups"], 2);
    assert_eq!(told["sources"]["asker"]["uncounted"]["groups"], true);
}

#[test]
fn the_metrics_parse_and_name_nobody() {
    let mut snapshot = busy();
    // A name that would end its label early.
    let stand = snapshot.targets.pop_first().unwrap().1;
    snapshot.targets.insert("plat\"}\\form".to_owned(), stand);
    let families = parse(&rendered(&snapshot));
    let labels: BTreeSet<&str> = families
        .values()
        .flat_map(|(_, samples)| samples)
        .flat_map(|(labels, _)| labels.keys().map(String::as_str))
        .collect();
    let known = [
        "__name__",
        "attribute",
        "code",
        "guard",
        "kind",
        "le",
        "method",
        "name",
        "op",
        "peer",
        "reason",
        "result",
        "rules",
        "state",
        "target",
        "tenant",
        "use",
        "version",
        "why",
    ];
    assert_eq!(labels, BTreeSet::from(known));
    for (name, (kind, samples)) in &families {
        assert!(kind != "histogram" || samples.len() == 15, "{name}");
    }
    let held = &families["manntall_held_operations"].1;
    assert!(
        held.iter()
            .any(|(labels, value)| labels["reason"] == "budget.deactivate" && value == "143")
    );
    let ahead = &families["manntall_clock_skew_seconds"].1;
    assert_eq!(ahead[0].1, "-1.500");
    let shares = &families["manntall_source_attribute_coverage_ratio"].1;
    assert_eq!(shares[0].1, "0.9838");
    let ends = &families["manntall_secret_expiry_timestamp_seconds"].1;
    assert_eq!(ends[1].0["name"], "sources.asker.client_secret");
    assert_eq!(ends[1].1, "1773208800.000");
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_waits_for_nobody_and_is_a_number_of_its_own() {
    let mut snapshot = busy();
    let target = snapshot.targets.values_mut().next().unwrap();
    let hold = |guard, count, rejected| {
        let id = "45f0b4f37434".to_owned();
        Held { id, guard, count, since: before(60), rejected }
    };
    target.holds = vec![hold("adopt", 0, 4), hold("budget.deactivate", 1, 14)];
    let samples = parse(&rendered(&snapshot));
    let of = |name: &str, guard: &str| {
        let mut samples = samples[name].1.iter().filter(|(labels, _)| labels["reason"] == guard);
        samples.next().unwrap().1.clone()
    };
    for (guard, held, rejected) in [("adopt", "0", "4"), ("budget.deactivate", "1", "14")] {
        assert_eq!(of("manntall_held_operations", guard), held);
        assert_eq!(of("manntall_rejected_operations", guard), rejected);
    }
    let (_, page) = get(&desk(snapshot.clone()), "/", &[]).await;
    assert!(!page.contains("<code>adopt</code>"), "what is rejected waits for nobody");
    let said = words_of(&page);
    assert!(said.contains("Rejected, and not made 18"), "{said}");
    let (_, json) = get(&desk(snapshot), "/api/v1/status", &[]).await;
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    let target = &told["targets"]["platform"];
    assert_eq!((&target["held"], &target["rejected"]), (&1.into(), &18.into()));
}

#[tokio::test(start_paused = true)]
async fn the_sum_of_who_should_have_an_account_names_who_has_no_login_name() {
    let mut snapshot = busy();
    let target = snapshot.targets.values_mut().next().unwrap();
    (target.entitled, target.entitled_active, target.entitled_stuck) = (30, 28, 0);
    target.without_login = 2;
    let (_, page) = get(&desk(snapshot), "/", &[]).await;
    let said = words_of(&page);
    let sum = "30 = 28 active + 0 waiting + 0 stuck + 2 without a login name";
    assert!(said.contains(sum), "{said}");
}

#[test]
fn what_alerts_dashboard_and_documentation_name_is_measured() {
    let families = parse(&rendered(&busy()));
    let known: BTreeSet<String> = families
        .iter()
        .flat_map(|(name, (kind, _))| {
            let ends: &[&str] =
                if kind == "histogram" { &["", "_bucket", "_sum", "_count"] } else { &[""] };
            ends.iter().map(move |end| format!("{name}{end}"))
        })
        .collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in
        ["deploy/alerts.yml", "deploy/alerts_test.yml", "deploy/grafana.json", "docs/monitoring.md"]
    {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let named = names_in(&text);
        assert!(named.len() > 5, "{file} names metrics");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let documented = names_in(&std::fs::read_to_string(root.join("docs/monitoring.md")).unwrap());
    let undocumented: Vec<_> = families.keys().filter(|name| !documented.contains(*name)).collect();
    assert!(undocumented.is_empty(), "not in docs/monitoring.md: {undocumented:?}");
}
