//! Groups of `scope.groups` that Entra shows without a member, while nothing was said of anybody who left. Nobody is out
//! of scope because of that unless somebody says that the group really is empty: until then it is a finding.

use std::collections::BTreeSet;

use crate::core::judge::{Finding, Guard, Meter, Of};
use crate::core::model::{GroupKey, Link, PersonId, Timestamp};
use crate::core::words::plural;
use crate::cycle::Engine;

impl Engine {
    /// Asks about each such group for as long as somebody with an active account stays because of it.
    pub(in crate::cycle) fn find_emptied(&mut self) {
        let mut wanted = BTreeSet::new();
        for group in self.scope_emptied() {
            let GroupKey::Directory { source, object } = group else { continue };
            let is_active = |person: &PersonId| {
                let entry = self.state.ledger.accounts.get(person);
                entry.is_some_and(|entry| matches!(entry.link, Link::Linked(_)))
            };
            let count =
                self.target.planning.planner.scope_untold(source).filter(is_active).count() as u64;
            if count == 0 {
                continue;
            }
            let of = Of::Group(group);
            let meter = Meter { guard: Guard::ScopeEmptied, source: Some(source), of };
            let words = format!(
                "Entra shows no member of group {object} of scope.groups any more, or of a group within it, and did \
                 not say that anybody left: as a rule the members are hidden, and the application lacks Member.Read.Hidden. {count} {} because of \
                 it. Approve this only if the group really is empty: then they are out of scope",
                plural(count, "person stays active", "people stay active"),
            );
            let since = self.found_since(&meter);
            let digest = Finding::digest_of(&meter, &since);
            wanted.insert(meter.clone());
            self.find(Finding { meter, count, limit: 0, since, words, digest });
        }
        let known = self.guards.findings.keys();
        let stale =
            known.filter(|meter| meter.guard == Guard::ScopeEmptied && !wanted.contains(*meter));
        for meter in stale.cloned().collect::<Vec<_>>() {
            self.forget_finding(&meter);
        }
    }

    fn scope_emptied(&self) -> BTreeSet<GroupKey> {
        let Some(scope) = &self.target.policy.people_of else { return BTreeSet::new() };
        let mut emptied = self.target.planning.planner.emptied();
        emptied.retain(
            |key| matches!(key, GroupKey::Directory { object, .. } if scope.contains(object)),
        );
        emptied
    }

    /// Since when this is known, also by what was noted before a restart.
    fn found_since(&self, meter: &Meter) -> Timestamp {
        if let Some(known) = self.guards.findings.get(meter) {
            return known.since;
        }
        let noted = self.state.holds().unwrap_or_default();
        let noted = noted.iter().find(|hold| hold.meter == *meter).map(|hold| hold.since);
        noted.unwrap_or(self.clock.now())
    }

    /// The group is empty, somebody says, and so are those within it.
    pub(super) fn accept_empty(&mut self, group: &GroupKey) {
        let &GroupKey::Directory { source, object } = group else { return };
        let groups = self.target.planning.planner.group_and_nested(source, object);
        let Some(mirror) = self.state.mirrors.get_mut(&source) else { return };
        let accepted: Vec<_> = groups.into_iter().filter(|&id| mirror.accept_empty(id)).collect();
        for id in accepted {
            self.state.mark_group(source, id);
            if let Some(touched) = &mut self.target.planning.touched {
                touched.groups.insert((source, id));
            }
        }
        self.target.planning.judge_due = true;
    }
}
