//! What is told and when, and that the system says what is read of it.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use super::*;

const DAY: i64 = 24 * 3600 * 1000;

fn secret(at: i64) -> Surroundings {
    let what = Credential::ClientSecret("asker".to_owned());
    Surroundings { expiries: vec![Expiry { at: Timestamp(at), what }], machine: Machine::default() }
}

#[test]
fn l6_an_end_is_told_once_at_30_14_7_and_1_days_and_when_it_has_come() {
    let (surroundings, mut told) = (secret(100 * DAY), Told::default());
    let mut days = Vec::new();
    for hour in 0..102 * 24 {
        let now = Timestamp(hour * DAY / 24);
        for (_, news) in told.news(&surroundings, now) {
            assert!(
                news.contains("sources.asker.client_secret") && news.contains("Entra"),
                "{news}"
            );
            assert!(news.contains("manntall check --online"), "{news}");
            days.push(100 - hour / 24);
        }
    }
    assert_eq!(days, [30, 14, 7, 1, 0]);
    // Whoever starts late is told at once, and nobody twice.
    let mut late = Told::default();
    assert_eq!(late.news(&surroundings, Timestamp(95 * DAY)).len(), 1);
    assert!(late.news(&surroundings, Timestamp(96 * DAY)).is_empty());
    // A new secret is far from its end, and is told of again in its time.
    assert!(late.news(&secret(500 * DAY), Timestamp(97 * DAY)).is_empty());
    assert_eq!(late.news(&secret(500 * DAY), Timestamp(480 * DAY)).len(), 1);
}

#[test]
fn l6_what_has_ended_is_told_with_its_consequence_and_what_to_do() {
    let what = Credential::Token("platform".to_owned());
    let expiry = Expiry { at: Timestamp(0), what };
    let words = expiry.words(Timestamp(DAY)).unwrap();
    for part in
        ["targets.platform.token has ended 1970-01-01", "leavers stay active", "token_expires"]
    {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert_eq!(expiry.words(Timestamp(-40 * DAY)), None);
    let near = expiry.words(Timestamp(-9 * DAY - DAY / 2)).unwrap();
    assert!(near.contains("ends 1970-01-01, in 9 days"), "{near}");
}

#[test]
fn the_system_says_what_the_process_takes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("store")).unwrap();
    std::fs::write(folder.path().join("store/db"), vec![1; 100_000]).unwrap();
    let now = crate::clock::SystemClock::start().now();
    let found = machine(folder.path(), now);
    assert!((100_000..1_000_000).contains(&found.state_bytes.unwrap()), "{found:?}");
    assert!(found.resident_bytes.unwrap() > 1024 * 1024, "{found:?}");
    assert!(found.open_files.unwrap() >= 3, "{found:?}");
    assert!(found.processor.unwrap() < Duration::from_secs(3600), "{found:?}");
    let began = found.began.unwrap();
    assert!(began <= now && now.since(began) < Duration::from_secs(24 * 3600), "{found:?}");
    let gone = machine(Path::new("/nowhere/at/all"), now);
    assert_eq!(gone.state_bytes, None);
}

#[test]
fn a_name_with_brackets_does_not_move_the_fields() {
    let line = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 12345 0 0";
    let (processor, began) = times(line).unwrap();
    assert_eq!(processor, Duration::from_secs(3));
    assert_eq!(began, Duration::from_millis(123_450));
}
