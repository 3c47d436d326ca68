//! Stuck: changes that the target refuses or keeps failing wait apart from the rest, each time longer,
//! so that they hold up nothing else.

use std::time::Duration;

use crate::audit::DecisionKind;
use crate::core::judge::Cleared;
use crate::core::model::{Entity, Escrow, PersonId};
use crate::core::plan::ChangeDigest;
use crate::core::survey::Found;
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::cycle::target::TargetLoop;
use crate::scim::{ScimError, Words};

/// A change that keeps failing without a verdict goes to escrow after so many tries.
pub(in crate::cycle) const TRIES_MAX: u32 = 6;
/// The first wait in escrow; each further refusal doubles it.
pub(in crate::cycle) const ESCROW_FIRST: Duration = Duration::from_secs(60);
/// The longest wait in escrow.
pub(in crate::cycle) const ESCROW_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// What is recorded of a create whose answer was lost.
const FOUND: &str = "a create without an answer was found to have been made";

/// Why somebody is not out, or not in, although the platform has said so.
const SHOWS_OTHERWISE: &str = "the platform confirmed the change of active, and shows the old value; set it there by \
    hand, or ask the platform why. It is sent again, ever more seldom";

/// A create that was answered without success and, as look-ups show, not made goes to escrow after so
/// many times.
const CREATES_MAX: u32 = 2;

/// A create that was answered without success.
#[derive(Debug)]
pub(in crate::cycle) struct VainCreate {
    change: ChangeDigest,
    cleared: Cleared,
    /// How often look-ups have shown that it was not made.
    times: u32,
    words: Words,
}

/// Why a change goes to escrow as soon as it is planned again.
#[derive(Debug)]
pub(in crate::cycle) struct PendingEscrow {
    pub(super) words: Words,
    /// Only this change; another one of the entity is tried.
    pub(super) only: Option<ChangeDigest>,
}

impl Engine {
    pub(super) fn try_later(
        &mut self,
        entity: &Entity,
        cleared: Option<&Cleared>,
        words: impl Into<Words>,
    ) {
        let tries = self.target.refusals.tries.entry(entity.clone()).or_default();
        *tries += 1;
        if *tries >= TRIES_MAX {
            self.target.refusals.tries.remove(entity);
            return self.escrow(entity, cleared, words);
        }
        let wait = Duration::from_secs(1 << *tries);
        self.target.queue.delay(entity, self.clock.elapsed() + wait);
    }

    /// The target has confirmed a change of `active`, and shows the value from before in the same answer. A copy that
    /// is behind does so, too: whether the account is active is not known, and what is wanted by then is sent.
    pub(super) fn on_shown_otherwise(&mut self, person: PersonId, cleared: Option<&Cleared>) {
        let entity = Entity::Account(person);
        let words = SHOWS_OTHERWISE;
        let doubt = self.end_write(&entity);
        if let Some(entry) = self.state.ledger.accounts.get_mut(&person) {
            if let Some(doubt) = doubt {
                entry.forget(&doubt.paths);
            }
            entry.forget_active();
        }
        self.state.mark(Key::Account(person));
        let is_tried = self.end_trial(&entity, words);
        if let Some(cleared) = cleared {
            self.record(cleared, Some(words));
        }
        if !is_tried {
            let pending = PendingEscrow { words: words.into(), only: None };
            self.target.refusals.pending.insert(entity.clone(), pending);
        }
        self.target.touch(entity.clone());
        self.target.drop_stale(&entity);
    }

    /// The target refuses a create as a duplicate of something that it does not show.
    pub(in crate::cycle) fn hide(&mut self, entity: &Entity, words: &Words) {
        match entity {
            Entity::Account(person) => {
                drop(self.target.survey.answers.accounts.insert(*person, Found::Absent));
            }
            Entity::Group(key) => {
                drop(self.target.survey.answers.groups.insert(key.clone(), Found::Absent));
            }
            Entity::Member(..) => {}
        }
        let ours = match entity {
            Entity::Account(person) => self
                .wanted_login_name(*person)
                .and_then(|name| self.login_name_of_ours(*person, &name)),
            Entity::Group(key) => self.group_name_of_ours(key),
            Entity::Member(..) => None,
        };
        let reason = match ours {
            Some(ours) => format!("the platform refuses it as a duplicate: {ours}"),
            None => {
                "the platform says that it exists already, but does not show it to us. Look for it \
                     there, then retry"
                    .to_owned()
            }
        };
        let pending = PendingEscrow { words: words.in_words(reason), only: None };
        self.target.refusals.pending.insert(entity.clone(), pending);
        self.target.touch(entity.clone());
    }

    /// A create was refused as a duplicate of something. Where it was sent before without a good answer, that is
    /// most likely what came of it: it stays open until it shows.
    pub(super) fn on_duplicate(&mut self, entity: &Entity, words: &Words) {
        if self.target.is_repeated(entity) {
            self.target.look_up_open(entity.clone(), Duration::ZERO);
        } else {
            self.forget_intent(entity);
        }
        self.target.ask_again(entity, words);
        self.target.queue.finish(entity);
    }

    /// Creates that were refused as duplicates go to escrow as soon as they are planned again.
    pub(in crate::cycle) fn put_hidden_in_escrow(&mut self) {
        for (entity, pending) in std::mem::take(&mut self.target.refusals.pending) {
            let PendingEscrow { words, only } = pending;
            if let Some(change) = self.target.planning.planner.changes().get(&entity) {
                let digest = change.digest();
                if only.is_none_or(|only| only == digest) {
                    self.put_in_escrow(&entity, digest, &words);
                }
            }
        }
    }

    /// A create without a good answer was made, as a look-up shows: it counts as any other.
    pub(super) fn settle_create(&mut self, entity: &Entity) {
        if let Some(vain) = self.target.refusals.attention.vain_creates.remove(entity) {
            self.record(&vain.cleared, None);
            self.state.release_escrow(entity);
        }
        self.state.decide_on(DecisionKind::Settle, Some(entity.clone()), FOUND);
    }

    /// The create was looked up, and was not made. Once is bad luck; one that comes to the same again
    /// is no better for being sent for ever.
    pub(super) fn count_vain_create(&mut self, entity: &Entity) {
        if let Some(vain) = self.target.refusals.attention.vain_creates.get_mut(entity) {
            vain.times += 1;
        }
        let escrow = self.state.ledger.escrow.get(entity);
        let vain = self.target.refusals.attention.vain_creates.get(entity).filter(|vain| {
            vain.times >= CREATES_MAX || escrow.is_some_and(|known| known.change == vain.change)
        });
        let pending = match (vain, escrow) {
            (Some(vain), _) => PendingEscrow {
                words: vain.words.in_words(format!(
                    "{}. It was looked up afterwards and had not been made",
                    vain.words.to_string().trim_end_matches('.')
                )),
                only: Some(vain.change),
            },
            // Sent before this process began.
            (None, Some(known))
                if !self.target.refusals.attention.vain_creates.contains_key(entity) =>
            {
                let words = Words::new(known.reason.clone(), known.told.clone());
                PendingEscrow { words, only: Some(known.change) }
            }
            (None, _) => return,
        };
        self.target.refusals.pending.insert(entity.clone(), pending);
    }

    /// The change waits apart from the rest.
    pub(in crate::cycle) fn escrow(
        &mut self,
        entity: &Entity,
        cleared: Option<&Cleared>,
        words: impl Into<Words>,
    ) {
        let Some(cleared) = cleared else { return self.target.queue.finish(entity) };
        let words = words.into();
        self.record(cleared, Some(&words.to_string()));
        let digest = cleared.change().digest();
        self.put_in_escrow(entity, digest, &words);
        self.target.queue.finish(entity);
    }

    /// What waits in escrow is not tried within so long.
    pub(in crate::cycle) fn put_off(&mut self, entity: &Entity, wait: Duration) {
        self.not_before(entity, wait.min(ESCROW_MAX));
    }

    /// The same, however long.
    pub(super) fn not_before(&mut self, entity: &Entity, wait: Duration) {
        let next = self.clock.now().plus(wait);
        let Some(escrow) = self.state.ledger.escrow.get_mut(entity) else { return };
        escrow.next = escrow.next.max(next);
        self.state.mark(Key::Escrow(entity.clone()));
        self.target.planning.judge_due = true;
    }

    fn put_in_escrow(&mut self, entity: &Entity, change: ChangeDigest, words: &Words) {
        let now = self.clock.now();
        self.guards.slowed.remove(entity);
        let known = self.state.ledger.escrow.get(entity).filter(|known| known.change == change);
        let (since, attempts) = known.map_or((now, 0), |known| (known.since, known.attempts));
        let wait = ESCROW_FIRST.saturating_mul(1 << attempts.min(10)).min(ESCROW_MAX);
        let escrow = Escrow {
            reason: words.to_string(),
            told: words.told().map(str::to_owned),
            change,
            since,
            last: now,
            attempts: attempts + 1,
            next: now.plus(wait),
        };
        tracing::warn!(target: "manntall::stuck", entity = %entity.logged(self.state.digests()), "stuck: {words}. Everything else goes on; see: manntall stuck");
        self.state.ledger.escrow.insert(entity.clone(), escrow);
        self.state.mark(Key::Escrow(entity.clone()));
        self.target.planning.judge_due = true;
    }
}

impl TargetLoop {
    /// Whether so many writes have gone without a clear answer that the change goes to escrow.
    pub(super) fn is_vain(&mut self, entity: &Entity) -> bool {
        let vain = self.refusals.tries.get(entity).is_some_and(|tries| tries + 1 >= TRIES_MAX);
        if vain {
            self.refusals.tries.remove(entity);
        }
        vain
    }

    /// A create got no good answer, and may have been made all the same: it is looked up.
    pub(super) fn note_vain_create(
        &mut self,
        entity: &Entity,
        cleared: Option<&Cleared>,
        error: &ScimError,
    ) {
        let Some(cleared) = cleared else { return };
        let change = cleared.change().digest();
        let known =
            self.refusals.attention.vain_creates.get(entity).filter(|known| known.change == change);
        let times = known.map_or(0, |known| known.times);
        let vain = VainCreate { change, cleared: cleared.clone(), times, words: error.into() };
        self.refusals.attention.vain_creates.insert(entity.clone(), vain);
    }
}
