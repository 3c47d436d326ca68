//! What people have said outlives the records that it was said to: a state that gives way to a backup, or to
//! an empty one, hands its words over. Where they cannot be read, or may not be all, what was permitted is
//! permitted no longer, what was forbidden stays so, and nothing is written until somebody says `resume`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::State;
use crate::core::judge::{Approval, Guarded, HeldBefore, Rejection, Trial, Window};
use crate::core::model::{ByHand, DigestKey, PersonId, Timestamp};
use crate::core::rules::Rules;
use crate::cycle::records::{Key, Pause};

/// What people have said, and what waits for their word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    paused: Option<Pause>,
    by_hand: BTreeMap<PersonId, ByHand>,
    rejections: Vec<Rejection>,
    approvals: Vec<Approval>,
    trials: Vec<Trial>,
    windows: Vec<Window>,
    held: Vec<HeldBefore>,
    /// The rules that they were said under.
    rules: Option<Rules>,
    /// What the ids of holds are made with.
    digests: DigestKey,
    since: Option<Timestamp>,
}

impl Words {
    /// Whether everything is among them that was said since then.
    pub fn reach_back_to(&self, then: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= then)
    }
}

impl State {
    /// What people have said to this state.
    pub fn words(&self) -> Words {
        Words {
            paused: self.paused.clone(),
            by_hand: self.ledger.by_hand.clone(),
            rejections: self.rejections.clone(),
            approvals: self.approvals.clone(),
            trials: self.trials.clone(),
            windows: self.windows.clone(),
            held: self.held.clone(),
            rules: self.rules.clone(),
            digests: self.digests.clone(),
            since: self.words_since,
        }
    }

    /// Takes words that are all there are in place of those that are here: what was lifted, resumed or used
    /// up since stays so.
    pub fn recall(&mut self, words: Words) {
        let Words { paused, by_hand, rejections, approvals, trials, windows, held, .. } = words;
        self.put_pause(paused);
        self.put_orders(by_hand);
        self.put_rejections(rejections);
        self.put_approvals(approvals);
        self.trials = trials;
        self.mark(Key::Trials);
        self.put_windows(windows);
        self.remember_held(held);
        self.begin_with(words.rules, words.digests);
        self.words_since = words.since;
        self.mark(Key::WordsSince);
    }

    /// Takes words of which some may be missing beside those that are here: whatever forbids something
    /// counts. Nothing is written before somebody ends the pause `until_looked_at`.
    pub fn recall_some(&mut self, words: Option<Words>, until_looked_at: Pause) {
        let mut paused = None;
        if let Some(words) = words {
            let Words { by_hand, rejections, held, rules, digests, .. } = words;
            paused = words.paused;
            let mut orders = self.ledger.by_hand.clone();
            orders.extend(by_hand);
            self.put_orders(orders);
            let mut all = self.rejections.clone();
            all.extend(rejections.into_iter().filter(|one| !self.rejections.contains(one)));
            self.put_rejections(all);
            self.remember_held(together(self.held.clone(), held));
            self.begin_with(rules, digests);
        }
        match paused {
            _ if self.paused.as_ref().is_some_and(|one| *one != until_looked_at) => {}
            Some(paused) => self.put_pause(Some(paused)),
            None => self.pause(until_looked_at),
        }
    }

    /// Nobody knows whether what was permitted has been made use of since: it is asked about again.
    pub(super) fn end_permissions(&mut self, now: Timestamp) {
        self.put_approvals(Vec::new());
        let mut windows = self.windows.clone();
        for window in windows.iter_mut().filter(|window| window.is_open(now)) {
            window.revoked = Some((now, Arc::from("manntall")));
        }
        if windows != self.windows {
            self.put_windows(windows);
        }
    }

    /// A state that is empty begins with what the one before it knew. One that is not has its own.
    fn begin_with(&mut self, rules: Option<Rules>, digests: DigestKey) {
        if self.rules.is_none() {
            self.rules = rules;
            self.mark(Key::Rules);
        }
        if self.is_empty() {
            self.digests = digests;
            self.mark(Key::DigestKey);
        }
    }

    fn put_pause(&mut self, paused: Option<Pause>) {
        self.paused = paused;
        self.mark(Key::Paused);
    }

    fn put_orders(&mut self, by_hand: BTreeMap<PersonId, ByHand>) {
        let before = std::mem::replace(&mut self.ledger.by_hand, by_hand);
        let people: BTreeSet<_> =
            before.keys().chain(self.ledger.by_hand.keys()).copied().collect();
        for person in people {
            self.mark(Key::ByHand(person));
        }
    }

    fn put_rejections(&mut self, rejections: Vec<Rejection>) {
        let most = self.rejections.len().max(rejections.len());
        self.rejections = rejections;
        self.mark_all(most, Key::Rejection);
    }

    fn put_approvals(&mut self, approvals: Vec<Approval>) {
        self.forget_used();
        let most = self.approvals.len().max(approvals.len());
        self.approvals = approvals;
        self.mark_all(most, Key::Approval);
    }

    fn put_windows(&mut self, windows: Vec<Window>) {
        let most = self.windows.len().max(windows.len());
        self.windows = windows;
        self.mark_all(most, Key::Window);
    }

    fn mark_all(&mut self, most: usize, key: impl Fn(u32) -> Key) {
        for at in 0..most {
            self.mark(key(u32::try_from(at).unwrap_or(u32::MAX)));
        }
    }
}

/// What either of them held, each thing once: the later one knows since when.
fn together(mut earlier: Vec<HeldBefore>, later: Vec<HeldBefore>) -> Vec<HeldBefore> {
    let known: BTreeSet<&Guarded> = later.iter().flat_map(|held| held.claims.keys()).collect();
    for held in &mut earlier {
        held.claims.retain(|guarded, _| !known.contains(guarded));
    }
    earlier.retain(|held| !held.claims.is_empty());
    earlier.into_iter().chain(later).collect()
}
