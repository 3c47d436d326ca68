//! Adopted: what the first write to a group of others has left of it. Some servers empty a group whose `externalId`
//! is replaced. So the first one is read before and after, before a second one is written to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::model::{Entity, GroupKey, ScimId};
use crate::cycle::Engine;
use crate::cycle::queue::Gate;
use crate::cycle::records::{Distrusted, Key};
use crate::cycle::target::TargetLoop;
use crate::scim::Reader;

/// What it is called where the target does something else with it.
pub(in crate::cycle) const ADOPTION: &str = "adoption of groups";
/// Another adoption waits so long for the first one at a time.
const WAIT: Duration = Duration::from_secs(1);
/// So many of those who are lost are named in the log.
const NAMED_MAX: usize = 50;

/// Who was in the groups that are being adopted, before the first write to them.
pub(in crate::cycle) type AdoptedWith = BTreeMap<GroupKey, BTreeSet<ScimId>>;

impl Engine {
    /// Whether another group of others may be written to.
    pub(in crate::cycle) fn adoption_gate(&self) -> Gate {
        if self.state.target.distrusted_form.is_some() {
            Gate::Shut
        } else if self.target.members.proving.contains(ADOPTION) {
            Gate::Later
        } else {
            Gate::Open
        }
    }

    /// What the group is to be read with before it is written to, while nobody knows what that does to its members.
    pub(in crate::cycle) fn watch_adoption(&mut self) -> Option<Reader> {
        if self.cannot_read_members() || self.state.target.proven_forms.contains(ADOPTION) {
            return None;
        }
        self.target.members.proving.insert(ADOPTION.to_owned());
        Some(self.target.reader.clone())
    }

    /// Compares a group that was adopted with what it was before.
    pub(super) fn judge_adoption(&mut self, key: &GroupKey, after: &BTreeSet<ScimId>) {
        let Some(before) = self.target.refusals.attention.adopted_with.remove(key) else { return };
        self.target.members.proving.remove(ADOPTION);
        let lost: Vec<&ScimId> = before.difference(after).collect();
        if lost.is_empty() {
            self.state.target.proven_forms.insert(ADOPTION.to_owned());
            self.state.mark(Key::Target);
            return;
        }
        // Somebody who is taken out by hand at the same moment is one of many.
        if lost.len() * 2 <= before.len() {
            return;
        }
        let foreign = lost.iter().filter(|id| !self.target.links.accounts.contains_key(id)).count();
        let names: Vec<&str> = lost.iter().take(NAMED_MAX).map(|id| id.as_str()).collect();
        let (names, logged) =
            (names.join(" "), Entity::Group(key.clone()).logged(self.state.digests()));
        let words = format!(
            "the platform took {} of {} members out of the group {logged} when Manntall wrote its externalId \
             there and nothing else; {foreign} of them are not accounts of ours, and nobody puts those back. No \
             further group is adopted. Put them back there by hand: their ids are in the log. Set update_method \
             = \"put_merge\" under [targets.*.dialect], or ask the vendor; then adopt the others with: manntall \
             retry",
            lost.len(),
            before.len(),
        );
        tracing::error!(target: "manntall::trouble", group = %logged, lost = %names, "{words}");
        let since = self.clock.now();
        let form = ADOPTION.to_owned();
        self.state.target.distrusted_form = Some(Distrusted { form, words, since });
        self.state.mark(Key::Target);
        self.recount();
    }
}

impl TargetLoop {
    pub(in crate::cycle) fn adopt_later(&mut self, entity: &Entity) {
        self.queue.delay(entity, self.clock.elapsed() + WAIT);
        self.queue.release(entity);
    }

    /// The first write to a group was answered, in whichever way. Who was in it before the first try is kept.
    pub(in crate::cycle::outcome) fn note_adopting(
        &mut self,
        key: &GroupKey,
        before: Option<BTreeSet<ScimId>>,
        is_made: bool,
    ) {
        let before = before.map(|before| self.as_accounts(before)).unwrap_or_default();
        let known = &mut self.refusals.attention.adopted_with;
        if !before.is_empty() {
            known.entry(key.clone()).or_insert(before);
        }
        if !is_made || !known.contains_key(key) {
            self.members.proving.remove(ADOPTION);
        }
    }

    /// What is left of the group cannot be read for now: the next one may be tried.
    pub(in crate::cycle) fn adoption_unread(&mut self, key: &GroupKey) {
        if self.refusals.attention.adopted_with.contains_key(key) {
            self.members.proving.remove(ADOPTION);
        }
    }
}
