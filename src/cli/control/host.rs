//! The side of the service: looks at who asks and what they may do, and has the engine answer.

use std::future::Future;
use std::io::BufRead as _;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::copies::Copies;
use super::polls::Polls;
use super::{Letter, Line, Request, Task, VERSION};
use crate::cli::ground::{self, Base, Ground};
use crate::cli::reveal::Sight;
use crate::cli::said::{Form, Said};
use crate::cli::view::text;
use crate::cli::wire::only_target;
use crate::cli::{Exit, Failure, apply, deactivate, plan, state, status, sync};
use crate::clock::Clock;
use crate::config::Config;
use crate::core::model::{DigestKey, Entity};
use crate::core::report::Snapshot;
use crate::cycle::Engine;
use crate::cycle::door::{Door, Shut};
use crate::daemon::control::{Caller, Host, Tell};
use crate::daemon::rights::{Groups, Right};
use crate::store::sled_store::SledStore;

/// The longest name of whoever somebody may act for.
const NAME_CHARS_MAX: usize = 100;

/// A copy of the state is handed out in lines of about this size.
const PIECE_BYTES: usize = 64 * 1024;

/// The running service, as callers meet it.
pub(in crate::cli) struct Service {
    door: Door,
    clock: Arc<dyn Clock>,
    /// None while there is no room for it.
    store: Mutex<Option<Arc<SledStore>>>,
    config: Mutex<Arc<Config>>,
    /// How everything stood last, for the time without an engine.
    shown: watch::Receiver<Arc<Snapshot>>,
    copies: Copies,
    polls: Polls,
}

/// For whom something is done, and how it is shown to them.
#[derive(Debug, Clone)]
struct Asker {
    by: String,
    sight: Sight,
    form: Form,
}

impl Service {
    pub(in crate::cli) fn new(
        door: Door,
        clock: Arc<dyn Clock>,
        config: Arc<Config>,
        shown: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            door,
            clock,
            store: Mutex::new(None),
            config: Mutex::new(config),
            shown,
            copies: Copies::default(),
            polls: Polls::default(),
        }
    }

    /// From now on another configuration counts.
    pub(in crate::cli) fn configure(&self, config: Arc<Config>) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// From now on this is the store, or there is none.
    pub(in crate::cli) fn keep(&self, store: Option<Arc<SledStore>>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn store(&self) -> Result<Arc<SledStore>, Shut> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or_else(|| self.door.shut())
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn respond(&self, caller: Caller, text: &str, tell: &Tell) -> Line {
        let config = self.config();
        let failed = |exit, message: String| Line::Said(Failure::new(exit, message).into());
        if caller.right == Right::None {
            return failed(Exit::Failed, refused(&caller, &config.status.readers, "look"));
        }
        let letter: Letter = match serde_json::from_str(text) {
            Ok(letter) => letter,
            Err(error) => {
                let message = format!("the service does not understand this command: {error}");
                return failed(Exit::Failed, message);
            }
        };
        let Letter { manntall_control, state_dir, by, form, request } = letter;
        if manntall_control != VERSION {
            let message = "the service runs another version of this program: restart it";
            return failed(Exit::Failed, message.to_owned());
        }
        let ours = &config.service.state_dir;
        let ours = ours.canonicalize().unwrap_or(ours.clone());
        if ours.as_os_str() != state_dir.as_str() {
            return Line::OtherState;
        }
        if caller.right < request.needs() {
            let message = refused(&caller, &config.status.approvers, "approve and change things");
            return failed(Exit::Failed, message);
        }
        let sees = caller.right >= Right::Approve;
        let asker = Asker {
            by: if caller.is_owner {
                by.chars().take(NAME_CHARS_MAX).collect()
            } else {
                caller.name
            },
            sight: if sees { Sight::Named } else { Sight::Masked },
            form,
        };
        let hides = !sees && request.names_people();
        let mut said = self.fulfil(request, &config, asker, tell).await.unwrap_or_else(Said::from);
        if hides && said.data.is_some() {
            let approvers = &config.status.approvers;
            said = said.and(format!(
                "Names and values are hidden: to see them takes membership of the group {approvers}."
            ));
        }
        Line::Said(said)
    }

    async fn fulfil(
        &self,
        request: Request,
        config: &Arc<Config>,
        asker: Asker,
        tell: &Tell,
    ) -> Result<Said, Failure> {
        match request {
            Request::Task(Task::BackupKept(copied))
                if !self.copies.take_back(&asker.by, &copied) =>
            {
                let message =
                    "no copy of the state was handed out to you by that name; nothing was noted";
                Err(Failure::new(Exit::Failed, message))
            }
            Request::Task(task) => self.task(task, Arc::clone(config), asker).await,
            Request::Plan { person, reveal } => {
                let asker = if reveal { self.clear(asker, person.clone()).await? } else { asker };
                self.say_why_it_takes_long(tell).await?;
                self.follow(tell, self.plan(config, asker, person)).await
            }
            Request::Sync => {
                self.say_why_it_takes_long(tell).await?;
                self.follow(tell, self.sync(asker)).await
            }
            Request::Apply { target, changes, digest_key } => {
                apply::must_be_for(&target, only_target(config)?.0)?;
                self.say_why_it_takes_long(tell).await?;
                self.follow(tell, self.apply(changes, digest_key, asker)).await
            }
            Request::Deactivate(order) => {
                let clock = Arc::clone(&self.clock);
                let Asker { by, .. } = asker;
                self.follow(tell, deactivate::carry_out(&self.door, clock, order, by)).await
            }
            Request::Backup => self.hand_out(config, asker, tell).await,
        }
    }

    /// Lets whoever asks see values, once it is on record: a visit is answered after its commit.
    async fn clear(&self, asker: Asker, person: Option<String>) -> Result<Asker, Failure> {
        let (by, at, sight) = (asker.by.clone(), self.clock.now(), asker.sight.clone());
        let note = move |engine: &mut Engine| {
            plan::clear(engine.state_mut(), sight, &by, at, "a plan", person.as_deref())
        };
        let sight = self.door.visit(note).await??;
        Ok(Asker { sight, ..asker })
    }

    async fn task(&self, task: Task, config: Arc<Config>, asker: Asker) -> Result<Said, Failure> {
        let now = self.clock.now();
        let status = match task {
            Task::Status { check } => Some((check, asker.form)),
            _ => None,
        };
        let store = match (self.store(), status) {
            (Ok(store), _) => store,
            (Err(shut), status) => return self.without_engine(shut, status),
        };
        let look = move |engine: &mut Engine| {
            let Asker { by, sight, form } = asker;
            let base = Base::Running(engine);
            let mut ground = Ground { base, store, config: &config, now, by, sight, form };
            ground::perform(&task, &mut ground)
        };
        match self.door.visit(look).await {
            Ok(said) => said,
            Err(shut) => self.without_engine(shut, status),
        }
    }

    /// What can be said without an engine: how everything is, and else why nothing was done.
    fn without_engine(&self, shut: Shut, status: Option<(bool, Form)>) -> Result<Said, Failure> {
        let (Some(_), Some((check, form))) = (&shut.why, status) else {
            return Err(shut.into());
        };
        let snapshot = self.shown.borrow().clone();
        Ok(status::of_snapshot(&snapshot, &self.config(), self.clock.now(), check, form))
    }

    /// Copies the state between two turns, as one commit left it, and then hands the copy out at the
    /// caller's pace: the loop goes on meanwhile.
    async fn hand_out(&self, config: &Config, asker: Asker, tell: &Tell) -> Result<Said, Failure> {
        let (store, now) = (self.store()?, self.clock.now());
        let folder = config.service.state_dir.clone();
        let by = asker.by.clone();
        let copy = move |engine: &mut Engine| {
            let copied = state::copy_aside(&store, now, &folder)?;
            // Who has a copy of everything is on record before its first byte is sent: a visit is answered
            // after its commit.
            engine.state_mut().hand_out(&by, now);
            Ok::<_, Failure>(copied)
        };
        let (mut copied, mut file) = self.door.visit(copy).await??;
        tracing::info!(by = %asker.by, generation = copied.generation, "a copy of the state is handed out");
        copied.ticket = self.copies.hand_out(&asker.by, &copied)?;
        loop {
            let mut piece = String::new();
            while piece.len() < PIECE_BYTES
                && file.read_line(&mut piece).map_err(|error| unread(&error))? > 0
            {}
            if piece.is_empty() {
                break;
            }
            if tell.send(line_text(&Line::Piece(piece))).await.is_err() {
                // Nobody listens any more, and this is dropped in a moment.
                break;
            }
        }
        let data = serde_json::to_string(&copied).unwrap_or_default();
        Ok(Said { data: Some(data), talk: Vec::new(), exit: Exit::Done })
    }

    /// Reads Entra now, and then shows what is to be done.
    async fn plan(
        &self,
        config: &Config,
        asker: Asker,
        person: Option<String>,
    ) -> Result<Said, Failure> {
        let target = only_target(config)?.0.to_owned();
        let now = self.clock.now().to_string();
        let sight = asker.sight;
        // Whoever may only look may ask for this, and has no tenant throttled by it.
        let shares = !self.polls.wait_for_turn(&*self.clock).await;
        let found = self.after(shares, Engine::is_planned, move |engine| {
            let document = plan::of(engine, &target, now.clone(), person.as_deref(), &sight);
            document.map(|document| (document, plan::failed_first(engine)))
        });
        let (document, (talk, ends)) = found.await??;
        let data = serde_json::to_string(&document).unwrap_or_default();
        Ok(Said { data: Some(data), talk, exit: Exit::first_of(ends) })
    }

    /// Reads Entra now, and waits until everything is done that may be done.
    async fn sync(&self, asker: Asker) -> Result<Said, Failure> {
        let before = self.door.visit(|engine| engine.tally().done.clone());
        let before = before.await?;
        let result =
            self.after_poll(Engine::is_settled, |engine| sync::result_of(engine, |_| true));
        let (mut summary, exit) = result.await?;
        summary.since(&before);
        Ok(sync::said(&summary, exit, asker.form))
    }

    /// Reads Entra now, checks that every change of the plan recurs, and waits until they are done.
    async fn apply(
        &self,
        changes: Vec<super::Saved>,
        key: Option<DigestKey>,
        asker: Asker,
    ) -> Result<Said, Failure> {
        let begun = self.clock.now();
        let before = self.door.visit(|engine| engine.tally().done.clone());
        let before = before.await?;
        let checked = self.after_poll(Engine::is_planned, move |engine| {
            apply::must_be_complete(engine)?;
            apply::recurring(engine, &changes, key.as_ref(), Some(begun))
        });
        let (_, entities) = checked.await??;
        let settled = self.door.stay(move |engine| {
            let concerns = |entity: &Entity| entities.contains(entity);
            engine.is_settled().then(|| sync::result_of(engine, concerns))
        });
        let (mut summary, exit) = settled.await?;
        summary.since(&before);
        Ok(sync::said(&summary, exit, asker.form))
    }

    /// Asks for a poll, and looks when the engine is as far as `is_there` says.
    async fn after_poll<T: Send + 'static>(
        &self,
        is_there: fn(&Engine) -> bool,
        look: impl Fn(&Engine) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.after(false, is_there, look).await
    }

    /// The same, with a poll that somebody else has asked for already.
    async fn after<T: Send + 'static>(
        &self,
        mut asked: bool,
        is_there: fn(&Engine) -> bool,
        look: impl Fn(&Engine) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let wait = self.door.stay(move |engine| {
            if !std::mem::replace(&mut asked, true) {
                engine.poll_now();
            }
            is_there(engine).then(|| look(engine))
        });
        Ok(wait.await?)
    }

    /// Nobody should wait without knowing for what.
    async fn say_why_it_takes_long(&self, tell: &Tell) -> Result<(), Failure> {
        let asked = self.door.visit(|engine| engine.asked_to_wait()).await;
        if let Some((source, until)) = asked? {
            let until = text::time(until);
            let words = format!(
                "{source}: Entra has asked for a wait until {until}; nothing is asked of it before then"
            );
            let _ = tell.try_send(line_text(&Line::Note(words)));
        }
        Ok(())
    }

    /// Tells the caller how far the engine has come, for as long as the work goes on.
    async fn follow<T>(
        &self,
        tell: &Tell,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let shows = async {
            let Ok(mut progress) = self.door.visit(|engine| engine.progress()).await else {
                return std::future::pending::<()>().await;
            };
            while progress.changed().await.is_ok() {
                let line = Line::Progress(progress.borrow_and_update().clone());
                // Progress that comes too fast for the other end is left out.
                let _ = tell.try_send(line_text(&line));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = work => done,
            () = shows => Err(Failure::new(Exit::Failed, "the service has stopped meanwhile")),
        }
    }
}

impl Host for Service {
    fn groups(&self) -> Groups {
        let config = self.config();
        let (readers, approvers) = (&config.status.readers, &config.status.approvers);
        Groups { readers: readers.clone(), approvers: approvers.clone() }
    }

    fn answer(&self, caller: Caller, request: String, tell: Tell) -> BoxFuture<'_, String> {
        Box::pin(async move { line_text(&self.respond(caller, &request, &tell).await) })
    }

    fn refuse(&self, why: &str) -> String {
        line_text(&Line::Said(Failure::new(Exit::Failed, why).into()))
    }

    fn heartbeat(&self) -> String {
        line_text(&Line::Waiting)
    }
}

fn refused(caller: &Caller, group: &str, what: &str) -> String {
    format!(
        "refused: the user {} may not {what} here; that takes membership of the group {group}. \
         Nothing was done",
        caller.name
    )
}

fn unread(error: &std::io::Error) -> Failure {
    let message = format!("the copy of the state cannot be read back: {error}; make another one");
    Failure::new(Exit::Failed, message)
}

fn line_text(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default()
}
