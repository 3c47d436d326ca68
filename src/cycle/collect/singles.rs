//! Singles: reads one by one whom `keep` has begun to keep, since delta rounds tell of them only what changes, and
//! of whom a delta round told something that could not be read, or came without a word on whether they may sign in.
//! Many at once come with a complete read instead. People and groups that a complete read has left out are asked
//! about, too: who is found was left out by mistake.
//!
//! Who is to be read follows from the mirror alone; what is kept here are tries and waits. A read that fails
//! proves nothing. A 404 proves something only of whoever a complete read has left out, or of whoever is named again
//! after a tombstone: whoever was just made is not found everywhere. A single read says nothing about the tenant
//! either, which is judged by its rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::LaneRun;
use crate::core::mirror::{Folding, Round, SINGLES_MAX};
use crate::core::model::{Element, Kind, ObjectId, SourceGroup, SourceName, SourceUser};
use crate::core::words::plural;
use crate::cycle::page_loop::backoff;
use crate::cycle::records::Key;
use crate::cycle::{Engine, Event, Launch};
use crate::graph::{Disposition, GraphError};

/// So many reads are on their way at once.
const AT_ONCE: usize = 4;
/// A command waits for so many tries with one person; what fails then is told.
const TRIES_TOLD: u32 = 3;
/// The first wait after that; each later one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(60);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The people of one tenant who are to be read one by one, or its groups.
#[derive(Debug, Default)]
pub(super) struct Singles {
    wanted: BTreeSet<ObjectId>,
    /// Whom a complete read has left out, and who was not asked about yet. Of many at once the budgets take care.
    missing: BTreeSet<ObjectId>,
    busy: BTreeSet<ObjectId>,
    failed: BTreeMap<ObjectId, Failed>,
    /// Nobody is asked about before this, because Entra asks for a pause.
    pause: Option<Duration>,
}

/// How the reads of one person failed.
#[derive(Debug)]
struct Failed {
    tries: u32,
    next: Duration,
    why: String,
}

/// A finished read of one person.
pub(in crate::cycle) struct Single {
    source: SourceName,
    kind: Kind,
    id: ObjectId,
    result: Result<Option<Element>, GraphError>,
}

impl Singles {
    /// Whether they come with a complete read.
    fn are_many(&self) -> bool {
        self.wanted.len() > SINGLES_MAX
    }

    fn next_of(&self, id: ObjectId) -> Duration {
        let own = self.failed.get(&id).map_or(Duration::ZERO, |failed| failed.next);
        own.max(self.pause.unwrap_or_default())
    }

    fn is_told(&self, id: ObjectId) -> bool {
        self.failed.get(&id).is_some_and(|failed| failed.tries >= TRIES_TOLD)
    }

    /// Those who are asked about one by one and were not yet.
    fn open(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let wanted = self.wanted.iter().filter(|_| !self.are_many());
        let missing = self.missing.iter().filter(|_| self.missing.len() <= SINGLES_MAX);
        wanted.chain(missing).filter(|id| !self.busy.contains(*id)).copied()
    }

    /// When the next of those is asked about for whom somebody waits, or of all.
    fn due(&self, only_awaited: bool) -> Option<Duration> {
        let open = self.open().filter(|id| !only_awaited || !self.is_told(*id));
        open.map(|id| self.next_of(id)).min()
    }

    /// Whether a command still waits for one of them.
    fn is_awaited(&self) -> bool {
        !self.busy.is_empty() || self.due(true).is_some()
    }

    /// What is wrong with them, in words.
    fn trouble(&self) -> Option<String> {
        let (id, failed) = self.failed.iter().find(|(_, failed)| failed.tries >= TRIES_TOLD)?;
        let count = self.failed.values().filter(|failed| failed.tries >= TRIES_TOLD).count();
        Some(format!(
            "{count} {} of whom not all is known, or whom a complete read has left out, could not be read from Entra \
             one by one, such as {id}: {}. Nothing is taken from them meanwhile. They are asked about again, later \
             each time, at most every hour",
            plural(count, "person or group", "people or groups"),
            failed.why.trim_end_matches('.')
        ))
    }
}

impl LaneRun {
    /// Whether a command waits for people who are read one by one.
    pub(super) fn awaits_singles(&self) -> bool {
        self.fresh && self.singles.is_awaited()
    }

    /// When the next of them is due: of those for whom a command waits, or of all.
    pub(super) fn singles_due(&self, only_awaited: bool) -> Option<Duration> {
        self.singles.due(only_awaited).filter(|_| self.fresh)
    }

    /// What is wrong with reading them.
    pub(super) fn singles_trouble(&self) -> Option<String> {
        self.singles.trouble()
    }

    /// A person asks for everything now.
    pub(super) fn hurry_singles(&mut self) {
        self.singles.failed.clear();
    }
}

impl Engine {
    /// Looks at everybody for those who are to be read, at a start and after the rules have changed.
    pub(in crate::cycle) fn begin_singles(&mut self) {
        let is_changed = self.guards.rule_change.is_some();
        for (&source, mirror) in &mut self.state.mirrors {
            if let (true, Some(keep)) = (is_changed, self.sources.keep.get(&source)) {
                for id in mirror.widen(keep) {
                    self.state.marked.insert(Key::User(source, id));
                }
            }
            if let Some(run) = self.sources.lanes.get_mut(&(source, Kind::Users)) {
                run.singles.wanted = mirror.to_be_read();
            }
            for kind in [Kind::Users, Kind::Groups] {
                if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
                    run.singles.missing = mirror.missing(kind);
                }
            }
        }
        for source in self.sources.tenants.keys().copied().collect::<Vec<_>>() {
            self.look_for_unsaid(source);
            self.read_many(source);
        }
    }

    /// Takes in whose records a round has changed.
    pub(super) fn want_singles(
        &mut self,
        source: SourceName,
        kind: Kind,
        changed: &BTreeSet<ObjectId>,
    ) {
        let Some(mirror) = self.state.mirrors.get(&source) else { return };
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return };
        for id in changed {
            let is_missing = match kind {
                Kind::Users => mirror.users.get(id).is_some_and(SourceUser::is_to_be_found),
                Kind::Groups => mirror.groups.get(id).is_some_and(SourceGroup::is_to_be_found),
            };
            if is_missing {
                run.singles.missing.insert(*id);
            } else {
                run.singles.missing.remove(id);
            }
        }
        if kind == Kind::Groups {
            return;
        }
        for id in changed {
            if mirror.users.get(id).is_some_and(SourceUser::is_to_be_read) {
                run.singles.wanted.insert(*id);
            } else if run.singles.wanted.remove(id) {
                run.singles.failed.remove(id);
            }
        }
        self.read_many(source);
    }

    /// Many come with a complete read, which begins now unless the last one was refused.
    fn read_many(&mut self, source: SourceName) {
        let key = (source, Kind::Users);
        let are_many = self.sources.lanes.get(&key).is_some_and(|run| run.singles.are_many());
        let Some(walk) = self.state.walks.get_mut(&key) else { return };
        if are_many && walk.refused.is_none() && walk.want_full(self.clock.now()) {
            self.state.mark(Key::Walk(source, Kind::Users));
            if let Some(run) = self.sources.lanes.get_mut(&key) {
                // Whoever waits, waits for them too.
                run.polled = super::Polled::Open;
            }
        }
    }

    /// Asks about whoever is due.
    pub(super) fn ask_singles(&mut self, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        for (&(source, kind), run) in &mut self.sources.lanes {
            if !run.fresh || self.guards.is_shut(source, kind) {
                continue;
            }
            let Some(found) = self.sources.tenants.get(&source) else { continue };
            let free = AT_ONCE.saturating_sub(run.singles.busy.len());
            let open = run.singles.open();
            let due: Vec<_> =
                open.filter(|id| run.singles.next_of(*id) <= elapsed).take(free).collect();
            for id in due {
                run.singles.busy.insert(id);
                let client = Arc::clone(&found.client);
                launch.push(Box::pin(async move {
                    let result = client.object(kind, id).await;
                    Event::Single(Box::new(Single { source, kind, id, result }))
                }));
            }
        }
    }

    /// Takes in what became of a read of one person or group.
    pub(in crate::cycle) fn on_single(&mut self, single: Single) {
        let Single { source, kind, id, result } = single;
        let key = (source, kind);
        let Some(run) = self.sources.lanes.get_mut(&key) else { return };
        run.singles.busy.remove(&id);
        let was_told = run.singles_trouble().is_some();
        match result {
            Ok(Some(element)) => self.take_single(key, id, element),
            Ok(None) if self.take_not_found(key, id) => {}
            Ok(None) => self.fail_single(key, id, "Entra does not find them (404)", None),
            Err(error) => {
                let pause = match error.disposition() {
                    Disposition::Retry { after } => after,
                    _ => None,
                };
                self.fail_single(key, id, &error.to_string(), pause);
            }
        }
        let run = self.sources.lanes.get(&key);
        if was_told || run.is_some_and(|run| run.singles_trouble().is_some()) {
            self.settle_trouble(source, kind);
            self.tell_withheld(source, kind);
        }
    }

    /// Entra does not find somebody, or a group, that was left out or named after a tombstone: that is an answer.
    fn take_not_found(&mut self, key: (SourceName, Kind), id: ObjectId) -> bool {
        let (source, kind) = key;
        let mirror = self.state.mirrors.get_mut(&source);
        if !mirror.is_some_and(|mirror| mirror.not_found(kind, id)) {
            return false;
        }
        if let Some(run) = self.sources.lanes.get_mut(&key) {
            run.singles.failed.remove(&id);
            run.singles.wanted.remove(&id);
            run.singles.missing.remove(&id);
        }
        self.put_single(key, id);
        true
    }

    /// What a single read has said of an object is kept, and planned.
    fn put_single(&mut self, (source, kind): (SourceName, Kind), id: ObjectId) {
        self.state.mark(match kind {
            Kind::Users => Key::User(source, id),
            Kind::Groups => Key::Group(source, id),
        });
        if let Some(touched) = &mut self.target.planning.touched {
            match kind {
                Kind::Users => touched.users.insert((source, id)),
                Kind::Groups => touched.groups.insert((source, id)),
            };
        }
        self.target.planning.judge_due = true;
        self.recount();
    }

    fn take_single(&mut self, key: (SourceName, Kind), id: ObjectId, element: Element) {
        let (source, kind) = key;
        let is_changed = element.id() == Some(id)
            && match kind {
                Kind::Users => self.complete_user(source, element),
                Kind::Groups => self.state.mirrors.entry(source).or_default().find_group(id),
            };
        let mut was_missing = false;
        if let Some(run) = self.sources.lanes.get_mut(&key) {
            was_missing = run.singles.missing.contains(&id);
            if is_changed {
                run.singles.failed.remove(&id);
                run.singles.wanted.remove(&id);
                run.singles.missing.remove(&id);
            }
        }
        if !is_changed {
            return self.fail_single(key, id, "Entra answers about somebody else", None);
        }
        if was_missing {
            tracing::warn!(
                tenant = %source,
                kind = ?kind,
                id = %id,
                "a complete read has left this one out, whom Entra finds by itself: nothing is taken"
            );
        }
        if kind == Kind::Users {
            self.look_for_unsaid(source);
        }
        self.put_single(key, id);
    }

    /// Takes in what a single read tells of a user, and says whether that changed anything.
    fn complete_user(&mut self, source: SourceName, element: Element) -> bool {
        let key = (source, Kind::Users);
        let Some(found) = self.sources.tenants.get(&source) else { return false };
        let coverage = self.state.coverage.entry(key).or_default();
        let selected = coverage.told(&found.user_properties);
        let doubted = self.state.recovery.is_some();
        let (round, keep) = (Round::Delta, &found.keep);
        let kind = Kind::Users;
        let how =
            Folding { kind, round, listed: 0, selected: &selected, keep, doubted, counted: true };
        let mirror = self.state.mirrors.entry(source).or_default();
        let believed = coverage.believed(vec![element]);
        believed.into_iter().any(|element| mirror.complete(&how, element))
    }

    fn fail_single(
        &mut self,
        key: (SourceName, Kind),
        id: ObjectId,
        why: &str,
        pause: Option<Duration>,
    ) {
        let elapsed = self.clock.elapsed();
        let Some(run) = self.sources.lanes.get_mut(&key) else { return };
        // A round may have told meanwhile that nobody need be asked about.
        let is_missing = run.singles.missing.contains(&id);
        if !is_missing && !run.singles.wanted.contains(&id) {
            return;
        }
        if let Some(span) = pause {
            run.singles.pause = Some(elapsed + span);
        }
        let failed = run.singles.failed.entry(id);
        let failed =
            failed.or_insert_with(|| Failed { tries: 0, next: elapsed, why: String::new() });
        failed.tries += 1;
        why.clone_into(&mut failed.why);
        let wait = match failed.tries.checked_sub(TRIES_TOLD) {
            None => backoff(failed.tries),
            Some(more) => WAIT_FIRST.saturating_mul(1 << more.min(10)).min(WAIT_MAX),
        };
        failed.next = elapsed + wait;
        if failed.tries == TRIES_TOLD {
            tracing::warn!(tenant = %key.0, kind = ?key.1, id = %id, "a single read fails, and what it is to tell stays unknown: {why}");
        }
    }
}
