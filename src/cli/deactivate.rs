//! `deactivate`: an urgent order for one person, by hand. Carried out before everything else, outside
//! the budgets, also while Entra is silent or writing is paused; it holds until it is lifted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ground;
use super::names::Names;
use super::reveal::Sight;
use super::said::Said;
use super::view::text::harmless;
use super::wire::Wiring;
use super::{Context, Exit, Failure, control, drive, offline, pause, wire};
use crate::clock::Clock;
use crate::config::Config;
use crate::core::model::{ByHand, Entity, Link, PersonId};
use crate::cycle::door::{Door, door};
use crate::cycle::{Engine, Until};

/// So long a command waits for the platform's answer. The order stands whether or not it came.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Arguments of `deactivate`.
#[derive(Debug, clap::Args)]
pub(super) struct DeactivateArgs {
    /// source/object-id, object id, userPrincipalName or mail
    #[arg(value_name = "X")]
    person: String,
    /// Why; kept in the history with your name
    #[arg(long, value_name = "TEXT", required_unless_present = "lift")]
    reason: Option<String>,
    /// Let Entra decide about the person again
    #[arg(long, conflicts_with = "reason")]
    lift: bool,
}

pub(super) fn run(context: &Context, args: &DeactivateArgs) -> Result<Exit, Failure> {
    let DeactivateArgs { person, reason, lift: _ } = args;
    let Some(reason) = reason else {
        return ground::task(context, &control::Task::Lift { person: person.clone() });
    };
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "--reason is empty; say why, for the history"));
    }
    let order = Order { person: person.clone(), reason: reason.clone() };
    if let Some(said) = control::ask(context, control::Request::Deactivate(order.clone()))? {
        return Ok(said.tell());
    }
    let config = context.load()?;
    let by = context.who();
    let said = drive::block_on(without_service(config, order, by))?;
    Ok(said.tell())
}

/// Whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Order {
    pub(super) person: String,
    pub(super) reason: String,
}

/// Carries the order out with an engine of its own, which does nothing else.
async fn without_service(config: Config, order: Order, by: String) -> Result<Said, Failure> {
    let wiring = Wiring::new(config)?;
    let mut engine = wiring.engine(wire::existing_store(&wiring.config)?)?;
    engine.restrict_to(BTreeSet::new());
    let (door, visits) = door();
    engine.open(visits);
    let writer = wiring.writer()?;
    let (stop, mut stopped) = watch::channel(false);
    let carried_out = async {
        let said = carry_out(&door, Arc::clone(&wiring.clock), order, by).await;
        let _ = stop.send(true);
        said
    };
    let driven = engine.drive(Some(&writer), Until::Stopped, &mut stopped);
    let (ended, said) = futures_util::future::join(driven, carried_out).await;
    ended?;
    said
}

/// Gives the order to an engine, and waits for what comes of it.
pub(super) async fn carry_out(
    door: &Door,
    clock: Arc<dyn Clock>,
    order: Order,
    by: String,
) -> Result<Said, Failure> {
    let timer = clock.sleep(WAIT_MAX);
    let Order { person, reason } = order;
    let reason = pause::reason_of(&reason)?;
    let wanted = person.clone();
    let given = door.visit(move |engine| {
        let person = offline::person(engine.state(), &wanted, &Sight::Named)?;
        let word = ByHand { by: by.as_str().into(), at: clock.now(), reason };
        engine.deactivate(person, word);
        let (state, planner) = (engine.state(), engine.planner());
        // Whoever may order this sees names.
        let names = Names { state, planner, sight: &Sight::Named };
        Ok::<_, Failure>((person, harmless(&names.full_name(person))))
    });
    let (person, name) = given.await??;
    let stands =
        format!("It stays so whatever Entra says, until: manntall deactivate {person} --lift");
    tokio::select! {
        came = door.stay(move |engine| came_to(engine, person)) => {
            let (words, exit) = came?;
            Ok(Said { exit, ..Said::talked(format!("{name}: {words}. {stands}")) })
        }
        () = timer => {
            let words = format!(
                "{name}: ordered; the platform has not confirmed it within {} seconds, so the account may be \
                 active still. It is sent again before everything else while a service or sync runs. {stands}",
                WAIT_MAX.as_secs()
            );
            Ok(Said { exit: Exit::Stuck, ..Said::talked(words) })
        }
    }
}

/// What has come of the order by now.
fn came_to(engine: &Engine, person: PersonId) -> Option<(String, Exit)> {
    let entity = Entity::Account(person);
    let ledger = &engine.state().ledger;
    let link = ledger.accounts.get(&person).map_or(&Link::Unlinked, |entry| &entry.link);
    match link {
        // Another one may carry the id of the person.
        Link::Deactivated(_) if engine.planner().changes().contains_key(&entity) => {}
        Link::Deactivated(_)
            if engine.is_looking_for(person) && engine.target_trouble().is_none() =>
        {
            return None;
        }
        Link::Deactivated(_) => return Some(("the account is deactivated".to_owned(), Exit::Done)),
        // A create that is on its way ends first.
        Link::Linked(_) | Link::Pending(_) => {}
        // Where nothing is linked, what there is by the old id, by ours and by the login name is looked up.
        _ if engine.is_looking_for(person) || engine.planner().changes().contains_key(&entity) => {}
        Link::Unlinked | Link::Released(_) | Link::Gone(_) => {
            let words = "there is no account of ours on the platform, and none is made";
            return Some((words.to_owned(), Exit::Done));
        }
    }
    if let Some(absent) = engine.absence(&entity) {
        let words = format!("ordered; the account is {absent}. It is deactivated once it shows");
        return Some((words, Exit::Stuck));
    }
    if let Some(stuck) = ledger.escrow.get(&entity) {
        let words = format!("the platform refused ({}); it is tried again", stuck.reason);
        return Some((words, Exit::Stuck));
    }
    let trouble = engine.target_trouble()?;
    let words =
        format!("ordered, and sent before everything else once it can be: {}", trouble.message);
    Some((words, Exit::of_trouble(trouble.code)))
}
