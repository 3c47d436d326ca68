//! How much of the allowed rate is used, and whether the platform ever has to complain.

use crate::load::requests;
use crate::measure::{now, pause, tell};
use crate::site::Site;

/// Measured for so long, after the first accounts.
const SPAN_S: u64 = 60;

/// Against a platform that allows `rate` requests a second, `burst` of them at once, and takes
/// `delay_ms` for each.
pub(crate) fn at((rate, burst): (u32, u32), delay_ms: u32, concurrency: u32) {
    let text = |number: u32| number.to_string();
    // Enough people that there is work to the end.
    let people = rate * 90;
    let site = Site::with(
        &[
            "--users",
            &text(people),
            "--groups",
            "8",
            "--memberships",
            "0",
            "--rate",
            &text(rate),
            "--burst",
            &text(burst),
            "--delay-ms",
            &text(delay_ms),
        ],
        &format!("requests_per_second = {rate}\nconcurrency = {concurrency}"),
    );
    let service = site.start(&["run"]);
    while site.writes() < 10 {
        pause(100);
    }
    let sent = || requests(&site)["scim_total"].as_u64().unwrap();
    let (before, begun) = (sent(), now());
    pause(SPAN_S * 1000);
    let (after, span) = (sent(), begun.elapsed());
    drop(service);
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let share = (after - before) as f64 / (f64::from(rate) * span.as_secs_f64());
    let complaints = requests(&site)["violations"].as_u64().unwrap();
    tell(
        &format!("pace at {rate}/s, {burst} at once, with {delay_ms} ms"),
        &format!("{share:.3} of the rate used, {complaints} times 429"),
    );
}
