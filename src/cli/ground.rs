//! What a task works on: the engine of the running service, or the stored state where none runs. The
//! same words come out of both.

use std::borrow::Cow;
use std::sync::Arc;

use super::control::Task;
use super::reveal::Sight;
use super::said::{Form, Said};
use super::{
    Context, Failure, allow, approve, audit, check, control, explain, holds, log_level, offline,
    pause, plan, runs, state, status, stuck, wire,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::core::model::{PersonId, SourceName, Timestamp};
use crate::core::plan::Planner;
use crate::core::report::{OwnTrouble, Presence, Run, SourceStand};
use crate::cycle::Engine;
use crate::cycle::Probes;
use crate::cycle::leaving::{ABOUT_TO_BE_SENT, PAUSED};
use crate::cycle::report::Report;
use crate::cycle::state::State;
use crate::store::sled_store::SledStore;

/// Where the facts are.
pub(super) enum Base<'a> {
    Running(&'a mut Engine),
    Stored(&'a mut State),
}

/// What a task works on, for whom, and how it is to be shown.
pub(super) struct Ground<'a> {
    pub(super) base: Base<'a>,
    /// Where all of it is kept.
    pub(super) store: Arc<SledStore>,
    pub(super) config: &'a Config,
    pub(super) now: Timestamp,
    /// Who asks.
    pub(super) by: String,
    /// Who is shown what.
    pub(super) sight: Sight,
    pub(super) form: Form,
}

impl Ground<'_> {
    pub(super) fn state(&self) -> &State {
        match &self.base {
            Base::Running(engine) => engine.state(),
            Base::Stored(state) => state,
        }
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        match &mut self.base {
            Base::Running(engine) => engine.state_mut(),
            Base::Stored(state) => state,
        }
    }

    /// From here on values are shown. It is on record with the commit that comes before the answer.
    fn reveal(&mut self, what: &str, person: Option<&str>) -> Result<(), Failure> {
        let (sight, by, now) = (self.sight.clone(), self.by.clone(), self.now);
        self.sight = plan::clear(self.state_mut(), sight, &by, now, what, person)?;
        Ok(())
    }

    /// The plan as it stands, or as far as the state alone makes it.
    pub(super) fn planner(&self) -> Result<Cow<'_, Planner>, Failure> {
        Ok(match &self.base {
            Base::Running(engine) => Cow::Borrowed(engine.planner()),
            Base::Stored(state) => Cow::Owned(offline::plan(self.config, state)?),
        })
    }

    /// How things stand, or stood when that was last noted.
    pub(super) fn report(&self) -> Option<Report> {
        match &self.base {
            Base::Running(engine) => Some(engine.report()),
            Base::Stored(state) => state.last_report(),
        }
    }

    /// Whether something is being done about what is left to do.
    pub(super) fn is_busy(&self) -> bool {
        match &self.base {
            Base::Running(engine) => engine.is_busy(),
            Base::Stored(_) => false,
        }
    }

    /// Whether anything keeps the platform true. Who reads the stored state has its lock, so nobody is at
    /// work; where nothing says who was, that was when things were noted last.
    pub(super) fn presence(&self, noted: Timestamp) -> Presence {
        match (&self.base, self.last_run()) {
            (Base::Running(_), _) => Presence::Here,
            (Base::Stored(_), Some(run)) => run.presence(self.now),
            (Base::Stored(_), None) => Presence::Gone { since: noted, is_urgent: true },
        }
    }

    /// The last run on the state, where that was noted.
    pub(super) fn last_run(&self) -> Option<Run> {
        runs::last(&self.config.service.state_dir)
    }

    /// Since when the verdict has been what it is, as far as somebody has watched.
    pub(super) fn unchanged_since(&self) -> Option<Timestamp> {
        match &self.base {
            Base::Running(engine) => engine.unchanged_since(),
            Base::Stored(_) => None,
        }
    }

    /// When a tenant was heard last, since something has asked it; nothing where nothing does.
    pub(super) fn heard(&self, name: SourceName) -> SourceStand {
        match &self.base {
            Base::Running(engine) => engine.heard(name),
            Base::Stored(_) => SourceStand::default(),
        }
    }

    /// What is wrong with ourselves.
    pub(super) fn own_troubles(&self) -> Vec<OwnTrouble> {
        match &self.base {
            Base::Running(engine) => engine.own_troubles(),
            Base::Stored(state) => {
                state.doubt().into_iter().chain(state.low_room(self.now)).collect()
            }
        }
    }

    /// Accounts are to be made again where there was no seat for them, and what could not be looked up is to be.
    /// Without the service the next sync tries anyway.
    pub(super) fn try_again(&mut self) {
        if let Base::Running(engine) = &mut self.base {
            engine.try_again();
        }
    }

    /// Another process was started on this state.
    pub(super) fn note_rival(&mut self, process: u32) {
        if let Base::Running(engine) = &mut self.base {
            engine.note_rival(process);
        }
    }

    /// When peers in quarantine are asked next; nothing where no service asks.
    pub(super) fn probes(&self) -> Probes {
        match &self.base {
            Base::Running(engine) => engine.probes(),
            Base::Stored(_) => Probes::default(),
        }
    }

    /// Lets Entra decide again about a person.
    pub(super) fn lift(&mut self, person: PersonId) {
        match &mut self.base {
            Base::Running(engine) => engine.lift(person, &self.by),
            Base::Stored(state) => state.lift(person, &self.by),
        }
    }

    /// Who acts on what was decided, and when.
    /// Why somebody is not out yet, as it was noted, and as it is now: writing may be paused since, and what was
    /// about to send it may be gone.
    pub(super) fn why_not_out(&self, person: Option<PersonId>, noted: String) -> String {
        let is_order = person.is_some_and(|one| self.state().ledger.by_hand.contains_key(&one));
        match self.base {
            _ if ![ABOUT_TO_BE_SENT, PAUSED].contains(&noted.as_str()) => noted,
            _ if self.state().paused.is_some() && !is_order => PAUSED.to_owned(),
            Base::Running(_) => ABOUT_TO_BE_SENT.to_owned(),
            Base::Stored(_) => "nothing runs; the next sync sends it: manntall sync".to_owned(),
        }
    }

    pub(super) fn whoever_acts(&self) -> &'static str {
        match self.base {
            Base::Running(_) => "the service now",
            Base::Stored(_) => "the next sync, or the service once it runs,",
        }
    }
}

/// Does a task at once.
pub(super) fn perform(task: &Task, ground: &mut Ground<'_>) -> Result<Said, Failure> {
    if let Some((what, person)) = task.reveals() {
        ground.reveal(what, person)?;
    }
    match task {
        Task::Status { check } => status::said(ground, *check),
        Task::Holds { reveal: _ } => holds::said(ground),
        Task::Stuck => stuck::said(ground),
        Task::Rules(rules) => Ok(check::said(ground, rules)),
        Task::Peers(peers) => Ok(check::peers_said(ground, peers)),
        Task::Explain { person, reveal: _ } => explain::said(ground, person),
        Task::Approve(args) => approve::approve(ground, args),
        Task::Allow(args) => allow::said(ground, args),
        Task::Reject { id } => approve::reject(ground, id),
        Task::Retry { person } => stuck::retry(ground, person.as_deref()),
        Task::Pause { reason } => pause::pause(ground, reason.as_deref()),
        Task::Resume => Ok(pause::resume(ground)),
        Task::Lift { person } => pause::lift(ground, person),
        Task::Rival { process } => {
            ground.note_rival(*process);
            Ok(Said { data: None, talk: Vec::new(), exit: super::Exit::Done })
        }
        Task::LogLevel { level } => log_level::set(ground, *level),
        Task::StateInfo => state::info(ground),
        Task::StateVerify => state::verify(ground),
        Task::BackupKept(copied) => Ok(state::kept(ground, copied)),
        Task::Reveal => Ok(Said { data: None, talk: Vec::new(), exit: super::Exit::Done }),
        Task::AuditVerify { heads } => audit::verify(ground, heads),
        Task::AuditExport { from } => audit::export(ground.state(), *from),
    }
}

/// Has the service do a task where it runs, and does it on the stored state where none does.
pub(super) fn task(context: &Context, task: &Task) -> Result<super::Exit, Failure> {
    if let Some(said) = control::ask(context, control::Request::Task(task.clone()))? {
        return Ok(said.tell());
    }
    let config = context.load()?;
    let now = SystemClock::start().now();
    let store = wire::existing_store(&config)?;
    let mut state = State::load(Arc::clone(&store) as _, now)?;
    let mut ground = Ground {
        base: Base::Stored(&mut state),
        store,
        config: &config,
        now,
        by: context.who(),
        sight: Sight::Named,
        form: context.form(),
    };
    let said = perform(task, &mut ground)?;
    if !task.only_looks() {
        state.commit()?;
    }
    Ok(said.tell())
}
