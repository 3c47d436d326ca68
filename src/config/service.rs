//! Reads `[service]`.

use std::time::Duration;

use super::Service;
use super::reading::{Entry, Reading, Table, Wrong};
use crate::core::expression::nearest;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Delta links live 7 days (Graph, "Use delta query to track changes"), so a complete read comes
/// sooner.
const FULL_COMPARE_MAX: Duration = Duration::from_secs(6 * 24 * 3600);

/// The shortest poll interval; more would only be throttled.
const POLL_INTERVAL_MIN: Duration = Duration::from_secs(5);

pub(super) fn read(mut table: Table, reading: &mut Reading<'_>) -> Service {
    let state_dir = table.optional("state_dir", reading, |entry| Ok(entry.filled()?.to_owned()));
    let poll_interval = table
        .optional("poll_interval", reading, |entry| entry.duration(&(POLL_INTERVAL_MIN..=DAY)))
        .unwrap_or(60 * SECOND);
    let full_compare = table
        .optional("full_compare", reading, |entry| entry.duration(&(HOUR..=FULL_COMPARE_MAX)))
        .unwrap_or(DAY);
    let confirm_absence = table
        .optional("confirm_absence", reading, |entry| entry.duration(&(SECOND..=DAY)))
        .unwrap_or(HOUR);
    let time_zone =
        table.optional("time_zone", reading, time_zone).unwrap_or_else(|| "UTC".to_owned());
    table.finish(reading);
    let state_dir = reading.resolve(state_dir.as_deref().unwrap_or("/var/lib/manntall"));
    Service { state_dir, poll_interval, full_compare, confirm_absence, time_zone }
}

fn time_zone(entry: &Entry) -> Result<String, Wrong> {
    let name = entry.filled()?;
    let zones = jiff::tz::db();
    if let Ok(zone) = zones.get(name) {
        return Ok(zone.iana_name().unwrap_or(name).to_owned());
    }
    let known: Vec<String> = zones.available().map(|zone| zone.to_string()).collect();
    Err(Wrong {
        message: "is no IANA time zone, as Europe/Oslo".to_owned(),
        suggestion: nearest(name, known.iter().map(String::as_str)),
        within: None,
        is_hidden: false,
    })
}
