//! What a configuration that has been changed means for the next cycle, said before it is in force: the
//! rules in the file are compared with those that the state was made by. Nothing is planned here; what
//! it comes to in numbers, `plan` says.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::cli::control::{self, Request, Task};
use crate::cli::ground::Ground;
use crate::cli::said::Said;
use crate::cli::view::text::{CHANGED, harmless, styled};
use crate::cli::{Context, Exit, Failure, wire};
use crate::config::Config;
use crate::core::rules::Rules;
use crate::cycle::state::State;

/// What the next cycle does with what it would remove.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Outlook {
    removals: Removals,
    /// The rules that are others than those of the state.
    changed: BTreeSet<String>,
    /// Why nothing can be said.
    why: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Removals {
    /// The rules are those of the state, or there is no state yet.
    AsUsual,
    /// What rests on the change of the rules is held.
    Held,
    /// The state could not be read.
    Unknown,
}

impl Outlook {
    /// Asks the service where one runs, and looks into the state where none does.
    pub(super) fn of(context: &Context, config: &Config) -> Self {
        let wanted = match rules(config) {
            Ok(wanted) => wanted,
            Err(failure) => return Self::unknown(failure.message),
        };
        match Self::find(context, config, &wanted) {
            Ok(outlook) => outlook,
            Err(Failure { exit: Exit::NoState, .. }) => Self::compare(None, None),
            Err(failure) => Self::unknown(failure.message),
        }
    }

    fn find(context: &Context, config: &Config, wanted: &Rules) -> Result<Self, Failure> {
        let Some(said) = control::ask(context, Request::Task(Task::Rules(wanted.clone())))? else {
            let known = State::rules_in(&wire::existing_store(config)?)?;
            return Ok(Self::compare(known.as_ref(), Some(wanted)));
        };
        let answer = said.data.as_deref().and_then(|data| serde_json::from_str(data).ok());
        answer.ok_or_else(|| Failure::new(said.exit, said.talk.join(" ")))
    }

    fn compare(known: Option<&Rules>, wanted: Option<&Rules>) -> Self {
        let changed = match (known, wanted) {
            (Some(known), Some(wanted)) => known.differences(wanted),
            _ => BTreeSet::new(),
        };
        let removals = if changed.is_empty() { Removals::AsUsual } else { Removals::Held };
        Self { removals, changed, why: None }
    }

    fn unknown(why: String) -> Self {
        Self { removals: Removals::Unknown, changed: BTreeSet::new(), why: Some(why) }
    }

    /// The same for people; nothing where nothing is out of the ordinary.
    pub(super) fn render(&self) -> String {
        let Self { removals, changed, why } = self;
        let mut text = String::new();
        let _ = match removals {
            Removals::AsUsual => Ok(()),
            Removals::Held => {
                let names: Vec<String> = changed.iter().map(|one| harmless(one)).collect();
                let names = names.join(", ");
                writeln!(
                    text,
                    "next cycle\n  {}  The rules are others than those of the state: {names}.\n     \
                     Whatever the change of the rules would remove, clear or rename is planned only, and \
                     held\n     until somebody approves it. What it comes to: manntall plan",
                    styled(CHANGED, "!")
                )
            }
            Removals::Unknown => {
                let why = why.as_deref().unwrap_or_default();
                writeln!(
                    text,
                    "next cycle\n  !  It cannot be said whether the rules are those of the state: {}",
                    harmless(why)
                )
            }
        };
        text
    }
}

fn rules(config: &Config) -> Result<Rules, Failure> {
    let (_, target) = wire::only_target(config)?;
    let sources = config.sources.iter();
    let keep = sources.map(|(&name, source)| (name, source.keep.clone())).collect();
    Ok(Rules::of(&keep, &target.policy))
}

/// The rules of the configuration in force that are others than those of the state.
pub(in crate::cli) fn changed_rules(ground: &Ground<'_>) -> BTreeSet<String> {
    let wanted = rules(ground.config).ok();
    Outlook::compare(ground.state().rules.as_ref(), wanted.as_ref()).changed
}

/// The service's side: how these rules compare with its own.
pub(in crate::cli) fn said(ground: &Ground<'_>, wanted: &Rules) -> Said {
    let outlook = Outlook::compare(ground.state().rules.as_ref(), Some(wanted));
    let data = serde_json::to_string(&outlook).unwrap_or_default();
    Said { data: Some(data), talk: Vec::new(), exit: Exit::Done }
}
