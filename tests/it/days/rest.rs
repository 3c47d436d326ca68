//! The end of some days: nothing goes wrong any more, everything held is approved, and the platform has to
//! come to what it should be and stay so.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::{Approval, Claims, Guard};
use manntall::core::model::Link;
use manntall::cycle::door::Door;
use manntall::cycle::{Engine, Until};
use manntall::sim::platform::Resource;
use manntall::sim::world::User;
use tokio::sync::watch;

use super::faults::calm;
use super::play::{Play, now_ms};
use crate::history::counts;
use crate::oracle::differences_under;
use crate::stage::Inner;

/// What an engine knows that the judge has to know, too.
struct Told {
    /// Ids on the platform of the accounts and groups that are Manntall's.
    ours: BTreeSet<String>,
    /// Accounts that were taken over and are deactivated, and whose they are.
    left: BTreeMap<String, String>,
    stuck: Vec<String>,
    holds: Vec<String>,
    troubles: Vec<String>,
}

impl Play {
    pub(super) async fn rest(&mut self) {
        {
            let mut inner = self.stage.lock();
            calm(&mut inner);
            inner.entra.quirks.lag = 0;
            self.known.lock().unwrap().note(&inner.world, now_ms(&self.stage.clock));
        }
        self.stage.skew_ms.store(0, Ordering::Relaxed);
        let Some((mut engine, door)) = self.start() else {
            return self.complain("the store does not load at rest".to_owned());
        };
        let (stop, mut stopped) = watch::channel(false);
        let writer = self.stage.writer();
        let mut drive = pin!(engine.drive(Some(&writer), Until::Stopped, &mut stopped));
        let lives = async {
            let pause = Arc::clone(&self.pause);
            let words = door.visit(move |engine| {
                engine.state_mut().resume("tester");
                let people: Vec<_> = engine.state().ledger.by_hand.keys().copied().collect();
                for person in people {
                    engine.lift(person, "tester");
                }
                engine.retry_all();
            });
            words.await.unwrap();
            pause.lock().unwrap().end();
            self.known.lock().unwrap().rejected.clear();
            self.settle(&door).await;
            let told = ask(&door).await;
            self.judge(&told);
            self.be_silent().await;
        };
        tokio::select! {
            biased;
            ended = &mut drive => self.complain(format!("the loop ended at rest: {ended:?}")),
            () = lives => {}
        }
        drop(stop);
    }

    /// Lets two complete reads and two comparisons go by, and approves whatever is held.
    async fn settle(&self, door: &Door) {
        let timing = self.stage.timing;
        let span = (timing.full_compare + timing.confirm_absence) * 2 + timing.poll_interval * 4;
        let began = self.stage.clock.elapsed();
        let mut rounds = 0_u32;
        let passed = || self.stage.clock.elapsed().saturating_sub(began);
        while passed() < span {
            rounds += 1;
            // What many have lost is believed only once every complete read says so.
            let is_late = passed() > span / 2;
            let at = self.stage.clock.now();
            let approved = door.visit(move |engine| {
                let holds = engine.holds().iter();
                let holds = holds.filter(|hold| is_late || hold.meter.guard != Guard::Coverage);
                let claims: Claims = holds.flat_map(|hold| hold.claims.clone()).collect();
                if !claims.is_empty() {
                    let until = at.plus(Duration::from_secs(24 * 3_600));
                    engine.approve(Approval { claims, by: "tester".into(), at, until, hold: None });
                }
            });
            approved.await.unwrap();
            self.stage.pass(timing.poll_interval * rounds.min(8) / 2).await;
        }
    }

    fn judge(&self, told: &Told) {
        let inner = self.stage.lock();
        let found = inner.platform.users().chain(inner.platform.groups());
        let others: BTreeSet<String> = found
            .map(|found| found.id.clone())
            .filter(|id| {
                self.has_restored || self.existing.contains(id) || self.handiwork.made.contains(id)
            })
            .filter(|id| !told.ours.contains(id))
            .collect();
        let mut rules = self.known.lock().unwrap().rules.clone();
        if self.script.setup.never_adopts {
            rules.barred = barred(&inner, &others, &told.ours);
        }
        // A group that a restored backup has forgotten, and that came back into scope later, is not taken over.
        let lost = inner.platform.groups().filter(|group| others.contains(&group.id));
        let lost = lost.filter(|_| self.script.setup.never_adopts && self.has_restored);
        let lost: Vec<String> =
            lost.filter_map(|group| Some(format!("group {} ", group.external_id()?))).collect();
        let mut wrong =
            differences_under(&rules, &inner.world, &inner.platform, &others, &told.left);
        // Who was deactivated by somebody on the platform stays so until that somebody says otherwise.
        let off: BTreeSet<String> = inner
            .platform
            .users()
            .filter(|user| self.handiwork.deactivated.contains(&user.id))
            .filter_map(|user| user.external_id().map(str::to_owned))
            .collect();
        wrong.retain(|line| !off.iter().any(|id| *line == format!("{id} is not active")));
        wrong.retain(|line| !lost.iter().any(|group| line.starts_with(group)));
        let is_right = wrong.is_empty();
        for line in wrong {
            self.complain(line);
        }
        if !is_right {
            told.stuck.iter().for_each(|line| self.complain(format!("stuck: {line}")));
            told.holds.iter().for_each(|line| self.complain(format!("held: {line}")));
            told.troubles.iter().for_each(|line| self.complain(format!("trouble: {line}")));
        }
    }

    /// Nothing changes any more: nothing is written, and Graph is asked for the polls, and for the complete
    /// reads that may be due.
    async fn be_silent(&self) {
        let before = counts(&self.stage);
        let writes = |play: &Self| {
            let inner = play.stage.lock();
            let counted = inner
                .trace
                .iter()
                .filter(|line| line.contains("platform.example.no") && !line.contains(" GET "));
            counted.count()
        };
        let written = writes(self);
        self.stage.pass(self.stage.timing.poll_interval * 8).await;
        let written = writes(self) - written;
        if written > 0 {
            self.complain(format!("{written} writes at rest"));
        }
        let asked = counts(&self.stage).0 - before.0;
        // A habit of Graph's is pages without an element.
        let most = if self.script.quirks > 0 { 120 } else { 60 };
        if asked > most {
            self.complain(format!("{asked} requests to Graph in eight polls at rest"));
        }
    }
}

/// People without an account of ours, in whose way one of the `others` is, by its id or by its name.
fn barred(inner: &Inner, others: &BTreeSet<String>, ours: &BTreeSet<String>) -> BTreeSet<String> {
    let holds = |accounts: &BTreeSet<String>, is: &dyn Fn(&Resource) -> bool| {
        inner.platform.users().any(|user| accounts.contains(&user.id) && is(user))
    };
    let is_barred = |person: &&User| {
        let id = person.id.to_string();
        let name = person.text("userPrincipalName").unwrap_or_default();
        let has_id = |account: &Resource| account.external_id() == Some(&id);
        let has_name = |account: &Resource| account.user_name().eq_ignore_ascii_case(name);
        !holds(ours, &has_id) && holds(others, &|one| has_id(one) || has_name(one))
    };
    inner.world.users().values().filter(is_barred).map(|person| person.id.to_string()).collect()
}

async fn ask(door: &Door) -> Told {
    let told = door.visit(|engine: &mut Engine| {
        let ledger = &engine.state().ledger;
        let accounts = ledger.accounts.values().filter_map(|entry| entry.link.managed());
        let groups = ledger.groups.values().filter_map(|entry| entry.link.managed());
        let left = ledger.accounts.iter().filter_map(|(person, entry)| match &entry.link {
            Link::Deactivated(id) => Some((id.to_string(), person.object.to_string())),
            _ => None,
        });
        Told {
            ours: accounts.chain(groups).map(ToString::to_string).collect(),
            left: left.collect(),
            stuck: ledger
                .escrow
                .iter()
                .map(|(entity, escrow)| format!("{entity:?}: {}", escrow.reason))
                .collect(),
            holds: engine.holds().iter().map(|hold| format!("{hold:?}")).collect(),
            troubles: engine
                .source_troubles()
                .values()
                .chain(engine.target_trouble())
                .map(|trouble| trouble.message.clone())
                .collect(),
        }
    });
    told.await.unwrap()
}
