//! `--until`: when somebody's word ends, as a span from now or as a date.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Exit, Failure};
use crate::core::model::Timestamp;

/// So long at the most: what lasts longer is no single word, but a rule of the configuration.
const DAYS_MAX: u64 = 366;

/// When it ends, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Until {
    /// So long after it is said.
    Span(Duration),
    /// At a date or a time.
    At(String),
}

impl From<&str> for Until {
    /// Takes any text: what it means depends on the clock and the zone of whoever does the task.
    fn from(text: &str) -> Self {
        let span = humantime::parse_duration(text);
        span.map_or_else(|_| Self::At(text.to_owned()), Self::Span)
    }
}

impl Until {
    /// The time that is meant, in the operator's zone; the end of the day where it is only a date. `instead`
    /// says what to do where it is too far away.
    pub(super) fn end(
        &self,
        zone: &str,
        now: Timestamp,
        instead: &str,
    ) -> Result<Timestamp, Failure> {
        let (typed, until) = match self {
            Self::Span(span) => (humantime::format_duration(*span).to_string(), now.plus(*span)),
            Self::At(text) => (text.clone(), date(text, zone)?),
        };
        if until <= now {
            return Err(refused(&typed, "is past; nothing was changed"));
        }
        if until.since(now).as_secs() > DAYS_MAX * 24 * 60 * 60 {
            let why = format!("is more than a year; nothing was changed. {instead}");
            return Err(refused(&typed, &why));
        }
        Ok(until)
    }
}

fn refused(typed: &str, why: &str) -> Failure {
    let typed: String = typed.chars().take(40).collect();
    Failure::new(Exit::Usage, format!("--until {typed:?} {why}"))
}

/// The time that `text` means in the zone; the end of the day where it is only a date.
fn date(text: &str, zone: &str) -> Result<Timestamp, Failure> {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let time = if let Ok(time) = text.parse::<jiff::Timestamp>() {
        time
    } else {
        let date = if text.contains(['T', ' ']) {
            text.parse::<jiff::civil::DateTime>()
        } else {
            let day = text.parse::<jiff::civil::Date>();
            day.and_then(jiff::civil::Date::tomorrow).map(|date| date.at(0, 0, 0, 0))
        };
        let why = "is neither a span, as 3d or 12h, nor a date, as 2027-06-30 or 2027-06-30T16:00";
        let date = date.map_err(|_| refused(text, why))?;
        let why = "is no time in the zone of the service";
        zone.to_timestamp(date).map_err(|_| refused(text, why))?
    };
    Ok(Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests;
