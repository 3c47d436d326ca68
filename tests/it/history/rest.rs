//! The end of a history: after the faults everything comes to what it should be, and stays so.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::Guard;
use manntall::core::mirror::{Mirror, Unsettled};
use manntall::core::model::{Link, Presence, SourceUser, Timestamp};
use manntall::cycle::Engine;
use manntall::sim::entra::Quirks;

use super::play::Play;
use super::script::{EntraFault, PlatformFault, Step};
use super::{approve, counts, settle};
use crate::oracle::differences_under;

/// Whoever waits longer without a fault waits for something that does not come.
const CYCLE_MAX: Duration = Duration::from_secs(15 * 60);

impl Play {
    /// After the faults: two healthy cycles, everything held approved, and then nothing is sent any more.
    pub(super) async fn rest(&mut self) {
        {
            let mut inner = self.stage.lock();
            inner.entra.quirks.lag = 0;
            let mut recent = self.recent.lock().unwrap();
            recent.note(&inner.world);
            (recent.is_foreign, recent.may_be_silent) = (false, false);
            recent.rejected.clear();
        }
        let mut engine = self.stage.engine().unwrap();
        engine.retry_all();
        approve(&self.stage, &mut engine, |hold| hold.meter.guard == Guard::Identity);
        for _ in 0..2 {
            self.settle_but_coverage(&mut engine).await;
            self.stage.pass(Duration::from_secs(61)).await;
        }
        for (why, pause) in self.waits(&engine) {
            // What was not found once is looked at a second time, be it as it should be or not.
            let is_absent = !engine.state().ledger.absent.is_empty();
            let is_due = why == "read again" || (why == "looked at again" && is_absent);
            if is_due || !self.differences(&engine).is_empty() {
                self.fire(format!("waited: {why}"));
                self.stage.pass(Duration::from_secs(pause)).await;
                for _ in 0..2 {
                    self.settle_but_coverage(&mut engine).await;
                    self.stage.pass(Duration::from_secs(61)).await;
                }
            }
        }
        settle(&self.stage, &mut engine).await;
        self.stage.pass(Duration::from_secs(61)).await;
        self.judge(&engine);
        self.be_silent(&mut engine).await;
        self.note_guards(&engine);
    }

    /// What two cycles may not be enough for, and how long it takes then.
    fn waits(&self, engine: &Engine) -> Vec<(&'static str, u64)> {
        let met = |fault: &dyn Fn(&Step) -> bool| self.script.steps.iter().any(fault);
        let mut waits = Vec::new();
        if met(&|step| step.platform.contains(&PlatformFault::NoSeats)) {
            waits.push(("no seats", 15 * 60));
        }
        // What was deleted while the delta link died, and a property that was withheld: the second
        // complete read decides.
        let unsure = |mirror: &Mirror| {
            let Unsettled { has_missing, has_partial_group } = mirror.unsettled();
            has_missing || has_partial_group
        };
        if engine.state().mirrors.values().any(unsure)
            || engine.holds().iter().any(|hold| hold.meter.guard == Guard::Coverage)
        {
            waits.push(("read again", 3_700));
        }
        // Somebody whom a complete read missed, and who is back: a manager who was taken away meanwhile
        // is told of by no delta round, and by the second complete read, which is due already.
        let is_manager = |difference: &String| difference.contains(":User/manager is ");
        if self.has_missed && self.differences(engine).iter().all(is_manager) {
            waits.push(("back again", 3_700));
        }
        // Where nobody has a manager, a single read without one says nothing: the next complete read does.
        let mut users = engine.state().mirrors.values().flat_map(|mirror| mirror.users.values());
        if users.any(lacks_manager) && self.differences(engine).iter().all(is_manager) {
            waits.push(("complete read", 24 * 3_600));
        }
        // What was not found by one look, and the look that decides.
        if !engine.state().ledger.absent.is_empty() {
            waits.push(("looked at again", 3_700));
        }
        // An account that was adopted anew may be in groups that were compared while it was nobody's, and
        // a group that was taken up again may hold members whom the platform did not show then.
        let hides_members = |step: &Step| {
            use PlatformFault::{HidesOne, MembersByName, MembersCut, MembersNeverShown};
            step.platform.iter().any(|fault| {
                matches!(fault, HidesOne | MembersByName | MembersCut | MembersNeverShown)
            })
        };
        if self.has_restored || met(&hides_members) {
            waits.push(("comparison", 24 * 3_600));
        }
        // What a tenant never told when it was first read is only told by the next complete read.
        let hides = |step: &Step| {
            use EntraFault::{
                CountRefused, DepartmentWithheld, EmptyRead, EnabledNull, HalfTexts, LargeTexts,
                NoIds, NoObjects, NullLinks, OddEntries, OddRemovals, PagesLost, TitleWithheld,
                WrongTypes,
            };
            matches!(
                step.entra,
                Some(
                    CountRefused
                        | DepartmentWithheld
                        | EmptyRead
                        | EnabledNull
                        | HalfTexts
                        | LargeTexts
                        | NoIds
                        | NoObjects
                        | NullLinks
                        | OddEntries
                        | OddRemovals
                        | PagesLost
                        | TitleWithheld
                        | WrongTypes
                )
            )
        };
        let mut walks = engine.state().walks.values();
        let is_uncounted = walks.any(|walk| walk.gap.as_ref().is_some_and(|gap| gap.uncounted));
        if met(&hides) || is_uncounted {
            waits.push(("complete read", 24 * 3_600));
            waits.push(("second complete read", 3_700));
        }
        waits
    }

    /// In what the platform differs from what it should be.
    fn differences(&self, engine: &Engine) -> Vec<String> {
        let inner = self.stage.lock();
        let ledger = &engine.state().ledger;
        let accounts = ledger.accounts.values().filter_map(|entry| entry.link.managed());
        let groups = ledger.groups.values().filter_map(|entry| entry.link.managed());
        let ours: BTreeSet<String> = accounts.chain(groups).map(ToString::to_string).collect();
        let found = inner.platform.users().chain(inner.platform.groups());
        let others = found
            .map(|found| found.id.clone())
            .filter(|id| self.has_restored || self.existing.contains(id))
            .filter(|id| !ours.contains(id))
            .collect();
        let rules = self.recent.lock().unwrap().rules.clone();
        // Of an account that was adopted by half before its owner left nothing is changed any more but
        // `active` and its groups, so it may have no `externalId`. All else is judged as ever.
        let left = ledger.accounts.iter().filter_map(|(person, entry)| match &entry.link {
            Link::Deactivated(id) if self.existing.contains(id.as_str()) => {
                Some((id.to_string(), person.object.to_string()))
            }
            _ => None,
        });
        differences_under(&rules, &inner.world, &inner.platform, &others, &left.collect())
    }

    async fn settle_but_coverage(&self, engine: &mut Engine) {
        let began = self.stage.clock.elapsed();
        self.stage.drive(engine).await.unwrap();
        for _ in 0..6 {
            if !approve(&self.stage, engine, |hold| hold.meter.guard != Guard::Coverage) {
                break;
            }
            self.stage.drive(engine).await.unwrap();
        }
        let took = self.stage.clock.elapsed().saturating_sub(began);
        if took > CYCLE_MAX {
            self.complain(format!("a cycle took {took:?} though nothing was wrong any more"));
        }
    }

    /// Whether everything is as it should be.
    fn judge(&self, engine: &Engine) {
        let mut wrong = self.wrong.lock().unwrap();
        wrong.extend(self.differences(engine));
        if wrong.is_empty() {
            return;
        }
        for (entity, escrow) in &engine.state().ledger.escrow {
            wrong.push(format!("stuck: {entity:?}: {}", escrow.reason));
        }
        if self.verbose {
            println!("planned at rest: {:#?}", engine.planner().changes());
            println!("notes: {:#?}", engine.planner().notes());
            println!("unsurveyed: {:?}", engine.planner().unsurveyed());
            println!("holds: {:?}", engine.holds());
            println!("troubles: {:?} {:?}", engine.source_troubles(), engine.target_trouble());
            println!("ledger: {:#?}", engine.state().ledger);
        }
    }

    /// How many requests a comparison takes that finds nothing: people and groups are listed, each on one page, and an
    /// empty page ends the listing.
    fn listings(&self) -> u64 {
        let inner = self.stage.lock();
        let (users, groups) = (inner.platform.users().next(), inner.platform.groups().next());
        2 + u64::from(users.is_some()) + u64::from(groups.is_some())
    }

    /// Nothing changes any more, so nothing is sent but the two polls. A comparison and the complete reads
    /// that are due just then are made, people's and groups' each at its own time, and after them there is
    /// silence.
    async fn be_silent(&self, engine: &mut Engine) {
        self.stage.lock().entra.quirks = Quirks::default();
        for may_read in [true, true, false] {
            let (before, last) = (counts(&self.stage), compared_at(engine));
            settle(&self.stage, engine).await;
            let after = counts(&self.stage);
            let (to_graph, to_target) = (after.0 - before.0, after.1 - before.1);
            let is_listed = to_target == self.listings();
            let compares = may_read && is_listed && last != compared_at(engine);
            if to_target > 0 && !compares {
                self.complain(format!("{to_target} requests to the target at rest"));
            }
            if to_graph == 2 && !compares {
                return;
            }
            if !may_read {
                self.complain(format!("{to_graph} requests to Graph at rest"));
            }
            self.stage.pass(Duration::from_secs(61)).await;
        }
    }
}

/// When the target was last compared as a whole.
fn compared_at(engine: &Engine) -> Option<Timestamp> {
    engine.state().proof.as_ref().and_then(|proof| proof.at)
}

/// Whether nothing is known of the manager of somebody who is kept.
fn lacks_manager(user: &SourceUser) -> bool {
    user.kept && user.presence == Presence::Present && !user.properties.contains_key("manager")
}
