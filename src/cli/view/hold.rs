//! A hold in words: what waits, and what people have said about it by now. A word given a moment ago counts
//! here before anything was judged again.

use serde::{Deserialize, Serialize};

use super::text::{harmless, number, time_of};
use crate::core::judge::{Approval, Aspect, Claims, Guard, Guarded, Hold};
use crate::core::model::Timestamp;
use crate::core::words::plural;
use crate::cycle::report::{HoldRecord, Said};
use crate::cycle::state::{State, count_of};

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldLine {
    pub(crate) id: String,
    pub(crate) guard: String,
    /// How many wait for somebody's word.
    pub(crate) count: u64,
    pub(crate) limit: u64,
    pub(crate) since: String,
    pub(crate) rejected_by: Option<String>,
    /// How many are rejected beside them.
    #[serde(default)]
    pub(crate) rejected: u64,
    /// How many are approved beside them, and to be made.
    #[serde(default)]
    pub(crate) approved: u64,
    /// How many of all these would be made anew, since nobody let them take over what was there.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) instead: u64,
}

impl HeldLine {
    /// The hold as it was judged, and what was said since.
    pub(crate) fn of(hold: &Hold, state: &State, now: Timestamp) -> Self {
        let said = state.said_of(&hold.claims, now);
        Self {
            id: hold.id.to_string(),
            guard: hold.meter.guard.name().to_owned(),
            instead: instead_of_adoption(hold.meter.guard, &hold.claims),
            ..Self::said(said, hold.meter.guard.finds(), (hold.count, hold.limit), hold.since)
        }
    }

    /// The hold as it was noted, and what was said since.
    pub(crate) fn noted(hold: &HoldRecord, state: &State, now: Timestamp) -> Self {
        let said = state.said_of(&hold.claims, now);
        Self {
            id: hold.id.to_string(),
            guard: hold.meter.guard.name().to_owned(),
            instead: instead_of_adoption(hold.meter.guard, &hold.claims),
            ..Self::said(said, hold.meter.guard.finds(), (hold.count, hold.limit), hold.since)
        }
    }

    fn said(said: Said, finds: bool, (count, limit): (u64, u64), since: Timestamp) -> Self {
        let Said { approved, rejected, open, by } = said;
        // A finding is about many objects at once, and decided as one.
        let of = |part: u64| if finds { part.saturating_mul(count) } else { part };
        Self {
            id: String::new(),
            guard: String::new(),
            count: of(open),
            limit,
            since: since.to_string(),
            rejected_by: by.filter(|_| open == 0).map(|by| by.to_string()),
            rejected: of(rejected),
            approved: of(approved),
            instead: 0,
        }
    }

    /// What is the matter with it, in one word.
    pub(crate) fn mark(&self) -> &'static str {
        match (self.count, self.rejected, self.approved) {
            (0, 1.., _) => "! rejected",
            (0, 0, 1..) => "! approved",
            _ => "! held",
        }
    }

    /// What waits, and what was said about it, without the id.
    pub(crate) fn words(&self) -> String {
        let mut parts = Vec::new();
        let open = self.count;
        let what = |count| format!("{} {}", number(count), self.noun(count));
        let limit = number(self.limit);
        if open > 0 {
            let waits = plural(open, "waits", "wait");
            parts.push(match self.guard.as_str() {
                "coverage" | "identity" | "scope_emptied" => {
                    format!("{} to be decided", what(open))
                }
                // None of these is ever made unasked.
                "adopt" if self.instead > 0 => format!("{} {waits} for approval", what(open)),
                "scope_change" => format!("{} from the new rules {waits} for approval", what(open)),
                // The rest of what was more, or a part of it that came back: it is no new accident.
                _ if open <= self.limit => {
                    format!("{} still {waits} for approval, left of a larger hold", what(open))
                }
                _ => {
                    format!("{} {waits} for approval (limit without approval: {limit})", what(open))
                }
            });
        }
        if self.rejected > 0 {
            let by = self.rejected_by.as_deref().map(|by| format!(" by {}", harmless(by)));
            let by = by.unwrap_or_default();
            let word = if open > 0 { number(self.rejected) } else { what(self.rejected) };
            parts.push(format!("{word} rejected{by}, not made"));
        }
        if self.approved > 0 {
            let word =
                if open + self.rejected > 0 { number(self.approved) } else { what(self.approved) };
            parts.push(format!("{word} approved, to be made by the next sync"));
        }
        format!("{}, since {}", parts.join("; "), time_of(&self.since))
    }

    /// What can be done about it.
    pub(crate) fn next(&self) -> Vec<String> {
        let id = harmless(&self.id);
        let mut next = Vec::new();
        if self.approved > 0 {
            next.push(format!("take them back:  manntall reject {id}"));
        } else if self.count > 0 {
            next.push(format!("make them:    manntall approve {id}"));
            next.push(format!("refuse them:  manntall reject {id}"));
        }
        if self.rejected > 0 {
            next.push(format!("after all:    manntall approve {id} --rejected"));
        }
        next
    }

    /// What is held, in the words of people.
    fn noun(&self, count: u64) -> &'static str {
        let all = self.count + self.rejected + self.approved;
        match (self.guard.as_str(), self.instead) {
            ("adopt", 1..) if self.instead >= all => plural(
                count,
                "new account instead of an adoption",
                "new accounts instead of adoptions",
            ),
            ("adopt", 1..) => plural(
                count,
                "adoption or new account instead",
                "adoptions and new accounts instead",
            ),
            (guard, _) => noun(guard, count),
        }
    }
}

/// Of how many entities something new would be made, since nobody let them take over what was there.
fn instead_of_adoption(guard: Guard, claims: &Claims) -> u64 {
    let is_made = |guarded: &&Guarded| matches!(guarded, Guarded::Of { aspect: Aspect::Creation, .. } if guard == Guard::Adopt);
    claims.keys().filter(is_made).count() as u64
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this form")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What somebody approved and is not made yet.
#[derive(Debug, Serialize)]
pub(crate) struct ApprovedLine {
    /// The hold that it was in: `reject` of it takes back what is left.
    pub(crate) hold: Option<String>,
    /// Of how many entities, or findings.
    pub(crate) count: u64,
    pub(crate) by: String,
    pub(crate) at: String,
    pub(crate) until: String,
    /// Whether that time is over: nothing more is made on it, and nobody has judged it since.
    pub(crate) ended: bool,
}

impl ApprovedLine {
    /// All of it, but for what `is_shown` says is shown elsewhere.
    pub(crate) fn all(
        state: &State,
        now: Timestamp,
        is_shown: impl Fn(&Approval) -> bool,
    ) -> Vec<Self> {
        let is_held = |word: &Approval, held: &[HoldRecord]| {
            word.claims.keys().all(|one| held.iter().any(|hold| hold.claims.contains_key(one)))
        };
        let held = state.holds().unwrap_or_default();
        let ended = state.ended(now).filter(|word| !is_held(word, &held));
        let unmade = state.unmade(now).filter(|word| !is_shown(word)).chain(ended);
        let line = |word: &Approval| Self {
            hold: word.hold.map(|hold| hold.to_string()),
            count: count_of(&word.claims) as u64,
            by: word.by.to_string(),
            at: word.at.to_string(),
            until: word.until.to_string(),
            ended: word.until <= now,
        };
        unmade.map(line).collect()
    }

    /// In words, with what takes it back.
    pub(crate) fn words(&self) -> String {
        let Self { hold, count, by, at: _, until, ended } = self;
        let (by, until) = (harmless(by), time_of(until));
        let what = format!("approved by {by} until {until}, not made yet: {}", number(*count));
        match hold {
            Some(_) | None if *ended => {
                format!("{what}. That time is over: it waits again from the next sync on")
            }
            Some(hold) => {
                let hold = harmless(hold);
                format!("{what} of hold {hold}; take them back with: manntall reject {hold}")
            }
            None => what,
        }
    }
}

/// What a guard holds, in the words of people.
fn noun(guard: &str, count: u64) -> &'static str {
    let (one, many) = match guard {
        "budget.deactivate" => ("deactivation", "deactivations"),
        "budget.delete" => ("deletion", "deletions"),
        "budget.member_remove" => ("removal from groups", "removals from groups"),
        "budget.group_shrink" => ("removal from one group", "removals from one group"),
        "budget.rename" => ("changed login name", "changed login names"),
        "budget.clear" => ("cleared value", "cleared values"),
        "budget.create" => ("new account", "new accounts"),
        "budget.reactivate" => ("reactivation", "reactivations"),
        "adopt" => ("adoption", "adoptions"),
        "ownership.inactive" => (
            "account to activate that somebody else deactivated",
            "accounts to activate that somebody else deactivated",
        ),
        "ownership.other" => (
            "account or group to take over that carries the id of another",
            "accounts or groups to take over that carry the id of another",
        ),
        "coverage" => ("object that has lost a value", "objects that have lost a value"),
        "identity" => ("changed identity", "changed identities"),
        "scope_emptied" => (
            "person whose group for the scope is shown empty",
            "people whose group for the scope is shown empty",
        ),
        _ => ("change", "changes"),
    };
    plural(count, one, many)
}
