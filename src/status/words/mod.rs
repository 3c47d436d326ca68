//! What the page says, in three languages: one table each. A table that lacks an entry does not
//! compile; the test sees to entries that are empty or forget what belongs into them.
//!
//! `{…}` is filled in; what stands between backticks is typed into a terminal.

mod english;
mod norwegian;
mod swedish;

use std::time::Duration;

use crate::core::model::Kind;
use crate::core::plan::Action;
use crate::core::report::{About, Own, State, Verdict};

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(super) struct Words {
            $($(#[$doc])* pub(super) $name: &'static str,)*
        }

        impl Words {
            /// Every entry with its name.
            #[cfg(test)]
            pub(super) fn entries(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

table! {
    /// The code of the language (BCP 47).
    code,
    /// What the language calls itself.
    language,
    title,
    /// Stands between thousands.
    thousands,
    // The states.
    never_run, idle, running, held, degraded, quarantined, paused, not_running,
    /// "since", before a time.
    since,
    // What it means, and what there is to do.
    says_never_run, says_idle, says_running, says_held_one, says_held_many,
    says_source_degraded, says_groups_degraded, says_withheld, says_foreign, says_gap, says_silent_users, says_silent_groups, says_target_degraded, says_no_seats, says_stuck_one, says_stuck_many,
    says_leaving_one, says_leaving_many,
    says_source_quarantined, says_groups_quarantined, says_target_quarantined, says_paused, says_not_running,
    // The same of what is wrong with ourselves.
    says_disk_full, says_stall, says_disk_low, says_clock, says_doubt, says_configuration, says_rival,
    // The facts.
    facts, entitled, equation, equation_nameless, leavers, leavers_first, slowest, slowest_waits, slowest_none,
    changes, changes_none, proof, target_proof, proof_found, proof_clean, proof_open, proof_blind, left_out,
    backup, next, never,
    ends, ends_soon, ends_over,
    // The tables.
    tenants, tenant, state, last_complete, last_round, users, groups,
    platforms, platform, last_success, accounts, active, memberships, pending, waiting, stuck,
    // What waits and what is wrong, where it may be told.
    holds, hold, guard, count, rejected, troubles, hidden, hidden_token, sign_in,
    // What was done.
    create, adopt, update, deactivate, reactivate, delete,
    group_create, group_adopt, group_update, group_delete, member_add, member_remove,
    // Spans.
    ago, ahead, now, second, seconds, minute, minutes, hour, hours, day, days,
    // The foot.
    version, started, renewed,
}

/// The languages, the first for whoever wants none of them.
pub(super) const ALL: [&Words; 3] = [&english::WORDS, &norwegian::WORDS, &swedish::WORDS];

/// The language that the address or the browser asks for.
pub(super) fn choose(query: Option<&str>, accepted: Option<&str>) -> &'static Words {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let asked = pairs.filter_map(|pair| pair.strip_prefix("lang=")).find_map(of_code);
    asked.or_else(|| preferred(accepted?)).unwrap_or(ALL[0])
}

/// The best of what a browser accepts (RFC 9110 §12.5.4).
fn preferred(accepted: &str) -> Option<&'static Words> {
    let wanted = accepted.split(',').take(32).filter_map(|item| {
        let (range, parameters) = item.split_once(';').unwrap_or((item, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let quality = quality.ok().filter(|quality| *quality > 0.0)?;
        Some((quality, of_code(range.trim())?))
    });
    // Of two that are wanted alike the first.
    let best = wanted.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, words)| words)
}

fn of_code(tag: &str) -> Option<&'static Words> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    // Who reads nynorsk reads bokmål rather than English.
    let code = if matches!(primary.as_str(), "no" | "nn") { "nb" } else { &primary };
    ALL.into_iter().find(|words| words.code == code)
}

impl Words {
    /// The word for a state.
    pub(super) fn state(&self, state: State) -> &'static str {
        match state {
            State::NeverRun => self.never_run,
            State::Idle => self.idle,
            State::Running => self.running,
            State::Held => self.held,
            State::Degraded => self.degraded,
            State::Quarantined => self.quarantined,
            State::Paused => self.paused,
            State::NotRunning => self.not_running,
        }
    }

    /// What a verdict means and what there is to do.
    pub(super) fn says(&self, verdict: &Verdict) -> String {
        let number = |one: &str, many: &str, count: u64| {
            let text = if count == 1 { one } else { many };
            text.replace("{n}", &self.number(count))
        };
        match (&verdict.about, verdict.state) {
            (About::Holds(count), _) => number(self.says_held_one, self.says_held_many, *count),
            (About::Stuck(count), _) => number(self.says_stuck_one, self.says_stuck_many, *count),
            (About::Leaving(count), _) => {
                number(self.says_leaving_one, self.says_leaving_many, *count)
            }
            (About::Source(name), State::Quarantined) => {
                self.says_source_quarantined.replace("{name}", name)
            }
            (About::Target(name), State::Quarantined) => {
                self.says_target_quarantined.replace("{name}", name)
            }
            (About::Groups(name), State::Quarantined) => {
                self.says_groups_quarantined.replace("{name}", name)
            }
            (About::Groups(name), _) => self.says_groups_degraded.replace("{name}", name),
            (About::Withheld(name), _) => self.says_withheld.replace("{name}", name),
            (About::Foreign(name), _) => self.says_foreign.replace("{name}", name),
            (About::Source(name), _) => self.says_source_degraded.replace("{name}", name),
            (About::Gap(name), _) => self.says_gap.replace("{name}", name),
            (About::Silent(name, kind), _) => self.silence(name, *kind),
            (About::Target(name), _) => self.says_target_degraded.replace("{name}", name),
            (About::Seats(name), _) => self.says_no_seats.replace("{name}", name),
            (About::Own(own), _) => self.own(*own).to_owned(),
            (About::Whole, State::NeverRun) => self.says_never_run.to_owned(),
            (About::Whole, State::Running) => self.says_running.to_owned(),
            (About::Whole, State::Paused) => self.says_paused.to_owned(),
            (About::Whole, State::NotRunning) => self.says_not_running.to_owned(),
            (About::Whole, _) => self.says_idle.to_owned(),
        }
    }

    /// What it means that nothing is heard of the users, or of the groups, of a tenant.
    pub(super) fn silence(&self, name: &str, kind: Kind) -> String {
        let words = match kind {
            Kind::Users => self.says_silent_users,
            Kind::Groups => self.says_silent_groups,
        };
        words.replace("{name}", name)
    }

    /// What something that is wrong with ourselves means and what there is to do.
    pub(super) fn own(&self, own: Own) -> &'static str {
        match own {
            Own::DiskFull => self.says_disk_full,
            Own::Stall => self.says_stall,
            Own::DiskLow => self.says_disk_low,
            Own::Clock => self.says_clock,
            Own::Doubt => self.says_doubt,
            Own::Configuration => self.says_configuration,
            Own::Rival => self.says_rival,
        }
    }

    /// How many of what was done.
    pub(super) fn done(&self, action: Action, count: u64) -> String {
        let words = match action {
            Action::Create => self.create,
            Action::Adopt => self.adopt,
            Action::Update => self.update,
            Action::Deactivate => self.deactivate,
            Action::Reactivate => self.reactivate,
            Action::Delete => self.delete,
            Action::GroupCreate => self.group_create,
            Action::GroupAdopt => self.group_adopt,
            Action::GroupUpdate => self.group_update,
            Action::GroupDelete => self.group_delete,
            Action::MemberAdd => self.member_add,
            Action::MemberRemove => self.member_remove,
        };
        words.replace("{n}", &self.number(count))
    }

    /// A number as it is read.
    pub(super) fn number(&self, number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push_str(self.thousands);
            }
            text.push(digit);
        }
        text
    }

    /// How long, in the largest unit that fits.
    pub(super) fn span(&self, span: Duration) -> String {
        let seconds = span.as_secs();
        let (count, one, many) = match seconds {
            0 => return format!("<\u{a0}1\u{a0}{}", self.second),
            1..60 => (seconds, self.second, self.seconds),
            60..3_600 => (seconds / 60, self.minute, self.minutes),
            3_600..172_800 => (seconds / 3_600, self.hour, self.hours),
            _ => (seconds / 86_400, self.day, self.days),
        };
        format!("{}\u{a0}{}", self.number(count), if count == 1 { one } else { many })
    }
}
