//! Groups of the mirror: who is in them, and whether all of it is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::single::SINGLES_MAX;
use super::untold::mark_missing;
use super::{
    DISPLAY_NAME, Folding, MEMBERS, Mirror, Round, Said, Words, assume_absent, covered, merge,
};
use crate::core::model::{Kind, ObjectId, Presence, SourceGroup};

impl Mirror {
    pub(super) fn fold_groups(&mut self, how: &Folding<'_>, mut said: Said) -> BTreeSet<ObjectId> {
        let covered = if said
            .is_sparse(how.selected, |id| self.groups.get(&id).map(|group| &*group.properties))
        {
            covered(&said, how.round, self.groups.values().map(|group| &group.properties))
        } else {
            BTreeSet::new()
        };
        let mut changed = BTreeSet::new();
        // A group that is new in a delta round is described whole. After a complete read that showed no
        // group at all it may as well be an old one, of which only the change is told.
        let has_whole = self.groups.values().any(|group| group.whole)
            || said.objects.values().any(|words| words.is_listed);
        for (&id, words) in &mut said.objects {
            let before = self.groups.get(&id);
            let is_new = before.is_none()
                && has_whole
                && how.round != Round::Refused
                && words.is_description();
            let is_told_whole = words.is_listed || is_new;
            let presence = match words.presence(before.map(|group| group.presence)) {
                // Whether it was made again or only changed before it went is not told apart.
                Some(Presence::Present) if words.buried.is_some() => Presence::MissingOnce(0),
                Some(presence) => presence,
                None => continue,
            };
            let mut properties =
                before.map(|group| (*group.properties).clone()).unwrap_or_default();
            how.forget_stale(&mut properties, words);
            merge(&mut properties, std::mem::take(&mut words.properties));
            if presence == Presence::Present && is_told_whole && !how.doubted {
                assume_absent(&mut properties, words, how.selected, &covered);
            }
            // A restored group is described whole, like a new one; what left it while it was deleted is
            // never told.
            let known = before.filter(|group| {
                presence != Presence::Present || !matches!(group.presence, Presence::Removed(_))
            });
            let mut members = known.map(|group| group.members.clone()).unwrap_or_default();
            let is_lost = said.has_unknown || words.unclear || words.unread.contains(MEMBERS);
            let list = Some(how.round).filter(|_| !is_lost && how.counted && words.is_listed);
            words.fold_members(&mut members, list);
            // Of what is in doubt, one read alone tells nobody out of a group.
            let is_told_whole = is_told_whole && !is_lost && !how.doubted;
            let was_whole = before.is_some_and(|group| group.whole);
            let whole = (was_whole && !is_lost) || is_told_whole;
            let is_shown = words.is_listed && how.counted && !how.doubted;
            let left = known.and_then(|group| group.left.clone());
            let left = left.filter(|_| is_shown || !is_lost);
            let left = left.or(is_shown.then(BTreeSet::new)).filter(|_| !whole);
            let left = left.map(|left| words.told_to_have_left(left));
            let properties = Arc::new(properties);
            let emptied = known.is_some_and(|group| self.is_left_empty(group, words, list));
            let after = SourceGroup { presence, properties, members, whole, left, emptied };
            if before != Some(&after) {
                changed.insert(id);
                self.groups.insert(id, after);
            }
        }
        if said.has_unknown || how.round != Round::Delta {
            changed.extend(self.lose_members(how.round, &said));
        }
        if let Some(number) = said.proves_absence(how) {
            let is_asked = self.missing(Kind::Groups).len() <= SINGLES_MAX;
            for (&id, group) in &mut self.groups {
                let is_asked = is_asked && !group.properties.is_empty();
                let presence = &mut group.presence;
                if !said.objects.contains_key(&id) && mark_missing(presence, number, is_asked) {
                    changed.insert(id);
                }
            }
            changed.extend(self.miss_untold_groups(number));
        }
        changed
    }

    /// No group that a round does not name is known to be told whole, where the round may have been about it: what could
    /// not be read at all may be about any, and a complete read tells nothing of what was changed in those that it
    /// leaves out. Who came, or which group was put into it, is not told again: until a complete read shows the group,
    /// nobody is out of it. A refused read is known to lack something, also of the groups that it shows, and what
    /// changed before it is told by nothing else.
    fn lose_members(&mut self, round: Round, said: &Said) -> Vec<ObjectId> {
        let mut lost = Vec::new();
        for (&id, group) in &mut self.groups {
            let is_known = group.whole || group.left.is_some();
            let is_gone = matches!(group.presence, Presence::Removed(_));
            let is_shown = said.objects.contains_key(&id) && round != Round::Refused;
            if is_known && !is_gone && !is_shown {
                (group.whole, group.left) = (false, None);
                lost.push(id);
            }
        }
        lost
    }
}

impl Words {
    /// Whether a delta round may describe a new group: a change of members leaves out the name, and nobody has left a
    /// new one. A change of the name looks the same.
    fn is_description(&self) -> bool {
        self.properties.contains_key(DISPLAY_NAME) && self.members.values().all(Option::is_some)
    }
}
