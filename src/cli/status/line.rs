//! How things stand in one line, for systemd.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::cli::drive;
use crate::cli::view::text::harmless;
use crate::core::model::Timestamp;
use crate::core::words::plural;
use crate::cycle::Engine;

/// One line for `systemctl status`: tenants, what waits for somebody, and the last change.
pub(in crate::cli) fn line(engine: &Engine, zone: &TimeZone) -> String {
    let clock_time = |at: Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
    };
    let state = engine.state();
    let tenants: BTreeSet<_> = state.walks.keys().map(|(name, _)| *name).collect();
    let troubled = engine.source_troubles().keys().map(|(name, _)| *name);
    let troubled: BTreeSet<_> =
        troubled.chain(drive::gaps(engine).map(|(name, ..)| name)).collect();
    let noun = plural(tenants.len(), "tenant", "tenants");
    let mut parts = vec![match (troubled.len(), tenants.len()) {
        (0, all) => format!("{all} {noun} ok"),
        (some, all) => format!("{some} of {all} {noun} in trouble"),
    }];
    if engine.target_trouble().is_some() {
        parts.push("platform in trouble".to_owned());
    }
    if let Some(pause) = &state.paused {
        parts.insert(0, format!("paused by {} at {}", harmless(&pause.by), clock_time(pause.at)));
    }
    if engine.config_trouble().is_some() {
        parts.push("changed configuration refused".to_owned());
    }
    let holds = engine.holds().iter().filter(|hold| hold.open > 0).count();
    parts.push(format!("{holds} {}", plural(holds, "hold", "holds")));
    let stuck = state.ledger.escrow.len();
    if stuck > 0 {
        parts.push(format!("{stuck} stuck"));
    }
    parts.push(match state.recent.last_change {
        Some(at) => format!("last change {}", clock_time(at)),
        None => "no change yet".to_owned(),
    });
    parts.join(", ")
}
