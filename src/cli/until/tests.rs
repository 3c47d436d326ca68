//! When an announcement and an approval end.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use super::Until;
use crate::core::model::Timestamp;

fn ends(text: &str, zone: &str) -> String {
    let now: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let until = Until::from(text);
    match until.end(zone, Timestamp(now.as_millisecond()), "Change the rules.") {
        Ok(at) => at.to_string(),
        Err(failure) => failure.message,
    }
}

#[test]
fn the_end_of_an_announcement_is_taken_in_the_zone_of_the_service_also_when_clocks_change() {
    let oslo = |text| ends(text, "Europe/Oslo");
    assert_eq!(oslo("2027-06-30"), "2027-06-30T22:00:00Z", "its whole day counts");
    assert_eq!(oslo("2027-06-30T16:00"), "2027-06-30T14:00:00Z");
    assert_eq!(oslo("2027-06-30T16:00:00+00:00"), "2027-06-30T16:00:00Z");
    // The hour that never happens, and the one that happens twice.
    assert_eq!(oslo("2027-03-28T02:30"), "2027-03-28T01:30:00Z");
    assert_eq!(oslo("2027-10-31T02:30"), "2027-10-31T00:30:00Z");
    // Days of 23 and of 25 hours.
    assert_eq!(oslo("2027-03-28"), "2027-03-28T22:00:00Z");
    assert_eq!(oslo("2027-10-31"), "2027-10-31T23:00:00Z");
    // A day without a midnight.
    assert_eq!(ends("2027-03-27", "Asia/Beirut"), "2027-03-27T22:00:00Z");
    assert!(oslo("2027-02-29").contains("nor a date"), "no leap year");
    let now: jiff::Timestamp = "2028-02-01T10:00:00Z".parse().unwrap();
    let leap = Until::from("2028-02-29");
    let leap = leap.end("Europe/Oslo", Timestamp(now.as_millisecond()), "").unwrap();
    assert_eq!(leap.to_string(), "2028-02-29T23:00:00Z");
    assert!(oslo("2026-11-22T10:59").contains("is past"));
}

#[test]
fn a_span_and_a_date_are_both_taken_and_more_than_a_year_is_not() {
    let oslo = |text| ends(text, "Europe/Oslo");
    assert_eq!(oslo("3d"), "2026-11-25T10:00:00Z");
    assert_eq!(oslo("12h"), "2026-11-22T22:00:00Z");
    assert_eq!(oslo("2026-11-25"), "2026-11-25T23:00:00Z");
    assert_eq!(
        oslo("soon"),
        "--until \"soon\" is neither a span, as 3d or 12h, nor a date, as 2027-06-30 or 2027-06-30T16:00"
    );
    for text in ["400d", "2028-06-30"] {
        let words = oslo(text);
        assert!(
            words.ends_with("is more than a year; nothing was changed. Change the rules."),
            "{words}"
        );
    }
    assert!(oslo("0s").contains("is past"));
}
