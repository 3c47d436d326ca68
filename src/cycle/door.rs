//! The door into the loop: how the rest of the process looks at the engine and tells it something while
//! it runs, without a lock.
//!
//! A visit is let in at the beginning of a turn, before anything is planned, so that what it changes is
//! part of that turn's commit. It is answered only once that commit is durable. A visit that waits for
//! something looks again at the end of every turn.

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::{mpsc, oneshot};

use super::live::Live;
use super::{Engine, Tally};

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

/// A door. Clones lead to the same engine.
#[derive(Clone)]
pub struct Door(mpsc::Sender<Visit>);

/// The engine has ended, or failed, before the visit was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shut;

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the service has stopped meanwhile; whether it was done shows when it runs again",
        )
    }
}

impl Door {
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
        let _ = self.0.try_send(Box::new(visit));
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
        self.0.send(Box::new(visit)).await.map_err(|_| Shut)?;
        told.await.map_err(|_| Shut)
    }
}

/// The inner side of a door: those who come, and those who stay.
pub struct Visits {
    arriving: mpsc::Receiver<Visit>,
    arrived: Vec<Visit>,
    staying: Vec<Visit>,
    answers: Vec<Answer>,
}

/// A door, and its inner side for [`Engine::open`].
pub fn door() -> (Door, Visits) {
    let (sender, arriving) = mpsc::channel(VISITS_MAX);
    let nobody = || Vec::new();
    let visits = Visits { arriving, arrived: nobody(), staying: nobody(), answers: Vec::new() };
    (Door(sender), visits)
}

/// What an engine leaves behind: its visitors, those who wait too, those who watch, and what it has
/// counted.
pub struct Heritage {
    visits: Option<Visits>,
    tally: Tally,
    live: Live,
    trips: BTreeMap<&'static str, u64>,
}

impl Heritage {
    /// That of nobody: the visitors only.
    pub fn of(visits: Visits) -> Self {
        Self {
            visits: Some(visits),
            tally: Tally::default(),
            live: Live::default(),
            trips: BTreeMap::new(),
        }
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
        let Heritage { visits, tally, live, trips } = heritage;
        self.visits = visits;
        self.tally = tally;
        self.live = live.outdated();
        self.guards.trips = trips;
    }

    /// Leaves behind what another engine is to take over.
    pub fn close(&mut self) -> Heritage {
        Heritage {
            visits: self.visits.take(),
            tally: std::mem::take(&mut self.tally),
            live: std::mem::take(&mut self.live),
            trips: std::mem::take(&mut self.guards.trips),
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
