//! A trial: a tenant and a platform at rest, things to do on both, a fault, and its end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::clock::Clock;
use manntall::cycle::{Engine, Trouble, Until};
use manntall::sim::platform::record::Write;
use manntall::sim::world::{Event, MemberKind, ObjectId, Properties};
use serde_json::json;
use tokio::sync::watch;

use super::wire::{self, Peer, Wrong};
use crate::acceptance::{
    active, assert_right, entitled, happen, next_poll, world, writes, writes_since,
};
use crate::history::{Recent, runtime, settle, watch as look_on};
use crate::stage::Stage;

/// A stage at rest with a watch over every write.
pub(crate) struct Trial {
    pub(crate) stage: Stage,
    /// Boxed: what is run with it is a large future otherwise.
    pub(crate) engine: Box<Engine>,
    recent: Arc<Mutex<Recent>>,
    wrong: Arc<Mutex<Vec<String>>>,
    begun: usize,
}

/// What people and machines are told while a fault lasts.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) troubles: Vec<Trouble>,
}

impl Told {
    pub(crate) fn codes(&self) -> BTreeSet<u8> {
        self.troubles.iter().map(|trouble| trouble.code).collect()
    }

    /// Somebody was told all of these words in one message.
    pub(crate) fn assert_says(&self, words: &[&str]) {
        let says = |trouble: &Trouble| words.iter().all(|word| trouble.message.contains(word));
        assert!(self.troubles.iter().any(says), "nobody was told {words:?}: {self:#?}");
    }
}

impl Trial {
    /// A municipality of 60 people, imported and at rest.
    pub(crate) async fn begin() -> Self {
        Self::on(Stage::new(world(60, 8, 200), 1)).await
    }

    pub(crate) async fn on(stage: Stage) -> Self {
        let mut engine = Box::new(stage.engine().unwrap());
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after the first import");
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        let recent = Arc::new(Mutex::new(Recent { keep: 1, ..Recent::default() }));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        recent.lock().unwrap().note(&stage.lock().world);
        let mut witness = look_on(Arc::clone(&recent), Arc::clone(&wrong));
        {
            // What is there now is what the watch compares the first write with.
            let mut inner = stage.lock();
            witness(&inner.world, &inner.platform, &nothing());
            inner.witness = Some(Box::new(witness));
        }
        let begun = writes(&stage);
        Self { stage, engine, recent, wrong, begun }
    }

    /// Something of every kind: a leaver, a newcomer, a new title, a name, memberships both ways.
    pub(crate) fn unrest(&self) {
        let people = entitled(&self.stage);
        let stage = &self.stage;
        happen(stage, Event::Disable { user: people[0] });
        happen(stage, hire(900));
        let title = json!("Rådgiver");
        let name = "jobTitle".to_owned();
        happen(stage, Event::SetProperty { user: people[1], name, value: title });
        let (surname, display_name) = ("Ås".to_owned(), "Kari Ås".to_owned());
        happen(stage, Event::Rename { user: people[2], surname, display_name });
        let (group, member, other) = self.some_group();
        happen(stage, Event::Leave { group, user: member });
        happen(stage, Event::Join { group, user: other });
        self.recent.lock().unwrap().note(&stage.lock().world);
    }

    /// A group that is carried over, an entitled member of it, and somebody else.
    pub(crate) fn some_group(&self) -> (ObjectId, ObjectId, ObjectId) {
        let people = entitled(&self.stage);
        let inner = self.stage.lock();
        let mut groups = inner.world.live_groups().filter(|group| {
            group.text("displayName").unwrap_or_default().starts_with("PLT ")
                && group.members.len() > 4
                && group.members.iter().all(|member| member.kind != MemberKind::Group)
        });
        let group = groups.next().expect("there is a group");
        let inside = |id: &&ObjectId| group.members.iter().any(|member| member.id == **id);
        let member = people[3..].iter().find(inside).expect("it has a member");
        let other = people[3..].iter().find(|id| !inside(id)).expect("not everybody is in it");
        (group.id, *member, *other)
    }

    /// Somebody else changed the platform by hand: what is there now is what later writes are compared
    /// with.
    pub(crate) fn rebase(&self) {
        let mut inner = self.stage.lock();
        let inner = &mut *inner;
        if let Some(witness) = &mut inner.witness {
            witness(&inner.world, &inner.platform, &nothing());
        }
        self.wrong.lock().unwrap().clear();
    }

    /// Notes that the world is as it should be seen from now on.
    pub(crate) fn note(&self) {
        self.recent.lock().unwrap().note(&self.stage.lock().world);
    }

    /// Five cycles while the fault lasts.
    pub(crate) async fn suffer(&mut self) -> Told {
        let mut told = Told::default();
        for pause in [1, 61, 61, 61, 300] {
            self.stage.pass(Duration::from_secs(pause)).await;
            self.cycle(&mut told).await;
        }
        told
    }

    /// One cycle, and what was told in it.
    pub(crate) async fn cycle(&mut self, told: &mut Told) {
        let began = self.stage.clock.elapsed();
        self.stage.drive(&mut self.engine).await.unwrap();
        let took = self.stage.clock.elapsed().saturating_sub(began);
        assert!(took < Duration::from_secs(3_600), "a cycle took {took:?}");
        told.troubles.extend(self.engine.source_troubles().values().cloned());
        told.troubles.extend(self.engine.target_trouble().cloned());
        self.assert_safe();
    }

    /// The service for so long.
    pub(crate) async fn serve(&mut self, span: Duration) {
        let (stop, mut stopped) = watch::channel(false);
        let writer = self.stage.writer();
        let ends = async {
            self.stage.pass(span).await;
            stop.send(true).unwrap();
        };
        let driving = self.engine.drive(Some(&writer), Until::Stopped, &mut stopped);
        futures_util::future::join(driving, ends).await.0.unwrap();
        self.assert_safe();
    }

    /// Nothing was taken from anybody without evidence so far.
    pub(crate) fn assert_safe(&self) {
        assert_eq!(*self.wrong.lock().unwrap(), Vec::<String>::new());
        // A hold without changes is a question about what was read, and keeps nothing from anybody.
        let held = self.engine.holds().iter().find(|hold| hold.finding.is_none());
        assert!(held.is_none(), "{held:?}");
    }

    /// The writes since the beginning.
    pub(crate) fn writes(&self) -> Vec<Write> {
        writes_since(&self.stage, self.begun)
    }

    /// Two cycles after the fault everything is right, and nothing more is sent.
    pub(crate) async fn converge(mut self) {
        self.two_cycles().await;
        // Shown where the test fails.
        println!("stuck: {:#?}", self.engine.state().ledger.escrow);
        println!("in doubt: {:#?}", self.engine.state().ledger.doubts);
        assert_right(&self.stage, "two cycles after the fault");
        assert!(self.engine.source_troubles().is_empty(), "{:?}", self.engine.source_troubles());
        assert_eq!(self.engine.target_trouble(), None);
        let before = self.stage.lock().platform.requests.total();
        next_poll(&self.stage).await;
        self.stage.drive(&mut self.engine).await.unwrap();
        let after = self.stage.lock().platform.requests.total();
        assert_eq!(before, after, "something is sent again and again");
    }

    pub(crate) async fn two_cycles(&mut self) {
        let mut told = Told::default();
        for _ in 0..2 {
            next_poll(&self.stage).await;
            self.cycle(&mut told).await;
        }
    }

    pub(crate) fn is_active(&self, person: ObjectId) -> Option<bool> {
        active(&self.stage, person)
    }
}

fn nothing() -> manntall::sim::http::Request {
    let method = "PATCH".to_owned();
    manntall::sim::http::Request {
        method,
        target: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// A newcomer whom nobody has seen before.
pub(crate) fn hire(number: u128) -> Event {
    let user: ObjectId = format!("{number:032x}")
        .chars()
        .enumerate()
        .flat_map(|(at, c)| matches!(at, 8 | 12 | 16 | 20).then_some('-').into_iter().chain([c]))
        .collect::<String>()
        .parse()
        .expect("an object id");
    let properties: Properties = [
        ("userPrincipalName", json!(format!("ny{number}@asker.example.no"))),
        ("displayName", json!(format!("Ny {number}"))),
        ("givenName", json!("Ny")),
        ("surname", json!("Nordmann")),
        ("accountEnabled", json!(true)),
        ("userType", json!("Member")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Event::Hire { user, properties, manager: None }
}

/// A fault at one peer from beginning to end: it strikes, nothing is harmed, and it is overcome.
pub(crate) fn survives(peer: Peer, wrong: &Wrong) -> Told {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        let struck = wire::switch_on(&trial.stage, peer, wrong);
        let told = trial.suffer().await;
        if peer != Peer::Login {
            assert!(struck.times() > 0, "{wrong:?} at {peer:?} never struck");
        }
        wire::switch_off(&trial.stage);
        trial.converge().await;
        told
    })
}
