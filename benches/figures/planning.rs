//! Plans over the state that a first load has left: everything new, nothing changed, one in a hundred
//! changed, one rule changed. No network, and the service's own functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use manntall::clock::{Clock, SystemClock};
use manntall::config::{self, Config};
use manntall::core::judge::{JudgementContext, Population, judge};
use manntall::core::model::{Datum, Kind, Ledger, PersonId};
use manntall::core::plan::{Planner, Roster, Scope, Touched};
use manntall::core::survey::{Found, Survey};
use manntall::cycle::state::State;
use manntall::store::{self, OpenMode, Store};

use crate::measure::{cpu_of, ms, now, tell};
use crate::site::Site;

/// Everything that the store of a site holds.
pub(crate) fn records(site: &Site) -> Vec<(Vec<u8>, Vec<u8>)> {
    store::open(&site.state(), OpenMode::MustExist).unwrap().scan(b"").unwrap()
}

/// The time that this process has had of the processors; nothing else runs in it meanwhile.
fn cpu() -> Duration {
    cpu_of(std::process::id())
}

/// The plans of a site whose platform is at `url`.
pub(crate) fn of(site: &Site, url: &str) {
    let config = config::load(&site.config(), &BTreeMap::new()).unwrap();
    let store = store::open(&site.state(), OpenMode::MustExist).unwrap();
    let begun = now();
    let mut state = State::load(Arc::new(store), SystemClock::start().now()).unwrap();
    // Two threads do it: a start waits for the longer one.
    tell("load the state", &format!("{} in all", ms(begun.elapsed())));

    let none = Ledger::default();
    let survey = nobody_is_there(&state);
    planned("plan: all new", &config, &state, &none, &survey);
    let nothing = Survey::default();
    let mut planner = planned("plan: unchanged", &config, &state, &state.ledger, &nothing);

    site.configure_target(url, &crate::load::rest("person.displayName ~ \" (kommunen)\""));
    let changed = config::load(&site.config(), &BTreeMap::new()).unwrap();
    planned("plan: one rule changed", &changed, &state, &state.ledger, &nothing);
    site.configure_target(url, &crate::load::rest("person.displayName"));

    let users = change_one_in_a_hundred(&mut state);
    let (complete, keep) = surroundings(&config, &state);
    let roster = roster(&config, &state, &state.ledger, &nothing, (&complete, &keep));
    let begun = cpu();
    planner.refresh(&roster, Scope::Touched(Touched { users, ..Touched::default() }));
    let took = cpu().saturating_sub(begun);
    tell("plan: 1 % changed", &format!("{}, {} changes", ms(took), planner.changes().len()));
}

fn planned(
    name: &str,
    config: &Config,
    state: &State,
    ledger: &Ledger,
    survey: &Survey,
) -> Planner {
    let (complete, keep) = surroundings(config, state);
    let roster = roster(config, state, ledger, survey, (&complete, &keep));
    let mut planner = Planner::default();
    let begun = cpu();
    planner.refresh(&roster, Scope::All);
    let planned = cpu().saturating_sub(begun);
    let context = JudgementContext {
        population: Population::of(ledger),
        first_import: ledger.accounts.is_empty(),
        ..JudgementContext::default()
    };
    let budgets = &roster.policy.budgets;
    let judgement = judge(planner.changes().clone(), &context, budgets, SystemClock::start().now());
    let judged = cpu().saturating_sub(begun + planned);
    let figure = format!(
        "{} and {} to judge, {} changes, {} of them held",
        ms(planned),
        ms(judged),
        planner.changes().len(),
        judgement.held.len()
    );
    tell(name, &figure);
    planner
}

type Complete = BTreeSet<(manntall::core::model::SourceName, Kind)>;
type Keep = BTreeMap<manntall::core::model::SourceName, manntall::core::expression::Expression>;

fn surroundings(config: &Config, state: &State) -> (Complete, Keep) {
    let complete = state.walks.keys().copied().collect();
    let keep = config.sources.iter().map(|(&name, source)| (name, source.keep.clone())).collect();
    (complete, keep)
}

fn roster<'a>(
    config: &'a Config,
    state: &'a State,
    ledger: &'a Ledger,
    survey: &'a Survey,
    (complete, keep): (&'a Complete, &'a Keep),
) -> Roster<'a> {
    let target = config.targets.values().next().unwrap();
    Roster { mirrors: &state.mirrors, complete, keep, policy: &target.policy, ledger, survey }
}

/// The answers of an empty platform.
fn nobody_is_there(state: &State) -> Survey {
    let ledger = &state.ledger;
    Survey {
        accounts: ledger.accounts.keys().map(|&person| (person, Found::Absent)).collect(),
        groups: ledger.groups.keys().map(|key| (key.clone(), Found::Absent)).collect(),
    }
}

/// Gives one in a hundred another title, and says who they are.
fn change_one_in_a_hundred(
    state: &mut State,
) -> BTreeSet<(manntall::core::model::SourceName, manntall::core::model::ObjectId)> {
    let managed: BTreeSet<PersonId> = state.ledger.accounts.keys().copied().collect();
    let mut touched = BTreeSet::new();
    for person in managed.into_iter().step_by(100) {
        let mirror = state.mirrors.get_mut(&person.source);
        let Some(user) = mirror.and_then(|mirror| mirror.users.get_mut(&person.object)) else {
            continue;
        };
        let properties = Arc::make_mut(&mut user.properties);
        properties.insert("jobTitle".into(), Datum::from("Rådgiver for gode råd"));
        touched.insert((person.source, person.object));
    }
    touched
}
