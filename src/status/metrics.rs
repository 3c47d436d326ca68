//! `/metrics`: the snapshot in Prometheus' text format, version 0.0.4.
//!
//! Base units, `_total` for what only grows, points in time rather than ages, and no label that names
//! a person or a group: labels are tenants, platforms, hosts and words of ours. Everything comes from
//! values at hand, so there is no registry and no global state.

use std::fmt::{Display, Write};
use std::time::Duration;

use crate::core::judge::Guard;
use crate::core::model::Timestamp;
use crate::core::plan::Action;
use crate::core::report::{
    Cause, Gap, Held, Histogram, LeftOutStand, Machine, Own, Snapshot, SourceStand, State,
    Surroundings, TargetStand, Traffic, source_state, target_state, verdict,
};

/// The media type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is written, family by family.
struct Exposition(String);

type Labels<'a> = &'a [(&'a str, &'a str)];
type Count = fn(&TargetStand) -> u64;
type Moment = fn(&TargetStand) -> Option<Timestamp>;

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A point in time that may not have come yet.
    fn time(&mut self, name: &str, labels: Labels<'_>, time: Option<Timestamp>) {
        if let Some(Timestamp(ms)) = time {
            self.sample(name, labels, seconds(ms));
        }
    }

    fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (limit, count) in histogram.cumulative() {
            let limit = limit.as_secs_f64().to_string();
            self.sample(&bucket, &[labels, &[("le", &limit)]].concat(), count);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), histogram.count());
        self.sample(&format!("{name}_sum"), labels, histogram.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), labels, histogram.count());
    }
}

/// Milliseconds as seconds, exactly.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

/// A share to four digits, exactly.
fn ratio(part: u64, whole: u64) -> String {
    let share = part.min(whole).saturating_mul(10_000) / whole.max(1);
    format!("{}.{:04}", share / 10_000, share % 10_000)
}

/// Everything there is to measure.
pub(super) fn render(
    snapshot: &Snapshot,
    surroundings: &Surroundings,
    traffic: &Traffic,
    rules: &str,
) -> String {
    let mut out = Exposition(String::with_capacity(16 * 1024));
    about_us(&mut out, snapshot, rules);
    ourselves(&mut out, snapshot);
    states(&mut out, snapshot);
    sources(&mut out, snapshot);
    stands(&mut out, snapshot);
    left_out(&mut out, snapshot);
    rewritten(&mut out, snapshot);
    moments(&mut out, snapshot);
    operations(&mut out, snapshot);
    leavers(&mut out, snapshot);
    exchanges(&mut out, traffic);
    around(&mut out, surroundings);
    out.0
}

fn about_us(out: &mut Exposition, snapshot: &Snapshot, rules: &str) {
    out.family("manntall_build_info", "gauge", "The running version.");
    out.sample("manntall_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    out.family("manntall_config_info", "gauge", "The rules in force, by their digest.");
    out.sample("manntall_config_info", &[("rules", rules.get(..12).unwrap_or(rules))], 1);
    let name = "manntall_started_timestamp_seconds";
    out.family(name, "gauge", "When the loop began.");
    out.time(name, &[], Some(snapshot.started));
    let name = "manntall_last_turn_timestamp_seconds";
    out.family(name, "gauge", "When the loop last told how things stand.");
    out.time(name, &[], Some(snapshot.at));
    let name = "manntall_poll_interval_seconds";
    out.family(name, "gauge", "How often a tenant is asked for changes.");
    out.sample(name, &[], snapshot.poll_interval.as_secs_f64());
    let name = "manntall_cycle_duration_seconds";
    out.family(name, "histogram", "From the first news of a cycle to nothing left to do.");
    out.histogram(name, &[], &snapshot.passes);
    out.family("manntall_cycles_total", "counter", "Cycles, by whether a peer was in trouble.");
    for result in ["ok", "troubled"] {
        let count = snapshot.passes_by_result.get(result).unwrap_or(&0);
        out.sample("manntall_cycles_total", &[("result", result)], count);
    }
}

fn ourselves(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_own_trouble";
    out.family(name, "gauge", "1 for what is wrong with Manntall itself.");
    for own in Own::ALL {
        let is_so = snapshot.troubles.iter().any(|trouble| trouble.kind == own);
        out.sample(name, &[("kind", own.name())], u8::from(is_so));
    }
    let name = "manntall_disk_free_bytes";
    out.family(name, "gauge", "What is free on the disk of the state.");
    if let Some(free) = snapshot.disk_free {
        out.sample(name, &[], free);
    }
    let name = "manntall_backup_timestamp_seconds";
    out.family(name, "gauge", "When the state was copied into a backup last.");
    out.time(name, &[], snapshot.last_backup);
}

fn states(out: &mut Exposition, snapshot: &Snapshot) {
    out.family("manntall_state", "gauge", "1 for the state that everything is in.");
    let whole = verdict(snapshot).state;
    for state in State::ALL {
        out.sample("manntall_state", &[("state", state.name())], u8::from(state == whole));
    }
    let name = "manntall_pair_state";
    out.family(name, "gauge", "1 for the state that a tenant and a platform are in together.");
    for (tenant, target, source, stand) in pairs(snapshot) {
        let pair = Snapshot {
            sources: [(tenant.to_owned(), source.clone())].into(),
            targets: [(target.to_owned(), stand.clone())].into(),
            paused: snapshot.paused,
            ..Snapshot::default()
        };
        let current = verdict(&pair).state;
        for state in State::ALL {
            let labels = [("tenant", tenant), ("target", target), ("state", state.name())];
            out.sample(name, &labels, u8::from(state == current));
        }
    }
    let name = "manntall_last_success_timestamp_seconds";
    out.family(name, "gauge", "When the tenant was last heard and the platform last served.");
    for (tenant, target, source, stand) in pairs(snapshot) {
        let both = source.heard().zip(stand.served()).map(|(heard, served)| heard.min(served));
        out.time(name, &[("tenant", tenant), ("target", target)], both);
    }
}

fn pairs(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &str, &SourceStand, &TargetStand)> {
    snapshot.sources.iter().flat_map(move |(tenant, source)| {
        let targets = snapshot.targets.iter();
        targets.map(move |(target, stand)| (tenant.as_str(), target.as_str(), source, stand))
    })
}

fn sources(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_source_state";
    out.family(name, "gauge", "1 for the state that a tenant is in.");
    for (tenant, source) in &snapshot.sources {
        let current = source_state(source);
        for state in State::ALL {
            let labels = [("tenant", tenant.as_str()), ("state", state.name())];
            out.sample(name, &labels, u8::from(state == current));
        }
    }
    let name = "manntall_source_attribute_coverage_ratio";
    out.family(name, "gauge", "The share of a tenant's people of whom an attribute is told.");
    for (tenant, source) in &snapshot.sources {
        for (attribute, (have, all)) in source.coverage.iter().filter(|(_, (_, all))| *all > 0) {
            let labels = [("tenant", tenant.as_str()), ("attribute", attribute)];
            out.sample(name, &labels, ratio(*have, *all));
        }
    }
    let name = "manntall_source_objects";
    out.family(name, "gauge", "Users and groups known of a tenant.");
    for (tenant, source) in &snapshot.sources {
        for (kind, count) in [("users", source.users), ("groups", source.groups)] {
            out.sample(name, &[("tenant", tenant), ("kind", kind)], count);
        }
    }
    let gap = |name, help, value: fn(&Gap) -> u64, out: &mut Exposition| {
        out.family(name, "gauge", help);
        for (tenant, source) in &snapshot.sources {
            for (kind, gap) in ["users", "groups"].into_iter().zip(&source.gaps) {
                let value = gap.as_ref().map_or(0, value);
                out.sample(name, &[("tenant", tenant), ("kind", kind)], value);
            }
        }
    };
    let help = "What a tenant told since its last complete read, or in it, and could not be read.";
    gap("manntall_source_unread_elements", help, |gap| gap.unread, out);
    let help = "1 where the last complete read could not be counted.";
    gap("manntall_source_uncounted", help, |gap| u64::from(gap.uncounted), out);
    for (name, help, times) in [
        (
            "manntall_baseline_timestamp_seconds",
            "When a tenant was last read whole.",
            (|source| source.last_complete) as fn(&SourceStand) -> [Option<Timestamp>; 2],
        ),
        (
            "manntall_source_heard_timestamp_seconds",
            "When a round of news was last read to its end.",
            |source| source.last_round,
        ),
    ] {
        out.family(name, "gauge", help);
        for (tenant, source) in &snapshot.sources {
            for (kind, time) in ["users", "groups"].into_iter().zip(times(source)) {
                out.time(name, &[("tenant", tenant), ("kind", kind)], time);
            }
        }
    }
}

fn stands(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_target_state";
    out.family(name, "gauge", "1 for the state that a platform is in.");
    for (target, stand) in &snapshot.targets {
        let current = target_state(stand);
        for state in State::ALL {
            let labels = [("target", target.as_str()), ("state", state.name())];
            out.sample(name, &labels, u8::from(state == current));
        }
    }
    let counts: [(&str, &str, Count); 17] = [
        ("manntall_accounts", "Accounts of ours.", |stand| stand.accounts),
        ("manntall_active_accounts", "Accounts of ours that are active.", |stand| stand.active),
        ("manntall_groups", "Groups of ours.", |stand| stand.groups),
        ("manntall_memberships", "Memberships of ours.", |stand| stand.memberships),
        ("manntall_entitled", "People who should have an active account.", |s| s.entitled),
        ("manntall_entitled_active", "Those of them who have one.", |s| s.entitled_active),
        (
            "manntall_entitled_stuck",
            "Those of them who have none until a person has looked.",
            |s| s.entitled_stuck,
        ),
        ("manntall_escrow_items", "Things that a person has to look at.", |stand| stand.stuck),
        ("manntall_drift_items", "Found changed by somebody else.", |stand| stand.drift),
        ("manntall_disabled_accounts", "Made inactive by somebody else.", |stand| stand.disabled),
        ("manntall_absent_items", "Not found there, by one look so far.", |stand| {
            stand.absent.map_or(0, |absent| absent.count)
        }),
        ("manntall_twin_items", "Of ours, there twice with the same externalId.", |stand| {
            stand.twins
        }),
        (
            "manntall_leavers_open",
            "Should be out, not confirmed out, neither held nor stuck.",
            |s| s.leaving.map_or(0, |leaving| leaving.count),
        ),
        (
            "manntall_waiting_items",
            "People and groups of whom Entra has not told what must be known.",
            |stand| stand.waiting,
        ),
        ("manntall_untold_deactivations", "Rest on the answer of the platform alone.", |stand| {
            stand.untold
        }),
        ("manntall_without_seats", "1 while the platform takes no further account.", |stand| {
            u64::from(stand.troubles.iter().any(|trouble| trouble.cause == Cause::NoSeats))
        }),
        ("manntall_leavers_active", "Leavers whose account is active still.", |stand| {
            stand.leavers.active
        }),
    ];
    for (name, help, count) in counts {
        out.family(name, "gauge", help);
        for (target, stand) in &snapshot.targets {
            out.sample(name, &[("target", target)], count(stand));
        }
    }
}

fn left_out(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_left_out_attributes";
    out.family(
        name,
        "gauge",
        "People from whom the platform did not take it, before it was left out.",
    );
    for (target, stand) in &snapshot.targets {
        for one in &stand.left_out {
            let LeftOutStand { attribute, use_, why, people } = one;
            let labels = [
                ("target", target.as_str()),
                ("attribute", attribute),
                ("use", use_),
                ("why", why),
            ];
            out.sample(name, &labels, people);
        }
    }
}

fn rewritten(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_rewritten_attributes";
    out.family(name, "gauge", "People of whom the platform keeps another value than it confirmed.");
    for (target, stand) in &snapshot.targets {
        for (attribute, people) in &stand.rewritten {
            out.sample(name, &[("target", target.as_str()), ("attribute", attribute)], people);
        }
    }
}

fn moments(out: &mut Exposition, snapshot: &Snapshot) {
    let moments: [(&str, &str, Moment); 5] = [
        ("manntall_escrow_oldest_timestamp_seconds", "The oldest stuck thing.", |stand| {
            stand.stuck_since
        }),
        ("manntall_leavers_oldest_timestamp_seconds", "The first leaver still active.", |stand| {
            stand.leavers.oldest
        }),
        ("manntall_held_oldest_timestamp_seconds", "The oldest hold without a word.", |stand| {
            stand.asked().map(|hold| hold.since).min()
        }),
        ("manntall_proof_timestamp_seconds", "When the platform was compared whole.", |stand| {
            stand.last_proof
        }),
        ("manntall_done_timestamp_seconds", "When nothing was left to do.", |stand| {
            stand.last_success
        }),
    ];
    for (name, help, moment) in moments {
        out.family(name, "gauge", help);
        for (target, stand) in &snapshot.targets {
            out.time(name, &[("target", target)], moment(stand));
        }
    }
}

fn operations(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_operations_total";
    out.family(name, "counter", "Changes that the platform confirmed or refused.");
    for (target, stand) in &snapshot.targets {
        for (result, counts) in [("confirmed", &stand.confirmed), ("refused", &stand.refused)] {
            for op in Action::ALL {
                let labels = [("target", target.as_str()), ("op", op.name()), ("result", result)];
                out.sample(name, &labels, counts.get(&op).unwrap_or(&0));
            }
        }
    }
    let name = "manntall_pending_operations";
    out.family(name, "gauge", "Changes that wait for nothing but their turn.");
    for (target, stand) in &snapshot.targets {
        for op in Action::ALL {
            let count = stand.pending.get(&op).unwrap_or(&0);
            out.sample(name, &[("target", target), ("op", op.name())], count);
        }
    }
    holds(out, snapshot);
    let name = "manntall_guard_trips_total";
    out.family(name, "counter", "How often a guard has acted.");
    for (target, stand) in &snapshot.targets {
        for guard in Guard::ALL {
            let count = stand.trips.get(&guard).unwrap_or(&0);
            out.sample(name, &[("target", target), ("guard", guard.name())], count);
        }
    }
}

fn holds(out: &mut Exposition, snapshot: &Snapshot) {
    let waits = "Changes that wait for a person's word, by what stopped them.";
    let rejected =
        "Changes that a person has rejected and that are wanted still, by what stopped them.";
    let count_of: [fn(&Held) -> u64; 2] = [|hold| hold.count, |hold| hold.rejected];
    let families =
        [("manntall_held_operations", waits), ("manntall_rejected_operations", rejected)];
    for ((name, help), count) in families.into_iter().zip(count_of) {
        out.family(name, "gauge", help);
        for (target, stand) in &snapshot.targets {
            for guard in Guard::ALL.into_iter().filter(|guard| guard.holds()) {
                let holds = stand.holds.iter().filter(|hold| hold.guard == guard.name());
                let count: u64 = holds.map(count).sum();
                out.sample(name, &[("target", target), ("reason", guard.name())], count);
            }
        }
    }
}

fn leavers(out: &mut Exposition, snapshot: &Snapshot) {
    let name = "manntall_propagation_seconds";
    out.family(name, "histogram", "From being known to leave to being out.");
    for (target, stand) in &snapshot.targets {
        let labels = [("target", target.as_str()), ("op", "deactivate")];
        out.histogram(name, &labels, &stand.leavers.spans);
    }
}

fn exchanges(out: &mut Exposition, traffic: &Traffic) {
    let name = "manntall_http_requests_total";
    out.family(name, "counter", "Requests by peer, method and status; code 0 without an answer.");
    for (peer, of_peer) in &traffic.peers {
        for ((method, code), count) in &of_peer.requests {
            let code = code.to_string();
            out.sample(name, &[("peer", peer), ("method", method), ("code", &code)], count);
        }
    }
    let name = "manntall_http_request_duration_seconds";
    out.family(name, "histogram", "How long answers took.");
    for (peer, of_peer) in &traffic.peers {
        out.histogram(name, &[("peer", peer)], &of_peer.spans);
    }
    let name = "manntall_throttled_seconds_total";
    out.family(name, "counter", "Waits that a peer asked for with a 429.");
    for (peer, of_peer) in &traffic.peers {
        out.sample(name, &[("peer", peer)], Duration::as_secs_f64(&of_peer.throttled));
    }
    let name = "manntall_clock_skew_seconds";
    out.family(name, "gauge", "Our clock minus the peer's, to a second.");
    for (peer, of_peer) in &traffic.peers {
        if let Some(skew) = of_peer.skew_ms {
            out.sample(name, &[("peer", peer)], seconds(skew));
        }
    }
}

/// What is known beside the loop. The names of the process's own are those that every client library
/// of Prometheus gives them.
fn around(out: &mut Exposition, surroundings: &Surroundings) {
    let Surroundings { expiries, machine } = surroundings;
    let name = "manntall_secret_expiry_timestamp_seconds";
    out.family(name, "gauge", "When a credential ends, as far as that is known.");
    for expiry in expiries {
        out.time(name, &[("name", &expiry.what.to_string())], Some(expiry.at));
    }
    let Machine { state_bytes, resident_bytes, open_files, processor, began } = machine;
    let gauges = [
        ("manntall_state_bytes", "What the state takes on the disk.", *state_bytes),
        ("process_resident_memory_bytes", "Resident memory size in bytes.", *resident_bytes),
        ("process_open_fds", "Number of open file descriptors.", *open_files),
    ];
    for (name, help, value) in gauges {
        out.family(name, "gauge", help);
        if let Some(value) = value {
            out.sample(name, &[], value);
        }
    }
    let name = "process_cpu_seconds_total";
    out.family(name, "counter", "Total user and system CPU time spent in seconds.");
    if let Some(span) = processor {
        out.sample(name, &[], span.as_secs_f64());
    }
    let name = "process_start_time_seconds";
    out.family(name, "gauge", "Start time of the process since unix epoch in seconds.");
    out.time(name, &[], *began);
}
