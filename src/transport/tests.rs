//! Waits that a peer asks for, in every form that is met.

use super::*;

/// 1994-11-06T08:49:07Z.
const NOW: Timestamp = Timestamp(784_111_747_000);

fn wait(status: u16, headers: &[(&str, &str)]) -> Option<Duration> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let response = Response { status, headers: headers.collect(), body: Bytes::new() };
    response.retry_after(NOW)
}

#[test]
fn a_wait_is_read_in_every_form_that_is_met() {
    let ms = |ms| Some(Duration::from_millis(ms));
    for (value, expected) in [
        ("30", ms(30_000)),
        (" 1.5 ", ms(1_500)),
        ("0", ms(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", ms(30_000)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", ms(30_000)),
        ("Sun Nov  6 08:49:37 1994", ms(30_000)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", ms(0)),
        ("soon", None),
        ("-1", None),
        ("", None),
        (".", None),
        ("inf", None),
    ] {
        assert_eq!(wait(503, &[("retry-after", value)]), expected, "{value}");
    }
    assert_eq!(wait(429, &[("retry-after-ms", "250"), ("retry-after", "1")]), ms(250));
    assert_eq!(wait(429, &[("x-ms-retry-after-ms", "1200")]), ms(1_200));
    assert_eq!(wait(429, &[("ratelimit-reset", "12")]), ms(12_000));
    assert_eq!(wait(429, &[("x-ratelimit-reset", "1000000000")]), ms(1_000_000_000_000));
    assert_eq!(wait(200, &[("x-ratelimit-reset", "12")]), None, "no complaint");
    // Ours is ten seconds behind.
    let theirs = ("date", "Sun, 06 Nov 1994 08:49:17 GMT");
    let until = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(wait(503, &[theirs, until]), ms(20_000));
}

#[test]
fn an_absurd_wait_is_bounded() {
    let long = "9".repeat(400);
    let century = Duration::from_secs(3_155_760_000);
    for value in ["99999999999", "99999999999999999999999999", long.as_str()] {
        assert_eq!(wait(429, &[("retry-after", value)]), Some(century), "{value}");
    }
}
