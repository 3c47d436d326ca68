//! The door into the loop: how the rest of the process looks at the engine and tells it something while
//! it runs, without a lock.
//!
//! A visit is let in at the beginning of a turn, before anything is planned, so that what it changes is
//! part of that turn's commit. It is answered only once that commit is durable. A visit that waits for
//! something looks again at the end of every turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::live::Live;
use super::{Engine, Tally};
use crate::core::judge::{Guard, HoldId};
use crate::core::model::Timestamp;
use crate::core::report::{OwnTrouble, Snapshot};

/// Visits that wait to be let in. Whoever comes then waits at the door.
const VISITS_MAX: usize = 64;

/// Gives the answer, once it is durable.
type Answer = Box<dyn FnOnce() + Send>;

/// What came of a look at the engine.
enum Looked {
    Stays,
    Leaves,
    Answered(Answer),
}

type Visit = Box<dyn FnMut(&mut Engine) -> Looked + Send>;

/// Why nobody is let in, while no engine runs and another one will.
type Sign = Option<Arc<str>>;

/// A door. Clones lead to the same engine.
#[derive(Clone)]
pub struct Door {
    visits: mpsc::Sender<Visit>,
    sign: watch::Receiver<Sign>,
}

/// The engine has ended, or failed, before the visit was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Why, where another engine is to follow once that is over.
    pub why: Option<Arc<str>>,
}

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => f.write_str(why),
            None => f.write_str(
                "the service has stopped meanwhile; whether it was done shows when it runs again",
            ),
        }
    }
}

impl Door {
    /// Why nobody is let in.
    pub fn shut(&self) -> Shut {
        Shut { why: self.sign.borrow().clone() }
    }

    /// Looks at the engine once, and may change it.
    ///
    /// # Errors
    /// When no engine answers any more.
    pub async fn visit<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, Shut> {
        let mut look = Some(look);
        self.stay(move |engine| look.take().map(|look| look(engine))).await
    }

    /// Changes the engine without waiting for an answer. Too many visitors at the door keep it out.
    pub fn leave_word(&self, tell: impl FnOnce(&mut Engine) + Send + 'static) {
        let mut tell = Some(tell);
        let visit = move |engine: &mut Engine| {
            if let Some(tell) = tell.take() {
                tell(engine);
            }
            Looked::Leaves
        };
        let _ = self.visits.try_send(Box::new(visit));
    }

    /// Looks at the engine at once and then at the end of every turn, until there is an answer. Nobody
    /// looks any more when the future is dropped.
    ///
    /// # Errors
    /// When no engine answers any more.
    pub async fn stay<T: Send + 'static>(
        &self,
        mut look: impl FnMut(&mut Engine) -> Option<T> + Send + 'static,
    ) -> Result<T, Shut> {
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let visit = move |engine: &mut Engine| {
            if tell.as_ref().is_none_or(oneshot::Sender::is_closed) {
                return Looked::Leaves;
            }
            match (look(engine), &mut tell) {
                (Some(value), tell) => match tell.take() {
                    // Whoever asked may have gone by now.
                    Some(tell) => Looked::Answered(Box::new(move || drop(tell.send(value)))),
                    None => Looked::Leaves,
                },
                (None, _) => Looked::Stays,
            }
        };
        let mut sign = self.sign.clone();
        let answered = async {
            self.visits.send(Box::new(visit)).await.ok()?;
            told.await.ok()
        };
        tokio::select! {
            biased;
            why = reads(&mut sign) => Err(Shut { why: Some(why) }),
            answer = answered => answer.ok_or_else(|| Shut { why: self.sign.borrow().clone() }),
        }
    }
}

/// Waits for the sign that nobody is let in.
async fn reads(sign: &mut watch::Receiver<Sign>) -> Arc<str> {
    match sign.wait_for(Option::is_some).await.ok().and_then(|sign| sign.clone()) {
        Some(why) => why,
        None => std::future::pending().await,
    }
}

/// The inner side of a door: those who come, and those who stay.
pub struct Visits {
    arriving: mpsc::Receiver<Visit>,
    arrived: Vec<Visit>,
    staying: Vec<Visit>,
    answers: Vec<Answer>,
    sign: watch::Sender<Sign>,
}

/// A door, and its inner side for [`Engine::open`].
pub fn door() -> (Door, Visits) {
    let (sender, arriving) = mpsc::channel(VISITS_MAX);
    let (sign, reader) = watch::channel(None);
    let (arrived, staying, answers) = (Vec::new(), Vec::new(), Vec::new());
    (Door { visits: sender, sign: reader }, Visits { arriving, arrived, staying, answers, sign })
}

/// What an engine leaves behind: its visitors, those who wait too, those who watch, and what it has
/// counted.
#[derive(Default)]
pub struct Heritage {
    visits: Option<Visits>,
    tally: Tally,
    live: Live,
    trips: BTreeMap<Guard, u64>,
    known_holds: BTreeSet<HoldId>,
}

impl Heritage {
    /// That of nobody: the visitors only.
    pub fn of(visits: Visits) -> Self {
        Self { visits: Some(visits), ..Self::default() }
    }

    /// How everything stands, told by every engine that takes over. `target` is what the operator calls
    /// it.
    pub fn snapshots(&mut self, target: &str) -> watch::Receiver<Arc<Snapshot>> {
        self.live.snapshots(target)
    }

    /// No engine runs until another one takes over: whoever knocks, or was let in and not answered, is told
    /// `sign` at once.
    pub fn stand_still(&mut self, sign: &str) {
        if let Some(visits) = &mut self.visits {
            visits.sign.send_replace(Some(sign.into()));
            // What they did is not on record, and must not be told as done. Nobody may keep the store.
            while visits.arriving.try_recv().is_ok() {}
            visits.arrived.clear();
            visits.staying.clear();
            visits.answers.clear();
        }
    }

    /// Whoever watches is shown how everything stood last, and why no engine runs.
    pub fn show(&self, trouble: &OwnTrouble, elapsed: Duration, now: Timestamp) {
        self.live.show_trouble(trouble, elapsed, now);
    }
}

impl Visits {
    /// Waits for somebody to come.
    pub(super) async fn arrives(&mut self) {
        match self.arriving.recv().await {
            Some(visit) => self.arrived.push(visit),
            // Nobody has the door any more.
            None => std::future::pending().await,
        }
    }

    fn look(&mut self, visits: Vec<Visit>, engine: &mut Engine) {
        for mut visit in visits {
            match visit(engine) {
                Looked::Stays => self.staying.push(visit),
                Looked::Leaves => {}
                Looked::Answered(answer) => self.answers.push(answer),
            }
        }
    }
}

impl Engine {
    /// Lets visits in from now on.
    pub fn open(&mut self, visits: Visits) {
        self.visits = Some(visits);
    }

    /// Takes over what an engine that has ended leaves behind.
    pub fn succeed(&mut self, heritage: Heritage) {
        let Heritage { visits, tally, live, trips, known_holds } = heritage;
        if let Some(visits) = &visits {
            visits.sign.send_replace(None);
        }
        self.visits = visits;
        self.reporting.tally = tally;
        self.reporting.live = live.outdated();
        self.guards.trips = trips;
        self.guards.known = known_holds;
    }

    /// Leaves behind what another engine is to take over.
    pub fn close(&mut self) -> Heritage {
        Heritage {
            visits: self.visits.take(),
            tally: std::mem::take(&mut self.reporting.tally),
            live: std::mem::take(&mut self.reporting.live),
            trips: std::mem::take(&mut self.guards.trips),
            known_holds: std::mem::take(&mut self.guards.known),
        }
    }

    /// Lets in who has come.
    pub(super) fn let_in(&mut self) {
        let Some(mut visits) = self.visits.take() else { return };
        let mut arrived = std::mem::take(&mut visits.arrived);
        while let Ok(visit) = visits.arriving.try_recv() {
            arrived.push(visit);
        }
        visits.look(arrived, self);
        self.visits = Some(visits);
    }

    /// Lets those who stay look again.
    pub(super) fn let_look(&mut self) {
        let Some(mut visits) = self.visits.take() else { return };
        let staying = std::mem::take(&mut visits.staying);
        visits.look(staying, self);
        self.visits = Some(visits);
    }

    /// Answers, now that it is durable.
    pub(super) fn answer_visits(&mut self) {
        let answers = self.visits.as_mut().map(|visits| std::mem::take(&mut visits.answers));
        for answer in answers.into_iter().flatten() {
            answer();
        }
    }
}
